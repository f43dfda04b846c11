// SPDX-License-Identifier: Apache-2.0
// The arithmetic of weights, one rule per function. Pure: numbers in, numbers out.
//
// Factor:  clamp(median latency of the pool / own, 1/8, 4), approached by bounded steps: down fast
//          (a slow backend hurts now), up slowly (a recovered one must prove it).
// Units:   *_milli are thousandths; factors are doubles near 1.
// Source:  bounds and asymmetric steps as for damped latency control, reference/ai-aware.md 2.3.
#ifndef SLUICE_CONTROL_WEIGHT_H
#define SLUICE_CONTROL_WEIGHT_H

#include "sluice/types.h"
#include "sluice/units.h"

#define SL_WEIGHT_FACTOR_MIN 0.125
#define SL_WEIGHT_FACTOR_MAX 4.0

struct sl_weight_parts {
	bool takes_flows;        // health and administration say so
	uint16_t configured;     // 0..1000
	int32_t override_weight; // -1 = none
	uint32_t factor_milli;   // of latency
	uint32_t guard_milli;    // 1000 = well, 0 = ejected; an operator's weight overrules it
	uint32_t ramp_milli;     // slow start, 1000 = done
};

// 0 only when it takes no flows, is ejected, or the operator's weight is 0: a trickle shows a
// recovery.
uint32_t sl_weight_effective_milli(const struct sl_weight_parts *parts);

// Where the factor should go. Both latencies > 0.
double sl_weight_factor_target(uint64_t median_us, uint64_t own_us);

// How far it may go in elapsed_ns; a second at most is made up for, however long the gap.
double sl_weight_factor_step(double factor, double target, uint64_t elapsed_ns);

// Without fresh samples it fades to 1, most of the way within a minute.
double sl_weight_factor_fade(double factor, uint64_t elapsed_ns);

// 100 (a tenth) at the start, 1000 from slow_start_ms on.
uint32_t sl_weight_ramp_milli(uint64_t since_start_ns, uint32_t slow_start_ms);

// Hysteresis: is the difference worth a new snapshot in the data plane?
bool sl_weight_differs(uint32_t published_milli, uint32_t now_milli);

// Middle value, or mean of the two in the middle. Sorts values; n > 0.
uint64_t sl_weight_median_us(uint64_t *values_us, size_t n);

uint32_t sl_weight_to_milli(double factor);

#endif
