// SPDX-License-Identifier: Apache-2.0
#include "limit.h"

#define BURST_PARTS 4 // of a second
#define TAG_SHIFT   48
#define TIME_MASK   ((UINT64_C(1) << TAG_SHIFT) - 1) // us: 8.9 years
#define N_BUCKETS   (SL_LIMIT_SOURCES / SL_LIMIT_WAYS)

struct sl_limit_rate sl_limit_rate_of(uint32_t flows_per_s)
{
	struct sl_limit_rate rate = {0, 0};
	uint32_t burst = flows_per_s / BURST_PARTS;

	if (flows_per_s == 0)
		return rate;
	// Rounded up: never more than was asked for.
	rate.interval_ns = (SL_NS_PER_S + flows_per_s - 1) / flows_per_s;
	if (burst > 1)
		rate.burst_ns = (burst - 1) * rate.interval_ns;
	return rate;
}

bool sl_limit_take(sl_limit_cell *cell, const struct sl_limit_rate *rate, uint64_t now_ns)
{
	uint64_t due_ns = atomic_load_explicit(cell, memory_order_relaxed), next_ns;

	if (rate->interval_ns == 0)
		return true;
	do { // ends after as many turns as there are workers: each lost race admitted a flow
	     // elsewhere
		if (due_ns > now_ns + rate->burst_ns)
			return false;
		next_ns = (due_ns > now_ns ? due_ns : now_ns) + rate->interval_ns;
	} while (!atomic_compare_exchange_weak_explicit(
		cell, &due_ns, next_ns, memory_order_relaxed, memory_order_relaxed));
	return true;
}

struct source {
	uint8_t prefix[8]; // IPv4: the address in the first four
	uint16_t vip_slot;
	uint8_t is_v4, zero[5];
};

static uint64_t hash_source(const struct sl_limits *limits, const struct sl_ip *ip,
                            uint16_t vip_slot)
{
	struct source key = {.vip_slot = vip_slot, .is_v4 = sl_ip_is_v4(ip)};

	memcpy(key.prefix, &ip->bytes[key.is_v4 ? 12 : 0], key.is_v4 ? 4 : 8);
	return sl_siphash13(&limits->key, &key, sizeof(key));
}

// The cell of the tag, else the one that is due first; *word is what it holds.
static sl_limit_cell *find_cell(sl_limit_cell *bucket, uint64_t tag, uint64_t *word)
{
	sl_limit_cell *oldest = NULL;

	for (uint32_t way = 0; way < SL_LIMIT_WAYS; way++) {
		uint64_t w = atomic_load_explicit(&bucket[way], memory_order_relaxed);

		if (w >> TAG_SHIFT == tag) {
			*word = w;
			return &bucket[way];
		}
		if (oldest == NULL || (w & TIME_MASK) < (*word & TIME_MASK)) {
			oldest = &bucket[way];
			*word = w;
		}
	}
	return oldest;
}

bool sl_limit_take_source(struct sl_limits *limits, const struct sl_ip *source, uint16_t vip_slot,
                          const struct sl_limit_rate *rate, uint64_t now_ns)
{
	uint64_t now_us = now_ns / SL_NS_PER_US & TIME_MASK;
	uint64_t interval_us = (rate->interval_ns + SL_NS_PER_US - 1) / SL_NS_PER_US;
	uint64_t hash, tag, word, next;
	sl_limit_cell *cell;

	if (rate->interval_ns == 0)
		return true;
	hash = hash_source(limits, source, vip_slot);
	tag = hash >> TAG_SHIFT;
	do { // as above
		uint64_t due_us = now_us;

		cell = find_cell(&limits->sources[hash % N_BUCKETS * SL_LIMIT_WAYS], tag, &word);
		if (word >> TAG_SHIFT == tag && (word & TIME_MASK) > now_us)
			due_us = word & TIME_MASK;
		if (due_us > now_us + rate->burst_ns / SL_NS_PER_US)
			return false;
		next = tag << TAG_SHIFT | ((due_us + interval_us) & TIME_MASK);
	} while (!atomic_compare_exchange_weak_explicit(cell, &word, next, memory_order_relaxed,
	                                                memory_order_relaxed));
	return true;
}
