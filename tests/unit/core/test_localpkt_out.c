// SPDX-License-Identifier: Apache-2.0
#include "localpkt_frames.h"

static const uint8_t mac_ours[6] = {0x02, 0, 0, 0, 0, 0x01};
static const uint8_t mac_host[6] = {0x02, 0, 0, 0, 0, 0x99};
static void check_frame(const char *name, const uint8_t *got, size_t n_got, const uint8_t *want,
                        size_t n_want)
{
	ck_assert_msg(n_got == n_want, "%s: %zu bytes", name, n_got);
	for (size_t i = 0; i < n_want; i++)
		ck_assert_msg(got[i] == want[i], "%s: byte %zu is %02x, not %02x", name, i, got[i],
		              want[i]);
}

// clang-format off
static const struct {
	const char *name;
	const char *source;
	uint8_t dst_mac[6];
	uint8_t want[42];
} arp_asks[] = {
	{"to everybody", "10.0.0.1", {0}, {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6,
	 ARP_HEAD, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, NOBODY, 10, 0, 0, 9}},
	{"to the MAC we have", "10.0.0.1", {ARP_HOST}, {ARP_HOST, 2, 0, 0, 0, 0, 1, 8, 6, ARP_HEAD,
	 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, NOBODY, 10, 0, 0, 9}},
	{"a probe from nobody", "0.0.0.0", {0}, {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8,
	 6, ARP_HEAD, 0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, NOBODY, 10, 0, 0, 9}},
};
// clang-format on

START_TEST(ask_builds_an_arp_request)
{
	struct sl_ip source = sl_packet_ip(arp_asks[_i].source), target = sl_packet_ip("10.0.0.9");
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];
	struct sl_l2 l2 = {{0}};

	memcpy(l2.our_mac, mac_ours, 6);
	memcpy(l2.dst_mac, arp_asks[_i].dst_mac, 6);
	check_frame(arp_asks[_i].name, frame,
	            sl_build_ask(frame, sizeof(frame), &l2, &source, &target), arp_asks[_i].want,
	            42);
	ck_assert_uint_eq(sl_build_ask(frame, 41, &l2, &source, &target), 0);
}
END_TEST

// A neighbour message of ours as a spec, so that the builder of the tests makes the checksum.
struct nd_want {
	const char *name;
	uint8_t dst_mac[6];
	const char *src, *dst;
	uint8_t type, flags;
	const char *target;
	uint8_t option_type; // 0: none
	uint8_t n_vlans;
};

static void check_nd(const struct nd_want *want, const uint8_t *got, size_t n_got)
{
	uint8_t frame[SL_PACKET_MAX_BYTES], payload[24] = {0};
	struct sl_ip target = sl_packet_ip(want->target);
	struct sl_packet_spec spec = {
		.src_mac = {2, 0, 0, 0, 0, 1},
		.n_vlans = want->n_vlans,
		.vlan_tci = {0x2064, 0x0065},
		.vlan_tpid = {SL_ETHERTYPE_SVLAN, SL_ETHERTYPE_VLAN},
		.src = sl_packet_ip(want->src),
		.dst = sl_packet_ip(want->dst),
		.proto = IPPROTO_ICMPV6,
		.ttl = 255,
		.icmp_type = want->type,
		.sport = (uint16_t)(want->flags << 8),
		.payload = payload,
		.payload_bytes = want->option_type != 0 ? 24 : 16,
	};

	memcpy(spec.dst_mac, want->dst_mac, 6);
	memcpy(payload, target.bytes, 16);
	payload[16] = want->option_type;
	payload[17] = 1;
	memcpy(payload + 18, mac_ours, 6);
	check_frame(want->name, got, n_got, frame, sl_packet_build(frame, sizeof(frame), &spec));
	ck_assert(sl_packet_csums_are_right(got, n_got));
}

