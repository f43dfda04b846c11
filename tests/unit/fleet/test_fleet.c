// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <errno.h>

#include "fleet_model.h"

#define S(n)  ((n)*SL_NS_PER_S)
#define MS(n) ((n)*SL_NS_PER_MS)

static struct sl_fleet *fleet_of(struct fleet_model *m, uint32_t n_backends, uint32_t n_probes)
{
	struct sl_fleet *fleet = sl_fleet_new();

	fleet_model_init(m, n_backends, n_probes);
	ck_assert_int_eq(sl_fleet_sync(fleet, &m->model, S(100)), 0);
	return fleet;
}

static void feed_n(struct sl_fleet *fleet, uint32_t backend, uint32_t probe, uint8_t reason, int n,
                   uint64_t now_ns)
{
	for (int i = 0; i < n; i++)
		fleet_feed(fleet, backend, probe, reason, 1000, now_ns);
}

START_TEST(unknown_backends_serve_at_their_configured_weight)
{
	struct fleet_model m;
	struct sl_fleet *fleet = fleet_of(&m, 2, 1);

	ck_assert(sl_fleet_tick(fleet, S(100)));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_UNKNOWN);
	ck_assert_uint_eq(fleet_view(fleet, 0).slow_start_milli, 1000);
	ck_assert_uint_eq(sl_fleet_take_weights(fleet)[0], 100000);
	ck_assert(!sl_fleet_tick(fleet, S(101)));
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(first_successes_bring_it_up_without_slow_start)
{
	struct fleet_model m;
	struct sl_fleet *fleet = fleet_of(&m, 2, 1);

	feed_n(fleet, 0, 0, SL_PROBE_OK, 2, S(101));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_UP);
	ck_assert_uint_eq(fleet_view(fleet, 0).state_since_ns, S(101));
	sl_fleet_tick(fleet, S(101));
	ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, 100000);
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(fall_failures_take_the_weight_and_say_why)
{
	struct fleet_model m;
	struct sl_fleet *fleet = fleet_of(&m, 2, 2);

	sl_fleet_tick(fleet, S(100));
	sl_fleet_take_weights(fleet);
	feed_n(fleet, 0, 0, SL_PROBE_OK, 2, S(101));
	feed_n(fleet, 0, 1, SL_PROBE_STATUS, 2, S(101));
	sl_fleet_tick(fleet, S(101));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_UP);
	feed_n(fleet, 0, 1, SL_PROBE_STATUS, 1, S(102));
	ck_assert(sl_fleet_tick(fleet, S(102)));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_DOWN);
	ck_assert_uint_eq(fleet_view(fleet, 0).reason, SL_PROBE_STATUS);
	ck_assert_uint_eq(fleet_view(fleet, 0).deciding_probe, 1);
	ck_assert_uint_eq(sl_fleet_take_weights(fleet)[0], 0);
	ck_assert_uint_eq(sl_fleet_take_weights(fleet)[1], 100000);
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(coming_back_from_down_ramps)
{
	static const struct {
		uint64_t after_ms;
		uint32_t weight_milli;
		uint8_t state;
	} steps[] = {{0, 10000, SL_BACKEND_SLOW_START},
	             {5000, 55000, SL_BACKEND_SLOW_START},
	             {10000, 100000, SL_BACKEND_UP}};
	struct fleet_model m;
	struct sl_fleet *fleet = fleet_of(&m, 2, 1);

	feed_n(fleet, 0, 0, SL_PROBE_REFUSED, 3, S(101));
	feed_n(fleet, 0, 0, SL_PROBE_OK, 1, S(102));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_DOWN);
	feed_n(fleet, 0, 0, SL_PROBE_OK, 1, S(103));
	for (size_t i = 0; i < 3; i++) {
		sl_fleet_tick(fleet, S(103) + MS(steps[i].after_ms));
		ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, steps[i].weight_milli);
		ck_assert_uint_eq(fleet_view(fleet, 0).state, steps[i].state);
	}
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(added_backends_ramp_once_the_fleet_runs)
{
	struct fleet_model m, larger;
	struct sl_fleet *fleet = fleet_of(&m, 2, 1);

	fleet_model_init(&larger, 3, 1);
	ck_assert_int_eq(sl_fleet_sync(fleet, &larger.model, S(200)), 0);
	ck_assert(sl_fleet_tick(fleet, S(200)));
	ck_assert_uint_eq(fleet_view(fleet, 1).weight_milli, 100000);
	ck_assert_uint_eq(fleet_view(fleet, 2).weight_milli, 10000);
	feed_n(fleet, 2, 0, SL_PROBE_OK, 2, S(205));
	ck_assert_uint_eq(fleet_view(fleet, 2).state, SL_BACKEND_SLOW_START);
	sl_fleet_tick(fleet, S(210));
	ck_assert_uint_eq(fleet_view(fleet, 2).weight_milli, 100000);
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(all_down_is_panic_and_keeps_configured_weights)
{
	struct fleet_model m;
	struct sl_fleet *fleet = fleet_of(&m, 3, 1);

	m.backends[1].weight = 50;
	m.backends[2].state = SL_ADMIN_DRAIN;
	for (uint32_t b = 0; b < 3; b++)
		feed_n(fleet, b, 0, SL_PROBE_REFUSED, 3, S(101));
	sl_fleet_tick(fleet, S(101));
	ck_assert(fleet_view(fleet, 0).in_panic);
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_DOWN);
	ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, 100000);
	ck_assert_uint_eq(fleet_view(fleet, 1).weight_milli, 50000);
	ck_assert_uint_eq(fleet_view(fleet, 2).weight_milli, 0);
	feed_n(fleet, 1, 0, SL_PROBE_OK, 2, S(102));
	sl_fleet_tick(fleet, S(102));
	ck_assert(!fleet_view(fleet, 0).in_panic);
	ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, 0);
	ck_assert_uint_gt(fleet_view(fleet, 1).weight_milli, 0);
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(a_backend_without_weight_does_not_prevent_panic)
{
	struct fleet_model m;
	struct sl_fleet *fleet = fleet_of(&m, 2, 1);

	m.backends[1].weight = 0;
	feed_n(fleet, 0, 0, SL_PROBE_REFUSED, 3, S(101));
	feed_n(fleet, 1, 0, SL_PROBE_OK, 3, S(101));
	sl_fleet_tick(fleet, S(101));
	ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, 100000);
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(the_operators_word_comes_first)
{
	struct fleet_model m;
	struct sl_fleet *fleet = fleet_of(&m, 2, 1);

	ck_assert_int_eq(sl_fleet_set_drain(fleet, 0, true, S(101)), 0);
	sl_fleet_tick(fleet, S(101));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_DRAIN);
	ck_assert(fleet_view(fleet, 0).is_drained_by_operator);
	ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, 0);
	sl_fleet_set_drain(fleet, 0, false, S(102));
	sl_fleet_tick(fleet, S(102));
	ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, 100000);

	ck_assert_int_eq(sl_fleet_set_weight(fleet, 0, 7, S(103)), 0);
	sl_fleet_tick(fleet, S(103));
	ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, 7000);
	ck_assert_int_eq(fleet_view(fleet, 0).override_weight, 7);
	sl_fleet_set_weight(fleet, 0, -1, S(104));
	sl_fleet_tick(fleet, S(104));
	ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, 100000);
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(nonsense_from_the_caller_is_refused)
{
	struct fleet_model m;
	struct sl_fleet *fleet = fleet_of(&m, 2, 1);
	struct sl_fleet *empty = sl_fleet_new();
	struct sl_probe_view probe;

	ck_assert_int_eq(sl_fleet_set_weight(fleet, 0, 1001, S(101)), -EINVAL);
	ck_assert_int_eq(sl_fleet_set_weight(fleet, 0, -2, S(101)), -EINVAL);
	ck_assert_int_eq(sl_fleet_set_weight(fleet, 2, 5, S(101)), -ENOENT);
	ck_assert_int_eq(sl_fleet_set_drain(fleet, 2, true, S(101)), -ENOENT);
	feed_n(fleet, 2, 0, SL_PROBE_REFUSED, 3, S(101));
	feed_n(fleet, 1, 1, SL_PROBE_REFUSED, 3, S(101));
	ck_assert_uint_eq(fleet_view(fleet, 1).state, SL_BACKEND_UNKNOWN);
	sl_fleet_probe_view(fleet, 1, 1, &probe);
	ck_assert_uint_eq(probe.last_ns, 0);
	ck_assert(!sl_fleet_tick(empty, S(1)));
	ck_assert_uint_eq(fleet_view(empty, 0).weight_milli, 0);
	sl_fleet_free(empty);
	sl_fleet_free(fleet);
	sl_fleet_free(NULL);
}
END_TEST

