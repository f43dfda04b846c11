// SPDX-License-Identifier: Apache-2.0
// Frames of encapsulated packets for tests: the packet inside from its own spec, the header around
// it from this one. Shares no code with dataplane/core/encap.c.
#ifndef SLUICE_TESTS_OUTER_H
#define SLUICE_TESTS_OUTER_H

#include "packets.h"

struct sl_outer_spec {
	uint8_t dst_mac[6], src_mac[6];
	uint8_t n_vlans;
	struct sl_ip src, dst;
	uint8_t dscp_ecn;
	bool has_df;         // IPv4
	uint16_t id;         // IPv4
	uint32_t flow_label; // IPv6
	uint16_t gue_sport;  // 0 = IPIP
	const struct sl_packet_spec *inner;
};

// Writes the whole frame; returns its length.
size_t sl_outer_build(uint8_t *frame, size_t n_bytes, const struct sl_outer_spec *spec);

#endif
