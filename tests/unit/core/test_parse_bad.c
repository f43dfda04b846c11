// SPDX-License-Identifier: Apache-2.0
// What the parser refuses, and under which name: one rule per row. A row is a good packet, changed
// in a few bytes or shortened.
#include "sl_check.h"

#include "layout.h"
#include "packets.h"
#include "parse.h"

#define V4_ENDS  .src = SL_PACKET_V4(192, 0, 2, 1), .dst = SL_PACKET_V4(198, 51, 100, 1)
#define V6_ENDS  .src = SL_PACKET_V6(1), .dst = SL_PACKET_V6(2)
#define PORTS    .sport = 40000, .dport = 443
#define L3       14
#define L4_V4    34
#define L4_V6    54
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct sl_packet_spec tcp4 = {V4_ENDS, PORTS, .proto = 6, .payload_bytes = 8};
static const struct sl_packet_spec udp4 = {V4_ENDS, PORTS, .proto = 17, .payload_bytes = 8};
static const struct sl_packet_spec vlan4 = {V4_ENDS, PORTS, .proto = 6, .n_vlans = 2};
static const struct sl_packet_spec tcp6 = {V6_ENDS, PORTS, .proto = 6, .payload_bytes = 8};
static const struct sl_packet_spec udp6 = {V6_ENDS, PORTS, .proto = 17, .payload_bytes = 8};
static const struct sl_packet_spec roce6 = {V6_ENDS, .sport = 4791, .dport = 4791, .proto = 17,
                                            .is_udp_csum_off = true};
static const struct sl_packet_spec padded4 = {V4_ENDS, PORTS, .proto = 6, .padding_bytes = 6};
static const struct sl_packet_spec error4 = {.src = SL_PACKET_V4(203, 0, 113, 9),
                                             .dst = SL_PACKET_V4(192, 0, 2, 1),
                                             .proto = IPPROTO_ICMP,
                                             .icmp_type = 3,
                                             .quote = &tcp4,
                                             .quote_bytes = 28};
static const struct sl_packet_spec error6 = {.src = SL_PACKET_V6(9),
                                             .dst = SL_PACKET_V6(1),
                                             .proto = IPPROTO_ICMPV6,
                                             .icmp_type = 2,
                                             .quote = &tcp6,
                                             .quote_bytes = 48};

struct edit {
	uint16_t at;
	uint8_t value;
};

struct changed {
	const char *name;
	const struct sl_packet_spec *base;
	struct edit edits[4]; // at 0 ends them
	enum sl_drop want;
};

