// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "tcp.h"

#define FIN     SL_TCP_FIN
#define SYN     SL_TCP_SYN
#define RST     SL_TCP_RST
#define ACK     SL_TCP_ACK
#define SYN_ACK (SYN | ACK)
#define FIN_ACK (FIN | ACK)
#define DATA    (SL_TCP_PSH | ACK)
#define C       SL_DIR_C2S
#define S       SL_DIR_S2C

#define NEW      SL_FLOW_NEW
#define ANSWERED SL_FLOW_ANSWERED
#define OPEN     SL_FLOW_OPEN
#define FIN_C2S  SL_FLOW_FIN_C2S
#define FIN_S2C  SL_FLOW_FIN_S2C
#define CLOSING  SL_FLOW_CLOSING
#define RESET    SL_FLOW_RESET

struct step {
	uint8_t dir; // enum sl_dir
	uint8_t flags;
	uint8_t state; // enum sl_flow_state, afterwards
};

struct story {
	const char *name;
	bool is_dsr;
	struct step steps[10]; // flags 0 end it
};

// Each starts with the flow that the first SYN made.
static const struct story stories[] = {
	{"a connection opens, talks and closes",
         false,
         {{C, SYN, NEW},
          {S, SYN_ACK, ANSWERED},
          {C, ACK, OPEN},
          {C, DATA, OPEN},
          {S, DATA, OPEN},
          {C, FIN_ACK, FIN_C2S},
          {S, ACK, FIN_C2S},
          {S, FIN_ACK, CLOSING},
          {C, ACK, CLOSING}}},
	{"the server closes first",
         false,
         {{S, SYN_ACK, ANSWERED},
          {C, ACK, OPEN},
          {S, FIN_ACK, FIN_S2C},
          {C, ACK, FIN_S2C},
          {C, DATA, FIN_S2C},
          {C, FIN_ACK, CLOSING}}},
	{"both close at once",
         false,
         {{S, SYN_ACK, ANSWERED},
          {C, ACK, OPEN},
          {C, FIN_ACK, FIN_C2S},
          {S, FIN_ACK, CLOSING},
          {C, ACK, CLOSING},
          {S, ACK, CLOSING}}},
	{"a half-closed connection streams on",
         false,
         {{S, SYN_ACK, ANSWERED},
          {C, ACK, OPEN},
          {C, FIN_ACK, FIN_C2S},
          {S, DATA, FIN_C2S},
          {C, ACK, FIN_C2S},
          {S, DATA, FIN_C2S},
          {C, FIN_ACK, FIN_C2S}}},
	{"SYN is repeated",
         false,
         {{C, SYN, NEW}, {C, SYN, NEW}, {S, SYN_ACK, ANSWERED}, {C, SYN, ANSWERED}}},
	{"the server refuses", false, {{S, RST | ACK, RESET}, {C, SYN, RESET}}},
	{"spoofed pairs do not confirm a flow nobody answered",
         false,
         {{C, SYN, NEW}, {C, FIN_ACK, NEW}, {C, RST, NEW}, {C, ACK, NEW}, {C, DATA, NEW}}},
	{"the client gives up after the answer", false, {{S, SYN_ACK, ANSWERED}, {C, RST, RESET}}},
	{"the first data comes with the FIN",
         false,
         {{S, SYN_ACK, ANSWERED}, {C, FIN_ACK | DATA, FIN_C2S}}},
	{"both open at once",
         false,
         {{S, SYN, ANSWERED}, {C, SYN_ACK, ANSWERED}, {S, SYN_ACK, ANSWERED}, {C, ACK, OPEN}}},
	{"a connection met in its middle", false, {{S, DATA, ANSWERED}, {C, ACK, OPEN}}},
	{"a forged RST does not kill a live connection",
         false,
         {{S, SYN_ACK, ANSWERED},
          {C, ACK, OPEN},
          {C, RST, RESET},
          {S, DATA, OPEN},
          {S, RST, RESET},
          {C, DATA, OPEN}}},
	{"RST of a half-closed connection",
         false,
         {{S, SYN_ACK, ANSWERED},
          {C, ACK, OPEN},
          {C, FIN_ACK, FIN_C2S},
          {S, RST, RESET},
          {S, FIN_ACK, FIN_S2C},
          {C, RST, RESET},
          {C, FIN_ACK, FIN_C2S}}},
	{"RST after both FINs cannot be undone by a late ACK",
         false,
         {{S, SYN_ACK, ANSWERED},
          {C, ACK, OPEN},
          {C, FIN_ACK, FIN_C2S},
          {S, FIN_ACK, CLOSING},
          {C, RST, CLOSING},
          {S, ACK, CLOSING}}},
	{"SYN on an open connection changes nothing",
         false,
         {{S, SYN_ACK, ANSWERED}, {C, ACK, OPEN}, {C, SYN, OPEN}, {S, ACK, OPEN}}},
	{"RST wins over any other flag",
         false,
         {{S, SYN_ACK, ANSWERED}, {C, ACK, OPEN}, {C, RST | FIN | SYN | ACK, RESET}}},
	{"SYN wins over FIN",
         false,
         {{S, SYN_ACK, ANSWERED}, {C, ACK, OPEN}, {C, SYN | FIN, OPEN}}},
	{"PSH and URG alone say nothing",
         false,
         {{S, SYN_ACK, ANSWERED},
          {C, SL_TCP_PSH, ANSWERED},
          {C, ACK, OPEN},
          {C, RST, RESET},
          {C, SL_TCP_PSH, RESET}}},
	{"dsr: the client's ACK tells that the server has answered",
         true,
         {{C, SYN, NEW},
          {C, ACK, OPEN},
          {C, DATA, OPEN},
          {C, FIN_ACK, FIN_C2S},
          {C, ACK, FIN_C2S}}},
	{"dsr: RST and revival",
         true,
         {{C, ACK, OPEN},
          {C, RST, RESET},
          {C, DATA, OPEN},
          {C, RST, RESET},
          {C, FIN_ACK, FIN_C2S}}},
	{"dsr: RST right after SYN", true, {{C, RST, NEW}, {C, SYN, NEW}}},
	{"dsr: FIN with the first ACK", true, {{C, FIN_ACK, FIN_C2S}, {C, SYN, FIN_C2S}}},
};

