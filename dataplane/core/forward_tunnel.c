// SPDX-License-Identifier: Apache-2.0
// dsr-ipip and dsr-gue: a hop of routing (TTL goes down by one, RFC 2003 3.1, RFC 2473 3.1), then
// the packet inside another one.
#include "encap.h"
#include "forward_plain.h"
#include "mss.h"

// Where a tunnel starts and ends, and what fits into it.
struct tunnel {
	struct sl_encap outer;
	uint16_t inner_mtu_bytes;
	uint8_t mtu_guard;
};

// From the snapshot; from the routes for a backend that is no longer configured (NULL), whose flows
// live on. false without a route.
static bool find_tunnel(const struct sl_forwarder *fw, const struct sl_snap_backend *be,
                        struct tunnel *tunnel)
{
	uint16_t mtu_bytes;

	tunnel->mtu_guard = SL_MTU_GUARD_BOTH;
	if (be != NULL && be->mtu_bytes != 0) {
		tunnel->outer.src = be->tunnel_source;
		tunnel->mtu_guard = fw->snap->pools[be->pool].mtu_guard;
		mtu_bytes = be->mtu_bytes;
	} else {
		struct sl_ip next_hop;
		const struct sl_route *route =
			sl_route_find(fw->routes, &tunnel->outer.dst, &next_hop);

		if (route == NULL)
			return false;
		tunnel->outer.src = route->source;
		mtu_bytes = route->mtu_bytes;
	}
	tunnel->inner_mtu_bytes =
		(uint16_t)(mtu_bytes - sl_encap_overhead_bytes(tunnel->outer.is_gue,
	                                                       !sl_ip_is_v4(&tunnel->outer.dst)));
	return true;
}

// The packet counts as dropped and the error as made here, so that the sums stay right.
void sl_forward_refuse_too_big(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                               uint16_t mtu_bytes)
{
	if (!sl_toobig_is_allowed(pkt) || !sl_toobig_take(&fw->too_bigs, fw->now)) {
		sl_forward_drop(pkt, SL_DROP_TOO_BIG);
		return;
	}
	sl_stat_add(&fw->stats->drops[SL_DROP_TOO_BIG], 1);
	sl_stat_add(&fw->stats->generated_pkts, 1);
	sl_toobig_make(pkt, mtu_bytes);
	if (flow != NULL)
		sl_forward_leave_to_client(fw, pkt, flow);
	else
		sl_forward_leave_towards(fw, pkt, &pkt->tuple.dst, NULL);
}

// outer of the tunnel is filled but for its source; flow is NULL when there is none.
static void enter(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                  const struct sl_snap_backend *be, struct tunnel *tunnel)
{
	if (!find_tunnel(fw, be, tunnel)) {
		sl_forward_drop(pkt, SL_DROP_NO_ROUTE);
		return;
	}
	if (pkt->ttl <= 1) {
		sl_forward_drop(pkt, SL_DROP_TTL);
		return;
	}
	if (sl_encap_inner_bytes(pkt) > tunnel->inner_mtu_bytes) {
		if (tunnel->mtu_guard == SL_MTU_GUARD_CLAMP_MSS)
			sl_forward_drop(pkt, SL_DROP_TOO_BIG);
		else
			sl_forward_refuse_too_big(fw, pkt, flow, tunnel->inner_mtu_bytes);
		return;
	}
	sl_rewrite_ttl(pkt);
	if (tunnel->mtu_guard != SL_MTU_GUARD_TOO_BIG)
		sl_mss_clamp(pkt, sl_mss_of_mtu(tunnel->inner_mtu_bytes, pkt->is_v6));
	tunnel->outer.hash = pkt->hash;
	tunnel->outer.id = fw->next_outer_id;
	fw->next_outer_id = (uint16_t)(fw->next_outer_id + fw->n_workers);
	if (!sl_encap_push(pkt, &tunnel->outer)) {
		sl_forward_drop(pkt, SL_DROP_NO_HEADROOM);
		return;
	}
	sl_forward_leave_by(fw, pkt, be != NULL ? be->next_hop : SL_NEIGH_NONE, &tunnel->outer.dst);
}

void sl_forward_through_tunnel(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow)
{
	const struct sl_tuple to = sl_flow_tuple_to_backend(fw->flows, flow);
	struct tunnel tunnel = {
		.outer = {.dst = to.dst, .is_gue = (flow->flags & SL_FLOW_IS_GUE) != 0}};

	enter(fw, pkt, flow, sl_forward_backend_of(fw, flow), &tunnel);
}

