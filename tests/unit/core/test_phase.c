// SPDX-License-Identifier: Apache-2.0
// Stories: segments with their times in milliseconds, and what the phase machine makes of them.
#include "phase.h"
#include "sl_check.h"

#define STEPS_MAX 24
#define HANDSHAKE "\x16\x03\x01\x00\x04\x01\x00\x00\x00"

enum who { END, C, S, FIN_C, FIN_S, RST_S, LOOK };

struct step {
	enum who who;
	uint32_t at_ms;
	uint32_t n_bytes; // 0: as long as what it begins with
	struct {
		const char *bytes;
		uint32_t n;
	} begin;
};
#define T(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
#define NOTHING                                                                                    \
	{                                                                                          \
		NULL, 0                                                                            \
	}
#define PREFACE  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define FINISHED "\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x45"

struct outcome {
	uint32_t ttft_ms; // of the last one told; 0 = none
	uint32_t n_ttft;
	uint32_t tpot_ms;  // of the last one told
	uint32_t n_tokens; // in all
	uint8_t phase;
	uint32_t load_units;
};

#define REQUEST "POST /v1/chat/completions HTTP/1.1\r\n"
#define HEADER  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define U       SL_PHASE_UNIT
#define IDLE_U  SL_PHASE_IDLE_UNIT

