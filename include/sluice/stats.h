// SPDX-License-Identifier: Apache-2.0
// The statistics segment: written by the data plane, mapped read-only by everyone else.
//
// Shape:  header, then arrays at the offsets the header names: workers[n_workers],
//         ports[n_workers][n_ports], backends[n_workers][max_backends], vips[n_workers][max_vips],
//         backend_slots[max_backends], vip_slots[max_vips], latency[n_workers][max_backends]
//         (latency.h; large, and only touched for backends whose flows are measured),
//         local_ports[n_workers][max_backends], qos[n_ports][SL_QOS_COUNT].
// Thread: each worker row has one writer, its worker; slots and header have one writer, the main
//         core. Readers use relaxed loads and sum over workers; nothing is ever reset while the
//         data plane lives.
// Reuse:  a backend index is given to another backend only when its flows are gone from every
//         worker; its totals go on from where they stood, so a reader takes a baseline when a
//         slot's id or generation changes. vips rows are by slot in the same way.
#ifndef SLUICE_STATS_H
#define SLUICE_STATS_H

#include <stdalign.h>
#include <stdatomic.h>

#include "sluice/drop.h"
#include "sluice/latency.h"
#include "sluice/dpconfig.h"
#include "sluice/qos.h"
#include "sluice/types.h"

#define SL_STATS_MAGIC   UINT64_C(0x534c555354415431) // "SLUSTAT1"
#define SL_STATS_VERSION 5

typedef _Atomic uint64_t sl_stat; // one writer, relaxed

struct sl_stats_worker {
	// --- packets; rx + taken + generated = tx + sum(drops) + handed; over all cores, at rest,
	//     rx + generated = tx + drops + held ---
	alignas(64) sl_stat rx_pkts; // taken from ports
	sl_stat tx_pkts;             // accepted by ports
	sl_stat handed_pkts;         // given to another core's ring (workers and main)
	sl_stat taken_pkts;          // taken from this core's rings
	sl_stat generated_pkts;      // made here (ARP, ND, echo replies)
	sl_stat flows;               // in the table now
	sl_stat flows_new;           // total created
	sl_stat flows_evicted;       // unconfirmed ones pushed out by new ones
	// --- loop ---
	alignas(64) sl_stat loops;
	sl_stat busy_cycles; // loops that moved a packet
	sl_stat idle_cycles;
	sl_stat epoch;        // snapshot in use
	sl_stat heartbeat_ns; // CLOCK_MONOTONIC, at least each 100 ms
	sl_stat untold_pkts;  // sent without the client's address: no room for the TOA option
	sl_stat spare[2];
	// --- persistence (core/persist.h), of new flows and of clients ---
	alignas(64) sl_stat persist_followed; // went where the client's last one had gone
	sl_stat persist_repicked;             // that backend takes no more flows now
	sl_stat persist_made;                 // clients remembered
	sl_stat persist_evicted;              // clients forgotten early, for want of room
	alignas(64) sl_stat drops[SL_DROP_COUNT];
};

struct sl_stats_port {
	alignas(64) sl_stat rx_pkts;
	sl_stat rx_bytes;
	sl_stat tx_pkts;
	sl_stat tx_bytes;
	sl_stat handed_pkts; // received here, but another worker's: 0 where RSS does what it is to
	sl_stat held_pkts;   // waiting to leave now; 0 without a rate
	sl_stat spare[2];
};

// A queue of a port with a rate (sluice/qos.h); written by the port's one worker. queue: sent and
// dropped are all of its packets but those held.
struct sl_stats_qos {
	alignas(64) sl_stat sent_pkts;
	sl_stat sent_bytes;
	sl_stat dropped_pkts;  // its queue was full
	sl_stat marked_pkts;   // sent with "congestion experienced"
	sl_stat waited_pkts;   // did not pass at once
	sl_stat wait_max_ns;   // the longest since start
	sl_stat held_pkts;     // waiting now
	sl_stat borrowed_pkts; // sent beyond cap or share, because nobody else wanted to
};
_Static_assert(sizeof(struct sl_stats_qos) == 64, "one line");

struct sl_stats_backend {
	alignas(64) sl_stat flows_active; // not over: neither both FINs nor a RST seen
	sl_stat flows_new;
	sl_stat c2s_pkts; // client to server
	sl_stat c2s_bytes;
	sl_stat s2c_pkts; // 0 under DSR: replies bypass us
	sl_stat s2c_bytes;
	sl_stat refused; // SYN answered by RST
	sl_stat resets;  // established flow ended by RST from the backend
};
_Static_assert(sizeof(struct sl_stats_backend) == 64, "one line");

struct sl_stats_vip {
	alignas(64) sl_stat flows_new;
	sl_stat c2s_pkts;
	sl_stat c2s_bytes;
	sl_stat s2c_pkts;
	sl_stat s2c_bytes;
	sl_stat refused;        // new flows that got no backend: limits count here too
	sl_stat flows;          // in the table now
	sl_stat denied;         // new flows that the allow and deny lists kept out
	sl_stat stateless_pkts; // forwarded without a flow, for want of room
	sl_stat cookies_sent;   // SYNs answered by us
	sl_stat cookies_good;   // connections made of them
	sl_stat spare[5];
};

// Local ports of fullnat towards a backend, as this worker saw them last.
struct sl_stats_local_ports {
	sl_stat busy;       // in use, or resting before they may be used again
	sl_stat busy_peak;  // the most there ever were
	sl_stat generation; // low 16 bits, of the backend they were counted for
	sl_stat spare;
};
_Static_assert(sizeof(struct sl_stats_local_ports) == 32, "two to a line");

#define SL_STATS_LOCAL_PORTS 64511 // of all workers, per backend: 1024..65535 without 4791

