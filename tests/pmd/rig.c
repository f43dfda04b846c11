// SPDX-License-Identifier: Apache-2.0
#include "rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#define RIG_RING_PKTS 4096
#define RIG_MBUFS     8192
#define MAX_TURNS     1000

void sl_rig_start_eal(void)
{
	char *args[] = {"test",
	                "--no-huge",
	                "--no-pci",
	                "-m",
	                "192",
	                "--no-telemetry",
	                "--no-shconf",
	                "--lcores=0@0-1,1@0-1",
	                "--log-level=lib.eal:error",
	                NULL};

	if (rte_eal_init(9, args) < 0) {
		fprintf(stderr, "EAL does not start\n");
		exit(EXIT_FAILURE);
	}
}

static struct sl_prefix prefix(const char *address, uint8_t bits)
{
	return (struct sl_prefix){.address = sl_packet_ip(address), .bits = bits};
}

static void fill_config(struct sl_dpconfig *c, uint32_t n_workers, uint32_t n_flows)
{
	c->n_workers = n_workers;
	c->n_ports = RIG_PORTS;
	c->flows = (uint64_t)n_flows * n_workers;
	c->ports[RIG_FRONT].n_addresses = 2;
	c->ports[RIG_FRONT].addresses[0] = prefix("192.0.2.1", 24);
	c->ports[RIG_FRONT].addresses[1] = prefix("2001:db8:1::1", 64);
	c->ports[RIG_BACK].n_addresses = 2;
	c->ports[RIG_BACK].addresses[0] = prefix("10.0.0.1", 24);
	c->ports[RIG_BACK].addresses[1] = prefix("2001:db8:2::1", 64);
	memset(c->dscps, SL_QOS_AS_IT_IS, sizeof(c->dscps));
	memset(c->pcps, SL_QOS_AS_IT_IS, sizeof(c->pcps));
	c->n_routes = 2;
	c->routes[0].to = prefix("0.0.0.0", 0);
	c->routes[0].via = sl_packet_ip("192.0.2.254");
	c->routes[1].to = prefix("::", 0);
	c->routes[1].via = sl_packet_ip("2001:db8:1::fe");
}

static void add_ring_port(struct sl_rig *rig, uint32_t port)
{
	static const char *const names[RIG_PORTS] = {"front", "back"};
	struct sl_text why = {""};
	char name[32];
	int id;

	snprintf(name, sizeof(name), "to_%s", names[port]);
	rig->to_us[port] = rte_ring_create(name, RIG_RING_PKTS, SOCKET_ID_ANY, 0);
	snprintf(name, sizeof(name), "from_%s", names[port]);
	rig->from_us[port] = rte_ring_create(name, RIG_RING_PKTS, SOCKET_ID_ANY, 0);
	ck_assert(rig->to_us[port] != NULL && rig->from_us[port] != NULL);
	id = rte_eth_from_rings(names[port], &rig->to_us[port], 1, &rig->from_us[port], 1,
	                        SOCKET_ID_ANY);
	ck_assert_msg(id >= 0, "ring port");
	ck_assert_msg(sl_ports_add_as(&rig->a.ports, (uint16_t)id, names[port],
	                              &rig->a.config.ports[port], &why) == 0,
	              "%s", why.text);
}

static void change_nothing(struct sl_dpconfig *config)
{
	(void)config;
}

// One pool for all, as long as the configuration asks for: ring devices pass on what they are
// given.
static void make_pools(struct sl_rig *rig)
{
	struct sl_pool_plan plans[SL_POOLS];
	bool is_long;

	sl_buffers_plan(&rig->a.config, plans);
	is_long = plans[SL_POOL_LONG].n_mbufs != 0;
	plans[is_long].n_mbufs = RIG_MBUFS;
	rig->a.ports.pool = sl_buffers_make_pool("rig", &plans[is_long]);
	rig->a.ports.long_pool = rig->a.ports.pool;
	ck_assert_msg(rig->a.ports.pool != NULL, "no packet buffers");
}

struct sl_rig *sl_rig_new(uint32_t n_workers, uint32_t n_flows)
{
	return sl_rig_new_changed(n_workers, n_flows, change_nothing);
}

