// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "sl_check.h"

#include "steer.h"

#define N     8
#define START (1000 * SL_NS_PER_S)
#define CLOSE 1e-6

struct pool {
	struct sl_steer steer;
	struct sl_steer_seen seen[N]; // each tick
	bool takes[N];
	uint64_t now_ns;
};

static void setup(struct pool *p)
{
	*p = (struct pool){.now_ns = START};
	ck_assert_int_eq(sl_steer_init(&p->steer, N), 0);
	for (size_t i = 0; i < N; i++) {
		p->seen[i] = (struct sl_steer_seen){.n_ttft = 4,
		                                    .n_tokens = 40,
		                                    .n_ended = 4,
		                                    .n_connected = 4,
		                                    .ttft_sum_us = 4 * 1e5,
		                                    .tpot_sum_us = 40 * 2e4};
		p->takes[i] = true;
	}
}

static bool tick(struct pool *p, uint64_t ms)
{
	const bool has_new = sl_steer_tick(&p->steer, p->seen, p->takes, p->now_ns);

	p->now_ns += ms * SL_NS_PER_MS;
	return has_new;
}

static void run(struct pool *p, uint64_t seconds)
{
	for (uint64_t i = 0; i < 4 * seconds; i++)
		tick(p, 250);
}

static void make_slow(struct sl_steer_seen *seen, double times)
{
	seen->ttft_sum_us *= times;
	seen->tpot_sum_us *= times;
}

START_TEST(factors_are_one_before_anything_is_seen)
{
	struct pool p;

	setup(&p);
	for (size_t i = 0; i < N; i++)
		ck_assert_double_eq(p.steer.factors[i], 1);
	sl_steer_fini(&p.steer);
}
END_TEST

START_TEST(an_empty_pool_is_fine)
{
	struct sl_steer steer;

	ck_assert_int_eq(sl_steer_init(&steer, 0), 0);
	ck_assert(sl_steer_tick(&steer, NULL, NULL, START));
	sl_steer_fini(&steer);
}
END_TEST

START_TEST(factors_are_new_four_times_a_second_however_often_it_is_called)
{
	struct pool p;
	int n_new = 0, n_moved = 0;
	double u;

	setup(&p);
	make_slow(&p.seen[0], 3);
	run(&p, 2); // until they are known
	u = p.steer.palc[0].u;
	for (int ms = 0; ms < 10000; ms += 10) {
		n_new += tick(&p, 10);
		n_moved += p.steer.palc[0].u != u;
		u = p.steer.palc[0].u;
	}
	ck_assert_int_eq(n_new, 40);
	ck_assert_int_eq(n_moved, 10);
	sl_steer_fini(&p.steer);
}
END_TEST

START_TEST(what_was_seen_between_steps_adds_up_to_means)
{
	struct pool p;

	setup(&p);
	p.seen[0] = (struct sl_steer_seen){
		.n_ttft = 10, .ttft_sum_us = 10 * 3e5, .n_tokens = 1, .tpot_sum_us = 5e4};
	tick(&p, 10); // the first step takes it all
	ck_assert_double_eq_tol(p.steer.palc[0].ttft_us, 3e5, CLOSE);
	for (int i = 0; i < 99; i++) { // 990 ms: no step of the controller yet
		const double ttft_us = i % 2 != 0 ? 2e5 : 4e5;

		p.seen[0] = (struct sl_steer_seen){
			.n_ttft = 1, .ttft_sum_us = ttft_us, .n_tokens = 2, .tpot_sum_us = 2e5};
		tick(&p, 10);
	}
	ck_assert_double_eq_tol(p.steer.palc[0].ttft_us, 3e5, CLOSE);
	p.seen[0] = (struct sl_steer_seen){
		.n_ttft = 1, .ttft_sum_us = 2e5, .n_tokens = 1, .tpot_sum_us = 1e5};
	tick(&p, 10);
	// 100 samples whose mean is 3e5; 199 of 1e5 after one of 5e4.
	ck_assert_double_eq_tol(p.steer.palc[0].ttft_us, 3e5, CLOSE);
	ck_assert_double_eq_tol(p.steer.palc[0].tpot_us, 1e5 - 5e4 * exp(-1.0 / 3), CLOSE);
	ck_assert_double_eq_tol(p.steer.palc[0].n_recent, 10 * exp(-0.1) + 100, CLOSE);
	sl_steer_fini(&p.steer);
}
END_TEST

START_TEST(the_longest_wait_is_the_latest_told_and_no_sum)
{
	struct pool p;

	setup(&p);
	p.seen[0].oldest_us = 700000;
	run(&p, 2);
	ck_assert_uint_eq(p.steer.palc_seen[0].oldest_us, 700000);
	ck_assert_uint_eq(p.steer.guard_seen[0].oldest_us, 700000);
	sl_steer_fini(&p.steer);
}
END_TEST

START_TEST(a_slow_backend_gets_less_and_the_others_more)
{
	struct pool p;

	setup(&p);
	make_slow(&p.seen[0], 1.8);
	run(&p, 30);
	ck_assert_double_lt(p.steer.factors[0], 0.6);
	ck_assert_double_gt(p.steer.factors[1], 1);
	ck_assert_double_eq_tol(p.steer.factors[0], sl_palc_factor(&p.steer.palc[0]), CLOSE);
	sl_steer_fini(&p.steer);
}
END_TEST

