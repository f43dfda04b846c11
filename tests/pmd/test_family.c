// SPDX-License-Identifier: Apache-2.0
// fullnat between the families through the real worker loop: a pool of servers of both, clients of
// both, and what does not fit.
#include "sl_check.h"

#include <netinet/in.h>

#include "layout.h"
#include "parse.h"
#include "world.h"

#define DF      0x4000
#define N_FLOWS 60

static const uint8_t macs[2][6] = {{2, 0, 0, 0, 1, 4}, {2, 0, 0, 0, 1, 6}}; // servers, v4 and v6

// Two VIPs, one pool, whose servers are the first of either world.
static struct sl_rig *start(uint32_t n_workers, bool has_v4, bool has_v6)
{
	struct sl_body_pool pool = {.forward = SL_FORWARD_FULLNAT,
	                            .n_backends = has_v4 && has_v6 ? 2 : 1,
	                            .backends = {{sl_worlds[!has_v4].backends[0], 8000, 1000},
	                                         {sl_worlds[1].backends[0], 8000, 1000}}};
	struct sl_body_vip vips[4];
	struct sl_rig *rig = sl_rig_new(n_workers, 1024);

	for (int i = 0; i < 4; i++)
		vips[i] = (struct sl_body_vip){sl_worlds[i / 2].vip, 443, 443,
		                               i % 2 ? IPPROTO_UDP : IPPROTO_TCP, 0};
	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, vips, 4, &pool, 1});
	sl_world_forget(rig);
	for (int i = 0; i < WORLDS; i++) {
		sl_rig_neighbour(rig, RIG_FRONT, sl_worlds[i].gateway, sl_world_gateway_mac);
		sl_rig_neighbour(rig, RIG_BACK, sl_worlds[i].backends[0], macs[i]);
	}
	sl_world_forget(rig);
	return rig;
}

static void stop(struct sl_rig *rig)
{
	sl_rig_expect_nothing(rig, RIG_FRONT);
	sl_rig_expect_nothing(rig, RIG_BACK);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}

// The packet that leaves, parsed; every checksum of it is right.
static struct sl_pkt leaves(struct sl_rig *rig, uint32_t port, struct sl_rig_frame *frame)
{
	struct sl_pkt pkt = {0};

	*frame = sl_rig_take(rig, port);
	ck_assert_uint_ne(frame->n_bytes, 0);
	pkt.data = frame->bytes;
	pkt.len = (uint32_t)frame->n_bytes;
	ck_assert_int_eq(sl_parse(&pkt), -1);
	ck_assert(sl_packet_csums_are_right(frame->bytes, frame->n_bytes));
	return pkt;
}

static void check_tuple(const struct sl_tuple *t, const struct sl_packet_spec *spec)
{
	const struct sl_tuple want = sl_packet_tuple(spec);

	ck_assert_mem_eq(t, &want, sizeof(want));
}

// A request and its answer, from whichever server.
static void exchange(struct sl_rig *rig, const struct sl_world *w, uint8_t proto, uint16_t sport)
{
	struct sl_packet_spec in = sl_world_request(w, proto, sport), back;
	struct sl_rig_frame frame;
	struct sl_pkt out;

	in.dscp_ecn = 0x2b;
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	out = leaves(rig, RIG_BACK, &frame);
	ck_assert_mem_eq(frame.bytes, macs[out.is_v6], 6);
	ck_assert_uint_eq(out.ttl, 63);
	ck_assert_uint_eq(out.l4_bytes, proto == IPPROTO_TCP ? 20 : 8 + 33);
	back = (struct sl_packet_spec){.src = sl_packet_ip(sl_worlds[out.is_v6].backends[0]),
	                               .dst = sl_packet_ip(sl_worlds[out.is_v6].back_address),
	                               .proto = proto,
	                               .sport = 8000,
	                               .dport = ntohs(out.tuple.sport_be),
	                               .tcp_flags = SL_TCP_SYN | SL_TCP_ACK,
	                               .payload_bytes = 5};
	ck_assert_mem_eq(&out.tuple.src, &back.dst, sizeof(back.dst));
	ck_assert_mem_eq(&out.tuple.dst, &back.src, sizeof(back.src));
	sl_rig_put_spec(rig, RIG_BACK, &back);
	sl_rig_turn(rig);
	out = leaves(rig, RIG_FRONT, &frame);
	ck_assert_mem_eq(frame.bytes, sl_world_gateway_mac, 6);
	back.src = in.dst;
	back.sport = 443;
	back.dst = in.src;
	back.dport = sport;
	check_tuple(&out.tuple, &back);
	ck_assert_uint_eq(out.l4_bytes, (proto == IPPROTO_TCP ? 20 : 8) + 5);
}

