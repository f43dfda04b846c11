// SPDX-License-Identifier: Apache-2.0
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static uint32_t take(uint32_t *end, size_t n_bytes)
{
	uint32_t start = *end;

	*end = (uint32_t)((start + n_bytes + SL_CACHE_LINE_BYTES - 1) &
	                  ~(size_t)(SL_CACHE_LINE_BYTES - 1));
	return start;
}

static void fill_header(struct sl_stats_header *h, const struct sl_dpconfig *config)
{
	uint32_t end = 0;

	h->magic = SL_STATS_MAGIC;
	h->version = SL_STATS_VERSION;
	h->n_workers = config->n_workers;
	h->n_ports = config->n_ports;
	h->max_backends = SL_MAX_BACKENDS;
	h->max_vips = SL_MAX_VIPS;
	h->flow_capacity = config->flows / config->n_workers;
	take(&end, sizeof(*h));
	h->off_workers = take(&end, h->n_workers * sizeof(struct sl_stats_worker));
	h->off_ports = take(&end, (size_t)h->n_workers * h->n_ports * sizeof(struct sl_stats_port));
	h->off_backends = take(&end, (size_t)h->n_workers * h->max_backends *
	                                     sizeof(struct sl_stats_backend));
	h->off_vips = take(&end, (size_t)h->n_workers * h->max_vips * sizeof(struct sl_stats_vip));
	h->off_local_ports = take(&end, (size_t)h->n_workers * h->max_backends *
	                                        sizeof(struct sl_stats_local_ports));
	h->off_backend_slots = take(&end, h->max_backends * sizeof(struct sl_stats_slot));
	h->off_vip_slots = take(&end, h->max_vips * sizeof(struct sl_stats_slot));
	h->off_latency = take(&end, (size_t)h->n_workers * h->max_backends *
	                                    sizeof(struct sl_stats_latency));
	h->off_qos = take(&end, h->n_ports * SL_QOS_COUNT * sizeof(struct sl_stats_qos));
	h->total_bytes = end;
	for (uint32_t p = 0; p < config->n_ports; p++) {
		snprintf(h->port_names[p], SL_NAME_BYTES, "%s", config->ports[p].name);
		h->port_rate_bps[p] = config->ports[p].rate_bps;
	}
}

static int open_read_only(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int sl_segment_init(struct sl_segment *segment, const struct sl_dpconfig *config, uint64_t instance,
                    uint64_t start_ns)
{
	struct sl_stats_header header = {.instance = instance, .start_ns = start_ns};
	int err;

	fill_header(&header, config);
	*segment = (struct sl_segment){.n_bytes = header.total_bytes, .read_only_fd = -1};
	segment->fd = memfd_create("sluice-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (segment->fd < 0)
		return -errno;
	if (ftruncate(segment->fd, (off_t)segment->n_bytes) != 0)
		goto err_fd;
	if (fcntl(segment->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
		goto err_fd;
	segment->read_only_fd = open_read_only(segment->fd);
	if (segment->read_only_fd < 0)
		goto err_fd;
	segment->base =
		mmap(NULL, segment->n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
	if (segment->base == MAP_FAILED)
		goto err_read_only;
	memcpy(segment->base, &header, sizeof(header));
	return 0;

err_read_only:
	close(segment->read_only_fd);
err_fd:
	err = -errno;
	close(segment->fd);
	return err;
}

void sl_segment_fini(struct sl_segment *segment)
{
	munmap(segment->base, segment->n_bytes);
	close(segment->read_only_fd);
	close(segment->fd);
}
