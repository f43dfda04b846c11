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
#define PICKED   SL_FLOW_PICKED
#define PROVEN   SL_FLOW_PROVEN
#define REFUSED  SL_FLOW_REFUSED
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
	{"the server refuses",
         false,
         {{S, RST | ACK, REFUSED}, {C, SYN, REFUSED}, {C, RST, REFUSED}}},
	{"spoofed pairs do not confirm a flow nobody answered",
         false,
         {{C, SYN, NEW}, {C, FIN_ACK, NEW}, {C, RST, NEW}, {C, ACK, NEW}, {C, DATA, NEW}}},
	{"the client gives up after the answer",
         false,
         {{S, SYN_ACK, ANSWERED}, {C, RST, REFUSED}, {S, SYN_ACK, ANSWERED}, {S, RST, REFUSED}}},
	{"a forged RST during the handshake does not end it",
         false,
         {{S, SYN_ACK, ANSWERED}, {C, RST, REFUSED}, {C, ACK, ANSWERED}, {C, DATA, OPEN}}},
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

// Each starts with a flow made by an ACK: its connection began elsewhere.
static const struct story middles[] = {
	{"the server knows it", false, {{C, DATA, PICKED}, {S, ACK, OPEN}, {C, DATA, OPEN}}},
	{"the server speaks first", false, {{S, DATA, OPEN}, {C, ACK, OPEN}}},
	{"the server closes it", false, {{S, FIN_ACK, FIN_S2C}, {C, FIN_ACK, CLOSING}}},
	{"the server does not know it",
         false,
         {{C, DATA, PICKED}, {S, RST, REFUSED}, {C, DATA, ANSWERED}, {S, RST, REFUSED}}},
	{"an invented one",
         false,
         {{C, ACK, PICKED},
          {C, FIN_ACK, PICKED},
          {C, RST, PICKED},
          {C, SYN, PICKED},
          {C, SYN_ACK, PICKED},
          {C, DATA, PICKED}}},
	{"dsr: the second packet has to do",
         true,
         {{C, RST, PICKED}, {C, SYN, PICKED}, {C, ACK, OPEN}, {C, FIN_ACK, FIN_C2S}}},
	{"dsr: the second packet is its last", true, {{C, FIN_ACK, FIN_C2S}}},
};

static void check_story(const struct story *story, uint8_t state)
{
	for (unsigned int i = 0; i < 10 && story->steps[i].flags != 0; i++) {
		const struct step *step = &story->steps[i];

		state = sl_tcp_next(state, step->dir, step->flags, story->is_dsr);
		ck_assert_msg(state == step->state, "%s: step %u gives %u", story->name, i, state);
	}
}

START_TEST(a_connection_goes_through_the_states_of_its_story)
{
	check_story(&stories[_i], NEW);
}
END_TEST

START_TEST(a_connection_met_in_its_middle_is_believed_when_its_server_speaks)
{
	check_story(&middles[_i], PICKED);
}
END_TEST

// The rules behind the stories, in every state (_i).

// What an event makes of each state, by who speaks; the rows are states.
struct rule {
	uint8_t from_client, from_server, from_client_dsr;
};

static const struct rule nothing[] = {
	[NEW] = {NEW, ANSWERED, NEW},
	[ANSWERED] = {ANSWERED, ANSWERED, ANSWERED},
	[PICKED] = {PICKED, OPEN, PICKED},
	[PROVEN] = {PROVEN, PROVEN, PROVEN},
	[REFUSED] = {REFUSED, REFUSED, REFUSED},
	[OPEN] = {OPEN, OPEN, OPEN},
	[FIN_C2S] = {FIN_C2S, FIN_C2S, FIN_C2S},
	[FIN_S2C] = {FIN_S2C, FIN_S2C, FIN_S2C},
	[CLOSING] = {CLOSING, CLOSING, CLOSING},
	[RESET] = {RESET, RESET, RESET},
};
static const struct rule acks[] = {
	[NEW] = {NEW, ANSWERED, OPEN},
	[ANSWERED] = {OPEN, ANSWERED, OPEN},
	[PICKED] = {PICKED, OPEN, OPEN},
	[PROVEN] = {PROVEN, PROVEN, PROVEN},
	[REFUSED] = {ANSWERED, ANSWERED, ANSWERED},
	[OPEN] = {OPEN, OPEN, OPEN},
	[FIN_C2S] = {FIN_C2S, FIN_C2S, FIN_C2S},
	[FIN_S2C] = {FIN_S2C, FIN_S2C, FIN_S2C},
	[CLOSING] = {CLOSING, CLOSING, CLOSING},
	[RESET] = {OPEN, OPEN, OPEN},
};
static const struct rule fins[] = {
	[NEW] = {NEW, FIN_S2C, FIN_C2S},         [ANSWERED] = {FIN_C2S, FIN_S2C, FIN_C2S},
	[PICKED] = {PICKED, FIN_S2C, FIN_C2S},   [PROVEN] = {PROVEN, PROVEN, PROVEN},
	[REFUSED] = {REFUSED, FIN_S2C, REFUSED}, [OPEN] = {FIN_C2S, FIN_S2C, FIN_C2S},
	[FIN_C2S] = {FIN_C2S, CLOSING, FIN_C2S}, [FIN_S2C] = {CLOSING, FIN_S2C, CLOSING},
	[CLOSING] = {CLOSING, CLOSING, CLOSING}, [RESET] = {FIN_C2S, FIN_S2C, FIN_C2S},
};
static const struct rule rsts[] = {
	[NEW] = {NEW, REFUSED, NEW},
	[ANSWERED] = {REFUSED, REFUSED, REFUSED},
	[PICKED] = {PICKED, REFUSED, PICKED},
	[PROVEN] = {PROVEN, PROVEN, PROVEN},
	[REFUSED] = {REFUSED, REFUSED, REFUSED},
	[OPEN] = {RESET, RESET, RESET},
	[FIN_C2S] = {RESET, RESET, RESET},
	[FIN_S2C] = {RESET, RESET, RESET},
	[CLOSING] = {CLOSING, CLOSING, CLOSING},
	[RESET] = {RESET, RESET, RESET},
};

