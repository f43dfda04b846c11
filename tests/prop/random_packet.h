// SPDX-License-Identifier: Apache-2.0
// Random packets for properties, of every kind that Sluice forwards: TCP, UDP and ICMP errors about
// them, IPv4 and IPv6, with and without tags, options, extension headers, checksum, padding.
//
// Bytes that are all zeros or all ones come often: checksums go wrong there first.
#ifndef SLUICE_TESTS_RANDOM_PACKET_H
#define SLUICE_TESTS_RANDOM_PACKET_H

#include "packets.h"

// Points into itself: not to be copied.
struct random_packet {
	struct sl_packet_spec spec;
	struct sl_packet_spec quote; // if spec.quote is set
	uint8_t ext[48], quote_ext[48];
	uint8_t tcp_options[40];
	uint8_t payload[1400];
};

// state: of sl_check_random.
void random_packet_make(struct random_packet *packet, uint64_t *state);

// Other addresses (of the family of dst, never martian) and ports, same protocol.
struct sl_tuple random_packet_other_tuple(const struct sl_packet_spec *spec, uint64_t *state);

// A number below n.
uint32_t random_below(uint64_t *state, uint32_t n);

#endif
