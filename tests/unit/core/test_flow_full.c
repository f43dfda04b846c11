// SPDX-License-Identifier: Apache-2.0
// A flow table without room: who is evicted, who never is, and what a refusal leaves behind.
#include "flow_fixture.h"

#include "flow_private.h"

#define NEAR_WRAP (UINT32_MAX - 100)

START_TEST(a_full_table_of_open_flows_takes_its_capacity_and_not_one_more)
{
	const uint32_t n_flows = 3 << 14; // the worst load: three quarters of 2^n buckets
	struct sl_flow_new new;
	struct fixture f;

	fixture_init(&f, n_flows, 0);
	ck_assert_uint_eq(sl_flow_capacity(f.ft), n_flows);
	for (uint32_t i = 0; i < n_flows; i++) {
		struct sl_flow *flow;

		new = flow_of(i, i % 2 ? SL_FLOW_IS_FULLNAT : 0, i % 3 == 0);
		flow = sl_flow_add(f.ft, &new, 0);
		ck_assert_msg(flow != NULL, "flow %u", i);
		sl_flow_set_state(f.ft, flow, SL_FLOW_OPEN, 0);
	}
	new = flow_of(n_flows, 0, false);
	ck_assert_ptr_null(sl_flow_add(f.ft, &new, 0));
	ck_assert_uint_eq(f.n_gone, 0);
	for (uint32_t i = 0; i < n_flows; i++) {
		new = flow_of(i, i % 2 ? SL_FLOW_IS_FULLNAT : 0, i % 3 == 0);
		ck_assert(has(&f, &new.c2s) && has(&f, &new.s2c));
	}
	fixture_fini(&f);
}
END_TEST

START_TEST(a_full_table_evicts_the_oldest_unconfirmed_flow)
{
	const uint8_t states[3] = {SL_FLOW_OPEN, SL_FLOW_ANSWERED, SL_FLOW_NEW};
	const uint32_t seen[3] = {NEAR_WRAP, NEAR_WRAP + 10, NEAR_WRAP + 110}; // the last wraps
	struct sl_flow_new new;
	struct fixture f;

	// 3 flows have two buckets, so all of them are candidates of the fourth.
	fixture_init(&f, 3, NEAR_WRAP);
	for (uint32_t i = 0; i < 3; i++) {
		new = flow_of(i, SL_FLOW_IS_DSR, false);
		sl_flow_set_state(f.ft, sl_flow_add(f.ft, &new, seen[i]), states[i], seen[i]);
	}
	new = flow_of(3, SL_FLOW_IS_DSR, false);
	ck_assert_ptr_nonnull(sl_flow_add(f.ft, &new, NEAR_WRAP + 115));
	ck_assert_uint_eq(f.n_gone, 1);
	ck_assert_uint_eq(f.n_evicted, 1);
	ck_assert_uint_eq(f.last_gone.backend, 1);
	fixture_fini(&f);
}
END_TEST

START_TEST(a_full_table_evicts_in_the_order_flows_came_wherever_they_are)
{
	enum { N_FLOWS = 3000, N_OPEN = 1000 };
	struct sl_flow_new new;
	struct fixture f;

	fixture_init(&f, N_FLOWS, 0);
	for (uint32_t i = 0; i < N_FLOWS; i++) { // every third is open
		struct sl_flow *flow;

		new = flow_of(i, 0, i % 2);
		flow = sl_flow_add(f.ft, &new, i / 100);
		ck_assert_ptr_nonnull(flow);
		if (i % 3 == 0)
			sl_flow_set_state(f.ft, flow, SL_FLOW_OPEN, i / 100);
		else if (i % 3 == 1) // answers and repetitions keep nobody's place
			sl_flow_set_state(f.ft, flow, SL_FLOW_ANSWERED, 100);
	}
	for (uint32_t i = 0; i < N_FLOWS - N_OPEN; i++) {
		new = flow_of(N_FLOWS + i, 0, false);
		ck_assert_ptr_nonnull(sl_flow_add(f.ft, &new, 31));
		ck_assert_uint_eq(f.n_evicted, i + 1);
		ck_assert_uint_eq(f.last_gone.backend, i / 2 * 3 + i % 2 + 1);
	}
	ck_assert_uint_eq(sl_flow_count(f.ft), N_FLOWS);
	ck_assert_uint_eq(f.n_gone, f.n_evicted);
	fixture_fini(&f);
}
END_TEST

