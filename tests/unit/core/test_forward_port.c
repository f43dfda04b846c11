// SPDX-License-Identifier: Apache-2.0
// Local ports in the forwarder: how long they rest after which end, and where they cannot be had.
#include "forward_fixture.h"

#define CLIENT      "198.51.100.7"
#define CLIENT6     "2001:db8:7::7"
#define VIP         "203.0.113.10"
#define VIP6        "2001:db8:ff::10"
#define BACKEND     "10.0.0.11"
#define TICKS_PER_S (SL_NS_PER_S / SL_FLOW_TICK_NS)

static struct lab *lab_of(const char *vip_address, const char *backend)
{
	struct sl_body_pool pool = {.forward = SL_FORWARD_FULLNAT,
	                            .n_backends = 1,
	                            .backends = {{backend, 8000, 1000}}};
	struct sl_body_vip vips[] = {{vip_address, 443, 443, IPPROTO_TCP, 0},
	                             {vip_address, 443, 443, IPPROTO_UDP, 0}};
	struct lab *lab = lab_new(1);

	lab_configure(lab, &(struct sl_body_spec){1, 1, vips, 2, &pool, 1});
	return lab;
}

static void pass(struct lab *lab, uint32_t seconds)
{
	struct sl_forwarder *fw = &lab->workers[0]->fw;

	for (uint32_t t = 0; t < seconds * TICKS_PER_S; t++) {
		fw->now++;
		fw->now_ns += SL_FLOW_TICK_NS;
		sl_flow_expire(fw->flows, fw->now, UINT32_MAX);
		sl_forward_sweep(fw);
	}
}

static uint64_t busy(const struct lab *lab)
{
	return sl_stat_get(&lab->workers[0]->port_stats[0].busy);
}

// Who says what, in order: c the client, s the server; S SYN, A ACK, F FIN, R RST, U a datagram.
static const struct {
	const char *name, *says;
	bool is_short;
} ends[] = {
	{"the server closes first", "cS sSA cA sFA cFA", false},
	{"the client closes first", "cS sSA cA cFA sFA", true},
	{"the client closes alone", "cS sSA cA cFA", false},
	{"nobody closes", "cS sSA cA", false},
	{"the server resets", "cS sSA cA sR", true},
	{"the server refuses", "cS sR", true},
	{"nobody answers", "cS", true},
	{"a datagram answered", "cU sU", true},
};

static void say(struct lab *lab, const char *word)
{
	const bool is_udp = word[1] == 'U';
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 40000, 443);
	static struct sl_packet_spec answer; // to the last packet of the client
	uint8_t flags = 0;

	for (const char *c = word + 1; *c != '\0' && *c != ' '; c++)
		flags |= *c == 'S'   ? SL_TCP_SYN
		         : *c == 'A' ? SL_TCP_ACK
		         : *c == 'F' ? SL_TCP_FIN
		         : *c == 'R' ? SL_TCP_RST
		                     : 0;
	in.proto = is_udp ? IPPROTO_UDP : IPPROTO_TCP;
	in.tcp_flags = answer.tcp_flags = flags;
	if (word[0] == 's') {
		ck_assert_int_eq(lab_send(lab, LAB_BACK, &answer), SL_VERDICT_SEND);
		return;
	}
	ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	answer = lab_answer(lab, 0);
}

START_TEST(a_port_rests_a_minute_where_the_server_may_remember_it)
{
	struct lab *lab = lab_of(VIP, BACKEND);

	for (const char *word = ends[_i].says; word != NULL; word = strchr(word, ' ')) {
		word += *word == ' ';
		say(lab, word);
	}
	ck_assert_uint_eq(busy(lab), 1);
	for (uint32_t s = 0; lab_flows(lab) != 0; s++) {
		ck_assert_msg(s <= 10000, "%s: there after %u s", ends[_i].name, s);
		pass(lab, 1);
	}
	pass(lab, 3);
	ck_assert_msg(busy(lab) == 1, "%s: no rest at all", ends[_i].name);
	pass(lab, 8);
	ck_assert_msg(busy(lab) == !ends[_i].is_short, "%s: %lu busy after 11 s", ends[_i].name,
	              (unsigned long)busy(lab));
	pass(lab, 47);
	ck_assert_uint_eq(busy(lab), !ends[_i].is_short);
	pass(lab, 8);
	ck_assert_msg(busy(lab) == 0, "%s: busy for ever", ends[_i].name);
	ck_assert_uint_eq(sl_localport_pools(lab->workers[0]->fw.local_ports), 0);
	lab_free(lab);
}
END_TEST

