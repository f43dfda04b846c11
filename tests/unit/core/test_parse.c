// SPDX-License-Identifier: Apache-2.0
// What the parser accepts and what it finds; test_parse_bad.c has what it refuses. Every frame is
// parsed in a buffer of exactly its size, so that a read past the end is seen by ASan.
#include "sl_check.h"

#include "layout.h"
#include "packets.h"
#include "parse.h"

#define V4_ENDS .src = SL_PACKET_V4(192, 0, 2, 1), .dst = SL_PACKET_V4(198, 51, 100, 1)
#define V6_ENDS .src = SL_PACKET_V6(1), .dst = SL_PACKET_V6(2)
#define PORTS   .sport = 40000, .dport = 443
#define TCP     .proto = IPPROTO_TCP, PORTS, .tcp_flags = SL_TCP_ACK, .tcp_seq = 0x89abcdef
#define UDP     .proto = IPPROTO_UDP, PORTS

static const uint8_t nop_options[40] = {1, 1, 1, 1}; // the rest is "end of list"
static const uint8_t router_alert[4] = {148, 4, 0, 0};
static const uint8_t tcp_mss[4] = {2, 4, 5, 0xb4};
static const uint8_t hop_dest_routing[24] = {
	IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0, IPPROTO_ROUTING, 0, 1, 4, 0, 0, 0, 0,
	IPPROTO_TCP,     0, 4, 0, // type 4, no segment left
};
static const uint8_t atomic_fragment[8] = {IPPROTO_UDP, 0, 0, 0, 1, 2, 3, 4};
static const uint8_t auth_header[24] = {IPPROTO_TCP, 4};
static const uint8_t eight_headers[64] = {
	60, 0, [8] = 60, [16] = 60, [24] = 60, [32] = 60, [40] = 60, [48] = 60, [56] = IPPROTO_TCP};
static const uint8_t longest_chain[256] = {IPPROTO_TCP, 31};
static const uint8_t esp_after_options[8] = {IPPROTO_ESP, 0, 1, 4};

struct good {
	const char *name;
	struct sl_packet_spec spec;
	enum sl_pkt_kind kind;
	uint16_t l4_off, payload_off;
};

