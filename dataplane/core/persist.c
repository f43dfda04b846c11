// SPDX-License-Identifier: Apache-2.0
#include "persist.h"

#include "sluice/wire.h"

#define TAG_SHIFT        46
#define BACKEND_SHIFT    32
#define GENERATION_SHIFT 24
#define BACKEND_MASK     (SL_MAX_BACKENDS - 1)
#define TIME_MASK        ((UINT32_C(1) << GENERATION_SHIFT) - 1)

_Static_assert((SL_MAX_BACKENDS & BACKEND_MASK) == 0 &&
                       SL_MAX_BACKENDS <= 1 << (TAG_SHIFT - BACKEND_SHIFT),
               "an index fits");
_Static_assert(SL_PERSIST_MAX_S < TIME_MASK / 2, "past and future can be told");

size_t sl_persist_bytes(uint32_t n_clients)
{
	return sizeof(struct sl_persist) + n_clients * sizeof(uint64_t);
}

void sl_persist_init(struct sl_persist *table, uint32_t n_clients, const struct sl_hash_key *key)
{
	table->key = *key;
	table->bucket_mask = n_clients / SL_PERSIST_WAYS - 1;
}

struct sl_ip sl_persist_prefix(const struct sl_ip *client, uint8_t bits)
{
	const uint32_t kept = sl_ip_is_v4(client) ? 96u + bits : bits;
	struct sl_ip prefix = *client;

	if (kept >= 128)
		return prefix;
	prefix.bytes[kept / 8] &= (uint8_t)(0xff00u >> kept % 8);
	for (uint32_t i = kept / 8 + 1; i < sizeof(prefix.bytes); i++)
		prefix.bytes[i] = 0;
	return prefix;
}

uint64_t sl_persist_hash(const struct sl_persist *table, const struct sl_ip *prefix,
                         uint64_t vip_id)
{
	const struct {
		struct sl_ip prefix;
		uint64_t vip_id;
	} key = {*prefix, vip_id};

	_Static_assert(sizeof(key) == 24, "no hidden padding");
	return sl_siphash13(&table->key, &key, sizeof(key));
}

// s until the entry ends; 0 when it has, or never was.
static uint32_t left_s(uint64_t word, uint32_t now_s)
{
	const uint32_t left = ((uint32_t)word - now_s) & TIME_MASK;

	return word != 0 && left <= SL_PERSIST_MAX_S ? left : 0;
}

static uint64_t make_word(uint64_t hash, struct sl_persist_backend backend, uint32_t due_s)
{
	return hash >> TAG_SHIFT << TAG_SHIFT |
	       (uint64_t)(backend.index & BACKEND_MASK) << BACKEND_SHIFT |
	       (uint64_t)backend.generation << GENERATION_SHIFT | (due_s & TIME_MASK);
}

static struct sl_persist_backend backend_of(uint64_t word)
{
	return (struct sl_persist_backend){.index =
	                                           (uint16_t)(word >> BACKEND_SHIFT & BACKEND_MASK),
	                                   .generation = (uint8_t)(word >> GENERATION_SHIFT)};
}

static bool is_same(struct sl_persist_backend a, struct sl_persist_backend b)
{
	return a.index == b.index && a.generation == b.generation;
}

static uint64_t bucket_of(const struct sl_persist *table, uint64_t hash)
{
	return (hash & table->bucket_mask) * SL_PERSIST_WAYS;
}

// The client's live entry, by its place in words; *word is what it holds. UINT64_MAX without one.
static uint64_t find(const struct sl_persist *table, uint64_t hash, uint32_t now_s, uint64_t *word)
{
	const uint64_t first = bucket_of(table, hash);

	for (uint64_t i = first; i < first + SL_PERSIST_WAYS; i++) {
		*word = atomic_load_explicit(&table->words[i], memory_order_relaxed);
		if (*word >> TAG_SHIFT == hash >> TAG_SHIFT && left_s(*word, now_s) != 0)
			return i;
	}
	return UINT64_MAX;
}

bool sl_persist_find(const struct sl_persist *table, uint64_t hash, uint32_t now_s,
                     struct sl_persist_backend *backend)
{
	uint64_t word;

	if (find(table, hash, now_s, &word) == UINT64_MAX)
		return false;
	*backend = backend_of(word);
	return true;
}

// For a client without an entry: a word that is free, else the one that would end first.
static uint64_t find_room(const struct sl_persist *table, uint64_t hash, uint32_t now_s,
                          uint64_t *word)
{
	const uint64_t first = bucket_of(table, hash);
	uint64_t room = first;
	uint32_t least = UINT32_MAX;

	for (uint64_t i = first; i < first + SL_PERSIST_WAYS && least > 0; i++) {
		uint64_t w = atomic_load_explicit(&table->words[i], memory_order_relaxed);

		if (left_s(w, now_s) < least) {
			least = left_s(w, now_s);
			room = i;
			*word = w;
		}
	}
	return room;
}

static enum sl_persist_change put(struct sl_persist *table, uint64_t hash, uint64_t new,
                                  uint32_t now_s, bool may_move)
{
	enum sl_persist_change change;
	uint64_t at, word = 0;

	do { // a lost race is another worker's change in this bucket: look again
		at = find(table, hash, now_s, &word);
		if (at == UINT64_MAX) {
			at = find_room(table, hash, now_s, &word);
			change = left_s(word, now_s) != 0 ? SL_PERSIST_EVICTED : SL_PERSIST_MADE;
		} else if (is_same(backend_of(word), backend_of(new))) {
			change = SL_PERSIST_SAME;
		} else if (may_move) {
			change = SL_PERSIST_MOVED;
		} else {
			return SL_PERSIST_LEFT;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		&table->words[at], &word, new, memory_order_relaxed, memory_order_relaxed));
	return change;
}

enum sl_persist_change sl_persist_begin(struct sl_persist *table, uint64_t hash,
                                        struct sl_persist_backend backend, uint32_t now_s,
                                        uint32_t timeout_s)
{
	return put(table, hash, make_word(hash, backend, now_s + timeout_s), now_s, true);
}

enum sl_persist_change sl_persist_end(struct sl_persist *table, uint64_t hash,
                                      struct sl_persist_backend backend, uint32_t now_s,
                                      uint32_t timeout_s)
{
	return put(table, hash, make_word(hash, backend, now_s + timeout_s), now_s, false);
}
