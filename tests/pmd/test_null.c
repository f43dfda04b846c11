// SPDX-License-Identifier: Apache-2.0
// The worker loop as it runs in production - on its own lcore, with the main core beside it - on
// DPDK's null driver, which delivers empty frames as fast as they are asked for.
#include "sl_check.h"

#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include "rig.h"

static struct sl_appliance *start(uint32_t n_ports)
{
	struct sl_appliance *a = calloc(1, sizeof(*a));
	struct sl_text why = {""};

	ck_assert(a != NULL);
	sl_rig_start_eal();
	a->config.n_workers = 1;
	a->config.n_ports = n_ports;
	a->config.flows = 1024;
	a->config.idle = SL_IDLE_SLEEP;
	a->ports.n_workers = 1;
	a->ports.pool = sl_ports_make_pool("null", 8192, RTE_MBUF_DEFAULT_BUF_SIZE);
	ck_assert(a->ports.pool != NULL);
	for (uint32_t p = 0; p < n_ports; p++) {
		char name[32];
		uint16_t id;

		snprintf(name, sizeof(name), "net_null%u", p);
		ck_assert_int_eq(rte_eal_hotplug_add("vdev", name, "size=60"), 0);
		ck_assert_int_eq(rte_eth_dev_get_port_by_name(name, &id), 0);
		ck_assert_msg(sl_ports_add(&a->ports, id, name, &why) == 0, "%s", why.text);
	}
	ck_assert_msg(sl_appliance_init(a, &why) == 0, "%s", why.text);
	return a;
}

START_TEST(every_packet_of_two_null_ports_is_dropped_by_name)
{
	struct sl_appliance *a = start(2);
	struct sl_stats_worker *stats = a->io.workers[0]->stats;
	uint64_t n_dropped = 0, until_ns = sl_clock_ns() + 10 * SL_NS_PER_S;

	ck_assert_int_eq(rte_eal_remote_launch(sl_worker_run, a->io.workers[0], 1), 0);
	while (sl_stat_get(&stats->rx_pkts) < 100000 && sl_clock_ns() < until_ns)
		sl_appliance_poll(a, sl_clock_ns());
	atomic_store(&a->io.is_stopping, true);
	rte_eal_mp_wait_lcore();
	ck_assert_uint_ge(sl_stat_get(&stats->rx_pkts), 100000);
	for (uint32_t d = 0; d < SL_DROP_COUNT; d++)
		n_dropped += sl_stat_get(&stats->drops[d]);
	ck_assert_uint_eq(sl_stat_get(&stats->rx_pkts), n_dropped);
	ck_assert_uint_eq(sl_stat_get(&stats->drops[SL_DROP_NOT_FOR_US]), n_dropped);
	sl_ports_stop(&a->ports);
	sl_appliance_fini(a);
	ck_assert(rte_mempool_full(a->ports.pool));
	rte_mempool_free(a->ports.pool);
	free(a);
}
END_TEST

START_TEST(snapshots_are_taken_and_freed_while_packets_run)
{
	static const struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                                         .balance = SL_BALANCE_WEIGHTED,
	                                         .n_backends = 1,
	                                         .backends = {{"10.0.0.11", 8000, 1000}}};
	static const struct sl_body_vip vip = {"203.0.113.10", 443, 443, 6, 0};
	struct sl_appliance *a = start(1);
	char reason[128] = "";

	ck_assert_int_eq(rte_eal_remote_launch(sl_worker_run, a->io.workers[0], 1), 0);
	for (uint64_t epoch = 1; epoch <= 200; epoch++) {
		struct sl_wire_header *body =
			sl_body_config(&(struct sl_body_spec){epoch, epoch, &vip, 1, &pool, 1});
		uint64_t until_ns = sl_clock_ns() + 10 * SL_NS_PER_S;

		ck_assert_msg(sl_publisher_apply_config(&a->pub, body, body->total_bytes, reason,
		                                        sizeof(reason)) == SL_IPC_OK,
		              "%s", reason);
		free(body);
		while (a->pub.is_waiting && sl_clock_ns() < until_ns)
			sl_appliance_poll(a, sl_clock_ns());
		ck_assert_uint_eq(a->pub.acked_epoch, epoch);
	}
	atomic_store(&a->io.is_stopping, true);
	rte_eal_mp_wait_lcore();
	ck_assert_uint_ge(sl_stat_get(&a->io.workers[0]->stats->epoch), 199);
	sl_ports_stop(&a->ports);
	sl_appliance_fini(a);
	rte_mempool_free(a->ports.pool);
	free(a);
}
END_TEST

static const uint16_t mtus[SL_POOLS] = {1500, 9000};

// What start-up asks of the kernel must hold what it then makes of it.
START_TEST(the_memory_computed_for_packet_buffers_holds_them)
{
	const struct sl_dpconfig config = {
		.n_ports = 1, .n_workers = 1, .ports = {{.mtu_bytes = mtus[_i]}}};
	struct sl_pool_plan plans[SL_POOLS], *plan = &plans[_i];
	struct rte_mempool *pool;
	struct rte_mempool_memhdr *piece;
	uint64_t n_bytes = 0;

	sl_rig_start_eal(); // without hugepages
	sl_buffers_plan(&config, plans);
	plan->n_mbufs /= 2; // one CPU's share of memory is enough
	pool = sl_buffers_make_pool("sized", plan);
	ck_assert_ptr_nonnull(pool);
	STAILQ_FOREACH(piece, &pool->mem_list, next)
	n_bytes += piece->len;
	n_bytes += (uint64_t)rte_ring_get_memsize(rte_align32pow2(plan->n_mbufs + 1));
	ck_assert_uint_le(n_bytes, sl_buffers_pool_bytes(plan));
	ck_assert_uint_ge(n_bytes, sl_buffers_pool_bytes(plan) / 20 * 19);
	ck_assert_uint_ge(rte_pktmbuf_data_room_size(pool),
	                  RTE_PKTMBUF_HEADROOM + 14 + 8 + mtus[_i]);
	rte_mempool_free(pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("null");
	TCase *tc = tcase_create("worker");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_packet_of_two_null_ports_is_dropped_by_name);
	tcase_add_test(tc, snapshots_are_taken_and_freed_while_packets_run);
	tcase_add_loop_test(tc, the_memory_computed_for_packet_buffers_holds_them, 0, SL_POOLS);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
