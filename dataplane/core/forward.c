// SPDX-License-Identifier: Apache-2.0
#include "forward.h"

#include "flow_search.h"
#include "forward_plain.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

void sl_forward_init(struct sl_forwarder *fw)
{
	for (uint32_t lane = 0; lane < SL_LOCALPORT_LANES; lane++)
		fw->lane_owner[lane] = (uint8_t)(lane % fw->n_workers);
	for (uint32_t row = 0; row < SL_MAX_POOLS; row++)
		fw->cursors[row] = sl_pick_turns_start(fw->worker);
	fw->is_simple = fw->links == NULL || !fw->links->has_vlans;
	sl_toobig_bucket_init(&fw->too_bigs, fw->now);
	fw->stateless_until = fw->now;
	fw->next_outer_id = (uint16_t)fw->worker;
}

void sl_forward_load(struct sl_forwarder *fw, const struct sl_flow *flow, int32_t change)
{
	uint32_t *load = &fw->own_load[flow->backend], *vip_load = &fw->own_vip_load[flow->vip];

	__atomic_store_n(load, *load + (uint32_t)change, __ATOMIC_RELAXED);
	__atomic_store_n(vip_load, *vip_load + (uint32_t)change, __ATOMIC_RELAXED);
	sl_stat_set(&fw->backend_stats[flow->backend].flows_active, *load);
}

void sl_forward_flow_gone(void *ctx, const struct sl_flow *flow, bool is_eviction)
{
	struct sl_forwarder *fw = ctx;
	struct sl_stats_vip *vip = &fw->vip_stats[flow->vip];

	if (!sl_flow_is_over(flow->state)) {
		sl_forward_load(fw, flow, -1);
		if (flow->flags & SL_FLOW_IS_MEASURED)
			sl_measure_over(fw->measure, flow, fw->now_ns);
		if (fw->snap != NULL && fw->snap->keeps_clients &&
		    sl_flow_is_confirmed(flow->state))
			sl_forward_remember_end(fw, flow);
	}
	__atomic_store_n(&fw->entries[flow->backend], fw->entries[flow->backend] - 1,
	                 __ATOMIC_RELAXED);
	sl_stat_set(&fw->stats->flows, sl_stat_get(&fw->stats->flows) - 1);
	sl_stat_set(&vip->flows, sl_stat_get(&vip->flows) - 1);
	if (flow->flags & SL_FLOW_IS_FULLNAT)
		sl_forward_give_port(fw, flow);
	if (is_eviction)
		sl_stat_add(&fw->stats->flows_evicted, 1);
}

// The port wants tags or a look at the length, or the MAC is not known. Whoever resolves it has
// nothing left to do but write it.
void sl_forward_leave_with_care(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_neigh *row,
                                uint64_t word)
{
	if (!sl_forward_fit(fw, pkt))
		return;
	if (word & SL_NEIGH_USABLE) {
		forward_leave_by_mac(fw, pkt, row, word);
		return;
	}
	pkt->hop = row->address;
	pkt->verdict = SL_VERDICT_RESOLVE;
}

void sl_forward_leave_towards(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_ip *dst,
                              uint16_t *hop_cache)
{
	const struct sl_route *route = sl_route_find(fw->routes, dst, &pkt->hop);
	uint16_t hop;

	if (route == NULL) {
		sl_forward_drop(pkt, SL_DROP_NO_ROUTE);
		return;
	}
	pkt->out_port = route->port;
	hop = sl_neigh_find(fw->neighs, &pkt->hop, route->port);
	if (hop == SL_NEIGH_NONE) {
		if (sl_forward_fit(fw, pkt))
			pkt->verdict = SL_VERDICT_RESOLVE;
		return;
	}
	if (hop_cache != NULL)
		*hop_cache = hop;
	forward_leave_by_hop(fw, pkt, hop);
}

