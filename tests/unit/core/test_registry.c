// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <errno.h>

#include "registry.h"

#define N_SLOTS 4

struct fixture {
	struct sl_registry reg;
	struct sl_registry_slot slots[N_SLOTS];
	uint16_t indices[16];
	bool is_busy[N_SLOTS]; // slots that still have flows
};

static void start(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	sl_registry_init(&f->reg, f->slots, N_SLOTS);
}

static bool is_idle(void *ctx, uint32_t index)
{
	return !((struct fixture *)ctx)->is_busy[index];
}

static int assign(struct fixture *f, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t ids[] = {a, b, c};

	return sl_registry_assign(&f->reg, ids, 3, f->indices);
}

START_TEST(new_ids_get_the_lowest_indices_in_order)
{
	struct fixture f;

	start(&f);
	ck_assert_int_eq(assign(&f, 30, 10, 20), 0);
	ck_assert_uint_eq(f.indices[0], 0);
	ck_assert_uint_eq(f.indices[1], 1);
	ck_assert_uint_eq(f.indices[2], 2);
}
END_TEST

START_TEST(known_ids_keep_their_index_in_any_order)
{
	struct fixture f;

	start(&f);
	assign(&f, 30, 10, 20);
	ck_assert_int_eq(assign(&f, 20, 30, 40), 0);
	ck_assert_uint_eq(f.indices[0], 2);
	ck_assert_uint_eq(f.indices[1], 0);
	ck_assert_uint_eq(f.indices[2], 3);
	ck_assert(f.slots[1].is_retired);
	ck_assert(!f.slots[0].is_retired && !f.slots[2].is_retired && !f.slots[3].is_retired);
}
END_TEST

START_TEST(rows_of_one_id_share_an_index)
{
	struct fixture f;

	start(&f);
	ck_assert_int_eq(assign(&f, 7, 8, 7), 0);
	ck_assert_uint_eq(f.indices[0], f.indices[2]);
	ck_assert_uint_ne(f.indices[0], f.indices[1]);
}
END_TEST

START_TEST(a_retired_index_is_not_reused_while_it_has_flows)
{
	struct fixture f;
	const uint64_t four[] = {1, 2, 4, 5};

	start(&f);
	assign(&f, 1, 2, 3);
	assign(&f, 1, 2, 1);
	f.is_busy[2] = true;
	sl_registry_reap(&f.reg, is_idle, &f);
	ck_assert_uint_eq(f.slots[2].id, 3);
	ck_assert_int_eq(sl_registry_assign(&f.reg, four, 4, f.indices), -ENOSPC);
	f.is_busy[2] = false;
	sl_registry_reap(&f.reg, is_idle, &f);
	ck_assert_int_eq(sl_registry_assign(&f.reg, four, 4, f.indices), 0);
	ck_assert_uint_eq(f.indices[2], 2);
	ck_assert_uint_eq(f.slots[2].generation, 1);
}
END_TEST

START_TEST(an_id_that_comes_back_before_reaping_is_the_same_again)
{
	struct fixture f;

	start(&f);
	assign(&f, 1, 2, 3);
	assign(&f, 1, 2, 1);
	f.is_busy[2] = true;
	sl_registry_reap(&f.reg, is_idle, &f);
	ck_assert_int_eq(assign(&f, 3, 2, 1), 0);
	ck_assert_uint_eq(f.indices[0], 2);
	ck_assert_uint_eq(f.slots[2].generation, 0);
	ck_assert(!f.slots[2].is_retired);
}
END_TEST

START_TEST(reaping_leaves_configured_slots_alone)
{
	struct fixture f;

	start(&f);
	assign(&f, 1, 2, 3);
	sl_registry_reap(&f.reg, is_idle, &f);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(f.slots[i].id, i + 1);
		ck_assert_uint_eq(f.slots[i].generation, 0);
	}
}
END_TEST

START_TEST(too_many_ids_change_nothing)
{
	struct fixture f, before;
	const uint64_t ids[] = {9, 8, 7, 6, 5};

	start(&f);
	assign(&f, 1, 2, 2);
	before = f;
	ck_assert_int_eq(sl_registry_assign(&f.reg, ids, 5, f.indices), -ENOSPC);
	ck_assert_mem_eq(f.slots, before.slots, sizeof(f.slots));
}
END_TEST

static bool is_idle_at_random(void *ctx, uint32_t index)
{
	(void)index;
	return sl_check_random(ctx) % 2 == 0;
}

static uint32_t slot_of(const struct sl_registry *reg, uint64_t id)
{
	uint32_t i = 0;

	while (i < reg->n_slots && reg->slots[i].id != id)
		i++;
	return i;
}

START_TEST(random_changes_never_move_a_known_id)
{
	enum { SLOTS = 64, IDS = 90 };
	struct sl_registry_slot slots[SLOTS];
	uint64_t seed = sl_check_seed(), state = seed;
	uint32_t n_done = 0, n_refused = 0;
	struct sl_registry reg;

	sl_registry_init(&reg, slots, SLOTS);
	for (int round = 0; round < 2000; round++) {
		uint64_t ids[IDS];
		uint16_t indices[IDS];
		uint32_t known[IDS], n = 0;

		for (uint64_t id = 1; id <= IDS; id++) {
			if (sl_check_random(&state) % 2 == 0)
				continue;
			known[n] = slot_of(&reg, id);
			ids[n++] = id;
		}
		if (sl_registry_assign(&reg, ids, n, indices) < 0) {
			if (++n_refused % 8 == 0) // a set too large for any other beside it
				sl_registry_assign(&reg, ids, 0, indices);
			sl_registry_reap(&reg, is_idle_at_random, &state);
			continue;
		}
		n_done++;
		for (uint32_t i = 0; i < n; i++) {
			ck_assert_msg(slots[indices[i]].id == ids[i], "seed %lu", seed);
			ck_assert_msg(known[i] == SLOTS || known[i] == indices[i], "seed %lu",
			              seed);
		}
	}
	ck_assert_msg(n_done > 100 && n_refused > 100, "%u done, %u refused, seed %lu", n_done,
	              n_refused, seed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("registry");
	TCase *tc = tcase_create("registry");

	tcase_add_test(tc, new_ids_get_the_lowest_indices_in_order);
	tcase_add_test(tc, known_ids_keep_their_index_in_any_order);
	tcase_add_test(tc, rows_of_one_id_share_an_index);
	tcase_add_test(tc, a_retired_index_is_not_reused_while_it_has_flows);
	tcase_add_test(tc, an_id_that_comes_back_before_reaping_is_the_same_again);
	tcase_add_test(tc, reaping_leaves_configured_slots_alone);
	tcase_add_test(tc, too_many_ids_change_nothing);
	tcase_add_test(tc, random_changes_never_move_a_known_id);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
