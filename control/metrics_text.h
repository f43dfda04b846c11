// SPDX-License-Identifier: Apache-2.0
// Prometheus text format 0.0.4, written append-only. Pure.
//
// Rules: prefix sluice_, one HELP and TYPE per family before its samples, label values escaped,
//        whole numbers written without an exponent so that counters keep every bit.
#ifndef SLUICE_CONTROL_METRICS_TEXT_H
#define SLUICE_CONTROL_METRICS_TEXT_H

#include <stdint.h>

#include "histogram.h"
#include "text.h"

enum sl_metric_type { SL_METRIC_COUNTER, SL_METRIC_GAUGE, SL_METRIC_HISTOGRAM };

struct sl_label {
	const char *name;
	const char *value; // NULL ends a list
};

// name without the prefix; counters' names end in _total.
void sl_metrics_family(struct sl_text *text, const char *name, enum sl_metric_type type,
                       const char *help);
void sl_metrics_count(struct sl_text *text, const char *name, const struct sl_label *labels,
                      uint64_t value);
void sl_metrics_number(struct sl_text *text, const char *name, const struct sl_label *labels,
                       double value);
// In seconds; at most SL_METRICS_MAX_LABELS labels.
#define SL_METRICS_MAX_LABELS 6
void sl_metrics_histogram(struct sl_text *text, const char *name, const struct sl_label *labels,
                          const struct sl_histogram *histogram);

#endif
