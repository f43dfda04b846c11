// SPDX-License-Identifier: Apache-2.0
// The latency rows of the statistics segment, by backend: rows to tallies (tally.h). A row's counts
// are read only when its sums say that something was added; a backend that was never measured has
// no tally and costs a few words.
// Thread: the control loop.
#ifndef SLUICE_CONTROL_LATENCY_READER_H
#define SLUICE_CONTROL_LATENCY_READER_H

#include "stats_map.h"
#include "tally.h"

struct sl_latency_slot {
	uint64_t id, generation;
	struct sl_tally *tally;     // owned; NULL = nothing was measured
	struct sl_steer_seen since; // nobody has taken yet
	uint64_t sums_us[SL_LATENCY_KINDS];
	uint32_t ended;
};

struct sl_latency_index {
	uint64_t id;
	uint32_t slot;
};

struct sl_latency_reader {
	const struct sl_stats_map *map; // borrowed; NULL = none
	struct sl_latency_slot *slots;  // owned
	struct sl_latency_index *index; // owned; sorted by id
	uint32_t n_indexed;
	bool has_looked;
	struct sl_tally_row row; // scratch
};

// map is borrowed until the fini. 0 or -ENOMEM.
int sl_latency_reader_init(struct sl_latency_reader *reader, const struct sl_stats_map *map);
void sl_latency_reader_fini(struct sl_latency_reader *reader);

void sl_latency_reader_look(struct sl_latency_reader *reader, uint64_t now_ns);

// What was seen of a backend since the call before; zeros when nobody has that id.
void sl_latency_reader_take(struct sl_latency_reader *reader, uint64_t id,
                            struct sl_steer_seen *seen);

// NULL: nothing was measured. Borrowed until the next look.
const struct sl_tally *sl_latency_reader_tally(const struct sl_latency_reader *reader, uint64_t id);

#endif
