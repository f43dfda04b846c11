// SPDX-License-Identifier: Apache-2.0
// What the sequence and the Maglev table share: exact shares of slots and an even order of turns.
#ifndef SLUICE_CORE_PICK_PRIVATE_H
#define SLUICE_CORE_PICK_PRIVATE_H

#include "pick.h"

// Shares of n_slots by weight: largest remainder, ties to the earlier member; they add up to
// n_slots. 0, -ENOENT when no member has weight, -ENOMEM.
int pick_share(uint32_t *shares, uint32_t n_slots, const struct sl_pick_member *members,
               uint32_t n_members);

// turns[n_slots] gets member numbers, each as often as its share, evenly spread. 0 or -ENOMEM.
int pick_spread(uint16_t *turns, uint32_t n_slots, const uint32_t *shares, uint32_t n_members);

static inline void pick_fill_none(uint16_t *slots, uint32_t n_slots)
{
	for (uint32_t i = 0; i < n_slots; i++)
		slots[i] = SL_NO_BACKEND;
}

#endif
