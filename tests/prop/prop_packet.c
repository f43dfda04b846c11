// SPDX-License-Identifier: Apache-2.0
// Properties of parser and rewriter over random packets:
// - what is translated incrementally equals what is built anew, byte for byte;
// - whatever the bytes are, nothing beyond the packet is read or written, the answer depends on
//   the bytes alone, and what it names lies inside the packet.
#include <unistd.h>

#include "guard.h"
#include "layout.h"
#include "parse.h"
#include "random_packet.h"
#include "rewrite.h"
#include "sl_check.h"

#ifndef SL_PROP_CASES
#error "meson.build says how many cases a property takes"
#endif

// ck_assert writes to a pipe each time it holds: too slow for millions.
#define REQUIRE(condition, seed)                                                                   \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("%s; seed %lu", #condition, (unsigned long)(seed));           \
	} while (0)

static const uint8_t new_src_mac[6] = {2, 0, 0, 0, 0, 7}, new_dst_mac[6] = {2, 0, 0, 0, 0, 9};

static void check_bytes(const uint8_t *got, const struct sl_packet_spec *want_spec, size_t n_bytes,
                        uint64_t seed)
{
	uint8_t want[SL_PACKET_MAX_BYTES];
	size_t i;

	REQUIRE(sl_packet_build(want, sizeof(want), want_spec) == n_bytes, seed);
	if (memcmp(got, want, n_bytes) == 0)
		return;
	for (i = 0; got[i] == want[i]; i++)
		continue;
	ck_abort_msg("byte %zu of %zu is %02x, want %02x; seed %lu", i, n_bytes, got[i], want[i],
	             (unsigned long)seed);
}

START_TEST(incremental_translation_equals_a_packet_built_anew)
{
	const uint64_t first_seed = sl_check_seed();
	struct random_packet random;
	struct sl_packet_spec want, want_quote;
	uint8_t frame[SL_PACKET_MAX_BYTES];

	for (uint64_t i = 0; i < SL_PROP_CASES; i++) {
		uint64_t seed = first_seed + i, state = seed;
		struct sl_tuple to, inner;
		struct sl_pkt pkt;
		size_t n_bytes;

		random_packet_make(&random, &state);
		n_bytes = sl_packet_build(frame, sizeof(frame), &random.spec);
		pkt = (struct sl_pkt){.data = frame, .len = (uint32_t)n_bytes};
		REQUIRE(sl_parse(&pkt) == -1, seed);
		to = random_packet_other_tuple(&random.spec, &state);
		want = sl_packet_retuple(&random.spec, &to);
		if (random.spec.quote != NULL) {
			inner = random_packet_other_tuple(&random.quote, &state);
			want_quote = sl_packet_retuple(&random.quote, &inner);
			want.quote = &want_quote;
			sl_rewrite_icmp_error(&pkt, &to, &inner);
		} else {
			sl_rewrite_tuple(&pkt, &to);
		}
		REQUIRE(sl_rewrite_ttl(&pkt), seed);
		sl_rewrite_macs(&pkt, new_src_mac, new_dst_mac);
		want.ttl--;
		memcpy(want.src_mac, new_src_mac, 6);
		memcpy(want.dst_mac, new_dst_mac, 6);
		check_bytes(frame, &want, n_bytes, seed);
	}
}
END_TEST

static void check_inside(const struct sl_pkt *pkt, uint64_t seed)
{
	uint32_t l4_end = (uint32_t)pkt->l4_off + pkt->l4_bytes;

	if (pkt->kind == SL_PKT_ARP) {
		REQUIRE(pkt->l3_off <= pkt->len, seed);
		return;
	}
	REQUIRE(pkt->l3_off + (pkt->is_v6 ? 40 : 20) <= pkt->l4_off, seed);
	REQUIRE(l4_end <= pkt->len, seed);
	REQUIRE(pkt->payload_off >= pkt->l4_off && pkt->payload_off <= l4_end, seed);
	REQUIRE(pkt->is_v6 != sl_ip_is_v4(&pkt->tuple.src), seed);
	REQUIRE(pkt->is_v6 != sl_ip_is_v4(&pkt->tuple.dst), seed);
	REQUIRE(pkt->kind != SL_PKT_FRAGMENT || pkt->is_fragment, seed);
	if (pkt->is_fragment) {
		REQUIRE(pkt->frag_bytes > 0 && pkt->frag_bytes >= pkt->l4_bytes, seed);
		REQUIRE(pkt->frag_off_bytes + pkt->frag_bytes <= UINT16_MAX, seed);
		REQUIRE((pkt->frag_off_bytes == 0) == (pkt->kind != SL_PKT_FRAGMENT), seed);
	}
	if (pkt->kind != SL_PKT_ICMP_ERROR)
		return;
	REQUIRE(pkt->inner_l3_off >= pkt->payload_off, seed);
	REQUIRE(pkt->inner_l4_off > pkt->inner_l3_off, seed);
	REQUIRE(pkt->inner_l4_off <= l4_end, seed);
	REQUIRE(pkt->is_v6 != sl_ip_is_v4(&pkt->inner.src), seed);
}

