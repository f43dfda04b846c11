// SPDX-License-Identifier: Apache-2.0
// Guards: which backends must get no new flows although their probes say they are well. Busy is not
// dead, and a 200 from /health is not alive: only what happens to real connections counts here.
//
// Rules:   (window: forgotten over SL_GUARD_WINDOW_S)
//          sinkhole  connections end at once with next to nothing answered: more than 30 % of
//                    at least 20, and 5 times the pool's median. A server that fails fast is
//                    the least loaded one, so least-connections sends it everything.
//          connect   half of at least 20 SYNs refused, or 5 refused and none taken in one tick.
//          stall     somebody has waited max(10 s, 8 x TTFT) and nothing at all was answered
//                    meanwhile.
//          outlier   ln D is 3.5 deviations (median absolute deviation) above the peers', six
//                    times their median and 50 ms more, in 3 of 5 looks 2 s apart; of fewer than
//                    4 members by the ratio alone. One that is less slow than that serves what
//                    its weight gives it, and is worth more in the pool than out of it.
//          drift     CUSUM of ln D against the backend's own past: shown, ejects nobody.
// Ejected: 30 s, doubled each time it happens again soon, at most 5 min (an outlier: 1 min),
//          +-20 %; at most a fifth of the pool (one at least) and never more than half of those
//          that take flows. Then half open: a 64th of the weight until 3 good connections close it,
//          or 3 bad ones eject it anew.
// Fleet:   when more than half drift at once it is no fault of theirs: the pool is shown as
//          degraded, no outlier is ejected, and weights should freeze.
// Time:    now_ns is the caller's; ticks of SL_GUARD_TICK_NS.   Thread: pure; the owner's.
// Source:  reference/ai-aware.md section 5.2.
#ifndef SLUICE_CONTROL_GUARD_H
#define SLUICE_CONTROL_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/units.h"

#define SL_GUARD_TICK_NS  (250 * SL_NS_PER_MS)
#define SL_GUARD_WINDOW_S 2.0
#define SL_GUARD_LOOKS    5

enum sl_guard_reason {
	SL_GUARD_OK,
	SL_GUARD_SINKHOLE,
	SL_GUARD_CONNECT,
	SL_GUARD_STALL,
	SL_GUARD_OUTLIER,
	SL_GUARD_REASONS
};
const char *sl_guard_reason_name(unsigned int reason);

enum sl_guard_state { SL_GUARD_CLOSED, SL_GUARD_EJECTED, SL_GUARD_HALF_OPEN };

// Since the tick before.
struct sl_guard_seen {
	uint32_t n_connected, n_refused;
	uint32_t n_ended, n_fleeting;
	uint32_t n_answered; // first tokens and times per token told: it makes progress
	uint32_t oldest_us;  // the longest wait for an answer now
	double ttft_us;      // smoothed (palc.h); 0 = unknown
	double latency_us;   // D; 0 = unknown
};

// One backend. Zeroed = well.
struct sl_guard_member {
	double connected, refused, ended, fleeting; // in the window
	double good;                                // connections since it is half open
	double mean_ln, deviation_ln, cusum;        // of its own past
	uint64_t answered_ns;                       // when something was answered last
	uint64_t until_ns, ejected_ns;
	uint8_t state;  // enum sl_guard_state
	uint8_t reason; // enum sl_guard_reason: of the last ejection
	uint8_t n_ejections;
	uint8_t looks; // bits: was an outlier at the last looks
	bool is_drifting;
	uint32_t n_looks, n_drifting; // learnt from; in a row
	double value, bound;          // that the last ejection was decided by
};

struct sl_guard_pool {
	uint64_t look_ns; // next look for outliers
	uint64_t random;
	bool is_degraded; // the fleet as a whole has shifted
};

// members[n], seen[n]; takes_flows[i]: health and the operator let it. scratch[n].
void sl_guard_tick(struct sl_guard_pool *pool, struct sl_guard_member *members,
                   const struct sl_guard_seen *seen, const bool *takes_flows, double *scratch,
                   size_t n, uint64_t now_ns);

// Share of its weight: 1, 1/64, 0.
double sl_guard_factor(const struct sl_guard_member *member);

#endif