void sl_forward_leave_by(struct sl_forwarder *fw, struct sl_pkt *pkt, uint16_t hop,
                         const struct sl_ip *dst)
{
	if (hop != SL_NEIGH_NONE)
		forward_leave_by_hop(fw, pkt, hop);
	else
		sl_forward_leave_towards(fw, pkt, dst, NULL);
}

void sl_forward_leave_to_backend(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                 const struct sl_flow *flow, const struct sl_ip *backend)
{
	sl_forward_leave_by(fw, pkt, forward_backend_hop(fw, flow), backend);
}

// The packet is not changed, so where it goes is only in the flow.
static void leave_dsr(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_flow *flow)
{
	const uint16_t hop = forward_backend_hop(fw, flow);
	struct sl_tuple to;

	if (hop != SL_NEIGH_NONE) {
		forward_leave_by_hop(fw, pkt, hop);
		return;
	}
	to = sl_flow_tuple_to_backend(fw->flows, flow);
	sl_forward_leave_towards(fw, pkt, &to.dst, NULL);
}

// The cached hop may have been given to another neighbour since; gateways never are.
void sl_forward_leave_to_client(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow)
{
	const uint16_t hop = forward_client_hop(fw, flow, &pkt->tuple.dst);

	if (hop != SL_NEIGH_NONE)
		forward_leave_by_hop(fw, pkt, hop);
	else
		sl_forward_leave_towards(fw, pkt, &pkt->tuple.dst, &flow->client_hop);
}

// The TTL ends here. The packet is as it came; its sender is told if that is allowed.
void sl_forward_expire(struct sl_forwarder *fw, struct sl_pkt *pkt)
{
	sl_forward_drop(pkt, SL_DROP_TTL);
	if (!sl_icmp_grant(&fw->errors, pkt, fw->now))
		return;
	pkt->wants_error = true;
	pkt->verdict = SL_VERDICT_SLOW;
}

#define PICKED_WAIT_TICKS 4 // a second: a flood would have to come back to all it has invented

static void change_over(struct sl_forwarder *fw, const struct sl_flow *flow, bool is_over)
{
	sl_forward_load(fw, flow, is_over ? -1 : 1);
	if (!(flow->flags & SL_FLOW_IS_MEASURED))
		return;
	if (is_over)
		sl_measure_over(fw->measure, flow, fw->now_ns);
	else
		sl_measure_again(fw->measure, flow);
}

// Of the backend. That it knows nothing of a connection met in its middle is no fault of its own.
static void count_rst(struct sl_forwarder *fw, const struct sl_flow *flow)
{
	struct sl_stats_backend *cell = &fw->backend_stats[flow->backend];

	if (flow->state == SL_FLOW_NEW)
		sl_stat_add(&cell->refused, 1);
	else if (flow->state == SL_FLOW_ANSWERED ||
	         (sl_flow_is_confirmed(flow->state) && flow->state != SL_FLOW_RESET))
		sl_stat_add(&cell->resets, 1);
}

// What VIPs that keep their clients learn from a flow that leaves its state for next.
static void track_client(struct sl_forwarder *fw, struct sl_flow *flow, uint8_t next,
                         const struct sl_pkt *pkt, enum sl_dir dir)
{
	const bool was_confirmed = sl_flow_is_confirmed(flow->state);

	if (next == SL_FLOW_ANSWERED)
		sl_forward_note_syn_ack(flow, pkt);
	else if (!was_confirmed && sl_flow_is_confirmed(next) && next != SL_FLOW_RESET &&
	         dir == SL_DIR_C2S)
		sl_forward_remember(fw, flow, pkt);
	else if (was_confirmed && sl_flow_is_over(next))
		sl_forward_remember_end(fw, flow);
}

