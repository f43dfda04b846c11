// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "sl_check.h"

#include "palc.h"
#include "sluice/units.h"

#define N       5
#define ENOUGH  1000.0 // samples: known for a long time
#define CLOSE   1e-6
#define LN_LOW  (-2.0794415) // 1/8
#define LN_HIGH 1.3862944    // 4

struct pool {
	struct sl_palc_pool pool;
	struct sl_palc_member members[N];
	struct sl_palc_seen seen[N];
	bool takes[N];
};

// Everybody is known to answer after a second; nothing new is seen.
static void init(struct pool *p)
{
	*p = (struct pool){0};
	for (size_t i = 0; i < N; i++) {
		p->members[i] = (struct sl_palc_member){.ttft_us = 1e6, .n_recent = ENOUGH};
		p->takes[i] = true;
	}
}

static void tick(struct pool *p, uint64_t elapsed_ms)
{
	double scratch[N];

	sl_palc_tick(&p->pool, p->members, p->seen, p->takes, scratch, N,
	             elapsed_ms * SL_NS_PER_MS);
}

static const struct {
	const char *name;
	struct sl_palc_member member;
	struct sl_palc_seen seen;
	double latency_us;
} latency_cases[] = {
	{"first token and 150 others", {0}, {8, 50000, 8, 20000}, 50000 + 150 * 20000},
	{"first token alone", {0}, {8, 50000}, 50000},
	{"seven samples say nothing", {0}, {7, 50000, 7, 20000}, 0},
	{"seven now and two before do",
         {.ttft_us = 50000, .n_recent = 2},
         {.n_ttft = 7, .ttft_us = 50000},
         50000},
	{"duration where tokens are not seen", {0}, {.n_ended = 8, .duration_us = 7e6}, 7e6},
	{"duration counts for nothing beside tokens",
         {0},
         {.n_ttft = 8, .ttft_us = 50000, .n_ended = 8, .duration_us = 7e6},
         50000},
	{"a long wait stands for its age", {0}, {8, 50000, .oldest_us = 500001}, 500001},
	{"twice a normal wait and patience is not long",
         {0},
         {8, 50000, .oldest_us = 500000},
         50000},
	{"a wait shorter than D changes nothing",
         {0},
         {8, 50000, 8, 20000, .oldest_us = 3000000},
         3050000},
	{"a long wait needs no samples", {0}, {.oldest_us = 400001}, 400001},
	{"nothing at all is unknown", {0}, {0}, 0},
};

START_TEST(latency_is_first_token_and_a_typical_answer)
{
	struct pool p;

	init(&p);
	p.members[0] = latency_cases[_i].member;
	p.seen[0] = latency_cases[_i].seen;
	tick(&p, 1000);
	ck_assert_msg(fabs(p.members[0].latency_us - latency_cases[_i].latency_us) < 1,
	              "%s: %.1f us", latency_cases[_i].name, p.members[0].latency_us);
}
END_TEST

START_TEST(samples_are_smoothed_over_5_3_and_10_seconds)
{
	struct pool p;

	init(&p);
	p.members[0] = (struct sl_palc_member){1e6, 1e6, 1e6, ENOUGH};
	p.seen[0] = (struct sl_palc_seen){1, 2e6, 1, 2e6, 2e6, 1, 0};
	tick(&p, 1000);
	ck_assert_double_eq_tol(p.members[0].ttft_us, 2e6 - 1e6 * 0.818731, 1);
	ck_assert_double_eq_tol(p.members[0].tpot_us, 2e6 - 1e6 * 0.716531, 1);
	ck_assert_double_eq_tol(p.members[0].duration_us, 2e6 - 1e6 * 0.904837, 1);
}
END_TEST

START_TEST(a_backend_that_falls_silent_becomes_unknown)
{
	struct pool p;

	init(&p);
	p.members[0].n_recent = 20;
	for (int s = 1; s <= 10; s++) {
		tick(&p, 1000);
		ck_assert_msg((p.members[0].latency_us > 0) == (s <= 9), "second %d", s);
	}
}
END_TEST

