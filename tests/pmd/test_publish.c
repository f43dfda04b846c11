// SPDX-License-Identifier: Apache-2.0
// Configurations and weights while flows live.
#include "sl_check.h"

#include <netinet/in.h>

#include "world.h"

START_TEST(a_reload_moves_no_flow_even_when_its_backend_is_gone)
{
	const struct sl_world *w = &sl_worlds[0];
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .balance = SL_BALANCE_WEIGHTED,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.12", 8000, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, IPPROTO_TCP, 0};
	int backend[16];

	for (uint16_t i = 0; i < 16; i++) {
		struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, (uint16_t)(40000 + i));

		sl_world_send(rig, &in, &backend[i]);
	}
	sl_rig_configure(rig, &(struct sl_body_spec){2, 2, &vip, 1, &pool, 1}); // .11 is removed
	while (sl_rig_take(rig, RIG_BACK).n_bytes != 0)
		;
	for (uint16_t i = 0; i < 16; i++) {
		struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, (uint16_t)(40000 + i));
		int b;

		in.tcp_flags = SL_TCP_ACK;
		sl_world_send(rig, &in, &b);
		ck_assert_int_eq(b, backend[i]);
	}
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(weights_steer_new_flows_and_zero_drains)
{
	const struct sl_world *w = &sl_worlds[0];
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_body_backend rows[] = {{"10.0.0.11", 8000, 3000}, {"10.0.0.12", 8000, 1000}};
	uint32_t n[2] = {0, 0};
	char reason[128];

	for (uint32_t round = 0; round < 2; round++) {
		struct sl_wire_header *body = sl_body_weights(1, 2 + round, rows, 2);

		ck_assert_int_eq(sl_publisher_apply_weights(&rig->a.pub, body, body->total_bytes,
		                                            reason, sizeof(reason)),
		                 SL_IPC_OK);
		free(body);
		sl_rig_turn(rig);
		n[0] = n[1] = 0;
		for (uint16_t i = 0; i < 400; i++) {
			struct sl_packet_spec in = sl_world_request(
				w, IPPROTO_TCP, (uint16_t)(20000 + round * 400 + i));
			int b;

			sl_world_send(rig, &in, &b);
			n[b]++;
		}
		if (round == 0) {
			ck_assert_uint_ge(n[0], 299);
			ck_assert_uint_le(n[0], 301);
			rows[0].weight_milli = 0;
		}
	}
	ck_assert_uint_eq(n[0], 0);
	ck_assert_uint_eq(n[1], 400);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_closed_connection_is_no_load_though_its_entry_rests)
{
	const struct sl_world *w = &sl_worlds[0];
	static const struct {
		bool from_client;
		uint8_t flags;
		uint64_t active_after;
	} steps[] = {
		{true, SL_TCP_SYN, 1},
		{false, SL_TCP_SYN | SL_TCP_ACK, 1},
		{true, SL_TCP_ACK, 1},
		{true, SL_TCP_FIN | SL_TCP_ACK, 1}, // half closed: the answer may still stream
		{false, SL_TCP_FIN | SL_TCP_ACK, 0},
		{true, SL_TCP_ACK, 0},
	};
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	int b = -1;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct sl_packet_spec p = sl_world_request(w, IPPROTO_TCP, 40000);
		struct sl_rig_frame frame;
		uint64_t n_active = 0;

		if (!steps[i].from_client) {
			p.dst = p.src;
			p.dport = p.sport;
			p.src = sl_packet_ip(w->backends[b]);
			p.sport = 8000;
		}
		p.tcp_flags = steps[i].flags;
		sl_rig_put_spec(rig, steps[i].from_client ? RIG_FRONT : RIG_BACK, &p);
		sl_rig_turn(rig);
		frame = sl_rig_take(rig, steps[i].from_client ? RIG_BACK : RIG_FRONT);
		ck_assert_uint_ne(frame.n_bytes, 0);
		if (b < 0)
			b = sl_world_backend_of(&frame);
		for (uint32_t index = 0; index < 2; index++)
			n_active += sl_stat_get(
				&sl_stats_backend_at(rig->a.io.stats, 0, index)->flows_active);
		ck_assert_uint_eq(n_active, steps[i].active_after);
	}
	ck_assert_uint_eq(sl_stat_get(&rig->a.io.workers[0]->stats->flows), 1);
	sl_rig_pass(rig, 30 * SL_NS_PER_S);
	ck_assert_uint_eq(sl_stat_get(&rig->a.io.workers[0]->stats->flows), 0);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_refused_body_leaves_everything_as_it_was)
{
	const struct sl_world *w = &sl_worlds[0];
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_body_backend unknown = {"10.0.0.99", 8000, 1000};
	struct sl_body_backend known = {"10.0.0.11", 8000, 1000};
	const struct sl_snapshot *before = rig->a.pub.current;
	char reason[128] = "";
	struct sl_wire_header *bodies[] = {
		sl_body_weights(1, 2, &unknown, 1), // no such backend
		sl_body_weights(1, 1, &known, 1),   // epoch does not rise
		sl_body_weights(9, 2, &known, 1),   // another generation
	};
	static const enum sl_ipc_status want[] = {SL_IPC_INVALID, SL_IPC_STALE, SL_IPC_STALE};

	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(sl_publisher_apply_weights(&rig->a.pub, bodies[i],
		                                            bodies[i]->total_bytes, reason,
		                                            sizeof(reason)),
		                 want[i]);
		ck_assert_str_ne(reason, "");
		ck_assert_ptr_eq(rig->a.pub.current, before);
		free(bodies[i]);
	}
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("publish");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_reload_moves_no_flow_even_when_its_backend_is_gone);
	tcase_add_test(tc, weights_steer_new_flows_and_zero_drains);
	tcase_add_test(tc, a_closed_connection_is_no_load_though_its_entry_rests);
	tcase_add_test(tc, a_refused_body_leaves_everything_as_it_was);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
