// SPDX-License-Identifier: Apache-2.0
// Smoothed latency of one backend: an exponential mean over time, not over samples, so that a probe
// with another interval, a lost sample or a burst does not change how fast it forgets.
//
// Outlier: a sample counts for at most SL_ESTIMATOR_CLAMP times the mean: one stall is no verdict,
//          while a lasting change still arrives within a few samples.
// Time:    now_ns is CLOCK_MONOTONIC, the caller's.   Thread: the owner's.
#ifndef SLUICE_CONTROL_ESTIMATOR_H
#define SLUICE_CONTROL_ESTIMATOR_H

#include "sluice/types.h"
#include "sluice/units.h"

#define SL_ESTIMATOR_TAU_NS (3 * SL_NS_PER_S)
#define SL_ESTIMATOR_CLAMP  8

struct sl_estimator {
	double mean_us;
	uint64_t last_ns;
	uint32_t n_samples; // saturates
};

void sl_estimator_reset(struct sl_estimator *est);
void sl_estimator_add(struct sl_estimator *est, uint64_t sample_us, uint64_t now_ns);

// 0 = no sample yet; never 0 otherwise.
uint64_t sl_estimator_value_us(const struct sl_estimator *est);

// Since the last sample; UINT64_MAX when there was none.
uint64_t sl_estimator_age_ns(const struct sl_estimator *est, uint64_t now_ns);

#endif
