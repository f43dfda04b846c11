// SPDX-License-Identifier: Apache-2.0
#include "pick_fixture.h"

#define N_BACKENDS 400

struct pool {
	uint16_t backends[N_BACKENDS];
	uint32_t inverse_weights[N_BACKENDS];
	uint32_t weights_milli[N_BACKENDS];
	uint32_t own[N_BACKENDS], others[N_BACKENDS]; // by backend index
	struct sl_pick_least least;
	struct sl_pick_load load;
	uint32_t cursor;
	bool is_limited;
};

// Member i is backend n - 1 - i, so that mixing up the two is seen.
static void pool_init(struct pool *p, uint32_t n, uint32_t weight_milli)
{
	memset(p, 0, sizeof(*p));
	for (uint32_t i = 0; i < n; i++) {
		p->backends[i] = (uint16_t)(n - 1 - i);
		p->weights_milli[i] = weight_milli;
		p->inverse_weights[i] = sl_pick_inverse_weight(weight_milli);
	}
	p->least = (struct sl_pick_least){p->backends, p->inverse_weights, n, 0};
	p->load = (struct sl_pick_load){p->own, p->others};
}

static void set_weight(struct pool *p, uint32_t member, uint32_t weight_milli)
{
	p->weights_milli[member] = weight_milli;
	p->inverse_weights[member] = sl_pick_inverse_weight(weight_milli);
}

static uint16_t next(struct pool *p)
{
	return sl_pick_least_next(&p->least, &p->load, &p->cursor, &p->is_limited);
}

START_TEST(the_inverse_of_a_weight_is_rounded_and_fits)
{
	static const struct {
		uint32_t weight_milli, inverse;
	} rows[] = {{0, 0},          {1, UINT32_MAX}, {2, UINT32_C(1) << 31}, {3, 1431655765},
	            {1000, 4294967}, {4000000, 1074}, {UINT32_MAX, 1}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_uint_eq(sl_pick_inverse_weight(rows[i].weight_milli), rows[i].inverse);
}
END_TEST

static uint64_t exact_score(const struct pool *p, uint32_t member)
{
	uint16_t b = p->backends[member];

	return ((uint64_t)p->own[b] + p->others[b] + 1) * p->inverse_weights[member];
}

START_TEST(up_to_128_members_the_pick_is_the_minimum)
{
	uint64_t seed = sl_check_seed(), random = seed;

	for (int round = 0; round < 2000; round++) {
		uint32_t n = (uint32_t)(sl_check_random(&random) % SL_PICK_SCAN_MAX) + 1;
		uint64_t best = UINT64_MAX;
		struct pool p;
		uint16_t got;

		pool_init(&p, n, 0);
		for (uint32_t i = 0; i < n; i++) {
			set_weight(&p, i, (uint32_t)(sl_check_random(&random) % 4000) * (i % 5));
			p.own[i] = (uint32_t)(sl_check_random(&random) % 300);
			p.others[i] = (uint32_t)(sl_check_random(&random) % 300);
		}
		for (uint32_t i = 0; i < n; i++) {
			if (p.weights_milli[i] != 0 && exact_score(&p, i) < best)
				best = exact_score(&p, i);
		}
		p.cursor = (uint32_t)sl_check_random(&random);
		got = next(&p);
		ck_assert_msg((got == SL_NO_BACKEND) == (best == UINT64_MAX), "seed %lu", seed);
		ck_assert_msg(got == SL_NO_BACKEND || (p.weights_milli[n - 1u - got] != 0 &&
		                                       exact_score(&p, n - 1u - got) == best),
		              "seed %lu", seed);
	}
}
END_TEST

START_TEST(equals_take_turns)
{
	struct pool p;

	pool_init(&p, 10, 1000);
	set_weight(&p, 4, 0);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 10; i++) {
			if (i != 4)
				ck_assert_uint_eq(next(&p), 9 - i);
		}
	}
}
END_TEST

START_TEST(long_flows_settle_by_weight)
{
	struct pool p;

	pool_init(&p, 4, 1000);
	set_weight(&p, 2, 3000);
	for (uint32_t i = 0; i < 600; i++)
		p.own[next(&p)]++;
	ck_assert_uint_le(abs((int)p.own[p.backends[2]] - 300), 2);
	ck_assert_uint_le(abs((int)p.own[p.backends[0]] - 100), 2);
}
END_TEST

// dpvs lost its way here: load times weight wrapped in 32 bits and the busiest backend won.
static const struct {
	const char *name;
	uint32_t flows[2], weights_milli[2];
	uint16_t backend;
} large[] = {
	{"200,000 flows at weight 100", {200000, 199999}, {100000, 100000}, 1},
	{"heavy weights", {3000000, 1}, {4000000, 4000000}, 1},
	{"the smallest weights", {4000000000u, 1}, {1, 1}, 1},
	{"all bits of both counts", {UINT32_MAX, UINT32_MAX - 1}, {1, 1}, 1},
	{"one flow at weight 1 against many at a high one", {1, 3000000}, {1, 4000000}, 1},
};

