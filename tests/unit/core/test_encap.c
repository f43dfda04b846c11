// SPDX-License-Identifier: Apache-2.0
// An encapsulated packet must be, byte for byte, the one that the builder makes around it.
#include "sl_check.h"

#include "encap.h"
#include "outer.h"
#include "parse.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROOM     64 // before the frame
#define OUTER_ID 0x5a17
#define HASH     UINT64_C(0x00001234000abcde)
#define LABEL    0xabcdeu // its low 20 bits
#define SPORT    (49152 + 0x1234)
#define V4_ENDS  .src = SL_PACKET_V4(192, 0, 2, 1), .dst = SL_PACKET_V4(198, 51, 100, 1)
#define V6_ENDS  .src = SL_PACKET_V6(1), .dst = SL_PACKET_V6(2)
#define TCP4(...)                                                                                  \
	{                                                                                          \
		V4_ENDS, .proto = 6, .sport = 4000, .dport = 443, __VA_ARGS__                      \
	}
#define TCP6(...)                                                                                  \
	{                                                                                          \
		V6_ENDS, .proto = 6, .sport = 4000, .dport = 443, __VA_ARGS__                      \
	}
#define DF    0x4000
#define NO_ID 0

static const struct sl_ip outer4[2] = {SL_PACKET_V4(10, 0, 0, 1), SL_PACKET_V4(10, 0, 0, 11)};
static const struct sl_ip outer6[2] = {SL_PACKET_V6(0x21), SL_PACKET_V6(0x22)};

// E1, E2, E5 of reliability.md 2.4.
struct row {
	const char *name;
	bool is_outer_v6, is_gue;
	struct sl_packet_spec inner;
	bool has_df;
	uint16_t id;
	uint16_t overhead;
};

static const struct row rows[] = {
	{"4in4, DF copied and id 0", false, false, TCP4(.frag = DF), true, NO_ID, 20},
	{"4in4, no DF and an id", false, false, TCP4(.payload_bytes = 9), false, OUTER_ID, 20},
	{"6in4, no DF", false, false, TCP6(.payload_bytes = 9), false, OUTER_ID, 20},
	{"4in6", true, false, TCP4(.payload_bytes = 9), false, 0, 40},
	{"6in6", true, false, TCP6(.payload_bytes = 9), false, 0, 40},
	{"gue 4in4 with DF", false, true, TCP4(.frag = DF), true, NO_ID, 32},
	{"gue 4in4", false, true, TCP4(.payload_bytes = 1), false, OUTER_ID, 32},
	{"gue 6in4", false, true, TCP6(.payload_bytes = 1), false, OUTER_ID, 32},
	{"gue 4in6", true, true, TCP4(.payload_bytes = 1), false, 0, 52},
	{"gue 6in6", true, true, TCP6(.payload_bytes = 1), false, 0, 52},
	{"padding is not carried", false, false, TCP4(.padding_bytes = 6), false, OUTER_ID, 20},
	{"vlan tags move along", true, false, TCP4(.n_vlans = 2, .vlan_tci = {7, 9}), false, 0, 40},
	{"an inner TTL of 1 is not the outer one", false, false, TCP4(.ttl = 1), false, OUTER_ID,
         20},
};

struct packet {
	uint8_t buffer[ROOM + SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt;
};

static void build_and_parse(struct packet *p, const struct sl_packet_spec *spec)
{
	size_t n_bytes = sl_packet_build(p->buffer + ROOM, SL_PACKET_MAX_BYTES, spec);

	memset(p->buffer, 0xee, ROOM);
	p->pkt = (struct sl_pkt){
		.data = p->buffer + ROOM, .len = (uint32_t)n_bytes, .headroom = ROOM};
	ck_assert_int_eq(sl_parse(&p->pkt), -1);
}

static struct sl_encap encap_of(bool is_outer_v6, bool is_gue)
{
	const struct sl_ip *ends = is_outer_v6 ? outer6 : outer4;

	return (struct sl_encap){
		.src = ends[0], .dst = ends[1], .is_gue = is_gue, .id = OUTER_ID, .hash = HASH};
}

static struct sl_outer_spec outer_of(const struct row *row)
{
	const struct sl_ip *ends = row->is_outer_v6 ? outer6 : outer4;

