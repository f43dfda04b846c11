// SPDX-License-Identifier: Apache-2.0
// The forwarder without DPDK: what becomes of a packet with a flow, without one, and who owns it.
#include "forward_fixture.h"

#define VIP    "203.0.113.10"
#define VIP6   "2001:db8:ff::10"
#define CLIENT "198.51.100.7"

static struct sl_body_pool pool_of(uint8_t forward, uint8_t balance)
{
	uint16_t port = forward == SL_FORWARD_DSR_L2 ? 0 : 8000;

	return (struct sl_body_pool){
		.forward = forward,
		.balance = balance,
		.n_backends = 2,
		.backends = {{"10.0.0.11", port, 1000}, {"10.0.0.12", port, 1000}}};
}

static struct lab *lab_with(uint32_t n_workers, const struct sl_body_pool *pool)
{
	static const struct sl_body_vip vip = {VIP, 443, 443, IPPROTO_TCP, 0, .is_measured = true};
	struct lab *lab = lab_new(n_workers);

	lab_configure(lab, &(struct sl_body_spec){1, 1, &vip, 1, pool, 1});
	return lab;
}

static uint16_t backend_of(const struct lab *lab)
{
	return lab->pkt.tuple.dst.bytes[15];
}

static const struct {
	const char *name, *src, *dst;
	uint16_t dport;
	uint8_t proto, flags, ttl;
	enum sl_drop why;
} misses[] = {
	{"another port of a VIP", CLIENT, VIP, 444, 6, SL_TCP_SYN, 64, SL_DROP_NO_VIP},
	{"another protocol of a VIP", CLIENT, VIP, 443, 17, 0, 64, SL_DROP_NO_VIP},
	{"an address that is no VIP", CLIENT, "203.0.113.11", 443, 6, SL_TCP_SYN, 64,
         SL_DROP_NO_FLOW},
	{"an ACK without a flow", CLIENT, VIP, 443, 6, SL_TCP_ACK, 64, SL_DROP_NO_FLOW},
	{"a FIN without a flow", CLIENT, VIP, 443, 6, SL_TCP_FIN | SL_TCP_ACK, 64, SL_DROP_NO_FLOW},
	{"a RST without a flow", CLIENT, VIP, 443, 6, SL_TCP_RST, 64, SL_DROP_NO_FLOW},
	{"a SYN-ACK without a flow", CLIENT, VIP, 443, 6, SL_TCP_SYN | SL_TCP_ACK, 64,
         SL_DROP_NO_FLOW},
	{"a hop limit that ends here", CLIENT, VIP, 443, 6, SL_TCP_SYN, 1, SL_DROP_TTL},
	{"a reply of nobody's connection", "10.0.0.11", CLIENT, 40000, 6, SL_TCP_ACK, 64,
         SL_DROP_NO_FLOW},
};

START_TEST(a_packet_without_flow_is_dropped_by_name)
{
	struct sl_body_pool pool = pool_of(SL_FORWARD_NAT, SL_BALANCE_WEIGHTED);
	struct lab *lab = lab_with(1, &pool);
	struct sl_packet_spec in =
		lab_packet(misses[_i].src, misses[_i].dst, 40000, misses[_i].dport);
	enum sl_drop why;

	in.proto = misses[_i].proto;
	in.tcp_flags = misses[_i].flags;
	in.ttl = misses[_i].ttl;
	why = lab_drop(lab, LAB_FRONT, &in);
	ck_assert_msg(why == misses[_i].why, "%s: %s", misses[_i].name, sl_drop_name(why));
	lab_free(lab);
}
END_TEST

START_TEST(a_packet_before_the_first_configuration_finds_no_vip)
{
	struct lab *lab = lab_new(2);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443);

	ck_assert_int_eq(lab_drop(lab, LAB_FRONT, &in), SL_DROP_NO_VIP);
	lab_free(lab);
}
END_TEST

START_TEST(a_backend_that_no_route_leads_to_costs_a_named_drop)
{
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.11", 8000, 1000}}};
	struct lab *lab = lab_with(1, &pool);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443);

	lab->routes.n_routes = 0; // and the pinned neighbour is unknown too
	((struct sl_snap_backend *)(uintptr_t)lab->snap->backends)[0].next_hop = SL_NEIGH_NONE;
	ck_assert_int_eq(lab_drop(lab, LAB_FRONT, &in), SL_DROP_NO_ROUTE);
	lab_free(lab);
}
END_TEST

