// SPDX-License-Identifier: Apache-2.0
// A whole appliance that lives on bytes: they become packets, time and configurations. Fuzzing and
// the soak test drive the same one, with the fuzzer's bytes and with random ones.
//
// Shape:  two ports (clients, servers), a gateway behind each, six pools: nat, fullnat and dsr-l2
//         over IPv4 and over IPv6. Answers and ICMP errors are made from what the appliance sent.
// Checks: each packet ends once; what leaves carries our MAC, and right checksums as long as all
//         that came had them; nothing is answered twice or at greater length; plant_finish: counts
//         add up, flow tables are sound.
#ifndef SLUICE_TESTS_PLANT_H
#define SLUICE_TESTS_PLANT_H

#include "fuzz.h"
#include "replay.h"

struct plant;

struct plant_params {
	uint32_t n_workers, n_flows;
	uint32_t n_pools;    // in use at a time, of the six
	uint32_t max_builds; // of snapshots: each costs as much as thousands of packets
	uint64_t seed;
	bool is_configured; // else the first configuration is yet to come
	bool is_shared;     // the ports leave to the kernel what the XDP program would
	bool is_trusting;   // no packet is broken on purpose: checksums of all that leaves are
	                    // checked
};

struct plant *plant_new(const struct plant_params *params);

// Each takes as many bytes as it needs.
void plant_packet(struct plant *plant, struct fuzz_input *in);
void plant_wait(struct plant *plant, struct fuzz_input *in);
void plant_wait_shortly(struct plant *plant, struct fuzz_input *in); // at most 250 ms
void plant_configure(struct plant *plant, struct fuzz_input *in);

// One of the three, by the next byte.
void plant_step(struct plant *plant, struct fuzz_input *in);

// Checks everything; the plant goes on.
void plant_require_sound(const struct plant *plant);
struct sl_replay_counts plant_counts(const struct plant *plant);
void plant_free(struct plant *plant);

#endif