static __attribute__((noinline)) void track_tcp(struct sl_forwarder *fw, struct sl_flow *flow,
                                                const struct sl_pkt *pkt, enum sl_dir dir)
{
	const bool is_dsr = (flow->flags & SL_FLOW_IS_DSR) != 0;
	uint8_t old = flow->state;
	uint8_t next = sl_tcp_next(old, dir, pkt->tcp_flags, is_dsr);

	if (dir == SL_DIR_S2C && (pkt->tcp_flags & SL_TCP_RST))
		count_rst(fw, flow);
	// Nobody answers here under DSR: that the client comes again has to do.
	if (next == old ||
	    (old == SL_FLOW_PICKED && is_dsr && fw->now - flow->picked_tick < PICKED_WAIT_TICKS))
		return;
	if (fw->snap->keeps_clients)
		track_client(fw, flow, next, pkt, dir);
	if (next == SL_FLOW_CLOSING && old == SL_FLOW_FIN_C2S && (flow->flags & SL_FLOW_IS_FULLNAT))
		sl_forward_forget_port(fw, flow);
	if (sl_flow_is_over(next) != sl_flow_is_over(old)) // a revived flow counts again
		change_over(fw, flow, sl_flow_is_over(next));
	sl_flow_set_state(fw->flows, flow, next, fw->now);
}

void sl_forward_over(struct sl_forwarder *fw, struct sl_flow *flow, uint8_t state)
{
	change_over(fw, flow, true);
	sl_flow_set_state(fw->flows, flow, state, fw->now);
}

// UDP: an answer or a third packet confirms; DSR never sees answers.
#define UDP_CONFIRM_PKTS 3
static void track_udp(struct sl_forwarder *fw, struct sl_flow *flow, const struct sl_pkt *pkt,
                      enum sl_dir dir)
{
	if (flow->state != SL_FLOW_NEW)
		return;
	if (dir == SL_DIR_C2S && ++flow->n_udp_pkts < UDP_CONFIRM_PKTS)
		return;
	if (fw->snap->keeps_clients)
		sl_forward_remember(fw, flow, pkt);
	sl_flow_set_state(fw->flows, flow, SL_FLOW_OPEN, fw->now);
}

static __attribute__((noinline)) void rewrite_any(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                                  const struct sl_flow *flow, enum sl_dir dir)
{
	struct sl_tuple to;

	sl_rewrite_ttl(pkt);
	to = dir == SL_DIR_C2S ? sl_flow_tuple_to_backend(fw->flows, flow)
	                       : sl_flow_tuple_to_client(fw->flows, flow);
	sl_rewrite_tuple(pkt, &to);
}

// To what it leaves as, one hop further on.
static inline void rewrite(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_flow *flow,
                           enum sl_dir dir)
{
	struct sl_pair_v4 out;

	if (pkt->is_v6 || pkt->kind == SL_PKT_FRAGMENT) {
		rewrite_any(fw, pkt, flow, dir);
		return;
	}
	out = sl_flow_pair_out_v4(flow, dir);
	sl_rewrite_pair_v4(pkt, out.addresses_be, out.ports_be);
}

// Direct return: nothing above the MAC changes, or the packet travels inside another one.
static void leave_as_it_is(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow)
{
	if (flow->flags & SL_FLOW_IS_TUNNEL)
		sl_forward_through_tunnel(fw, pkt, flow);
	else
		leave_dsr(fw, pkt, flow);
}

