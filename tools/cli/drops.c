// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <stdio.h>

#include "sluice/drop.h"

struct counts {
	double n[SL_DROP_COUNT];
	long at_ms;
	bool is_connected;
};

static int read_counts(const struct sl_cli *cli, struct counts *counts)
{
	const json_t *dataplane, *drops;
	json_t *status;
	int rc = sl_cli_request(cli, "/api/v1/status", NULL, &status);

	if (rc != SL_CLI_OK)
		return rc;
	dataplane = json_object_get(status, "dataplane");
	drops = json_object_get(dataplane, "drops");
	for (unsigned int d = 0; d < SL_DROP_COUNT; d++)
		counts->n[d] = sl_cli_number_of(drops, sl_drop_name(d));
	counts->at_ms = sl_cli_now_ms();
	counts->is_connected = json_is_true(json_object_get(dataplane, "connected"));
	json_decref(status);
	return SL_CLI_OK;
}

// Reasons that never happened are left out: the list is for finding what goes wrong.
static void draw_totals(const struct counts *counts)
{
	static const char *const headers[] = {"REASON", ">PACKETS", "MEANING", NULL};
	struct sl_cli_table *table = sl_cli_table_new(headers);
	double total = 0;

	for (unsigned int d = 0; d < SL_DROP_COUNT; d++) {
		if (counts->n[d] == 0)
			continue;
		total += counts->n[d];
		sl_cli_table_add(table, "%s", sl_drop_name(d));
		sl_cli_table_add(table, "%.0f", counts->n[d]);
		sl_cli_table_add(table, "%s", sl_drop_help(d));
	}
	sl_cli_table_print_and_free(table);
	printf("%.0f packets dropped in all\n", total);
}

// Per second between two looks. A data plane that started again counts from nothing.
static double rate(const struct counts *before, const struct counts *now, unsigned int d)
{
	double n = now->n[d] >= before->n[d] ? now->n[d] - before->n[d] : now->n[d];
	long ms = now->at_ms - before->at_ms;

	return ms > 0 ? 1000 * n / (double)ms : 0;
}

static void draw_rates(const struct counts *before, const struct counts *now)
{
	static const char *const headers[] = {"REASON", ">PER SECOND", ">PACKETS", "MEANING", NULL};
	struct sl_cli_table *table = sl_cli_table_new(headers);
	double total = 0;

	for (unsigned int d = 0; d < SL_DROP_COUNT; d++) {
		if (rate(before, now, d) == 0)
			continue;
		total += rate(before, now, d);
		sl_cli_table_add(table, "%s", sl_drop_name(d));
		sl_cli_table_add(table, "%.1f", rate(before, now, d));
		sl_cli_table_add(table, "%.0f", now->n[d]);
		sl_cli_table_add(table, "%s", sl_drop_help(d));
	}
	sl_cli_table_print_and_free(table);
	printf("%.1f packets dropped per second\n\n", total);
}

static void print_json(const struct counts *before, const struct counts *now)
{
	json_t *json = json_object();

	for (unsigned int d = 0; d < SL_DROP_COUNT; d++)
		json_object_set_new(json, sl_drop_name(d),
		                    before != NULL ? json_real(rate(before, now, d))
		                                   : json_integer((json_int_t)now->n[d]));
	// One line each when there are many, as for any tool that reads lines.
	json_dumpf(json, stdout, before != NULL ? JSON_COMPACT : JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static int watch(const struct sl_cli *cli, struct counts *before)
{
	struct counts now;
	int rc;

	for (;;) {
		sl_cli_sleep_ms(cli->watch_ms);
		rc = read_counts(cli, &now);
		if (rc != SL_CLI_OK)
			return rc;
		if (cli->is_json)
			print_json(before, &now);
		else
			draw_rates(before, &now);
		if (fflush(stdout) != 0)
			return SL_CLI_FAILED; // nobody reads any more
		*before = now;
	}
}

int sl_cli_drops(const struct sl_cli *cli, int argc, char **argv)
{
	struct counts counts;
	int rc = read_counts(cli, &counts);

	(void)argc;
	(void)argv;
	if (rc != SL_CLI_OK)
		return rc;
	if (!counts.is_connected)
		fprintf(stderr,
		        "warning: the data plane is not connected; these are its last counts\n");
	if (cli->watch_ms > 0)
		return watch(cli, &counts);
	if (cli->is_json)
		print_json(NULL, &counts);
	else
		draw_totals(&counts);
	return SL_CLI_OK;
}
