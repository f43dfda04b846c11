// SPDX-License-Identifier: Apache-2.0
// What the data plane counted, per object: sums over workers, found by id, and rates.
//
// Baseline: a slot's totals go on when it passes to another object, so the totals seen at the
//           change are subtracted from then on. Slots seen at the attach count from the data
//           plane's start: who held them before is not knowable.
// Rates:    from two samples, taken at each sl_stats_reader_sample (once a second).
// Thread:   the control loop.
#ifndef SLUICE_CONTROL_STATS_READER_H
#define SLUICE_CONTROL_STATS_READER_H

#include "latency_reader.h"
#include "stats_map.h"

struct sl_backend_totals {
	uint64_t flows_active, flows_new;
	uint64_t c2s_pkts, c2s_bytes, s2c_pkts, s2c_bytes;
	uint64_t refused, resets;
	uint64_t ports_free, ports_free_low; // local ports of fullnat: now, and the least so far
};

struct sl_vip_totals {
	uint64_t flows_new;
	uint64_t c2s_pkts, c2s_bytes, s2c_pkts, s2c_bytes;
	uint64_t refused, flows, denied, stateless_pkts;
	uint64_t cookies_sent, cookies_good;
};

struct sl_port_totals {
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes, missed, errors, handed_pkts;
};

struct sl_stats_summary {
	uint64_t rx_pkts, tx_pkts, flows, flows_new, flows_evicted, flow_capacity;
	uint64_t persist_followed, persist_repicked, persist_made, persist_evicted;
	uint64_t epoch_acked; // the lowest any worker uses
	uint64_t heartbeat_age_ns;
	uint64_t drops[SL_DROP_COUNT];
};

struct sl_stats_reader;

struct sl_stats_reader *sl_stats_reader_new(void);
void sl_stats_reader_free(struct sl_stats_reader *reader);

// Takes the segment of a data plane; the one before is let go. 0 or -errno, then nothing changed.
int sl_stats_reader_attach(struct sl_stats_reader *reader, int fd, uint64_t now_ns, char *why,
                           size_t why_bytes);
void sl_stats_reader_detach(struct sl_stats_reader *reader);

// NULL when none is attached.
const struct sl_stats_map *sl_stats_reader_map(const struct sl_stats_reader *reader);

// Looked at when a segment is attached and by its own look; empty when none is attached.
struct sl_latency_reader *sl_stats_reader_latency(struct sl_stats_reader *reader);

void sl_stats_reader_sample(struct sl_stats_reader *reader, uint64_t now_ns);

// Zeros when nothing is attached or nobody has that id; of local ports, all are free then.
void sl_stats_reader_backend(struct sl_stats_reader *reader, uint64_t id,
                             struct sl_backend_totals *totals, double *new_flows_per_s);
void sl_stats_reader_vip(struct sl_stats_reader *reader, uint64_t id, struct sl_vip_totals *totals,
                         double *new_flows_per_s);
void sl_stats_reader_port(const struct sl_stats_reader *reader, uint32_t port,
                          struct sl_port_totals *totals);
void sl_stats_reader_summary(const struct sl_stats_reader *reader, uint64_t now_ns,
                             struct sl_stats_summary *summary);

#endif
