// SPDX-License-Identifier: Apache-2.0
// No amplification: whatever comes from whoever says so, at most one packet answers it, and that
// one is not longer (in bytes of its IP packet, or of its ARP message).
//
// Here each maker of answers meets random packets by itself; the soak test asks the same of the
// whole core.
#include <unistd.h>

#include "icmp_make.h"
#include "layout.h"
#include "localpkt.h"
#include "parse.h"
#include "random_packet.h"
#include "sl_check.h"
#include "syncookie.h"
#include "toobig.h"

#ifndef SL_PROP_CASES
#error "meson.build says how many cases a property takes"
#endif

// ck_assert writes to a pipe each time it holds: too slow for millions.
#define REQUIRE(condition, seed)                                                                   \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("%s; seed %lu", #condition, (unsigned long)(seed));           \
	} while (0)

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};

// As a host that is no friend would: any of the packets Sluice forwards, with any number of bytes.
static void make_transport(struct sl_packet_spec *spec, struct random_packet *random,
                           uint64_t *state)
{
	random_packet_make(random, state);
	*spec = random->spec;
	spec->frag = sl_ip_is_v4(&spec->dst) && random_below(state, 2) != 0 ? 0x4000 : 0;
}

static void make_echo(struct sl_packet_spec *spec, struct random_packet *random, uint64_t *state)
{
	make_transport(spec, random, state);
	spec->quote = NULL;
	spec->proto = sl_ip_is_v4(&spec->dst) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	spec->icmp_type = sl_ip_is_v4(&spec->dst) ? 8 : 128;
	spec->ext_bytes = sl_ip_is_v4(&spec->dst) ? spec->ext_bytes : 0;
	spec->payload = NULL;
	spec->payload_bytes = (uint16_t)random_below(state, 100);
}

// A question of a neighbour, with the option that names its MAC, others, or none; from somebody or
// from nobody.
static void make_solicit(struct sl_packet_spec *spec, uint8_t *body, uint64_t *state)
{
	static const uint8_t target[16] = {0x20, 1, 0x0d, 0xb8, [15] = 3};
	const uint32_t n_options = random_below(state, 3);
	const bool is_from_nobody = n_options == 0 && random_below(state, 2) != 0;

	*spec = (struct sl_packet_spec){.src = {.bytes = {0xfe, 0x80, [15] = 9}},
	                                .dst = {.bytes = {0xff, 2, [11] = 1, 0xff, [15] = 3}},
	                                .proto = IPPROTO_ICMPV6,
	                                .ttl = 255,
	                                .icmp_type = 135,
	                                .payload = body,
	                                .payload_bytes = (uint16_t)(16 + 8 * n_options)};
	if (is_from_nobody)
		memset(&spec->src, 0, sizeof(spec->src));
	else if (random_below(state, 2) != 0)
		memcpy(spec->dst.bytes, target, sizeof(target));
	memcpy(body, target, sizeof(target));
	for (uint32_t i = 0; i < n_options; i++) {
		uint8_t *option = body + 16 + (size_t)8 * i;

		memset(option, 2, 8);
		option[0] = (uint8_t)(1 + random_below(state, 2) * 13); // source MAC, or a nonce
		option[1] = 1;
	}
}

static size_t make_arp(uint8_t *frame, uint64_t *state)
{
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};

	for (int i = 0; i < 60; i++)
		frame[i] = (uint8_t)sl_check_random(state);
	frame[6] &= 0xfe;
	frame[22] &= 0xfe;
	sl_store16_host(frame + SL_ETH_OFF_TYPE, SL_ETHERTYPE_ARP);
	memcpy(frame + SL_ETH_BYTES, head, sizeof(head));
	return random_below(state, 2) != 0 ? 60 : 42;
}

static size_t make_frame(uint8_t *frame, uint64_t *state)
{
	struct random_packet random;
	struct sl_packet_spec spec;
	uint8_t body[32];
	size_t n_bytes;

	switch (random_below(state, 8)) {
	case 0:
		return make_arp(frame, state);
	case 1:
		make_solicit(&spec, body, state);
		break;
	case 2:
		make_echo(&spec, &random, state);
		break;
	default:
		make_transport(&spec, &random, state);
		break;
	}
	memset(spec.dst_mac, 2, 6);
	memset(spec.src_mac, 4, 6);
	n_bytes = sl_packet_build(frame, SL_PACKET_MAX_BYTES, &spec);
	if (random_below(state, 4) == 0)
		frame[12 + random_below(state, 60)] ^= (uint8_t)(1u << random_below(state, 8));
	return n_bytes;
}

