// SPDX-License-Identifier: Apache-2.0
// Long packets: 9000 bytes end to end, ports that differ in mtu, and what is longer than a buffer.
#include "sl_check.h"

#include <netinet/in.h>

#include "world.h"

#define LONG_MTU  9000
#define SHORT_MTU 1500
#define DF        0x4000

static void make_both_long(struct sl_dpconfig *c)
{
	c->ports[RIG_FRONT].mtu_bytes = LONG_MTU;
	c->ports[RIG_BACK].mtu_bytes = LONG_MTU;
}

static void make_front_long(struct sl_dpconfig *c)
{
	c->ports[RIG_FRONT].mtu_bytes = LONG_MTU;
}

static void make_back_long(struct sl_dpconfig *c)
{
	c->ports[RIG_BACK].mtu_bytes = LONG_MTU;
}

static struct sl_rig *start(const struct sl_world *w, enum sl_forward forward,
                            void (*change)(struct sl_dpconfig *))
{
	uint16_t port = sl_forward_is_dsr(forward) ? 0 : 8000;
	struct sl_body_pool pool = {
		.forward = (uint8_t)forward,
		.balance = SL_BALANCE_WEIGHTED,
		.n_backends = 2,
		.backends = {{w->backends[0], port, 1000}, {w->backends[1], port, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, IPPROTO_UDP, 0};
	struct sl_rig *rig = sl_rig_new_changed(1, 1024, change);

	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	for (uint32_t i = 0; i < WORLDS; i++)
		sl_rig_neighbour(rig, RIG_FRONT, sl_worlds[i].gateway, sl_world_gateway_mac);
	for (int b = 0; b < 2; b++)
		sl_rig_neighbour(rig, RIG_BACK, w->backends[b], sl_world_backend_macs[b]);
	sl_world_forget(rig);
	return rig;
}

// A datagram whose IP packet has this length.
static struct sl_packet_spec request(const struct sl_world *w, uint32_t l3_bytes)
{
	struct sl_packet_spec spec = sl_world_request(w, IPPROTO_UDP, 40000);
	const bool is_v6 = !sl_ip_is_v4(&spec.dst);

	spec.payload_bytes = (uint16_t)(l3_bytes - (is_v6 ? 40 : 20) - 8);
	spec.frag = is_v6 ? 0 : DF;
	return spec;
}

static struct sl_packet_spec to_backend(const struct sl_rig *rig, const struct sl_world *w,
                                        struct sl_packet_spec spec, int b)
{
	spec.dst = sl_packet_ip(w->backends[b]);
	spec.dport = 8000;
	spec.ttl = 63;
	sl_world_to_backend(rig, &spec, b);
	return spec;
}

START_TEST(packets_of_9000_bytes_pass_byte_for_byte)
{
	const struct sl_world *w = &sl_worlds[_i];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, make_both_long);
	struct sl_packet_spec in = request(w, LONG_MTU), out;
	struct sl_rig_frame frame;
	int b;

	frame = sl_world_send(rig, &in, &b);
	out = to_backend(rig, w, in, b);
	sl_world_expect(&frame, &out);
	in = out;
	in.src = out.dst;
	in.sport = out.dport;
	in.dst = out.src;
	in.dport = out.sport;
	in.ttl = 64;
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

START_TEST(a_long_packet_fits_into_a_tunnel_of_a_long_port)
{
	const struct sl_world *w = &sl_worlds[_i];
	const uint32_t overhead = _i == WORLD_V4 ? 20 : 40;
	struct sl_rig *rig = start(w, SL_FORWARD_DSR_IPIP, make_both_long);
	struct sl_packet_spec in = request(w, LONG_MTU - overhead);
	struct sl_rig_frame frame;
	int b;

	frame = sl_world_send(rig, &in, &b);
	ck_assert_uint_eq(frame.n_bytes, 14 + LONG_MTU);
	in.payload_bytes++;
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	sl_rig_expect_nothing(rig, RIG_BACK);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 1);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

// An error about `about` as the sender has to see it: what it quotes has come one hop.
static void expect_too_big(struct sl_rig *rig, uint32_t port, struct sl_packet_spec about,
                           const struct sl_ip *source, const uint8_t to_mac[6])
{
	struct sl_rig_frame got = sl_rig_take(rig, port);
	const bool is_v6 = !sl_ip_is_v4(&about.dst);
	const size_t head = is_v6 ? 48 : 28, total = is_v6 ? 1280 : 576;
	const uint8_t *l3 = got.bytes + 14, *icmp = l3 + head - 8;
	uint8_t quoted[SL_PACKET_MAX_BYTES];

	ck_assert_uint_eq(got.n_bytes, 14 + total);
	ck_assert_mem_eq(got.bytes, to_mac, 6);
	ck_assert_mem_eq(got.bytes + 6, rig->a.ports.macs[port], 6);
	ck_assert(sl_packet_csums_are_right(got.bytes, got.n_bytes));
	ck_assert_mem_eq(l3 + (is_v6 ? 8 : 12), &source->bytes[is_v6 ? 0 : 12], is_v6 ? 16 : 4);
	ck_assert_mem_eq(l3 + (is_v6 ? 24 : 16), &about.src.bytes[is_v6 ? 0 : 12], is_v6 ? 16 : 4);
	ck_assert_mem_eq(icmp, is_v6 ? "\2\0" : "\3\4", 2);
	ck_assert_mem_eq(icmp + 4, "\0\0\x05\xdc", 4);
	sl_packet_build(quoted, sizeof(quoted), &about);
	ck_assert_mem_eq(icmp + 8, quoted + 14, total - head);
	sl_rig_expect_nothing(rig, port);
}

START_TEST(a_client_learns_the_mtu_of_the_backends_port)
{
	const struct sl_world *w = &sl_worlds[_i];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, make_front_long);
	struct sl_packet_spec in = request(w, SHORT_MTU), out;
	struct sl_rig_frame frame;
	int b;

	frame = sl_world_send(rig, &in, &b); // the longest that fits
	out = to_backend(rig, w, in, b);
	sl_world_expect(&frame, &out);
	in.payload_bytes++;
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	sl_rig_expect_nothing(rig, RIG_BACK);
	in.ttl = 63;
	expect_too_big(rig, RIG_FRONT, in, &in.dst, sl_world_gateway_mac);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 1);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_backend_learns_the_mtu_of_the_clients_port)
{
	const struct sl_world *w = &sl_worlds[_i];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, make_back_long);
	struct sl_packet_spec in = request(w, 100), reply;
	int b;

	sl_world_send(rig, &in, &b);
	reply = request(w, SHORT_MTU + 1);
	reply.src = sl_packet_ip(w->backends[b]);
	reply.sport = 8000;
	reply.dst = in.src;
	reply.dport = in.sport;
	memcpy(reply.src_mac, sl_world_backend_macs[b], 6);
	sl_rig_put_spec(rig, RIG_BACK, &reply);
	sl_rig_turn(rig);
	sl_rig_expect_nothing(rig, RIG_FRONT);
	reply.ttl = 63;
	expect_too_big(rig, RIG_BACK, reply, &in.src, sl_world_backend_macs[b]);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 1);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_client_learns_the_mtu_under_direct_return)
{
	const struct sl_world *w = &sl_worlds[_i];
	struct sl_rig *rig = start(w, SL_FORWARD_DSR_L2, make_front_long);
	struct sl_packet_spec in = request(w, SHORT_MTU + 1);

	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	sl_rig_expect_nothing(rig, RIG_BACK);
	in.ttl = 64; // dsr-l2 is no hop
	expect_too_big(rig, RIG_FRONT, in, &in.dst, sl_world_gateway_mac);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(without_df_a_long_packet_is_dropped_and_nobody_told)
{
	const struct sl_world *w = &sl_worlds[WORLD_V4];
	struct sl_rig *rig = start(w, SL_FORWARD_NAT, make_front_long);
	struct sl_packet_spec in = request(w, SHORT_MTU + 1);

	in.frag = 0;
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	sl_rig_expect_nothing(rig, RIG_BACK);
	sl_rig_expect_nothing(rig, RIG_FRONT);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 1);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_frame_of_two_buffers_is_too_long)
{
	const struct sl_world *w = &sl_worlds[WORLD_V4];
	struct sl_rig *rig = sl_world_start(w, SL_FORWARD_NAT, 1, IPPROTO_UDP);
	struct rte_mbuf *head = rte_pktmbuf_alloc(rig->a.ports.pool);
	struct rte_mbuf *tail = rte_pktmbuf_alloc(rig->a.ports.pool);

	memset(rte_pktmbuf_append(head, 2000), 0, 2000);
	memset(rte_pktmbuf_append(tail, 1000), 0, 1000);
	ck_assert_int_eq(rte_pktmbuf_chain(head, tail), 0);
	ck_assert_int_eq(rte_ring_enqueue(rig->to_us[RIG_FRONT], head), 0);
	sl_rig_turn(rig);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_LONG), 1);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mtu");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, packets_of_9000_bytes_pass_byte_for_byte, 0, WORLDS);
	tcase_add_loop_test(tc, a_long_packet_fits_into_a_tunnel_of_a_long_port, 0, WORLDS);
	tcase_add_loop_test(tc, a_client_learns_the_mtu_of_the_backends_port, 0, WORLDS);
	tcase_add_loop_test(tc, a_backend_learns_the_mtu_of_the_clients_port, 0, WORLDS);
	tcase_add_loop_test(tc, a_client_learns_the_mtu_under_direct_return, 0, WORLDS);
	tcase_add_test(tc, without_df_a_long_packet_is_dropped_and_nobody_told);
	tcase_add_test(tc, a_frame_of_two_buffers_is_too_long);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
