// SPDX-License-Identifier: Apache-2.0
#include "diff.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "names.h"

// Names of one kind, sorted, so that a configuration of 10,000 backends is compared in one pass.
struct entry {
	const char *owner; // pool of a backend or probe, "" otherwise
	const char *name;
	uint32_t number; // in the model
};

struct side {
	const struct sl_model *model;
	struct entry *entries;
	uint32_t n_entries;
};

struct kind {
	uint32_t (*count)(const struct sl_model *model);
	void (*fill)(const struct sl_model *model, struct entry *entries);
	void (*added)(struct sl_diff *diff, const struct sl_model *model, const struct entry *e);
	void (*removed)(struct sl_diff *diff, const struct sl_model *model, const struct entry *e);
	void (*compare)(struct sl_diff *diff, const struct side *a, const struct entry *before,
	                const struct side *b, const struct entry *after);
};

static void add_line(struct sl_diff *diff, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add_line(struct sl_diff *diff, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	sl_text_add(&diff->lines, "%s\n", line);
	diff->n_lines++;
}

static void number_changed(struct sl_diff *diff, const char *what, const char *field, uint32_t a,
                           uint32_t b)
{
	if (a != b)
		add_line(diff, "~ %s %s %u -> %u", what, field, a, b);
}

static void word_changed(struct sl_diff *diff, const char *what, const char *field, const char *a,
                         const char *b)
{
	if (strcmp(a, b) != 0)
		add_line(diff, "~ %s %s %s -> %s", what, field, a, b);
}

// ---- VIPs ----

static uint32_t count_vips(const struct sl_model *model)
{
	return model->n_vips;
}

static void fill_vips(const struct sl_model *model, struct entry *entries)
{
	for (uint32_t i = 0; i < model->n_vips; i++)
		entries[i] = (struct entry){"", model->vips[i].name, i};
}

static void ports_of(const struct sl_model *model, const struct sl_model_vip *vip, char text[256])
{
	size_t n = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < vip->n_ranges && n < 200; i++) {
		char range[SL_ADDRESS_BYTES];

		sl_name_of_ports(&model->ranges[vip->first_range + i], range);
		n += (size_t)snprintf(text + n, 256 - n, "%s%s", i > 0 ? "," : "", range);
	}
}

static void vip_line(struct sl_diff *diff, char sign, const struct sl_model *model,
                     const struct sl_model_vip *vip)
{
	char address[SL_ADDRESS_BYTES], ports[256];

	ports_of(model, vip, ports);
	add_line(diff, "%c vip %s %s %s %s -> pool %s", sign, vip->name,
	         sl_name_of_ip(&vip->address, address), sl_name_of_proto(vip->proto), ports,
	         model->pools[vip->pool].name);
}

static void vip_added(struct sl_diff *diff, const struct sl_model *model, const struct entry *e)
{
	vip_line(diff, '+', model, &model->vips[e->number]);
}

static void vip_removed(struct sl_diff *diff, const struct sl_model *model, const struct entry *e)
{
	vip_line(diff, '-', model, &model->vips[e->number]);
}

static bool has_prefix(const struct sl_model *model, const struct sl_model_vip *vip,
                       const struct sl_model_prefix *wanted)
{
	for (uint32_t i = vip->first_prefix; i < vip->first_prefix + vip->n_prefixes; i++) {
		const struct sl_model_prefix *p = &model->prefixes[i];

		if (p->bits == wanted->bits && p->is_allow == wanted->is_allow &&
		    sl_ip_equal(&p->address, &wanted->address))
			return true;
	}
	return false;
}

struct vip_of {
	const struct sl_model *model;
	const struct sl_model_vip *vip;
};

// What a has and b lacks, with the sign.
static void prefixes_missing(struct sl_diff *diff, const char *what, char sign,
                             const struct vip_of *a, const struct vip_of *b)
{
	char address[SL_ADDRESS_BYTES];

	for (uint32_t k = 0; k < a->vip->n_prefixes; k++) {
		const uint32_t i = a->vip->first_prefix + k;
		const struct sl_model_prefix *p = &a->model->prefixes[i];

		if (!has_prefix(b->model, b->vip, p))
			add_line(diff, "~ %s %s %c %s/%u", what, p->is_allow ? "allow" : "deny",
			         sign, sl_name_of_ip(&p->address, address), p->bits);
	}
}

