// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>

#include "forward_private.h"

#define ROCE_PORT 4791 // never a local port: RoCEv2 receivers would take it for theirs

static void refuse(struct sl_pkt *pkt, enum sl_drop why)
{
	pkt->verdict = SL_VERDICT_DROP;
	pkt->drop = (uint8_t)why;
}

static uint16_t pick_maglev(const struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                            const struct sl_pkt *pkt)
{
	struct {
		struct sl_ip client;
		uint16_t port_be;
		uint8_t proto, zero[5];
	} key = {pkt->tuple.src, pkt->tuple.sport_be, pkt->tuple.proto, {0}};

	return sl_pick_maglev(pool->maglev, pool->n_maglev,
	                      sl_siphash13(&fw->snap->maglev_key, &key, sizeof(key)));
}

static uint16_t pick_least(struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                           bool *is_limited)
{
	struct sl_pick_least least = {.backends = pool->members,
	                              .inverse_weights = pool->inverse_weights,
	                              .n_members = pool->n_members,
	                              .limit_flows = pool->limit_flows};
	struct sl_pick_load load = {.own = fw->own_load, .others = fw->others_load};

	return sl_pick_least_next(&least, &load, &fw->least_cursor, is_limited);
}

static bool is_at_limit(const struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                        uint16_t backend)
{
	return pool->limit_flows != 0 &&
	       fw->own_load[backend] + fw->others_load[backend] >= pool->limit_flows;
}

// weighted and maglev know no load: when their choice is at its limit, the least loaded one that is
// not takes the flow.
static uint16_t pick(struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                     const struct sl_pkt *pkt, bool *is_limited)
{
	uint16_t backend;

	*is_limited = false;
	if (!pool->has_capacity)
		return SL_NO_BACKEND;
	if (pool->balance == SL_BALANCE_WEIGHTED)
		backend = sl_pick_sequence_next(pool->sequence, pool->slots_log2,
		                                &fw->cursors[pool->row]);
	else if (pool->balance == SL_BALANCE_MAGLEV)
		backend = pick_maglev(fw, pool, pkt);
	else
		return pick_least(fw, pool, is_limited);
	if (backend != SL_NO_BACKEND && is_at_limit(fw, pool, backend))
		backend = pick_least(fw, pool, is_limited);
	return backend;
}

// A local port this worker owns that no flow between this address and the backend uses. The cursor
// only moves on, so a freed port rests for a whole round (RFC 6056, TIME_WAIT at the backend).
static bool find_local_port(struct sl_forwarder *fw, struct sl_tuple *s2c)
{
	const uint32_t span = UINT16_MAX + 1 - SL_FORWARD_PORT_FIRST;
	uint32_t n_probes = 0;

	while (n_probes < SL_FORWARD_PORT_PROBES) {
		uint32_t offset = fw->next_local_port++;
		uint16_t port = (uint16_t)(SL_FORWARD_PORT_FIRST +
		                           (((uint64_t)(offset & UINT16_MAX) * span) >> 16));
		enum sl_dir dir;

		if (fw->lane_owner[port % SL_FORWARD_PORT_LANES] != fw->worker || port == ROCE_PORT)
			continue; // at most SL_FORWARD_PORT_LANES in a row
		n_probes++;
		s2c->dport_be = htons(port);
		if (sl_flow_find(fw->flows, s2c, sl_flow_hash(fw->flows, s2c), &dir) == NULL)
			return true;
	}
	return false;
}

// Fills flow->s2c and flags by the pool's forwarding mode. SL_DROP_COUNT when all is well.
static enum sl_drop shape(struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                          const struct sl_snap_backend *be, struct sl_flow_new *flow)
{
	const struct sl_ip *local;