	return (struct sl_outer_spec){.n_vlans = row->inner.n_vlans,
	                              .src = ends[0],
	                              .dst = ends[1],
	                              .dscp_ecn = row->inner.dscp_ecn,
	                              .has_df = row->has_df,
	                              .id = row->id,
	                              .flow_label = row->is_outer_v6 ? LABEL : 0,
	                              .gue_sport = row->is_gue ? SPORT : 0,
	                              .inner = &row->inner};
}

START_TEST(outer_header_is_right_byte_for_byte)
{
	const struct row *row = &rows[_i];
	struct sl_encap encap = encap_of(row->is_outer_v6, row->is_gue);
	struct sl_outer_spec outer = outer_of(row);
	uint8_t want[SL_PACKET_MAX_BYTES];
	size_t n_want = sl_outer_build(want, sizeof(want), &outer);
	struct packet p;
	uint16_t l4_off;

	build_and_parse(&p, &row->inner);
	l4_off = p.pkt.l4_off;
	ck_assert_msg(sl_encap_push(&p.pkt, &encap), "%s", row->name);
	ck_assert_msg(p.pkt.len == n_want, "%s: %u bytes, not %zu", row->name, p.pkt.len, n_want);
	ck_assert_msg(memcmp(p.pkt.data, want, n_want) == 0, "%s: other bytes", row->name);
	ck_assert_ptr_eq(p.pkt.data, p.buffer + ROOM - row->overhead);
	ck_assert_uint_eq(p.pkt.headroom, ROOM - row->overhead);
	ck_assert_uint_eq(p.pkt.l4_off, l4_off + row->overhead);
	ck_assert_uint_eq(sl_encap_overhead_bytes(row->is_gue, row->is_outer_v6), row->overhead);
	for (int i = 0; i < ROOM - row->overhead; i++)
		ck_assert_msg(p.buffer[i] == 0xee, "%s: wrote before its place", row->name);
}
END_TEST

// E3 (RFC 6040 4.1, normal mode: the outer field is the inner one) and E4 (RFC 2983, uniform), for
// every value of both in all four families.
START_TEST(dscp_and_ecn_are_copied_out)
{
	struct row row = {.is_outer_v6 = _i & 1, .inner = TCP4(.payload_bytes = 4)};
	struct sl_packet_spec inner6 = TCP6(.payload_bytes = 4);
	struct sl_encap encap = encap_of(row.is_outer_v6, false);

	if (_i & 2)
		row.inner = inner6;
	row.id = OUTER_ID;
	for (unsigned int dscp_ecn = 0; dscp_ecn < 256; dscp_ecn++) {
		uint8_t want[SL_PACKET_MAX_BYTES];
		struct sl_outer_spec outer;
		struct packet p;

		row.inner.dscp_ecn = (uint8_t)dscp_ecn;
		outer = outer_of(&row);
		sl_outer_build(want, sizeof(want), &outer);
		build_and_parse(&p, &row.inner);
		ck_assert(sl_encap_push(&p.pkt, &encap));
		ck_assert_mem_eq(p.pkt.data, want, p.pkt.len);
	}
}
END_TEST

START_TEST(too_little_headroom_changes_nothing)
{
	const struct row *row = &rows[_i];
	struct sl_encap encap = encap_of(row->is_outer_v6, row->is_gue);
	struct packet p, before;

	build_and_parse(&p, &row->inner);
	p.pkt.headroom = (uint16_t)(row->overhead - 1);
	memcpy(&before, &p, sizeof(p));
	ck_assert_msg(!sl_encap_push(&p.pkt, &encap), "%s", row->name);
	ck_assert_mem_eq(&p, &before, sizeof(p));
	p.pkt.headroom = row->overhead;
	ck_assert_msg(sl_encap_push(&p.pkt, &encap), "%s: exactly enough", row->name);
	ck_assert_uint_eq(p.pkt.headroom, 0);
}
END_TEST

START_TEST(source_ports_of_gue_are_spread_over_the_dynamic_range)
{
	const struct sl_packet_spec inner = TCP4();
	uint64_t seed = sl_check_seed(), state = seed;
	uint8_t seen[16] = {0};

	for (int i = 0; i < 1000; i++) {
		struct sl_encap encap = encap_of(i % 2, true);
		struct packet p;
		const uint8_t *udp;
		uint16_t sport;

		encap.hash = sl_check_random(&state);
		build_and_parse(&p, &inner);
		ck_assert(sl_encap_push(&p.pkt, &encap));
		udp = p.pkt.data + p.pkt.l3_off - 12;
		sport = (uint16_t)(udp[0] << 8 | udp[1]);
		ck_assert_msg(sport >= 49152, "port %u, seed %lu", sport, (unsigned long)seed);
		seen[(sport - 49152) >> 10] = 1;
	}
	for (unsigned int i = 0; i < COUNT(seen); i++)
		ck_assert_msg(seen[i], "no port in sixteenth %u, seed %lu", i, (unsigned long)seed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("encap");
	TCase *tc = tcase_create("encap");

	tcase_add_loop_test(tc, outer_header_is_right_byte_for_byte, 0, COUNT(rows));
	tcase_add_loop_test(tc, dscp_and_ecn_are_copied_out, 0, 4);
	tcase_add_loop_test(tc, too_little_headroom_changes_nothing, 0, COUNT(rows));
	tcase_add_test(tc, source_ports_of_gue_are_spread_over_the_dynamic_range);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
