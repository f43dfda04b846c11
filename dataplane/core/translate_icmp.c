// SPDX-License-Identifier: Apache-2.0
// ICMP errors between the families (RFC 7915 sections 4.2, 4.3, 5.2 and 5.3).
#include "csum.h"
#include "layout.h"
#include "translate.h"
#include "translate_private.h"

#define NO_TYPE 0xff // no counterpart
#define NO_PTR  0xff

#define UNREACHABLE4     3
#define FRAG_NEEDED4     4 // code
#define TIME4            11
#define PARAMETER4       12
#define UNREACHABLE6     1
#define TOO_BIG6         2
#define TIME6            3
#define PARAMETER6       4
#define OFF_LENGTH4      5 // RFC 4884, in units of 4
#define OFF_LENGTH6      4 // in units of 8
#define MTU6_MIN_BYTES   1280
#define ERROR6_MAX_BYTES 1280 // RFC 4443 section 2.4 c
#define GROWTH           SL_TRANSLATE_GROWTH_BYTES

// Of an ICMP error, what is not the quote.
struct words {
	uint8_t type, code;
	uint32_t rest; // host order
};

struct code {
	uint8_t type, code;
};

// Code of "destination unreachable" here to type and code there; 4 is done elsewhere.
static const struct code unreachable_to_v6[16] = {
	[0] = {UNREACHABLE6, 0},  [1] = {UNREACHABLE6, 0},  [2] = {PARAMETER6, 1},
	[3] = {UNREACHABLE6, 4},  [4] = {TOO_BIG6, 0},      [5] = {UNREACHABLE6, 0},
	[6] = {UNREACHABLE6, 0},  [7] = {UNREACHABLE6, 0},  [8] = {UNREACHABLE6, 0},
	[9] = {UNREACHABLE6, 1},  [10] = {UNREACHABLE6, 1}, [11] = {UNREACHABLE6, 0},
	[12] = {UNREACHABLE6, 0}, [13] = {UNREACHABLE6, 1}, [14] = {NO_TYPE, 0},
	[15] = {UNREACHABLE6, 1},
};
static const uint8_t unreachable_to_v4[5] = {1, 10, 1, 1, 3}; // codes

// Byte of the IPv4 header to byte of the IPv6 header that says the same, and back.
static const uint8_t pointer_to_v6[SL_IPV4_BYTES] = {
	0,      1,      4, 4, NO_PTR, NO_PTR, NO_PTR, NO_PTR, 7,  6,
	NO_PTR, NO_PTR, 8, 8, 8,      8,      24,     24,     24, 24,
};
static const uint8_t pointer_to_v4[SL_IPV6_OFF_SRC] = {0, 1, NO_PTR, NO_PTR, 2, 2, 9, 8};

// RFC 1191 section 7: the greatest of these below the length quoted, for a router that says no MTU.
static uint32_t plateau(uint32_t total_bytes)
{
	static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};

	for (size_t i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++) {
		if (plateaus[i] < total_bytes)
			return plateaus[i];
	}
	return 68;
}

