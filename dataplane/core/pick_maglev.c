// SPDX-License-Identifier: Apache-2.0
// Population as in section 3.4 of the paper: each member takes the next free slot of its own
// permutation, in turns. The turns are the even spread of exact shares, which is round robin when
// weights are equal.
#include "pick_private.h"

#include <errno.h>
#include <stdlib.h>

#include "hash.h"

struct walk {
	uint32_t at;   // next slot of the permutation
	uint32_t skip; // 1..n_slots-1; n_slots is prime, so all slots are visited
};

static int by_id(const void *a, const void *b)
{
	const struct sl_pick_member *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->backend < y->backend ? -1 : 1;
}

static void walk_start(struct walk *w, uint64_t id, uint32_t n_slots)
{
	// Two independent hashes of the id alone, the same on every appliance.
	uint64_t h1 = sl_mix64(id + UINT64_C(0x9e3779b97f4a7c15));
	uint64_t h2 = sl_mix64(h1 + UINT64_C(0x9e3779b97f4a7c15));

	w->at = (uint32_t)(h1 % n_slots);
	w->skip = (uint32_t)(h2 % (n_slots - 1)) + 1;
}

static void populate(uint16_t *slots, const uint16_t *turns, uint32_t n_slots,
                     const struct sl_pick_member *members, struct walk *walks)
{
	for (uint32_t turn = 0; turn < n_slots; turn++) {
		struct walk *w = &walks[turns[turn]];
		uint32_t slot;

		do {
			slot = w->at;
			w->at += w->skip;
			if (w->at >= n_slots)
				w->at -= n_slots;
		} while (slots[slot] != SL_NO_BACKEND);
		slots[slot] = members[turns[turn]].backend;
	}
}

int sl_pick_maglev_build(uint16_t *slots, uint32_t n_slots, const struct sl_pick_member *members,
                         uint32_t n_members)
{
	struct sl_pick_member *sorted;
	struct walk *walks;
	uint32_t *shares;
	uint16_t *turns;
	int err = -ENOMEM;

	pick_fill_none(slots, n_slots);
	if (n_members == 0)
		return -ENOENT;
	sorted = malloc(n_members * sizeof(*sorted));
	walks = malloc(n_members * sizeof(*walks));
	shares = malloc(n_members * sizeof(*shares));
	turns = malloc(n_slots * sizeof(*turns));
	if (sorted == NULL || walks == NULL || shares == NULL || turns == NULL)
		goto out;
	memcpy(sorted, members, n_members * sizeof(*sorted));
	qsort(sorted, n_members, sizeof(*sorted), by_id);
	err = pick_share(shares, n_slots, sorted, n_members);
	if (err == 0)
		err = pick_spread(turns, n_slots, shares, n_members);
	if (err != 0)
		goto out;
	for (uint32_t i = 0; i < n_members; i++)
		walk_start(&walks[i], sorted[i].id, n_slots);
	populate(slots, turns, n_slots, sorted, walks);
out:
	free(turns);
	free(shares);
	free(walks);
	free(sorted);
	return err;
}
