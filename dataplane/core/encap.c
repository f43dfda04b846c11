// SPDX-License-Identifier: Apache-2.0
#include "encap.h"

#include "csum.h"
#include "layout.h"

#define IPV4_OFF_ID     4
#define IPV4_DF         0x4000
#define FLOW_LABEL_MASK 0xfffffu
#define SPORT_SPREAD    (UINT16_MAX + 1 - SL_ENCAP_SPORT_FIRST)

// DSCP and ECN together: the TOS byte, or the traffic class across two bytes.
static uint8_t traffic_class(const uint8_t *l3, bool is_v6)
{
	return is_v6 ? (uint8_t)(l3[0] << 4 | l3[1] >> 4) : l3[1];
}

static void put_v4(uint8_t *l3, const struct sl_encap *outer, const uint8_t *inner,
                   bool is_inner_v6, uint16_t total_bytes, uint8_t proto)
{
	uint64_t sum = 0;
	uint16_t df = is_inner_v6 ? 0 : sl_load16_host(inner + SL_IPV4_OFF_FRAG) & IPV4_DF;

	l3[0] = 0x45;
	l3[1] = traffic_class(inner, is_inner_v6);
	sl_store16_host(l3 + SL_IPV4_OFF_TOTAL, total_bytes);
	sl_store16_host(l3 + IPV4_OFF_ID, df != 0 ? 0 : outer->id);
	sl_store16_host(l3 + SL_IPV4_OFF_FRAG, df);
	l3[SL_IPV4_OFF_TTL] = SL_ENCAP_TTL;
	l3[SL_IPV4_OFF_PROTO] = proto;
	sl_store16(l3 + SL_IPV4_OFF_CSUM, 0);
	memcpy(l3 + SL_IPV4_OFF_SRC, outer->src.bytes + 12, 4);
	memcpy(l3 + SL_IPV4_OFF_DST, outer->dst.bytes + 12, 4);
	for (uint32_t i = 0; i < SL_IPV4_BYTES; i += sizeof(uint32_t))
		sum += sl_load32(l3 + i);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sl_store16(l3 + SL_IPV4_OFF_CSUM,
	           (uint16_t)~sl_csum_fold((uint32_t)((sum & 0xffff) + (sum >> 16))));
}

static void put_v6(uint8_t *l3, const struct sl_encap *outer, const uint8_t *inner,
                   bool is_inner_v6, uint16_t total_bytes, uint8_t proto)
{
	uint32_t class = traffic_class(inner, is_inner_v6);
	uint32_t word_be =
		htonl(UINT32_C(6) << 28 | class << 20 | ((uint32_t)outer->hash & FLOW_LABEL_MASK));

	memcpy(l3, &word_be, sizeof(word_be));
	sl_store16_host(l3 + SL_IPV6_OFF_PAYLOAD, (uint16_t)(total_bytes - SL_IPV6_BYTES));
	l3[SL_IPV6_OFF_NEXT] = proto;
	l3[SL_IPV6_OFF_HOPS] = SL_ENCAP_TTL;
	memcpy(l3 + SL_IPV6_OFF_SRC, outer->src.bytes, 16);
	memcpy(l3 + SL_IPV6_OFF_DST, outer->dst.bytes, 16);
}

static void put_udp_gue(uint8_t *udp, uint64_t hash, uint16_t udp_bytes, uint8_t inner_proto)
{
	uint8_t *gue = udp + SL_UDP_BYTES;

	sl_store16_host(udp, (uint16_t)(SL_ENCAP_SPORT_FIRST + (hash >> 32) % SPORT_SPREAD));
	sl_store16_host(udp + 2, SL_ENCAP_GUE_PORT);
	sl_store16_host(udp + SL_UDP_OFF_LENGTH, udp_bytes);
	sl_store16(udp + SL_UDP_OFF_CSUM, 0);
	gue[0] = 0; // variant 0, a data packet, no optional words
	gue[1] = inner_proto;
	sl_store16(gue + 2, 0); // no flags
}

bool sl_encap_push(struct sl_pkt *pkt, const struct sl_encap *outer)
{
	const bool is_outer_v6 = !sl_ip_is_v4(&outer->dst);
	const uint16_t overhead = sl_encap_overhead_bytes(outer->is_gue, is_outer_v6);
	const uint32_t inner_bytes = sl_encap_inner_bytes(pkt);
	const uint8_t inner_proto = pkt->is_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	const uint8_t proto = outer->is_gue ? IPPROTO_UDP : inner_proto;
	const uint8_t *inner = pkt->data + pkt->l3_off;
	const uint16_t total = (uint16_t)(inner_bytes + overhead);
	uint8_t *l3;

	if (pkt->headroom < overhead || inner_bytes + overhead > UINT16_MAX)
		return false;
	pkt->data -= overhead;
	pkt->headroom = (uint16_t)(pkt->headroom - overhead);
	if (pkt->l3_off == SL_ETH_BYTES) // no tag: a constant, and shorter than what comes between
		memcpy(pkt->data, pkt->data + overhead, SL_ETH_BYTES);
	else
		memmove(pkt->data, pkt->data + overhead, pkt->l3_off);
	l3 = pkt->data + pkt->l3_off;
	sl_store16_host(l3 - 2, is_outer_v6 ? SL_ETHERTYPE_IPV6 : SL_ETHERTYPE_IPV4);
	if (is_outer_v6)
		put_v6(l3, outer, inner, pkt->is_v6, total, proto);
	else
		put_v4(l3, outer, inner, pkt->is_v6, total, proto);
	if (outer->is_gue)
		put_udp_gue(l3 + overhead - SL_UDP_BYTES - SL_ENCAP_GUE_BYTES, outer->hash,
		            (uint16_t)(inner_bytes + SL_UDP_BYTES + SL_ENCAP_GUE_BYTES),
		            inner_proto);
	pkt->len = pkt->l3_off + (uint32_t)total; // padding stays behind
	pkt->l3_off = (uint16_t)(pkt->l3_off + overhead);
	pkt->l4_off = (uint16_t)(pkt->l4_off + overhead);
	pkt->payload_off = (uint16_t)(pkt->payload_off + overhead);
	pkt->inner_l3_off = (uint16_t)(pkt->inner_l3_off + overhead);
	pkt->inner_l4_off = (uint16_t)(pkt->inner_l4_off + overhead);
	return true;
}
