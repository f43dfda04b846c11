// SPDX-License-Identifier: Apache-2.0
// pools.yaml, checked: what the operator asked for, as plain structs. Made by config.h, never
// changed.
//
// Shape:  arrays owned by the model; pools refer to a contiguous run of backends and probes.
// Names:  unique within their kind (backends: within their pool), [A-Za-z0-9._-]{1,63}.
#ifndef SLUICE_CONTROL_MODEL_H
#define SLUICE_CONTROL_MODEL_H

#include "sluice/types.h"

enum sl_probe_type { SL_PROBE_TCP, SL_PROBE_HTTP, SL_PROBE_KSERVE, SL_PROBE_GRPC };

struct sl_model_probe {
	char name[SL_NAME_BYTES];
	uint8_t type; // enum sl_probe_type
	uint8_t rise; // successes to come up
	uint8_t fall; // failures to go down
	uint8_t jitter_percent;
	bool has_proxy_header;  // but for tcp: the backend's own port reads one first
	uint16_t port;          // host order; 0 = the backend's
	uint16_t expect_status; // http; 0 = any 2xx
	uint32_t interval_ms;
	uint32_t timeout_ms;
	char path[256];     // http; kserve: default /v2/health/ready
	char contains[128]; // http: the body must hold this; "" = not looked at
	char body[1024];    // http: sent with POST and application/json; "" = GET
	char service[128];  // grpc: service name; "" = the server as a whole
};

enum sl_admin_state { SL_ADMIN_READY, SL_ADMIN_DRAIN, SL_ADMIN_MAINT }; // maint: no probes either

struct sl_model_backend {
	char name[SL_NAME_BYTES];
	uint64_t id; // of pool, name, address, port (ids.h)
	struct sl_ip address;
	uint16_t port;           // host order
	uint16_t weight;         // configured, 0..1000
	uint8_t state;           // enum sl_admin_state
	uint32_t line;           // in the file
	uint8_t server_id_bytes; // 0 = none
	uint8_t server_id[15];
};

enum sl_adaptive_mode { SL_ADAPTIVE_OFF, SL_ADAPTIVE_SHADOW, SL_ADAPTIVE_ENFORCE };

struct sl_model_pool {
	char name[SL_NAME_BYTES];
	uint64_t id;
	uint8_t forward;        // enum sl_forward
	uint8_t mtu_guard;      // enum sl_mtu_guard
	uint8_t client_address; // enum sl_client_address
	uint8_t balance;        // enum sl_balance
	uint8_t adaptive;       // enum sl_adaptive_mode
	uint32_t latency_probe; // number within the pool's probes; UINT32_MAX = what flows show
	uint32_t ttft_objective_ms;
	uint32_t slow_start_ms;
	uint32_t tcp_idle_s, udp_idle_s;
	uint32_t limit_flows, limit_new_flows_per_s; // 0 = none
	uint32_t first_backend, n_backends;
	uint32_t first_probe, n_probes;
	uint32_t first_quic, n_quics;
};

struct sl_model_vip {
	char name[SL_NAME_BYTES];
	uint64_t id;
	struct sl_ip address;
	uint8_t proto;
	uint8_t affinity; // enum sl_affinity
	bool is_measured;
	uint8_t syn_cookies;                                                 // enum sl_syn_cookies
	uint32_t limit_flows, limit_new_flows_per_s, source_new_flows_per_s; // 0 = none
	uint32_t persist_s;                                                  // 0 = none
	uint8_t persist_bits;
	uint8_t class; // enum sl_vip_class
	uint32_t first_prefix, n_prefixes;
	uint32_t pool;
	uint32_t first_range, n_ranges;
};

struct sl_port_range {
	uint16_t first, last; // host order, inclusive
};

// How server ids stand in QUIC connection ids.
struct sl_model_quic {
	uint8_t config_id, server_id_bytes, nonce_bytes;
	bool has_key;
	uint8_t key[16]; // never shown
};

// Of the allow and deny lists.
struct sl_model_prefix {
	struct sl_ip address;
	uint8_t bits; // of the family
	bool is_allow;
};

struct sl_model {
	struct sl_model_vip *vips;
	struct sl_port_range *ranges;
	struct sl_model_prefix *prefixes;
	struct sl_model_pool *pools;
	struct sl_model_probe *probes;
	struct sl_model_backend *backends;
	struct sl_model_quic *quics;
	uint32_t n_vips, n_ranges, n_prefixes, n_pools, n_probes, n_backends, n_quics;
	uint64_t hash; // of the text it came from
};

void sl_model_free(struct sl_model *model);

#endif