static const struct changed changes[] = {
	{"ethertype unknown", &tcp4, {{12, 0x88}, {13, 0xcc}}, SL_DROP_NOT_FOR_US},
	{"802.3 length instead of a type", &tcp4, {{12, 0}, {13, 46}}, SL_DROP_NOT_FOR_US},
	{"three vlan tags", &vlan4, {{20, 0x81}, {21, 0}, {24, 8}, {25, 0}}, SL_DROP_NOT_FOR_US},
	{"version 5 in an ipv4 frame", &tcp4, {{L3, 0x55}}, SL_DROP_BAD_HEADER},
	{"version 6 in an ipv4 frame", &tcp4, {{L3, 0x65}}, SL_DROP_BAD_HEADER},
	{"ihl 0", &tcp4, {{L3, 0x40}}, SL_DROP_BAD_HEADER},
	{"ihl 1", &tcp4, {{L3, 0x41}}, SL_DROP_BAD_HEADER},
	{"ihl 2", &tcp4, {{L3, 0x42}}, SL_DROP_BAD_HEADER},
	{"ihl 3", &tcp4, {{L3, 0x43}}, SL_DROP_BAD_HEADER},
	{"ihl 4", &tcp4, {{L3, 0x44}}, SL_DROP_BAD_HEADER},
	{"ihl past the total length", &tcp4, {{L3, 0x4f}}, SL_DROP_BAD_HEADER},
	{"total length 0", &tcp4, {{L3 + 3, 0}}, SL_DROP_BAD_HEADER},
	{"total length 19", &tcp4, {{L3 + 3, 19}}, SL_DROP_BAD_HEADER},
	{"total length of the ip header alone", &tcp4, {{L3 + 3, 20}}, SL_DROP_TRUNCATED},
	{"total length one short of the tcp header", &tcp4, {{L3 + 3, 39}}, SL_DROP_TRUNCATED},
	{"total length one past the frame", &tcp4, {{L3 + 3, 49}}, SL_DROP_TRUNCATED},
	{"total length 65535", &tcp4, {{L3 + 2, 255}, {L3 + 3, 255}}, SL_DROP_TRUNCATED},
	{"tcp header that ends in the padding", &padded4, {{L3 + 3, 36}}, SL_DROP_TRUNCATED},
	{"tcp options that end in the padding", &padded4, {{L4_V4 + 12, 0x60}}, SL_DROP_TRUNCATED},
	{"tcp4 data offset 0", &tcp4, {{L4_V4 + 12, 0}}, SL_DROP_BAD_HEADER},
	{"tcp4 data offset 4", &tcp4, {{L4_V4 + 12, 0x40}}, SL_DROP_BAD_HEADER},
	{"tcp4 data offset past the packet", &tcp4, {{L4_V4 + 12, 0x80}}, SL_DROP_TRUNCATED},
	{"udp4 length 0", &udp4, {{L4_V4 + 5, 0}}, SL_DROP_BAD_HEADER},
	{"udp4 length 7", &udp4, {{L4_V4 + 5, 7}}, SL_DROP_BAD_HEADER},
	{"udp4 length one past the packet", &udp4, {{L4_V4 + 5, 17}}, SL_DROP_BAD_HEADER},
	{"udp4 cut inside its header", &udp4, {{L3 + 3, 27}}, SL_DROP_TRUNCATED},
	{"icmp4 cut inside its header", &error4, {{L3 + 3, 27}}, SL_DROP_TRUNCATED},
	{"version 4 in an ipv6 frame", &tcp6, {{L3, 0x45}}, SL_DROP_BAD_HEADER},
	{"payload length 0", &tcp6, {{L3 + 5, 0}}, SL_DROP_TRUNCATED},
	{"payload length one past the frame", &tcp6, {{L3 + 5, 29}}, SL_DROP_TRUNCATED},
	{"payload length 65535", &tcp6, {{L3 + 4, 255}, {L3 + 5, 255}}, SL_DROP_TRUNCATED},
	{"tcp6 data offset 4", &tcp6, {{L4_V6 + 12, 0x40}}, SL_DROP_BAD_HEADER},
	{"tcp6 data offset past the packet", &tcp6, {{L4_V6 + 12, 0xf0}}, SL_DROP_TRUNCATED},
	{"udp6 length 7", &udp6, {{L4_V6 + 5, 7}}, SL_DROP_BAD_HEADER},
	{"udp6 length one past the packet", &udp6, {{L4_V6 + 5, 17}}, SL_DROP_BAD_HEADER},
	{"udp6 checksum 0", &udp6, {{L4_V6 + 6, 0}, {L4_V6 + 7, 0}}, SL_DROP_BAD_HEADER},
	{"udp6 checksum 0 from RoCEv2's port", &roce6, {{L4_V6 + 3, 0xb8}}, SL_DROP_BAD_HEADER},
	{"udp6 checksum 0 below RoCEv2's port", &roce6, {{L4_V6 + 3, 0xb6}}, SL_DROP_BAD_HEADER},
	{"quoted version 6 in icmp4", &error4, {{42, 0x65}}, SL_DROP_BAD_HEADER},
	{"quoted ihl 4", &error4, {{42, 0x44}}, SL_DROP_BAD_HEADER},
	{"quoted ihl past the quote", &error4, {{42, 0x48}}, SL_DROP_TRUNCATED},
	{"quoted options leave 4 bytes of tcp", &error4, {{42, 0x46}}, SL_DROP_TRUNCATED},
	{"quoted later fragment", &error4, {{49, 1}}, SL_DROP_FRAGMENT},
	{"quote of 7 bytes of tcp4", &error4, {{L3 + 3, 55}}, SL_DROP_TRUNCATED},
	{"quote of 19 bytes of ipv4", &error4, {{L3 + 3, 47}}, SL_DROP_TRUNCATED},
	{"quote of nothing", &error4, {{L3 + 3, 28}}, SL_DROP_TRUNCATED},
	{"quoted version 4 in icmp6", &error6, {{62, 0x45}}, SL_DROP_BAD_HEADER},
	{"quote of 7 bytes of tcp6", &error6, {{L3 + 5, 55}}, SL_DROP_TRUNCATED},
	{"quote of 39 bytes of ipv6", &error6, {{L3 + 5, 47}}, SL_DROP_TRUNCATED},
	{"quoted extension header past the quote",
         &error6,
         {{68, IPPROTO_DSTOPTS}, {103, 1}},
         SL_DROP_TRUNCATED},
	{"quoted later fragment in icmp6",
         &error6,
         {{68, IPPROTO_FRAGMENT}, {104, 1}},
         SL_DROP_FRAGMENT},
};

