// SPDX-License-Identifier: Apache-2.0
// SYN cookies as bytes: the SYN-ACK that answers, the ACK that is believed, the SYN that is made of
// it, and what the backend's answers become.
#include "sl_check.h"

#include <netinet/in.h>

#include "packets.h"
#include "parse.h"
#include "syncookie.h"

#define PERIOD   256 // ticks
#define MSS      2, 4, 0x05, 0xb4
#define SACK     1, 1, 4, 2
#define OURS     2, 4, 0x05, 0xb4
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct sl_hash_key key = {7, 9};

static struct sl_packet_spec client(bool is_v6, uint8_t flags)
{
	return (struct sl_packet_spec){
		.dst_mac = {2, 0, 0, 0, 0, 1},
		.src_mac = {2, 0, 0, 0, 0, 9},
		.src = sl_packet_ip(is_v6 ? "2001:db8:7::7" : "198.51.100.7"),
		.dst = sl_packet_ip(is_v6 ? "2001:db8:ff::10" : "203.0.113.10"),
		.proto = IPPROTO_TCP,
		.sport = 40000,
		.dport = 443,
		.tcp_flags = flags,
		.tcp_seq = 1000};
}

// Room before the frame, as buffers have it.
struct buffer {
	uint8_t room[64];
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt;
};

static void load(struct buffer *b, const struct sl_packet_spec *spec, uint16_t headroom)
{
	b->pkt = (struct sl_pkt){.data = b->frame, .headroom = headroom};
	b->pkt.len = (uint32_t)sl_packet_build(b->frame, sizeof(b->frame), spec);
	ck_assert_int_eq(sl_parse(&b->pkt), -1);
}

// The bytes are those of the spec, and the fields those the parser would find.
static void check(const struct buffer *b, const struct sl_packet_spec *spec, const char *name)
{
	uint8_t want[SL_PACKET_MAX_BYTES], got[SL_PACKET_MAX_BYTES];
	struct sl_pkt again = {.data = got, .len = b->pkt.len};
	const size_t n_want = sl_packet_build(want, sizeof(want), spec);

	ck_assert_msg(b->pkt.len == n_want, "%s: %u bytes, not %zu", name, b->pkt.len, n_want);
	for (size_t i = 0; i < n_want; i++)
		ck_assert_msg(b->pkt.data[i] == want[i], "%s: byte %zu is %02x, not %02x", name, i,
		              b->pkt.data[i], want[i]);
	memcpy(got, b->pkt.data, n_want);
	ck_assert_int_eq(sl_parse(&again), -1);
	ck_assert_int_eq(memcmp(&again.tuple, &b->pkt.tuple, sizeof(again.tuple)), 0);
	ck_assert_uint_eq(again.tcp_seq, b->pkt.tcp_seq);
	ck_assert_uint_eq(again.tcp_flags, b->pkt.tcp_flags);
	ck_assert_uint_eq(again.payload_off, b->pkt.payload_off);
	ck_assert_uint_eq(again.l4_bytes, b->pkt.l4_bytes);
}

static void set_window(struct buffer *b, uint16_t window)
{
	const uint16_t be = htons(window);
	uint8_t *tcp = b->pkt.data + b->pkt.l4_off;
	uint32_t sum;
	uint16_t csum;

	memcpy(&csum, tcp + 16, 2);
	memcpy(&sum, tcp + 14, 2);
	sum = (uint16_t)~ntohs(csum) + (uint32_t)(uint16_t)~ntohs((uint16_t)sum) + window;
	sum = (sum & 0xffff) + (sum >> 16);
	csum = htons((uint16_t) ~(sum + (sum >> 16)));
	memcpy(tcp + 14, &be, 2);
	memcpy(tcp + 16, &csum, 2);
}

// What a SYN offers, and what it is answered with.
static const struct {
	const char *name;
	bool is_v6;
	uint8_t options[40], n_options, answer[8], n_answer;
	uint16_t payload_bytes;
} offers[] = {
	{"nothing", false, {0}, 0, {0}, 0, 0},
	{"nothing, in IPv6", true, {0}, 0, {0}, 0, 0},
	{"MSS", false, {MSS}, 4, {OURS}, 4, 0},
	{"SACK", false, {SACK}, 4, {SACK}, 4, 0},
	{"all that Linux offers",
         false,
         {MSS, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7},
         20,
         {OURS, SACK},
         8,
         0},
	{"the same in IPv6",
         true,
         {MSS, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7},
         20,
         {OURS, SACK},
         8,
         0},
	{"data with it", false, {MSS}, 4, {OURS}, 4, 100},
	{"a broken option", false, {2, 200, 5, 0xb4, SACK}, 8, {0}, 0, 0},
};

