// SPDX-License-Identifier: Apache-2.0
// ICMP errors of our own: byte for byte, within their size, about nothing that must not be
// answered, and not too many.
#include "sl_check.h"

#include "fragments.h"
#include "icmp_error.h"
#include "icmp_make.h"
#include "parse.h"

#define MACS     .dst_mac = {2, 0, 0, 0, 0, 1}, .src_mac = {2, 0, 0, 0, 0, 9}
#define V4_ENDS  .src = SL_PACKET_V4(192, 0, 2, 9), .dst = SL_PACKET_V4(198, 51, 100, 1), MACS
#define V6_ENDS  .src = SL_PACKET_V6(9), .dst = SL_PACKET_V6(2), MACS
#define UDP      .proto = IPPROTO_UDP, .sport = 40000, .dport = 443
#define TCP      .proto = IPPROTO_TCP, .sport = 40000, .dport = 443
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t nop_options[8] = {1, 1, 1, 1, 1, 1, 1, 0};
static const uint8_t hop_options[8] = {IPPROTO_TCP, 0, 1, 4};

static const struct {
	const char *name;
	struct sl_packet_spec about;
	struct sl_icmp_want want;
	size_t n_ip_bytes; // of the answer
} answers[] = {
	{"the shortest udp4", {V4_ENDS, UDP, .payload_bytes = 28}, {11, 0, 0, "192.0.2.1"}, 56},
	{"tcp4 with padding",
         {V4_ENDS, TCP, .payload_bytes = 17, .padding_bytes = 6},
         {11, 0, 0, "192.0.2.1"},
         57},
	{"the shortest udp4 with IP options",
         {V4_ENDS, UDP, .ext = nop_options, .ext_bytes = 8, .payload_bytes = 28},
         {11, 0, 0, "192.0.2.1"},
         64},
	{"udp4 that fills 576",
         {V4_ENDS, UDP, .payload_bytes = 548},
         {3, 4, 1400, "192.0.2.1"},
         576},
	{"udp4 longer than 576",
         {V4_ENDS, UDP, .payload_bytes = 549},
         {11, 0, 0, "192.0.2.1"},
         576},
	{"udp4 in two tags",
         {V4_ENDS, UDP, .payload_bytes = 32, .n_vlans = 2, .vlan_tpid = {0x88a8},
          .vlan_tci = {7, 0xe008}},
         {11, 0, 0, "192.0.2.1"},
         60},
	{"the shortest udp6", {V6_ENDS, UDP, .payload_bytes = 48}, {3, 0, 0, "2001:db8::1"}, 96},
	{"udp6, odd", {V6_ENDS, UDP, .payload_bytes = 53}, {3, 0, 0, "2001:db8::1"}, 101},
	{"the shortest tcp6 behind an extension header",
         {V6_ENDS, TCP, .ext = hop_options, .ext_bytes = 8, .payload_bytes = 36},
         {2, 0, 1400, "2001:db8::1"},
         104},
	{"udp6 that fills 1280",
         {V6_ENDS, UDP, .payload_bytes = 1232},
         {3, 0, 0, "2001:db8::1"},
         1280},
	{"udp6 longer than 1280",
         {V6_ENDS, UDP, .payload_bytes = 1400},
         {3, 0, 0, "2001:db8::1"},
         1280},
};

START_TEST(an_error_quotes_what_came_and_every_byte_is_written)
{
	uint8_t frame[SL_PACKET_MAX_BYTES], want[SL_PACKET_MAX_BYTES];
	size_t n_want = sl_icmp_want_build(want, &answers[_i].about, &answers[_i].want);
	struct sl_ip source = sl_packet_ip(answers[_i].want.source);
	const struct sl_icmp_error error = {answers[_i].want.type, answers[_i].want.code,
	                                    answers[_i].want.rest, &source};
	struct sl_pkt pkt = {.data = frame};

	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &answers[_i].about);
	ck_assert_int_eq(sl_parse(&pkt), -1);
	ck_assert_uint_eq(n_want - pkt.l3_off, answers[_i].n_ip_bytes);
	for (int fill = 0; fill <= 0xff; fill += 0xff) { // whatever was in the buffer
		uint8_t got[SL_ICMP_MAKE_MAX_BYTES + 1];

		memset(got, fill, sizeof(got));
		ck_assert_uint_eq(sl_icmp_make_error(got, n_want, &pkt, our_mac, &error), n_want);
		ck_assert_msg(memcmp(got, want, n_want) == 0, "%s", answers[_i].name);
		ck_assert_uint_eq(got[n_want], fill);
		ck_assert_uint_eq(sl_icmp_make_error(got, n_want - 1, &pkt, our_mac, &error), 0);
	}
}
END_TEST

START_TEST(a_source_of_the_other_family_makes_nothing)
{
	uint8_t frame[SL_PACKET_MAX_BYTES], got[SL_ICMP_MAKE_MAX_BYTES];
	struct sl_ip source = sl_packet_ip("2001:db8::1");
	struct sl_pkt pkt = {.data = frame};

	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &answers[0].about);
	ck_assert_int_eq(sl_parse(&pkt), -1);
	ck_assert_uint_eq(sl_icmp_make_error(got, sizeof(got), &pkt, our_mac,
	                                     &(struct sl_icmp_error){11, 0, 0, &source}),
	                  0);
}
END_TEST

static const struct sl_packet_spec quoted4 = {V4_ENDS, UDP, .payload_bytes = 64};
static const struct sl_packet_spec quoted6 = {V6_ENDS, UDP, .payload_bytes = 64};