// clang-format off
static const struct {
	struct nd_want want;
	uint8_t dst_mac[6];
	const char *source;
} nd_asks[] = {
	{{"to the solicited-node group", {0x33, 0x33, 0xff, 2, 0, 3}, HOST, NODE, NS, 0, TARGET, 1,
	 0}, {0}, HOST},
	{{"to the MAC we have", {ARP_HOST}, HOST, TARGET, NS, 0, TARGET, 1, 0}, {ARP_HOST}, HOST},
	{{"from nobody, without our MAC", {0x33, 0x33, 0xff, 2, 0, 3}, "::", NODE, NS, 0, TARGET, 0,
	 0}, {0}, "::"},
};
// clang-format on

START_TEST(ask_builds_a_neighbour_solicitation)
{
	struct sl_ip source = sl_packet_ip(nd_asks[_i].source), target = sl_packet_ip(TARGET);
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];
	struct sl_l2 l2 = {{0}};
	size_t n_bytes;

	memcpy(l2.our_mac, mac_ours, 6);
	memcpy(l2.dst_mac, nd_asks[_i].dst_mac, 6);
	n_bytes = sl_build_ask(frame, sizeof(frame), &l2, &source, &target);
	check_nd(&nd_asks[_i].want, frame, n_bytes);
	ck_assert_uint_eq(sl_build_ask(frame, n_bytes - 1, &l2, &source, &target), 0);
}
END_TEST

START_TEST(ask_refuses_addresses_of_two_families)
{
	struct sl_ip v4 = sl_packet_ip("10.0.0.1"), v6 = sl_packet_ip(HOST);
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];
	struct sl_l2 l2 = {{0}};

	ck_assert_uint_eq(sl_build_ask(frame, sizeof(frame), &l2, &v4, &v6), 0);
	ck_assert_uint_eq(sl_build_ask(frame, sizeof(frame), &l2, &v6, &v4), 0);
}
END_TEST

#define TAGS 0x88, 0xa8, 0x20, 0x64, 0x81, 0x00, 0x00, 0x65

// clang-format off
static const struct {
	const char *name;
	uint8_t n_vlans;
	uint8_t asked[50], want[50];
	size_t n_bytes;
} arp_tells[] = {
	{"a request", 0, {ETH_BCAST, ARP_HEAD, 0, 1, ARP_HOST, 10, 0, 0, 9, NOBODY, 10, 0, 0, 1},
	 {ARP_HOST, 2, 0, 0, 0, 0, 1, 8, 6, ARP_HEAD, 0, 2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, ARP_HOST,
	 10, 0, 0, 9}, 42},
	{"a probe", 0, {ETH_BCAST, ARP_HEAD, 0, 1, ARP_HOST, 0, 0, 0, 0, NOBODY, 10, 0, 0, 1},
	 {ARP_HOST, 2, 0, 0, 0, 0, 1, 8, 6, ARP_HEAD, 0, 2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, ARP_HOST,
	 0, 0, 0, 0}, 42},
	{"a request under two tags", 2, {255, 255, 255, 255, 255, 255, ARP_HOST, TAGS, 8, 6,
	 ARP_HEAD, 0, 1, ARP_HOST, 10, 0, 0, 9, NOBODY, 10, 0, 0, 1}, {ARP_HOST, 2, 0, 0, 0, 0, 1,
	 TAGS, 8, 6, ARP_HEAD, 0, 2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, ARP_HOST, 10, 0, 0, 9}, 50},
};
// clang-format on

START_TEST(tell_answers_an_arp_request_and_keeps_its_tags)
{
	uint8_t asked[50], frame[SL_LOCALPKT_MAX_BYTES];
	struct sl_neigh_msg msg;
	struct sl_pkt pkt;

	memcpy(asked, arp_tells[_i].asked, sizeof(asked));
	pkt = pkt_of(asked, arp_tells[_i].n_bytes, SL_PKT_ARP, arp_tells[_i].n_vlans);
	msg = sl_neigh_msg_parse(&pkt);
	check_frame(arp_tells[_i].name, frame,
	            sl_build_tell(frame, sizeof(frame), &pkt, &msg, mac_ours), arp_tells[_i].want,
	            arp_tells[_i].n_bytes);
	ck_assert_uint_eq(sl_build_tell(frame, arp_tells[_i].n_bytes - 1, &pkt, &msg, mac_ours), 0);
}
END_TEST

