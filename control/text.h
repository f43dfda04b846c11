// SPDX-License-Identifier: Apache-2.0
// A growing text: append until done, then look at one flag. A text that ran out of memory stays
// failed and empty, so that callers check once, at the end.
#ifndef SLUICE_CONTROL_TEXT_H
#define SLUICE_CONTROL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_text {
	char *data; // NUL-terminated once anything was added; owned
	size_t n_bytes;
	size_t capacity_bytes;
	uint32_t n_samples, max_samples, n_dropped; // of metrics_text.h; max 0 = no bound
	bool has_failed;
};

void sl_text_add(struct sl_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void sl_text_add_bytes(struct sl_text *text, const char *bytes, size_t n_bytes);
void sl_text_fini(struct sl_text *text);

// The text becomes the caller's to free; NULL when it failed. Never NULL for an empty one.
char *sl_text_take(struct sl_text *text, size_t *n_bytes);

#endif
