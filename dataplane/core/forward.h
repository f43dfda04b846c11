// SPDX-License-Identifier: Apache-2.0
// Forward: what happens to a packet. The pure heart of a worker; io moves packets to and from it.
//
// Shape:   two passes over a burst. sl_forward_classify looks at one packet on the worker that
// received
//          it: is it for us, what is it, whose is it. sl_forward_burst, on the owner, finds or
//          makes the flow, rewrites, and names the port. Each packet leaves with one verdict.
// Owner:   a flow belongs to the worker that the client's address, port and protocol hash to;
//          replies to a fullnat local address to the one that owns the port (its low bits).
//          Fragments go there by way of another worker (frag.h).
// Policy:  a TCP packet without flow that is not a SYN is picked up only by maglev pools and
// VIPs of affinity flow (where every
//          appliance and every restart agrees on the backend), else dropped as no_flow. A RST never
//          makes a flow. A flow whose backend was removed keeps going to it.
// Splice:  a TCP flow with SL_FLOW_IS_SPLICED has its numbers shifted both ways (splice.h).
// Full:    where no entry can be had, nat and direct return go on without (forward_stateless.c).
// Time:    now is in flow-table ticks, a parameter.
// Thread:  everything in struct sl_forwarder belongs to one worker, but for what is marked.
#ifndef SLUICE_CORE_FORWARD_H
#define SLUICE_CORE_FORWARD_H

#include "flow.h"
#include "frag.h"
#include "icmp_make.h"
#include "links.h"
#include "localport.h"
#include "measure.h"
#include "neigh.h"
#include "persist.h"
#include "route.h"
#include "rss.h"
#include "sluice/stats.h"
#include "snapshot.h"
#include "toobig.h"

#define SL_FORWARD_PORT_PROBES 64
#define SL_FORWARD_SWEEP_EACH  256 // pools of local ports looked at per tick

// Flows of a pool, as affinity `source` last summed them.
struct sl_forward_sum {
	uint64_t epoch; // of the snapshot they were summed under
	uint64_t n_flows;
	uint32_t n_left; // picks until the next sum
};

struct sl_forwarder {
	// --- set before start ---
	uint32_t worker, n_workers;
	struct sl_flow_table *flows;         // owned by this worker
	struct sl_frag_table *frags;         // owned by this worker; NULL: fragments are dropped
	struct sl_localports *local_ports;   // owned by this worker
	const struct sl_route_table *routes; // fixed
	const struct sl_links *links;        // fixed; NULL: plain devices, all of one mtu
	struct sl_neigh_table *neighs;       // main writes
	const uint32_t *others_load;     // main writes (relaxed): flows on all others, by backend
	const uint32_t *others_units;    // the same of what the flows are worth (measure.h)
	const uint32_t *others_vip_load; // the same by VIP slot, where the VIP has limits.flows
	struct sl_limits *limits;        // shared by all workers
	struct sl_persist *persist;      // shared by all workers; NULL: clients are not remembered
	uint32_t *own_load;         // flows that are not over yet, by backend; main reads (relaxed)
	uint32_t *own_vip_load;     // the same by VIP slot
	uint32_t *entries;          // all flows of the table, by backend; main reads (relaxed)
	struct sl_measure *measure; // NULL: no flow is measured
	struct sl_stats_worker *stats; // this worker's rows of the segment
	struct sl_stats_backend *backend_stats;
	struct sl_stats_vip *vip_stats;
	struct sl_stats_local_ports *port_stats; // by backend
	const uint8_t (*port_macs)[6];
	uint64_t steer_seed;           // same on all workers
	const struct sl_rss *rss;      // some device steers by it; NULL: none
	struct sl_hash_key cookie_key; // syncookie.h
	uint8_t lane_owner[SL_LOCALPORT_LANES];
	bool is_simple; // no VLANs: what is sent to a port's MAC is that port's
	bool has_rates; // packets are sorted into queues (forward_sort.c)
	// --- per burst ---
	const struct sl_snapshot *snap; // NULL before the first configuration
	uint32_t now;
	uint64_t now_ns; // CLOCK_MONOTONIC, for rates
	// --- running ---
	uint32_t swept;               // tick of the last sweep
	struct sl_icmp_bucket errors; // ICMP errors we have made
	uint32_t least_cursor;        // of weighted and maglev pools at their limit
	struct sl_toobig_bucket too_bigs;
	uint32_t stateless_until; // connections may be about that have no flow for want of room
	uint16_t next_outer_id;   // of tunnels; steps by n_workers, so that two never agree
	uint32_t cursors[SL_MAX_POOLS]; // weighted turns and least-connections, by pool row
	struct sl_forward_sum sums[SL_MAX_POOLS];
};

// Fills lanes and cursors; the pointers are the caller's to set first.
void sl_forward_init(struct sl_forwarder *fw);

// Local ports of a worker, as a bit per lane.
static inline uint16_t sl_forward_lanes(uint32_t worker, uint32_t n_workers)
{
	uint32_t lanes = 0;

	for (uint32_t lane = worker; lane < SL_LOCALPORT_LANES; lane += n_workers)
		lanes |= UINT32_C(1) << lane;
	return (uint16_t)lanes;
}

// The table reports flows that leave to this (sl_flow_table_on_gone).
void sl_forward_flow_gone(void *fw, const struct sl_flow *flow, bool is_eviction);

// Once a turn, after the packets: pools of local ports that have rested are given up.
void sl_forward_sweep(struct sl_forwarder *fw);

// data, len and in_port are set. Leaves verdict DECIDE, HANDOFF, SLOW or DROP.
void sl_forward_classify(struct sl_forwarder *fw, struct sl_pkt *pkt);

// A burst on its way through the second pass. Its packets have verdict DECIDE, or HANDOFF to here.
// The steps ask for memory that the next one reads (flow.h): with other bursts' steps in
// between nobody waits for it.
struct sl_forward_batch {
	struct sl_pkt *pkts[SL_FLOW_BURST];
	uint32_t n_pkts;
	struct sl_flow_search search;
};
void sl_forward_start(struct sl_forwarder *fw, struct sl_forward_batch *batch);
void sl_forward_guess(struct sl_forwarder *fw, struct sl_forward_batch *batch);
void sl_forward_peek(struct sl_forwarder *fw, const struct sl_forward_batch *batch);
// Leaves SEND, RESOLVE, SLOW or DROP, and HANDOFF for a fragment whose flow is another worker's.
void sl_forward_finish(struct sl_forwarder *fw, struct sl_forward_batch *batch);

// All of them at once.
void sl_forward_burst(struct sl_forwarder *fw, struct sl_pkt **pkts, uint32_t n_pkts);

#endif
