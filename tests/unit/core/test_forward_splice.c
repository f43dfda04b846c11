// SPDX-License-Identifier: Apache-2.0
// Spliced connections through the forwarder: numbers both ways, and the header before the stream.
#include "splice_fixture.h"

// A backend that counts from elsewhere than its client was told: SYN cookies.
START_TEST(numbers_of_a_backend_with_another_isn_are_translated_both_ways)
{
	const struct path *path = &paths[_i];
	const struct sl_body_pool pool = {.forward = SL_FORWARD_NAT};
	const uint32_t delta = 0x89abcdef;
	struct lab *lab = lab_of(path, &pool);
	struct sl_packet_spec in = from_client(path, SL_TCP_SYN, ISN, 0), want;
	struct sl_tuple s2c;
	struct sl_flow *flow;

	lab_send(lab, LAB_FRONT, &in);
	flow = flow_of(lab, &s2c);
	flow->s2c_delta = delta;
	flow->flags |= SL_FLOW_IS_SPLICED;
	flow->splice |= SL_SPLICE_DELTA;
	in = from_backend(&s2c, SL_TCP_SYN | ACK, 5000, ISN + 1);
	want = in;
	want.tcp_seq += delta;
	lab_send(lab, LAB_BACK, &in);
	expect(lab, &want, path->name);
	in = from_client(path, ACK, ISN + 1, 5001 + delta);
	in.payload_bytes = 33;
	want = in;
	want.tcp_ack = 5001;
	lab_send(lab, LAB_FRONT, &in);
	expect(lab, &want, path->name);
	lab_free(lab);
}
END_TEST

// What the backend reads first; the addresses of paths.
static const uint8_t header_v4[28] = {13,   10, 13,   10,   0,    13,   10,   0x51, 0x55, 0x49,
                                      0x54, 10, 0x21, 0x11, 0,    12,   198,  51,   100,  7,
                                      203,  0,  113,  10,   0x9c, 0x40, 0x01, 0xbb};
static const uint8_t header_v6[52] = {
	13,   10, 13, 10,   0, 13,   10,   0x51, 0x55, 0x49, 0x54, 10,   0x21,
	0x21, 0,  36, 0x20, 1, 0x0d, 0xb8, 0,    7,    0,    0,    0,    0,
	0,    0,  0,  0,    0, 7,    0x20, 1,    0x0d, 0xb8, 0,    0xff, 0,
	0,    0,  0,  0,    0, 0,    0,    0,    0x10, 0x9c, 0x40, 0x01, 0xbb};
static const uint8_t *header_of(int path)
{
	return path == 0 ? header_v4 : header_v6;
}

static uint32_t header_bytes_of(int path)
{
	return path == 0 ? sizeof(header_v4) : sizeof(header_v6);
}

// in as it is to arrive behind a header, payload and all.
static struct sl_packet_spec headed(const struct sl_packet_spec *in, int path, uint8_t *payload)
{
	const uint32_t n_bytes = header_bytes_of(path);
	struct sl_packet_spec want = *in;

	memcpy(payload, header_of(path), n_bytes);
	for (uint16_t i = 0; i < in->payload_bytes; i++)
		payload[n_bytes + i] = (uint8_t)(i + 1);
	want.payload = payload;
	want.payload_bytes = (uint16_t)(in->payload_bytes + n_bytes);
	want.padding_bytes = 0;
	return want;
}

// From the client, once the handshake was answered, and before; H is the length of the header.
enum when { FIRST, SENT, ASKED, READ };
static const struct {
	const char *name;
	enum when when;
	uint8_t flags;
	uint32_t seq;
	uint16_t payload_bytes;
	bool is_headed, is_shifted;
} sent[] = {
	{"the ACK of the handshake takes the header along", FIRST, ACK, 0, 0, true, false},
	{"so does data that comes instead", FIRST, ACK | SL_TCP_PSH, 0, 99, true, false},
	{"and a FIN that does", FIRST, ACK | FIN, 0, 0, true, false},
	{"data that overtook the start is behind it", FIRST, ACK, 10, 20, false, true},
	{"a RST before it is where the stream starts", FIRST, RST, 0, 0, false, false},
	{"a RST elsewhere is behind it", FIRST, RST | ACK, 5, 0, false, true},
	{"data after the ACK takes it again", SENT, ACK, 0, 99, true, false},
	{"the ACK again takes it again", SENT, ACK, 0, 0, true, false},
	{"more data does not", SENT, ACK, 99, 99, false, true},
	{"a RST after it is behind it", SENT, RST, 0, 0, false, true},
	{"a probe before the start is behind", SENT, ACK, -1u, 0, false, true},
	{"without ACK nothing is put in", SENT, 0, 0, 5, false, true},
	{"when the backend asked for it, it comes again", ASKED, ACK, 0, 0, true, false},
	{"when it asked for it, a RST is at the start", ASKED, RST, 0, 0, false, false},
	{"once it was read, the ACK is behind it", READ, ACK, 0, 0, false, true},
	{"once it was read, data is behind it", READ, ACK, 0, 99, false, true},
	{"once it was read, a FIN is behind it", READ, ACK | FIN, 700, 0, false, true},
	{"once it was read, a RST is behind it", READ, RST, 0, 0, false, true},
	{"once it was read, a SYN is a SYN", READ, SYN, -1u, 0, false, false},
};

