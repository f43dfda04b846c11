// SPDX-License-Identifier: Apache-2.0
// One connection through the plant of pools.yaml: who speaks, and how a packet of either side must
// look after Sluice, by forwarding mode and family.
#ifndef SLUICE_TESTS_LANE_H
#define SLUICE_TESTS_LANE_H

#include "script.h"

struct lane {
	uint8_t forward; // enum sl_forward
	bool is_v6;
	uint8_t proto;
	struct sl_ip client, vip, local, server;
	uint16_t client_port, vip_port, local_port, server_port;
};

extern const uint8_t lane_our_macs[2][6], lane_client_mac[6], lane_server_mac[6];

// local_port: what fullnat takes; 0 elsewhere.
struct lane lane_make(uint8_t forward, bool is_v6, uint8_t proto, uint16_t local_port);

// A packet of the client, or of the server, as it comes to us; everything else is the caller's.
struct sl_packet_spec lane_from_client(const struct lane *lane);
struct sl_packet_spec lane_from_server(const struct lane *lane);

// The same as it must leave: not under dsr-l2 for the server's.
struct sl_packet_spec lane_to_server(const struct lane *lane, const struct sl_packet_spec *in);
struct sl_packet_spec lane_to_client(const struct lane *lane, const struct sl_packet_spec *in);

#endif
