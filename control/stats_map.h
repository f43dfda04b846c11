// SPDX-License-Identifier: Apache-2.0
// The data plane's statistics segment, mapped read-only and distrusted: counts and offsets are
// copied once, checked against the size of the descriptor, and never read again, because the
// writer could change them after the check.
#ifndef SLUICE_CONTROL_STATS_MAP_H
#define SLUICE_CONTROL_STATS_MAP_H

#include "sluice/stats.h"

struct sl_stats_map {
	const void *base; // NULL = not mapped
	size_t n_bytes;
	// --- copied at open ---
	uint64_t instance;
	uint64_t start_ns;
	uint64_t flow_capacity; // per worker
	uint32_t n_workers;
	uint32_t n_ports;
	uint32_t max_backends;
	uint32_t max_vips;
	char port_names[SL_MAX_PORTS][SL_NAME_BYTES];
	char port_devices[SL_MAX_PORTS][SL_NAME_BYTES];
	uint64_t port_rate_bps[SL_MAX_PORTS];
	uint8_t port_rss[SL_MAX_PORTS]; // enum sl_rss_side
	uint32_t n_members;             // of bonds
	uint8_t member_ports[SL_MAX_MEMBERS];
	char member_devices[SL_MAX_MEMBERS][SL_NAME_BYTES];
	// --- into the segment ---
	const struct sl_stats_header *header; // only its sl_stat fields may be read
	const struct sl_stats_worker *workers;
	const struct sl_stats_port *ports;              // [worker * n_ports + port]
	const struct sl_stats_backend *backends;        // [worker * max_backends + slot]
	const struct sl_stats_vip *vips;                // [worker * max_vips + slot]
	const struct sl_stats_latency *latency;         // [worker * max_backends + slot]
	const struct sl_stats_local_ports *local_ports; // [worker * max_backends + slot]
	const struct sl_stats_qos *qos;                 // [port * SL_QOS_COUNT + class]
	const struct sl_stats_slot *backend_slots;
	const struct sl_stats_slot *vip_slots;
};

// Maps fd (which stays the caller's). 0 or -errno; why says what is wrong with the segment.
int sl_stats_map_open(struct sl_stats_map *map, int fd, char *why, size_t why_bytes);
void sl_stats_map_close(struct sl_stats_map *map);

#endif
