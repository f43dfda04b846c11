// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <netinet/in.h>

#include "packets.h"
#include "parse.h"
#include "toobig.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DF       0x4000
#define V4_ENDS  .src = SL_PACKET_V4(192, 0, 2, 1), .dst = SL_PACKET_V4(198, 51, 100, 1)
#define V6_ENDS  .src = SL_PACKET_V6(1), .dst = SL_PACKET_V6(2)
#define L2_BYTES 14

struct packet {
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt;
};

static void build_and_parse(struct packet *p, const struct sl_packet_spec *spec)
{
	memset(p, 0xcd, sizeof(*p)); // what is not written shows
	p->pkt = (struct sl_pkt){.data = p->frame};
	p->pkt.len = (uint32_t)sl_packet_build(p->frame, sizeof(p->frame), spec);
	ck_assert_int_eq(sl_parse(&p->pkt), -1);
}

// icmp_bytes: the whole error, from its IP header on.
static const struct {
	const char *name;
	struct sl_packet_spec about;
	uint16_t icmp_bytes;
	uint16_t mtu;
} rows[] = {
	{"tcp4", {V4_ENDS, .proto = 6, .frag = DF, .payload_bytes = 1460}, 576, 1480},
	{"udp4", {V4_ENDS, .proto = 17, .frag = DF, .payload_bytes = 1472}, 576, 1468},
	{"tcp4 in a vlan",
         {V4_ENDS, .proto = 6, .frag = DF, .payload_bytes = 1460, .n_vlans = 1},
         576,
         1480},
	{"udp4 of 577 bytes", {V4_ENDS, .proto = 17, .frag = DF, .payload_bytes = 549}, 576, 500},
	{"udp4 of 575 bytes", {V4_ENDS, .proto = 17, .frag = DF, .payload_bytes = 547}, 575, 500},
	{"padding is not quoted",
         {V4_ENDS, .proto = 17, .frag = DF, .payload_bytes = 72, .padding_bytes = 50},
         100,
         90},
	{"tcp6", {V6_ENDS, .proto = 6, .payload_bytes = 1440}, 1280, 1460},
	{"udp6", {V6_ENDS, .proto = 17, .payload_bytes = 1452}, 1280, 1448},
};

START_TEST(the_error_is_right_byte_for_byte)
{
	const struct sl_packet_spec *about = &rows[_i].about;
	const bool is_v6 = !sl_ip_is_v4(&about->dst);
	struct sl_packet_spec bare = *about;
	struct sl_packet_spec want_spec = {.src = about->dst,
	                                   .dst = about->src,
	                                   .proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
	                                   .n_vlans = about->n_vlans,
	                                   .dscp_ecn = is_v6 ? 0 : 0xc0,
	                                   .frag = is_v6 ? 0 : DF,
	                                   .icmp_type = is_v6 ? 2 : 3,
	                                   .icmp_code = is_v6 ? 0 : 4,
	                                   .icmp_rest = rows[_i].mtu,
	                                   .quote = &bare};
	uint8_t want[SL_PACKET_MAX_BYTES];
	struct packet p;
	size_t n_want;

	bare.n_vlans = 0;
	want_spec.quote_bytes = (uint16_t)(rows[_i].icmp_bytes - (is_v6 ? 48 : 28));
	n_want = sl_packet_build(want, sizeof(want), &want_spec);
	if (!is_v6) { // the builder's identification is 0x1234, an atomic packet's is 0
		uint8_t *l3 = want + L2_BYTES + 4 * about->n_vlans;
		uint32_t csum = ((uint32_t)l3[10] << 8 | l3[11]) + 0x1234;

		csum = (csum & 0xffff) + (csum >> 16);
		memset(l3 + 4, 0, 2);
		l3[10] = (uint8_t)(csum >> 8);
		l3[11] = (uint8_t)csum;
	}
	build_and_parse(&p, about);
	ck_assert_msg(sl_toobig_is_allowed(&p.pkt), "%s", rows[_i].name);
	sl_toobig_make(&p.pkt, rows[_i].mtu);
	ck_assert_msg(p.pkt.len == n_want, "%s: %u bytes, not %zu", rows[_i].name, p.pkt.len,
	              n_want);
	ck_assert_msg(memcmp(p.frame, want, n_want) == 0, "%s: other bytes", rows[_i].name);
	ck_assert(sl_ip_equal(&p.pkt.tuple.dst, &about->src));
}
END_TEST

