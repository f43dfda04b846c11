// SPDX-License-Identifier: Apache-2.0
// The pure parts that turn state into words and back: metrics text, diff lines, overrides.
#include "sl_check.h"

#include <errno.h>

#include "config.h"
#include "diff.h"
#include "metrics_text.h"
#include "nearest.h"
#include "overrides.h"
#include "reload_weights.h"

#define POOLS(vip_tail, pool_tail, backends)                                                       \
	"version: 1\nvips:\n"                                                                      \
	"  - { name: chat, address: 203.0.113.10, ports: [443], protocol: tcp, pool: llama "       \
	"}\n" vip_tail "pools:\n  llama:\n    forward: { mode: nat }\n" pool_tail                  \
	"    backends:\n" backends

#define PROBE "    probes: { up: { type: tcp } }\n"
#define GPU1  "      - { name: gpu-1, address: 10.0.0.1:443, weight: 100 }\n"
#define GPU2  "      - { name: gpu-2, address: 10.0.0.2:443, weight: 100 }\n"

static struct sl_model *parse(const char *text)
{
	struct sl_diagnostics diag = {0};
	struct sl_model *model = sl_config_parse_pools("test.yaml", text, strlen(text), &diag);

	ck_assert_msg(model != NULL, "%s", diag.text);
	sl_diagnostics_fini(&diag);
	return model;
}

// ---- metrics ----

static const struct {
	const char *name;
	const char *value;
	const char *want;
} escapes[] = {
	{"a plain name", "gpu-1", "sluice_x{l=\"gpu-1\"} 7\n"},
	{"a quote", "a\"b", "sluice_x{l=\"a\\\"b\"} 7\n"},
	{"a backslash", "a\\b", "sluice_x{l=\"a\\\\b\"} 7\n"},
	{"a newline", "a\nb", "sluice_x{l=\"a\\nb\"} 7\n"},
	{"all of them at the ends", "\\x\n\"", "sluice_x{l=\"\\\\x\\n\\\"\"} 7\n"},
	{"nothing", "", "sluice_x{l=\"\"} 7\n"},
};

START_TEST(label_values_are_escaped)
{
	const struct sl_label labels[] = {{"l", escapes[_i].value}, {0}};
	struct sl_text text = {0};

	sl_metrics_count(&text, "x", labels, 7);
	ck_assert_str_eq(text.data, escapes[_i].want);
	sl_text_fini(&text);
}
END_TEST

START_TEST(counters_keep_every_bit)
{
	struct sl_text text = {0};

	sl_metrics_family(&text, "n_total", SL_METRIC_COUNTER, "Things.");
	sl_metrics_count(&text, "n_total", NULL, UINT64_MAX);
	sl_metrics_number(&text, "n", NULL, 0.25);
	ck_assert_str_eq(text.data, "# HELP sluice_n_total Things.\n"
	                            "# TYPE sluice_n_total counter\n"
	                            "sluice_n_total 18446744073709551615\n"
	                            "sluice_n 0.25\n");
	sl_text_fini(&text);
}
END_TEST

static const struct {
	const char *name;
	uint32_t us;
	uint32_t bucket;
} durations[] = {
	{"nothing at all", 0, 0},
	{"a bound belongs to its bucket", 500, 0},
	{"a microsecond more does not", 501, 1},
	{"the highest bound", 60000000, SL_HISTOGRAM_BOUNDS - 1},
	{"above it", 60000001, SL_HISTOGRAM_BOUNDS},
	{"as long as can be", UINT32_MAX, SL_HISTOGRAM_BOUNDS},
};

START_TEST(a_duration_falls_into_the_bucket_of_its_bound)
{
	struct sl_histogram histogram = {0};

	sl_histogram_add(&histogram, durations[_i].us);
	for (uint32_t b = 0; b <= SL_HISTOGRAM_BOUNDS; b++)
		ck_assert_msg(histogram.counts[b] == (b == durations[_i].bucket), "%s: bucket %u",
		              durations[_i].name, b);
	ck_assert_uint_eq(histogram.sum_us, durations[_i].us);
}
END_TEST