void sl_forward_hit(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                    enum sl_dir dir)
{
	const bool is_dsr = (flow->flags & SL_FLOW_IS_DSR) != 0;

	// Before anything learns from it: nobody beyond us will ever see this packet.
	if (pkt->ttl <= 1 && (!is_dsr || (flow->flags & SL_FLOW_IS_TUNNEL))) {
		sl_forward_expire(fw, pkt);
		return;
	}
	forward_measure(fw, flow, pkt, dir);
	if (pkt->kind == SL_PKT_TCP) {
		if (!forward_is_midstream(flow, pkt))
			track_tcp(fw, flow, pkt, dir);
	} else if (pkt->kind == SL_PKT_UDP) {
		track_udp(fw, flow, pkt, dir);
	}
	forward_touch(flow, fw->now);
	forward_count(fw, flow, pkt, dir);
	if (flow->flags & (SL_FLOW_IS_DSR | SL_FLOW_IS_SPLICED | SL_FLOW_IS_TRANSLATED)) {
		if (is_dsr) {
			leave_as_it_is(fw, pkt, flow);
			return;
		}
		if ((flow->flags & SL_FLOW_IS_SPLICED) && !sl_forward_splice(fw, pkt, flow, dir))
			return;
		if (flow->flags & SL_FLOW_IS_TRANSLATED) {
			sl_forward_translate(fw, pkt, flow, dir);
			return;
		}
	}
	rewrite(fw, pkt, flow, dir);
	if (dir == SL_DIR_C2S)
		sl_forward_leave_to_backend(fw, pkt, flow, &pkt->tuple.dst);
	else
		sl_forward_leave_to_client(fw, pkt, flow);
}

static struct sl_tuple reversed(const struct sl_tuple *t)
{
	struct sl_tuple r = {.src = t->dst,
	                     .dst = t->src,
	                     .sport_be = t->dport_be,
	                     .dport_be = t->sport_be,
	                     .proto = t->proto};

	return r;
}

// The quoted packet is one we sent. Turned round it is a packet of the flow's other direction, and
// that is how the table knows it (RFC 5508 section 4; RFC 792).
void sl_forward_icmp_error(struct sl_forwarder *fw, struct sl_pkt *pkt)
{
	struct sl_tuple back = reversed(&pkt->inner);
	struct sl_tuple outer = pkt->tuple;
	struct sl_tuple inner;
	struct sl_flow *flow;
	enum sl_dir dir;

	pkt->hash = sl_flow_hash(fw->flows, &back);
	flow = sl_flow_find(fw->flows, &back, pkt->hash, &dir);
	if (flow == NULL) {
		sl_forward_drop(pkt, SL_DROP_ICMP_NO_FLOW);
		return;
	}
	if (flow->flags & SL_FLOW_IS_DSR) { // the backend sent it from the VIP and wants it so
		leave_as_it_is(fw, pkt, flow);
		return;
	}
	if (flow->flags & SL_FLOW_IS_SPLICED)
		sl_forward_splice_quote(pkt, flow, dir);
	if (flow->flags & SL_FLOW_IS_TRANSLATED) {
		sl_forward_translate_error(fw, pkt, flow, dir);
		return;
	}
	if (!sl_rewrite_ttl(pkt)) {
		sl_forward_drop(pkt, SL_DROP_TTL);
		return;
	}
	if (dir == SL_DIR_C2S) { // about a reply on its way to the client: tell the backend
		inner = sl_flow_tuple_from_backend(fw->flows, flow);
		outer.dst = inner.src;
		if (flow->flags & SL_FLOW_IS_FULLNAT)
			outer.src = inner.dst;
		sl_rewrite_icmp_error(pkt, &outer, &inner);
		sl_forward_leave_to_backend(fw, pkt, flow, &inner.src);
	} else { // about a request on its way to the backend: tell the client, as from the VIP
		inner = sl_flow_tuple_from_client(fw->flows, flow);
		outer.src = inner.dst;
		outer.dst = inner.src;
		sl_rewrite_icmp_error(pkt, &outer, &inner);
		pkt->tuple.dst = inner.src;
		sl_forward_leave_to_client(fw, pkt, flow);
	}
}

static bool takes_flows(const struct sl_snapshot *snap, const struct sl_flow *flow)
{
	const struct sl_snap_backend *be;

	if (flow->backend >= snap->n_backends)
		return false;
	be = &snap->backends[flow->backend];
	return be->pool != UINT16_MAX && be->generation == flow->backend_generation &&
	       snap->weights_milli[flow->backend] > 0;
}

