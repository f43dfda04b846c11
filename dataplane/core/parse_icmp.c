// SPDX-License-Identifier: Apache-2.0
#include "parse_parts.h"

#define ICMP4_ECHO_REPLY    0
#define ICMP4_UNREACHABLE   3
#define ICMP4_ECHO_REQUEST  8
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER     12

#define ICMP6_ERROR_FIRST  1
#define ICMP6_ERROR_LAST   4
#define ICMP6_ECHO_REQUEST 128
#define ICMP6_ECHO_REPLY   129
#define ICMP6_ND_FIRST     133
#define ICMP6_ND_LAST      137

static enum sl_pkt_kind icmp_kind(uint8_t type, bool is_v6)
{
	if (is_v6) {
		if (type == ICMP6_ECHO_REQUEST)
			return SL_PKT_ECHO;
		if (type >= ICMP6_ERROR_FIRST && type <= ICMP6_ERROR_LAST)
			return SL_PKT_ICMP_ERROR;
		if (type >= ICMP6_ND_FIRST && type <= ICMP6_ND_LAST)
			return SL_PKT_ND;
		return SL_PKT_OTHER;
	}
	if (type == ICMP4_ECHO_REQUEST)
		return SL_PKT_ECHO;
	if (type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER)
		return SL_PKT_ICMP_ERROR;
	return SL_PKT_OTHER;
}

static bool is_quoted_echo(uint8_t type, bool is_v6)
{
	if (is_v6)
		return type == ICMP6_ECHO_REQUEST || type == ICMP6_ECHO_REPLY;
	return type == ICMP4_ECHO_REQUEST || type == ICMP4_ECHO_REPLY;
}

// The first 8 bytes of the quoted transport; all that RFC 792 promises, and all that is needed.
static int parse_quoted_l4(struct sl_pkt *pkt, uint32_t off, uint32_t end)
{
	const uint8_t *l4 = pkt->data + off;
	const uint8_t icmp = pkt->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	const uint8_t proto = pkt->inner.proto;

	pkt->inner_l4_off = (uint16_t)off;
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != icmp)
		return SL_PARSED;
	if (end - off < SL_QUOTE_L4_BYTES)
		return SL_DROP_TRUNCATED;
	if (proto != icmp) {
		pkt->inner.sport_be = sl_load16(l4);
		pkt->inner.dport_be = sl_load16(l4 + 2);
	} else if (is_quoted_echo(l4[0], pkt->is_v6)) {
		pkt->inner.sport_be = sl_load16(l4 + SL_ICMP_OFF_IDENT);
	}
	return SL_PARSED;
}

// The quoted total length is not checked: the quote is cut, and some stacks quote it altered.
static int parse_quote_v4(struct sl_pkt *pkt, uint32_t off, uint32_t end)
{
	const uint8_t *l3 = pkt->data + off;
	uint32_t header_bytes;

	if (end - off < SL_IPV4_BYTES)
		return SL_DROP_TRUNCATED;
	header_bytes = (l3[0] & 15u) * 4;
	if (l3[0] >> 4 != 4 || header_bytes < SL_IPV4_BYTES)
		return SL_DROP_BAD_HEADER;
	if (end - off < header_bytes)
		return SL_DROP_TRUNCATED;
	if (sl_load16_host(l3 + SL_IPV4_OFF_FRAG) & SL_IPV4_FRAG_MASK)
		return SL_DROP_FRAGMENT;
	pkt->inner.src = sl_ip_from_v4(sl_load32(l3 + SL_IPV4_OFF_SRC));
	pkt->inner.dst = sl_ip_from_v4(sl_load32(l3 + SL_IPV4_OFF_DST));
	pkt->inner.proto = l3[SL_IPV4_OFF_PROTO];
	return parse_quoted_l4(pkt, off + header_bytes, end);
}

static int parse_quote_v6(struct sl_pkt *pkt, uint32_t off, uint32_t end)
{
	const uint8_t *l3 = pkt->data + off;
	struct sl_ext_walk walk = {
		.data = pkt->data, .off = off + SL_IPV6_BYTES, .end = end, .is_quote = true};
	int drop;

	if (end - off < SL_IPV6_BYTES)
		return SL_DROP_TRUNCATED;
	if (l3[0] >> 4 != 6)
		return SL_DROP_BAD_HEADER;
	memcpy(pkt->inner.src.bytes, l3 + SL_IPV6_OFF_SRC, 16);
	memcpy(pkt->inner.dst.bytes, l3 + SL_IPV6_OFF_DST, 16);
	if (sl_parse_has_mapped(&pkt->inner))
		return SL_DROP_BAD_ADDRESS;
	walk.proto = l3[SL_IPV6_OFF_NEXT];
	drop = sl_parse_ext_walk(&walk);
	if (drop != SL_PARSED)
		return drop;
	pkt->inner.proto = walk.proto;
	return parse_quoted_l4(pkt, walk.off, end);
}

int sl_parse_icmp(struct sl_pkt *pkt)
{
	const uint8_t *l4 = pkt->data + pkt->l4_off;
	const uint32_t quote_off = pkt->l4_off + SL_ICMP_BYTES;
	const uint32_t end = (uint32_t)pkt->l4_off + pkt->l4_bytes;

	if (pkt->l4_bytes < SL_ICMP_BYTES)
		return SL_DROP_TRUNCATED;
	pkt->icmp_type = l4[0];
	pkt->payload_off = (uint16_t)quote_off;
	pkt->kind = (uint8_t)icmp_kind(l4[0], pkt->is_v6);
	if (pkt->kind == SL_PKT_ECHO)
		pkt->tuple.sport_be = sl_load16(l4 + SL_ICMP_OFF_IDENT);
	if (pkt->kind != SL_PKT_ICMP_ERROR)
		return SL_PARSED;
	memset(&pkt->inner, 0, sizeof(pkt->inner));
	pkt->inner_l3_off = (uint16_t)quote_off;
	return pkt->is_v6 ? parse_quote_v6(pkt, quote_off, end)
	                  : parse_quote_v4(pkt, quote_off, end);
}
