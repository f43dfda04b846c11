// SPDX-License-Identifier: Apache-2.0
#include "appliance.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <rte_ethdev.h>

#include "bond.h"
#include "shaper.h"

#define DEVICE_STATS_NS (100 * SL_NS_PER_MS)

static int init_neighbours(struct sl_appliance *a, uint64_t seed)
{
	struct sl_neigh *rows = calloc(SL_NEIGH_MAX, sizeof(*rows));
	_Atomic uint32_t *index = calloc(SL_NEIGH_INDEX_SLOTS, sizeof(*index));

	if (rows == NULL || index == NULL) {
		free(rows);
		free((void *)index);
		return -ENOMEM;
	}
	sl_neigh_init(&a->neighs, rows, index, seed);
	a->neighs.careful_ports = sl_links_careful(&a->links);
	return 0;
}

static int init_limits(struct sl_appliance *a)
{
	a->limits = aligned_alloc(SL_CACHE_LINE_BYTES, sizeof(*a->limits));
	if (a->limits == NULL)
		return -ENOMEM;
	memset(a->limits, 0, sizeof(*a->limits));
	return getrandom(&a->limits->key, sizeof(a->limits->key), 0) == sizeof(a->limits->key)
	               ? 0
	               : -EIO;
}

static int init_persist(struct sl_appliance *a)
{
	const size_t n_bytes = sl_persist_bytes(SL_PERSIST_CLIENTS);
	struct sl_hash_key key;

	a->persist = aligned_alloc(SL_CACHE_LINE_BYTES, n_bytes);
	if (a->persist == NULL)
		return -ENOMEM;
	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	memset(a->persist, 0, n_bytes);
	sl_persist_init(a->persist, SL_PERSIST_CLIENTS, &key);
	return 0;
}

static int init_workers(struct sl_appliance *a, uint64_t seed)
{
	struct sl_worker_params params = {
		.routes = &a->routes,
		.neighs = &a->neighs,
		.steer_seed = seed,
		.limits = a->limits,
		.persist = a->persist,
		.n_flows = (uint32_t)(a->config.flows / a->config.n_workers)};

	for (uint32_t w = 0; w < a->config.n_workers; w++) {
		params.others_load = a->pub.others_load[w];
		params.others_units = a->pub.others_units[w];
		params.others_vip_load = a->pub.others_vip_load[w];
		if (getrandom(&params.table_key, sizeof(params.table_key), 0) !=
		            sizeof(params.table_key) ||
		    sl_worker_new(&a->io, w, &params) == NULL)
			return -ENOMEM;
	}
	return 0;
}

static void name_ports(struct sl_appliance *a)
{
	struct sl_stats_header *h = a->segment.base;

	for (uint32_t p = 0; p < a->ports.n_ports; p++) {
		snprintf(h->port_devices[p], SL_NAME_BYTES, "%s", a->ports.ports[p].device);
		h->port_rss[p] = a->ports.ports[p].rss;
	}
	sl_bonds_name(&a->ports, h);
}

// Switches learn the new way from what comes by it, so something comes at once.
static void announce_moved(struct sl_appliance *a, uint64_t moved)
{
	for (uint32_t p = 0; moved != 0 && p < a->config.n_ports; p++) {
		const struct sl_dp_port *port = &a->config.ports[p];

		if ((moved & UINT64_C(1) << a->ports.ports[p].parent) == 0)
			continue;
		for (uint32_t i = 0; i < port->n_addresses; i++)
			sl_slow_announce_own(&a->slow, &port->addresses[i].address);
	}
	if (moved != 0)
		sl_slow_announce(&a->slow);
}

static void pin_gateways(struct sl_appliance *a)
{
	for (uint32_t i = 0; i < a->routes.n_routes; i++) {
		uint16_t row;

		if (a->routes.routes[i].is_connected)
			continue;
		row = sl_slow_pin(&a->slow, &a->routes.routes[i].via);
		if (row != SL_NEIGH_NONE)
			sl_neigh_make_gateway(&a->neighs, row);
	}
}

