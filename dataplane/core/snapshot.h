// SPDX-License-Identifier: Apache-2.0
// Snapshot: everything a worker needs to decide about a new flow, immutable once built.
// The main core builds one from the last configuration and weights, publishes it with a release
// store, and frees it after every worker has passed a quiescent state.
//
// Rows:   a packet of a known flow reads its backend's row, and finds it in its cache as long as
// the
//          configuration stays: weights have an array of their own.
// Weights: another snapshot with other weights shares everything that does not depend on them, and
//          the tables of the pools whose weights stay. What is shared has an owner count, which
//          only build, reweigh and free touch.
// Services: exact (address, protocol, port) by hash, then port ranges (narrowest first), then any
// port. Errors:   NULL with errno; a checked body (wirecheck.h) can fail only with ENOMEM. Thread:
// build and free on the main core; everything else read-only from anywhere.
#ifndef SLUICE_CORE_SNAPSHOT_H
#define SLUICE_CORE_SNAPSHOT_H

#include "acl.h"
#include "hash.h"
#include "limit.h"
#include "pick.h"
#include "quic.h"
#include "route.h"
#include "sluice/wire.h"

struct sl_snap_backend {
	struct sl_ip address;
	uint64_t id;
	uint16_t port_be; // 0 keeps the VIP's
	uint16_t generation;
	uint16_t next_hop;  // filled by the caller of build through the resolver below
	uint16_t pool;      // row; UINT16_MAX = not configured now
	uint16_t mtu_bytes; // of the port that leads there; 0 unless the pool is a tunnel
	uint8_t zero[6];
	struct sl_ip tunnel_source; // our address towards it; meaningful with mtu_bytes
};

struct sl_snap_pool {
	uint64_t id;
	uint8_t forward;
	uint8_t balance;
	uint8_t mtu_guard;
	uint8_t client_address; // enum sl_client_address
	bool has_capacity;      // some backend has weight
	uint32_t tcp_idle_ticks;
	uint32_t udp_idle_ticks;
	uint32_t limit_flows;
	uint32_t n_members;
	const uint16_t *members;         // backend indices
	const uint32_t *inverse_weights; // by member
	struct sl_pick_turns turns;      // empty unless balance is weighted
	const uint16_t *maglev; // balance maglev, or a VIP with affinity leads here; else NULL
	uint32_t n_maglev;
	uint64_t weights_milli;    // of all members
	uint32_t weight_top_milli; // the greatest, rounded up to 2^n - 1
	struct sl_limit_rate rate; // of new flows, per backend
	uint32_t row;              // for per-worker cursors
	struct sl_quic_pool quic;
};

struct sl_snap_vip {
	struct sl_ip address;
	uint64_t id;
	uint16_t slot;                  // statistics slot
	uint16_t pool;                  // row
	uint16_t port_first, port_last; // host order
	uint8_t proto;
	uint8_t affinity; // enum sl_affinity
	uint8_t persist_bits;
	bool is_measured;    // phases and latency of its TCP flows
	uint8_t syn_cookies; // enum sl_syn_cookies
	uint8_t class;       // enum sl_vip_class
	uint8_t zero[2];
	uint32_t limit_flows; // 0 = none
	struct sl_limit_rate rate, source_rate;
	const struct sl_acl_range *acl;
	uint32_t n_acl;     // 0 admits everybody
	uint32_t persist_s; // 0 = none
};

struct sl_snapshot {
	uint64_t generation;
	uint64_t epoch;
	bool keeps_clients; // some VIP has persistence
	uint32_t n_vips, n_pools, n_members;
	uint32_t n_backends; // highest index in use + 1
	const struct sl_snap_vip *vips;
	const uint8_t *classes; // enum sl_vip_class by statistics slot
	const struct sl_snap_pool *pools;
	const struct sl_snap_backend *backends; // by index; unused rows have pool UINT16_MAX
	const uint32_t *weights_milli;          // by index
	struct sl_hash_key maglev_key;
	void *private; // lookup tables
};

struct sl_snap_inputs {
	const struct sl_wire_header *config; // checked
	const uint32_t *weights_milli;       // by backend row of config; NULL = as in config
	const uint16_t *backend_indices;     // by backend row
	const uint16_t *backend_generations; // by backend row
	const uint16_t *vip_slots;           // by vip row
	const uint16_t *next_hops;           // by backend row
	const struct sl_route_table *routes; // for tunnels; NULL: they ask at each packet
	uint64_t epoch;
	struct sl_hash_key maglev_key; // same on all appliances that share VIPs
};

struct sl_snapshot *sl_snapshot_build(const struct sl_snap_inputs *in);

// The same configuration under other weights, by backend row of the configuration: equal in all to
// one built anew. base may be freed before or after it.
struct sl_snapshot *sl_snapshot_reweigh(const struct sl_snapshot *base,
                                        const uint32_t *weights_milli, uint64_t epoch);
void sl_snapshot_free(struct sl_snapshot *snap);

// NULL when no service matches. port in packet order.
const struct sl_snap_vip *sl_snapshot_vip(const struct sl_snapshot *snap, const struct sl_ip *dst,
                                          uint8_t proto, uint16_t dport_be);

// Whose answer a packet from here is, of the services with nat, and from which port they speak.
// NULL when it is nobody's or could be that of more than one.
const struct sl_snap_vip *sl_snapshot_speaker(const struct sl_snapshot *snap,
                                              const struct sl_ip *src, uint8_t proto,
                                              uint16_t sport_be, uint16_t *vip_port_be);

// Is this address a VIP on any port or protocol (echo, ARP, steering)?
bool sl_snapshot_has_address(const struct sl_snapshot *snap, const struct sl_ip *ip);

#endif
