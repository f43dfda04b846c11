// SPDX-License-Identifier: Apache-2.0
#include "stats_reader.h"

#include <errno.h>
#include <stdlib.h>

#include "sluice/units.h"

// Both kinds of row are arrays of sl_stat; a table treats them alike, as columns of numbers.
#define MAX_COLUMNS 11

enum backend_column { BE_FLOWS_ACTIVE, BE_FLOWS_NEW, BE_COLUMNS = 8 };
enum vip_column { VIP_FLOWS_NEW, VIP_FLOWS = 6, VIP_COLUMNS = 11 };

struct slot {
	uint64_t id;
	uint64_t generation;
	uint64_t base[MAX_COLUMNS]; // subtracted: another object's
	uint64_t seen[MAX_COLUMNS]; // at the last sample
	uint64_t seen_ns;
	double new_flows_per_s;
};

struct table {
	struct slot *slots;
	uint32_t *buckets; // id -> slot + 1, open addressing; rebuilt at each sample
	uint32_t n_slots;
	uint32_t mask;
	uint32_t n_columns;
	uint32_t row_stats; // numbers from one row to the next
	uint32_t rate_column;
	uint32_t gauge_column; // not a total: no baseline
	uint32_t n_workers;
	const sl_stat *rows; // in the segment: [worker * n_slots + slot]
	const struct sl_stats_slot *names;
};

struct sl_stats_reader {
	struct sl_stats_map map;
	struct table backends;
	struct table vips;
	struct sl_latency_reader latency;
};

static int table_init(struct table *table, uint32_t n_slots)
{
	uint32_t n_buckets = 16;

	while (n_buckets < 2 * n_slots)
		n_buckets *= 2;
	table->slots = calloc(n_slots > 0 ? n_slots : 1, sizeof(*table->slots));
	table->buckets = calloc(n_buckets, sizeof(*table->buckets));
	if (table->slots == NULL || table->buckets == NULL) {
		free(table->slots);
		free(table->buckets);
		*table = (struct table){0};
		return -ENOMEM;
	}
	table->n_slots = n_slots;
	table->mask = n_buckets - 1;
	return 0;
}

static void table_fini(struct table *table)
{
	free(table->slots);
	free(table->buckets);
	*table = (struct table){0};
}

