// SPDX-License-Identifier: Apache-2.0
// The table is kept sorted, longest prefix first, so that finding is: the first that matches.
#include "route.h"

#include <errno.h>

#define V4_IN_MAPPED_BITS 96 // where the IPv4 address starts in the mapped form

static struct sl_ip mask_ip(const struct sl_ip *ip, uint8_t bits)
{
	struct sl_ip masked = {{0}};
	unsigned int n_whole = bits / 8;

	memcpy(masked.bytes, ip->bytes, n_whole);
	if (bits % 8 != 0)
		masked.bytes[n_whole] = (uint8_t)(ip->bytes[n_whole] & (0xff00u >> (bits % 8)));
	return masked;
}

// The family is compared too: ::/0 is a route for IPv6, although it contains the mapped form of
// every IPv4 address.
static bool contains(const struct sl_route *route, const struct sl_ip *ip)
{
	struct sl_ip masked = mask_ip(ip, route->bits);

	return sl_ip_is_v4(&route->network) == sl_ip_is_v4(ip) &&
	       sl_ip_equal(&masked, &route->network);
}

// Bits of the mapped form, or -EINVAL for a prefix longer than its address.
static int mapped_bits(const struct sl_prefix *prefix)
{
	bool is_v4 = sl_ip_is_v4(&prefix->address);

	if (prefix->bits > (is_v4 ? 32 : 128))
		return -EINVAL;
	return prefix->bits + (is_v4 ? V4_IN_MAPPED_BITS : 0);
}

// Behind those as long as itself: equal prefixes stay in the order of the file.
static void insert(struct sl_route_table *rt, const struct sl_route *route)
{
	uint32_t at = rt->n_routes++;

	while (at > 0 && rt->routes[at - 1].bits < route->bits) {
		rt->routes[at] = rt->routes[at - 1];
		at--;
	}
	rt->routes[at] = *route;
}

static int add_connected(struct sl_route_table *rt, const struct sl_prefix *prefix, uint16_t port,
                         uint16_t mtu_bytes)
{
	int bits = mapped_bits(prefix);

	if (bits < 0)
		return bits;
	insert(rt, &(struct sl_route){.network = mask_ip(&prefix->address, (uint8_t)bits),
	                              .bits = (uint8_t)bits,
	                              .is_connected = true,
	                              .port = port,
	                              .mtu_bytes = mtu_bytes,
	                              .source = prefix->address});
	return 0;
}

static const struct sl_route *find_connected(const struct sl_route_table *rt,
                                             const struct sl_ip *ip)
{
	for (uint32_t i = 0; i < rt->n_routes; i++)
		if (rt->routes[i].is_connected && contains(&rt->routes[i], ip))
			return &rt->routes[i];
	return NULL;
}

static int add_static(struct sl_route_table *rt, const struct sl_dp_route *route)
{
	const struct sl_route *link = find_connected(rt, &route->via);
	int bits = mapped_bits(&route->to);

	if (bits < 0 || link == NULL)
		return -EINVAL;
	if (sl_ip_is_v4(&route->to.address) != sl_ip_is_v4(&route->via))
		return -EINVAL;
	// Nobody would ever answer for it.
	if (sl_route_is_own_address(rt, &route->via))
		return -EINVAL;
	insert(rt, &(struct sl_route){.network = mask_ip(&route->to.address, (uint8_t)bits),
	                              .bits = (uint8_t)bits,
	                              .port = link->port,
	                              .mtu_bytes = link->mtu_bytes,
	                              .via = route->via,
	                              .source = link->source});
	return 0;
}

int sl_route_build(struct sl_route_table *rt, const struct sl_dpconfig *config, uint32_t *bad)
{
	int rc;

	memset(rt, 0, sizeof(*rt));
	*bad = SL_ROUTE_BAD_ADDRESS;
	for (uint32_t i = 0; i < config->n_ports; i++) {
		const struct sl_dp_port *port = &config->ports[i];
		uint16_t mtu_bytes = port->mtu_bytes != 0 ? port->mtu_bytes : SL_MTU_DEFAULT_BYTES;

		for (uint32_t j = 0; j < port->n_addresses; j++) {
			rc = add_connected(rt, &port->addresses[j], (uint16_t)i, mtu_bytes);
			if (rc != 0)
				return rc;
		}
	}
	for (uint32_t i = 0; i < config->n_routes; i++) {
		*bad = i;
		rc = add_static(rt, &config->routes[i]);
		if (rc != 0)
			return rc;
	}
	return 0;
}

const struct sl_route *sl_route_find(const struct sl_route_table *rt, const struct sl_ip *dst,
                                     struct sl_ip *next_hop)
{
	for (uint32_t i = 0; i < rt->n_routes; i++) {
		const struct sl_route *route = &rt->routes[i];

		if (!contains(route, dst))
			continue;
		*next_hop = route->is_connected ? *dst : route->via;
		return route;
	}
	return NULL;
}

const struct sl_ip *sl_route_source(const struct sl_route_table *rt, const struct sl_ip *dst)
{
	struct sl_ip next_hop;
	const struct sl_route *route = sl_route_find(rt, dst, &next_hop);

	return route != NULL ? &route->source : NULL;
}

bool sl_route_is_own_address(const struct sl_route_table *rt, const struct sl_ip *ip)
{
	for (uint32_t i = 0; i < rt->n_routes; i++)
		if (rt->routes[i].is_connected && sl_ip_equal(&rt->routes[i].source, ip))
			return true;
	return false;
}
