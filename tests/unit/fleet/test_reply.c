// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "probe_reply.h"

#define HEADERS_END "\r\n"

static const struct {
	const char *name;
	const char *contains;
	const char *pieces[4];
	uint8_t reason;
} body_cases[] = {
	{"nothing wanted", "", {"abc"}, SL_PROBE_OK},
	{"in one piece", "ready", {"is ready now"}, SL_PROBE_OK},
	{"the whole body", "ready", {"ready"}, SL_PROBE_OK},
	{"absent", "ready", {"is red", "dy now"}, SL_PROBE_BODY},
	{"empty body", "ready", {""}, SL_PROBE_BODY},
	{"over a seam", "ready", {"is re", "ady now"}, SL_PROBE_OK},
	{"over two seams", "ready", {"is r", "ead", "y"}, SL_PROBE_OK},
	{"over three seams", "ready", {"r", "e", "ad", "y"}, SL_PROBE_OK},
	{"a false start before", "aab", {"aa", "a", "b"}, SL_PROBE_OK},
	{"one byte", "x", {"abc", "x"}, SL_PROBE_OK},
	{"one byte absent", "x", {"abc", "d"}, SL_PROBE_BODY},
	{"not put together from far ends", "ready", {"re", "------", "ady"}, SL_PROBE_BODY},
};

START_TEST(a_text_is_found_wherever_the_pieces_break)
{
	struct sl_model_probe probe = {.type = SL_PROBE_HTTP};
	struct sl_reply reply;

	strcpy(probe.contains, body_cases[_i].contains);
	sl_reply_init(&reply, &probe);
	ck_assert(sl_reply_add_header(&reply, HEADERS_END, 2));
	for (int i = 0; i < 4 && body_cases[_i].pieces[i] != NULL; i++)
		ck_assert(sl_reply_add_body(&reply, body_cases[_i].pieces[i],
		                            strlen(body_cases[_i].pieces[i])));
	ck_assert_msg(sl_reply_judge(&reply, 200) == body_cases[_i].reason, "%s",
	              body_cases[_i].name);
}
END_TEST

// Against memmem over the whole text, with random texts over a small alphabet and random cuts.
START_TEST(pieces_find_what_the_whole_finds)
{
	uint64_t seed = sl_check_seed(), random = seed;

	for (int round = 0; round < 20000; round++) {
		struct sl_model_probe probe = {.type = SL_PROBE_HTTP};
		size_t n = sl_check_random(&random) % 40;
		size_t n_needle = 1 + sl_check_random(&random) % 5;
		struct sl_reply reply;
		char text[40];
		bool is_in;

		for (size_t i = 0; i < n; i++)
			text[i] = (char)('a' + sl_check_random(&random) % 2);
		for (size_t i = 0; i < n_needle; i++)
			probe.contains[i] = (char)('a' + sl_check_random(&random) % 2);
		is_in = memmem(text, n, probe.contains, n_needle) != NULL;
		sl_reply_init(&reply, &probe);
		sl_reply_add_header(&reply, HEADERS_END, 2);
		for (size_t at = 0; at < n;) {
			size_t step = 1 + sl_check_random(&random) % 6;

			step = step < n - at ? step : n - at;
			sl_reply_add_body(&reply, &text[at], step);
			at += step;
		}
		ck_assert_msg(sl_reply_judge(&reply, 200) == (is_in ? SL_PROBE_OK : SL_PROBE_BODY),
		              "%.*s in %.*s, seed %lu", (int)n_needle, probe.contains, (int)n, text,
		              seed);
	}
}
END_TEST

static const struct {
	uint8_t type;
	uint16_t expect, status;
	uint8_t reason;
} status_cases[] = {
	{SL_PROBE_HTTP, 0, 200, SL_PROBE_OK},         {SL_PROBE_HTTP, 0, 299, SL_PROBE_OK},
	{SL_PROBE_HTTP, 0, 199, SL_PROBE_STATUS},     {SL_PROBE_HTTP, 0, 302, SL_PROBE_STATUS},
	{SL_PROBE_HTTP, 302, 302, SL_PROBE_OK},       {SL_PROBE_HTTP, 302, 200, SL_PROBE_STATUS},
	{SL_PROBE_KSERVE, 0, 200, SL_PROBE_OK},       {SL_PROBE_KSERVE, 0, 204, SL_PROBE_STATUS},
	{SL_PROBE_KSERVE, 503, 503, SL_PROBE_STATUS},
};