START_TEST(maintenance_forgets_and_comes_back_slowly)
{
	struct fleet_model m, maint;
	struct sl_fleet *fleet = fleet_of(&m, 2, 1);

	feed_n(fleet, 0, 0, SL_PROBE_REFUSED, 3, S(101));
	fleet_model_init(&maint, 2, 1);
	maint.backends[0].state = SL_ADMIN_MAINT;
	sl_fleet_sync(fleet, &maint.model, S(102));
	feed_n(fleet, 0, 0, SL_PROBE_REFUSED, 3, S(103));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_MAINT);
	ck_assert_uint_eq(fleet_view(fleet, 0).reason, SL_PROBE_OK);
	ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, 0);
	sl_fleet_sync(fleet, &m.model, S(104));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_UNKNOWN);
	ck_assert_uint_eq(fleet_view(fleet, 0).weight_milli, 10000);
	sl_fleet_free(fleet);
}
END_TEST

// The old model is gone by then: the fleet must know by itself all that it carries over.
START_TEST(sync_carries_over_by_id_and_probe_name)
{
	struct fleet_model *m = malloc(sizeof(*m)), next;
	struct sl_fleet *fleet = fleet_of(m, 4, 2);
	struct sl_probe_view probe;

	feed_n(fleet, 0, 0, SL_PROBE_OK, 2, S(101));
	feed_n(fleet, 1, 1, SL_PROBE_BODY, 3, S(101));
	sl_fleet_set_weight(fleet, 2, 9, S(101));
	sl_fleet_set_drain(fleet, 3, true, S(101));
	sl_fleet_tick(fleet, S(101));
	sl_fleet_take_weights(fleet);
	memset(m, 0xa5, sizeof(*m));
	free(m);

	fleet_model_init(&next, 4, 2);
	for (uint32_t b = 0; b < 4; b++)
		next.backends[b].id = 103 - b; // reversed
	strcpy(next.probes[0].name, "http");   // swapped
	strcpy(next.probes[1].name, "tcp");
	next.probes[0].type = SL_PROBE_HTTP;
	next.probes[1].type = SL_PROBE_TCP;
	next.pool.latency_probe = 1;
	ck_assert_int_eq(sl_fleet_sync(fleet, &next.model, S(110)), 0);
	ck_assert_msg(!sl_fleet_tick(fleet, S(110)), "nothing changed, nothing to publish");
	ck_assert_uint_eq(fleet_view(fleet, 3).state, SL_BACKEND_UP);
	ck_assert_uint_eq(fleet_view(fleet, 3).latency_us, 1000);
	ck_assert_uint_eq(fleet_view(fleet, 3).state_since_ns, S(101));
	ck_assert_uint_eq(fleet_view(fleet, 2).state, SL_BACKEND_DOWN);
	ck_assert_uint_eq(fleet_view(fleet, 2).deciding_probe, 0);
	sl_fleet_probe_view(fleet, 2, 0, &probe);
	ck_assert(probe.has_verdict && !probe.is_up);
	ck_assert_uint_eq(probe.n_failed, 3);
	ck_assert_uint_eq(probe.streak, 3);
	ck_assert_int_eq(fleet_view(fleet, 1).override_weight, 9);
	ck_assert(fleet_view(fleet, 0).is_drained_by_operator);
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(a_changed_probe_keeps_its_verdict_but_not_its_streak)
{
	struct fleet_model m, next;
	struct sl_fleet *fleet = fleet_of(&m, 2, 2);
	struct sl_probe_view probe;

	feed_n(fleet, 0, 1, SL_PROBE_STATUS, 3, S(101));
	feed_n(fleet, 0, 1, SL_PROBE_OK, 1, S(101));
	fleet_model_init(&next, 2, 2);
	strcpy(next.probes[1].path, "/other");
	sl_fleet_sync(fleet, &next.model, S(102));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_DOWN);
	sl_fleet_probe_view(fleet, 0, 1, &probe);
	ck_assert_uint_eq(probe.streak, 0);
	feed_n(fleet, 0, 1, SL_PROBE_OK, 1, S(103));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_DOWN);
	feed_n(fleet, 0, 1, SL_PROBE_OK, 1, S(104));
	ck_assert_uint_eq(fleet_view(fleet, 0).state, SL_BACKEND_SLOW_START);
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(another_latency_probe_starts_another_mean)
{
	struct fleet_model m, next;
	struct sl_fleet *fleet = fleet_of(&m, 2, 2);

	feed_n(fleet, 0, 0, SL_PROBE_OK, 2, S(101));
	fleet_model_init(&next, 2, 2);
	next.pool.latency_probe = 1;
	sl_fleet_sync(fleet, &next.model, S(102));
	ck_assert_uint_eq(fleet_view(fleet, 0).latency_us, 0);
	fleet_feed(fleet, 0, 1, SL_PROBE_OK, 7777, S(103));
	ck_assert_uint_eq(fleet_view(fleet, 0).latency_us, 7777);
	sl_fleet_free(fleet);
}
END_TEST

