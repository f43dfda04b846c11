// SPDX-License-Identifier: Apache-2.0
#include "periodic.h"

#include <math.h>

#define LEAST_BURST_BYTES 16384
#define LAGS              170 // a third of the ring: two comparisons of each bin at least
#define LEAST_LAG         6   // shorter ones are not told from the width of a bin
#define LEAST_BURSTS      4
#define LEAST_US          25000 // shorter ones are of queues and shapers, not of steps
#define DIP               0.25
#define PEAK              0.5
#define NEAR_PEAK         0.9 // the first lag as good as that, not one of its multiples

static const uint8_t shifts[SL_PERIODIC_SCALES] = {10, 13, 16}; // bins of 2^n us

void sl_periodic_init(struct sl_periodic *p, uint64_t rate_bps, uint32_t now_us)
{
	*p = (struct sl_periodic){0};
	for (int i = 0; i < SL_PERIODIC_SCALES; i++) {
		const uint64_t full_bytes = (rate_bps / 8 << shifts[i]) / 1000000;
		const uint64_t least_bytes = full_bytes / 50;

		p->rings[i].bin = now_us >> shifts[i];
		p->rings[i].least_bytes = least_bytes < LEAST_BURST_BYTES ? LEAST_BURST_BYTES
		                          : least_bytes < UINT32_MAX      ? (uint32_t)least_bytes
		                                                          : UINT32_MAX;
	}
}

static void put(struct sl_periodic_ring *ring, bool is_burst)
{
	const uint32_t at = ring->bin % SL_PERIODIC_BITS;
	const uint64_t bit = UINT64_C(1) << (at % 64);

	ring->bits[at / 64] = (ring->bits[at / 64] & ~bit) | (is_burst ? bit : 0);
}

// The bin under way is over; those behind it, up to number bin, were empty.
static void roll(struct sl_periodic_ring *ring, uint32_t n_passed)
{
	put(ring, ring->n_bytes >= ring->least_bytes);
	ring->n_bytes = 0;
	ring->n_bins = ring->n_bins + n_passed < SL_PERIODIC_BITS ? ring->n_bins + n_passed
	                                                          : SL_PERIODIC_BITS;
	if (n_passed > SL_PERIODIC_BITS) {
		memset(ring->bits, 0, sizeof(ring->bits));
		ring->bin += n_passed;
		return;
	}
	for (uint32_t i = 1; i < n_passed; i++) {
		ring->bin++;
		put(ring, false);
	}
	ring->bin++;
}

void sl_periodic_add(struct sl_periodic *p, uint32_t n_bytes, uint32_t now_us)
{
	for (int i = 0; i < SL_PERIODIC_SCALES; i++) {
		struct sl_periodic_ring *ring = &p->rings[i];
		const uint32_t wrap = UINT32_MAX >> shifts[i];
		const uint32_t n_passed = ((now_us >> shifts[i]) - ring->bin) & wrap;

		// The upper half stands for a clock that went back: it stays in its bin.
		if (n_passed > 0 && n_passed <= wrap / 2)
			roll(ring, n_passed);
		if (ring->n_bytes < UINT32_MAX - n_bytes)
			ring->n_bytes += n_bytes;
	}
}

// Bits of the ring, oldest first, as one string.
static void unroll(const struct sl_periodic_ring *ring, uint64_t out[SL_PERIODIC_WORDS])
{
	memset(out, 0, SL_PERIODIC_WORDS * sizeof(*out));
	for (uint32_t i = 0; i < ring->n_bins; i++) {
		const uint32_t at = (ring->bin - ring->n_bins + i) % SL_PERIODIC_BITS;

		out[i / 64] |= (ring->bits[at / 64] >> (at % 64) & 1) << (i % 64);
	}
}

static uint32_t count(const uint64_t *bits, uint32_t first, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = first; i < first + n; i++)
		sum += bits[i / 64] >> (i % 64) & 1;
	return sum;
}

// Of the string with itself, lag bins later.
static double likeness(const uint64_t *bits, uint32_t n_bins, uint32_t lag)
{
	const uint32_t m = n_bins - lag, skip = lag / 64, rest = lag % 64;
	const double n_early = count(bits, 0, m), n_late = count(bits, lag, m);
	const double spread = n_early * (m - n_early) * n_late * (m - n_late);
	uint32_t both = 0;

	for (uint32_t i = 0; i + skip < SL_PERIODIC_WORDS; i++) {
		uint64_t later = bits[i + skip] >> rest;

		if (rest > 0 && i + skip + 1 < SL_PERIODIC_WORDS)
			later |= bits[i + skip + 1] << (64 - rest);
		both += (uint32_t)__builtin_popcountll(bits[i] & later);
	}
	return spread > 0 ? (m * (double)both - n_early * n_late) / sqrt(spread) : 0;
}

// Bins of the period of one ring; 0 = none.
static uint32_t find_lag(const struct sl_periodic_ring *ring)
{
	uint64_t bits[SL_PERIODIC_WORDS];
	const uint32_t n_lags = ring->n_bins / 3 < LAGS ? ring->n_bins / 3 : LAGS;
	double phi[LAGS + 1], peak = 0;
	bool has_dipped = false;

	unroll(ring, bits);
	if (count(bits, 0, ring->n_bins) < LEAST_BURSTS)
		return 0;
	for (uint32_t lag = 1; lag <= n_lags; lag++) {
		phi[lag] = likeness(bits, ring->n_bins, lag);
		has_dipped |= phi[lag] < DIP;
		if (!has_dipped || lag < LEAST_LAG)
			phi[lag] = 0;
		else if (phi[lag] > peak)
			peak = phi[lag];
	}
	for (uint32_t lag = LEAST_LAG; peak >= PEAK && lag <= n_lags; lag++)
		if (phi[lag] >= NEAR_PEAK * peak)
			return lag;
	return 0;
}

uint32_t sl_periodic_find(const struct sl_periodic *p)
{
	for (int i = 0; i < SL_PERIODIC_SCALES; i++) {
		const uint32_t lag = find_lag(&p->rings[i]);

		if (lag << shifts[i] >= LEAST_US)
			return lag << shifts[i];
	}
	return 0;
}
