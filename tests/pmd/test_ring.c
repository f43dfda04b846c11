// SPDX-License-Identifier: Apache-2.0
// The real worker loop and main core on net_ring ports: what goes in, and the exact bytes that
// leave.
#include "sl_check.h"

#include <netinet/in.h>

#include "rig.h"

static const uint8_t gateway_mac[6] = {0x02, 0, 0, 0, 0, 0xfe};
static const uint8_t backend_macs[2][6] = {{0x02, 0, 0, 0, 1, 1}, {0x02, 0, 0, 0, 1, 2}};

// One family's world: the same tests run in both.
struct world {
	const char *client, *vip, *backends[2], *gateway, *back_address;
};

static const struct world worlds[] = {
	{"198.51.100.7", "203.0.113.10", {"10.0.0.11", "10.0.0.12"}, "192.0.2.254", "10.0.0.1"},
	{"2001:db8:7::7",
         "2001:db8:ff::10",
         {"2001:db8:2::11", "2001:db8:2::12"},
         "2001:db8:1::fe",
         "2001:db8:2::1"},
};

static struct sl_rig *start(const struct world *w, enum sl_forward forward, uint32_t n_workers,
                            uint8_t proto)
{
	bool is_dsr = forward == SL_FORWARD_DSR_L2;
	uint16_t port = is_dsr ? 0 : 8000;
	struct sl_body_pool pool = {
		.forward = (uint8_t)forward,
		.balance = SL_BALANCE_WEIGHTED,
		.n_backends = 2,
		.backends = {{w->backends[0], port, 1000}, {w->backends[1], port, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, proto, 0};
	struct sl_body_spec spec = {1, 1, &vip, 1, &pool, 1};
	struct sl_rig *rig = sl_rig_new(n_workers, 1024);

	sl_rig_configure(rig, &spec);
	for (uint32_t p = 0; p < RIG_PORTS; p++) { // announcements and questions about backends
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
	sl_rig_neighbour(rig, RIG_FRONT, w->gateway, gateway_mac);
	sl_rig_neighbour(rig, RIG_BACK, w->backends[0], backend_macs[0]);
	sl_rig_neighbour(rig, RIG_BACK, w->backends[1], backend_macs[1]);
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
	return rig;
}

static struct sl_packet_spec from_client(const struct world *w, uint8_t proto, uint16_t sport)
{
	struct sl_packet_spec spec = {.src = sl_packet_ip(w->client),
	                              .dst = sl_packet_ip(w->vip),
	                              .proto = proto,
	                              .sport = sport,
	                              .dport = 443,
	                              .tcp_flags = SL_TCP_SYN,
	                              .tcp_seq = 1000,
	                              .payload_bytes = proto == IPPROTO_UDP ? 33 : 0};

	memcpy(spec.src_mac, gateway_mac, 6);
	return spec;
}

// Which backend a frame on the back port goes to; -1 for neither.
static int backend_of(const struct world *w, const struct sl_rig_frame *frame)
{
	(void)w;
	for (int b = 0; b < 2; b++) {
		if (memcmp(frame->bytes, backend_macs[b], 6) == 0)
			return b;
	}
	return -1;
}

static void expect_bytes(const struct sl_rig_frame *got, const struct sl_packet_spec *spec)
{
	uint8_t want[SL_PACKET_MAX_BYTES];
	size_t n_want = sl_packet_build(want, sizeof(want), spec);

	ck_assert_uint_eq(got->n_bytes, n_want);
	ck_assert_mem_eq(got->bytes, want, n_want);
}

START_TEST(nat_rewrites_both_ways_byte_for_byte)
{
	const struct world *w = &worlds[_i / 2];
	uint8_t proto = _i % 2 ? IPPROTO_UDP : IPPROTO_TCP;
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, 1, proto);
	struct sl_packet_spec in = from_client(w, proto, 40000), out;
	struct sl_rig_frame frame;
	int b;

	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_BACK);
	b = backend_of(w, &frame);
	ck_assert_int_ge(b, 0);
	out = in;
	out.dst = sl_packet_ip(w->backends[b]);
	out.dport = 8000;
	out.ttl = 63;
	memcpy(out.src_mac, rig->a.ports.macs[RIG_BACK], 6);
	memcpy(out.dst_mac, backend_macs[b], 6);
	expect_bytes(&frame, &out);

	in = (struct sl_packet_spec){.src = out.dst,
	                             .dst = out.src,
	                             .proto = proto,
	                             .sport = 8000,
	                             .dport = 40000,
	                             .tcp_flags = SL_TCP_SYN | SL_TCP_ACK,
	                             .payload_bytes = 5};
	memcpy(in.src_mac, backend_macs[b], 6);
	sl_rig_put_spec(rig, RIG_BACK, &in);
	sl_rig_turn(rig);
	in.src = sl_packet_ip(w->vip);
	in.sport = 443;
	in.ttl = 63;
	memcpy(in.src_mac, rig->a.ports.macs[RIG_FRONT], 6);
	memcpy(in.dst_mac, gateway_mac, 6);
	sl_rig_expect(rig, RIG_FRONT, &in);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(fullnat_speaks_from_its_own_address_and_port)
{
	const struct world *w = &worlds[_i];
	struct sl_rig *rig = start(w, SL_FORWARD_FULLNAT, 1, IPPROTO_TCP);
	struct sl_packet_spec in = from_client(w, IPPROTO_TCP, 40000), out = in;
	struct sl_rig_frame frame;
	size_t l4_off = sl_ip_is_v4(&in.src) ? 34 : 54;
	uint16_t local_port;
	int b;

	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_BACK);
	b = backend_of(w, &frame);
	ck_assert_int_ge(b, 0);
	local_port = (uint16_t)(frame.bytes[l4_off] << 8 | frame.bytes[l4_off + 1]);
	ck_assert_uint_ge(local_port, 1024);
	out.src = sl_packet_ip(w->back_address);
	out.sport = local_port;
	out.dst = sl_packet_ip(w->backends[b]);
	out.dport = 8000;
	out.ttl = 63;
	memcpy(out.src_mac, rig->a.ports.macs[RIG_BACK], 6);
	memcpy(out.dst_mac, backend_macs[b], 6);
	expect_bytes(&frame, &out);

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
	memcpy(in.src_mac, rig->a.ports.macs[RIG_FRONT], 6);
	memcpy(in.dst_mac, gateway_mac, 6);
	sl_rig_expect(rig, RIG_FRONT, &in);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(dsr_changes_nothing_but_the_macs)
{
	const struct world *w = &worlds[_i];
	struct sl_rig *rig = start(w, SL_FORWARD_DSR_L2, 1, IPPROTO_TCP);
	struct sl_packet_spec in = from_client(w, IPPROTO_TCP, 40000);
	struct sl_rig_frame frame;
	int b;

	in.ttl = 1; // an L2 hop does not count
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_BACK);
	b = backend_of(w, &frame);
	ck_assert_int_ge(b, 0);
	memcpy(in.src_mac, rig->a.ports.macs[RIG_BACK], 6);
	memcpy(in.dst_mac, backend_macs[b], 6);
	expect_bytes(&frame, &in);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_packet_waits_for_its_neighbour_and_then_leaves)
{
	const struct world *w = &worlds[0];
	static const uint8_t new_mac[6] = {0x02, 0, 0, 0, 2, 2};
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .balance = SL_BALANCE_WEIGHTED,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.77", 8000, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, IPPROTO_TCP, 0};
	struct sl_rig *rig = sl_rig_new(1, 1024);
	struct sl_packet_spec in = from_client(w, IPPROTO_TCP, 40000);
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
	const struct world *w = &worlds[0];
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .balance = SL_BALANCE_WEIGHTED,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.77", 8000, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, IPPROTO_TCP, 0};
	struct sl_rig *rig = sl_rig_new(1, 1024);

	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	for (uint16_t i = 0; i < 10; i++) {
		struct sl_packet_spec in = from_client(w, IPPROTO_TCP, (uint16_t)(40000 + i));

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
	const struct world *w = &worlds[_i];
	static const uint8_t new_mac[6] = {0x02, 0, 0, 0, 2, 2};
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_packet_spec in = from_client(w, IPPROTO_TCP, 40000);
	struct sl_rig_frame frame;
	int b;

	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_BACK);
	b = backend_of(w, &frame);
	ck_assert_int_ge(b, 0);
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
	struct sl_rig *rig = start(&worlds[0], SL_FORWARD_NAT, 1, IPPROTO_TCP);
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
	ck_assert_mem_eq(frame.bytes, gateway_mac, 6);
	ck_assert_uint_eq(frame.bytes[21], 2); // reply
	ck_assert_mem_eq(&frame.bytes[22], rig->a.ports.macs[RIG_FRONT], 6);
	ck_assert_mem_eq(&frame.bytes[28], &target.bytes[12], 4);

	memcpy(ping.src_mac, gateway_mac, 6);
	sl_rig_put_spec(rig, RIG_FRONT, &ping);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_FRONT);
	ck_assert_uint_ne(frame.n_bytes, 0);
	ck_assert_mem_eq(frame.bytes, gateway_mac, 6);
	ck_assert_uint_eq(frame.bytes[34], 0); // echo reply
	ck_assert(sl_packet_csums_are_right(frame.bytes, frame.n_bytes));
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(two_workers_share_flows_and_agree_on_both_directions)
{
	const struct world *w = &worlds[_i % 2];
	enum sl_forward forward = _i / 2 ? SL_FORWARD_FULLNAT : SL_FORWARD_NAT;
	struct sl_rig *rig = start(w, forward, 2, IPPROTO_UDP);
	const uint32_t n_flows = 400;
	uint64_t on_worker[2];

	for (uint16_t i = 0; i < n_flows; i++) {
		struct sl_packet_spec in = from_client(w, IPPROTO_UDP, (uint16_t)(20000 + i));
		struct sl_rig_frame frame;
		struct sl_packet_spec back;
		size_t l3 = 14, l4 = sl_ip_is_v4(&in.src) ? 34 : 54;
		int b;

		sl_rig_put_spec(rig, RIG_FRONT, &in);
		sl_rig_turn(rig);
		frame = sl_rig_take(rig, RIG_BACK);
		b = backend_of(w, &frame);
		ck_assert_int_ge(b, 0);
		back = (struct sl_packet_spec){.src = sl_packet_ip(w->backends[b]),
		                               .dst = in.src,
		                               .proto = IPPROTO_UDP,
		                               .sport = 8000,
		                               .payload_bytes = 9};
		back.dport = (uint16_t)(frame.bytes[l4] << 8 | frame.bytes[l4 + 1]);
		if (forward == SL_FORWARD_FULLNAT)
			back.dst = sl_packet_ip(w->back_address);
		(void)l3;
		sl_rig_put_spec(rig, RIG_BACK, &back);
		sl_rig_turn(rig);
		back.src = in.dst;
		back.sport = 443;
		back.dst = in.src;
		back.dport = in.sport;
		back.ttl = 63;
		memcpy(back.src_mac, rig->a.ports.macs[RIG_FRONT], 6);
		memcpy(back.dst_mac, gateway_mac, 6);
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

START_TEST(a_reload_moves_no_flow_even_when_its_backend_is_gone)
{
	const struct world *w = &worlds[0];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                            .balance = SL_BALANCE_WEIGHTED,
	                            .n_backends = 1,
	                            .backends = {{"10.0.0.12", 8000, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, IPPROTO_TCP, 0};
	int backend[16];

	for (uint16_t i = 0; i < 16; i++) {
		struct sl_packet_spec in = from_client(w, IPPROTO_TCP, (uint16_t)(40000 + i));
		struct sl_rig_frame frame;

		sl_rig_put_spec(rig, RIG_FRONT, &in);
		sl_rig_turn(rig);
		frame = sl_rig_take(rig, RIG_BACK);
		backend[i] = backend_of(w, &frame);
		ck_assert_int_ge(backend[i], 0);
	}
	sl_rig_configure(rig, &(struct sl_body_spec){2, 2, &vip, 1, &pool, 1}); // .11 is removed
	while (sl_rig_take(rig, RIG_BACK).n_bytes != 0)
		;
	for (uint16_t i = 0; i < 16; i++) {
		struct sl_packet_spec in = from_client(w, IPPROTO_TCP, (uint16_t)(40000 + i));
		struct sl_rig_frame frame;

		in.tcp_flags = SL_TCP_ACK;
		sl_rig_put_spec(rig, RIG_FRONT, &in);
		sl_rig_turn(rig);
		frame = sl_rig_take(rig, RIG_BACK);
		ck_assert_int_eq(backend_of(w, &frame), backend[i]);
	}
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(weights_steer_new_flows_and_zero_drains)
{
	const struct world *w = &worlds[0];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
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
			struct sl_packet_spec in =
				from_client(w, IPPROTO_TCP, (uint16_t)(20000 + round * 400 + i));
			struct sl_rig_frame frame;

			sl_rig_put_spec(rig, RIG_FRONT, &in);
			sl_rig_turn(rig);
			frame = sl_rig_take(rig, RIG_BACK);
			ck_assert_int_ge(backend_of(w, &frame), 0);
			n[backend_of(w, &frame)]++;
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

START_TEST(a_refused_body_leaves_everything_as_it_was)
{
	const struct world *w = &worlds[0];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
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

START_TEST(a_closed_connection_is_no_load_though_its_entry_rests)
{
	const struct world *w = &worlds[0];
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
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	int b = -1;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct sl_packet_spec p = from_client(w, IPPROTO_TCP, 40000);
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
			b = backend_of(w, &frame);
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

static const struct {
	const char *name;
	size_t n_bytes; // of a good frame that are left
	enum sl_drop why;
} truncations[] = {
	{"no Ethernet header", 10, SL_DROP_TRUNCATED},
	{"half an IP header", 20, SL_DROP_TRUNCATED},
	{"half a TCP header", 40, SL_DROP_TRUNCATED},
};

START_TEST(a_truncated_packet_is_counted_and_nothing_leaves)
{
	struct sl_rig *rig = start(&worlds[0], SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_packet_spec in = from_client(&worlds[0], IPPROTO_TCP, 40000);
	uint8_t frame[SL_PACKET_MAX_BYTES];

	memcpy(in.dst_mac, rig->a.ports.macs[RIG_FRONT], 6);
	sl_packet_build(frame, sizeof(frame), &in);
	sl_rig_put(rig, RIG_FRONT, frame, truncations[_i].n_bytes);
	sl_rig_turn(rig);
	ck_assert_msg(
		sl_rig_drops(rig, truncations[_i].why) + sl_rig_drops(rig, SL_DROP_BAD_HEADER) == 1,
		"%s", truncations[_i].name);
	sl_rig_expect_nothing(rig, RIG_BACK);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(random_garbage_is_counted_to_the_last_packet)
{
	struct sl_rig *rig = start(&worlds[0], SL_FORWARD_NAT, 2, IPPROTO_TCP);
	uint64_t seed = sl_check_seed(), state = seed;
	struct sl_packet_spec in = from_client(&worlds[0], IPPROTO_TCP, 40000);

	memcpy(in.dst_mac, rig->a.ports.macs[RIG_FRONT], 6);
	for (uint32_t i = 0; i < 3000; i++) {
		uint8_t frame[SL_PACKET_MAX_BYTES];
		size_t n_bytes = sl_packet_build(frame, sizeof(frame), &in);

		for (uint32_t flip = 0; flip < 1 + i % 8; flip++)
			frame[sl_check_random(&state) % n_bytes] ^=
				(uint8_t)(sl_check_random(&state));
		sl_rig_put(rig, RIG_FRONT, frame, 1 + sl_check_random(&state) % n_bytes);
		sl_rig_turn(rig);
		while (sl_rig_take(rig, RIG_BACK).n_bytes != 0 ||
		       sl_rig_take(rig, RIG_FRONT).n_bytes != 0)
			;
	}
	printf("# seed %lu\n", (unsigned long)seed);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(an_icmp_error_from_the_backend_side_reaches_the_client_as_from_the_vip)
{
	const struct world *w = &worlds[0];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_packet_spec request = from_client(w, IPPROTO_TCP, 40000), quoted, error;
	struct sl_rig_frame frame;
	int b;

	sl_rig_put_spec(rig, RIG_FRONT, &request);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_BACK);
	b = backend_of(w, &frame);
	ck_assert_int_ge(b, 0);
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
	memcpy(error.src_mac, rig->a.ports.macs[RIG_FRONT], 6);
	memcpy(error.dst_mac, gateway_mac, 6);
	sl_rig_expect(rig, RIG_FRONT, &error);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, nat_rewrites_both_ways_byte_for_byte, 0, 4);
	tcase_add_loop_test(tc, fullnat_speaks_from_its_own_address_and_port, 0, 2);
	tcase_add_loop_test(tc, dsr_changes_nothing_but_the_macs, 0, 2);
	tcase_add_test(tc, a_packet_waits_for_its_neighbour_and_then_leaves);
	tcase_add_test(tc, a_neighbour_that_never_answers_costs_a_named_drop);
	tcase_add_loop_test(tc, a_backend_that_changes_its_mac_is_followed_by_old_flows, 0, 2);
	tcase_add_loop_test(tc, arp_and_echo_for_vips_and_port_addresses_are_answered, 0, 2);
	tcase_add_loop_test(tc, two_workers_share_flows_and_agree_on_both_directions, 0, 4);
	tcase_add_test(tc, a_reload_moves_no_flow_even_when_its_backend_is_gone);
	tcase_add_test(tc, weights_steer_new_flows_and_zero_drains);
	tcase_add_test(tc, a_closed_connection_is_no_load_though_its_entry_rests);
	tcase_add_test(tc, a_refused_body_leaves_everything_as_it_was);
	tcase_add_loop_test(tc, a_truncated_packet_is_counted_and_nothing_leaves, 0,
	                    (int)(sizeof(truncations) / sizeof(truncations[0])));
	tcase_add_test(tc, random_garbage_is_counted_to_the_last_packet);
	tcase_add_test(tc, an_icmp_error_from_the_backend_side_reaches_the_client_as_from_the_vip);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
