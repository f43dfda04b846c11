// SPDX-License-Identifier: Apache-2.0
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "replay_private.h"

#define TIMER_NS   (100 * SL_NS_PER_MS) // neigh.h wants each row looked at every 200 ms
#define FOLD_NS    (1 * SL_NS_PER_MS)   // as often as the main core folds loads
#define GAP_MAX_NS (300 * SL_NS_PER_S)  // longer than any neighbour's question and answer

static int init_persist(struct sl_replay *rp, const struct sl_replay_params *params)
{
	const uint32_t n = params->max_clients != 0 ? params->max_clients : SL_PERSIST_CLIENTS;
	const struct sl_hash_key key = {sl_mix64(params->seed + 5), sl_mix64(params->seed + 6)};

	rp->persist = replay_zeroed_lines(sl_persist_bytes(n));
	if (rp->persist == NULL)
		return -ENOMEM;
	sl_persist_init(rp->persist, n, &key);
	return 0;
}

static int init_tables(struct sl_replay *rp, const struct sl_replay_params *params)
{
	struct sl_neigh *rows = calloc(SL_NEIGH_MAX, sizeof(*rows));
	_Atomic uint32_t *index = calloc(SL_NEIGH_INDEX_SLOTS, sizeof(*index));
	uint32_t n_backends = params->max_backends != 0 ? params->max_backends : SL_MAX_BACKENDS;
	uint32_t n_vips = params->max_vips != 0 ? params->max_vips : SL_MAX_VIPS;
	struct sl_registry_slot *backends = calloc(n_backends, sizeof(*backends));
	struct sl_registry_slot *vips = calloc(n_vips, sizeof(*vips));
	struct sl_ip *kernel = calloc(params->n_kernel + 1, sizeof(*kernel));

	rp->neighs = (struct sl_neigh_table){.rows = rows, .index = index};
	rp->backends.slots = backends;
	rp->vips.slots = vips;
	rp->kernel = kernel;
	rp->limits = replay_zeroed_lines(sizeof(*rp->limits));
	if (rows == NULL || index == NULL || backends == NULL || vips == NULL || kernel == NULL ||
	    rp->limits == NULL)
		return -ENOMEM;
	rp->limits->key =
		(struct sl_hash_key){sl_mix64(params->seed + 3), sl_mix64(params->seed + 4)};
	sl_neigh_init(&rp->neighs, rows, index, params->seed);
	rp->neighs.careful_ports = sl_links_careful(&rp->links);
	sl_registry_init(&rp->backends, backends, n_backends);
	sl_registry_init(&rp->vips, vips, n_vips);
	if (init_persist(rp, params) != 0)
		return -ENOMEM;
	rp->n_kernel = params->n_kernel;
	if (params->n_kernel > 0)
		memcpy(kernel, params->kernel, params->n_kernel * sizeof(*kernel));
	for (uint32_t w = 0; w < rp->config.n_workers; w++) {
		int err = replay_worker_new(rp, w, params->seed);

		if (err != 0)
			return err;
	}
	rp->rules = sl_xdp_rules_new(&rp->config, NULL, rp->kernel, rp->n_kernel);
	return rp->rules != NULL ? 0 : -ENOMEM;
}

struct sl_replay *sl_replay_new(const struct sl_replay_params *params, char *reason)
{
	struct sl_replay *rp = calloc(1, sizeof(*rp));
	uint32_t bad;
	int err = -ENOMEM;

	if (rp == NULL)
		goto err_errno;
	rp->config = *params->config;
	memcpy(rp->macs, params->macs, rp->config.n_ports * sizeof(rp->macs[0]));
	rp->headroom_bytes = params->headroom_bytes;
	rp->told = params->told;
	rp->told_ctx = params->told_ctx;
	rp->now_ns = params->start_ns;
	rp->next_timer_ns = params->start_ns;
	err = sl_route_build(&rp->routes, &rp->config, &bad);
	if (err != 0) {
		snprintf(reason, SL_REPLAY_REASON_BYTES,
		         "route %u: via is in no connected network of a port", bad + 1);
		goto err_free;
	}
	err = sl_links_init(&rp->links, &rp->config);
	if (err == 0)
		err = init_tables(rp, params);
	if (err != 0)
		goto err_memory;
	return rp;

err_memory:
	snprintf(reason, SL_REPLAY_REASON_BYTES, "not enough memory for %lu flows",
	         (unsigned long)rp->config.flows);
err_free:
	sl_replay_free(rp);
err_errno:
	errno = -err;
	return NULL;
}

