// SPDX-License-Identifier: Apache-2.0
#include <endian.h>

#include "flow_search.h"

_Static_assert(SL_FLOW_BURST == SL_HASH_LANES, "a burst is hashed at once");
_Static_assert(sizeof(struct sl_tuple) == SL_HASH_WIDE_WORDS * sizeof(uint64_t), "all of it");

// Lanes of other packets hash zeros.
static __attribute__((noinline)) void hash_v6(const struct sl_flow_table *ft,
                                              struct sl_pkt *const *pkts, uint32_t n_pkts,
                                              struct sl_flow_search *search)
{
	struct sl_hash_wides wides = {0};
	uint64_t words[SL_HASH_WIDE_WORDS], hashes[SL_HASH_LANES];

	for (uint32_t i = 0; i < n_pkts; i++) {
		if (!pkts[i]->is_v6)
			continue;
		memcpy(words, &pkts[i]->tuple, sizeof(words));
		for (uint32_t w = 0; w < SL_HASH_WIDE_WORDS; w++)
			wides.words[w][i] = le64toh(words[w]);
	}
	sl_siphash13_wides(&ft->key, &wides, hashes);
	for (uint32_t i = 0; i < n_pkts; i++) {
		if (pkts[i]->is_v6)
			search->hashes[i] = hashes[i];
	}
}

void sl_flow_search_start(const struct sl_flow_table *ft, struct sl_pkt *const *pkts,
                          uint32_t n_pkts, struct sl_flow_search *search)
{
	struct flow_bucket *const buckets = flow_buckets(ft);
	uint32_t n_v6 = 0;

	for (uint32_t i = 0; i < n_pkts; i++) {
		const struct flow_key_v4 key = flow_key_v4(&pkts[i]->tuple);

		search->keys.low[i] = le64toh(key.addresses_be);
		search->keys.high[i] = le64toh(key.rest);
		n_v6 += pkts[i]->is_v6;
	}
	for (uint32_t i = n_pkts; i < SL_FLOW_BURST; i++)
		search->keys.low[i] = search->keys.high[i] = 0;
	if (n_v6 < n_pkts)
		sl_siphash13_pairs(&ft->key, &search->keys, search->hashes);
	if (n_v6 > 0)
		hash_v6(ft, pkts, n_pkts, search);
	search->has_v6 = n_v6 > 0;
	for (uint32_t i = 0; i < n_pkts; i++) {
		pkts[i]->hash = search->hashes[i];
		__builtin_prefetch(&buckets[flow_first_bucket(ft, search->hashes[i])]);
	}
}

// The first reference whose tag fits; its entry is on its way to the cache afterwards.
static inline uint32_t guess(const struct sl_flow_table *ft, uint32_t bucket, uint64_t hash,
                             bool has_v6)
{
	const struct flow_bucket *b = &flow_buckets(ft)[bucket];
	unsigned int hits = flow_match_tags(b, flow_tag(hash));
	uint32_t ref;

	if (hits == 0)
		return SL_FLOW_NONE;
	ref = b->refs[__builtin_ctz(hits)];
	__builtin_prefetch(flow_at(ft, ref >> 1), 1);
	if (has_v6)
		__builtin_prefetch(flow_v6_at(ft, ref >> 1));
	return ref;
}

// Most flows are in their first bucket (flow_index_make_way); only the rest pays for the second.
void sl_flow_search_guess(const struct sl_flow_table *ft, uint32_t n_pkts,
                          struct sl_flow_search *search)
{
	uint32_t late[SL_FLOW_BURST], n_late = 0;

	search->changes = ft->n_changes;
	for (uint32_t i = 0; i < n_pkts; i++) {
		const uint64_t hash = search->hashes[i];
		const uint32_t bucket = flow_first_bucket(ft, hash);

		search->refs[i] = guess(ft, bucket, hash, search->has_v6);
		if (search->refs[i] != SL_FLOW_NONE)
			continue;
		late[n_late++] = i;
		__builtin_prefetch(
			&flow_buckets(ft)[flow_other_bucket(ft, bucket, flow_tag(hash))]);
	}
	for (uint32_t i = 0; i < n_late; i++) {
		const uint64_t hash = search->hashes[late[i]];
		const uint32_t bucket =
			flow_other_bucket(ft, flow_first_bucket(ft, hash), flow_tag(hash));

		search->refs[late[i]] = guess(ft, bucket, hash, search->has_v6);
	}
}
