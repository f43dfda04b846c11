// SPDX-License-Identifier: Apache-2.0
#include "pick.h"

// left / (left + right) times 2^32, rounded up: then n_left of equal weights is exact, where
// rounding down would make every whole number come one turn late.
static uint32_t share_of(uint64_t left, uint64_t right)
{
	double exact = (double)left / (double)(left + right) * 4294967296.0;
	uint64_t share = (uint64_t)exact;

	share += (double)share < exact;
	return share < UINT32_MAX ? (uint32_t)share : UINT32_MAX;
}

uint32_t sl_pick_turns_build(uint32_t *lefts, uint16_t *backends, uint64_t *sums,
                             const struct sl_pick_member *members, uint32_t n_members)
{
	uint32_t n = 0, leaf = 0;

	for (uint32_t i = 0; i < n_members; i++)
		n += members[i].weight_milli != 0;
	for (uint32_t i = 0; i < n_members; i++) {
		if (members[i].weight_milli == 0)
			continue;
		backends[leaf] = members[i].backend;
		sums[n + leaf++] = members[i].weight_milli;
	}
	for (uint32_t node = n > 0 ? n - 1 : 0; node > 0; node--) {
		sums[node] = sums[2 * node] + sums[2 * node + 1];
		lefts[node] = share_of(sums[2 * node], sums[2 * node + 1]);
	}
	return n;
}
