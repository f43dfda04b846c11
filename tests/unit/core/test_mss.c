// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "encap.h"
#include "mss.h"
#include "packets.h"
#include "parse.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define MSS(n)    2, 4, (n) >> 8, (n)&0xff
#define SYN       SL_TCP_SYN
#define SYN_ACK   (SL_TCP_SYN | SL_TCP_ACK)
#define UNCHANGED 0

// E5 of reliability.md 2.4: what a port of 1500 bytes leaves to a segment.
static const struct {
	const char *name;
	bool is_gue, is_outer_v6, is_inner_v6;
	uint16_t mss;
} overheads[] = {
	{"4in4", false, false, false, 1440},    {"6in4", false, false, true, 1420},
	{"4in6", false, true, false, 1420},     {"6in6", false, true, true, 1400},
	{"gue 4in4", true, false, false, 1428}, {"gue 6in4", true, false, true, 1408},
	{"gue 4in6", true, true, false, 1408},  {"gue 6in6", true, true, true, 1388},
};

START_TEST(limit_is_mtu_less_every_header)
{
	uint16_t inner_mtu = (uint16_t)(1500 - sl_encap_overhead_bytes(overheads[_i].is_gue,
	                                                               overheads[_i].is_outer_v6));

	ck_assert_msg(sl_mss_of_mtu(inner_mtu, overheads[_i].is_inner_v6) == overheads[_i].mss,
	              "%s", overheads[_i].name);
}
END_TEST

// The limit is 1440 everywhere; mss is what the option holds afterwards, at offset at of the
// options.
static const struct {
	const char *name;
	uint8_t flags;
	uint8_t options[12];
	uint16_t n_bytes;
	uint16_t at;
	uint16_t mss; // UNCHANGED: no byte of the packet may differ
} rows[] = {
	{"one above is lowered", SYN, {MSS(1441)}, 4, 2, 1440},
	{"the limit itself stays", SYN, {MSS(1440)}, 4, 2, UNCHANGED},
	{"one below is not raised", SYN, {MSS(1439)}, 4, 2, UNCHANGED},
	{"0 is not raised", SYN, {MSS(0)}, 4, 2, UNCHANGED},
	{"65535 is lowered", SYN, {MSS(65535)}, 4, 2, 1440},
	{"a SYN-ACK is lowered too", SYN_ACK, {MSS(1460)}, 4, 2, 1440},
	{"an ACK with the option is not", SL_TCP_ACK, {MSS(1460)}, 4, 2, UNCHANGED},
	{"after NOPs, at an odd offset", SYN, {1, MSS(1460), 1, 1, 1}, 8, 3, 1440},
	{"after NOPs, at an odd offset in the second word",
         SYN,
         {1, 1, 1, MSS(1460), 1},
         8,
         5,
         1440},
	{"after another option", SYN, {3, 3, 7, MSS(1460), 0}, 8, 5, 1440},
	{"the last bytes of the header", SYN, {4, 2, 1, 1, MSS(1460)}, 8, 6, 1440},
	{"no options", SYN, {0}, 0, 0, UNCHANGED},
	{"after the end of options", SYN, {0, 0, 0, 0, MSS(1460)}, 8, 6, UNCHANGED},
	{"an option of length 0", SYN, {3, 0, 1, 1, MSS(1460)}, 8, 6, UNCHANGED},
	{"an option of length 1", SYN, {3, 1, 1, 1, MSS(1460)}, 8, 6, UNCHANGED},
	{"an option past the header", SYN, {3, 9, 1, 1, MSS(1460)}, 8, 6, UNCHANGED},
	{"a kind without length at the end", SYN, {1, 1, 1, 2}, 4, 0, UNCHANGED},
	{"an MSS option cut short", SYN, {1, 2, 4, 5}, 4, 0, UNCHANGED},
	{"an MSS option of length 3", SYN, {2, 3, 5, 0xb4}, 4, 0, UNCHANGED},
	{"an MSS option of length 6", SYN, {2, 6, 5, 0xb4, 5, 0xb4, 1, 1}, 8, 0, UNCHANGED},
};

static struct sl_packet_spec spec_of(int row, bool is_v6)
{
	static const struct sl_ip v4[2] = {SL_PACKET_V4(192, 0, 2, 1),
	                                   SL_PACKET_V4(198, 51, 100, 1)};
	static const struct sl_ip v6[2] = {SL_PACKET_V6(1), SL_PACKET_V6(2)};

