// SPDX-License-Identifier: Apache-2.0
// Translation: a packet of one family becomes one of the other, for fullnat between an IPv6 VIP and
// IPv4 backends and the other way round.
//
// Shape:   the transport header stays where it is; the new IP header is written right before it and
//          the Ethernet header and its VLAN tags move up to that. IPv4 becomes 20 bytes longer
//          (more headroom is used), IPv6 20 shorter; IPv4 options and IPv6 extension headers are
//          left out (RFC 7915 sections 4.1 and 5.1). data, len, headroom, offsets, tuple, ttl and
//          is_v6 follow.
// Header:  TTL is one less, the TOS byte is the traffic class, the flow label 0. To IPv4: DF beyond
//          1260 bytes, so that path MTU discovery works; else none, and the caller's id, so that
//          the IPv6 minimum of 1280 always gets through (RFC 7915 section 5.1).
// Sums:    the transport's is changed by what its pseudo-header changes (RFC 1624), so a wrong one
//          stays wrong. UDP without one from IPv4 gets one, which IPv6 demands (RFC 7915 4.5).
// Parts:   fragments are refused (a longer part would have to be cut again), atomic ones are whole
//          packets.
// ICMP:    an error becomes the corresponding one, its quote a packet of the other family with the
//          tuple the receiver knows (sections 4.2, 4.3, 5.2, 5.3). At least 8 quoted bytes of the
//          transport are there (parse.h); extensions (RFC 4884) are cut off. What has no
//          counterpart is refused.
// Source:  RFC 7915, RFC 7757 not (addresses come from the flow).
// Errors:  -1 when translated, else the enum sl_drop to count, and no change.
// Thread:  any; touches the packet alone.
#ifndef SLUICE_CORE_TRANSLATE_H
#define SLUICE_CORE_TRANSLATE_H

#include "pkt.h"

#define SL_TRANSLATE_GROWTH_BYTES 20 // IPv6 header over IPv4's without options

// The length of the IP packet that this one becomes.
static inline uint32_t sl_translate_bytes(const struct sl_pkt *pkt)
{
	return (uint32_t)pkt->l4_bytes + (pkt->is_v6 ? 20 : 40);
}

// A parsed TCP or UDP packet to the tuple of the other family. id: host order, of IPv4 without DF.
int sl_translate(struct sl_pkt *pkt, const struct sl_tuple *to, uint16_t id);

struct sl_translate_error {
	const struct sl_ip *src, *dst;   // of the error, of the other family
	const struct sl_tuple *inner;    // of the quoted packet
	uint16_t mtu4_bytes, mtu6_bytes; // of our ports on either side
	uint16_t id;
};

// A parsed ICMP error to one of the other family.
int sl_translate_icmp(struct sl_pkt *pkt, const struct sl_translate_error *to);

#endif
