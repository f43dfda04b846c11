// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <string.h>

#include "tunnel.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define V4(a, b, c, d)                                                                             \
	{                                                                                          \
		.bytes = {                                                                         \
			[10] = 0xff,                                                               \
			[11] = 0xff,                                                               \
			[12] = (a),                                                                \
			[13] = (b),                                                                \
			[14] = (c),                                                                \
			[15] = (d)                                                                 \
		}                                                                                  \
	}

enum { NOT_ECT, ECT_1, ECT_0, CE, DROP = -1 };

// RFC 6040 figure 4, all sixteen.
static const struct {
	uint8_t inner, outer;
	int after;
} ecn_rows[] = {
	{NOT_ECT, NOT_ECT, NOT_ECT},
	{NOT_ECT, ECT_0, NOT_ECT},
	{NOT_ECT, ECT_1, NOT_ECT},
	{NOT_ECT, CE, DROP},
	{ECT_0, NOT_ECT, ECT_0},
	{ECT_0, ECT_0, ECT_0},
	{ECT_0, ECT_1, ECT_1},
	{ECT_0, CE, CE},
	{ECT_1, NOT_ECT, ECT_1},
	{ECT_1, ECT_0, ECT_1},
	{ECT_1, ECT_1, ECT_1},
	{ECT_1, CE, CE},
	{CE, NOT_ECT, CE},
	{CE, ECT_0, CE},
	{CE, ECT_1, CE},
	{CE, CE, CE},
};

static const struct sl_tunnel_policy policy = {
	.peers = {V4(10, 0, 0, 1)},
	.inners = {V4(203, 0, 113, 10), {.bytes = {0x20, 1, 0xd, 0xb8, [15] = 0x10}}},
	.n_peers = 1,
	.n_inners = 2,
};

// UDP to the first inner address; the header checksum is right with ECN 0.
static const uint8_t inner4[] = {0x45, 0, 0,   28, 0,   0,  0x40, 0, 64, 17, 0, 0, 198, 51,
                                 100,  7, 203, 0,  113, 10, 1,    2, 3,  4,  0, 8, 0,   0};
static const uint8_t inner6[48] = {0x60, 0,   0,    0,           0, 8,   17,   64,         0x20,
                                   1,    0xd, 0xb8, [24] = 0x20, 1, 0xd, 0xb8, [39] = 0x10};

static uint16_t header_sum(const uint8_t *l3)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)l3[i] << 8 | l3[i + 1];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

struct packet {
	uint8_t bytes[128];
	struct sl_tunnel_arrival arrival;
};

static void put(struct packet *p, bool is_v6, bool is_gue, uint8_t ecn)
{
	uint8_t *l3 = p->bytes + (is_gue ? 4 : 0);
	size_t n_bytes = is_v6 ? sizeof(inner6) : sizeof(inner4);

	memset(p, 0, sizeof(*p));
	p->bytes[1] = is_v6 ? 41 : 4; // of GUE; overwritten without
	memcpy(l3, is_v6 ? inner6 : inner4, n_bytes);
	if (is_v6) {
		l3[1] = (uint8_t)(ecn << 4);
	} else {
		uint16_t csum;

		l3[1] = ecn;
		csum = (uint16_t)~header_sum(l3);
		l3[10] = (uint8_t)(csum >> 8);
		l3[11] = (uint8_t)csum;
	}
	p->arrival = (struct sl_tunnel_arrival){.bytes = p->bytes,
	                                        .n_bytes = n_bytes + (is_gue ? 4 : 0),
	                                        .from = V4(10, 0, 0, 1),
	                                        .is_gue = is_gue,
	                                        .proto = is_gue ? 17 : (is_v6 ? 41 : 4)};
}

START_TEST(ecn_is_combined_by_the_table)
{
	ck_assert_int_eq(sl_tunnel_ecn(ecn_rows[_i].inner, ecn_rows[_i].outer), ecn_rows[_i].after);
}
END_TEST