static const struct good good[] = {
	{"tcp4", {V4_ENDS, TCP, .payload_bytes = 5}, SL_PKT_TCP, 34, 54},
	{"tcp4 syn without payload",
         {V4_ENDS, .proto = IPPROTO_TCP, PORTS, .tcp_flags = SL_TCP_SYN},
         SL_PKT_TCP,
         34,
         54},
	{"tcp4 don't fragment", {V4_ENDS, TCP, .frag = 0x4000}, SL_PKT_TCP, 34, 54},
	{"tcp4 with tcp options",
         {V4_ENDS, TCP, .tcp_options = tcp_mss, .tcp_options_bytes = 4},
         SL_PKT_TCP,
         34,
         58},
	{"tcp4 with router alert",
         {V4_ENDS, TCP, .ext = router_alert, .ext_bytes = 4},
         SL_PKT_TCP,
         38,
         58},
	{"tcp4 with ihl 15",
         {V4_ENDS, TCP, .ext = nop_options, .ext_bytes = 40},
         SL_PKT_TCP,
         74,
         94},
	{"tcp4 in one vlan", {V4_ENDS, TCP, .n_vlans = 1, .vlan_tci = {7}}, SL_PKT_TCP, 38, 58},
	{"tcp4 in 802.1ad and 802.1Q",
         {V4_ENDS, TCP, .n_vlans = 2, .vlan_tpid = {0x88a8}, .vlan_tci = {7, 0xe008}},
         SL_PKT_TCP,
         42,
         62},
	{"tcp4 padded to 60", {V4_ENDS, TCP, .padding_bytes = 6}, SL_PKT_TCP, 34, 54},
	{"tcp4 ttl 1", {V4_ENDS, TCP, .ttl = 1}, SL_PKT_TCP, 34, 54},
	{"udp4", {V4_ENDS, UDP, .payload_bytes = 3}, SL_PKT_UDP, 34, 42},
	{"udp4 without checksum", {V4_ENDS, UDP, .is_udp_csum_off = true}, SL_PKT_UDP, 34, 42},
	{"roce4 without checksum",
         {V4_ENDS, .proto = IPPROTO_UDP, .sport = 49152, .dport = 4791, .is_udp_csum_off = true},
         SL_PKT_UDP,
         34,
         42},
	{"udp4 empty and padded", {V4_ENDS, UDP, .padding_bytes = 18}, SL_PKT_UDP, 34, 42},
	{"udp4 to multicast",
         {.src = SL_PACKET_V4(192, 0, 2, 1), .dst = SL_PACKET_V4(224, 0, 0, 1), UDP},
         SL_PKT_UDP,
         34,
         42},
	{"echo4",
         {V4_ENDS, .proto = IPPROTO_ICMP, .icmp_type = 8, .sport = 77, .dport = 1},
         SL_PKT_ECHO,
         34,
         42},
	{"gre4", {V4_ENDS, .proto = 47, .payload_bytes = 4}, SL_PKT_OTHER, 34, 34},
	{"icmpv6 over ipv4",
         {V4_ENDS, .proto = IPPROTO_ICMPV6, .payload_bytes = 8},
         SL_PKT_OTHER,
         34,
         34},
	{"tcp6", {V6_ENDS, TCP, .payload_bytes = 5}, SL_PKT_TCP, 54, 74},
	{"tcp6 in two vlans", {V6_ENDS, TCP, .n_vlans = 2}, SL_PKT_TCP, 62, 82},
	{"tcp6 padded", {V6_ENDS, TCP, .padding_bytes = 9}, SL_PKT_TCP, 54, 74},
	{"udp6", {V6_ENDS, UDP, .payload_bytes = 1}, SL_PKT_UDP, 54, 62},
	{"roce6 without checksum",
         {V6_ENDS, .proto = IPPROTO_UDP, .sport = 49152, .dport = 4791, .payload_bytes = 12,
          .is_udp_csum_off = true},
         SL_PKT_UDP,
         54,
         62},
	{"tcp6 after hop-by-hop, destination and routing headers",
         {V6_ENDS, TCP, .ext = hop_dest_routing, .ext_bytes = 24},
         SL_PKT_TCP,
         78,
         98},
	{"udp6 in an atomic fragment",
         {V6_ENDS, UDP, .ext = atomic_fragment, .ext_bytes = 8, .ext_next = IPPROTO_FRAGMENT},
         SL_PKT_UDP,
         62,
         70},
	{"tcp6 after an authentication header",
         {V6_ENDS, TCP, .ext = auth_header, .ext_bytes = 24, .ext_next = IPPROTO_AH},
         SL_PKT_TCP,
         78,
         98},
	{"tcp6 after 8 headers",
         {V6_ENDS, TCP, .ext = eight_headers, .ext_bytes = 64, .ext_next = IPPROTO_DSTOPTS},
         SL_PKT_TCP,
         118,
         138},
	{"tcp6 after 256 bytes of header",
         {V6_ENDS, TCP, .ext = longest_chain, .ext_bytes = 256, .ext_next = IPPROTO_DSTOPTS},
         SL_PKT_TCP,
         310,
         330},
	{"esp6", {V6_ENDS, .proto = IPPROTO_ESP, .payload_bytes = 8}, SL_PKT_OTHER, 54, 54},
	{"esp6 after destination options",
         {V6_ENDS, .proto = IPPROTO_ESP, .payload_bytes = 8, .ext = esp_after_options,
          .ext_bytes = 8, .ext_next = IPPROTO_DSTOPTS},
         SL_PKT_OTHER,
         62,
         62},
	{"no next header", {V6_ENDS, .proto = IPPROTO_NONE}, SL_PKT_OTHER, 54, 54},
	{"echo6",
         {V6_ENDS, .proto = IPPROTO_ICMPV6, .icmp_type = 128, .sport = 78},
         SL_PKT_ECHO,
         54,
         62},
	{"icmp over ipv6", {V6_ENDS, .proto = IPPROTO_ICMP, .icmp_type = 8}, SL_PKT_OTHER, 54, 54},
	{"neighbour solicitation from nowhere (duplicate address detection)",
         {.dst = SL_PACKET_V6(2), .proto = IPPROTO_ICMPV6, .icmp_type = 135, .payload_bytes = 16},
         SL_PKT_ND,
         54,
         62},
};

