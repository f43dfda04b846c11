// SPDX-License-Identifier: Apache-2.0
// fullnat to a backend of the other family: what translate.h does to a packet, and what does not
// fit any more after it.
#include "forward_private.h"
#include "mss.h"
#include "toobig.h"
#include "translate.h"

static uint16_t next_id(struct sl_forwarder *fw)
{
	const uint16_t id = fw->next_outer_id;

	fw->next_outer_id = (uint16_t)(fw->next_outer_id + fw->n_workers);
	return id;
}

// Of the port that leads there; the most there is without one, for then nothing is sent.
static uint16_t mtu_towards(const struct sl_forwarder *fw, const struct sl_ip *dst)
{
	struct sl_ip next_hop;
	const struct sl_route *route = sl_route_find(fw->routes, dst, &next_hop);

	return route != NULL ? route->mtu_bytes : UINT16_MAX;
}

static void leave(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                  bool is_to_client)
{
	if (is_to_client)
		sl_forward_leave_to_client(fw, pkt, flow);
	else
		sl_forward_leave_to_backend(fw, pkt, flow, &pkt->tuple.dst);
}

// The sender hears what would have fitted in its own family. The packet counts as dropped and the
// error as made here, so that the sums stay right.
static void refuse_too_big(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                           enum sl_dir dir, uint16_t mtu_bytes)
{
	const uint16_t fits_bytes = (uint16_t)(pkt->is_v6 ? mtu_bytes + SL_TRANSLATE_GROWTH_BYTES
	                                                  : mtu_bytes - SL_TRANSLATE_GROWTH_BYTES);

	if (!sl_toobig_is_allowed(pkt) || !sl_toobig_take(&fw->too_bigs, fw->now)) {
		sl_forward_drop(pkt, SL_DROP_TOO_BIG);
		return;
	}
	sl_stat_add(&fw->stats->drops[SL_DROP_TOO_BIG], 1);
	sl_stat_add(&fw->stats->generated_pkts, 1);
	sl_toobig_make(pkt, fits_bytes);
	leave(fw, pkt, flow, dir == SL_DIR_C2S);
}

// What a SYN announces is the payload of the answers, which must fit on both sides.
static void clamp(const struct sl_forwarder *fw, struct sl_pkt *pkt, uint16_t mtu_out_bytes)
{
	const uint16_t mtu_in_bytes = mtu_towards(fw, &pkt->tuple.src);
	const uint16_t in_bytes = sl_mss_of_mtu(mtu_in_bytes, pkt->is_v6);
	const uint16_t out_bytes = sl_mss_of_mtu(mtu_out_bytes, !pkt->is_v6);

	sl_mss_clamp(pkt, in_bytes < out_bytes ? in_bytes : out_bytes);
}

void sl_forward_translate(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                          enum sl_dir dir)
{
	const struct sl_tuple to = dir == SL_DIR_C2S ? sl_flow_tuple_to_backend(fw->flows, flow)
	                                             : sl_flow_tuple_to_client(fw->flows, flow);
	const uint16_t mtu_bytes = mtu_towards(fw, &to.dst);
	int why;

	if (sl_translate_bytes(pkt) > mtu_bytes) {
		refuse_too_big(fw, pkt, flow, dir, mtu_bytes);
		return;
	}
	if (pkt->kind == SL_PKT_TCP && (pkt->tcp_flags & SL_TCP_SYN))
		clamp(fw, pkt, mtu_bytes);
	why = sl_translate(pkt, &to, next_id(fw));
	if (why >= 0)
		sl_forward_drop(pkt, (enum sl_drop)why);
	else
		leave(fw, pkt, flow, dir == SL_DIR_S2C);
}

// dir C2S: about a reply on its way to the client, to the backend; S2C: about a request on its way
// to the backend, to the client, as from the VIP.
void sl_forward_translate_error(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                                enum sl_dir dir)
{
	const struct sl_tuple inner = dir == SL_DIR_C2S
	                                      ? sl_flow_tuple_from_backend(fw->flows, flow)
	                                      : sl_flow_tuple_from_client(fw->flows, flow);
	const uint16_t far_bytes = mtu_towards(fw, &pkt->inner.dst);
	const uint16_t near_bytes = mtu_towards(fw, &inner.src);
	const struct sl_translate_error to = {.src = &inner.dst,
	                                      .dst = &inner.src,
	                                      .inner = &inner,
	                                      .mtu4_bytes = pkt->is_v6 ? near_bytes : far_bytes,
	                                      .mtu6_bytes = pkt->is_v6 ? far_bytes : near_bytes,
	                                      .id = next_id(fw)};
	int why = sl_translate_icmp(pkt, &to);

	if (why >= 0)
		sl_forward_drop(pkt, (enum sl_drop)why);
	else
		leave(fw, pkt, flow, dir == SL_DIR_S2C);
}
