// SPDX-License-Identifier: Apache-2.0
#include "parse.h"

#include <endian.h>

#include "parse_parts.h"
#include "parse_plain.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define V6_MULTICAST        0xff
#define TCP_MIN_DATA_OFFSET (SL_TCP_BYTES / 4)

static inline int parse_tcp(struct sl_pkt *pkt)
{
	const uint8_t *l4 = pkt->data + pkt->l4_off;
	uint32_t data_offset;

	if (unlikely(pkt->l4_bytes < SL_TCP_BYTES))
		return SL_DROP_TRUNCATED;
	data_offset = l4[SL_TCP_OFF_DATA] >> 4;
	if (unlikely(data_offset < TCP_MIN_DATA_OFFSET))
		return SL_DROP_BAD_HEADER;
	if (unlikely(data_offset * 4 > pkt->l4_bytes))
		return SL_DROP_TRUNCATED;
	pkt->kind = SL_PKT_TCP;
	pkt->tuple.sport_be = sl_load16(l4);
	pkt->tuple.dport_be = sl_load16(l4 + 2);
	pkt->tcp_seq = sl_load32_host(l4 + SL_TCP_OFF_SEQ);
	pkt->tcp_flags = l4[SL_TCP_OFF_FLAGS];
	pkt->payload_off = (uint16_t)(pkt->l4_off + data_offset * 4);
	return SL_PARSED;
}

static inline int parse_udp(struct sl_pkt *pkt)
{
	const uint8_t *l4 = pkt->data + pkt->l4_off;
	uint16_t udp_bytes;

	if (unlikely(pkt->l4_bytes < SL_UDP_BYTES))
		return SL_DROP_TRUNCATED;
	// Shorter than the IP payload is allowed: the rest is nobody's (RFC 768).
	udp_bytes = sl_load16_host(l4 + SL_UDP_OFF_LENGTH);
	if (unlikely(udp_bytes < SL_UDP_BYTES))
		return SL_DROP_BAD_HEADER;
	if (unlikely(udp_bytes > pkt->l4_bytes && !pkt->is_fragment)) // the rest is on its way
		return SL_DROP_BAD_HEADER;
	// RFC 8200 8.1: over IPv6 a checksum is a must. Its exemption for protocols that check
	// themselves (RFC 6935 section 5) is taken by RoCEv2, whose ICRC covers the addresses.
	if (unlikely(pkt->is_v6 && sl_load16(l4 + SL_UDP_OFF_CSUM) == 0 &&
	             sl_load16(l4 + 2) != htons(SL_ROCE_PORT)))
		return SL_DROP_BAD_HEADER;
	pkt->kind = SL_PKT_UDP;
	pkt->tuple.sport_be = sl_load16(l4);
	pkt->tuple.dport_be = sl_load16(l4 + 2);
	pkt->payload_off = (uint16_t)(pkt->l4_off + SL_UDP_BYTES);
	return SL_PARSED;
}

