// SPDX-License-Identifier: Apache-2.0
// Finding a service: three hashes over the VIP rows, filled at build and read-only afterwards.
#ifndef SLUICE_CORE_SNAPSHOT_PRIVATE_H
#define SLUICE_CORE_SNAPSHOT_PRIVATE_H

#include "snapshot.h"

// Open addressing, at most half full. A cell is a number + 1; 0 ends a probe.
struct snap_table {
	uint32_t *cells;
	uint32_t mask;
};

// Ranges of one (address, protocol), a run of order[].
struct snap_group {
	uint32_t first, n;
};

struct snap_index {
	struct snap_table exact;     // vip row of a single port
	struct snap_table groups;    // number of a group
	struct snap_table addresses; // a vip row with the address
	struct snap_group *runs;
	uint32_t *order; // vip rows of ranges by address, protocol, width, first port
};

// Fills an index for the rows. 0 or -ENOMEM; fini takes a half-filled one too.
int snap_index_init(struct snap_index *index, const struct sl_snap_vip *vips, uint32_t n_vips);
void snap_index_fini(struct snap_index *index);

#endif