static int parse_exact(struct sl_pkt *pkt, const uint8_t *frame, size_t n_bytes)
{
	uint8_t *exact = malloc(n_bytes > 0 ? n_bytes : 1);
	int result;

	memcpy(exact, frame, n_bytes);
	*pkt = (struct sl_pkt){.data = exact, .len = (uint32_t)n_bytes};
	result = sl_parse(pkt);
	free(exact);
	return result;
}

START_TEST(a_well_formed_packet_is_parsed_into_its_fields)
{
	const struct good *row = &good[_i];
	const struct sl_packet_spec *spec = &row->spec;
	struct sl_tuple want = sl_packet_tuple(spec);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), spec);
	struct sl_pkt pkt;

	if (row->kind == SL_PKT_OTHER)
		want.sport_be = 0;
	ck_assert_msg(parse_exact(&pkt, frame, n_bytes) == -1, "%s: dropped", row->name);
	ck_assert_msg(pkt.kind == row->kind, "%s: kind %u", row->name, pkt.kind);
	ck_assert_msg(pkt.is_v6 == !sl_ip_is_v4(&spec->dst), "%s: family", row->name);
	ck_assert_msg(pkt.n_vlans == spec->n_vlans, "%s: vlans %u", row->name, pkt.n_vlans);
	ck_assert_msg(pkt.l3_off == 14 + 4 * spec->n_vlans, "%s: l3 %u", row->name, pkt.l3_off);
	ck_assert_msg(pkt.l4_off == row->l4_off, "%s: l4 %u", row->name, pkt.l4_off);
	ck_assert_msg(pkt.payload_off == row->payload_off, "%s: payload %u", row->name,
	              pkt.payload_off);
	ck_assert_msg(pkt.l4_bytes == n_bytes - spec->padding_bytes - row->l4_off,
	              "%s: l4 bytes %u", row->name, pkt.l4_bytes);
	ck_assert_msg(pkt.ttl == (spec->ttl != 0 ? spec->ttl : 64), "%s: ttl", row->name);
	ck_assert_msg(memcmp(&pkt.tuple, &want, sizeof(want)) == 0, "%s: tuple", row->name);
	ck_assert_msg(pkt.tcp_flags == spec->tcp_flags, "%s: flags", row->name);
	ck_assert_msg(pkt.tcp_seq == spec->tcp_seq, "%s: seq", row->name);
}
END_TEST

START_TEST(every_prefix_of_a_packet_is_truncated)
{
	const struct good *row = &good[_i];
	struct sl_packet_spec spec = row->spec;
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt;
	size_t n_bytes;

	spec.padding_bytes = 0;
	n_bytes = sl_packet_build(frame, sizeof(frame), &spec);
	for (size_t n = 0; n < n_bytes; n++) {
		int result = parse_exact(&pkt, frame, n);

		ck_assert_msg(result == SL_DROP_TRUNCATED, "%s, %zu of %zu bytes: %d", row->name, n,
		              n_bytes, result);
	}
}
END_TEST