START_TEST(a_flood_of_new_flows_moves_no_open_one)
{
	enum { N_OPEN = 900, N_FLOWS = 1000, N_FLOOD = 20000 };
	uint32_t n_added = 0;
	struct sl_flow_new new;
	struct fixture f;

	fixture_init(&f, N_FLOWS, 0);
	for (uint32_t i = 0; i < N_OPEN; i++) {
		new = flow_of(i, 0, false);
		sl_flow_set_state(f.ft, sl_flow_add(f.ft, &new, 0), SL_FLOW_OPEN, 0);
	}
	for (uint32_t i = N_OPEN; i < N_OPEN + N_FLOOD; i++) {
		new = flow_of(i, 0, false);
		n_added += sl_flow_add(f.ft, &new, i / 100) != NULL;
	}
	ck_assert_uint_gt(n_added, N_FLOWS - N_OPEN);
	ck_assert_uint_gt(f.n_evicted, 0);
	for (uint32_t i = 0; i < N_OPEN; i++) {
		new = flow_of(i, 0, false);
		ck_assert(has(&f, &new.c2s) && has(&f, &new.s2c));
	}
	fixture_fini(&f);
}
END_TEST

// Both buckets of a tuple full, and so that moving aside cannot help: the tuples of all that is in
// them have the same two buckets. Found by trying numbers; the table is far from full.
struct crowd {
	struct fixture f;
	uint32_t a, b; // the two buckets
	uint32_t next; // number to try
};

static bool is_in_crowd(const struct crowd *c, const struct sl_tuple *tuple)
{
	uint64_t hash = sl_flow_hash(c->f.ft, tuple);
	uint32_t first = flow_first_bucket(c->f.ft, hash);
	uint32_t second = flow_other_bucket(c->f.ft, first, flow_tag(hash));

	return (first == c->a && second == c->b) || (first == c->b && second == c->a);
}

static struct sl_flow_new crowd_member(struct crowd *c)
{
	struct sl_flow_new new;

	do {
		new = flow_of(c->next++, SL_FLOW_IS_DSR, false);
	} while (!is_in_crowd(c, &new.c2s));
	return new;
}

static void crowd_init(struct crowd *c, uint32_t n_members, uint8_t state)
{
	fixture_init(&c->f, 96, 0);
	c->a = 4;
	c->b = 5;
	c->next = 0;
	for (uint32_t i = 0; i < n_members; i++) {
		const struct sl_flow_new new = crowd_member(c);
		struct sl_flow *flow = sl_flow_add(c->f.ft, &new, i);

		ck_assert_ptr_nonnull(flow);
		sl_flow_set_state(c->f.ft, flow, state, i);
	}
}

START_TEST(two_full_buckets_of_open_flows_refuse_a_new_one)
{
	struct sl_flow_new new;
	struct crowd c;

	crowd_init(&c, 16, SL_FLOW_OPEN);
	new = crowd_member(&c);
	ck_assert_ptr_null(sl_flow_add(c.f.ft, &new, 20));
	ck_assert(!has(&c.f, &new.c2s));
	ck_assert_uint_eq(c.f.n_gone, 0);
	ck_assert_uint_eq(sl_flow_count(c.f.ft), 16);
	fixture_fini(&c.f);
}
END_TEST

START_TEST(two_full_buckets_of_new_flows_keep_a_quarter_and_the_youngest)
{
	struct sl_flow_new new;
	struct crowd c;

	crowd_init(&c, 16, SL_FLOW_NEW);
	new = crowd_member(&c);
	ck_assert_ptr_nonnull(sl_flow_add(c.f.ft, &new, 20));
	ck_assert(has(&c.f, &new.c2s));
	ck_assert_uint_ge(c.f.n_evicted, 14);
	ck_assert_uint_le(c.f.last_gone.last_seen, c.f.n_evicted - 1);
	fixture_fini(&c.f);
}
END_TEST

START_TEST(a_flow_whose_second_tuple_finds_no_way_leaves_nothing_behind)
{
	struct sl_flow_new new;
	struct crowd c;

	crowd_init(&c, 15, SL_FLOW_OPEN);
	new = crowd_member(&c);
	new.flags = SL_FLOW_IS_FULLNAT;
	for (uint16_t port = 1; !is_in_crowd(&c, &new.s2c); port++)
		new.s2c.dport_be = port;
	ck_assert_ptr_null(sl_flow_add(c.f.ft, &new, 20));
	ck_assert(!has(&c.f, &new.c2s) && !has(&c.f, &new.s2c));
	ck_assert_uint_eq(c.f.n_gone, 0);
	ck_assert_uint_eq(sl_flow_count(c.f.ft), 15);
	fixture_fini(&c.f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow_full");
	TCase *tc = tcase_create("full");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_test(tc, a_full_table_of_open_flows_takes_its_capacity_and_not_one_more);
	tcase_add_test(tc, a_full_table_evicts_the_oldest_unconfirmed_flow);
	tcase_add_test(tc, a_full_table_evicts_in_the_order_flows_came_wherever_they_are);
	tcase_add_test(tc, a_flood_of_new_flows_moves_no_open_one);
	tcase_add_test(tc, two_full_buckets_of_open_flows_refuse_a_new_one);
	tcase_add_test(tc, two_full_buckets_of_new_flows_keep_a_quarter_and_the_youngest);
	tcase_add_test(tc, a_flow_whose_second_tuple_finds_no_way_leaves_nothing_behind);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
