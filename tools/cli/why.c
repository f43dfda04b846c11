// SPDX-License-Identifier: Apache-2.0
// What flows showed, and why a weight is what it is.
#include "cli.h"

#include <stdio.h>
#include <string.h>

// ---- columns of pool show ----

bool sl_cli_has_latency(const json_t *backends)
{
	json_t *backend;
	size_t i;

	json_array_foreach(backends, i, backend)
	{
		if (json_is_object(json_object_get(backend, "latency")))
			return true;
	}
	return false;
}

void sl_cli_add_latency(struct sl_cli_table *table, const json_t *backend)
{
	const json_t *latency = json_object_get(backend, "latency");
	const json_t *minute = json_object_get(latency, "minute");
	const json_t *ttft = json_object_get(minute, "ttft_seconds");
	const json_t *tpot = json_object_get(minute, "tpot_seconds");
	char a[16];

	sl_cli_table_add(table, "%s", sl_cli_human_seconds(json_object_get(ttft, "p50"), a));
	sl_cli_table_add(table, "%s", sl_cli_human_seconds(json_object_get(ttft, "p99"), a));
	sl_cli_table_add(table, "%s", sl_cli_human_seconds(json_object_get(tpot, "p50"), a));
	sl_cli_table_add(table, "%.1f", sl_cli_number_of(latency, "load"));
}

// The rule that ejected it, with the figures that decided it, in words.
static void tell_ejection(const json_t *ejection, char text[SL_CLI_CELL_BYTES])
{
	const char *reason = sl_cli_text_of(ejection, "reason");
	const double value = sl_cli_number_of(ejection, "value");
	const double bound = sl_cli_number_of(ejection, "bound");

	if (strcmp(reason, "sinkhole") == 0)
		snprintf(text, SL_CLI_CELL_BYTES, "sinkhole: %.0f%% ended at once, bound %.0f%%",
		         100 * value, 100 * bound);
	else if (strcmp(reason, "connect") == 0)
		snprintf(text, SL_CLI_CELL_BYTES, "connect: %.0f%% refused", 100 * value);
	else if (strcmp(reason, "stall") == 0)
		snprintf(text, SL_CLI_CELL_BYTES,
		         "stall: nothing answered for %.1f s, bound %.1f s", value, bound);
	else
		snprintf(text, SL_CLI_CELL_BYTES, "%s: %.1f deviations, bound %.1f", reason, value,
		         bound);
}

bool sl_cli_guard_in_words(const json_t *backend, char text[SL_CLI_CELL_BYTES])
{
	const json_t *steer = json_object_get(backend, "steer");
	const char *guard = sl_cli_text_of(steer, "guard");
	const char *reason = sl_cli_text_of(json_object_get(steer, "last_ejection"), "reason");

	if (strcmp(guard, "ejected") == 0)
		snprintf(text, SL_CLI_CELL_BYTES, "%s %s, %.0f s left",
		         json_is_true(json_object_get(steer, "ignored")) ? "needed despite"
		                                                         : "ejected:",
		         reason, sl_cli_number_of(steer, "remaining_seconds"));
	else if (strcmp(guard, "half_open") == 0)
		snprintf(text, SL_CLI_CELL_BYTES, "half open after %s", reason);
	else
		return false;
	return true;
}

void sl_cli_print_steer(const json_t *steer)
{
	char median[16], objective[16];

	if (!json_is_object(steer))
		return;
	sl_cli_human_seconds(json_object_get(steer, "median_ttft_seconds"), median);
	sl_cli_human_seconds(json_object_get(steer, "ttft_objective_seconds"), objective);
	printf("steered by its flows: median TTFT %s, objective %s%s%s\n", median, objective,
	       json_is_true(json_object_get(steer, "frozen")) ? ", frozen" : "",
	       json_is_true(json_object_get(steer, "degraded"))
	               ? ", degraded: the pool as a whole is slower than it was"
	               : "");
}

// ---- backend why ----

