// SPDX-License-Identifier: Apache-2.0
// A rewritten packet must be, byte for byte, the one that the builder makes of the new tuple.
#include "sl_check.h"

#include "layout.h"
#include "packets.h"
#include "parse.h"
#include "rewrite.h"

#define V4_ENDS  .src = SL_PACKET_V4(192, 0, 2, 1), .dst = SL_PACKET_V4(198, 51, 100, 1)
#define V6_ENDS  .src = SL_PACKET_V6(1), .dst = SL_PACKET_V6(2)
#define PORTS    .sport = 40000, .dport = 443
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const uint8_t mss[4] = {2, 4, 5, 0xb4};
static const uint8_t nops[8] = {1, 1, 1, 1};
static const uint8_t dest_options[8] = {IPPROTO_TCP, 0, 1, 4};

struct row {
	const char *name;
	struct sl_packet_spec spec;
};

static const struct row rows[] = {
	{"tcp4", {V4_ENDS, PORTS, .proto = 6, .payload_bytes = 100}},
	{"tcp4 of odd length", {V4_ENDS, PORTS, .proto = 6, .payload_bytes = 7}},
	{"tcp4 with options everywhere",
         {V4_ENDS, PORTS, .proto = 6, .ext = nops, .ext_bytes = 8, .tcp_options = mss,
          .tcp_options_bytes = 4}},
	{"tcp4 padded", {V4_ENDS, PORTS, .proto = 6, .padding_bytes = 6}},
	{"tcp4 in two vlans", {V4_ENDS, PORTS, .proto = 6, .n_vlans = 2, .vlan_tci = {1, 0xe002}}},
	{"udp4", {V4_ENDS, PORTS, .proto = 17, .payload_bytes = 3}},
	{"udp4 without checksum", {V4_ENDS, PORTS, .proto = 17, .is_udp_csum_off = true}},
	{"tcp6", {V6_ENDS, PORTS, .proto = 6, .payload_bytes = 100}},
	{"tcp6 after destination options",
         {V6_ENDS, PORTS, .proto = 6, .ext = dest_options, .ext_bytes = 8, .ext_next = 60}},
	{"tcp6 in a vlan", {V6_ENDS, PORTS, .proto = 6, .n_vlans = 1}},
	{"udp6", {V6_ENDS, PORTS, .proto = 17, .payload_bytes = 3}},
	{"roce6 without checksum",
         {V6_ENDS, .sport = 49152, .dport = 4791, .proto = 17, .payload_bytes = 12,
          .is_udp_csum_off = true}},
};

struct packet {
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes;
	struct sl_pkt pkt;
};

static void build_and_parse(struct packet *p, const struct sl_packet_spec *spec)
{
	p->n_bytes = sl_packet_build(p->frame, sizeof(p->frame), spec);
	p->pkt = (struct sl_pkt){.data = p->frame, .len = (uint32_t)p->n_bytes};
	ck_assert_int_eq(sl_parse(&p->pkt), -1);
}

static void check_same(const struct packet *got, const struct sl_packet_spec *want_spec,
                       const char *name)
{
	uint8_t want[SL_PACKET_MAX_BYTES];
	size_t n_bytes = sl_packet_build(want, sizeof(want), want_spec);

	ck_assert_msg(got->n_bytes == n_bytes, "%s: length", name);
	for (size_t i = 0; i < n_bytes; i++)
		ck_assert_msg(got->frame[i] == want[i], "%s: byte %zu is %02x, want %02x", name, i,
		              got->frame[i], want[i]);
}

// What changes, a bit each: every combination is tried.
enum part { SRC = 1, DST = 2, SPORT = 4, DPORT = 8, ALL_PARTS = 15 };

static struct sl_tuple change(struct sl_tuple tuple, unsigned int parts)
{
	const struct sl_ip src4 = SL_PACKET_V4(10, 0, 0, 254), dst4 = SL_PACKET_V4(10, 255, 255, 1);
	const struct sl_ip src6 = {.bytes = {0xfd, [7] = 0xff, [13] = 1}};
	const struct sl_ip dst6 = {.bytes = {0xfd, 0xff, 0xff, 0xff, [14] = 0xff, [15] = 0xff}};
	bool is_v4 = sl_ip_is_v4(&tuple.dst);

