// SPDX-License-Identifier: Apache-2.0
// Corners of the forwarder that a review found broken: each test failed before its fix.
#include "forward_fixture.h"

#define VIP    "203.0.113.10"
#define CLIENT "198.51.100.7"

static const struct sl_body_vip one_vip = {VIP, 443, 443, IPPROTO_TCP, 0};

static uint16_t backend_of(const struct lab *lab)
{
	return lab->pkt.tuple.dst.bytes[15];
}

// RFC 9293 and reliability.md T1: the client asks again; a backend that died must not keep it.
START_TEST(a_syn_asked_again_leaves_a_backend_that_takes_no_flows_any_more)
{
	struct sl_body_pool pool = {.forward =
	                                    (uint8_t)(_i / 2 ? SL_FORWARD_DSR_L2 : SL_FORWARD_NAT),
	                            .n_backends = 2,
	                            .backends = {{"10.0.0.11", 0, 1000}, {"10.0.0.12", 0, 1000}}};
	struct sl_body_spec spec = {1, 1, &one_vip, 1, &pool, 1};
	struct lab *lab = lab_new(1);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443);
	uint8_t first, second;

	lab_configure(lab, &spec);
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	first = lab->pkt.data[5];
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	ck_assert_uint_eq(lab->pkt.data[5], first); // alive: a retransmission stays
	if (_i % 2 == 0) {
		pool.backends[first == 11 ? 0 : 1].weight_milli = 0; // its probe failed
		lab_configure(lab, &spec);
	} else {
		pool.n_backends = 1; // it left the configuration
		pool.backends[0].address = first == 11 ? "10.0.0.12" : "10.0.0.11";
		lab_configure_at(lab, &spec, 2);
	}
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	second = lab->pkt.data[5];
	ck_assert_uint_ne(second, first);
	ck_assert_uint_eq(lab_flows(lab), 1);
	lab_free(lab);
}
END_TEST

START_TEST(an_answered_connection_stays_when_its_backend_takes_no_flows_any_more)
{
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .n_backends = 2,
	                            .backends = {{"10.0.0.11", 0, 1000}, {"10.0.0.12", 0, 1000}}};
	struct sl_body_spec spec = {1, 1, &one_vip, 1, &pool, 1};
	struct lab *lab = lab_new(1);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443), back;
	uint16_t first;

	lab_configure(lab, &spec);
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	first = backend_of(lab);
	back = lab_answer(lab, SL_TCP_SYN | SL_TCP_ACK);
	ck_assert_int_eq(lab_send(lab, LAB_BACK, &back), SL_VERDICT_SEND);
	pool.backends[first == 11 ? 0 : 1].weight_milli = 0;
	lab_configure(lab, &spec);
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	ck_assert_uint_eq(backend_of(lab), first);
	lab_free(lab);
}
END_TEST

// Ephemeral ports are free per destination: one client port towards two services of one pool.
START_TEST(one_client_port_towards_two_services_of_a_pool_gets_two_backends)
{
	const struct sl_body_vip vips[] = {{VIP, 443, 443, IPPROTO_TCP, 0},
	                                   {VIP, 8443, 8443, IPPROTO_TCP, 0}};
	struct sl_body_pool pool = {
		.forward = SL_FORWARD_NAT,
		.balance = (uint8_t)_i,
		.n_backends = 2,
		.backends = {{"10.0.0.11", 8000, 3000}, {"10.0.0.12", 8000, 1000}}};
	struct lab *lab = lab_new(1);

	lab_configure(lab, &(struct sl_body_spec){1, 1, vips, 2, &pool, 1});
	for (uint16_t i = 0; i < 64; i++) {
		struct sl_packet_spec in = lab_packet(CLIENT, VIP, (uint16_t)(40000 + i), 443);
		uint16_t first;

		ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
		first = backend_of(lab);
		in.dport = 8443;
		ck_assert_msg(lab_send(lab, LAB_FRONT, &in) == SL_VERDICT_SEND, "flow %u: %s", i,
		              sl_drop_name(lab->pkt.drop));
		ck_assert_uint_ne(backend_of(lab), first);
	}
	lab_free(lab);
}
END_TEST

