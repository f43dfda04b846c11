// SPDX-License-Identifier: Apache-2.0
// A snapshot made from another one by new weights alone is the one that a build would give, and
// what they share lives as long as one of them.
#include "snapshot_fixture.h"

#include <arpa/inet.h>
#include <malloc.h>

static void check_pool(const struct sl_snap_pool *got, const struct sl_snap_pool *want)
{
	uint32_t cursor_got = 0, cursor_want = 0;

	ck_assert_uint_eq(got->id, want->id);
	ck_assert_uint_eq(got->row, want->row);
	ck_assert_uint_eq(got->n_members, want->n_members);
	ck_assert_uint_eq(got->tcp_idle_ticks, want->tcp_idle_ticks);
	ck_assert_int_eq(got->has_capacity, want->has_capacity);
	ck_assert_uint_eq(got->weights_milli, want->weights_milli);
	ck_assert_uint_eq(got->weight_top_milli, want->weight_top_milli);
	ck_assert_uint_eq(got->turns.n_leaves, want->turns.n_leaves);
	ck_assert_uint_eq(got->n_maglev, want->n_maglev);
	for (uint32_t m = 0; m < want->n_members; m++) {
		ck_assert_uint_eq(got->members[m], want->members[m]);
		ck_assert_uint_eq(got->inverse_weights[m], want->inverse_weights[m]);
	}
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_uint_eq(sl_pick_turns_next(&got->turns, &cursor_got),
		                  sl_pick_turns_next(&want->turns, &cursor_want));
	if (want->n_maglev != 0)
		ck_assert_mem_eq(got->maglev, want->maglev, want->n_maglev * sizeof(*got->maglev));
}

static void check_snapshot(const struct sl_snapshot *got, const struct sl_snapshot *want)
{
	ck_assert_uint_eq(got->generation, want->generation);
	ck_assert_uint_eq(got->epoch, want->epoch);
	ck_assert_uint_eq(got->n_backends, want->n_backends);
	ck_assert_uint_eq(got->n_members, want->n_members);
	ck_assert_uint_eq(got->n_pools, want->n_pools);
	ck_assert_uint_eq(got->n_vips, want->n_vips);
	ck_assert_mem_eq(&got->maglev_key, &want->maglev_key, sizeof(got->maglev_key));
	for (uint32_t i = 0; i < want->n_backends; i++) {
		ck_assert_mem_eq(&got->backends[i], &want->backends[i], sizeof(*got->backends));
		ck_assert_uint_eq(got->weights_milli[i], want->weights_milli[i]);
	}
	for (uint32_t i = 0; i < want->n_pools; i++)
		check_pool(&got->pools[i], &want->pools[i]);
	for (uint32_t i = 0; i < want->n_vips; i++) {
		const struct sl_snap_vip *v = &want->vips[i];
		const struct sl_snap_vip *found =
			sl_snapshot_vip(got, &v->address, v->proto, htons(v->port_first));

		ck_assert_uint_eq(got->vips[i].id, v->id);
		ck_assert(found != NULL && sl_snapshot_has_address(got, &v->address));
	}
}

// Some pools keep their weights, some lose all of them, some change one.
static void draw_weights(uint32_t *weights_milli, const struct body *b, uint64_t *random)
{
	for (uint32_t p = 0; p < b->header->n_pools; p++) {
		const struct sl_wire_pool *pool = &b->pools[p];
		uint64_t what = sl_check_random(random) % 4;

		for (uint32_t m = 0; m < pool->n_backends; m++) {
			uint32_t *weight = &weights_milli[pool->first_backend + m];

			if (what == 1)
				*weight = 0;
			else if (what == 2 || (what == 3 && m == 0))
				*weight = (uint32_t)(sl_check_random(random) % 3000);
		}
	}
}

START_TEST(weights_alone_give_what_a_build_would)
{
	struct fixture f = setup();
	uint64_t seed = sl_check_seed(), random = seed;

	for (uint32_t i = 0; i < 9; i++)
		f.inputs->weights_milli[i] = f.body.backends[i].weight_milli;
	f.inputs->in.weights_milli = f.inputs->weights_milli;
	for (int round = 0; round < 200; round++) {
		struct sl_snapshot *built, *made;

		draw_weights(f.inputs->weights_milli, &f.body, &random);
		f.inputs->in.epoch++;
		built = sl_snapshot_build(&f.inputs->in);
		made = sl_snapshot_reweigh(f.snap, f.inputs->weights_milli, f.inputs->in.epoch);
		ck_assert_msg(built != NULL && made != NULL, "seed %lu", seed);
		check_snapshot(made, built);
		sl_snapshot_free(built);
		sl_snapshot_free(f.snap); // the one it was made from goes first
		check_snapshot(made, made);
		f.snap = made;
	}
	teardown(&f);
}
END_TEST

START_TEST(a_pool_that_keeps_its_weights_keeps_its_tables)
{
	struct fixture f = setup();
	struct sl_snapshot *made;

	for (uint32_t i = 0; i < 9; i++)
		f.inputs->weights_milli[i] = f.body.backends[i].weight_milli;
	f.inputs->weights_milli[0] += 1;
	made = sl_snapshot_reweigh(f.snap, f.inputs->weights_milli, 78);
	ck_assert_ptr_nonnull(made);
	ck_assert_ptr_ne(made->pools[0].inverse_weights, f.snap->pools[0].inverse_weights);
	ck_assert_ptr_eq(made->pools[1].maglev, f.snap->pools[1].maglev);
	ck_assert_ptr_eq(made->pools[2].inverse_weights, f.snap->pools[2].inverse_weights);
	ck_assert_ptr_eq(made->vips, f.snap->vips);
	ck_assert_ptr_eq(made->backends, f.snap->backends);
	ck_assert_uint_eq(f.snap->weights_milli[1], f.body.backends[0].weight_milli);
	sl_snapshot_free(made);
	teardown(&f);
}
END_TEST

#define EPOCHS      20000
#define SLACK_BYTES 65536 // what malloc keeps at hand

// As the publisher does it: there is the one in force and the one before it. One table lost at each
// epoch would be 20 MB.
START_TEST(memory_does_not_grow_over_a_storm)
{
	struct fixture f = setup();
	struct sl_snapshot *retiring = NULL;
	uint64_t random = sl_check_seed();
	size_t before_bytes = 0;

	for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
		struct sl_snapshot *made;

		draw_weights(f.inputs->weights_milli, &f.body, &random);
		made = sl_snapshot_reweigh(f.snap, f.inputs->weights_milli, 78 + epoch);
		ck_assert_ptr_nonnull(made);
		sl_snapshot_free(retiring);
		retiring = f.snap;
		f.snap = made;
		if (epoch == 100)
			before_bytes = mallinfo2().uordblks;
	}
	ck_assert_uint_le(mallinfo2().uordblks, before_bytes + SLACK_BYTES);
	sl_snapshot_free(retiring);
	teardown(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot_reweigh");
	TCase *tc = tcase_create("reweigh");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_test(tc, weights_alone_give_what_a_build_would);
	tcase_add_test(tc, a_pool_that_keeps_its_weights_keeps_its_tables);
	tcase_add_test(tc, memory_does_not_grow_over_a_storm);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
