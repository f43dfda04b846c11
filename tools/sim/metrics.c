// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "chat.h"
#include "sluice/units.h"

#define LABEL "model_name=\"" SL_CHAT_MODEL "\""

static const double ttft_bounds_s[SL_METRICS_BOUNDS] = {
	0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
};
static const double tpot_bounds_s[SL_METRICS_BOUNDS] = {
	0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 10,
};
static const double e2e_bounds_s[SL_METRICS_BOUNDS] = {
	0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 60,
};

static void observe(struct sl_metrics_histogram *histogram, const double *bounds_s, uint64_t ns)
{
	const double s = (double)ns / SL_NS_PER_S;
	int i = 0;

	while (i < SL_METRICS_BOUNDS && s > bounds_s[i])
		i++;
	histogram->counts[i]++;
	histogram->sum_s += s;
}

void sl_metrics_ttft(struct sl_metrics *metrics, uint64_t ns)
{
	observe(&metrics->ttft, ttft_bounds_s, ns);
}

void sl_metrics_tpot(struct sl_metrics *metrics, uint64_t ns)
{
	observe(&metrics->tpot, tpot_bounds_s, ns);
}

void sl_metrics_e2e(struct sl_metrics *metrics, uint64_t ns)
{
	observe(&metrics->e2e, e2e_bounds_s, ns);
}

static void write_value(FILE *out, const char *type, const char *name, double value)
{
	fprintf(out, "# TYPE vllm:%s %s\nvllm:%s{" LABEL "} %g\n", name, type, name, value);
}

static void write_histogram(FILE *out, const char *name, const double *bounds_s,
                            const struct sl_metrics_histogram *histogram)
{
	uint64_t n = 0;

	fprintf(out, "# TYPE vllm:%s histogram\n", name);
	for (int i = 0; i < SL_METRICS_BOUNDS; i++) {
		n += histogram->counts[i];
		fprintf(out, "vllm:%s_bucket{" LABEL ",le=\"%g\"} %" PRIu64 "\n", name, bounds_s[i],
		        n);
	}
	n += histogram->counts[SL_METRICS_BOUNDS];
	fprintf(out, "vllm:%s_bucket{" LABEL ",le=\"+Inf\"} %" PRIu64 "\n", name, n);
	fprintf(out, "vllm:%s_sum{" LABEL "} %.6f\n", name, histogram->sum_s);
	fprintf(out, "vllm:%s_count{" LABEL "} %" PRIu64 "\n", name, n);
}

char *sl_metrics_text(const struct sl_metrics *metrics, const struct sl_engine *engine)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	write_value(out, "gauge", "num_requests_running", engine->n_running);
	write_value(out, "gauge", "num_requests_waiting", engine->n_waiting);
	write_value(out, "gauge", "kv_cache_usage_perc", sl_engine_kv_usage(engine));
	write_value(out, "gauge", "gpu_cache_usage_perc", sl_engine_kv_usage(engine));
	write_value(out, "counter", "num_preemptions_total", (double)engine->n_preempted);
	write_value(out, "counter", "prompt_tokens_total", (double)metrics->n_prompt_tokens);
	write_value(out, "counter", "generation_tokens_total", (double)metrics->n_output_tokens);
	write_value(out, "counter", "iteration_tokens_total_count", (double)engine->n_steps);
	write_value(out, "counter", "request_success_total", (double)metrics->n_finished);
	write_histogram(out, "time_to_first_token_seconds", ttft_bounds_s, &metrics->ttft);
	write_histogram(out, "time_per_output_token_seconds", tpot_bounds_s, &metrics->tpot);
	write_histogram(out, "inter_token_latency_seconds", tpot_bounds_s, &metrics->tpot);
	write_histogram(out, "e2e_request_latency_seconds", e2e_bounds_s, &metrics->e2e);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
