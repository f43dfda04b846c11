// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "fleet_model.h"

#define S(n)    ((n)*SL_NS_PER_S)
#define TICK_NS (100 * SL_NS_PER_MS)

// A fleet whose flows are made up: each backend answers so many requests a second, as slowly.
struct world {
	struct fleet_model m;
	struct sl_fleet *fleet;
	uint64_t now_ns;
	struct {
		uint32_t n_answers; // per tick
		uint32_t ttft_us;
		uint32_t n_refused, n_fleeting; // per tick
		uint32_t oldest_us;
	} does[FLEET_MODEL_MAX];
};

static void set_up(struct world *w, uint32_t n, uint8_t mode)
{
	*w = (struct world){.fleet = sl_fleet_new(), .now_ns = S(100)};
	fleet_model_init(&w->m, n, 1);
	w->m.pool.adaptive = mode;
	w->m.pool.latency_probe = UINT32_MAX;
	w->m.pool.ttft_objective_ms = 2000;
	ck_assert_int_eq(sl_fleet_sync(w->fleet, &w->m.model, w->now_ns), 0);
	for (uint32_t b = 0; b < n; b++) {
		w->does[b].n_answers = 1;
		w->does[b].ttft_us = 200000;
		fleet_feed(w->fleet, b, 0, SL_PROBE_OK, 1000, w->now_ns);
		fleet_feed(w->fleet, b, 0, SL_PROBE_OK, 1000, w->now_ns);
	}
	sl_fleet_take_weights(w->fleet);
}

static void tear_down(struct world *w)
{
	sl_fleet_free(w->fleet);
}

static void run(struct world *w, uint32_t seconds)
{
	for (uint64_t end_ns = w->now_ns + S(seconds); w->now_ns < end_ns;) {
		w->now_ns += TICK_NS;
		for (uint32_t b = 0; b < w->m.pool.n_backends; b++) {
			const uint32_t n = w->does[b].n_answers;
			const struct sl_steer_seen seen = {
				.n_ttft = n,
				.ttft_sum_us = (double)n * w->does[b].ttft_us,
				.n_ended = n + w->does[b].n_fleeting,
				.n_fleeting = w->does[b].n_fleeting,
				.n_connected = n,
				.n_refused = w->does[b].n_refused,
				.oldest_us = w->does[b].oldest_us,
			};

			sl_fleet_seen(w->fleet, b, &seen);
		}
		if (sl_fleet_tick(w->fleet, w->now_ns))
			sl_fleet_take_weights(w->fleet);
	}
}

static struct sl_steer_view steer(const struct world *w, uint32_t backend)
{
	struct sl_steer_view view;

	ck_assert(sl_fleet_steer_view(w->fleet, backend, &view));
	return view;
}

static uint32_t weight(const struct world *w, uint32_t backend)
{
	return fleet_view(w->fleet, backend).weight_milli;
}

START_TEST(a_slower_backend_loses_weight_and_gets_it_back)
{
	struct world w;

	set_up(&w, 4, SL_ADAPTIVE_ENFORCE);
	run(&w, 20);
	ck_assert_uint_eq(weight(&w, 0), 100000);
	w.does[0].ttft_us = 390000; // less than twice: no outlier
	run(&w, 10);
	ck_assert_uint_lt(weight(&w, 0), 80000);
	run(&w, 20);
	ck_assert_uint_lt(weight(&w, 0), 60000);
	ck_assert_uint_ge(weight(&w, 0), 12500);
	ck_assert_uint_eq(steer(&w, 0).guard, SL_GUARD_CLOSED);
	w.does[0].ttft_us = 200000;
	run(&w, 60);
	ck_assert_uint_gt(weight(&w, 0), 90000);
	tear_down(&w);
}
END_TEST

