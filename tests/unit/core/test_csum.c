// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "csum.h"
#include "layout.h"
#include "packets.h"

// RFC 1071 section 3 works this sum out by hand.
static const uint8_t rfc1071_bytes[8] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

START_TEST(the_sum_of_rfc_1071_comes_out)
{
	uint32_t sum = sl_csum_add(0, rfc1071_bytes, sizeof(rfc1071_bytes));

	ck_assert_uint_eq(ntohs(sl_csum_fold(sum)), 0xddf2);
}
END_TEST

struct sum_row {
	const char *name;
	uint8_t bytes[9];
	size_t n_bytes;
	uint16_t want; // as a big-endian number
};

static const struct sum_row sums[] = {
	{"nothing", {0}, 0, 0},
	{"one byte is the upper half of its word", {0x12}, 1, 0x1200},
	{"one word", {0x12, 0x34}, 2, 0x1234},
	{"three bytes", {0x12, 0x34, 0x56}, 3, 0x6834},
	{"a carry comes back at the bottom", {0xff, 0xff, 0x00, 0x02}, 4, 0x0002},
	{"all ones", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 6, 0xffff},
	{"five bytes with carries", {0xff, 0xfe, 0x80, 0x00, 0x80}, 5, 0xffff},
	{"nine bytes", {0, 1, 0, 2, 0, 3, 0, 4, 5}, 9, 0x050a},
};

START_TEST(sums_come_out_at_any_length_and_alignment)
{
	uint8_t bytes[16];

	for (size_t shift = 0; shift < 4; shift++) {
		memset(bytes, 0xee, sizeof(bytes)); // what lies beyond must not count
		memcpy(bytes + shift, sums[_i].bytes, sums[_i].n_bytes);
		ck_assert_msg(ntohs(sl_csum_fold(sl_csum_add(0, bytes + shift,
		                                             sums[_i].n_bytes))) == sums[_i].want,
		              "%s", sums[_i].name);
	}
}
END_TEST

START_TEST(folding_carries_twice_where_it_must)
{
	ck_assert_uint_eq(sl_csum_fold(0), 0);
	ck_assert_uint_eq(sl_csum_fold(0xffff), 0xffff);
	ck_assert_uint_eq(sl_csum_fold(0x10000), 1);
	ck_assert_uint_eq(sl_csum_fold(0x1ffff), 1);
	ck_assert_uint_eq(sl_csum_fold(UINT32_MAX), 0xffff);
}
END_TEST

START_TEST(sums_chain)
{
	uint32_t sum = sl_csum_add(0, rfc1071_bytes, 2);

	sum = sl_csum_add(sum, rfc1071_bytes + 2, 4);
	sum = sl_csum_add(sum, rfc1071_bytes + 6, 2);
	ck_assert_uint_eq(ntohs(sl_csum_fold(sum)), 0xddf2);
}
END_TEST

// RFC 1624 section 4: a word 0x5555 becomes 0x3285; the form of RFC 1141 gives 0xffff here.
START_TEST(the_example_of_rfc_1624_gives_zero)
{
	const uint16_t from = htons(0x5555), to = htons(0x3285);
	uint16_t csum = sl_csum_apply(htons(0xdd2f), sl_csum_delta(0, &from, &to, 2));

	ck_assert_uint_eq(csum, 0);
}
END_TEST

struct udp_row {
	const char *name;
	uint16_t csum, from, to, want; // as numbers
};

static const struct udp_row udps[] = {
	{"no checksum stays none", 0, 0x1111, 0x2222, 0},
	{"a computed zero is sent as ffff", 0xdd2f, 0x5555, 0x3285, 0xffff},
	{"ffff stands for zero", 0xffff, 0x1111, 0x1112, 0xfffe},
	{"no change, no change", 0x1234, 0x1111, 0x1111, 0x1234},
	{"no change of ffff", 0xffff, 0x1111, 0x1111, 0xffff},
	{"a plain change", 0x8000, 0x0001, 0x0003, 0x7ffe},
};

START_TEST(udp_checksums_keep_the_rules_about_zero)
{
	const struct udp_row *row = &udps[_i];
	uint16_t from = htons(row->from), to = htons(row->to);
	uint16_t got = sl_csum_apply_udp(htons(row->csum), sl_csum_delta(0, &from, &to, 2));

	ck_assert_msg(ntohs(got) == row->want, "%s: %04x", row->name, ntohs(got));
}
END_TEST

// Every change of one word: 131072 cases, eq. 3 against the sum over the new word and the rest.
START_TEST(an_incremental_update_equals_a_full_one)
{
	const uint16_t rest = htons(_i == 0 ? 0x0001 : 0xfffe);
	const uint16_t from = htons(0xabcd);
	const uint16_t old_csum = (uint16_t)~sl_csum_fold((uint32_t)rest + from);

	for (uint32_t word = 0; word <= 0xffff; word++) {
		uint16_t to = htons((uint16_t)word);
		uint16_t full = (uint16_t)~sl_csum_fold((uint32_t)rest + to);
		uint16_t got = sl_csum_apply(old_csum, sl_csum_delta(0, &from, &to, 2));

		ck_assert_msg(got == full, "word %04x: %04x, want %04x", word, got, full);
	}
}
END_TEST

