// SPDX-License-Identifier: Apache-2.0
// Repeatable random numbers: the whole state is one word of the caller's, so a seed replays a run.
// Source: the splitmix64 generator (Steele, Lea, Flood: Fast Splittable Pseudorandom Generators).
#ifndef SLUICE_SIM_RANDOM_H
#define SLUICE_SIM_RANDOM_H

#include <math.h>
#include <stdint.h>

static inline uint64_t sl_random_next(uint64_t *state)
{
	uint64_t x;

	*state += UINT64_C(0x9e3779b97f4a7c15);
	x = *state;
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

// In (0, 1]: never 0, so that its logarithm exists.
static inline double sl_random_unit(uint64_t *state)
{
	return ((double)(sl_random_next(state) >> 11) + 1.0) / 9007199254740992.0;
}

static inline double sl_random_exponential(uint64_t *state, double mean)
{
	return -mean * log(sl_random_unit(state));
}

// Standard normal (Box-Muller; the second value is thrown away to keep the state one word).
static inline double sl_random_normal(uint64_t *state)
{
	const double radius = sqrt(-2.0 * log(sl_random_unit(state)));

	return radius * cos(6.283185307179586 * sl_random_unit(state));
}

#endif
