// SPDX-License-Identifier: Apache-2.0
// Writes down a capture and what must come of it: NAME.in.pcap, NAME.out.pcap, NAME.verdicts.
//
// Shape:  one call per packet; each comes 1 ms after the one before. What is expected is built anew
//         from a spec (tests/lib/packets.h), never by the code under test.
// Errors: abort; it is the generator's mistake or a full disk.
#ifndef SLUICE_TESTS_SCRIPT_H
#define SLUICE_TESTS_SCRIPT_H

#include <stdio.h>

#include "capture.h"
#include "packets.h"
#include "sluice/units.h"

#define SCRIPT_START_NS (UINT64_C(1700000000) * SL_NS_PER_S)

struct script {
	struct sl_capture_writer *in, *out;
	FILE *verdicts;
	uint64_t t_ns;
	unsigned int n;
};

void script_start(struct script *s, const char *dir, const char *name);
void script_end(struct script *s);

// Nothing comes for so long.
void script_wait(struct script *s, uint64_t ns);

// A packet comes...
void script_in(struct script *s, const struct sl_packet_spec *spec);
void script_in_bytes(struct script *s, const uint8_t *frame, size_t n_bytes);
// ...and ends so: "sent", "kernel", "dropped:ttl".
void script_verdict(struct script *s, const char *verdict);
// It leaves now as this.
void script_out(struct script *s, const struct sl_packet_spec *spec);
void script_out_bytes(struct script *s, const uint8_t *frame, size_t n_bytes);

// Comes and leaves; comes and does not.
void script_sent(struct script *s, const struct sl_packet_spec *in,
                 const struct sl_packet_spec *out);
void script_ends(struct script *s, const struct sl_packet_spec *in, const char *verdict);

// Sluice itself says this, at that time.
void script_generated(struct script *s, const uint8_t *frame, size_t n_bytes, uint64_t t_ns);

// The n-th packet, which was held, ends like this.
void script_late(struct script *s, unsigned int n, const char *verdict);

#endif