START_TEST(deltas_of_any_even_length_add_up)
{
	const uint8_t from[12] = {1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff};
	const uint8_t to[12] = {0xff, 0xfe, 0, 9, 0x80, 1, 0x7f, 0, 0, 0, 0, 1};
	uint16_t parts = 0;

	for (size_t i = 0; i < 12; i += 2)
		parts = sl_csum_delta(parts, from + i, to + i, 2);
	ck_assert_uint_eq(sl_csum_delta(0, from, to, 12), parts);
	ck_assert_uint_eq(sl_csum_delta(sl_csum_delta(0, from, to, 6), from + 6, to + 6, 6), parts);
}
END_TEST

// The builder of the tests sums byte by byte and by itself: two opinions.
static const struct sl_packet_spec packets[] = {
	{.src = SL_PACKET_V4(192, 0, 2, 1),
         .dst = SL_PACKET_V4(198, 51, 100, 1),
         .proto = IPPROTO_TCP,
         .payload_bytes = 7},
	{.src = SL_PACKET_V4(192, 0, 2, 1),
         .dst = SL_PACKET_V4(198, 51, 100, 1),
         .proto = IPPROTO_UDP,
         .payload_bytes = 1400},
	{.src = SL_PACKET_V6(1), .dst = SL_PACKET_V6(2), .proto = IPPROTO_TCP},
	{.src = SL_PACKET_V6(1), .dst = SL_PACKET_V6(2), .proto = IPPROTO_UDP, .payload_bytes = 1},
	{.src = SL_PACKET_V6(1),
         .dst = SL_PACKET_V6(2),
         .proto = IPPROTO_ICMPV6,
         .icmp_type = 128,
         .payload_bytes = 3},
};

START_TEST(a_whole_transport_checksum_agrees_with_the_builder)
{
	const struct sl_packet_spec *spec = &packets[_i];
	const size_t csum_off = spec->proto == IPPROTO_TCP   ? SL_TCP_OFF_CSUM
	                        : spec->proto == IPPROTO_UDP ? SL_UDP_OFF_CSUM
	                                                     : SL_ICMP_OFF_CSUM;
	const size_t l4_off = sl_ip_is_v4(&spec->dst) ? 34 : 54;
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), spec);
	uint16_t want = sl_load16(frame + l4_off + csum_off);

	ck_assert(sl_packet_csums_are_right(frame, n_bytes));
	sl_store16(frame + l4_off + csum_off, 0);
	ck_assert_uint_eq(sl_csum_l4(&spec->src, &spec->dst, spec->proto, frame + l4_off,
	                             (uint16_t)(n_bytes - l4_off)),
	                  want);
}
END_TEST

START_TEST(a_computed_udp_zero_is_ffff_and_a_tcp_zero_stays)
{
	const struct sl_ip nobody = SL_PACKET_V4(0, 0, 0, 0);
	uint8_t l4[20] = {0};

	sl_store16_host(l4, (uint16_t)(0xffff - 17 - 8));
	ck_assert_uint_eq(sl_csum_l4(&nobody, &nobody, IPPROTO_UDP, l4, 8), 0xffff);
	sl_store16_host(l4, (uint16_t)(0xffff - 6 - 20));
	ck_assert_uint_eq(sl_csum_l4(&nobody, &nobody, IPPROTO_TCP, l4, 20), 0);
}
END_TEST

// Each byte of IP addresses, ports, header and payload is covered by one checksum or another,
// except what changes on the way (and Ethernet).
START_TEST(the_builders_check_sees_any_changed_byte)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), &packets[0]);

	for (size_t i = 18; i < n_bytes; i++) {
		frame[i] ^= 0x10;
		ck_assert_msg(!sl_packet_csums_are_right(frame, n_bytes), "byte %zu", i);
		frame[i] ^= 0x10;
	}
	ck_assert(sl_packet_csums_are_right(frame, n_bytes));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("csum");
	TCase *tc = tcase_create("csum");

	tcase_add_test(tc, the_sum_of_rfc_1071_comes_out);
	tcase_add_loop_test(tc, sums_come_out_at_any_length_and_alignment, 0,
	                    sizeof(sums) / sizeof(sums[0]));
	tcase_add_test(tc, folding_carries_twice_where_it_must);
	tcase_add_test(tc, sums_chain);
	tcase_add_test(tc, the_example_of_rfc_1624_gives_zero);
	tcase_add_loop_test(tc, udp_checksums_keep_the_rules_about_zero, 0,
	                    sizeof(udps) / sizeof(udps[0]));
	tcase_add_loop_test(tc, an_incremental_update_equals_a_full_one, 0, 2);
	tcase_add_test(tc, deltas_of_any_even_length_add_up);
	tcase_add_loop_test(tc, a_whole_transport_checksum_agrees_with_the_builder, 0,
	                    sizeof(packets) / sizeof(packets[0]));
	tcase_add_test(tc, a_computed_udp_zero_is_ffff_and_a_tcp_zero_stays);
	tcase_add_test(tc, the_builders_check_sees_any_changed_byte);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
