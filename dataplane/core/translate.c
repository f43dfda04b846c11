// SPDX-License-Identifier: Apache-2.0
#include "translate.h"

#include "csum.h"
#include "layout.h"
#include "translate_private.h"

#define IPV4_DF         0x4000
#define NO_DF_MAX_BYTES 1260 // RFC 7915 section 5.1

static void put_v4(uint8_t *l3, const struct ip_head *head)
{
	const uint16_t total_bytes = (uint16_t)(SL_IPV4_BYTES + head->l4_bytes);
	const bool has_df = total_bytes > NO_DF_MAX_BYTES;

	l3[0] = 4 << 4 | SL_IPV4_BYTES / 4;
	l3[1] = head->class;
	sl_store16_host(l3 + SL_IPV4_OFF_TOTAL, total_bytes);
	sl_store16_host(l3 + SL_IPV4_OFF_ID, has_df ? 0 : head->id); // RFC 6864
	sl_store16_host(l3 + SL_IPV4_OFF_FRAG, has_df ? IPV4_DF : 0);
	l3[SL_IPV4_OFF_TTL] = head->ttl;
	l3[SL_IPV4_OFF_PROTO] = head->proto;
	sl_store16(l3 + SL_IPV4_OFF_CSUM, 0);
	memcpy(l3 + SL_IPV4_OFF_SRC, head->src->bytes + 12, 4);
	memcpy(l3 + SL_IPV4_OFF_DST, head->dst->bytes + 12, 4);
	sl_store16(l3 + SL_IPV4_OFF_CSUM,
	           (uint16_t)~sl_csum_fold(sl_csum_add(0, l3, SL_IPV4_BYTES)));
}

static void put_v6(uint8_t *l3, const struct ip_head *head)
{
	const uint32_t word_be = htonl(UINT32_C(6) << 28 | (uint32_t)head->class << 20);

	memcpy(l3, &word_be, sizeof(word_be));
	sl_store16_host(l3 + SL_IPV6_OFF_PAYLOAD, head->l4_bytes);
	l3[SL_IPV6_OFF_NEXT] = head->proto;
	l3[SL_IPV6_OFF_HOPS] = head->ttl;
	memcpy(l3 + SL_IPV6_OFF_SRC, head->src->bytes, sizeof(head->src->bytes));
	memcpy(l3 + SL_IPV6_OFF_DST, head->dst->bytes, sizeof(head->dst->bytes));
}

void sl_translate_put_head(uint8_t *l3, const struct ip_head *head, bool is_v6)
{
	if (is_v6)
		put_v6(l3, head);
	else
		put_v4(l3, head);
}

uint16_t sl_translate_sum(const struct sl_ip *src, const struct sl_ip *dst)
{
	const size_t skip = sl_ip_is_v4(dst) ? 12 : 0;
	uint32_t sum = sl_csum_add(0, src->bytes + skip, sizeof(src->bytes) - skip);

	return sl_csum_fold(sl_csum_add(sum, dst->bytes + skip, sizeof(dst->bytes) - skip));
}

bool sl_translate_move(struct sl_pkt *pkt, int32_t new_off)
{
	const int32_t shift = new_off - pkt->l3_off;

	if (shift < -(int32_t)pkt->headroom)
		return false;
	memmove(pkt->data + shift, pkt->data, pkt->l3_off);
	pkt->data += shift;
	pkt->headroom = (uint16_t)(pkt->headroom + shift);
	pkt->is_v6 = !pkt->is_v6;
	sl_store16_host(pkt->data + pkt->l3_off - 2,
	                pkt->is_v6 ? SL_ETHERTYPE_IPV6 : SL_ETHERTYPE_IPV4);
	return true;
}

uint16_t sl_translate_put_ports(uint8_t *l4, const struct sl_tuple *from, const struct sl_tuple *to)
{
	const uint16_t old = sl_translate_sum(&from->src, &from->dst);
	uint16_t delta =
		sl_csum_fold((uint32_t)(uint16_t)~old + sl_translate_sum(&to->src, &to->dst));

	delta = sl_csum_delta(delta, l4, &to->sport_be, 2 * sizeof(to->sport_be));
	memcpy(l4, &to->sport_be, 2 * sizeof(to->sport_be));
	return delta;
}

static void put_l4(struct sl_pkt *pkt, const struct sl_tuple *to)
{
	const bool is_tcp = pkt->kind == SL_PKT_TCP;
	uint8_t *l4 = pkt->data + pkt->l4_off;
	uint8_t *csum = l4 + (is_tcp ? SL_TCP_OFF_CSUM : SL_UDP_OFF_CSUM);
	const uint16_t delta = sl_translate_put_ports(l4, &pkt->tuple, to), old = sl_load16(csum);

	if (is_tcp)
		sl_store16(csum, sl_csum_apply(old, delta));
	else if (old != 0)
		sl_store16(csum, sl_csum_apply_udp(old, delta));
	else // only IPv4 has that; the parser has seen to the length
		sl_store16(csum, sl_csum_l4(&to->src, &to->dst, IPPROTO_UDP, l4,
		                            sl_load16_host(l4 + SL_UDP_OFF_LENGTH)));
}

int sl_translate(struct sl_pkt *pkt, const struct sl_tuple *to, uint16_t id)
{
	const bool to_v6 = !pkt->is_v6;
	const struct ip_head head = {.src = &to->src,
	                             .dst = &to->dst,
	                             .class = ip_class(pkt->data + pkt->l3_off, pkt->is_v6),
	                             .ttl = (uint8_t)(pkt->ttl - 1),
	                             .proto = to->proto,
	                             .l4_bytes = pkt->l4_bytes,
	                             .id = id};
	const uint16_t payload_bytes = (uint16_t)(pkt->payload_off - pkt->l4_off);

	if (pkt->is_fragment)
		return SL_DROP_FRAGMENT_FAMILY;
	if (pkt->ttl <= 1)
		return SL_DROP_TTL;
	if (sl_translate_bytes(pkt) > UINT16_MAX)
		return SL_DROP_TOO_BIG;
	if (!sl_translate_move(pkt, (int32_t)pkt->l4_off - ip_head_bytes(to_v6)))
		return SL_DROP_NO_HEADROOM;
	pkt->l4_off = (uint16_t)(pkt->l3_off + ip_head_bytes(to_v6));
	pkt->payload_off = (uint16_t)(pkt->l4_off + payload_bytes);
	pkt->len = (uint32_t)pkt->l4_off + pkt->l4_bytes; // padding stays behind
	pkt->ttl = head.ttl;
	sl_translate_put_head(pkt->data + pkt->l3_off, &head, to_v6);
	put_l4(pkt, to);
	pkt->tuple = *to;
	return TRANSLATED;
}
