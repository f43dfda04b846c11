// SPDX-License-Identifier: Apache-2.0
#include "flow_private.h"

static inline struct sl_flow *find_in(const struct sl_flow_table *ft, uint32_t bucket, uint16_t tag,
                                      const struct sl_tuple *tuple, enum sl_dir *dir)
{
	const struct flow_bucket *b = &flow_buckets(ft)[bucket];

	for (unsigned int hits = flow_match_tags(b, tag); hits != 0; hits &= hits - 1) {
		uint32_t ref = b->refs[__builtin_ctz(hits)];

		if (flow_matches(ft, ref, tuple)) {
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

static unsigned int count_free(const struct flow_bucket *b)
{
	return (unsigned int)__builtin_popcount(flow_match_tags(b, 0));
}

// Move one reference of a full bucket to its other bucket. Both directions of a flow and its timer
// name the entry, never the way, so nothing else changes.
static bool move_one_aside(struct sl_flow_table *ft, uint32_t bucket)
{
	struct flow_bucket *from = &flow_buckets(ft)[bucket];

	for (unsigned int w = 0; w < FLOW_WAYS; w++) {
		uint32_t other = flow_other_bucket(ft, bucket, from->tags[w]);
		struct flow_bucket *to = &flow_buckets(ft)[other];
		unsigned int free_ways = flow_match_tags(to, 0);

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
	int way = __builtin_ctz(flow_match_tags(b, 0));

	b->tags[way] = flow_tag(hash);
	b->refs[way] = ref;
}

static int find_way(const struct flow_bucket *b, uint16_t tag, uint32_t ref)
{
	for (unsigned int hits = flow_match_tags(b, tag); hits != 0; hits &= hits - 1) {
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