static const struct story {
	const char *name;
	struct step steps[STEPS_MAX];
	struct outcome want;
} stories[] = {
	{"a new connection is pending", {{LOOK, 5, 0, NOTHING}}, {0, 0, 0, 0, SL_PHASE_PENDING, U}},
	{"bytes asked count until they are answered",
         {{C, 1, 700, T(REQUEST)}, {C, 2, 1300, T("more")}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U + 2000}},
	{"a request sent again counts once",
         {{C, 1, 700, T(REQUEST)}, {C, 2, 0, NOTHING}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U + 700}},
	{"a header at once is no token",
         {{C, 10, 700, T(REQUEST)}, {S, 11, 310, T(HEADER)}, {S, 11, 186, T("role")}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U + 700}},
	{"the first token follows the header after a gap",
         {{C, 10, 700, T(REQUEST)}, {S, 11, 310, T(HEADER)}, {S, 210, 262, T("data")}},
         {200, 1, 0, 0, SL_PHASE_STREAMING, U}},
	{"a header that waits for the first token is one with it",
         {{C, 10, 700, T(REQUEST)},
          {S, 210, 500, T(HEADER)},
          {S, 235, 262, T("data")},
          {S, 260, 262, T("data")}},
         {200, 1, 0, 0, SL_PHASE_STREAMING, U}},
	{"a late header is told from its first token by the gaps",
         {{C, 10, 700, T(REQUEST)},
          {S, 30, 310, T(HEADER)},
          {S, 510, 262, T("data")},
          {S, 530, 262, T("data")}},
         {500, 1, 0, 0, SL_PHASE_STREAMING, U}},
	{"an answer of more than 1 KB is one from its first segment on",
         {{C, 10, 700, T(REQUEST)}, {S, 15, 1448, T(HEADER)}},
         {5, 1, 0, 0, SL_PHASE_STREAMING, U}},
	{"times per token are told at the end of the answer",
         {{C, 0, 700, T(REQUEST)},
          {S, 1, 310, T(HEADER)},
          {S, 100, 262, T("data")},
          {S, 120, 262, T("data")},
          {S, 140, 262, T("data")},
          {S, 160, 262, T("data")},
          {S, 180, 262, T("data")},
          {S, 180, 0, T("0\r\n\r\n")}},
         {100, 1, 20, 4, SL_PHASE_IDLE, IDLE_U}},
	{"the next request on the connection starts anew",
         {{C, 0, 700, T(REQUEST)},
          {S, 1, 310, T(HEADER)},
          {S, 100, 262, T("data")},
          {C, 500, 300, T(REQUEST)}},
         {100, 1, 0, 0, SL_PHASE_PENDING, U + 300}},
	{"a short answer of a known length is whole at once",
         {{C, 0, 700, T(REQUEST)}, {S, 4, 0, T("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")}},
         {4, 1, 0, 0, SL_PHASE_IDLE, IDLE_U}},
	{"an answer that is not whole yet goes on",
         {{C, 0, 700, T(REQUEST)}, {S, 4, 0, T("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok")}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U + 700}},
	{"go on with the body is no answer",
         {{C, 0, 200, T(REQUEST)},
          {S, 1, 0, T("HTTP/1.1 100 Continue\r\n\r\n")},
          {C, 2, 3000, T("body")},
          {S, 302, 262, T(HEADER)},
          {FIN_S, 302, 0, NOTHING}},
         {302, 1, 0, 0, SL_PHASE_IDLE, IDLE_U}},
	{"a client that closes its half still waits",
         {{C, 0, 700, T(REQUEST)}, {FIN_C, 0, 0, NOTHING}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U + 700}},
	{"a reset behind a header is no sample",
         {{C, 0, 700, T(REQUEST)}, {S, 1, 310, T(HEADER)}, {RST_S, 3, 0, NOTHING}},
         {0, 0, 0, 0, SL_PHASE_IDLE, IDLE_U}},
	{"a reset in a stream leaves the tokens that were told apart",
         {{C, 0, 700, T(REQUEST)},
          {S, 1, 310, T(HEADER)},
          {S, 50, 262, T("d")},
          {S, 70, 262, T("d")},
          {S, 90, 262, T("d")},
          {S, 110, 262, T("d")},
          {S, 130, 262, T("d")},
          {RST_S, 131, 0, NOTHING}},
         {50, 1, 20, 4, SL_PHASE_IDLE, IDLE_U}},
	{"an answer is over after a second of silence",
         {{C, 0, 700, T(REQUEST)},
          {S, 1, 310, T(HEADER)},
          {S, 100, 262, T("d")},
          {LOOK, 1101, 0, NOTHING}},
         {100, 1, 0, 0, SL_PHASE_IDLE, IDLE_U}},
	{"but not before",
         {{C, 0, 700, T(REQUEST)},
          {S, 1, 310, T(HEADER)},
          {S, 100, 262, T("d")},
          {LOOK, 1099, 0, NOTHING}},
         {100, 1, 0, 0, SL_PHASE_STREAMING, U}},
	{"a stream that was taken for ended goes on",
         {{C, 0, 700, T(REQUEST)},
          {S, 1, 310, T(HEADER)},
          {S, 100, 262, T("d")},
          {LOOK, 1200, 0, NOTHING},
          {S, 1300, 262, T("d")}},
         {100, 1, 0, 0, SL_PHASE_STREAMING, U}},
	{"the handshake of TLS is neither asked nor answered",
         {{C, 0, 517, T(HANDSHAKE)}, {S, 1, 1448, T(HANDSHAKE)}, {C, 2, 80, T(FINISHED)}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U}},
	{"a request behind the last handshake record counts alone",
         {{C, 0, 517, T(HANDSHAKE)},
          {S, 1, 1448, T(HANDSHAKE)},
          {C, 2, 6 + 5 + 0x45 + 500, T(FINISHED)}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U + 500}},
	{"tickets are no token",
         {{C, 0, 517, T(HANDSHAKE)},
          {S, 1, 1448, T(HANDSHAKE)},
          {C, 2, 80, T(FINISHED)},
          {C, 3, 700, T("\x17\x03\x03")},
          {S, 4, 510, T("\x17\x03\x03")},
          {S, 303, 291, T("\x17\x03\x03")}},
         {300, 1, 0, 0, SL_PHASE_STREAMING, U}},
	{"small records while tokens flow are no request",
         {{C, 0, 517, T(HANDSHAKE)},
          {S, 1, 1448, T(HANDSHAKE)},
          {C, 2, 80, T(FINISHED)},
          {C, 3, 700, T("\x17\x03\x03")},
          {S, 203, 1448, T("\x17\x03\x03")},
          {C, 220, 35, T("\x17\x03\x03")}},
         {200, 1, 0, 0, SL_PHASE_STREAMING, U}},
	{"settings of HTTP/2 are no request",
         {{C, 0, 0, T(PREFACE "\0\0\0\x04\0\0\0\0\0")}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U}},
	{"a quick answer ends with the next request",
         {{C, 0, 517, T(HANDSHAKE)},
          {C, 2, 80, T(FINISHED)},
          {C, 10, 700, T("\x17\x03\x03")},
          {S, 14, 500, T("\x17\x03\x03")},
          {C, 20, 300, T("\x17\x03\x03")}},
         {4, 1, 0, 0, SL_PHASE_PENDING, U + 300}},
	{"frames that are answered by frames are over soon",
         {{C, 0, 517, T(HANDSHAKE)},
          {C, 2, 80, T(FINISHED)},
          {C, 10, 78, T("\x17\x03\x03")},
          {S, 14, 39, T("\x17\x03\x03")},
          {LOOK, 1100, 0, NOTHING}},
         {0, 0, 0, 0, SL_PHASE_IDLE, IDLE_U}},
	{"a header under TLS is waited on for 10 s",
         {{C, 0, 517, T(HANDSHAKE)},
          {C, 2, 80, T(FINISHED)},
          {C, 10, 700, T("\x17\x03\x03")},
          {S, 14, 339, T("\x17\x03\x03")},
          {LOOK, 9900, 0, NOTHING}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U + 700}},
	{"a late header and one token are told apart by the longer wait",
         {{C, 0, 700, T(REQUEST)},
          {S, 20, 310, T(HEADER)},
          {S, 500, 262, T("data")},
          {FIN_S, 500, 0, NOTHING}},
         {500, 1, 0, 0, SL_PHASE_IDLE, IDLE_U}},
	{"answered pings of HTTP/2 are no tokens, before, between and behind them",
         {{C, 0, 0, T(PREFACE "\0\0\0\x04\0\0\0\0\0\0\0\x20\x01\x04\0\0\0\x01")},
          {S, 1, 0, T("\0\0\0\x04\0\0\0\0\0")},
          {S, 2, 0, T("\0\0\x10\x01\x04\0\0\0\x01")},
          {S, 30, 0, T("\0\0\x08\x06\x01\0\0\0\0")},
          {S, 50, 54, T("\0\0\x2d\0\0\0\0\0\x01")},
          {S, 60, 0, T("\0\0\x08\x06\x01\0\0\0\0")},
          {S, 70, 54, T("\0\0\x2d\0\0\0\0\0\x01")},
          {S, 90, 54, T("\0\0\x2d\0\0\0\0\0\x01")},
          {S, 110, 54, T("\0\0\x2d\0\0\0\0\0\x01")},
          {S, 130, 54, T("\0\0\x2d\0\0\0\0\0\x01")},
          {S, 830, 0, T("\0\0\x08\x06\0\0\0\0\0")},
          {LOOK, 1131, 0, NOTHING}},
         {50, 1, 20, 4, SL_PHASE_IDLE, IDLE_U}},
	{"a body in HTTP/2 goes on over segments",
         {{C, 0, 0, T(PREFACE "\0\0\0\x04\0\0\0\0\0")},
          {C, 1, 1448, T("\0\x20\0\0\0\0\0\0\x01")},
          {C, 1, 1448, T("\0\0\x10\x77")}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U + 2896}},
	{"headers of HTTP/2 are one",
         {{C, 0, 0, T(PREFACE "\0\0\0\x04\0\0\0\0\0")},
          {C, 1, 109, T("\0\0\x64\x01\x04\0\0\0\x01")}},
         {0, 0, 0, 0, SL_PHASE_PENDING, U + 109}},
};