START_TEST(a_histogram_is_cumulative_and_ends_with_sum_and_count)
{
	const struct sl_label labels[] = {{"pool", "p"}, {0}};
	struct sl_histogram histogram = {0};
	struct sl_text text = {0};
	const char *last;

	sl_histogram_add(&histogram, 400);
	sl_histogram_add(&histogram, 2000);
	sl_histogram_add(&histogram, 90000000);
	sl_metrics_family(&text, "d_seconds", SL_METRIC_HISTOGRAM, "Took.");
	sl_metrics_histogram(&text, "d_seconds", labels, &histogram);
	ck_assert_ptr_nonnull(strstr(text.data,
	                             "# TYPE sluice_d_seconds histogram\n"
	                             "sluice_d_seconds_bucket{pool=\"p\",le=\"0.0005\"} 1\n"
	                             "sluice_d_seconds_bucket{pool=\"p\",le=\"0.001\"} 1\n"
	                             "sluice_d_seconds_bucket{pool=\"p\",le=\"0.0025\"} 2\n"));
	last = strstr(text.data, "le=\"60\"");
	ck_assert_ptr_nonnull(last);
	ck_assert_str_eq(last, "le=\"60\"} 2\n"
	                       "sluice_d_seconds_bucket{pool=\"p\",le=\"+Inf\"} 3\n"
	                       "sluice_d_seconds_sum{pool=\"p\"} 90.002399999999994\n"
	                       "sluice_d_seconds_count{pool=\"p\"} 3\n");
	sl_text_fini(&text);
}
END_TEST

START_TEST(a_page_that_is_full_drops_whole_histograms_and_counts_what_it_dropped)
{
	const struct sl_label labels[] = {{"pool", "p"}, {0}};
	const struct sl_histogram histogram = {0};
	struct sl_text text = {.max_samples = 20};

	sl_metrics_count(&text, "a", NULL, 1);
	sl_metrics_histogram(&text, "d", labels, &histogram);
	ck_assert_uint_eq(text.n_samples, 20);
	sl_metrics_number(&text, "b", NULL, 1);
	ck_assert_uint_eq(text.n_dropped, 1);
	ck_assert_ptr_null(strstr(text.data, "sluice_b"));
	text.max_samples = 30;
	sl_metrics_histogram(&text, "e", labels, &histogram);
	ck_assert_ptr_null(strstr(text.data, "sluice_e"));
	ck_assert_uint_eq(text.n_dropped, 20);
	sl_text_fini(&text);
}
END_TEST

// ---- diff ----

#define VIP_ALT(more)                                                                              \
	"  - { name: alt, address: 203.0.113.11, ports: [80], pool: llama, " more " }\n"

