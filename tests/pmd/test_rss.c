// SPDX-License-Identifier: Apache-2.0
// RSS on devices: DPDK's null driver keeps a key and a table like a NIC (and hashes nothing), rings
// have neither. That the keys do on a NIC what they are to is in tests/unit/core/test_rss.c.
#include "sl_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_thash.h>

#include "port_rss.h"
#include "world.h"

#define N_WORKERS 2
#define N_CLIENTS 64

static struct sl_ports *start_ports(void)
{
	struct sl_ports *ports = calloc(1, sizeof(*ports));

	ck_assert(ports != NULL);
	sl_rig_start_eal();
	ports->n_workers = N_WORKERS;
	ports->pool = sl_ports_make_pool("rss", 8192, RTE_MBUF_DEFAULT_BUF_SIZE);
	ck_assert(ports->pool != NULL);
	sl_rss_init(&ports->rss, 7, N_WORKERS);
	return ports;
}

static void stop_ports(struct sl_ports *ports)
{
	sl_ports_stop(ports);
	rte_mempool_free(ports->pool);
	free(ports);
}

static uint16_t add_null(struct sl_ports *ports, uint8_t side)
{
	const struct sl_dp_port config = {.kind = SL_DEVICE_VDEV, .rss = side};
	struct sl_text why = {""};
	char name[32];
	uint16_t id;

	snprintf(name, sizeof(name), "net_null%u", ports->n_ports);
	ck_assert_int_eq(rte_eal_hotplug_add("vdev", name, "size=60"), 0);
	ck_assert_int_eq(rte_eth_dev_get_port_by_name(name, &id), 0);
	ck_assert_msg(sl_ports_add_as(ports, id, name, &config, &why) == 0, "%s", why.text);
	return id;
}

// The queue to which a NIC with this port's key and table gives a packet.
static uint16_t nic_queue(uint16_t id, uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
	alignas(4) uint8_t key[64] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = sizeof(key)};
	struct rte_eth_rss_reta_entry64 table[2] = {{.mask = UINT64_MAX}, {.mask = UINT64_MAX}};
	uint32_t words[3] = {src, dst, (uint32_t)sport << 16 | dport}, at;

	ck_assert_int_eq(rte_eth_dev_rss_hash_conf_get(id, &conf), 0);
	ck_assert_int_eq(rte_eth_dev_rss_reta_query(id, table, 128), 0);
	at = rte_softrss(words, RTE_DIM(words), key) % 128;
	return table[at / 64].reta[at % 64];
}

START_TEST(a_request_and_its_reply_come_to_the_same_worker)
{
	struct sl_ports *ports = start_ports();
	uint16_t front = add_null(ports, SL_RSS_SOURCE);
	uint16_t back = add_null(ports, SL_RSS_DESTINATION);
	uint32_t n_by_worker[N_WORKERS] = {0};
	uint64_t seed = sl_check_seed(), state = seed;

	ck_assert_uint_eq(ports->ports[0].rss, SL_RSS_SOURCE);
	ck_assert_uint_eq(ports->ports[1].rss, SL_RSS_DESTINATION);
	ck_assert(ports->has_rss);
	for (int i = 0; i < N_CLIENTS; i++) {
		uint32_t client = (uint32_t)sl_check_random(&state);
		uint32_t vip = (uint32_t)sl_check_random(&state);
		uint32_t backend = (uint32_t)sl_check_random(&state);
		uint16_t port = (uint16_t)sl_check_random(&state);
		uint32_t asked =
			sl_ports_queue_worker(ports, 0, nic_queue(front, client, vip, port, 443));
		uint32_t answered = sl_ports_queue_worker(
			ports, 1, nic_queue(back, backend, client, 8000, port));

		ck_assert_msg(asked == answered, "seed %lu client %d: workers %u and %u",
		              (unsigned long)seed, i, asked, answered);
		n_by_worker[asked]++;
	}
	for (uint32_t w = 0; w < N_WORKERS; w++)
		ck_assert_msg(n_by_worker[w] > 0, "seed %lu: worker %u gets nothing",
		              (unsigned long)seed, w);
	stop_ports(ports);
}
END_TEST

START_TEST(a_device_that_steers_otherwise_is_found_at_start)
{
	struct sl_ports *ports = start_ports();

	memset(ports->rss.v4[0], 0, sizeof(ports->rss.v4[0])); // our idea of a lane is another one
	add_null(ports, SL_RSS_SOURCE);
	ck_assert_uint_eq(ports->ports[0].rss, SL_RSS_OFF);
	ck_assert(!ports->has_rss);
	stop_ports(ports);
}
END_TEST