static const struct {
	const char *name;
	uint8_t flags;
	const struct rule *rules;
} events[] = {
	{"nothing", 0, nothing}, {"PSH", SL_TCP_PSH, nothing},
	{"ACK", ACK, acks},      {"data", DATA, acks},
	{"FIN", FIN_ACK, fins},  {"bare FIN", FIN, fins},
	{"RST", RST, rsts},      {"RST with all else", RST | ACK | FIN | SYN, rsts},
};

START_TEST(an_event_moves_every_state_by_its_rule)
{
	for (uint8_t state = 0; state < SL_FLOW_STATE_COUNT; state++) {
		const struct rule *rule = &events[_i].rules[state];
		const uint8_t flags = events[_i].flags;

		ck_assert_msg(sl_tcp_next(state, C, flags, false) == rule->from_client &&
		                      sl_tcp_next(state, S, flags, false) == rule->from_server &&
		                      sl_tcp_next(state, C, flags, true) == rule->from_client_dsr,
		              "%s in state %u", events[_i].name, state);
	}
}
END_TEST

START_TEST(a_syn_of_the_client_moves_no_state)
{
	const uint8_t flags[] = {SYN, SYN_ACK, SYN | FIN, SYN | SL_TCP_PSH};

	for (unsigned int i = 0; i < sizeof(flags); i++) {
		ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, C, flags[i], false), _i);
		ck_assert_uint_eq(sl_tcp_next((uint8_t)_i, C, flags[i], true), _i);
	}
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
	for (unsigned int flags = 0; flags < 256; flags++) {
		ck_assert_uint_eq(sl_tcp_next(NEW, C, (uint8_t)flags, false), NEW);
		ck_assert_uint_eq(sl_tcp_next(PICKED, C, (uint8_t)flags, false), PICKED);
	}
}
END_TEST

struct reopen {
	uint8_t state;
	bool same_seq, other_seq; // wanted for each
};

static const struct reopen reopens[] = {
	{NEW, false, false},    {ANSWERED, false, false}, {OPEN, false, false},
	{FIN_C2S, false, true}, {FIN_S2C, false, true},   {CLOSING, true, true},
	{RESET, true, true},    {PICKED, false, false},   {REFUSED, true, true},
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
	ck_assert(!sl_flow_is_confirmed(PICKED));
	ck_assert(!sl_flow_is_confirmed(PROVEN));
	ck_assert(!sl_flow_is_confirmed(REFUSED));
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
	tcase_add_loop_test(tc, a_connection_met_in_its_middle_is_believed_when_its_server_speaks,
	                    0, sizeof(middles) / sizeof(middles[0]));
	tcase_add_loop_test(tc, an_event_moves_every_state_by_its_rule, 0,
	                    sizeof(events) / sizeof(events[0]));
	tcase_add_loop_test(tc, a_syn_of_the_client_moves_no_state, 0, SL_FLOW_STATE_COUNT);
	tcase_add_loop_test(tc, any_state_direction_and_flags_give_a_state, 0, 12);
	tcase_add_test(tc, no_client_packet_alone_confirms_an_unanswered_flow);
	tcase_add_loop_test(tc, a_syn_reopens_only_what_is_closing, 0,
	                    sizeof(reopens) / sizeof(reopens[0]));
	tcase_add_test(tc, only_states_after_the_handshake_are_confirmed);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
