// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "estimator.h"

START_TEST(first_sample_sets_the_mean)
{
	struct sl_estimator est = {0};

	ck_assert_uint_eq(sl_estimator_value_us(&est), 0);
	ck_assert_uint_eq(sl_estimator_age_ns(&est, SL_NS_PER_S), UINT64_MAX);
	sl_estimator_add(&est, 1234, SL_NS_PER_S);
	ck_assert_uint_eq(sl_estimator_value_us(&est), 1234);
	ck_assert_uint_eq(est.n_samples, 1);
	ck_assert_uint_eq(sl_estimator_age_ns(&est, 3 * SL_NS_PER_S), 2 * SL_NS_PER_S);
	ck_assert_uint_eq(sl_estimator_age_ns(&est, 0), 0);
}
END_TEST

// A step from 1000 to 2000: what is seen depends on time only, not on how many samples came.
static const struct {
	const char *name;
	uint32_t n_samples;
} step_cases[] = {{"one sample", 1}, {"six samples", 6}, {"three hundred samples", 300}};

START_TEST(a_step_is_63_percent_seen_after_tau)
{
	struct sl_estimator est = {0};
	uint32_t n = step_cases[_i].n_samples;

	sl_estimator_add(&est, 1000, SL_NS_PER_S);
	for (uint32_t i = 1; i <= n; i++)
		sl_estimator_add(&est, 2000, SL_NS_PER_S + i * SL_ESTIMATOR_TAU_NS / n);
	ck_assert_msg(sl_estimator_value_us(&est) >= 1630 && sl_estimator_value_us(&est) <= 1634,
	              "%s: %lu", step_cases[_i].name, sl_estimator_value_us(&est));
}
END_TEST

START_TEST(one_stall_counts_for_eight_times_the_mean_at_most)
{
	struct sl_estimator est = {0};

	sl_estimator_add(&est, 1000, SL_NS_PER_S);
	sl_estimator_add(&est, 1000 * 1000 * 1000, SL_NS_PER_S + SL_NS_PER_S / 2);
	// 1000 + 7000 * (1 - exp(-1/6))
	ck_assert_uint_ge(sl_estimator_value_us(&est), 2073);
	ck_assert_uint_le(sl_estimator_value_us(&est), 2076);
}
END_TEST

START_TEST(samples_of_one_instant_and_clocks_that_stand_still_are_harmless)
{
	struct sl_estimator est = {0};

	sl_estimator_add(&est, 1000, SL_NS_PER_S);
	for (int i = 0; i < 1000; i++)
		sl_estimator_add(&est, 2000, SL_NS_PER_S);
	ck_assert_uint_gt(sl_estimator_value_us(&est), 1200);
	ck_assert_uint_lt(sl_estimator_value_us(&est), 2000);
	sl_estimator_add(&est, 2000, 0);
	ck_assert_uint_eq(est.last_ns, SL_NS_PER_S);
}
END_TEST

START_TEST(a_zero_sample_does_not_stick)
{
	struct sl_estimator est = {0};

	sl_estimator_add(&est, 0, 0);
	ck_assert_uint_eq(sl_estimator_value_us(&est), 1);
	for (uint64_t i = 1; i < 100; i++)
		sl_estimator_add(&est, 5000, i * SL_NS_PER_S);
	ck_assert_uint_ge(sl_estimator_value_us(&est), 4990);
}
END_TEST

START_TEST(reset_forgets_everything)
{
	struct sl_estimator est = {0};

	sl_estimator_add(&est, 5000, SL_NS_PER_S);
	sl_estimator_reset(&est);
	ck_assert_uint_eq(sl_estimator_value_us(&est), 0);
	sl_estimator_add(&est, 10, 2 * SL_NS_PER_S);
	ck_assert_uint_eq(sl_estimator_value_us(&est), 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("estimator");
	TCase *tc = tcase_create("estimator");

	tcase_add_test(tc, first_sample_sets_the_mean);
	tcase_add_loop_test(tc, a_step_is_63_percent_seen_after_tau, 0, 3);
	tcase_add_test(tc, one_stall_counts_for_eight_times_the_mean_at_most);
	tcase_add_test(tc, samples_of_one_instant_and_clocks_that_stand_still_are_harmless);
	tcase_add_test(tc, a_zero_sample_does_not_stick);
	tcase_add_test(tc, reset_forgets_everything);
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
