// SPDX-License-Identifier: Apache-2.0
// What nearly every packet is, in line: IPv4 without options or fragmentation, TCP, no VLAN.
#ifndef SLUICE_CORE_PARSE_PLAIN_H
#define SLUICE_CORE_PARSE_PLAIN_H

#include <endian.h>

#include "layout.h"
#include "pkt.h"

// First octets (RFC 6890): "this network", loopback, and multicast up to limited broadcast.
#define SL_V4_PLAIN        0x45 // version 4, header of 5 words
#define SL_V4_THIS_NETWORK 0
#define SL_V4_LOOPBACK     127
#define SL_V4_MULTICAST    224

static inline bool sl_parse_is_martian_v4(const uint8_t *l3)
{
	const uint8_t src = l3[SL_IPV4_OFF_SRC], dst = l3[SL_IPV4_OFF_DST];

	return src >= SL_V4_MULTICAST || src == SL_V4_THIS_NETWORK || src == SL_V4_LOOPBACK ||
	       dst == SL_V4_THIS_NETWORK || dst == SL_V4_LOOPBACK;
}

// false says nothing about the packet: the way through the layers (sl_parse_layers) then finds what
// it is, or the reason to drop it. Everything is read before anything is written, so that constants
// side by side become one store.
static inline bool sl_parse_plain(struct sl_pkt *pkt)
{
	const uint8_t *l3 = pkt->data + SL_ETH_BYTES, *l4 = l3 + SL_IPV4_BYTES;
	uint32_t total_bytes, data_bytes, seq, src_be, dst_be;
	uint8_t ttl, tcp_flags;
	uint64_t rest;

	if (__builtin_expect(pkt->len < SL_ETH_BYTES + SL_IPV4_BYTES + SL_TCP_BYTES, 0))
		return false;
	total_bytes = sl_load16_host(l3 + SL_IPV4_OFF_TOTAL);
	data_bytes = (l4[SL_TCP_OFF_DATA] >> 4) * 4u;
	if (__builtin_expect(
		    sl_load16(pkt->data + SL_ETH_OFF_TYPE) != htons(SL_ETHERTYPE_IPV4) ||
			    l3[0] != SL_V4_PLAIN || l3[SL_IPV4_OFF_PROTO] != IPPROTO_TCP ||
			    (sl_load16(l3 + SL_IPV4_OFF_FRAG) &
	                     htons(SL_IPV4_FRAG_MASK | SL_IPV4_FRAG_MORE)) != 0 ||
			    total_bytes > pkt->len - SL_ETH_BYTES || data_bytes < SL_TCP_BYTES ||
			    data_bytes + SL_IPV4_BYTES > total_bytes || sl_parse_is_martian_v4(l3),
		    0))
		return false;
	ttl = l3[SL_IPV4_OFF_TTL];
	tcp_flags = l4[SL_TCP_OFF_FLAGS];
	seq = sl_load32_host(l4 + SL_TCP_OFF_SEQ);
	src_be = sl_load32(l3 + SL_IPV4_OFF_SRC);
	dst_be = sl_load32(l3 + SL_IPV4_OFF_DST);
	// Ports, protocol and zeros in one store: they are read as one word soon.
	rest = htole64(le32toh(sl_load32(l4)) | (uint64_t)IPPROTO_TCP << 32);
	pkt->kind = SL_PKT_TCP;
	pkt->is_v6 = false;
	pkt->n_vlans = 0;
	pkt->icmp_type = 0;
	pkt->is_fragment = false;
	pkt->has_more_fragments = false;
	pkt->has_passed_frag = false;
	pkt->wants_error = false;
	pkt->l3_off = SL_ETH_BYTES;
	pkt->l4_off = SL_ETH_BYTES + SL_IPV4_BYTES;
	pkt->ttl = ttl;
	pkt->tcp_flags = tcp_flags;
	pkt->l4_bytes = (uint16_t)(total_bytes - SL_IPV4_BYTES);
	pkt->payload_off = (uint16_t)(SL_ETH_BYTES + SL_IPV4_BYTES + data_bytes);
	pkt->tcp_seq = seq;
	pkt->tuple.src = sl_ip_from_v4(src_be);
	pkt->tuple.dst = sl_ip_from_v4(dst_be);
	memcpy(&pkt->tuple.sport_be, &rest, sizeof(rest));
	return true;
}
_Static_assert(offsetof(struct sl_tuple, proto) == offsetof(struct sl_tuple, sport_be) + 4 &&
                       sizeof(struct sl_tuple) == offsetof(struct sl_tuple, sport_be) + 8,
               "the last word of a tuple");

#endif