static void take(struct sl_phase_flow *flow, const struct step *step, uint32_t seqs[2],
                 struct sl_phase_told *told)
{
	uint8_t payload[4096];
	const bool is_client = step->who == C || step->who == FIN_C;
	struct sl_phase_segment seg = {
		.now_us = step->at_ms * 1000,
		.seq = seqs[is_client],
		.n_bytes = step->n_bytes > 0 ? step->n_bytes : step->begin.n,
		.payload = payload,
		.dir = is_client ? SL_DIR_C2S : SL_DIR_S2C,
		.is_fin = step->who == FIN_C || step->who == FIN_S,
		.is_rst = step->who == RST_S,
	};

	memset(payload, 'x', sizeof(payload));
	if (step->begin.n > 0)
		memcpy(payload, step->begin.bytes, step->begin.n);
	if (step->who == C && seg.n_bytes == 0) { // the one before, again
		seg.seq -= 700;
		seg.n_bytes = 700;
	}
	seqs[is_client] = seg.seq + seg.n_bytes;
	sl_phase_segment(flow, &seg, false, told);
}

START_TEST(a_story_ends_as_told)
{
	const struct story *story = &stories[_i];
	struct sl_phase_flow flow = {.next = 7, .is_listed = true};
	struct outcome got = {0};
	uint32_t seqs[2] = {1, UINT32_MAX - 1000}; // the client's wraps

	sl_phase_open(&flow, seqs[1] - 1, 0, 0);
	for (const struct step *step = story->steps; step->who != END; step++) {
		struct sl_phase_told told = {0};

		if (step->who == LOOK)
			sl_phase_check(&flow, step->at_ms * 1000, &told);
		else
			take(&flow, step, seqs, &told);
		if (told.ttft_us > 0) {
			got.ttft_ms = told.ttft_us / 1000;
			got.n_ttft++;
		}
		if (told.n_tokens > 0) {
			got.tpot_ms = told.tpot_us / 1000;
			got.n_tokens += told.n_tokens;
		}
	}
	ck_assert_msg(got.n_ttft == story->want.n_ttft && got.ttft_ms == story->want.ttft_ms,
	              "%s: %u first tokens, the last after %u ms", story->name, got.n_ttft,
	              got.ttft_ms);
	ck_assert_msg(got.tpot_ms == story->want.tpot_ms && got.n_tokens == story->want.n_tokens,
	              "%s: %u tokens of %u ms", story->name, got.n_tokens, got.tpot_ms);
	ck_assert_msg(flow.phase == story->want.phase, "%s: phase %u", story->name, flow.phase);
	ck_assert_msg(sl_phase_load(&flow) == story->want.load_units, "%s: load %u", story->name,
	              sl_phase_load(&flow));
	ck_assert(flow.next == 7 && flow.is_listed);
}
END_TEST

