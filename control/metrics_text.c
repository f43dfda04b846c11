// SPDX-License-Identifier: Apache-2.0
#include "metrics_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void sl_metrics_family(struct sl_text *text, const char *name, enum sl_metric_type type,
                       const char *help)
{
	static const char *const types[] = {[SL_METRIC_COUNTER] = "counter",
	                                    [SL_METRIC_GAUGE] = "gauge",
	                                    [SL_METRIC_HISTOGRAM] = "histogram"};

	sl_text_add(text, "# HELP sluice_%s %s\n# TYPE sluice_%s %s\n", name, help, name,
	            types[type]);
}

// false: there is no room for n more; they are counted as dropped.
static bool take_room(struct sl_text *text, uint32_t n)
{
	if (text->max_samples != 0 && text->n_samples + n > text->max_samples) {
		text->n_dropped += n;
		return false;
	}
	text->n_samples += n;
	return true;
}

// The format knows three escapes in label values: backslash, quote and newline.
static void add_escaped(struct sl_text *text, const char *value)
{
	while (*value != '\0') {
		size_t n = strcspn(value, "\\\"\n");

		sl_text_add_bytes(text, value, n);
		value += n;
		if (*value == '\0')
			return;
		sl_text_add_bytes(text,
		                  *value == '\n'  ? "\\n"
		                  : *value == '"' ? "\\\""
		                                  : "\\\\",
		                  2);
		value++;
	}
}

static void add_head(struct sl_text *text, const char *name, const struct sl_label *labels)
{
	sl_text_add(text, "sluice_%s", name);
	for (const struct sl_label *l = labels; l != NULL && l->value != NULL; l++) {
		sl_text_add(text, "%s%s=\"", l == labels ? "{" : ",", l->name);
		add_escaped(text, l->value);
		sl_text_add_bytes(text, "\"", 1);
	}
	if (labels != NULL && labels->value != NULL)
		sl_text_add_bytes(text, "}", 1);
}

static void add_count(struct sl_text *text, const char *name, const struct sl_label *labels,
                      uint64_t value)
{
	add_head(text, name, labels);
	sl_text_add(text, " %" PRIu64 "\n", value);
}

static void add_number(struct sl_text *text, const char *name, const struct sl_label *labels,
                       double value)
{
	add_head(text, name, labels);
	sl_text_add(text, " %.17g\n", value);
}

void sl_metrics_count(struct sl_text *text, const char *name, const struct sl_label *labels,
                      uint64_t value)
{
	if (take_room(text, 1))
		add_count(text, name, labels, value);
}

void sl_metrics_number(struct sl_text *text, const char *name, const struct sl_label *labels,
                       double value)
{
	if (take_room(text, 1))
		add_number(text, name, labels, value);
}

void sl_metrics_histogram(struct sl_text *text, const char *name, const struct sl_label *labels,
                          const struct sl_histogram *histogram)
{
	struct sl_label with_le[SL_METRICS_MAX_LABELS + 2] = {0};
	char part[80], le[16];
	uint64_t n = 0;
	size_t n_labels = 0;

	if (!take_room(text, SL_HISTOGRAM_BOUNDS + 3)) // all of it or nothing
		return;
	while (n_labels < SL_METRICS_MAX_LABELS && labels[n_labels].value != NULL) {
		with_le[n_labels] = labels[n_labels];
		n_labels++;
	}
	with_le[n_labels] = (struct sl_label){"le", le};
	snprintf(part, sizeof(part), "%s_bucket", name);
	for (uint32_t b = 0; b <= SL_HISTOGRAM_BOUNDS; b++) {
		n += histogram->counts[b]; // each holds those before
		if (b < SL_HISTOGRAM_BOUNDS)
			snprintf(le, sizeof(le), "%g", sl_histogram_bounds_us[b] / 1e6);
		else
			snprintf(le, sizeof(le), "+Inf");
		add_count(text, part, with_le, n);
	}
	snprintf(part, sizeof(part), "%s_sum", name);
	add_number(text, part, labels, (double)histogram->sum_us / 1e6);
	snprintf(part, sizeof(part), "%s_count", name);
	add_count(text, part, labels, n);
}