void sl_replay_free(struct sl_replay *rp)
{
	if (rp == NULL)
		return;
	for (uint32_t i = 0; i < rp->n_held; i++)
		free(rp->held[i].frame);
	for (uint32_t w = 0; w < SL_MAX_WORKERS; w++)
		replay_worker_free(rp->workers[w]);
	replay_config_fini(rp);
	sl_xdp_rules_free(rp->rules);
	free(rp->neighs.rows);
	free((void *)rp->neighs.index);
	free(rp->backends.slots);
	free(rp->vips.slots);
	free(rp->limits);
	sl_links_fini(&rp->links);
	free(rp->persist);
	free((void *)rp->kernel);
	free(rp);
}

void replay_settle(struct sl_replay *rp, struct sl_replay_record *record, enum sl_replay_end end)
{
	record->end = (uint8_t)end;
	rp->counts.ends[end]++;
	if (rp->told != NULL)
		rp->told(rp->told_ctx, record, NULL, 0);
}

void replay_drop(struct sl_replay *rp, struct sl_replay_record *record, enum sl_drop why)
{
	record->drop = (uint8_t)why;
	rp->counts.drops[why]++;
	replay_settle(rp, record, SL_REPLAY_DROPPED);
}

void replay_send(struct sl_replay *rp, struct sl_replay_record *record, const uint8_t *frame,
                 uint32_t n_bytes, uint16_t port)
{
	record->end = SL_REPLAY_SENT;
	record->out_port = port;
	record->left_ns = rp->now_ns;
	rp->counts.out_pkts++;
	if (record->n == 0)
		rp->counts.generated_pkts++;
	else
		rp->counts.ends[SL_REPLAY_SENT]++;
	if (rp->told != NULL)
		rp->told(rp->told_ctx, record, frame, n_bytes);
}

int sl_replay_add_neighbour(struct sl_replay *rp, const struct sl_ip *ip, const uint8_t mac[6])
{
	struct sl_ip hop;
	const struct sl_route *route = sl_route_find(&rp->routes, ip, &hop);
	struct replay_fixed *fixed = &rp->fixed[rp->n_fixed];

	if (route == NULL || !route->is_connected)
		return -ENETUNREACH;
	if (rp->n_fixed == REPLAY_MAX_FIXED)
		return -ENOSPC;
	*fixed = (struct replay_fixed){.ip = *ip, .port = route->port};
	memcpy(fixed->mac, mac, 6);
	rp->n_fixed++;
	// Learn before the first timer, so that nobody asks.
	if (sl_neigh_want(&rp->neighs, ip, route->port, true, rp->now_ns) == SL_NEIGH_NONE)
		return -ENOSPC;
	sl_neigh_learn(&rp->neighs, ip, route->port, mac, true, rp->now_ns);
	return 0;
}

// What each worker knows of the others' flows.
static void fold_loads(struct sl_replay *rp)
{
	uint32_t n_workers = rp->config.n_workers;

	for (uint32_t b = 0; n_workers > 1 && b < rp->n_backends_seen; b++) {
		uint32_t total = 0, units = 0;

		for (uint32_t w = 0; w < n_workers; w++) {
			total += rp->workers[w]->loads[b];
			units += rp->workers[w]->measure.own_units[b];
		}
		for (uint32_t w = 0; w < n_workers; w++) {
			rp->workers[w]->others_load[b] = total - rp->workers[w]->loads[b];
			rp->workers[w]->others_units[b] =
				units - rp->workers[w]->measure.own_units[b];
		}
	}
	for (uint32_t v = 0; n_workers > 1 && rp->snap != NULL && v < rp->snap->n_vips; v++) {
		const uint16_t slot = rp->snap->vips[v].slot;
		uint32_t total = 0;

		for (uint32_t w = 0; w < n_workers; w++)
			total += rp->workers[w]->fw.own_vip_load[slot];
		for (uint32_t w = 0; w < n_workers; w++)
			rp->workers[w]->others_vip_load[slot] =
				total - rp->workers[w]->fw.own_vip_load[slot];
	}
}