static void tell_product(const json_t *backend)
{
	const json_t *factors = json_object_get(backend, "factors");
	const json_t *forced = json_object_get(factors, "override");

	printf("weight %.1f = ", sl_cli_number_of(backend, "weight_effective"));
	if (json_is_number(forced))
		printf("override %.0f", json_number_value(forced));
	else
		printf("configured %.0f x latency %.2f x guard %.2f",
		       sl_cli_number_of(backend, "weight_configured"),
		       sl_cli_number_of(factors, "latency"), sl_cli_number_of(factors, "guard"));
	printf(" x slow start %.2f x health %.0f\n", sl_cli_number_of(factors, "slow_start"),
	       sl_cli_number_of(factors, "health"));
}

static void tell_steer(const json_t *backend)
{
	const json_t *steer = json_object_get(backend, "steer");
	const json_t *ejection = json_object_get(steer, "last_ejection");
	const json_t *latency = json_object_get(backend, "latency");
	char text[SL_CLI_CELL_BYTES], ttft[16], tpot[16], compared[16], wait[16];

	if (!json_is_object(steer))
		return;
	printf("seen    first token %s, per token %s, compared as %s%s; load %.1f, oldest wait "
	       "%s\n",
	       sl_cli_human_seconds(json_object_get(steer, "ttft_seconds"), ttft),
	       sl_cli_human_seconds(json_object_get(steer, "tpot_seconds"), tpot),
	       sl_cli_human_seconds(json_object_get(steer, "compared_seconds"), compared),
	       json_is_true(json_object_get(steer, "drifting")) ? " (drifting)" : "",
	       sl_cli_number_of(latency, "load"),
	       sl_cli_human_seconds(json_object_get(latency, "oldest_wait_seconds"), wait));
	printf("guard   %s", sl_cli_text_of(steer, "guard"));
	if (json_is_object(ejection)) {
		tell_ejection(ejection, text);
		printf("; last ejection %s", text);
	}
	printf("\n");
}

static void draw_why(const json_t *backend)
{
	static const char *const headers[] = {">AGO", ">FROM", ">TO", "CAUSE", "", NULL};
	struct sl_cli_table *table = sl_cli_table_new(headers);
	json_t *change;
	size_t i;

	printf("%s/%s: %s\n", sl_cli_text_of(backend, "pool"), sl_cli_text_of(backend, "name"),
	       sl_cli_text_of(backend, "state"));
	tell_product(backend);
	tell_steer(backend);
	json_array_foreach(json_object_get(backend, "weight_changes"), i, change)
	{
		const char *cause = sl_cli_text_of(change, "cause");
		char a[16], more[SL_CLI_CELL_BYTES] = "";

		if (strcmp(cause, "latency") == 0)
			snprintf(more, sizeof(more), "x%.2f",
			         sl_cli_number_of(change, "latency_factor"));
		else if (strcmp(cause, "health") == 0)
			snprintf(more, sizeof(more), "%s", sl_cli_text_of(change, "state"));
		else
			snprintf(more, sizeof(more), "%s", sl_cli_text_of(change, "guard_reason"));
		sl_cli_table_add(table, "%s",
		                 sl_cli_human_seconds(json_object_get(change, "age_seconds"), a));
		sl_cli_table_add(table, "%.1f", sl_cli_number_of(change, "from"));
		sl_cli_table_add(table, "%.1f", sl_cli_number_of(change, "to"));
		sl_cli_table_add(table, "%s", cause);
		sl_cli_table_add(table, "%s", more);
	}
	sl_cli_table_print_and_free(table);
}

int sl_cli_backend_why(const struct sl_cli *cli, int argc, char **argv)
{
	char pool[80], path[256];
	const char *backend;
	int rc = sl_cli_split_target(argv[0], pool, &backend);

	(void)argc;
	if (rc != SL_CLI_OK)
		return rc;
	snprintf(path, sizeof(path), "/api/v1/pools/%s/backends/%s", pool, backend);
	return sl_cli_show(cli, path, draw_why);
}