START_TEST(large_counts_do_not_wrap)
{
	struct pool p;

	pool_init(&p, 2, 1000);
	for (uint32_t b = 0; b < 2; b++) {
		p.own[b] = large[_i].flows[b] / 2;
		p.others[b] = large[_i].flows[b] - p.own[b];
		set_weight(&p, 1 - b, large[_i].weights_milli[b]);
	}
	ck_assert_msg(next(&p) == large[_i].backend, "%s", large[_i].name);
}
END_TEST

// The sums 2^32 and 2^32 + 1: the first makes a product of exactly 2^64 - 1, the second more.
START_TEST(counts_that_sum_beyond_32_bits_are_still_the_busier)
{
	struct pool p;

	pool_init(&p, 2, 1);
	p.own[1] = (UINT32_C(1) << 31) + (uint32_t)_i;
	p.others[1] = UINT32_C(1) << 31;
	p.own[0] = 1000000;
	ck_assert_uint_eq(next(&p), 0);
	ck_assert_uint_eq(next(&p), 0);
	// Alone it is eligible all the same. Member 1 is backend 0.
	set_weight(&p, 1, 0);
	ck_assert_uint_eq(next(&p), 1);
}
END_TEST

enum { SMALL = 8, BIG = 300 };

// The limit holds own and others' flows together, for the scan and for two choices.
START_TEST(a_backend_at_its_limit_takes_no_flow)
{
	uint32_t n = _i ? BIG : SMALL;
	struct pool p;

	pool_init(&p, n, 1000);
	p.least.limit_flows = 3;
	for (uint32_t i = 0; i < n; i++)
		p.others[i] = 1;
	for (uint32_t i = 0; i < 2 * n; i++) {
		uint16_t b = next(&p);

		ck_assert_uint_ne(b, SL_NO_BACKEND);
		ck_assert(!p.is_limited);
		ck_assert_uint_lt(p.own[b] + p.others[b], 3);
		p.own[b]++;
	}
	ck_assert_uint_eq(next(&p), SL_NO_BACKEND);
	ck_assert(p.is_limited);
}
END_TEST

START_TEST(without_weight_nobody_is_picked_and_no_limit_is_blamed)
{
	struct pool p;

	pool_init(&p, _i ? BIG : SMALL, 0);
	p.least.limit_flows = 1;
	p.own[3] = 5;
	p.is_limited = true;
	ck_assert_uint_eq(next(&p), SL_NO_BACKEND);
	ck_assert(!p.is_limited);
}
END_TEST

START_TEST(no_member_at_all_is_no_backend)
{
	struct pool p;

	pool_init(&p, 0, 0);
	ck_assert_uint_eq(next(&p), SL_NO_BACKEND);
	ck_assert(!p.is_limited);
}
END_TEST

START_TEST(two_choices_find_the_only_one_that_may)
{
	struct pool p;

	pool_init(&p, BIG, 0);
	set_weight(&p, 123, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(next(&p), BIG - 1 - 123);
}
END_TEST

START_TEST(two_choices_pick_only_whom_they_may_and_level_the_load)
{
	struct pool p;
	uint32_t most = 0, least = UINT32_MAX;

	pool_init(&p, BIG, 1000);
	for (uint32_t i = 0; i < BIG; i += 3)
		set_weight(&p, i, 0);
	for (uint32_t i = 0; i < 200 * 50; i++) {
		uint16_t b = next(&p);

		ck_assert_uint_ne(p.weights_milli[BIG - 1 - b], 0);
		p.own[b]++;
	}
	for (uint32_t i = 0; i < BIG; i++) {
		uint32_t n = p.own[p.backends[i]];

		if (i % 3 == 0)
			continue;
		most = n > most ? n : most;
		least = n < least ? n : least;
	}
	// 50 on average; one random choice alone would spread some +-20.
	ck_assert_msg(most <= 56 && least >= 40, "%u..%u", least, most);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pick_least");
	TCase *tc = tcase_create("least");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_test(tc, the_inverse_of_a_weight_is_rounded_and_fits);
	tcase_add_test(tc, up_to_128_members_the_pick_is_the_minimum);
	tcase_add_test(tc, equals_take_turns);
	tcase_add_test(tc, long_flows_settle_by_weight);
	tcase_add_loop_test(tc, large_counts_do_not_wrap, 0, sizeof(large) / sizeof(large[0]));
	tcase_add_loop_test(tc, counts_that_sum_beyond_32_bits_are_still_the_busier, 0, 2);
	tcase_add_loop_test(tc, a_backend_at_its_limit_takes_no_flow, 0, 2);
	tcase_add_loop_test(tc, without_weight_nobody_is_picked_and_no_limit_is_blamed, 0, 2);
	tcase_add_test(tc, no_member_at_all_is_no_backend);
	tcase_add_test(tc, two_choices_find_the_only_one_that_may);
	tcase_add_test(tc, two_choices_pick_only_whom_they_may_and_level_the_load);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