static inline int parse_l4(struct sl_pkt *pkt)
{
	const uint8_t proto = pkt->tuple.proto;

	if (likely(proto == IPPROTO_TCP))
		return parse_tcp(pkt);
	if (likely(proto == IPPROTO_UDP))
		return parse_udp(pkt);
	if (proto == (pkt->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return sl_parse_icmp(pkt);
	pkt->kind = SL_PKT_OTHER;
	pkt->payload_off = pkt->l4_off;
	return SL_PARSED;
}

int sl_parse_l4(struct sl_pkt *pkt)
{
	return parse_l4(pkt);
}

static int parse_fragment_v4(struct sl_pkt *pkt, const uint8_t *l3)
{
	const uint16_t frag = sl_load16_host(l3 + SL_IPV4_OFF_FRAG);

	pkt->has_more_fragments = (frag & SL_IPV4_FRAG_MORE) != 0;
	pkt->frag_off_bytes = (uint16_t)((frag & SL_IPV4_FRAG_MASK) * SL_FRAG_UNIT_BYTES);
	pkt->frag_bytes = pkt->l4_bytes;
	pkt->frag_id_be = sl_load16(l3 + SL_IPV4_OFF_ID);
	return sl_parse_fragment(pkt);
}

static inline int parse_v4(struct sl_pkt *pkt)
{
	const uint8_t *l3 = pkt->data + pkt->l3_off;
	const uint32_t room = pkt->len - pkt->l3_off;
	uint32_t header_bytes, total_bytes;
	int drop;

	if (unlikely(room < SL_IPV4_BYTES))
		return SL_DROP_TRUNCATED;
	header_bytes = (l3[0] & 15u) * 4;
	total_bytes = sl_load16_host(l3 + SL_IPV4_OFF_TOTAL);
	if (unlikely(l3[0] >> 4 != 4 || header_bytes < SL_IPV4_BYTES || total_bytes < header_bytes))
		return SL_DROP_BAD_HEADER;
	if (unlikely(total_bytes > room))
		return SL_DROP_TRUNCATED;
	if (unlikely(sl_parse_is_martian_v4(l3)))
		return SL_DROP_BAD_ADDRESS;
	if (unlikely(header_bytes > SL_IPV4_BYTES)) {
		drop = sl_parse_ipv4_options(l3 + SL_IPV4_BYTES, header_bytes - SL_IPV4_BYTES);
		if (drop != SL_PARSED)
			return drop;
	}
	pkt->is_v6 = false;
	pkt->ttl = l3[SL_IPV4_OFF_TTL];
	pkt->l4_off = (uint16_t)(pkt->l3_off + header_bytes);
	pkt->l4_bytes = (uint16_t)(total_bytes - header_bytes);
	pkt->tuple = (struct sl_tuple){
		.src = sl_ip_from_v4(sl_load32(l3 + SL_IPV4_OFF_SRC)),
		.dst = sl_ip_from_v4(sl_load32(l3 + SL_IPV4_OFF_DST)),
		.proto = l3[SL_IPV4_OFF_PROTO],
	};
	if (unlikely(sl_load16_host(l3 + SL_IPV4_OFF_FRAG) &
	             (SL_IPV4_FRAG_MASK | SL_IPV4_FRAG_MORE)))
		return parse_fragment_v4(pkt, l3);
	return parse_l4(pkt);
}

static int parse_fragment_v6(struct sl_pkt *pkt, const struct sl_ext_walk *walk)
{
	const uint8_t *header = pkt->data + walk->frag_off;
	const uint16_t frag = sl_load16_host(header + SL_FRAG6_OFF_OFFSET);

	pkt->has_more_fragments = (frag & SL_IPV6_FRAG_MORE) != 0;
	pkt->frag_off_bytes = frag & SL_IPV6_FRAG_MASK;
	pkt->frag_bytes = (uint16_t)(walk->end - walk->frag_off - SL_FRAG6_BYTES);
	pkt->frag_id_be = sl_load32(header + SL_FRAG6_OFF_ID);
	return sl_parse_fragment(pkt);
}

static inline bool is_unspecified_v6(const struct sl_ip *ip)
{
	static const struct sl_ip unspecified;

	return sl_ip_equal(ip, &unspecified);
}

static inline bool is_martian_v6(const struct sl_tuple *tuple)
{
	static const struct sl_ip loopback = {.bytes = {[15] = 1}};

	return tuple->src.bytes[0] == V6_MULTICAST || sl_ip_equal(&tuple->src, &loopback) ||
	       sl_ip_equal(&tuple->dst, &loopback) || is_unspecified_v6(&tuple->dst) ||
	       sl_parse_has_mapped(tuple);
}

static inline int parse_v6(struct sl_pkt *pkt)
{
	const uint8_t *l3 = pkt->data + pkt->l3_off;
	const uint32_t room = pkt->len - pkt->l3_off;
	struct sl_ext_walk walk = {.data = pkt->data, .off = pkt->l3_off + SL_IPV6_BYTES};
	int drop;

	if (unlikely(room < SL_IPV6_BYTES))
		return SL_DROP_TRUNCATED;
	if (unlikely(l3[0] >> 4 != 6))
		return SL_DROP_BAD_HEADER;
	walk.end = walk.off + sl_load16_host(l3 + SL_IPV6_OFF_PAYLOAD);
	if (unlikely(walk.end > pkt->len))
		return SL_DROP_TRUNCATED;
	memset(&pkt->tuple, 0, sizeof(pkt->tuple));
	memcpy(pkt->tuple.src.bytes, l3 + SL_IPV6_OFF_SRC, 16);
	memcpy(pkt->tuple.dst.bytes, l3 + SL_IPV6_OFF_DST, 16);
	if (unlikely(is_martian_v6(&pkt->tuple)))
		return SL_DROP_BAD_ADDRESS;
	walk.proto = l3[SL_IPV6_OFF_NEXT];
	if (unlikely(walk.proto != IPPROTO_TCP && walk.proto != IPPROTO_UDP)) {
		drop = sl_parse_ext_walk(&walk);
		if (drop != SL_PARSED)
			return drop;
	}
	pkt->is_v6 = true;
	pkt->ttl = l3[SL_IPV6_OFF_HOPS];
	pkt->l4_off = (uint16_t)walk.off;
	pkt->l4_bytes = (uint16_t)(walk.end - walk.off);
	pkt->tuple.proto = walk.proto;
	drop = unlikely(walk.is_fragment) ? parse_fragment_v6(pkt, &walk) : parse_l4(pkt);
	if (unlikely(walk.has_frag_header) && drop == SL_PARSED && pkt->kind == SL_PKT_ND)
		return SL_DROP_FRAGMENT; // RFC 6980: a way around switches that filter ND
	// Duplicate address detection asks from :: (RFC 4862 5.4.2); nothing else may.
	if (unlikely(is_unspecified_v6(&pkt->tuple.src)) && drop == SL_PARSED &&
	    pkt->kind != SL_PKT_ND)
		return SL_DROP_BAD_ADDRESS;
	return drop;
}

static inline bool is_vlan_tag(uint16_t ethertype)
{
	return ethertype == SL_ETHERTYPE_VLAN || ethertype == SL_ETHERTYPE_SVLAN;
}

int sl_parse_layers(struct sl_pkt *pkt)
{
	uint32_t l3_off = SL_ETH_BYTES;
	uint16_t ethertype;

	pkt->n_vlans = 0;
	pkt->tcp_flags = 0;
	pkt->icmp_type = 0;
	pkt->tcp_seq = 0;
	pkt->is_fragment = false;
	pkt->has_passed_frag = false;
	pkt->wants_error = false;
	if (unlikely(pkt->len < SL_ETH_BYTES))
		return SL_DROP_TRUNCATED;
	ethertype = sl_load16_host(pkt->data + SL_ETH_OFF_TYPE);
	while (unlikely(is_vlan_tag(ethertype) && pkt->n_vlans < SL_MAX_VLANS)) {
		l3_off += SL_VLAN_BYTES;
		if (pkt->len < l3_off)
			return SL_DROP_TRUNCATED;
		ethertype = sl_load16_host(pkt->data + l3_off - 2);
		pkt->n_vlans++;
	}
	pkt->l3_off = (uint16_t)l3_off;
	if (likely(ethertype == SL_ETHERTYPE_IPV4))
		return parse_v4(pkt);
	if (likely(ethertype == SL_ETHERTYPE_IPV6))
		return parse_v6(pkt);
	if (ethertype != SL_ETHERTYPE_ARP)
		return SL_DROP_NOT_FOR_US;
	pkt->kind = SL_PKT_ARP;
	pkt->is_v6 = false;
	memset(&pkt->tuple, 0, sizeof(pkt->tuple));
	return SL_PARSED;
}

int sl_parse(struct sl_pkt *pkt)
{
	return sl_parse_plain(pkt) ? SL_PARSED : sl_parse_layers(pkt);
}
