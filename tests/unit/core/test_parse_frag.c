// SPDX-License-Identifier: Apache-2.0
// What the parser says of one fragment alone: its place, its ports if it is the first, and the name
// under which it is refused.
#include "sl_check.h"

#include "fragments.h"
#include "layout.h"
#include "parse.h"

#define V4_ENDS  .src = SL_PACKET_V4(192, 0, 2, 1), .dst = SL_PACKET_V4(198, 51, 100, 1)
#define V6_ENDS  .src = SL_PACKET_V6(1), .dst = SL_PACKET_V6(2)
#define PORTS    .sport = 40000, .dport = 443, .payload_bytes = 200
#define OPTS     IPPROTO_DSTOPTS
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PARSED   (-1)

static const uint8_t no_operation[4] = {1, 1, 1, 0};
static const uint8_t options_udp[8] = {IPPROTO_UDP, 0, 1, 4};
static const uint8_t options_to_the_end[16] = {IPPROTO_UDP, 1, 1, 12};
static const uint8_t nested[8] = {IPPROTO_UDP, 0, 0, 1, 0, 0, 0, 9};
static const uint8_t atomic[8] = {IPPROTO_UDP, 0, 0, 0, 0, 0, 0, 9};
static const uint8_t tcp_options[20] = {1};

static const struct sl_packet_spec tcp4 = {V4_ENDS, PORTS, .proto = IPPROTO_TCP};
static const struct sl_packet_spec udp4 = {V4_ENDS, PORTS, .proto = IPPROTO_UDP};
static const struct sl_packet_spec udp4_options = {V4_ENDS, PORTS, .proto = IPPROTO_UDP,
                                                   .ext = no_operation, .ext_bytes = 4};
static const struct sl_packet_spec tcp4_options = {
	V4_ENDS, PORTS, .proto = IPPROTO_TCP, .tcp_options = tcp_options, .tcp_options_bytes = 20};
static const struct sl_packet_spec gre4 = {V4_ENDS, PORTS, .proto = IPPROTO_GRE};
static const struct sl_packet_spec echo4 = {V4_ENDS, PORTS, .proto = IPPROTO_ICMP, .icmp_type = 8};
static const struct sl_packet_spec tcp6 = {V6_ENDS, PORTS, .proto = IPPROTO_TCP};
static const struct sl_packet_spec udp6 = {V6_ENDS, PORTS, .proto = IPPROTO_UDP};
static const struct sl_packet_spec echo6 = {V6_ENDS, PORTS, .proto = IPPROTO_ICMPV6,
                                            .icmp_type = 128};
static const struct sl_packet_spec esp6 = {V6_ENDS, PORTS, .proto = IPPROTO_ESP};
static const struct sl_packet_spec udp6_options = {
	V6_ENDS, PORTS, .proto = IPPROTO_UDP, .ext = options_udp, .ext_bytes = 8, .ext_next = OPTS};
static const struct sl_packet_spec udp6_long_options = {
	V6_ENDS,         PORTS,           .proto = IPPROTO_UDP, .ext = options_to_the_end,
	.ext_bytes = 16, .ext_next = OPTS};
static const struct sl_packet_spec udp6_nested = {
	V6_ENDS,       PORTS,          .proto = IPPROTO_UDP,
	.ext = nested, .ext_bytes = 8, .ext_next = IPPROTO_FRAGMENT};
static const struct sl_packet_spec udp6_atomic = {
	V6_ENDS,       PORTS,          .proto = IPPROTO_UDP,
	.ext = atomic, .ext_bytes = 8, .ext_next = IPPROTO_FRAGMENT};

static const uint8_t atomic_icmp6[8] = {IPPROTO_ICMPV6, 0, 0, 0, 0, 0, 0, 9};