START_TEST(in_shadow_everything_is_computed_and_nothing_done)
{
	struct world w;

	set_up(&w, 4, SL_ADAPTIVE_SHADOW);
	w.does[0].ttft_us = 1000000;
	w.does[1].n_refused = 3;
	w.does[1].n_answers = 0;
	run(&w, 20);
	ck_assert_uint_lt(fleet_view(w.fleet, 0).latency_factor_milli, 700);
	ck_assert_uint_eq(steer(&w, 1).guard, SL_GUARD_EJECTED);
	for (uint32_t b = 0; b < 4; b++)
		ck_assert_uint_eq(weight(&w, b), 100000);
	tear_down(&w);
}
END_TEST

static const struct {
	const char *name;
	uint32_t n_answers, ttft_us, n_refused, n_fleeting, oldest_us, within_s;
	uint8_t reason;
	bool are_others_quiet;
} ejection_cases[] = {
	{"who ends connections at once", 0, 0, 0, 3, 0, 3, SL_GUARD_SINKHOLE},
	{"who refuses", 0, 0, 3, 0, 0, 3, SL_GUARD_CONNECT},
	{"who lets wait where others answer", 0, 0, 0, 0, 4000000, 8, SL_GUARD_OUTLIER},
	{"who lets wait where nobody else is asked", 0, 0, 0, 0, 11000000, 12, SL_GUARD_STALL,
         true},
	{"who is twenty times as slow", 1, 4000000, 0, 0, 0, 10, SL_GUARD_OUTLIER},
};

START_TEST(who_fails_is_ejected_with_the_numbers_and_comes_back_by_a_trickle)
{
	struct world w;
	struct sl_steer_view view;

	set_up(&w, 4, SL_ADAPTIVE_ENFORCE);
	for (uint32_t b = 0; b < 4 && ejection_cases[_i].are_others_quiet; b++)
		w.does[b].n_answers = 0;
	run(&w, 5);
	w.does[2].n_answers = ejection_cases[_i].n_answers;
	w.does[2].ttft_us = ejection_cases[_i].ttft_us;
	w.does[2].n_refused = ejection_cases[_i].n_refused;
	w.does[2].n_fleeting = ejection_cases[_i].n_fleeting;
	w.does[2].oldest_us = ejection_cases[_i].oldest_us;
	run(&w, ejection_cases[_i].within_s);
	view = steer(&w, 2);
	ck_assert_msg(view.guard == SL_GUARD_EJECTED, "%s", ejection_cases[_i].name);
	ck_assert_uint_eq(view.guard_reason, ejection_cases[_i].reason);
	ck_assert_double_gt(view.guard_value, 0);
	ck_assert_double_gt(view.guard_bound, 0);
	ck_assert_uint_gt(view.guard_until_ns, w.now_ns);
	ck_assert_uint_eq(weight(&w, 2), 0);
	w.does[2] = w.does[1];
	w.does[2].n_answers = 0; // nothing new reaches it
	for (int s = 0; s < 150 && steer(&w, 2).guard == SL_GUARD_EJECTED; s++)
		run(&w, 1);
	ck_assert_uint_eq(steer(&w, 2).guard, SL_GUARD_HALF_OPEN);
	ck_assert_uint_gt(weight(&w, 2), 0);
	ck_assert_uint_lt(weight(&w, 2), 4000);
	w.does[2].n_answers = 1;
	run(&w, 2);
	ck_assert_uint_eq(steer(&w, 2).guard, SL_GUARD_CLOSED);
	ck_assert_uint_gt(weight(&w, 2), 50000);
	tear_down(&w);
}
END_TEST

START_TEST(an_ejection_is_ignored_when_too_few_others_are_left)
{
	struct world w;

	set_up(&w, 2, SL_ADAPTIVE_ENFORCE);
	w.does[0].n_answers = 0;
	w.does[0].n_refused = 3;
	run(&w, 3);
	ck_assert_uint_eq(weight(&w, 0), 0);
	for (int i = 0; i < 3; i++)
		fleet_feed(w.fleet, 1, 0, SL_PROBE_REFUSED, 0, w.now_ns);
	run(&w, 1);
	ck_assert_uint_eq(weight(&w, 1), 0);
	ck_assert(steer(&w, 0).is_ignored);
	ck_assert_uint_gt(weight(&w, 0), 0);
	tear_down(&w);
}
END_TEST

