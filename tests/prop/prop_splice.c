// SPDX-License-Identifier: Apache-2.0
// Properties of the splice over random TCP packets: what is shifted incrementally equals what is
// built anew from shifted numbers; and whatever the options are, nothing outside is touched.
#include "guard.h"
#include "layout.h"
#include "parse.h"
#include "random_packet.h"
#include "sl_check.h"
#include "splice.h"

#ifndef SL_PROP_CASES
#error "meson.build says how many cases a property takes"
#endif

// ck_assert writes to a pipe each time it holds: too slow for many.
#define REQUIRE(condition, seed)                                                                   \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("%s; seed %lu", #condition, (unsigned long)(seed));           \
	} while (0)

static uint32_t random_number(uint64_t *state)
{
	static const uint32_t edges[] = {0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff};

	return random_below(state, 3) != 0 ? (uint32_t)sl_check_random(state)
	                                   : edges[random_below(state, 7)];
}

// Well-formed options, as sent and as they are to leave, among them blocks at any offset.
static uint16_t make_options(uint8_t *sent, uint8_t *shifted, uint32_t ack_delta, uint64_t *state)
{
	uint32_t at = random_below(state, 4), n_blocks = random_below(state, 5);

	memset(sent, 1, SL_PACKET_MAX_BYTES / 2);
	memset(shifted, 1, SL_PACKET_MAX_BYTES / 2);
	if (random_below(state, 2) != 0) {
		sent[at] = shifted[at] = 8; // timestamps leave room for three
		sent[at + 1] = shifted[at + 1] = 10;
		at += 10;
		n_blocks = n_blocks > 3 ? 3 : n_blocks;
	}
	if (n_blocks > 0) {
		sent[at] = shifted[at] = 5;
		sent[at + 1] = shifted[at + 1] = (uint8_t)(2 + 8 * n_blocks);
		at += 2;
	}
	for (uint32_t i = 0; i < 2 * n_blocks; i++, at += 4) {
		uint32_t edge = random_number(state);

		sl_store32_host(sent + at, edge);
		sl_store32_host(shifted + at, edge + ack_delta);
	}
	return (uint16_t)((at + 3) & ~3u);
}

START_TEST(incremental_shift_equals_a_packet_built_anew)
{
	const uint64_t first_seed = sl_check_seed();
	uint8_t frame[SL_PACKET_MAX_BYTES], want[SL_PACKET_MAX_BYTES];
	uint8_t sent[SL_PACKET_MAX_BYTES / 2], shifted[SL_PACKET_MAX_BYTES / 2];
	struct random_packet random;

	for (uint64_t i = 0; i < SL_PROP_CASES; i++) {
		uint64_t seed = first_seed + i, state = seed;
		struct sl_packet_spec *spec = &random.spec;
		struct sl_splice by = {0};
		struct sl_pkt pkt = {.data = frame};
		size_t n_bytes;

		do
			random_packet_make(&random, &state);
		while (spec->proto != IPPROTO_TCP);
		by.seq_delta = random_number(&state);
		by.ack_delta = random_number(&state);
		spec->tcp_seq = random_number(&state);
		spec->tcp_ack = random_number(&state);
		spec->tcp_options = sent;
		spec->tcp_options_bytes = make_options(sent, shifted, by.ack_delta, &state);
		REQUIRE(spec->tcp_options_bytes <= 40, seed);
		n_bytes = sl_packet_build(frame, sizeof(frame), spec);
		pkt.len = (uint32_t)n_bytes;
		REQUIRE(sl_parse(&pkt) == -1, seed);
		sl_splice_shift(&pkt, &by);
		spec->tcp_seq += by.seq_delta;
		if (spec->tcp_flags & SL_TCP_ACK)
			spec->tcp_ack += by.ack_delta;
		if (by.ack_delta != 0)
			spec->tcp_options = shifted;
		REQUIRE(sl_packet_build(want, sizeof(want), spec) == n_bytes, seed);
		REQUIRE(memcmp(frame, want, n_bytes) == 0, seed);
	}
}
END_TEST

// Options of little sense that end at a page that may not be touched.
START_TEST(broken_options_stay_inside_and_checksums_right)
{
	static const uint8_t kinds[] = {0, 1, 1, 2, 5, 5, 8, 10, 18, 26, 34, 254};
	const uint64_t first_seed = sl_check_seed();
	struct guard guard = guard_new(SL_PACKET_MAX_BYTES);
	uint8_t frame[SL_PACKET_MAX_BYTES], options[40];
	struct random_packet random;

	for (uint64_t i = 0; i < SL_PROP_CASES; i++) {
		uint64_t seed = first_seed + i, state = seed;
		struct sl_splice by = {0};
		struct sl_pkt pkt = {0};
		uint32_t n_bytes;

		do
			random_packet_make(&random, &state);
		while (random.spec.proto != IPPROTO_TCP || random.spec.quote != NULL);
		for (size_t b = 0; b < sizeof(options); b++)
			options[b] = random_below(&state, 4) != 0
			                     ? kinds[random_below(&state, sizeof(kinds))]
			                     : (uint8_t)sl_check_random(&state);
		random.spec.tcp_options = options;
		random.spec.tcp_options_bytes = (uint16_t)(4 * random_below(&state, 11));
		random.spec.payload_bytes = random.spec.padding_bytes = 0;
		n_bytes = (uint32_t)sl_packet_build(frame, sizeof(frame), &random.spec);
		pkt.data = guard_copy(&guard, frame, n_bytes);
		pkt.len = n_bytes;
		REQUIRE(sl_parse(&pkt) == -1, seed);
		by.seq_delta = random_number(&state);
		by.ack_delta = random_number(&state);
		by.ack_floor = random_number(&state);
		by.has_floor = random_below(&state, 2) != 0;
		sl_splice_shift(&pkt, &by);
		REQUIRE(memcmp(pkt.data, frame, pkt.l4_off + SL_TCP_OFF_SEQ) == 0, seed);
		REQUIRE(memcmp(pkt.data + pkt.l4_off + SL_TCP_OFF_DATA,
		               frame + pkt.l4_off + SL_TCP_OFF_DATA, 4) == 0,
		        seed);
		REQUIRE(sl_packet_csums_are_right(pkt.data, n_bytes), seed);
	}
	guard_free(&guard);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("splice");
	TCase *tc = tcase_create("random");
	char seed[24];

	// One seed for all tests, printed before anything can crash.
	snprintf(seed, sizeof(seed), "%lu", (unsigned long)sl_check_seed());
	setenv("SL_TEST_SEED", seed, 1);
	printf("# SL_TEST_SEED=%s repeats this run\n", seed);
	fflush(stdout);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, incremental_shift_equals_a_packet_built_anew);
	tcase_add_test(tc, broken_options_stay_inside_and_checksums_right);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
