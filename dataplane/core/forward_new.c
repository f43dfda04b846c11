// SPDX-License-Identifier: Apache-2.0
#include "forward_private.h"
#include "layout.h"

static bool is_syn(const struct sl_pkt *pkt)
{
	return (pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK | SL_TCP_RST)) == SL_TCP_SYN;
}

// Fills flow->s2c and flags by the pool's forwarding mode. SL_DROP_COUNT when all is well; then
// *port_pool has given the local port of fullnat.
static enum sl_drop shape(struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                          const struct sl_snap_backend *be, struct sl_flow_new *flow,
                          uint32_t *port_pool)
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
	if (sl_ip_is_v4(local) != sl_ip_is_v4(&flow->c2s.src))
		flow->flags |= SL_FLOW_IS_TRANSLATED;
	return sl_forward_take_port(fw, be, &flow->s2c, port_pool);
}

// nat keeps the client's port, and a client may use one port towards two services of a pool: then
// the answers of one backend to both would look the same. A connection that is over gives way.
static struct sl_flow *add_flow(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                const struct sl_flow_new *new)
{
	struct sl_flow *flow = sl_flow_add(fw->flows, new, fw->now), *holder = NULL;
	enum sl_dir dir;

	if (flow != NULL)
		return flow;
	if (!(new->flags &SL_FLOW_IS_DSR))
		holder = sl_flow_find(fw->flows, &new->s2c, sl_flow_hash(fw->flows, &new->s2c),
		                      &dir);
	if (holder != NULL && sl_flow_is_over(holder->state)) {
		sl_flow_remove(fw->flows, holder);
		holder = NULL;
		flow = sl_flow_add(fw->flows, new, fw->now);
	}
	if (flow == NULL)
		sl_forward_drop(pkt, holder != NULL ? SL_DROP_NO_PORT : SL_DROP_TABLE_FULL);
	return flow;
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
	uint32_t port_pool = SL_LOCALPORT_NONE;
	enum sl_drop why = shape(fw, pool, be, &new, &port_pool);
	struct sl_flow *flow;

	if (why != SL_DROP_COUNT) {
		sl_forward_drop(pkt, why);
		return NULL;
	}
	flow = add_flow(fw, pkt, &new);
	if (flow == NULL) {
		if (port_pool != SL_LOCALPORT_NONE)
			sl_forward_untake_port(fw, &new.s2c, port_pool);
		return NULL;
	}
	flow->client_hop = SL_NEIGH_NONE;
	if (!(flow->flags & SL_FLOW_IS_DSR) && pkt->kind == SL_PKT_TCP && is_syn(pkt))
		sl_forward_splice_start(flow, pool, pkt->is_v6);
	if (port_pool != SL_LOCALPORT_NONE)
		sl_forward_hold_port(fw, flow, port_pool);
	if (vip->is_measured && fw->measure != NULL && pkt->kind == SL_PKT_TCP) {
		flow->flags |= SL_FLOW_IS_MEASURED;
		sl_measure_open(fw->measure, flow, pkt, fw->now_ns);
	}
	sl_forward_load(fw, flow, 1);
	__atomic_store_n(&fw->entries[backend], fw->entries[backend] + 1, __ATOMIC_RELAXED);
	sl_stat_add(&fw->backend_stats[backend].flows_new, 1);
	sl_stat_add(&fw->vip_stats[vip->slot].flows_new, 1);
	sl_stat_add(&fw->vip_stats[vip->slot].flows, 1);
	sl_stat_add(&fw->stats->flows, 1);
	sl_stat_add(&fw->stats->flows_new, 1);
	return flow;
}

// The backend picked has the client's port in use: any other that may take a flow.
#define ELSEWHERE_MEMBERS 64
static struct sl_flow *make_elsewhere(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                      const struct sl_snap_vip *vip)
{
	const struct sl_snap_pool *pool = &fw->snap->pools[vip->pool];
	uint32_t at = fw->least_cursor++ % pool->n_members;

