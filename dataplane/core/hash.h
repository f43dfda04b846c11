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

// Many keys of 16 bytes, each as two little-endian words: hashes[i] is what sl_siphash13 gives for
// key i. Whole groups of SL_HASH_LANES are computed, so up to that many hashes more are written.
#define SL_HASH_LANES 8
#define SL_HASH_PAIRS 64
struct sl_hash_pairs {
	alignas(64) uint64_t low[SL_HASH_PAIRS];
	alignas(64) uint64_t high[SL_HASH_PAIRS];
};
void sl_siphash13_pairs(const struct sl_hash_key *key, const struct sl_hash_pairs *pairs,
                        uint32_t n_pairs, uint64_t hashes[restrict SL_HASH_PAIRS]);

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
