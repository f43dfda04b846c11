// SPDX-License-Identifier: Apache-2.0
// Members and counts for the tests of picking.
#ifndef SLUICE_TESTS_PICK_FIXTURE_H
#define SLUICE_TESTS_PICK_FIXTURE_H

#include "sl_check.h"

#include <errno.h>

#include "pick.h"

#define MAX_MEMBERS 1000

// Member i returns backend i + 7 and has an id that says nothing about i.
static inline struct sl_pick_member member_of(uint32_t i, uint32_t weight_milli)
{
	uint64_t state = i + 1;

	return (struct sl_pick_member){.id = sl_check_random(&state),
	                               .weight_milli = weight_milli,
	                               .backend = (uint16_t)(i + 7)};
}

static inline void members_random(struct sl_pick_member *members, uint32_t n, uint64_t *random)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t weight = (uint32_t)(sl_check_random(random) % 100000);

		// Some are zero, some are far apart, some are equal.
		if (sl_check_random(random) % 8 == 0)
			weight = 0;
		else if (sl_check_random(random) % 4 == 0)
			weight = weight % 10 + 1;
		else if (sl_check_random(random) % 4 == 0)
			weight = 1000;
		members[i] = member_of(i, weight);
	}
	members[0].weight_milli |= 1;
}

static inline uint64_t total_weight(const struct sl_pick_member *members, uint32_t n)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < n; i++)
		total += members[i].weight_milli;
	return total;
}

// counts by member.
static inline void count_slots(uint32_t *counts, uint32_t n_members, const uint16_t *slots,
                               uint32_t n_slots)
{
	memset(counts, 0, n_members * sizeof(*counts));
	for (uint32_t i = 0; i < n_slots; i++) {
		if (slots[i] - 7u >= n_members)
			ck_abort_msg("slot %u holds %u", i, slots[i]);
		counts[slots[i] - 7]++;
	}
}

// Every member has its exact share rounded down or up.
static inline void check_shares(const uint32_t *counts, const struct sl_pick_member *members,
                                uint32_t n_members, uint32_t n_slots, uint64_t seed)
{
	uint64_t total = total_weight(members, n_members);

	for (uint32_t i = 0; i < n_members; i++) {
		uint64_t floor = (uint64_t)members[i].weight_milli * n_slots / total;

		ck_assert_msg(counts[i] == floor ||
		                      (counts[i] == floor + 1 && members[i].weight_milli != 0),
		              "member %u of weight %u has %u slots, seed %lu", i,
		              members[i].weight_milli, counts[i], seed);
	}
}

#endif
