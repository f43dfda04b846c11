// SPDX-License-Identifier: Apache-2.0
#include "config_diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define LINE_SHOWN_BYTES 240 // a longer line is cut: the report stays readable
#define CARET_MAX        120

static void set_message(struct sl_diag_entry *entry, const char *format, va_list args)
{
	vsnprintf(entry->message, sizeof(entry->message), format, args);
	for (unsigned char *p = (unsigned char *)entry->message; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
}

static bool add(struct sl_diag_list *list, const struct sl_span *span, bool is_warning,
                const char *format, va_list args)
{
	uint32_t *n_kept = is_warning ? &list->n_warnings_kept : &list->n_errors_kept;
	struct sl_diag_entry *entry;

	*(is_warning ? &list->n_warnings : &list->n_errors) += 1;
	if (*n_kept == SL_DIAG_MAX)
		return false;
	*n_kept += 1;
	entry = &list->entries[list->n_kept];
	*entry = (struct sl_diag_entry){.order = list->n_kept, .is_warning = is_warning};
	list->n_kept++;
	if (span != NULL) {
		entry->span = *span;
		entry->has_place = true;
	}
	set_message(entry, format, args);
	return true;
}

bool sl_diag_error(struct sl_diag_list *list, const struct sl_span *span, const char *format, ...)
{
	va_list args;
	bool is_kept;

	va_start(args, format);
	is_kept = add(list, span, false, format, args);
	va_end(args);
	return is_kept;
}

bool sl_diag_warning(struct sl_diag_list *list, const struct sl_span *span, const char *format, ...)
{
	va_list args;
	bool is_kept;

	va_start(args, format);
	is_kept = add(list, span, true, format, args);
	va_end(args);
	return is_kept;
}

bool sl_diag_is_full(const struct sl_diag_list *list)
{
	return list->n_errors_kept == SL_DIAG_MAX;
}

static int compare_entries(const void *a, const void *b)
{
	const struct sl_diag_entry *x = a, *y = b;

	if (x->has_place != y->has_place)
		return x->has_place ? 1 : -1;
	if (x->span.line != y->span.line)
		return x->span.line < y->span.line ? -1 : 1;
	if (x->span.column != y->span.column)
		return x->span.column < y->span.column ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

// Bytes of the line break at text, 0 = none. The same breaks as libyaml counts: LF, CR, CR LF,
// NEL (U+0085), LS and PS (U+2028, U+2029).
static size_t break_bytes(const char *text, size_t n_bytes)
{
	if (text[0] == '\r')
		return n_bytes > 1 && text[1] == '\n' ? 2 : 1;
	if (text[0] == '\n')
		return 1;
	if (n_bytes > 1 && memcmp(text, "\xc2\x85", 2) == 0)
		return 2;
	if (n_bytes > 2 &&
	    (memcmp(text, "\xe2\x80\xa8", 3) == 0 || memcmp(text, "\xe2\x80\xa9", 3) == 0))
		return 3;
	return 0;
}

struct cursor {
	const char *text;
	size_t n_bytes, at;
	uint32_t line;
};

static size_t line_bytes(const struct cursor *c)
{
	size_t end = c->at;

	while (end < c->n_bytes && break_bytes(c->text + end, c->n_bytes - end) == 0)
		end++;
	return end - c->at;
}

// Entries come in file order, so the text is walked once.
static void move_to_line(struct cursor *c, uint32_t line)
{
	while (c->line < line && c->at < c->n_bytes) {
		c->at += line_bytes(c);
		if (c->at < c->n_bytes)
			c->at += break_bytes(c->text + c->at, c->n_bytes - c->at);
		c->line++;
	}
}

static void print_source(FILE *out, struct cursor *c, const struct sl_span *span)
{
	uint32_t n_carets = span->n_columns < CARET_MAX ? span->n_columns : CARET_MAX;
	size_t n;

	move_to_line(c, span->line);
	n = line_bytes(c);
	fprintf(out, "%5u | ", span->line + 1);
	for (size_t i = 0; i < n && i < LINE_SHOWN_BYTES; i++) {
		unsigned char byte = (unsigned char)c->text[c->at + i];

		fputc(byte < 0x20 || byte == 0x7f ? ' ' : byte, out);
	}
	fputc('\n', out);
	if (span->column >= LINE_SHOWN_BYTES)
		return;
	fprintf(out, "      | %*s^", (int)span->column, "");
	for (uint32_t i = 1; i < n_carets; i++)
		fputc('~', out);
	fputc('\n', out);
}

static void print_report(FILE *out, const struct sl_diag_list *list, const char *file_name,
                         struct cursor *c)
{
	uint32_t n_left_out = list->n_errors + list->n_warnings - list->n_kept;

	for (uint32_t i = 0; i < list->n_kept; i++) {
		const struct sl_diag_entry *entry = &list->entries[i];

		fputs(file_name, out);
		if (entry->has_place)
			fprintf(out, ":%u:%u", entry->span.line + 1, entry->span.column + 1);
		fprintf(out, ": %s: %s\n", entry->is_warning ? "warning" : "error", entry->message);
		if (entry->has_place)
			print_source(out, c, &entry->span);
	}
	if (n_left_out > 0)
		fprintf(out, "%u more not shown\n", n_left_out);
	fprintf(out, "%u error%s, %u warning%s\n", list->n_errors, list->n_errors == 1 ? "" : "s",
	        list->n_warnings, list->n_warnings == 1 ? "" : "s");
}

int sl_diag_render(struct sl_diag_list *list, const char *file_name, const char *text,
                   size_t n_bytes, struct sl_diagnostics *out)
{
	struct cursor c = {.text = text, .n_bytes = n_bytes};
	FILE *stream;

	*out = (struct sl_diagnostics){.n_errors = list->n_errors, .n_warnings = list->n_warnings};
	stream = open_memstream(&out->text, &out->n_bytes);
	if (stream == NULL)
		return -ENOMEM;
	qsort(list->entries, list->n_kept, sizeof(list->entries[0]), compare_entries);
	if (list->n_kept > 0)
		print_report(stream, list, file_name, &c);
	if (fclose(stream) != 0) {
		free(out->text);
		out->text = NULL;
		out->n_bytes = 0;
		return -ENOMEM;
	}
	return 0;
}

void sl_diagnostics_fini(struct sl_diagnostics *diag)
{
	free(diag->text);
	*diag = (struct sl_diagnostics){0};
}
