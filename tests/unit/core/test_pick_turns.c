// SPDX-License-Identifier: Apache-2.0
#include "pick_fixture.h"

#define N 7 // no member
static const struct {
	const char *name;
	uint32_t n_members;
	uint32_t weights[5];
	uint16_t turns[10]; // member numbers
} small[] = {
	{"one member has all", 1, {5}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"two equals take turns", 2, {1, 1}, {0, 1, 0, 1, 0, 1, 0, 1, 0, 1}},
	{"five equals take turns", 5, {9, 9, 9, 9, 9}, {3, 1, 0, 2, 4, 3, 1, 0, 2, 4}},
	{"a quarter comes every fourth time", 2, {3, 1}, {0, 0, 1, 0, 0, 0, 1, 0, 0, 0}},
	{"weight 0 has none", 3, {0, 1000, 0}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
	{"the largest weights do not overflow",
         2,
         {UINT32_MAX, UINT32_MAX},
         {0, 1, 0, 1, 0, 1, 0, 1, 0, 1}},
	{"no weight at all is nobody", 3, {0, 0, 0}, {N, N, N, N, N, N, N, N, N, N}},
	{"no member at all is nobody", 0, {0}, {N, N, N, N, N, N, N, N, N, N}},
};

struct pool {
	struct sl_pick_member members[MAX_MEMBERS];
	uint32_t n_members;
	uint32_t lefts[MAX_MEMBERS];
	uint16_t leaves[MAX_MEMBERS];
	uint64_t sums[2 * MAX_MEMBERS];
	struct sl_pick_turns turns;
	uint64_t seed;
};

static void build(struct pool *p)
{
	p->turns = (struct sl_pick_turns){
		p->lefts, p->leaves,
		sl_pick_turns_build(p->lefts, p->leaves, p->sums, p->members, p->n_members)};
}

START_TEST(the_turns_of_a_small_pool_are_as_expected)
{
	struct pool *p = calloc(1, sizeof(*p));
	uint32_t cursor = 0;

	ck_assert_ptr_nonnull(p);
	p->n_members = small[_i].n_members;
	for (uint32_t i = 0; i < p->n_members; i++)
		p->members[i] = member_of(i, small[_i].weights[i]);
	build(p);
	for (uint32_t i = 0; i < 10; i++) {
		uint16_t expected = small[_i].turns[i] == N ? SL_NO_BACKEND
		                                            : (uint16_t)(small[_i].turns[i] + 7);
		uint16_t got = sl_pick_turns_next(&p->turns, &cursor);

		ck_assert_msg(got == expected, "%s: turn %u is that of %u", small[_i].name, i,
		              got - 7);
	}
	free(p);
}
END_TEST

// A new random pool on each call, half of them small.
static void pool_random(struct pool *p, uint64_t *random, int round)
{
	uint32_t bound = round % 2 ? 20 : MAX_MEMBERS;

	p->n_members = (uint32_t)(sl_check_random(random) % bound) + 1;
	members_random(p->members, p->n_members, random);
	build(p);
}

// Each node is at most half a turn off, and what its parent is off comes on top of that by share.
#define MOST_OFF 4

START_TEST(everybody_has_its_share_of_turns_all_along)
{
	struct pool *p = calloc(1, sizeof(*p));
	uint64_t seed = sl_check_seed(), random = seed;

	ck_assert_ptr_nonnull(p);
	for (int round = 0; round < 60; round++) {
		uint32_t had[MAX_MEMBERS] = {0}, cursor = sl_pick_turns_start((uint32_t)round % 4);
		double total;

		pool_random(p, &random, round);
		total = (double)total_weight(p->members, p->n_members);
		for (uint32_t i = 0; i < 20000; i++) {
			uint32_t m = sl_pick_turns_next(&p->turns, &cursor) - 7u;
			double exact;

			ck_assert_msg(m < p->n_members && p->members[m].weight_milli != 0,
			              "turn %u is %u's, seed %lu", i, m, seed);
			exact = p->members[m].weight_milli * (i + 1.0) / total;
			had[m]++;
			// Looked at when it comes: then it is at most ahead; just before, behind.
			ck_assert_msg(had[m] - exact < MOST_OFF && exact - (had[m] - 1) < MOST_OFF,
			              "member %u had %u of %f, seed %lu", m, had[m], exact, seed);
		}
	}
	free(p);
}
END_TEST

START_TEST(equals_take_turns_whatever_their_number)
{
	struct pool *p = calloc(1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	for (p->n_members = 1; p->n_members <= MAX_MEMBERS; p->n_members++) {
		uint32_t had[MAX_MEMBERS] = {0}, cursor = 0;

		p->members[p->n_members - 1] = member_of(p->n_members - 1, 1000);
		build(p);
		for (uint32_t i = 0; i < 3 * p->n_members; i++) {
			uint32_t m = sl_pick_turns_next(&p->turns, &cursor) - 7u;

			ck_assert_msg(had[m]++ == i / p->n_members, "turn %u of %u members", i,
			              p->n_members);
		}
	}
	free(p);
}
END_TEST

START_TEST(nobody_with_less_than_an_eighth_comes_three_times_running)
{
	struct pool *p = calloc(1, sizeof(*p));
	uint64_t seed = sl_check_seed(), random = seed;

	ck_assert_ptr_nonnull(p);
	for (int round = 0; round < 60; round++) {
		uint32_t cursor = 0, last = UINT32_MAX, before = UINT32_MAX;
		uint64_t total;

		pool_random(p, &random, round);
		total = total_weight(p->members, p->n_members);
		for (uint32_t i = 0; i < 20000; i++) {
			uint32_t m = sl_pick_turns_next(&p->turns, &cursor) - 7u;

			ck_assert_msg(8 * (uint64_t)p->members[m].weight_milli >= total ||
			                      last != m || before != m,
			              "turn %u, seed %lu", i, seed);
			before = last;
			last = m;
		}
	}
	free(p);
}
END_TEST

// The least share there is: 1 of 16,384 times the largest weight.
START_TEST(the_least_weight_has_its_turn_too)
{
	enum { MEMBERS = 2 };
	struct sl_pick_member members[MEMBERS] = {member_of(0, 1),
	                                          member_of(1, SL_WEIGHT_MAX_MILLI)};
	uint32_t lefts[MEMBERS], cursor = 0, n = 0;
	uint16_t leaves[MEMBERS];
	uint64_t sums[2 * MEMBERS];
	struct sl_pick_turns turns = {lefts, leaves,
	                              sl_pick_turns_build(lefts, leaves, sums, members, MEMBERS)};

	for (uint32_t i = 0; i < 3 * (SL_WEIGHT_MAX_MILLI + 1); i++)
		n += sl_pick_turns_next(&turns, &cursor) == 7;
	ck_assert_uint_ge(n, 2);
	ck_assert_uint_le(n, 4);
}
END_TEST

// Shares hold over a cursor that comes round.
START_TEST(a_cursor_that_wraps_goes_on)
{
	struct sl_pick_member members[3] = {member_of(0, 500), member_of(1, 300),
	                                    member_of(2, 200)};
	uint32_t lefts[3], had[3] = {0}, cursor = UINT32_MAX - 499;
	uint16_t leaves[3];
	uint64_t sums[6];
	struct sl_pick_turns turns = {lefts, leaves,
	                              sl_pick_turns_build(lefts, leaves, sums, members, 3)};

	for (uint32_t i = 0; i < 1000; i++)
		had[sl_pick_turns_next(&turns, &cursor) - 7]++;
	ck_assert_uint_eq(cursor, 500);
	for (uint32_t m = 0; m < 3; m++) {
		ck_assert_uint_ge(had[m] + 4, members[m].weight_milli);
		ck_assert_uint_le(had[m], members[m].weight_milli + 4);
	}
}
END_TEST

START_TEST(workers_start_apart)
{
	static const struct {
		uint32_t n_members, n_workers, n_met;
	} rows[] = {{2, 2, 2},  {3, 2, 2},    {4, 4, 4},   {8, 4, 4},
	            {10, 8, 7}, {16, 16, 11}, {64, 16, 16}};
	struct pool *p = calloc(1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		bool is_met[64] = {false};
		uint32_t n_met = 0;

		p->n_members = rows[r].n_members;
		for (uint32_t i = 0; i < p->n_members; i++)
			p->members[i] = member_of(i, 1000);
		build(p);
		for (uint32_t w = 0; w < rows[r].n_workers; w++) {
			uint32_t cursor = sl_pick_turns_start(w);
			uint32_t m = sl_pick_turns_next(&p->turns, &cursor) - 7u;

			n_met += !is_met[m];
			is_met[m] = true;
		}
		ck_assert_msg(n_met >= rows[r].n_met, "%u workers meet %u of %u", rows[r].n_workers,
		              n_met, p->n_members);
	}
	free(p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pick_turns");
	TCase *tc = tcase_create("turns");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_loop_test(tc, the_turns_of_a_small_pool_are_as_expected, 0,
	                    sizeof(small) / sizeof(small[0]));
	tcase_add_test(tc, everybody_has_its_share_of_turns_all_along);
	tcase_add_test(tc, equals_take_turns_whatever_their_number);
	tcase_add_test(tc, nobody_with_less_than_an_eighth_comes_three_times_running);
	tcase_add_test(tc, the_least_weight_has_its_turn_too);
	tcase_add_test(tc, a_cursor_that_wraps_goes_on);
	tcase_add_test(tc, workers_start_apart);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
