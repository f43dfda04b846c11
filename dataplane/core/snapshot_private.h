// SPDX-License-Identifier: Apache-2.0
// The parts of a snapshot. Finding a service: three hashes over the VIP rows, filled at build and
// read-only afterwards. Picking from a pool: what its members' weights alone decide, shared by the
// snapshots in which these are the same.
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

// Who speaks when a backend of a nat pool sends from this address, protocol and port.
struct snap_speaker {
	struct sl_ip backend;
	uint32_t vip;  // row
	uint16_t port; // host order; 0: any, the VIP's is the same
	uint8_t proto;
	bool is_ambiguous;
};

struct snap_index {
	struct snap_table exact;     // vip row of a single port
	struct snap_table groups;    // number of a group
	struct snap_table addresses; // a vip row with the address
	struct snap_group *runs;
	uint32_t *order; // vip rows of ranges by address, protocol, width, first port
	struct snap_table speakers_by_backend; // number of a speaker
	struct snap_speaker *speakers;
};

// Fills an index for the rows. 0 or -ENOMEM; fini takes a half-filled one too.
int snap_table_init(struct snap_table *t, uint32_t n);
void snap_table_put(struct snap_table *t, uint32_t hash, uint32_t number);
uint32_t snap_hash_service(const struct sl_ip *ip, uint8_t proto, uint16_t port);
int snap_index_init(struct snap_index *index, const struct sl_snap_vip *vips, uint32_t n_vips);
// Adds the speakers: those of the configuration that the rows are of. 0 or -ENOMEM.
int snap_index_add_speakers(struct snap_index *index, const struct sl_snap_vip *vips,
                            const struct sl_wire_header *config);
void snap_index_fini(struct snap_index *index);

struct snap_picks;

struct snap_picks_inputs {
	const struct sl_pick_member *members; // of the pool, in its order
	uint64_t *sums;                       // scratch, two for each member
	bool has_maglev;
};

// Owned by the caller, and by everybody who shares it; the last one frees it. Members' number and
// balance of the pool are set; what depends on weights is filled in. NULL: out of memory.
struct snap_picks *snap_picks_new(struct sl_snap_pool *pool, const struct snap_picks_inputs *in);
struct snap_picks *snap_picks_share(struct snap_picks *picks);
void snap_picks_free(struct snap_picks *picks);

#endif
