// SPDX-License-Identifier: Apache-2.0
#include "pick.h"

#include "hash.h"

uint32_t sl_pick_inverse_weight(uint32_t weight_milli)
{
	uint64_t inverse;

	if (weight_milli == 0)
		return 0;
	inverse = ((UINT64_C(1) << 32) + weight_milli / 2) / weight_milli;
	return inverse < UINT32_MAX ? (uint32_t)inverse : UINT32_MAX;
}

// UINT64_MAX: takes no flow. Flows are held to 32 bits, so the product of two factors of at most
// 2^32 and 2^32 - 1 stays below that mark and cannot wrap (a wrapped score picks the busiest).
static uint64_t score(const struct sl_pick_least *pl, const struct sl_pick_load *load, uint32_t i,
                      bool *is_limited)
{
	uint16_t backend = pl->backends[i];
	uint64_t flows = (uint64_t)load->own[backend] +
	                 __atomic_load_n(&load->others[backend], __ATOMIC_RELAXED);

	if (pl->inverse_weights[i] == 0)
		return UINT64_MAX;
	if (pl->limit_flows != 0 && flows >= pl->limit_flows) {
		*is_limited = true;
		return UINT64_MAX;
	}
	if (flows > UINT32_MAX)
		flows = UINT32_MAX;
	return (flows + 1) * pl->inverse_weights[i];
}

// Best member, looking from start on and round; the first of equals wins. n_members: none.
static uint32_t scan(const struct sl_pick_least *pl, const struct sl_pick_load *load,
                     uint32_t start, bool *is_limited)
{
	uint64_t best_score = UINT64_MAX;
	uint32_t best = pl->n_members;
	uint32_t at = start;

	for (uint32_t n = 0; n < pl->n_members; n++) {
		uint64_t s = score(pl, load, at, is_limited);

		if (s < best_score) {
			best_score = s;
			best = at;
		}
		if (++at == pl->n_members)
			at = 0;
	}
	return best;
}

static uint32_t below(uint32_t random, uint32_t n)
{
	return (uint32_t)(((uint64_t)random * n) >> 32);
}

// Two different members at random, the better of them; if neither may take a flow, everybody.
static uint32_t two_choices(const struct sl_pick_least *pl, const struct sl_pick_load *load,
                            uint32_t seed, bool *is_limited)
{
	uint64_t random = sl_mix64(seed + UINT64_C(0x9e3779b97f4a7c15));
	uint32_t a = below((uint32_t)random, pl->n_members);
	uint32_t b = below((uint32_t)(random >> 32), pl->n_members - 1);
	uint64_t score_a, score_b;

	b += b >= a;
	score_a = score(pl, load, a, is_limited);
	score_b = score(pl, load, b, is_limited);
	if (score_a == UINT64_MAX && score_b == UINT64_MAX)
		return scan(pl, load, a, is_limited);
	return score_a <= score_b ? a : b;
}

uint16_t sl_pick_least_next(const struct sl_pick_least *pl, const struct sl_pick_load *load,
                            uint32_t *cursor, bool *is_limited)
{
	bool met_limit = false;
	uint32_t chosen;

	if (pl->n_members <= SL_PICK_SCAN_MAX) {
		chosen = scan(pl, load, *cursor < pl->n_members ? *cursor : 0, &met_limit);
		// The next of equals starts behind this one.
		*cursor = chosen + 1;
	} else {
		chosen = two_choices(pl, load, *cursor, &met_limit);
		(*cursor)++;
	}
	*is_limited = chosen == pl->n_members && met_limit;
	return chosen < pl->n_members ? pl->backends[chosen] : SL_NO_BACKEND;
}
