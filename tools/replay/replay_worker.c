// SPDX-License-Identifier: Apache-2.0
// A worker of a replay: its memory, set up as dataplane/io/worker.c does.
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "replay_private.h"
#include "syncookie.h"

void *replay_zeroed_lines(size_t n_bytes)
{
	void *mem = aligned_alloc(64, (n_bytes + 63) / 64 * 64);

	return mem != NULL ? memset(mem, 0, n_bytes) : NULL;
}

void replay_worker_free(struct replay_worker *w)
{
	if (w == NULL)
		return;
	free(w->flow_memory);
	free(w->port_memory);
	free(w->frags);
	free(w->loads);
	free(w->others_load);
	free(w->others_units);
	free(w->others_vip_load);
	free(w->measure.flows);
	free(w->measure.own_units);
	if (w->measure.latency != NULL)
		munmap(w->measure.latency, w->latency_bytes);
	free(w->stats);
	free(w->backend_stats);
	free(w->vip_stats);
	free(w->port_stats);
	free(w);
}

// Large, and mostly never touched.
static void *map_zeroed(size_t n_bytes)
{
	void *mem = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mem != MAP_FAILED ? mem : NULL;
}

static int measure_alloc(const struct sl_replay *rp, struct replay_worker *w)
{
	const uint32_t n_backends = rp->backends.n_slots;

	w->latency_bytes = n_backends * sizeof(*w->measure.latency);
	w->measure.latency = map_zeroed(w->latency_bytes);
	w->measure.flows =
		calloc(rp->config.flows / rp->config.n_workers, sizeof(*w->measure.flows));
	w->measure.own_units = calloc(n_backends, sizeof(*w->measure.own_units));
	w->others_units = calloc(n_backends, sizeof(*w->others_units));
	return w->measure.latency != NULL && w->measure.flows != NULL &&
	                       w->measure.own_units != NULL && w->others_units != NULL
	               ? 0
	               : -ENOMEM;
}

static int worker_alloc(const struct sl_replay *rp, struct replay_worker *w, size_t flow_bytes,
                        size_t port_bytes)
{
	uint32_t n_backends = rp->backends.n_slots, n_vips = rp->vips.n_slots;

	w->flow_memory = replay_zeroed_lines(flow_bytes);
	w->port_memory = aligned_alloc(64, (port_bytes + 63) / 64 * 64);
	w->frags = malloc(sizeof(*w->frags));
	w->loads = calloc(2 * (size_t)n_backends + n_vips, sizeof(*w->loads));
	w->others_load = calloc(n_backends, sizeof(*w->others_load));
	w->others_vip_load = calloc(n_vips, sizeof(*w->others_vip_load));
	w->stats = replay_zeroed_lines(sizeof(*w->stats));
	w->backend_stats = replay_zeroed_lines(n_backends * sizeof(*w->backend_stats));
	w->vip_stats = replay_zeroed_lines(n_vips * sizeof(*w->vip_stats));
	w->port_stats = replay_zeroed_lines(n_backends * sizeof(*w->port_stats));
	if (w->flow_memory == NULL || w->frags == NULL || w->loads == NULL ||
	    w->others_load == NULL || w->others_vip_load == NULL || w->stats == NULL ||
	    w->backend_stats == NULL || w->vip_stats == NULL || w->port_memory == NULL ||
	    w->port_stats == NULL)
		return -ENOMEM;
	return measure_alloc(rp, w);
}

int replay_worker_new(struct sl_replay *rp, uint32_t index, uint64_t seed)
{
	struct replay_worker *w = replay_zeroed_lines(sizeof(*w));
	struct sl_flow_params params = {
		.n_flows = (uint32_t)(rp->config.flows / rp->config.n_workers),
		.key = {sl_mix64(seed + 1), sl_mix64(seed + 2)},
		.now = (uint32_t)(rp->now_ns / SL_FLOW_TICK_NS),
	};
	const struct sl_localport_params port_params =
		sl_localport_params_of(params.n_flows, rp->backends.n_slots,
	                               sl_forward_lanes(index, rp->config.n_workers), seed + index);
	size_t flow_bytes = sl_flow_table_bytes(params.n_flows);
	size_t port_bytes = sl_localport_bytes(&port_params);

	rp->workers[index] = w;
	if (w == NULL || worker_alloc(rp, w, flow_bytes, port_bytes) != 0)
		return -ENOMEM;
	sl_frag_init(w->frags, &params.key);
	w->fw = (struct sl_forwarder){
		.worker = index,
		.n_workers = rp->config.n_workers,
		.now = params.now, // captures have clocks of their own, far from 0
		.flows = sl_flow_table_init(w->flow_memory, flow_bytes, &params),
		.local_ports = sl_localport_init(w->port_memory, port_bytes, &port_params),
		.frags = w->frags,
		.routes = &rp->routes,
		.links = &rp->links,
		.neighs = &rp->neighs,
		.others_load = w->others_load,
		.own_load = w->loads,
		.entries = w->loads + rp->backends.n_slots,
		.own_vip_load = w->loads + 2 * (size_t)rp->backends.n_slots,
		.others_units = w->others_units,
		.others_vip_load = w->others_vip_load,
		.measure = &w->measure,
		.limits = rp->limits,
		.persist = rp->persist,
		.stats = w->stats,
		.backend_stats = w->backend_stats,
		.vip_stats = w->vip_stats,
		.port_stats = w->port_stats,
		.port_macs = (const uint8_t(*)[6])rp->macs,
		.steer_seed = seed,
		.now_ns = rp->now_ns,
		.cookie_key = sl_syncookie_key(&params.key),
	};
	if (w->fw.flows == NULL || w->fw.local_ports == NULL)
		return -EINVAL;
	w->measure.table = w->fw.flows;
	sl_forward_init(&w->fw);
	sl_flow_table_on_gone(w->fw.flows, sl_forward_flow_gone, &w->fw);
	return 0;
}