START_TEST(the_error_is_never_longer_than_its_cause)
{
	for (uint16_t n = 60; n < 1500; n++) {
		struct sl_packet_spec spec = {V4_ENDS, .proto = 17, .frag = DF, .payload_bytes = n};
		struct sl_packet_spec spec6 = {V6_ENDS, .proto = 17, .payload_bytes = n};
		struct packet p;
		uint32_t len;

		build_and_parse(&p, n % 2 ? &spec : &spec6);
		len = p.pkt.len;
		sl_toobig_make(&p.pkt, 1400);
		ck_assert_uint_le(p.pkt.len, len);
		ck_assert(sl_packet_csums_are_right(p.frame, p.pkt.len));
	}
}
END_TEST

// What the error is made of is understood by our own parser, down to the quoted ports.
START_TEST(the_error_parses_back_to_what_it_is_about)
{
	const struct sl_packet_spec *about = &rows[_i].about;
	struct sl_tuple tuple = sl_packet_tuple(about);
	struct packet p;

	build_and_parse(&p, about);
	sl_toobig_make(&p.pkt, rows[_i].mtu);
	ck_assert_int_eq(sl_parse(&p.pkt), -1);
	ck_assert_uint_eq(p.pkt.kind, SL_PKT_ICMP_ERROR);
	ck_assert_mem_eq(&p.pkt.inner, &tuple, sizeof(tuple));
}
END_TEST

static const struct sl_packet_spec quoted4 = {V4_ENDS, .proto = 6, .payload_bytes = 20};
static const struct sl_packet_spec quoted6 = {V6_ENDS, .proto = 6, .payload_bytes = 20};

static const struct {
	const char *name;
	struct sl_packet_spec spec;
} silent[] = {
	{"icmp4 error", {V4_ENDS, .proto = 1, .frag = DF, .icmp_type = 3, .quote = &quoted4}},
	{"icmp6 error", {V6_ENDS, .proto = 58, .icmp_type = 1, .quote = &quoted6}},
	{"icmp4 echo", {V4_ENDS, .proto = 1, .frag = DF, .icmp_type = 8, .payload_bytes = 1400}},
	{"tcp4 that may be fragmented", {V4_ENDS, .proto = 6, .payload_bytes = 1460}},
	{"tcp4 to a group MAC",
         {V4_ENDS, .proto = 6, .frag = DF, .dst_mac = {1, 0, 0x5e, 0, 0, 1}}},
};

START_TEST(there_is_no_error_about)
{
	struct packet p;

	build_and_parse(&p, &silent[_i].spec);
	ck_assert_msg(!sl_toobig_is_allowed(&p.pkt), "%s", silent[_i].name);
}
END_TEST

// What the parser does not let through or tells otherwise: what decides must not depend on that.
static const struct {
	const char *name;
	uint8_t off;
	uint8_t bytes[4];
	uint8_t n_bytes;
} patches[] = {
	{"first fragment", 14 + 6, {0x60, 0}, 2},
	{"later fragment", 14 + 6, {0x40, 1}, 2},
	{"destination multicast", 14 + 16, {224, 0, 0, 1}, 4},
	{"destination broadcast", 14 + 16, {255, 255, 255, 255}, 4},
	{"source multicast", 14 + 12, {239, 1, 1, 1}, 4},
	{"source unspecified", 14 + 12, {0, 0, 0, 0}, 4},
	{"source loopback", 14 + 12, {127, 0, 0, 1}, 4},
};

START_TEST(there_is_no_error_about_a_patched)
{
	const struct sl_packet_spec spec = {V4_ENDS, .proto = 6, .frag = DF};
	struct packet p;

	build_and_parse(&p, &spec);
	ck_assert(sl_toobig_is_allowed(&p.pkt));
	memcpy(p.frame + patches[_i].off, patches[_i].bytes, patches[_i].n_bytes);
	ck_assert_msg(!sl_toobig_is_allowed(&p.pkt), "%s", patches[_i].name);
}
END_TEST