static const struct {
	const char *name;
	const char *before;
	const char *after;
	const char *want;
} diffs[] = {
	{"the same text changes nothing", POOLS("", "", GPU1 GPU2), POOLS("", "", GPU1 GPU2), ""},
	{"order is no change", POOLS("", "", GPU1 GPU2), POOLS("", "", GPU2 GPU1), ""},
	{"a new backend", POOLS("", "", GPU1), POOLS("", "", GPU1 GPU2),
         "+ backend llama/gpu-2 10.0.0.2:443 weight 100 ready\n"},
	{"a removed backend", POOLS("", "", GPU1 GPU2), POOLS("", "", GPU2),
         "- backend llama/gpu-1 10.0.0.1:443\n"},
	{"another address is another backend", POOLS("", "", GPU1),
         POOLS("", "", "      - { name: gpu-1, address: 10.0.0.9:443, weight: 100 }\n"),
         "- backend llama/gpu-1 10.0.0.1:443\n"
         "+ backend llama/gpu-1 10.0.0.9:443 weight 100 ready\n"},
	{"weight and state", POOLS("", "", GPU1),
         POOLS("", "",
               "      - { name: gpu-1, address: 10.0.0.1:443, weight: 50, state: drain }\n"),
         "~ backend llama/gpu-1 weight 100 -> 50\n"
         "~ backend llama/gpu-1 state ready -> drain\n"},
	{"a field of a pool", POOLS("", "", GPU1), POOLS("", "    balance: maglev\n", GPU1),
         "~ pool llama balance least-connections -> maglev\n"},
	{"limits of a pool", POOLS("", "", GPU1),
         POOLS("", "    limits: { new-flows: 50/s }\n", GPU1),
         "~ pool llama limits.new-flows 0 -> 50\n"},
	{"the gate of a vip", POOLS(VIP_ALT("allow: [10.0.0.0/8], deny: [10.1.0.0/16]"), "", GPU1),
         POOLS(VIP_ALT("allow: [10.0.0.0/8, 10.1.0.0/16], affinity: flow, "
                       "limits: { flows: 9, new-flows: 7/s, source-new-flows: 5/s }"),
               "", GPU1),
         "~ vip alt affinity none -> flow\n"
         "~ vip alt limits.flows 0 -> 9\n"
         "~ vip alt limits.new-flows 0 -> 7\n"
         "~ vip alt limits.source-new-flows 0 -> 5\n"
         "~ vip alt deny - 10.1.0.0/16\n"
         "~ vip alt allow + 10.1.0.0/16\n"},
	{"the persistence of a vip",
         POOLS(VIP_ALT("affinity: source, persistence: { timeout: 1m }"), "", GPU1),
         POOLS(VIP_ALT("affinity: source, persistence: { timeout: 2m, prefix: 24 }"), "", GPU1),
         "~ vip alt persistence.timeout 60 -> 120\n"
         "~ vip alt persistence.prefix 32 -> 24\n"},
	{"a new vip", POOLS("", "", GPU1),
         POOLS("  - { name: alt, address: \"203.0.113.11\", ports: [8000-8003], protocol: tcp, "
               "pool: llama }\n",
               "", GPU1),
         "+ vip alt 203.0.113.11 tcp 8000-8003 -> pool llama\n"},
	{"a new probe", POOLS("", "", GPU1), POOLS("", "    probes: { up: { type: tcp } }\n", GPU1),
         "+ probe llama/up tcp\n"},
	{"a changed probe", POOLS("", "    probes: { up: { type: tcp } }\n", GPU1),
         POOLS("", "    probes: { up: { type: tcp, rise: 5 } }\n", GPU1),
         "~ probe llama/up rise 2 -> 5\n"},
};

START_TEST(a_diff_names_what_changes)
{
	struct sl_model *before = parse(diffs[_i].before);
	struct sl_model *after = parse(diffs[_i].after);
	struct sl_diff diff;
	uint32_t n_lines = 0;

	sl_diff_build(&diff, before, after);
	ck_assert_msg(strcmp(diff.lines.data != NULL ? diff.lines.data : "", diffs[_i].want) == 0,
	              "%s:\n%s", diffs[_i].name, diff.lines.data);
	for (const char *c = diffs[_i].want; *c != '\0'; c++)
		n_lines += *c == '\n';
	ck_assert_uint_eq(diff.n_lines, n_lines);
	sl_diff_fini(&diff);
	sl_model_free(before);
	sl_model_free(after);
}
END_TEST

// ---- overrides ----

static const struct sl_override_note nobody = {.owner = ""};
static const struct sl_override_clock midnight = {.now_ns = 1000 * SL_NS_PER_S,
                                                  .unix_s = 1700000000};

static void count_drop(void *ctx, const struct sl_override *override,
                       const struct sl_override_note *note, const char *why)
{
	(void) override;
	(void)note;
	snprintf(ctx, 100, "%s", why);
}