static int parse_exact(const uint8_t *frame, size_t n_bytes)
{
	uint8_t *exact = malloc(n_bytes);
	struct sl_pkt pkt = {.data = exact, .len = (uint32_t)n_bytes};
	int result;

	memcpy(exact, frame, n_bytes);
	result = sl_parse(&pkt);
	free(exact);
	return result;
}

START_TEST(a_changed_packet_is_dropped_for_its_reason)
{
	const struct changed *row = &changes[_i];
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), row->base);
	int result;

	ck_assert_msg(parse_exact(frame, n_bytes) == -1, "%s: the base is bad", row->name);
	for (size_t i = 0; i < COUNT(row->edits) && row->edits[i].at != 0; i++)
		frame[row->edits[i].at] = row->edits[i].value;
	result = parse_exact(frame, n_bytes);
	ck_assert_msg(result == (int)row->want, "%s: %d", row->name, result);
}
END_TEST

// _i counts the bytes that are quoted, up to one short of 8 bytes of transport.
START_TEST(a_quote_that_is_too_short_is_truncated)
{
	const struct sl_packet_spec *bases[] = {&error4, &error6};
	uint8_t frame[SL_PACKET_MAX_BYTES];

	for (int i = 0; i < 2; i++) {
		struct sl_packet_spec spec = *bases[i];
		int enough = i == 0 ? 28 : 48;

		spec.quote_bytes = (uint16_t)_i;
		ck_assert_int_eq(parse_exact(frame, sl_packet_build(frame, sizeof(frame), &spec)),
		                 _i < enough ? SL_DROP_TRUNCATED : -1);
	}
}
END_TEST

struct ends {
	struct sl_ip src, dst;
};

#define HOST4 SL_PACKET_V4(192, 0, 2, 1)
#define HOST6 SL_PACKET_V6(1)
#define ALL_NODES                                                                                  \
	{                                                                                          \
		.bytes = { 0xff, 2, [15] = 1 }                                                     \
	}
#define LOOPBACK6                                                                                  \
	{                                                                                          \
		.bytes = { [15] = 1 }                                                              \
	}
#define NOWHERE6                                                                                   \
	{                                                                                          \
		.bytes = { 0 }                                                                     \
	}

