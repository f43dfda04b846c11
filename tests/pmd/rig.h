// SPDX-License-Identifier: Apache-2.0
// A whole appliance on net_ring ports inside one process: tests put frames in at the wire side,
// turn the workers and the main core by hand with a clock of their own, and take out the exact
// bytes that leave.
//
// Layout:  port 0 "front" 192.0.2.1/24 2001:db8:1::1/64, port 1 "back" 10.0.0.1/24
// 2001:db8:2::1/64,
//          default routes via 192.0.2.254 and 2001:db8:1::fe. MACs: front 02:..:f0, back 02:..:b0,
//          as the ring driver gives them.
// Thread:  one; each test runs in a process of its own (Check forks) and starts EAL there.
#ifndef SLUICE_TESTS_RIG_H
#define SLUICE_TESTS_RIG_H

#include "appliance.h"
#include "body.h"
#include "packets.h"

enum { RIG_FRONT, RIG_BACK, RIG_PORTS };

struct sl_rig {
	struct sl_appliance a;
	struct rte_ring *to_us[RIG_PORTS], *from_us[RIG_PORTS];
	uint64_t now_ns;
	bool is_time_frozen; // turning takes no time (else 1 ms each)
};

struct sl_rig_frame {
	uint8_t bytes[SL_PACKET_MAX_BYTES];
	size_t n_bytes; // 0 = nothing left
};

// EAL with --no-huge, once per process; sl_rig_new does it. Ends the process on failure.
void sl_rig_start_eal(void);

struct sl_rig *sl_rig_new(uint32_t n_workers, uint32_t n_flows);
void sl_rig_free(struct sl_rig *rig);

// The same with a configuration of the test's own making: change gets the usual one.
struct sl_rig *sl_rig_new_changed(uint32_t n_workers, uint32_t n_flows,
                                  void (*change)(struct sl_dpconfig *config));

// Publish and let every worker take it. Fails the test unless it is accepted.
void sl_rig_configure(struct sl_rig *rig, const struct sl_body_spec *spec);

// port may be a VLAN: the frame then comes on its device with the tag put in.
void sl_rig_put(struct sl_rig *rig, uint32_t port, const void *bytes, size_t n_bytes);
void sl_rig_put_spec(struct sl_rig *rig, uint32_t port, const struct sl_packet_spec *spec);

// Turn everything until nothing moves.
void sl_rig_turn(struct sl_rig *rig);
void sl_rig_pass(struct sl_rig *rig, uint64_t ns); // time goes by in steps of 100 ms, turning

// What left a device.
struct sl_rig_frame sl_rig_take(struct sl_rig *rig, uint32_t port);

// Fails unless exactly these bytes (and no more than padding to 60) leave the port next.
void sl_rig_expect(struct sl_rig *rig, uint32_t port, const struct sl_packet_spec *spec);
void sl_rig_expect_nothing(struct sl_rig *rig, uint32_t port);

// Tell the appliance a neighbour's MAC by an ARP reply or NA from it.
void sl_rig_neighbour(struct sl_rig *rig, uint32_t port, const char *address, const uint8_t mac[6]);

uint64_t sl_rig_drops(struct sl_rig *rig, enum sl_drop why);

// rx + generated = tx + drops + held, over all cores.
void sl_rig_check_accounts(struct sl_rig *rig);

#endif
