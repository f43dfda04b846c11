// SPDX-License-Identifier: Apache-2.0
// Slow path of the main core: ARP, neighbour discovery, echo to our addresses, and packets that
// wait for a neighbour. Single writer of the neighbour table.
//
// Bounds:  3 packets wait per neighbour, SL_SLOW_HELD in all, until it answers or is given up.
// Answers: for our port addresses and VIPs on the port of their network, for VIPs of no network of
//          ours on every port.
// Thread:  main core.
#ifndef SLUICE_IO_SLOW_H
#define SLUICE_IO_SLOW_H

#include "worker.h"

#define SL_SLOW_HELD      512
#define SL_SLOW_TICK_ROWS 2048 // neighbour rows looked at per turn
#define SL_SLOW_ANNOUNCE  32   // VIPs announced per ms: a worker takes as many packets each turn

struct sl_slow_held {
	struct rte_mbuf *m;
	uint16_t row;
};

struct sl_slow {
	struct sl_io *io;
	struct sl_neigh_table *neighs;
	const struct sl_route_table *routes;
	struct sl_stats_header *stats;
	struct sl_slow_held held[SL_SLOW_HELD];
	uint32_t n_held;
	uint32_t next_row; // where the timer walk goes on
	uint32_t next_vip; // row of the snapshot to announce next; behind the last one: none
	uint64_t announced_ns;
	uint64_t now_ns; // of the last poll
};

void sl_slow_init(struct sl_slow *slow, struct sl_io *io, struct sl_neigh_table *neighs,
                  const struct sl_route_table *routes, uint64_t now_ns);

// Pinned neighbour for an address we will send to for long (backend, gateway). SL_NEIGH_NONE if
// no route leads there or the table is full.
uint16_t sl_slow_pin(struct sl_slow *slow, const struct sl_ip *dst);

// Of all pinned neighbours keep only these rows (SL_NEIGH_NONE is skipped) and the gateways.
void sl_slow_keep_pins(struct sl_slow *slow, const uint16_t *rows, uint32_t n_rows);

// Take what the workers handed over; run timers. True if there was a packet.
bool sl_slow_poll(struct sl_slow *slow, uint64_t now_ns);

// Tell the network that the VIPs of the snapshot in force are here: gratuitous ARP or unsolicited
// NA on the ports where we answer for them. The polls that follow send them, some each ms:
// thousands at once would overflow the rings to the workers and the queues of neighbours.
void sl_slow_announce(struct sl_slow *slow);

// The same for one address of a port, at once.
void sl_slow_announce_own(struct sl_slow *slow, const struct sl_ip *address);

void sl_slow_fini(struct sl_slow *slow);

#endif