START_TEST(off_and_a_single_worker_leave_the_device_alone)
{
	struct sl_ports *ports = start_ports();

	add_null(ports, SL_RSS_OFF);
	ports->n_workers = 1;
	add_null(ports, SL_RSS_SOURCE);
	for (uint32_t p = 0; p < 2; p++)
		ck_assert_uint_eq(ports->ports[p].rss, SL_RSS_OFF);
	ck_assert(!ports->has_rss);
	ports->n_workers = N_WORKERS;
	stop_ports(ports);
}
END_TEST

START_TEST(workers_own_flows_by_the_lane_and_hand_overs_are_counted)
{
	const struct sl_world *w = &sl_worlds[_i];
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, N_WORKERS, IPPROTO_TCP);
	const struct sl_ip client = sl_packet_ip(w->client);
	uint64_t n_want[N_WORKERS] = {0}, n_handed = 0;
	static struct sl_rss rss;

	sl_rss_init(&rss, 7, N_WORKERS);
	for (uint32_t i = 0; i < N_WORKERS; i++)
		rig->a.io.workers[i]->fw.rss = &rss;
	for (uint16_t i = 0; i < N_CLIENTS; i++) {
		uint16_t port = (uint16_t)(40000 + i);
		struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, port);

		n_want[rss.owners[sl_rss_lane(&rss, &client, htons(port))]]++;
		sl_rig_put_spec(rig, RIG_FRONT, &in);
	}
	sl_rig_turn(rig);
	for (uint32_t i = 0; i < N_WORKERS; i++) {
		ck_assert_uint_gt(n_want[i], 0);
		ck_assert_uint_eq(sl_stat_get(&rig->a.io.workers[i]->stats->flows), n_want[i]);
		n_handed += sl_stat_get(
			&sl_stats_port_at(rig->a.segment.base, i, RIG_FRONT)->handed_pkts);
	}
	ck_assert_uint_eq(n_handed, n_want[1]); // the only queue is worker 0's
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

static const struct {
	const char *name;
	uint32_t n_devices;
	const char *via; // of the default route
	uint8_t asked, vlan_parent;
	uint8_t want[2];
} autos[] = {
	{"the gateway is in front",
         2,
         "192.0.2.254",
         SL_RSS_AUTO,
         0,
         {SL_RSS_SOURCE, SL_RSS_DESTINATION}},
	{"the gateway is behind",
         2,
         "10.0.0.254",
         SL_RSS_AUTO,
         0,
         {SL_RSS_DESTINATION, SL_RSS_SOURCE}},
	{"the gateway is in a VLAN",
         2,
         "172.16.0.254",
         SL_RSS_AUTO,
         1,
         {SL_RSS_DESTINATION, SL_RSS_SOURCE}},
	{"one device", 1, "192.0.2.254", SL_RSS_AUTO, 0, {SL_RSS_SOURCE}},
	{"told otherwise",
         2,
         "192.0.2.254",
         SL_RSS_DESTINATION,
         0,
         {SL_RSS_DESTINATION, SL_RSS_DESTINATION}},
};

START_TEST(clients_are_where_the_default_route_leads)
{
	static struct sl_dpconfig c;
	const uint32_t n = autos[_i].n_devices;

	c = (struct sl_dpconfig){.n_ports = n, .n_routes = 1};
	for (uint32_t p = 0; p < n; p++) {
		c.ports[p].n_addresses = 1;
		c.ports[p].rss = autos[_i].asked;
		c.ports[p].addresses[0].bits = 24;
	}
	c.ports[0].addresses[0].address = sl_packet_ip("192.0.2.1");
	c.ports[1].addresses[0].address = sl_packet_ip("10.0.0.1");
	if (autos[_i].vlan_parent != 0) {
		c.ports[c.n_ports++] = (struct sl_dp_port){
			.kind = SL_DEVICE_VLAN,
			.vlan_id = 5,
			.parent = autos[_i].vlan_parent,
			.n_addresses = 1,
			.addresses = {{.address = sl_packet_ip("172.16.0.1"), .bits = 24}}};
	}
	c.routes[0].to.address = sl_packet_ip("0.0.0.0");
	c.routes[0].via = sl_packet_ip(autos[_i].via);
	for (uint32_t p = 0; p < n; p++)
		ck_assert_msg(sl_port_rss_side(&c, p) == autos[_i].want[p], "%s: device %u",
		              autos[_i].name, p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rss");
	TCase *tc = tcase_create("devices");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_request_and_its_reply_come_to_the_same_worker);
	tcase_add_test(tc, a_device_that_steers_otherwise_is_found_at_start);
	tcase_add_test(tc, off_and_a_single_worker_leave_the_device_alone);
	tcase_add_loop_test(tc, workers_own_flows_by_the_lane_and_hand_overs_are_counted, 0,
	                    WORLDS);
	tcase_add_loop_test(tc, clients_are_where_the_default_route_leads, 0, RTE_DIM(autos));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