// D of everybody else is a second: so is the median.
static const struct {
	const char *name;
	double ttft_us;
	uint64_t elapsed_ms;
	double u; // before the leak
} step_cases[] = {
	{"alike", 1e6, 1000, 0},
	{"8 % slower is alike", 1.08e6, 1000, 0},
	{"8 % faster is alike", 0.92e6, 1000, 0},
	{"half as slow again: a quarter beyond the band", 1.525e6, 1000, -0.0763663},
	{"a third faster: a quarter beyond the band", 0.65e6, 1000, 0.0763663},
	{"half the time, half the step", 1.525e6, 500, -0.0381831},
	{"down by at most a fifth", 20e6, 1000, -0.2},
	{"up by at most a tenth", 0.1e6, 1000, 0.1},
	{"half the time, half the most", 20e6, 500, -0.1},
	{"a gap is one second", 20e6, 3600000, -0.2},
	{"no time, no step", 20e6, 0, 0},
};

// Relative to a backend at the median, whose step is 0: what is taken off all cancels out.
START_TEST(a_step_follows_the_ratio_to_the_median)
{
	const uint64_t elapsed_ms = step_cases[_i].elapsed_ms;
	const double leak = elapsed_ms > 1000 ? 0.1 : 0.1 * (double)elapsed_ms / 1000;
	struct pool p;
	double moved;

	init(&p);
	p.members[0].ttft_us = step_cases[_i].ttft_us;
	tick(&p, elapsed_ms);
	moved = p.members[0].u - p.members[1].u;
	ck_assert_msg(fabs(moved - step_cases[_i].u * (1 - leak)) < CLOSE, "%s: %.7f",
	              step_cases[_i].name, moved);
}
END_TEST

static const struct {
	const char *name;
	uint32_t n_connected, n_ttft;
	double authority;
} authority_cases[] = {
	{"a connection a request", 10, 10, 1},
	{"twenty requests a connection", 1, 20, 0.05},
	{"connections whose answers are not seen", 10, 0, 1},
	{"none opened at all", 0, 10, 0},
	{"nothing happens", 0, 0, 1},
};

START_TEST(a_step_is_as_large_as_weights_place_requests)
{
	struct pool p;
	double moved;

	init(&p);
	for (size_t i = 0; i < N; i++)
		p.seen[i] = (struct sl_palc_seen){.n_ttft = authority_cases[_i].n_ttft,
		                                  .ttft_us = i == 0 ? 3e6 : 1e6,
		                                  .n_connected = authority_cases[_i].n_connected};
	p.members[0].ttft_us = 3e6;
	tick(&p, 1000);
	moved = p.members[0].u - p.members[1].u;
	ck_assert_msg(fabs(p.pool.authority - authority_cases[_i].authority) < CLOSE, "%s: %.3f",
	              authority_cases[_i].name, p.pool.authority);
	ck_assert_msg(fabs(moved + 0.2 * 0.9 * authority_cases[_i].authority) < CLOSE, "%s: %.7f",
	              authority_cases[_i].name, moved);
}
END_TEST

START_TEST(what_clients_do_is_forgotten_over_30_seconds)
{
	struct pool p;

	init(&p);
	p.seen[0] = (struct sl_palc_seen){.n_ttft = 20, .ttft_us = 1e6, .n_connected = 1};
	tick(&p, 1000);
	p.seen[0] = (struct sl_palc_seen){0};
	for (int s = 0; s < 30; s++)
		tick(&p, 1000);
	ck_assert_double_eq_tol(p.pool.n_answered, 20 * exp(-1), CLOSE);
	ck_assert_double_eq_tol(p.pool.authority, 0.05, CLOSE);
}
END_TEST

START_TEST(small_latencies_are_alike_whatever_their_ratio)
{
	struct pool p;

	init(&p);
	for (size_t i = 0; i < N; i++)
		p.members[i].ttft_us = i == 0 ? 5000 : 1000;
	tick(&p, 1000);
	ck_assert_double_eq_tol(p.members[0].u, 0, CLOSE);
}
END_TEST

static const struct {
	const char *name;
	double slo_ttft_us;
	bool must_freeze, is_frozen;
} freeze_cases[] = {
	{"no objective", 0, false, false},
	{"median within the objective", 1e6, false, false},
	{"median above the objective", 999999, false, true},
	{"told to", 0, true, true},
};

