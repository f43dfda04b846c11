// SPDX-License-Identifier: Apache-2.0
// Worker: one core's run-to-completion loop between ports, rings and the forwarder. It decides
// nothing: verdicts come from core/forward.h.
//
// Rings:   one single-producer single-consumer ring from every core to every other (index n_workers
//          is the main core). A ring carries packets to decide (HANDOFF) and packets to send
//          (SEND).
// Overlap: packets go through the table in batches of a few, and each batch's memory comes while
// the
//          next one is parsed and the one before is finished. Batches stay begun over the end of a
//          turn only when a burst was full, that is, when more packets are there already.
// Thread:  struct sl_worker belongs to its core; struct sl_io is shared: read-only after start
// except
//          where marked.
#ifndef SLUICE_IO_WORKER_H
#define SLUICE_IO_WORKER_H

#include <stdatomic.h>

#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "forward.h"
#include "ports.h"

#define SL_RING_PKTS   2048
#define SL_TX_BUFFER   64
#define SL_HAND_BUFFER SL_BURST // as many as the other core takes at once
#define SL_EXPIRE_EACH 32       // wheel entries looked at per loop
#define SL_SWEEP_EACH  8        // active flows looked at per loop (measure.h)
// The same while bursts are full: the one that was asked of memory in the loop before. Some 400,000
// loops a second still come round a million waiting flows within seconds (phase.h).
#define SL_SWEEP_FULL 1

struct sl_worker;
struct sl_shaper;

struct sl_io {
	struct sl_ports *ports;
	const struct sl_links *links; // NULL: plain devices
	uint32_t n_workers;
	bool is_sleepy;                                                 // idle: sleep
	struct rte_ring *rings[SL_MAX_WORKERS + 1][SL_MAX_WORKERS + 1]; // [to][from]
	struct sl_worker *workers[SL_MAX_WORKERS];
	struct rte_rcu_qsbr *qsbr;
	void *stats;                             // base of the segment
	struct sl_shaper *shapers[SL_MAX_PORTS]; // NULL: the port has no rate
	bool has_rates;                          // some port has
	// --- main writes ---
	_Atomic(const struct sl_snapshot *) snapshot;
	_Atomic bool is_stopping;
};

struct sl_worker {
	struct sl_io *io;
	uint32_t index;
	struct sl_forwarder fw;
	struct sl_stats_worker *stats;
	struct rte_mbuf *tx[SL_MAX_PORTS][SL_TX_BUFFER];
	uint32_t n_tx[SL_MAX_PORTS];
	struct rte_mbuf *handed[SL_MAX_WORKERS + 1][SL_HAND_BUFFER]; // until the end of the turn
	uint32_t n_handed[SL_MAX_WORKERS + 1];
	struct sl_forward_batch batches[4];
	struct sl_forward_batch *filling, *started, *guessed, *peeked; // each of them, in turn
	struct sl_shaper *shapers[SL_MAX_PORTS]; // of ports that it alone sends to
	uint32_t n_shapers;
	bool is_holding; // some packet waits in one of them
	uint32_t idle_us;
	uint64_t next_beat_ns; // of bonds with LACP
	struct sl_frag_table *frags;
	void *flow_memory; // of the table
	size_t flow_bytes;
	void *port_memory; // of local ports
	size_t port_bytes;
	uint32_t *loads; // own_load, entries, own_vip_load
	struct sl_measure measure;
	size_t phase_bytes;
};

// rings.c: makes rings and the QSBR variable. ports and stats are set by the caller first. 0 or
// -errno.
int sl_io_init(struct sl_io *io, uint32_t n_workers);
void sl_io_fini(struct sl_io *io);

struct sl_worker_params {
	const struct sl_route_table *routes;
	struct sl_neigh_table *neighs;
	const uint32_t *others_load, *others_units, *others_vip_load;
	struct sl_limits *limits;   // shared by all workers
	struct sl_persist *persist; // the same
	uint64_t steer_seed;
	struct sl_hash_key table_key;
	uint32_t n_flows;
};

// NULL with errno. Registers itself with io.
struct sl_worker *sl_worker_new(struct sl_io *io, uint32_t index,
                                const struct sl_worker_params *params);
void sl_worker_free(struct sl_worker *worker);

// One turn of the loop; true if it moved a packet. For tests, and the body of sl_worker_run.
bool sl_worker_poll(struct sl_worker *worker, uint64_t now_ns);

// Runs until io->is_stopping (an lcore function).
int sl_worker_run(void *worker);

uint64_t sl_clock_ns(void);

#endif
