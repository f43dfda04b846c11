// SPDX-License-Identifier: Apache-2.0
#include "admission.h"

#include <errno.h>

#define TIGHTER_MAX 16
#define CAP_MAX     1000000 // so that products of units fit

// Soft: sat < 1 - rank sat / (n - 1), solved for sat.
static uint64_t ceiling_of(const struct sl_admission_rule *rule, uint32_t rank)
{
	const uint64_t cap = (uint64_t)rule->cap_flows * rule->n_backends * SL_PICK_UNIT;
	const uint64_t n_steps = rule->n_ranks > 1 ? rule->n_ranks - 1 : 1;
	uint64_t ceiling;

	if (rule->cap_flows == 0)
		return UINT64_MAX;
	if (rank == 0)
		return cap;
	if (rule->kind == SL_ADMISSION_SOFT)
		ceiling = cap * n_steps / (n_steps + rank);
	else
		ceiling = cap * (1000 * n_steps - (1000 - rule->floor_milli) * rank) /
		          (1000 * n_steps);
	for (uint32_t i = 0; i < rule->n_tighter; i++)
		ceiling -= ceiling / 8;
	return ceiling;
}

int sl_admission_build(struct sl_admission *a, const struct sl_admission_rule *rule)
{
	if (rule->n_ranks == 0 || rule->n_ranks > SL_ADMISSION_RANKS || rule->floor_milli > 1000 ||
	    rule->n_tighter > TIGHTER_MAX || rule->cap_flows > CAP_MAX ||
	    rule->n_backends > SL_MAX_BACKENDS)
		return -EINVAL;
	*a = (struct sl_admission){.n_ranks = (uint8_t)rule->n_ranks};
	for (uint32_t rank = 0; rank < rule->n_ranks; rank++) {
		a->ceilings[rank] = ceiling_of(rule, rank);
		a->trickles[rank] = sl_limit_rate_of(rule->trickle[rank]);
		a->resets |= (uint8_t)(rule->has_reset[rank] << rank);
	}
	return 0;
}

uint64_t sl_admission_load(const struct sl_pick_least *pl, const struct sl_pick_load *load)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < pl->n_members; i++) {
		const uint16_t b = pl->backends[i];

		if (pl->inverse_weights[i] != 0)
			sum += load->own_units[b] + load->others_units[b];
	}
	return sum;
}

enum sl_admission_verdict sl_admission_ask(const struct sl_admission *a, sl_limit_cell *cells,
                                           uint32_t rank, uint64_t load_units, uint64_t now_ns)
{
	const uint32_t at = rank < a->n_ranks ? rank : a->n_ranks - 1u;

	if (load_units < a->ceilings[at])
		return SL_ADMISSION_OPEN;
	if (load_units >= a->ceilings[0])
		return SL_ADMISSION_FULL;
	// A rate of 0 is no limit to sl_limit_take; here it is no trickle.
	if (a->trickles[at].interval_ns != 0 && sl_limit_take(&cells[at], &a->trickles[at], now_ns))
		return SL_ADMISSION_TRICKLE;
	return SL_ADMISSION_CLASS;
}
