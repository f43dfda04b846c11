// SPDX-License-Identifier: Apache-2.0
// A switch with VLANs, for kernels that have none: one trunk, and access ports that each belong to
// one VLAN. It floods: with a handful of hosts nobody minds.
//
// Thread:  its own, from start to stop; a test that fails ends it with the process.
// Traffic: raw sockets in the namespace "sw", which has no addresses and forwards nothing.
#ifndef SLUICE_WIRE_TRUNK_H
#define SLUICE_WIRE_TRUNK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SL_TRUNK_MAX_PORTS 10

struct sl_trunk_port {
	int fd;
	uint16_t vlan_id; // 0: the trunk
};

struct sl_trunk {
	struct sl_trunk_port ports[SL_TRUNK_MAX_PORTS];
	uint32_t n_ports;
	pthread_t thread;
	_Atomic bool is_stopping;
	_Atomic uint64_t n_strange; // came from the trunk with a tag of no port
};

void sl_trunk_init(struct sl_trunk *trunk);

// interface of the namespace "sw"; vlan_id 0 makes it the trunk.
void sl_trunk_add(struct sl_trunk *trunk, const char *interface, uint16_t vlan_id);

void sl_trunk_start(struct sl_trunk *trunk);
void sl_trunk_stop(struct sl_trunk *trunk); // nothing when it does not run

#endif
