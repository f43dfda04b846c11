// SPDX-License-Identifier: Apache-2.0
// The data-plane process as one object: everything the main core owns, and its loop.
//
// Order:   config, EAL, segment, ports, neighbours and routes, workers, publisher, command socket;
// torn down in
//          reverse. Tests build one on net_null and net_ring ports and drive it turn by turn.
// Thread:  main core.
#ifndef SLUICE_IO_APPLIANCE_H
#define SLUICE_IO_APPLIANCE_H

#include "ipc_server.h"
#include "segment.h"

struct sl_appliance {
	struct sl_dpconfig config;
	struct sl_ports ports;
	struct sl_segment segment;
	struct sl_io io;
	struct sl_route_table routes;
	struct sl_links links;
	struct sl_neigh_table neighs;
	struct sl_limits *limits;   // owned; the workers write it
	struct sl_persist *persist; // the same
	struct sl_slow slow;
	struct sl_publisher pub;
	struct sl_ipc_server ipc;
	uint64_t next_device_stats_ns;
	bool has_ipc;
};

// After EAL and ports: routes, neighbours, segment, rings, workers, publisher. 0 or -errno.
int sl_appliance_init(struct sl_appliance *a, struct sl_text *why);

// One turn of the main core: slow path, publisher, command socket, device counters. True: turn
// again at once.
bool sl_appliance_poll(struct sl_appliance *a, uint64_t now_ns);

// Between two turns: until a command comes, or ms have gone by. True if wake_fd is readable.
bool sl_appliance_sleep(const struct sl_appliance *a, int wake_fd, uint32_t ms);

void sl_appliance_fini(struct sl_appliance *a);

#endif