// A SYN that gets a flow of its own although its tuple has one: the connection before is over, or
// it was never answered and its backend takes no flows any more (a client that asks a dead backend
// again would keep it for as long as it asks).
static bool is_new_connection(const struct sl_forwarder *fw, const struct sl_pkt *pkt,
                              const struct sl_flow *flow)
{
	if (pkt->kind != SL_PKT_TCP ||
	    (pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK | SL_TCP_RST)) != SL_TCP_SYN)
		return false;
	return sl_tcp_syn_reopens(flow->state, pkt->tcp_seq, flow->syn_seq) ||
	       (flow->state == SL_FLOW_NEW && !takes_flows(fw->snap, flow));
}

static __attribute__((noinline)) void decide(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                             struct sl_flow *flow, enum sl_dir dir)
{
	if (flow != NULL && dir == SL_DIR_C2S && is_new_connection(fw, pkt, flow)) {
		sl_flow_remove(fw->flows, flow);
		flow = NULL;
	}
	if (flow != NULL)
		sl_forward_hit(fw, pkt, flow, dir);
	else if (pkt->kind == SL_PKT_FRAGMENT)
		sl_forward_drop(pkt, SL_DROP_NO_FLOW); // the first one did not make a flow
	else
		sl_forward_miss(fw, pkt);
}

void sl_forward_start(struct sl_forwarder *fw, struct sl_forward_batch *batch)
{
	for (uint32_t i = 0; i < batch->n_pkts; i++) {
		if (unlikely(batch->pkts[i]->is_fragment))
			sl_forward_pass_fragment(fw, batch->pkts[i]);
	}
	sl_flow_search_start(fw->flows, batch->pkts, batch->n_pkts, &batch->search);
}

void sl_forward_guess(struct sl_forwarder *fw, struct sl_forward_batch *batch)
{
	sl_flow_search_guess(fw->flows, batch->n_pkts, &batch->search);
}

// The entries are here, right or wrong: what has been measured of them is next.
void sl_forward_peek(struct sl_forwarder *fw, const struct sl_forward_batch *batch)
{
	for (uint32_t i = 0; i < batch->n_pkts; i++) {
		const uint32_t ref = batch->search.refs[i];
		const struct sl_flow *flow = flow_at(fw->flows, ref >> 1);

		if (ref != SL_FLOW_NONE && (flow->flags & SL_FLOW_IS_MEASURED) &&
		    sl_measure_wants(flow, batch->pkts[i]))
			sl_measure_prefetch(fw->measure, ref >> 1);
	}
}

void sl_forward_finish(struct sl_forwarder *fw, struct sl_forward_batch *batch)
{
	if (unlikely(fw->has_rates))
		sl_forward_sort(fw, batch);
	for (uint32_t i = 0; i < batch->n_pkts; i++) {
		struct sl_pkt *pkt = batch->pkts[i];
		struct sl_flow *flow;
		enum sl_dir dir;

		if (unlikely(pkt->is_fragment && pkt->verdict != SL_VERDICT_DECIDE))
			continue;
		if (unlikely(pkt->kind == SL_PKT_ICMP_ERROR)) {
			sl_forward_icmp_error(fw, pkt);
			continue;
		}
		flow = sl_flow_search_take(fw->flows, &batch->search, i, pkt, &dir);
		if (unlikely(flow == NULL || !forward_plain(fw, pkt, flow, dir)))
			decide(fw, pkt, flow, dir);
	}
}

void sl_forward_burst(struct sl_forwarder *fw, struct sl_pkt **pkts, uint32_t n_pkts)
{
	struct sl_forward_batch batch;

	for (uint32_t first = 0; first < n_pkts; first += SL_FLOW_BURST) {
		batch.n_pkts = n_pkts - first < SL_FLOW_BURST ? n_pkts - first : SL_FLOW_BURST;
		memcpy(batch.pkts, pkts + first, batch.n_pkts * sizeof(*pkts));
		sl_forward_start(fw, &batch);
		sl_forward_guess(fw, &batch);
		sl_forward_peek(fw, &batch);
		sl_forward_finish(fw, &batch);
	}
}
