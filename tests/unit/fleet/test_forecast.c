// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "sl_check.h"

#include "forecast.h"

#define SEED UINT64_C(20261120)

// Of mean 0 and deviation 1.
static double noise(uint64_t *random)
{
	double sum = 0;

	for (int i = 0; i < 12; i++)
		sum += (double)(sl_check_random(random) >> 11) / 9007199254740992.0;
	return sum - 6;
}

enum shape { FLAT, RAMP, WAVE, WALK, NOISE };

static double value_at(enum shape shape, uint32_t t, double *walk, uint64_t *random)
{
	switch (shape) {
	case RAMP:
		return 100 + 0.5 * t + noise(random);
	case WAVE: // an hour of seconds: slow against 10 periods
		return 1000 + 500 * sin(2 * M_PI * t / 3600) + noise(random);
	case WALK:
		return *walk += noise(random);
	case NOISE:
		return 100 + 10 * noise(random);
	default:
		return 100;
	}
}

static const struct {
	const char *name;
	enum shape shape;
	double mase_least, mase_most;
	bool is_off;
} series_cases[] = {
	{"what never changes needs no trend", FLAT, 1, 1, false},
	{"a ramp is foreseen", RAMP, 0, 0.5, false},
	{"a slow wave is foreseen", WAVE, 0, 0.7, false},
	{"noise is smoothed", NOISE, 0, 0.99, false},
	{"a random walk is not to be foreseen, and the trend is off", WALK, 1.0001, 10, true},
};

START_TEST(a_trend_is_trusted_as_far_as_it_beats_the_last_value)
{
	struct sl_forecast f = {0};
	uint64_t random = SEED;
	double walk = 1000, mase;

	for (uint32_t t = 0; t < 5000; t++)
		sl_forecast_see(&f, value_at(series_cases[_i].shape, t, &walk, &random));
	mase = sl_forecast_mase(&f);
	ck_assert_msg(mase >= series_cases[_i].mase_least && mase <= series_cases[_i].mase_most,
	              "%s: MASE %.3f", series_cases[_i].name, mase);
	ck_assert_msg(f.is_off == series_cases[_i].is_off, "%s", series_cases[_i].name);
}
END_TEST

START_TEST(what_is_off_tells_the_last_value)
{
	struct sl_forecast f = {
		.level = 50, .trend = 3, .last = 40, .n_seen = 1000, .is_off = true};

	ck_assert_double_eq(sl_forecast_at(&f, 10), 40);
	ck_assert(isinf(sl_forecast_until(&f, 60)));
	f.is_off = false;
	ck_assert_double_gt(sl_forecast_at(&f, 10), 70);
	ck_assert(!isinf(sl_forecast_until(&f, 60)));
}
END_TEST

// Ten bad minutes in a row, and not one less; then ten good ones.
START_TEST(it_switches_off_after_ten_minutes_and_on_again)
{
	struct sl_forecast f = {.error = 1e9, .naive_error = 1, .n_seen = 1000};
	uint32_t n = 0;

	while (!f.is_off && n < 10000) {
		f.error = 1e9;
		sl_forecast_see(&f, 100);
		n++;
	}
	ck_assert_uint_eq(n, SL_FORECAST_JUDGED);
	for (n = 0; f.is_off && n < 10000; n++) {
		f.error = 0;
		f.naive_error = 1e9;
		sl_forecast_see(&f, 100);
	}
	ck_assert_uint_eq(n, SL_FORECAST_JUDGED);
}
END_TEST

START_TEST(one_good_look_starts_the_ten_minutes_anew)
{
	struct sl_forecast f = {.n_seen = 1000};

	for (uint32_t n = 0; n < 2 * SL_FORECAST_JUDGED; n++) {
		f.error = n == 500 || n == 1000 ? 0 : 1e9;
		f.naive_error = 1e6;
		sl_forecast_see(&f, 100);
	}
	ck_assert(!f.is_off);
}
END_TEST

static const struct {
	uint32_t n_periods;
	double value;
} ahead_cases[] = {{0, 100},      {1, 101.96},   {2, 103.8808},
                   {10, 117.925}, {300, 197.77}, {9999, 197.77}};

START_TEST(a_trend_is_damped)
{
	const struct sl_forecast f = {.level = 100, .trend = 2, .last = 100, .n_seen = 100};

	ck_assert_double_eq_tol(sl_forecast_at(&f, ahead_cases[_i].n_periods),
	                        ahead_cases[_i].value, 0.01);
}
END_TEST

static const struct {
	const char *name;
	double trend, value, periods;
} until_cases[] = {
	{"there", 2, 100, 0},
	{"beyond", 2, 90, 0},
	{"next", 2, 101.9, 1},
	{"in a while", 2, 117.9, 10},
	{"never, it is damped", 2, 198, INFINITY},
	{"never, it falls", -2, 101, INFINITY},
	{"never, it stays", 0, 101, INFINITY},
};

