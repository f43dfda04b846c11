// SPDX-License-Identifier: Apache-2.0
// The server's /metrics: vLLM's names, and bucket bounds close to its own.
#ifndef SLUICE_SIM_METRICS_H
#define SLUICE_SIM_METRICS_H

#include <stdint.h>

#include "engine.h"

#define SL_METRICS_BOUNDS 16

struct sl_metrics_histogram {
	uint64_t counts[SL_METRICS_BOUNDS + 1]; // not cumulative; the last one is +Inf
	double sum_s;
};

struct sl_metrics {
	struct sl_metrics_histogram ttft, tpot, e2e;
	uint64_t n_prompt_tokens, n_output_tokens;
	uint64_t n_finished;
};

void sl_metrics_ttft(struct sl_metrics *metrics, uint64_t ns);
void sl_metrics_tpot(struct sl_metrics *metrics, uint64_t ns);
void sl_metrics_e2e(struct sl_metrics *metrics, uint64_t ns);

// Prometheus text; the caller frees it. NULL when there is no memory.
char *sl_metrics_text(const struct sl_metrics *metrics, const struct sl_engine *engine);

#endif