// clang-format off
static const struct {
	struct nd_case asked;
	struct nd_want want;
} nd_tells[] = {
	{{"", NS, 0, 255, 0, HOST, NODE, TARGET, {SLLA}, 8},
	 {"a solicitation", {2, 0, 0, 0, 0, 0x77}, TARGET, HOST, NA, 0x80 | S | O, TARGET, 2,
	 0}},
	{{"", NS, 0, 255, 0, HOST, TARGET, TARGET, {0}, 0},
	 {"one without option", {ARP_HOST}, TARGET, HOST, NA, 0x80 | S | O, TARGET, 0, 0}},
	{{"", NS, 0, 255, 0, "::", NODE, TARGET, {0}, 0},
	 {"duplicate address detection", {0x33, 0x33, 0, 0, 0, 1}, TARGET, "ff02::1", NA,
	 0x80 | O, TARGET, 0, 0}},
	{{"", NS, 0, 255, 0, HOST, NODE, TARGET, {SLLA}, 8},
	 {"one under two tags", {2, 0, 0, 0, 0, 0x77}, TARGET, HOST, NA, 0x80 | S | O, TARGET, 2,
	 2}},
};
// clang-format on

START_TEST(tell_answers_a_solicitation_and_keeps_its_tags)
{
	const struct nd_want *want = &nd_tells[_i].want;
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];
	struct sl_neigh_msg msg;
	struct sl_pkt pkt;
	uint8_t *asked = nd_frame(&nd_tells[_i].asked, want->n_vlans, &pkt);
	size_t n_bytes;

	msg = sl_neigh_msg_parse(&pkt);
	n_bytes = sl_build_tell(frame, sizeof(frame), &pkt, &msg, mac_ours);
	check_nd(want, frame, n_bytes);
	ck_assert_uint_eq(sl_build_tell(frame, n_bytes - 1, &pkt, &msg, mac_ours), 0);
	free(asked);
}
END_TEST

START_TEST(tell_answers_only_what_asks)
{
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];
	struct sl_neigh_msg msg;
	struct sl_pkt pkt;
	const struct nd_case answer = {"an answer", NA,   0,      255,    S | O,
	                               TARGET,      HOST, TARGET, {TLLA}, 8};
	uint8_t *told = nd_frame(&answer, 0, &pkt);

	msg = sl_neigh_msg_parse(&pkt);
	ck_assert_uint_eq(msg.kind, SL_NEIGH_MSG_TELLS);
	ck_assert_uint_eq(sl_build_tell(frame, sizeof(frame), &pkt, &msg, mac_ours), 0);
	free(told);
}
END_TEST

START_TEST(announce_tells_everybody_once_per_family)
{
	static const uint8_t want_v4[42] = {255, 255, 255, 255,      255, 255,    2,  0, 0, 0, 0,
	                                    1,   8,   6,   ARP_HEAD, 0,   1,      2,  0, 0, 0, 0,
	                                    1,   10,  0,   0,        1,   NOBODY, 10, 0, 0, 1};
	static const struct nd_want want_v6 = {"announcement",
	                                       {0x33, 0x33, 0, 0, 0, 1},
	                                       TARGET,
	                                       "ff02::1",
	                                       NA,
	                                       0x80 | O,
	                                       TARGET,
	                                       2,
	                                       0};
	struct sl_ip v4 = sl_packet_ip("10.0.0.1"), v6 = sl_packet_ip(TARGET);
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];

	check_frame("v4", frame, sl_build_announce(frame, sizeof(frame), &v4, mac_ours), want_v4,
	            42);
	check_nd(&want_v6, frame, sl_build_announce(frame, sizeof(frame), &v6, mac_ours));
	ck_assert_uint_eq(sl_build_announce(frame, 41, &v4, mac_ours), 0);
	ck_assert_uint_eq(sl_build_announce(frame, 85, &v6, mac_ours), 0);
}
END_TEST
// --- echo ---