static const struct {
	const char *name;
	struct sl_packet_spec about;
	struct sl_cut cut; // n_bytes 0: whole
	bool is_told;
} askers[] = {
	{"udp4", {V4_ENDS, UDP, .payload_bytes = 28}, {0}, true},
	{"udp6", {V6_ENDS, UDP, .payload_bytes = 48}, {0}, true},
	{"echo4", {V4_ENDS, .proto = IPPROTO_ICMP, .icmp_type = 8, .payload_bytes = 28}, {0}, true},
	{"gre4", {V4_ENDS, .proto = IPPROTO_GRE, .payload_bytes = 36}, {0}, true},
	{"first fragment", {V4_ENDS, UDP, .payload_bytes = 64}, {.n_bytes = 40}, true},
	{"later fragment", {V4_ENDS, UDP, .payload_bytes = 160}, {.at = 8, .n_bytes = 80}, false},
	{"later fragment in IPv6",
         {V6_ENDS, UDP, .payload_bytes = 160},
         {.at = 8, .n_bytes = 80},
         false},
	{"udp4 a byte too short", {V4_ENDS, UDP, .payload_bytes = 27}, {0}, false},
	{"udp4 a byte too short for its options",
         {V4_ENDS, UDP, .ext = nop_options, .ext_bytes = 8, .payload_bytes = 27},
         {0},
         false},
	{"udp6 a byte too short", {V6_ENDS, UDP, .payload_bytes = 47}, {0}, false},
	{"tcp6 with padding that would make it long enough",
         {V6_ENDS, TCP, .payload_bytes = 35, .padding_bytes = 9},
         {0},
         false},
	{"first fragment, too short", {V4_ENDS, UDP, .payload_bytes = 64}, {.n_bytes = 32}, false},
	{"echo reply", {V4_ENDS, .proto = IPPROTO_ICMP, .payload_bytes = 64}, {0}, false},
	{"redirect",
         {V4_ENDS, .proto = IPPROTO_ICMP, .icmp_type = 5, .payload_bytes = 64},
         {0},
         false},
	{"error", {V4_ENDS, .proto = IPPROTO_ICMP, .icmp_type = 3, .quote = &quoted4}, {0}, false},
	{"error in IPv6",
         {V6_ENDS, .proto = IPPROTO_ICMPV6, .icmp_type = 1, .quote = &quoted6},
         {0},
         false},
	{"solicitation",
         {V6_ENDS, .proto = IPPROTO_ICMPV6, .icmp_type = 135, .payload_bytes = 64},
         {0},
         false},
	{"to a group",
         {.src = SL_PACKET_V4(192, 0, 2, 9),
          .dst = SL_PACKET_V4(224, 0, 0, 1),
          MACS,
          UDP,
          .payload_bytes = 64},
         {0},
         false},
	{"to a group in IPv6",
         {.src = SL_PACKET_V6(9),
          .dst = {.bytes = {0xff, 2, [15] = 1}},
          MACS,
          UDP,
          .payload_bytes = 64},
         {0},
         false},
	{"to all on the wire",
         {.src = SL_PACKET_V4(192, 0, 2, 9),
          .dst = SL_PACKET_V4(198, 51, 100, 1),
          .dst_mac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
          .src_mac = {2},
          UDP,
          .payload_bytes = 64},
         {0},
         false},
};

START_TEST(some_packets_must_not_be_answered_nor_those_shorter_than_their_answer)
{
	uint8_t whole[SL_PACKET_MAX_BYTES], part[SL_PACKET_MAX_BYTES];
	size_t n_bytes = sl_packet_build(whole, sizeof(whole), &askers[_i].about);
	struct sl_pkt pkt = {.data = whole, .len = (uint32_t)n_bytes};
	struct sl_icmp_bucket bucket = {0};

	if (askers[_i].cut.n_bytes != 0) {
		pkt.data = part;
		pkt.len = (uint32_t)sl_fragment_cut(part, whole, n_bytes, &askers[_i].cut);
	}
	ck_assert_int_eq(sl_parse(&pkt), -1);
	ck_assert_msg(sl_icmp_grant(&bucket, &pkt, 5) == askers[_i].is_told, "%s", askers[_i].name);
	ck_assert_uint_eq(bucket.n_spent, askers[_i].is_told);
}
END_TEST

START_TEST(errors_are_as_many_as_the_bucket_allows_in_each_tick)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt = {.data = frame};
	struct sl_icmp_bucket bucket = {0};

	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &answers[0].about);
	ck_assert_int_eq(sl_parse(&pkt), -1);
	for (uint32_t now = 0; now < 3; now++) {
		for (uint32_t i = 0; i < 2 * SL_ICMP_BURST; i++)
			ck_assert(sl_icmp_grant(&bucket, &pkt, now) == (i < SL_ICMP_BURST));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("icmp_make");
	TCase *tc = tcase_create("errors");

	tcase_add_loop_test(tc, an_error_quotes_what_came_and_every_byte_is_written, 0,
	                    COUNT(answers));
	tcase_add_test(tc, a_source_of_the_other_family_makes_nothing);
	tcase_add_loop_test(tc,
	                    some_packets_must_not_be_answered_nor_those_shorter_than_their_answer,
	                    0, COUNT(askers));
	tcase_add_test(tc, errors_are_as_many_as_the_bucket_allows_in_each_tick);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
