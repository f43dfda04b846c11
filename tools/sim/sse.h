// SPDX-License-Identifier: Apache-2.0
// Incremental parser of server-sent events, as far as OpenAI streams use them: `data:` lines ended
// by an empty line, cut anywhere by the network. Other fields and comments are skipped.
// Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
#ifndef SLUICE_SIM_SSE_H
#define SLUICE_SIM_SSE_H

#include <stdbool.h>
#include <stddef.h>

#define SL_SSE_EVENT_MAX 16384 // longest data of one event; a longer one is cut, and counted once

// data is not terminated and lives until the callback returns.
typedef void sl_sse_event_fn(void *ctx, const char *data, size_t len);

struct sl_sse {
	sl_sse_event_fn *on_event;
	void *ctx;
	char *line; // owned; data of the event so far, then the line under way
	size_t data_len, line_len;
	bool has_data;
	bool was_cr;
};

int sl_sse_init(struct sl_sse *sse, sl_sse_event_fn *on_event, void *ctx);
void sl_sse_fini(struct sl_sse *sse);
void sl_sse_reset(struct sl_sse *sse); // for the next stream
void sl_sse_feed(struct sl_sse *sse, const char *bytes, size_t len);

// Whether an OpenAI chunk carries text: a role chunk has `"content":""`, a final one has none.
bool sl_sse_has_content(const char *data, size_t len);

#endif
