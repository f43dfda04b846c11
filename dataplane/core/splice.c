// SPDX-License-Identifier: Apache-2.0
#include "splice.h"

#include "csum.h"
#include "tcpopt.h"

#define NUMBERS_BYTES   8 // sequence and acknowledgement, side by side
#define SACK_HEAD_BYTES 2
#define BLOCK_BYTES     8

static uint32_t shifted_ack(const struct sl_splice *by, uint32_t number)
{
	number += by->ack_delta;
	return by->has_floor && (int32_t)(number - by->ack_floor) < 0 ? by->ack_floor : number;
}

// Blocks that end at the floor say nothing: the others move up, and padding takes their room.
static void shift_blocks(uint8_t *sack, uint32_t n_bytes, const struct sl_splice *by)
{
	uint32_t kept_bytes = SACK_HEAD_BYTES;

	for (uint32_t at = SACK_HEAD_BYTES; at < n_bytes; at += BLOCK_BYTES) {
		const uint32_t left = shifted_ack(by, sl_load32_host(sack + at));
		const uint32_t right = shifted_ack(by, sl_load32_host(sack + at + 4));

		if (by->has_floor && right == by->ack_floor)
			continue;
		sl_store32_host(sack + kept_bytes, left);
		sl_store32_host(sack + kept_bytes + 4, right);
		kept_bytes += BLOCK_BYTES;
	}
	if (kept_bytes == SACK_HEAD_BYTES)
		kept_bytes = 0;
	else
		sack[1] = (uint8_t)kept_bytes;
	memset(sack + kept_bytes, SL_TCPOPT_NOP, n_bytes - kept_bytes);
}

// Returns the change of a sum over the options, which are whole words.
static uint16_t shift_sack(uint8_t *tcp, uint32_t header_bytes, const struct sl_splice *by,
                           uint16_t delta)
{
	struct sl_tcpopt opt = SL_TCPOPT_START;
	uint8_t old[SL_TCPOPT_MAX_BYTES];
	const uint32_t n_bytes = header_bytes - SL_TCP_BYTES;
	bool has_sack = false;

	memcpy(old, tcp + SL_TCP_BYTES, n_bytes);
	while (sl_tcpopt_next(tcp, header_bytes, &opt)) {
		if (opt.kind != SL_TCPOPT_SACK || opt.n_bytes == SACK_HEAD_BYTES ||
		    (opt.n_bytes - SACK_HEAD_BYTES) % BLOCK_BYTES != 0)
			continue;
		shift_blocks(tcp + opt.at, opt.n_bytes, by);
		has_sack = true;
	}
	return has_sack ? sl_csum_delta(delta, old, tcp + SL_TCP_BYTES, n_bytes) : delta;
}

// Bytes of an ICMP message, at an even offset of it.
static void put_quoted(struct sl_pkt *pkt, uint8_t *at, const void *bytes, size_t n_bytes)
{
	uint8_t *csum = pkt->data + pkt->l4_off + SL_ICMP_OFF_CSUM;
	const uint16_t delta = sl_csum_delta(0, at, bytes, n_bytes);

	memcpy(at, bytes, n_bytes);
	sl_store16(csum, sl_csum_apply(sl_load16(csum), delta));
}

void sl_splice_quote(struct sl_pkt *pkt, uint32_t seq_delta)
{
	const uint32_t end = (uint32_t)pkt->l4_off + pkt->l4_bytes;
	uint8_t *tcp = pkt->data + pkt->inner_l4_off;
	uint8_t old[4], new[4];
	uint16_t csum;

	if (pkt->inner.proto != IPPROTO_TCP || seq_delta == 0)
		return;
	memcpy(old, tcp + SL_TCP_OFF_SEQ, sizeof(old));
	sl_store32_host(new, sl_load32_host(old) + seq_delta);
	put_quoted(pkt, tcp + SL_TCP_OFF_SEQ, new, sizeof(new));
	if (pkt->inner_l4_off + SL_TCP_OFF_CSUM + sizeof(csum) > end)
		return;
	csum = sl_csum_apply(sl_load16(tcp + SL_TCP_OFF_CSUM),
	                     sl_csum_delta(0, old, new, sizeof(new)));
	put_quoted(pkt, tcp + SL_TCP_OFF_CSUM, &csum, sizeof(csum));
}

void sl_splice_shift(struct sl_pkt *pkt, const struct sl_splice *by)
{
	uint8_t *tcp = pkt->data + pkt->l4_off, *numbers = tcp + SL_TCP_OFF_SEQ;
	const uint32_t header_bytes = (uint32_t)pkt->payload_off - pkt->l4_off;
	uint8_t old[NUMBERS_BYTES];
	uint16_t delta;

	memcpy(old, numbers, sizeof(old));
	pkt->tcp_seq += by->seq_delta;
	sl_store32_host(numbers, pkt->tcp_seq);
	if (pkt->tcp_flags & SL_TCP_ACK)
		sl_store32_host(numbers + 4, shifted_ack(by, sl_load32_host(numbers + 4)));
	delta = sl_csum_delta(0, old, numbers, sizeof(old));
	if (header_bytes > SL_TCP_BYTES && (by->ack_delta != 0 || by->has_floor))
		delta = shift_sack(tcp, header_bytes, by, delta);
	sl_store16(tcp + SL_TCP_OFF_CSUM, sl_csum_apply(sl_load16(tcp + SL_TCP_OFF_CSUM), delta));
}
