// SPDX-License-Identifier: Apache-2.0
// Fragments for tests: cut a whole frame as a sender or router does.
//
//	n_bytes = sl_packet_build(whole, sizeof(whole), &spec);
//	n_part = sl_fragment_cut(part, whole, n_bytes, &(struct sl_cut){.at = 0, .n_bytes = 800});
//
// What leaves the appliance for a part must be that part of what leaves for the whole: a test cuts
// the frame it wants to see in the same way and compares bytes.
//
// Shape:    IPv4: the header is copied, options too, with its checksum right. IPv6: everything
//           after the IPv6 header is cut, and a fragment header is put in front.
// Units:    at counts from the first byte after the IP header; more follows unless the part reaches
//           the end, or has_more says so.
#ifndef SLUICE_TESTS_FRAGMENTS_H
#define SLUICE_TESTS_FRAGMENTS_H

#include "packets.h"

struct sl_cut {
	uint16_t at, n_bytes; // n_bytes 0 = to the end
	uint32_t id;          // of IPv4 16 bits
	bool has_more;        // even at the end
};

// Writes the part's frame into part (SL_PACKET_MAX_BYTES); returns its length.
size_t sl_fragment_cut(uint8_t *part, const uint8_t *whole, size_t n_bytes,
                       const struct sl_cut *cut);

#endif