static const struct ends martians[] = {
	{SL_PACKET_V4(0, 0, 0, 0), HOST4},
	{SL_PACKET_V4(0, 1, 2, 3), HOST4},
	{SL_PACKET_V4(127, 0, 0, 1), HOST4},
	{SL_PACKET_V4(224, 0, 0, 1), HOST4},
	{SL_PACKET_V4(239, 255, 255, 255), HOST4},
	{SL_PACKET_V4(240, 0, 0, 1), HOST4},
	{SL_PACKET_V4(255, 255, 255, 255), HOST4},
	{HOST4, SL_PACKET_V4(0, 0, 0, 0)},
	{HOST4, SL_PACKET_V4(127, 9, 9, 9)},
	{ALL_NODES, HOST6},
	{NOWHERE6, HOST6},
	{LOOPBACK6, HOST6},
	{HOST6, LOOPBACK6},
	{HOST6, NOWHERE6},
};

START_TEST(a_martian_is_dropped)
{
	struct sl_packet_spec spec = {.src = martians[_i].src, .dst = martians[_i].dst, PORTS};
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes;

	for (int i = 0; i < 2; i++) {
		spec.proto = i == 0 ? IPPROTO_TCP : IPPROTO_UDP;
		n_bytes = sl_packet_build(frame, sizeof(frame), &spec);
		ck_assert_msg(parse_exact(frame, n_bytes) == SL_DROP_BAD_ADDRESS, "row %d", _i);
	}
}
END_TEST

// Such an address in an IPv6 header would make the tuple of an IPv4 connection (types.h).
START_TEST(a_mapped_address_in_ipv6_is_dropped)
{
	static const struct {
		const struct sl_packet_spec *base;
		uint16_t at;
	} rows[] = {{&tcp6, L3 + 8}, {&tcp6, L3 + 24}, {&error6, 62 + 8}, {&error6, 62 + 24}};
	const struct sl_ip mapped = SL_PACKET_V4(192, 0, 2, 1);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), rows[_i].base);

	ck_assert_int_eq(parse_exact(frame, n_bytes), -1);
	memcpy(frame + rows[_i].at, mapped.bytes, sizeof(mapped.bytes));
	ck_assert_int_eq(parse_exact(frame, n_bytes), SL_DROP_BAD_ADDRESS);
}
END_TEST

struct options_row {
	const char *name;
	uint8_t bytes[8];
	int want;
};

static const struct options_row options[] = {
	{"loose source route", {131, 7, 4, 10, 0, 0, 1, 0}, SL_DROP_SOURCE_ROUTE},
	{"strict source route", {137, 7, 4, 10, 0, 0, 1, 0}, SL_DROP_SOURCE_ROUTE},
	{"source route after two nops", {1, 1, 131, 3, 4}, SL_DROP_SOURCE_ROUTE},
	{"source route after router alert", {148, 4, 0, 0, 137, 3, 4}, SL_DROP_SOURCE_ROUTE},
	{"source route after the end of the list", {0, 131, 3, 4}, -1},
	{"record route", {7, 7, 4, 0, 0, 0, 0, 0}, -1},
	{"length 0", {148, 0}, SL_DROP_BAD_HEADER},
	{"length 1", {148, 1}, SL_DROP_BAD_HEADER},
	{"length past the options", {1, 1, 1, 1, 148, 5}, SL_DROP_BAD_HEADER},
	{"no room for a length", {1, 1, 1, 1, 1, 1, 1, 148}, SL_DROP_BAD_HEADER},
	{"length that just fits", {1, 1, 1, 1, 148, 4}, -1},
	{"length 255", {148, 255}, SL_DROP_BAD_HEADER},
};

START_TEST(ipv4_options_are_walked_to_their_end)
{
	struct sl_packet_spec spec = tcp4;
	uint8_t frame[SL_PACKET_MAX_BYTES];
	int result;

	spec.ext = options[_i].bytes;
	spec.ext_bytes = sizeof(options[_i].bytes);
	result = parse_exact(frame, sl_packet_build(frame, sizeof(frame), &spec));
	ck_assert_msg(result == options[_i].want, "%s: %d", options[_i].name, result);
}
END_TEST

