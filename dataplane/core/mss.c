// SPDX-License-Identifier: Apache-2.0
#include "mss.h"

#include "csum.h"
#include "layout.h"

#define OPTION_END       0
#define OPTION_NOP       1
#define OPTION_MSS       2
#define OPTION_MSS_BYTES 4

// Offset of the value in the TCP header of header_bytes; 0 when there is none.
static uint32_t find_value(const uint8_t *tcp, uint32_t header_bytes)
{
	uint32_t at = SL_TCP_BYTES;

	while (at < header_bytes && tcp[at] != OPTION_END) {
		uint32_t n_bytes = 1;

		if (tcp[at] != OPTION_NOP) {
			n_bytes = at + 1 < header_bytes ? tcp[at + 1] : 0;
			if (n_bytes < 2 || n_bytes > header_bytes - at)
				return 0;
		}
		if (tcp[at] == OPTION_MSS)
			return n_bytes == OPTION_MSS_BYTES ? at + 2 : 0;
		at += n_bytes;
	}
	return 0;
}

// As find_value, of a packet that may have one.
static uint32_t value_of(const struct sl_pkt *pkt)
{
	if (pkt->kind != SL_PKT_TCP || !(pkt->tcp_flags & SL_TCP_SYN))
		return 0;
	return find_value(pkt->data + pkt->l4_off, (uint32_t)pkt->payload_off - pkt->l4_off);
}

static void put_value(struct sl_pkt *pkt, uint32_t value, uint16_t mss_bytes)
{
	uint8_t *tcp = pkt->data + pkt->l4_off;
	uint8_t *csum = tcp + SL_TCP_OFF_CSUM;
	uint8_t old[4];
	uint32_t word;
	uint16_t delta;

	// A value at an odd offset lies across two words of the sum. The header is whole words of
	// 32 bits, so both are inside.
	word = value & ~1u;
	memcpy(old, tcp + word, sizeof(old) - 2 * !(value & 1));
	sl_store16_host(tcp + value, mss_bytes);
	delta = sl_csum_delta(0, old, tcp + word, sizeof(old) - 2 * !(value & 1));
	sl_store16(csum, sl_csum_apply(sl_load16(csum), delta));
}

bool sl_mss_clamp(struct sl_pkt *pkt, uint16_t max_mss_bytes)
{
	const uint32_t value = value_of(pkt);

	if (value == 0 || sl_load16_host(pkt->data + pkt->l4_off + value) <= max_mss_bytes)
		return false;
	put_value(pkt, value, max_mss_bytes);
	return true;
}

bool sl_mss_take(struct sl_pkt *pkt, uint16_t n_bytes)
{
	const uint32_t value = value_of(pkt);
	uint16_t mss_bytes;

	if (value == 0)
		return false;
	mss_bytes = sl_load16_host(pkt->data + pkt->l4_off + value);
	if (mss_bytes <= n_bytes)
		return false;
	put_value(pkt, value, (uint16_t)(mss_bytes - n_bytes));
	return true;
}
