// SPDX-License-Identifier: Apache-2.0
// Publisher: turns CONFIG and WEIGHTS bodies into snapshots and gives them to the workers.
//
// Apply:   check, build, then one release store; nothing changes unless all of it succeeded.
// Ack:     a snapshot is acknowledged when every worker has passed a quiescent state since the
//          store; only then is the one before freed. One is under way at a time.
// Loads:   folds flow counts and load of the workers for least-connections, adaptive and limits,
//          for each worker the sum of the others. Thread:  main core.
#ifndef SLUICE_IO_PUBLISH_H
#define SLUICE_IO_PUBLISH_H

#include "registry.h"
#include "sluice/ipc.h"
#include "slow.h"
#include "wirecheck.h"

struct sl_publisher {
	struct sl_io *io;
	struct sl_slow *slow;
	struct sl_stats_header *stats;
	// --- what is in force ---
	struct sl_wire_header *config; // private copy; NULL before the first
	uint32_t *weights_milli;       // by backend row
	uint16_t *backend_indices, *backend_generations, *next_hops; // by backend row
	uint16_t *vip_slots;                                         // by vip row
	uint32_t *rows_by_id;                                        // hash of backend id -> row
	uint32_t rows_mask;
	uint64_t generation, epoch, acked_epoch;
	struct sl_registry backends, vips;
	// --- under way ---
	struct sl_snapshot *current, *retiring;
	uint64_t token;
	uint64_t published_ns;
	bool is_waiting;
	uint32_t *others_load[SL_MAX_WORKERS]; // read by the workers, as the one below
	uint32_t *others_vip_load[SL_MAX_WORKERS];
	uint32_t *others_units[SL_MAX_WORKERS];
	uint32_t n_folded; // highest backend index ever in use + 1
	uint64_t folded_ns;
	struct sl_hash_key maglev_key;
	void (*changed)(void *ctx); // after a configuration was published (XDP maps follow it)
	void *changed_ctx;
};

int sl_publisher_init(struct sl_publisher *pub, struct sl_io *io, struct sl_slow *slow);
void sl_publisher_fini(struct sl_publisher *pub);

// body: private, 8-byte aligned copy, owned by the caller. Not while is_waiting.
enum sl_ipc_status sl_publisher_apply_config(struct sl_publisher *pub, const void *body,
                                             size_t n_bytes, char *reason, size_t reason_bytes);
enum sl_ipc_status sl_publisher_apply_weights(struct sl_publisher *pub, const void *body,
                                              size_t n_bytes, char *reason, size_t reason_bytes);

// Workers are about to take a new snapshot: worth looking again at once, for as long as a turn of a
// worker may last.
bool sl_publisher_is_settling(const struct sl_publisher *pub);

// Free what no worker uses any more, fold loads. Call at least each ms.
void sl_publisher_poll(struct sl_publisher *pub);

#endif
