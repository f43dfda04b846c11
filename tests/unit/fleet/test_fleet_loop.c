// SPDX-License-Identifier: Apache-2.0
// The fleet in a closed loop with a plant: four servers whose latency rises with the share they
// get, probed twice a second, in virtual time.
#include "sl_check.h"

#include "fleet_model.h"

#define N          4
#define TICK_MS    100
#define PROBE_MS   500
#define FAIR_SHARE (1.0 / N)

struct loop {
	struct fleet_model m;
	struct sl_fleet *fleet;
	uint64_t now_ms, seed, random;
	double slow[N];
	bool is_dead[N], is_mute[N];
	double shares[N]; // published
	uint32_t n_published;
};

static void loop_init(struct loop *l)
{
	*l = (struct loop){.now_ms = 1000, .seed = sl_check_seed()};
	l->random = l->seed;
	fleet_model_init(&l->m, N, 1);
	l->fleet = sl_fleet_new();
	ck_assert_int_eq(sl_fleet_sync(l->fleet, &l->m.model, l->now_ms * SL_NS_PER_MS), 0);
	for (int i = 0; i < N; i++) {
		l->slow[i] = 1.0;
		l->shares[i] = FAIR_SHARE;
	}
}

static void loop_publish(struct loop *l)
{
	const uint32_t *weights = sl_fleet_take_weights(l->fleet);
	double sum = 0;

	for (int i = 0; i < N; i++)
		sum += weights[i];
	ck_assert_msg(sum > 0, "a pool without any weight, seed %lu", l->seed);
	for (int i = 0; i < N; i++)
		l->shares[i] = weights[i] / sum;
	l->n_published++;
}

// Half of the latency is work, half waiting in proportion to the share; noise of +-15 %.
static void loop_probe(struct loop *l, uint32_t i)
{
	double noise = 0.85 + 0.3 * (double)(sl_check_random(&l->random) % 10001) / 10000.0;
	double latency_us = 20000 * l->slow[i] * (0.5 + 0.5 * l->shares[i] / FAIR_SHARE) * noise;

	if (l->is_mute[i])
		return;
	if (l->is_dead[i])
		fleet_feed(l->fleet, i, 0, SL_PROBE_REFUSED, 0, l->now_ms * SL_NS_PER_MS);
	else
		fleet_feed(l->fleet, i, 0, SL_PROBE_OK, (uint32_t)latency_us,
		           l->now_ms * SL_NS_PER_MS);
}

static void loop_step(struct loop *l)
{
	l->now_ms += TICK_MS;
	for (uint32_t i = 0; i < N; i++)
		if ((l->now_ms + i * PROBE_MS / N) / TICK_MS % (PROBE_MS / TICK_MS) == 0)
			loop_probe(l, i);
	if (sl_fleet_tick(l->fleet, l->now_ms * SL_NS_PER_MS))
		loop_publish(l);
}

static void loop_run(struct loop *l, double seconds)
{
	for (int i = 0; i < (int)(seconds * 1000 / TICK_MS); i++)
		loop_step(l);
}

START_TEST(a_slow_server_loses_half_its_share_in_6_s_and_recovers_in_15_s)
{
	struct loop l;

	loop_init(&l);
	loop_run(&l, 10);
	l.slow[1] = 5.0;
	loop_run(&l, 6);
	ck_assert_msg(l.shares[1] < FAIR_SHARE / 2, "share %f, seed %lu", l.shares[1], l.seed);
	loop_run(&l, 20);
	ck_assert_msg(l.shares[1] < FAIR_SHARE / 2, "stays low: %f, seed %lu", l.shares[1], l.seed);
	l.slow[1] = 1.0;
	loop_run(&l, 15);
	ck_assert_msg(l.shares[1] > FAIR_SHARE * 0.85, "share %f, seed %lu", l.shares[1], l.seed);
	sl_fleet_free(l.fleet);
}
END_TEST

START_TEST(shares_stay_within_10_percent_in_steady_state)
{
	struct loop l;

	loop_init(&l);
	loop_run(&l, 10);
	for (int i = 0; i < 3000; i++) {
		loop_step(&l);
		for (int b = 0; b < N; b++)
			ck_assert_msg(l.shares[b] > FAIR_SHARE * 0.9 &&
			                      l.shares[b] < FAIR_SHARE * 1.1,
			              "backend %d has %f after %d steps, seed %lu", b, l.shares[b],
			              i, l.seed);
	}
	ck_assert_msg(l.n_published < 3000 / 4, "%u publications, seed %lu", l.n_published, l.seed);
	sl_fleet_free(l.fleet);
}
END_TEST

START_TEST(a_killed_server_has_no_weight_after_fall_failures)
{
	struct loop l;

	loop_init(&l);
	loop_run(&l, 5);
	l.is_dead[2] = true;
	loop_run(&l, 3 * PROBE_MS / 1000.0);
	ck_assert_msg(l.shares[2] == 0, "share %f, seed %lu", l.shares[2], l.seed);
	ck_assert_uint_eq(fleet_view(l.fleet, 2).state, SL_BACKEND_DOWN);
	l.is_dead[2] = false;
	loop_run(&l, 1.5);
	ck_assert_msg(l.shares[2] > 0 && l.shares[2] < FAIR_SHARE / 3, "share %f, seed %lu",
	              l.shares[2], l.seed);
	loop_run(&l, 15);
	ck_assert_msg(l.shares[2] > FAIR_SHARE * 0.85, "share %f, seed %lu", l.shares[2], l.seed);
	sl_fleet_free(l.fleet);
}
END_TEST