struct sl_rig *sl_rig_new_changed(uint32_t n_workers, uint32_t n_flows,
                                  void (*change)(struct sl_dpconfig *config))
{
	struct sl_rig *rig = calloc(1, sizeof(*rig));
	struct sl_text why = {""};

	ck_assert(rig != NULL);
	sl_rig_start_eal();
	fill_config(&rig->a.config, n_workers, n_flows);
	change(&rig->a.config);
	rig->a.ports.n_workers = n_workers;
	make_pools(rig);
	for (uint32_t p = 0; p < RIG_PORTS; p++)
		add_ring_port(rig, p);
	rig->a.ports.macs[RIG_FRONT][0] = 0x02;
	rig->a.ports.macs[RIG_FRONT][5] = 0xf0;
	rig->a.ports.macs[RIG_BACK][0] = 0x02;
	rig->a.ports.macs[RIG_BACK][5] = 0xb0;
	sl_ports_add_vlans(&rig->a.ports, &rig->a.config);
	ck_assert_msg(sl_appliance_init(&rig->a, &why) == 0, "%s", why.text);
	rig->now_ns = sl_clock_ns();
	sl_rig_turn(rig);
	for (uint32_t p = 0; p < RIG_PORTS; p++) { // what it asked for at start
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
	return rig;
}

void sl_rig_free(struct sl_rig *rig)
{
	struct rte_mempool *pool = rig->a.ports.pool;

	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
	sl_ports_stop(&rig->a.ports);
	sl_appliance_fini(&rig->a);
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		rte_ring_free(rig->to_us[p]);
		rte_ring_free(rig->from_us[p]);
	}
	ck_assert_msg(rte_mempool_full(pool), "%u packet buffers are lost",
	              rte_mempool_in_use_count(pool));
	rte_mempool_free(pool);
	free(rig);
}

void sl_rig_configure(struct sl_rig *rig, const struct sl_body_spec *spec)
{
	struct sl_wire_header *body = sl_body_config(spec);
	char reason[128] = "";
	enum sl_ipc_status status;

	status = sl_publisher_apply_config(&rig->a.pub, body, body->total_bytes, reason,
	                                   sizeof(reason));
	ck_assert_msg(status == SL_IPC_OK, "refused: %s", reason);
	free(body);
	sl_rig_turn(rig);
	ck_assert_msg(!rig->a.pub.is_waiting, "workers have not acknowledged");
}

void sl_rig_put(struct sl_rig *rig, uint32_t port, const void *bytes, size_t n_bytes)
{
	const struct sl_dp_port *config = &rig->a.config.ports[port];
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig->a.ports.pool);
	const uint8_t tag[4] = {0x81, 0, (uint8_t)(config->vlan_id >> 8), (uint8_t)config->vlan_id};

	ck_assert(m != NULL);
	memcpy(rte_pktmbuf_append(m, (uint16_t)n_bytes), bytes, n_bytes);
	if (config->vlan_id != 0) {
		uint8_t *data = (uint8_t *)rte_pktmbuf_prepend(m, sizeof(tag));

		memcpy(data, bytes, 12);
		memcpy(data + 12, tag, sizeof(tag));
		port = config->parent;
	}
	ck_assert(rte_ring_enqueue(rig->to_us[port], m) == 0);
}

void sl_rig_put_spec(struct sl_rig *rig, uint32_t port, const struct sl_packet_spec *spec)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec to_us = *spec;

	memcpy(to_us.dst_mac, rig->a.ports.macs[port], 6);
	sl_rig_put(rig, port, frame, sl_packet_build(frame, sizeof(frame), &to_us));
}

static void turn_until_still(struct sl_rig *rig)
{
	bool is_busy = true;

	if (!rig->is_time_frozen)
		rig->now_ns += SL_NS_PER_MS; // what the main core does each ms is due again
	for (uint32_t turn = 0; is_busy && turn < MAX_TURNS; turn++) {
		is_busy = false;
		for (uint32_t w = 0; w < rig->a.config.n_workers; w++)
			is_busy |= sl_worker_poll(rig->a.io.workers[w], rig->now_ns);
		is_busy |= sl_appliance_poll(&rig->a, rig->now_ns);
		is_busy |= rig->a.pub.is_waiting;
	}
	// What the main core gave out in its last turn.
	for (uint32_t w = 0; w < rig->a.config.n_workers; w++)
		sl_worker_poll(rig->a.io.workers[w], rig->now_ns);
}

// Once more a millisecond later, so that every core knows what the others did (folded loads).
void sl_rig_turn(struct sl_rig *rig)
{
	turn_until_still(rig);
	turn_until_still(rig);
}

void sl_rig_pass(struct sl_rig *rig, uint64_t ns)
{
	uint64_t until_ns = rig->now_ns + ns;

	while (rig->now_ns < until_ns) {
		rig->now_ns += 100 * SL_NS_PER_MS;
		sl_rig_turn(rig);
	}
}

struct sl_rig_frame sl_rig_take(struct sl_rig *rig, uint32_t port)
{
	struct sl_rig_frame frame = {.n_bytes = 0};
	struct rte_mbuf *m;
	void *object;

	if (rte_ring_dequeue(rig->from_us[port], &object) != 0)
		return frame;
	m = object;
	frame.n_bytes = rte_pktmbuf_data_len(m);
	ck_assert(frame.n_bytes <= sizeof(frame.bytes));
	memcpy(frame.bytes, rte_pktmbuf_mtod(m, void *), frame.n_bytes);
	rte_pktmbuf_free(m);
	return frame;
}