START_TEST(without_news_weights_fade_back_and_never_to_zero)
{
	struct world w;
	uint32_t slow;

	set_up(&w, 4, SL_ADAPTIVE_ENFORCE);
	w.does[0].ttft_us = 390000;
	run(&w, 30);
	slow = weight(&w, 0);
	for (uint32_t b = 0; b < 4; b++)
		w.does[b].n_answers = 0; // the data plane is gone
	for (int s = 0; s < 60; s++) {
		run(&w, 1);
		ck_assert_uint_ge(weight(&w, 0), slow / 2);
	}
	for (uint32_t b = 0; b < 4; b++)
		ck_assert_uint_ge(weight(&w, b), 93000);
	tear_down(&w);
}
END_TEST

START_TEST(above_the_objective_weights_freeze)
{
	struct world w;
	struct sl_pool_steer_view view;

	set_up(&w, 4, SL_ADAPTIVE_ENFORCE);
	for (uint32_t b = 0; b < 4; b++)
		w.does[b].ttft_us = 2500000;
	w.does[0].ttft_us = 4000000;
	run(&w, 15);
	ck_assert(sl_fleet_pool_steer_view(w.fleet, 0, &view));
	ck_assert(view.is_frozen);
	ck_assert_uint_eq(view.objective_us, 2000000);
	ck_assert_uint_gt(view.median_ttft_us, 2000000);
	ck_assert_uint_gt(weight(&w, 0), 98000);
	tear_down(&w);
}
END_TEST

START_TEST(a_sync_carries_factors_and_ejections_by_id)
{
	struct world w;
	struct fleet_model after;
	uint32_t slow;

	set_up(&w, 4, SL_ADAPTIVE_ENFORCE);
	w.does[0].ttft_us = 390000;
	w.does[2].n_answers = 0;
	w.does[2].n_refused = 3;
	run(&w, 15);
	slow = weight(&w, 0);
	fleet_model_init(&after, 4, 1);
	after.pool = w.m.pool;
	after.backends[0].id = 103; // 0 and 3 change places, 1 goes, 4 comes
	after.backends[1].id = 104;
	after.backends[3].id = 100;
	ck_assert_int_eq(sl_fleet_sync(w.fleet, &after.model, w.now_ns), 0);
	ck_assert_uint_eq(weight(&w, 3), slow);
	ck_assert_uint_gt(weight(&w, 0), 100000);
	ck_assert_uint_eq(weight(&w, 2), 0);
	ck_assert_uint_eq(steer(&w, 2).guard_reason, SL_GUARD_CONNECT);
	ck_assert_uint_eq(steer(&w, 1).ttft_us, 0);
	after.pool.latency_probe = 0; // no longer passive
	ck_assert_int_eq(sl_fleet_sync(w.fleet, &after.model, w.now_ns), 0);
	ck_assert_uint_eq(weight(&w, 2), 100000);
	ck_assert_uint_eq(weight(&w, 3), 100000);
	tear_down(&w);
}
END_TEST

START_TEST(maintenance_forgets_what_flows_showed)
{
	struct world w;

	set_up(&w, 4, SL_ADAPTIVE_ENFORCE);
	w.does[2].n_answers = 0;
	w.does[2].n_refused = 3;
	run(&w, 3);
	ck_assert_uint_eq(steer(&w, 2).guard, SL_GUARD_EJECTED);
	w.m.backends[2].state = SL_ADMIN_MAINT;
	ck_assert_int_eq(sl_fleet_sync(w.fleet, &w.m.model, w.now_ns), 0);
	ck_assert_uint_eq(steer(&w, 2).guard, SL_GUARD_CLOSED);
	tear_down(&w);
}
END_TEST

START_TEST(an_operators_weight_overrules_factor_and_ejection)
{
	struct world w;

	set_up(&w, 4, SL_ADAPTIVE_ENFORCE);
	w.does[2].n_answers = 0;
	w.does[2].n_refused = 3;
	run(&w, 3);
	ck_assert_uint_eq(weight(&w, 2), 0);
	sl_fleet_set_weight(w.fleet, 2, 50, w.now_ns);
	run(&w, 1);
	ck_assert_uint_eq(weight(&w, 2), 50000);
	tear_down(&w);
}
END_TEST

