// SPDX-License-Identifier: Apache-2.0
// The parts of a replay: packets and clock (replay.c), workers (replay_worker.c), configuration
// (replay_config.c), what the main core does (replay_slow.c), checks (replay_sound.c).
#ifndef SLUICE_REPLAY_PRIVATE_H
#define SLUICE_REPLAY_PRIVATE_H

#include "forward.h"
#include "registry.h"
#include "replay.h"
#include "xdp_rules.h"

#define REPLAY_MAX_HELD  512 // SL_SLOW_HELD of dataplane/io/slow.h
#define REPLAY_MAX_FIXED 4096

struct replay_held {
	uint8_t *frame; // owned
	uint32_t n_bytes;
	uint16_t row;
	struct sl_replay_record record;
};

struct replay_fixed {
	struct sl_ip ip;
	uint16_t port;
	uint8_t mac[6];
};

struct replay_worker {
	struct sl_forwarder fw;
	void *flow_memory; // owned, as all below
	void *port_memory; // of local ports
	struct sl_frag_table *frags;
	uint32_t *loads; // own_load, entries, own_vip_load
	struct sl_measure measure;
	size_t latency_bytes;
	uint32_t *others_load, *others_units, *others_vip_load;
	struct sl_stats_worker *stats;
	struct sl_stats_backend *backend_stats;
	struct sl_stats_vip *vip_stats;
	struct sl_stats_local_ports *port_stats;
};

struct sl_replay {
	struct sl_dpconfig config;
	uint8_t macs[SL_MAX_PORTS][6];
	uint16_t headroom_bytes;
	struct sl_route_table routes;
	struct sl_links links;
	struct sl_neigh_table neighs;
	struct sl_limits *limits;   // owned
	struct sl_persist *persist; // owned
	struct sl_registry backends, vips;
	struct replay_worker *workers[SL_MAX_WORKERS];
	// --- in force ---
	struct sl_snapshot *snap;
	struct sl_wire_header *wire;
	uint32_t *weights_milli; // by backend row of wire
	uint16_t *backend_indices, *backend_generations, *next_hops, *vip_slots;
	uint32_t n_backends_seen; // highest index ever used + 1
	struct sl_xdp_rules *rules;
	const struct sl_ip *kernel; // owned
	uint32_t n_kernel;
	// --- running ---
	bool has_gateways;
	uint64_t now_ns, next_timer_ns, next_fold_ns;
	struct replay_held held[REPLAY_MAX_HELD];
	uint32_t n_held;
	struct replay_fixed fixed[REPLAY_MAX_FIXED];
	uint32_t n_fixed;
	struct sl_replay_counts counts;
	sl_replay_told_fn told;
	void *told_ctx;
};

// 64-byte lines of zeros, to be freed; NULL without memory.
void *replay_zeroed_lines(size_t n_bytes);

// Puts it into rp->workers[index]. 0 or -errno.
int replay_worker_new(struct sl_replay *rp, uint32_t index, uint64_t seed);
void replay_worker_free(struct replay_worker *w);

void replay_settle(struct sl_replay *rp, struct sl_replay_record *record, enum sl_replay_end end);
void replay_drop(struct sl_replay *rp, struct sl_replay_record *record, enum sl_drop why);
void replay_send(struct sl_replay *rp, struct sl_replay_record *record, const uint8_t *frame,
                 uint32_t n_bytes, uint16_t port);

// Verdicts SLOW and RESOLVE.
enum sl_replay_end replay_slow(struct sl_replay *rp, struct sl_pkt *pkt,
                               struct sl_replay_record *record);
void replay_slow_timers(struct sl_replay *rp);
uint16_t replay_pin(struct sl_replay *rp, const struct sl_ip *dst);

void replay_config_fini(struct sl_replay *rp);

#endif
