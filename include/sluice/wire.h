// SPDX-License-Identifier: Apache-2.0
// Bodies of the CONFIG and WEIGHTS messages: what the control process tells the data plane.
//
// Shape:  header, then n_vips VIP rows, n_pools pool rows, n_backends backend rows, n_prefixes
//         prefix rows, n_quics QUIC rows (CONFIG), or header, then n_weights weight rows (WEIGHTS).
//         All in one sealed memfd, host byte order except fields that end in _be, which are as in a
//         packet. No padding that is not named.
// Names:  objects are named by 64-bit ids that control derives from their names (sl_id_*): VIP from
//         its name, pool from its name, backend from pool name + backend name + address + port.
//         A backend whose address changes is thus another backend. The data plane gives each
//         backend a small index and generation of its own (see stats.h for the mapping).
// Checks: the receiver copies the body, then verifies every field (sl_wire_check in
//         dataplane/core/wirecheck.h) and applies all of it or nothing.
// Order:  pools' backends are contiguous and pools are in the order of first_backend.
#ifndef SLUICE_WIRE_H
#define SLUICE_WIRE_H

#include "sluice/types.h"

#define SL_WIRE_MAGIC     UINT32_C(0x534c5743) // "SLWC"
#define SL_WIRE_VERSION   7
#define SL_WIRE_MAX_BYTES (16u << 20)

enum sl_wire_kind { SL_WIRE_CONFIG = 1, SL_WIRE_WEIGHTS = 2 };

struct sl_wire_header {
	uint32_t magic;
	uint16_t version;
	uint16_t kind;        // enum sl_wire_kind
	uint64_t generation;  // of the configuration; weights name the one they belong to
	uint64_t epoch;       // rises with every message, configuration or weights
	uint32_t total_bytes; // header and rows, exactly
	uint32_t n_vips;
	uint32_t n_pools;
	uint32_t n_backends;
	uint32_t n_weights;
	uint32_t n_prefixes;
	uint32_t n_quics;
	uint32_t zero;
};
_Static_assert(sizeof(struct sl_wire_header) == 56, "wire layout");

// One row per port range; rows of one VIP share id and everything but ports and protocol.
struct sl_wire_vip {
	struct sl_ip address;
	uint64_t id;
	uint32_t pool;       // row number
	uint16_t port_first; // host order, inclusive; 0..65535 means any port
	uint16_t port_last;
	uint8_t proto;        // 6 or 17
	uint8_t affinity;     // enum sl_affinity
	uint8_t persist_bits; // of a client's address, in its family; 0 without persist_s
	uint8_t is_measured;  // 0 or 1: phases and latency of its TCP flows
	uint32_t limit_flows; // over all workers; 0 = none, as for the two below
	uint32_t limit_new_flows_per_s;
	uint32_t source_new_flows_per_s; // of a /32 or /64 of clients
	uint32_t first_prefix;           // row number
	uint32_t n_prefixes;             // of the allow and deny lists together
	uint32_t persist_s;              // affinity source only; 0 = none
	uint8_t syn_cookies;             // enum sl_syn_cookies
	uint8_t class;                   // enum sl_vip_class
	uint8_t zero2[2];
};
_Static_assert(sizeof(struct sl_wire_vip) == 64, "wire layout");

struct sl_wire_pool {
	uint64_t id;
	uint32_t first_backend; // row number
	uint32_t n_backends;
	uint32_t tcp_idle_s;            // established TCP flow, idle
	uint32_t udp_idle_s;            // confirmed UDP flow, idle
	uint32_t limit_flows;           // per backend, over all workers; 0 = none
	uint32_t limit_new_flows_per_s; // the same
	uint8_t forward;                // enum sl_forward
	uint8_t balance;                // enum sl_balance
	uint8_t mtu_guard;              // enum sl_mtu_guard; 0 unless forward is a tunnel
	uint8_t client_address;         // enum sl_client_address; 0 unless forward is fullnat
	uint8_t zero[4];
};
_Static_assert(sizeof(struct sl_wire_pool) == 40, "wire layout");

struct sl_wire_backend {
	struct sl_ip address;
	uint64_t id;
	uint32_t pool;           // row number
	uint32_t weight_milli;   // effective weight; 0 takes no new flow and keeps its flows
	uint16_t port;           // host order; 0 keeps the VIP's port (DSR always does)
	uint8_t server_id_bytes; // 0 = none
	uint8_t server_id[15];   // in QUIC connection ids; 0 beyond its length
	uint8_t zero[6];
};
_Static_assert(sizeof(struct sl_wire_backend) == 56, "wire layout");

enum sl_wire_action { SL_WIRE_DENY, SL_WIRE_ALLOW, SL_WIRE_ACTION_COUNT };

// Of the allow and deny lists of VIPs. Address bits beyond the length are 0.
struct sl_wire_prefix {
	struct sl_ip address;
	uint8_t bits;   // of the family: 0..32 or 0..128
	uint8_t action; // enum sl_wire_action
	uint8_t zero[6];
};
_Static_assert(sizeof(struct sl_wire_prefix) == 24, "wire layout");

// How the servers of a pool encode themselves in connection ids
// (draft-ietf-quic-load-balancers-21). In the order of pools; server ids of a pool are all of one
// length.
struct sl_wire_quic {
	uint32_t pool;     // row number
	uint8_t codepoint; // 0..6: the first three bits of an id
	uint8_t server_id_bytes;
	uint8_t nonce_bytes;
	uint8_t has_key;
	uint8_t key[16]; // 0 without
};
_Static_assert(sizeof(struct sl_wire_quic) == 24, "wire layout");

struct sl_wire_weight {
	uint64_t id;
	uint32_t weight_milli;
	uint32_t zero;
};
_Static_assert(sizeof(struct sl_wire_weight) == 16, "wire layout");

#endif