static void print_bytes(const char *name, const uint8_t *bytes, size_t n_bytes)
{
	printf("# %s:", name);
	for (size_t i = 0; i < n_bytes; i++)
		printf(" %02x", bytes[i]);
	printf("\n");
}

void sl_rig_expect(struct sl_rig *rig, uint32_t port, const struct sl_packet_spec *spec)
{
	struct sl_rig_frame got = sl_rig_take(rig, port);
	uint8_t want[SL_PACKET_MAX_BYTES];
	size_t n_want = sl_packet_build(want, sizeof(want), spec);

	ck_assert_msg(got.n_bytes != 0, "nothing left the port");
	if (got.n_bytes < n_want || memcmp(got.bytes, want, n_want) != 0) {
		print_bytes("want", want, n_want);
		print_bytes("got ", got.bytes, got.n_bytes);
		ck_abort_msg("other bytes left than expected");
	}
	ck_assert_msg(got.n_bytes == n_want || got.n_bytes <= 60, "%zu bytes left, not %zu",
	              got.n_bytes, n_want);
}

void sl_rig_expect_nothing(struct sl_rig *rig, uint32_t port)
{
	struct sl_rig_frame got = sl_rig_take(rig, port);

	if (got.n_bytes != 0)
		print_bytes("got ", got.bytes, got.n_bytes);
	ck_assert_msg(got.n_bytes == 0, "a packet left the port");
}

static size_t arp_reply(uint8_t *frame, const struct sl_rig *rig, uint32_t port,
                        const struct sl_ip *address, const uint8_t mac[6])
{
	static const uint8_t head[] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 2};
	const uint8_t *our_mac = rig->a.ports.macs[port];

	memcpy(frame, our_mac, 6);
	memcpy(frame + 6, mac, 6);
	memcpy(frame + 12, head, sizeof(head));
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, &address->bytes[12], 4);
	memcpy(frame + 32, our_mac, 6);
	memcpy(frame + 38, &rig->a.config.ports[port].addresses[0].address.bytes[12], 4);
	return 42;
}

static size_t solicited_na(uint8_t *frame, const struct sl_rig *rig, uint32_t port,
                           const struct sl_ip *address, const uint8_t mac[6])
{
	uint8_t option_and_target[24] = {0};
	struct sl_packet_spec na = {.src = *address,
	                            .dst = rig->a.config.ports[port].addresses[1].address,
	                            .proto = IPPROTO_ICMPV6,
	                            .ttl = 255,
	                            .icmp_type = 136,
	                            .sport = 0x6000, // flags: solicited, override
	                            .payload = option_and_target,
	                            .payload_bytes = sizeof(option_and_target)};

	memcpy(na.dst_mac, rig->a.ports.macs[port], 6);
	memcpy(na.src_mac, mac, 6);
	memcpy(option_and_target, address->bytes, 16);
	option_and_target[16] = 2;
	option_and_target[17] = 1;
	memcpy(option_and_target + 18, mac, 6);
	return sl_packet_build(frame, SL_PACKET_MAX_BYTES, &na);
}

void sl_rig_neighbour(struct sl_rig *rig, uint32_t port, const char *address, const uint8_t mac[6])
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_ip ip = sl_packet_ip(address);
	size_t n_bytes = sl_ip_is_v4(&ip) ? arp_reply(frame, rig, port, &ip, mac)
	                                  : solicited_na(frame, rig, port, &ip, mac);

	sl_rig_put(rig, port, frame, n_bytes);
	sl_rig_turn(rig);
}

uint64_t sl_rig_drops(struct sl_rig *rig, enum sl_drop why)
{
	const struct sl_stats_header *h = rig->a.segment.base;
	uint64_t n = sl_stat_get(&h->main_drop[why]);

	for (uint32_t w = 0; w < rig->a.config.n_workers; w++)
		n += sl_stat_get(&rig->a.io.workers[w]->stats->drops[why]);
	return n;
}

void sl_rig_check_accounts(struct sl_rig *rig)
{
	const struct sl_stats_header *h = rig->a.segment.base;
	uint64_t in = sl_stat_get(&h->main_generated_pkts);
	uint64_t out = sl_stat_get(&h->held_pkts);

	for (uint32_t w = 0; w < rig->a.config.n_workers; w++) {
		in += sl_stat_get(&rig->a.io.workers[w]->stats->rx_pkts);
		in += sl_stat_get(&rig->a.io.workers[w]->stats->generated_pkts);
		out += sl_stat_get(&rig->a.io.workers[w]->stats->tx_pkts);
		for (uint32_t p = 0; p < h->n_ports; p++)
			out += sl_stat_get(&sl_stats_port_at(rig->a.segment.base, w, p)->held_pkts);
	}
	for (uint32_t d = 0; d < SL_DROP_COUNT; d++)
		out += sl_rig_drops(rig, d);
	ck_assert_msg(in == out, "received and made %lu, sent, dropped and held %lu",
	              (unsigned long)in, (unsigned long)out);
}
