// SPDX-License-Identifier: Apache-2.0
#include <endian.h>

#include "flow_private.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Bit w is set when way w holds the tag.
static inline unsigned int match_tags(const struct flow_bucket *b, uint16_t tag)
{
#if defined(__SSE2__)
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)b->tags);
	__m128i hits = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));

	return (unsigned int)_mm_movemask_epi8(_mm_packs_epi16(hits, _mm_setzero_si128()));
#else
	unsigned int hits = 0;

	for (unsigned int w = 0; w < FLOW_WAYS; w++)
		hits |= (unsigned int)(b->tags[w] == tag) << w;
	return hits;
#endif
}

static bool matches_v6(const struct sl_flow_table *ft, uint32_t ref, const struct sl_tuple *t)
{
	const struct sl_flow_v6 *v6 = flow_v6_at(ft, ref >> 1);

	if ((ref & 1) == SL_DIR_C2S)
		return sl_ip_equal(&v6->client, &t->src) && sl_ip_equal(&v6->vip, &t->dst);
	return sl_ip_equal(&v6->backend, &t->src) && sl_ip_equal(&v6->local, &t->dst);
}

static inline bool matches_v4(const struct sl_flow *f, enum sl_dir dir,
                              const struct flow_key_v4 *key)
{
	const struct sl_pair_v4 pair = sl_flow_pair_v4(f, dir);

	return pair.addresses_be == key->addresses_be && pair.ports_be == (uint32_t)key->rest &&
	       f->proto == key->rest >> 32 && !(f->flags & SL_FLOW_IS_V6);
}

static bool matches(const struct sl_flow_table *ft, uint32_t ref, const struct sl_tuple *t)
{
	const struct sl_flow *f = flow_at(ft, ref >> 1);
	const enum sl_dir dir = (enum sl_dir)(ref & 1);
	struct flow_key_v4 key = flow_key_v4(t);

	if (!(f->flags & SL_FLOW_IS_V6))
		return matches_v4(f, dir, &key) && sl_ip_is_v4(&t->src) && sl_ip_is_v4(&t->dst);
	return f->proto == t->proto && sl_flow_pair_v4(f, dir).ports_be == (uint32_t)key.rest &&
	       matches_v6(ft, ref, t);
}

static inline struct sl_flow *find_in(const struct sl_flow_table *ft, uint32_t bucket, uint16_t tag,
                                      const struct sl_tuple *tuple, enum sl_dir *dir)
{
	const struct flow_bucket *b = &flow_buckets(ft)[bucket];

	for (unsigned int hits = match_tags(b, tag); hits != 0; hits &= hits - 1) {
		uint32_t ref = b->refs[__builtin_ctz(hits)];

		if (matches(ft, ref, tuple)) {
			*dir = (enum sl_dir)(ref & 1);
			return flow_at(ft, ref >> 1);
		}
	}
	return NULL;
}

struct sl_flow *sl_flow_find(struct sl_flow_table *ft, const struct sl_tuple *tuple, uint64_t hash,
                             enum sl_dir *dir)
{
	uint16_t tag = flow_tag(hash);
	uint32_t bucket = flow_first_bucket(ft, hash);
	struct sl_flow *flow = find_in(ft, bucket, tag, tuple, dir);

	if (flow != NULL)
		return flow;
	return find_in(ft, flow_other_bucket(ft, bucket, tag), tag, tuple, dir);
}

_Static_assert(SL_FLOW_BURST <= SL_HASH_PAIRS, "a burst is hashed at once");

struct burst {
	struct sl_hash_pairs keys; // of IPv4 packets; of others they mean nothing
	uint64_t hashes[SL_FLOW_BURST];
	uint32_t refs[SL_FLOW_BURST]; // the most likely reference
	uint32_t late[SL_FLOW_BURST]; // packets that have to look in their second bucket
	uint32_t n_late;
};

