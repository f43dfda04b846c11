// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include "packets.h"
#include "parse.h"
#include "splice.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define U32(n)   (uint8_t)((n) >> 24), (uint8_t)((n) >> 16), (uint8_t)((n) >> 8), (uint8_t)(n)
#define N        1 // NOP
#define TS       8, 10, U32(0x01020304u), U32(0x05060708u)
#define ACK      SL_TCP_ACK
#define FLOOR(n) .ack_floor = (n), .has_floor = true

// Options are given before and after; NULL-like empty ones stay empty.
static const struct {
	const char *name;
	struct sl_splice by;
	uint8_t flags;
	uint32_t seq, ack, want_seq, want_ack;
	uint8_t n_bytes;
	uint8_t options[40], want_options[40];
} rows[] = {
	{"nothing to shift leaves all as it is",
         {0},
         ACK,
         7,
         9,
         7,
         9,
         4,
         {5, 2, 1, 1},
         {5, 2, 1, 1}},
	{"the sequence number goes up", {.seq_delta = 28}, ACK, 100, 200, 128, 200, 0, {0}, {0}},
	{"a sequence number wraps", {.seq_delta = 52}, ACK, 0xfffffff0, 1, 36, 1, 0, {0}, {0}},
	{"what is acknowledged goes down", {.ack_delta = -28u}, ACK, 5, 128, 5, 100, 0, {0}, {0}},
	{"an acknowledgement wraps", {.ack_delta = -28u}, ACK, 5, 8, 5, 0xffffffec, 0, {0}, {0}},
	{"without ACK the second number means nothing",
         {.seq_delta = 1, .ack_delta = -28u},
         SL_TCP_RST,
         5,
         128,
         6,
         128,
         0,
         {0},
         {0}},
	{"both at once, by any number",
         {.seq_delta = 0x80000001, .ack_delta = 0x7fffffff},
         ACK | SL_TCP_FIN,
         2,
         3,
         0x80000003,
         0x80000002,
         0,
         {0},
         {0}},
	{"an acknowledgement of a part stops at the floor",
         {.ack_delta = -28u, FLOOR(101)},
         ACK,
         5,
         120,
         5,
         101,
         0,
         {0},
         {0}},
	{"one of all is at the floor",
         {.ack_delta = -28u, FLOOR(101)},
         ACK,
         5,
         129,
         5,
         101,
         0,
         {0},
         {0}},
	{"one of more is above it",
         {.ack_delta = -28u, FLOOR(101)},
         ACK,
         5,
         130,
         5,
         102,
         0,
         {0},
         {0}},
	{"a floor beyond the wrap holds",
         {.ack_delta = -28u, FLOOR(5)},
         ACK,
         5,
         0xfffffffa,
         5,
         5,
         0,
         {0},
         {0}},
	{"without a floor nothing stops", {.ack_delta = -28u}, ACK, 5, 120, 5, 92, 0, {0}, {0}},
	{"a block goes with the acknowledgement",
         {.ack_delta = -28u},
         ACK,
         5,
         128,
         5,
         100,
         12,
         {N, N, 5, 10, U32(1028u), U32(2028u)},
         {N, N, 5, 10, U32(1000u), U32(2000u)}},
	{"four blocks at an odd offset, over the wrap",
         {.ack_delta = 0x10},
         ACK,
         5,
         0xffffff00,
         5,
         0xffffff10,
         36,
         {N, 5, 34, U32(0xfffffff0u), U32(0xfffffff8u), U32(16u), U32(32u), U32(48u), U32(64u),
          U32(80u), U32(96u), N},
         {N, 5, 34, U32(0u), U32(8u), U32(32u), U32(48u), U32(64u), U32(80u), U32(96u), U32(112u),
          N}},
	{"after a timestamp that stays",
         {.ack_delta = -1u},
         ACK,
         5,
         50,
         5,
         49,
         24,
         {N, N, TS, N, N, 5, 10, U32(60u), U32(70u)},
         {N, N, TS, N, N, 5, 10, U32(59u), U32(69u)}},
	{"a sequence number alone leaves blocks alone",
         {.seq_delta = 28},
         ACK,
         5,
         50,
         33,
         50,
         12,
         {N, N, 5, 10, U32(60u), U32(70u)},
         {N, N, 5, 10, U32(60u), U32(70u)}},
	{"a block of what was put in vanishes, and its option with it",
         {.ack_delta = -28u, FLOOR(101)},
         ACK,
         5,
         229,
         5,
         201,
         12,
         {N, N, 5, 10, U32(101u), U32(129u)},
         {N, N, N, N, N, N, N, N, N, N, N, N}},
	{"the block behind it moves up",
         {.ack_delta = -28u, FLOOR(101)},
         ACK,
         5,
         229,
         5,
         201,
         20,
         {N, N, 5, 18, U32(101u), U32(129u), U32(329u), U32(429u)},
         {N, N, 5, 10, U32(301u), U32(401u), N, N, N, N, N, N, N, N}},
	{"a block across the floor loses what is before it",
         {.ack_delta = -28u, FLOOR(101)},
         ACK,
         5,
         229,
         5,
         201,
         12,
         {N, N, 5, 10, U32(101u), U32(139u)},
         {N, N, 5, 10, U32(101u), U32(111u)}},
	{"a block of length 9 is not one",
         {.ack_delta = -28u},
         ACK,
         5,
         128,
         5,
         100,
         12,
         {N, N, N, 5, 9, 1, 2, 3, 4, 5, 6, 7},
         {N, N, N, 5, 9, 1, 2, 3, 4, 5, 6, 7}},
	{"a block option past the header is not one",
         {.ack_delta = -28u},
         ACK,
         5,
         128,
         5,
         100,
         8,
         {N, N, 5, 10, U32(1028u)},
         {N, N, 5, 10, U32(1028u)}},
	{"an option of length 0 ends the walk",
         {.ack_delta = -28u},
         ACK,
         5,
         128,
         5,
         100,
         16,
         {3, 0, N, N, N, N, 5, 10, U32(1028u), U32(2028u)},
         {3, 0, N, N, N, N, 5, 10, U32(1028u), U32(2028u)}},
	{"the end of options ends it",
         {.ack_delta = -28u},
         ACK,
         5,
         128,
         5,
         100,
         12,
         {N, 0, 5, 10, U32(1028u), U32(2028u)},
         {N, 0, 5, 10, U32(1028u), U32(2028u)}},
	{"a kind without a length at the end is no option",
         {.ack_delta = -28u},
         ACK,
         5,
         128,
         5,
         100,
         4,
         {N, N, N, 5},
         {N, N, N, 5}},
};

