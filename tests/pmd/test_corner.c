// SPDX-License-Identifier: Apache-2.0
// Corners of the appliance that a review found broken: each test failed before its fix.
#include "sl_check.h"

#include <netinet/in.h>

#include "rig.h"

static const struct sl_body_vip vip = {"203.0.113.10", 443, 443, IPPROTO_TCP, 0};

static void configure(struct sl_rig *rig, uint64_t epoch, const char *backend)
{
	struct sl_body_pool pool = {
		.forward = SL_FORWARD_NAT, .n_backends = 1, .backends = {{backend, 8000, 1000}}};

	sl_rig_configure(rig, &(struct sl_body_spec){epoch, epoch, &vip, 1, &pool, 1});
}

static void forget_frames(struct sl_rig *rig)
{
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
}

START_TEST(a_backend_that_left_the_configuration_is_asked_for_no_more)
{
	const struct sl_ip gone = sl_packet_ip("10.0.0.77"), gateway = sl_packet_ip("192.0.2.254");
	struct sl_rig *rig = sl_rig_new(1, 256);
	struct sl_rig_frame frame;

	configure(rig, 1, "10.0.0.77");
	ck_assert_uint_ne(sl_neigh_find(&rig->a.neighs, &gone, RIG_BACK), SL_NEIGH_NONE);
	configure(rig, 2, "10.0.0.78");
	sl_rig_pass(rig, 15 * SL_NS_PER_S);
	forget_frames(rig);
	sl_rig_pass(rig, 3 * SL_NS_PER_S);
	ck_assert_uint_eq(sl_neigh_find(&rig->a.neighs, &gone, RIG_BACK), SL_NEIGH_NONE);
	ck_assert_uint_ne(sl_neigh_find(&rig->a.neighs, &gateway, RIG_FRONT), SL_NEIGH_NONE);
	while ((frame = sl_rig_take(rig, RIG_BACK)).n_bytes != 0)
		ck_assert_mem_ne(&frame.bytes[38], "\x0a\x00\x00\x4d", 4);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

// An ARP request for target, from the gateway's side, to dst_mac.
static void ask(struct sl_rig *rig, uint32_t port, const char *target, const uint8_t dst_mac[6])
{
	uint8_t frame[60] = {[6] = 0x02, [11] = 0xfe, [12] = 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
	struct sl_ip ip = sl_packet_ip(target), from = sl_packet_ip("192.0.2.254");

	memcpy(frame, dst_mac, 6);
	memcpy(&frame[22], &frame[6], 6);
	memcpy(&frame[28], &from.bytes[12], 4);
	memcpy(&frame[38], &ip.bytes[12], 4);
	sl_rig_put(rig, port, frame, sizeof(frame));
	sl_rig_turn(rig);
}

// Questions of ours may be among what leaves.
static bool is_answered(struct sl_rig *rig, uint32_t port)
{
	struct sl_rig_frame frame;

	while ((frame = sl_rig_take(rig, port)).n_bytes != 0) {
		if (frame.bytes[13] == 0x06 && frame.bytes[21] == 2)
			return true;
	}
	return false;
}

static const struct {
	const char *name, *target;
	uint32_t port;
	bool is_answered;
} questions[] = {
	{"our address on its own port", "192.0.2.1", RIG_FRONT, true},
	{"our address on another port", "10.0.0.1", RIG_FRONT, false},
	{"a VIP of no network of ours, in front", "203.0.113.10", RIG_FRONT, true},
	{"a VIP of no network of ours, in the back", "203.0.113.10", RIG_BACK, true},
	{"a VIP of the front network, in front", "192.0.2.10", RIG_FRONT, true},
	{"a VIP of the front network, in the back", "192.0.2.10", RIG_BACK, false},
	{"somebody else", "192.0.2.11", RIG_FRONT, false},
};

START_TEST(an_address_is_answered_for_where_it_lives)
{
	static const uint8_t everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const struct sl_body_vip vips[] = {vip, {"192.0.2.10", 443, 443, IPPROTO_TCP, 0}};
	const struct sl_body_pool pool = {.n_backends = 1, .backends = {{"10.0.0.11", 8000, 1000}}};
	struct sl_rig *rig = sl_rig_new(1, 256);

	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, vips, 2, &pool, 1});
	forget_frames(rig);
	ask(rig, questions[_i].port, questions[_i].target, everyone);
	ck_assert_msg(is_answered(rig, questions[_i].port) == questions[_i].is_answered, "%s",
	              questions[_i].name);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

// Promiscuous ports see what a switch floods; another appliance may have the same VIP.
START_TEST(a_question_to_another_machine_is_neither_answered_nor_learned_from)
{
	static const uint8_t elsewhere[6] = {0x02, 0, 0, 0, 9, 9};
	const struct sl_ip gateway = sl_packet_ip("192.0.2.254");
	struct sl_rig *rig = sl_rig_new(1, 256);
	uint16_t row;

	configure(rig, 1, "10.0.0.11");
	forget_frames(rig);
	ask(rig, RIG_FRONT, "203.0.113.10", elsewhere);
	sl_rig_expect_nothing(rig, RIG_FRONT);
	row = sl_neigh_find(&rig->a.neighs, &gateway, RIG_FRONT);
	ck_assert_uint_eq(sl_neigh_word(&rig->a.neighs.rows[row]), 0);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_NOT_FOR_US), 1);
	ask(rig, RIG_FRONT, "203.0.113.10", rig->a.ports.macs[RIG_FRONT]);
	ck_assert_uint_ne(sl_rig_take(rig, RIG_FRONT).n_bytes, 0);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