struct sl_stats_slot {
	sl_stat id; // of the object (wire.h); 0 = free
	sl_stat generation;
};

// What a member of a bond does.
enum sl_member_state {
	SL_MEMBER_DOWN,
	SL_MEMBER_BACKUP, // its link is up; another one carries what leaves, or LACP is not agreed
	SL_MEMBER_ACTIVE,
};

struct sl_stats_header {
	uint64_t magic;
	uint32_t version;
	uint32_t total_bytes;
	uint64_t instance;
	uint64_t start_ns; // CLOCK_MONOTONIC
	uint32_t n_workers;
	uint32_t n_ports;
	uint32_t max_backends;
	uint32_t max_vips;
	uint64_t flow_capacity; // per worker
	uint32_t off_workers;   // bytes from the start of the segment
	uint32_t off_ports;
	uint32_t off_backends;
	uint32_t off_vips;
	uint32_t off_backend_slots;
	uint32_t off_vip_slots;
	uint32_t off_latency;
	uint32_t off_local_ports;
	uint32_t off_qos;
	uint32_t zero;
	char port_names[SL_MAX_PORTS][SL_NAME_BYTES];
	char port_devices[SL_MAX_PORTS][SL_NAME_BYTES];
	uint64_t port_rate_bps[SL_MAX_PORTS]; // 0 = none
	uint8_t port_rss[SL_MAX_PORTS];       // enum sl_rss_side in force; SL_RSS_OFF: rings alone
	uint32_t n_members;                   // of all bonds, by port
	uint8_t member_ports[SL_MAX_MEMBERS];
	char member_devices[SL_MAX_MEMBERS][SL_NAME_BYTES];
	// --- main core writes while running ---
	alignas(64) sl_stat heartbeat_ns; // CLOCK_MONOTONIC, at least each 100 ms
	sl_stat generation;
	sl_stat epoch;
	sl_stat config_applied; // counts of messages
	sl_stat config_refused;
	sl_stat held_pkts;           // waiting for a neighbour now
	sl_stat main_tx_pkts;        // sent by or through the main core to worker rings
	sl_stat main_drops;          // of drops below, sum
	sl_stat main_generated_pkts; // ARP and ND packets made by the main core
	sl_stat main_drop[SL_DROP_COUNT];
	sl_stat port_missed[SL_MAX_PORTS]; // counted by the device before we saw them
	sl_stat port_errors[SL_MAX_PORTS];
	sl_stat member_states[SL_MAX_MEMBERS]; // enum sl_member_state
};

static inline void sl_stat_add(sl_stat *stat, uint64_t n)
{
	uint64_t old = atomic_load_explicit(stat, memory_order_relaxed);

	atomic_store_explicit(stat, old + n, memory_order_relaxed);
}

static inline uint64_t sl_stat_get(const sl_stat *stat)
{
	return atomic_load_explicit(stat, memory_order_relaxed);
}

static inline void sl_stat_set(sl_stat *stat, uint64_t value)
{
	atomic_store_explicit(stat, value, memory_order_relaxed);
}

// Typed views; base points at the mapped header. Indices are the caller's to bound.
static inline struct sl_stats_worker *sl_stats_worker_at(void *base, uint32_t worker)
{
	const struct sl_stats_header *h = base;

	return (struct sl_stats_worker *)(void *)((char *)base + h->off_workers) + worker;
}

static inline struct sl_stats_port *sl_stats_port_at(void *base, uint32_t worker, uint32_t port)
{
	const struct sl_stats_header *h = base;

	return (struct sl_stats_port *)(void *)((char *)base + h->off_ports) +
	       (size_t)worker * h->n_ports + port;
}

static inline struct sl_stats_backend *sl_stats_backend_at(void *base, uint32_t worker, uint32_t be)
{
	const struct sl_stats_header *h = base;

	return (struct sl_stats_backend *)(void *)((char *)base + h->off_backends) +
	       (size_t)worker * h->max_backends + be;
}

static inline struct sl_stats_latency *sl_stats_latency_at(void *base, uint32_t worker, uint32_t be)
{
	const struct sl_stats_header *h = base;

	return (struct sl_stats_latency *)(void *)((char *)base + h->off_latency) +
	       (size_t)worker * h->max_backends + be;
}

static inline struct sl_stats_vip *sl_stats_vip_at(void *base, uint32_t worker, uint32_t vip)
{
	const struct sl_stats_header *h = base;

	return (struct sl_stats_vip *)(void *)((char *)base + h->off_vips) +
	       (size_t)worker * h->max_vips + vip;
}

static inline struct sl_stats_local_ports *sl_stats_local_ports_at(void *base, uint32_t worker,
                                                                   uint32_t be)
{
	const struct sl_stats_header *h = base;

	return (struct sl_stats_local_ports *)(void *)((char *)base + h->off_local_ports) +
	       (size_t)worker * h->max_backends + be;
}

static inline struct sl_stats_qos *sl_stats_qos_at(void *base, uint32_t port)
{
	const struct sl_stats_header *h = base;

	return (struct sl_stats_qos *)(void *)((char *)base + h->off_qos) +
	       (size_t)port * SL_QOS_COUNT;
}

static inline struct sl_stats_slot *sl_stats_backend_slot_at(void *base, uint32_t be)
{
	const struct sl_stats_header *h = base;

	return (struct sl_stats_slot *)(void *)((char *)base + h->off_backend_slots) + be;
}

static inline struct sl_stats_slot *sl_stats_vip_slot_at(void *base, uint32_t vip)
{
	const struct sl_stats_header *h = base;

	return (struct sl_stats_slot *)(void *)((char *)base + h->off_vip_slots) + vip;
}

#endif