static void send_bytes(struct sl_phase_flow *flow, enum sl_dir dir, uint32_t at_us, uint32_t seq,
                       uint32_t n_bytes, struct sl_phase_told *told)
{
	static const uint8_t payload[2000] = "GET / HTTP/1.1\r\n";
	const struct sl_phase_segment seg = {
		.now_us = at_us, .seq = seq, .n_bytes = n_bytes, .payload = payload, .dir = dir};

	sl_phase_segment(flow, &seg, false, told);
}

START_TEST(a_stream_reports_its_time_per_token_in_groups)
{
	struct sl_phase_flow flow = {0};
	uint32_t n_tokens = 0, sum_us = 0, at_us = 0xffff0000; // the clock wraps

	sl_phase_open(&flow, 0, at_us, 0);
	for (uint32_t i = 0; i < 100; i++) {
		struct sl_phase_told told = {0};

		if (i == 0)
			send_bytes(&flow, SL_DIR_C2S, at_us, 1, 600, &told);
		at_us += i == 0 ? 50000 : 20000 + (i % 5) * 1000;
		send_bytes(&flow, SL_DIR_S2C, at_us, 1 + i * 262, 262, &told);
		if (told.ttft_us > 0)
			ck_assert_uint_eq(told.ttft_us, 50000);
		n_tokens += told.n_tokens;
		sum_us += told.n_tokens * told.tpot_us;
	}
	ck_assert_uint_eq(n_tokens, 96); // the last group is open
	ck_assert_uint_ge(sum_us / n_tokens, 21900);
	ck_assert_uint_le(sum_us / n_tokens, 22100);
}
END_TEST

// The client's acknowledgements alone.
START_TEST(without_answers_the_acknowledgements_tell)
{
	struct sl_phase_flow flow = {0};
	struct sl_phase_told told = {0};
	uint32_t ack = 0xfffffe00; // the server's numbers wrap
	struct sl_phase_segment seg = {
		.seq = 1, .ack = ack, .dir = SL_DIR_C2S, .payload = (const uint8_t *)"GET /"};

	sl_phase_open(&flow, 0, 0, 0);
	seg.now_us = 1000;
	sl_phase_segment(&flow, &seg, true, &told); // of the handshake
	ck_assert_uint_eq(flow.phase, SL_PHASE_PENDING);
	seg.n_bytes = 5;
	sl_phase_segment(&flow, &seg, true, &told);
	seg.seq += 5;
	seg.n_bytes = 0;
	seg.now_us = 201000;
	seg.ack += 800;
	sl_phase_segment(&flow, &seg, true, &told);
	ck_assert_uint_eq(flow.phase, SL_PHASE_STREAMING);
	seg.ack -= 500; // overtaken
	sl_phase_segment(&flow, &seg, true, &told);
	seg.ack += 500;
	ck_assert_uint_eq(told.ttft_us, 0); // not sure yet
	seg.now_us += 25000;
	seg.ack += 262;
	sl_phase_segment(&flow, &seg, true, &told);
	seg.now_us += 25000;
	seg.ack += 262;
	sl_phase_segment(&flow, &seg, true, &told);
	ck_assert_uint_eq(told.ttft_us, 200000);
}
END_TEST

