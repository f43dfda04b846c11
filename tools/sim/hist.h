// SPDX-License-Identifier: Apache-2.0
// Log-linear histogram of durations: 64 equal buckets per power of two, so a percentile is right
// within 0.8 % from a microsecond to more than a quarter of an hour, in fixed memory.
#ifndef SLUICE_SIM_HIST_H
#define SLUICE_SIM_HIST_H

#include <stdint.h>

#define SL_HIST_SUB_BITS 6
#define SL_HIST_OCTAVES  26 // 64 us << 24 is 18 minutes; longer ones count in the last bucket
#define SL_HIST_BUCKETS  ((uint32_t)SL_HIST_OCTAVES << SL_HIST_SUB_BITS)

struct sl_hist {
	uint64_t n;
	uint32_t counts[SL_HIST_BUCKETS];
};

void sl_hist_clear(struct sl_hist *hist);
void sl_hist_add(struct sl_hist *hist, uint64_t value_us);
void sl_hist_merge(struct sl_hist *into, const struct sl_hist *from);

// The value that percent of 100 values do not exceed, as the middle of its bucket; 0 when empty.
uint64_t sl_hist_percentile_us(const struct sl_hist *hist, double percent);

#endif