START_TEST(a_client_port_in_use_towards_every_backend_is_no_full_table)
{
	const struct sl_body_vip vips[] = {{VIP, 443, 443, IPPROTO_TCP, 0},
	                                   {VIP, 8443, 8443, IPPROTO_TCP, 0}};
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.11", 8000, 1000}}};
	struct lab *lab = lab_new(1);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443), back;

	lab_configure(lab, &(struct sl_body_spec){1, 1, vips, 2, &pool, 1});
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	back = lab_answer(lab, SL_TCP_RST | SL_TCP_ACK);
	in.dport = 8443;
	ck_assert_int_eq(lab_drop(lab, LAB_FRONT, &in), SL_DROP_NO_PORT);
	ck_assert_uint_eq(lab_flows(lab), 1);
	// The first is over: its tuple is free, as it would be for a SYN of its own.
	ck_assert_int_eq(lab_send(lab, LAB_BACK, &back), SL_VERDICT_SEND);
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	ck_assert_uint_eq(lab_flows(lab), 1);
	lab_free(lab);
}
END_TEST

// Short connections on two pools by turns: each pool spreads its own evenly.
START_TEST(least_connections_pools_do_not_disturb_each_others_turns)
{
	const struct sl_body_vip vips[] = {{VIP, 443, 443, IPPROTO_TCP, 0},
	                                   {VIP, 8443, 8443, IPPROTO_TCP, 1}};
	struct sl_body_pool pools[] = {
		{.balance = SL_BALANCE_LEAST_CONNECTIONS,
	         .n_backends = 4,
	         .backends = {{"10.0.0.11", 8000, 1000},
	                      {"10.0.0.12", 8000, 1000},
	                      {"10.0.0.13", 8000, 1000},
	                      {"10.0.0.14", 8000, 1000}}},
		{.balance = SL_BALANCE_LEAST_CONNECTIONS,
	         .n_backends = 2,
	         .backends = {{"10.0.0.21", 8000, 1000}, {"10.0.0.22", 8000, 1000}}},
	};
	struct lab *lab = lab_new(1);
	uint32_t n[256] = {0};

	lab_configure(lab, &(struct sl_body_spec){1, 1, vips, 2, pools, 2});
	for (uint16_t i = 0; i < 400; i++) {
		struct sl_packet_spec in =
			lab_packet(CLIENT, VIP, (uint16_t)(40000 + i), i % 2 ? 8443 : 443);
		struct sl_packet_spec back;

		ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
		n[backend_of(lab)]++;
		back = lab_answer(lab, SL_TCP_RST | SL_TCP_ACK); // over at once
		ck_assert_int_eq(lab_send(lab, LAB_BACK, &back), SL_VERDICT_SEND);
	}
	for (uint32_t b = 11; b <= 14; b++)
		ck_assert_msg(n[b] == 50, "10.0.0.%u got %u of 200", b, n[b]);
	for (uint32_t b = 21; b <= 22; b++)
		ck_assert_msg(n[b] == 100, "10.0.0.%u got %u of 200", b, n[b]);
	lab_free(lab);
}
END_TEST

// RFC 1812 5.3.7: nobody else may speak from a VIP or from our own addresses.
START_TEST(a_packet_that_claims_to_come_from_us_makes_no_flow)
{
	static const char *const sources[] = {VIP, "192.0.2.1", "10.0.0.1"};
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.11", 8000, 1000}}};
	struct lab *lab = lab_new(1);
	struct sl_packet_spec in = lab_packet(sources[_i], VIP, 40000, 443);

	lab_configure(lab, &(struct sl_body_spec){1, 1, &one_vip, 1, &pool, 1});
	ck_assert_int_eq(lab_drop(lab, LAB_FRONT, &in), SL_DROP_BAD_ADDRESS);
	ck_assert_uint_eq(lab_flows(lab), 0);
	lab_free(lab);
}
END_TEST

START_TEST(a_packet_at_the_end_of_its_hops_leaves_no_trace_but_its_drop)
{
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.11", 8000, 1000}}};
	struct lab *lab = lab_new(1);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443), back;
	const struct sl_stats_backend *be = &lab->workers[0]->backend_stats[0];

	lab_configure(lab, &(struct sl_body_spec){1, 1, &one_vip, 1, &pool, 1});
	in.ttl = 1;
	ck_assert_int_eq(lab_drop(lab, LAB_FRONT, &in), SL_DROP_TTL);
	ck_assert_uint_eq(lab_flows(lab), 0);
	in.ttl = 64;
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	back = lab_answer(lab, SL_TCP_RST | SL_TCP_ACK);
	back.ttl = 1;
	ck_assert_int_eq(lab_drop(lab, LAB_BACK, &back), SL_DROP_TTL);
	ck_assert_uint_eq(sl_stat_get(&be->s2c_pkts), 0);
	ck_assert_uint_eq(sl_stat_get(&be->refused), 0);
	ck_assert_uint_eq(sl_stat_get(&be->flows_active), 1);
	lab_free(lab);
}
END_TEST

