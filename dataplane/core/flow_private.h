// SPDX-License-Identifier: Apache-2.0
// Inside of the flow table, shared by flow*.c.
//
// Region:  header | buckets | entries | v6 lines, each from a 64-byte boundary. Everything but the
//          callback at the end of the header is indices and offsets, valid in any process.
// Entries: taken from a free list (linked through wheel_next) first, then from n_touched upwards,
//          so a fresh table touches no entry page before it needs it.
#ifndef SLUICE_CORE_FLOW_PRIVATE_H
#define SLUICE_CORE_FLOW_PRIVATE_H

#include <stdalign.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "flow.h"

#define FLOW_MAGIC          UINT64_C(0x534c464c4f575442) // "SLFLOWTB"
#define FLOW_VERSION        4
#define FLOW_WAYS           8
#define FLOW_WAYS_PRESSED   2                   // FLOW_WAYS / 4, reliability.md A2
#define FLOW_WAYS_KEPT      2                   // free in a first bucket before the second is used
#define FLOW_MAX_FLOWS      (UINT32_C(1) << 30) // a reference is entry << 1 | direction
#define FLOW_MAX_IDLE_TICKS (UINT32_C(1) << 30) // keeps signed tick differences right
#define FLOW_WHEEL_SLOTS    1024

// A tag of 0 is a free way; the tag of a tuple is never 0.
struct flow_bucket {
	alignas(64) uint16_t tags[FLOW_WAYS];
	uint32_t refs[FLOW_WAYS];
	uint32_t spare[4];
};
_Static_assert(sizeof(struct flow_bucket) == 64, "one line");

struct sl_flow_table {
	// --- set by init, then read-only ---
	uint64_t magic;
	uint32_t version;
	uint16_t entry_bytes, bucket_bytes;
	uint64_t region_bytes;
	uint64_t off_buckets, off_flows, off_v6; // from the start of the region
	uint32_t n_flows;
	uint32_t bucket_mask;
	struct sl_hash_key key;
	// --- changes ---
	alignas(64) uint32_t n_used;
	uint32_t n_touched; // entries from here on were never used
	uint32_t free_head;
	uint32_t wheel_tick; // next tick to look at
	uint32_t n_changes;  // flows that came or went, wrapping
	uint32_t queue_head; // unconfirmed flows in the order they came, linked like a wheel slot
	uint32_t queue_tail;
	uint32_t n_queued;
	uint32_t ahead; // entry whose hashes are below and whose lines are on their way, or none
	uint64_t ahead_hashes[2]; // by direction
	alignas(64) uint32_t wheel[FLOW_WHEEL_SLOTS];
	// --- process-local: means nothing to another process, which must set its own ---
	alignas(64) sl_flow_gone_fn gone;
	void *gone_ctx;
};

// What is hashed of an IPv4 tuple: two words that are found again in the entry.
struct flow_key_v4 {
	uint64_t addresses_be;
	uint64_t rest; // ports, protocol, zeros
};

static inline uint64_t flow_key_rest(uint32_t ports_be, uint8_t proto)
{
	const struct {
		uint32_t ports_be;
		uint8_t proto, zero[3];
	} rest = {.ports_be = ports_be, .proto = proto};
	uint64_t word;

	memcpy(&word, &rest, sizeof(word));
	return word;
}

static inline struct flow_key_v4 flow_key_v4(const struct sl_tuple *t)
{
	const uint32_t addresses_be[2] = {sl_ip_v4_be(&t->src), sl_ip_v4_be(&t->dst)};
	struct flow_key_v4 key;

	memcpy(&key.addresses_be, addresses_be, sizeof(key.addresses_be));
	memcpy(&key.rest, &t->sport_be, sizeof(key.rest));
	return key;
}
_Static_assert(sizeof(struct sl_tuple) - offsetof(struct sl_tuple, sport_be) == 8, "one word");

static inline struct flow_bucket *flow_buckets(const struct sl_flow_table *ft)
{
	return (struct flow_bucket *)((uintptr_t)ft + ft->off_buckets);
}

static inline struct sl_flow *flow_at(const struct sl_flow_table *ft, uint32_t entry)
{
	return (struct sl_flow *)((uintptr_t)ft + ft->off_flows) + entry;
}

static inline struct sl_flow_v6 *flow_v6_at(const struct sl_flow_table *ft, uint32_t entry)
{
	return (struct sl_flow_v6 *)((uintptr_t)ft + ft->off_v6) + entry;
}