START_TEST(status_must_be_the_wanted_one)
{
	struct sl_model_probe probe = {.type = status_cases[_i].type,
	                               .expect_status = status_cases[_i].expect};
	struct sl_reply reply;

	sl_reply_init(&reply, &probe);
	sl_reply_add_header(&reply, HEADERS_END, 2);
	ck_assert_uint_eq(sl_reply_judge(&reply, status_cases[_i].status), status_cases[_i].reason);
}
END_TEST

#define GRPC_OK "grpc-status: 0\r\n"

static const struct {
	const char *name;
	const char *trailer;
	uint8_t n_bytes;
	uint8_t bytes[24];
	uint8_t reason;
} grpc_cases[] = {
	{"serving", GRPC_OK, 7, {0, 0, 0, 0, 2, 8, 1}, SL_PROBE_OK},
	{"serving, no space, other case",
         "Grpc-Status:0\r\n",
         7,
         {0, 0, 0, 0, 2, 8, 1},
         SL_PROBE_OK},
	{"not serving", GRPC_OK, 7, {0, 0, 0, 0, 2, 8, 2}, SL_PROBE_NOT_SERVING},
	{"service unknown", GRPC_OK, 7, {0, 0, 0, 0, 2, 8, 3}, SL_PROBE_NOT_SERVING},
	{"empty message is status 0", GRPC_OK, 5, {0, 0, 0, 0, 0}, SL_PROBE_NOT_SERVING},
	{"NOT_FOUND", "grpc-status: 5\r\n", 0, {0}, SL_PROBE_NOT_SERVING},
	{"UNAVAILABLE", "grpc-status: 14\r\n", 0, {0}, SL_PROBE_NOT_SERVING},
	{"no trailer", NULL, 7, {0, 0, 0, 0, 2, 8, 1}, SL_PROBE_PROTOCOL},
	{"a trailer without a number",
         "grpc-status: x\r\n",
         7,
         {0, 0, 0, 0, 2, 8, 1},
         SL_PROBE_PROTOCOL},
	{"no message", GRPC_OK, 0, {0}, SL_PROBE_PROTOCOL},
	{"cut prefix", GRPC_OK, 4, {0, 0, 0, 0}, SL_PROBE_PROTOCOL},
	{"compressed", GRPC_OK, 7, {1, 0, 0, 0, 2, 8, 1}, SL_PROBE_PROTOCOL},
	{"length beyond the body", GRPC_OK, 7, {0, 0, 0, 0, 3, 8, 1}, SL_PROBE_PROTOCOL},
	{"length of 4 GiB", GRPC_OK, 7, {0, 255, 255, 255, 255, 8, 1}, SL_PROBE_PROTOCOL},
	{"cut varint", GRPC_OK, 7, {0, 0, 0, 0, 2, 8, 0x81}, SL_PROBE_PROTOCOL},
	{"status in two bytes", GRPC_OK, 8, {0, 0, 0, 0, 3, 8, 0x81, 0}, SL_PROBE_OK},
	{"an unknown text field before",
         GRPC_OK,
         11,
         {0, 0, 0, 0, 6, 0x12, 2, 'h', 'i', 8, 1},
         SL_PROBE_OK},
	{"an unknown field too long",
         GRPC_OK,
         9,
         {0, 0, 0, 0, 4, 0x12, 9, 8, 1},
         SL_PROBE_PROTOCOL},
	{"an unknown fixed32 before",
         GRPC_OK,
         12,
         {0, 0, 0, 0, 7, 0x15, 1, 2, 3, 4, 8, 1},
         SL_PROBE_OK},
	{"a group", GRPC_OK, 8, {0, 0, 0, 0, 3, 0x13, 8, 1}, SL_PROBE_PROTOCOL},
};

START_TEST(grpc_health_is_read_from_message_and_trailer)
{
	struct sl_model_probe probe = {.type = SL_PROBE_GRPC};
	struct sl_reply reply;

	sl_reply_init(&reply, &probe);
	sl_reply_add_header(&reply, HEADERS_END, 2);
	sl_reply_add_body(&reply, (const char *)grpc_cases[_i].bytes, grpc_cases[_i].n_bytes);
	if (grpc_cases[_i].trailer != NULL)
		sl_reply_add_header(&reply, grpc_cases[_i].trailer, strlen(grpc_cases[_i].trailer));
	ck_assert_msg(sl_reply_judge(&reply, 200) == grpc_cases[_i].reason, "%s: %s",
	              grpc_cases[_i].name, sl_probe_reason_name(sl_reply_judge(&reply, 200)));
}
END_TEST