static inline void hash_burst(const struct sl_flow_table *ft, struct sl_pkt *const *pkts,
                              uint32_t n_pkts, struct burst *b)
{
	uint32_t n_v6 = 0;

	for (uint32_t i = 0; i < n_pkts; i++) {
		struct flow_key_v4 key = flow_key_v4(&pkts[i]->tuple);

		b->keys.low[i] = le64toh(key.addresses_be);
		b->keys.high[i] = le64toh(key.rest);
		n_v6 += pkts[i]->is_v6;
	}
	for (uint32_t i = n_pkts; i % SL_HASH_LANES != 0; i++)
		b->keys.low[i] = b->keys.high[i] = 0;
	if (n_v6 < n_pkts)
		sl_siphash13_pairs(&ft->key, &b->keys, n_pkts, b->hashes);
	for (uint32_t i = 0; i < n_pkts && n_v6 > 0; i++) {
		if (pkts[i]->is_v6)
			b->hashes[i] = sl_flow_hash(ft, &pkts[i]->tuple);
	}
	for (uint32_t i = 0; i < n_pkts; i++) {
		pkts[i]->hash = b->hashes[i];
		__builtin_prefetch(&flow_buckets(ft)[flow_first_bucket(ft, b->hashes[i])]);
	}
}

// The first reference whose tag fits; its entry is on its way to the cache afterwards.
static inline uint32_t guess(const struct sl_flow_table *ft, uint32_t bucket, uint64_t hash,
                             bool is_v6)
{
	const struct flow_bucket *b = &flow_buckets(ft)[bucket];
	unsigned int hits = match_tags(b, flow_tag(hash));
	uint32_t ref;

	if (hits == 0)
		return SL_FLOW_NONE;
	ref = b->refs[__builtin_ctz(hits)];
	__builtin_prefetch(flow_at(ft, ref >> 1), 1);
	if (is_v6)
		__builtin_prefetch(flow_v6_at(ft, ref >> 1));
	return ref;
}

static inline uint32_t second_bucket(const struct sl_flow_table *ft, uint64_t hash)
{
	return flow_other_bucket(ft, flow_first_bucket(ft, hash), flow_tag(hash));
}

// Most flows are in their first bucket (flow_index_make_way); only the rest pays for the second.
static inline void guess_burst(const struct sl_flow_table *ft, struct sl_pkt *const *pkts,
                               uint32_t n_pkts, struct burst *b)
{
	b->n_late = 0;
	for (uint32_t i = 0; i < n_pkts; i++) {
		const uint64_t hash = b->hashes[i];

		b->refs[i] = guess(ft, flow_first_bucket(ft, hash), hash, pkts[i]->is_v6);
		if (b->refs[i] == SL_FLOW_NONE) {
			b->late[b->n_late++] = i;
			__builtin_prefetch(&flow_buckets(ft)[second_bucket(ft, hash)]);
		}
	}
	for (uint32_t i = 0; i < b->n_late; i++) {
		const uint32_t at = b->late[i];
		const uint64_t hash = b->hashes[at];

		b->refs[at] = guess(ft, second_bucket(ft, hash), hash, pkts[at]->is_v6);
	}
}

void sl_flow_find_burst(struct sl_flow_table *ft, struct sl_pkt *const *pkts, uint32_t n_pkts,
                        struct sl_flow_hit *hits)
{
	struct burst b;

	hash_burst(ft, pkts, n_pkts, &b);
	guess_burst(ft, pkts, n_pkts, &b);
	for (uint32_t i = 0; i < n_pkts; i++) {
		const struct flow_key_v4 key = {htole64(b.keys.low[i]), htole64(b.keys.high[i])};
		const uint32_t ref = b.refs[i];

		hits[i].flow = NULL;
		if (ref == SL_FLOW_NONE || pkts[i]->kind == SL_PKT_ICMP_ERROR)
			continue;
		hits[i].dir = (enum sl_dir)(ref & 1);
		if (!pkts[i]->is_v6 && matches_v4(flow_at(ft, ref >> 1), hits[i].dir, &key))
			hits[i].flow = flow_at(ft, ref >> 1);
		else // IPv6, or another flow with this tag
			hits[i].flow =
				sl_flow_find(ft, &pkts[i]->tuple, pkts[i]->hash, &hits[i].dir);
	}
}

static unsigned int count_free(const struct flow_bucket *b)
{
	return (unsigned int)__builtin_popcount(match_tags(b, 0));
}

