// SPDX-License-Identifier: Apache-2.0
// A configuration file as written: the schema table (config_schema.c) says how the text of each key
// lands in these structs; config_check.c relates them; config_build.c makes the final form.
//
// Shape:  every object starts with the node it came from (NULL when the file leaves it out), so
//         that a check can point at the right place. Numbers are uint64_t whatever their key.
#ifndef SLUICE_CONTROL_CONFIG_RAW_H
#define SLUICE_CONTROL_CONFIG_RAW_H

#include "config_yaml.h"
#include "sluice/qos.h"

struct raw_list {
	void *items; // structs that start with their node
	uint32_t n;
};

struct raw_timing {
	uint64_t interval_ms, timeout_ms, rise, fall, jitter_percent;
};

struct raw_default_probe {
	const struct sl_node *node;
	struct raw_timing timing;
};

struct raw_timeouts {
	const struct sl_node *node;
	uint64_t tcp_ms, udp_ms;
};

struct raw_defaults {
	const struct sl_node *node;
	struct raw_default_probe probe;
	uint64_t slow_start_ms;
	struct raw_timeouts timeouts;
};

struct raw_ports {
	const struct sl_node *node;
	struct sl_port_range range;
};

struct raw_vip_limits {
	const struct sl_node *node;
	uint64_t flows, new_flows_per_s, source_new_flows_per_s;
};

struct raw_persistence {
	const struct sl_node *node;       // NULL = none
	uint64_t timeout_ms, prefix_bits; // 0 = the family's default
};

struct raw_prefix {
	const struct sl_node *node;
	struct sl_prefix prefix;
};

struct raw_vip {
	const struct sl_node *node;
	const char *name;
	struct sl_ip address;
	struct raw_list ports; // struct raw_ports
	uint64_t protocol;     // 0 tcp, 1 udp
	uint64_t affinity;     // enum sl_affinity
	struct raw_persistence persistence;
	uint64_t measure;     // 0 off, 1 on
	uint64_t syn_cookies; // enum sl_syn_cookies
	uint64_t class;       // enum sl_vip_class
	struct raw_vip_limits limits;
	struct raw_list allow, deny; // struct raw_prefix
	const char *pool;
	uint32_t pool_number; // filled by config_check.c; UINT32_MAX = none
};

struct raw_probe {
	const struct sl_node *node; // its key is the name
	uint64_t type;              // enum sl_probe_type
	struct raw_timing timing;
	uint64_t port, expect;
	const char *path, *contains, *body, *service;
};

struct raw_endpoint {
	struct sl_ip address;
	uint16_t port;
	bool has_port;
};

struct raw_hex {
	uint8_t bytes[16];
	uint8_t n_bytes; // 0 = left out
};

struct raw_quic {
	const struct sl_node *node;
	uint64_t config_id, server_id_bytes, nonce_bytes;
	struct raw_hex key;
};

struct raw_backend {
	const struct sl_node *node;
	const char *name;
	struct raw_endpoint endpoint;
	uint64_t weight;
	uint64_t state; // enum sl_admin_state
	struct raw_hex server_id;
};

struct raw_forward {
	const struct sl_node *node;
	uint64_t mode;           // enum sl_forward
	uint64_t mtu_guard;      // enum sl_mtu_guard
	uint64_t client_address; // enum sl_client_address
};

struct raw_adaptive {
	const struct sl_node *node;
	uint64_t mode; // enum sl_adaptive_mode
	const char *probe;
	uint64_t ttft_objective_ms;
};

struct raw_limits {
	const struct sl_node *node;
	uint64_t flows, new_flows_per_s;
};

struct raw_pool {
	const struct sl_node *node; // its key is the name
	struct raw_forward forward;
	uint64_t balance; // enum sl_balance
	struct raw_adaptive adaptive;
	struct raw_list probes; // struct raw_probe
	uint64_t slow_start_ms;
	struct raw_timeouts timeouts;
	struct raw_limits limits;
	struct raw_list quic;     // struct raw_quic
	struct raw_list backends; // struct raw_backend
	// --- filled by config_check.c ---
	uint32_t latency_probe; // number; UINT32_MAX = none
	uint32_t n_vips;
	uint16_t vip_port;                             // of all its VIPs; 0 = several
	const struct raw_vip *vip;                     // the last one that leads here
	const struct raw_vip *unmeasured_vip;          // one of them, or NULL
	const struct raw_backend *first_v4, *first_v6; // NULL = none of that family
};

struct raw_pools_file {
	const struct sl_node *node;
	uint64_t version;
	struct raw_defaults defaults;
	struct raw_list vips;  // struct raw_vip
	struct raw_list pools; // struct raw_pool
};

struct raw_cpu {
	const struct sl_node *node;
	uint64_t cpu;
};

struct raw_device {
	const char *args;  // without "kind:"
	uint8_t kind;      // enum sl_device_kind
	uint8_t bond_mode; // enum sl_bond_mode, of a bond
};

struct raw_member {
	const struct sl_node *node;
	struct raw_device device;
};

struct raw_vlan {
	const struct sl_node *node;
	const char *name;
	uint64_t id;
	uint64_t mtu_bytes; // 0 = the port's
	uint64_t rate_bps, training_percent;
	struct raw_list addresses; // struct raw_prefix
};

struct raw_port {
	const struct sl_node *node;
	const char *name;
	struct raw_device device;
	struct raw_list members; // struct raw_member
	uint64_t mode;           // enum sl_port_mode
	uint64_t rss;            // enum sl_rss_side
	uint64_t checksums;      // enum sl_checksums
	uint64_t mtu_bytes;
	uint64_t rate_bps; // 0 = none
	uint64_t training_percent;
	struct raw_list addresses; // struct raw_prefix
	struct raw_list vlans;     // struct raw_vlan
};

struct raw_route {
	const struct sl_node *node;
	struct sl_prefix to;
	struct sl_ip via;
};

struct raw_memory {
	const struct sl_node *node;
	uint64_t hugepages; // enum sl_hugepages
	uint64_t size_bytes;
};

struct raw_marking {
	const struct sl_node *node;
	uint64_t dscp, pcp; // as far as they are there
};

struct raw_markings {
	const struct sl_node *node;
	struct raw_marking queues[SL_QOS_COUNT];
};

struct raw_dataplane_file {
	const struct sl_node *node;
	uint64_t version, workers;
	struct raw_list cpus; // struct raw_cpu
	uint64_t flows;
	uint64_t idle; // enum sl_idle
	const char *socket;
	struct raw_memory memory;
	struct raw_markings markings;
	struct raw_list ports;  // struct raw_port
	struct raw_list routes; // struct raw_route
};

#endif