	flow->s2c = (struct sl_tuple){
		.src = be->address,
		.dst = flow->c2s.src,
		.sport_be = be->port_be != 0 ? be->port_be : flow->c2s.dport_be,
		.dport_be = flow->c2s.sport_be,
		.proto = flow->c2s.proto,
	};
	if (sl_forward_is_dsr(pool->forward))
		flow->flags |= SL_FLOW_IS_DSR;
	if (pool->forward == SL_FORWARD_DSR_IPIP)
		flow->flags |= SL_FLOW_IS_IPIP;
	else if (pool->forward == SL_FORWARD_DSR_GUE)
		flow->flags |= SL_FLOW_IS_GUE;
	if (pool->forward != SL_FORWARD_FULLNAT)
		return SL_DROP_COUNT;
	flow->flags |= SL_FLOW_IS_FULLNAT;
	local = sl_route_source(fw->routes, &be->address);
	if (local == NULL)
		return SL_DROP_NO_LOCAL_ADDRESS;
	flow->s2c.dst = *local;
	return find_local_port(fw, &flow->s2c) ? SL_DROP_COUNT : SL_DROP_NO_PORT;
}

static struct sl_flow *make_flow(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                 const struct sl_snap_vip *vip, uint16_t backend)
{
	const struct sl_snap_pool *pool = &fw->snap->pools[vip->pool];
	const struct sl_snap_backend *be = &fw->snap->backends[backend];
	struct sl_flow_new new = {
		.c2s = pkt->tuple,
		.flags = pkt->is_v6 ? SL_FLOW_IS_V6 : 0,
		.backend = backend,
		.backend_generation = be->generation,
		.vip = vip->slot,
		.idle_ticks = pkt->kind == SL_PKT_TCP ? pool->tcp_idle_ticks : pool->udp_idle_ticks,
		.syn_seq = pkt->tcp_seq,
	};
	enum sl_drop why = shape(fw, pool, be, &new);
	struct sl_flow *flow;

	if (why != SL_DROP_COUNT) {
		refuse(pkt, why);
		return NULL;
	}
	flow = sl_flow_add(fw->flows, &new, fw->now);
	if (flow == NULL) {
		refuse(pkt, SL_DROP_TABLE_FULL);
		return NULL;
	}
	flow->client_hop = SL_NEIGH_NONE;
	sl_forward_load(fw, backend, 1);
	__atomic_store_n(&fw->entries[backend], fw->entries[backend] + 1, __ATOMIC_RELAXED);
	sl_stat_add(&fw->backend_stats[backend].flows_new, 1);
	sl_stat_add(&fw->vip_stats[vip->slot].flows_new, 1);
	sl_stat_add(&fw->stats->flows, 1);
	sl_stat_add(&fw->stats->flows_new, 1);
	return flow;
}

void sl_forward_miss(struct sl_forwarder *fw, struct sl_pkt *pkt)
{
	const struct sl_snap_vip *vip =
		sl_snapshot_vip(fw->snap, &pkt->tuple.dst, pkt->tuple.proto, pkt->tuple.dport_be);
	const struct sl_snap_pool *pool;
	struct sl_flow *flow;
	bool is_limited, is_syn;
	uint16_t backend;

	if (vip == NULL) {
		refuse(pkt, sl_snapshot_has_address(fw->snap, &pkt->tuple.dst) ? SL_DROP_NO_VIP
		                                                               : SL_DROP_NO_FLOW);
		return;
	}
	pool = &fw->snap->pools[vip->pool];
	is_syn = (pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK | SL_TCP_RST)) == SL_TCP_SYN;
	if (pkt->kind == SL_PKT_TCP && !is_syn &&
	    (pool->balance != SL_BALANCE_MAGLEV || (pkt->tcp_flags & SL_TCP_RST))) {
		refuse(pkt, SL_DROP_NO_FLOW);
		return;
	}
	backend = pick(fw, pool, pkt, &is_limited);
	if (backend == SL_NO_BACKEND) {
		sl_stat_add(&fw->vip_stats[vip->slot].refused, 1);
		refuse(pkt, is_limited ? SL_DROP_FLOW_LIMIT : SL_DROP_NO_BACKEND);
		return;
	}
	flow = make_flow(fw, pkt, vip, backend);
	if (flow == NULL)
		return;
	if (pkt->kind == SL_PKT_TCP && !is_syn)
		sl_flow_set_state(fw->flows, flow, SL_FLOW_OPEN, fw->now); // picked up mid-stream
	sl_forward_hit(fw, pkt, flow, SL_DIR_C2S);
}