// One address for everything: the port's own address is the VIP too.
START_TEST(fullnat_replies_find_their_worker_when_the_vip_is_our_own_address)
{
	const struct sl_body_vip vip = {"10.0.0.1", 443, 443, IPPROTO_TCP, 0};
	struct sl_body_pool pool = {.forward = SL_FORWARD_FULLNAT,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.11", 8000, 1000}}};
	struct lab *lab = lab_new(4);

	lab_configure(lab, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	for (uint16_t i = 0; i < 200; i++) {
		struct sl_packet_spec in =
			lab_packet("10.0.0.77", vip.address, (uint16_t)(40000 + i), 443);
		struct sl_packet_spec back;

		ck_assert_int_eq(lab_send(lab, LAB_BACK, &in), SL_VERDICT_SEND);
		back = lab_answer(lab, SL_TCP_SYN | SL_TCP_ACK);
		lab_send(lab, LAB_BACK, &back);
		ck_assert_msg(lab->pkt.verdict != SL_VERDICT_DROP, "flow %u: %s", i,
		              sl_drop_name(lab->pkt.drop));
	}
	lab_free(lab);
}
END_TEST

// A row of the neighbour table is given to another once its host was silent for long; a flow that
// remembers the row must not follow.
START_TEST(a_flow_does_not_follow_its_neighbour_row_to_another_host)
{
	const char *const client = "192.0.2.50";
	const struct sl_ip client_ip = sl_packet_ip(client), other = sl_packet_ip("10.0.0.99");
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.11", 8000, 1000}}};
	struct lab *lab = lab_new(1);
	struct sl_packet_spec in = lab_packet(client, VIP, 40000, 443), back;
	uint16_t row;

	lab_configure(lab, &(struct sl_body_spec){1, 1, &one_vip, 1, &pool, 1});
	row = sl_neigh_want(&lab->neighs, &client_ip, LAB_FRONT, false, lab->now_ns);
	sl_neigh_learn(&lab->neighs, &client_ip, LAB_FRONT, lab_port_macs[LAB_BACK], true,
	               lab->now_ns);
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	back = lab_answer(lab, SL_TCP_SYN | SL_TCP_ACK);
	ck_assert_int_eq(lab_send(lab, LAB_BACK, &back), SL_VERDICT_SEND);
	ck_assert_uint_eq(lab->pkt.out_port, LAB_FRONT);

	lab->now_ns += 700 * SL_NS_PER_S;
	sl_neigh_tick(&lab->neighs, row, lab->now_ns); // was used: stays
	lab->now_ns += 700 * SL_NS_PER_S;
	sl_neigh_tick(&lab->neighs, row, lab->now_ns);
	ck_assert_uint_eq(lab->rows[row].state, SL_NEIGH_FREE);
	lab->neighs.n_rows = SL_NEIGH_MAX; // as if all others had been in use
	lab->neighs.cursor = row;
	lab->now_ns += 10 * SL_NS_PER_S;
	ck_assert_uint_eq(lab_neighbour(lab, &other), row);
	ck_assert_int_eq(lab_send(lab, LAB_BACK, &back), SL_VERDICT_RESOLVE);
	ck_assert_mem_eq(&lab->pkt.hop, &client_ip, sizeof(client_ip));
	ck_assert_uint_eq(lab->pkt.out_port, LAB_FRONT);
	lab_free(lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward_corner");
	TCase *tc = tcase_create("corners");

	tcase_add_loop_test(tc, a_syn_asked_again_leaves_a_backend_that_takes_no_flows_any_more, 0,
	                    4);
	tcase_add_test(tc, an_answered_connection_stays_when_its_backend_takes_no_flows_any_more);
	tcase_add_loop_test(tc, one_client_port_towards_two_services_of_a_pool_gets_two_backends, 0,
	                    SL_BALANCE_COUNT);
	tcase_add_test(tc, a_client_port_in_use_towards_every_backend_is_no_full_table);
	tcase_add_test(tc, least_connections_pools_do_not_disturb_each_others_turns);
	tcase_add_loop_test(tc, a_packet_that_claims_to_come_from_us_makes_no_flow, 0, 3);
	tcase_add_test(tc, a_packet_at_the_end_of_its_hops_leaves_no_trace_but_its_drop);
	tcase_add_test(tc, fullnat_replies_find_their_worker_when_the_vip_is_our_own_address);
	tcase_add_test(tc, a_flow_does_not_follow_its_neighbour_row_to_another_host);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