// Dead for 4 s, alive for 4 s: each return begins at a tenth, so it never holds a fair share.
START_TEST(a_flapping_server_is_kept_small)
{
	struct loop l;

	loop_init(&l);
	loop_run(&l, 5);
	for (int round = 0; round < 10; round++) {
		l.is_dead[0] = true;
		loop_run(&l, 4);
		ck_assert_msg(l.shares[0] == 0, "share %f, seed %lu", l.shares[0], l.seed);
		l.is_dead[0] = false;
		for (int i = 0; i < 40; i++) {
			loop_step(&l);
			ck_assert_msg(l.shares[0] < FAIR_SHARE * 0.9, "share %f, seed %lu",
			              l.shares[0], l.seed);
		}
	}
	sl_fleet_free(l.fleet);
}
END_TEST

START_TEST(a_stall_of_one_probe_costs_little)
{
	struct loop l;

	loop_init(&l);
	loop_run(&l, 10);
	fleet_feed(l.fleet, 3, 0, SL_PROBE_OK, 30 * 1000 * 1000, l.now_ms * SL_NS_PER_MS);
	loop_run(&l, 0.4);
	for (int i = 0; i < 100; i++) {
		ck_assert_msg(l.shares[3] > FAIR_SHARE * 0.45, "share %f, seed %lu", l.shares[3],
		              l.seed);
		loop_step(&l);
	}
	sl_fleet_free(l.fleet);
}
END_TEST

START_TEST(stale_latency_fades_to_neutral)
{
	struct loop l;

	loop_init(&l);
	l.slow[1] = 5.0;
	loop_run(&l, 20);
	l.is_mute[1] = true;
	loop_run(&l, 4);
	ck_assert_uint_lt(fleet_view(l.fleet, 1).latency_factor_milli, 400);
	loop_run(&l, 120);
	ck_assert_uint_gt(fleet_view(l.fleet, 1).latency_factor_milli, 980);
	sl_fleet_free(l.fleet);
}
END_TEST

START_TEST(shadow_shows_the_factor_and_does_not_apply_it)
{
	struct loop l;

	loop_init(&l);
	l.m.pool.adaptive = SL_ADAPTIVE_SHADOW;
	l.slow[1] = 5.0;
	loop_run(&l, 20);
	ck_assert_uint_lt(fleet_view(l.fleet, 1).latency_factor_milli, 400);
	ck_assert_uint_eq(fleet_view(l.fleet, 1).weight_milli, 100000);
	l.m.pool.adaptive = SL_ADAPTIVE_OFF;
	loop_run(&l, 0.1);
	ck_assert_uint_eq(fleet_view(l.fleet, 1).latency_factor_milli, 1000);
	sl_fleet_free(l.fleet);
}
END_TEST

START_TEST(one_sampled_backend_alone_stays_neutral)
{
	struct loop l;

	loop_init(&l);
	l.slow[1] = 5.0;
	l.is_mute[0] = l.is_mute[2] = l.is_mute[3] = true;
	loop_run(&l, 20);
	ck_assert_uint_gt(fleet_view(l.fleet, 1).latency_us, 0);
	ck_assert_uint_eq(fleet_view(l.fleet, 1).latency_factor_milli, 1000);
	sl_fleet_free(l.fleet);
}
END_TEST

// Step limits hold for what is published, whatever the latencies do.
START_TEST(weights_never_leave_bounds_nor_jump)
{
	struct loop l;
	uint32_t before[N];

	loop_init(&l);
	for (int i = 0; i < N; i++)
		before[i] = 100000;
	for (int step = 0; step < 3000; step++) {
		if (step % 7 == 0)
			l.slow[sl_check_random(&l.random) % N] =
				(double)(sl_check_random(&l.random) % 100000) / 1000.0;
		loop_step(&l);
		for (int i = 0; i < N; i++) {
			double now = fleet_view(l.fleet, (uint32_t)i).weight_milli;

			ck_assert_msg(now >= 12500 && now <= 400000, "%f, seed %lu", now, l.seed);
			// 0.5 and 1.25 to the power of a tick; the factor has three decimals.
			ck_assert_msg(now > before[i] * 0.933 - 101 &&
			                      now < before[i] * 1.0226 + 101,
			              "%u -> %f, seed %lu", before[i], now, l.seed);
			before[i] = (uint32_t)now;
		}
	}
	sl_fleet_free(l.fleet);
}
END_TEST

START_TEST(random_deaths_never_leave_the_pool_without_weight)
{
	struct loop l;

	loop_init(&l);
	for (int step = 0; step < 5000; step++) {
		if (step % 20 == 0)
			l.is_dead[sl_check_random(&l.random) % N] ^= true;
		loop_step(&l);
	}
	ck_assert_uint_gt(l.n_published, 100);
	sl_fleet_free(l.fleet);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fleet_loop");
	TCase *tc = tcase_create("fleet_loop");

	tcase_add_test(tc, a_slow_server_loses_half_its_share_in_6_s_and_recovers_in_15_s);
	tcase_add_test(tc, shares_stay_within_10_percent_in_steady_state);
	tcase_add_test(tc, a_killed_server_has_no_weight_after_fall_failures);
	tcase_add_test(tc, a_flapping_server_is_kept_small);
	tcase_add_test(tc, a_stall_of_one_probe_costs_little);
	tcase_add_test(tc, stale_latency_fades_to_neutral);
	tcase_add_test(tc, shadow_shows_the_factor_and_does_not_apply_it);
	tcase_add_test(tc, one_sampled_backend_alone_stays_neutral);
	tcase_add_test(tc, weights_never_leave_bounds_nor_jump);
	tcase_add_test(tc, random_deaths_never_leave_the_pool_without_weight);
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