START_TEST(arp_is_only_recognised)
{
	static const uint8_t ethertypes[][6] = {{8, 6}, {0x81, 0, 0, 5, 8, 6}};
	uint8_t frame[60] = {0};
	struct sl_pkt pkt;

	memcpy(frame + 12, ethertypes[_i], 6);
	ck_assert_int_eq(parse_exact(&pkt, frame, sizeof(frame)), -1);
	ck_assert_int_eq(pkt.kind, SL_PKT_ARP);
	ck_assert_int_eq(pkt.n_vlans, _i);
	ck_assert_int_eq(pkt.l3_off, 14 + 4 * _i);
}
END_TEST

START_TEST(icmp_types_are_told_apart)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec v4 = {V4_ENDS, .proto = IPPROTO_ICMP, .icmp_type = (uint8_t)_i};
	struct sl_packet_spec v6 = {V6_ENDS, .proto = IPPROTO_ICMPV6, .icmp_type = (uint8_t)_i};
	bool is_error4 = _i == 3 || _i == 11 || _i == 12;
	bool is_error6 = _i >= 1 && _i <= 4;
	int want4 = _i == 8 ? SL_PKT_ECHO : is_error4 ? SL_PKT_ICMP_ERROR : SL_PKT_OTHER;
	int want6 = _i == 128               ? SL_PKT_ECHO
	            : is_error6             ? SL_PKT_ICMP_ERROR
	            : _i >= 133 && _i < 138 ? SL_PKT_ND
	                                    : SL_PKT_OTHER;
	const struct sl_packet_spec quote4 = {V4_ENDS, UDP};
	const struct sl_packet_spec quote6 = {V6_ENDS, UDP};
	struct sl_pkt pkt;

	v4.quote = is_error4 ? &quote4 : NULL;
	v6.quote = is_error6 ? &quote6 : NULL;
	ck_assert_int_eq(parse_exact(&pkt, frame, sl_packet_build(frame, sizeof(frame), &v4)), -1);
	ck_assert_int_eq(pkt.kind, want4);
	ck_assert_int_eq(pkt.icmp_type, _i);
	ck_assert_int_eq(parse_exact(&pkt, frame, sl_packet_build(frame, sizeof(frame), &v6)), -1);
	ck_assert_int_eq(pkt.kind, want6);
	ck_assert_int_eq(pkt.icmp_type, _i);
}
END_TEST

struct quote_row {
	const char *name;
	struct sl_packet_spec quote;
	uint16_t quote_bytes;
	uint16_t inner_l4_off; // from the start of the quote
	bool has_no_ident;
};

static const uint8_t source_routed[8] = {IPPROTO_TCP, 0, 0, 1};
static const uint8_t first_fragment[8] = {IPPROTO_UDP, 0, 0, 1, 1, 2, 3, 4};

static const struct quote_row quotes[] = {
	{"tcp4, all of it", {V4_ENDS, TCP, .payload_bytes = 20}, 0, 20},
	{"tcp4, 8 bytes", {V4_ENDS, TCP, .payload_bytes = 20}, 28, 20},
	{"udp4, 8 bytes", {V4_ENDS, UDP, .payload_bytes = 20}, 28, 20},
	{"tcp4 with options, 8 bytes", {V4_ENDS, TCP, .ext = nop_options, .ext_bytes = 8}, 36, 28},
	{"udp4 first fragment", {V4_ENDS, UDP, .frag = 0x2000, .payload_bytes = 24}, 0, 20},
	{"echo4", {V4_ENDS, .proto = IPPROTO_ICMP, .icmp_type = 8, .sport = 9}, 28, 20},
	{"echo reply 4", {V4_ENDS, .proto = IPPROTO_ICMP, .icmp_type = 0, .sport = 9}, 28, 20},
	{"gre4 without data", {V4_ENDS, .proto = 47}, 20, 20},
	{"tcp6, all of it", {V6_ENDS, TCP, .payload_bytes = 20}, 0, 40},
	{"tcp6, 8 bytes", {V6_ENDS, TCP, .payload_bytes = 20}, 48, 40},
	{"udp6, 8 bytes", {V6_ENDS, UDP, .payload_bytes = 20}, 48, 40},
	{"tcp6 after three headers, 8 bytes",
         {V6_ENDS, TCP, .ext = hop_dest_routing, .ext_bytes = 24},
         72,
         64},
	{"udp6 first fragment",
         {V6_ENDS, UDP, .ext = first_fragment, .ext_bytes = 8, .ext_next = IPPROTO_FRAGMENT},
         0,
         48},
	{"tcp6 that was source-routed",
         {V6_ENDS, TCP, .ext = source_routed, .ext_bytes = 8, .ext_next = IPPROTO_ROUTING},
         56,
         48},
	{"icmp4 of no echo",
         {V4_ENDS, .proto = IPPROTO_ICMP, .icmp_type = 13, .sport = 9},
         28,
         20,
         .has_no_ident = true},
	{"echo reply 6", {V6_ENDS, .proto = IPPROTO_ICMPV6, .icmp_type = 129, .sport = 9}, 48, 40},
	{"esp6", {V6_ENDS, .proto = IPPROTO_ESP, .payload_bytes = 4}, 0, 40},
};

