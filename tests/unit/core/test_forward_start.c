// SPDX-License-Identifier: Apache-2.0
// The start of connections through the forwarder: addresses told in options, forged ones, and what
// a SYN-ACK announces.
#include "splice_fixture.h"

static const uint8_t toa_v4[8] = {254, 8, 0x9c, 0x40, 198, 51, 100, 7};
static const uint8_t toa_v6[20] = {254, 20, 0x9c, 0x40, 0x20, 1, 0x0d, 0xb8, 0, 7,
                                   0,   0,  0,    0,    0,    0, 0,    0,    0, 7};

// Options of a SYN-ACK: MSS as the backend says it, and as the client is to know it.
static const struct {
	const char *name;
	const struct sl_body_pool *pool;
	uint16_t mss, want[2]; // IPv4, IPv6
} announced[] = {
	{"a header", &proxied, 1460, {1432, 1388}},
	{"a header, of a backend with a short link", &proxied, 1000, {972, 948}},
	{"a header, of a backend with a longer one", &proxied, 8960, {1432, 1388}},
	{"an option", &optioned, 1440, {1432, 1420}},
};

START_TEST(a_syn_ack_announces_less_by_what_packets_grow)
{
	const int row = _i / 2, path = _i % 2;
	struct conn c = conn_start(path, announced[row].pool, ISN);
	const uint8_t options[4] = {MSS(announced[row].mss)};
	const uint8_t lower[4] = {MSS(announced[row].want[path])};
	struct sl_packet_spec in = from_backend(&c.s2c, SYN | ACK, 5000, ISN + 1), want = in;

	in.tcp_options = options;
	want.tcp_options = lower;
	in.tcp_options_bytes = want.tcp_options_bytes = 4;
	lab_send(c.lab, LAB_BACK, &in);
	expect(c.lab, &want, announced[row].name);
	lab_free(c.lab);
}
END_TEST

// From the client with an option that names somebody else, and what the backend is to see of it.
static const struct {
	const char *name;
	struct sl_body_pool pool;
	bool is_answered; // the backend has spoken
	uint8_t flags;
	bool is_stripped;
} forged[] = {
	{"a SYN behind nat", {.forward = SL_FORWARD_NAT}, false, SYN, true},
	{"an ACK behind nat", {.forward = SL_FORWARD_NAT}, false, ACK, true},
	{"behind nat once it is open", {.forward = SL_FORWARD_NAT}, true, ACK, false},
	{"a SYN behind fullnat", {.forward = SL_FORWARD_FULLNAT}, false, SYN, true},
	{"an ACK behind fullnat", {.forward = SL_FORWARD_FULLNAT}, false, ACK, true},
	{"a SYN behind direct return", {.forward = SL_FORWARD_DSR_IPIP}, false, SYN, false},
};

START_TEST(an_option_that_names_another_client_does_not_pass)
{
	const int row = _i / 2;
	static const uint8_t lie[8] = {254, 8, 1, 2, 8, 8, 8, 8};
	static const uint8_t nops[8] = {N, N, N, N, N, N, N, N};
	struct lab *lab = lab_of(&paths[_i % 2], &forged[row].pool);
	struct sl_packet_spec in = from_client(&paths[_i % 2], SYN, ISN, 0), want;
	struct sl_tuple s2c;

	if (forged[row].flags != SYN) {
		lab_send(lab, LAB_FRONT, &in);
		flow_of(lab, &s2c);
		in = from_backend(&s2c, SYN | ACK, 5000, ISN + 1);
		lab_send(lab, LAB_BACK, &in);
		in = from_client(&paths[_i % 2], ACK, ISN + 1, 5001);
		lab_send(lab, LAB_FRONT, &in); // and data may follow the ACK at once
		in.payload_bytes = 9;
	}
	if (forged[row].is_answered) {
		want = from_backend(&s2c, ACK, 5001, ISN + 1);
		lab_send(lab, LAB_BACK, &want);
	}
	in.tcp_options = lie;
	in.tcp_options_bytes = sizeof(lie);
	want = in;
	if (forged[row].is_stripped)
		want.tcp_options = nops;
	lab_send(lab, LAB_FRONT, &in);
	if (forged[row].pool.forward == SL_FORWARD_DSR_IPIP)
		ck_assert_mem_eq(lab->pkt.data + lab->pkt.l4_off + 20, lie, sizeof(lie));
	else
		expect(lab, &want, forged[row].name);
	lab_free(lab);
}
END_TEST

static struct sl_packet_spec told(const struct sl_packet_spec *in, int path, uint8_t *options)
{
	struct sl_packet_spec want = *in;

