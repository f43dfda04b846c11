// SPDX-License-Identifier: Apache-2.0
#include "config_check.h"

#include <errno.h>
#include <stdlib.h>

#include "config_value.h"

void sl_check_refuse_duplicate(const struct sl_word *later, const struct sl_word *first, void *ctx)
{
	const struct sl_duplicate_ctx *d = ctx;

	if (d->is_text)
		sl_diag_error(d->diag, later->span, "duplicate %s \"%.64s\"; first on line %u",
		              d->what, (const char *)later->bytes, first->span->line + 1);
	else
		sl_diag_error(d->diag, later->span, "duplicate %s; first on line %u", d->what,
		              first->span->line + 1);
}

static void inherit(uint64_t *own, const struct sl_node *node, const char *key, uint64_t from)
{
	if (sl_node_find(node, key) == NULL)
		*own = from;
}

static void inherit_timing(struct raw_probe *probe, const struct raw_timing *from)
{
	inherit(&probe->timing.interval_ms, probe->node, "interval", from->interval_ms);
	inherit(&probe->timing.timeout_ms, probe->node, "timeout", from->timeout_ms);
	inherit(&probe->timing.rise, probe->node, "rise", from->rise);
	inherit(&probe->timing.fall, probe->node, "fall", from->fall);
	inherit(&probe->timing.jitter_percent, probe->node, "jitter", from->jitter_percent);
}

static void inherit_pool(struct raw_pool *pool, const struct raw_defaults *defaults)
{
	struct raw_probe *probes = pool->probes.items;

	for (uint32_t i = 0; i < pool->probes.n; i++)
		inherit_timing(&probes[i], &defaults->probe.timing);
	inherit(&pool->slow_start_ms, pool->node, "slow-start", defaults->slow_start_ms);
	inherit(&pool->timeouts.tcp_ms, pool->timeouts.node, "tcp", defaults->timeouts.tcp_ms);
	inherit(&pool->timeouts.udp_ms, pool->timeouts.node, "udp", defaults->timeouts.udp_ms);
}

// A probe that may outlast its interval would be skipped, and seem to run half as often.
static void check_timing(const struct sl_node *node, const struct raw_timing *timing,
                         struct sl_diag_list *diag)
{
	const struct sl_node *interval = sl_node_find(node, "interval");
	const struct sl_node *timeout = sl_node_find(node, "timeout");
	char timeout_text[32], interval_text[32];

	// Neither is set here: the defaults are at fault and were reported there.
	if ((interval == NULL && timeout == NULL) || (interval != NULL && interval->is_bad) ||
	    (timeout != NULL && timeout->is_bad) || timing->timeout_ms <= timing->interval_ms)
		return;
	sl_value_print(SL_VALUE_DURATION, timing->timeout_ms, timeout_text, sizeof(timeout_text));
	sl_value_print(SL_VALUE_DURATION, timing->interval_ms, interval_text,
	               sizeof(interval_text));
	sl_diag_error(diag, &(timeout != NULL ? timeout : interval)->span,
	              "timeout %s is longer than interval %s%s", timeout_text, interval_text,
	              timeout == NULL ? "; set a timeout too" : "");
}

// Without a probe the latency is that of the flows, so all of them have to be measured.
static void check_passive(const struct raw_pool *pool, const struct sl_node *mode,
                          struct sl_diag_list *diag)
{
	const struct raw_vip *vip = pool->unmeasured_vip;

	// Under balance: adaptive the VIP itself is at fault, and reported.
	if (vip != NULL && pool->balance != SL_BALANCE_ADAPTIVE)
		sl_diag_error(diag, &mode->span,
		              "mode %s goes by the flows of its VIPs, but VIP \"%.64s\" %s; name a "
		              "probe: of this pool instead",
		              mode->text, vip->name != NULL ? vip->name : "?",
		              vip->protocol != 0 ? "is udp" : "has measure: off");
}

static void check_objective(const struct raw_pool *pool, struct sl_diag_list *diag)
{
	const struct sl_node *objective = sl_node_good(pool->adaptive.node, "ttft-objective");

	if (objective != NULL)
		sl_diag_error(diag, &objective->span,
		              "ttft-objective is about the first tokens of flows, but probe names "
		              "another latency");
}

