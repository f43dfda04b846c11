// SPDX-License-Identifier: Apache-2.0
#include "loadstats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const error_names[SL_LOAD_ERROR_COUNT] = {
#define X(name, text) text,
	SL_LOAD_ERROR_LIST(X)
#undef X
};

static struct sl_load_backend *add_backend(struct sl_load_stats *stats, const char *name)
{
	struct sl_load_backend *backend = calloc(1, sizeof(*backend));

	if (backend == NULL)
		return NULL;
	strncpy(backend->name, name, sizeof(backend->name) - 1);
	stats->backends[stats->n_backends++] = backend;
	return backend;
}

static struct sl_load_backend *find_backend(struct sl_load_stats *stats, const char *name)
{
	struct sl_load_backend *added = NULL;

	if (name[0] == '\0')
		return stats->backends[0];
	for (unsigned i = 1; i < stats->n_backends; i++) {
		if (strncmp(stats->backends[i]->name, name, SL_LOAD_NAME - 1) == 0)
			return stats->backends[i];
	}
	if (stats->n_backends < SL_LOAD_BACKENDS)
		added = add_backend(stats, name);
	return added != NULL ? added : stats->backends[0];
}

int sl_load_stats_init(struct sl_load_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	return add_backend(stats, "?") != NULL ? 0 : -ENOMEM;
}

void sl_load_stats_fini(struct sl_load_stats *stats)
{
	for (unsigned i = 0; i < stats->n_backends; i++)
		free(stats->backends[i]);
	stats->n_backends = 0;
}

void sl_load_stats_sent(struct sl_load_stats *stats)
{
	stats->total.sent++;
	stats->second.sent++;
}

static void count(struct sl_load_counts *counts, const struct sl_load_result *result)
{
	if (result->error == SL_LOAD_NONE) {
		counts->ok++;
		counts->met += result->met_slo;
	} else {
		counts->failed++;
		counts->errors[result->error]++;
	}
}

static void observe(struct sl_load_window *window, unsigned slot, uint64_t us)
{
	sl_hist_add(&window->total, us);
	sl_hist_add(&window->recent[slot], us);
}

void sl_load_stats_result(struct sl_load_stats *stats, const struct sl_load_result *result)
{
	struct sl_load_backend *backend = find_backend(stats, result->backend);

	count(&stats->total, result);
	count(&stats->second, result);
	count(&stats->recent[stats->slot], result);
	count(&backend->total, result);
	count(&backend->second, result);
	if (result->error != SL_LOAD_NONE)
		return;
	observe(&stats->ttft, stats->slot, result->ttft_us);
	observe(&stats->e2e, stats->slot, result->e2e_us);
	observe(&stats->answer, stats->slot, result->answer_us);
	stats->gaps_us += result->gaps_us;
	stats->n_gaps += result->n_gaps;
	observe(&backend->ttft, stats->slot, result->ttft_us);
	if (result->has_tpot)
		observe(&stats->tpot, stats->slot, result->tpot_us);
}

void sl_load_stats_tick(struct sl_load_stats *stats)
{
	stats->slot = (stats->slot + 1) % SL_LOAD_RECENT_S;
	memset(&stats->second, 0, sizeof(stats->second));
	memset(&stats->recent[stats->slot], 0, sizeof(stats->recent[0]));
	sl_hist_clear(&stats->ttft.recent[stats->slot]);
	sl_hist_clear(&stats->tpot.recent[stats->slot]);
	sl_hist_clear(&stats->e2e.recent[stats->slot]);
	sl_hist_clear(&stats->answer.recent[stats->slot]);
	for (unsigned i = 0; i < stats->n_backends; i++) {
		memset(&stats->backends[i]->second, 0, sizeof(stats->second));
		sl_hist_clear(&stats->backends[i]->ttft.recent[stats->slot]);
	}
}

static json_t *percentile_json(const struct sl_hist *hist, double percent)
{
	if (hist->n == 0)
		return json_null();
	return json_real((double)sl_hist_percentile_us(hist, percent) / 1000.0);
}