// Of the IP packet as its header says, or of the message.
static size_t l3_bytes(const uint8_t *frame, size_t l3_off, bool is_arp)
{
	const uint8_t *l3 = frame + l3_off;

	if (is_arp)
		return 28;
	return l3[0] >> 4 == 4 ? sl_load16_host(l3 + SL_IPV4_OFF_TOTAL)
	                       : (size_t)SL_IPV6_BYTES + sl_load16_host(l3 + SL_IPV6_OFF_PAYLOAD);
}

struct tally {
	uint32_t n_arps, n_nds, n_echoes, n_errors, n_too_bigs, n_cookies;
};

// What the makers say to one packet; each has a copy of it, and only one of them speaks of it in
// the appliance. Every answer is counted, so that a property over nothing is noticed.
static void check_answers(uint8_t *frame, size_t n_bytes, struct tally *tally, uint64_t seed)
{
	const struct sl_ip ours[2] = {sl_packet_ip("192.0.2.1"), sl_packet_ip("2001:db8::1")};
	struct sl_pkt pkt = {.data = frame, .len = (uint32_t)n_bytes};
	uint8_t out[SL_ICMP_MAKE_MAX_BYTES];
	struct sl_icmp_bucket bucket = {0};
	size_t most, n_out;

	if (sl_parse(&pkt) != -1)
		return;
	most = l3_bytes(frame, pkt.l3_off, pkt.kind == SL_PKT_ARP);
	if (pkt.kind == SL_PKT_ARP || pkt.kind == SL_PKT_ND) {
		const struct sl_neigh_msg msg = sl_neigh_msg_parse(&pkt);

		n_out = sl_build_tell(out, sizeof(out), &pkt, &msg, our_mac);
		REQUIRE(n_out == 0 || n_out - pkt.l3_off <= most, seed);
		*(pkt.kind == SL_PKT_ARP ? &tally->n_arps : &tally->n_nds) += n_out != 0;
		return;
	}
	if (sl_icmp_grant(&bucket, &pkt, 1)) {
		n_out = sl_icmp_make_error(out, sizeof(out), &pkt, our_mac,
		                           &(struct sl_icmp_error){11, 0, 0, &ours[pkt.is_v6]});
		REQUIRE(n_out != 0 && n_out - pkt.l3_off <= most, seed);
		REQUIRE(l3_bytes(out, pkt.l3_off, false) == n_out - pkt.l3_off, seed);
		tally->n_errors++;
	}
	if (pkt.kind == SL_PKT_TCP && seed % 2 != 0) {
		const struct sl_hash_key key = {seed, ~seed};

		if (!sl_syncookie_answer(&pkt, &key, (uint32_t)seed, 1460))
			return;
		REQUIRE(l3_bytes(pkt.data, pkt.l3_off, false) <= most, seed);
		REQUIRE(pkt.len <= n_bytes && sl_packet_csums_are_right(pkt.data, pkt.len), seed);
		tally->n_cookies++;
		return;
	}
	if (sl_echo_reply(&pkt, our_mac)) {
		REQUIRE(l3_bytes(pkt.data, pkt.l3_off, false) == most, seed);
		tally->n_echoes++;
	} else if (sl_toobig_is_allowed(&pkt) && most >= SL_MTU_MIN_BYTES) {
		sl_toobig_make(&pkt, SL_MTU_MIN_BYTES - SL_IPV6_BYTES);
		REQUIRE(l3_bytes(pkt.data, pkt.l3_off, false) <= most, seed);
		REQUIRE(pkt.len - pkt.l3_off <= most, seed);
		tally->n_too_bigs++;
	}
}

START_TEST(no_answer_is_longer_than_what_it_answers)
{
	const uint64_t first_seed = sl_check_seed();
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct tally tally = {0};

	for (uint64_t i = 0; i < SL_PROP_CASES; i++) {
		uint64_t seed = first_seed + i, state = seed;
		size_t n_bytes = make_frame(frame, &state);

		check_answers(frame, n_bytes, &tally, seed);
	}
	ck_assert_uint_gt(tally.n_arps, SL_PROP_CASES / 100);
	ck_assert_uint_gt(tally.n_nds, SL_PROP_CASES / 100);
	ck_assert_uint_gt(tally.n_echoes, SL_PROP_CASES / 100);
	ck_assert_uint_gt(tally.n_errors, SL_PROP_CASES / 100);
	ck_assert_uint_gt(tally.n_too_bigs, SL_PROP_CASES / 10000);
	ck_assert_uint_gt(tally.n_cookies, SL_PROP_CASES / 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("answers");
	TCase *tc = tcase_create("random");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, no_answer_is_longer_than_what_it_answers);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
