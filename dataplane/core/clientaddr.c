// SPDX-License-Identifier: Apache-2.0
#include "clientaddr.h"

#include "csum.h"
#include "tcpopt.h"

#define KIND_MULTIPATH    30  // RFC 8684
#define KIND_FAST_OPEN    34  // RFC 7413
#define KIND_EXPERIMENT_1 253 // RFC 4727
#define KIND_TOA          254 // the other one
#define MAX_HEADER_BYTES  60  // of TCP
#define SIGNATURE_BYTES   12
#define PROXY_HEAD_BYTES  16
#define COMMAND_PROXY     0x21 // version 2
#define TCP_OVER_IPV4     0x11
#define TCP_OVER_IPV6     0x21
#define ALL_ONES          0xffff

static void put_csum(struct sl_pkt *pkt, uint16_t delta)
{
	uint8_t *csum = pkt->data + pkt->l4_off + SL_TCP_OFF_CSUM;

	sl_store16(csum, sl_csum_apply(sl_load16(csum), delta));
}

// The length of what is behind the IP header, and with it the packet's; padding stays behind.
// Returns the change of the pseudo-header.
static uint16_t set_l4_bytes(struct sl_pkt *pkt, uint16_t l4_bytes)
{
	const uint16_t old_be = htons(pkt->l4_bytes), new_be = htons(l4_bytes);
	uint8_t *l3 = pkt->data + pkt->l3_off;
	uint8_t *csum = l3 + SL_IPV4_OFF_CSUM;
	const uint16_t delta = sl_csum_delta(0, &old_be, &new_be, sizeof(new_be));
	const uint16_t before_bytes = (uint16_t)(pkt->l4_off - pkt->l3_off);

	if (pkt->is_v6) {
		sl_store16_host(l3 + SL_IPV6_OFF_PAYLOAD,
		                (uint16_t)(before_bytes - SL_IPV6_BYTES + l4_bytes));
	} else {
		const uint16_t total_be = htons((uint16_t)(before_bytes + l4_bytes));

		sl_store16(csum, sl_csum_apply(sl_load16(csum),
		                               sl_csum_delta(0, l3 + SL_IPV4_OFF_TOTAL, &total_be,
		                                             sizeof(total_be))));
		sl_store16(l3 + SL_IPV4_OFF_TOTAL, total_be);
	}
	pkt->l4_bytes = l4_bytes;
	pkt->len = (uint32_t)pkt->l4_off + l4_bytes;
	return delta;
}

// Bytes, a multiple of 4, into the packet at off; what is before them moves into the headroom.
// Returns the change of the TCP checksum.
static uint16_t push(struct sl_pkt *pkt, uint32_t off, const uint8_t *bytes, uint16_t n_bytes)
{
	uint16_t delta;

	memmove(pkt->data - n_bytes, pkt->data, off);
	pkt->data -= n_bytes;
	pkt->headroom = (uint16_t)(pkt->headroom - n_bytes);
	memcpy(pkt->data + off, bytes, n_bytes);
	delta = set_l4_bytes(pkt, (uint16_t)(pkt->l4_bytes + n_bytes));
	return sl_csum_fold(sl_csum_add(delta, bytes, n_bytes));
}

static bool has_room(const struct sl_pkt *pkt, uint32_t n_bytes)
{
	const uint32_t l3_bytes = (uint32_t)pkt->l4_off - pkt->l3_off + pkt->l4_bytes;

	return pkt->headroom >= n_bytes && l3_bytes + n_bytes <= UINT16_MAX;
}

bool sl_clientaddr_push_proxy(struct sl_pkt *pkt)
{
	static const uint8_t signature[SIGNATURE_BYTES] = {'\r', '\n', '\r', '\n', '\0', '\r',
	                                                   '\n', 'Q',  'U',  'I',  'T',  '\n'};
	const struct sl_tuple *t = &pkt->tuple;
	const uint32_t skip = pkt->is_v6 ? 0 : 12, address_bytes = 16 - skip;
	const uint32_t n_bytes = sl_clientaddr_bytes(SL_CLIENT_ADDRESS_PROXY_V2, pkt->is_v6);
	uint8_t header[SL_CLIENTADDR_MAX_BYTES];
	uint8_t *at = header + PROXY_HEAD_BYTES;

	if (!has_room(pkt, n_bytes))
		return false;
	memcpy(header, signature, sizeof(signature));
	header[SIGNATURE_BYTES] = COMMAND_PROXY;
	header[SIGNATURE_BYTES + 1] = pkt->is_v6 ? TCP_OVER_IPV6 : TCP_OVER_IPV4;
	sl_store16_host(header + SIGNATURE_BYTES + 2, (uint16_t)(n_bytes - PROXY_HEAD_BYTES));
	memcpy(at, t->src.bytes + skip, address_bytes);
	memcpy(at + address_bytes, t->dst.bytes + skip, address_bytes);
	sl_store16(at + 2 * address_bytes, t->sport_be);
	sl_store16(at + 2 * address_bytes + 2, t->dport_be);
	put_csum(pkt, push(pkt, pkt->payload_off, header, (uint16_t)n_bytes));
	return true;
}