static const struct {
	const char *name;
	const char *after;
	int32_t weight_left;
	bool is_drained_left;
	uint32_t n_dropped;
	const char *why;
} reloads[] = {
	{"an unchanged file keeps both", POOLS("", "", GPU1 GPU2), 7, true, 0, ""},
	{"a change elsewhere keeps both", POOLS("", "    balance: maglev\n", GPU1), 7, true, 0, ""},
	{"a changed weight drops the weight",
         POOLS("", "", "      - { name: gpu-1, address: 10.0.0.1:443, weight: 60 }\n"), -1, true, 1,
         "weight: the file's weight changed"},
	{"a changed state drops the drain",
         POOLS("", "",
               "      - { name: gpu-1, address: 10.0.0.1:443, weight: 100, state: maint }\n"),
         7, false, 1, "drain: the file's state changed"},
	{"a backend that is gone drops both", POOLS("", "", GPU2), -1, false, 2,
         "weight: no such backend any more"},
};

START_TEST(the_file_overtakes_an_override_of_the_value_it_changes)
{
	struct sl_model *before = parse(POOLS("", "", GPU1 GPU2)),
			*after = parse(reloads[_i].after);
	struct sl_overrides overrides = {0};
	const struct sl_override *item;
	char why[100] = "";

	ck_assert_int_eq(
		sl_overrides_set_weight(&overrides, "llama", &before->backends[0], 7, &nobody), 0);
	ck_assert_int_eq(
		sl_overrides_set_drain(&overrides, "llama", &before->backends[0], true, &nobody),
		0);
	ck_assert_uint_eq(sl_overrides_reconcile(&overrides, after, count_drop, why),
	                  reloads[_i].n_dropped);
	ck_assert_str_eq(why, reloads[_i].why);
	item = sl_overrides_find(&overrides, "llama", "gpu-1");
	ck_assert_int_eq(item != NULL ? item->weight : -1, reloads[_i].weight_left);
	ck_assert_int_eq(item != NULL && item->is_drained, reloads[_i].is_drained_left);
	sl_overrides_fini(&overrides);
	sl_model_free(before);
	sl_model_free(after);
}
END_TEST

START_TEST(overrides_survive_being_written_and_read)
{
	struct sl_model *model = parse(POOLS("", "", GPU1 GPU2));
	struct sl_overrides a = {0}, b = {0};
	const struct sl_override *item;
	char *text;

	sl_overrides_set_weight(&a, "llama", &model->backends[1], 0, &nobody);
	sl_overrides_set_drain(&a, "llama", &model->backends[0], true, &nobody);
	text = sl_overrides_save(&a, &midnight);
	ck_assert_int_eq(sl_overrides_load(&b, text, strlen(text), &midnight), 0);
	ck_assert_uint_eq(b.n_items, 2);
	item = sl_overrides_find(&b, "llama", model->backends[1].name);
	ck_assert_int_eq(item->weight, 0);
	ck_assert_uint_eq(item->file_weight, 100);
	ck_assert(sl_overrides_find(&b, "llama", model->backends[0].name)->is_drained);
	sl_overrides_set_weight(&b, "llama", &model->backends[1], -1, &nobody);
	ck_assert_uint_eq(b.n_items, 1);
	free(text);
	sl_overrides_fini(&a);
	sl_overrides_fini(&b);
	sl_model_free(model);
}
END_TEST

static const struct {
	const char *name;
	uint32_t ttl_s;
	int64_t slept_s; // of the wall clock, while control was down
	int64_t left_s;  // -1 = for ever
} naps[] = {
	{"what is left goes on", 3600, 600, 3000},
	{"what ended meanwhile has nothing left", 3600, 7200, 0},
	{"a clock that was set back gives nothing", 3600, -86400, 3600},
	{"for ever stays for ever", 0, 86400, -1},
};