static struct sl_packet_spec error_about(const struct quote_row *row)
{
	const struct sl_packet_spec v4 = {.src = SL_PACKET_V4(203, 0, 113, 9),
	                                  .dst = SL_PACKET_V4(192, 0, 2, 1),
	                                  .proto = IPPROTO_ICMP,
	                                  .icmp_type = 3,
	                                  .icmp_code = 4,
	                                  .icmp_rest = 1400,
	                                  .quote = &row->quote,
	                                  .quote_bytes = row->quote_bytes};
	struct sl_packet_spec v6 = v4;

	if (sl_ip_is_v4(&row->quote.dst))
		return v4;
	v6.src = (struct sl_ip)SL_PACKET_V6(9);
	v6.dst = (struct sl_ip)SL_PACKET_V6(1);
	v6.proto = IPPROTO_ICMPV6;
	v6.icmp_type = 2;
	v6.icmp_code = 0;
	return v6;
}

START_TEST(an_icmp_error_names_the_quoted_connection)
{
	const struct quote_row *row = &quotes[_i];
	const struct sl_packet_spec spec = error_about(row);
	struct sl_tuple outer = sl_packet_tuple(&spec), inner = sl_packet_tuple(&row->quote);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), &spec);
	struct sl_pkt pkt;

	if (row->has_no_ident)
		inner.sport_be = 0;
	ck_assert_msg(parse_exact(&pkt, frame, n_bytes) == -1, "%s: dropped", row->name);
	ck_assert_msg(pkt.kind == SL_PKT_ICMP_ERROR, "%s: kind %u", row->name, pkt.kind);
	ck_assert_msg(memcmp(&pkt.tuple, &outer, sizeof(outer)) == 0, "%s: outer", row->name);
	ck_assert_msg(memcmp(&pkt.inner, &inner, sizeof(inner)) == 0, "%s: inner", row->name);
	ck_assert_msg(pkt.inner_l3_off == pkt.l4_off + 8, "%s: inner l3", row->name);
	ck_assert_msg(pkt.inner_l4_off == pkt.inner_l3_off + row->inner_l4_off, "%s: inner l4 %u",
	              row->name, pkt.inner_l4_off);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("parse");
	TCase *tc = tcase_create("good");

	tcase_add_loop_test(tc, a_well_formed_packet_is_parsed_into_its_fields, 0,
	                    sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tc, every_prefix_of_a_packet_is_truncated, 0,
	                    sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tc, arp_is_only_recognised, 0, 2);
	tcase_add_loop_test(tc, icmp_types_are_told_apart, 0, 256);
	tcase_add_loop_test(tc, an_icmp_error_names_the_quoted_connection, 0,
	                    sizeof(quotes) / sizeof(quotes[0]));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