// What a test can compare: everything the parser fills when it accepts a packet.
static bool is_same_parse(const struct sl_pkt *a, const struct sl_pkt *b)
{
	if (a->kind != b->kind || a->is_v6 != b->is_v6 || a->n_vlans != b->n_vlans ||
	    a->l3_off != b->l3_off || a->tcp_flags != b->tcp_flags ||
	    memcmp(&a->tuple, &b->tuple, sizeof(a->tuple)) != 0)
		return false;
	if (a->kind == SL_PKT_ARP)
		return true;
	if (a->ttl != b->ttl || a->l4_off != b->l4_off || a->l4_bytes != b->l4_bytes ||
	    a->payload_off != b->payload_off || a->icmp_type != b->icmp_type ||
	    a->tcp_seq != b->tcp_seq || a->is_fragment != b->is_fragment)
		return false;
	if (a->is_fragment && (a->has_more_fragments != b->has_more_fragments ||
	                       a->frag_off_bytes != b->frag_off_bytes ||
	                       a->frag_bytes != b->frag_bytes || a->frag_id_be != b->frag_id_be))
		return false;
	return a->kind != SL_PKT_ICMP_ERROR ||
	       (memcmp(&a->inner, &b->inner, sizeof(a->inner)) == 0 &&
	        a->inner_l3_off == b->inner_l3_off && a->inner_l4_off == b->inner_l4_off);
}

static struct sl_tuple backwards(const struct sl_tuple *tuple)
{
	return (struct sl_tuple){.src = tuple->dst,
	                         .dst = tuple->src,
	                         .sport_be = tuple->dport_be,
	                         .dport_be = tuple->sport_be,
	                         .proto = tuple->proto};
}

// Rewrites what was accepted, where it ends at the guard, and reads it again.
static void check_rewrite(struct sl_pkt *pkt, uint64_t seed)
{
	struct sl_tuple to = backwards(&pkt->tuple);
	struct sl_tuple inner = backwards(&pkt->inner);
	struct sl_pkt again = {.data = pkt->data, .len = pkt->len};

	if (pkt->kind == SL_PKT_ICMP_ERROR)
		sl_rewrite_icmp_error(pkt, &to, &inner);
	else if (pkt->kind == SL_PKT_TCP || pkt->kind == SL_PKT_UDP || pkt->kind == SL_PKT_FRAGMENT)
		sl_rewrite_tuple(pkt, &to);
	else
		return;
	sl_rewrite_ttl(pkt);
	// A group may be a destination but not a source: turned around it is refused.
	if (sl_parse(&again) == SL_DROP_BAD_ADDRESS)
		return;
	REQUIRE(is_same_parse(pkt, &again), seed);
}

// One input, in an exact malloc and against the guard, by parsers whose memory holds other things.
static void check_input(const struct guard *guard, const uint8_t *bytes, size_t n_bytes,
                        uint64_t seed)
{
	uint8_t *exact = malloc(n_bytes);
	struct sl_pkt a, b;
	int result;

	REQUIRE(exact != NULL || n_bytes == 0, seed);
	memset(&a, 0x00, sizeof(a));
	memset(&b, 0xff, sizeof(b));
	a.data = n_bytes > 0 ? memcpy(exact, bytes, n_bytes) : exact;
	b.data = guard_copy(guard, bytes, n_bytes);
	a.len = b.len = (uint32_t)n_bytes;
	b.is_v6 = b.has_more_fragments = false; // 0xff is no bool
	result = sl_parse(&a);
	REQUIRE(result == sl_parse(&b), seed);
	REQUIRE(result == -1 || (result >= 0 && result < SL_DROP_COUNT), seed);
	if (n_bytes > 0)
		REQUIRE(memcmp(a.data, b.data, n_bytes) == 0, seed);
	if (result == -1) {
		check_inside(&a, seed);
		REQUIRE(is_same_parse(&a, &b), seed);
		check_rewrite(&a, seed);
		check_rewrite(&b, seed);
	}
	free(exact);
}

START_TEST(every_prefix_of_a_packet_stays_inside)
{
	const uint64_t first_seed = sl_check_seed();
	struct guard guard = guard_new(SL_PACKET_MAX_BYTES);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct random_packet random;
	size_t n_bytes;

	for (uint64_t i = 0; i < SL_PROP_CASES / 100; i++) {
		uint64_t seed = first_seed + i, state = seed;

		random_packet_make(&random, &state);
		n_bytes = sl_packet_build(frame, sizeof(frame), &random.spec);
		for (size_t n = 0; n <= n_bytes; n++)
			check_input(&guard, frame, n, seed);
	}
	guard_free(&guard);
}
END_TEST

