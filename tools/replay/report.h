// SPDX-License-Identifier: Apache-2.0
// What a replay tells: one JSON line per packet, and a summary for people.
//
// Lines:  {"n","t","in_port","verdict","reason","out_port","backend","vip"}; a packet that Sluice
//         makes itself (ARP, ND) has n null and verdict "generated". The k-th line whose verdict is
//         sent or generated is the k-th packet of the output. A packet that waited for a neighbour
//         gets its line when it leaves, so n does not always rise.
#ifndef SLUICE_REPLAY_REPORT_H
#define SLUICE_REPLAY_REPORT_H

#include <stdio.h>

#include "model.h"
#include "replay.h"

struct sl_replay_names;

// Names by id; model and config must outlive it. NULL when out of memory.
struct sl_replay_names *sl_replay_names_new(const struct sl_model *model,
                                            const struct sl_dpconfig *config);
void sl_replay_names_free(struct sl_replay_names *names);

void sl_replay_print_line(FILE *out, const struct sl_replay_names *names,
                          const struct sl_replay_record *record);
void sl_replay_print_summary(FILE *out, const struct sl_replay_counts *counts, uint64_t n_cut);

#endif