START_TEST(a_pool_above_its_objective_moves_nobody)
{
	struct pool p;

	init(&p);
	p.pool.slo_ttft_us = freeze_cases[_i].slo_ttft_us;
	p.pool.must_freeze = freeze_cases[_i].must_freeze;
	p.members[0].ttft_us = 20e6;
	tick(&p, 1000);
	ck_assert_msg(p.pool.is_frozen == freeze_cases[_i].is_frozen, "%s", freeze_cases[_i].name);
	ck_assert_msg((p.members[0].u == 0) == freeze_cases[_i].is_frozen, "%s: u %.7f",
	              freeze_cases[_i].name, p.members[0].u);
}
END_TEST

START_TEST(a_frozen_pool_leaks)
{
	struct pool p;

	init(&p);
	p.pool.must_freeze = true;
	p.members[0].u = 1;
	p.members[1].u = -1;
	tick(&p, 1000);
	ck_assert_double_eq_tol(p.members[0].u, 0.9, CLOSE);
	ck_assert_double_eq_tol(p.members[1].u, -0.9, CLOSE);
}
END_TEST

START_TEST(an_unknown_backend_only_leaks)
{
	struct pool p;

	init(&p);
	p.members[0] = (struct sl_palc_member){.ttft_us = 20e6, .n_recent = 7, .u = 1};
	p.members[1].u = -1;
	tick(&p, 500);
	ck_assert_double_eq_tol(p.members[0].u, 0.95, CLOSE);
	ck_assert_double_eq_tol(p.members[1].u, -0.95, CLOSE);
}
END_TEST

static const struct {
	const char *name;
	size_t n_known;
	double ttft_us[N];
	double median_us; // 0: nothing to compare with
} median_cases[] = {
	{"nobody is known", 0, {0}, 0},
	{"one has nobody to compare with", 1, {9e6}, 0},
	{"two: the middle", 2, {1e6, 3e6}, 2e6},
	{"three, in any order", 3, {9e6, 1e6, 2e6}, 2e6},
	{"four: between the middle ones", 4, {4e6, 1e6, 100e6, 2e6}, 3e6},
};

START_TEST(the_median_is_of_those_known)
{
	struct pool p;

	init(&p);
	memset(p.members, 0, sizeof(p.members));
	for (size_t i = 0; i < median_cases[_i].n_known; i++)
		p.members[i] = (struct sl_palc_member){.ttft_us = median_cases[_i].ttft_us[i],
		                                       .n_recent = ENOUGH};
	tick(&p, 1000);
	ck_assert_msg(fabs(p.pool.median_us - median_cases[_i].median_us) < 1, "%s: %.1f",
	              median_cases[_i].name, p.pool.median_us);
	if (median_cases[_i].median_us == 0)
		ck_assert_double_eq(p.members[0].u, 0);
}
END_TEST

START_TEST(who_takes_no_flows_is_left_out_and_forgets)
{
	struct pool p;

	init(&p);
	p.takes[0] = p.takes[1] = p.takes[2] = false;
	p.members[0].ttft_us = p.members[1].ttft_us = p.members[2].ttft_us = 50e6;
	p.members[0].u = -2;
	tick(&p, 1000);
	ck_assert_double_eq_tol(p.pool.median_us, 1e6, 1);
	ck_assert_double_eq_tol(p.members[0].u, -1.8, CLOSE);
	ck_assert_double_eq_tol(p.members[3].u, 0, CLOSE);
}
END_TEST

START_TEST(factors_have_mean_one_of_logarithms)
{
	struct pool p;
	double sum = 0;

	init(&p);
	p.members[0].ttft_us = 20e6;
	p.members[1].ttft_us = 0.1e6;
	for (int s = 0; s < 30; s++)
		tick(&p, 1000);
	for (size_t i = 0; i < N; i++)
		sum += p.members[i].u;
	ck_assert_double_eq_tol(sum, 0, CLOSE);
	ck_assert(sl_palc_factor(&p.members[0]) < 0.5 && sl_palc_factor(&p.members[1]) > 1.5);
}
END_TEST

START_TEST(factors_stay_within_an_eighth_and_four)
{
	struct pool p;

	init(&p);
	p.members[0].u = -50;
	p.members[1].u = 50;
	tick(&p, 1000);
	ck_assert_double_eq_tol(sl_palc_factor(&p.members[0]), 0.125, CLOSE);
	ck_assert_double_eq_tol(sl_palc_factor(&p.members[1]), 4, CLOSE);
}
END_TEST

