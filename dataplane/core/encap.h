// SPDX-License-Identifier: Apache-2.0
// Encapsulation: a client's packet, unchanged, inside another IP packet to its backend.
//
// Shape:   Ethernet | outer IP | inner IP ..            (IPIP: protocol 4 or 41)
//          Ethernet | outer IP | UDP | GUE | inner IP .. (GUE variant 0, destination port 6080)
//          The outer header goes into the headroom; the Ethernet header and its VLAN tags move
//          forward, nothing after them does.
// Outer:   DSCP and ECN are the inner packet's (RFC 2983 uniform model, RFC 6040 normal mode). TTL
//          starts afresh. DF follows an inner IPv4 packet; around IPv6 it stays clear (RFC 4213
//          3.2.1). Identification is 0 with DF (RFC 6864), else the caller's. What tells flows
//          apart on the way is the IPv6 flow label (RFC 6438) and the UDP source port. The UDP
//          checksum is 0, over IPv6 too: RFC 6935 allows it for tunnels, and the inner packet
//          has its own.
// Source:  RFC 2003, RFC 2473, RFC 4213, draft-ietf-intarea-gue.
// Errors:  bool.   Thread: any; touches the packet alone.
#ifndef SLUICE_CORE_ENCAP_H
#define SLUICE_CORE_ENCAP_H

#include "csum.h"
#include "layout.h"
#include "pkt.h"

#define SL_ENCAP_GUE_PORT     6080
#define SL_ENCAP_GUE_BYTES    4     // without optional fields
#define SL_ENCAP_SPORT_FIRST  49152 // dynamic ports, RFC 6335; the last is the last of all
#define SL_ENCAP_MAX_OVERHEAD 52    // IPv6, UDP, GUE
#define SL_ENCAP_TTL          64    // RFC 1700 recommended default
#define SL_ENCAP_DF           0x4000

struct sl_encap {
	struct sl_ip src, dst; // of the outer header, one family
	bool is_gue;
	uint16_t id;   // host order; identification of an outer IPv4 header without DF
	uint64_t hash; // of the flow
};

// What a tunnel adds to the length of an IP packet.
static inline uint16_t sl_encap_overhead_bytes(bool is_gue, bool is_outer_v6)
{
	return (uint16_t)((is_outer_v6 ? 40 : 20) + (is_gue ? 8 + SL_ENCAP_GUE_BYTES : 0));
}

// The bytes of the IP packet as its header counts them, padding left out.
static inline uint32_t sl_encap_inner_bytes(const struct sl_pkt *pkt)
{
	return (uint32_t)pkt->l4_off + pkt->l4_bytes - pkt->l3_off;
}

// An outer IPv4 header; its DF, and with it whether id is 0, is inner's.
struct sl_encap_v4 {
	uint32_t src_be, dst_be;
	uint16_t total_bytes;
	uint16_t id; // host order
	uint8_t proto;
	bool is_inner_v6;
};

// Put together in registers: the sum is a few additions and waits for no store.
static inline void sl_encap_put_v4(uint8_t *l3, const uint8_t *inner, struct sl_encap_v4 outer)
{
	// DSCP and ECN together: the TOS byte, or the traffic class across two bytes.
	const uint8_t class =
		outer.is_inner_v6 ? (uint8_t)(inner[0] << 4 | inner[1] >> 4) : inner[1];
	const uint16_t df =
		outer.is_inner_v6 ? 0 : sl_load16_host(inner + SL_IPV4_OFF_FRAG) & SL_ENCAP_DF;
	const uint32_t first_be =
		htonl(UINT32_C(0x45000000) | (uint32_t) class << 16 | outer.total_bytes);
	const uint32_t id_be = htonl((df != 0 ? 0 : (uint32_t)outer.id << 16) | df);
	const uint32_t ttl_be = htonl((uint32_t)SL_ENCAP_TTL << 24 | (uint32_t)outer.proto << 16);
	uint64_t sum = (uint64_t)first_be + id_be + ttl_be + outer.src_be + outer.dst_be;
	uint16_t csum;

	sum = (sum & UINT32_MAX) + (sum >> 32);
	csum = (uint16_t)~sl_csum_fold((uint32_t)((sum & 0xffff) + (sum >> 16)));
	memcpy(l3, &first_be, sizeof(first_be));
	memcpy(l3 + 4, &id_be, sizeof(id_be));
	l3[SL_IPV4_OFF_TTL] = SL_ENCAP_TTL;
	l3[SL_IPV4_OFF_PROTO] = outer.proto;
	sl_store16(l3 + SL_IPV4_OFF_CSUM, csum);
	memcpy(l3 + SL_IPV4_OFF_SRC, &outer.src_be, sizeof(outer.src_be));
	memcpy(l3 + SL_IPV4_OFF_DST, &outer.dst_be, sizeof(outer.dst_be));
}

// What stands between an outer IP header and the packet; udp_bytes: with that packet.
static inline void sl_encap_put_gue(uint8_t *udp, uint64_t hash, uint16_t udp_bytes,
                                    uint8_t inner_proto)
{
	const uint16_t spread = (uint16_t)((hash >> 32) % (UINT16_MAX + 1 - SL_ENCAP_SPORT_FIRST));
	uint8_t *gue = udp + SL_UDP_BYTES;

	sl_store16_host(udp, (uint16_t)(SL_ENCAP_SPORT_FIRST + spread));
	sl_store16_host(udp + 2, SL_ENCAP_GUE_PORT);
	sl_store16_host(udp + SL_UDP_OFF_LENGTH, udp_bytes);
	sl_store16(udp + SL_UDP_OFF_CSUM, 0);
	gue[0] = 0; // variant 0, a data packet, no optional words
	gue[1] = inner_proto;
	sl_store16(gue + 2, 0); // no flags
}

// Pushes the outer header. data, len and headroom change; offsets move along, so that they still
// point at the inner packet. false, and no change, when the headroom is too small.
bool sl_encap_push(struct sl_pkt *pkt, const struct sl_encap *outer);

#endif
