// SPDX-License-Identifier: Apache-2.0
// The shortest way and the long way lead to the same place: two labs get the same packets, one
// through sl_forward_burst, one past it through sl_forward_hit.
#include "forward_fixture.h"
#include "forward_private.h"

#define N_ROUNDS 50

static const struct {
	const char *client, *vip, *backend;
} worlds[] = {
	{"198.51.100.7", "203.0.113.10", "10.0.0.11"},
	{"2001:db8:7::7", "2001:db8:ff::10", "2001:db8:2::11"},
	{"192.0.2.77", "203.0.113.10", "10.0.0.11"}, // a client on our network: a hop of its own
	{"2001:db8:1::77", "2001:db8:ff::10", "2001:db8:2::11"},
	// Only through tunnels, like a header that does not fit before the packet.
	{"198.51.100.7", "203.0.113.10", "2001:db8:2::11"},
	{"2001:db8:7::7", "2001:db8:ff::10", "10.0.0.11"},
};

// Of the loop number: world, then mode, then protocol, then what is odd about the next hop.
#define N_WORLDS        4
#define N_MODES         3
#define N_CASES         (N_WORLDS * N_MODES * 2 * 3)
#define N_TUNNEL_WORLDS 6
#define N_TUNNELS       2
#define N_TUNNEL_CASES  (N_TUNNEL_WORLDS * N_TUNNELS * 2 * 3)
#define IPV4_DF         0x4000
enum { HOP_KNOWN, HOP_UNKNOWN, HOP_OF_ANOTHER };

static struct lab *lab_of(uint32_t world, uint8_t forward, uint8_t proto)
{
	const uint16_t port = sl_forward_is_dsr(forward) ? 0 : 8000;
	struct sl_body_pool pool = {.forward = forward,
	                            .balance = SL_BALANCE_WEIGHTED,
	                            .n_backends = 1,
	                            .backends = {{worlds[world].backend, port, 1000}}};
	struct sl_body_vip vip = {worlds[world].vip, 443, 443, proto, 0};
	struct sl_ip client = sl_packet_ip(worlds[world].client);
	struct lab *lab = lab_new(1);

	lab_configure(lab, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	lab_neighbour(lab, &client);
	return lab;
}

static enum sl_verdict send_long(struct lab *lab, uint16_t port, const struct sl_packet_spec *spec)
{
	struct sl_forwarder *fw = &lab->workers[0]->fw;
	struct sl_packet_spec to_us = *spec;
	struct sl_pkt *pkt = &lab->pkt;
	struct sl_flow *flow;
	enum sl_dir dir;

