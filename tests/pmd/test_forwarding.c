// SPDX-License-Identifier: Apache-2.0
// Each forwarding mode on net_ring ports: what goes in, and the exact bytes that leave.
#include "sl_check.h"

#include <netinet/in.h>

#include "world.h"

START_TEST(nat_rewrites_both_ways_byte_for_byte)
{
	const struct sl_world *w = &sl_worlds[_i / 2];
	uint8_t proto = _i % 2 ? IPPROTO_UDP : IPPROTO_TCP;
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, 1, proto);
	struct sl_packet_spec in = sl_world_request(w, proto, 40000), out;
	struct sl_rig_frame frame;
	int b;

	frame = sl_world_send(rig, &in, &b);
	out = in;
	out.dst = sl_packet_ip(w->backends[b]);
	out.dport = 8000;
	out.ttl = 63;
	sl_world_to_backend(rig, &out, b);
	sl_world_expect(&frame, &out);

	in = (struct sl_packet_spec){.src = out.dst,
	                             .dst = out.src,
	                             .proto = proto,
	                             .sport = 8000,
	                             .dport = 40000,
	                             .tcp_flags = SL_TCP_SYN | SL_TCP_ACK,
	                             .payload_bytes = 5};
	memcpy(in.src_mac, sl_world_backend_macs[b], 6);
	sl_rig_put_spec(rig, RIG_BACK, &in);
	sl_rig_turn(rig);
	in.src = sl_packet_ip(w->vip);
	in.sport = 443;
	in.ttl = 63;
	sl_world_to_gateway(rig, &in);
	sl_rig_expect(rig, RIG_FRONT, &in);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(fullnat_speaks_from_its_own_address_and_port)
{
	const struct sl_world *w = &sl_worlds[_i];
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_FULLNAT, 1, IPPROTO_TCP);
	struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, 40000), out = in;
	struct sl_rig_frame frame;
	size_t l4_off = sl_ip_is_v4(&in.src) ? 34 : 54;
	uint16_t local_port;
	int b;

	frame = sl_world_send(rig, &in, &b);
	local_port = (uint16_t)(frame.bytes[l4_off] << 8 | frame.bytes[l4_off + 1]);
	ck_assert_uint_ge(local_port, 1024);
	out.src = sl_packet_ip(w->back_address);
	out.sport = local_port;
	out.dst = sl_packet_ip(w->backends[b]);
	out.dport = 8000;
	out.ttl = 63;
	sl_world_to_backend(rig, &out, b);
	sl_world_expect(&frame, &out);

	in = (struct sl_packet_spec){.src = out.dst,
	                             .dst = out.src,
	                             .proto = IPPROTO_TCP,
	                             .sport = 8000,
	                             .dport = local_port,
	                             .tcp_flags = SL_TCP_SYN | SL_TCP_ACK};
	sl_rig_put_spec(rig, RIG_BACK, &in);
	sl_rig_turn(rig);
	in.src = sl_packet_ip(w->vip);
	in.sport = 443;
	in.dst = sl_packet_ip(w->client);
	in.dport = 40000;
	in.ttl = 63;
	sl_world_to_gateway(rig, &in);
	sl_rig_expect(rig, RIG_FRONT, &in);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(dsr_changes_nothing_but_the_macs)
{
	const struct sl_world *w = &sl_worlds[_i];
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_DSR_L2, 1, IPPROTO_TCP);
	struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, 40000);
	struct sl_rig_frame frame;
	int b;

	in.ttl = 1; // an L2 hop does not count
	frame = sl_world_send(rig, &in, &b);
	sl_world_to_backend(rig, &in, b);
	sl_world_expect(&frame, &in);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(two_workers_share_flows_and_agree_on_both_directions)
{
	const struct sl_world *w = &sl_worlds[_i % 2];
	enum sl_forward forward = _i / 2 ? SL_FORWARD_FULLNAT : SL_FORWARD_NAT;
	struct sl_rig *rig = sl_world_start(w, forward, 2, IPPROTO_UDP);
	const uint32_t n_flows = 400;
	uint64_t on_worker[2];

	for (uint16_t i = 0; i < n_flows; i++) {
		struct sl_packet_spec in = sl_world_request(w, IPPROTO_UDP, (uint16_t)(20000 + i));
		struct sl_rig_frame frame;
		struct sl_packet_spec back;
		size_t l4 = sl_ip_is_v4(&in.src) ? 34 : 54;
		int b;

		frame = sl_world_send(rig, &in, &b);
		back = (struct sl_packet_spec){.src = sl_packet_ip(w->backends[b]),
		                               .dst = in.src,
		                               .proto = IPPROTO_UDP,
		                               .sport = 8000,
		                               .payload_bytes = 9};
		back.dport = (uint16_t)(frame.bytes[l4] << 8 | frame.bytes[l4 + 1]);
		if (forward == SL_FORWARD_FULLNAT)
			back.dst = sl_packet_ip(w->back_address);
		sl_rig_put_spec(rig, RIG_BACK, &back);
		sl_rig_turn(rig);
		back.src = in.dst;
		back.sport = 443;
		back.dst = in.src;
		back.dport = in.sport;
		back.ttl = 63;
		sl_world_to_gateway(rig, &back);
		sl_rig_expect(rig, RIG_FRONT, &back);
	}
	for (uint32_t i = 0; i < 2; i++)
		on_worker[i] = sl_stat_get(&rig->a.io.workers[i]->stats->flows);
	ck_assert_uint_eq(on_worker[0] + on_worker[1], n_flows);
	ck_assert_uint_gt(on_worker[0], n_flows / 4);
	ck_assert_uint_gt(on_worker[1], n_flows / 4);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

// Bursts overlap only while they are full: what is still under way after such a turn leaves in the
// next one, in order, though nothing more comes, or when the worker stops.
START_TEST(packets_of_full_bursts_all_leave_in_the_order_they_came)
{
	const struct sl_world *w = &sl_worlds[_i % 2];
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_worker *worker = rig->a.io.workers[0];
	struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, 40000), out;
	const uint32_t n = 2 * SL_BURST;
	int b;

	sl_world_send(rig, &in, &b);
	in.tcp_flags = SL_TCP_ACK;
	out = in;
	out.dst = sl_packet_ip(w->backends[b]);
	out.dport = 8000;
	out.ttl = 63;
	sl_world_to_backend(rig, &out, b);
	for (in.tcp_seq = 1; in.tcp_seq <= n; in.tcp_seq++)
		sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_worker_poll(worker, rig->now_ns);
	ck_assert_uint_gt(rte_ring_count(rig->from_us[RIG_BACK]), 0);
	ck_assert_uint_lt(rte_ring_count(rig->from_us[RIG_BACK]), SL_BURST);
	sl_worker_poll(worker, rig->now_ns);
	if (_i / 2 == 0) {
		ck_assert(sl_worker_poll(worker, rig->now_ns)); // it was not idle: others may wait
		ck_assert(!sl_worker_poll(worker, rig->now_ns));
	} else {
		atomic_store(&rig->a.io.is_stopping, true);
		sl_worker_run(worker);
	}
	for (out.tcp_seq = 1; out.tcp_seq <= n; out.tcp_seq++)
		sl_rig_expect(rig, RIG_BACK, &out);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(an_icmp_error_from_the_backend_side_reaches_the_client_as_from_the_vip)
{
	const struct sl_world *w = &sl_worlds[0];
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_packet_spec request = sl_world_request(w, IPPROTO_TCP, 40000), quoted, error;
	int b;

	sl_world_send(rig, &request, &b);
	quoted = request;
	quoted.dst = sl_packet_ip(w->backends[b]);
	quoted.dport = 8000;
	quoted.ttl = 63;
	error = (struct sl_packet_spec){.src = sl_packet_ip("10.0.0.200"),
	                                .dst = request.src,
	                                .proto = IPPROTO_ICMP,
	                                .icmp_type = 3,
	                                .icmp_code = 4,
	                                .icmp_rest = 1400,
	                                .quote = &quoted,
	                                .quote_bytes = 28};
	sl_rig_put_spec(rig, RIG_BACK, &error);
	sl_rig_turn(rig);
	quoted.dst = request.dst;
	quoted.dport = 443;
	error.src = request.dst;
	error.ttl = 63;
	sl_world_to_gateway(rig, &error);
	sl_rig_expect(rig, RIG_FRONT, &error);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forwarding");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, nat_rewrites_both_ways_byte_for_byte, 0, 4);
	tcase_add_loop_test(tc, fullnat_speaks_from_its_own_address_and_port, 0, WORLDS);
	tcase_add_loop_test(tc, dsr_changes_nothing_but_the_macs, 0, WORLDS);
	tcase_add_loop_test(tc, two_workers_share_flows_and_agree_on_both_directions, 0, 4);
	tcase_add_loop_test(tc, packets_of_full_bursts_all_leave_in_the_order_they_came, 0, 4);
	tcase_add_test(tc, an_icmp_error_from_the_backend_side_reaches_the_client_as_from_the_vip);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