bool sl_clientaddr_push_toa(struct sl_pkt *pkt)
{
	const uint32_t n_bytes = sl_clientaddr_bytes(SL_CLIENT_ADDRESS_TOA, pkt->is_v6);
	const uint32_t header_bytes = (uint32_t)pkt->payload_off - pkt->l4_off + n_bytes;
	const uint32_t skip = pkt->is_v6 ? 0 : 12;
	uint8_t option[SL_CLIENTADDR_MAX_BYTES], word[2];
	uint8_t *data_offset;
	uint16_t delta;

	if (header_bytes > MAX_HEADER_BYTES || !has_room(pkt, n_bytes))
		return false;
	option[0] = KIND_TOA;
	option[1] = (uint8_t)n_bytes;
	sl_store16(option + 2, pkt->tuple.sport_be);
	memcpy(option + 4, pkt->tuple.src.bytes + skip, 16 - skip);
	delta = push(pkt, (uint32_t)pkt->l4_off + SL_TCP_BYTES, option, (uint16_t)n_bytes);
	pkt->payload_off = (uint16_t)(pkt->payload_off + n_bytes);
	data_offset = pkt->data + pkt->l4_off + SL_TCP_OFF_DATA;
	word[0] = (uint8_t)((header_bytes / 4) << 4 | (data_offset[0] & 15));
	word[1] = data_offset[1]; // flags: the other half of the 16-bit word
	delta = sl_csum_delta(delta, data_offset, word, sizeof(word));
	data_offset[0] = word[0];
	put_csum(pkt, delta);
	return true;
}

// Options of either kind become padding.
static bool blank(struct sl_pkt *pkt, uint8_t kind, uint8_t other_kind)
{
	uint8_t *tcp = pkt->data + pkt->l4_off;
	const uint32_t header_bytes = (uint32_t)pkt->payload_off - pkt->l4_off;
	struct sl_tcpopt opt = SL_TCPOPT_START;
	uint8_t old[SL_TCPOPT_MAX_BYTES];
	bool has_any = false;

	while (sl_tcpopt_next(tcp, header_bytes, &opt)) {
		if (opt.kind != kind && opt.kind != other_kind)
			continue;
		if (!has_any)
			memcpy(old, tcp + SL_TCP_BYTES, header_bytes - SL_TCP_BYTES);
		has_any = true;
		memset(tcp + opt.at, SL_TCPOPT_NOP, opt.n_bytes);
	}
	if (has_any)
		put_csum(pkt,
		         sl_csum_delta(0, old, tcp + SL_TCP_BYTES, header_bytes - SL_TCP_BYTES));
	return has_any;
}

bool sl_clientaddr_strip(struct sl_pkt *pkt)
{
	return blank(pkt, KIND_TOA, KIND_EXPERIMENT_1);
}

// Of a fragment the rest arrives elsewhere: what is left of it can only be refused by the backend.
static void cut_payload(struct sl_pkt *pkt)
{
	const uint16_t header_bytes = (uint16_t)(pkt->payload_off - pkt->l4_off);
	const uint16_t n_bytes = (uint16_t)(pkt->l4_bytes - header_bytes);
	uint16_t sum, delta;

	if (n_bytes == 0)
		return;
	sum = sl_csum_fold(sl_csum_add(0, pkt->data + pkt->payload_off, n_bytes));
	delta = set_l4_bytes(pkt, header_bytes);
	put_csum(pkt, sl_csum_fold((uint32_t)delta + (uint16_t)(ALL_ONES - sum)));
}

void sl_clientaddr_plain_syn(struct sl_pkt *pkt)
{
	blank(pkt, KIND_FAST_OPEN, KIND_MULTIPATH);
	cut_payload(pkt);
}
