// SPDX-License-Identifier: Apache-2.0
// Three independent views of SipHash-1-3: CPython 3.11 (key 0, PYTHONHASHSEED=0), and a second
// SipHash-c-d written from the paper's text that must give the paper's SipHash-2-4 example first.
#include <endian.h>

#include "sl_check.h"

#include "hash.h"

static uint64_t turn(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void rounds(uint64_t v[4], int n)
{
	while (n-- > 0) {
		for (int half = 0; half < 2; half++) {
			int a = half == 0 ? 0 : 2, c = half == 0 ? 2 : 0;

			v[a] += v[1];
			v[c] += v[3];
			v[1] = turn(v[1], half == 0 ? 13 : 17) ^ v[a];
			v[3] = turn(v[3], half == 0 ? 16 : 21) ^ v[c];
			v[a] = turn(v[a], 32);
		}
	}
}

// Section 2: initialise, compress c rounds per word, finalise with d rounds; byte by byte.
static uint64_t siphash_cd(int c, int d, const struct sl_hash_key *key, const uint8_t *m, size_t n)
{
	uint64_t v[4] = {key->k0 ^ 0x736f6d6570736575, key->k1 ^ 0x646f72616e646f6d,
	                 key->k0 ^ 0x6c7967656e657261, key->k1 ^ 0x7465646279746573};
	size_t n_words = n / 8 + 1;

	for (size_t i = 0; i < n_words; i++) {
		uint64_t word = 0;

		for (size_t b = 0; b < 8; b++) {
			size_t at = 8 * i + b;
			uint64_t byte = at < n ? m[at] : 0;

			if (at == 8 * n_words - 1)
				byte = n & 0xff;
			word |= byte << 8 * b;
		}
		v[3] ^= word;
		rounds(v, c);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	rounds(v, d);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static const struct {
	const char *bytes;
	uint64_t hash;
} from_python[] = {
	{"a", UINT64_C(0x407448d2b89b1813)},
	{"ab", UINT64_C(0x555508cbc6add439)},
	{"1234567", UINT64_C(0xa33d651594fdae81)},
	{"12345678", UINT64_C(0x3489982430560a87)},
	{"123456789", UINT64_C(0x0fbc0f0007965fcf)},
	{"fifteen letters", UINT64_C(0x2dd8a9e012c1bb2d)},
	{"0123456789012345678901234567890123456789", UINT64_C(0xd4248f9a9ace8e0c)},
};

START_TEST(agrees_with_the_hash_of_python_under_key_0)
{
	const struct sl_hash_key key = {0, 0};

	ck_assert_uint_eq(sl_siphash13(&key, from_python[_i].bytes, strlen(from_python[_i].bytes)),
	                  from_python[_i].hash);
}
END_TEST

START_TEST(second_implementation_gives_the_example_of_the_paper)
{
	const struct sl_hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	uint8_t message[15];

	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	// Appendix A of the paper.
	ck_assert_uint_eq(siphash_cd(2, 4, &key, message, sizeof(message)), 0xa129ca6149be45e5);
}
END_TEST

START_TEST(agrees_with_a_second_implementation_for_every_length_and_any_key)
{
	uint64_t seed = sl_check_seed(), state = seed;
	uint8_t bytes[300];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)sl_check_random(&state);
	for (size_t n = 0; n < sizeof(bytes) - 8; n++) {
		struct sl_hash_key key = {sl_check_random(&state), sl_check_random(&state)};
		const uint8_t *at = bytes + n % 8; // any alignment

		ck_assert_msg(sl_siphash13(&key, at, n) == siphash_cd(1, 3, &key, at, n),
		              "length %zu, seed %lu", n, seed);
	}
}
END_TEST

START_TEST(every_bit_of_a_tuple_and_of_the_key_changes_the_hash)
{
	struct sl_hash_key key = {1, 2};
	uint8_t tuple[40] = {0};
	uint64_t base = sl_siphash13(&key, tuple, sizeof(tuple));

	for (size_t bit = 0; bit < 8 * sizeof(tuple); bit++) {
		tuple[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_uint_ne(sl_siphash13(&key, tuple, sizeof(tuple)), base);
		tuple[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < 64; bit++) {
		struct sl_hash_key k0 = {key.k0 ^ UINT64_C(1) << bit, key.k1};
		struct sl_hash_key k1 = {key.k0, key.k1 ^ UINT64_C(1) << bit};

		ck_assert_uint_ne(sl_siphash13(&k0, tuple, sizeof(tuple)), base);
		ck_assert_uint_ne(sl_siphash13(&k1, tuple, sizeof(tuple)), base);
	}
}
END_TEST

// Whatever width this processor has; hash.c takes the widest.
START_TEST(many_keys_at_once_hash_as_one_by_one)
{
	uint64_t random = _i + 1;

	for (uint32_t round = 0; round < 100; round++) {
		struct sl_hash_pairs pairs;
		struct sl_hash_wides wides;
		struct sl_hash_key key = {.k0 = sl_mix64(random), .k1 = sl_mix64(random + 1)};
		uint64_t hashes[SL_HASH_LANES], wide_hashes[SL_HASH_LANES];

		for (uint32_t i = 0; i < SL_HASH_LANES; i++) {
			pairs.low[i] = sl_mix64(random++);
			pairs.high[i] = sl_mix64(random++);
			for (uint32_t w = 0; w < SL_HASH_WIDE_WORDS; w++)
				wides.words[w][i] = sl_mix64(random++);
		}
		sl_siphash13_pairs(&key, &pairs, hashes);
		sl_siphash13_wides(&key, &wides, wide_hashes);
		for (uint32_t i = 0; i < SL_HASH_LANES; i++) {
			uint64_t words[2] = {htole64(pairs.low[i]), htole64(pairs.high[i])};
			uint64_t wide[SL_HASH_WIDE_WORDS];

			for (uint32_t w = 0; w < SL_HASH_WIDE_WORDS; w++)
				wide[w] = htole64(wides.words[w][i]);
			ck_assert_uint_eq(hashes[i], sl_siphash13(&key, words, sizeof(words)));
			ck_assert_uint_eq(wide_hashes[i], sl_siphash13(&key, wide, sizeof(wide)));
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hash");
	TCase *tc = tcase_create("siphash");

	tcase_add_loop_test(tc, agrees_with_the_hash_of_python_under_key_0, 0,
	                    sizeof(from_python) / sizeof(from_python[0]));
	tcase_add_test(tc, second_implementation_gives_the_example_of_the_paper);
	tcase_add_test(tc, agrees_with_a_second_implementation_for_every_length_and_any_key);
	tcase_add_test(tc, every_bit_of_a_tuple_and_of_the_key_changes_the_hash);
	tcase_add_loop_test(tc, many_keys_at_once_hash_as_one_by_one, 0, 4);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
