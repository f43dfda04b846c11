// SPDX-License-Identifier: Apache-2.0
// CONFIG and WEIGHTS bodies for tests, from a few words.
//
//	static const struct sl_body_pool pool = {.forward = SL_FORWARD_NAT, .n_backends = 2,
//		.backends = {{"10.0.0.11", 8000, 1000}, {"10.0.0.12", 8000, 1000}}};
//	static const struct sl_body_vip vip = {"203.0.113.10", 443, 443, IPPROTO_TCP, 0};
//	struct sl_wire_header *body = sl_body_config(&(struct sl_body_spec){1, 1, &vip, 1, &pool,
// 1});
//
// Ids are 1000 + row for VIPs, 2000 + row for pools, and a mix of address and port for backends.
#ifndef SLUICE_TESTS_BODY_H
#define SLUICE_TESTS_BODY_H

#include "sluice/wire.h"

#define SL_BODY_BACKENDS 16

struct sl_body_backend {
	const char *address;
	uint16_t port;
	uint32_t weight_milli;
};

struct sl_body_pool {
	uint8_t forward, balance;
	uint32_t limit_flows;
	uint32_t n_backends;
	struct sl_body_backend backends[SL_BODY_BACKENDS];
	uint32_t limit_new_flows_per_s;
	struct sl_wire_quic quics[2]; // their pool is filled in
	uint32_t n_quics;             // server ids of backends are then n, ..., 2, 1
	uint8_t mtu_guard;
	uint8_t client_address;
};

struct sl_body_vip {
	const char *address;
	uint16_t port_first, port_last;
	uint8_t proto;
	uint32_t pool;
	uint8_t affinity;
	uint32_t limit_flows, limit_new_flows_per_s, source_new_flows_per_s;
	bool is_measured;
	uint8_t syn_cookies;
	const char *allow, *deny; // one network of each, "10.0.0.0/8", or NULL
	uint32_t persist_s;
	uint8_t persist_bits;
	uint8_t class; // enum sl_vip_class
};

struct sl_body_spec {
	uint64_t generation, epoch;
	const struct sl_body_vip *vips;
	uint32_t n_vips;
	const struct sl_body_pool *pools;
	uint32_t n_pools;
};

uint64_t sl_body_backend_id(const struct sl_body_backend *be);

// Malloced; its size is total_bytes.
struct sl_wire_header *sl_body_config(const struct sl_body_spec *spec);

// One row per backend named.
struct sl_wire_header *sl_body_weights(uint64_t generation, uint64_t epoch,
                                       const struct sl_body_backend *rows, uint32_t n_rows);

#endif
