// SPDX-License-Identifier: Apache-2.0
// How long things took, in buckets whose bounds Prometheus knows as "le". Pure.
//
// Range: half a millisecond (a connection in the same rack) to a minute (the longest probe).
#ifndef SLUICE_CONTROL_HISTOGRAM_H
#define SLUICE_CONTROL_HISTOGRAM_H

#include <stdint.h>

#define SL_HISTOGRAM_BOUNDS 16

struct sl_histogram {
	uint64_t counts[SL_HISTOGRAM_BOUNDS + 1]; // the last: above every bound
	uint64_t sum_us;
};

extern const uint32_t sl_histogram_bounds_us[SL_HISTOGRAM_BOUNDS];

void sl_histogram_add(struct sl_histogram *histogram, uint32_t us);

#endif
