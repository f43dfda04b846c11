// SPDX-License-Identifier: Apache-2.0
// VLANs on the ring ports: a client side in VLAN 10 of the front device, a server side in VLAN 20
// of the back device, byte for byte.
#include "sl_check.h"

#include <netinet/in.h>

#include "world.h"

enum { VLAN_FRONT = RIG_PORTS, VLAN_BACK };
#define FRONT_ID  10
#define BACK_ID   20
#define PCP       0xa000 // what a client's network may have set
#define MAX_WAITS 8

static void move_addresses(struct sl_dpconfig *c, uint32_t device, uint32_t vlan, uint16_t id)
{
	c->ports[vlan] = c->ports[device];
	c->ports[vlan].vlan_id = id;
	c->ports[vlan].parent = (uint16_t)device;
	c->ports[device].n_addresses = 0;
	c->n_ports++;
}

static void make_vlans(struct sl_dpconfig *c)
{
	move_addresses(c, RIG_FRONT, VLAN_FRONT, FRONT_ID);
	move_addresses(c, RIG_BACK, VLAN_BACK, BACK_ID);
}

static struct sl_rig *start_without_neighbours(const struct sl_world *w, enum sl_forward forward,
                                               uint32_t n_workers)
{
	uint16_t port = sl_forward_is_dsr(forward) ? 0 : 8000;
	struct sl_body_pool pool = {
		.forward = (uint8_t)forward,
		.balance = SL_BALANCE_WEIGHTED,
		.n_backends = 2,
		.backends = {{w->backends[0], port, 1000}, {w->backends[1], port, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, IPPROTO_TCP, 0};
	struct sl_rig *rig = sl_rig_new_changed(n_workers, 1024, make_vlans);

	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	return rig;
}

static struct sl_rig *start(const struct sl_world *w, enum sl_forward forward, uint32_t n_workers)
{
	struct sl_rig *rig = start_without_neighbours(w, forward, n_workers);

	for (uint32_t i = 0; i < WORLDS; i++)
		sl_rig_neighbour(rig, VLAN_FRONT, sl_worlds[i].gateway, sl_world_gateway_mac);
	sl_rig_neighbour(rig, VLAN_BACK, w->backends[0], sl_world_backend_macs[0]);
	sl_rig_neighbour(rig, VLAN_BACK, w->backends[1], sl_world_backend_macs[1]);
	sl_world_forget(rig);
	return rig;
}

static struct sl_packet_spec tagged(struct sl_packet_spec spec, uint16_t tci)
{
	spec.n_vlans = 1;
	spec.vlan_tci[0] = tci;
	return spec;
}

static uint64_t port_rx(struct sl_rig *rig, uint32_t port)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < rig->a.config.n_workers; w++)
		n += sl_stat_get(&sl_stats_port_at(rig->a.segment.base, w, port)->rx_pkts);
	return n;
}

static uint64_t port_tx(struct sl_rig *rig, uint32_t port)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < rig->a.config.n_workers; w++)
		n += sl_stat_get(&sl_stats_port_at(rig->a.segment.base, w, port)->tx_pkts);
	return n;
}

START_TEST(nat_replaces_the_tag_both_ways_and_keeps_the_priority)
{
	const struct sl_world *w = &sl_worlds[_i / 2];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, 1 + _i % 2);
	struct sl_packet_spec in = tagged(sl_world_request(w, IPPROTO_TCP, 40000), PCP | FRONT_ID);
	uint64_t n_rx = port_rx(rig, VLAN_FRONT), n_tx = port_tx(rig, VLAN_BACK);
	struct sl_rig_frame frame;
	struct sl_packet_spec out;
	int b;

	frame = sl_world_send(rig, &in, &b);
	out = tagged(in, PCP | BACK_ID);
	out.dst = sl_packet_ip(w->backends[b]);
	out.dport = 8000;
	out.ttl = 63;
	sl_world_to_backend(rig, &out, b);
	sl_world_expect(&frame, &out);

	in = (struct sl_packet_spec){.src = out.dst,
	                             .dst = out.src,
	                             .proto = IPPROTO_TCP,
	                             .sport = 8000,
	                             .dport = 40000,
	                             .tcp_flags = SL_TCP_SYN | SL_TCP_ACK};
	memcpy(in.src_mac, sl_world_backend_macs[b], 6);
	in = tagged(in, BACK_ID);
	sl_rig_put_spec(rig, RIG_BACK, &in);
	sl_rig_turn(rig);
	in = tagged(in, FRONT_ID);
	in.src = sl_packet_ip(w->vip);
	in.sport = 443;
	in.ttl = 63;
	sl_world_to_gateway(rig, &in);
	sl_rig_expect(rig, RIG_FRONT, &in);
	ck_assert_uint_eq(port_rx(rig, VLAN_FRONT), n_rx + 1);
	ck_assert_uint_eq(port_tx(rig, VLAN_BACK), n_tx + 1);
	ck_assert_uint_eq(port_tx(rig, RIG_BACK), port_tx(rig, VLAN_BACK));
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