	for (uint32_t n = 0; n < pool->n_members && n < ELSEWHERE_MEMBERS; n++, at++) {
		struct sl_flow *flow;

		if (at == pool->n_members)
			at = 0;
		if (pool->inverse_weights[at] == 0 ||
		    sl_forward_is_at_limit(fw, pool, pool->members[at]) ||
		    !sl_forward_take_rate(fw, pool, pool->members[at]))
			continue;
		flow = make_flow(fw, pkt, vip, pool->members[at]);
		if (flow != NULL || pkt->drop != SL_DROP_NO_PORT)
			return flow;
	}
	return NULL;
}

// Nobody else may speak from our addresses (RFC 1812 section 5.3.7); answers to such a flow would
// come back to us as if from a client.
static bool is_from_us(const struct sl_forwarder *fw, const struct sl_ip *src)
{
	return sl_snapshot_has_address(fw->snap, src) || sl_route_is_own_address(fw->routes, src);
}

// What a packet without a flow must be to get one. SL_DROP_COUNT when all is well.
static enum sl_drop check_new(const struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                              const struct sl_pkt *pkt)
{
	const struct sl_snap_pool *pool;

	if (vip == NULL)
		return sl_snapshot_has_address(fw->snap, &pkt->tuple.dst) ? SL_DROP_NO_VIP
		                                                          : SL_DROP_NO_FLOW;
	if (is_from_us(fw, &pkt->tuple.src))
		return SL_DROP_BAD_ADDRESS;
	if (pkt->kind == SL_PKT_TCP && !is_syn(pkt) &&
	    (!sl_forward_is_agreed(fw, vip) || (pkt->tcp_flags & SL_TCP_RST)))
		return SL_DROP_NO_FLOW;
	pool = &fw->snap->pools[vip->pool];
	return pkt->ttl <= 1 && pool->forward != SL_FORWARD_DSR_L2 ? SL_DROP_TTL : SL_DROP_COUNT;
}

struct sl_flow *sl_forward_open(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                const struct sl_snap_vip *vip)
{
	struct sl_flow *flow;
	uint16_t backend;
	enum sl_drop why;

	if (!sl_forward_admit(fw, vip, pkt))
		return NULL;
	backend = sl_forward_pick(fw, vip, pkt, &why);
	if (backend == SL_NO_BACKEND) {
		sl_stat_add(&fw->vip_stats[vip->slot].refused, 1);
		sl_forward_drop(pkt, why);
		return NULL;
	}
	flow = make_flow(fw, pkt, vip, backend);
	if (flow == NULL && pkt->drop == SL_DROP_NO_PORT &&
	    fw->snap->pools[vip->pool].forward == SL_FORWARD_NAT)
		flow = make_elsewhere(fw, pkt, vip);
	return flow;
}

void sl_forward_miss(struct sl_forwarder *fw, struct sl_pkt *pkt)
{
	const struct sl_snap_vip *vip =
		sl_snapshot_vip(fw->snap, &pkt->tuple.dst, pkt->tuple.proto, pkt->tuple.dport_be);
	enum sl_drop why = check_new(fw, vip, pkt);
	struct sl_flow *flow;

	if (why == SL_DROP_TTL) {
		sl_forward_expire(fw, pkt);
		return;
	}
	if (vip != NULL && vip->syn_cookies != SL_SYN_COOKIES_OFF &&
	    (why == SL_DROP_COUNT || why == SL_DROP_NO_FLOW) && sl_forward_cookie(fw, pkt, vip))
		return;
	if (why != SL_DROP_COUNT) {
		if (why != SL_DROP_NO_FLOW || !sl_forward_stateless_rest(fw, pkt, vip))
			sl_forward_drop(pkt, why);
		return;
	}
	flow = sl_forward_open(fw, pkt, vip);
	if (flow == NULL) {
		if (pkt->verdict == SL_VERDICT_DROP && pkt->drop == SL_DROP_TABLE_FULL)
			sl_forward_stateless(fw, pkt, vip);
		return;
	}
	if (pkt->kind == SL_PKT_TCP && !is_syn(pkt)) { // met in its middle
		sl_flow_set_state(fw->flows, flow, SL_FLOW_PICKED, fw->now);
		if (flow->flags & SL_FLOW_IS_DSR)
			flow->picked_tick = fw->now;
	}
	sl_forward_hit(fw, pkt, flow, SL_DIR_C2S);
}
