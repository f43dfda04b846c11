// SPDX-License-Identifier: Apache-2.0
// Connections of services with SYN cookies: no flow before the client has proven its address.
//
// Order: SYN -> our SYN-ACK; ACK with a right cookie -> a flow, PROVEN, and a SYN to the backend;
//        its SYN-ACK -> news of its window to the client, whose next packet ends the handshake.
//        Whatever the client sends in between asks the backend again. Should the client have
//        nothing to say, the backend repeats its SYN-ACK, and the client's answer to that does it.
// Times: a proven flow is as unconfirmed as any other: 30 s, and it may be evicted.
#include "forward_private.h"
#include "mss.h"
#include "syncookie.h"

// auto: unconfirmed flows take a quarter of this worker's table.
static bool is_wanted(const struct sl_forwarder *fw, const struct sl_snap_vip *vip)
{
	return vip->syn_cookies == SL_SYN_COOKIES_ALWAYS ||
	       sl_flow_unconfirmed(fw->flows) >= sl_flow_capacity(fw->flows) / 4;
}

static void answer(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_snap_vip *vip)
{
	struct sl_ip hop;
	const struct sl_route *route = sl_route_find(fw->routes, &pkt->tuple.src, &hop);
	uint16_t mtu_bytes = SL_MTU_DEFAULT_BYTES;

	if (!sl_acl_allows(vip->acl, vip->n_acl, &pkt->tuple.src)) {
		sl_stat_add(&fw->vip_stats[vip->slot].denied, 1);
		sl_forward_drop(pkt, SL_DROP_DENIED);
		return;
	}
	if (route != NULL && route->mtu_bytes < mtu_bytes)
		mtu_bytes = route->mtu_bytes;
	if (!sl_syncookie_answer(pkt, &fw->cookie_key, fw->now,
	                         sl_mss_of_mtu(mtu_bytes, pkt->is_v6))) {
		sl_forward_drop(pkt, SL_DROP_HANDSHAKE);
		return;
	}
	sl_stat_add(&fw->vip_stats[vip->slot].cookies_sent, 1);
	sl_forward_leave_towards(fw, pkt, &pkt->tuple.dst, NULL);
}

static void open_proven(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_snap_vip *vip,
                        uint32_t cookie)
{
	struct sl_flow *flow;

	if (pkt->ttl <= 1) {
		sl_forward_expire(fw, pkt);
		return;
	}
	sl_syncookie_to_syn(pkt, pkt->tcp_seq - 1, cookie);
	flow = sl_forward_open(fw, pkt, vip);
	if (flow == NULL)
		return;
	sl_stat_add(&fw->vip_stats[vip->slot].cookies_good, 1);
	sl_forward_hit(fw, pkt, flow, SL_DIR_C2S);
	flow->flags |= SL_FLOW_IS_SPLICED;
	flow->splice |= SL_SPLICE_DELTA;
	flow->s2c_delta = cookie; // less the backend's number, once that is known
	sl_flow_set_state(fw->flows, flow, SL_FLOW_PROVEN, fw->now);
}

bool sl_forward_cookie(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_snap_vip *vip)
{
	const uint8_t flags = pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK | SL_TCP_RST | SL_TCP_FIN);
	uint32_t cookie;

	if (pkt->kind != SL_PKT_TCP)
		return false;
	if ((flags & ~SL_TCP_FIN) == SL_TCP_SYN && is_wanted(fw, vip)) {
		answer(fw, pkt, vip);
		return true;
	}
	if (flags != SL_TCP_ACK || pkt->is_fragment ||
	    !sl_syncookie_is_right(pkt, &fw->cookie_key, fw->now, &cookie))
		return false;
	open_proven(fw, pkt, vip, cookie);
	return true;
}

static bool wait_c2s(struct sl_pkt *pkt, const struct sl_flow *flow)
{
	if (pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_RST)) {
		sl_forward_drop(pkt, SL_DROP_HANDSHAKE);
		return false;
	}
	sl_syncookie_to_syn(pkt, flow->syn_seq, flow->s2c_delta);
	return true;
}

static bool wait_s2c(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow)
{
	if (pkt->tcp_flags & SL_TCP_RST) {
		sl_stat_add(&fw->backend_stats[flow->backend].refused, 1);
		sl_syncookie_to_reset(pkt); // the splice adds our own number
		sl_forward_over(fw, flow, SL_FLOW_REFUSED);
		return true;
	}
	if ((pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK)) != (SL_TCP_SYN | SL_TCP_ACK)) {
		sl_forward_drop(pkt, SL_DROP_HANDSHAKE);
		return false;
	}
	flow->s2c_delta -= pkt->tcp_seq;
	sl_syncookie_to_update(pkt);
	sl_flow_set_state(fw->flows, flow, SL_FLOW_ANSWERED, fw->now);
	return true;
}

bool sl_forward_cookie_wait(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                            enum sl_dir dir)
{
	if (pkt->is_fragment) {
		sl_forward_drop(pkt, SL_DROP_HANDSHAKE);
		return false;
	}
	return dir == SL_DIR_C2S ? wait_c2s(pkt, flow) : wait_s2c(fw, pkt, flow);
}
