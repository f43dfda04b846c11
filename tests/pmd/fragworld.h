// SPDX-License-Identifier: Apache-2.0
// One family's world on the rig: a client behind the gateway, a VIP, two backends whose MACs are
// known. The same tests run in both families.
#ifndef SLUICE_TESTS_FRAGWORLD_H
#define SLUICE_TESTS_FRAGWORLD_H

#include "rig.h"

struct world {
	const char *client, *vip, *backends[2], *gateway;
	const char *front_address, *back_address;
	const char *router; // somebody on the backends' network
};

enum { WORLD_V4, WORLD_V6, WORLDS };
extern const struct world worlds[WORLDS];

extern const uint8_t world_gateway_mac[6];
extern const uint8_t world_backend_macs[2][6];

// VIP port 443 to port 8000 of the backends (dsr-l2: 443), nothing left on the wire.
struct sl_rig *world_start(const struct world *w, enum sl_forward forward, uint32_t n_workers,
                           uint8_t proto);

// A frame by the gateway from the client's port to the VIP.
struct sl_packet_spec world_request(const struct world *w, uint8_t proto, uint16_t sport);

// A flow that was made by a request, and the four packets of it.
struct world_flow {
	struct sl_packet_spec request, request_out; // as it comes to us, as it leaves
	struct sl_packet_spec reply, reply_out;     // not under dsr-l2
	int backend;
};

// Sends a request and takes what leaves; ports and backend are read from there.
struct world_flow world_make_flow(struct sl_rig *rig, const struct world *w,
                                  const struct sl_packet_spec *request);

#endif