START_TEST(a_flow_that_finds_no_room_leaves_its_port_as_it_was)
{
	struct lab *lab = lab_of(VIP, BACKEND);
	struct sl_packet_spec in = lab_packet(CLIENT, VIP, 0, 443), back;
	uint32_t n_full = 0;

	for (uint16_t i = 0; i < 2 * LAB_FLOWS; i++) { // all open, so none can be pushed out
		in.sport = (uint16_t)(1000 + i);
		in.tcp_flags = SL_TCP_SYN;
		if (lab_send(lab, LAB_FRONT, &in) != SL_VERDICT_SEND) {
			ck_assert_int_eq(lab->pkt.drop, SL_DROP_TABLE_FULL);
			n_full++;
			continue;
		}
		back = lab_answer(lab, SL_TCP_SYN | SL_TCP_ACK);
		ck_assert_int_eq(lab_send(lab, LAB_BACK, &back), SL_VERDICT_SEND);
		in.tcp_flags = SL_TCP_ACK;
		ck_assert_int_eq(lab_send(lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	}
	ck_assert_uint_ge(n_full, LAB_FLOWS);
	pass(lab, 1);
	ck_assert_uint_eq(busy(lab), lab_flows(lab));
	lab_free(lab);
}
END_TEST

START_TEST(a_service_port_of_a_shared_address_is_never_a_local_port)
{
	struct sl_body_pool pool = {.forward = SL_FORWARD_FULLNAT,
	                            .n_backends = 1,
	                            .backends = {{BACKEND, 8000, 1000}}};
	// Our address at the back is a VIP too, with more services than the probes would pass.
	struct sl_body_vip vips[] = {{VIP, 443, 443, IPPROTO_TCP, 0},
	                             {"10.0.0.1", 1024, 60000, IPPROTO_TCP, 0}};
	struct lab *lab = lab_new(1);
	uint32_t n_sent = 0;

	lab_configure(lab, &(struct sl_body_spec){1, 1, vips, 2, &pool, 1});
	for (uint16_t i = 0; i < 2000; i++) {
		struct sl_packet_spec in = lab_packet(CLIENT, VIP, (uint16_t)(1024 + i), 443);

		if (lab_send(lab, LAB_FRONT, &in) == SL_VERDICT_SEND) {
			ck_assert_uint_gt(ntohs(lab->pkt.tuple.sport_be), 60000);
			n_sent++;
		} else {
			ck_assert_int_eq(lab->pkt.drop, SL_DROP_NO_PORT);
		}
	}
	ck_assert_uint_gt(n_sent, 0);
	lab_free(lab);
}
END_TEST

START_TEST(a_backend_of_a_family_we_have_no_address_of_is_a_named_drop)
{
	const bool is_v6 = _i; // the backend
	struct lab *lab = lab_of(is_v6 ? VIP : VIP6, is_v6 ? "2001:db8:2::11" : BACKEND);
	struct sl_packet_spec in =
		lab_packet(is_v6 ? CLIENT : CLIENT6, is_v6 ? VIP : VIP6, 40000, 443);
	uint32_t n = 0;

	for (uint32_t i = 0; i < lab->routes.n_routes; i++) {
		if (sl_ip_is_v4(&lab->routes.routes[i].source) == is_v6)
			lab->routes.routes[n++] = lab->routes.routes[i];
	}
	lab->routes.n_routes = n;
	ck_assert_int_eq(lab_drop(lab, LAB_FRONT, &in), SL_DROP_NO_LOCAL_ADDRESS);
	ck_assert_uint_eq(lab_flows(lab), 0);
	lab_free(lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward_port");
	TCase *tc = tcase_create("fullnat");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_port_rests_a_minute_where_the_server_may_remember_it, 0,
	                    (int)(sizeof(ends) / sizeof(ends[0])));
	tcase_add_test(tc, a_flow_that_finds_no_room_leaves_its_port_as_it_was);
	tcase_add_test(tc, a_service_port_of_a_shared_address_is_never_a_local_port);
	tcase_add_loop_test(tc, a_backend_of_a_family_we_have_no_address_of_is_a_named_drop, 0, 2);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
