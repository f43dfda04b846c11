// SPDX-License-Identifier: Apache-2.0
// What flows showed, from the statistics segment to operators: the API and the metrics.
#include "daemon_fixture.h"

#define STEERED POOLS("100", "    adaptive: { mode: enforce }\n")

static void set_up(struct fixture *f)
{
	fixture_set_up(f, STEERED);
	fixture_start_fake(f, 1);
	fixture_start_daemon(f);
	fixture_wait_configs(f, 1);
	for (uint32_t b = 0; b < 2; b++) {
		struct sl_stats_slot *slot = sl_stats_backend_slot_at(f->fake.stats, b);

		sl_stat_set(&slot->id, f->daemon.model->backends[b].id);
		sl_stat_set(&slot->generation, 1);
	}
}

static void add(struct fixture *f, uint32_t slot, enum sl_latency_kind kind, uint32_t us,
                uint32_t n)
{
	struct sl_stats_latency *row = sl_stats_latency_at(f->fake.stats, 0, slot);

	row->counts[kind][sl_latency_bucket(us)] += n;
	row->sums_us[kind] += (uint64_t)us * n;
}

static bool has_latency(void *ctx)
{
	struct fixture *f = ctx;
	const struct sl_tally *tally = sl_latency_reader_tally(
		sl_stats_reader_latency(f->daemon.stats), f->daemon.model->backends[0].id);

	return tally != NULL && sl_tally_count(tally, SL_LATENCY_TTFT, SL_TALLY_EVER) > 0;
}

static bool is_ejected(void *ctx)
{
	struct fixture *f = ctx;
	struct sl_steer_view view;

	return sl_fleet_steer_view(f->daemon.fleet, 0, &view) && view.guard == SL_GUARD_EJECTED;
}

static double number_at(const json_t *json, const char *a, const char *b, const char *c)
{
	return json_number_value(json_object_get(json_object_get(json_object_get(json, a), b), c));
}

static void expect(const struct call *call, const char *text)
{
	ck_assert_msg(strstr(call->bytes, text) != NULL, "no %s", text);
}

START_TEST(latencies_of_flows_are_answered_and_scraped)
{
	static struct call call;
	struct fixture f;
	const json_t *latency;

	set_up(&f);
	add(&f, 0, SL_LATENCY_TTFT, 200000, 99);
	add(&f, 0, SL_LATENCY_TTFT, 900000, 1);
	add(&f, 0, SL_LATENCY_TPOT, 20000, 640);
	sl_stats_latency_at(f.fake.stats, 0, 0)->load_units = 5 * SL_LATENCY_LOAD_UNIT / 2;
	fake_run_until(&f.loop, has_latency, &f, "latency arrived");
	fixture_request(&f, &call, "GET", "/api/v1/pools/llama/backends/gpu-1", "");
	ck_assert_int_eq(call.status, 200);
	latency = json_object_get(call.json, "latency");
	ck_assert_double_eq_tol(number_at(latency, "ever", "ttft_seconds", "samples"), 100, 0.5);
	ck_assert_double_eq_tol(number_at(latency, "ever", "ttft_seconds", "p50"), 0.2, 0.006);
	ck_assert_double_eq_tol(number_at(latency, "minute", "tpot_seconds", "p99"), 0.02, 6e-4);
	ck_assert_double_eq_tol(json_number_value(json_object_get(latency, "load")), 2.5, 1e-9);
	ck_assert(json_is_null(json_object_get(
		json_object_get(json_object_get(latency, "ever"), "connect_seconds"), "p50")));
	ck_assert_uint_ge(json_array_size(json_object_get(call.json, "weight_changes")), 1);
	json_decref(call.json);
	fixture_request(&f, &call, "GET", "/api/v1/pools/llama/backends/gpu-2", "");
	ck_assert(json_is_null(json_object_get(call.json, "latency")));
	json_decref(call.json);
	fixture_request(&f, &call, "GET", "/metrics", "");
	expect(&call, "sluice_backend_ttft_seconds_count{pool=\"llama\",backend=\"gpu-1\"} 100\n");
	expect(&call, "sluice_backend_tpot_seconds_sum{pool=\"llama\",backend=\"gpu-1\"} 12.8");
	expect(&call, "sluice_backend_load{pool=\"llama\",backend=\"gpu-1\"} 2.5\n");
	ck_assert_ptr_null(
		strstr(call.bytes, "ttft_seconds_count{pool=\"llama\",backend=\"gpu-2\""));
	fixture_tear_down(&f);
}
END_TEST

START_TEST(an_ejection_shows_its_reason_and_takes_the_weight)
{
	static struct call call;
	struct fixture f;
	const json_t *steer;

	set_up(&f);
	sl_stat_set(&sl_stats_backend_at(f.fake.stats, 0, 0)->refused, 9);
	fake_run_until(&f.loop, is_ejected, &f, "ejected");
	fixture_request(&f, &call, "GET", "/api/v1/pools/llama", "");
	ck_assert(json_is_object(json_object_get(call.json, "steer")));
	ck_assert(json_number_value(json_object_get(json_object_get(call.json, "steer"),
	                                            "ttft_objective_seconds")) == 2);
	json_decref(call.json);
	fixture_request(&f, &call, "GET", "/api/v1/pools/llama/backends/gpu-1", "");
	steer = json_object_get(call.json, "steer");
	ck_assert_str_eq(json_string_value(json_object_get(steer, "guard")), "ejected");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(steer, "last_ejection"),
	                                                   "reason")),
	                 "connect");
	ck_assert_double_gt(json_number_value(json_object_get(steer, "remaining_seconds")), 20);
	ck_assert(json_number_value(json_object_get(call.json, "weight_effective")) == 0);
	ck_assert(json_number_value(
			  json_object_get(json_object_get(call.json, "factors"), "guard")) == 0);
	json_decref(call.json);
	fixture_request(&f, &call, "GET", "/metrics", "");
	expect(&call,
	       "sluice_backend_ejected{pool=\"llama\",backend=\"gpu-1\",reason=\"connect\"} 1\n");
	expect(&call,
	       "sluice_backend_ejected{pool=\"llama\",backend=\"gpu-2\",reason=\"connect\"} 0\n");
	fixture_tear_down(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shown");
	TCase *tc = tcase_create("what flows showed");

	tcase_add_test(tc, latencies_of_flows_are_answered_and_scraped);
	tcase_add_test(tc, an_ejection_shows_its_reason_and_takes_the_weight);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