START_TEST(time_to_saturation_is_when_the_forecast_gets_there)
{
	const struct sl_forecast f = {
		.level = 100, .trend = until_cases[_i].trend, .last = 100, .n_seen = 100};
	const double periods = sl_forecast_until(&f, until_cases[_i].value);

	ck_assert_msg(periods == until_cases[_i].periods, "%s: %.1f", until_cases[_i].name,
	              periods);
}
END_TEST

// Latency is 20 ms + 2 ms a flow + 5 ms a waiting one, with some noise.
static void feed(struct sl_forecast_fit *fit, uint32_t n, double flows, double spread,
                 double slope_us, uint64_t *random)
{
	for (uint32_t i = 0; i < n; i++) {
		const double x = fmax(flows + spread * noise(random), 0);
		const double p = 3 + fabs(noise(random));

		sl_forecast_fit_see(fit, x, p,
		                    20000 + slope_us * x + 5000 * p + 1000 * noise(random));
	}
}

START_TEST(a_fit_finds_what_made_the_latency)
{
	struct sl_forecast_fit fit = {0};
	uint64_t random = SEED;

	feed(&fit, 2000, 40, 10, 2000, &random);
	ck_assert(sl_forecast_fit_is_known(&fit));
	ck_assert_double_eq_tol(fit.factors[1], 2000, 50);
	ck_assert_double_eq_tol(fit.factors[2], 5000, 500);
	ck_assert_double_eq_tol(sl_forecast_fit_latency_us(&fit, 60, 3), 155000, 3000);
	// 200 ms = 20 + 2 n + 5 p with p at its mean of 3.8
	ck_assert_double_eq_tol(sl_forecast_fit_capacity(&fit, 200000), 80.5, 2);
}
END_TEST

START_TEST(a_fit_follows_a_server_that_slows_down)
{
	struct sl_forecast_fit fit = {0};
	uint64_t random = SEED;

	feed(&fit, 2000, 40, 10, 2000, &random);
	feed(&fit, 1500, 40, 10, 4000, &random);
	ck_assert_double_eq_tol(fit.factors[1], 4000, 100);
}
END_TEST

static const struct {
	const char *name;
	uint32_t n;
	double spread, slope_us;
	bool is_known;
} known_cases[] = {
	{"load that varies", 1000, 10, 2000, true},
	{"too few samples", 29, 10, 2000, false},
	{"load that does not vary", 1000, 1, 2000, false},
	{"slower with less load", 1000, 10, -1000, false},
};

START_TEST(a_fit_knows_when_it_knows_nothing)
{
	struct sl_forecast_fit fit = {0};
	uint64_t random = SEED;

	feed(&fit, known_cases[_i].n, 40, known_cases[_i].spread, known_cases[_i].slope_us,
	     &random);
	ck_assert_msg(sl_forecast_fit_is_known(&fit) == known_cases[_i].is_known, "%s",
	              known_cases[_i].name);
	ck_assert_msg((sl_forecast_fit_capacity(&fit, 1e6) > 0) == known_cases[_i].is_known, "%s",
	              known_cases[_i].name);
}
END_TEST

START_TEST(hours_without_change_do_not_break_a_fit)
{
	struct sl_forecast_fit fit = {0};
	uint64_t random = SEED;

	feed(&fit, 2000, 40, 10, 2000, &random);
	for (int i = 0; i < 200000; i++)
		sl_forecast_fit_see(&fit, 40, 3, 115000);
	ck_assert(!sl_forecast_fit_is_known(&fit));
	feed(&fit, 2000, 40, 10, 2000, &random);
	ck_assert_double_eq_tol(fit.factors[1], 2000, 50);
}
END_TEST

START_TEST(an_objective_below_the_least_latency_has_no_capacity)
{
	struct sl_forecast_fit fit = {0};
	uint64_t random = SEED;

	feed(&fit, 2000, 40, 10, 2000, &random);
	ck_assert_double_eq(sl_forecast_fit_capacity(&fit, 10000), 0);
}
END_TEST

#define CASES(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("forecast");
	TCase *tc = tcase_create("forecast");

	tcase_add_loop_test(tc, a_trend_is_trusted_as_far_as_it_beats_the_last_value, 0,
	                    CASES(series_cases));
	tcase_add_test(tc, what_is_off_tells_the_last_value);
	tcase_add_test(tc, it_switches_off_after_ten_minutes_and_on_again);
	tcase_add_test(tc, one_good_look_starts_the_ten_minutes_anew);
	tcase_add_loop_test(tc, a_trend_is_damped, 0, CASES(ahead_cases));
	tcase_add_loop_test(tc, time_to_saturation_is_when_the_forecast_gets_there, 0,
	                    CASES(until_cases));
	tcase_add_test(tc, a_fit_finds_what_made_the_latency);
	tcase_add_test(tc, a_fit_follows_a_server_that_slows_down);
	tcase_add_loop_test(tc, a_fit_knows_when_it_knows_nothing, 0, CASES(known_cases));
	tcase_add_test(tc, hours_without_change_do_not_break_a_fit);
	tcase_add_test(tc, an_objective_below_the_least_latency_has_no_capacity);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