START_TEST(a_pool_without_weight_has_no_backend)
{
	struct sl_body_pool pool = pool_of(SL_FORWARD_NAT, (uint8_t)_i);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443);
	struct lab *lab;

	pool.backends[0].weight_milli = 0;
	pool.backends[1].weight_milli = 0;
	lab = lab_with(1, &pool);
	ck_assert_int_eq(lab_drop(lab, LAB_FRONT, &in), SL_DROP_NO_BACKEND);
	ck_assert_uint_eq(sl_stat_get(&lab->workers[0]->vip_stats[0].refused), 1);
	ck_assert_uint_eq(lab_flows(lab), 0);
	lab_free(lab);
}
END_TEST

START_TEST(flows_up_to_the_limit_of_every_backend_and_not_one_more)
{
	struct sl_body_pool pool = pool_of(SL_FORWARD_NAT, (uint8_t)_i);
	struct sl_packet_spec in;
	struct lab *lab;

	pool.limit_flows = 3;
	lab = lab_with(1, &pool);
	lab->workers[0]->others_load[0] = 1; // another worker has one on the first
	lab->workers[0]->others_units[0] = SL_PHASE_UNIT;
	for (uint16_t i = 0; i < 5; i++) {
		in = lab_packet(CLIENT, VIP, (uint16_t)(40000 + i), 443);
		ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	}
	in = lab_packet(CLIENT, VIP, 41000, 443);
	ck_assert_int_eq(lab_drop(lab, LAB_FRONT, &in), SL_DROP_FLOW_LIMIT);
	ck_assert_uint_eq(lab->workers[0]->own_load[0], 2);
	ck_assert_uint_eq(lab->workers[0]->own_load[1], 3);
	lab_free(lab);
}
END_TEST

START_TEST(maglev_picks_up_a_connection_in_its_middle_and_others_do_not)
{
	struct sl_body_pool pool = pool_of(SL_FORWARD_NAT, SL_BALANCE_MAGLEV);
	struct lab *lab = lab_with(1, &pool), *restarted = lab_with(1, &pool);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443);
	uint16_t backend;

	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	backend = backend_of(lab);
	in.tcp_flags = SL_TCP_ACK;
	ck_assert_int_eq(lab_send(restarted, LAB_FRONT, &in), SL_VERDICT_SEND);
	ck_assert_uint_eq(backend_of(restarted), backend);
	ck_assert_uint_eq(lab_flows(restarted), 1);
	in.sport = 40001;
	in.tcp_flags = SL_TCP_RST | SL_TCP_ACK;
	ck_assert_int_eq(lab_drop(restarted, LAB_FRONT, &in), SL_DROP_NO_FLOW);
	ck_assert_uint_eq(lab_flows(restarted), 1);
	lab_free(lab);
	lab_free(restarted);
}
END_TEST

START_TEST(a_new_syn_after_both_fins_is_a_new_connection)
{
	struct sl_body_pool pool = pool_of(SL_FORWARD_NAT, SL_BALANCE_WEIGHTED);
	struct lab *lab = lab_with(1, &pool);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443), back;
	uint16_t first;

	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	first = backend_of(lab);
	back = lab_answer(lab, SL_TCP_SYN | SL_TCP_ACK);
	ck_assert_int_eq(lab_send(lab, LAB_BACK, &back), SL_VERDICT_SEND);
	in.tcp_flags = SL_TCP_FIN | SL_TCP_ACK;
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	back.tcp_flags = SL_TCP_FIN | SL_TCP_ACK;
	ck_assert_int_eq(lab_send(lab, LAB_BACK, &back), SL_VERDICT_SEND);
	in.tcp_flags = SL_TCP_SYN;
	in.tcp_seq = 77000;
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	ck_assert_uint_ne(backend_of(lab), first); // the sequence went on
	ck_assert_uint_eq(lab_flows(lab), 1);
	ck_assert_uint_eq(sl_stat_get(&lab->workers[0]->stats.flows), 1);
	ck_assert_uint_eq(sl_stat_get(&lab->workers[0]->stats.flows_new), 2);
	lab_free(lab);
}
END_TEST

START_TEST(a_syn_on_an_open_connection_stays_with_its_backend)
{
	struct sl_body_pool pool = pool_of(SL_FORWARD_NAT, SL_BALANCE_WEIGHTED);
	struct lab *lab = lab_with(1, &pool);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443), back;
	uint16_t first;

	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	first = backend_of(lab);
	back = lab_answer(lab, SL_TCP_SYN | SL_TCP_ACK);
	lab_send(lab, LAB_BACK, &back);
	in.tcp_flags = SL_TCP_ACK;
	lab_send(lab, LAB_FRONT, &in);
	in.tcp_flags = SL_TCP_SYN;
	in.tcp_seq = 5;
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	ck_assert_uint_eq(backend_of(lab), first);
	lab_free(lab);
}
END_TEST

