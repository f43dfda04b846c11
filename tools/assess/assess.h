// SPDX-License-Identifier: Apache-2.0
// What is in a capture: every flow with its class, by the very functions of the data plane's core
// (parse, flow_features, classify, periodic, phase), and what that comes to.
//
// Shape:  sl_assess_packet for each packet in the capture's order, then sl_assess_finish, then the
//         reports. A tuple that begins anew after its end is another flow.
// Client: who sends the SYN; where it is not in the capture, the end whose port is not well known
//         or is the higher one; with hidden ports, who is seen first.
// Errors: 0 or -errno; memory grows with flows.   Thread: one per capture.
#ifndef SLUICE_TOOLS_ASSESS_H
#define SLUICE_TOOLS_ASSESS_H

#include <stdio.h>

#include "capture.h"
#include "classify.h"
#include "periodic.h"
#include "phase.h"
#include "pkt.h"

struct assess_sample {
	uint32_t us, weight;
};

struct assess_samples {
	struct assess_sample *rows; // owned
	size_t n, room;
};

// Two hosts, whoever began.
struct assess_pair {
	struct sl_ip a, b;
	struct sl_periodic periodic;
	uint64_t n_bytes, looked_ns;
	uint32_t period_us; // confirmed; 0 = none
	uint32_t n_found;   // in a row
	struct assess_pair *next;
};

struct assess_flow {
	struct sl_tuple tuple; // from the client
	uint64_t hash;
	struct sl_features features;
	struct sl_phase_flow phase;
	struct sl_class_key key;
	struct assess_pair *pair; // borrowed
	uint64_t first_ns, last_ns, n_pkts, n_bytes;
	uint64_t decided_at;     // packet; 0 = never
	uint32_t decided_answer; // the server's segments with payload by then
	uint32_t syn_seq;
	uint32_t n_checkpoints;
	uint8_t fins; // bit by direction
	bool is_over, has_syn;
	struct assess_samples ttft, tpot;
	struct assess_flow *next; // in its bucket
};

struct sl_assess {
	struct sl_classifier classifier;
	bool hides_ports;
	FILE *features;             // lines at each checkpoint; NULL = none
	struct assess_flow **flows; // owned, in the order of their first packets
	size_t n_flows, flows_room;
	struct assess_flow **buckets;
	size_t n_buckets; // power of two
	struct assess_pair **pairs;
	uint64_t n_pkts, n_cut, n_skipped; // skipped: neither TCP nor UDP, a fragment, malformed
	uint64_t n_bytes, first_ns, last_ns;
};

int sl_assess_init(struct sl_assess *a, bool hides_ports, FILE *features);
void sl_assess_fini(struct sl_assess *a);
int sl_assess_packet(struct sl_assess *a, const struct sl_captured *packet);
int sl_assess_finish(struct sl_assess *a);

void sl_assess_print_json(const struct sl_assess *a, FILE *out);
void sl_assess_print_text(const struct sl_assess *a, FILE *out);

// `sluice assess`: the whole command; returns its exit status.
int sl_assess_command(int argc, char **argv);

// --- between the parts ---
const char *assess_ip(const struct sl_ip *ip, char text[48]);
// "1.2 MB", "340 kB"
const char *assess_bytes(uint64_t n, char text[24]);
int assess_add_sample(struct assess_samples *s, uint32_t us, uint32_t weight);

#endif
