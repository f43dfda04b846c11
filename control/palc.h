// SPDX-License-Identifier: Apache-2.0
// PALC, the slow half of adaptive balancing: weights that follow what the data plane sees of each
// backend's speed. (The fast half, in each worker, is least load by phase: core/pick.h,
// core/phase.h.)
//
// Latency: D = mean TTFT over 5 s + SL_PALC_TOKENS x mean time per token over 3 s. The second term
//          makes it smooth: TTFT alone is flat until the server is full and steep from there, and
//          weights that equalise it push servers over that edge. An answer that is awaited for
//          longer than a normal one takes counts as a sample of its age, so that a stall shows
//          before it ends.
// Weight:  u moves by the gain times ln(median D / D), with a dead band, at most so far per second,
//          down faster than up; it leaks towards 0 (the configured weight) all the time; u has mean
//          0 over the pool and stays within ln 1/8 .. ln 4. factor = exp(u).
// Pools:   a weight places connections. Where each carries many requests (keep-alive), what it does
//          shows only after most of them have ended, and a controller that does not wait hunts:
//          steps are taken times connections / answers, at most 1.
// Freeze:  when the pool's median TTFT is above the objective everybody is full, and differences
//          say nothing about speed: then u only leaks.
// Unknown: a backend with fewer than SL_PALC_SAMPLES recent samples has no D and only leaks; so has
//          everybody in a pool where fewer than two have one.
// Time:    elapsed time is a parameter; a gap longer than a second counts as one.
// Thread:  pure; the owner's.
// Source:  reference/ai-aware.md sections 2.3 and 2.4, where the constants come from.
#ifndef SLUICE_CONTROL_PALC_H
#define SLUICE_CONTROL_PALC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_PALC_TOKENS  150 // K: as long as a typical answer
#define SL_PALC_SAMPLES 8   // in 10 s

// What was seen of one backend since the tick before.
struct sl_palc_seen {
	uint32_t n_ttft;
	double ttft_us; // mean of them
	uint32_t n_tokens;
	double tpot_us;     // mean of them
	double duration_us; // mean of the connections that ended, where tokens cannot be seen
	uint32_t n_ended;
	uint32_t oldest_us; // the longest wait for an answer now; 0 = none
	uint32_t n_connected;
};

// One backend. Zeroed = knows nothing.
struct sl_palc_member {
	double ttft_us, tpot_us, duration_us; // smoothed; 0 = never seen
	double n_recent;                      // samples, forgotten over 10 s
	double latency_us;                    // D; 0 = unknown
	double u;                             // ln of the factor
};

struct sl_palc_pool {
	double slo_ttft_us;             // objective; 0 = none: never frozen
	bool must_freeze;               // somebody else says so
	double n_connected, n_answered; // forgotten over 30 s
	// --- of the last tick, to be shown ---
	double median_us;      // D; 0 = fewer than two known
	double median_ttft_us; // 0 = unknown
	bool is_frozen;
	double authority; // share of requests that weights can place
};

// One step. members[n] and seen[n] by backend; those with takes_flows[i] false are left out of
// medians and forget. scratch[n].
void sl_palc_tick(struct sl_palc_pool *pool, struct sl_palc_member *members,
                  const struct sl_palc_seen *seen, const bool *takes_flows, double *scratch,
                  size_t n, uint64_t elapsed_ns);

// What was seen of it is too old to go by; its weight stays.
void sl_palc_forget(struct sl_palc_member *member);

double sl_palc_factor(const struct sl_palc_member *member);

#endif
