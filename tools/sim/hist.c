// SPDX-License-Identifier: Apache-2.0
#include "hist.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define SUB_COUNT (UINT32_C(1) << SL_HIST_SUB_BITS)

// Values below 64 have a bucket each; above, the six bits after the leading one choose it.
static uint32_t bucket_of(uint64_t value_us)
{
	uint32_t shift, bucket;

	if (value_us < SUB_COUNT)
		return (uint32_t)value_us;
	shift = 63 - (uint32_t)__builtin_clzll(value_us) - SL_HIST_SUB_BITS;
	if (shift >= SL_HIST_OCTAVES - 1)
		return SL_HIST_BUCKETS - 1;
	bucket = ((shift + 1) << SL_HIST_SUB_BITS) + (uint32_t)((value_us >> shift) - SUB_COUNT);
	return bucket;
}

static uint64_t middle_of(uint32_t bucket)
{
	const uint32_t octave = bucket >> SL_HIST_SUB_BITS;
	const uint64_t sub = bucket & (SUB_COUNT - 1);

	if (octave == 0)
		return sub;
	return ((sub + SUB_COUNT) << (octave - 1)) + ((UINT64_C(1) << (octave - 1)) >> 1);
}

void sl_hist_clear(struct sl_hist *hist)
{
	memset(hist, 0, sizeof(*hist));
}

void sl_hist_add(struct sl_hist *hist, uint64_t value_us)
{
	hist->n++;
	hist->counts[bucket_of(value_us)]++;
}

void sl_hist_merge(struct sl_hist *into, const struct sl_hist *from)
{
	if (from->n == 0)
		return;
	into->n += from->n;
	for (size_t i = 0; i < SL_HIST_BUCKETS; i++)
		into->counts[i] += from->counts[i];
}

uint64_t sl_hist_percentile_us(const struct sl_hist *hist, double percent)
{
	uint64_t rank = (uint64_t)ceil(percent * (double)hist->n / 100.0), seen = 0;

	if (hist->n == 0)
		return 0;
	if (rank == 0)
		rank = 1;
	for (uint32_t i = 0; i < SL_HIST_BUCKETS; i++) {
		seen += hist->counts[i];
		if (seen >= rank)
			return middle_of(i);
	}
	return middle_of(SL_HIST_BUCKETS - 1);
}
