// SPDX-License-Identifier: Apache-2.0
// TCP connections whose ends do not count the same bytes, and the start of every TCP connection
// that is rewritten.
//
// Header:  it is sent with the client's first ACK, so that a server which speaks first need not
//          wait for the client, and again with whatever begins where the client's stream begins,
//          until the backend has acknowledged it: the client repeats for us what was lost. Should
//          the ACK that carried it be lost and the client have nothing to say, the backend repeats
//          its SYN-ACK, and the answer carries it again.
// Option:  it is in all that the client sends until the backend sends anything but a SYN-ACK: then
//          it has made its connection from a packet that had the option.
// Forgery: until that moment options that would name another client are padding, with any backend
//          behind nat and fullnat. Afterwards nobody reads them.
// Room:    SYN-ACKs announce less by what packets grow. One that is too long all the same is
//          refused with an ICMP error (header), or goes without (option), counted.
// Ends:    our header is acknowledged to us: the client hears of its own bytes only (splice.h).
#include "clientaddr.h"
#include "csum.h"
#include "forward_private.h"
#include "layout.h"
#include "mss.h"
#include "splice.h"

// Further on than this no packet about the start is still on its way: more than a window without
// scaling.
#define SETTLED_BYTES (1u << 20)

#define ICMP_UNREACHABLE      3
#define ICMP_FRAG_NEEDED      4 // code
#define ICMP_OFF_MTU          6 // of IPv6, too: the lower half of its 32 bits
#define ICMPV6_PACKET_TOO_BIG 2

void sl_forward_splice_start(struct sl_flow *flow, const struct sl_snap_pool *pool, bool is_v6)
{
	flow->flags |= SL_FLOW_IS_SPLICED;
	if (pool->client_address == SL_CLIENT_ADDRESS_PROXY_V2)
		flow->splice = (uint8_t)(sl_clientaddr_bytes(pool->client_address, is_v6) / 4);
	else if (pool->client_address == SL_CLIENT_ADDRESS_TOA)
		flow->splice = SL_SPLICE_TOA;
}

// What stands before the client's stream at the backend.
static uint32_t header_bytes(const struct sl_flow *flow)
{
	return (flow->splice & SL_SPLICE_WORDS) * 4u;
}

// What the client counts of the backend's stream less what the backend counts.
static uint32_t s2c_delta(const struct sl_flow *flow)
{
	return flow->splice & SL_SPLICE_DELTA ? flow->s2c_delta : 0;
}

static bool is_settled(const struct sl_flow *flow)
{
	return (flow->splice & SL_SPLICE_PROGRESS) == SL_SPLICE_SETTLED;
}

static void advance(struct sl_flow *flow, enum sl_flow_splice progress)
{
	flow->splice = (uint8_t)((flow->splice & ~SL_SPLICE_PROGRESS) | progress);
}

static uint32_t stream_start(const struct sl_flow *flow)
{
	return flow->syn_seq + 1;
}

// Longest packet towards the backend, less what families differ by: as if it were of the packet's.
// 0 without a route.
static uint32_t mtu_to(const struct sl_forwarder *fw, const struct sl_ip *backend, bool is_v6)
{
	struct sl_ip next_hop;
	const struct sl_route *route = sl_route_find(fw->routes, backend, &next_hop);
	const uint32_t ours = is_v6 ? SL_IPV6_BYTES : SL_IPV4_BYTES;
	const uint32_t theirs = sl_ip_is_v4(backend) ? SL_IPV4_BYTES : SL_IPV6_BYTES;

	return route == NULL ? 0 : route->mtu_bytes + ours - theirs;
}

static bool fits(const struct sl_pkt *pkt, uint32_t more_bytes, uint32_t mtu_bytes)
{
	return (uint32_t)pkt->l4_off - pkt->l3_off + pkt->l4_bytes + more_bytes <= mtu_bytes;
}

// False when the packet ends here.
static bool insert_header(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow)
{
	const struct sl_tuple to = sl_flow_tuple_to_backend(fw->flows, flow);
	const uint32_t mtu_bytes = mtu_to(fw, &to.dst, pkt->is_v6);

	if (mtu_bytes == 0) {
		sl_forward_drop(pkt, SL_DROP_NO_ROUTE);
		return false;
	}
	if (pkt->is_fragment) { // the others are cut to follow on as they are
		sl_forward_drop(pkt, SL_DROP_FRAGMENT);
		return false;
	}
	if (!fits(pkt, header_bytes(flow), mtu_bytes)) {
		sl_forward_refuse_too_big(fw, pkt, flow,
		                          (uint16_t)(mtu_bytes - header_bytes(flow)));
		return false;
	}
	if (!sl_clientaddr_push_proxy(pkt)) {
		sl_forward_drop(pkt, SL_DROP_NO_HEADROOM);
		return false;
	}
	advance(flow, SL_SPLICE_SENT);
	return true;
}