START_TEST(servers_of_both_families_serve_clients_of_both)
{
	struct sl_rig *rig = start(1 + (uint32_t)_i % 2, true, true);
	const uint8_t proto = _i / 2 ? IPPROTO_UDP : IPPROTO_TCP;
	uint64_t flows[2];

	for (uint16_t i = 0; i < N_FLOWS; i++)
		exchange(rig, &sl_worlds[i % 2], proto, (uint16_t)(20000 + i));
	for (uint32_t b = 0; b < 2; b++) {
		flows[b] = 0;
		for (uint32_t worker = 0; worker < rig->a.io.n_workers; worker++)
			flows[b] += sl_stat_get(
				&sl_stats_backend_at(rig->a.io.stats, worker, b)->flows_new);
		ck_assert_uint_ge(flows[b], N_FLOWS / 2 - 2); // of clients of both families
	}
	stop(rig);
}
END_TEST

// 1500 bytes of IPv4 would be 1520 of IPv6: whoever sent them hears of 1480.
static void expect_too_big(struct sl_rig *rig, uint32_t port, const struct sl_packet_spec *about)
{
	struct sl_rig_frame frame;
	struct sl_pkt error = leaves(rig, port, &frame);
	const uint8_t *icmp = frame.bytes + error.l4_off;

	ck_assert_uint_eq(error.kind, SL_PKT_ICMP_ERROR);
	ck_assert_uint_eq(icmp[0], 3);
	ck_assert_uint_eq(icmp[1], 4);
	ck_assert_uint_eq(sl_load16_host(icmp + 6), 1480);
	ck_assert_mem_eq(&error.tuple.dst, &about->src, sizeof(about->src));
	ck_assert_mem_eq(&error.tuple.src, &about->dst, sizeof(about->dst));
	check_tuple(&error.inner, about);
}

START_TEST(a_client_is_told_when_the_ipv6_header_makes_it_too_long)
{
	const bool has_df = _i;
	struct sl_rig *rig = start(1, false, true);
	struct sl_packet_spec in = sl_world_request(&sl_worlds[WORLD_V4], IPPROTO_UDP, 4000);
	struct sl_rig_frame frame;

	in.frag = has_df ? DF : 0;
	in.payload_bytes = 1480 - 28;
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	ck_assert_uint_eq(leaves(rig, RIG_BACK, &frame).l4_bytes, 1480 - 20);
	in.payload_bytes++;
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	if (has_df)
		expect_too_big(rig, RIG_FRONT, &in);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 1);
	stop(rig);
}
END_TEST

START_TEST(a_server_is_told_when_the_ipv6_header_makes_it_too_long)
{
	struct sl_rig *rig = start(1, true, false);
	struct sl_packet_spec in = sl_world_request(&sl_worlds[WORLD_V6], IPPROTO_UDP, 4000), back;
	struct sl_rig_frame frame;
	struct sl_pkt out;

	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	out = leaves(rig, RIG_BACK, &frame);
	back = (struct sl_packet_spec){.src = out.tuple.dst,
	                               .dst = out.tuple.src,
	                               .proto = IPPROTO_UDP,
	                               .sport = 8000,
	                               .dport = ntohs(out.tuple.sport_be),
	                               .frag = DF,
	                               .payload_bytes = 1481 - 28};
	sl_rig_put_spec(rig, RIG_BACK, &back);
	sl_rig_turn(rig);
	expect_too_big(rig, RIG_BACK, &back);
	stop(rig);
}
END_TEST

START_TEST(fragments_do_not_change_family)
{
	struct sl_rig *rig = start(1 + (uint32_t)_i, false, true);
	struct sl_packet_spec in = sl_world_request(&sl_worlds[WORLD_V4], IPPROTO_UDP, 4000);

	in.payload_bytes = 32;
	in.frag = SL_IPV4_FRAG_MORE;
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	in.frag = 5; // 40 bytes on: the rest
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_FRAGMENT_FAMILY), 2);
	stop(rig);
}
END_TEST

// The last hop: the client's own family tells it, before anything is translated.
START_TEST(time_exceeded_is_told_in_the_family_of_the_sender)
{
	const struct sl_world *w = &sl_worlds[_i];
	struct sl_rig *rig = start(1, _i, !_i);
	struct sl_packet_spec in = sl_world_request(w, IPPROTO_UDP, 4000);
	struct sl_rig_frame frame;
	struct sl_pkt error;

	in.ttl = 1;
	in.payload_bytes = 200; // errors are no longer than what they are about
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	error = leaves(rig, RIG_FRONT, &frame);
	ck_assert_uint_eq(error.kind, SL_PKT_ICMP_ERROR);
	ck_assert_uint_eq(error.icmp_type, _i ? 3 : 11);
	check_tuple(&error.inner, &in);
	stop(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("family");
	TCase *tc = tcase_create("translated");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, servers_of_both_families_serve_clients_of_both, 0, 4);
	tcase_add_loop_test(tc, a_client_is_told_when_the_ipv6_header_makes_it_too_long, 0, 2);
	tcase_add_test(tc, a_server_is_told_when_the_ipv6_header_makes_it_too_long);
	tcase_add_loop_test(tc, fragments_do_not_change_family, 0, 2);
	tcase_add_loop_test(tc, time_exceeded_is_told_in_the_family_of_the_sender, 0, 2);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