static void check_adaptive(struct raw_pool *pool, struct sl_diag_list *diag)
{
	const struct sl_node *name = sl_node_good(pool->adaptive.node, "probe");
	const struct sl_node *mode = sl_node_good(pool->adaptive.node, "mode");
	const struct raw_probe *probes = pool->probes.items;
	struct sl_nearest nearest;
	char hint[96];

	pool->latency_probe = UINT32_MAX;
	if (pool->adaptive.node == NULL && pool->balance == SL_BALANCE_ADAPTIVE)
		pool->adaptive.mode = SL_ADAPTIVE_ENFORCE;
	if (name == NULL) {
		if (mode != NULL && pool->adaptive.mode != SL_ADAPTIVE_OFF &&
		    sl_node_find(pool->adaptive.node, "probe") == NULL)
			check_passive(pool, mode, diag);
		return;
	}
	check_objective(pool, diag);
	sl_nearest_init(&nearest, name->text);
	for (uint32_t i = 0; i < pool->probes.n; i++) {
		const char *other = probes[i].node->key->text;

		if (strcmp(other, name->text) == 0)
			pool->latency_probe = i;
		sl_nearest_offer(&nearest, other);
	}
	if (pool->latency_probe == UINT32_MAX)
		sl_diag_error(diag, &name->span, "probe: this pool has no probe \"%s\"%s",
		              name->text, sl_nearest_text(&nearest, hint, sizeof(hint)));
}

struct endpoint_bytes {
	struct sl_ip address;
	uint16_t port;
};

static int check_backend_duplicates(const struct raw_pool *pool, struct sl_diag_list *diag)
{
	const struct raw_backend *backends = pool->backends.items;
	uint32_t n = pool->backends.n, n_names = 0, n_endpoints = 0;
	struct sl_duplicate_ctx names = {diag, "backend name", true};
	struct sl_duplicate_ctx endpoints = {diag, "backend address and port", false};
	struct sl_word *words = calloc(2 * (size_t)n + 1, sizeof(*words));
	struct endpoint_bytes *bytes = calloc((size_t)n + 1, sizeof(*bytes));
	int err = words != NULL && bytes != NULL ? 0 : -ENOMEM;

	for (uint32_t i = 0; err == 0 && i < n; i++) {
		const struct sl_node *name = sl_node_good(backends[i].node, "name");
		const struct sl_node *address = sl_node_good(backends[i].node, "address");

		if (name != NULL)
			words[n_names++] =
				(struct sl_word){name->text, name->text_bytes, &name->span};
		if (address == NULL)
			continue;
		bytes[i].address = backends[i].endpoint.address;
		bytes[i].port = backends[i].endpoint.port;
		words[n + n_endpoints++] = (struct sl_word){
			&bytes[i], sizeof(struct sl_ip) + sizeof(uint16_t), &address->span};
	}
	if (err == 0) {
		sl_words_find_duplicates(words, n_names, sl_check_refuse_duplicate, &names);
		sl_words_find_duplicates(words + n, n_endpoints, sl_check_refuse_duplicate,
		                         &endpoints);
	}
	free(words);
	free(bytes);
	return err;
}

// Direct return leaves packets as they are: the server hears on the port the client asked for.
static void check_dsr_port(const struct raw_pool *pool, const struct sl_node *address,
                           uint16_t port, struct sl_diag_list *diag)
{
	const char *mode = sl_node_find(pool->forward.node, "mode")->text;

	if (pool->n_vips == 0 || port == pool->vip_port)
		return;
	if (pool->vip_port != 0)
		sl_diag_error(diag, &address->span,
		              "%s cannot change the port: backend has %u, VIP \"%s\" has %u", mode,
		              port, pool->vip->name != NULL ? pool->vip->name : "?",
		              pool->vip_port);
	else
		sl_diag_error(diag, &address->span,
		              "%s cannot change the port: backend has %u, its VIPs have "
		              "several ports; leave the port out",
		              mode, port);
}