static uint32_t least(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static struct words words_to_v6(const struct words *from, const struct sl_translate_error *to,
                                uint32_t quoted_bytes)
{
	struct words words = {.type = NO_TYPE, .code = from->code};

	if (from->type == TIME4) {
		words.type = TIME6;
	} else if (from->type == PARAMETER4) {
		uint32_t at = from->rest >> 24;

		if ((from->code == 0 || from->code == 2) && at < SL_IPV4_BYTES &&
		    pointer_to_v6[at] != NO_PTR)
			words = (struct words){PARAMETER6, 0, pointer_to_v6[at]};
	} else if (from->type == UNREACHABLE4 && from->code < 16) {
		const struct code *code = &unreachable_to_v6[from->code];
		uint32_t mtu_bytes = from->rest & UINT16_MAX;

		words.type = code->type;
		words.code = code->code;
		if (code->type == PARAMETER6)
			words.rest = SL_IPV6_OFF_NEXT;
		if (code->type != TOO_BIG6)
			return words;
		if (mtu_bytes == 0)
			mtu_bytes = plateau(quoted_bytes);
		words.rest = least(mtu_bytes + GROWTH, to->mtu6_bytes, to->mtu4_bytes + GROWTH);
		if (words.rest < MTU6_MIN_BYTES)
			words.rest = MTU6_MIN_BYTES;
	}
	return words;
}

static struct words words_to_v4(const struct words *from, const struct sl_translate_error *to)
{
	struct words words = {.type = NO_TYPE, .code = from->code};

	if (from->type == TIME6) {
		words.type = TIME4;
	} else if (from->type == UNREACHABLE6 && from->code < sizeof(unreachable_to_v4)) {
		words = (struct words){UNREACHABLE4, unreachable_to_v4[from->code], 0};
	} else if (from->type == TOO_BIG6) {
		uint32_t mtu_bytes = from->rest > MTU6_MIN_BYTES ? from->rest : MTU6_MIN_BYTES;

		words = (struct words){
			UNREACHABLE4, FRAG_NEEDED4,
			least(mtu_bytes - GROWTH, to->mtu4_bytes, to->mtu6_bytes - GROWTH)};
	} else if (from->type == PARAMETER6 && from->code == 1) {
		words = (struct words){UNREACHABLE4, 2, 0}; // protocol unreachable
	} else if (from->type == PARAMETER6 && from->code == 0 && from->rest < SL_IPV6_BYTES) {
		uint8_t at = from->rest >= SL_IPV6_OFF_DST   ? SL_IPV4_OFF_DST
		             : from->rest >= SL_IPV6_OFF_SRC ? SL_IPV4_OFF_SRC
		                                             : pointer_to_v4[from->rest];

		if (at != NO_PTR)
			words = (struct words){PARAMETER4, 0, (uint32_t)at << 24};
	}
	return words;
}

// Bytes of the quoted transport that go along: without extensions, and within what the new error
// may be long.
static uint16_t kept_bytes(const struct sl_pkt *pkt, uint8_t type)
{
	const uint8_t *l4 = pkt->data + pkt->l4_off;
	const bool has_length = pkt->is_v6 ? type == UNREACHABLE6 || type == TIME6 : true;
	uint32_t end = (uint32_t)pkt->l4_off + pkt->l4_bytes, quote_bytes = 0, n_bytes;

	if (has_length)
		quote_bytes = pkt->is_v6 ? l4[OFF_LENGTH6] * 8u : l4[OFF_LENGTH4] * 4u;
	if (quote_bytes != 0 && pkt->inner_l3_off + quote_bytes < end)
		end = pkt->inner_l3_off + quote_bytes;
	if (end < pkt->inner_l4_off + (uint32_t)SL_QUOTE_L4_BYTES)
		end = pkt->inner_l4_off + (uint32_t)SL_QUOTE_L4_BYTES; // a length that cannot be
	n_bytes = end - pkt->inner_l4_off;
	if (!pkt->is_v6 && n_bytes > ERROR6_MAX_BYTES - 2 * SL_IPV6_BYTES - SL_ICMP_BYTES)
		n_bytes = ERROR6_MAX_BYTES - 2 * SL_IPV6_BYTES - SL_ICMP_BYTES;
	return (uint16_t)n_bytes;
}

// The length of the transport that the quoted header claims.
static uint16_t claimed_bytes(const struct sl_pkt *pkt)
{
	const uint8_t *l3 = pkt->data + pkt->inner_l3_off;
	uint32_t head_bytes = (uint32_t)pkt->inner_l4_off - pkt->inner_l3_off, total_bytes;

	if (pkt->is_v6)
		total_bytes = sl_load16_host(l3 + SL_IPV6_OFF_PAYLOAD) + SL_IPV6_BYTES;
	else
		total_bytes = sl_load16_host(l3 + SL_IPV4_OFF_TOTAL);
	total_bytes = total_bytes > head_bytes ? total_bytes - head_bytes : 0;
	return (uint16_t)(total_bytes < UINT16_MAX - SL_IPV6_BYTES ? total_bytes
	                                                           : UINT16_MAX - SL_IPV6_BYTES);
}

static struct ip_head quoted_head(const struct sl_pkt *pkt, const struct sl_translate_error *to)
{
	const uint8_t *l3 = pkt->data + pkt->inner_l3_off;

	return (struct ip_head){.src = &to->inner->src,
	                        .dst = &to->inner->dst,
	                        .class = ip_class(l3, pkt->is_v6),
	                        .ttl = l3[pkt->is_v6 ? SL_IPV6_OFF_HOPS : SL_IPV4_OFF_TTL],
	                        .proto = pkt->inner.proto,
	                        .l4_bytes = claimed_bytes(pkt)};
}

// Ports, and the checksum where the quote reaches that far.
static void put_quoted_l4(uint8_t *l4, uint16_t n_bytes, const struct sl_tuple *from,
                          const struct sl_tuple *to)
{
	const bool is_udp = from->proto == IPPROTO_UDP;
	const uint32_t off = is_udp ? SL_UDP_OFF_CSUM : SL_TCP_OFF_CSUM;
	const uint16_t delta = sl_translate_put_ports(l4, from, to);

	if (off + sizeof(uint16_t) > n_bytes)
		return;
	if (is_udp)
		sl_store16(l4 + off, sl_csum_apply_udp(sl_load16(l4 + off), delta));
	else
		sl_store16(l4 + off, sl_csum_apply(sl_load16(l4 + off), delta));
}

// The sum of an ICMP message, with its pseudo-header in IPv6; 0xffff when its checksum is right.
static uint16_t message_sum(const struct sl_pkt *pkt, const struct sl_ip *src,
                            const struct sl_ip *dst)
{
	const uint16_t tail_be[2] = {htons(pkt->l4_bytes), htons(IPPROTO_ICMPV6)};
	uint32_t sum = 0;

	if (pkt->is_v6)
		sum = sl_csum_add(sl_translate_sum(src, dst), tail_be, sizeof(tail_be));
	return sl_csum_fold(sl_csum_add(sum, pkt->data + pkt->l4_off, pkt->l4_bytes));
}

static void put_words(uint8_t *l4, const struct words *words)
{
	const uint32_t rest_be = htonl(words->rest);

	l4[0] = words->type;
	l4[1] = words->code;
	sl_store16(l4 + SL_ICMP_OFF_CSUM, 0);
	memcpy(l4 + SL_ICMP_OFF_IDENT, &rest_be, sizeof(rest_be));
}

// Offsets of the packet that sl_translate_move has made room for.
static void set_offsets(struct sl_pkt *pkt, uint16_t n_kept)
{
	const uint8_t head_bytes = ip_head_bytes(pkt->is_v6);

	pkt->l4_off = (uint16_t)(pkt->l3_off + head_bytes);
	pkt->payload_off = pkt->inner_l3_off = (uint16_t)(pkt->l4_off + SL_ICMP_BYTES);
	pkt->inner_l4_off = (uint16_t)(pkt->inner_l3_off + head_bytes);
	pkt->l4_bytes = (uint16_t)(SL_ICMP_BYTES + head_bytes + n_kept);
	pkt->len = (uint32_t)pkt->l4_off + pkt->l4_bytes;
}

int sl_translate_icmp(struct sl_pkt *pkt, const struct sl_translate_error *to)
{
	const uint8_t *l4 = pkt->data + pkt->l4_off;
	const struct words from = {l4[0], l4[1], sl_load32_host(l4 + SL_ICMP_OFF_IDENT)};
	const struct ip_head inner = quoted_head(pkt, to);
	const struct words words =
		pkt->is_v6 ? words_to_v4(&from, to)
			   : words_to_v6(&from, to, (uint32_t)inner.l4_bytes + SL_IPV4_BYTES);
	const uint16_t wrong = (uint16_t)~message_sum(pkt, &pkt->tuple.src, &pkt->tuple.dst);
	const uint16_t n_kept = kept_bytes(pkt, from.type);
	struct ip_head outer = {.src = to->src,
	                        .dst = to->dst,
	                        .class = ip_class(pkt->data + pkt->l3_off, pkt->is_v6),
	                        .ttl = (uint8_t)(pkt->ttl - 1),
	                        .proto = pkt->is_v6 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
	                        .id = to->id};
	uint8_t *new_l4;

	if (words.type == NO_TYPE)
		return SL_DROP_ICMP_FAMILY;
	if (pkt->ttl <= 1)
		return SL_DROP_TTL;
	if (!sl_translate_move(pkt, (int32_t)pkt->inner_l4_off - SL_ICMP_BYTES -
	                                    2 * ip_head_bytes(!pkt->is_v6)))
		return SL_DROP_NO_HEADROOM;
	set_offsets(pkt, n_kept);
	outer.l4_bytes = pkt->l4_bytes;
	pkt->ttl = outer.ttl;
	pkt->icmp_type = words.type;
	new_l4 = pkt->data + pkt->l4_off;
	sl_translate_put_head(pkt->data + pkt->l3_off, &outer, pkt->is_v6);
	put_words(new_l4, &words);
	sl_translate_put_head(pkt->data + pkt->inner_l3_off, &inner, pkt->is_v6);
	put_quoted_l4(pkt->data + pkt->inner_l4_off, n_kept, &pkt->inner, to->inner);
	// What was wrong with the old sum is wrong with the new one.
	sl_store16(new_l4 + SL_ICMP_OFF_CSUM,
	           (uint16_t)~sl_csum_fold((uint32_t)message_sum(pkt, to->src, to->dst) + wrong));
	pkt->tuple.src = *to->src;
	pkt->tuple.dst = *to->dst;
	pkt->tuple.proto = outer.proto;
	pkt->inner = *to->inner;
	return TRANSLATED;
}