	memcpy(to_us.dst_mac, lab_port_macs[port], 6);
	memset(pkt, 0, sizeof(*pkt));
	pkt->data = lab->frame + LAB_HEADROOM;
	pkt->headroom = lab->headroom;
	pkt->len = (uint32_t)sl_packet_build(pkt->data, SL_PACKET_MAX_BYTES, &to_us);
	pkt->in_port = port;
	sl_forward_classify(fw, pkt);
	ck_assert_int_eq(pkt->verdict, SL_VERDICT_DECIDE);
	pkt->hash = sl_flow_hash(fw->flows, &pkt->tuple);
	flow = sl_flow_find(fw->flows, &pkt->tuple, pkt->hash, &dir);
	ck_assert_ptr_nonnull(flow);
	sl_forward_hit(fw, pkt, flow, dir);
	return (enum sl_verdict)pkt->verdict;
}

static void check_same(const struct lab *a, const struct lab *b)
{
	ck_assert_int_eq(a->pkt.verdict, b->pkt.verdict);
	ck_assert_uint_eq(a->pkt.len, b->pkt.len);
	ck_assert_mem_eq(a->pkt.data, b->pkt.data, a->pkt.len);
	ck_assert_mem_eq(&a->pkt.tuple, &b->pkt.tuple, sizeof(a->pkt.tuple));
	ck_assert_uint_eq(a->pkt.ttl, b->pkt.ttl);
	ck_assert_uint_eq(a->pkt.headroom, b->pkt.headroom);
	ck_assert_uint_eq(a->pkt.l3_off, b->pkt.l3_off);
	ck_assert_uint_eq(a->pkt.l4_off, b->pkt.l4_off);
	ck_assert_uint_eq(a->pkt.payload_off, b->pkt.payload_off);
	ck_assert_uint_eq(a->pkt.out_port, b->pkt.out_port);
	if (a->pkt.verdict == SL_VERDICT_RESOLVE)
		ck_assert_mem_eq(&a->pkt.hop, &b->pkt.hop, sizeof(a->pkt.hop));
	if (a->pkt.verdict == SL_VERDICT_DROP)
		ck_assert_int_eq(a->pkt.drop, b->pkt.drop);
	ck_assert_mem_eq(a->workers[0]->backend_stats, b->workers[0]->backend_stats,
	                 sizeof(a->workers[0]->backend_stats));
	ck_assert_mem_eq(a->workers[0]->vip_stats, b->workers[0]->vip_stats,
	                 sizeof(a->workers[0]->vip_stats));
}

// Handshake (or question, answer, question) in both labs; leaves what each side sends later.
static void open_flow(struct lab *labs[2], bool is_dsr, struct sl_packet_spec *from_client,
                      struct sl_packet_spec *from_backend)
{
	const bool is_tcp = from_client->proto == IPPROTO_TCP;
	uint8_t flags = is_tcp ? SL_TCP_SYN : 0;