START_TEST(packets_with_flipped_bits_stay_inside)
{
	const uint64_t first_seed = sl_check_seed();
	struct guard guard = guard_new(SL_PACKET_MAX_BYTES);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct random_packet random;

	for (uint64_t i = 0; i < SL_PROP_CASES; i++) {
		uint64_t seed = first_seed + i, state = seed;
		uint32_t n_flips, n_bytes, reach;

		random_packet_make(&random, &state);
		n_bytes = (uint32_t)sl_packet_build(frame, sizeof(frame), &random.spec);
		n_flips = 1 + random_below(&state, 4);
		reach = n_bytes < 120 ? n_bytes : 120; // where headers are
		while (n_flips-- > 0)
			frame[12 + random_below(&state, reach - 12)] ^=
				(uint8_t)(1u << random_below(&state, 8));
		if (random_below(&state, 2) != 0)
			n_bytes = 12 + random_below(&state, n_bytes - 11);
		check_input(&guard, frame, n_bytes, seed);
	}
	guard_free(&guard);
}
END_TEST

// Random bytes, most of them with enough sense at the front to get past the first check.
static size_t make_garbage(uint8_t *frame, uint64_t *state)
{
	static const uint16_t types[] = {SL_ETHERTYPE_IPV4, SL_ETHERTYPE_IPV6, SL_ETHERTYPE_VLAN,
	                                 SL_ETHERTYPE_SVLAN, SL_ETHERTYPE_ARP};
	static const uint8_t protos[] = {1, 6, 17, 58, 0, 43, 44, 51, 60};
	uint32_t n_bytes = random_below(state, 256), type;

	for (uint32_t i = 0; i < 256; i++)
		frame[i] = (uint8_t)sl_check_random(state);
	if (random_below(state, 8) == 0)
		return n_bytes;
	type = random_below(state, 5);
	sl_store16_host(frame + 12, types[type]);
	if (types[type] == SL_ETHERTYPE_IPV4) {
		frame[14] = (uint8_t)(0x45 + random_below(state, 3));
		sl_store16_host(frame + 16, (uint16_t)random_below(state, 256));
		sl_store16_host(frame + 20,
		                random_below(state, 4) == 0 ? (uint16_t)sl_check_random(state) : 0);
		frame[23] = protos[random_below(state, 4)];
		frame[26] &= 0x7e;
	} else if (types[type] == SL_ETHERTYPE_IPV6) {
		frame[14] = 0x60;
		sl_store16_host(frame + 18, (uint16_t)random_below(state, 256));
		frame[20] = protos[random_below(state, 9)];
	}
	return n_bytes;
}

// An IPv4 header whose options, of little sense, are the end of the frame.
static size_t make_options(uint8_t *frame, uint64_t *state)
{
	static const uint8_t kinds[] = {1, 1, 1, 7, 148, 2};
	uint32_t n_words = 6 + random_below(state, 10);

	memset(frame, 0x20, SL_ETH_BYTES + SL_IPV4_BYTES);
	sl_store16_host(frame + 12, SL_ETHERTYPE_IPV4);
	frame[14] = (uint8_t)(0x40 | n_words);
	sl_store16_host(frame + 16, (uint16_t)(n_words * 4));
	sl_store16_host(frame + 20, 0);
	for (uint32_t i = SL_IPV4_BYTES; i < n_words * 4; i++)
		frame[SL_ETH_BYTES + i] = kinds[random_below(state, 6)];
	return SL_ETH_BYTES + n_words * 4;
}

START_TEST(garbage_stays_inside)
{
	const uint64_t first_seed = sl_check_seed();
	struct guard guard = guard_new(SL_PACKET_MAX_BYTES);
	uint8_t frame[SL_PACKET_MAX_BYTES];

	for (uint64_t i = 0; i < SL_PROP_CASES; i++) {
		uint64_t seed = first_seed + i, state = seed;

		check_input(&guard, frame, make_garbage(frame, &state), seed);
		check_input(&guard, frame, make_options(frame, &state), seed);
	}
	guard_free(&guard);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("packet");
	TCase *tc = tcase_create("random");
	char seed[24];

	// One seed for all tests, printed before anything can crash.
	snprintf(seed, sizeof(seed), "%lu", (unsigned long)sl_check_seed());
	setenv("SL_TEST_SEED", seed, 1);
	printf("# SL_TEST_SEED=%s repeats this run\n", seed);
	fflush(stdout);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, incremental_translation_equals_a_packet_built_anew);
	tcase_add_test(tc, every_prefix_of_a_packet_stays_inside);
	tcase_add_test(tc, packets_with_flipped_bits_stay_inside);
	tcase_add_test(tc, garbage_stays_inside);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
