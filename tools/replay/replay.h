// SPDX-License-Identifier: Apache-2.0
// The data plane without devices: the core of sluice-dataplane (parser, flow table, snapshot,
// neighbours, rewriting) fed one packet at a time, with the caller's clock.
//
// Shape:  all workers of the configuration, on one thread. Worker 0 receives; what belongs to
//         another is decided by that one, as over its ring. What the main core does with ARP, ND,
//         echo requests and waiting packets is done at once, with the same core functions.
// Rule:   every packet ends once: sent, kernel, dropped for one reason, or still held when the
//         caller stops. in + generated = out + kernel + dropped + held, at any time.
// Time:   now_ns is any clock that does not run backwards (an earlier time counts as the latest
//         seen). Timers run every 100 ms of it; of a gap above 5 min
//         only both ends are walked.
// Not:    queues, rings and their overflow; the announcements at start; device offloads.
// Errors: 0 or -errno, words in reason where there is one; never logs.   Thread: one per replay.
#ifndef SLUICE_REPLAY_H
#define SLUICE_REPLAY_H

#include "sluice/dpconfig.h"
#include "sluice/drop.h"
#include "sluice/ipc.h"

enum sl_replay_end {
	SL_REPLAY_SENT,
	SL_REPLAY_KERNEL, // the XDP program of a shared port leaves it to the kernel
	SL_REPLAY_DROPPED,
	SL_REPLAY_HELD, // waits for its next hop's MAC
	SL_REPLAY_END_COUNT
};

#define SL_REPLAY_NO_PORT UINT16_MAX

struct sl_replay_record {
	uint64_t n;             // of the packet, from 1; 0: made by Sluice itself (ARP, ND)
	uint64_t t_ns, left_ns; // when it came, and left if it did
	uint16_t in_port, out_port;
	uint8_t end;  // enum sl_replay_end
	uint8_t drop; // enum sl_drop, when dropped
	bool has_waited;
	uint64_t backend_id, vip_id; // of wire.h; 0 = none
};

// frame: what left, for a record whose end is SENT, else NULL. A packet that is held is told when
// it is settled, or by sl_replay_finish.
typedef void (*sl_replay_told_fn)(void *ctx, const struct sl_replay_record *record,
                                  const uint8_t *frame, uint32_t n_bytes);

struct sl_replay_params {
	const struct sl_dpconfig *config; // copied
	const uint8_t (*macs)[6];         // by port, copied
	const struct sl_ip *kernel;       // addresses the kernel holds on shared ports; copied
	uint32_t n_kernel;
	uint32_t max_backends, max_vips; // 0 = as sluice-dataplane
	uint32_t max_clients;    // remembered by persistence, a power of two from 8; 0 = the same
	uint16_t headroom_bytes; // before every frame, which tunnel headers may take; 0 = none
	uint64_t seed;           // of hashes and of where local ports start
	uint64_t start_ns;
	sl_replay_told_fn told; // may be NULL: only counts are wanted
	void *told_ctx;
};

struct sl_replay_counts {
	uint64_t in_pkts, out_pkts, generated_pkts;
	uint64_t ends[SL_REPLAY_END_COUNT]; // HELD: now
	uint64_t drops[SL_DROP_COUNT];
	uint64_t flows, flows_new, flows_evicted;
};

struct sl_replay;

// *reason (SL_REPLAY_REASON_BYTES) gets the cause in words. NULL with errno.
#define SL_REPLAY_REASON_BYTES 160
struct sl_replay *sl_replay_new(const struct sl_replay_params *params, char *reason);
void sl_replay_free(struct sl_replay *rp);

// A CONFIG or WEIGHTS body (wire.h), 8-byte aligned: all of it or nothing.
enum sl_ipc_status sl_replay_apply(struct sl_replay *rp, const void *body, size_t n_bytes,
                                   char *reason);

// This neighbour always answers. -ENETUNREACH when no port has its network.
int sl_replay_add_neighbour(struct sl_replay *rp, const struct sl_ip *ip, const uint8_t mac[6]);

// Let time pass without a packet.
void sl_replay_advance(struct sl_replay *rp, uint64_t now_ns);

// frame is rewritten in place (and before, see headroom_bytes) and not kept. in_port is below the
// configuration's n_ports. Returns how the packet ended; HELD may become something else later.
enum sl_replay_end sl_replay_packet(struct sl_replay *rp, uint8_t *frame, uint32_t n_bytes,
                                    uint16_t in_port, uint64_t now_ns);

// Tells what is still held.
void sl_replay_finish(struct sl_replay *rp);

struct sl_replay_counts sl_replay_counts(const struct sl_replay *rp);

// Do the counts add up, here and in the core, and are the flow tables sound? Walks everything.
bool sl_replay_is_sound(const struct sl_replay *rp);

#endif