	if (parts & SRC)
		tuple.src = is_v4 ? src4 : src6;
	if (parts & DST)
		tuple.dst = is_v4 ? dst4 : dst6;
	if (parts & SPORT)
		tuple.sport_be = htons(1025);
	if (parts & DPORT)
		tuple.dport_be = htons(65535);
	return tuple;
}

START_TEST(a_translated_packet_is_the_one_built_for_the_new_tuple)
{
	const struct row *row = &rows[_i];

	for (unsigned int parts = 0; parts <= ALL_PARTS; parts++) {
		struct sl_tuple to = change(sl_packet_tuple(&row->spec), parts);
		struct sl_packet_spec want = sl_packet_retuple(&row->spec, &to);
		struct packet p;

		build_and_parse(&p, &row->spec);
		sl_rewrite_tuple(&p.pkt, &to);
		check_same(&p, &want, row->name);
		ck_assert_msg(memcmp(&p.pkt.tuple, &to, sizeof(to)) == 0, "%s: tuple", row->name);
	}
}
END_TEST

static bool rewrite_pair(struct sl_pkt *pkt, const struct sl_tuple *to)
{
	const uint32_t addresses_be[2] = {sl_ip_v4_be(&to->src), sl_ip_v4_be(&to->dst)};
	uint64_t pair_be;
	uint32_t ports_be;

	memcpy(&pair_be, addresses_be, sizeof(pair_be));
	memcpy(&ports_be, &to->sport_be, sizeof(ports_be));
	return sl_rewrite_pair_v4(pkt, pair_be, ports_be);
}

START_TEST(the_straight_path_of_ipv4_gives_the_same_packet_one_hop_on)
{
	const struct row *row = &rows[_i];
	static const uint8_t ttls[] = {1, 2, 64, 255};

	for (unsigned int i = 0; i <= ALL_PARTS && sl_ip_is_v4(&row->spec.dst); i++) {
		struct sl_tuple to = change(sl_packet_tuple(&row->spec), i);
		struct sl_packet_spec spec = row->spec, want;
		struct packet p, before;

		spec.ttl = ttls[i % COUNT(ttls)];
		want = sl_packet_retuple(&spec, &to);
		build_and_parse(&p, &spec);
		before = p;
		if (spec.ttl == 1) {
			ck_assert(!rewrite_pair(&p.pkt, &to));
			ck_assert_int_eq(memcmp(p.frame, before.frame, p.n_bytes), 0);
			continue;
		}
		ck_assert(rewrite_pair(&p.pkt, &to));
		want.ttl = spec.ttl - 1;
		check_same(&p, &want, row->name);
		ck_assert_msg(memcmp(&p.pkt.tuple, &to, sizeof(to)) == 0, "%s: tuple", row->name);
		ck_assert_uint_eq(p.pkt.ttl, want.ttl);
	}
}
END_TEST

// Reliability: a packet that came damaged leaves damaged (checklist C4).
START_TEST(a_wrong_checksum_stays_wrong)
{
	const struct row *row = &rows[_i];
	struct sl_tuple to = change(sl_packet_tuple(&row->spec), ALL_PARTS);
	struct packet p;

	build_and_parse(&p, &row->spec);
	p.frame[p.pkt.l4_off + (row->spec.proto == 6 ? 16 : 6)] ^= 0x40;
	sl_rewrite_tuple(&p.pkt, &to);
	ck_assert_msg(!sl_packet_csums_are_right(p.frame, p.n_bytes), "%s", row->name);
}
END_TEST

