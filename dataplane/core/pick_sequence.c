// SPDX-License-Identifier: Apache-2.0
#include "pick_private.h"

#include <errno.h>
#include <stdlib.h>

uint32_t sl_pick_sequence_slots(uint32_t n_members)
{
	uint32_t n_slots = SL_PICK_SEQUENCE_MIN;

	while (n_slots < SL_PICK_SEQUENCE_MAX && n_slots / 8 < n_members)
		n_slots *= 2;
	return n_slots;
}

int sl_pick_sequence_build(uint16_t *slots, uint32_t n_slots, const struct sl_pick_member *members,
                           uint32_t n_members)
{
	uint32_t *shares;
	int err;

	pick_fill_none(slots, n_slots);
	if (n_members == 0)
		return -ENOENT;
	shares = malloc(n_members * sizeof(*shares));
	if (shares == NULL)
		return -ENOMEM;
	err = pick_share(shares, n_slots, members, n_members);
	if (err == 0)
		err = pick_spread(slots, n_slots, shares, n_members);
	for (uint32_t i = 0; err == 0 && i < n_slots; i++)
		slots[i] = members[slots[i]].backend;
	free(shares);
	return err;
}

uint32_t sl_pick_sequence_start(uint32_t worker, uint32_t n_workers)
{
	return (uint32_t)(((uint64_t)worker << 32) / n_workers);
}