START_TEST(news_of_guards_are_told_once)
{
	struct world w;
	struct sl_steer_view view;
	uint32_t b = 0;

	set_up(&w, 4, SL_ADAPTIVE_ENFORCE);
	run(&w, 2);
	ck_assert(!sl_fleet_guard_news(w.fleet, &b, &view));
	w.does[2].n_answers = 0;
	w.does[2].n_refused = 3;
	run(&w, 3);
	b = 0;
	ck_assert(sl_fleet_guard_news(w.fleet, &b, &view));
	ck_assert_uint_eq(b, 2);
	ck_assert_uint_eq(view.guard, SL_GUARD_EJECTED);
	b = 0;
	ck_assert(!sl_fleet_guard_news(w.fleet, &b, &view));
	tear_down(&w);
}
END_TEST

START_TEST(each_change_of_a_weight_names_its_cause)
{
	struct world w;
	struct sl_weight_change changes[SL_WEIGHT_CHANGES];

	set_up(&w, 4, SL_ADAPTIVE_ENFORCE);
	run(&w, 5);
	ck_assert_uint_eq(sl_fleet_weight_changes(w.fleet, 2, changes), 1);
	ck_assert_uint_eq(changes[0].cause, SL_WEIGHT_FIRST);
	w.does[2].ttft_us = 900000;
	run(&w, 5);
	sl_fleet_weight_changes(w.fleet, 2, changes);
	ck_assert_uint_eq(changes[0].cause, SL_WEIGHT_BY_LATENCY);
	ck_assert_uint_lt(changes[0].to_milli, changes[0].from_milli);
	w.does[2].n_answers = 0;
	w.does[2].n_refused = 9;
	run(&w, 5);
	sl_fleet_weight_changes(w.fleet, 2, changes);
	ck_assert_uint_eq(changes[0].cause, SL_WEIGHT_BY_GUARD);
	ck_assert_uint_eq(changes[0].guard_reason, SL_GUARD_CONNECT);
	ck_assert_uint_eq(changes[0].to_milli, 0);
	sl_fleet_set_weight(w.fleet, 2, 50, w.now_ns);
	run(&w, 1);
	sl_fleet_weight_changes(w.fleet, 2, changes);
	ck_assert_uint_eq(changes[0].cause, SL_WEIGHT_BY_OVERRIDE);
	sl_fleet_set_drain(w.fleet, 2, true, w.now_ns);
	run(&w, 1);
	ck_assert_uint_gt(sl_fleet_weight_changes(w.fleet, 2, changes), 4);
	ck_assert_uint_eq(changes[0].cause, SL_WEIGHT_BY_HEALTH);
	tear_down(&w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fleet, passive");
	TCase *tc = tcase_create("pools without a probe for latency");

	tcase_add_test(tc, a_slower_backend_loses_weight_and_gets_it_back);
	tcase_add_test(tc, in_shadow_everything_is_computed_and_nothing_done);
	tcase_add_loop_test(tc, who_fails_is_ejected_with_the_numbers_and_comes_back_by_a_trickle,
	                    0, sizeof(ejection_cases) / sizeof(ejection_cases[0]));
	tcase_add_test(tc, an_ejection_is_ignored_when_too_few_others_are_left);
	tcase_add_test(tc, without_news_weights_fade_back_and_never_to_zero);
	tcase_add_test(tc, above_the_objective_weights_freeze);
	tcase_add_test(tc, a_sync_carries_factors_and_ejections_by_id);
	tcase_add_test(tc, maintenance_forgets_what_flows_showed);
	tcase_add_test(tc, an_operators_weight_overrules_factor_and_ejection);
	tcase_add_test(tc, news_of_guards_are_told_once);
	tcase_add_test(tc, each_change_of_a_weight_names_its_cause);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
