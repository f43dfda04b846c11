// SPDX-License-Identifier: Apache-2.0
#include "estimator.h"

#include <math.h>

// Samples of one instant would weigh nothing; this much time is granted to each.
#define MIN_ELAPSED_NS SL_NS_PER_MS

void sl_estimator_reset(struct sl_estimator *est)
{
	*est = (struct sl_estimator){0};
}

void sl_estimator_add(struct sl_estimator *est, uint64_t sample_us, uint64_t now_ns)
{
	// A mean of 0 could never rise again, since samples are bounded by a multiple of it.
	double sample = sample_us > 0 ? (double)sample_us : 1.0;
	uint64_t elapsed_ns = now_ns > est->last_ns ? now_ns - est->last_ns : 0;

	if (est->n_samples == 0) {
		est->mean_us = sample;
	} else {
		if (elapsed_ns < MIN_ELAPSED_NS)
			elapsed_ns = MIN_ELAPSED_NS;
		if (sample > est->mean_us * SL_ESTIMATOR_CLAMP)
			sample = est->mean_us * SL_ESTIMATOR_CLAMP;
		est->mean_us += (sample - est->mean_us) *
		                -expm1(-(double)elapsed_ns / (double)SL_ESTIMATOR_TAU_NS);
	}
	if (now_ns > est->last_ns)
		est->last_ns = now_ns;
	if (est->n_samples < UINT32_MAX)
		est->n_samples++;
}

uint64_t sl_estimator_value_us(const struct sl_estimator *est)
{
	if (est->n_samples == 0)
		return 0;
	return est->mean_us < 1.0 ? 1 : (uint64_t)(est->mean_us + 0.5);
}

uint64_t sl_estimator_age_ns(const struct sl_estimator *est, uint64_t now_ns)
{
	if (est->n_samples == 0)
		return UINT64_MAX;
	return now_ns > est->last_ns ? now_ns - est->last_ns : 0;
}