// IPv4 in IPv4. The MACs are still to be written, so only the type moves forward.
static inline void push_v4(struct sl_forwarder *fw, struct sl_pkt *pkt, uint32_t src_be,
                           uint32_t dst_be, const bool is_gue)
{
	const uint16_t overhead = sl_encap_overhead_bytes(is_gue, false);
	const uint32_t inner_bytes = sl_encap_inner_bytes(pkt);
	const uint8_t *inner = pkt->data + SL_ETH_BYTES;
	uint8_t *l3 = pkt->data + SL_ETH_BYTES - overhead;

	sl_encap_put_v4(l3, inner,
	                (struct sl_encap_v4){.src_be = src_be,
	                                     .dst_be = dst_be,
	                                     .total_bytes = (uint16_t)(inner_bytes + overhead),
	                                     .id = fw->next_outer_id,
	                                     .proto = is_gue ? IPPROTO_UDP : IPPROTO_IPIP});
	if (is_gue)
		sl_encap_put_gue(l3 + SL_IPV4_BYTES, pkt->hash,
		                 (uint16_t)(inner_bytes + SL_UDP_BYTES + SL_ENCAP_GUE_BYTES),
		                 IPPROTO_IPIP);
	sl_store16_host(l3 - 2, SL_ETHERTYPE_IPV4);
	pkt->data -= overhead;
	pkt->headroom = (uint16_t)(pkt->headroom - overhead);
	pkt->len = SL_ETH_BYTES + inner_bytes + overhead; // padding stays behind
	pkt->l3_off = (uint16_t)(pkt->l3_off + overhead);
	pkt->l4_off = (uint16_t)(pkt->l4_off + overhead);
	pkt->payload_off = (uint16_t)(pkt->payload_off + overhead);
}

static __attribute__((noinline)) void push_any(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                               const struct sl_flow *flow,
                                               const struct sl_snap_backend *be)
{
	const struct sl_encap outer = {
		.src = be->tunnel_source,
		.dst = flow_v6_at(fw->flows, flow_entry_of(fw->flows, flow))->backend,
		.is_gue = (flow->flags & SL_FLOW_IS_GUE) != 0,
		.id = fw->next_outer_id,
		.hash = pkt->hash,
	};

	sl_encap_push(pkt, &outer);
}

static inline void push(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_flow *flow,
                        const struct sl_snap_backend *be)
{
	const uint32_t src_be = sl_ip_v4_be(&be->tunnel_source);

	if (flow->flags & SL_FLOW_IS_V6)
		push_any(fw, pkt, flow, be);
	else if (flow->flags & SL_FLOW_IS_GUE)
		push_v4(fw, pkt, src_be, flow->backend_be, true);
	else
		push_v4(fw, pkt, src_be, flow->backend_be, false);
	fw->next_outer_id = (uint16_t)(fw->next_outer_id + fw->n_workers);
}

// Longest where it does not fit: an outer header of either family.
bool sl_forward_plain_tunnel(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                             enum sl_dir dir)
{
	const struct sl_snap_backend *be = sl_forward_backend_of(fw, flow);
	struct sl_neigh *row;
	uint64_t word;

	if (be == NULL || be->next_hop == SL_NEIGH_NONE || pkt->ttl <= 1 ||
	    sl_encap_inner_bytes(pkt) + SL_ENCAP_MAX_OVERHEAD > be->mtu_bytes ||
	    pkt->headroom < SL_ENCAP_MAX_OVERHEAD || pkt->l3_off != SL_ETH_BYTES)
		return false;
	row = &fw->neighs->rows[be->next_hop];
	word = sl_neigh_word(row);
	if (!(word & SL_NEIGH_DIRECT))
		return false;
	forward_measure(fw, flow, pkt, dir);
	forward_touch(flow, fw->now);
	forward_count(fw, flow, pkt, dir);
	sl_rewrite_ttl_plain(pkt);
	push(fw, pkt, flow, be);
	pkt->out_port = row->port;
	forward_leave_by_mac(fw, pkt, row, word);
	return true;
}

void sl_forward_into_tunnel(struct sl_forwarder *fw, struct sl_pkt *pkt,
                            const struct sl_snap_backend *be, bool is_gue)
{
	struct tunnel tunnel = {.outer = {.dst = be->address, .is_gue = is_gue}};

	enter(fw, pkt, NULL, be, &tunnel);
}
