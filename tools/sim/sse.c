// SPDX-License-Identifier: Apache-2.0
#include "sse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sl_sse_init(struct sl_sse *sse, sl_sse_event_fn *on_event, void *ctx)
{
	*sse = (struct sl_sse){.on_event = on_event, .ctx = ctx};
	sse->line = malloc(SL_SSE_EVENT_MAX);
	return sse->line == NULL ? -ENOMEM : 0;
}

void sl_sse_fini(struct sl_sse *sse)
{
	free(sse->line);
	sse->line = NULL;
}

void sl_sse_reset(struct sl_sse *sse)
{
	sse->data_len = 0;
	sse->line_len = 0;
	sse->has_data = false;
	sse->was_cr = false;
}

// Several data lines of one event are joined by a newline.
static void keep_data(struct sl_sse *sse, const char *line, size_t len)
{
	char *to = sse->line + sse->data_len;

	if (sse->has_data) {
		*to++ = '\n'; // room: the field name was longer
		sse->data_len++;
	}
	memmove(to, line, len);
	sse->data_len += len;
	sse->has_data = true;
}

static void end_line(struct sl_sse *sse)
{
	const char *line = sse->line + sse->data_len;
	size_t len = sse->line_len;

	sse->line_len = 0;
	if (len == 0) {
		if (sse->has_data)
			sse->on_event(sse->ctx, sse->line, sse->data_len);
		sse->data_len = 0;
		sse->has_data = false;
		return;
	}
	if (len < 5 || memcmp(line, "data:", 5) != 0)
		return;
	line += 5;
	len -= 5;
	if (len > 0 && *line == ' ') {
		line++;
		len--;
	}
	keep_data(sse, line, len);
}

void sl_sse_feed(struct sl_sse *sse, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char c = bytes[i];
		const bool ends_crlf = sse->was_cr && c == '\n';

		sse->was_cr = c == '\r';
		if (ends_crlf)
			continue;
		if (c == '\n' || c == '\r')
			end_line(sse);
		else if (sse->data_len + sse->line_len < SL_SSE_EVENT_MAX)
			sse->line[sse->data_len + sse->line_len++] = c;
	}
}

// A key with a string that is not empty, with or without spaces around the colon.
static bool has_text(const char *data, size_t len, const char *key)
{
	const char *end = data + len, *p = memmem(data, len, key, strlen(key));

	if (p == NULL)
		return false;
	p += strlen(key);
	while (p < end && (*p == ' ' || *p == ':'))
		p++;
	return p + 1 < end && p[0] == '"' && p[1] != '"';
}

bool sl_sse_has_content(const char *data, size_t len)
{
	return has_text(data, len, "\"content\"") || has_text(data, len, "\"text\"");
}