START_TEST(a_packet_comes_out_with_its_ecn_and_checksum)
{
	const bool is_v6 = _i & 1, is_gue = _i & 2;

	for (size_t row = 0; row < COUNT(ecn_rows); row++) {
		struct packet p, want;
		enum sl_tunnel_verdict verdict;

		put(&p, is_v6, is_gue, ecn_rows[row].inner);
		p.arrival.traffic_class = (uint8_t)(46 << 2 | ecn_rows[row].outer);
		p.arrival.n_bytes += 6; // what follows is not the packet's
		verdict = sl_tunnel_open(&policy, &p.arrival);
		if (ecn_rows[row].after == DROP) {
			ck_assert_uint_eq(verdict, SL_TUNNEL_CONGESTED);
			continue;
		}
		ck_assert_uint_eq(verdict, SL_TUNNEL_PASSED);
		put(&want, is_v6, false, (uint8_t)ecn_rows[row].after);
		ck_assert_uint_eq(p.arrival.n_bytes, want.arrival.n_bytes);
		ck_assert_mem_eq(p.arrival.bytes, want.bytes, want.arrival.n_bytes);
	}
}
END_TEST

// One change of a good packet, by offset from its first byte.
static const struct {
	const char *name;
	bool is_v6, is_gue;
	int off; // -1: the length becomes value; -2: the source is another
	uint8_t value;
	enum sl_tunnel_verdict verdict;
} breaks[] = {
	{"from a stranger", false, false, -2, 9, SL_TUNNEL_PEER},
	{"to a stranger", false, false, 19, 11, SL_TUNNEL_ADDRESS},
	{"to a stranger, v6", true, false, 39, 0x11, SL_TUNNEL_ADDRESS},
	{"a tunnel in a tunnel", false, false, 9, 4, SL_TUNNEL_NESTED},
	{"a tunnel in a tunnel, v6", true, false, 6, 41, SL_TUNNEL_NESTED},
	{"version 6 in protocol 4", false, false, 0, 0x65, SL_TUNNEL_MALFORMED},
	{"version 4 in protocol 41", true, false, 0, 0x45, SL_TUNNEL_MALFORMED},
	{"header of 16 bytes", false, false, 0, 0x44, SL_TUNNEL_MALFORMED},
	{"header longer than the packet", false, false, 0, 0x4f, SL_TUNNEL_MALFORMED},
	{"longer than what came", false, false, 3, 29, SL_TUNNEL_MALFORMED},
	{"longer than what came, v6", true, false, 5, 9, SL_TUNNEL_MALFORMED},
	{"cut in the header", false, false, -1, 19, SL_TUNNEL_MALFORMED},
	{"cut in the header, v6", true, false, -1, 39, SL_TUNNEL_MALFORMED},
	{"nothing", false, false, -1, 0, SL_TUNNEL_MALFORMED},
	{"gue: nothing", false, true, -1, 0, SL_TUNNEL_MALFORMED},
	{"gue: cut", false, true, -1, 3, SL_TUNNEL_MALFORMED},
	{"gue: variant 1", false, true, 0, 0x40, SL_TUNNEL_MALFORMED},
	{"gue: control", false, true, 0, 0x20, SL_TUNNEL_CONTROL},
	{"gue: flags", false, true, 2, 0x80, SL_TUNNEL_MALFORMED},
	{"gue: more words than bytes", false, true, 0, 0x1f, SL_TUNNEL_MALFORMED},
	{"gue: words before the packet that are not there", false, true, 0, 1, SL_TUNNEL_MALFORMED},
	{"gue: protocol TCP", false, true, 1, 6, SL_TUNNEL_MALFORMED},
};

START_TEST(what_may_not_pass_is_named)
{
	struct packet p;

	put(&p, breaks[_i].is_v6, breaks[_i].is_gue, 0);
	if (breaks[_i].off == -1)
		p.arrival.n_bytes = breaks[_i].value;
	else if (breaks[_i].off == -2)
		p.arrival.from.bytes[15] = breaks[_i].value;
	else
		p.bytes[breaks[_i].off] = breaks[_i].value;
	ck_assert_msg(sl_tunnel_open(&policy, &p.arrival) == breaks[_i].verdict, "%s",
	              breaks[_i].name);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim_tunnel");
	TCase *tc = tcase_create("tunnel");

	tcase_add_loop_test(tc, ecn_is_combined_by_the_table, 0, COUNT(ecn_rows));
	tcase_add_loop_test(tc, a_packet_comes_out_with_its_ecn_and_checksum, 0, 4);
	tcase_add_loop_test(tc, what_may_not_pass_is_named, 0, COUNT(breaks));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
