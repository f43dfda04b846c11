// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "sl_check.h"

#include "admission.h"

#define FULL (100 * 16 * (uint64_t)SL_PICK_UNIT) // 16 backends of 100 flows' worth

static struct sl_admission_rule rule_of(enum sl_admission_kind kind, uint32_t n_ranks)
{
	return (struct sl_admission_rule){.kind = kind,
	                                  .n_ranks = n_ranks,
	                                  .floor_milli = 600,
	                                  .cap_flows = 100,
	                                  .n_backends = 16};
}

static const struct {
	const char *name;
	enum sl_admission_kind kind;
	uint32_t n_ranks, rank, n_tighter;
	double sat; // highest that is let in
} ceiling_cases[] = {
	{"one class: the whole", SL_ADMISSION_SOFT, 1, 0, 0, 1},
	{"soft, first of two", SL_ADMISSION_SOFT, 2, 0, 0, 1},
	{"soft, last of two: half", SL_ADMISSION_SOFT, 2, 1, 0, 0.5},
	{"soft, second of three", SL_ADMISSION_SOFT, 3, 1, 0, 2.0 / 3},
	{"soft, last of three: half", SL_ADMISSION_SOFT, 3, 2, 0, 0.5},
	{"soft, last of eight: half", SL_ADMISSION_SOFT, 8, 7, 0, 0.5},
	{"holdback, first of three", SL_ADMISSION_HOLDBACK, 3, 0, 0, 1},
	{"holdback, second of three", SL_ADMISSION_HOLDBACK, 3, 1, 0, 0.8},
	{"holdback, last of three: the floor", SL_ADMISSION_HOLDBACK, 3, 2, 0, 0.6},
	{"a rank beyond the last is the last", SL_ADMISSION_HOLDBACK, 3, 9, 0, 0.6},
	{"tighter spares rank 0", SL_ADMISSION_SOFT, 2, 0, 3, 1},
	{"tighter by one step", SL_ADMISSION_SOFT, 2, 1, 1, 0.4375},
	{"tighter by two steps", SL_ADMISSION_HOLDBACK, 2, 1, 2, 0.459375},
};

START_TEST(a_class_is_let_in_below_its_ceiling)
{
	struct sl_admission_rule rule = rule_of(ceiling_cases[_i].kind, ceiling_cases[_i].n_ranks);
	const uint64_t ceiling = (uint64_t)(ceiling_cases[_i].sat * (double)FULL);
	sl_limit_cell cells[SL_ADMISSION_RANKS] = {0};
	struct sl_admission a;

	rule.n_tighter = ceiling_cases[_i].n_tighter;
	ck_assert_int_eq(sl_admission_build(&a, &rule), 0);
	ck_assert_msg(sl_admission_ask(&a, cells, ceiling_cases[_i].rank, ceiling - 2, 0) ==
	                      SL_ADMISSION_OPEN,
	              "%s: refused below", ceiling_cases[_i].name);
	ck_assert_msg(sl_admission_is_refused(
			      sl_admission_ask(&a, cells, ceiling_cases[_i].rank, ceiling + 2, 0)),
	              "%s: let in above", ceiling_cases[_i].name);
}
END_TEST

START_TEST(soft_ceilings_are_where_the_formula_meets_itself)
{
	for (uint32_t n = 2; n <= SL_ADMISSION_RANKS; n++) {
		const struct sl_admission_rule rule = rule_of(SL_ADMISSION_SOFT, n);
		struct sl_admission a;

		ck_assert_int_eq(sl_admission_build(&a, &rule), 0);
		for (uint32_t rank = 0; rank < n; rank++) {
			const double sat = (double)a.ceilings[rank] / (double)FULL;

			ck_assert_double_eq_tol(sat, 1 - rank * sat / (n - 1), 1e-5);
			ck_assert(rank == 0 || a.ceilings[rank] < a.ceilings[rank - 1]);
		}
	}
}
END_TEST

START_TEST(a_refusal_says_whether_its_class_or_the_pool_is_full)
{
	const struct sl_admission_rule rule = rule_of(SL_ADMISSION_HOLDBACK, 2);
	sl_limit_cell cells[SL_ADMISSION_RANKS] = {0};
	struct sl_admission a;

	ck_assert_int_eq(sl_admission_build(&a, &rule), 0);
	ck_assert_int_eq(sl_admission_ask(&a, cells, 1, FULL - 1, 0), SL_ADMISSION_CLASS);
	ck_assert_int_eq(sl_admission_ask(&a, cells, 1, FULL, 0), SL_ADMISSION_FULL);
	ck_assert_int_eq(sl_admission_ask(&a, cells, 0, FULL - 1, 0), SL_ADMISSION_OPEN);
	ck_assert_int_eq(sl_admission_ask(&a, cells, 0, FULL, 0), SL_ADMISSION_FULL);
}
END_TEST

START_TEST(without_caps_everybody_is_let_in)
{
	struct sl_admission_rule rule = rule_of(SL_ADMISSION_SOFT, 2);
	sl_limit_cell cells[SL_ADMISSION_RANKS] = {0};
	struct sl_admission a;

	rule.cap_flows = 0;
	ck_assert_int_eq(sl_admission_build(&a, &rule), 0);
	ck_assert_int_eq(sl_admission_ask(&a, cells, 1, UINT64_MAX - 1, 0), SL_ADMISSION_OPEN);
}
END_TEST