static uint32_t cookie_in(const struct buffer *b)
{
	return b->pkt.tcp_seq;
}

START_TEST(a_syn_is_answered_byte_for_byte_and_never_at_greater_length)
{
	struct sl_packet_spec syn = client(offers[_i].is_v6, SL_TCP_SYN), want;
	struct buffer b;
	uint32_t n_bytes;

	syn.tcp_options = offers[_i].options;
	syn.tcp_options_bytes = offers[_i].n_options;
	syn.payload_bytes = offers[_i].payload_bytes;
	syn.padding_bytes = offers[_i].is_v6 || offers[_i].n_options > 0 ? 0 : 6;
	load(&b, &syn, 0);
	n_bytes = b.pkt.len;
	ck_assert(sl_syncookie_answer(&b.pkt, &key, 5, 1460));
	ck_assert_uint_le(b.pkt.len, n_bytes);
	ck_assert(sl_packet_csums_are_right(b.pkt.data, b.pkt.len));
	want = client(offers[_i].is_v6, SL_TCP_SYN | SL_TCP_ACK);
	want.src = syn.dst;
	want.dst = syn.src;
	want.sport = 443;
	want.dport = 40000;
	want.tcp_seq = cookie_in(&b);
	want.tcp_ack = 1001;
	want.tcp_options = offers[_i].answer;
	want.tcp_options_bytes = offers[_i].n_answer;
	want.frag = offers[_i].is_v6 ? 0 : 0x4000;
	// The builder has windows and ids of its own: compare what TCP says.
	ck_assert_uint_eq(b.pkt.l4_bytes, 20u + offers[_i].n_answer);
	ck_assert_mem_eq(b.pkt.data + b.pkt.l4_off + 20, offers[_i].answer, offers[_i].n_answer);
	{
		const uint8_t *tcp = b.pkt.data + b.pkt.l4_off;
		const uint8_t ack[4] = {0, 0, 0x03, 0xe9}, none[2] = {0, 0};
		struct sl_tuple tuple = sl_packet_tuple(&want);

		ck_assert_int_eq(memcmp(&tuple, &b.pkt.tuple, sizeof(tuple)), 0);
		ck_assert_mem_eq(tcp + 8, ack, 4);
		ck_assert_uint_eq(tcp[13], SL_TCP_SYN | SL_TCP_ACK);
		ck_assert_mem_eq(tcp + 14, none, 2); // the window
	}
}
END_TEST

static uint32_t answer_cookie(const struct sl_packet_spec *syn, uint32_t now)
{
	struct buffer b;

	load(&b, syn, 0);
	ck_assert(sl_syncookie_answer(&b.pkt, &key, now, 1460));
	return cookie_in(&b);
}

// The ACK that follows, with one thing about it changed.
static const struct {
	const char *name;
	uint32_t later;    // ticks
	uint32_t seq, ack; // off by
	uint16_t sport, dport;
	uint8_t host;
	struct sl_hash_key other;
	bool is_right;
} acks[] = {
	{"at once", 0, 0, 0, 0, 0, 0, {0}, true},
	{"in the next period", PERIOD, 0, 0, 0, 0, 0, {0}, true},
	{"at its last moment", 2 * PERIOD - 1, 0, 0, 0, 0, 0, {0}, true},
	{"too late", 2 * PERIOD, 0, 0, 0, 0, 0, {0}, false},
	{"much too late", 200 * PERIOD, 0, 0, 0, 0, 0, {0}, false},
	{"another acknowledgement", 0, 0, 1, 0, 0, 0, {0}, false},
	{"another MSS", 0, 0, 1u << 28, 0, 0, 0, {0}, false},
	{"SACK all of a sudden", 0, 0, 1u << 27, 0, 0, 0, {0}, false},
	{"the other period", 0, 0, 1u << 31, 0, 0, 0, {0}, false},
	{"another sequence number", 0, 1, 0, 0, 0, 0, {0}, false},
	{"from another port", 0, 0, 0, 1, 0, 0, {0}, false},
	{"to another port", 0, 0, 0, 0, 1, 0, {0}, false},
	{"from another host", 0, 0, 0, 0, 0, 1, {0}, false},
	{"of another appliance", 0, 0, 0, 0, 0, 0, {7, 10}, false},
};