static const uint8_t nops[4] = {1, 1, 1, 0};

static const struct {
	const char *name;
	const char *src, *dst;
	uint8_t proto, type, reply;
	uint8_t n_vlans, ext_bytes;
	uint16_t payload_bytes;
} echoes[] = {
	{"v4", "192.0.2.9", "10.0.0.1", IPPROTO_ICMP, 8, 0, 0, 0, 56},
	{"v4 with options, tagged, odd length", "192.0.2.9", "10.0.0.1", IPPROTO_ICMP, 8, 0, 1, 4,
         7},
	{"v6", "2001:db8::9", "2001:db8::1", IPPROTO_ICMPV6, 128, 129, 0, 0, 56},
	{"v6 without payload, under two tags", "2001:db8::9", "2001:db8::1", IPPROTO_ICMPV6, 128,
         129, 2, 0, 0},
};

START_TEST(an_echo_request_becomes_its_reply)
{
	uint8_t frame[SL_PACKET_MAX_BYTES], want[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec spec = {
		.dst_mac = {2, 0, 0, 0, 0, 1},
		.src_mac = {ARP_HOST},
		.n_vlans = echoes[_i].n_vlans,
		.vlan_tci = {0x2064, 0x0065},
		.src = sl_packet_ip(echoes[_i].src),
		.dst = sl_packet_ip(echoes[_i].dst),
		.proto = echoes[_i].proto,
		.ttl = 3,
		.dscp_ecn = 0x2e << 2,
		.ext = nops,
		.ext_bytes = echoes[_i].ext_bytes,
		.icmp_type = echoes[_i].type,
		.sport = 0xbeef,
		.dport = 7,
		.payload_bytes = echoes[_i].payload_bytes,
		.padding_bytes = 5,
	};
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), &spec);
	struct sl_pkt pkt = pkt_of(frame, n_bytes, SL_PKT_ECHO, spec.n_vlans);
	struct sl_ip src = spec.src;

	ck_assert(sl_echo_reply(&pkt, mac_ours));
	memcpy(spec.dst_mac, mac_host, 6);
	memcpy(spec.src_mac, mac_ours, 6);
	spec.src = spec.dst;
	spec.dst = src;
	spec.ttl = 64;
	spec.icmp_type = echoes[_i].reply;
	ck_assert_uint_eq(sl_packet_build(want, sizeof(want), &spec), n_bytes);
	check_frame(echoes[_i].name, frame, n_bytes, want, n_bytes);
	ck_assert(sl_ip_equal(&pkt.tuple.src, &spec.src) && sl_ip_equal(&pkt.tuple.dst, &spec.dst));
	ck_assert_uint_eq(pkt.icmp_type, echoes[_i].reply);
	ck_assert_uint_eq(pkt.ttl, 64);
}
END_TEST

// RFC 1624 leaves a message whose words are all zero with the other zero of one's complement; the
// second row's checksum is rightly 0.
static const struct {
	const char *name;
	uint16_t ident;
	uint16_t payload_bytes; // of zeros
} zero_echoes[] = {
	{"nothing but the header", 0, 0},
	{"a payload of zeros, odd length", 0, 9},
	{"words that add up to 0xffff", 0xffff, 8},
};