START_TEST(a_restart_neither_shortens_nor_prolongs_an_override)
{
	struct sl_model *model = parse(POOLS("", "", GPU1 GPU2));
	struct sl_overrides a = {0}, b = {0};
	const struct sl_override_clock later = {.now_ns = 50 * SL_NS_PER_S,
	                                        .unix_s = midnight.unix_s + naps[_i].slept_s};
	const struct sl_override_note note = {.owner = "ada",
	                                      .reason = "fw \"update\"",
	                                      .ttl_s = naps[_i].ttl_s,
	                                      .expires_ns = midnight.now_ns +
	                                                    naps[_i].ttl_s * SL_NS_PER_S};
	const struct sl_override *item;
	char *text, why[100] = "";

	sl_overrides_set_drain(&a, "llama", &model->backends[0], true, &note);
	sl_overrides_set_weight(&a, "llama", &model->backends[0], 7, &nobody);
	text = sl_overrides_save(&a, &midnight);
	ck_assert_int_eq(sl_overrides_load(&b, text, strlen(text), &later), 0);
	item = sl_overrides_find(&b, "llama", model->backends[0].name);
	ck_assert_str_eq(item->drain_note.owner, "ada");
	ck_assert_str_eq(item->drain_note.reason, "fw \"update\"");
	ck_assert_uint_eq(item->drain_note.ttl_s, naps[_i].ttl_s);
	if (naps[_i].left_s > 0)
		ck_assert_uint_eq(
			sl_overrides_expire(
				&b, later.now_ns - 1 + (uint64_t)naps[_i].left_s * SL_NS_PER_S,
				count_drop, why),
			0);
	ck_assert_uint_eq(sl_overrides_expire(&b,
	                                      later.now_ns + (naps[_i].left_s < 0
	                                                              ? UINT64_MAX / 2
	                                                              : (uint64_t)naps[_i].left_s *
	                                                                        SL_NS_PER_S),
	                                      count_drop, why),
	                  naps[_i].left_s >= 0);
	ck_assert_str_eq(why, naps[_i].left_s >= 0 ? "drain: its time is over" : "");
	ck_assert_int_eq(sl_overrides_find(&b, "llama", "gpu-1")->weight, 7); // that one has no end
	free(text);
	sl_overrides_fini(&a);
	sl_overrides_fini(&b);
	sl_model_free(model);
}
END_TEST

static const char *const broken_overrides[] = {
	"",
	"[]",
	"{\"overrides\": {}}",
	"{\"overrides\": [1]}",
	"{\"overrides\": [{\"pool\": \"p\"}]}",
	"{\"overrides\": [{\"pool\": \"p\", \"backend\": \"b\", \"drain\": true, \"file_state\": "
	"\"asleep\", \"weight\": 1, \"file_weight\": 1}]}",
	"{\"overrides\": [{\"pool\": \"p\", \"backend\": \"b\", \"drain\": true, \"file_state\": "
	"\"ready\", \"weight\": 1001, \"file_weight\": 1}]}",
	"{\"overrides\": [{\"pool\": \"p\", \"backend\": \"b\", \"drain\": true, \"file_state\": "
	"\"ready\", \"weight\": -1, \"file_weight\": 1, \"drain_note\": {\"owner\": 1}}]}",
	"{\"overrides\": [{\"pool\": \"p\", \"backend\": \"b\", \"drain\": true, \"file_state\": "
	"\"ready\", \"weight\": -1, \"file_weight\": 1, \"drain_note\": {\"owner\": \"\", "
	"\"reason\": "
	"\"\", \"ttl_seconds\": -1, \"expires_unix_seconds\": 0}}]}",
};

START_TEST(broken_overrides_are_refused_whole)
{
	struct sl_model *model = parse(POOLS("", "", GPU1));
	struct sl_overrides overrides = {0};

	sl_overrides_set_weight(&overrides, "llama", &model->backends[0], 7, &nobody);
	ck_assert_int_eq(sl_overrides_load(&overrides, broken_overrides[_i],
	                                   strlen(broken_overrides[_i]), &midnight),
	                 -EINVAL);
	ck_assert_int_eq(sl_overrides_find(&overrides, "llama", "gpu-1")->weight, 7);
	sl_overrides_fini(&overrides);
	sl_model_free(model);
}
END_TEST

// ---- first weights ----