static inline uint32_t flow_entry_of(const struct sl_flow_table *ft, const struct sl_flow *flow)
{
	return (uint32_t)(flow - flow_at(ft, 0));
}

static inline uint16_t flow_tag(uint64_t hash)
{
	return (uint16_t)(hash >> 48) | 1; // 15 bits tell as well as 16, and need no test for 0
}

static inline uint32_t flow_first_bucket(const struct sl_flow_table *ft, uint64_t hash)
{
	return (uint32_t)hash & ft->bucket_mask;
}

// The partner depends on bucket and tag alone and is its own inverse, so that a reference can be
// moved without its tuple. The low bit makes the two differ.
static inline uint32_t flow_other_bucket(const struct sl_flow_table *ft, uint32_t bucket,
                                         uint16_t tag)
{
	uint64_t spread = (uint64_t)tag * UINT64_C(0x9e3779b97f4a7c15);

	return bucket ^ (((uint32_t)(spread >> 32) | 1) & ft->bucket_mask);
}

static inline void flow_prefetch_buckets(const struct sl_flow_table *ft, uint64_t hash)
{
	const uint32_t first = flow_first_bucket(ft, hash);

	__builtin_prefetch(&flow_buckets(ft)[first], 1);
	__builtin_prefetch(&flow_buckets(ft)[flow_other_bucket(ft, first, flow_tag(hash))], 1);
}

// Bit w is set when way w holds the tag.
static inline unsigned int flow_match_tags(const struct flow_bucket *b, uint16_t tag)
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

static inline bool flow_matches_v4(const struct sl_flow *f, enum sl_dir dir,
                                   const struct flow_key_v4 *key)
{
	const struct sl_pair_v4 pair = sl_flow_pair_v4(f, dir);

	return pair.addresses_be == key->addresses_be && pair.ports_be == (uint32_t)key->rest &&
	       f->proto == key->rest >> 32 && !(f->flags & SL_FLOW_IS_V6);
}

static inline bool flow_matches(const struct sl_flow_table *ft, uint32_t ref,
                                const struct sl_tuple *t)
{
	const struct sl_flow *f = flow_at(ft, ref >> 1);
	const struct sl_flow_v6 *v6 = flow_v6_at(ft, ref >> 1);
	const enum sl_dir dir = (enum sl_dir)(ref & 1);
	const struct flow_key_v4 key = flow_key_v4(t);

	if (!(f->flags & SL_FLOW_IS_V6))
		return flow_matches_v4(f, dir, &key) && sl_ip_is_v4(&t->src) &&
		       sl_ip_is_v4(&t->dst);
	if (f->proto != t->proto || sl_flow_pair_v4(f, dir).ports_be != (uint32_t)key.rest)
		return false;
	if (dir == SL_DIR_C2S)
		return sl_ip_equal(&v6->client, &t->src) && sl_ip_equal(&v6->vip, &t->dst);
	return sl_ip_equal(&v6->backend, &t->src) && sl_ip_equal(&v6->local, &t->dst);
}

// flow_index.c: the buckets.
// Bucket with a free way for the hash, after moving a reference aside if need be; or SL_FLOW_NONE.
uint32_t flow_index_make_way(struct sl_flow_table *ft, uint64_t hash);
void flow_index_put(struct sl_flow_table *ft, uint32_t bucket, uint64_t hash, uint32_t ref);
void flow_index_take(struct sl_flow_table *ft, uint64_t hash, uint32_t ref);
bool flow_index_holds(const struct sl_flow_table *ft, uint64_t hash, uint32_t ref);
// Unconfirmed flow of the two buckets that was silent longest, other than except; *n is how many
// references to unconfirmed flows the worse of them holds. SL_FLOW_NONE without one.
uint32_t flow_index_oldest_unconfirmed(const struct sl_flow_table *ft, uint64_t hash,
                                       uint32_t except, uint32_t now, uint32_t *n);

// flow_wheel.c: timers. A flow is linked by the state it has: unlink before it changes.
void flow_wheel_init(struct sl_flow_table *ft, uint32_t now);
void flow_wheel_link(struct sl_flow_table *ft, struct sl_flow *flow);
void flow_wheel_unlink(struct sl_flow_table *ft, struct sl_flow *flow);

// flow.c
void flow_drop(struct sl_flow_table *ft, struct sl_flow *flow, bool is_eviction);

#endif
