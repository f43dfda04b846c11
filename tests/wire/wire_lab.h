// SPDX-License-Identifier: Apache-2.0
// A laboratory: a client, an appliance with its two real processes, and servers, in namespaces.
//
//   two arms   cli eth0 ---- cli0 lb srv0 ---- bridge (sw) ---- eth0 s0, s1, ..
//   VLANs      one port as a trunk: the client in VLAN 10, servers in VLAN 20 (wire_trunk.h)
//   bond       as two arms, but srv0 and srv1 (switch ports lb and lb1) are one port
//   one arm    cli, lb (lan0), s0, s1, .. on one bridge; both networks on the one port
//
// Addresses: client 10.10.0.2, fd10::2; server N 10.20.0.(11+N), fd20::(11+N hex); Sluice .1 and
//            ::1 in both networks; the appliance's kernel 10.10.0.3 and 10.20.0.2 (fd10::3,
//            fd20::2), from which control probes. VIP 203.0.113.10 and 2001:db8:ff::10.
// Services:  TCP port 8000 and UDP port 9000 of the VIP, v4 and v6: pools tcp4, tcp6, udp4, udp6,
//            backends named s0, s1, .. in each.
#ifndef SLUICE_WIRE_LAB_H
#define SLUICE_WIRE_LAB_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "wire_proc.h"
#include "wire_trunk.h"

#define SL_LAB_MAX_SERVERS 8
#define SL_LAB_ECHOES      4 // tcp, tcp6, udp, udp6
#define SL_LAB_TCP_PORT    8000
#define SL_LAB_UDP_PORT    9000
#define SL_LAB_VIP4        "203.0.113.10"
#define SL_LAB_VIP6        "2001:db8:ff::10"

enum sl_lab_layout { SL_LAB_TWO_ARM, SL_LAB_ONE_ARM, SL_LAB_VLANS, SL_LAB_BOND };

struct sl_lab_spec {
	const char *device;      // "af_xdp" or "af_packet"
	const char *forward;     // "nat", "fullnat", "dsr-l2", "dsr-ipip", "dsr-gue"
	const char *balance;     // as in pools.yaml
	const char *probes;      // YAML value of "probes" of the TCP pools; NULL = none
	const uint16_t *weights; // by server; NULL = 100 each
	uint8_t layout;          // enum sl_lab_layout
	uint8_t n_servers;
	uint8_t n_workers;
	uint16_t advertised_mss;    // by servers to the client, direct return only; 0 = theirs
	const char *bond_mode;      // SL_LAB_BOND
	uint16_t mtu_bytes;         // of every link and port; 0 = 1500
	bool is_crossed;            // tunnels, fullnat: IPv4 services have IPv6 backends and back
	const char *client_address; // of the TCP pools, fullnat only; NULL = none
	// More keys, in YAML, "limits: {flows: 3}"; NULL = none. Of the VIPs tcp4, udp4, tcp6,
	// udp6, and of the TCP and the UDP pools.
	const char *vip_keys[4], *pool_keys[2];
	bool has_server_ids; // 0001 is s0's, in UDP pools
};

struct sl_lab {
	struct sl_lab_spec spec;
	char dir[64];
	struct sl_proc dataplane, control;
	struct sl_proc servers[SL_LAB_MAX_SERVERS][SL_LAB_ECHOES];
	struct sl_proc decaps[SL_LAB_MAX_SERVERS]; // tunnels
	struct sl_trunk trunk;                     // VLANs
};

// Clears what an earlier test left, makes the network and starts data plane and control; when it
// returns, the configuration is in force.
void sl_lab_start(struct sl_lab *lab, const struct sl_lab_spec *spec);
void sl_lab_stop(struct sl_lab *lab);

// Echo servers (and the ends of their tunnels) for every service, each naming itself s0, s1, ..
void sl_lab_start_echoes(struct sl_lab *lab);

// The data plane alone, as after kill -9; returns when it is ready.
void sl_lab_start_dataplane(struct sl_lab *lab);

// The control process alone, as after kill -9; returns at once.
void sl_lab_start_control(struct sl_lab *lab);

// Waits until control says that the data plane has its configuration.
void sl_lab_wait_ready(struct sl_lab *lab);

// Writes the pools file for the lab's present spec, without applying it.
void sl_lab_write_pools(const struct sl_lab *lab);

// Full namespace name of server n, into name; also returned.
const char *sl_lab_server(char name[8], uint32_t n);

// `sluice COMMAND`; exit status, *out malloced (NULL = not wanted).
int sl_lab_sluice(struct sl_lab *lab, char **out, const char *command);

// `sluice -o json COMMAND`, parsed; the caller's reference. Fails the test when refused.
json_t *sl_lab_json(struct sl_lab *lab, const char *command);

#endif
