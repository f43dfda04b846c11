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

static uint64_t sum_of(const uint32_t *own, const uint32_t *others, uint16_t backend)
{
	return (uint64_t)own[backend] + __atomic_load_n(&others[backend], __ATOMIC_RELAXED);
}

static uint64_t load_of(const struct sl_pick_load *load, uint16_t backend)
{
	return load->own_units != NULL ? sum_of(load->own_units, load->others_units, backend)
	                               : sum_of(load->own, load->others, backend);
}

static uint64_t one_of(const struct sl_pick_load *load)
{
	return load->own_units != NULL ? SL_PICK_UNIT : 1;
}

static bool is_limited_at(const struct sl_pick_least *pl, const struct sl_pick_load *load,
                          uint32_t i)
{
	const uint16_t backend = pl->backends[i];

	if (pl->limit_flows != 0 && load_of(load, backend) >= pl->limit_flows * one_of(load))
		return true;
	return pl->cells != NULL && !sl_limit_is_open(&pl->cells[backend], &pl->rate, pl->now_ns);
}

// UINT64_MAX: takes no flow. The count is held to 32 bits, so the product of two factors of at most
// 2^32 and 2^32 - 1 stays below that mark and cannot wrap (a wrapped score picks the busiest).
static uint64_t score(const struct sl_pick_least *pl, const struct sl_pick_load *load, uint32_t i,
                      bool *is_limited)
{
	const uint16_t backend = pl->backends[i];
	uint64_t n;

	if (pl->inverse_weights[i] == 0)
		return UINT64_MAX;
	if (is_limited_at(pl, load, i)) {
		*is_limited = true;
		return UINT64_MAX;
	}
	n = load_of(load, backend) + one_of(load);
	return (n < UINT32_MAX ? n : (uint64_t)UINT32_MAX) * pl->inverse_weights[i];
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

// The cursor counts picks: it gives the turn of those that explore, and where a scan starts.
static uint32_t adaptive(const struct sl_pick_least *pl, const struct sl_pick_load *load,
                         uint32_t *cursor, bool *is_limited)
{
	const uint32_t turn = (*cursor)++;

	if (turn % SL_PICK_EXPLORE_EACH == 0) {
		uint32_t chosen =
			below(turn / SL_PICK_EXPLORE_EACH * UINT32_C(0x9e3779b9), pl->n_members);

		if (score(pl, load, chosen, is_limited) != UINT64_MAX)
			return chosen;
	}
	if (pl->n_members > SL_PICK_SCAN_MAX)
		return two_choices(pl, load, turn, is_limited);
	return scan(pl, load, below(turn * UINT32_C(0x9e3779b9), pl->n_members), is_limited);
}

uint16_t sl_pick_least_next(const struct sl_pick_least *pl, const struct sl_pick_load *load,
                            uint32_t *cursor, bool *is_limited)
{
	bool met_limit = false;
	uint32_t chosen;

	if (load->own_units != NULL) {
		chosen = adaptive(pl, load, cursor, &met_limit);
	} else if (pl->n_members <= SL_PICK_SCAN_MAX) {
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
