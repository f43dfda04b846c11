// SPDX-License-Identifier: Apache-2.0
#include "icmp_make.h"

#include "csum.h"
#include "layout.h"

#define OFF_CODE      1
#define OFF_REST      4
#define TTL           64
#define DONT_FRAGMENT 0x4000
#define TOS_CONTROL   0xc0 // internetwork control (RFC 1812 4.3.2.5)

static bool is_group(const struct sl_ip *ip)
{
	return sl_ip_is_v4(ip) ? ip->bytes[12] >= 0xe0 : ip->bytes[0] == 0xff;
}

static bool may_answer(const struct sl_pkt *pkt)
{
	const uint8_t proto = pkt->tuple.proto;

	if (pkt->kind == SL_PKT_ARP || pkt->kind == SL_PKT_ND || pkt->kind == SL_PKT_FRAGMENT)
		return false;
	if ((proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) && pkt->kind != SL_PKT_ECHO)
		return false;
	return !is_group(&pkt->tuple.src) && !is_group(&pkt->tuple.dst) &&
	       ((pkt->data[0] | pkt->data[6]) & 1) == 0;
}

// What fits of the packet into an answer that is not longer than the packet itself; 0 when that
// leaves out what says which packet it was: its IP headers and 8 bytes (RFC 792).
static size_t quote_bytes_of(const struct sl_pkt *pkt)
{
	const size_t head_bytes = (pkt->is_v6 ? SL_IPV6_BYTES : SL_IPV4_BYTES) + SL_ICMP_BYTES;
	const size_t ip_bytes = (size_t)(pkt->l4_off - pkt->l3_off);
	size_t most = pkt->is_v6 ? SL_ICMP_MAX_BYTES_V6 : SL_ICMP_MAX_BYTES_V4;

	if (most > ip_bytes + pkt->l4_bytes)
		most = ip_bytes + pkt->l4_bytes;
	return most >= head_bytes + ip_bytes + SL_QUOTE_L4_BYTES ? most - head_bytes : 0;
}

bool sl_icmp_grant(struct sl_icmp_bucket *bucket, const struct sl_pkt *pkt, uint32_t now)
{
	if (!may_answer(pkt) || quote_bytes_of(pkt) == 0)
		return false;
	if (bucket->tick != now)
		*bucket = (struct sl_icmp_bucket){.tick = now};
	if (bucket->n_spent == SL_ICMP_BURST)
		return false;
	bucket->n_spent++;
	return true;
}

static void put_icmp(uint8_t *l4, const struct sl_icmp_error *error)
{
	const uint32_t rest_be = htonl(error->rest);

	memset(l4, 0, SL_ICMP_BYTES);
	l4[0] = error->type;
	l4[OFF_CODE] = error->code;
	memcpy(l4 + OFF_REST, &rest_be, sizeof(rest_be));
}

static void put_v4(uint8_t *l3, const struct sl_pkt *pkt, const struct sl_ip *source,
                   uint16_t l4_bytes)
{
	const uint32_t src_be = sl_ip_v4_be(source), dst_be = sl_ip_v4_be(&pkt->tuple.src);
	uint8_t *l4 = l3 + SL_IPV4_BYTES;

	memset(l3, 0, SL_IPV4_BYTES);
	l3[0] = 4 << 4 | SL_IPV4_BYTES / 4;
	l3[1] = TOS_CONTROL;
	sl_store16_host(l3 + SL_IPV4_OFF_TOTAL, (uint16_t)(SL_IPV4_BYTES + l4_bytes));
	sl_store16_host(l3 + SL_IPV4_OFF_FRAG, DONT_FRAGMENT); // so the id may be 0 (RFC 6864 4.1)
	l3[SL_IPV4_OFF_TTL] = TTL;
	l3[SL_IPV4_OFF_PROTO] = IPPROTO_ICMP;
	memcpy(l3 + SL_IPV4_OFF_SRC, &src_be, sizeof(src_be));
	memcpy(l3 + SL_IPV4_OFF_DST, &dst_be, sizeof(dst_be));
	sl_store16(l3 + SL_IPV4_OFF_CSUM,
	           (uint16_t)~sl_csum_fold(sl_csum_add(0, l3, SL_IPV4_BYTES)));
	sl_store16(l4 + SL_ICMP_OFF_CSUM, (uint16_t)~sl_csum_fold(sl_csum_add(0, l4, l4_bytes)));
}

static void put_v6(uint8_t *l3, const struct sl_pkt *pkt, const struct sl_ip *source,
                   uint16_t l4_bytes)
{
	uint8_t *l4 = l3 + SL_IPV6_BYTES;

	memset(l3, 0, SL_IPV6_BYTES);
	l3[0] = 6 << 4;
	sl_store16_host(l3 + SL_IPV6_OFF_PAYLOAD, l4_bytes);
	l3[SL_IPV6_OFF_NEXT] = IPPROTO_ICMPV6;
	l3[SL_IPV6_OFF_HOPS] = TTL;
	memcpy(l3 + SL_IPV6_OFF_SRC, source->bytes, sizeof(source->bytes));
	memcpy(l3 + SL_IPV6_OFF_DST, pkt->tuple.src.bytes, sizeof(source->bytes));
	sl_store16(l4 + SL_ICMP_OFF_CSUM,
	           sl_csum_l4(source, &pkt->tuple.src, IPPROTO_ICMPV6, l4, l4_bytes));
}

size_t sl_icmp_make_error(uint8_t *frame, size_t n_bytes, const struct sl_pkt *pkt,
                          const uint8_t our_mac[6], const struct sl_icmp_error *error)
{
	const size_t ip_bytes = pkt->is_v6 ? SL_IPV6_BYTES : SL_IPV4_BYTES;
	const size_t head_bytes = ip_bytes + SL_ICMP_BYTES;
	const size_t quote_bytes = quote_bytes_of(pkt);
	uint8_t *l3 = frame + pkt->l3_off;

	if (quote_bytes == 0 || pkt->l3_off + head_bytes + quote_bytes > n_bytes ||
	    sl_ip_is_v4(error->source) == pkt->is_v6)
		return 0;
	memcpy(frame, pkt->data + 6, 6);
	memcpy(frame + 6, our_mac, 6);
	memcpy(frame + SL_ETH_OFF_TYPE, pkt->data + SL_ETH_OFF_TYPE,
	       (size_t)pkt->l3_off - SL_ETH_OFF_TYPE); // tags and type
	memcpy(l3 + head_bytes, pkt->data + pkt->l3_off, quote_bytes);
	put_icmp(l3 + ip_bytes, error);
	if (pkt->is_v6)
		put_v6(l3, pkt, error->source, (uint16_t)(SL_ICMP_BYTES + quote_bytes));
	else
		put_v4(l3, pkt, error->source, (uint16_t)(SL_ICMP_BYTES + quote_bytes));
	return pkt->l3_off + head_bytes + quote_bytes;
}