START_TEST(a_pool_without_backends_lets_nobody_in)
{
	struct sl_admission_rule rule = rule_of(SL_ADMISSION_SOFT, 2);
	sl_limit_cell cells[SL_ADMISSION_RANKS] = {0};
	struct sl_admission a;

	rule.n_backends = 0;
	ck_assert_int_eq(sl_admission_build(&a, &rule), 0);
	ck_assert_int_eq(sl_admission_ask(&a, cells, 0, 0, 0), SL_ADMISSION_FULL);
}
END_TEST

START_TEST(a_trickle_is_so_many_a_second_and_none_into_a_full_pool)
{
	struct sl_admission_rule rule = rule_of(SL_ADMISSION_SOFT, 2);
	sl_limit_cell cells[SL_ADMISSION_RANKS] = {0};
	struct sl_admission a;
	uint32_t n_in = 0;

	rule.trickle[1] = 2;
	ck_assert_int_eq(sl_admission_build(&a, &rule), 0);
	for (uint64_t ms = 1; ms <= 10000; ms += 10) {
		const enum sl_admission_verdict verdict =
			sl_admission_ask(&a, cells, 1, FULL - 1, ms * SL_NS_PER_MS);

		ck_assert(verdict == SL_ADMISSION_TRICKLE || verdict == SL_ADMISSION_CLASS);
		n_in += verdict == SL_ADMISSION_TRICKLE;
	}
	ck_assert_uint_ge(n_in, 19);
	ck_assert_uint_le(n_in, 22);
	ck_assert_int_eq(sl_admission_ask(&a, cells, 1, FULL, 60 * SL_NS_PER_S), SL_ADMISSION_FULL);
	ck_assert_int_eq(sl_admission_ask(&a, cells, 1, 0, 60 * SL_NS_PER_S), SL_ADMISSION_OPEN);
}
END_TEST

START_TEST(a_class_is_refused_in_its_way)
{
	struct sl_admission_rule rule = rule_of(SL_ADMISSION_SOFT, 3);
	struct sl_admission a;

	rule.has_reset[0] = rule.has_reset[2] = true;
	ck_assert_int_eq(sl_admission_build(&a, &rule), 0);
	ck_assert(sl_admission_has_reset(&a, 0));
	ck_assert(!sl_admission_has_reset(&a, 1));
	ck_assert(sl_admission_has_reset(&a, 2));
	ck_assert(sl_admission_has_reset(&a, 7)); // as the last
}
END_TEST

START_TEST(load_is_of_those_that_take_new_flows)
{
	const uint16_t backends[] = {4, 1, 2};
	const uint32_t inverse_weights[] = {7, 0, 9};
	const uint32_t own[] = {1000, 100, 20, 1000, 3}, others[] = {1000, 100, 5, 1000, 2};
	const struct sl_pick_least pl = {
		.backends = backends, .inverse_weights = inverse_weights, .n_members = 3};
	const struct sl_pick_load load = {.own_units = own, .others_units = others};

	ck_assert_uint_eq(sl_admission_load(&pl, &load), 20 + 5 + 3 + 2);
}
END_TEST

static const struct {
	const char *name;
	struct sl_admission_rule rule;
} wrong_cases[] = {
	{"no class", {.n_ranks = 0}},
	{"too many classes", {.n_ranks = SL_ADMISSION_RANKS + 1}},
	{"a floor above the whole", {.n_ranks = 1, .floor_milli = 1001}},
	{"tighter than tight", {.n_ranks = 1, .n_tighter = 17}},
	{"a cap beyond any server", {.n_ranks = 1, .cap_flows = 1000001}},
	{"more backends than there can be", {.n_ranks = 1, .n_backends = SL_MAX_BACKENDS + 1}},
};

START_TEST(a_wrong_rule_is_refused)
{
	struct sl_admission a;

	ck_assert_msg(sl_admission_build(&a, &wrong_cases[_i].rule) == -EINVAL, "%s",
	              wrong_cases[_i].name);
}
END_TEST

#define CASES(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("admission");
	TCase *tc = tcase_create("admission");

	tcase_add_loop_test(tc, a_class_is_let_in_below_its_ceiling, 0, CASES(ceiling_cases));
	tcase_add_test(tc, soft_ceilings_are_where_the_formula_meets_itself);
	tcase_add_test(tc, a_refusal_says_whether_its_class_or_the_pool_is_full);
	tcase_add_test(tc, without_caps_everybody_is_let_in);
	tcase_add_test(tc, a_pool_without_backends_lets_nobody_in);
	tcase_add_test(tc, a_trickle_is_so_many_a_second_and_none_into_a_full_pool);
	tcase_add_test(tc, a_class_is_refused_in_its_way);
	tcase_add_test(tc, load_is_of_those_that_take_new_flows);
	tcase_add_loop_test(tc, a_wrong_rule_is_refused, 0, CASES(wrong_cases));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