static const struct row {
	const char *name;
	const struct sl_packet_spec *whole;
	struct sl_cut cut;
	int want;          // PARSED, or enum sl_drop
	uint8_t want_kind; // when parsed
} rows[] = {
	{"first of udp4", &udp4, {0, 8, 7, 0}, PARSED, SL_PKT_UDP},
	{"first of udp4 behind options", &udp4_options, {0, 104, 7, 0}, PARSED, SL_PKT_UDP},
	{"first of tcp4", &tcp4, {0, 24, 7, 0}, PARSED, SL_PKT_TCP},
	{"first of tcp4 with all its options", &tcp4_options, {0, 40, 7, 0}, PARSED, SL_PKT_TCP},
	{"first of udp6", &udp6, {0, 8, 0x12345678, 0}, PARSED, SL_PKT_UDP},
	{"first of udp6 behind options", &udp6_options, {0, 16, 7, 0}, PARSED, SL_PKT_UDP},
	{"first of tcp6", &tcp6, {0, 24, 7, 0}, PARSED, SL_PKT_TCP},
	{"middle of udp4", &udp4, {8, 8, 7, 0}, PARSED, SL_PKT_FRAGMENT},
	{"middle of tcp4", &tcp4, {24, 8, 7, 0}, PARSED, SL_PKT_FRAGMENT},
	{"last of udp4", &udp4, {200, 0, 7, 0}, PARSED, SL_PKT_FRAGMENT},
	{"last of one byte", &udp4_options, {200, 1, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"last of udp6", &udp6, {200, 0, 7, 0}, PARSED, SL_PKT_FRAGMENT},
	{"middle of udp6 behind options", &udp6_options, {8, 8, 7, 0}, PARSED, SL_PKT_FRAGMENT},
	{"whole packet that says more follows", &udp4, {0, 0, 7, 1}, PARSED, SL_PKT_UDP},
	// What would need no memory to refuse.
	{"first of tcp4 without its header", &tcp4, {0, 16, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"first of tcp4 without all options",
         &tcp4_options,
         {0, 32, 7, 0},
         SL_DROP_FRAGMENT_BAD,
         0},
	{"first of tcp6 without its header", &tcp6, {0, 8, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"first of udp6 that ends in the chain",
         &udp6_long_options,
         {0, 8, 7, 0},
         SL_DROP_FRAGMENT_BAD,
         0},
	{"first of udp6 that ends with the chain",
         &udp6_long_options,
         {0, 16, 7, 0},
         SL_DROP_FRAGMENT_BAD,
         0},
	{"second of tcp4 at 8", &tcp4, {8, 16, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"second of tcp4 at 16", &tcp4, {16, 16, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"second of tcp6 at 8", &tcp6, {8, 16, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"first of 100 bytes", &udp4, {0, 100, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"middle of 12 bytes in ipv6", &udp6, {8, 12, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"nothing but a header", &udp4, {208, 0, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"nothing but headers in ipv6", &udp6, {208, 0, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"fragment inside a first fragment", &udp6_nested, {0, 40, 7, 0}, SL_DROP_FRAGMENT_BAD, 0},
	{"atomic fragment inside a first one",
         &udp6_atomic,
         {0, 40, 7, 0},
         SL_DROP_FRAGMENT_BAD,
         0},
	// Other protocols are not followed.
	{"first of gre4", &gre4, {0, 80, 7, 0}, SL_DROP_FRAGMENT, 0},
	{"last of gre4", &gre4, {80, 0, 7, 0}, SL_DROP_FRAGMENT, 0},
	{"first of an echo request", &echo4, {0, 80, 7, 0}, SL_DROP_FRAGMENT, 0},
	{"last of an echo request", &echo4, {80, 0, 7, 0}, SL_DROP_FRAGMENT, 0},
	{"first of an echo request in ipv6", &echo6, {0, 80, 7, 0}, SL_DROP_FRAGMENT, 0},
	{"last of an echo request in ipv6", &echo6, {80, 0, 7, 0}, SL_DROP_FRAGMENT, 0},
	{"first of esp6", &esp6, {0, 80, 7, 0}, SL_DROP_FRAGMENT, 0},
};

static int parse_exact(struct sl_pkt *pkt, const uint8_t *frame, size_t n_bytes)
{
	uint8_t *exact = malloc(n_bytes);
	int result;

	ck_assert_ptr_nonnull(exact);
	memset(pkt, 0xff, sizeof(*pkt));
	pkt->is_v6 = pkt->is_fragment = pkt->has_more_fragments = false; // 0xff is no bool
	pkt->data = memcpy(exact, frame, n_bytes);
	pkt->len = (uint32_t)n_bytes;
	result = sl_parse(pkt);
	free(exact);
	return result;
}

START_TEST(a_fragment_is_placed_or_refused_by_name)
{
	const struct row *row = &rows[_i];
	uint8_t whole[SL_PACKET_MAX_BYTES], part[SL_PACKET_MAX_BYTES];
	size_t n_whole = sl_packet_build(whole, sizeof(whole), row->whole);
	size_t n_bytes = sl_fragment_cut(part, whole, n_whole, &row->cut);
	const size_t l4_off = n_whole - 208 - row->whole->tcp_options_bytes -
	                      (row->whole->proto == IPPROTO_TCP ? 12 : 0);
	struct sl_tuple want = sl_packet_tuple(row->whole);
	struct sl_pkt pkt;
	int result = parse_exact(&pkt, part, n_bytes);

	ck_assert_msg(result == row->want, "%s: %d", row->name, result);
	if (result != PARSED)
		return;
	ck_assert_msg(pkt.kind == row->want_kind, "%s: kind %u", row->name, pkt.kind);
	ck_assert(pkt.is_fragment);
	ck_assert_uint_eq(pkt.frag_off_bytes, row->cut.at);
	ck_assert_uint_eq(pkt.has_more_fragments, row->cut.n_bytes != 0 || row->cut.has_more);
	ck_assert_uint_eq(pkt.frag_id_be,
	                  pkt.is_v6 ? htonl(row->cut.id) : htons((uint16_t)row->cut.id));
	if (row->cut.n_bytes != 0)
		ck_assert_uint_eq(pkt.frag_bytes, row->cut.n_bytes);
	if (row->want_kind != SL_PKT_FRAGMENT) {
		ck_assert_uint_eq(pkt.l4_off, l4_off + (pkt.is_v6 ? 8 : 0));
		ck_assert_mem_eq(&pkt.tuple, &want, sizeof(want));
		return;
	}
	want.sport_be = want.dport_be = 0;
	want.proto = pkt.is_v6 && row->whole->ext_bytes != 0 ? OPTS : want.proto;
	ck_assert_mem_eq(&pkt.tuple, &want, sizeof(want));
	ck_assert_uint_eq(pkt.payload_off, n_bytes - pkt.frag_bytes);
}
END_TEST

// 13 bits of offset and a long last part would end behind what any length field can say.
START_TEST(a_fragment_that_ends_past_65535_is_refused)
{
	const struct sl_packet_spec *spec = _i / 2 != 0 ? &udp6 : &udp4;
	const size_t field = _i / 2 != 0 ? 14 + 40 + 2 : 14 + 6;
	uint8_t whole[SL_PACKET_MAX_BYTES], part[SL_PACKET_MAX_BYTES];
	size_t n_whole = sl_packet_build(whole, sizeof(whole), spec);
	size_t n_bytes = sl_fragment_cut(part, whole, n_whole,
	                                 &(struct sl_cut){.at = _i % 2 != 0 ? 201 : 200});
	const uint16_t highest = _i / 2 != 0 ? SL_IPV6_FRAG_MASK : SL_IPV4_FRAG_MASK;
	struct sl_pkt pkt;

	sl_store16_host(part + field, highest); // 65528; 7 bytes fit, 8 do not
	ck_assert_int_eq(parse_exact(&pkt, part, n_bytes),
	                 _i % 2 != 0 ? PARSED : SL_DROP_FRAGMENT_BAD);
}
END_TEST

START_TEST(an_atomic_fragment_is_a_whole_packet)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt;

	ck_assert_int_eq(
		parse_exact(&pkt, frame, sl_packet_build(frame, sizeof(frame), &udp6_atomic)),
		PARSED);
	ck_assert_int_eq(pkt.kind, SL_PKT_UDP);
	ck_assert(!pkt.is_fragment);
}
END_TEST

// RFC 6980: atomic or not, neighbour discovery has no business in fragments.
START_TEST(neighbour_discovery_in_fragments_is_refused)
{
	const struct sl_packet_spec nd = {V6_ENDS,
	                                  .proto = IPPROTO_ICMPV6,
	                                  .icmp_type = 135,
	                                  .payload_bytes = 16,
	                                  .ext = atomic_icmp6,
	                                  .ext_bytes = _i == 0 ? 8 : 0,
	                                  .ext_next = IPPROTO_FRAGMENT};
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt;

	ck_assert_int_eq(parse_exact(&pkt, frame, sl_packet_build(frame, sizeof(frame), &nd)),
	                 _i == 0 ? SL_DROP_FRAGMENT : PARSED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("parse_frag");
	TCase *tc = tcase_create("fragments");

	tcase_add_loop_test(tc, a_fragment_is_placed_or_refused_by_name, 0, COUNT(rows));
	tcase_add_loop_test(tc, a_fragment_that_ends_past_65535_is_refused, 0, 4);
	tcase_add_loop_test(tc, neighbour_discovery_in_fragments_is_refused, 0, 2);
	tcase_add_test(tc, an_atomic_fragment_is_a_whole_packet);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