START_TEST(a_connection_goes_through_the_states_of_its_story)
{
	const struct story *story = &stories[_i];
	uint8_t state = SL_FLOW_NEW;

	for (unsigned int i = 0; i < 10 && story->steps[i].flags != 0; i++) {
		const struct step *step = &story->steps[i];

		state = sl_tcp_next(state, step->dir, step->flags, story->is_dsr);
		ck_assert_msg(state == step->state, "%s: step %u gives %u", story->name, i, state);
	}
}
END_TEST

// The rules behind the stories, in every state (_i).

START_TEST(only_ack_fin_and_rst_move_a_flow_that_was_answered)
{
	const uint8_t flags[] = {0, SL_TCP_PSH, SYN, SYN_ACK, SYN | FIN};

	for (unsigned int i = 0; i < sizeof(flags); i++) {
		ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, C, flags[i], false), _i);
		ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, C, flags[i], true), _i);
		ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, S, flags[i], false),
		                  _i == NEW ? ANSWERED : _i);
	}
}
END_TEST

START_TEST(an_ack_opens_what_was_answered_and_revives_what_was_reset)
{
	bool opens = _i == ANSWERED || _i == RESET;

	ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, C, ACK, false), opens ? OPEN : _i);
	ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, C, ACK, true), opens || _i == NEW ? OPEN : _i);
	ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, S, ACK, false), _i == NEW     ? ANSWERED
	                                                           : _i == RESET ? OPEN
	                                                                         : _i);
}
END_TEST

