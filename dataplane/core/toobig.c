// SPDX-License-Identifier: Apache-2.0
#include "toobig.h"

#include "csum.h"
#include "layout.h"

#define IPV4_OFF_ID           4
#define IPV4_DF               0x4000
#define TTL                   64
#define TOS_INTERNET_CONTROL  0xc0 // RFC 1812 section 4.3.2.5
#define ICMP_MAX_BYTES        576  // RFC 1812 section 4.3.2.3
#define ICMPV6_MAX_BYTES      1280 // RFC 4443 section 2.4 c
#define ICMP_UNREACHABLE      3
#define ICMP_FRAG_NEEDED      4 // code
#define ICMP_OFF_MTU          6
#define ICMPV6_PACKET_TOO_BIG 2
#define ICMPV6_OFF_MTU        4

bool sl_toobig_take(struct sl_toobig_bucket *bucket, uint32_t now)
{
	uint32_t n_ticks = now - bucket->tick;

	if (n_ticks > 0) {
		uint64_t n_tokens = bucket->n_tokens + (uint64_t)n_ticks * SL_TOOBIG_PER_TICK;

		bucket->n_tokens =
			n_tokens < SL_TOOBIG_BURST ? (uint32_t)n_tokens : SL_TOOBIG_BURST;
		bucket->tick = now;
	}
	if (bucket->n_tokens == 0)
		return false;
	bucket->n_tokens--;
	return true;
}

static bool is_host_v4(const uint8_t *address)
{
	return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

static bool is_host_v6(const struct sl_ip *ip)
{
	static const struct sl_ip loopback = {.bytes = {[15] = 1}}, unspecified;

	return ip->bytes[0] != 0xff && !sl_ip_equal(ip, &loopback) &&
	       !sl_ip_equal(ip, &unspecified);
}

bool sl_toobig_is_allowed(const struct sl_pkt *pkt)
{
	const uint8_t *l3 = pkt->data + pkt->l3_off;
	uint16_t frag;

	if ((pkt->kind != SL_PKT_TCP && pkt->kind != SL_PKT_UDP) || pkt->is_fragment ||
	    (pkt->data[0] & 1) != 0)
		return false;
	if (pkt->is_v6)
		return is_host_v6(&pkt->tuple.src) && is_host_v6(&pkt->tuple.dst);
	frag = sl_load16_host(l3 + SL_IPV4_OFF_FRAG);
	return (frag & IPV4_DF) != 0 && (frag & (SL_IPV4_FRAG_MASK | SL_IPV4_FRAG_MORE)) == 0 &&
	       is_host_v4(l3 + SL_IPV4_OFF_SRC) && is_host_v4(l3 + SL_IPV4_OFF_DST);
}

static void put_v4(uint8_t *l3, const struct sl_tuple *error, uint16_t quote_bytes,
                   uint16_t mtu_bytes)
{
	uint8_t *icmp = l3 + SL_IPV4_BYTES;
	const uint16_t icmp_bytes = (uint16_t)(SL_ICMP_BYTES + quote_bytes);

	memset(l3, 0, SL_IPV4_BYTES + SL_ICMP_BYTES);
	l3[0] = 0x45;
	l3[1] = TOS_INTERNET_CONTROL;
	sl_store16_host(l3 + SL_IPV4_OFF_TOTAL, (uint16_t)(SL_IPV4_BYTES + icmp_bytes));
	sl_store16_host(l3 + SL_IPV4_OFF_FRAG, IPV4_DF); // so identification 0 is right, RFC 6864
	l3[SL_IPV4_OFF_TTL] = TTL;
	l3[SL_IPV4_OFF_PROTO] = IPPROTO_ICMP;
	memcpy(l3 + SL_IPV4_OFF_SRC, error->src.bytes + 12, 4);
	memcpy(l3 + SL_IPV4_OFF_DST, error->dst.bytes + 12, 4);
	sl_store16(l3 + SL_IPV4_OFF_CSUM,
	           (uint16_t)~sl_csum_fold(sl_csum_add(0, l3, SL_IPV4_BYTES)));
	icmp[0] = ICMP_UNREACHABLE;
	icmp[1] = ICMP_FRAG_NEEDED;
	sl_store16_host(icmp + ICMP_OFF_MTU, mtu_bytes);
	sl_store16(icmp + SL_ICMP_OFF_CSUM,
	           (uint16_t)~sl_csum_fold(sl_csum_add(0, icmp, icmp_bytes)));
}

static void put_v6(uint8_t *l3, const struct sl_tuple *error, uint16_t quote_bytes,
                   uint16_t mtu_bytes)
{
	uint8_t *icmp = l3 + SL_IPV6_BYTES;
	const uint16_t icmp_bytes = (uint16_t)(SL_ICMP_BYTES + quote_bytes);

	memset(l3, 0, SL_IPV6_BYTES + SL_ICMP_BYTES);
	l3[0] = 0x60;
	sl_store16_host(l3 + SL_IPV6_OFF_PAYLOAD, icmp_bytes);
	l3[SL_IPV6_OFF_NEXT] = IPPROTO_ICMPV6;
	l3[SL_IPV6_OFF_HOPS] = TTL;
	memcpy(l3 + SL_IPV6_OFF_SRC, error->src.bytes, 16);
	memcpy(l3 + SL_IPV6_OFF_DST, error->dst.bytes, 16);
	icmp[0] = ICMPV6_PACKET_TOO_BIG;
	sl_store16_host(icmp + ICMPV6_OFF_MTU + 2, mtu_bytes); // the lower half of 32 bits
	sl_store16(icmp + SL_ICMP_OFF_CSUM,
	           sl_csum_l4(&error->src, &error->dst, IPPROTO_ICMPV6, icmp, icmp_bytes));
}

void sl_toobig_make(struct sl_pkt *pkt, uint16_t mtu_bytes)
{
	const uint32_t head_bytes = (pkt->is_v6 ? SL_IPV6_BYTES : SL_IPV4_BYTES) + SL_ICMP_BYTES;
	const uint32_t max_bytes = pkt->is_v6 ? ICMPV6_MAX_BYTES : ICMP_MAX_BYTES;
	const uint32_t l3_bytes = (uint32_t)pkt->l4_off + pkt->l4_bytes - pkt->l3_off;
	const uint32_t total_bytes = l3_bytes < max_bytes ? l3_bytes : max_bytes;
	const uint16_t quote_bytes = (uint16_t)(total_bytes - head_bytes);
	uint8_t *l3 = pkt->data + pkt->l3_off;
	struct sl_tuple error = {.src = pkt->tuple.dst,
	                         .dst = pkt->tuple.src,
	                         .proto = pkt->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP};

	memmove(l3 + head_bytes, l3, quote_bytes);
	if (pkt->is_v6)
		put_v6(l3, &error, quote_bytes, mtu_bytes);
	else
		put_v4(l3, &error, quote_bytes, mtu_bytes);
	pkt->inner = pkt->tuple;
	pkt->tuple = error;
	pkt->ttl = TTL;
	pkt->kind = SL_PKT_ICMP_ERROR;
	pkt->len = pkt->l3_off + total_bytes;
	pkt->inner_l3_off = (uint16_t)(pkt->l3_off + head_bytes);
	pkt->inner_l4_off = (uint16_t)(pkt->l4_off + head_bytes);
	pkt->l4_off = (uint16_t)(pkt->l3_off + head_bytes - SL_ICMP_BYTES);
	pkt->l4_bytes = (uint16_t)(SL_ICMP_BYTES + quote_bytes);
}
