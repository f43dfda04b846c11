// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <string.h>

#include "sse.h"

struct seen {
	char text[512]; // each event's data followed by '|'
	size_t len;
};

static void note_event(void *ctx, const char *data, size_t len)
{
	struct seen *seen = ctx;

	ck_assert_uint_lt(seen->len + len + 1, sizeof(seen->text));
	memcpy(seen->text + seen->len, data, len);
	seen->len += len;
	seen->text[seen->len++] = '|';
	seen->text[seen->len] = '\0';
}

static const struct {
	const char *what, *stream, *events;
} streams[] = {
	{"one event", "data: {\"a\":1}\n\n", "{\"a\":1}|"},
	{"two events", "data: a\n\ndata: b\n\n", "a|b|"},
	{"CRLF lines", "data: a\r\n\r\ndata: b\r\n\r\n", "a|b|"},
	{"CRLF ends one line, not two", "data: a\r\ndata: b\r\n\r\n", "a\nb|"},
	{"CR lines", "data: a\r\rdata: b\r\r", "a|b|"},
	{"no space after the colon", "data:a\n\n", "a|"},
	{"only one space is taken", "data:  a\n\n", " a|"},
	{"data lines are joined", "data: a\ndata: b\n\n", "a\nb|"},
	{"an empty data line counts", "data:\n\n", "|"},
	{"other fields and comments are skipped", "event: x\n: ping\nid: 7\ndata: a\n\n", "a|"},
	{"a comment alone is no event", ": keep-alive\n\n\n", ""},
	{"an event without its empty line is not there yet", "data: a\n", ""},
};

START_TEST(a_stream_cut_at_any_byte_gives_the_same_events)
{
	const char *stream = streams[_i].stream;
	const size_t len = strlen(stream);

	for (size_t cut = 0; cut <= len; cut++) {
		struct seen seen = {0};
		struct sl_sse sse;

		ck_assert_int_eq(sl_sse_init(&sse, note_event, &seen), 0);
		sl_sse_feed(&sse, stream, cut);
		sl_sse_feed(&sse, stream + cut, len - cut);
		ck_assert_msg(strcmp(seen.text, streams[_i].events) == 0, "%s, cut at %zu: %s",
		              streams[_i].what, cut, seen.text);
		sl_sse_fini(&sse);
	}
}
END_TEST

START_TEST(a_reset_parser_forgets_half_an_event)
{
	struct seen seen = {0};
	struct sl_sse sse;

	ck_assert_int_eq(sl_sse_init(&sse, note_event, &seen), 0);
	sl_sse_feed(&sse, "data: lost\ndata: al", 19);
	sl_sse_reset(&sse);
	sl_sse_feed(&sse, "data: a\n\n", 9);
	ck_assert_str_eq(seen.text, "a|");
	sl_sse_fini(&sse);
}
END_TEST

static void note_length(void *ctx, const char *data, size_t len)
{
	(void)data;
	*(size_t *)ctx = len;
}

START_TEST(an_endless_event_is_cut_at_the_limit)
{
	struct sl_sse sse;
	size_t len = 0;

	ck_assert_int_eq(sl_sse_init(&sse, note_length, &len), 0);
	sl_sse_feed(&sse, "data: ", 6);
	for (size_t i = 0; i < 2 * SL_SSE_EVENT_MAX; i++)
		sl_sse_feed(&sse, "x", 1);
	sl_sse_feed(&sse, "\ndata: y\n\n", 10);
	ck_assert_uint_ge(len, SL_SSE_EVENT_MAX - 6);
	ck_assert_uint_le(len, SL_SSE_EVENT_MAX);
	sl_sse_fini(&sse);
}
END_TEST

static const struct {
	const char *what, *data;
	bool has_content;
} chunks[] = {
	{"token", "{\"choices\":[{\"delta\":{\"content\":\" the\"}}]}", true},
	{"token with spaces", "{\"choices\": [{\"delta\": {\"content\": \"a\"}}]}", true},
	{"completion", "{\"choices\":[{\"text\":\" the\",\"index\":0}]}", true},
	{"role", "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}", false},
	{"finish", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}", false},
	{"null", "{\"choices\":[{\"delta\":{\"content\":null}}]}", false},
	{"cut after the quote", "{\"content\":\"", false},
	{"done", "[DONE]", false},
};

START_TEST(only_a_chunk_with_text_counts_as_a_token)
{
	const char *data = chunks[_i].data;

	ck_assert_msg(sl_sse_has_content(data, strlen(data)) == chunks[_i].has_content, "%s",
	              chunks[_i].what);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sse");
	TCase *tcase = tcase_create("sse");

	tcase_add_loop_test(tcase, a_stream_cut_at_any_byte_gives_the_same_events, 0,
	                    sizeof(streams) / sizeof(streams[0]));
	tcase_add_test(tcase, a_reset_parser_forgets_half_an_event);
	tcase_add_test(tcase, an_endless_event_is_cut_at_the_limit);
	tcase_add_loop_test(tcase, only_a_chunk_with_text_counts_as_a_token, 0,
	                    sizeof(chunks) / sizeof(chunks[0]));
	suite_add_tcase(suite, tcase);
	return sl_check_run(suite);
}