START_TEST(an_echo_reply_of_zeros_has_the_checksum_of_one_built_anew)
{
	static const uint8_t zeros[9];
	uint8_t frame[SL_PACKET_MAX_BYTES], want[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec spec = {
		.dst_mac = {2, 0, 0, 0, 0, 1},
		.src_mac = {ARP_HOST},
		.src = sl_packet_ip("192.0.2.9"),
		.dst = sl_packet_ip("10.0.0.1"),
		.proto = IPPROTO_ICMP,
		.icmp_type = 8,
		.sport = zero_echoes[_i].ident,
		.payload = zeros,
		.payload_bytes = zero_echoes[_i].payload_bytes,
	};
	struct sl_packet_spec reply = spec;
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), &spec);
	struct sl_pkt pkt = pkt_of(frame, n_bytes, SL_PKT_ECHO, 0);

	ck_assert(sl_echo_reply(&pkt, mac_ours));
	memcpy(reply.dst_mac, mac_host, 6);
	memcpy(reply.src_mac, mac_ours, 6);
	reply.src = spec.dst;
	reply.dst = spec.src;
	reply.icmp_type = 0;
	sl_packet_build(want, sizeof(want), &reply);
	check_frame(zero_echoes[_i].name, frame, n_bytes, want, n_bytes);
}
END_TEST

static const struct {
	const char *name;
	const char *src, *dst;
	uint8_t dst_mac_first, src_mac_first;
	uint8_t kind;
} silences[] = {
	{"to a v4 group", "192.0.2.9", "224.0.0.1", 2, 2, SL_PKT_ECHO},
	{"to the v4 broadcast", "192.0.2.9", "255.255.255.255", 2, 2, SL_PKT_ECHO},
	{"to a v6 group", "2001:db8::9", "ff02::1", 2, 2, SL_PKT_ECHO},
	{"by Ethernet broadcast", "192.0.2.9", "10.0.0.1", 255, 2, SL_PKT_ECHO},
	{"from an Ethernet group", "192.0.2.9", "10.0.0.1", 2, 3, SL_PKT_ECHO},
	{"not an echo request", "192.0.2.9", "10.0.0.1", 2, 2, SL_PKT_UDP},
};

START_TEST(an_echo_request_to_many_is_not_answered)
{
	uint8_t frame[SL_PACKET_MAX_BYTES], before[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec spec = {
		.dst_mac = {silences[_i].dst_mac_first, 0, 0, 0, 0, 1},
		.src_mac = {silences[_i].src_mac_first, 0, 0, 0, 0, 9},
		.src = sl_packet_ip(silences[_i].src),
		.dst = sl_packet_ip(silences[_i].dst),
		.payload_bytes = 8,
	};
	struct sl_pkt pkt;
	size_t n_bytes;

	spec.proto = sl_ip_is_v4(&spec.dst) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	spec.icmp_type = sl_ip_is_v4(&spec.dst) ? 8 : 128;
	n_bytes = sl_packet_build(frame, sizeof(frame), &spec);
	memcpy(before, frame, n_bytes);
	pkt = pkt_of(frame, n_bytes, silences[_i].kind, 0);
	ck_assert_msg(!sl_echo_reply(&pkt, mac_ours), "%s", silences[_i].name);
	ck_assert_mem_eq(frame, before, n_bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("localpkt_out");
	TCase *tc = tcase_create("out");

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, ask_builds_an_arp_request, 0, N_OF(arp_asks));
	tcase_add_loop_test(tc, ask_builds_a_neighbour_solicitation, 0, N_OF(nd_asks));
	tcase_add_test(tc, ask_refuses_addresses_of_two_families);
	tcase_add_loop_test(tc, tell_answers_an_arp_request_and_keeps_its_tags, 0, N_OF(arp_tells));
	tcase_add_loop_test(tc, tell_answers_a_solicitation_and_keeps_its_tags, 0, N_OF(nd_tells));
	tcase_add_test(tc, tell_answers_only_what_asks);
	tcase_add_test(tc, announce_tells_everybody_once_per_family);
	tcase_add_loop_test(tc, an_echo_request_becomes_its_reply, 0, N_OF(echoes));
	tcase_add_loop_test(tc, an_echo_reply_of_zeros_has_the_checksum_of_one_built_anew, 0,
	                    N_OF(zero_echoes));
	tcase_add_loop_test(tc, an_echo_request_to_many_is_not_answered, 0, N_OF(silences));
	return sl_check_run(suite);
}