	return (struct sl_packet_spec){.src = is_v6 ? v6[0] : v4[0],
	                               .dst = is_v6 ? v6[1] : v4[1],
	                               .proto = 6,
	                               .tcp_flags = rows[row].flags,
	                               .tcp_options = rows[row].options,
	                               .tcp_options_bytes = rows[row].n_bytes,
	                               .payload_bytes = 5};
}

START_TEST(a_syn_is_lowered_to_the_limit_and_nothing_else_changes)
{
	const int row = _i / 2;
	struct sl_packet_spec spec = spec_of(row, _i % 2);
	uint8_t frame[SL_PACKET_MAX_BYTES], want[SL_PACKET_MAX_BYTES], options[12];
	struct sl_pkt pkt = {.data = frame};

	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &spec);
	ck_assert_int_eq(sl_parse(&pkt), -1);
	memcpy(options, rows[row].options, sizeof(options));
	if (rows[row].mss != UNCHANGED) {
		options[rows[row].at] = (uint8_t)(rows[row].mss >> 8);
		options[rows[row].at + 1] = (uint8_t)rows[row].mss;
	}
	spec.tcp_options = options;
	sl_packet_build(want, sizeof(want), &spec);
	ck_assert_msg(sl_mss_clamp(&pkt, 1440) == (rows[row].mss != UNCHANGED), "%s",
	              rows[row].name);
	ck_assert_msg(memcmp(frame, want, pkt.len) == 0, "%s", rows[row].name);
}
END_TEST

START_TEST(a_wrong_checksum_stays_wrong)
{
	struct sl_packet_spec spec = spec_of(0, false);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt = {.data = frame};

	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &spec);
	frame[pkt.len - 1] ^= 0x10;
	ck_assert_int_eq(sl_parse(&pkt), -1);
	ck_assert(sl_mss_clamp(&pkt, 1440));
	ck_assert(!sl_packet_csums_are_right(frame, pkt.len));
	frame[pkt.len - 1] ^= 0x10;
	ck_assert(sl_packet_csums_are_right(frame, pkt.len));
}
END_TEST

static const struct {
	const char *name;
	uint16_t mss, n_bytes, want;
} takes[] = {
	{"a header's length", 1460, 28, 1432},
	{"to the last byte", 29, 28, 1},
	{"not to nothing", 28, 28, 28},
	{"not below", 0, 28, 0},
	{"of the most there is", 65535, 52, 65483},
};

START_TEST(a_syn_announces_less_by_what_is_taken)
{
	struct sl_packet_spec spec = spec_of(0, _i % 2);
	const int row = _i / 2;
	const uint8_t before[8] = {1, MSS(takes[row].mss), 1, 1, 1};
	const uint8_t after[8] = {1, MSS(takes[row].want), 1, 1, 1};
	uint8_t frame[SL_PACKET_MAX_BYTES], want[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt = {.data = frame};

	spec.tcp_options = before;
	spec.tcp_options_bytes = sizeof(before);
	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &spec);
	ck_assert_int_eq(sl_parse(&pkt), -1);
	spec.tcp_options = after;
	sl_packet_build(want, sizeof(want), &spec);
	ck_assert_msg(sl_mss_take(&pkt, takes[row].n_bytes) == (takes[row].mss != takes[row].want),
	              "%s", takes[row].name);
	ck_assert_msg(memcmp(frame, want, pkt.len) == 0, "%s", takes[row].name);
}
END_TEST

START_TEST(udp_is_left_alone)
{
	struct sl_packet_spec spec = spec_of(0, false);
	uint8_t frame[SL_PACKET_MAX_BYTES], before[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt = {.data = frame};

	spec.proto = 17;
	spec.payload_bytes = 40;
	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &spec);
	ck_assert_int_eq(sl_parse(&pkt), -1);
	memcpy(before, frame, pkt.len);
	ck_assert(!sl_mss_clamp(&pkt, 1));
	ck_assert_mem_eq(frame, before, pkt.len);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mss");
	TCase *tc = tcase_create("mss");

	tcase_add_loop_test(tc, limit_is_mtu_less_every_header, 0, COUNT(overheads));
	tcase_add_loop_test(tc, a_syn_is_lowered_to_the_limit_and_nothing_else_changes, 0,
	                    2 * COUNT(rows));
	tcase_add_test(tc, a_wrong_checksum_stays_wrong);
	tcase_add_loop_test(tc, a_syn_announces_less_by_what_is_taken, 0, 2 * COUNT(takes));
	tcase_add_test(tc, udp_is_left_alone);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
