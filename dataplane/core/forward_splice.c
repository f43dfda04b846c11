// SPDX-License-Identifier: Apache-2.0
// TCP connections whose ends do not count the same bytes: every packet has its numbers shifted.
#include "forward_private.h"
#include "splice.h"

// What stands before the client's stream at the backend.
static uint32_t header_bytes(const struct sl_flow *flow)
{
	return (flow->splice & SL_SPLICE_WORDS) * 4u;
}

// The ISN is the client's at both ends: only what comes after the SYN moves.
static void shift_c2s(struct sl_pkt *pkt, const struct sl_flow *flow)
{
	const struct sl_splice by = {
		.seq_delta = pkt->tcp_flags & SL_TCP_SYN ? 0 : header_bytes(flow),
		.ack_delta = -flow->s2c_delta,
	};

	sl_splice_shift(pkt, &by);
}

static void shift_s2c(struct sl_pkt *pkt, const struct sl_flow *flow)
{
	const struct sl_splice by = {
		.seq_delta = flow->s2c_delta,
		.ack_delta = -header_bytes(flow),
	};

	sl_splice_shift(pkt, &by);
}

bool sl_forward_splice(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                       enum sl_dir dir)
{
	if (pkt->kind != SL_PKT_TCP) // a later fragment has no numbers
		return true;
	if (flow->state == SL_FLOW_PROVEN && !sl_forward_cookie_wait(fw, pkt, flow, dir))
		return false;
	if (dir == SL_DIR_C2S)
		shift_c2s(pkt, flow);
	else
		shift_s2c(pkt, flow);
	return true;
}
