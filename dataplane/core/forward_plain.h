// SPDX-License-Identifier: Apache-2.0
// The shortest way, of nearly all packets: a known flow in its middle whose next hop is known. In
// line, because here every call counts. Whatever is not plain goes the long way (forward.c), which
// does the same and more; a flow flag that this does not name leads there by itself.
#ifndef SLUICE_CORE_FORWARD_PLAIN_H
#define SLUICE_CORE_FORWARD_PLAIN_H

#include "flow_private.h"
#include "forward_private.h"
#include "rewrite.h"

// Most packets there are: sl_tcp_next leaves them where they are.
static inline bool forward_is_midstream(const struct sl_flow *flow, const struct sl_pkt *pkt)
{
	return flow->state == SL_FLOW_OPEN &&
	       !(pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_FIN | SL_TCP_RST));
}

static inline void forward_count(struct sl_forwarder *fw, const struct sl_flow *flow,
                                 const struct sl_pkt *pkt, enum sl_dir dir)
{
	struct sl_stats_backend *be = &fw->backend_stats[flow->backend];
	struct sl_stats_vip *vip = &fw->vip_stats[flow->vip];

	if (dir == SL_DIR_C2S) {
		sl_stat_add(&be->c2s_pkts, 1);
		sl_stat_add(&be->c2s_bytes, pkt->len);
		sl_stat_add(&vip->c2s_pkts, 1);
		sl_stat_add(&vip->c2s_bytes, pkt->len);
	} else {
		sl_stat_add(&be->s2c_pkts, 1);
		sl_stat_add(&be->s2c_bytes, pkt->len);
		sl_stat_add(&vip->s2c_pkts, 1);
		sl_stat_add(&vip->s2c_bytes, pkt->len);
	}
}

// Tells the main core that this row is in use; a plain load keeps the line shared when it knows.
static inline void forward_leave_by_mac(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                        struct sl_neigh *row, uint64_t word)
{
	if (__builtin_expect(atomic_load_explicit(&row->used, memory_order_relaxed) == 0, 0))
		atomic_store_explicit(&row->used, 1, memory_order_relaxed);
	sl_rewrite_macs_word(pkt, fw->port_macs[pkt->out_port], word);
	pkt->verdict = SL_VERDICT_SEND;
}

// A next hop by index: MAC if it is usable, else the packet waits at the main core.
static inline void forward_leave_by_hop(struct sl_forwarder *fw, struct sl_pkt *pkt, uint16_t hop)
{
	struct sl_neigh *row = &fw->neighs->rows[hop];
	const uint64_t word = sl_neigh_word(row);

	pkt->out_port = row->port;
	if (__builtin_expect(!(word & SL_NEIGH_DIRECT), 0))
		sl_forward_leave_with_care(fw, pkt, row, word);
	else
		forward_leave_by_mac(fw, pkt, row, word);
}

// SL_NEIGH_NONE when the flow's backend was removed: its flows live on.
static inline uint16_t forward_backend_hop(const struct sl_forwarder *fw,
                                           const struct sl_flow *flow)
{
	const struct sl_snap_backend *be = sl_forward_backend_of(fw, flow);

	return be != NULL ? be->next_hop : SL_NEIGH_NONE;
}

// The next hop towards the client as the flow remembers it, if it still is that.
static inline uint16_t forward_client_hop(const struct sl_forwarder *fw, const struct sl_flow *flow,
                                          const struct sl_ip *client)
{
	const struct sl_neigh *row;

	if (__builtin_expect(flow->client_hop == SL_NEIGH_NONE, 0))
		return SL_NEIGH_NONE;
	row = &fw->neighs->rows[flow->client_hop];
	return row->is_gateway || sl_ip_equal(&row->address, client) ? flow->client_hop
	                                                             : SL_NEIGH_NONE;
}

