// SPDX-License-Identifier: Apache-2.0
// The statistics segment (sluice/stats.h): a sealed-size memfd that others get a read-only
// descriptor of.
#ifndef SLUICE_IO_SEGMENT_H
#define SLUICE_IO_SEGMENT_H

#include "sluice/dpconfig.h"
#include "sluice/stats.h"

struct sl_segment {
	void *base;
	size_t n_bytes;
	int fd;           // ours, writable
	int read_only_fd; // what HELLO hands out
};

// 0 or -errno. instance and start_ns go into the header.
int sl_segment_init(struct sl_segment *segment, const struct sl_dpconfig *config, uint64_t instance,
                    uint64_t start_ns);
void sl_segment_fini(struct sl_segment *segment);

#endif