// Choosing the source port so that the sum comes out as zero.
START_TEST(a_udp_checksum_that_becomes_zero_is_ffff)
{
	const struct sl_packet_spec spec = {V4_ENDS, PORTS, .proto = 17};
	struct sl_tuple to = sl_packet_tuple(&spec);
	struct packet p;
	uint32_t sport;

	build_and_parse(&p, &spec);
	// Adding the checksum to a word of what it covers makes the new one zero.
	sport = spec.sport + sl_load16_host(p.frame + p.pkt.l4_off + SL_UDP_OFF_CSUM);
	to.sport_be = htons((uint16_t)(sport > 0xffff ? sport - 0xffff : sport));
	if (_i == 0)
		sl_rewrite_tuple(&p.pkt, &to);
	else
		ck_assert(rewrite_pair(&p.pkt, &to));
	ck_assert_uint_eq(sl_load16(p.frame + p.pkt.l4_off + SL_UDP_OFF_CSUM), 0xffff);
	ck_assert(sl_packet_csums_are_right(p.frame, p.n_bytes));
}
END_TEST

START_TEST(ttl_falls_by_one_with_its_checksum)
{
	static const uint8_t ttls[] = {2, 3, 64, 128, 255};

	for (size_t i = 0; i < COUNT(ttls); i++) {
		struct sl_packet_spec spec = rows[_i].spec;
		struct packet p;

		spec.ttl = ttls[i];
		build_and_parse(&p, &spec);
		ck_assert(sl_rewrite_ttl(&p.pkt));
		spec.ttl--;
		check_same(&p, &spec, rows[_i].name);
		ck_assert_uint_eq(p.pkt.ttl, spec.ttl);
	}
}
END_TEST

START_TEST(ttl_of_one_or_zero_is_refused_without_a_change)
{
	struct packet p, before;

	for (uint8_t ttl = 0; ttl <= 1; ttl++) {
		build_and_parse(&p, &rows[_i].spec);
		p.frame[p.pkt.l3_off + (p.pkt.is_v6 ? SL_IPV6_OFF_HOPS : SL_IPV4_OFF_TTL)] = ttl;
		ck_assert_int_eq(sl_parse(&p.pkt), -1);
		before = p;
		ck_assert(!sl_rewrite_ttl(&p.pkt));
		ck_assert_int_eq(memcmp(p.frame, before.frame, p.n_bytes), 0);
		ck_assert_uint_eq(p.pkt.ttl, ttl);
	}
}
END_TEST

START_TEST(macs_are_replaced_and_nothing_else)
{
	struct sl_packet_spec spec = rows[_i].spec;
	const uint8_t src[6] = {2, 1, 2, 3, 4, 5}, dst[6] = {2, 0xa, 0xb, 0xc, 0xd, 0xe};
	struct packet p;

	build_and_parse(&p, &spec);
	sl_rewrite_macs(&p.pkt, src, dst);
	memcpy(spec.src_mac, src, 6);
	memcpy(spec.dst_mac, dst, 6);
	check_same(&p, &spec, rows[_i].name);
}
END_TEST

struct error_row {
	const char *name;
	struct sl_packet_spec quote;
	uint16_t quote_bytes;
};

static const struct error_row errors[] = {
	{"tcp4, all of it", {V4_ENDS, PORTS, .proto = 6, .payload_bytes = 33}, 0},
	{"tcp4, 8 bytes", {V4_ENDS, PORTS, .proto = 6}, 28},
	{"tcp4, 9 bytes", {V4_ENDS, PORTS, .proto = 6}, 29},
	{"tcp4, checksum cut off", {V4_ENDS, PORTS, .proto = 6}, 36},
	{"tcp4, checksum cut through", {V4_ENDS, PORTS, .proto = 6}, 37},
	{"tcp4, up to the checksum", {V4_ENDS, PORTS, .proto = 6}, 38},
	{"tcp4 with ip options, 8 bytes",
         {V4_ENDS, PORTS, .proto = 6, .ext = nops, .ext_bytes = 8},
         36},
	{"udp4, 8 bytes", {V4_ENDS, PORTS, .proto = 17, .payload_bytes = 100}, 28},
	{"udp4, odd quote", {V4_ENDS, PORTS, .proto = 17, .payload_bytes = 100}, 35},
	{"udp4 without checksum", {V4_ENDS, PORTS, .proto = 17, .is_udp_csum_off = true}, 28},
	{"tcp6, all of it", {V6_ENDS, PORTS, .proto = 6, .payload_bytes = 33}, 0},
	{"tcp6, 8 bytes", {V6_ENDS, PORTS, .proto = 6}, 48},
	{"tcp6, checksum cut through", {V6_ENDS, PORTS, .proto = 6}, 57},
	{"tcp6, up to the checksum", {V6_ENDS, PORTS, .proto = 6}, 58},
	{"tcp6 after destination options, 8 bytes",
         {V6_ENDS, PORTS, .proto = 6, .ext = dest_options, .ext_bytes = 8, .ext_next = 60},
         56},
	{"udp6, 8 bytes", {V6_ENDS, PORTS, .proto = 17, .payload_bytes = 100}, 48},
	{"gre4: addresses only", {V4_ENDS, .proto = 47, .payload_bytes = 12}, 0},
	{"esp6: addresses only", {V6_ENDS, .proto = 50, .payload_bytes = 12}, 0},
};