static void expire(struct sl_replay *rp)
{
	uint32_t tick = (uint32_t)(rp->now_ns / SL_FLOW_TICK_NS);

	for (uint32_t w = 0; w < rp->config.n_workers; w++) {
		rp->workers[w]->fw.snap = rp->snap;
		rp->workers[w]->fw.now = tick;
		rp->workers[w]->fw.now_ns = rp->now_ns;
		sl_flow_expire(rp->workers[w]->fw.flows, tick, UINT32_MAX);
		sl_forward_sweep(&rp->workers[w]->fw);
		sl_measure_sweep(&rp->workers[w]->measure, rp->now_ns, UINT32_MAX);
	}
}

// Not when the replay is made: neighbours that are told then need not be asked.
static void pin_gateways(struct sl_replay *rp)
{
	for (uint32_t i = 0; i < rp->routes.n_routes; i++) {
		if (!rp->routes.routes[i].is_connected)
			replay_pin(rp, &rp->routes.routes[i].via);
	}
	rp->has_gateways = true;
}

void sl_replay_advance(struct sl_replay *rp, uint64_t now_ns)
{
	if (!rp->has_gateways)
		pin_gateways(rp);
	if (now_ns < rp->now_ns)
		now_ns = rp->now_ns;
	if (now_ns > rp->next_timer_ns && now_ns - rp->next_timer_ns > GAP_MAX_NS) {
		// Questions that are open now end in the first half, what grows old does so in the
		// second.
		sl_replay_advance(rp, rp->next_timer_ns + GAP_MAX_NS / 2);
		rp->next_timer_ns = now_ns - GAP_MAX_NS / 2;
	}
	while (rp->next_timer_ns <= now_ns) {
		rp->now_ns = rp->next_timer_ns;
		expire(rp);
		replay_slow_timers(rp);
		rp->next_timer_ns += TIMER_NS;
	}
	rp->now_ns = now_ns;
	expire(rp);
	if (now_ns >= rp->next_fold_ns) {
		fold_loads(rp);
		rp->next_fold_ns = now_ns + FOLD_NS;
	}
}

static struct sl_tuple reversed(const struct sl_tuple *t)
{
	return (struct sl_tuple){.src = t->dst,
	                         .dst = t->src,
	                         .sport_be = t->dport_be,
	                         .dport_be = t->sport_be,
	                         .proto = t->proto};
}

static const struct sl_flow *find_flow(const struct replay_worker *w, const struct sl_tuple *t)
{
	enum sl_dir dir;

	return sl_flow_find(w->fw.flows, t, sl_flow_hash(w->fw.flows, t), &dir);
}

// Which flow spoke: it is found again by what the packet was before it was rewritten. A later
// fragment had no ports then, and has them as it leaves.
static void name_flow(struct sl_replay *rp, const struct replay_worker *w, const struct sl_pkt *was,
                      const struct sl_pkt *is, struct sl_replay_record *record)
{
	const struct sl_tuple back =
		reversed(was->kind == SL_PKT_ICMP_ERROR ? &was->inner : &is->tuple);
	const struct sl_tuple *t = was->kind == SL_PKT_ICMP_ERROR ? &back : &was->tuple;
	const struct sl_snap_vip *vip;
	const struct sl_flow *flow;

	if (was->kind == SL_PKT_FRAGMENT)
		t = &is->tuple; // under DSR as it came
	flow = find_flow(w, t);
	if (flow == NULL && was->kind == SL_PKT_FRAGMENT)
		flow = find_flow(w, &back);
	if (flow != NULL) {
		record->vip_id = rp->vips.slots[flow->vip].id;
		if (rp->backends.slots[flow->backend].generation == flow->backend_generation)
			record->backend_id = rp->backends.slots[flow->backend].id;
		return;
	}
	vip = sl_snapshot_vip(rp->snap, &t->dst, t->proto, t->dport_be);
	if (vip != NULL)
		record->vip_id = vip->id;
}

