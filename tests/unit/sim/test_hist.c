// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "hist.h"

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

START_TEST(an_empty_histogram_says_zero)
{
	static struct sl_hist hist;

	sl_hist_clear(&hist);
	ck_assert_uint_eq(sl_hist_percentile_us(&hist, 50), 0);
}
END_TEST

START_TEST(one_value_is_every_percentile_within_one_percent)
{
	static struct sl_hist hist;

	for (uint64_t value_us = 1; value_us < UINT64_C(1000000000);
	     value_us = value_us * 3 / 2 + 1) {
		sl_hist_clear(&hist);
		sl_hist_add(&hist, value_us);
		for (double percent = 0; percent <= 100; percent += 50) {
			const uint64_t got = sl_hist_percentile_us(&hist, percent);
			const uint64_t off = got > value_us ? got - value_us : value_us - got;

			ck_assert_msg(off * 100 <= value_us, "%lu came back as %lu", value_us, got);
		}
	}
}
END_TEST

START_TEST(a_value_beyond_the_range_counts_as_the_longest)
{
	static struct sl_hist hist;

	sl_hist_clear(&hist);
	sl_hist_add(&hist, UINT64_MAX);
	ck_assert_uint_eq(hist.n, 1);
	ck_assert_uint_gt(sl_hist_percentile_us(&hist, 99), UINT64_C(1000000000));
}
END_TEST

START_TEST(percentiles_agree_with_sorted_samples)
{
	enum { N = 5000 };
	static uint64_t values[N];
	static struct sl_hist hist, half;
	const uint64_t seed = sl_check_seed();
	uint64_t state = seed;

	sl_hist_clear(&hist);
	sl_hist_clear(&half);
	for (size_t i = 0; i < N; i++) {
		values[i] = (sl_check_random(&state) >> (sl_check_random(&state) % 24 + 34)) + 1;
		sl_hist_add(i % 2 == 0 ? &hist : &half, values[i]);
	}
	sl_hist_merge(&hist, &half);
	qsort(values, N, sizeof(values[0]), compare);
	for (int percent = 1; percent <= 100; percent++) {
		const double exact = (double)values[N * percent / 100 - 1];
		const double got = (double)sl_hist_percentile_us(&hist, percent);

		ck_assert_msg(got >= exact * 0.99 && got <= exact * 1.01,
		              "p%d is %.0f, not %.0f; seed %lu", percent, got, exact, seed);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hist");
	TCase *tcase = tcase_create("hist");

	tcase_add_test(tcase, an_empty_histogram_says_zero);
	tcase_add_test(tcase, one_value_is_every_percentile_within_one_percent);
	tcase_add_test(tcase, a_value_beyond_the_range_counts_as_the_longest);
	tcase_add_test(tcase, percentiles_agree_with_sorted_samples);
	suite_add_tcase(suite, tcase);
	return sl_check_run(suite);
}
