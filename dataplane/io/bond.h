// SPDX-License-Identifier: Apache-2.0
// Bonds: several devices as one port, by DPDK's bonding driver.
//
// Links:   NICs tell the driver about theirs. Its drivers of kernel interfaces never do, so that
//          these are looked at here: a member whose interface has no carrier is taken out of the
//          bond, closed when no worker can be in a burst with it any more, and opened and put back
//          when the carrier is. The last member stays, whatever its link.
// MAC:     the first member's, for as long as the bond lives.
// LACP:    the driver speaks it in bursts, so workers transmit an empty one every
//          10 ms (worker.c).
// Thread:  main core, and DPDK's own for the links of NICs; workers see one device.
#ifndef SLUICE_IO_BOND_H
#define SLUICE_IO_BOND_H

#include <rte_rcu_qsbr.h>

#include "sluice/stats.h"
#include "sluice/units.h"

#include "ports.h"

#define SL_BOND_WATCH_NS (50 * SL_NS_PER_MS)

// Makes the bond of port number index with its members. 0 and its DPDK number, or -errno.
int sl_bond_open(struct sl_ports *ports, const struct sl_dp_port *config, uint32_t index,
                 uint16_t *id, struct sl_text *why);

// After the port was started: what the driver left undone for its members.
int sl_bond_settle(struct sl_ports *ports, uint32_t index, struct sl_text *why);

// Follow the links, at most each SL_BOND_WATCH_NS, and tell their state in stats. Returns a bit for
// each port whose packets take another way now: neighbours want to be told.
uint64_t sl_bonds_watch(struct sl_ports *ports, struct rte_rcu_qsbr *qsbr,
                        struct sl_stats_header *stats, uint64_t now_ns);

// Names of members, once.
void sl_bonds_name(const struct sl_ports *ports, struct sl_stats_header *stats);

// Stops and closes bonds and their members.
void sl_bonds_stop(struct sl_ports *ports);

#endif