static enum sl_replay_end obey(struct sl_replay *rp, struct sl_pkt *pkt,
                               struct sl_replay_record *record)
{
	switch (pkt->verdict) {
	case SL_VERDICT_SEND:
		replay_send(rp, record, pkt->data, pkt->len, pkt->out_port);
		return SL_REPLAY_SENT;
	case SL_VERDICT_DROP:
		replay_drop(rp, record, pkt->drop);
		return SL_REPLAY_DROPPED;
	default: // SLOW, RESOLVE
		return replay_slow(rp, pkt, record);
	}
}

// As from ring to ring, until a worker has decided: a fragment goes to the one that knows its
// datagram first, then to its flow's. Returns that worker; *was is the packet as it got there.
static struct replay_worker *decide(struct sl_replay *rp, struct sl_pkt *pkt, struct sl_pkt *was)
{
	struct replay_worker *w;

	do {
		w = rp->workers[pkt->owner];
		w->fw.snap = rp->snap;
		pkt->verdict = SL_VERDICT_DECIDE;
		*was = *pkt;
		sl_forward_burst(&w->fw, &pkt, 1);
	} while (pkt->verdict == SL_VERDICT_HANDOFF);
	return w;
}

enum sl_replay_end sl_replay_packet(struct sl_replay *rp, uint8_t *frame, uint32_t n_bytes,
                                    uint16_t in_port, uint64_t now_ns)
{
	struct sl_pkt pkt = {.data = frame,
	                     .len = n_bytes,
	                     .in_port = in_port,
	                     .headroom = rp->headroom_bytes},
		      was;
	struct replay_worker *w = rp->workers[0];
	struct sl_replay_record record;

	sl_replay_advance(rp, now_ns);
	record = (struct sl_replay_record){.n = ++rp->counts.in_pkts,
	                                   .t_ns = rp->now_ns,
	                                   .in_port = in_port,
	                                   .out_port = SL_REPLAY_NO_PORT};
	if (!sl_xdp_rules_take(rp->rules, in_port, frame, n_bytes)) {
		replay_settle(rp, &record, SL_REPLAY_KERNEL);
		return SL_REPLAY_KERNEL;
	}
	w->fw.snap = rp->snap;
	sl_forward_classify(&w->fw, &pkt);
	record.in_port = pkt.in_port;
	if (pkt.verdict == SL_VERDICT_DECIDE || pkt.verdict == SL_VERDICT_HANDOFF) {
		w = decide(rp, &pkt, &was);
		if (rp->told != NULL)
			name_flow(rp, w, &was, &pkt, &record);
	}
	return obey(rp, &pkt, &record);
}

void sl_replay_finish(struct sl_replay *rp)
{
	for (uint32_t i = 0; i < rp->n_held; i++) {
		rp->held[i].record.end = SL_REPLAY_HELD;
		if (rp->told != NULL)
			rp->told(rp->told_ctx, &rp->held[i].record, NULL, 0);
	}
}

struct sl_replay_counts sl_replay_counts(const struct sl_replay *rp)
{
	struct sl_replay_counts counts = rp->counts;

	counts.ends[SL_REPLAY_HELD] = rp->n_held;
	for (uint32_t w = 0; w < rp->config.n_workers; w++) {
		counts.flows += sl_stat_get(&rp->workers[w]->stats->flows);
		counts.flows_new += sl_stat_get(&rp->workers[w]->stats->flows_new);
		counts.flows_evicted += sl_stat_get(&rp->workers[w]->stats->flows_evicted);
	}
	return counts;
}
