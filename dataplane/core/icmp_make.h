// SPDX-License-Identifier: Apache-2.0
// ICMP errors that Sluice itself sends: a packet ended here, and its sender is told. Pure: bytes
// in, bytes out.
//
// Use:     a worker that drops a packet for a reason its sender should know calls sl_icmp_grant;
//          if that says yes, the packet goes to the main core with verdict SLOW and wants_error,
//          and there sl_icmp_make_error builds the answer and the packet is counted as dropped.
// Never:   about an ICMP error or any ICMP but an echo request, a fragment other than the first, a
//          packet to or from a group, by IP or by MAC (RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443
//          2.4(e)); an answer there could multiply or circle.
// Rate:    a bucket of SL_ICMP_BURST tokens per worker, filled each tick (RFC 1812 4.3.2.8, RFC
// 4443
//          2.4(f)).
// Quote:   as much of the packet, as it came and without padding, as keeps the answer no longer
//          than the packet: whoever writes somebody else's address into its source gains nothing.
//          Not above 576 bytes either (RFC 1812 4.3.2.3) or 1280 (RFC 4443 2.4(c)). A packet too
//          short for that to leave its IP headers and 8 bytes (RFC 792) gets no answer; without
//          options that is below 56 bytes in IPv4, below 96 in IPv6. Every byte is written.
// Source:  RFC 792, RFC 1122, RFC 1812, RFC 4443.
#ifndef SLUICE_CORE_ICMP_MAKE_H
#define SLUICE_CORE_ICMP_MAKE_H

#include "pkt.h"

#define SL_ICMP_MAX_BYTES_V4 576
#define SL_ICMP_MAX_BYTES_V6 1280
// Ethernet, two tags, the longest answer.
#define SL_ICMP_MAKE_MAX_BYTES (14 + 8 + SL_ICMP_MAX_BYTES_V6)
#define SL_ICMP_BURST          64 // 256 errors/s: enough for traceroute, no weapon

#define SL_ICMP4_TIME_EXCEEDED 11
#define SL_ICMP6_TIME_EXCEEDED 3

// Zero is a full bucket.
struct sl_icmp_bucket {
	uint32_t tick;
	uint32_t n_spent; // in that tick
};

// May the sender of this parsed packet, untouched yet, be told? Takes a token if so. now in ticks
// of the flow table.
bool sl_icmp_grant(struct sl_icmp_bucket *bucket, const struct sl_pkt *pkt, uint32_t now);

struct sl_icmp_error {
	uint8_t type, code;         // of the packet's family
	uint32_t rest;              // second word, host order: MTU (IPv4: low 16 bits), pointer, 0
	const struct sl_ip *source; // ours, of the packet's family
};

// The answer as a frame back to the MAC the packet came from, VLAN tags kept. Returns its length,
// 0 if it does not fit, the packet is too short, or source is of the other family.
size_t sl_icmp_make_error(uint8_t *frame, size_t n_bytes, const struct sl_pkt *pkt,
                          const uint8_t our_mac[6], const struct sl_icmp_error *error);

#endif