START_TEST(a_cookie_is_right_for_its_connection_and_its_time_only)
{
	const bool is_v6 = _i % 2;
	const int row = _i / 2;
	const struct sl_packet_spec syn = client(is_v6, SL_TCP_SYN);
	// From the start of a period, and over the wrap of the ticks.
	const uint32_t now = row % 2 ? 3 * PERIOD : 0u - PERIOD;
	const uint32_t cookie = answer_cookie(&syn, now);
	struct sl_packet_spec ack = client(is_v6, SL_TCP_ACK);
	uint32_t seen;
	struct buffer b;

	ack.tcp_seq = syn.tcp_seq + 1 + acks[row].seq;
	ack.tcp_ack = cookie + 1 + acks[row].ack;
	ack.sport = (uint16_t)(ack.sport + acks[row].sport);
	ack.dport = (uint16_t)(ack.dport + acks[row].dport);
	ack.src.bytes[15] = (uint8_t)(ack.src.bytes[15] + acks[row].host);
	load(&b, &ack, 0);
	ck_assert_msg(sl_syncookie_is_right(&b.pkt, acks[row].other.k0 ? &acks[row].other : &key,
	                                    now + acks[row].later, &seen) == acks[row].is_right,
	              "%s", acks[row].name);
}
END_TEST

// One that guesses is believed about as seldom as the header says.
START_TEST(guesses_are_wrong)
{
	struct sl_packet_spec ack = client(false, SL_TCP_ACK);
	uint64_t seed = sl_check_seed();
	uint32_t n_right = 0, cookie;
	struct buffer b;

	load(&b, &ack, 0);
	for (uint32_t i = 0; i < 1000000; i++) {
		const uint64_t random = sl_check_random(&seed);

		memcpy(b.pkt.data + b.pkt.l4_off + 8, &random, 4);
		n_right += sl_syncookie_is_right(&b.pkt, &key, (uint32_t)(random >> 32), &cookie);
	}
	ck_assert_msg(n_right <= 1, "%u right, seed ends at %lu", n_right, (unsigned long)seed);
}
END_TEST

// What the backend is told, by what the client had offered.
static const struct {
	uint16_t offered, told; // MSS; 0: none
} sizes[] = {{0, 536},     {100, 216},   {216, 216},   {535, 216},   {536, 536},
             {1459, 1440}, {1460, 1460}, {1461, 1460}, {8960, 8960}, {65535, 8960}};

START_TEST(an_ack_becomes_the_syn_its_sender_had_sent)
{
	const bool has_sack = _i % 2;
	const uint16_t offered = sizes[_i / 2].offered, told = sizes[_i / 2].told;
	const uint8_t options[8] = {2, 4, (uint8_t)(offered >> 8), (uint8_t)offered, SACK};
	const uint8_t made[8] = {2, 4, (uint8_t)(told >> 8), (uint8_t)told, SACK};
	struct sl_packet_spec syn = client(false, SL_TCP_SYN), ack, want;
	struct buffer b;
	uint32_t cookie;

	syn.tcp_options = offered != 0 ? options : options + 4;
	syn.tcp_options_bytes = (uint16_t)((offered != 0 ? 4 : 0) + (has_sack ? 4 : 0));
	cookie = answer_cookie(&syn, 77);
	for (uint16_t payload_bytes = 0; payload_bytes < 100; payload_bytes += 3) {
		ack = client(false, SL_TCP_ACK);
		ack.tcp_seq = 1001;
		ack.tcp_ack = cookie + 1;
		ack.payload_bytes = payload_bytes;
		load(&b, &ack, sizeof(b.room));
		ck_assert(sl_syncookie_is_right(&b.pkt, &key, 77, &cookie));
		sl_syncookie_to_syn(&b.pkt, 1000, cookie);
		want = client(false, SL_TCP_SYN);
		want.tcp_options = made;
		want.tcp_options_bytes = has_sack ? 8 : 4;
		ck_assert_uint_ge(b.pkt.len, 54u + want.tcp_options_bytes);
		want.padding_bytes = (uint16_t)(b.pkt.len - 54 - want.tcp_options_bytes);
		ck_assert_uint_le(want.padding_bytes, 2);
		memset(b.pkt.data + 54 + want.tcp_options_bytes, 0, want.padding_bytes);
		{
			uint8_t frame[SL_PACKET_MAX_BYTES];
			size_t n = sl_packet_build(frame, sizeof(frame), &want);

			memset(frame + n - want.padding_bytes, 0, want.padding_bytes);
			ck_assert_uint_eq(b.pkt.len, n);
			ck_assert_mem_eq(b.pkt.data, frame, n);
		}
	}
}
END_TEST