START_TEST(a_fin_closes_the_half_of_its_sender)
{
	bool server_done = _i == FIN_S2C || _i == CLOSING;
	bool client_done = _i == FIN_C2S || _i == CLOSING;
	uint8_t from_client = server_done ? CLOSING : FIN_C2S;

	ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, C, FIN_ACK, true), from_client);
	ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, C, FIN_ACK, false),
	                  _i == NEW ? NEW : from_client);
	ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, S, FIN_ACK, false),
	                  client_done ? CLOSING : FIN_S2C);
}
END_TEST

START_TEST(a_rst_resets_what_is_not_over)
{
	uint8_t from_server = _i == CLOSING ? CLOSING : RESET;

	ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, S, RST, false), from_server);
	ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, C, RST, false), _i == NEW ? NEW : from_server);
	ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, C, RST | ACK, true),
	                  _i == NEW ? NEW : from_server);
}
END_TEST

START_TEST(any_state_direction_and_flags_give_a_state)
{
	for (unsigned int i = 0; i < 256 * 2 * 2; i++) {
		uint8_t next = sl_tcp_next((uint8_t)_i, i & 1 ? S : C, (uint8_t)(i >> 2), i & 2);

		ck_assert_uint_lt(next, SL_FLOW_STATE_COUNT);
		if (_i == CLOSING || _i >= SL_FLOW_STATE_COUNT)
			ck_assert_uint_eq(next, CLOSING);
	}
}
END_TEST

START_TEST(no_client_packet_alone_confirms_an_unanswered_flow)
{
	for (unsigned int flags = 0; flags < 256; flags++)
		ck_assert_uint_eq(sl_tcp_next(NEW, C, (uint8_t)flags, false), NEW);
}
END_TEST

struct reopen {
	uint8_t state;
	bool same_seq, other_seq; // wanted for each
};

static const struct reopen reopens[] = {
	{NEW, false, false},    {ANSWERED, false, false}, {OPEN, false, false},
	{FIN_C2S, false, true}, {FIN_S2C, false, true},   {CLOSING, true, true},
	{RESET, true, true},
};

START_TEST(a_syn_reopens_only_what_is_closing)
{
	const struct reopen *row = &reopens[_i];

	ck_assert(sl_tcp_syn_reopens(row->state, 1000, 1000) == row->same_seq);
	ck_assert(sl_tcp_syn_reopens(row->state, 1001, 1000) == row->other_seq);
	ck_assert(sl_tcp_syn_reopens(row->state, 0, UINT32_MAX) == row->other_seq);
}
END_TEST

START_TEST(only_states_after_the_handshake_are_confirmed)
{
	ck_assert(!sl_flow_is_confirmed(NEW));
	ck_assert(!sl_flow_is_confirmed(ANSWERED));
	for (uint8_t state = OPEN; state < SL_FLOW_STATE_COUNT; state++)
		ck_assert(sl_flow_is_confirmed(state));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tcp");
	TCase *tc = tcase_create("tcp");

	tcase_add_loop_test(tc, a_connection_goes_through_the_states_of_its_story, 0,
	                    sizeof(stories) / sizeof(stories[0]));
	tcase_add_loop_test(tc, only_ack_fin_and_rst_move_a_flow_that_was_answered, 0,
	                    SL_FLOW_STATE_COUNT);
	tcase_add_loop_test(tc, an_ack_opens_what_was_answered_and_revives_what_was_reset, 0,
	                    SL_FLOW_STATE_COUNT);
	tcase_add_loop_test(tc, a_fin_closes_the_half_of_its_sender, 0, SL_FLOW_STATE_COUNT);
	tcase_add_loop_test(tc, a_rst_resets_what_is_not_over, 0, SL_FLOW_STATE_COUNT);
	tcase_add_loop_test(tc, any_state_direction_and_flags_give_a_state, 0, 10);
	tcase_add_test(tc, no_client_packet_alone_confirms_an_unanswered_flow);
	tcase_add_loop_test(tc, a_syn_reopens_only_what_is_closing, 0,
	                    sizeof(reopens) / sizeof(reopens[0]));
	tcase_add_test(tc, only_states_after_the_handshake_are_confirmed);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