static struct sl_packet_spec error_spec(const struct error_row *row,
                                        const struct sl_packet_spec *quote)
{
	bool is_v4 = sl_ip_is_v4(&quote->dst);
	const struct sl_ip router4 = SL_PACKET_V4(203, 0, 113, 9), router6 = SL_PACKET_V6(9);

	return (struct sl_packet_spec){
		.src = is_v4 ? router4 : router6,
		.dst = row->quote.src,
		.proto = is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		.icmp_type = is_v4 ? 3 : 2,
		.icmp_code = is_v4 ? 4 : 0,
		.icmp_rest = 1400,
		.quote = quote,
		.quote_bytes = row->quote_bytes,
	};
}

START_TEST(a_translated_icmp_error_is_the_one_built_about_the_new_tuple)
{
	const struct error_row *row = &errors[_i];
	const struct sl_packet_spec spec = error_spec(row, &row->quote);
	const bool has_ports = row->quote.proto == 6 || row->quote.proto == 17;

	for (unsigned int parts = 0; parts <= ALL_PARTS; parts++) {
		unsigned int inner_parts = has_ports ? parts : parts & (SRC | DST);
		struct sl_tuple inner = change(sl_packet_tuple(&row->quote), inner_parts);
		struct sl_tuple outer = change(sl_packet_tuple(&spec), parts & (SRC | DST));
		struct sl_packet_spec quote = sl_packet_retuple(&row->quote, &inner);
		struct sl_packet_spec want = error_spec(row, &quote);
		struct packet p;

		want.src = outer.src;
		want.dst = outer.dst;
		build_and_parse(&p, &spec);
		if (row->quote_bytes == 37 || row->quote_bytes == 57) {
			// Half a checksum cannot be updated; all else must be right.
			sl_rewrite_icmp_error(&p.pkt, &outer, &inner);
			ck_assert_msg(sl_packet_csums_are_right(p.frame, p.n_bytes), "%s",
			              row->name);
			continue;
		}
		sl_rewrite_icmp_error(&p.pkt, &outer, &inner);
		check_same(&p, &want, row->name);
		ck_assert(memcmp(&p.pkt.tuple, &outer, sizeof(outer)) == 0);
		ck_assert(memcmp(&p.pkt.inner, &inner, sizeof(inner)) == 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rewrite");
	TCase *tc = tcase_create("rewrite");

	tcase_add_loop_test(tc, a_translated_packet_is_the_one_built_for_the_new_tuple, 0,
	                    COUNT(rows));
	tcase_add_loop_test(tc, the_straight_path_of_ipv4_gives_the_same_packet_one_hop_on, 0,
	                    COUNT(rows));
	tcase_add_loop_test(tc, a_wrong_checksum_stays_wrong, 0, COUNT(rows));
	tcase_add_loop_test(tc, a_udp_checksum_that_becomes_zero_is_ffff, 0, 2);
	tcase_add_loop_test(tc, ttl_falls_by_one_with_its_checksum, 0, COUNT(rows));
	tcase_add_loop_test(tc, ttl_of_one_or_zero_is_refused_without_a_change, 0, COUNT(rows));
	tcase_add_loop_test(tc, macs_are_replaced_and_nothing_else, 0, COUNT(rows));
	tcase_add_loop_test(tc, a_translated_icmp_error_is_the_one_built_about_the_new_tuple, 0,
	                    COUNT(errors));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