	for (int l = 0; l < 2; l++) {
		from_client->tcp_flags = flags;
		ck_assert_int_eq(lab_send(labs[l], LAB_FRONT, from_client), SL_VERDICT_SEND);
		*from_backend = lab_answer(labs[l], is_tcp ? SL_TCP_SYN | SL_TCP_ACK : 0);
		if (!is_dsr)
			ck_assert_int_eq(lab_send(labs[l], LAB_BACK, from_backend),
			                 SL_VERDICT_SEND);
		from_client->tcp_flags = is_tcp ? SL_TCP_ACK : 0;
		for (int i = 0; i < 3; i++) // UDP that nobody answers is believed after a while
			ck_assert_int_eq(lab_send(labs[l], LAB_FRONT, from_client),
			                 SL_VERDICT_SEND);
		check_same(labs[0], labs[l]);
	}
	from_backend->tcp_flags = is_tcp ? SL_TCP_ACK | SL_TCP_PSH : 0;
}

// Every cached or configured next hop: its MAC is not known any more, or its row is another's.
static void spoil_hops(struct lab *lab, int how)
{
	for (uint32_t row = 0; row < lab->neighs.n_rows; row++) {
		if (how == HOP_UNKNOWN)
			atomic_store(&lab->rows[row].mac_word, 0);
		else if (how == HOP_OF_ANOTHER && !lab->rows[row].is_gateway)
			lab->rows[row].address.bytes[15] ^= 1;
	}
}

START_TEST(the_shortest_way_does_what_the_long_way_does)
{
	static const uint8_t modes[N_MODES] = {SL_FORWARD_NAT, SL_FORWARD_FULLNAT,
	                                       SL_FORWARD_DSR_L2};
	const uint32_t world = (uint32_t)_i % N_WORLDS;
	const uint8_t forward = modes[_i / N_WORLDS % N_MODES];
	const uint8_t proto = _i / N_WORLDS / N_MODES % 2 ? IPPROTO_UDP : IPPROTO_TCP;
	const bool is_dsr = sl_forward_is_dsr(forward);
	struct lab *labs[2] = {lab_of(world, forward, proto), lab_of(world, forward, proto)};
	struct sl_packet_spec in[2] = {
		lab_packet(worlds[world].client, worlds[world].vip, 40000, 443)};

	in[0].proto = proto;
	open_flow(labs, is_dsr, &in[0], &in[1]);
	for (int l = 0; l < 2; l++)
		spoil_hops(labs[l], _i / N_WORLDS / N_MODES / 2);
	for (uint32_t round = 0; round < N_ROUNDS; round++) {
		const uint64_t random = sl_mix64(round + 1000 * (uint32_t)_i + 1);
		struct sl_packet_spec spec = in[is_dsr ? 0 : random & 1];
		const uint16_t port = is_dsr || !(random & 1) ? LAB_FRONT : LAB_BACK;

		spec.tcp_seq = (uint32_t)(random >> 32);
		spec.ttl = (uint8_t)(1 + (random >> 8) % 4);
		spec.payload_bytes = (uint16_t)(1 + (random >> 16) % 200);
		for (int l = 0; l < 2; l++)
			labs[l]->workers[0]->fw.now += (random >> 4) & 1;
		lab_send(labs[0], port, &spec);
		send_long(labs[1], port, &spec);
		check_same(labs[0], labs[1]);
	}
	lab_free(labs[0]);
	lab_free(labs[1]);
}
END_TEST

// Of any class, with and without DF, some too long for the tunnel and some for the buffer.
START_TEST(the_shortest_way_through_a_tunnel_does_what_the_long_way_does)
{
	static const uint8_t modes[N_TUNNELS] = {SL_FORWARD_DSR_IPIP, SL_FORWARD_DSR_GUE};
	const uint32_t world = (uint32_t)_i % N_TUNNEL_WORLDS;
	const uint8_t forward = modes[_i / N_TUNNEL_WORLDS % N_TUNNELS];
	const uint8_t proto = _i / N_TUNNEL_WORLDS / N_TUNNELS % 2 ? IPPROTO_UDP : IPPROTO_TCP;
	struct lab *labs[2] = {lab_of(world, forward, proto), lab_of(world, forward, proto)};
	struct sl_packet_spec from_client =
		lab_packet(worlds[world].client, worlds[world].vip, 40000, 443);
	struct sl_packet_spec ignored;

	from_client.proto = proto;
	open_flow(labs, true, &from_client, &ignored);
	for (int l = 0; l < 2; l++)
		spoil_hops(labs[l], _i / N_TUNNEL_WORLDS / N_TUNNELS / 2);
	for (uint32_t round = 0; round < 4 * N_ROUNDS; round++) {
		const uint64_t random = sl_mix64(round + 1000 * (uint32_t)_i + 1);

		from_client.tcp_seq = (uint32_t)(random >> 32);
		from_client.ttl = (uint8_t)(1 + random % 8);
		from_client.dscp_ecn = (uint8_t)(random >> 8);
		from_client.frag = sl_ip_is_v4(&from_client.dst) && (random & 8) ? IPV4_DF : 0;
		from_client.payload_bytes =
			(uint16_t)((random >> 16) % 8 < 4 ? 1 + (random >> 20) % 200
		                                          : 1370 + (random >> 20) % 90);
		from_client.padding_bytes = (uint16_t)(random >> 40 & 7);
		for (int l = 0; l < 2; l++) {
			labs[l]->headroom = (uint16_t)((random >> 4) % 8 == 0 ? (random >> 32) % 64
			                                                      : LAB_HEADROOM);
			labs[l]->workers[0]->fw.now += (random >> 5) & 1;
		}
		lab_send(labs[0], LAB_FRONT, &from_client);
		send_long(labs[1], LAB_FRONT, &from_client);
		check_same(labs[0], labs[1]);
	}
	lab_free(labs[0]);
	lab_free(labs[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward_plain");
	TCase *tc = tcase_create("plain");

	tcase_add_loop_test(tc, the_shortest_way_does_what_the_long_way_does, 0, N_CASES);
	tcase_add_loop_test(tc, the_shortest_way_through_a_tunnel_does_what_the_long_way_does, 0,
	                    N_TUNNEL_CASES);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
