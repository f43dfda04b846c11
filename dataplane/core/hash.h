// SPDX-License-Identifier: Apache-2.0
// SipHash-1-3: keyed, so that nobody outside can choose colliding tuples (reliability.md A1).
// Source: Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012; 1 compression and 3
//         finalisation rounds.
#ifndef SLUICE_CORE_HASH_H
#define SLUICE_CORE_HASH_H

#include <stdalign.h>

#include "sluice/types.h"

struct sl_hash_key {
	uint64_t k0, k1;
};

uint64_t sl_siphash13(const struct sl_hash_key *key, const void *bytes, size_t n_bytes);

// SL_HASH_LANES keys of 16 bytes, each as two little-endian words: hashes[i] is what sl_siphash13
// gives for key i.
#define SL_HASH_LANES 8
struct sl_hash_pairs {
	alignas(64) uint64_t low[SL_HASH_LANES];
	alignas(64) uint64_t high[SL_HASH_LANES];
};
void sl_siphash13_pairs(const struct sl_hash_key *key, const struct sl_hash_pairs *pairs,
                        uint64_t hashes[restrict SL_HASH_LANES]);

// The same of keys of 40 bytes, word by word: key i is words[0][i]..words[4][i].
#define SL_HASH_WIDE_WORDS 5
struct sl_hash_wides {
	alignas(64) uint64_t words[SL_HASH_WIDE_WORDS][SL_HASH_LANES];
};
void sl_siphash13_wides(const struct sl_hash_key *key, const struct sl_hash_wides *wides,
                        uint64_t hashes[restrict SL_HASH_LANES]);

// A cheap mixer for seeds and tie-breaks, not against attackers (splitmix64 finaliser).
static inline uint64_t sl_mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

#endif
