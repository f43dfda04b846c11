// SPDX-License-Identifier: Apache-2.0
// Routes: connected networks of the ports and static routes; longest prefix first, then the order
// of the file. Small by design (an appliance is not a router): a linear walk at flow creation.
#ifndef SLUICE_CORE_ROUTE_H
#define SLUICE_CORE_ROUTE_H

#include "sluice/dpconfig.h"

struct sl_route {
	struct sl_ip network; // host part cleared
	uint8_t bits;         // 0..128 of the mapped form: IPv4 /24 is 120
	bool is_connected;
	uint16_t port;
	uint16_t mtu_bytes;  // of the port
	struct sl_ip via;    // next hop; unused when connected
	struct sl_ip source; // our address on that port in that network
};

struct sl_route_table {
	struct sl_route routes[SL_MAX_ROUTES + SL_MAX_PORTS * SL_MAX_PORT_ADDRESSES];
	uint32_t n_routes;
};

#define SL_ROUTE_BAD_ADDRESS UINT32_MAX // *bad: not a route, an address of a port

// Checks that every via is in a connected network, of the route's family and not our own address;
// -EINVAL otherwise and *bad gets the route's number.
int sl_route_build(struct sl_route_table *rt, const struct sl_dpconfig *config, uint32_t *bad);

// NULL when nothing matches. *next_hop = via, or dst itself when connected.
const struct sl_route *sl_route_find(const struct sl_route_table *rt, const struct sl_ip *dst,
                                     struct sl_ip *next_hop);

// Our address to speak from towards dst (fullnat, ARP, probes): the egress port's address of that
// family. NULL when there is none.
const struct sl_ip *sl_route_source(const struct sl_route_table *rt, const struct sl_ip *dst);

bool sl_route_is_own_address(const struct sl_route_table *rt, const struct sl_ip *ip);

#endif
