// SPDX-License-Identifier: Apache-2.0
// A small world around the rig, once in IPv4 and once in IPv6: a client behind a gateway, one VIP
// on port 443, two backends whose MACs are known. The same tests run in both.
#ifndef SLUICE_TESTS_WORLD_H
#define SLUICE_TESTS_WORLD_H

#include "rig.h"

enum { WORLD_V4, WORLD_V6, WORLDS };

struct sl_world {
	const char *client, *vip, *backends[2], *gateway, *back_address;
};

extern const struct sl_world sl_worlds[WORLDS];
extern const uint8_t sl_world_gateway_mac[6];
extern const uint8_t sl_world_backend_macs[2][6];

// The appliance with pool and VIP in force and every neighbour known; backends listen on 8000
// (under dsr on the VIP's port).
struct sl_rig *sl_world_start(const struct sl_world *w, enum sl_forward forward, uint32_t n_workers,
                              uint8_t proto);

// A packet of the client to the VIP as it comes from the gateway: a SYN, or UDP with some payload.
struct sl_packet_spec sl_world_request(const struct sl_world *w, uint8_t proto, uint16_t sport);

// Which backend a frame on the back port goes to; fails the test when to neither.
int sl_world_backend_of(const struct sl_rig_frame *frame);

// Sends the request and returns the frame that leaves the back port; *backend says to whom.
struct sl_rig_frame sl_world_send(struct sl_rig *rig, const struct sl_packet_spec *request,
                                  int *backend);

// The addresses a frame carries between us and a backend, and between us and the gateway.
void sl_world_to_backend(const struct sl_rig *rig, struct sl_packet_spec *spec, int backend);
void sl_world_to_gateway(const struct sl_rig *rig, struct sl_packet_spec *spec);

void sl_world_expect(const struct sl_rig_frame *got, const struct sl_packet_spec *spec);

// Take everything that left and forget it.
void sl_world_forget(struct sl_rig *rig);

#endif