// Move one reference of a full bucket to its other bucket. Both directions of a flow and its timer
// name the entry, never the way, so nothing else changes.
static bool move_one_aside(struct sl_flow_table *ft, uint32_t bucket)
{
	struct flow_bucket *from = &flow_buckets(ft)[bucket];

	for (unsigned int w = 0; w < FLOW_WAYS; w++) {
		uint32_t other = flow_other_bucket(ft, bucket, from->tags[w]);
		struct flow_bucket *to = &flow_buckets(ft)[other];
		unsigned int free_ways = match_tags(to, 0);

		if (free_ways == 0)
			continue;
		to->tags[__builtin_ctz(free_ways)] = from->tags[w];
		to->refs[__builtin_ctz(free_ways)] = from->refs[w];
		from->tags[w] = 0;
		return true;
	}
	return false;
}

uint32_t flow_index_make_way(struct sl_flow_table *ft, uint64_t hash)
{
	uint32_t first = flow_first_bucket(ft, hash);
	uint32_t second = flow_other_bucket(ft, first, flow_tag(hash));
	unsigned int free_first = count_free(&flow_buckets(ft)[first]);
	unsigned int free_second = count_free(&flow_buckets(ft)[second]);

	// Where a burst looks first, while there is room for those that have no choice.
	if (free_first >= FLOW_WAYS_KEPT)
		return first;
	if (free_first + free_second > 0)
		return free_first >= free_second ? first : second;
	if (move_one_aside(ft, first))
		return first;
	return move_one_aside(ft, second) ? second : SL_FLOW_NONE;
}

void flow_index_put(struct sl_flow_table *ft, uint32_t bucket, uint64_t hash, uint32_t ref)
{
	struct flow_bucket *b = &flow_buckets(ft)[bucket];
	int way = __builtin_ctz(match_tags(b, 0));

	b->tags[way] = flow_tag(hash);
	b->refs[way] = ref;
}

static int find_way(const struct flow_bucket *b, uint16_t tag, uint32_t ref)
{
	for (unsigned int hits = match_tags(b, tag); hits != 0; hits &= hits - 1) {
		int way = __builtin_ctz(hits);

		if (b->refs[way] == ref)
			return way;
	}
	return -1;
}

bool flow_index_holds(const struct sl_flow_table *ft, uint64_t hash, uint32_t ref)
{
	uint16_t tag = flow_tag(hash);
	uint32_t bucket = flow_first_bucket(ft, hash);

	return find_way(&flow_buckets(ft)[bucket], tag, ref) >= 0 ||
	       find_way(&flow_buckets(ft)[flow_other_bucket(ft, bucket, tag)], tag, ref) >= 0;
}

void flow_index_take(struct sl_flow_table *ft, uint64_t hash, uint32_t ref)
{
	uint16_t tag = flow_tag(hash);
	uint32_t bucket = flow_first_bucket(ft, hash);
	struct flow_bucket *b = &flow_buckets(ft)[bucket];
	int way = find_way(b, tag, ref);

	if (way < 0) {
		b = &flow_buckets(ft)[flow_other_bucket(ft, bucket, tag)];
		way = find_way(b, tag, ref);
	}
	if (way >= 0)
		b->tags[way] = 0;
}

uint32_t flow_index_oldest_unconfirmed(const struct sl_flow_table *ft, uint64_t hash,
                                       uint32_t except, uint32_t now, uint32_t *n)
{
	uint32_t first = flow_first_bucket(ft, hash);
	uint32_t buckets[2] = {first, flow_other_bucket(ft, first, flow_tag(hash))};
	uint32_t oldest = SL_FLOW_NONE;
	int32_t oldest_age = INT32_MIN;
	uint32_t counts[2] = {0, 0};

	for (unsigned int i = 0; i < 2 * FLOW_WAYS; i++) {
		const struct flow_bucket *b = &flow_buckets(ft)[buckets[i / FLOW_WAYS]];
		uint32_t entry = b->refs[i % FLOW_WAYS] >> 1;
		int32_t age;

		if (b->tags[i % FLOW_WAYS] == 0 || entry == except ||
		    sl_flow_is_confirmed(flow_at(ft, entry)->state))
			continue;
		counts[i / FLOW_WAYS]++;
		age = (int32_t)(now - flow_at(ft, entry)->last_seen);
		if (oldest == SL_FLOW_NONE || age > oldest_age) {
			oldest = entry;
			oldest_age = age;
		}
	}
	*n = counts[0] > counts[1] ? counts[0] : counts[1];
	return oldest;
}
