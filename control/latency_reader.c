// SPDX-License-Identifier: Apache-2.0
#include "latency_reader.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t cell(const sl_latency_cell *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

static uint64_t word(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

int sl_latency_reader_init(struct sl_latency_reader *reader, const struct sl_stats_map *map)
{
	*reader = (struct sl_latency_reader){.map = map};
	reader->slots = calloc(map->max_backends + 1u, sizeof(*reader->slots));
	reader->index = calloc(map->max_backends + 1u, sizeof(*reader->index));
	if (reader->slots == NULL || reader->index == NULL) {
		sl_latency_reader_fini(reader);
		return -ENOMEM;
	}
	return 0;
}

void sl_latency_reader_fini(struct sl_latency_reader *reader)
{
	for (uint32_t i = 0; reader->slots != NULL && i < reader->map->max_backends; i++)
		free(reader->slots[i].tally);
	free(reader->slots);
	free(reader->index);
	*reader = (struct sl_latency_reader){0};
}

static const struct sl_stats_latency *row_of(const struct sl_stats_map *map, uint32_t worker,
                                             uint32_t slot)
{
	return &map->latency[(size_t)worker * map->max_backends + slot];
}

// All but the counts, which are many.
static void sum_gauges(const struct sl_stats_map *map, uint32_t slot, uint64_t now_ns,
                       struct sl_tally_row *sum)
{
	memset(sum->sums_us, 0, sizeof(sum->sums_us));
	sum->load_units = sum->oldest_us = sum->ended = sum->fleeting = sum->refused = 0;
	for (uint32_t w = 0; w < map->n_workers; w++) {
		const struct sl_stats_latency *row = row_of(map, w, slot);
		const struct sl_stats_backend *totals =
			&map->backends[(size_t)w * map->max_backends + slot];
		const uint64_t noted_ns = word(&row->oldest_ns);
		const uint32_t oldest_us = cell(&row->oldest_us);

		for (uint32_t kind = 0; kind < SL_LATENCY_KINDS; kind++)
			sum->sums_us[kind] += word(&row->sums_us[kind]);
		sum->load_units += cell(&row->load_units);
		sum->ended += cell(&row->ended);
		sum->fleeting += cell(&row->fleeting);
		sum->refused += (uint32_t)sl_stat_get(&totals->refused);
		// A worker's note may be younger than our clock.
		if ((noted_ns >= now_ns || now_ns - noted_ns < SL_TALLY_AGE_NS) &&
		    oldest_us > sum->oldest_us)
			sum->oldest_us = oldest_us;
	}
}

static void sum_counts(const struct sl_stats_map *map, uint32_t slot, uint32_t kind,
                       struct sl_tally_row *sum)
{
	memset(sum->counts[kind], 0, sizeof(sum->counts[kind]));
	for (uint32_t w = 0; w < map->n_workers; w++) {
		const struct sl_stats_latency *row = row_of(map, w, slot);

		for (uint32_t b = 0; b < SL_LATENCY_BUCKETS; b++)
			sum->counts[kind][b] += cell(&row->counts[kind][b]);
	}
}

// A connection that was over within the millisecond adds nothing to the sum of durations.
static uint32_t find_changed(const struct sl_latency_slot *slot, const struct sl_tally_row *row)
{
	uint32_t changed = (uint32_t)(row->ended != slot->ended) << SL_LATENCY_DURATION;

	for (uint32_t kind = 0; kind < SL_LATENCY_KINDS; kind++)
		changed |= (uint32_t)(row->sums_us[kind] != slot->sums_us[kind]) << kind;
	return changed;
}

static void look_at_slot(struct sl_latency_reader *reader, uint32_t i, uint64_t now_ns)
{
	struct sl_latency_slot *slot = &reader->slots[i];
	struct sl_tally_row *row = &reader->row;

	sum_gauges(reader->map, i, now_ns, row);
	row->changed = find_changed(slot, row);
	if (slot->tally == NULL) {
		if (row->changed == 0 && row->load_units == 0 && row->refused == 0)
			return;
		slot->tally = calloc(1, sizeof(*slot->tally));
		if (slot->tally == NULL)
			return; // the next look finds the same differences
	}
	for (uint32_t kind = 0; kind < SL_LATENCY_KINDS; kind++) {
		slot->sums_us[kind] = row->sums_us[kind];
		if (row->changed & 1u << kind)
			sum_counts(reader->map, i, kind, row);
	}
	slot->ended = row->ended;
	sl_tally_look(slot->tally, row, !reader->has_looked, now_ns, &slot->since);
}

static int order(const void *a, const void *b)
{
	const struct sl_latency_index *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void build_index(struct sl_latency_reader *reader)
{
	reader->n_indexed = 0;
	for (uint32_t i = 0; i < reader->map->max_backends; i++) {
		if (reader->slots[i].id != 0)
			reader->index[reader->n_indexed++] =
				(struct sl_latency_index){reader->slots[i].id, i};
	}
	qsort(reader->index, reader->n_indexed, sizeof(*reader->index), order);
}

void sl_latency_reader_look(struct sl_latency_reader *reader, uint64_t now_ns)
{
	const struct sl_stats_map *map = reader->map;
	bool has_news = !reader->has_looked;

	if (map == NULL)
		return;
	for (uint32_t i = 0; i < map->max_backends; i++) {
		struct sl_latency_slot *slot = &reader->slots[i];
		const uint64_t id = sl_stat_get(&map->backend_slots[i].id);
		const uint64_t generation = sl_stat_get(&map->backend_slots[i].generation);

		if (slot->id != id || slot->generation != generation) {
			has_news = true;
			slot->id = id;
			slot->generation = generation;
			slot->since = (struct sl_steer_seen){0};
			if (slot->tally != NULL)
				sl_tally_pass(slot->tally);
		}
		if (id != 0)
			look_at_slot(reader, i, now_ns);
	}
	if (has_news)
		build_index(reader);
	reader->has_looked = true;
}

static struct sl_latency_slot *find(const struct sl_latency_reader *reader, uint64_t id)
{
	const struct sl_latency_index want = {.id = id}, *found = NULL;

	if (reader->n_indexed > 0)
		found = bsearch(&want, reader->index, reader->n_indexed, sizeof(want), order);
	return found != NULL ? &reader->slots[found->slot] : NULL;
}

void sl_latency_reader_take(struct sl_latency_reader *reader, uint64_t id,
                            struct sl_steer_seen *seen)
{
	struct sl_latency_slot *slot = find(reader, id);

	*seen = (struct sl_steer_seen){0};
	if (slot == NULL)
		return;
	*seen = slot->since;
	slot->since = (struct sl_steer_seen){0};
}

const struct sl_tally *sl_latency_reader_tally(const struct sl_latency_reader *reader, uint64_t id)
{
	const struct sl_latency_slot *slot = find(reader, id);

	return slot != NULL ? slot->tally : NULL;
}
