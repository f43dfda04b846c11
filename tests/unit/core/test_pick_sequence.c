// SPDX-License-Identifier: Apache-2.0
#include "pick_fixture.h"

START_TEST(slots_are_a_power_of_two_of_eight_per_member_within_bounds)
{
	static const struct {
		uint32_t n_members, n_slots;
	} rows[] = {{0, 4096},    {1, 4096},     {512, 4096},   {513, 8192},
	            {1024, 8192}, {8192, 65536}, {8193, 65536}, {16384, 65536}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_uint_eq(sl_pick_sequence_slots(rows[i].n_members), rows[i].n_slots);
}
END_TEST

#define N 7 // no member
static const struct {
	const char *name;
	uint32_t n_members;
	uint32_t weights[4];
	int err;
	uint16_t slots[8]; // member numbers
} small[] = {
	{"one member has all", 1, {5}, 0, {0, 0, 0, 0, 0, 0, 0, 0}},
	{"equals take turns", 2, {1, 1}, 0, {0, 1, 0, 1, 0, 1, 0, 1}},
	{"a quarter comes every fourth time", 2, {3, 1}, 0, {0, 0, 0, 1, 0, 0, 0, 1}},
	{"weight 0 has none", 3, {0, 1000, 0}, 0, {1, 1, 1, 1, 1, 1, 1, 1}},
	{"the largest weights do not overflow",
         2,
         {UINT32_MAX, UINT32_MAX},
         0,
         {0, 1, 0, 1, 0, 1, 0, 1}},
	{"no weight at all is an error", 3, {0, 0, 0}, -ENOENT, {N, N, N, N, N, N, N, N}},
	{"no member at all is an error", 0, {0}, -ENOENT, {N, N, N, N, N, N, N, N}},
};

START_TEST(a_small_sequence_is_as_expected)
{
	struct sl_pick_member members[4];
	uint16_t slots[8];

	for (uint32_t i = 0; i < 4; i++)
		members[i] = member_of(i, small[_i].weights[i]);
	ck_assert_int_eq(sl_pick_sequence_build(slots, 8, members, small[_i].n_members),
	                 small[_i].err);
	for (uint32_t i = 0; i < 8; i++) {
		uint16_t expected = small[_i].slots[i] == N ? SL_NO_BACKEND
		                                            : (uint16_t)(small[_i].slots[i] + 7);

		ck_assert_msg(slots[i] == expected, "%s: slot %u is %u", small[_i].name, i,
		              slots[i]);
	}
}
END_TEST

struct sequence {
	struct sl_pick_member members[MAX_MEMBERS];
	uint32_t n_members;
	uint16_t slots[SL_PICK_SEQUENCE_MAX];
	uint32_t n_slots;
	uint32_t counts[MAX_MEMBERS];
	uint64_t seed;
};

// A new random sequence on each call; sizes grow with round.
static void sequence_random(struct sequence *s, uint64_t *random, int round)
{
	uint32_t bound = round % 2 ? 20 : MAX_MEMBERS;

	s->n_members = (uint32_t)(sl_check_random(random) % bound) + 1;
	members_random(s->members, s->n_members, random);
	s->n_slots = sl_pick_sequence_slots(s->n_members);
	ck_assert_int_eq(sl_pick_sequence_build(s->slots, s->n_slots, s->members, s->n_members), 0);
	count_slots(s->counts, s->n_members, s->slots, s->n_slots);
}

START_TEST(shares_follow_weights_within_one_slot)
{
	struct sequence *s = calloc(1, sizeof(*s));
	uint64_t seed = sl_check_seed(), random = seed;

	for (int round = 0; round < 30; round++) {
		sequence_random(s, &random, round);
		check_shares(s->counts, s->members, s->n_members, s->n_slots, seed);
	}
	free(s);
}
END_TEST

START_TEST(nobody_with_less_than_half_comes_three_times_running)
{
	struct sequence *s = calloc(1, sizeof(*s));
	uint64_t seed = sl_check_seed(), random = seed;

	for (int round = 0; round < 30; round++) {
		sequence_random(s, &random, round);
		for (uint32_t i = 2; i < s->n_slots; i++) {
			uint16_t b = s->slots[i];

			ck_assert_msg(2 * s->counts[b - 7] >= s->n_slots || s->slots[i - 1] != b ||
			                      s->slots[i - 2] != b,
			              "slot %u, seed %lu", i, seed);
		}
	}
	free(s);
}
END_TEST

// At every prefix, everybody has had its share of turns, give or take two.
START_TEST(turns_keep_up_with_shares_all_along)
{
	struct sequence *s = calloc(1, sizeof(*s));
	uint64_t seed = sl_check_seed(), random = seed;

	for (int round = 0; round < 30; round++) {
		uint32_t had[MAX_MEMBERS] = {0};

		sequence_random(s, &random, round);
		for (uint32_t i = 0; i < s->n_slots; i++) {
			uint32_t m = s->slots[i] - 7u;
			double exact = (double)s->counts[m] * (i + 1) / s->n_slots;

			had[m]++;
			// Looked at when it comes: then it is at most ahead; just before, behind.
			ck_assert_msg(had[m] - exact < 2 && exact - (had[m] - 1) < 2,
			              "member %u had %u of %f, seed %lu", m, had[m], exact, seed);
		}
	}
	free(s);
}
END_TEST

START_TEST(the_same_members_give_the_same_sequence)
{
	struct sequence *s = calloc(1, sizeof(*s));
	uint16_t *again = calloc(SL_PICK_SEQUENCE_MAX, sizeof(*again));
	uint64_t random = sl_check_seed();

	sequence_random(s, &random, 0);
	ck_assert_int_eq(sl_pick_sequence_build(again, s->n_slots, s->members, s->n_members), 0);
	ck_assert_mem_eq(again, s->slots, s->n_slots * sizeof(*again));
	free(again);
	free(s);
}
END_TEST

START_TEST(a_cursor_walks_all_slots_once_and_comes_round)
{
	enum { LOG2 = 12, SLOTS = 1 << LOG2 };
	uint16_t slots[SLOTS];
	uint32_t cursor = sl_pick_sequence_start(1, 3), start = cursor;
	uint32_t first = start >> (32 - LOG2);

	for (uint32_t i = 0; i < SLOTS; i++)
		slots[i] = (uint16_t)i;
	for (uint32_t i = 0; i < SLOTS; i++)
		ck_assert_uint_eq(sl_pick_sequence_next(slots, LOG2, &cursor), (first + i) % SLOTS);
	ck_assert_uint_eq(cursor, start);
}
END_TEST

START_TEST(workers_start_evenly_spread)
{
	for (uint32_t n = 1; n <= SL_MAX_WORKERS; n++) {
		for (uint32_t w = 0; w < n; w++) {
			double start = sl_pick_sequence_start(w, n) / 4294967296.0;

			ck_assert_double_eq_tol(start, (double)w / n, 1e-6);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pick_sequence");
	TCase *tc = tcase_create("sequence");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_test(tc, slots_are_a_power_of_two_of_eight_per_member_within_bounds);
	tcase_add_loop_test(tc, a_small_sequence_is_as_expected, 0,
	                    sizeof(small) / sizeof(small[0]));
	tcase_add_test(tc, shares_follow_weights_within_one_slot);
	tcase_add_test(tc, nobody_with_less_than_half_comes_three_times_running);
	tcase_add_test(tc, turns_keep_up_with_shares_all_along);
	tcase_add_test(tc, the_same_members_give_the_same_sequence);
	tcase_add_test(tc, a_cursor_walks_all_slots_once_and_comes_round);
	tcase_add_test(tc, workers_start_evenly_spread);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
