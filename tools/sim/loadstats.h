// SPDX-License-Identifier: Apache-2.0
// What the load client saw: sums of the run, of the last second, and latencies of the last seconds.
// Thread: one.
#ifndef SLUICE_SIM_LOADSTATS_H
#define SLUICE_SIM_LOADSTATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "hist.h"

#define SL_LOAD_RECENT_S 5  // how far back live percentiles look
#define SL_LOAD_BACKENDS 64 // names told apart; any further one counts as "?"
#define SL_LOAD_NAME     64

#define SL_LOAD_ERROR_LIST(X)                                                                      \
	X(NONE, "")                                                                                \
	X(REFUSED, "refused")                                                                      \
	X(RESET, "reset")                                                                          \
	X(TIMEOUT, "timeout")                                                                      \
	X(STATUS, "status")                                                                        \
	X(INCOMPLETE, "incomplete")

enum sl_load_error {
#define X(name, text) SL_LOAD_##name,
	SL_LOAD_ERROR_LIST(X)
#undef X
		SL_LOAD_ERROR_COUNT
};

// How one request ended. Times count from its scheduled arrival.
struct sl_load_result {
	enum sl_load_error error;
	const char *backend; // "" when it never said who it is
	uint64_t ttft_us, tpot_us, e2e_us;
	uint64_t answer_us; // first token, from when the request left
	uint64_t gaps_us;   // first to last token
	uint32_t n_gaps;
	bool has_tpot; // an answer of one token has none
	bool met_slo;
};

struct sl_load_counts {
	uint64_t sent, ok, failed, met;
	uint64_t errors[SL_LOAD_ERROR_COUNT];
};

struct sl_load_window {
	struct sl_hist total;
	struct sl_hist recent[SL_LOAD_RECENT_S];
};

struct sl_load_backend {
	char name[SL_LOAD_NAME];
	struct sl_load_counts total, second;
	struct sl_load_window ttft;
};

struct sl_load_stats {
	struct sl_load_counts total, second;
	struct sl_load_counts recent[SL_LOAD_RECENT_S];
	struct sl_load_window ttft, tpot, e2e, answer;
	uint64_t gaps_us, n_gaps;                           // of all answers
	struct sl_load_backend *backends[SL_LOAD_BACKENDS]; // owned; [0] is "?"
	unsigned n_backends;
	unsigned slot; // of the second under way, in every `recent`
};

int sl_load_stats_init(struct sl_load_stats *stats);
void sl_load_stats_fini(struct sl_load_stats *stats);

void sl_load_stats_sent(struct sl_load_stats *stats);
void sl_load_stats_result(struct sl_load_stats *stats, const struct sl_load_result *result);

// A second is over: the next one begins at zero.
void sl_load_stats_tick(struct sl_load_stats *stats);

// The forms of README.md; the caller owns them. Figures without a sample are null.
json_t *sl_load_stats_total_json(const struct sl_load_stats *stats, double t_s, uint64_t in_flight);
json_t *sl_load_stats_live_json(const struct sl_load_stats *stats, double t_s, uint64_t in_flight);

#endif