static struct sl_packet_spec spec_of(bool is_v6, uint8_t flags, uint32_t seq, uint32_t ack)
{
	static const struct sl_ip v4[2] = {SL_PACKET_V4(192, 0, 2, 1),
	                                   SL_PACKET_V4(198, 51, 100, 1)};
	static const struct sl_ip v6[2] = {SL_PACKET_V6(1), SL_PACKET_V6(2)};

	return (struct sl_packet_spec){.src = is_v6 ? v6[0] : v4[0],
	                               .dst = is_v6 ? v6[1] : v4[1],
	                               .proto = 6,
	                               .tcp_flags = flags,
	                               .tcp_seq = seq,
	                               .tcp_ack = ack,
	                               .payload_bytes = 7};
}

START_TEST(numbers_are_shifted_and_nothing_else_changes)
{
	const int row = _i / 2;
	struct sl_packet_spec spec = spec_of(_i % 2, rows[row].flags, rows[row].seq, rows[row].ack);
	uint8_t frame[SL_PACKET_MAX_BYTES], want[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt = {.data = frame};

	spec.tcp_options = rows[row].options;
	spec.tcp_options_bytes = rows[row].n_bytes;
	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &spec);
	ck_assert_int_eq(sl_parse(&pkt), -1);
	spec.tcp_seq = rows[row].want_seq;
	spec.tcp_ack = rows[row].want_ack;
	spec.tcp_options = rows[row].want_options;
	sl_packet_build(want, sizeof(want), &spec);
	sl_splice_shift(&pkt, &rows[row].by);
	ck_assert_msg(memcmp(frame, want, pkt.len) == 0, "%s", rows[row].name);
	ck_assert_msg(pkt.tcp_seq == rows[row].want_seq, "%s", rows[row].name);
}
END_TEST

START_TEST(a_wrong_checksum_stays_wrong)
{
	const struct sl_splice by = {.seq_delta = 28, .ack_delta = 77};
	struct sl_packet_spec spec = spec_of(_i % 2, ACK, 1000, 2000);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt = {.data = frame};

	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &spec);
	frame[pkt.len - 1] ^= 0x10;
	ck_assert_int_eq(sl_parse(&pkt), -1);
	sl_splice_shift(&pkt, &by);
	ck_assert(!sl_packet_csums_are_right(frame, pkt.len));
	frame[pkt.len - 1] ^= 0x10;
	ck_assert(sl_packet_csums_are_right(frame, pkt.len));
}
END_TEST

START_TEST(there_and_back_is_where_it_was)
{
	const struct sl_splice there = {.seq_delta = 0xdeadbeef, .ack_delta = 0x12345678};
	const struct sl_splice back = {.seq_delta = -there.seq_delta,
	                               .ack_delta = -there.ack_delta};
	static const uint8_t sack[12] = {N, N, 5, 10, U32(0xfffffff0u), U32(0x10u)};
	struct sl_packet_spec spec = spec_of(_i % 2, ACK, 0xffff, 0xffff0000);
	uint8_t frame[SL_PACKET_MAX_BYTES], before[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt = {.data = frame};

	spec.tcp_options = sack;
	spec.tcp_options_bytes = sizeof(sack);
	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &spec);
	memcpy(before, frame, pkt.len);
	ck_assert_int_eq(sl_parse(&pkt), -1);
	sl_splice_shift(&pkt, &there);
	ck_assert_mem_ne(frame, before, pkt.len);
	sl_splice_shift(&pkt, &back);
	ck_assert_mem_eq(frame, before, pkt.len);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("splice");
	TCase *tc = tcase_create("splice");

	tcase_add_loop_test(tc, numbers_are_shifted_and_nothing_else_changes, 0, 2 * COUNT(rows));
	tcase_add_loop_test(tc, a_wrong_checksum_stays_wrong, 0, 2);
	tcase_add_loop_test(tc, there_and_back_is_where_it_was, 0, 2);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