static void vip_compare(struct sl_diff *diff, const struct side *a, const struct entry *before,
                        const struct side *b, const struct entry *after)
{
	const struct sl_model_vip *va = &a->model->vips[before->number];
	const struct sl_model_vip *vb = &b->model->vips[after->number];
	const struct vip_of old_vip = {a->model, va}, new_vip = {b->model, vb};
	char what[SL_NAME_BYTES + 8], old[256], new[256];

	snprintf(what, sizeof(what), "vip %s", va->name);
	word_changed(diff, what, "address", sl_name_of_ip(&va->address, old),
	             sl_name_of_ip(&vb->address, new));
	word_changed(diff, what, "protocol", sl_name_of_proto(va->proto),
	             sl_name_of_proto(vb->proto));
	ports_of(a->model, va, old);
	ports_of(b->model, vb, new);
	word_changed(diff, what, "ports", old, new);
	word_changed(diff, what, "pool", a->model->pools[va->pool].name,
	             b->model->pools[vb->pool].name);
	word_changed(diff, what, "affinity", sl_name_of_affinity(va->affinity),
	             sl_name_of_affinity(vb->affinity));
	number_changed(diff, what, "persistence.timeout", va->persist_s, vb->persist_s);
	number_changed(diff, what, "persistence.prefix", va->persist_bits, vb->persist_bits);
	word_changed(diff, what, "syn-cookies", sl_name_of_syn_cookies(va->syn_cookies),
	             sl_name_of_syn_cookies(vb->syn_cookies));
	word_changed(diff, what, "measure", va->is_measured ? "on" : "off",
	             vb->is_measured ? "on" : "off");
	word_changed(diff, what, "class", sl_name_of_class(va->class), sl_name_of_class(vb->class));
	number_changed(diff, what, "limits.flows", va->limit_flows, vb->limit_flows);
	number_changed(diff, what, "limits.new-flows", va->limit_new_flows_per_s,
	               vb->limit_new_flows_per_s);
	number_changed(diff, what, "limits.source-new-flows", va->source_new_flows_per_s,
	               vb->source_new_flows_per_s);
	prefixes_missing(diff, what, '-', &old_vip, &new_vip);
	prefixes_missing(diff, what, '+', &new_vip, &old_vip);
}

// ---- pools ----

static uint32_t count_pools(const struct sl_model *model)
{
	return model->n_pools;
}

static void fill_pools(const struct sl_model *model, struct entry *entries)
{
	for (uint32_t i = 0; i < model->n_pools; i++)
		entries[i] = (struct entry){"", model->pools[i].name, i};
}

static void pool_line(struct sl_diff *diff, char sign, const struct sl_model_pool *pool)
{
	add_line(diff, "%c pool %s %s %s, %u backends", sign, pool->name,
	         sl_name_of_forward(pool->forward), sl_name_of_balance(pool->balance),
	         pool->n_backends);
}

static void pool_added(struct sl_diff *diff, const struct sl_model *model, const struct entry *e)
{
	pool_line(diff, '+', &model->pools[e->number]);
}

static void pool_removed(struct sl_diff *diff, const struct sl_model *model, const struct entry *e)
{
	pool_line(diff, '-', &model->pools[e->number]);
}

static const char *latency_probe_of(const struct sl_model *model, const struct sl_model_pool *pool)
{
	return pool->latency_probe < pool->n_probes
	               ? model->probes[pool->first_probe + pool->latency_probe].name
	               : "none";
}

// Keys are compared and never shown.
static bool has_same_quic(const struct side *a, const struct sl_model_pool *pa,
                          const struct side *b, const struct sl_model_pool *pb)
{
	return pa->n_quics == pb->n_quics &&
	       memcmp(&a->model->quics[pa->first_quic], &b->model->quics[pb->first_quic],
	              pa->n_quics * sizeof(*a->model->quics)) == 0;
}