// Both directions of a connection are decided by the worker that has its flow, whoever receives.
START_TEST(workers_agree_on_who_owns_both_directions)
{
	const uint8_t forward = (uint8_t)(_i / SL_MAX_WORKERS % 2);
	const bool is_v6 = _i / SL_MAX_WORKERS / 2 != 0;
	const uint32_t n_workers = (uint32_t)_i % SL_MAX_WORKERS + 1;
	struct sl_body_pool pool = pool_of(forward, SL_BALANCE_WEIGHTED);
	struct sl_body_vip vip = {is_v6 ? VIP6 : VIP, 443, 443, IPPROTO_UDP, 0};
	struct lab *lab = lab_new(n_workers);
	uint64_t seed = sl_check_seed(), random = seed;

	if (is_v6) {
		pool.backends[0].address = "2001:db8:2::11";
		pool.backends[1].address = "2001:db8:2::12";
	}
	lab_configure(lab, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	for (uint32_t i = 0; i < 500; i++) {
		struct sl_packet_spec in = lab_packet(is_v6 ? "2001:db8:7::7" : CLIENT, vip.address,
		                                      (uint16_t)(1024 + i), 443);
		struct sl_packet_spec back;

		in.proto = IPPROTO_UDP;
		in.src.bytes[15] = (uint8_t)(sl_check_random(&random) % 250 + 1);
		ck_assert_msg(lab_send(lab, LAB_FRONT, &in) == SL_VERDICT_SEND, "seed %lu",
		              (unsigned long)seed);
		back = lab_answer(lab, 0);
		ck_assert_msg(lab_send(lab, LAB_BACK, &back) == SL_VERDICT_SEND,
		              "%u workers, forward %u: %s, seed %lu", n_workers, forward,
		              sl_drop_name(lab->pkt.drop), (unsigned long)seed);
		ck_assert_mem_eq(&lab->pkt.tuple.dst, &in.src, 16);
		ck_assert_uint_eq(ntohs(lab->pkt.tuple.dport_be), in.sport);
	}
	lab_free(lab);
}
END_TEST

START_TEST(fullnat_never_gives_one_backend_a_port_twice)
{
	struct sl_body_pool pool = pool_of(SL_FORWARD_FULLNAT, SL_BALANCE_WEIGHTED);
	struct lab *lab = lab_with(3, &pool);
	static uint8_t seen[256][65536];

	memset(seen, 0, sizeof(seen));
	for (uint16_t i = 0; i < 1500; i++) {
		struct sl_packet_spec in = lab_packet(CLIENT, VIP, (uint16_t)(2000 + i), 443);
		uint16_t port;

		ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
		port = ntohs(lab->pkt.tuple.sport_be);
		ck_assert_uint_ge(port, 1024);
		ck_assert_uint_ne(port, 4791);
		ck_assert_uint_eq(seen[backend_of(lab)][port]++, 0);
	}
	lab_free(lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward");
	TCase *tc = tcase_create("decisions");

	tcase_add_loop_test(tc, a_packet_without_flow_is_dropped_by_name, 0,
	                    (int)(sizeof(misses) / sizeof(misses[0])));
	tcase_add_test(tc, a_packet_before_the_first_configuration_finds_no_vip);
	tcase_add_test(tc, a_backend_that_no_route_leads_to_costs_a_named_drop);
	tcase_add_loop_test(tc, a_pool_without_weight_has_no_backend, 0, SL_BALANCE_COUNT);
	tcase_add_loop_test(tc, flows_up_to_the_limit_of_every_backend_and_not_one_more, 0,
	                    SL_BALANCE_COUNT);
	tcase_add_test(tc, maglev_picks_up_a_connection_in_its_middle_and_others_do_not);
	tcase_add_test(tc, a_new_syn_after_both_fins_is_a_new_connection);
	tcase_add_test(tc, a_syn_on_an_open_connection_stays_with_its_backend);
	tcase_add_loop_test(tc, workers_agree_on_who_owns_both_directions, 0, 4 * SL_MAX_WORKERS);
	tcase_add_test(tc, fullnat_never_gives_one_backend_a_port_twice);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
