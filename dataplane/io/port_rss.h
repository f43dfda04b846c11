// SPDX-License-Identifier: Apache-2.0
// RSS of a device: asked for where it can what core/rss.h needs, checked, and said plainly where it
// cannot.
//
// Needs:  as many queues as workers, a programmable Toeplitz key, a table of at least 128 entries,
//         TCP and UDP over IPv4 hashed with ports.
// Check:  key and table are read back from the device, and a software model of a NIC (rte_softrss)
//         with them must send random clients to the worker that owns them. What the silicon does
//         with them shows in traffic: a port's handed_pkts stays at 0.
// Thread: main core.
#ifndef SLUICE_IO_PORT_RSS_H
#define SLUICE_IO_PORT_RSS_H

#include <rte_ethdev.h>

#include "ports.h"

// Which side of a packet that this device receives is the client's, as the configuration says or
// its routes suggest: clients come from where a default route leads.
enum sl_rss_side sl_port_rss_side(const struct sl_dpconfig *config, uint32_t device);

// Put it into conf. False, and nothing changed, when the device cannot.
bool sl_port_rss_ask(const struct sl_ports *ports, const struct rte_eth_dev_info *info,
                     struct sl_port *port, struct rte_eth_conf *conf);

// Of a started device: its table of queues, then the check. 0 or -errno.
int sl_port_rss_apply(const struct sl_ports *ports, uint32_t index);

#endif