static void check_ports(struct raw_pool *pool, struct sl_diag_list *diag)
{
	const struct raw_backend *backends = pool->backends.items;
	const struct raw_probe *probes = pool->probes.items;
	bool is_dsr = sl_forward_is_dsr((unsigned int)pool->forward.mode), lacks_port = false;

	if (pool->forward.node != NULL && sl_node_good(pool->forward.node, "mode") == NULL)
		return;
	for (uint32_t i = 0; i < pool->backends.n; i++) {
		const struct sl_node *address = sl_node_good(backends[i].node, "address");
		const struct raw_endpoint *endpoint = &backends[i].endpoint;

		if (address == NULL)
			continue;
		if (is_dsr && endpoint->has_port)
			check_dsr_port(pool, address, endpoint->port, diag);
		else if (!is_dsr && !endpoint->has_port)
			sl_diag_error(diag, &address->span,
			              "address: no port; write %s%s%s:8000 with the port to use "
			              "(under dsr-* alone it may be left out)",
			              sl_ip_is_v4(&endpoint->address) ? "" : "\"[", address->text,
			              sl_ip_is_v4(&endpoint->address) ? "" : "]\"");
		lacks_port = lacks_port || !endpoint->has_port;
	}
	for (uint32_t i = 0; is_dsr && lacks_port && pool->vip_port == 0 && i < pool->probes.n; i++)
		if (sl_node_find(probes[i].node, "port") == NULL)
			sl_diag_error(diag, sl_node_place(probes[i].node),
			              "probe \"%.64s\" needs a port: backends of this pool have "
			              "none, and no single one comes from its VIPs",
			              probes[i].node->key->text);
}

static void warn_about_idle(const struct raw_pool *pool, struct sl_diag_list *diag)
{
	const struct raw_backend *backends = pool->backends.items;
	const char *name = pool->node->key->text;
	uint32_t n_serving = 0;

	for (uint32_t i = 0; i < pool->backends.n; i++)
		n_serving += backends[i].weight > 0 && backends[i].state == SL_ADMIN_READY;
	if (n_serving == 0 && sl_node_good(pool->node, "backends") != NULL)
		sl_diag_warning(diag, sl_node_place(pool->node),
		                "no backend of pool \"%.64s\" takes new flows: all have weight 0, "
		                "drain or maint",
		                name);
	// A VIP whose own mistake hides its pool is reported already.
	if (pool->n_vips == 0 && diag->n_errors == 0)
		sl_diag_warning(diag, sl_node_place(pool->node), "no VIP leads to pool \"%.64s\"",
		                name);
}

static void find_families(struct raw_pool *pool)
{
	const struct raw_backend *backends = pool->backends.items;

	for (uint32_t i = pool->backends.n; i > 0; i--) {
		const struct raw_backend *b = &backends[i - 1];

		if (sl_node_good(b->node, "address") == NULL)
			continue;
		if (sl_ip_is_v4(&b->endpoint.address))
			pool->first_v4 = b;
		else
			pool->first_v6 = b;
	}
}

static int check_pool(struct raw_pool *pool, struct sl_diag_list *diag)
{
	const struct raw_probe *probes = pool->probes.items;

	for (uint32_t i = 0; i < pool->probes.n; i++)
		check_timing(probes[i].node, &probes[i].timing, diag);
	check_adaptive(pool, diag);
	check_ports(pool, diag);
	warn_about_idle(pool, diag);
	if (check_backend_duplicates(pool, diag) != 0)
		return -ENOMEM;
	return sl_check_quic(pool, diag);
}

static void check_backend_total(const struct raw_pools_file *file, struct sl_diag_list *diag)
{
	const struct raw_pool *pools = file->pools.items;
	uint64_t n = 0;

	for (uint32_t i = 0; i < file->pools.n; i++) {
		n += pools[i].backends.n;
		if (n > SL_MAX_BACKENDS) {
			sl_diag_error(diag, sl_node_place(pools[i].node),
			              "more than %u backends in all pools, up to this one %ju",
			              SL_MAX_BACKENDS, (uintmax_t)n);
			return;
		}
	}
}

int sl_check_pools(struct raw_pools_file *file, struct sl_diag_list *diag)
{
	struct raw_pool *pools = file->pools.items;
	int err;

	check_timing(file->defaults.probe.node, &file->defaults.probe.timing, diag);
	for (uint32_t i = 0; i < file->pools.n; i++) {
		inherit_pool(&pools[i], &file->defaults);
		find_families(&pools[i]);
	}
	err = sl_check_vips(file, diag);
	for (uint32_t i = 0; err == 0 && i < file->pools.n; i++)
		err = check_pool(&pools[i], diag);
	check_backend_total(file, diag);
	return err;
}