START_TEST(a_slow_backend_recovers_once_it_is_fast_again)
{
	struct pool p;

	init(&p);
	for (size_t i = 0; i < N; i++)
		p.seen[i] = (struct sl_palc_seen){
			.n_ttft = 8, .ttft_us = i == 0 ? 6e6 : 1e6, .n_connected = 8};
	for (int s = 0; s < 60; s++)
		tick(&p, 1000);
	ck_assert_double_lt(sl_palc_factor(&p.members[0]), 0.25);
	p.seen[0].ttft_us = 1e6;
	for (int s = 0; s < 60; s++)
		tick(&p, 1000);
	ck_assert_double_gt(sl_palc_factor(&p.members[0]), 0.98);
}
END_TEST

static void randomize(struct pool *p, uint64_t *random)
{
	for (size_t i = 0; i < N; i++) {
		const uint64_t r = sl_check_random(random);

		p->seen[i] = (struct sl_palc_seen){
			.n_ttft = r % 50,
			.ttft_us = (double)(sl_check_random(random) >> (r % 40 + 24)),
			.n_tokens = r >> 32 & 63,
			.tpot_us = (double)(sl_check_random(random) >> 44),
			.n_ended = r >> 40 & 7,
			.duration_us = (double)(sl_check_random(random) >> 36),
			.oldest_us = (uint32_t)(sl_check_random(random) >> (r % 32 + 32)),
		};
		p->takes[i] = sl_check_random(random) % 8 != 0;
	}
}

// The same backends in another order: the same weights in that order. And never out of bounds.
START_TEST(order_does_not_matter_and_bounds_hold)
{
	const uint64_t seed = sl_check_seed();
	uint64_t random = seed;
	struct pool p, turned;

	init(&p);
	init(&turned);
	for (int t = 0; t < 2000; t++) {
		randomize(&p, &random);
		for (size_t i = 0; i < N; i++) {
			turned.seen[(i + 2) % N] = p.seen[i];
			turned.takes[(i + 2) % N] = p.takes[i];
		}
		p.pool.slo_ttft_us = turned.pool.slo_ttft_us = t % 3 == 0 ? 1e6 : 0;
		tick(&p, (uint64_t)t % 1500);
		tick(&turned, (uint64_t)t % 1500);
		for (size_t i = 0; i < N; i++) {
			const double u = p.members[i].u;

			ck_assert_msg(u >= LN_LOW - CLOSE && u <= LN_HIGH + CLOSE,
			              "seed %lu tick %d: u %.7f", seed, t, u);
			ck_assert_msg(fabs(u - turned.members[(i + 2) % N].u) < CLOSE,
			              "seed %lu tick %d backend %zu", seed, t, i);
		}
	}
}
END_TEST

#define CASES(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("palc");
	TCase *tc = tcase_create("palc");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, latency_is_first_token_and_a_typical_answer, 0,
	                    CASES(latency_cases));
	tcase_add_test(tc, samples_are_smoothed_over_5_3_and_10_seconds);
	tcase_add_test(tc, a_backend_that_falls_silent_becomes_unknown);
	tcase_add_loop_test(tc, a_step_follows_the_ratio_to_the_median, 0, CASES(step_cases));
	tcase_add_loop_test(tc, a_step_is_as_large_as_weights_place_requests, 0,
	                    CASES(authority_cases));
	tcase_add_test(tc, what_clients_do_is_forgotten_over_30_seconds);
	tcase_add_test(tc, small_latencies_are_alike_whatever_their_ratio);
	tcase_add_loop_test(tc, a_pool_above_its_objective_moves_nobody, 0, CASES(freeze_cases));
	tcase_add_test(tc, a_frozen_pool_leaks);
	tcase_add_test(tc, an_unknown_backend_only_leaks);
	tcase_add_loop_test(tc, the_median_is_of_those_known, 0, CASES(median_cases));
	tcase_add_test(tc, who_takes_no_flows_is_left_out_and_forgets);
	tcase_add_test(tc, factors_have_mean_one_of_logarithms);
	tcase_add_test(tc, factors_stay_within_an_eighth_and_four);
	tcase_add_test(tc, a_slow_backend_recovers_once_it_is_fast_again);
	tcase_add_test(tc, order_does_not_matter_and_bounds_hold);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