START_TEST(without_room_the_syn_goes_without_options)
{
	const struct sl_packet_spec syn = client(_i, SL_TCP_SYN);
	struct sl_packet_spec ack = client(_i, SL_TCP_ACK), want = client(_i, SL_TCP_SYN);
	const uint32_t cookie = answer_cookie(&syn, 0);
	struct buffer b;

	ack.tcp_seq = 1001;
	ack.tcp_ack = cookie + 1;
	load(&b, &ack, 3);
	sl_syncookie_to_syn(&b.pkt, 1000, cookie);
	check(&b, &want, "no options");
}
END_TEST

START_TEST(a_syn_ack_of_the_backend_becomes_news_of_its_window)
{
	static const uint8_t options[12] = {MSS, SACK, 1, 3, 3, 7},
			     nops[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct sl_packet_spec in = client(_i, SL_TCP_SYN | SL_TCP_ACK), want;
	struct buffer b, w;

	in.tcp_options = options;
	in.tcp_options_bytes = 12;
	in.tcp_ack = 55;
	load(&b, &in, 0);
	set_window(&b, 4321);
	sl_syncookie_to_update(&b.pkt);
	want = in;
	want.tcp_flags = SL_TCP_ACK;
	want.tcp_seq++;
	want.tcp_options = nops;
	load(&w, &want, 0);
	set_window(&w, 4321);
	ck_assert_uint_eq(b.pkt.len, w.pkt.len);
	ck_assert_mem_eq(b.pkt.data, w.pkt.data, w.pkt.len);
	ck_assert_uint_eq(b.pkt.tcp_flags, SL_TCP_ACK);
	ck_assert_uint_eq(b.pkt.tcp_seq, in.tcp_seq + 1);
}
END_TEST

START_TEST(some_syns_get_no_cookie)
{
	static const uint8_t nop_options[4] = {1, 1, 1, 0};
	static const uint8_t dst_options[8] = {IPPROTO_TCP, 0, 1, 4};
	struct sl_packet_spec syn = client(_i, SL_TCP_SYN);
	uint8_t before[SL_PACKET_MAX_BYTES];
	struct buffer b;

	syn.ext = _i ? dst_options : nop_options;
	syn.ext_bytes = _i ? 8 : 4;
	syn.ext_next = IPPROTO_DSTOPTS;
	load(&b, &syn, 0);
	memcpy(before, b.pkt.data, b.pkt.len);
	ck_assert(!sl_syncookie_answer(&b.pkt, &key, 5, 1460));
	ck_assert_mem_eq(b.pkt.data, before, b.pkt.len);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syncookie");
	TCase *tc = tcase_create("syncookie");

	tcase_add_loop_test(tc, a_syn_is_answered_byte_for_byte_and_never_at_greater_length, 0,
	                    COUNT(offers));
	tcase_add_loop_test(tc, a_cookie_is_right_for_its_connection_and_its_time_only, 0,
	                    2 * COUNT(acks));
	tcase_add_test(tc, guesses_are_wrong);
	tcase_add_loop_test(tc, an_ack_becomes_the_syn_its_sender_had_sent, 0, 2 * COUNT(sizes));
	tcase_add_loop_test(tc, without_room_the_syn_goes_without_options, 0, 2);
	tcase_add_loop_test(tc, a_syn_ack_of_the_backend_becomes_news_of_its_window, 0, 2);
	tcase_add_loop_test(tc, some_syns_get_no_cookie, 0, 2);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
