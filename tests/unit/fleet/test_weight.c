// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "weight.h"

static const struct {
	const char *name;
	struct sl_weight_parts parts;
	uint32_t milli;
} effective_cases[] = {
	{"configured, all neutral", {true, 100, -1, 1000, 1000, 1000}, 100000},
	{"latency factor halves", {true, 100, -1, 500, 1000, 1000}, 50000},
	{"slow start takes a tenth", {true, 100, -1, 1000, 1000, 100}, 10000},
	{"both", {true, 100, -1, 500, 1000, 100}, 5000},
	{"override replaces configured and factor", {true, 100, 7, 125, 1000, 1000}, 7000},
	{"slow start holds for an override too", {true, 100, 7, 125, 1000, 100}, 700},
	{"an override of 0 is 0", {true, 100, 0, 1000, 1000, 1000}, 0},
	{"a configured 0 is 0", {true, 0, -1, 4000, 1000, 1000}, 0},
	{"an override gives weight to a configured 0", {true, 0, 5, 1000, 1000, 1000}, 5000},
	{"not eligible is 0", {false, 100, 500, 1000, 1000, 1000}, 0},
	{"largest", {true, 1000, -1, 4000, 1000, 1000}, SL_WEIGHT_MAX_MILLI},
	{"never above the limit", {true, 1000, -1, 5000, 1000, 1000}, SL_WEIGHT_MAX_MILLI},
	{"smallest a fleet makes", {true, 1, -1, 125, 1000, 100}, 12},
	{"eligible is never 0", {true, 1, -1, 1, 1000, 1}, 1},
	{"half open takes a 64th", {true, 100, -1, 2000, 16, 1000}, 3200},
	{"ejected is 0", {true, 100, -1, 4000, 0, 1000}, 0},
	{"an override overrules an ejection", {true, 100, 7, 1000, 0, 1000}, 7000},
};

START_TEST(effective_weight_is_the_product)
{
	uint32_t milli = sl_weight_effective_milli(&effective_cases[_i].parts);

	ck_assert_msg(milli == effective_cases[_i].milli, "%s: %u", effective_cases[_i].name,
	              milli);
}
END_TEST

static const struct {
	uint64_t median_us, own_us;
	uint32_t milli;
} target_cases[] = {
	{1000, 1000, 1000}, {1000, 2000, 500}, {1000, 500, 2000},
	{1000, 9000, 125},  {1000, 100, 4000}, {1, UINT64_MAX, 125},
};

START_TEST(factor_is_inverse_latency_within_bounds)
{
	ck_assert_uint_eq(sl_weight_to_milli(sl_weight_factor_target(target_cases[_i].median_us,
	                                                             target_cases[_i].own_us)),
	                  target_cases[_i].milli);
}
END_TEST

static const struct {
	const char *name;
	double from, target;
	uint64_t elapsed_ms;
	uint32_t milli;
} step_cases[] = {
	{"down by half in a second", 1.0, 0.125, 1000, 500},
	{"up by a quarter in a second", 1.0, 4.0, 1000, 1250},
	{"half a second down", 1.0, 0.125, 500, 707},
	{"half a second up", 1.0, 4.0, 500, 1118},
	{"no further than the target down", 1.0, 0.9, 1000, 900},
	{"no further than the target up", 1.0, 1.1, 1000, 1100},
	{"no time, no step", 1.0, 4.0, 0, 1000},
	{"a long gap is one second", 1.0, 4.0, 3600000, 1250},
};

START_TEST(factor_moves_by_bounded_steps)
{
	uint32_t milli =
		sl_weight_to_milli(sl_weight_factor_step(step_cases[_i].from, step_cases[_i].target,
	                                                 step_cases[_i].elapsed_ms * SL_NS_PER_MS));

	ck_assert_msg(milli == step_cases[_i].milli, "%s: %u", step_cases[_i].name, milli);
}
END_TEST

