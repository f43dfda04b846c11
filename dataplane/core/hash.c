// SPDX-License-Identifier: Apache-2.0
#include "hash.h"

#include <endian.h>

struct sip_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, unsigned int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

// SipRound, section 2.1 of the paper: two add-rotate-xor half rounds over the four words.
static inline void sip_round(struct sip_state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate_left(s->v1, 13) ^ s->v0;
	s->v3 = rotate_left(s->v3, 16) ^ s->v2;
	s->v0 = rotate_left(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate_left(s->v1, 17) ^ s->v2;
	s->v3 = rotate_left(s->v3, 21) ^ s->v0;
	s->v2 = rotate_left(s->v2, 32);
}

static inline void compress(struct sip_state *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

static inline struct sip_state start(const struct sl_hash_key *key)
{
	return (struct sip_state){
		key->k0 ^ UINT64_C(0x736f6d6570736575), // "somepseudorandomlygeneratedbytes"
		key->k1 ^ UINT64_C(0x646f72616e646f6d),
		key->k0 ^ UINT64_C(0x6c7967656e657261),
		key->k1 ^ UINT64_C(0x7465646279746573),
	};
}

static inline uint64_t finish(struct sip_state *s)
{
	s->v2 ^= 0xff;
	sip_round(s);
	sip_round(s);
	sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t sl_siphash13(const struct sl_hash_key *key, const void *bytes, size_t n_bytes)
{
	const uint8_t *at = bytes;
	const uint8_t *end = at + (n_bytes & ~(size_t)7);
	struct sip_state s = start(key);
	uint64_t word;

	for (; at != end; at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		compress(&s, le64toh(word));
	}
	// The last word holds what is left and the length, so that trailing zeros count.
	word = (uint64_t)n_bytes << 56;
	for (unsigned int i = 0; i < (n_bytes & 7); i++)
		word |= (uint64_t)at[i] << (8 * i);
	compress(&s, word);
	return finish(&s);
}

// Straight code without branches, so that the loops become one lane per key. Compiled for several
// processors; the widest that is there is taken.
static inline __attribute__((always_inline)) void hash_pairs(const struct sl_hash_key *key,
                                                             const struct sl_hash_pairs *pairs,
                                                             uint64_t *restrict hashes)
{
	for (uint32_t i = 0; i < SL_HASH_LANES; i++) {
		struct sip_state s = start(key);

		compress(&s, pairs->low[i]);
		compress(&s, pairs->high[i]);
		compress(&s, (uint64_t)16 << 56);
		hashes[i] = finish(&s);
	}
}

static inline __attribute__((always_inline)) void hash_wides(const struct sl_hash_key *key,
                                                             const struct sl_hash_wides *wides,
                                                             uint64_t *restrict hashes)
{
	for (uint32_t i = 0; i < SL_HASH_LANES; i++) {
		struct sip_state s = start(key);

		for (uint32_t w = 0; w < SL_HASH_WIDE_WORDS; w++)
			compress(&s, wides->words[w][i]);
		compress(&s, (uint64_t)(8 * SL_HASH_WIDE_WORDS) << 56);
		hashes[i] = finish(&s);
	}
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512dq,avx512vl"))) static void
hash_pairs_avx512(const struct sl_hash_key *key, const struct sl_hash_pairs *pairs,
                  uint64_t *restrict hashes)
{
	hash_pairs(key, pairs, hashes);
}

__attribute__((target("avx512f,avx512dq,avx512vl"))) static void
hash_wides_avx512(const struct sl_hash_key *key, const struct sl_hash_wides *wides,
                  uint64_t *restrict hashes)
{
	hash_wides(key, wides, hashes);
}

__attribute__((target("avx2"))) static void hash_wides_avx2(const struct sl_hash_key *key,
                                                            const struct sl_hash_wides *wides,
                                                            uint64_t *restrict hashes)
{
	hash_wides(key, wides, hashes);
}

__attribute__((target("avx2"))) static void hash_pairs_avx2(const struct sl_hash_key *key,
                                                            const struct sl_hash_pairs *pairs,
                                                            uint64_t *restrict hashes)
{
	hash_pairs(key, pairs, hashes);
}
#endif

void sl_siphash13_pairs(const struct sl_hash_key *key, const struct sl_hash_pairs *pairs,
                        uint64_t hashes[restrict SL_HASH_LANES])
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
		hash_pairs_avx512(key, pairs, hashes);
		return;
	}
	if (__builtin_cpu_supports("avx2")) {
		hash_pairs_avx2(key, pairs, hashes);
		return;
	}
#endif
	hash_pairs(key, pairs, hashes);
}

void sl_siphash13_wides(const struct sl_hash_key *key, const struct sl_hash_wides *wides,
                        uint64_t hashes[restrict SL_HASH_LANES])
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
		hash_wides_avx512(key, wides, hashes);
		return;
	}
	if (__builtin_cpu_supports("avx2")) {
		hash_wides_avx2(key, wides, hashes);
		return;
	}
#endif
	hash_wides(key, wides, hashes);
}
