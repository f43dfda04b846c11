// SPDX-License-Identifier: Apache-2.0
// A translated packet must be, byte for byte, the one that the builder makes in the other family.
#include "sl_check.h"

#include "csum.h"
#include "layout.h"
#include "packets.h"
#include "parse.h"
#include "translate.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROOM     64 // before the frame
#define ID       0x5a17
#define DF       0x4000
#define MTU      1500

#define ENDS4 .src = SL_PACKET_V4(192, 0, 2, 9), .dst = SL_PACKET_V4(198, 51, 100, 1)
#define ENDS6 .src = SL_PACKET_V6(0x21), .dst = SL_PACKET_V6(0x22)
#define TCP4(...)                                                                                  \
	{                                                                                          \
		ENDS4, .proto = 6, .sport = 4000, .dport = 443, __VA_ARGS__                        \
	}
#define TCP6(...)                                                                                  \
	{                                                                                          \
		ENDS6, .proto = 6, .sport = 4000, .dport = 443, __VA_ARGS__                        \
	}
#define UDP4(...)                                                                                  \
	{                                                                                          \
		ENDS4, .proto = 17, .sport = 4000, .dport = 443, __VA_ARGS__                       \
	}
#define UDP6(...)                                                                                  \
	{                                                                                          \
		ENDS6, .proto = 17, .sport = 4000, .dport = 443, __VA_ARGS__                       \
	}

static const struct sl_packet_spec ends4 = {ENDS4}, ends6 = {ENDS6};
static const uint8_t nops[8] = {1, 1, 1, 1, 1, 1, 1, 0};
static const uint8_t dst_options[8] = {IPPROTO_TCP, 0, 1, 4, 0, 0, 0, 0};
static const uint8_t atomic[8] = {IPPROTO_UDP, 0, 0, 0, 1, 2, 3, 4};
static const uint8_t mss[4] = {2, 4, 5, 0xb4};

struct row {
	const char *name;
	struct sl_packet_spec in;
};