static struct sl_packet_spec from_client(uint16_t sport, uint8_t flags)
{
	return (struct sl_packet_spec){.src = sl_packet_ip("198.51.100.7"),
	                               .dst = sl_packet_ip("203.0.113.10"),
	                               .proto = IPPROTO_TCP,
	                               .sport = sport,
	                               .dport = 443,
	                               .tcp_flags = flags,
	                               .tcp_seq = 1000};
}

static void put_and_turn(struct sl_rig *rig, uint32_t port, const struct sl_packet_spec *spec)
{
	sl_rig_put_spec(rig, port, spec);
	sl_rig_turn(rig);
}

// A reset connection may live on (RFC 5961): until its entry is gone its backend's index is taken.
START_TEST(a_removed_backends_index_waits_for_its_last_flow_entry)
{
	struct sl_packet_spec in = from_client(40000, SL_TCP_SYN);
	struct sl_packet_spec reset = {.src = sl_packet_ip("10.0.0.11"),
	                               .dst = in.src,
	                               .proto = IPPROTO_TCP,
	                               .sport = 8000,
	                               .dport = 40000,
	                               .tcp_flags = SL_TCP_RST | SL_TCP_ACK};
	struct sl_rig *rig = sl_rig_new(1, 256);
	uint16_t index;

	configure(rig, 1, "10.0.0.11");
	index = rig->a.pub.backend_indices[0];
	put_and_turn(rig, RIG_FRONT, &in);
	put_and_turn(rig, RIG_BACK, &reset);
	configure(rig, 2, "10.0.0.12");
	configure(rig, 3, "10.0.0.13");
	ck_assert_uint_ne(rig->a.pub.backend_indices[0], index);
	in.tcp_flags = SL_TCP_ACK; // the reset was a forged one
	put_and_turn(rig, RIG_FRONT, &in);
	ck_assert_uint_eq(rig->a.io.workers[0]->fw.own_load[index], 1);
	forget_frames(rig);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_removed_vips_counters_wait_for_its_last_flow)
{
	const struct sl_body_vip another = {"203.0.113.11", 443, 443, IPPROTO_TCP, 0};
	const struct sl_body_pool pool = {.n_backends = 1, .backends = {{"10.0.0.11", 8000, 1000}}};
	struct sl_packet_spec in = from_client(40000, SL_TCP_SYN);
	struct sl_rig *rig = sl_rig_new(1, 256);
	const uint64_t expected_ids[] = {1000, 1000, 0};
	struct sl_stats_slot *slot;

	configure(rig, 1, "10.0.0.11");
	slot = sl_stats_vip_slot_at(rig->a.segment.base, rig->a.pub.vip_slots[0]);
	put_and_turn(rig, RIG_FRONT, &in);
	for (uint64_t epoch = 2; epoch <= 4; epoch++) {
		struct sl_wire_header *body =
			sl_body_config(&(struct sl_body_spec){epoch, epoch, &another, 1, &pool, 1});
		char reason[128];

		((struct sl_wire_vip *)(body + 1))->id = 7777; // not the first VIP's
		ck_assert_int_eq(sl_publisher_apply_config(&rig->a.pub, body, body->total_bytes,
		                                           reason, sizeof(reason)),
		                 SL_IPC_OK);
		free(body);
		ck_assert_uint_eq(sl_stat_get(&slot->id), expected_ids[epoch - 2]);
		sl_rig_turn(rig);
		if (epoch == 3)
			sl_rig_pass(rig, 31 * SL_NS_PER_S); // the flow was never answered
	}
	forget_frames(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(least_connections_counts_the_flows_of_all_workers)
{
	struct sl_body_pool pool = {.balance = SL_BALANCE_LEAST_CONNECTIONS, .n_backends = 8};
	static const char *const backends[] = {"10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14",
	                                       "10.0.0.15", "10.0.0.16", "10.0.0.17", "10.0.0.18"};
	struct sl_rig *rig = sl_rig_new(3, 256);
	uint32_t least = UINT32_MAX, most = 0;

	for (uint32_t b = 0; b < pool.n_backends; b++)
		pool.backends[b] = (struct sl_body_backend){backends[b], 8000, 1000};
	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	for (uint16_t i = 0; i < 200; i++) {
		struct sl_packet_spec in = from_client((uint16_t)(40000 + i), SL_TCP_SYN);

		put_and_turn(rig, RIG_FRONT, &in);
	}
	for (uint32_t b = 0; b < pool.n_backends; b++) {
		uint32_t n = 0;

		for (uint32_t w = 0; w < 3; w++)
			n += rig->a.io.workers[w]->fw.own_load[rig->a.pub.backend_indices[b]];
		least = RTE_MIN(least, n);
		most = RTE_MAX(most, n);
	}
	ck_assert_uint_ge(least, 24);
	ck_assert_uint_le(most, 26);
	forget_frames(rig);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("corner");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_backend_that_left_the_configuration_is_asked_for_no_more);
	tcase_add_loop_test(tc, an_address_is_answered_for_where_it_lives, 0,
	                    (int)(sizeof(questions) / sizeof(questions[0])));
	tcase_add_test(tc, a_question_to_another_machine_is_neither_answered_nor_learned_from);
	tcase_add_test(tc, a_removed_backends_index_waits_for_its_last_flow_entry);
	tcase_add_test(tc, a_removed_vips_counters_wait_for_its_last_flow);
	tcase_add_test(tc, least_connections_counts_the_flows_of_all_workers);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
