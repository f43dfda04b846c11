// SPDX-License-Identifier: Apache-2.0
#include "metrics_text.h"

#include <inttypes.h>
#include <string.h>

void sl_metrics_family(struct sl_text *text, const char *name, enum sl_metric_type type,
                       const char *help)
{
	sl_text_add(text, "# HELP sluice_%s %s\n# TYPE sluice_%s %s\n", name, help, name,
	            type == SL_METRIC_COUNTER ? "counter" : "gauge");
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

void sl_metrics_count(struct sl_text *text, const char *name, const struct sl_label *labels,
                      uint64_t value)
{
	add_head(text, name, labels);
	sl_text_add(text, " %" PRIu64 "\n", value);
}

void sl_metrics_number(struct sl_text *text, const char *name, const struct sl_label *labels,
                       double value)
{
	add_head(text, name, labels);
	sl_text_add(text, " %.17g\n", value);
}
