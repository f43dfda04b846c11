// SPDX-License-Identifier: Apache-2.0
#include "snapshot_private.h"

#include <errno.h>
#include <stdlib.h>

#define MAGLEV_SMALL_MAX 40 // members, see SL_PICK_MAGLEV_SMALL

// What follows it in memory: inverse weights, then lefts (weighted), by member; then what is of 16
// bits: backends of the leaves (weighted), maglev.
struct snap_picks {
	uint32_t n_owners; // snapshots; the main core alone counts
};

static uint32_t maglev_slots(uint32_t n_members)
{
	return n_members <= MAGLEV_SMALL_MAX ? SL_PICK_MAGLEV_SMALL : SL_PICK_MAGLEV_SLOTS;
}

// A pool without weight has a table all the same: every pick from it is SL_NO_BACKEND.
static int fill(struct snap_picks *picks, struct sl_snap_pool *pool,
                const struct snap_picks_inputs *in)
{
	const bool is_weighted = pool->balance == SL_BALANCE_WEIGHTED;
	uint32_t *inverse_weights = (uint32_t *)(picks + 1);
	uint32_t *lefts = inverse_weights + pool->n_members;
	uint16_t *leaves = (uint16_t *)(lefts + (is_weighted ? pool->n_members : 0));
	uint16_t *maglev = leaves + (is_weighted ? pool->n_members : 0);
	int err;

	pool->weights_milli = 0;
	pool->weight_top_milli = 0;
	for (uint32_t m = 0; m < pool->n_members; m++) {
		inverse_weights[m] = sl_pick_inverse_weight(in->members[m].weight_milli);
		pool->weights_milli += in->members[m].weight_milli;
		while (pool->weight_top_milli < in->members[m].weight_milli)
			pool->weight_top_milli = 2 * pool->weight_top_milli + 1;
	}
	pool->has_capacity = pool->weights_milli > 0;
	pool->inverse_weights = inverse_weights;
	if (is_weighted) {
		pool->turns.lefts = lefts;
		pool->turns.backends = leaves;
		pool->turns.n_leaves =
			sl_pick_turns_build(lefts, leaves, in->sums, in->members, pool->n_members);
	}
	if (!in->has_maglev)
		return 0;
	pool->n_maglev = maglev_slots(pool->n_members);
	pool->maglev = maglev;
	err = sl_pick_maglev_build(maglev, pool->n_maglev, in->members, pool->n_members);
	return err == -ENOENT ? 0 : err;
}

struct snap_picks *snap_picks_new(struct sl_snap_pool *pool, const struct snap_picks_inputs *in)
{
	size_t n = pool->n_members, n_bytes = sizeof(struct snap_picks) + n * sizeof(uint32_t);
	struct snap_picks *picks;

	if (pool->balance == SL_BALANCE_WEIGHTED)
		n_bytes += n * (sizeof(uint32_t) + sizeof(uint16_t));
	if (in->has_maglev)
		n_bytes += maglev_slots(pool->n_members) * sizeof(uint16_t);
	picks = malloc(n_bytes);
	if (picks == NULL)
		return NULL;
	picks->n_owners = 1;
	if (fill(picks, pool, in) != 0) {
		free(picks);
		return NULL;
	}
	return picks;
}

struct snap_picks *snap_picks_share(struct snap_picks *picks)
{
	picks->n_owners++;
	return picks;
}

void snap_picks_free(struct snap_picks *picks)
{
	if (picks != NULL && --picks->n_owners == 0)
		free(picks);
}