static void insert_option(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_flow *flow)
{
	const struct sl_tuple to = sl_flow_tuple_to_backend(fw->flows, flow);
	const uint32_t n_bytes = sl_clientaddr_bytes(SL_CLIENT_ADDRESS_TOA, pkt->is_v6);

	if (pkt->is_fragment || !fits(pkt, n_bytes, mtu_to(fw, &to.dst, pkt->is_v6)) ||
	    !sl_clientaddr_push_toa(pkt))
		sl_stat_add(&fw->stats->untold_pkts, 1);
}

// The ISN is the client's at both ends. A cut SYN could carry data in a part that nobody looks at.
static bool syn_c2s(struct sl_pkt *pkt, const struct sl_flow *flow)
{
	sl_clientaddr_strip(pkt);
	if (header_bytes(flow) == 0)
		return true;
	if (pkt->is_fragment) {
		sl_forward_drop(pkt, SL_DROP_FRAGMENT);
		return false;
	}
	sl_clientaddr_plain_syn(pkt);
	return true;
}

// Where a packet of the client is in the stream as the backend counts it. A RST must be where the
// backend expects it, and says nothing else: before the header was sent, that is the stream's
// start.
static uint32_t seq_delta_c2s(const struct sl_pkt *pkt, const struct sl_flow *flow)
{
	const bool is_first =
		pkt->tcp_seq == stream_start(flow) && !(flow->splice & SL_SPLICE_PROGRESS);

	return is_first && (pkt->tcp_flags & SL_TCP_RST) ? 0 : header_bytes(flow);
}

static __attribute__((noinline)) bool from_client(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                                  struct sl_flow *flow)
{
	const bool is_young = !(flow->splice & SL_SPLICE_HAS_PEER);
	const bool is_rst = (pkt->tcp_flags & SL_TCP_RST) != 0;
	struct sl_splice by = {.ack_delta = -s2c_delta(flow)};

	if (pkt->tcp_flags & SL_TCP_SYN)
		return syn_c2s(pkt, flow);
	if (is_young)
		sl_clientaddr_strip(pkt);
	if (is_young && header_bytes(flow) != 0 && !is_rst && (pkt->tcp_flags & SL_TCP_ACK) &&
	    pkt->tcp_seq == stream_start(flow)) {
		if (!insert_header(fw, pkt, flow))
			return false;
	} else {
		by.seq_delta = seq_delta_c2s(pkt, flow);
	}
	if (by.seq_delta != 0 || by.ack_delta != 0)
		sl_splice_shift(pkt, &by);
	if (is_young && !is_rst && (flow->splice & SL_SPLICE_TOA))
		insert_option(fw, pkt, flow);
	return true;
}

// What the backend's acknowledgement says about the header. Of two SYNs of a client that started
// anew before it was answered, the backend took the one it answers.
static void note_answer(const struct sl_pkt *pkt, struct sl_flow *flow, uint32_t ack)
{
	int32_t n_acked;

	if (pkt->tcp_flags & SL_TCP_SYN) {
		if (!(flow->splice & SL_SPLICE_PROGRESS))
			flow->syn_seq = ack - 1;
		return;
	}
	if (is_settled(flow))
		return;
	n_acked = (int32_t)(ack - stream_start(flow));
	if (n_acked >= (int32_t)(header_bytes(flow) + SETTLED_BYTES))
		advance(flow, SL_SPLICE_SETTLED);
	else if (n_acked >= (int32_t)header_bytes(flow))
		advance(flow, SL_SPLICE_HAS_PEER);
	else if (n_acked == 0 && !(flow->splice & SL_SPLICE_HAS_PEER))
		advance(flow, 0); // it asks for the header
}

// The client's packets will be longer behind us than it knows.
static void announce_less(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_flow *flow)
{
	uint32_t n_bytes = header_bytes(flow), mtu_bytes;

	if (flow->splice & SL_SPLICE_TOA)
		n_bytes = sl_clientaddr_bytes(SL_CLIENT_ADDRESS_TOA, pkt->is_v6);
	mtu_bytes = mtu_to(fw, &pkt->tuple.src, pkt->is_v6);
	if (n_bytes == 0 || mtu_bytes == 0)
		return;
	sl_mss_clamp(pkt, sl_mss_of_mtu((uint16_t)mtu_bytes, pkt->is_v6));
	sl_mss_take(pkt, (uint16_t)n_bytes);
}

