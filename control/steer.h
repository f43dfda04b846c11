// SPDX-License-Identifier: Apache-2.0
// Steer: one pool's adaptive weights, from what the data plane has seen of its backends. It runs
// the guards (guard.h) four times a second and the controller (palc.h) once, and makes one factor
// of both:
//
//	factor = guard (0, 1/64, 1) x exp(u) of the controller
//
// Order:   a backend that is ejected is out of the controller's medians, and when it comes back
// what
//          was seen of it before is forgotten; while the fleet as a whole has shifted the
//          controller only leaks.
// Shown:   everything a factor was made of stays in the member until the next tick.
// Thread:  pure; the owner's. The same code runs in sluice-control and in tests/sim.
#ifndef SLUICE_CONTROL_STEER_H
#define SLUICE_CONTROL_STEER_H

#include "guard.h"
#include "palc.h"

#define SL_STEER_PALC_NS SL_NS_PER_S

// What was seen of a backend since the tick before; sums are over the samples counted.
struct sl_steer_seen {
	uint32_t n_ttft, n_tokens, n_ended, n_fleeting, n_connected, n_refused;
	double ttft_sum_us, tpot_sum_us, duration_sum_us;
	uint32_t oldest_us; // the longest wait for an answer now; 0 = none
};

// Arrays of one pool, by backend. A backend that is carried over takes its palc and guard along;
// all else is made anew.
struct sl_steer {
	size_t n;
	struct sl_palc_member *palc;
	struct sl_guard_member *guard;
	double *factors;
	// --- the pool's ---
	double slo_ttft_us; // objective; 0 = none
	bool has_guards;    // false: they judge, and eject nobody
	struct sl_palc_pool palc_pool;
	struct sl_guard_pool guard_pool;
	uint64_t palc_ns, guard_ns; // of the last step
	// --- since the last step ---
	struct sl_steer_seen *since_guard, *since_palc;
	// --- scratch ---
	double *values;
	bool *flags;
	struct sl_palc_seen *palc_seen;
	struct sl_guard_seen *guard_seen;
};

// 0 or -ENOMEM. Members know nothing, factors are 1.
int sl_steer_init(struct sl_steer *steer, size_t n);
void sl_steer_fini(struct sl_steer *steer);

// seen[n]: since the call before; takes_flows[n]: health and the operator let it. Call as often as
// you like. True when factors were made anew.
bool sl_steer_tick(struct sl_steer *steer, const struct sl_steer_seen *seen,
                   const bool *takes_flows, uint64_t now_ns);

#endif