	want.tcp_options_bytes = path == 0 ? sizeof(toa_v4) : sizeof(toa_v6);
	memcpy(options, path == 0 ? toa_v4 : toa_v6, want.tcp_options_bytes);
	if (in->tcp_options_bytes != 0) // one that was forged
		memset(options + want.tcp_options_bytes, N, in->tcp_options_bytes);
	want.tcp_options_bytes = (uint16_t)(want.tcp_options_bytes + in->tcp_options_bytes);
	want.tcp_options = options;
	want.padding_bytes = 0;
	return want;
}

START_TEST(an_option_tells_the_address_until_the_backend_speaks)
{
	static const uint8_t lie[8] = {254, 8, 1, 2, 8, 8, 8, 8};
	struct conn c = conn_start(_i, &optioned, ISN);
	struct sl_packet_spec in = conn_client(&c, ACK, 0), want;
	uint8_t options[40];

	in.padding_bytes = 6;
	want = told(&in, _i, options);
	lab_send(c.lab, LAB_FRONT, &in);
	expect(c.lab, &want, "the ACK of the handshake");
	in = conn_client(&c, ACK, 0);
	in.payload_bytes = 50;
	in.tcp_options = lie;
	in.tcp_options_bytes = sizeof(lie);
	want = told(&in, _i, options);
	lab_send(c.lab, LAB_FRONT, &in);
	expect(c.lab, &want, "the first data, instead of a lie");
	in = conn_client(&c, RST, 50);
	want = in;
	lab_send(c.lab, LAB_FRONT, &in);
	expect(c.lab, &want, "a RST needs none");
	in = from_backend(&c.s2c, SYN | ACK, 5000, ISN + 1);
	lab_send(c.lab, LAB_BACK, &in);
	ck_assert(c.flow->flags & SL_FLOW_IS_SPLICED);
	in = from_backend(&c.s2c, ACK, 5001, ISN + 51);
	want = in;
	lab_send(c.lab, LAB_BACK, &in);
	expect(c.lab, &want, "the answer");
	in = conn_client(&c, ACK, 50);
	want = in;
	lab_send(c.lab, LAB_FRONT, &in);
	expect(c.lab, &want, "after it");
	ck_assert(!(c.flow->flags & SL_FLOW_IS_SPLICED));
	ck_assert_uint_eq(sl_stat_get(&c.lab->workers[0]->stats.untold_pkts), 0);
	lab_free(c.lab);
}
END_TEST

// What has no room goes without, counted.
static const struct {
	const char *name;
	uint16_t n_options, payload_bytes, headroom;
	bool is_told[2];
} tight[] = {
	{"room among the options for IPv4 only", 24, 0, 128, {true, false}},
	{"options full", 40, 0, 128, {false, false}},
	{"as long as it may get with IPv4", 0, MTU - 48, 128, {true, false}},
	{"as long as it may get with IPv6", 0, MTU - 80, 128, {true, true}},
	{"one byte longer", 0, MTU - 79, 128, {true, false}},
	{"no headroom", 0, 10, 7, {false, false}},
};

START_TEST(an_option_without_room_is_left_out_and_counted)
{
	static const uint8_t other[40] = {3, 3, 7};
	const int row = _i / 2, path = _i % 2;
	struct conn c = conn_start(path, &optioned, ISN);
	struct sl_packet_spec in = conn_client(&c, ACK, 0);
	const uint32_t l3_bytes = path == 0 ? 20 : 40, want_bytes = path == 0 ? 8 : 20;
	uint32_t n_bytes;

	in.tcp_options = other;
	in.tcp_options_bytes = tight[row].n_options;
	in.payload_bytes = tight[row].payload_bytes;
	c.lab->headroom = tight[row].headroom;
	ck_assert_int_eq(lab_send(c.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	n_bytes = 14 + l3_bytes + 20 + tight[row].n_options + tight[row].payload_bytes;
	ck_assert_msg(c.lab->pkt.len == n_bytes + (tight[row].is_told[path] ? want_bytes : 0), "%s",
	              tight[row].name);
	ck_assert_msg(sl_stat_get(&c.lab->workers[0]->stats.untold_pkts) ==
	                      !tight[row].is_told[path],
	              "%s: count", tight[row].name);
	ck_assert(sl_packet_csums_are_right(c.lab->pkt.data, c.lab->pkt.len));
	lab_free(c.lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward_start");
	TCase *tc = tcase_create("forward_start");

	tcase_add_loop_test(tc, a_syn_ack_announces_less_by_what_packets_grow, 0,
	                    2 * COUNT(announced));
	tcase_add_loop_test(tc, an_option_that_names_another_client_does_not_pass, 0,
	                    2 * COUNT(forged));
	tcase_add_loop_test(tc, an_option_tells_the_address_until_the_backend_speaks, 0,
	                    COUNT(paths));
	tcase_add_loop_test(tc, an_option_without_room_is_left_out_and_counted, 0,
	                    2 * COUNT(tight));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