static void conn_bring_to(const struct conn *c, enum when when, int path)
{
	if (when >= SENT)
		ck_assert_int_eq(conn_ack(c), SL_VERDICT_SEND);
	if (when == ASKED)
		ck_assert_int_eq(conn_answer(c, 0), SL_VERDICT_SEND);
	if (when == READ)
		ck_assert_int_eq(conn_answer(c, header_bytes_of(path)), SL_VERDICT_SEND);
}

START_TEST(a_header_stands_where_the_stream_starts_and_the_rest_is_behind_it)
{
	static const uint32_t isns[] = {ISN, UINT32_MAX, UINT32_MAX - 20};
	const int row = _i / 6, path = _i % 2;
	struct conn c = conn_start(path, &proxied, isns[_i / 2 % 3]);
	struct sl_packet_spec in, want;
	uint8_t payload[256];

	conn_bring_to(&c, sent[row].when, path);
	in = conn_client(&c, sent[row].flags, sent[row].seq);
	in.payload_bytes = sent[row].payload_bytes;
	in.padding_bytes = 6;
	want = sent[row].is_headed ? headed(&in, path, payload) : in;
	if (sent[row].is_shifted)
		want.tcp_seq += header_bytes_of(path);
	lab_send(c.lab, LAB_FRONT, &in);
	expect(c.lab, &want, sent[row].name);
	lab_free(c.lab);
}
END_TEST

// From the backend: what it acknowledges of header and stream, and what the client hears.
static const struct {
	const char *name;
	uint8_t flags;
	bool is_far;  // after more than 2^31 bytes
	int32_t more; // than the header
	int32_t heard;
} answers[] = {
	{"a SYN-ACK again", SYN | ACK, false, -100, 0}, // replaced: acknowledges the SYN alone
	{"a part of the header is nothing", ACK, false, -1, 0},
	{"all of it is nothing", ACK, false, 0, 0},
	{"the first byte behind it is the first", ACK, false, 1, 1},
	{"many", ACK | FIN, false, 100000, 100000},
	{"of a RST", RST | ACK, false, 5, 5},
	{"after half of all numbers nothing stops at the start", ACK, true, 0, 0},
};

START_TEST(the_client_hears_of_its_own_bytes_only)
{
	const int row = _i / 2, path = _i % 2;
	const uint32_t far = answers[row].is_far ? 3000000000u : 0, n_bytes = header_bytes_of(path);
	struct conn c = conn_start(path, &proxied, ISN);
	struct sl_packet_spec in, want;

	conn_ack(&c);
	if (answers[row].is_far) {
		conn_answer(&c, n_bytes + (2u << 20));
		conn_answer(&c, n_bytes + 2000000000u);
	}
	in = from_backend(&c.s2c, answers[row].flags, 5001,
	                  answers[row].flags & SYN
	                          ? c.isn + 1
	                          : c.isn + 1 + far + n_bytes + (uint32_t)answers[row].more);
	want = in;
	want.tcp_ack = c.isn + 1 + far + (uint32_t)answers[row].heard;
	lab_send(c.lab, LAB_BACK, &in);
	expect(c.lab, &want, answers[row].name);
	lab_free(c.lab);
}
END_TEST

START_TEST(a_syn_with_fast_open_data_goes_without)
{
	static const uint8_t options[12] = {34, 10, 1, 2, 3, 4, 5, 6, 7, 8, N, N};
	static const uint8_t nops[12] = {N, N, N, N, N, N, N, N, N, N, N, N};
	struct lab *lab = lab_of(&paths[_i], &proxied);
	struct sl_packet_spec in = from_client(&paths[_i], SYN, ISN, 0), want;

	in.tcp_options = options;
	in.tcp_options_bytes = sizeof(options);
	want = in;
	in.payload_bytes = 77;
	want.tcp_options = nops;
	lab_send(lab, LAB_FRONT, &in);
	expect(lab, &want, paths[_i].name);
	lab_free(lab);
}
END_TEST