struct chain {
	const char *name;
	uint16_t n_bytes;
	uint8_t first; // next header of the IPv6 header
	uint8_t bytes[72];
	int want;
};

#define TCP  IPPROTO_TCP
#define DEST IPPROTO_DSTOPTS
#define FRAG IPPROTO_FRAGMENT
#define ROUT IPPROTO_ROUTING

static const struct chain chains[] = {
	{"type 0 routing header", 8, ROUT, {TCP, 0, 0, 1}, SL_DROP_SOURCE_ROUTE},
	{"type 0 routing header without segments", 8, ROUT, {TCP}, SL_DROP_SOURCE_ROUTE},
	{"type 4 with a segment left", 8, ROUT, {TCP, 0, 4, 1}, SL_DROP_SOURCE_ROUTE},
	{"type 4 with no segment left", 8, ROUT, {TCP, 0, 4, 0}, -1},
	{"type 0 behind options",
         16,
         DEST,
         {ROUT, 0, 1, 4, 0, 0, 0, 0, TCP, 0, 0, 1},
         SL_DROP_SOURCE_ROUTE},
	{"atomic fragment with reserved bits", 8, FRAG, {TCP, 0xff, 0, 6}, -1},
	{"hop-by-hop in second place",
         16,
         DEST,
         {IPPROTO_HOPOPTS, 0, 1, 4, 0, 0, 0, 0, TCP, 0, 1, 4},
         SL_DROP_BAD_HEADER},
	{"authentication header of 8 bytes", 8, IPPROTO_AH, {TCP, 0}, SL_DROP_BAD_HEADER},
	{"header past the packet", 8, DEST, {TCP, 9}, SL_DROP_TRUNCATED},
	{"header of 264 bytes", 8, DEST, {TCP, 32}, SL_DROP_EXT_HEADERS},
	{"header of 2048 bytes", 8, DEST, {TCP, 255}, SL_DROP_EXT_HEADERS},
	{"nine headers",
         72,
         DEST,
         {DEST, 0, [8] = DEST, [16] = DEST, [24] = DEST, [32] = DEST, [40] = DEST, [48] = DEST,
          [56] = DEST, [64] = TCP},
         SL_DROP_EXT_HEADERS},
	{"a chain that never ends in a transport", 8, DEST, {DEST, 3}, SL_DROP_TRUNCATED},
	{"tcp claimed by a chain that swallows it", 8, DEST, {TCP, 2}, SL_DROP_TRUNCATED},
};

START_TEST(ipv6_extension_headers_are_walked_within_bounds)
{
	const struct chain *row = &chains[_i];
	struct sl_packet_spec spec = tcp6;
	uint8_t frame[SL_PACKET_MAX_BYTES];
	int result;

	spec.ext = row->bytes;
	spec.ext_bytes = row->n_bytes;
	spec.ext_next = row->first;
	result = parse_exact(frame, sl_packet_build(frame, sizeof(frame), &spec));
	ck_assert_msg(result == row->want, "%s: %d", row->name, result);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("parse_bad");
	TCase *tc = tcase_create("bad");

	tcase_add_loop_test(tc, a_changed_packet_is_dropped_for_its_reason, 0, COUNT(changes));
	tcase_add_loop_test(tc, a_quote_that_is_too_short_is_truncated, 1, 49);
	tcase_add_loop_test(tc, a_martian_is_dropped, 0, COUNT(martians));
	tcase_add_loop_test(tc, a_mapped_address_in_ipv6_is_dropped, 0, 4);
	tcase_add_loop_test(tc, ipv4_options_are_walked_to_their_end, 0, COUNT(options));
	tcase_add_loop_test(tc, ipv6_extension_headers_are_walked_within_bounds, 0, COUNT(chains));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