START_TEST(random_grpc_messages_are_read_within_bounds)
{
	uint64_t seed = sl_check_seed(), random = seed;
	struct sl_model_probe probe = {.type = SL_PROBE_GRPC};

	for (int round = 0; round < 20000; round++) {
		size_t n = sl_check_random(&random) % 300;
		struct sl_reply reply;
		char bytes[300];
		uint8_t reason;

		for (size_t i = 0; i < n; i++)
			bytes[i] = (char)sl_check_random(&random);
		if (n >= 5)
			memcpy(bytes, (char[]){0, 0, 0, (char)((n - 5) >> 8), (char)(n - 5)}, 5);
		sl_reply_init(&reply, &probe);
		sl_reply_add_header(&reply, HEADERS_END, 2);
		sl_reply_add_body(&reply, bytes, n);
		sl_reply_add_header(&reply, GRPC_OK, strlen(GRPC_OK));
		reason = sl_reply_judge(&reply, 200);
		ck_assert_msg(reason == SL_PROBE_OK || reason == SL_PROBE_PROTOCOL ||
		                      reason == SL_PROBE_NOT_SERVING,
		              "seed %lu", seed);
	}
}
END_TEST

START_TEST(reading_stops_at_64_kib)
{
	struct sl_model_probe probe = {.type = SL_PROBE_HTTP};
	static const char piece[1000];
	struct sl_reply reply;

	sl_reply_init(&reply, &probe);
	for (int i = 0; i < 65; i++) {
		ck_assert(sl_reply_add_header(&reply, piece, sizeof(piece)));
		ck_assert(sl_reply_add_body(&reply, piece, sizeof(piece)));
	}
	ck_assert(sl_reply_add_body(&reply, piece, 536));
	ck_assert(!reply.is_too_large);
	ck_assert(!sl_reply_add_body(&reply, piece, 1));
	ck_assert(reply.is_too_large);
	reply.is_too_large = false;
	ck_assert(!sl_reply_add_header(&reply, piece, sizeof(piece)));
	ck_assert(reply.is_too_large);
}
END_TEST

START_TEST(an_answer_without_the_end_of_its_headers_is_cut_off)
{
	struct sl_model_probe probe = {.type = SL_PROBE_HTTP};
	struct sl_reply reply;

	sl_reply_init(&reply, &probe);
	sl_reply_add_header(&reply, "HTTP/1.1 103 Early Hints\r\n", 26);
	sl_reply_add_header(&reply, HEADERS_END, 2);
	sl_reply_add_header(&reply, "HTTP/1.1 200 OK\r\n", 17);
	ck_assert_uint_eq(sl_reply_judge(&reply, 200), SL_PROBE_RESET);
	sl_reply_add_header(&reply, HEADERS_END, 2);
	ck_assert_uint_eq(sl_reply_judge(&reply, 200), SL_PROBE_OK);
}
END_TEST

START_TEST(grpc_requests_name_the_service)
{
	uint8_t out[16];

	ck_assert_uint_eq(sl_reply_grpc_request("", out, sizeof(out)), 5);
	ck_assert_mem_eq(out, "\0\0\0\0\0", 5);
	ck_assert_uint_eq(sl_reply_grpc_request("llm", out, sizeof(out)), 10);
	ck_assert_mem_eq(out, "\0\0\0\0\5\12\3llm", 10);
	ck_assert_uint_eq(sl_reply_grpc_request("too long for it", out, sizeof(out)), 0);
}
END_TEST

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *s = suite_create("reply");
	TCase *tc = tcase_create("reply");

	tcase_add_loop_test(tc, a_text_is_found_wherever_the_pieces_break, 0, N(body_cases));
	tcase_add_test(tc, pieces_find_what_the_whole_finds);
	tcase_add_loop_test(tc, status_must_be_the_wanted_one, 0, N(status_cases));
	tcase_add_loop_test(tc, grpc_health_is_read_from_message_and_trailer, 0, N(grpc_cases));
	tcase_add_test(tc, random_grpc_messages_are_read_within_bounds);
	tcase_add_test(tc, reading_stops_at_64_kib);
	tcase_add_test(tc, an_answer_without_the_end_of_its_headers_is_cut_off);
	tcase_add_test(tc, grpc_requests_name_the_service);
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
