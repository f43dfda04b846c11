// SPDX-License-Identifier: Apache-2.0
#include "port_rss.h"

#include <errno.h>
#include <stdalign.h>

#include <rte_thash.h>

#include "hash.h"
#include "route.h"

#define V4_TYPES (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP)
#define V6_TYPES (RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

#define MAX_KEY_BYTES     64
#define MAX_TABLE_ENTRIES 2048
#define N_CHECKED         256 // random clients; a wrong table misleads half of them or more

static bool is_default(const struct sl_route *route)
{
	return !route->is_connected && route->bits == (sl_ip_is_v4(&route->network) ? 96 : 0);
}

enum sl_rss_side sl_port_rss_side(const struct sl_dpconfig *config, uint32_t device)
{
	struct sl_route_table routes;
	uint32_t bad;

	if (config->ports[device].rss != SL_RSS_AUTO)
		return config->ports[device].rss;
	if (sl_buffers_count_devices(config) == 1)
		return SL_RSS_SOURCE;
	sl_route_build(&routes, config, &bad); // what is wrong with them is told when they are used
	for (uint32_t r = 0; r < routes.n_routes; r++) {
		const struct sl_dp_port *port = &config->ports[routes.routes[r].port];
		uint32_t leads_to = port->vlan_id != 0 ? port->parent : routes.routes[r].port;

		if (is_default(&routes.routes[r]) && leads_to == device)
			return SL_RSS_SOURCE;
	}
	return SL_RSS_DESTINATION;
}

// A driver that says nothing has the usual length.
static uint8_t key_bytes(const struct rte_eth_dev_info *info)
{
	return info->hash_key_size != 0 ? info->hash_key_size : SL_RSS_KEY_BYTES;
}

bool sl_port_rss_ask(const struct sl_ports *ports, const struct rte_eth_dev_info *info,
                     struct sl_port *port, struct rte_eth_conf *conf)
{
	struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;
	const bool is_source = port->rss == SL_RSS_SOURCE;

	if (port->rss == SL_RSS_OFF || ports->n_workers < 2 || port->n_queues != ports->n_workers ||
	    info->reta_size < SL_RSS_LANES || info->reta_size > MAX_TABLE_ENTRIES ||
	    info->reta_size % SL_RSS_LANES != 0 || key_bytes(info) < SL_RSS_KEY_BYTES ||
	    key_bytes(info) > MAX_KEY_BYTES ||
	    (info->flow_type_rss_offloads & V4_TYPES) != V4_TYPES)
		return false;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	rss->rss_hf = V4_TYPES;
	if (is_source)
		rss->rss_hf |= info->flow_type_rss_offloads & V6_TYPES;
	return true;
}

static int set_key(const struct sl_ports *ports, const struct sl_port *port,
                   const struct rte_eth_dev_info *info)
{
	uint8_t key[MAX_KEY_BYTES] = {0}; // a longer one ends in zeros: nothing there counts
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = key_bytes(info)};
	int err = rte_eth_dev_rss_hash_conf_get(port->id, &conf);

	if (err != 0)
		return err;
	memset(key, 0, sizeof(key));
	memcpy(key, port->rss == SL_RSS_SOURCE ? ports->rss.source_key : ports->rss.destination_key,
	       SL_RSS_KEY_BYTES);
	conf.rss_key = key;
	conf.rss_key_len = key_bytes(info);
	return rte_eth_dev_rss_hash_update(port->id, &conf);
}

struct table {
	struct rte_eth_rss_reta_entry64 groups[MAX_TABLE_ENTRIES / RTE_ETH_RETA_GROUP_SIZE];
};

static void want_all(struct table *table, uint16_t n_entries)
{
	for (uint32_t g = 0; g < n_entries / RTE_ETH_RETA_GROUP_SIZE; g++)
		table->groups[g].mask = UINT64_MAX;
}

static uint16_t *entry(struct table *table, uint32_t i)
{
	return &table->groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
}

static uint16_t queue_of(const struct sl_ports *ports, uint32_t index, uint32_t worker)
{
	return ports->ports[index].tx_queue[worker];
}

static int set_table(const struct sl_ports *ports, uint32_t index, uint16_t n_entries)
{
	struct table table = {0};

	want_all(&table, n_entries);
	for (uint32_t i = 0; i < n_entries; i++)
		*entry(&table, i) = queue_of(ports, index, ports->rss.owners[i % SL_RSS_LANES]);
	return rte_eth_dev_rss_reta_update(ports->ports[index].id, table.groups, n_entries);
}

// A random packet as it would come to this port.
struct example {
	uint32_t words[9]; // what the hash covers, host order, as rte_softrss wants it
	uint32_t n_words;
	struct sl_ip client;
	uint16_t client_port_be;
};

static struct example make_example(uint64_t seed, bool is_v6, bool is_source)
{
	struct example e = {.n_words = is_v6 ? 9 : 3};
	const uint32_t n = is_v6 ? 4 : 1, client = is_source ? 0 : n;
	uint32_t ports;

	for (uint32_t i = 0; i < e.n_words; i++)
		e.words[i] = (uint32_t)sl_mix64(seed + i);
	ports = e.words[2 * n];
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t word_be = rte_cpu_to_be_32(e.words[client + i]);

		memcpy(&e.client.bytes[4 * i], &word_be, sizeof(word_be));
	}
	if (!is_v6)
		e.client = sl_ip_from_v4(rte_cpu_to_be_32(e.words[client]));
	e.client_port_be = rte_cpu_to_be_16((uint16_t)(is_source ? ports >> 16 : ports));
	return e;
}

static int check(const struct sl_ports *ports, uint32_t index, const struct rte_eth_dev_info *info)
{
	const struct sl_port *port = &ports->ports[index];
	const bool is_source = port->rss == SL_RSS_SOURCE;
	alignas(uint32_t) uint8_t key[MAX_KEY_BYTES] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = sizeof(key)};
	struct table table = {0};
	int err = rte_eth_dev_rss_hash_conf_get(port->id, &conf);

	want_all(&table, info->reta_size);
	if (err == 0)
		err = rte_eth_dev_rss_reta_query(port->id, table.groups, info->reta_size);
	if (err != 0)
		return err;
	for (uint32_t i = 0; i < N_CHECKED; i++) {
		struct example e = make_example(16 * i, is_source && i % 2, is_source);
		uint8_t lane = sl_rss_lane(&ports->rss, &e.client, e.client_port_be);
		uint32_t at = rte_softrss(e.words, e.n_words, key) % info->reta_size;

		if (*entry(&table, at) != queue_of(ports, index, ports->rss.owners[lane]))
			return -EBADMSG;
	}
	return 0;
}

int sl_port_rss_apply(const struct sl_ports *ports, uint32_t index)
{
	struct rte_eth_dev_info info;
	int err = rte_eth_dev_info_get(ports->ports[index].id, &info);

	if (err == 0)
		err = set_key(ports, &ports->ports[index], &info);
	if (err == 0)
		err = set_table(ports, index, info.reta_size);
	return err == 0 ? check(ports, index, &info) : err;
}