// Before the packet changes.
static inline void forward_measure(struct sl_forwarder *fw, struct sl_flow *flow,
                                   const struct sl_pkt *pkt, enum sl_dir dir)
{
	if ((flow->flags & SL_FLOW_IS_MEASURED) && pkt->kind == SL_PKT_TCP &&
	    sl_measure_wants(flow, pkt) && !sl_measure_is_stale(fw->measure, flow, pkt))
		sl_measure_pkt(fw->measure, flow, pkt, dir, fw->now_ns);
}

static inline void forward_touch(struct sl_flow *flow, uint32_t now)
{
	if (flow->last_seen != now) // most have it; a line not written need not be written back
		flow->last_seen = now;
}

static inline bool forward_plain_dsr(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                     struct sl_flow *flow, enum sl_dir dir)
{
	const uint16_t hop = forward_backend_hop(fw, flow);

	if (hop == SL_NEIGH_NONE)
		return false;
	forward_measure(fw, flow, pkt, dir);
	forward_touch(flow, fw->now);
	forward_count(fw, flow, pkt, dir);
	forward_leave_by_hop(fw, pkt, hop);
	return true;
}

static inline bool forward_plain_nat(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                     struct sl_flow *flow, enum sl_dir dir)
{
	struct sl_pair_v4 out;
	struct sl_ip client;
	uint16_t hop;

	if (dir == SL_DIR_C2S) {
		hop = forward_backend_hop(fw, flow);
	} else {
		client = sl_ip_from_v4(flow->client_be);
		hop = forward_client_hop(fw, flow, &client);
	}
	if (hop == SL_NEIGH_NONE || pkt->ttl <= 1)
		return false;
	forward_measure(fw, flow, pkt, dir);
	forward_touch(flow, fw->now);
	forward_count(fw, flow, pkt, dir);
	out = sl_flow_pair_out_v4(flow, dir);
	sl_rewrite_pair_v4(pkt, out.addresses_be, out.ports_be);
	forward_leave_by_hop(fw, pkt, hop);
	return true;
}

// Only the service's side of a packet changes.
static inline bool forward_plain_nat_v6(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                        struct sl_flow *flow, enum sl_dir dir)
{
	const struct sl_flow_v6 *v6 = flow_v6_at(fw->flows, flow_entry_of(fw->flows, flow));
	const uint32_t ports_be = sl_flow_pair_out_v4(flow, dir).ports_be;
	const uint16_t hop = dir == SL_DIR_C2S ? forward_backend_hop(fw, flow)
	                                       : forward_client_hop(fw, flow, &v6->client);

	if (hop == SL_NEIGH_NONE || pkt->ttl <= 1)
		return false;
	forward_measure(fw, flow, pkt, dir);
	forward_touch(flow, fw->now);
	forward_count(fw, flow, pkt, dir);
	sl_rewrite_address_v6(pkt, dir == SL_DIR_C2S, dir == SL_DIR_C2S ? &v6->backend : &v6->vip,
	                      ports_be);
	forward_leave_by_hop(fw, pkt, hop);
	return true;
}

// false: nothing was done, and the long way is to be gone.
static inline bool forward_plain(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                                 enum sl_dir dir)
{
	unsigned int flags;

	if (!forward_is_midstream(flow, pkt) || pkt->kind == SL_PKT_FRAGMENT)
		return false;
	flags = flow->flags & ~SL_FLOW_IS_MEASURED;
	if ((flags & ~SL_FLOW_IS_FULLNAT) == SL_FLOW_USED)
		return forward_plain_nat(fw, pkt, flow, dir);
	if (flags == (SL_FLOW_USED | SL_FLOW_IS_V6))
		return forward_plain_nat_v6(fw, pkt, flow, dir);
	if ((flags & ~SL_FLOW_IS_V6) == (SL_FLOW_USED | SL_FLOW_IS_DSR))
		return forward_plain_dsr(fw, pkt, flow, dir);
	if ((flags & SL_FLOW_IS_DSR) && !(flags & SL_FLOW_IS_SPLICED)) // the one call
		return sl_forward_plain_tunnel(fw, pkt, flow, dir);
	return false;
}

#endif
