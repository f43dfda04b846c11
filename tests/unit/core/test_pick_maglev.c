// SPDX-License-Identifier: Apache-2.0
#include "pick_fixture.h"

struct table {
	struct sl_pick_member members[MAX_MEMBERS];
	uint32_t n_members;
	uint16_t slots[SL_PICK_MAGLEV_SLOTS];
	uint32_t counts[MAX_MEMBERS];
};

static void build(struct table *t, uint32_t n_slots)
{
	ck_assert_int_eq(sl_pick_maglev_build(t->slots, n_slots, t->members, t->n_members), 0);
}

static struct table *table_new(uint32_t n_members, uint32_t weight_milli)
{
	struct table *t = calloc(1, sizeof(*t));

	ck_assert_ptr_nonnull(t);
	t->n_members = n_members;
	for (uint32_t i = 0; i < n_members; i++)
		t->members[i] = member_of(i, weight_milli);
	return t;
}

START_TEST(shares_follow_weights_within_one_slot)
{
	struct table *t = table_new(1, 1);
	uint64_t seed = sl_check_seed(), random = seed;

	for (int round = 0; round < 12; round++) {
		uint32_t n_slots = round % 2 ? SL_PICK_MAGLEV_SMALL : SL_PICK_MAGLEV_SLOTS;

		t->n_members = (uint32_t)(sl_check_random(&random) % (round % 2 ? 40 : 1000)) + 1;
		members_random(t->members, t->n_members, &random);
		build(t, n_slots);
		count_slots(t->counts, t->n_members, t->slots, n_slots);
		check_shares(t->counts, t->members, t->n_members, n_slots, seed);
	}
	free(t);
}
END_TEST

START_TEST(the_order_of_members_does_not_matter)
{
	struct table *a = table_new(300, 0), *b = table_new(300, 0);
	uint64_t random = sl_check_seed();

	members_random(a->members, 300, &random);
	for (uint32_t i = 0; i < 300; i++)
		b->members[299 - i] = a->members[i];
	build(a, SL_PICK_MAGLEV_SLOTS);
	build(b, SL_PICK_MAGLEV_SLOTS);
	ck_assert_mem_eq(a->slots, b->slots, sizeof(a->slots));
	free(a);
	free(b);
}
END_TEST

// What each change may disturb beyond what it must move, as a share of all slots. For members
// that go, figure 12 of the paper has about 2 % where a tenth of the backends or less leave.
enum change { REMOVE_ONE, ADD_ONE, HALVE_ONE, ZERO_ONE, REMOVE_A_TENTH };
static const struct {
	const char *name;
	uint32_t n_members;
	uint32_t n_slots;
	enum change change;
	bool is_weighted;
	double most_disturbed;
} changes[] = {
	{"one of 10 leaves", 10, SL_PICK_MAGLEV_SMALL, REMOVE_ONE, false, 0.02},
	{"one of 40 leaves", 40, SL_PICK_MAGLEV_SMALL, REMOVE_ONE, false, 0.03},
	{"one of 300 leaves", 300, SL_PICK_MAGLEV_SLOTS, REMOVE_ONE, false, 0.01},
	{"one of 300 comes", 300, SL_PICK_MAGLEV_SLOTS, ADD_ONE, false, 0.01},
	{"one of 300 gets weight 0", 300, SL_PICK_MAGLEV_SLOTS, ZERO_ONE, false, 0.01},
	{"one of 300 gets half its weight", 300, SL_PICK_MAGLEV_SLOTS, HALVE_ONE, false, 0.01},
	{"one of 300 unequal leaves", 300, SL_PICK_MAGLEV_SLOTS, REMOVE_ONE, true, 0.015},
	{"one of 10 unequal halves", 10, SL_PICK_MAGLEV_SMALL, HALVE_ONE, true, 0.01},
	{"30 of 300 leave", 300, SL_PICK_MAGLEV_SLOTS, REMOVE_A_TENTH, false, 0.025},
};