static void pool_compare(struct sl_diff *diff, const struct side *a, const struct entry *before,
                         const struct side *b, const struct entry *after)
{
	const struct sl_model_pool *pa = &a->model->pools[before->number];
	const struct sl_model_pool *pb = &b->model->pools[after->number];
	char what[SL_NAME_BYTES + 8];

	snprintf(what, sizeof(what), "pool %s", pa->name);
	word_changed(diff, what, "forward", sl_name_of_forward(pa->forward),
	             sl_name_of_forward(pb->forward));
	word_changed(diff, what, "forward.mtu-guard", sl_name_of_mtu_guard(pa->mtu_guard),
	             sl_name_of_mtu_guard(pb->mtu_guard));
	word_changed(diff, what, "forward.client-address",
	             sl_name_of_client_address(pa->client_address),
	             sl_name_of_client_address(pb->client_address));
	word_changed(diff, what, "balance", sl_name_of_balance(pa->balance),
	             sl_name_of_balance(pb->balance));
	word_changed(diff, what, "adaptive", sl_name_of_adaptive(pa->adaptive),
	             sl_name_of_adaptive(pb->adaptive));
	word_changed(diff, what, "adaptive.probe", latency_probe_of(a->model, pa),
	             latency_probe_of(b->model, pb));
	number_changed(diff, what, "adaptive.ttft-objective ms", pa->ttft_objective_ms,
	               pb->ttft_objective_ms);
	number_changed(diff, what, "slow-start ms", pa->slow_start_ms, pb->slow_start_ms);
	number_changed(diff, what, "timeouts.tcp s", pa->tcp_idle_s, pb->tcp_idle_s);
	number_changed(diff, what, "timeouts.udp s", pa->udp_idle_s, pb->udp_idle_s);
	number_changed(diff, what, "limits.flows", pa->limit_flows, pb->limit_flows);
	number_changed(diff, what, "limits.new-flows", pa->limit_new_flows_per_s,
	               pb->limit_new_flows_per_s);
	if (!has_same_quic(a, pa, b, pb))
		add_line(diff, "~ %s quic, %u -> %u configurations", what, pa->n_quics,
		         pb->n_quics);
}

// ---- probes ----

static uint32_t count_probes(const struct sl_model *model)
{
	return model->n_probes;
}

static void fill_probes(const struct sl_model *model, struct entry *entries)
{
	for (uint32_t p = 0; p < model->n_pools; p++) {
		const struct sl_model_pool *pool = &model->pools[p];

		for (uint32_t i = pool->first_probe; i < pool->first_probe + pool->n_probes; i++)
			entries[i] = (struct entry){pool->name, model->probes[i].name, i};
	}
}

static void probe_added(struct sl_diff *diff, const struct sl_model *model, const struct entry *e)
{
	add_line(diff, "+ probe %s/%s %s", e->owner, e->name,
	         sl_name_of_probe_type(model->probes[e->number].type));
}

static void probe_removed(struct sl_diff *diff, const struct sl_model *model, const struct entry *e)
{
	add_line(diff, "- probe %s/%s %s", e->owner, e->name,
	         sl_name_of_probe_type(model->probes[e->number].type));
}

static void probe_compare(struct sl_diff *diff, const struct side *a, const struct entry *before,
                          const struct side *b, const struct entry *after)
{
	const struct sl_model_probe *pa = &a->model->probes[before->number];
	const struct sl_model_probe *pb = &b->model->probes[after->number];
	char what[2 * SL_NAME_BYTES + 16];

	snprintf(what, sizeof(what), "probe %s/%s", before->owner, before->name);
	word_changed(diff, what, "type", sl_name_of_probe_type(pa->type),
	             sl_name_of_probe_type(pb->type));
	number_changed(diff, what, "port", pa->port, pb->port);
	number_changed(diff, what, "interval ms", pa->interval_ms, pb->interval_ms);
	number_changed(diff, what, "timeout ms", pa->timeout_ms, pb->timeout_ms);
	number_changed(diff, what, "rise", pa->rise, pb->rise);
	number_changed(diff, what, "fall", pa->fall, pb->fall);
	number_changed(diff, what, "jitter %", pa->jitter_percent, pb->jitter_percent);
	number_changed(diff, what, "expect", pa->expect_status, pb->expect_status);
	word_changed(diff, what, "path", pa->path, pb->path);
	word_changed(diff, what, "contains", pa->contains, pb->contains);
	word_changed(diff, what, "service", pa->service, pb->service);
	if (strcmp(pa->body, pb->body) != 0)
		add_line(diff, "~ %s body", what);
}

// ---- backends ----

static uint32_t count_backends(const struct sl_model *model)
{
	return model->n_backends;
}

