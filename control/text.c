// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 256

void sl_text_fini(struct sl_text *text)
{
	free(text->data);
	*text = (struct sl_text){0};
}

static void fail(struct sl_text *text)
{
	sl_text_fini(text);
	text->has_failed = true;
}

static bool reserve(struct sl_text *text, size_t n_more)
{
	size_t capacity_bytes = text->capacity_bytes == 0 ? FIRST_BYTES : text->capacity_bytes;
	char *data;

	if (text->has_failed)
		return false;
	while (capacity_bytes - text->n_bytes <= n_more) {
		if (capacity_bytes > SIZE_MAX / 4) {
			fail(text);
			return false;
		}
		capacity_bytes *= 2;
	}
	if (capacity_bytes == text->capacity_bytes)
		return true;
	data = realloc(text->data, capacity_bytes);
	if (data == NULL) {
		fail(text);
		return false;
	}
	text->data = data;
	text->capacity_bytes = capacity_bytes;
	return true;
}

void sl_text_add_bytes(struct sl_text *text, const char *bytes, size_t n_bytes)
{
	if (!reserve(text, n_bytes))
		return;
	memcpy(text->data + text->n_bytes, bytes, n_bytes);
	text->n_bytes += n_bytes;
	text->data[text->n_bytes] = '\0';
}

void sl_text_add(struct sl_text *text, const char *format, ...)
{
	va_list args, again;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0) {
		fail(text);
	} else if (reserve(text, (size_t)n)) {
		vsnprintf(text->data + text->n_bytes, (size_t)n + 1, format, again);
		text->n_bytes += (size_t)n;
	}
	va_end(again);
}

char *sl_text_take(struct sl_text *text, size_t *n_bytes)
{
	char *data;

	sl_text_add_bytes(text, "", 0);
	data = text->data;
	if (n_bytes != NULL)
		*n_bytes = text->n_bytes;
	*text = (struct sl_text){0};
	return data;
}
