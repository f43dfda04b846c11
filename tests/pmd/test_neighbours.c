// SPDX-License-Identifier: Apache-2.0
// ARP, neighbour discovery, echo, and packets that wait for a MAC.
#include "sl_check.h"

#include <netinet/in.h>

#include "world.h"

START_TEST(a_packet_waits_for_its_neighbour_and_then_leaves)
{
	const struct sl_world *w = &sl_worlds[0];
	static const uint8_t new_mac[6] = {0x02, 0, 0, 0, 2, 2};
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .balance = SL_BALANCE_WEIGHTED,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.77", 8000, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, IPPROTO_TCP, 0};
	struct sl_rig *rig = sl_rig_new(1, 1024);
	struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, 40000);
	const struct sl_stats_header *h = rig->a.segment.base;
	struct sl_rig_frame asked;

	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	do { // the announcement of the VIP comes first
		asked = sl_rig_take(rig, RIG_BACK);
		ck_assert_uint_ne(asked.n_bytes, 0);
	} while (memcmp(&asked.bytes[38], "\x0a\x00\x00\x4d", 4) != 0);
	ck_assert_uint_eq(asked.bytes[21], 1); // ARP request for 10.0.0.77
	ck_assert_uint_eq(sl_stat_get(&h->held_pkts), 1);
	sl_rig_expect_nothing(rig, RIG_BACK);
	sl_rig_neighbour(rig, RIG_BACK, "10.0.0.77", new_mac);
	in.dst = sl_packet_ip("10.0.0.77");
	in.dport = 8000;
	in.ttl = 63;
	memcpy(in.src_mac, rig->a.ports.macs[RIG_BACK], 6);
	memcpy(in.dst_mac, new_mac, 6);
	sl_rig_expect(rig, RIG_BACK, &in);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_neighbour_that_never_answers_costs_a_named_drop)
{
	const struct sl_world *w = &sl_worlds[0];
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .balance = SL_BALANCE_WEIGHTED,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.77", 8000, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, IPPROTO_TCP, 0};
	struct sl_rig *rig = sl_rig_new(1, 1024);

	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	for (uint16_t i = 0; i < 10; i++) {
		struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, (uint16_t)(40000 + i));

		sl_rig_put_spec(rig, RIG_FRONT, &in);
	}
	sl_rig_turn(rig);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_NEIGHBOUR), 10 - SL_NEIGH_MAX_HELD);
	sl_rig_pass(rig, 5 * SL_NS_PER_S);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_NEIGHBOUR), 10);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_backend_that_changes_its_mac_is_followed_by_old_flows)
{
	const struct sl_world *w = &sl_worlds[_i];
	static const uint8_t new_mac[6] = {0x02, 0, 0, 0, 2, 2};
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, 40000);
	struct sl_rig_frame frame;
	int b;

	frame = sl_world_send(rig, &in, &b);
	sl_rig_neighbour(rig, RIG_BACK, w->backends[b], new_mac);
	in.tcp_flags = SL_TCP_ACK;
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_BACK);
	ck_assert_uint_ne(frame.n_bytes, 0);
	ck_assert_mem_eq(frame.bytes, new_mac, 6);
	sl_rig_free(rig);
}
END_TEST

START_TEST(arp_and_echo_for_vips_and_port_addresses_are_answered)
{
	static const char *const addresses[] = {"203.0.113.10", "192.0.2.1"};
	struct sl_ip target = sl_packet_ip(addresses[_i]);
	struct sl_rig *rig = sl_world_start(&sl_worlds[0], SL_FORWARD_NAT, 1, IPPROTO_TCP);
	uint8_t ask[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0,    0, 0xfe, 0x08,
	                   0x06, 0,    1,    8,    0,    6,    4,    0, 1, 0x02, 0, 0,    0,
	                   0,    0xfe, 192,  0,    2,    254,  0,    0, 0, 0,    0, 0};
	struct sl_rig_frame frame;
	struct sl_packet_spec ping = {.src = sl_packet_ip("192.0.2.254"),
	                              .dst = target,
	                              .proto = IPPROTO_ICMP,
	                              .icmp_type = 8,
	                              .sport = 77,
	                              .dport = 1,
	                              .payload_bytes = 40};

	memcpy(&ask[38], &target.bytes[12], 4);
	sl_rig_put(rig, RIG_FRONT, ask, sizeof(ask));
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_FRONT);
	ck_assert_uint_eq(frame.n_bytes, 60);
	ck_assert_mem_eq(frame.bytes, sl_world_gateway_mac, 6);
	ck_assert_uint_eq(frame.bytes[21], 2); // reply
	ck_assert_mem_eq(&frame.bytes[22], rig->a.ports.macs[RIG_FRONT], 6);
	ck_assert_mem_eq(&frame.bytes[28], &target.bytes[12], 4);

	memcpy(ping.src_mac, sl_world_gateway_mac, 6);
	sl_rig_put_spec(rig, RIG_FRONT, &ping);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_FRONT);
	ck_assert_uint_ne(frame.n_bytes, 0);
	ck_assert_mem_eq(frame.bytes, sl_world_gateway_mac, 6);
	ck_assert_uint_eq(frame.bytes[34], 0); // echo reply
	ck_assert(sl_packet_csums_are_right(frame.bytes, frame.n_bytes));
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("neighbours");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_packet_waits_for_its_neighbour_and_then_leaves);
	tcase_add_test(tc, a_neighbour_that_never_answers_costs_a_named_drop);
	tcase_add_loop_test(tc, a_backend_that_changes_its_mac_is_followed_by_old_flows, 0, WORLDS);
	tcase_add_loop_test(tc, arp_and_echo_for_vips_and_port_addresses_are_answered, 0, 2);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