static void fail_fast(struct sl_steer_seen *seen)
{
	*seen = (struct sl_steer_seen){.n_ended = 10, .n_fleeting = 10, .n_connected = 10};
}

START_TEST(the_guards_factor_is_on_top)
{
	struct pool p;

	setup(&p);
	make_slow(&p.seen[0], 1.8);
	run(&p, 20);
	fail_fast(&p.seen[0]);
	run(&p, 2);
	ck_assert_double_eq(p.steer.factors[0], 0);
	p.seen[0] = (struct sl_steer_seen){0};
	for (int i = 0; i < 200 && p.steer.guard[0].state == SL_GUARD_EJECTED; i++)
		tick(&p, 250);
	ck_assert_double_gt(p.steer.factors[0], 0);
	ck_assert_double_eq_tol(p.steer.factors[0], sl_palc_factor(&p.steer.palc[0]) / 64, CLOSE);
	sl_steer_fini(&p.steer);
}
END_TEST

START_TEST(without_guards_they_judge_and_eject_nobody)
{
	struct pool p;

	setup(&p);
	p.steer.has_guards = false;
	fail_fast(&p.seen[0]);
	run(&p, 2);
	ck_assert_uint_eq(p.steer.guard[0].state, SL_GUARD_EJECTED);
	ck_assert_double_gt(p.steer.factors[0], 0.9);
	sl_steer_fini(&p.steer);
}
END_TEST

// An ejection that is not carried out must not take the weight off the controller either.
START_TEST(without_guards_the_controller_still_slows_an_outlier)
{
	struct pool p;

	setup(&p);
	p.steer.has_guards = false;
	make_slow(&p.seen[0], 9);
	run(&p, 25);
	ck_assert_uint_eq(p.steer.guard[0].state, SL_GUARD_EJECTED);
	ck_assert_double_lt(p.steer.factors[0], 0.5);
	sl_steer_fini(&p.steer);
}
END_TEST

START_TEST(who_is_ejected_is_out_of_the_medians)
{
	struct pool p;

	setup(&p);
	for (size_t i = 2; i < N; i++)
		p.takes[i] = false;
	make_slow(&p.seen[1], 1.5);
	p.seen[0].n_ended = p.seen[0].n_fleeting = 10; // and is well known
	run(&p, 4);
	ck_assert_double_gt(p.steer.palc[0].latency_us, 0);
	ck_assert_uint_eq(p.steer.guard[0].state, SL_GUARD_EJECTED);
	ck_assert_double_eq(p.steer.palc_pool.median_us, 0); // the other has nobody to compare with
	sl_steer_fini(&p.steer);
}
END_TEST

START_TEST(who_comes_back_is_judged_by_what_it_does_then)
{
	struct pool p;

	setup(&p);
	make_slow(&p.seen[0], 9);
	p.steer.palc[0].n_recent = 1e9; // very well known
	for (int i = 0; i < 80 && p.steer.guard[0].state != SL_GUARD_EJECTED; i++)
		tick(&p, 250);
	p.seen[0] = (struct sl_steer_seen){0};
	for (int i = 0; i < 200 && p.steer.guard[0].state == SL_GUARD_EJECTED; i++)
		tick(&p, 250);
	ck_assert_uint_eq(p.steer.guard[0].state, SL_GUARD_HALF_OPEN);
	ck_assert_double_eq(p.steer.palc[0].ttft_us, 0);
	p.seen[0] = p.seen[1];
	run(&p, 30);
	ck_assert_uint_eq(p.steer.guard[0].state, SL_GUARD_CLOSED);
	sl_steer_fini(&p.steer);
}
END_TEST

START_TEST(a_degraded_pool_freezes_the_controller)
{
	struct pool p;

	setup(&p);
	run(&p, 80);
	for (size_t i = 0; i < N; i++)
		make_slow(&p.seen[i], 4);
	run(&p, 40);
	ck_assert(p.steer.guard_pool.is_degraded && p.steer.palc_pool.is_frozen);
	sl_steer_fini(&p.steer);
}
END_TEST

START_TEST(the_objective_is_the_pools)
{
	struct pool p;

	setup(&p);
	p.steer.slo_ttft_us = 99999;
	run(&p, 2);
	ck_assert(p.steer.palc_pool.is_frozen);
	p.steer.slo_ttft_us = 100001;
	run(&p, 2);
	ck_assert(!p.steer.palc_pool.is_frozen);
	sl_steer_fini(&p.steer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("steer");
	TCase *tc = tcase_create("steer");

	tcase_add_test(tc, factors_are_one_before_anything_is_seen);
	tcase_add_test(tc, an_empty_pool_is_fine);
	tcase_add_test(tc, factors_are_new_four_times_a_second_however_often_it_is_called);
	tcase_add_test(tc, what_was_seen_between_steps_adds_up_to_means);
	tcase_add_test(tc, the_longest_wait_is_the_latest_told_and_no_sum);
	tcase_add_test(tc, a_slow_backend_gets_less_and_the_others_more);
	tcase_add_test(tc, the_guards_factor_is_on_top);
	tcase_add_test(tc, without_guards_they_judge_and_eject_nobody);
	tcase_add_test(tc, without_guards_the_controller_still_slows_an_outlier);
	tcase_add_test(tc, who_is_ejected_is_out_of_the_medians);
	tcase_add_test(tc, who_comes_back_is_judged_by_what_it_does_then);
	tcase_add_test(tc, a_degraded_pool_freezes_the_controller);
	tcase_add_test(tc, the_objective_is_the_pools);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
