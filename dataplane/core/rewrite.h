// SPDX-License-Identifier: Apache-2.0
// Rewriting a parsed packet in place: addresses, ports, TTL, checksums, MAC addresses.
//
// Shape:  the new tuple has the family of the old one. Fields that do not change cost nothing
//         extra.
// Order:  call after sl_parse on the same bytes; pkt->tuple is updated to the new tuple.
// Source: RFC 1624 (checksums), RFC 768 (UDP zero), RFC 5508 section 4 (ICMP errors through a NAT).
#ifndef SLUICE_CORE_REWRITE_H
#define SLUICE_CORE_REWRITE_H

#include "pkt.h"

// Translate TCP or UDP to the tuple to (proto equal). Of a fragment that is not the first only the
// addresses change.
void sl_rewrite_tuple(struct sl_pkt *pkt, const struct sl_tuple *to);

// Translate an ICMP error: outer source/destination and the quoted packet's addresses and ports,
// the quoted IPv4 header checksum, the quoted L4 checksum where it is inside the quote, and the
// outer ICMP checksum. outer gives src and dst only; inner gives src, dst, sport_be and dport_be.
// Of a quoted packet other than TCP or UDP only the addresses change; no flow has any.
void sl_rewrite_icmp_error(struct sl_pkt *pkt, const struct sl_tuple *outer,
                           const struct sl_tuple *inner);

// false (and no change) if TTL or hop limit is 1 or 0. IPv4 header checksum is kept right.
bool sl_rewrite_ttl(struct sl_pkt *pkt);

// The straight path of IPv4 TCP and UDP: TTL, addresses and ports in one pass with one update of
// each checksum. Source and destination side by side as in the headers. false as sl_rewrite_ttl.
bool sl_rewrite_pair_v4(struct sl_pkt *pkt, uint64_t addresses_be, uint32_t ports_be);

static inline void sl_rewrite_macs(struct sl_pkt *pkt, const uint8_t src[6], const uint8_t dst[6])
{
	memcpy(pkt->data, dst, 6);
	memcpy(pkt->data + 6, src, 6);
}

#endif
