// SPDX-License-Identifier: Apache-2.0
// Rewriting a parsed packet in place: addresses, ports, TTL, checksums, MAC addresses.
//
// Shape:  the new tuple has the family of the old one. Fields that do not change cost nothing
//         extra.
// Order:  call after sl_parse on the same bytes; pkt->tuple is updated to the new tuple.
// Source: RFC 1624 (checksums), RFC 768 (UDP zero), RFC 5508 section 4 (ICMP errors through a NAT).
#ifndef SLUICE_CORE_REWRITE_H
#define SLUICE_CORE_REWRITE_H

#include <endian.h>

#include "layout.h"
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

// ~old + new of the two halves of a 64-bit word; at most 2^34, to be folded.
static inline uint64_t sl_rewrite_change64(uint64_t old, uint64_t new)
{
	return (uint32_t)~old + (uint64_t)(uint32_t)(~old >> 32) + (uint32_t) new + (new >> 32);
}

// HC' = ~(~HC + change): halves are added with the carry brought round, twice, in one fold.
static inline uint16_t sl_rewrite_apply64(uint16_t csum, uint64_t change)
{
	uint64_t sum = (uint16_t)~csum + change;
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t) ~(half >> 16);
}

// Ports, and the checksum over them and what else changed.
static inline void sl_rewrite_ports(struct sl_pkt *pkt, uint64_t change, uint32_t ports_be)
{
	const bool is_tcp = pkt->kind == SL_PKT_TCP;
	uint8_t *l4 = pkt->data + pkt->l4_off;
	uint8_t *csum = l4 + (is_tcp ? SL_TCP_OFF_CSUM : SL_UDP_OFF_CSUM);
	const uint16_t old = sl_load16(csum);
	uint16_t new;

	change += (uint64_t)(uint32_t)~sl_load32(l4) + ports_be;
	memcpy(l4, &ports_be, sizeof(ports_be));
	new = sl_rewrite_apply64(old, change);
	if (!is_tcp) // RFC 768: 0 means none and stays, and is not to come out of a sum
		new = old == 0 ? 0 : new == 0 ? 0xffff : new;
	sl_store16(csum, new);
	memcpy(&pkt->tuple.sport_be, &ports_be, sizeof(ports_be));
}

// The straight path of IPv4 TCP and UDP: TTL, addresses and ports in one pass with one update of
// each checksum. Source and destination side by side as in the headers. false as sl_rewrite_ttl.
static inline bool sl_rewrite_pair_v4(struct sl_pkt *pkt, uint64_t addresses_be, uint32_t ports_be)
{
	// One less in the TTL byte, the first of its 16-bit word, as a one's complement addend.
	const uint16_t ttl_change = (uint16_t)~htons(0x0100);
	uint8_t *l3 = pkt->data + pkt->l3_off;
	uint64_t old_addresses_be, change;

	if (pkt->ttl <= 1)
		return false;
	l3[SL_IPV4_OFF_TTL] = --pkt->ttl;
	memcpy(&old_addresses_be, l3 + SL_IPV4_OFF_SRC, sizeof(old_addresses_be));
	memcpy(l3 + SL_IPV4_OFF_SRC, &addresses_be, sizeof(addresses_be));
	change = sl_rewrite_change64(old_addresses_be, addresses_be);
	sl_store16(l3 + SL_IPV4_OFF_CSUM,
	           sl_rewrite_apply64(sl_load16(l3 + SL_IPV4_OFF_CSUM), change + ttl_change));
	sl_rewrite_ports(pkt, change, ports_be);
	memcpy(&pkt->tuple.src.bytes[12], &addresses_be, 4);
	memcpy(&pkt->tuple.dst.bytes[12], (const uint8_t *)&addresses_be + 4, 4);
	return true;
}

// One hop less of a packet whose TTL is at least 2.
static inline void sl_rewrite_ttl_plain(struct sl_pkt *pkt)
{
	const uint32_t ttl_change = (uint16_t)~htons(0x0100); // as above
	uint8_t *l3 = pkt->data + pkt->l3_off;
	uint8_t *csum = l3 + SL_IPV4_OFF_CSUM;
	uint32_t sum;

	pkt->ttl--;
	if (pkt->is_v6) {
		l3[SL_IPV6_OFF_HOPS] = pkt->ttl;
		return;
	}
	l3[SL_IPV4_OFF_TTL] = pkt->ttl;
	sum = (uint16_t)~sl_load16(csum) + ttl_change;
	sl_store16(csum, (uint16_t) ~(sum + (sum >> 16)));
}

// The same of IPv6 for one of its addresses: is_dst says which.
static inline bool sl_rewrite_address_v6(struct sl_pkt *pkt, bool is_dst,
                                         const struct sl_ip *address, uint32_t ports_be)
{
	uint8_t *l3 = pkt->data + pkt->l3_off;
	uint8_t *at = l3 + (is_dst ? SL_IPV6_OFF_DST : SL_IPV6_OFF_SRC);
	uint64_t old[2], new[2];

	if (pkt->ttl <= 1)
		return false;
	l3[SL_IPV6_OFF_HOPS] = --pkt->ttl;
	memcpy(old, at, sizeof(old));
	memcpy(new, address, sizeof(new));
	memcpy(at, new, sizeof(new));
	sl_rewrite_ports(pkt,
	                 sl_rewrite_change64(old[0], new[0]) + sl_rewrite_change64(old[1], new[1]),
	                 ports_be);
	*(is_dst ? &pkt->tuple.dst : &pkt->tuple.src) = *address;
	return true;
}

static inline void sl_rewrite_macs(struct sl_pkt *pkt, const uint8_t src[6], const uint8_t dst[6])
{
	memcpy(pkt->data, dst, 6);
	memcpy(pkt->data + 6, src, 6);
}

// The destination as the low 48 bits of a number, its first byte highest (neigh.h).
static inline void sl_rewrite_macs_word(struct sl_pkt *pkt, const uint8_t src[6], uint64_t dst)
{
	const uint64_t dst_be = htobe64(dst << 16);

	memcpy(pkt->data, &dst_be, sizeof(dst_be)); // two bytes too many, which the source covers
	memcpy(pkt->data + 6, src, 6);
}

#endif