START_TEST(many_small_steps_go_as_far_as_a_large_one)
{
	double down = 1.0, up = 1.0;

	for (int i = 0; i < 1000; i++) {
		down = sl_weight_factor_step(down, 0.01, SL_NS_PER_MS);
		up = sl_weight_factor_step(up, 100.0, SL_NS_PER_MS);
	}
	ck_assert_uint_eq(sl_weight_to_milli(down), 500);
	ck_assert_uint_eq(sl_weight_to_milli(up), 1250);
}
END_TEST

START_TEST(stale_factors_fade_to_neutral_within_two_minutes)
{
	double low = 0.125, high = 4.0, before = low;

	for (int i = 0; i < 120; i++) {
		low = sl_weight_factor_fade(low, SL_NS_PER_S);
		high = sl_weight_factor_fade(high, SL_NS_PER_S);
		ck_assert(low > before && low < 1.0 && high > 1.0);
		before = low;
	}
	ck_assert_uint_ge(sl_weight_to_milli(low), 990);
	ck_assert_uint_le(sl_weight_to_milli(high), 1010);
}
END_TEST

static const struct {
	uint64_t since_ms;
	uint32_t slow_start_ms, milli;
} ramp_cases[] = {
	{0, 10000, 100},      {5000, 10000, 550}, {9999, 10000, 999},
	{10000, 10000, 1000}, {0, 0, 1000},       {UINT32_MAX, 10000, 1000},
};

START_TEST(slow_start_ramps_from_a_tenth)
{
	ck_assert_uint_eq(sl_weight_ramp_milli(ramp_cases[_i].since_ms * SL_NS_PER_MS,
	                                       ramp_cases[_i].slow_start_ms),
	                  ramp_cases[_i].milli);
}
END_TEST

static const struct {
	const char *name;
	uint32_t published, now;
	bool differs;
} hysteresis_cases[] = {
	{"same", 100000, 100000, false},
	{"2 % up", 100000, 102000, false},
	{"2 % down", 100000, 98000, false},
	{"more than 2 % up", 100000, 102001, true},
	{"more than 2 % down", 100000, 97999, true},
	{"to nothing", 1, 0, true},
	{"from nothing", 0, 1, true},
	{"nothing stays nothing", 0, 0, false},
	{"never published", UINT32_MAX, 0, true},
	{"never published, largest", UINT32_MAX, SL_WEIGHT_MAX_MILLI, true},
};

START_TEST(small_changes_are_not_published)
{
	ck_assert_msg(sl_weight_differs(hysteresis_cases[_i].published, hysteresis_cases[_i].now) ==
	                      hysteresis_cases[_i].differs,
	              "%s", hysteresis_cases[_i].name);
}
END_TEST

static const struct {
	size_t n;
	uint64_t values[5];
	uint64_t median;
} median_cases[] = {
	{1, {7}, 7},
	{2, {10, 4}, 7},
	{3, {9, 1, 5}, 5},
	{4, {1, 100, 3, 5}, 4},
	{5, {5, 4, 3, 2, 1}, 3},
	{2, {UINT64_MAX, UINT64_MAX}, UINT64_MAX},
};

START_TEST(median_is_the_middle)
{
	uint64_t values[5];

	memcpy(values, median_cases[_i].values, sizeof(values));
	ck_assert_uint_eq(sl_weight_median_us(values, median_cases[_i].n), median_cases[_i].median);
}
END_TEST

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *s = suite_create("weight");
	TCase *tc = tcase_create("weight");

	tcase_add_loop_test(tc, effective_weight_is_the_product, 0, N(effective_cases));
	tcase_add_loop_test(tc, factor_is_inverse_latency_within_bounds, 0, N(target_cases));
	tcase_add_loop_test(tc, factor_moves_by_bounded_steps, 0, N(step_cases));
	tcase_add_test(tc, many_small_steps_go_as_far_as_a_large_one);
	tcase_add_test(tc, stale_factors_fade_to_neutral_within_two_minutes);
	tcase_add_loop_test(tc, slow_start_ramps_from_a_tenth, 0, N(ramp_cases));
	tcase_add_loop_test(tc, small_changes_are_not_published, 0, N(hysteresis_cases));
	tcase_add_loop_test(tc, median_is_the_middle, 0, N(median_cases));
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
