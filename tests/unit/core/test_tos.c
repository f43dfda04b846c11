// SPDX-License-Identifier: Apache-2.0
// ECN, DSCP and priority as they stand in a frame.
#include "sl_check.h"

#include <netinet/in.h>

#include "packets.h"
#include "tos.h"

#define DSCP_EF 46

static const struct {
	const char *name;
	bool is_v6;
	uint8_t n_vlans;
	uint8_t before; // DSCP and ECN
	bool is_marked;
	uint8_t after;
} marks[] = {
	{"IPv4, not capable", false, 0, DSCP_EF << 2, false, DSCP_EF << 2},
	{"IPv4, ECT(1)", false, 0, DSCP_EF << 2 | 1, true, DSCP_EF << 2 | 3},
	{"IPv4, ECT(0)", false, 0, 2, true, 3},
	{"IPv4, marked before", false, 0, 3, true, 3},
	{"IPv4 in two tags, ECT(0)", false, 2, 2, true, 3},
	{"IPv6, not capable", true, 0, 0xfc, false, 0xfc},
	{"IPv6, ECT(0)", true, 0, 0xfe, true, 0xff},
	{"IPv6 in a tag, ECT(1)", true, 1, 1, true, 3},
};

static struct sl_packet_spec spec_of(bool is_v6, uint8_t n_vlans, uint8_t tos)
{
	struct sl_packet_spec spec = {.src = SL_PACKET_V4(198, 51, 100, 7),
	                              .dst = SL_PACKET_V4(203, 0, 113, 10),
	                              .proto = IPPROTO_TCP,
	                              .n_vlans = n_vlans,
	                              .vlan_tci = {0x5064, 7},
	                              .dscp_ecn = tos,
	                              .sport = 40000,
	                              .dport = 443,
	                              .payload_bytes = 11};

	if (is_v6) {
		spec.src = (struct sl_ip)SL_PACKET_V6(1);
		spec.dst = (struct sl_ip)SL_PACKET_V6(2);
	}
	return spec;
}

static void expect_equal(const uint8_t *frame, size_t n_bytes, const struct sl_packet_spec *spec)
{
	uint8_t wanted[SL_PACKET_MAX_BYTES];

	ck_assert_uint_eq(sl_packet_build(wanted, sizeof(wanted), spec), n_bytes);
	ck_assert_mem_eq(frame, wanted, n_bytes);
}

START_TEST(mark_changes_who_understands_it_and_nothing_else)
{
	struct sl_packet_spec spec = spec_of(marks[_i].is_v6, marks[_i].n_vlans, marks[_i].before);
	uint8_t frame[SL_PACKET_MAX_BYTES], tos;
	size_t n = sl_packet_build(frame, sizeof(frame), &spec);

	ck_assert_msg(sl_tos_mark(frame, (uint32_t)n) == marks[_i].is_marked, "%s", marks[_i].name);
	spec.dscp_ecn = marks[_i].after;
	expect_equal(frame, n, &spec);
	ck_assert(sl_tos_get(frame, (uint32_t)n, &tos));
	ck_assert_uint_eq(tos, marks[_i].after);
}
END_TEST

START_TEST(dscp_is_set_below_ecn)
{
	for (uint32_t dscp = 0; dscp < 64; dscp++) {
		struct sl_packet_spec spec = spec_of(_i, 0, 0x5d);
		uint8_t frame[SL_PACKET_MAX_BYTES];
		size_t n = sl_packet_build(frame, sizeof(frame), &spec);

		ck_assert(sl_tos_set_dscp(frame, (uint32_t)n, (uint8_t)dscp));
		spec.dscp_ecn = (uint8_t)(dscp << 2 | 1);
		expect_equal(frame, n, &spec);
	}
}
END_TEST

START_TEST(priority_is_set_in_the_outer_tag)
{
	struct sl_packet_spec spec = spec_of(false, 2, 0);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n = sl_packet_build(frame, sizeof(frame), &spec);

	ck_assert(sl_tos_set_pcp(frame, (uint32_t)n, 7));
	spec.vlan_tci[0] = 0xf064;
	expect_equal(frame, n, &spec);
}
END_TEST

START_TEST(what_has_no_such_header_stays_as_it_is)
{
	struct sl_packet_spec spec = spec_of(false, 0, 2);
	uint8_t frame[SL_PACKET_MAX_BYTES], before[SL_PACKET_MAX_BYTES], tos;
	size_t n = sl_packet_build(frame, sizeof(frame), &spec);

	ck_assert(!sl_tos_set_pcp(frame, (uint32_t)n, 7)); // no tag
	memcpy(before, frame, n);
	for (uint32_t n_bytes = 0; n_bytes < 34; n_bytes++)
		ck_assert(!sl_tos_mark(frame, n_bytes)); // too short
	frame[12] = before[12] = 0x08;
	frame[13] = before[13] = 0x06; // ARP
	ck_assert(!sl_tos_mark(frame, (uint32_t)n) && !sl_tos_set_dscp(frame, (uint32_t)n, 46) &&
	          !sl_tos_get(frame, (uint32_t)n, &tos));
	ck_assert_mem_eq(frame, before, n);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tos");
	TCase *tc = tcase_create("tos");

	tcase_add_loop_test(tc, mark_changes_who_understands_it_and_nothing_else, 0,
	                    sizeof(marks) / sizeof(marks[0]));
	tcase_add_loop_test(tc, dscp_is_set_below_ecn, 0, 2);
	tcase_add_test(tc, priority_is_set_in_the_outer_tag);
	tcase_add_test(tc, what_has_no_such_header_stays_as_it_is);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
