// SPDX-License-Identifier: Apache-2.0
// Frames for tests: say what a packet is, get its bytes with every checksum right.
//
//	const struct sl_packet_spec syn = {
//		.src = sl_packet_ip("192.0.2.1"), .dst = sl_packet_ip("198.51.100.1"),
//		.proto = IPPROTO_TCP, .sport = 40000, .dport = 443, .tcp_flags = SL_TCP_SYN,
//	};
//	uint8_t frame[SL_PACKET_MAX_BYTES];
//	size_t n_bytes = sl_packet_build(frame, sizeof(frame), &syn);
//
// A test that expects a rewrite builds the packet it wants to see from a changed spec and compares
// bytes: that checks every field and every checksum at once. A malformed packet is a well-formed
// one with bytes changed afterwards.
//
// Shape:    a spec left at zero means the plain case: no VLAN tag, no options, TTL 64, no payload.
// Family:   that of dst; src must be of the same one.
// Units:    ports and numbers in host order; addresses as everywhere (struct sl_ip).
// Checksum: computed here byte by byte, sharing no code with dataplane/core/csum.c, so that each
//           can be tested against the other.
// Errors:   a spec that cannot be built (too long, bad address) aborts: it is the test's mistake.
#ifndef SLUICE_TESTS_PACKETS_H
#define SLUICE_TESTS_PACKETS_H

#include "pkt.h"

#define SL_PACKET_MAX_BYTES 9216 // enough for what the tests build

// Addresses for constant tables: 198.51.100.1 is SL_PACKET_V4(198, 51, 100, 1), and
// SL_PACKET_V6(1) is 2001:db8::1.
#define SL_PACKET_V4(a, b, c, d)                                                                   \
	{                                                                                          \
		.bytes = {                                                                         \
			[10] = 0xff,                                                               \
			[11] = 0xff,                                                               \
			[12] = (a),                                                                \
			[13] = (b),                                                                \
			[14] = (c),                                                                \
			[15] = (d)                                                                 \
		}                                                                                  \
	}
#define SL_PACKET_V6(last)                                                                         \
	{                                                                                          \
		.bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = (last) }                                 \
	}

struct sl_packet_spec {
	uint8_t dst_mac[6], src_mac[6];
	uint8_t n_vlans;
	uint16_t vlan_tci[2];  // outermost first
	uint16_t vlan_tpid[2]; // 0 = 0x8100
	struct sl_ip src, dst;
	uint8_t proto; // IPPROTO_*; one not known here has the payload follow IP directly
	uint8_t ttl;   // 0 = 64
	uint8_t dscp_ecn;
	uint16_t frag; // IPv4: flags and offset as in the header
	// IPv4 options (multiple of 4), or IPv6 extension headers, which start with ext_next and
	// whose last "next header" is the test's to set.
	const uint8_t *ext;
	uint16_t ext_bytes;
	uint8_t ext_next;
	uint16_t sport, dport; // TCP, UDP; echo: identifier and sequence number
	uint8_t tcp_flags;
	uint32_t tcp_seq, tcp_ack;
	const uint8_t *tcp_options; // multiple of 4
	uint16_t tcp_options_bytes;
	bool is_udp_csum_off; // checksum field 0
	uint8_t icmp_type, icmp_code;
	uint32_t icmp_rest;                 // second word of an ICMP error: MTU, pointer
	const struct sl_packet_spec *quote; // ICMP error: the packet it complains about
	uint16_t quote_bytes;               // of its IP packet; 0 = all of it
	const uint8_t *payload;             // NULL: payload_bytes of 1, 2, 3...
	uint16_t payload_bytes;
	uint16_t padding_bytes; // after the IP packet, not counted in it
};

// Address from text; IPv4 comes out IPv4-mapped.
struct sl_ip sl_packet_ip(const char *text);

// Writes the whole frame; returns its length.
size_t sl_packet_build(uint8_t *frame, size_t n_bytes, const struct sl_packet_spec *spec);

// The tuple sl_parse is to find (ports of TCP and UDP, the identifier of an echo).
struct sl_tuple sl_packet_tuple(const struct sl_packet_spec *spec);

// Spec with the addresses and ports of tuple, otherwise as spec.
struct sl_packet_spec sl_packet_retuple(const struct sl_packet_spec *spec,
                                        const struct sl_tuple *tuple);

// Are the IPv4 header checksum and the TCP, UDP or ICMP checksum of this frame right? (UDP without
// one counts as right over IPv4, and to the port of RoCEv2.) False too for what is too short to
// hold them. Quoted packets and fragments are not looked into.
bool sl_packet_csums_are_right(const uint8_t *frame, size_t n_bytes);

#endif
