// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sl_cli_table {
	const char *const *headers;
	size_t n_columns;
	char (*cells)[SL_CLI_CELL_BYTES];
	size_t n_cells;
};

struct sl_cli_table *sl_cli_table_new(const char *const *headers)
{
	struct sl_cli_table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		abort(); // a command line tool without memory has nothing left to say
	table->headers = headers;
	while (headers[table->n_columns] != NULL)
		table->n_columns++;
	return table;
}

void sl_cli_table_add(struct sl_cli_table *table, const char *format, ...)
{
	va_list args;

	table->cells = reallocarray(table->cells, table->n_cells + 1, SL_CLI_CELL_BYTES);
	if (table->cells == NULL)
		abort();
	va_start(args, format);
	vsnprintf(table->cells[table->n_cells++], SL_CLI_CELL_BYTES, format, args);
	va_end(args);
}

static void print_cell(const char *text, size_t width, bool is_right, bool is_last)
{
	if (is_right)
		printf("%*s", (int)width, text);
	else if (is_last)
		printf("%s", text); // no blanks at the end of a line
	else
		printf("%-*s", (int)width, text);
	printf("%s", is_last ? "\n" : "  ");
}

void sl_cli_table_print_and_free(struct sl_cli_table *table)
{
	size_t widths[SL_CLI_MAX_COLUMNS] = {0};

	for (size_t c = 0; c < table->n_columns; c++)
		widths[c] = strlen(table->headers[c] + (table->headers[c][0] == '>'));
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t n = strlen(table->cells[i]);

		if (n > widths[i % table->n_columns])
			widths[i % table->n_columns] = n;
	}
	for (size_t c = 0; c < table->n_columns; c++)
		print_cell(table->headers[c] + (table->headers[c][0] == '>'), widths[c],
		           table->headers[c][0] == '>', c + 1 == table->n_columns);
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t c = i % table->n_columns;

		print_cell(table->cells[i], widths[c], table->headers[c][0] == '>',
		           c + 1 == table->n_columns);
	}
	free(table->cells);
	free(table);
}

const char *sl_cli_human_count(double n, char text[16])
{
	static const char units[] = {'k', 'M', 'G', 'T', 'P'};
	size_t u = 0;

	if (n < 9999.5) {
		snprintf(text, 16, "%.0f", n);
		return text;
	}
	n /= 1000;
	while (n >= 999.95 && u + 1 < sizeof(units)) {
		n /= 1000;
		u++;
	}
	snprintf(text, 16, "%.1f%c", n, units[u]);
	return text;
}

const char *sl_cli_human_seconds(const json_t *seconds, char text[16])
{
	double s = json_number_value(seconds);

	if (!json_is_number(seconds))
		snprintf(text, 16, "-");
	else if (s < 0.001)
		snprintf(text, 16, "%.0f us", s * 1e6);
	else if (s < 1)
		snprintf(text, 16, "%.1f ms", s * 1e3);
	else if (s < 120)
		snprintf(text, 16, "%.1f s", s);
	else if (s < 7200)
		snprintf(text, 16, "%.0f min", s / 60);
	else if (s < 172800)
		snprintf(text, 16, "%.0f h", s / 3600);
	else
		snprintf(text, 16, "%.0f d", s / 86400);
	return text;
}

const char *sl_cli_bar(double part, double whole, int width, char text[32])
{
	int n = whole > 0 ? (int)lround(part / whole * width) : 0;

	n = n > width ? width : n;
	for (int i = 0; i < width; i++)
		text[i] = i < n ? '#' : '.';
	text[width] = '\0';
	return text;
}

long sl_cli_parse_ms(const char *text)
{
	static const struct {
		const char *unit;
		long ms;
	} units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
	             {"h", 3600000}, {"d", 86400000}, {"", 1000}};
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || n <= 0 || n > 86400)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) == 0)
			return n * units[i].ms;
	}
	return -1;
}