static const struct row rows[] = {
	{"tcp to v6", TCP4(.tcp_flags = SL_TCP_SYN)},
	{"tcp to v4", TCP6(.tcp_flags = SL_TCP_SYN)},
	{"udp to v6", UDP4(.payload_bytes = 33)},
	{"udp to v4", UDP6(.payload_bytes = 33)},
	{"odd payload to v6", TCP4(.payload_bytes = 7)},
	{"odd payload to v4", TCP6(.payload_bytes = 7)},
	{"dscp and ecn to v6", TCP4(.dscp_ecn = 0xbb)},
	{"dscp and ecn to v4", TCP6(.dscp_ecn = 0xbb)},
	{"ipv4 options are left out", TCP4(.ext = nops, .ext_bytes = 8)},
	{"extension headers are left out",
         TCP6(.ext = dst_options, .ext_bytes = 8, .ext_next = IPPROTO_DSTOPTS)},
	{"an atomic fragment is a whole packet",
         UDP6(.ext = atomic, .ext_bytes = 8, .ext_next = IPPROTO_FRAGMENT, .payload_bytes = 5)},
	{"df does not matter to v6", TCP4(.frag = DF)},
	{"tags move along to v6", TCP4(.n_vlans = 2, .vlan_tci = {7, 9})},
	{"tags move along to v4", TCP6(.n_vlans = 1, .vlan_tci = {7})},
	{"padding stays behind to v6", TCP4(.padding_bytes = 6)},
	{"padding stays behind to v4", TCP6(.padding_bytes = 6)},
	{"udp without a checksum gets one", UDP4(.is_udp_csum_off = true, .payload_bytes = 10)},
	{"empty udp without a checksum gets one", UDP4(.is_udp_csum_off = true)},
	{"tcp options stay",
         TCP6(.tcp_flags = SL_TCP_SYN, .tcp_options = mss, .tcp_options_bytes = 4)},
	{"the last hop but one", TCP4(.ttl = 2)},
	{"1260 bytes of ipv4 may be fragmented", UDP6(.payload_bytes = 1232)},
	{"1261 may not", UDP6(.payload_bytes = 1233)},
	{"full size to v4", TCP6(.payload_bytes = 1440)},
	{"full size to v6", TCP4(.payload_bytes = 1440)},
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

// The tuple of the other family.
static struct sl_tuple other_tuple(const struct sl_packet_spec *in)
{
	const struct sl_packet_spec *ends = sl_ip_is_v4(&in->dst) ? &ends6 : &ends4;

	return (struct sl_tuple){.src = ends->src,
	                         .dst = ends->dst,
	                         .sport_be = htons(15680),
	                         .dport_be = htons(8080),
	                         .proto = in->proto};
}

// Of IPv4 as we make it: id and DF.
static void set_id(uint8_t *frame, uint16_t l3_off, uint16_t id, uint16_t df)
{
	uint8_t *l3 = frame + l3_off;

	sl_store16_host(l3 + SL_IPV4_OFF_ID, id);
	sl_store16_host(l3 + SL_IPV4_OFF_FRAG, df);
	sl_store16(l3 + SL_IPV4_OFF_CSUM, 0);
	sl_store16(l3 + SL_IPV4_OFF_CSUM,
	           (uint16_t)~sl_csum_fold(sl_csum_add(0, l3, SL_IPV4_BYTES)));
}

static size_t build_want(uint8_t *want, const struct sl_packet_spec *in, const struct sl_tuple *to)
{
	const uint16_t l3_off = (uint16_t)(SL_ETH_BYTES + in->n_vlans * SL_VLAN_BYTES);
	struct sl_packet_spec out = sl_packet_retuple(in, to);
	size_t n_bytes;

	out.ttl = (uint8_t)((in->ttl != 0 ? in->ttl : 64) - 1);
	out.frag = 0;
	out.ext_bytes = 0;
	out.padding_bytes = 0;
	out.is_udp_csum_off = false;
	n_bytes = sl_packet_build(want, SL_PACKET_MAX_BYTES, &out);
	if (sl_ip_is_v4(&to->dst))
		set_id(want, l3_off, n_bytes - l3_off > 1260 ? 0 : ID,
		       n_bytes - l3_off > 1260 ? DF : 0);
	return n_bytes;
}

// What the fields of a packet say must be what a parser finds in its bytes.
static void check_fields(const struct packet *p, const char *name)
{
	struct sl_pkt again = {.data = p->pkt.data, .len = p->pkt.len};

	ck_assert_msg(sl_parse(&again) == -1, "%s: does not parse", name);
	ck_assert_msg(again.is_v6 == p->pkt.is_v6 && again.ttl == p->pkt.ttl &&
	                      again.kind == p->pkt.kind && again.l3_off == p->pkt.l3_off &&
	                      again.l4_off == p->pkt.l4_off && again.l4_bytes == p->pkt.l4_bytes &&
	                      again.payload_off == p->pkt.payload_off,
	              "%s: other fields", name);
	ck_assert_msg(memcmp(&again.tuple, &p->pkt.tuple, sizeof(again.tuple)) == 0,
	              "%s: other tuple", name);
	if (again.kind != SL_PKT_ICMP_ERROR)
		return;
	ck_assert_msg(again.inner_l3_off == p->pkt.inner_l3_off &&
	                      again.inner_l4_off == p->pkt.inner_l4_off &&
	                      again.icmp_type == p->pkt.icmp_type,
	              "%s: other inner fields", name);
	ck_assert_msg(memcmp(&again.inner, &p->pkt.inner, sizeof(again.inner)) == 0,
	              "%s: other inner tuple", name);
}

START_TEST(a_packet_is_the_one_of_the_other_family_byte_for_byte)
{
	const struct row *row = &rows[_i];
	const struct sl_tuple to = other_tuple(&row->in);
	uint8_t want[SL_PACKET_MAX_BYTES];
	size_t n_want = build_want(want, &row->in, &to);
	struct packet p;
	uint8_t *end;

	build_and_parse(&p, &row->in);
	end = p.pkt.data - p.pkt.headroom;
	ck_assert_uint_eq(sl_translate_bytes(&p.pkt), n_want - p.pkt.l3_off);
	ck_assert_int_eq(sl_translate(&p.pkt, &to, ID), -1);
	ck_assert_msg(p.pkt.len == n_want, "%s: %u bytes, not %zu", row->name, p.pkt.len, n_want);
	ck_assert_msg(memcmp(p.pkt.data, want, n_want) == 0, "%s: other bytes", row->name);
	ck_assert_msg(sl_packet_csums_are_right(p.pkt.data, p.pkt.len), "%s", row->name);
	ck_assert_ptr_eq(p.pkt.data - p.pkt.headroom, end);
	check_fields(&p, row->name);
	for (uint32_t i = 0; p.buffer + i < p.pkt.data && i < ROOM; i++)
		ck_assert_msg(p.buffer[i] == 0xee, "%s: wrote before its place", row->name);
}
END_TEST

START_TEST(there_and_back_is_the_same_packet_but_for_two_hops)
{
	uint64_t seed = sl_check_seed(), state = seed;

	for (uint32_t n = 0; n < 3000; n++) {
		uint32_t r = (uint32_t)sl_check_random(&state);
		struct sl_packet_spec in = r & 1 ? (struct sl_packet_spec)TCP6(.ttl = 9)
		                                 : (struct sl_packet_spec)TCP4(.ttl = 9);
		struct sl_tuple to, back;
		uint8_t want[SL_PACKET_MAX_BYTES];
		struct packet p;
		size_t n_want;

		in.proto = r & 2 ? 6 : 17;
		in.sport = (uint16_t)(r >> 8);
		in.dscp_ecn = (uint8_t)(r >> 2);
		in.payload_bytes = (uint16_t)(sl_check_random(&state) % 1200);
		back = sl_packet_tuple(&in);
		to = other_tuple(&in);
		build_and_parse(&p, &in);
		ck_assert_int_eq(sl_translate(&p.pkt, &to, ID), -1);
		ck_assert_int_eq(sl_translate(&p.pkt, &back, ID), -1);
		in.ttl = 7;
		n_want = sl_packet_build(want, sizeof(want), &in);
		if (sl_ip_is_v4(&in.dst))
			set_id(want, SL_ETH_BYTES, ID, 0);
		ck_assert_msg(p.pkt.len == n_want && memcmp(p.pkt.data, want, n_want) == 0,
		              "packet %u, seed %lu", n, (unsigned long)seed);
	}
}
END_TEST

START_TEST(a_wrong_checksum_stays_wrong)
{
	const struct row *row = &rows[_i]; // both protocols to both families
	const struct sl_tuple to = other_tuple(&row->in);
	struct packet p;

	build_and_parse(&p, &row->in);
	p.pkt.data[p.pkt.len - 1] ^= 0x40;
	ck_assert(!sl_packet_csums_are_right(p.pkt.data, p.pkt.len));
	ck_assert_int_eq(sl_translate(&p.pkt, &to, ID), -1);
	ck_assert(!sl_packet_csums_are_right(p.pkt.data, p.pkt.len));
}
END_TEST

static const struct {
	const char *name;
	int why;
	uint16_t headroom;
	struct sl_packet_spec in;
} refusals[] = {
	{"a first fragment", SL_DROP_FRAGMENT_FAMILY, ROOM,
         UDP4(.frag = 0x2000, .payload_bytes = 32)},
	{"a later fragment", SL_DROP_FRAGMENT_FAMILY, ROOM, UDP4(.frag = 8, .payload_bytes = 32)},
	{"the last hop", SL_DROP_TTL, ROOM, TCP6(.ttl = 1)},
	{"no room for the longer header", SL_DROP_NO_HEADROOM, 19, TCP4(.payload_bytes = 1)},
};

START_TEST(what_cannot_be_translated_is_refused_by_name_and_left_alone)
{
	const struct sl_tuple to = other_tuple(&refusals[_i].in);
	uint8_t before[SL_PACKET_MAX_BYTES];
	struct packet p;

	build_and_parse(&p, &refusals[_i].in);
	p.pkt.headroom = refusals[_i].headroom;
	memcpy(before, p.pkt.data, p.pkt.len);
	ck_assert_int_eq(sl_translate(&p.pkt, &to, ID), refusals[_i].why);
	ck_assert_mem_eq(p.buffer + ROOM, before, p.pkt.len);
	p.pkt.headroom = ROOM;
	if (refusals[_i].why == SL_DROP_NO_HEADROOM) { // one byte more is enough
		p.pkt.headroom = 20;
		ck_assert_int_eq(sl_translate(&p.pkt, &to, ID), -1);
	}
}
END_TEST

// --- ICMP errors ---

#define NONE 0xff // no counterpart

struct error_row {
	bool is_from_v6;
	uint8_t type, code;
	uint32_t rest;
	uint8_t to_type, to_code;
	uint32_t to_rest;
};

// RFC 7915 sections 4.2 and 5.2.
static const struct error_row error_rows[] = {
	{false, 3, 0, 0, 1, 0, 0},
	{false, 3, 1, 0, 1, 0, 0},
	{false, 3, 2, 0, 4, 1, 6},
	{false, 3, 3, 0, 1, 4, 0},
	{false, 3, 4, 1400, 2, 0, 1420},
	{false, 3, 4, 1490, 2, 0, 1500}, // no more than the port behind us takes
	{false, 3, 4, 1000, 2, 0, 1280}, // IPv6 knows no less
	{false, 3, 4, 0, 2, 0, 1280},    // an old router: the next plateau
	{false, 3, 5, 0, 1, 0, 0},
	{false, 3, 9, 0, 1, 1, 0},
	{false, 3, 10, 0, 1, 1, 0},
	{false, 3, 11, 0, 1, 0, 0},
	{false, 3, 13, 0, 1, 1, 0},
	{false, 3, 14, 0, NONE, 0, 0},
	{false, 3, 15, 0, 1, 1, 0},
	{false, 3, 16, 0, NONE, 0, 0},
	{false, 11, 0, 0, 3, 0, 0},
	{false, 11, 1, 0, 3, 1, 0},
	{false, 12, 0, 0u << 24, 4, 0, 0},
	{false, 12, 0, 1u << 24, 4, 0, 1},
	{false, 12, 2, 2u << 24, 4, 0, 4},
	{false, 12, 0, 4u << 24, NONE, 0, 0},
	{false, 12, 0, 8u << 24, 4, 0, 7},
	{false, 12, 0, 9u << 24, 4, 0, 6},
	{false, 12, 0, 13u << 24, 4, 0, 8},
	{false, 12, 0, 19u << 24, 4, 0, 24},
	{false, 12, 0, 20u << 24, NONE, 0, 0},
	{false, 12, 1, 0, NONE, 0, 0},
	{true, 1, 0, 0, 3, 1, 0},
	{true, 1, 1, 0, 3, 10, 0},
	{true, 1, 2, 0, 3, 1, 0},
	{true, 1, 3, 0, 3, 1, 0},
	{true, 1, 4, 0, 3, 3, 0},
	{true, 1, 5, 0, NONE, 0, 0},
	{true, 2, 0, 1400, 3, 4, 1380},
	{true, 2, 0, 9000, 3, 4, 1480},
	{true, 2, 0, 600, 3, 4, 1260},
	{true, 3, 0, 0, 11, 0, 0},
	{true, 3, 1, 0, 11, 1, 0},
	{true, 4, 0, 0, 12, 0, 0},
	{true, 4, 0, 5, 12, 0, 2u << 24},
	{true, 4, 0, 2, NONE, 0, 0},
	{true, 4, 0, 6, 12, 0, 9u << 24},
	{true, 4, 0, 7, 12, 0, 8u << 24},
	{true, 4, 0, 8, 12, 0, 12u << 24},
	{true, 4, 0, 24, 12, 0, 16u << 24},
	{true, 4, 0, 40, NONE, 0, 0},
	{true, 4, 1, 0, 3, 2, 0},
	{true, 4, 2, 0, NONE, 0, 0},
};

// Quotes of the least there may be, of a header, and of some payload; TCP and UDP.
static const uint16_t quoted_l4_bytes[] = {8, 20, 61};

static struct sl_packet_spec error_spec(const struct error_row *row,
                                        const struct sl_packet_spec *quote, uint16_t l4_bytes)
{
	const bool is_v6 = row->is_from_v6;

	return (struct sl_packet_spec){.src = is_v6 ? (struct sl_ip)SL_PACKET_V6(0x77)
	                                            : (struct sl_ip)SL_PACKET_V4(10, 9, 9, 9),
	                               .dst = quote->src,
	                               .proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
	                               .icmp_type = row->type,
	                               .icmp_code = row->code,
	                               .icmp_rest = row->rest,
	                               .quote = quote,
	                               .quote_bytes = (uint16_t)((is_v6 ? 40 : 20) + l4_bytes)};
}

static size_t build_error_want(uint8_t *want, const struct error_row *row,
                               const struct sl_packet_spec *quote, uint16_t l4_bytes)
{
	const struct error_row to = {.is_from_v6 = !row->is_from_v6,
	                             .type = row->to_type,
	                             .code = row->to_code,
	                             .rest = row->to_rest};
	struct sl_packet_spec error = error_spec(&to, quote, l4_bytes);
	const uint16_t inner_off = SL_ETH_BYTES + SL_IPV4_BYTES + SL_ICMP_BYTES;
	uint8_t *icmp = want + SL_ETH_BYTES + SL_IPV4_BYTES;
	size_t n_bytes;

	error.src = quote->dst;
	error.ttl = 63;
	n_bytes = sl_packet_build(want, SL_PACKET_MAX_BYTES, &error);
	if (row->is_from_v6) { // our ids, in the quote 0
		set_id(want, SL_ETH_BYTES, ID, 0);
		set_id(want, inner_off, 0, 0);
		sl_store16(icmp + SL_ICMP_OFF_CSUM, 0);
		sl_store16(icmp + SL_ICMP_OFF_CSUM,
		           (uint16_t)~sl_csum_fold(
				   sl_csum_add(0, icmp, n_bytes - (size_t)(icmp - want))));
	}
	return n_bytes;
}

START_TEST(an_icmp_error_is_the_corresponding_one_with_its_quote_translated)
{
	const struct error_row *row = &error_rows[_i];

	for (uint32_t i = 0; i < 2 * COUNT(quoted_l4_bytes); i++) {
		const uint16_t l4_bytes = quoted_l4_bytes[i / 2];
		struct sl_packet_spec sent = row->is_from_v6
		                                     ? (struct sl_packet_spec)TCP6(.dscp_ecn = 5)
		                                     : (struct sl_packet_spec)TCP4(.dscp_ecn = 5);
		struct sl_packet_spec error, known;
		struct sl_translate_error to;
		uint8_t want[SL_PACKET_MAX_BYTES];
		struct sl_tuple inner;
		struct packet p;
		size_t n_want;

		sent.proto = i % 2 ? 17 : 6;
		sent.payload_bytes = 200;
		inner = other_tuple(&sent);
		known = sl_packet_retuple(&sent, &inner);
		error = error_spec(row, &sent, l4_bytes);
		build_and_parse(&p, &error);
		to = (struct sl_translate_error){&inner.dst, &inner.src, &inner, MTU, MTU, ID};
		if (row->to_type == NONE) {
			ck_assert_int_eq(sl_translate_icmp(&p.pkt, &to), SL_DROP_ICMP_FAMILY);
			continue;
		}
		memset(p.pkt.data + p.pkt.len, 0xee, 16);
		ck_assert_int_eq(sl_translate_icmp(&p.pkt, &to), -1);
		for (uint32_t at = 0; at < 16; at++)
			ck_assert_uint_eq(p.pkt.data[p.pkt.len + at], 0xee);
		n_want = build_error_want(want, row, &known, l4_bytes);
		ck_assert_msg(p.pkt.len == n_want, "%u %u: %u bytes, not %zu", row->type, row->code,
		              p.pkt.len, n_want);
		ck_assert_msg(memcmp(p.pkt.data, want, n_want) == 0, "%u %u, %u quoted: bytes",
		              row->type, row->code, l4_bytes);
		ck_assert(sl_packet_csums_are_right(p.pkt.data, p.pkt.len));
		check_fields(&p, "error");
	}
}
END_TEST

START_TEST(a_long_quote_is_cut_to_what_an_icmpv6_error_may_be_and_extensions_go)
{
	struct sl_packet_spec sent = TCP4(.payload_bytes = 1400);
	const struct error_row row = {false, 3, 1, _i ? 32u << 16 : 0, 1, 0, 0}; // RFC 4884: 128
	struct sl_packet_spec error = error_spec(&row, &sent, 1380);
	struct sl_tuple inner = other_tuple(&sent);
	struct sl_translate_error to = {&inner.dst, &inner.src, &inner, MTU, MTU, ID};
	struct packet p;

	build_and_parse(&p, &error);
	ck_assert_int_eq(sl_translate_icmp(&p.pkt, &to), -1);
	ck_assert_uint_eq(p.pkt.len - p.pkt.l3_off, _i ? 40 + 8 + 128 + 20 : 1280);
	ck_assert(sl_packet_csums_are_right(p.pkt.data, p.pkt.len));
	ck_assert_uint_eq(sl_load32_host(p.pkt.data + p.pkt.l4_off + 4), 0);
}
END_TEST

START_TEST(a_router_that_says_no_mtu_means_the_next_plateau)
{
	const struct error_row row = {false, 3, 4, 0, 0, 0, 0};
	struct sl_packet_spec sent = TCP4(.payload_bytes = 1600);
	struct sl_packet_spec error = error_spec(&row, &sent, 8);
	struct sl_tuple inner = other_tuple(&sent);
	struct sl_translate_error to = {&inner.dst, &inner.src, &inner, 2000, 2000, ID};
	struct packet p;

	build_and_parse(&p, &error);
	ck_assert_int_eq(sl_translate_icmp(&p.pkt, &to), -1);
	ck_assert_uint_eq(sl_load32_host(p.pkt.data + p.pkt.l4_off + 4), 1492 + 20);
}
END_TEST

START_TEST(a_wrong_checksum_of_an_icmp_error_stays_wrong)
{
	const struct error_row row = {_i, _i ? 1 : 3, _i ? 4 : 3, 0, 0, 0, 0};
	struct sl_packet_spec sent = _i ? (struct sl_packet_spec)UDP6(.payload_bytes = 9)
	                                : (struct sl_packet_spec)UDP4(.payload_bytes = 9);
	struct sl_packet_spec error = error_spec(&row, &sent, 17);
	struct sl_tuple inner = other_tuple(&sent);
	struct sl_translate_error to = {&inner.dst, &inner.src, &inner, MTU, MTU, ID};
	struct packet p;

	build_and_parse(&p, &error);
	p.pkt.data[p.pkt.len - 1] ^= 1;
	ck_assert_int_eq(sl_translate_icmp(&p.pkt, &to), -1);
	ck_assert(!sl_packet_csums_are_right(p.pkt.data, p.pkt.len));
}
END_TEST

START_TEST(an_icmp_error_without_room_is_left_alone)
{
	const struct error_row row = {false, 3, 3, 0, 0, 0, 0};
	struct sl_packet_spec sent = UDP4(.payload_bytes = 9);
	struct sl_packet_spec error = error_spec(&row, &sent, 17);
	struct sl_tuple inner = other_tuple(&sent);
	struct sl_translate_error to = {&inner.dst, &inner.src, &inner, MTU, MTU, ID};
	uint8_t before[SL_PACKET_MAX_BYTES];
	struct packet p;

	build_and_parse(&p, &error);
	memcpy(before, p.pkt.data, p.pkt.len);
	p.pkt.headroom = 39;
	ck_assert_int_eq(sl_translate_icmp(&p.pkt, &to), SL_DROP_NO_HEADROOM);
	ck_assert_mem_eq(p.buffer + ROOM, before, p.pkt.len);
	p.pkt.headroom = 40;
	ck_assert_int_eq(sl_translate_icmp(&p.pkt, &to), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("translate");
	TCase *tc = tcase_create("packets"), *icmp = tcase_create("errors");

	tcase_add_loop_test(tc, a_packet_is_the_one_of_the_other_family_byte_for_byte, 0,
	                    (int)COUNT(rows));
	tcase_add_test(tc, there_and_back_is_the_same_packet_but_for_two_hops);
	tcase_add_loop_test(tc, a_wrong_checksum_stays_wrong, 2, 6);
	tcase_add_loop_test(tc, what_cannot_be_translated_is_refused_by_name_and_left_alone, 0,
	                    (int)COUNT(refusals));
	tcase_add_loop_test(icmp, an_icmp_error_is_the_corresponding_one_with_its_quote_translated,
	                    0, (int)COUNT(error_rows));
	tcase_add_loop_test(
		icmp, a_long_quote_is_cut_to_what_an_icmpv6_error_may_be_and_extensions_go, 0, 2);
	tcase_add_test(icmp, a_router_that_says_no_mtu_means_the_next_plateau);
	tcase_add_loop_test(icmp, a_wrong_checksum_of_an_icmp_error_stays_wrong, 0, 2);
	tcase_add_test(icmp, an_icmp_error_without_room_is_left_alone);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, icmp);
	return sl_check_run(suite);
}
