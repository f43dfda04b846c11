// SPDX-License-Identifier: Apache-2.0
#include "weight.h"

#include <math.h>
#include <stdlib.h>

#define STEP_DOWN_PER_S 0.5
#define STEP_UP_PER_S   1.25
#define STEP_MAX_NS     SL_NS_PER_S // a process that was stopped must not leap when it goes on
#define FADE_TAU_S      20.0
#define RAMP_START      100u
#define ONE_MILLI       1000u
#define HYSTERESIS_DIV  50u // 2 %

uint32_t sl_weight_effective_milli(const struct sl_weight_parts *parts)
{
	uint64_t base_milli, milli;

	if (!parts->takes_flows)
		return 0;
	if (parts->override_weight >= 0)
		base_milli = (uint64_t)parts->override_weight * SL_WEIGHT_ONE_MILLI;
	else
		base_milli = (uint64_t)parts->configured * parts->factor_milli *
		             SL_WEIGHT_ONE_MILLI / ONE_MILLI;
	if (parts->override_weight == 0)
		return 0;
	if (parts->override_weight < 0) {
		if (parts->configured == 0 || parts->guard_milli == 0)
			return 0;
		base_milli = base_milli * parts->guard_milli / ONE_MILLI;
	}
	milli = base_milli * parts->ramp_milli / ONE_MILLI;
	if (milli > SL_WEIGHT_MAX_MILLI)
		milli = SL_WEIGHT_MAX_MILLI;
	return milli > 0 ? (uint32_t)milli : 1;
}

double sl_weight_factor_target(uint64_t median_us, uint64_t own_us)
{
	return fmin(fmax((double)median_us / (double)own_us, SL_WEIGHT_FACTOR_MIN),
	            SL_WEIGHT_FACTOR_MAX);
}

static double seconds_of(uint64_t elapsed_ns)
{
	return (double)(elapsed_ns < STEP_MAX_NS ? elapsed_ns : STEP_MAX_NS) / (double)SL_NS_PER_S;
}

double sl_weight_factor_step(double factor, double target, uint64_t elapsed_ns)
{
	double s = seconds_of(elapsed_ns);

	if (target < factor)
		return fmax(target, factor * pow(STEP_DOWN_PER_S, s));
	return fmin(target, factor * pow(STEP_UP_PER_S, s));
}

double sl_weight_factor_fade(double factor, uint64_t elapsed_ns)
{
	return pow(factor, exp(-seconds_of(elapsed_ns) / FADE_TAU_S));
}

uint32_t sl_weight_ramp_milli(uint64_t since_start_ns, uint32_t slow_start_ms)
{
	uint64_t since_ms = since_start_ns / SL_NS_PER_MS;

	if (since_ms >= slow_start_ms)
		return ONE_MILLI;
	return RAMP_START + (uint32_t)((ONE_MILLI - RAMP_START) * since_ms / slow_start_ms);
}

bool sl_weight_differs(uint32_t published_milli, uint32_t now_milli)
{
	uint64_t gap = published_milli > now_milli ? published_milli - now_milli
	                                           : now_milli - published_milli;

	if ((published_milli == 0) != (now_milli == 0))
		return true;
	return gap * HYSTERESIS_DIV > published_milli;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t sl_weight_median_us(uint64_t *values_us, size_t n)
{
	qsort(values_us, n, sizeof(*values_us), compare_u64);
	if (n % 2 == 1)
		return values_us[n / 2];
	return values_us[n / 2 - 1] + (values_us[n / 2] - values_us[n / 2 - 1]) / 2;
}

uint32_t sl_weight_to_milli(double factor)
{
	return (uint32_t)(factor * ONE_MILLI + 0.5);
}
