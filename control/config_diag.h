// SPDX-License-Identifier: Apache-2.0
// What is wrong with a configuration file: collected while it is read, printed once, in file order.
//
// Shape:  at most SL_DIAG_MAX errors and as many warnings are kept; the rest is counted.
// Places: line and column count from 0 here and from 1 in the report; columns are characters.
// Safety: whatever comes from the file is printed without control characters.
#ifndef SLUICE_CONTROL_CONFIG_DIAG_H
#define SLUICE_CONTROL_CONFIG_DIAG_H

#include <stdint.h>

#include "config.h"

#define SL_DIAG_MAX       50
#define SL_DIAG_MSG_BYTES 320

struct sl_span {
	uint32_t line, column;
	uint32_t n_columns; // of that line; 0 shows one caret
};

struct sl_diag_entry {
	struct sl_span span;
	uint32_t order; // of arrival, for entries of one place
	bool is_warning;
	bool has_place; // false: about the file as a whole
	char message[SL_DIAG_MSG_BYTES];
};

struct sl_diag_list {
	struct sl_diag_entry entries[2 * SL_DIAG_MAX];
	uint32_t n_kept, n_errors, n_warnings;
	uint32_t n_errors_kept, n_warnings_kept;
};

// span NULL: about the file as a whole. Returns whether the entry was kept.
bool sl_diag_error(struct sl_diag_list *list, const struct sl_span *span, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool sl_diag_warning(struct sl_diag_list *list, const struct sl_span *span, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// More errors would only be counted: dear work on wording can be left out.
bool sl_diag_is_full(const struct sl_diag_list *list);

// Fills out->text ("" when there is nothing to say). text: of the file, for the quoted lines.
int sl_diag_render(struct sl_diag_list *list, const char *file_name, const char *text,
                   size_t n_bytes, struct sl_diagnostics *out);

#endif
