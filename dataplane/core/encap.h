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

#include "pkt.h"

#define SL_ENCAP_GUE_PORT     6080
#define SL_ENCAP_GUE_BYTES    4     // without optional fields
#define SL_ENCAP_SPORT_FIRST  49152 // dynamic ports, RFC 6335; the last is the last of all
#define SL_ENCAP_MAX_OVERHEAD 52    // IPv6, UDP, GUE
#define SL_ENCAP_TTL          64    // RFC 1700 recommended default

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

// Pushes the outer header. data, len and headroom change; offsets move along, so that they still
// point at the inner packet. false, and no change, when the headroom is too small.
bool sl_encap_push(struct sl_pkt *pkt, const struct sl_encap *outer);

#endif
