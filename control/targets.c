// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "daemon.h"

#define TOLD_PER_S 20u // lines about backends; a rack that goes down must not fill the log

struct sl_probe_key {
	uint64_t key;
	uint32_t backend; // number in the model
	uint32_t probe;   // number in the pool
};

// FNV-1a over the name, started from the id and mixed at the end: no operator can choose the
// collisions of a few thousand names by accident, and the result is the same in every run.
uint64_t sl_targets_key(uint64_t backend_id, const char *probe)
{
	uint64_t h = backend_id ^ UINT64_C(0xcbf29ce484222325);

	for (const char *c = probe; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ (h >> 32);
}

static int order(const void *a, const void *b)
{
	const struct sl_probe_key *ka = a, *kb = b;

	return (ka->key > kb->key) - (ka->key < kb->key);
}

static void tell_change(struct sl_daemon *daemon, uint32_t backend,
                        const struct sl_backend_view *before, const struct sl_backend_view *after)
{
	const struct sl_model *model = daemon->model;
	const struct sl_model_pool *pool = model->pools;
	const bool is_down = after->state == SL_BACKEND_DOWN;

	// Up to slow start and back is the ramp, not news.
	if (is_down == (before->state == SL_BACKEND_DOWN) &&
	    (before->state != SL_BACKEND_UNKNOWN || after->state == SL_BACKEND_UNKNOWN))
		return;
	if (daemon->n_told++ >= TOLD_PER_S)
		return;
	while (backend - pool->first_backend >= pool->n_backends)
		pool++;
	sl_log(daemon->log, is_down ? SL_LOG_WARN : SL_LOG_INFO, "backend %s/%s: %s -> %s (%s)",
	       pool->name, model->backends[backend].name, sl_backend_state_name(before->state),
	       sl_backend_state_name(after->state), sl_probe_reason_name(after->reason));
}

void sl_targets_tell_rest(struct sl_daemon *daemon)
{
	if (daemon->n_told > TOLD_PER_S)
		sl_log(daemon->log, SL_LOG_WARN,
		       "%u more backends changed their state in this second",
		       daemon->n_told - TOLD_PER_S);
	daemon->n_told = 0;
}

void sl_targets_result(void *ctx, uint64_t key, const struct sl_probe_result *result)
{
	struct sl_daemon *daemon = ctx;
	struct sl_probe_key want = {.key = key}, *found;
	struct sl_backend_view before, after;

	found = bsearch(&want, daemon->probe_keys, daemon->n_probe_keys, sizeof(want), order);
	if (found == NULL)
		return;
	sl_fleet_view(daemon->fleet, found->backend, &before);
	sl_fleet_result(daemon->fleet, found->backend, found->probe, result, uv_hrtime());
	sl_fleet_view(daemon->fleet, found->backend, &after);
	if (before.state != after.state)
		tell_change(daemon, found->backend, &before, &after);
}

int sl_targets_start(struct sl_daemon *daemon)
{
	uint64_t seed;

	// Two appliances must not probe the same server in step.
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = uv_hrtime();
	daemon->prober = sl_prober_new(daemon->loop, seed, sl_targets_result, daemon);
	if (daemon->prober == NULL) {
		sl_log(daemon->log, SL_LOG_ERROR, "cannot set up probes: %s", strerror(errno));
		return -ENOMEM;
	}
	return 0;
}

// Under DSR a backend has no port of its own: it listens on the VIP's.
static uint16_t port_of_vip(const struct sl_model *model, uint32_t pool)
{
	for (uint32_t v = 0; v < model->n_vips; v++) {
		const struct sl_model_vip *vip = &model->vips[v];

		if (vip->pool == pool && vip->n_ranges > 0 && model->ranges[vip->first_range].first)
			return model->ranges[vip->first_range].first;
	}
	return 0;
}

static uint32_t fill_pool(const struct sl_model *model, uint32_t p, struct sl_probe_target *targets,
                          struct sl_probe_key *keys)
{
	const struct sl_model_pool *pool = &model->pools[p];
	uint32_t n = 0;

	for (uint32_t b = pool->first_backend; b < pool->first_backend + pool->n_backends; b++) {
		const struct sl_model_backend *be = &model->backends[b];

		if (be->state == SL_ADMIN_MAINT)
			continue;
		for (uint32_t i = 0; i < pool->n_probes; i++) {
			const struct sl_model_probe *probe = &model->probes[pool->first_probe + i];
			uint16_t port = probe->port != 0 ? probe->port : be->port;

			if (port == 0)
				port = port_of_vip(model, p);
			if (port == 0)
				continue; // any port: nothing to knock at, the backend stays
				          // unknown
			keys[n] = (struct sl_probe_key){sl_targets_key(be->id, probe->name), b, i};
			targets[n] =
				(struct sl_probe_target){keys[n].key, be->address, port, probe};
			n++;
		}
	}
	return n;
}

int sl_targets_set(struct sl_daemon *daemon)
{
	const struct sl_model *model = daemon->model;
	struct sl_probe_target *targets;
	struct sl_probe_key *keys;
	size_t n_max = 1;
	uint32_t n = 0;
	int err;

	for (uint32_t p = 0; p < model->n_pools; p++)
		n_max += (size_t)model->pools[p].n_backends * model->pools[p].n_probes;
	targets = calloc(n_max, sizeof(*targets));
	keys = calloc(n_max, sizeof(*keys));
	if (targets == NULL || keys == NULL) {
		free(targets);
		free(keys);
		return -ENOMEM;
	}
	for (uint32_t p = 0; p < model->n_pools; p++)
		n += fill_pool(model, p, &targets[n], &keys[n]);
	err = sl_prober_set(daemon->prober, targets, n);
	free(targets);
	// Results of old keys that are still on their way find no entry, or their own backend.
	free(daemon->probe_keys);
	daemon->probe_keys = keys;
	daemon->n_probe_keys = n;
	qsort(keys, n, sizeof(*keys), order);
	return err;
}

void sl_targets_fini(struct sl_daemon *daemon)
{
	free(daemon->probe_keys);
	daemon->probe_keys = NULL;
	daemon->n_probe_keys = 0;
}
