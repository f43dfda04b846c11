// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "health.h"

// '+' good, '-' timed out, 'r' refused, '?' Sluice could not run it, '!' the probe was redefined.
static const struct {
	const char *name;
	const char *outcomes;
	uint8_t rise, fall;
	uint8_t verdict, reason;
} cases[] = {
	{"no result, no verdict", "", 2, 3, SL_VERDICT_UNKNOWN, SL_PROBE_OK},
	{"fewer than rise stay unknown", "+", 2, 3, SL_VERDICT_UNKNOWN, SL_PROBE_OK},
	{"rise successes bring it up", "++", 2, 3, SL_VERDICT_UP, SL_PROBE_OK},
	{"fewer than fall stay unknown", "--", 2, 3, SL_VERDICT_UNKNOWN, SL_PROBE_OK},
	{"fall failures bring it down", "---", 2, 3, SL_VERDICT_DOWN, SL_PROBE_TIMEOUT},
	{"the last of the failures gives the reason", "--r", 2, 3, SL_VERDICT_DOWN,
         SL_PROBE_REFUSED},
	{"the reason follows while it stays down", "---r", 2, 3, SL_VERDICT_DOWN, SL_PROBE_REFUSED},
	{"up survives fall - 1 failures", "++--", 2, 3, SL_VERDICT_UP, SL_PROBE_OK},
	{"a success starts the count anew", "++--+--", 2, 3, SL_VERDICT_UP, SL_PROBE_OK},
	{"fall in a row end up", "++---", 2, 3, SL_VERDICT_DOWN, SL_PROBE_TIMEOUT},
	{"one success does not end down", "---+", 2, 3, SL_VERDICT_DOWN, SL_PROBE_TIMEOUT},
	{"alternation never ends down", "---+-+-+-+-", 2, 3, SL_VERDICT_DOWN, SL_PROBE_TIMEOUT},
	{"alternation never ends up", "++-+-+-+-+-", 2, 3, SL_VERDICT_UP, SL_PROBE_OK},
	{"back up clears the reason", "---++", 2, 3, SL_VERDICT_UP, SL_PROBE_OK},
	{"own trouble is no verdict", "????????", 2, 3, SL_VERDICT_UNKNOWN, SL_PROBE_OK},
	{"own trouble neither counts nor interrupts", "++--?-", 2, 3, SL_VERDICT_DOWN,
         SL_PROBE_TIMEOUT},
	{"0 is taken as 1 for rise", "+", 0, 0, SL_VERDICT_UP, SL_PROBE_OK},
	{"0 is taken as 1 for fall", "-", 0, 0, SL_VERDICT_DOWN, SL_PROBE_TIMEOUT},
	{"a changed probe keeps its verdict", "---!", 2, 3, SL_VERDICT_DOWN, SL_PROBE_TIMEOUT},
	{"a changed probe counts from the start", "---+!+", 2, 3, SL_VERDICT_DOWN,
         SL_PROBE_TIMEOUT},
	{"a changed probe earns its own", "---+!++", 2, 3, SL_VERDICT_UP, SL_PROBE_OK},
};

START_TEST(verdicts_follow_the_table)
{
	struct sl_health health = {0};

	for (const char *c = cases[_i].outcomes; *c != '\0'; c++) {
		if (*c == '!')
			sl_health_restart(&health);
		else
			sl_health_add(&health,
			              *c == '+'   ? SL_PROBE_OK
			              : *c == 'r' ? SL_PROBE_REFUSED
			              : *c == '?' ? SL_PROBE_INTERNAL
			                          : SL_PROBE_TIMEOUT,
			              cases[_i].rise, cases[_i].fall);
	}
	ck_assert_msg(health.verdict == cases[_i].verdict, "%s: verdict %u", cases[_i].name,
	              health.verdict);
	ck_assert_msg(health.reason == cases[_i].reason, "%s: reason %s", cases[_i].name,
	              sl_probe_reason_name(health.reason));
}
END_TEST

START_TEST(only_the_result_that_decides_is_called_a_change)
{
	struct sl_health health = {0};

	ck_assert(!sl_health_add(&health, SL_PROBE_OK, 2, 3));
	ck_assert(sl_health_add(&health, SL_PROBE_OK, 2, 3));
	ck_assert(!sl_health_add(&health, SL_PROBE_OK, 2, 3));
	ck_assert(!sl_health_add(&health, SL_PROBE_RESET, 2, 2));
	ck_assert(sl_health_add(&health, SL_PROBE_RESET, 2, 2));
}
END_TEST

START_TEST(the_streak_saturates)
{
	struct sl_health health = {0};

	for (int i = 0; i < 1000; i++)
		sl_health_add(&health, SL_PROBE_OK, 255, 255);
	ck_assert_uint_eq(health.streak, 255);
	ck_assert_uint_eq(health.verdict, SL_VERDICT_UP);
}
END_TEST

START_TEST(an_unknown_reason_is_ignored)
{
	struct sl_health health = {0};

	ck_assert(!sl_health_add(&health, SL_PROBE_REASON_COUNT, 1, 1));
	ck_assert_uint_eq(health.verdict, SL_VERDICT_UNKNOWN);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("health");
	TCase *tc = tcase_create("health");

	tcase_add_loop_test(tc, verdicts_follow_the_table, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, only_the_result_that_decides_is_called_a_change);
	tcase_add_test(tc, the_streak_saturates);
	tcase_add_test(tc, an_unknown_reason_is_ignored);
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
