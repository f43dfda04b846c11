// SPDX-License-Identifier: Apache-2.0
// What segments leave behind in a flow's features, and at which of them a decision is due.
#include "flow_features.h"
#include "sl_check.h"

#define MS 1000u

static struct sl_features opened(void)
{
	struct sl_features f;

	sl_features_open(&f, 0, false);
	return f;
}

static uint8_t feature(const struct sl_features *f, enum sl_feature which)
{
	uint8_t vector[SL_FEATURE_COUNT];

	sl_features_vector(f, vector);
	return vector[which];
}

START_TEST(the_logarithm_never_falls_and_doubles_in_eight_steps)
{
	bool is_falling = false;
	uint8_t last = 0;

	for (uint32_t x = 0; x < 1u << 20; x++) {
		is_falling |= sl_features_log(x) < last;
		last = sl_features_log(x);
	}
	ck_assert(!is_falling);
	for (uint32_t x = 8; x < 1u << 30; x *= 2)
		ck_assert_uint_eq(sl_features_log(2 * x), sl_features_log(x) + 8);
	ck_assert_uint_lt(sl_features_log(UINT32_MAX), 256);
	ck_assert_uint_gt(sl_features_log(UINT32_MAX), sl_features_log(UINT32_MAX / 2));
}
END_TEST

static const struct {
	const char *name;
	enum sl_dir dir;
	uint32_t n_bytes, step_us;
	uint32_t due[8]; // numbers of the segments that are checkpoints, up to 0
	uint32_t n;
} checkpoints[] = {
	{"the server's 1st, 8th, 16th, 32nd, then four times as many",
         SL_DIR_S2C,
         100,
         10,
         {1, 8, 16, 32, 128, 512},
         600},
	{"the client's 4th", SL_DIR_C2S, 100, 10, {4}, 600},
	{"the client's 4th, 1 MB and 4 MB", SL_DIR_C2S, 1024, 10, {4, 1024, 4096}, 5000},
	{"5 s and 20 s", SL_DIR_C2S, 100, 1000 * MS, {4, 6, 21}, 60},
};

START_TEST(checkpoints_are_due_at)
{
	struct sl_features f = opened();
	uint32_t k = 0;

	for (uint32_t i = 1; i <= checkpoints[_i].n; i++) {
		const bool is_due =
			sl_features_add(&f, checkpoints[_i].dir, checkpoints[_i].n_bytes,
		                        (i - 1) * checkpoints[_i].step_us);

		ck_assert_msg(is_due == (i == checkpoints[_i].due[k]), "%s: segment %u, due %d",
		              checkpoints[_i].name, i, is_due);
		k += is_due;
	}
	ck_assert_uint_eq(checkpoints[_i].due[k], 0);
}
END_TEST

START_TEST(a_token_stream_is_small_regular_and_asked_once)
{
	struct sl_features f = opened();

	sl_features_add(&f, SL_DIR_C2S, 2000, 0);
	for (uint32_t i = 0; i < 100; i++)
		sl_features_add(&f, SL_DIR_S2C, 200, 300 * MS + i * 20 * MS);
	ck_assert_uint_eq(feature(&f, SL_FEATURE_SMALL), 255);
	ck_assert_uint_eq(feature(&f, SL_FEATURE_FULL_S2C), 0);
	ck_assert_uint_eq(feature(&f, SL_FEATURE_TURNS), 1);
	ck_assert_uint_eq(feature(&f, SL_FEATURE_SIZE_S2C), sl_features_log(200));
	ck_assert_uint_eq(feature(&f, SL_FEATURE_SILENCE), sl_features_log(300 * MS >> 6));
	// 20 ms, smoothed from 0: within one step of the logarithm.
	ck_assert_uint_ge(feature(&f, SL_FEATURE_GAP) + 1, sl_features_log(20 * MS >> 6));
	ck_assert_uint_lt(feature(&f, SL_FEATURE_JITTER), 128);
	ck_assert_uint_lt(feature(&f, SL_FEATURE_RATIO), 128);
}
END_TEST

START_TEST(a_run_lasts_until_the_other_side_speaks)
{
	struct sl_features f = opened();

	for (uint32_t i = 0; i < 100; i++)
		sl_features_add(&f, SL_DIR_S2C, 1448, i);
	ck_assert_uint_eq(feature(&f, SL_FEATURE_RUN), sl_features_log(100 * 23));
	sl_features_add(&f, SL_DIR_C2S, 10, 100);
	sl_features_add(&f, SL_DIR_S2C, 10, 101);
	ck_assert_uint_eq(feature(&f, SL_FEATURE_RUN), sl_features_log(100 * 23));
	ck_assert_uint_eq(feature(&f, SL_FEATURE_TURNS), 2);
}
END_TEST

START_TEST(a_gap_is_counted_across_the_wrap_of_the_clock)
{
	struct sl_features f;

	sl_features_open(&f, UINT32_MAX - 10 * MS, false);
	sl_features_add(&f, SL_DIR_C2S, 10, UINT32_MAX - 10 * MS);
	sl_features_add(&f, SL_DIR_S2C, 10, 30 * MS - 1);
	ck_assert_uint_eq(feature(&f, SL_FEATURE_SILENCE), sl_features_log(40 * MS >> 6));
}
END_TEST

START_TEST(long_flows_keep_their_shares_when_counters_are_full)
{
	struct sl_features f = opened();

	for (uint32_t i = 0; i < 250000; i++) {
		sl_features_add(&f, SL_DIR_S2C, i % 4 == 0 ? 100 : 1448, i);
		if (i % 2 == 0)
			sl_features_add(&f, SL_DIR_C2S, 10, i);
	}
	ck_assert_uint_ge(feature(&f, SL_FEATURE_FULL_S2C), 255 * 3 / 4 - 2);
	ck_assert_uint_le(feature(&f, SL_FEATURE_FULL_S2C), 255 * 3 / 4 + 2);
	ck_assert_uint_ge(feature(&f, SL_FEATURE_SMALL), 255 / 4 - 2);
	ck_assert_uint_le(feature(&f, SL_FEATURE_SMALL), 255 / 4 + 2);
	ck_assert_uint_ge(feature(&f, SL_FEATURE_PER_TURN), sl_features_log(16 * 3 / 2) - 1);
	ck_assert_uint_le(feature(&f, SL_FEATURE_PER_TURN), sl_features_log(16 * 3 / 2) + 1);
}
END_TEST

START_TEST(bytes_stay_at_their_end)
{
	struct sl_features f = opened();

	for (uint32_t i = 0; i < 70000; i++)
		sl_features_add(&f, SL_DIR_C2S, 65000, i);
	ck_assert_uint_eq(f.bytes[SL_DIR_C2S], UINT32_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow_features");
	TCase *tc = tcase_create("flow_features");

	tcase_add_test(tc, the_logarithm_never_falls_and_doubles_in_eight_steps);
	tcase_add_loop_test(tc, checkpoints_are_due_at, 0,
	                    sizeof(checkpoints) / sizeof(checkpoints[0]));
	tcase_add_test(tc, a_token_stream_is_small_regular_and_asked_once);
	tcase_add_test(tc, a_run_lasts_until_the_other_side_speaks);
	tcase_add_test(tc, a_gap_is_counted_across_the_wrap_of_the_clock);
	tcase_add_test(tc, long_flows_keep_their_shares_when_counters_are_full);
	tcase_add_test(tc, bytes_stay_at_their_end);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