START_TEST(removed_backends_are_forgotten)
{
	struct fleet_model m, fewer;
	struct sl_fleet *fleet = fleet_of(&m, 3, 1);

	feed_n(fleet, 2, 0, SL_PROBE_REFUSED, 3, S(101));
	fleet_model_init(&fewer, 2, 1);
	sl_fleet_sync(fleet, &fewer.model, S(102));
	sl_fleet_sync(fleet, &m.model, S(103));
	ck_assert_uint_eq(fleet_view(fleet, 2).state, SL_BACKEND_UNKNOWN);
	sl_fleet_free(fleet);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fleet");
	TCase *tc = tcase_create("fleet");

	tcase_add_test(tc, unknown_backends_serve_at_their_configured_weight);
	tcase_add_test(tc, first_successes_bring_it_up_without_slow_start);
	tcase_add_test(tc, fall_failures_take_the_weight_and_say_why);
	tcase_add_test(tc, coming_back_from_down_ramps);
	tcase_add_test(tc, added_backends_ramp_once_the_fleet_runs);
	tcase_add_test(tc, all_down_is_panic_and_keeps_configured_weights);
	tcase_add_test(tc, a_backend_without_weight_does_not_prevent_panic);
	tcase_add_test(tc, the_operators_word_comes_first);
	tcase_add_test(tc, nonsense_from_the_caller_is_refused);
	tcase_add_test(tc, maintenance_forgets_and_comes_back_slowly);
	tcase_add_test(tc, sync_carries_over_by_id_and_probe_name);
	tcase_add_test(tc, a_changed_probe_keeps_its_verdict_but_not_its_streak);
	tcase_add_test(tc, another_latency_probe_starts_another_mean);
	tcase_add_test(tc, removed_backends_are_forgotten);
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
