// SPDX-License-Identifier: Apache-2.0
#include "encap.h"

#define FLOW_LABEL_MASK 0xfffffu

// DSCP and ECN together: the TOS byte, or the traffic class across two bytes.
static uint8_t traffic_class(const uint8_t *l3, bool is_v6)
{
	return is_v6 ? (uint8_t)(l3[0] << 4 | l3[1] >> 4) : l3[1];
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
		sl_encap_put_v4(l3, inner,
		                (struct sl_encap_v4){.src_be = sl_ip_v4_be(&outer->src),
		                                     .dst_be = sl_ip_v4_be(&outer->dst),
		                                     .total_bytes = total,
		                                     .id = outer->id,
		                                     .proto = proto,
		                                     .is_inner_v6 = pkt->is_v6});
	if (outer->is_gue)
		sl_encap_put_gue(l3 + overhead - SL_UDP_BYTES - SL_ENCAP_GUE_BYTES, outer->hash,
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