START_TEST(of_two_syns_the_one_that_was_answered_counts)
{
	struct lab *lab = lab_of(&paths[_i], &proxied);
	struct conn c = {.path = &paths[_i], .lab = lab, .isn = 7000};
	struct sl_packet_spec in = from_client(c.path, SYN, ISN, 0), want;
	uint8_t payload[256];

	lab_send(lab, LAB_FRONT, &in);
	c.flow = flow_of(lab, &c.s2c);
	in = from_client(c.path, SYN, c.isn, 0);
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	in = from_backend(&c.s2c, SYN | ACK, 5000, c.isn + 1);
	want = in;
	lab_send(lab, LAB_BACK, &in);
	expect(lab, &want, "SYN-ACK");
	in = conn_client(&c, ACK, 0);
	want = headed(&in, _i, payload);
	lab_send(lab, LAB_FRONT, &in);
	expect(lab, &want, "ACK");
	lab_free(lab);
}
END_TEST

#define DF 0x4000

// Segments of the client at the start of its stream that are a byte too long behind the header.
static const struct {
	const char *name;
	bool is_v6, has_df;
	uint16_t payload_bytes;
	bool is_sent;
} long_ones[] = {
	{"IPv4 that just fits", false, true, MTU - 40 - 28, true},
	{"IPv4", false, true, MTU - 40 - 27, false},
	{"IPv4 that may be cut, which we do not do", false, false, MTU - 40 - 27, false},
	{"IPv6 that just fits", true, false, MTU - 60 - 52, true},
	{"IPv6", true, false, MTU - 60 - 51, false},
};

START_TEST(a_segment_too_long_for_a_header_is_refused_with_the_length_that_fits)
{
	const bool is_v6 = long_ones[_i].is_v6;
	struct conn c = conn_start(is_v6, &proxied, ISN);
	struct sl_packet_spec in = conn_client(&c, ACK, 0), quoted;
	struct sl_stats_worker *stats = &c.lab->workers[0]->stats;
	enum sl_verdict verdict;
	const uint8_t *icmp;

	in.frag = long_ones[_i].has_df ? DF : 0;
	in.payload_bytes = long_ones[_i].payload_bytes;
	quoted = in;
	verdict = lab_send(c.lab, LAB_FRONT, &in);
	if (long_ones[_i].is_sent || (!is_v6 && !long_ones[_i].has_df)) {
		ck_assert_int_eq(verdict,
		                 long_ones[_i].is_sent ? SL_VERDICT_SEND : SL_VERDICT_DROP);
		ck_assert(long_ones[_i].is_sent || c.lab->pkt.drop == SL_DROP_TOO_BIG);
		lab_free(c.lab);
		return;
	}
	ck_assert_int_eq(verdict, SL_VERDICT_SEND);
	ck_assert_uint_eq(c.lab->pkt.kind, SL_PKT_ICMP_ERROR);
	ck_assert_uint_eq(c.lab->pkt.out_port, LAB_FRONT);
	ck_assert(sl_ip_equal(&c.lab->pkt.tuple.dst, &quoted.src));
	icmp = c.lab->pkt.data + c.lab->pkt.l4_off;
	ck_assert_uint_eq(icmp[0], is_v6 ? 2 : 3);
	ck_assert_uint_eq((uint32_t)(icmp[6] << 8 | icmp[7]), MTU - header_bytes_of(is_v6));
	ck_assert(sl_packet_csums_are_right(c.lab->pkt.data, c.lab->pkt.len));
	ck_assert_uint_eq(sl_stat_get(&stats->drops[SL_DROP_TOO_BIG]), 1);
	ck_assert_uint_eq(sl_stat_get(&stats->generated_pkts), 1);
	lab_free(c.lab);
}
END_TEST

