// SPDX-License-Identifier: Apache-2.0
// Between the plant (plant.c) and the packets that come to it (plant_packets.c).
#ifndef SLUICE_TESTS_PLANT_PRIVATE_H
#define SLUICE_TESTS_PLANT_PRIVATE_H

#include "plant.h"

#define PLANT_SENT  16
#define PLANT_ASKED 32
#define PLANT_POOLS 6

#define PLANT_HEADROOM 96 // more than any tunnel takes

struct plant_sent {
	uint8_t frame[512];
	uint32_t n_bytes;
	uint16_t port;
};

struct plant {
	struct plant_params params;
	struct sl_replay *replay; // owned
	uint64_t now_ns, epoch, generation, n_given;
	struct plant_sent sent[PLANT_SENT]; // the last ones
	uint32_t next_sent, n_builds;
	struct plant_sent asked[PLANT_ASKED]; // ARP and ND questions that nobody has answered
	uint32_t n_asked;
	size_t given_bytes; // of the packet that is being decided
	uint32_t n_answers; // to it
};

// Give the replay a whole frame.
void plant_give(struct plant *plant, const uint8_t *whole, size_t n_bytes, uint16_t in_port);

// Neighbours answer what they were asked.
void plant_answer_questions(struct plant *plant);

extern const uint8_t plant_macs[2][6];

#endif