int sl_appliance_init(struct sl_appliance *a, struct sl_text *why)
{
	uint64_t random[2];
	uint32_t bad;
	int err;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -errno;
	if (sl_route_build(&a->routes, &a->config, &bad) != 0) {
		snprintf(why->text, sizeof(why->text),
		         "route %u: via is in no connected network of a port", bad + 1);
		return -EINVAL;
	}
	err = sl_links_init(&a->links, &a->config);
	if (err == 0)
		err = sl_segment_init(&a->segment, &a->config, random[0] | 1, sl_clock_ns());
	if (err == 0) {
		name_ports(a);
		a->io.ports = &a->ports;
		a->io.links = &a->links;
		a->io.stats = a->segment.base;
		a->io.is_sleepy = a->config.idle == SL_IDLE_SLEEP;
		err = sl_io_init(&a->io, a->config.n_workers);
	}
	if (err == 0)
		err = init_neighbours(a, random[1]);
	if (err == 0) {
		sl_slow_init(&a->slow, &a->io, &a->neighs, &a->routes, sl_clock_ns());
		err = sl_publisher_init(&a->pub, &a->io, &a->slow);
	}
	if (err == 0)
		err = init_limits(a);
	if (err == 0)
		err = init_persist(a);
	if (err == 0)
		err = sl_shapers_init(&a->io, &a->config, sl_clock_ns());
	if (err == 0)
		err = init_workers(a, random[1]);
	if (err == 0)
		pin_gateways(a);
	if (err != 0)
		snprintf(why->text, sizeof(why->text), "not enough memory for %lu flows: %s",
		         (unsigned long)a->config.flows, strerror(-err));
	return err;
}

// What devices dropped before we saw it, for operators.
static void read_devices(struct sl_appliance *a)
{
	struct sl_stats_header *h = a->segment.base;
	struct rte_eth_stats stats;

	for (uint32_t p = 0; p < a->ports.n_ports; p++) {
		if (a->ports.ports[p].parent != p ||
		    rte_eth_stats_get(a->ports.ports[p].id, &stats) != 0)
			continue;
		sl_stat_set(&h->port_missed[p], stats.imissed + stats.rx_nombuf);
		sl_stat_set(&h->port_errors[p], stats.ierrors + stats.oerrors);
	}
}

bool sl_appliance_poll(struct sl_appliance *a, uint64_t now_ns)
{
	struct sl_stats_header *h = a->segment.base;
	bool is_busy = sl_slow_poll(&a->slow, now_ns);

	announce_moved(a, sl_bonds_watch(&a->ports, a->io.qsbr, h, now_ns));
	sl_publisher_poll(&a->pub);
	if (a->has_ipc)
		sl_ipc_server_poll(&a->ipc, now_ns);
	if (now_ns >= a->next_device_stats_ns) {
		a->next_device_stats_ns = now_ns + DEVICE_STATS_NS;
		read_devices(a);
	}
	sl_stat_set(&h->heartbeat_ns, now_ns);
	return is_busy || sl_publisher_is_settling(&a->pub);
}

bool sl_appliance_sleep(const struct sl_appliance *a, int wake_fd, uint32_t ms)
{
	struct pollfd fds[1 + SL_IPC_SERVER_FDS] = {{.fd = wake_fd, .events = POLLIN}};
	uint32_t n = 1;

	if (a->has_ipc)
		n += sl_ipc_server_fds(&a->ipc, &fds[1]);
	return poll(fds, n, (int)ms) > 0 && fds[0].revents != 0;
}

void sl_appliance_fini(struct sl_appliance *a)
{
	if (a->has_ipc)
		sl_ipc_server_fini(&a->ipc);
	sl_publisher_fini(&a->pub);
	sl_slow_fini(&a->slow);
	for (uint32_t w = 0; w < a->io.n_workers; w++)
		sl_worker_free(a->io.workers[w]);
	sl_shapers_fini(&a->io);
	sl_io_fini(&a->io);
	free(a->neighs.rows);
	free((void *)a->neighs.index);
	free(a->limits);
	sl_links_fini(&a->links);
	free(a->persist);
	sl_segment_fini(&a->segment);
}
