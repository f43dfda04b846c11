// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <stdio.h>

#include "sluice/drop.h"

// Reasons that never happened are left out: the list is for finding what goes wrong.
static void draw_drops(const json_t *drops)
{
	static const char *const headers[] = {"REASON", ">PACKETS", "MEANING", NULL};
	struct sl_cli_table *table = sl_cli_table_new(headers);
	double total = 0;

	for (unsigned int d = 0; d < SL_DROP_COUNT; d++) {
		double n = sl_cli_number_of(drops, sl_drop_name(d));

		if (n == 0)
			continue;
		total += n;
		sl_cli_table_add(table, "%s", sl_drop_name(d));
		sl_cli_table_add(table, "%.0f", n);
		sl_cli_table_add(table, "%s", sl_drop_help(d));
	}
	sl_cli_table_print_and_free(table);
	printf("%.0f packets dropped in all\n", total);
}

int sl_cli_drops(const struct sl_cli *cli, int argc, char **argv)
{
	const json_t *drops;
	json_t *status;
	int rc;

	(void)argc;
	(void)argv;
	rc = sl_cli_request(cli, "/api/v1/status", NULL, &status);
	if (rc != SL_CLI_OK)
		return rc;
	drops = json_object_get(json_object_get(status, "dataplane"), "drops");
	if (cli->is_json)
		sl_cli_print_json(drops);
	else
		draw_drops(drops);
	json_decref(status);
	return SL_CLI_OK;
}