static json_t *window_json(const struct sl_load_window *window, bool is_live, bool with_p90)
{
	struct sl_hist merged = window->total;
	json_t *json;

	if (is_live) {
		sl_hist_clear(&merged);
		for (int i = 0; i < SL_LOAD_RECENT_S; i++)
			sl_hist_merge(&merged, &window->recent[i]);
	}
	json = json_object();
	json_object_set_new(json, "p50", percentile_json(&merged, 50));
	if (with_p90)
		json_object_set_new(json, "p90", percentile_json(&merged, 90));
	json_object_set_new(json, "p99", percentile_json(&merged, 99));
	return json;
}

static json_t *attainment_json(const struct sl_load_stats *stats, bool is_live)
{
	struct sl_load_counts sum = stats->total;

	if (is_live) {
		memset(&sum, 0, sizeof(sum));
		for (int i = 0; i < SL_LOAD_RECENT_S; i++) {
			sum.ok += stats->recent[i].ok;
			sum.failed += stats->recent[i].failed;
			sum.met += stats->recent[i].met;
		}
	}
	if (sum.ok + sum.failed == 0)
		return json_null();
	return json_real((double)sum.met / (double)(sum.ok + sum.failed));
}

static json_t *errors_json(const struct sl_load_counts *counts)
{
	json_t *errors = json_object();

	for (int i = SL_LOAD_NONE + 1; i < SL_LOAD_ERROR_COUNT; i++)
		json_object_set_new(errors, error_names[i],
		                    json_integer((json_int_t)counts->errors[i]));
	return errors;
}

static json_t *backends_json(const struct sl_load_stats *stats, bool is_live)
{
	json_t *backends = json_object();

	for (unsigned i = 0; i < stats->n_backends; i++) {
		const struct sl_load_backend *backend = stats->backends[i];
		const struct sl_load_counts *counts = is_live ? &backend->second : &backend->total;

		// Nobody without a name was seen unless something failed early.
		if (i == 0 && backend->total.ok + backend->total.failed == 0)
			continue;
		json_object_set_new(backends, backend->name,
		                    json_pack("{s:I, s:I, s:o}", "ok", (json_int_t)counts->ok,
		                              "failed", (json_int_t)counts->failed, "ttft_ms",
		                              window_json(&backend->ttft, is_live, false)));
	}
	return backends;
}

static json_t *stats_json(const struct sl_load_stats *stats, double t_s, uint64_t in_flight,
                          bool is_live)
{
	const struct sl_load_counts *counts = is_live ? &stats->second : &stats->total;

	return json_pack("{s:f, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "t", t_s,
	                 "sent", (json_int_t)counts->sent, "ok", (json_int_t)counts->ok, "failed",
	                 (json_int_t)counts->failed, "in_flight", (json_int_t)in_flight, "ttft_ms",
	                 window_json(&stats->ttft, is_live, true), "tpot_ms",
	                 window_json(&stats->tpot, is_live, true), "e2e_ms",
	                 window_json(&stats->e2e, is_live, true), "slo_attainment",
	                 attainment_json(stats, is_live), "errors", errors_json(counts), "backends",
	                 backends_json(stats, is_live));
}

json_t *sl_load_stats_total_json(const struct sl_load_stats *stats, double t_s, uint64_t in_flight)
{
	json_t *json = stats_json(stats, t_s, in_flight, false);

	json_object_set_new(json, "answer_ms", window_json(&stats->answer, false, true));
	json_object_set_new(json, "gap_mean_ms",
	                    stats->n_gaps == 0 ? json_null()
	                                       : json_real((double)stats->gaps_us / 1000.0 /
	                                                   (double)stats->n_gaps));
	return json;
}

json_t *sl_load_stats_live_json(const struct sl_load_stats *stats, double t_s, uint64_t in_flight)
{
	json_t *json = stats_json(stats, t_s, in_flight, true);
	const struct sl_load_counts *total = &stats->total;

	json_object_set_new(json, "total",
	                    json_pack("{s:I, s:I, s:I}", "sent", (json_int_t)total->sent, "ok",
	                              (json_int_t)total->ok, "failed", (json_int_t)total->failed));
	return json;
}
