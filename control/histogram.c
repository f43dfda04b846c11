// SPDX-License-Identifier: Apache-2.0
#include "histogram.h"

const uint32_t sl_histogram_bounds_us[SL_HISTOGRAM_BOUNDS] = {
	500,    1000,   2500,    5000,    10000,   25000,    50000,    100000,
	250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000,
};

void sl_histogram_add(struct sl_histogram *histogram, uint32_t us)
{
	uint32_t b = 0;

	while (b < SL_HISTOGRAM_BOUNDS && us > sl_histogram_bounds_us[b])
		b++;
	histogram->counts[b]++;
	histogram->sum_us += us;
}
