// SPDX-License-Identifier: Apache-2.0
#include "stats_map.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

// 16 workers x 16384 backends x 6528 bytes of latency is 1.7 GB, of which little is ever touched.
#define MAX_SEGMENT_BYTES (UINT64_C(2) << 30)

struct array {
	const char *name;
	uint32_t off_bytes;
	uint64_t n_bytes;
};

// Offsets are cache-line aligned because rows are, and lie behind the header.
static bool is_inside(const struct array *array, size_t n_bytes)
{
	return array->off_bytes % SL_CACHE_LINE_BYTES == 0 &&
	       array->off_bytes >= sizeof(struct sl_stats_header) && array->off_bytes <= n_bytes &&
	       array->n_bytes <= n_bytes - array->off_bytes;
}

static int check_counts(const struct sl_stats_header *h, size_t n_bytes, char *why,
                        size_t why_bytes)
{
	if (h->magic != SL_STATS_MAGIC) {
		snprintf(why, why_bytes, "not a statistics segment (wrong magic)");
		return -EPROTO;
	}
	if (h->version != SL_STATS_VERSION) {
		snprintf(why, why_bytes, "statistics version %u, this control reads %u", h->version,
		         SL_STATS_VERSION);
		return -EPROTO;
	}
	if (h->total_bytes != n_bytes) {
		snprintf(why, why_bytes, "segment says %u bytes and has %zu", h->total_bytes,
		         n_bytes);
		return -EPROTO;
	}
	if (h->n_workers < 1 || h->n_workers > SL_MAX_WORKERS || h->n_ports > SL_MAX_PORTS ||
	    h->max_backends > SL_MAX_BACKENDS || h->max_vips > SL_MAX_VIPS) {
		snprintf(why, why_bytes, "counts out of range: %u workers, %u ports, %u/%u slots",
		         h->n_workers, h->n_ports, h->max_backends, h->max_vips);
		return -EPROTO;
	}
	return 0;
}

static int check_arrays(const struct sl_stats_header *h, size_t n_bytes, char *why,
                        size_t why_bytes)
{
	const uint64_t n_workers = h->n_workers;
	const struct array arrays[] = {
		{"workers", h->off_workers, n_workers * sizeof(struct sl_stats_worker)},
		{"ports", h->off_ports, n_workers * h->n_ports * sizeof(struct sl_stats_port)},
		{"backends", h->off_backends,
	         n_workers * h->max_backends * sizeof(struct sl_stats_backend)},
		{"vips", h->off_vips, n_workers * h->max_vips * sizeof(struct sl_stats_vip)},
		{"local ports", h->off_local_ports,
	         n_workers * h->max_backends * sizeof(struct sl_stats_local_ports)},
		{"queues", h->off_qos,
	         (uint64_t)h->n_ports * SL_QOS_COUNT * sizeof(struct sl_stats_qos)},
		{"backend slots", h->off_backend_slots,
	         (uint64_t)h->max_backends * sizeof(struct sl_stats_slot)},
		{"vip slots", h->off_vip_slots,
	         (uint64_t)h->max_vips * sizeof(struct sl_stats_slot)},
		{"latency", h->off_latency,
	         n_workers * h->max_backends * sizeof(struct sl_stats_latency)},
	};

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		if (!is_inside(&arrays[i], n_bytes)) {
			snprintf(why, why_bytes, "%s at %u do not fit into %zu bytes",
			         arrays[i].name, arrays[i].off_bytes, n_bytes);
			return -EPROTO;
		}
	}
	return 0;
}

static void fill(struct sl_stats_map *map, const struct sl_stats_header *h)
{
	const char *base = map->base;

	map->instance = h->instance;
	map->start_ns = h->start_ns;
	map->flow_capacity = h->flow_capacity;
	map->n_workers = h->n_workers;
	map->n_ports = h->n_ports;
	map->max_backends = h->max_backends;
	map->max_vips = h->max_vips;
	memcpy(map->port_names, h->port_names, sizeof(map->port_names));
	memcpy(map->port_devices, h->port_devices, sizeof(map->port_devices));
	memcpy(map->port_rate_bps, h->port_rate_bps, sizeof(map->port_rate_bps));
	memcpy(map->port_rss, h->port_rss, sizeof(map->port_rss));
	map->n_members = h->n_members < SL_MAX_MEMBERS ? h->n_members : SL_MAX_MEMBERS;
	memcpy(map->member_ports, h->member_ports, sizeof(map->member_ports));
	memcpy(map->member_devices, h->member_devices, sizeof(map->member_devices));
	for (uint32_t i = 0; i < SL_MAX_MEMBERS; i++)
		map->member_devices[i][SL_NAME_BYTES - 1] = '\0';
	for (uint32_t i = 0; i < SL_MAX_PORTS; i++) {
		map->port_names[i][SL_NAME_BYTES - 1] = '\0';
		map->port_devices[i][SL_NAME_BYTES - 1] = '\0';
	}
	map->header = map->base;
	map->workers = (const void *)(base + h->off_workers);
	map->ports = (const void *)(base + h->off_ports);
	map->backends = (const void *)(base + h->off_backends);
	map->vips = (const void *)(base + h->off_vips);
	map->local_ports = (const void *)(base + h->off_local_ports);
	map->qos = (const void *)(base + h->off_qos);
	map->backend_slots = (const void *)(base + h->off_backend_slots);
	map->vip_slots = (const void *)(base + h->off_vip_slots);
	map->latency = (const void *)(base + h->off_latency);
}

int sl_stats_map_open(struct sl_stats_map *map, int fd, char *why, size_t why_bytes)
{
	struct sl_stats_header copy;
	struct stat st;
	void *base;
	int err;

	*map = (struct sl_stats_map){0};
	if (fstat(fd, &st) != 0) {
		err = -errno;
		snprintf(why, why_bytes, "cannot look at the statistics descriptor");
		return err;
	}
	if (st.st_size < (off_t)sizeof(copy) || (uint64_t)st.st_size > MAX_SEGMENT_BYTES) {
		snprintf(why, why_bytes, "statistics segment of %lld bytes", (long long)st.st_size);
		return -EPROTO;
	}
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		err = -errno;
		snprintf(why, why_bytes, "cannot map the statistics segment");
		return err;
	}
	map->base = base;
	map->n_bytes = (size_t)st.st_size;
	memcpy(&copy, base, sizeof(copy));
	err = check_counts(&copy, map->n_bytes, why, why_bytes);
	if (err == 0)
		err = check_arrays(&copy, map->n_bytes, why, why_bytes);
	if (err != 0) {
		sl_stats_map_close(map);
		return err;
	}
	fill(map, &copy);
	return 0;
}

void sl_stats_map_close(struct sl_stats_map *map)
{
	if (map->base != NULL)
		munmap((void *)(uintptr_t)map->base, map->n_bytes);
	*map = (struct sl_stats_map){0};
}