// Direct return and tunnels: the packet itself is as in test_forwarding and test_encap; here the
// tag and what stands behind it.
static const struct {
	const char *name;
	enum sl_forward forward;
	int world;
	uint16_t ethertype;
	uint8_t outer_proto; // 0: nothing but MACs and tag changes
} modes[] = {
	{"dsr-l2 v4", SL_FORWARD_DSR_L2, WORLD_V4, 0x0800, 0},
	{"dsr-l2 v6", SL_FORWARD_DSR_L2, WORLD_V6, 0x86dd, 0},
	{"dsr-ipip v4", SL_FORWARD_DSR_IPIP, WORLD_V4, 0x0800, IPPROTO_IPIP},
	{"dsr-ipip v6", SL_FORWARD_DSR_IPIP, WORLD_V6, 0x86dd, IPPROTO_IPV6},
	{"dsr-gue v4", SL_FORWARD_DSR_GUE, WORLD_V4, 0x0800, IPPROTO_UDP},
	{"dsr-gue v6", SL_FORWARD_DSR_GUE, WORLD_V6, 0x86dd, IPPROTO_UDP},
};

START_TEST(direct_return_and_tunnels_leave_with_the_tag_of_the_backends)
{
	const struct sl_world *w = &sl_worlds[modes[_i].world];
	struct sl_rig *rig = start(w, modes[_i].forward, 1);
	struct sl_packet_spec in = tagged(sl_world_request(w, IPPROTO_TCP, 40000), FRONT_ID);
	const bool is_v6 = modes[_i].ethertype == 0x86dd;
	struct sl_rig_frame frame;
	int b;

	frame = sl_world_send(rig, &in, &b);
	if (modes[_i].outer_proto == 0) {
		in = tagged(in, BACK_ID);
		sl_world_to_backend(rig, &in, b);
		sl_world_expect(&frame, &in);
	} else {
		ck_assert_msg(memcmp(frame.bytes + 12, "\x81\0\0\x14", 4) == 0, "%s",
		              modes[_i].name);
		ck_assert_uint_eq(frame.bytes[16] << 8 | frame.bytes[17], modes[_i].ethertype);
		ck_assert_uint_eq(frame.bytes[18 + (is_v6 ? 6 : 9)], modes[_i].outer_proto);
	}
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

static const struct {
	const char *name;
	uint8_t n_vlans;
	uint16_t tci[2], tpid;
	bool is_dropped;
} strangers[] = {
	{"the other side's VLAN", 1, {BACK_ID}, 0, true},
	{"an unknown VLAN", 1, {999}, 0, true},
	{"two tags", 2, {FRONT_ID, FRONT_ID}, 0, true},
	{"a service tag", 1, {FRONT_ID}, 0x88a8, true},
	{"no tag", 0, {0}, 0, false},
	{"a priority tag", 1, {0xe000}, 0, false},
};

START_TEST(unknown_tags_are_dropped_by_name_and_untagged_is_the_device)
{
	const struct sl_world *w = &sl_worlds[0];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, 1);
	struct sl_packet_spec in = sl_world_request(w, IPPROTO_TCP, 40000);
	uint64_t n_rx = port_rx(rig, VLAN_FRONT);

	in.n_vlans = strangers[_i].n_vlans;
	memcpy(in.vlan_tci, strangers[_i].tci, sizeof(in.vlan_tci));
	in.vlan_tpid[0] = strangers[_i].tpid;
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	ck_assert_msg(sl_rig_drops(rig, SL_DROP_VLAN) == strangers[_i].is_dropped, "%s",
	              strangers[_i].name);
	if (strangers[_i].is_dropped)
		sl_rig_expect_nothing(rig, RIG_BACK);
	else
		ck_assert_msg(sl_rig_take(rig, RIG_BACK).n_bytes != 0, "%s", strangers[_i].name);
	ck_assert_uint_eq(port_rx(rig, VLAN_FRONT), n_rx);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

static struct sl_rig_frame ask_arp(struct sl_rig *rig, uint32_t port, const char *address)
{
	struct sl_ip target = sl_packet_ip(address);
	uint8_t ask[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0,    0, 0xfe, 0x08,
	                   0x06, 0,    1,    8,    0,    6,    4,    0, 1, 0x02, 0, 0,    0,
	                   0,    0xfe, 192,  0,    2,    254,  0,    0, 0, 0,    0, 0};

	memcpy(&ask[38], &target.bytes[12], 4);
	sl_rig_put(rig, port, ask, sizeof(ask));
	sl_rig_turn(rig);
	return sl_rig_take(rig, rig->a.config.ports[port].parent);
}

START_TEST(arp_is_answered_in_the_vlan_of_its_network_only)
{
	struct sl_rig *rig = start(&sl_worlds[0], SL_FORWARD_NAT, 1);
	struct sl_rig_frame frame = ask_arp(rig, VLAN_FRONT, "192.0.2.1");

	ck_assert_uint_ne(frame.n_bytes, 0);
	ck_assert_mem_eq(frame.bytes, sl_world_gateway_mac, 6);
	ck_assert_mem_eq(frame.bytes + 12, "\x81\0\0\x0a\x08\x06", 6);
	ck_assert_uint_eq(frame.bytes[25], 2); // reply
	ck_assert_mem_eq(frame.bytes + 26, rig->a.ports.macs[RIG_FRONT], 6);
	ck_assert_uint_eq(ask_arp(rig, VLAN_FRONT, "10.0.0.1").n_bytes, 0);
	ck_assert_uint_eq(ask_arp(rig, VLAN_BACK, "192.0.2.1").n_bytes, 0);
	ck_assert_uint_ne(ask_arp(rig, VLAN_BACK, "10.0.0.1").n_bytes, 0);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

// The first frame of this kind that left the back device; what else left goes by.
static struct sl_rig_frame take_ethertype(struct sl_rig *rig, const char ethertype[2])
{
	struct sl_rig_frame frame;

	for (int i = 0; i < MAX_WAITS; i++) {
		frame = sl_rig_take(rig, RIG_BACK);
		if (frame.n_bytes == 0 || memcmp(frame.bytes + 16, ethertype, 2) == 0)
			break;
	}
	ck_assert_uint_ne(frame.n_bytes, 0);
	return frame;
}

START_TEST(questions_are_asked_and_waiting_packets_leave_with_the_tag)
{
	const struct sl_world *w = &sl_worlds[_i];
	struct sl_rig *rig = start_without_neighbours(w, SL_FORWARD_NAT, 1);
	struct sl_packet_spec in = tagged(sl_world_request(w, IPPROTO_TCP, 40000), PCP | FRONT_ID);
	const struct sl_stats_header *h = rig->a.segment.base;
	struct sl_rig_frame frame;
	int b;

	frame = take_ethertype(rig, _i == WORLD_V4 ? "\x08\x06" : "\x86\xdd");
	ck_assert_mem_eq(frame.bytes + 12, "\x81\0\0\x14", 4);
	sl_world_forget(rig);
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	ck_assert_uint_eq(sl_stat_get(&h->held_pkts), 1);
	sl_rig_neighbour(rig, VLAN_BACK, w->backends[0], sl_world_backend_macs[0]);
	sl_rig_neighbour(rig, VLAN_BACK, w->backends[1], sl_world_backend_macs[1]);
	frame = sl_rig_take(rig, RIG_BACK);
	b = sl_world_backend_of(&frame);
	in = tagged(in, PCP | BACK_ID);
	in.dst = sl_packet_ip(w->backends[b]);
	in.dport = 8000;
	in.ttl = 63;
	sl_world_to_backend(rig, &in, b);
	sl_world_expect(&frame, &in);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(an_answer_in_another_vlan_is_not_learned)
{
	const struct sl_world *w = &sl_worlds[0];
	struct sl_rig *rig = start_without_neighbours(w, SL_FORWARD_NAT, 1);
	struct sl_packet_spec in = tagged(sl_world_request(w, IPPROTO_TCP, 40000), FRONT_ID);
	const struct sl_stats_header *h = rig->a.segment.base;

	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	for (int b = 0; b < 2; b++)
		sl_rig_neighbour(rig, VLAN_FRONT, w->backends[b], sl_world_backend_macs[b]);
	ck_assert_uint_eq(sl_stat_get(&h->held_pkts), 1);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

static const struct {
	const char *name;
	uint8_t proto, ttl, icmp_type, answer;
	int answer_off; // of the ICMP type
} answers[] = {
	{"echo", IPPROTO_ICMP, 64, 8, 0, 38},
	{"time exceeded", IPPROTO_TCP, 1, 0, 11, 38},
};

START_TEST(answers_of_our_own_keep_the_tag)
{
	struct sl_rig *rig = start(&sl_worlds[0], SL_FORWARD_NAT, 1);
	struct sl_packet_spec in =
		tagged(sl_world_request(&sl_worlds[0], answers[_i].proto, 40000), FRONT_ID);
	struct sl_rig_frame frame;

	in.ttl = answers[_i].ttl;
	in.icmp_type = answers[_i].icmp_type;
	in.payload_bytes = 60; // what is shorter is not answered
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_FRONT);
	ck_assert_msg(frame.n_bytes != 0, "%s", answers[_i].name);
	ck_assert_mem_eq(frame.bytes, sl_world_gateway_mac, 6);
	ck_assert_mem_eq(frame.bytes + 12, "\x81\0\0\x0a\x08\0", 6);
	ck_assert_uint_eq(frame.bytes[answers[_i].answer_off], answers[_i].answer);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(vips_are_announced_in_every_vlan)
{
	const struct sl_world *w = &sl_worlds[0];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, 1);
	int n_tagged = 0, n_untagged = 0;
	struct sl_rig_frame frame;

	sl_slow_announce(&rig->a.slow);
	sl_rig_turn(rig);
	for (int i = 0; i < MAX_WAITS; i++) {
		frame = sl_rig_take(rig, RIG_FRONT);
		if (frame.n_bytes == 0)
			break;
		n_tagged += memcmp(frame.bytes + 12, "\x81\0\0\x0a\x08\x06", 6) == 0;
		n_untagged += memcmp(frame.bytes + 12, "\x08\x06", 2) == 0;
	}
	ck_assert_int_eq(n_tagged, 1);
	ck_assert_int_eq(n_untagged, 1);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vlan");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, nat_replaces_the_tag_both_ways_and_keeps_the_priority, 0,
	                    2 * WORLDS);
	tcase_add_loop_test(tc, direct_return_and_tunnels_leave_with_the_tag_of_the_backends, 0,
	                    RTE_DIM(modes));
	tcase_add_loop_test(tc, unknown_tags_are_dropped_by_name_and_untagged_is_the_device, 0,
	                    RTE_DIM(strangers));
	tcase_add_test(tc, arp_is_answered_in_the_vlan_of_its_network_only);
	tcase_add_loop_test(tc, questions_are_asked_and_waiting_packets_leave_with_the_tag, 0,
	                    WORLDS);
	tcase_add_test(tc, an_answer_in_another_vlan_is_not_learned);
	tcase_add_loop_test(tc, answers_of_our_own_keep_the_tag, 0, RTE_DIM(answers));
	tcase_add_test(tc, vips_are_announced_in_every_vlan);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