START_TEST(a_buffer_without_headroom_costs_a_named_drop)
{
	struct conn c = conn_start(_i, &proxied, ISN);
	struct sl_packet_spec in = conn_client(&c, ACK, 0);

	c.lab->headroom = (uint16_t)(header_bytes_of(_i) - 1);
	ck_assert_int_eq(lab_drop(c.lab, LAB_FRONT, &in), SL_DROP_NO_HEADROOM);
	c.lab->headroom++;
	ck_assert_int_eq(lab_send(c.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	lab_free(c.lab);
}
END_TEST

// "Too big" and "unreachable" about what the backend was sent, told to the client.
static const struct {
	const char *name;
	enum when when;
	bool is_too_big;
	uint32_t quoted_seq, told_seq; // from the stream's start; H is added to the first when READ
	uint32_t mtu, told_mtu_less;   // 1: the length of the header
} errors[] = {
	{"a packet behind the header", READ, true, 1000, 1000, 1400, 0},
	{"a packet with the header", SENT, true, 0, 0, 1400, 1},
	{"the SYN", FIRST, true, -1u, -1u, 1400, 0},
	{"a packet with the header, otherwise", SENT, false, 0, 0, 0, 0},
};

START_TEST(an_icmp_error_quotes_what_the_client_sent)
{
	const int row = _i / 2, path = _i % 2;
	const uint32_t n_bytes = header_bytes_of(path);
	struct conn c = conn_start(path, &proxied, ISN);
	struct sl_packet_spec quote, error;
	const uint8_t *data;
	const uint8_t *seq;

	conn_bring_to(&c, errors[row].when, path);
	quote = from_backend(&c.s2c, ACK, 0, 0);
	quote.src = c.s2c.dst;
	quote.dst = c.s2c.src;
	quote.sport = ntohs(c.s2c.dport_be);
	quote.dport = ntohs(c.s2c.sport_be);
	quote.tcp_seq =
		c.isn + 1 + errors[row].quoted_seq + (errors[row].when == READ ? n_bytes : 0);
	quote.payload_bytes = 30;
	error = (struct sl_packet_spec){.src = c.s2c.src,
	                                .dst = c.s2c.dst,
	                                .proto = path == 0 ? 1 : 58,
	                                .icmp_type = path == 0                ? 3
	                                             : errors[row].is_too_big ? 2
	                                                                      : 1,
	                                .icmp_code = path == 0 && errors[row].is_too_big ? 4 : 1,
	                                .icmp_rest = errors[row].mtu,
	                                .quote = &quote};
	if (path == 1 && errors[row].is_too_big)
		error.icmp_code = 0;
	ck_assert_int_eq(lab_send(c.lab, LAB_BACK, &error), SL_VERDICT_SEND);
	data = c.lab->pkt.data;
	ck_assert(sl_packet_csums_are_right(data, c.lab->pkt.len));
	seq = data + c.lab->pkt.inner_l4_off + 4;
	ck_assert_msg(((uint32_t)seq[0] << 24 | seq[1] << 16 | seq[2] << 8 | seq[3]) ==
	                      c.isn + 1 + errors[row].told_seq,
	              "%s", errors[row].name);
	ck_assert_msg((uint32_t)(data[c.lab->pkt.l4_off + 6] << 8 | data[c.lab->pkt.l4_off + 7]) ==
	                      errors[row].mtu - errors[row].told_mtu_less * n_bytes,
	              "%s: mtu", errors[row].name);
	lab_free(c.lab);
}
END_TEST

START_TEST(a_connection_picked_up_in_its_middle_gets_no_header)
{
	struct sl_body_pool pool = proxied;
	struct sl_packet_spec in = from_client(&paths[_i], ACK, ISN, 5001), want = in;
	struct lab *lab;

	pool.balance = SL_BALANCE_MAGLEV;
	lab = lab_of(&paths[_i], &pool);
	lab_send(lab, LAB_FRONT, &in);
	expect(lab, &want, paths[_i].name);
	lab_free(lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward_splice");
	TCase *tc = tcase_create("forward_splice");

	tcase_add_loop_test(tc, numbers_of_a_backend_with_another_isn_are_translated_both_ways, 0,
	                    COUNT(paths));
	tcase_add_loop_test(tc, a_header_stands_where_the_stream_starts_and_the_rest_is_behind_it,
	                    0, 6 * COUNT(sent));
	tcase_add_loop_test(tc, the_client_hears_of_its_own_bytes_only, 0, 2 * COUNT(answers));
	tcase_add_loop_test(tc, a_syn_with_fast_open_data_goes_without, 0, COUNT(paths));
	tcase_add_loop_test(tc, of_two_syns_the_one_that_was_answered_counts, 0, COUNT(paths));
	tcase_add_loop_test(tc,
	                    a_segment_too_long_for_a_header_is_refused_with_the_length_that_fits, 0,
	                    COUNT(long_ones));
	tcase_add_loop_test(tc, a_buffer_without_headroom_costs_a_named_drop, 0, COUNT(paths));
	tcase_add_loop_test(tc, an_icmp_error_quotes_what_the_client_sent, 0, 2 * COUNT(errors));
	tcase_add_loop_test(tc, a_connection_picked_up_in_its_middle_gets_no_header, 0,
	                    COUNT(paths));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