static const struct {
	const char *name;
	bool is_source;
	struct sl_ip ip;
} bad6[] = {
	{"destination multicast", false, {.bytes = {0xff, 2, [15] = 1}}},
	{"source multicast", true, {.bytes = {0xff, 2, [15] = 1}}},
	{"source unspecified", true, {.bytes = {0}}},
	{"source loopback", true, {.bytes = {[15] = 1}}},
};

START_TEST(there_is_no_error_about_ipv6_with)
{
	const struct sl_packet_spec spec = {V6_ENDS, .proto = 6};
	struct packet p;

	build_and_parse(&p, &spec);
	ck_assert(sl_toobig_is_allowed(&p.pkt));
	*(bad6[_i].is_source ? &p.pkt.tuple.src : &p.pkt.tuple.dst) = bad6[_i].ip;
	ck_assert_msg(!sl_toobig_is_allowed(&p.pkt), "%s", bad6[_i].name);
}
END_TEST

static const struct {
	const char *name;
	uint8_t offset_and_more[2];
	bool is_allowed;
} fragments6[] = {
	{"first", {0, 1}, false},
	{"last", {5, 0xa8}, false},
	{"atomic, which is a whole packet (RFC 6946)", {0, 0}, true},
};

START_TEST(there_is_no_error_about_an_ipv6_fragment)
{
	const uint8_t *field = fragments6[_i].offset_and_more;
	const uint8_t ext[8] = {IPPROTO_TCP, 0, field[0], field[1], 1, 2, 3, 4};
	const struct sl_packet_spec spec = {V6_ENDS,
	                                    .proto = 6,
	                                    .ext = ext,
	                                    .ext_bytes = sizeof(ext),
	                                    .ext_next = IPPROTO_FRAGMENT,
	                                    .payload_bytes = 44};
	struct packet p;

	build_and_parse(&p, &spec);
	ck_assert_msg(sl_toobig_is_allowed(&p.pkt) == fragments6[_i].is_allowed, "%s",
	              fragments6[_i].name);
}
END_TEST

START_TEST(a_burst_passes_then_the_rate_holds_across_the_wrap)
{
	const uint32_t start = UINT32_MAX - 1;
	struct sl_toobig_bucket bucket;

	sl_toobig_bucket_init(&bucket, start);
	for (int i = 0; i < SL_TOOBIG_BURST; i++)
		ck_assert(sl_toobig_take(&bucket, start));
	ck_assert(!sl_toobig_take(&bucket, start));
	for (uint32_t tick = 1; tick < 8; tick++) {
		for (int i = 0; i < SL_TOOBIG_PER_TICK; i++)
			ck_assert(sl_toobig_take(&bucket, start + tick));
		ck_assert(!sl_toobig_take(&bucket, start + tick));
	}
	for (int i = 0; i < SL_TOOBIG_BURST; i++) // a long rest saves up one burst, no more
		ck_assert(sl_toobig_take(&bucket, start + 4000000000u));
	ck_assert(!sl_toobig_take(&bucket, start + 4000000000u));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("toobig");
	TCase *tc = tcase_create("toobig");

	tcase_add_loop_test(tc, the_error_is_right_byte_for_byte, 0, COUNT(rows));
	tcase_add_test(tc, the_error_is_never_longer_than_its_cause);
	tcase_add_loop_test(tc, the_error_parses_back_to_what_it_is_about, 0, COUNT(rows));
	tcase_add_loop_test(tc, there_is_no_error_about, 0, COUNT(silent));
	tcase_add_loop_test(tc, there_is_no_error_about_a_patched, 0, COUNT(patches));
	tcase_add_loop_test(tc, there_is_no_error_about_ipv6_with, 0, COUNT(bad6));
	tcase_add_loop_test(tc, there_is_no_error_about_an_ipv6_fragment, 0, COUNT(fragments6));
	tcase_add_test(tc, a_burst_passes_then_the_rate_holds_across_the_wrap);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