static void fill_backends(const struct sl_model *model, struct entry *entries)
{
	for (uint32_t p = 0; p < model->n_pools; p++) {
		const struct sl_model_pool *pool = &model->pools[p];
		const uint32_t end = pool->first_backend + pool->n_backends;

		for (uint32_t i = pool->first_backend; i < end; i++)
			entries[i] = (struct entry){pool->name, model->backends[i].name, i};
	}
}

static void backend_added(struct sl_diff *diff, const struct sl_model *model, const struct entry *e)
{
	const struct sl_model_backend *backend = &model->backends[e->number];
	char address[SL_ADDRESS_BYTES];

	add_line(diff, "+ backend %s/%s %s weight %u %s", e->owner, e->name,
	         sl_name_of_endpoint(&backend->address, backend->port, address), backend->weight,
	         sl_name_of_admin(backend->state));
}

static void backend_removed(struct sl_diff *diff, const struct sl_model *model,
                            const struct entry *e)
{
	const struct sl_model_backend *backend = &model->backends[e->number];
	char address[SL_ADDRESS_BYTES];

	add_line(diff, "- backend %s/%s %s", e->owner, e->name,
	         sl_name_of_endpoint(&backend->address, backend->port, address));
}

static void backend_compare(struct sl_diff *diff, const struct side *a, const struct entry *before,
                            const struct side *b, const struct entry *after)
{
	const struct sl_model_backend *ba = &a->model->backends[before->number];
	const struct sl_model_backend *bb = &b->model->backends[after->number];
	char what[2 * SL_NAME_BYTES + 16];

	if (ba->id != bb->id) { // another address is another backend
		backend_removed(diff, a->model, before);
		backend_added(diff, b->model, after);
		return;
	}
	snprintf(what, sizeof(what), "backend %s/%s", before->owner, before->name);
	if (ba->server_id_bytes != bb->server_id_bytes ||
	    memcmp(ba->server_id, bb->server_id, sizeof(ba->server_id)) != 0)
		add_line(diff, "~ %s server-id", what);
	number_changed(diff, what, "weight", ba->weight, bb->weight);
	word_changed(diff, what, "state", sl_name_of_admin(ba->state), sl_name_of_admin(bb->state));
}

// ---- walk ----

static int order(const void *a, const void *b)
{
	const struct entry *ea = a, *eb = b;
	int owners = strcmp(ea->owner, eb->owner);

	return owners != 0 ? owners : strcmp(ea->name, eb->name);
}

static bool side_init(struct side *side, const struct sl_model *model, const struct kind *kind)
{
	*side = (struct side){.model = model};
	if (model == NULL || kind->count(model) == 0)
		return true;
	side->n_entries = kind->count(model);
	side->entries = calloc(side->n_entries, sizeof(*side->entries));
	if (side->entries == NULL)
		return false;
	kind->fill(model, side->entries);
	qsort(side->entries, side->n_entries, sizeof(*side->entries), order);
	return true;
}

static void walk(struct sl_diff *diff, const struct kind *kind, const struct side *a,
                 const struct side *b)
{
	uint32_t i = 0, j = 0;

	while (i < a->n_entries || j < b->n_entries) {
		int c = i == a->n_entries   ? 1
		        : j == b->n_entries ? -1
		                            : order(&a->entries[i], &b->entries[j]);

		if (c < 0) {
			kind->removed(diff, a->model, &a->entries[i++]);
		} else if (c > 0) {
			kind->added(diff, b->model, &b->entries[j++]);
		} else {
			kind->compare(diff, a, &a->entries[i], b, &b->entries[j]);
			i++;
			j++;
		}
	}
}

void sl_diff_build(struct sl_diff *diff, const struct sl_model *before,
                   const struct sl_model *after)
{
	static const struct kind kinds[] = {
		{count_vips, fill_vips, vip_added, vip_removed, vip_compare},
		{count_pools, fill_pools, pool_added, pool_removed, pool_compare},
		{count_probes, fill_probes, probe_added, probe_removed, probe_compare},
		{count_backends, fill_backends, backend_added, backend_removed, backend_compare},
	};

	*diff = (struct sl_diff){0};
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct side a, b = {0};

		if (side_init(&a, before, &kinds[k]) && side_init(&b, after, &kinds[k]))
			walk(diff, &kinds[k], &a, &b);
		else
			diff->lines.has_failed = true;
		free(a.entries);
		free(b.entries);
	}
}

void sl_diff_fini(struct sl_diff *diff)
{
	sl_text_fini(&diff->lines);
	*diff = (struct sl_diff){0};
}
