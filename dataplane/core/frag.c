// SPDX-License-Identifier: Apache-2.0
#include "frag.h"

#define PASSES (-1)
#define NO_WAY UINT32_MAX

// Hashed as bytes: zero stays 0.
struct frag_key {
	struct sl_ip src, dst;
	uint32_t id_be;
	uint8_t proto; // IPv4 only: in IPv6 the parts of one datagram may name different ones
	uint8_t zero[3];
};
_Static_assert(sizeof(struct frag_key) == 40, "no hidden padding");

void sl_frag_init(struct sl_frag_table *ft, const struct sl_hash_key *key)
{
	memset(ft, 0, sizeof(*ft));
	ft->key = *key;
}

// 64 bits under a secret key stand for the datagram: nobody can find two that are equal, and by
// chance none of a set's others is in 2^58.
static uint64_t datagram_hash(const struct sl_frag_table *ft, const struct sl_pkt *pkt)
{
	const struct frag_key key = {.src = pkt->tuple.src,
	                             .dst = pkt->tuple.dst,
	                             .id_be = pkt->frag_id_be,
	                             .proto = pkt->is_v6 ? 0 : pkt->tuple.proto};
	uint64_t hash = sl_siphash13(&ft->key, &key, sizeof(key));

	return hash != 0 ? hash : 1;
}

static bool is_live(const struct sl_frag_set *set, uint32_t way, uint32_t now)
{
	return set->hashes[way] != 0 && now - set->entries[way].made < SL_FRAG_TICKS;
}

static uint32_t find_way(const struct sl_frag_set *set, uint64_t hash, uint32_t now)
{
	for (uint32_t way = 0; way < SL_FRAG_WAYS; way++) {
		if (set->hashes[way] == hash)
			return is_live(set, way, now) ? way : NO_WAY;
	}
	return NO_WAY;
}

// A way for a new datagram: a free or outlived one, else the oldest.
static uint32_t make_way(const struct sl_frag_set *set, uint32_t now)
{
	uint32_t oldest = 0, age = 0;

	for (uint32_t way = 0; way < SL_FRAG_WAYS; way++) {
		if (!is_live(set, way, now))
			return way;
		if (set->next_turn - set->entries[way].turn > age) {
			age = set->next_turn - set->entries[way].turn;
			oldest = way;
		}
	}
	return oldest;
}

static int pass_first(struct sl_frag_set *set, uint64_t hash, const struct sl_pkt *pkt,
                      uint32_t now)
{
	uint32_t way = find_way(set, hash, now);

	if (way != NO_WAY && pkt->is_v6) {
		set->entries[way].is_spoiled = true;
		return SL_DROP_FRAGMENT_BAD;
	}
	if (way == NO_WAY) {
		// An outlived entry of the same datagram must not be found beside the new one.
		for (way = 0; way < SL_FRAG_WAYS; way++) {
			if (set->hashes[way] == hash)
				set->hashes[way] = 0;
		}
		way = make_way(set, now);
	}
	set->hashes[way] = hash;
	set->entries[way] = (struct sl_frag_entry){
		.sport_be = pkt->tuple.sport_be,
		.dport_be = pkt->tuple.dport_be,
		.proto = pkt->tuple.proto,
		.n_spans = 1,
		.made = now,
		.turn = set->next_turn++,
		.spans = {{0, pkt->frag_bytes}},
	};
	return PASSES;
}

static bool overlaps(const struct sl_frag_entry *entry, const struct sl_frag_span *part)
{
	for (uint32_t i = 0; i < entry->n_spans; i++) {
		if (part->from < entry->spans[i].to && entry->spans[i].from < part->to)
			return true;
	}
	return false;
}

// The last part fixes the end; nothing may stand behind it, and it may not change.
static bool fits_end(struct sl_frag_entry *entry, const struct sl_frag_span *part, bool is_last)
{
	if (is_last) {
		if (entry->total_bytes != 0)
			return false;
		for (uint32_t i = 0; i < entry->n_spans; i++) {
			if (entry->spans[i].to > part->to)
				return false;
		}
		entry->total_bytes = part->to;
		return true;
	}
	return entry->total_bytes == 0 || part->to < entry->total_bytes;
}

// Joins the part to the spans it touches. False when it touches none and there is no room.
static bool add_span(struct sl_frag_entry *entry, struct sl_frag_span part)
{
	uint32_t n_kept = 0;

	for (uint32_t i = 0; i < entry->n_spans; i++) {
		const struct sl_frag_span span = entry->spans[i];

		if (span.to == part.from)
			part.from = span.from;
		else if (span.from == part.to)
			part.to = span.to;
		else
			entry->spans[n_kept++] = span;
	}
	if (n_kept == SL_FRAG_SPANS)
		return false;
	entry->spans[n_kept++] = part;
	entry->n_spans = (uint8_t)n_kept;
	return true;
}

static bool is_complete(const struct sl_frag_entry *entry)
{
	return entry->n_spans == 1 && entry->total_bytes != 0 && entry->spans[0].from == 0 &&
	       entry->spans[0].to == entry->total_bytes;
}

static int pass_later(struct sl_frag_set *set, uint32_t way, struct sl_pkt *pkt)
{
	const struct sl_frag_span part = {pkt->frag_off_bytes,
	                                  (uint16_t)(pkt->frag_off_bytes + pkt->frag_bytes)};
	struct sl_frag_entry *entry = &set->entries[way];

	if (!entry->is_spoiled)
		entry->is_spoiled = overlaps(entry, &part) ||
		                    !fits_end(entry, &part, !pkt->has_more_fragments) ||
		                    !add_span(entry, part);
	if (entry->is_spoiled)
		return SL_DROP_FRAGMENT_BAD;
	pkt->tuple.sport_be = entry->sport_be;
	pkt->tuple.dport_be = entry->dport_be;
	pkt->tuple.proto = entry->proto;
	if (is_complete(entry))
		set->hashes[way] = 0;
	return PASSES;
}

int sl_frag_pass(struct sl_frag_table *ft, struct sl_pkt *pkt, uint32_t now)
{
	const uint64_t source = sl_siphash13(&ft->key, &pkt->tuple.src, sizeof(pkt->tuple.src));
	struct sl_frag_set *set = &ft->sets[source % SL_FRAG_SETS];
	uint64_t hash = datagram_hash(ft, pkt);
	uint32_t way;

	if (pkt->kind != SL_PKT_FRAGMENT)
		return pass_first(set, hash, pkt, now);
	way = find_way(set, hash, now);
	return way != NO_WAY ? pass_later(set, way, pkt) : SL_DROP_FRAGMENT_EARLY;
}

uint32_t sl_frag_count(const struct sl_frag_table *ft, uint32_t now)
{
	uint32_t n = 0;

	for (uint32_t s = 0; s < SL_FRAG_SETS; s++) {
		for (uint32_t way = 0; way < SL_FRAG_WAYS; way++)
			n += is_live(&ft->sets[s], way, now);
	}
	return n;
}
