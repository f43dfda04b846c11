// SPDX-License-Identifier: Apache-2.0
// The goals of tools/simulate in seconds instead of an hour: short runs of a few seeds, with
// margins that are wider by what short runs vary. The same seeds give the same figures, so nothing
// here is left to chance.
#include <math.h>

#include "sl_check.h"

#include "scenarios.h"

#define N_SEEDS 3
#define SECONDS 150

// Sums over the seeds.
struct total {
	double asked, failed, ttft_p99_s, ttft_p999_s, e2e_p99_s, slo, slo_first, slow_share,
		join_p999_s, weight_swing, detected_s;
};

// Faults come at 40 s instead of hundreds, and last as long as they can.
static struct scenario shortened(const char *name)
{
	struct scenario s = *scenario_find(name);

	for (size_t i = 0; i < 2; i++) {
		struct fault *f = &s.faults[i];
		const double lasts_s = fmin(f->to_s - f->from_s, 60);

		f->from_s = 40;
		f->to_s = 40 + lasts_s;
	}
	return s;
}

static struct total run(const char *name, enum policy policy)
{
	const struct scenario scenario = shortened(name);
	struct total t = {0};

	for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
		const struct options options = {&scenario, policy, seed, SECONDS};
		struct result r;

		world_run(&options, &r);
		t.asked += (double)r.n_asked;
		t.failed += (double)r.n_failed;
		t.ttft_p99_s += r.ttft_p99_s / N_SEEDS;
		t.ttft_p999_s += r.ttft_p999_s / N_SEEDS;
		t.e2e_p99_s += r.e2e_all_p99_s / N_SEEDS;
		t.slo += r.slo / N_SEEDS;
		t.slo_first += r.slo_class[0] / N_SEEDS;
		t.slow_share += r.slow_share / N_SEEDS;
		t.join_p999_s += r.join_p999_s / N_SEEDS;
		t.weight_swing += r.weight_swing / N_SEEDS;
		t.detected_s = fmax(t.detected_s, r.detected_s);
	}
	return t;
}

static const struct {
	const char *name;
	double ttft, e2e; // of least connections', at most
} shape_cases[] = {
	{"S1", 0.75, 1.03}, {"S2", 0.75, 0.97}, {"S3", 0.70, 0.97},
	{"S4", 0.80, 1.03}, {"S5", 0.75, 1.03},
};

START_TEST(first_tokens_come_sooner_than_with_least_connections)
{
	const char *name = shape_cases[_i].name;
	const struct total ours = run(name, POLICY_ADAPTIVE);
	const struct total base = run(name, POLICY_LEAST_CONNECTIONS);

	ck_assert_msg(ours.ttft_p99_s <= shape_cases[_i].ttft * base.ttft_p99_s,
	              "%s: TTFT p99 %.3f s, least connections %.3f s", name, ours.ttft_p99_s,
	              base.ttft_p99_s);
	ck_assert_msg(ours.e2e_p99_s <= shape_cases[_i].e2e * base.e2e_p99_s,
	              "%s: E2E p99 %.2f s, least connections %.2f s", name, ours.e2e_p99_s,
	              base.e2e_p99_s);
	ck_assert_msg(ours.slo >= base.slo, "%s: within objective %.4f, least connections %.4f",
	              name, ours.slo, base.slo);
}
END_TEST

START_TEST(a_sinkhole_swallows_next_to_nothing)
{
	const struct total ours = run("S5", POLICY_ADAPTIVE);

	ck_assert_double_gt(run("S5", POLICY_PHASES).failed, 0.05 * ours.asked); // it is one
	ck_assert_msg(ours.failed <= 0.002 * ours.asked, "%.0f of %.0f lost", ours.failed,
	              ours.asked);
	ck_assert_double_ge(ours.detected_s, 0);
	ck_assert_double_le(ours.detected_s, 3);
}
END_TEST

START_TEST(a_flapping_server_costs_little)
{
	const struct total ours = run("flap", POLICY_ADAPTIVE);

	ck_assert_msg(ours.failed <= 0.003 * ours.asked, "%.0f of %.0f lost", ours.failed,
	              ours.asked);
}
END_TEST

START_TEST(a_hanging_server_is_found_in_20_seconds)
{
	const struct total ours = run("hang", POLICY_ADAPTIVE);

	ck_assert_double_ge(ours.detected_s, 0);
	ck_assert_double_le(ours.detected_s, 20); // 10, or 8 times what a first token takes
}
END_TEST

START_TEST(a_slow_server_gets_less_than_half_its_share_in_ten_seconds)
{
	const struct total ours = run("S4", POLICY_ADAPTIVE);

	ck_assert_double_le(ours.slow_share, 0.5);
	ck_assert_double_le(ours.ttft_p999_s,
	                    0.6 * run("S4", POLICY_LEAST_CONNECTIONS).ttft_p999_s);
}
END_TEST

START_TEST(a_cold_server_is_not_flooded)
{
	const struct total ours = run("join", POLICY_ADAPTIVE);

	ck_assert_double_gt(ours.join_p999_s, 0); // it does come back
	ck_assert_double_le(ours.join_p999_s, 1.2);
}
END_TEST

START_TEST(overload_is_refused_and_the_rest_is_served_in_time)
{
	ck_assert_double_ge(run("overload-106", POLICY_ADAPTIVE).slo, 0.88);
	ck_assert_double_ge(run("overload-129", POLICY_ADAPTIVE).slo, 0.74);
}
END_TEST

START_TEST(the_first_class_does_not_notice_an_overload_of_the_second)
{
	ck_assert_double_ge(run("classes-129-soft", POLICY_ADAPTIVE).slo_first, 0.98);
	ck_assert_double_ge(run("classes-129-holdback", POLICY_ADAPTIVE).slo_first, 0.98);
	ck_assert_double_le(run("classes-129-soft", POLICY_LEAST_CONNECTIONS).slo_first, 0.9);
}
END_TEST

START_TEST(weights_do_not_hunt_where_connections_are_kept)
{
	ck_assert_double_le(run("keep-alive-20", POLICY_ADAPTIVE).weight_swing, 0.1);
}
END_TEST

START_TEST(a_seed_is_a_run)
{
	const struct options options = {scenario_find("S2"), POLICY_ADAPTIVE, 7, 60};
	struct result a, b;

	world_run(&options, &a);
	world_run(&options, &b);
	ck_assert_uint_eq(a.n_asked, b.n_asked);
	ck_assert_double_eq(a.ttft_p999_s, b.ttft_p999_s);
	ck_assert_double_eq(a.weight_swing, b.weight_swing);
}
END_TEST

#define CASES(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("cluster");
	TCase *tc = tcase_create("cluster");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, first_tokens_come_sooner_than_with_least_connections, 0,
	                    CASES(shape_cases));
	tcase_add_test(tc, a_sinkhole_swallows_next_to_nothing);
	tcase_add_test(tc, a_flapping_server_costs_little);
	tcase_add_test(tc, a_hanging_server_is_found_in_20_seconds);
	tcase_add_test(tc, a_slow_server_gets_less_than_half_its_share_in_ten_seconds);
	tcase_add_test(tc, a_cold_server_is_not_flooded);
	tcase_add_test(tc, overload_is_refused_and_the_rest_is_served_in_time);
	tcase_add_test(tc, the_first_class_does_not_notice_an_overload_of_the_second);
	tcase_add_test(tc, weights_do_not_hunt_where_connections_are_kept);
	tcase_add_test(tc, a_seed_is_a_run);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