static void apply(struct table *t, enum change change)
{
	switch (change) {
	case REMOVE_ONE:
		t->n_members--;
		break;
	case ADD_ONE:
		t->members[t->n_members] = member_of(t->n_members, 1000);
		t->n_members++;
		break;
	case HALVE_ONE:
		t->members[t->n_members - 1].weight_milli /= 2;
		break;
	case ZERO_ONE:
		t->members[t->n_members - 1].weight_milli = 0;
		break;
	case REMOVE_A_TENTH:
		t->n_members -= t->n_members / 10;
		break;
	}
}

START_TEST(a_change_disturbs_few_others)
{
	struct table *a = table_new(changes[_i].n_members, 1000), *b = NULL;
	uint32_t n_slots = changes[_i].n_slots, n_moved = 0, n_must = 0;
	uint32_t n_all = a->n_members + 1;

	for (uint32_t i = 0; changes[_i].is_weighted && i < a->n_members; i++)
		a->members[i].weight_milli = 500 + 37 * (i * 7 % 50);
	b = table_new(0, 0);
	*b = *a;
	apply(b, changes[_i].change);
	build(a, n_slots);
	build(b, n_slots);
	count_slots(a->counts, n_all, a->slots, n_slots);
	count_slots(b->counts, n_all, b->slots, n_slots);
	for (uint32_t i = 0; i < n_slots; i++)
		n_moved += a->slots[i] != b->slots[i];
	// Whatever the shares lost or won had to move.
	for (uint32_t i = 0; i < n_all; i++)
		n_must += a->counts[i] > b->counts[i] ? a->counts[i] - b->counts[i] : 0;
	ck_assert_msg((double)(n_moved - n_must) / n_slots <= changes[_i].most_disturbed,
	              "%s: %u of %u moved, %u had to", changes[_i].name, n_moved, n_slots, n_must);
	free(a);
	free(b);
}
END_TEST

START_TEST(without_weight_the_table_is_empty_and_an_error)
{
	struct table *t = table_new(_i == 0 ? 0 : 3, 0);

	ck_assert_int_eq(
		sl_pick_maglev_build(t->slots, SL_PICK_MAGLEV_SMALL, t->members, t->n_members),
		-ENOENT);
	for (uint32_t i = 0; i < SL_PICK_MAGLEV_SMALL; i++)
		ck_assert_uint_eq(t->slots[i], SL_NO_BACKEND);
	free(t);
}
END_TEST

START_TEST(table_sizes_are_prime)
{
	const uint32_t sizes[] = {SL_PICK_MAGLEV_SMALL, SL_PICK_MAGLEV_SLOTS};

	for (uint32_t d = 2; d * d <= sizes[_i]; d++)
		ck_assert_uint_ne(sizes[_i] % d, 0);
}
END_TEST

START_TEST(a_hash_reaches_first_and_last_slot_and_never_past)
{
	struct table *t = table_new(1, 1);

	for (uint32_t i = 0; i < SL_PICK_MAGLEV_SMALL; i++)
		t->slots[i] = (uint16_t)i;
	ck_assert_uint_eq(sl_pick_maglev(t->slots, SL_PICK_MAGLEV_SMALL, 0), 0);
	ck_assert_uint_eq(sl_pick_maglev(t->slots, SL_PICK_MAGLEV_SMALL, UINT64_MAX),
	                  SL_PICK_MAGLEV_SMALL - 1);
	free(t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pick_maglev");
	TCase *tc = tcase_create("maglev");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_test(tc, shares_follow_weights_within_one_slot);
	tcase_add_test(tc, the_order_of_members_does_not_matter);
	tcase_add_loop_test(tc, a_change_disturbs_few_others, 0,
	                    sizeof(changes) / sizeof(changes[0]));
	tcase_add_loop_test(tc, without_weight_the_table_is_empty_and_an_error, 0, 2);
	tcase_add_loop_test(tc, table_sizes_are_prime, 0, 2);
	tcase_add_test(tc, a_hash_reaches_first_and_last_slot_and_never_past);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