static __attribute__((noinline)) void from_backend(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                                   struct sl_flow *flow)
{
	const uint32_t n_bytes = header_bytes(flow);
	const uint32_t ack = sl_load32_host(pkt->data + pkt->l4_off + SL_TCP_OFF_ACK);
	struct sl_splice by = {.seq_delta = s2c_delta(flow), .ack_delta = -n_bytes};

	if (pkt->tcp_flags & SL_TCP_SYN)
		announce_less(fw, pkt, flow);
	if (n_bytes != 0) {
		if (pkt->tcp_flags & SL_TCP_ACK)
			note_answer(pkt, flow, ack);
		by.has_floor = !is_settled(flow);
		by.ack_floor = stream_start(flow);
	} else if (!(pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_RST))) {
		advance(flow, SL_SPLICE_HAS_PEER);
		if (by.seq_delta == 0) // nothing is left to do
			flow->flags &= (uint8_t)~SL_FLOW_IS_SPLICED;
	}
	if (by.seq_delta != 0 || by.ack_delta != 0)
		sl_splice_shift(pkt, &by);
}

// Most connections: nothing is told or shifted, only forged options do not pass.
static inline void watch_start(struct sl_pkt *pkt, struct sl_flow *flow, enum sl_dir dir)
{
	if (dir == SL_DIR_C2S) {
		if (pkt->payload_off - pkt->l4_off > SL_TCP_BYTES)
			sl_clientaddr_strip(pkt);
	} else if (!(pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_RST))) {
		flow->flags &= (uint8_t)~SL_FLOW_IS_SPLICED;
	}
}

bool sl_forward_splice(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                       enum sl_dir dir)
{
	if (pkt->kind != SL_PKT_TCP) // a later fragment has no numbers
		return true;
	if (flow->state == SL_FLOW_PROVEN) {
		if (!sl_forward_cookie_wait(fw, pkt, flow, dir))
			return false;
		if (dir == SL_DIR_S2C) { // its SYN-ACK: the backend has not spoken yet
			const struct sl_splice by = {.seq_delta = s2c_delta(flow)};

			sl_splice_shift(pkt, &by);
			return true;
		}
	}
	if (flow->splice == 0) {
		watch_start(pkt, flow, dir);
		return true;
	}
	if (dir == SL_DIR_C2S)
		return from_client(fw, pkt, flow);
	from_backend(fw, pkt, flow);
	return true;
}

// A packet that carried the header was longer than what the client sent.
static void take_from_mtu(struct sl_pkt *pkt, uint16_t n_bytes)
{
	uint8_t *icmp = pkt->data + pkt->l4_off, *csum = icmp + SL_ICMP_OFF_CSUM;
	const uint16_t mtu_bytes = sl_load16_host(icmp + ICMP_OFF_MTU);
	const uint16_t new_be = htons((uint16_t)(mtu_bytes - n_bytes));

	if (pkt->icmp_type != (pkt->is_v6 ? ICMPV6_PACKET_TOO_BIG : ICMP_UNREACHABLE) ||
	    mtu_bytes <= n_bytes || (!pkt->is_v6 && icmp[1] != ICMP_FRAG_NEEDED))
		return;
	sl_store16(csum, sl_csum_apply(sl_load16(csum), sl_csum_delta(0, icmp + ICMP_OFF_MTU,
	                                                              &new_be, sizeof(new_be))));
	sl_store16(icmp + ICMP_OFF_MTU, new_be);
}

void sl_forward_splice_quote(struct sl_pkt *pkt, const struct sl_flow *flow, enum sl_dir dir)
{
	const uint32_t n_bytes = header_bytes(flow);
	uint32_t seq;

	if (pkt->inner.proto != IPPROTO_TCP)
		return;
	if (dir == SL_DIR_C2S) { // about what the backend sent
		sl_splice_quote(pkt, -s2c_delta(flow));
		return;
	}
	seq = sl_load32_host(pkt->data + pkt->inner_l4_off + SL_TCP_OFF_SEQ);
	if (!is_settled(flow) && (int32_t)(seq - stream_start(flow)) < (int32_t)n_bytes) {
		if (seq == stream_start(flow) && n_bytes != 0)
			take_from_mtu(pkt, (uint16_t)n_bytes);
		return; // the SYN, or with the header: the client counts the same
	}
	sl_splice_quote(pkt, -n_bytes);
}