static const struct {
	const char *name;
	bool is_down;
	const char *after;
	uint32_t want_milli[2];
} carries[] = {
	{"a backend that stays keeps its weight",
         false,
         POOLS("", PROBE, GPU1 GPU2),
         {100000, 100000}},
	{"one that is down stays at 0", true, POOLS("", PROBE, GPU1 GPU2), {0, 100000}},
	{"a changed weight keeps the ratio",
         true,
         POOLS("", PROBE, "      - { name: gpu-1, address: 10.0.0.1:443, weight: 50 }\n" GPU2),
         {0, 100000}},
	{"a raised weight counts at once",
         false,
         POOLS("", PROBE, "      - { name: gpu-1, address: 10.0.0.1:443, weight: 300 }\n" GPU2),
         {300000, 100000}},
	{"a new address starts at its configured weight",
         true,
         POOLS("", PROBE, "      - { name: gpu-1, address: 10.0.0.9:443, weight: 100 }\n" GPU2),
         {100000, 100000}},
	{"drain in the file is 0 at once",
         false,
         POOLS("", PROBE, GPU1 "      - { name: gpu-2, address: 10.0.0.2:443, state: drain }\n"),
         {100000, 0}},
};

START_TEST(a_configuration_starts_with_what_is_known)
{
	struct sl_model *before = parse(POOLS("", PROBE, GPU1 GPU2)),
			*after = parse(carries[_i].after);
	const struct sl_probe_result refused = {.reason = SL_PROBE_REFUSED};
	struct sl_fleet *fleet = sl_fleet_new();
	uint32_t *weights_milli;

	ck_assert_int_eq(sl_fleet_sync(fleet, before, SL_NS_PER_S), 0);
	for (uint64_t i = 0; carries[_i].is_down && i < 5; i++)
		sl_fleet_result(fleet, 0, 0, &refused, (2 + i) * SL_NS_PER_S);
	sl_fleet_tick(fleet, 9 * SL_NS_PER_S);
	weights_milli = sl_reload_weights(before, fleet, after);
	for (uint32_t b = 0; b < 2; b++)
		ck_assert_msg(weights_milli[b] == carries[_i].want_milli[b], "%s: %u of %u",
		              carries[_i].name, weights_milli[b], b);
	free(weights_milli);
	sl_fleet_free(fleet);
	sl_model_free(before);
	sl_model_free(after);
}
END_TEST

// ---- nearest ----

static const struct {
	const char *typed;
	const char *want;
} near[] = {{"stats", "status"}, {"aply", "apply"}, {"pool lst", "pool list"}, {"frobnicate", ""}};

START_TEST(the_nearest_word_is_a_slip_away_or_none)
{
	static const char *const words[] = {"status", "apply", "pool list", "drops"};
	const char *word = sl_nearest_word(near[_i].typed, words, 4);

	ck_assert_str_eq(word != NULL ? word : "", near[_i].want);
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *suite = suite_create("words");
	TCase *tc = tcase_create("words");

	tcase_add_loop_test(tc, label_values_are_escaped, 0, N(escapes));
	tcase_add_test(tc, counters_keep_every_bit);
	tcase_add_loop_test(tc, a_duration_falls_into_the_bucket_of_its_bound, 0, N(durations));
	tcase_add_test(tc, a_histogram_is_cumulative_and_ends_with_sum_and_count);
	tcase_add_test(tc, a_page_that_is_full_drops_whole_histograms_and_counts_what_it_dropped);
	tcase_add_loop_test(tc, a_diff_names_what_changes, 0, N(diffs));
	tcase_add_loop_test(tc, the_file_overtakes_an_override_of_the_value_it_changes, 0,
	                    N(reloads));
	tcase_add_test(tc, overrides_survive_being_written_and_read);
	tcase_add_loop_test(tc, a_restart_neither_shortens_nor_prolongs_an_override, 0, N(naps));
	tcase_add_loop_test(tc, broken_overrides_are_refused_whole, 0, N(broken_overrides));
	tcase_add_loop_test(tc, a_configuration_starts_with_what_is_known, 0, N(carries));
	tcase_add_loop_test(tc, the_nearest_word_is_a_slip_away_or_none, 0, N(near));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