static uint32_t first_bucket(const struct table *table, uint64_t id)
{
	return (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & table->mask;
}

static void table_index(struct table *table)
{
	memset(table->buckets, 0, ((size_t)table->mask + 1) * sizeof(*table->buckets));
	for (uint32_t i = 0; i < table->n_slots; i++) {
		uint32_t b;

		if (table->slots[i].id == 0)
			continue;
		b = first_bucket(table, table->slots[i].id);
		while (table->buckets[b] != 0)
			b = (b + 1) & table->mask;
		table->buckets[b] = i + 1;
	}
}

// The table is at most half full, so the walk ends at an empty bucket.
static struct slot *table_find(struct table *table, uint64_t id)
{
	if (table->n_slots == 0 || id == 0)
		return NULL;
	for (uint32_t b = first_bucket(table, id); table->buckets[b] != 0;
	     b = (b + 1) & table->mask) {
		struct slot *slot = &table->slots[table->buckets[b] - 1];

		if (slot->id == id)
			return slot;
	}
	return NULL;
}

// The first n_columns numbers of each row are ours.
static void sum_columns(const struct table *table, uint32_t slot, uint64_t sums[MAX_COLUMNS])
{
	memset(sums, 0, MAX_COLUMNS * sizeof(sums[0]));
	for (uint32_t w = 0; w < table->n_workers; w++) {
		const sl_stat *row =
			table->rows + ((size_t)w * table->n_slots + slot) * table->row_stats;

		for (uint32_t c = 0; c < table->n_columns; c++)
			sums[c] += sl_stat_get(&row[c]);
	}
}

static void sample_slot(const struct table *table, struct slot *slot, const uint64_t *sums,
                        uint64_t now_ns)
{
	const uint32_t rate = table->rate_column;

	slot->new_flows_per_s = 0;
	if (slot->seen_ns != 0 && now_ns > slot->seen_ns && sums[rate] >= slot->seen[rate])
		slot->new_flows_per_s = (double)(sums[rate] - slot->seen[rate]) *
		                        (double)SL_NS_PER_S / (double)(now_ns - slot->seen_ns);
	memcpy(slot->seen, sums, sizeof(slot->seen));
	slot->seen_ns = now_ns;
}

static void table_sample(struct table *table, uint64_t now_ns)
{
	for (uint32_t i = 0; i < table->n_slots; i++) {
		struct slot *slot = &table->slots[i];
		uint64_t id = sl_stat_get(&table->names[i].id);
		uint64_t generation = sl_stat_get(&table->names[i].generation);
		uint64_t sums[MAX_COLUMNS];

		if (slot->id != id || slot->generation != generation) {
			// The object before had no flows left: what was seen last is all it had.
			memcpy(slot->base, slot->seen, sizeof(slot->base));
			slot->id = id;
			slot->generation = generation;
		}
		if (id == 0)
			continue;
		sum_columns(table, i, sums);
		sample_slot(table, slot, sums, now_ns);
	}
	table_index(table);
}

struct sl_stats_reader *sl_stats_reader_new(void)
{
	return calloc(1, sizeof(struct sl_stats_reader));
}

void sl_stats_reader_detach(struct sl_stats_reader *reader)
{
	table_fini(&reader->backends);
	table_fini(&reader->vips);
	sl_latency_reader_fini(&reader->latency);
	sl_stats_map_close(&reader->map);
}

void sl_stats_reader_free(struct sl_stats_reader *reader)
{
	if (reader == NULL)
		return;
	sl_stats_reader_detach(reader);
	free(reader);
}

int sl_stats_reader_attach(struct sl_stats_reader *reader, int fd, uint64_t now_ns, char *why,
                           size_t why_bytes)
{
	struct table backends = {.n_columns = BE_COLUMNS,
	                         .row_stats = sizeof(struct sl_stats_backend) / sizeof(sl_stat),
	                         .rate_column = BE_FLOWS_NEW,
	                         .gauge_column = BE_FLOWS_ACTIVE};
	struct table vips = {.n_columns = VIP_COLUMNS,
	                     .row_stats = sizeof(struct sl_stats_vip) / sizeof(sl_stat),
	                     .rate_column = VIP_FLOWS_NEW,
	                     .gauge_column = VIP_FLOWS};
	struct sl_latency_reader latency = {0};
	struct sl_stats_map map;
	int err;

	err = sl_stats_map_open(&map, fd, why, why_bytes);
	if (err != 0)
		return err;
	err = table_init(&backends, map.max_backends);
	if (err == 0)
		err = table_init(&vips, map.max_vips);
	if (err == 0)
		err = sl_latency_reader_init(&latency, &map);
	if (err != 0) {
		table_fini(&backends);
		sl_stats_map_close(&map);
		return err;
	}
	backends.rows = (const sl_stat *)map.backends;
	backends.names = map.backend_slots;
	vips.rows = (const sl_stat *)map.vips;
	vips.names = map.vip_slots;
	backends.n_workers = vips.n_workers = map.n_workers;
	sl_stats_reader_detach(reader);
	*reader = (struct sl_stats_reader){
		.map = map, .backends = backends, .vips = vips, .latency = latency};
	reader->latency.map = &reader->map;
	sl_stats_reader_sample(reader, now_ns);
	sl_latency_reader_look(&reader->latency, now_ns);
	return 0;
}

struct sl_latency_reader *sl_stats_reader_latency(struct sl_stats_reader *reader)
{
	return &reader->latency;
}

const struct sl_stats_map *sl_stats_reader_map(const struct sl_stats_reader *reader)
{
	return reader->map.base != NULL ? &reader->map : NULL;
}

void sl_stats_reader_sample(struct sl_stats_reader *reader, uint64_t now_ns)
{
	if (reader->map.base == NULL)
		return;
	table_sample(&reader->backends, now_ns);
	table_sample(&reader->vips, now_ns);
}

// The counters as they are now, not as of the last sample. The slot may have passed to another
// object since the sample: then the id has nothing.
static void read_now(struct table *table, uint64_t id, uint64_t sums[MAX_COLUMNS],
                     double *rate_per_s)
{
	struct slot *slot = table_find(table, id);
	uint32_t i;

	*rate_per_s = 0;
	memset(sums, 0, MAX_COLUMNS * sizeof(sums[0]));
	if (slot == NULL)
		return;
	i = (uint32_t)(slot - table->slots);
	if (sl_stat_get(&table->names[i].id) != id)
		return;
	sum_columns(table, i, sums);
	for (uint32_t c = 0; c < table->n_columns; c++) {
		if (c != table->gauge_column)
			sums[c] -= sums[c] >= slot->base[c] ? slot->base[c] : sums[c];
	}
	*rate_per_s = slot->new_flows_per_s;
}

// Workers may have had their most at different times, so there were at least as many as low says.
static void count_ports(const struct sl_stats_map *map, uint32_t slot,
                        struct sl_backend_totals *totals)
{
	const uint64_t generation = sl_stat_get(&map->backend_slots[slot].generation);
	uint64_t n_busy = 0, n_peak = 0;

	for (uint32_t w = 0; w < map->n_workers; w++) {
		const struct sl_stats_local_ports *row =
			&map->local_ports[(size_t)w * map->max_backends + slot];

		if (sl_stat_get(&row->generation) != (uint16_t)generation)
			continue; // of who had the slot before
		n_busy += sl_stat_get(&row->busy);
		n_peak += sl_stat_get(&row->busy_peak);
	}
	totals->ports_free -= n_busy < SL_STATS_LOCAL_PORTS ? n_busy : SL_STATS_LOCAL_PORTS;
	totals->ports_free_low -= n_peak < SL_STATS_LOCAL_PORTS ? n_peak : SL_STATS_LOCAL_PORTS;
}

void sl_stats_reader_backend(struct sl_stats_reader *reader, uint64_t id,
                             struct sl_backend_totals *totals, double *new_flows_per_s)
{
	const struct slot *slot = table_find(&reader->backends, id);
	uint64_t sums[MAX_COLUMNS];

	read_now(&reader->backends, id, sums, new_flows_per_s);
	*totals = (struct sl_backend_totals){
		.flows_active = sums[BE_FLOWS_ACTIVE],
		.flows_new = sums[BE_FLOWS_NEW],
		.c2s_pkts = sums[2],
		.c2s_bytes = sums[3],
		.s2c_pkts = sums[4],
		.s2c_bytes = sums[5],
		.refused = sums[6],
		.resets = sums[7],
		.ports_free = SL_STATS_LOCAL_PORTS,
		.ports_free_low = SL_STATS_LOCAL_PORTS,
	};
	if (slot != NULL)
		count_ports(&reader->map, (uint32_t)(slot - reader->backends.slots), totals);
}

void sl_stats_reader_vip(struct sl_stats_reader *reader, uint64_t id, struct sl_vip_totals *totals,
                         double *new_flows_per_s)
{
	uint64_t sums[MAX_COLUMNS];

	read_now(&reader->vips, id, sums, new_flows_per_s);
	*totals = (struct sl_vip_totals){
		.flows_new = sums[VIP_FLOWS_NEW],
		.c2s_pkts = sums[1],
		.c2s_bytes = sums[2],
		.s2c_pkts = sums[3],
		.s2c_bytes = sums[4],
		.refused = sums[5],
		.flows = sums[VIP_FLOWS],
		.denied = sums[7],
		.stateless_pkts = sums[8],
		.cookies_sent = sums[9],
		.cookies_good = sums[10],
	};
}

void sl_stats_reader_port(const struct sl_stats_reader *reader, uint32_t port,
                          struct sl_port_totals *totals)
{
	const struct sl_stats_map *map = &reader->map;

	*totals = (struct sl_port_totals){0};
	if (map->base == NULL || port >= map->n_ports)
		return;
	for (uint32_t w = 0; w < map->n_workers; w++) {
		const struct sl_stats_port *row = &map->ports[(size_t)w * map->n_ports + port];

		totals->rx_pkts += sl_stat_get(&row->rx_pkts);
		totals->rx_bytes += sl_stat_get(&row->rx_bytes);
		totals->tx_pkts += sl_stat_get(&row->tx_pkts);
		totals->tx_bytes += sl_stat_get(&row->tx_bytes);
		totals->handed_pkts += sl_stat_get(&row->handed_pkts);
	}
	totals->missed = sl_stat_get(&map->header->port_missed[port]);
	totals->errors = sl_stat_get(&map->header->port_errors[port]);
}

void sl_stats_reader_summary(const struct sl_stats_reader *reader, uint64_t now_ns,
                             struct sl_stats_summary *summary)
{
	const struct sl_stats_map *map = &reader->map;
	uint64_t heartbeat_ns;

	*summary = (struct sl_stats_summary){0};
	if (map->base == NULL)
		return;
	summary->epoch_acked = UINT64_MAX;
	summary->flow_capacity = map->flow_capacity * map->n_workers;
	for (uint32_t w = 0; w < map->n_workers; w++) {
		const struct sl_stats_worker *row = &map->workers[w];
		uint64_t epoch = sl_stat_get(&row->epoch);

		summary->rx_pkts += sl_stat_get(&row->rx_pkts);
		summary->tx_pkts += sl_stat_get(&row->tx_pkts);
		summary->flows += sl_stat_get(&row->flows);
		summary->flows_new += sl_stat_get(&row->flows_new);
		summary->flows_evicted += sl_stat_get(&row->flows_evicted);
		summary->persist_followed += sl_stat_get(&row->persist_followed);
		summary->persist_repicked += sl_stat_get(&row->persist_repicked);
		summary->persist_made += sl_stat_get(&row->persist_made);
		summary->persist_evicted += sl_stat_get(&row->persist_evicted);
		if (epoch < summary->epoch_acked)
			summary->epoch_acked = epoch;
		for (uint32_t d = 0; d < SL_DROP_COUNT; d++)
			summary->drops[d] += sl_stat_get(&row->drops[d]);
	}
	for (uint32_t d = 0; d < SL_DROP_COUNT; d++)
		summary->drops[d] += sl_stat_get(&map->header->main_drop[d]);
	heartbeat_ns = sl_stat_get(&map->header->heartbeat_ns);
	summary->heartbeat_age_ns = now_ns > heartbeat_ns ? now_ns - heartbeat_ns : 0;
}