START_TEST(what_nobody_answers_grows_old)
{
	struct sl_phase_flow flow = {0};
	struct sl_phase_told told = {0};

	sl_phase_open(&flow, 0, 0, 0);
	ck_assert_uint_eq(sl_phase_check(&flow, 900000, &told), 0); // has not asked
	send_bytes(&flow, SL_DIR_C2S, 1000000, 1, 600, &told);
	ck_assert_uint_eq(sl_phase_check(&flow, 8000000, &told), 7000000);
	send_bytes(&flow, SL_DIR_S2C, 8100000, 1, 262, &told);
	ck_assert_uint_eq(sl_phase_check(&flow, 8200000, &told), 0);
}
END_TEST

START_TEST(load_is_bounded_and_returns_to_that_of_an_idle_flow)
{
	struct sl_phase_flow flow = {0};
	struct sl_phase_told told = {0};

	sl_phase_open(&flow, 0, 0, 0);
	for (uint32_t i = 0; i < 1000; i++)
		send_bytes(&flow, SL_DIR_C2S, i, 1 + i * 1448, 1448, &told);
	ck_assert_uint_eq(sl_phase_load(&flow), SL_PHASE_UNIT + SL_PHASE_PENDING_MAX);
	send_bytes(&flow, SL_DIR_S2C, 500000, 1, 1448, &told);
	ck_assert_uint_eq(sl_phase_load(&flow), SL_PHASE_UNIT);
	sl_phase_check(&flow, 1500000, &told);
	ck_assert_uint_eq(sl_phase_load(&flow), SL_PHASE_IDLE_UNIT);
}
END_TEST

// Whatever comes in whatever order: no read past the payload (ASan), no division by zero, and a
// load within bounds.
START_TEST(random_segments_leave_a_sound_state)
{
	uint64_t seed = sl_check_seed(), random = seed;
	struct sl_phase_flow flow = {0};

	sl_phase_open(&flow, 0, 0, 0);
	for (int i = 0; i < 60000; i++) {
		uint64_t r = sl_check_random(&random);
		uint32_t n_bytes = (uint32_t)(r >> 8) % 80;
		uint8_t *payload = malloc(n_bytes + 1);
		struct sl_phase_told told = {0};
		struct sl_phase_segment seg = {
			.now_us = (uint32_t)i * ((uint32_t)(r >> 40) % 3000),
			.seq = (uint32_t)i * 40,
			.ack = (uint32_t)i * 30,
			.n_bytes = n_bytes,
			.payload = payload,
			.dir = r & 1 ? SL_DIR_C2S : SL_DIR_S2C,
			.is_fin = (r >> 16) % 50 == 0,
			.is_rst = (r >> 24) % 50 == 0,
		};

		if (payload == NULL)
			ck_abort_msg("no memory");
		for (uint32_t b = 0; b < n_bytes; b++)
			payload[b] = (uint8_t)(sl_check_random(&random) % 24);
		sl_phase_segment(&flow, &seg, r & 2, &told);
		if (r & 4)
			sl_phase_check(&flow, seg.now_us, &told);
		if ((r >> 32) % 97 == 0)
			sl_phase_open(&flow, seg.seq, seg.now_us, 0);
		if (!(sl_phase_load(&flow) <= SL_PHASE_UNIT + SL_PHASE_PENDING_MAX &&
		      flow.phase <= SL_PHASE_STREAMING && told.n_tokens <= SL_PHASE_GROUP_TOKENS))
			ck_abort_msg("seed %llu", (unsigned long long)seed);
		free(payload);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("phase");
	TCase *tc = tcase_create("phase");

	tcase_add_loop_test(tc, a_story_ends_as_told, 0, sizeof(stories) / sizeof(stories[0]));
	tcase_add_test(tc, a_stream_reports_its_time_per_token_in_groups);
	tcase_add_test(tc, without_answers_the_acknowledgements_tell);
	tcase_add_test(tc, what_nobody_answers_grows_old);
	tcase_add_test(tc, load_is_bounded_and_returns_to_that_of_an_idle_flow);
	tcase_add_test(tc, random_segments_leave_a_sound_state);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
