// SPDX-License-Identifier: Apache-2.0
// dsr-ipip and dsr-gue through the real worker loop: the exact bytes that leave, and what happens
// to packets that would not fit.
#include "sl_check.h"

#include <netinet/in.h>

#include "outer.h"
#include "rig.h"

#define DF       0x4000
#define L2_BYTES 14
#define SPORT    40000
#define MSS(n)   2, 4, (n) >> 8, (n)&0xff

static const uint8_t gateway_mac[6] = {0x02, 0, 0, 0, 0, 0xfe};
static const uint8_t backend_mac[6] = {0x02, 0, 0, 0, 1, 1};

struct family {
	const char *client, *vip, *backend, *gateway, *back_address;
};

static const struct family families[] = {
	{"198.51.100.7", "203.0.113.10", "10.0.0.11", "192.0.2.254", "10.0.0.1"},
	{"2001:db8:7::7", "2001:db8:ff::10", "2001:db8:2::11", "2001:db8:1::fe", "2001:db8:2::1"},
};

// One way through: who is inside, who is outside, and the largest packet and segment that fit.
struct path {
	const char *name;
	const struct family *inner, *outer;
	enum sl_forward forward;
	uint16_t mtu, mss;
};

static const struct path paths[] = {
	{"4in4", &families[0], &families[0], SL_FORWARD_DSR_IPIP, 1480, 1440},
	{"6in4", &families[1], &families[0], SL_FORWARD_DSR_IPIP, 1480, 1420},
	{"4in6", &families[0], &families[1], SL_FORWARD_DSR_IPIP, 1460, 1420},
	{"6in6", &families[1], &families[1], SL_FORWARD_DSR_IPIP, 1460, 1400},
	{"gue 4in4", &families[0], &families[0], SL_FORWARD_DSR_GUE, 1468, 1428},
	{"gue 6in4", &families[1], &families[0], SL_FORWARD_DSR_GUE, 1468, 1408},
	{"gue 4in6", &families[0], &families[1], SL_FORWARD_DSR_GUE, 1448, 1408},
	{"gue 6in6", &families[1], &families[1], SL_FORWARD_DSR_GUE, 1448, 1388},
};
#define N_PATHS (int)(sizeof(paths) / sizeof(paths[0]))

static void forget_frames(struct sl_rig *rig)
{
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
}

static void configure(struct sl_rig *rig, const struct path *path, enum sl_mtu_guard guard,
                      uint64_t epoch)
{
	struct sl_body_pool pool = {.forward = (uint8_t)path->forward,
	                            .balance = SL_BALANCE_WEIGHTED,
	                            .mtu_guard = (uint8_t)guard,
	                            .n_backends = 1,
	                            .backends = {{path->outer->backend, 0, 1000}}};
	struct sl_body_vip vips[] = {{path->inner->vip, 443, 443, IPPROTO_TCP, 0},
	                             {path->inner->vip, 443, 443, IPPROTO_UDP, 0}};
	struct sl_body_spec spec = {epoch, epoch, vips, 2, &pool, 1};

	sl_rig_configure(rig, &spec);
}

static struct sl_rig *start(const struct path *path, enum sl_mtu_guard guard, uint32_t n_workers)
{
	struct sl_rig *rig = sl_rig_new(n_workers, 1024);

	configure(rig, path, guard, 1);
	forget_frames(rig);
	sl_rig_neighbour(rig, RIG_FRONT, path->inner->gateway, gateway_mac);
	sl_rig_neighbour(rig, RIG_BACK, path->outer->backend, backend_mac);
	forget_frames(rig);
	return rig;
}

static void stop(struct sl_rig *rig)
{
	sl_rig_expect_nothing(rig, RIG_FRONT);
	sl_rig_expect_nothing(rig, RIG_BACK);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}

static struct sl_packet_spec from_client(const struct path *path, uint8_t proto)
{
	struct sl_packet_spec spec = {.src = sl_packet_ip(path->inner->client),
	                              .dst = sl_packet_ip(path->inner->vip),
	                              .proto = proto,
	                              .sport = SPORT,
	                              .dport = 443,
	                              .dscp_ecn = 46 << 2 | 2, // EF, ECT(0)
	                              .frag = path->inner == &families[0] ? DF : 0,
	                              .tcp_flags = SL_TCP_SYN,
	                              .tcp_seq = 1000};

	memcpy(spec.src_mac, gateway_mac, 6);
	return spec;
}

static const uint8_t *outer_l3(const struct sl_rig_frame *frame)
{
	return frame->bytes + L2_BYTES;
}

static uint16_t sport_of(const struct path *path, const struct sl_rig_frame *frame)
{
	const uint8_t *udp = outer_l3(frame) + (path->outer == &families[0] ? 20 : 40);

	return path->forward == SL_FORWARD_DSR_GUE ? (uint16_t)(udp[0] << 8 | udp[1]) : 0;
}

static uint32_t label_of(const struct path *path, const struct sl_rig_frame *frame)
{
	const uint8_t *l3 = outer_l3(frame);

	if (path->outer == &families[0])
		return 0;
	return (uint32_t)(l3[1] & 15) << 16 | (uint32_t)l3[2] << 8 | l3[3];
}

// inner is what must be inside. What tells flows apart is taken from the frame, and returned.
static uint32_t expect_inside(struct sl_rig *rig, const struct path *path,
                              const struct sl_packet_spec *inner, uint16_t id)
{
	struct sl_rig_frame got = sl_rig_take(rig, RIG_BACK);
	const bool has_df = path->inner == &families[0] && (inner->frag & DF) != 0;
	struct sl_outer_spec outer = {.src = sl_packet_ip(path->outer->back_address),
	                              .dst = sl_packet_ip(path->outer->backend),
	                              .dscp_ecn = inner->dscp_ecn,
	                              .has_df = has_df,
	                              .id = has_df ? 0 : id,
	                              .flow_label = label_of(path, &got),
	                              .gue_sport = sport_of(path, &got),
	                              .inner = inner};
	uint8_t want[SL_PACKET_MAX_BYTES];
	size_t n_want;

	ck_assert_msg(got.n_bytes != 0, "%s: nothing left", path->name);
	if (path->forward == SL_FORWARD_DSR_GUE)
		ck_assert_uint_ge(outer.gue_sport, 49152);
	memcpy(outer.src_mac, rig->a.ports.macs[RIG_BACK], 6);
	memcpy(outer.dst_mac, backend_mac, 6);
	n_want = sl_outer_build(want, sizeof(want), &outer);
	ck_assert_msg(got.n_bytes == n_want, "%s: %zu bytes, not %zu", path->name, got.n_bytes,
	              n_want);
	for (size_t i = 0; i < n_want; i++)
		ck_assert_msg(got.bytes[i] == want[i], "%s: byte %zu is %02x, not %02x", path->name,
		              i, got.bytes[i], want[i]);
	return path->forward == SL_FORWARD_DSR_GUE ? outer.gue_sport : outer.flow_label;
}

static void offer(struct sl_rig *rig, const struct sl_packet_spec *spec)
{
	sl_rig_put_spec(rig, RIG_FRONT, spec);
	sl_rig_turn(rig);
}

START_TEST(a_packet_arrives_inside_another_byte_for_byte)
{
	const struct path *path = &paths[_i];
	struct sl_rig *rig = start(path, SL_MTU_GUARD_BOTH, 1);

	for (uint16_t n = 0; n < 6; n++) {
		struct sl_packet_spec in = from_client(path, n % 2 ? IPPROTO_UDP : IPPROTO_TCP);
		struct sl_packet_spec inside;

		in.payload_bytes = (uint16_t)(n * 7);
		in.padding_bytes = n; // stays behind
		in.tcp_flags = n == 0 ? SL_TCP_SYN : SL_TCP_ACK;
		if (n >= 4)
			in.frag = 0; // outer DF follows the packet, not the flow
		offer(rig, &in);
		inside = in;
		inside.ttl = 63;
		expect_inside(rig, path, &inside, n);
	}
	stop(rig);
}
END_TEST

START_TEST(packets_of_one_flow_look_alike_and_flows_differ)
{
	const struct path *path = &paths[_i];
	struct sl_rig *rig = start(path, SL_MTU_GUARD_BOTH, 2);
	struct sl_packet_spec in = from_client(path, IPPROTO_UDP);
	uint32_t first = 0, n_different = 0;

	for (uint16_t flow = 0; flow < 8; flow++) {
		uint32_t seen[2];

		in.sport = (uint16_t)(SPORT + flow);
		for (int again = 0; again < 2; again++) {
			struct sl_rig_frame got;

			offer(rig, &in);
			got = sl_rig_take(rig, RIG_BACK);
			ck_assert(got.n_bytes != 0);
			seen[again] = path->forward == SL_FORWARD_DSR_GUE ? sport_of(path, &got)
			                                                  : label_of(path, &got);
		}
		ck_assert_uint_eq(seen[0], seen[1]);
		first = flow == 0 ? seen[0] : first;
		n_different += seen[0] != first;
	}
	if (path->forward == SL_FORWARD_DSR_GUE || path->outer == &families[1])
		ck_assert_uint_ge(n_different, 5);
	stop(rig);
}
END_TEST

// What a SYN may announce, and what is left of it.
START_TEST(a_syn_announces_no_more_than_fits)
{
	const struct path *path = &paths[_i % N_PATHS];
	const bool is_clamping = _i < N_PATHS;
	const uint16_t announced[] = {(uint16_t)(path->mss + 1), path->mss,
	                              (uint16_t)(path->mss - 1)};
	struct sl_rig *rig =
		start(path, is_clamping ? SL_MTU_GUARD_CLAMP_MSS : SL_MTU_GUARD_TOO_BIG, 1);

	for (uint16_t i = 0; i < 3; i++) {
		const uint8_t option[4] = {MSS(announced[i])}, lowered[4] = {MSS(path->mss)};
		struct sl_packet_spec in = from_client(path, IPPROTO_TCP), inside;

		in.sport = (uint16_t)(SPORT + i);
		in.tcp_options = option;
		in.tcp_options_bytes = sizeof(option);
		offer(rig, &in);
		inside = in;
		inside.ttl = 63;
		if (is_clamping && i == 0)
			inside.tcp_options = lowered;
		expect_inside(rig, path, &inside, i);
	}
	stop(rig);
}
END_TEST

static uint16_t payload_for(const struct path *path, uint16_t ip_bytes)
{
	return (uint16_t)(ip_bytes - (path->inner == &families[0] ? 20 : 40) - 8);
}

// From the IP header on: addresses, kind and MTU of the error, and what it quotes.
static void expect_too_big(struct sl_rig *rig, const struct path *path,
                           const struct sl_packet_spec *about)
{
	struct sl_rig_frame got = sl_rig_take(rig, RIG_FRONT);
	const bool is_v6 = path->inner == &families[1];
	const size_t head = is_v6 ? 48 : 28;
	const size_t total = is_v6 ? 1280 : 576;
	const uint8_t *icmp = outer_l3(&got) + head - 8;
	const uint8_t *addresses = outer_l3(&got) + (is_v6 ? 8 : 12);
	struct sl_ip ends[2] = {about->dst, about->src};
	uint8_t frame[SL_PACKET_MAX_BYTES];

	ck_assert_msg(got.n_bytes == L2_BYTES + total, "%s: %zu bytes", path->name, got.n_bytes);
	ck_assert_mem_eq(got.bytes, gateway_mac, 6);
	ck_assert_mem_eq(got.bytes + 6, rig->a.ports.macs[RIG_FRONT], 6);
	ck_assert(sl_packet_csums_are_right(got.bytes, got.n_bytes));
	for (int i = 0; i < 2; i++)
		ck_assert_mem_eq(addresses + i * (is_v6 ? 16 : 4), &ends[i].bytes[is_v6 ? 0 : 12],
		                 is_v6 ? 16 : 4);
	ck_assert_uint_eq(icmp[0], is_v6 ? 2 : 3);
	ck_assert_uint_eq(icmp[1], is_v6 ? 0 : 4);
	ck_assert_uint_eq((uint32_t)icmp[4] << 24 | (uint32_t)icmp[5] << 16 | icmp[6] << 8 |
	                          icmp[7],
	                  path->mtu);
	sl_packet_build(frame, sizeof(frame), about); // quoted as it was received
	ck_assert_mem_eq(icmp + 8, frame + L2_BYTES, total - head);
}

START_TEST(what_would_not_fit_is_answered_with_the_mtu)
{
	const struct path *path = &paths[_i];
	struct sl_rig *rig = start(path, SL_MTU_GUARD_BOTH, 1);
	struct sl_packet_spec in = from_client(path, IPPROTO_UDP), inside;

	in.payload_bytes = payload_for(path, path->mtu);
	offer(rig, &in);
	inside = in;
	inside.ttl = 63;
	expect_inside(rig, path, &inside, 0);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 0);
	in.payload_bytes++;
	offer(rig, &in);
	expect_too_big(rig, path, &in);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 1);
	stop(rig);
}
END_TEST

START_TEST(without_the_guard_nobody_is_told)
{
	const struct path *path = &paths[_i];
	struct sl_rig *rig = start(path, SL_MTU_GUARD_CLAMP_MSS, 1);
	struct sl_packet_spec in = from_client(path, IPPROTO_UDP);

	in.payload_bytes = payload_for(path, (uint16_t)(path->mtu + 1));
	offer(rig, &in);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 1);
	stop(rig);
}
END_TEST

START_TEST(ipv4_without_df_is_dropped_and_counted)
{
	struct sl_rig *rig = start(&paths[0], SL_MTU_GUARD_BOTH, 1);
	struct sl_packet_spec in = from_client(&paths[0], IPPROTO_UDP);

	in.frag = 0;
	in.payload_bytes = payload_for(&paths[0], (uint16_t)(paths[0].mtu + 1));
	offer(rig, &in);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 1);
	stop(rig);
}
END_TEST

START_TEST(errors_are_limited_in_rate)
{
	struct sl_rig *rig = start(&paths[_i], SL_MTU_GUARD_BOTH, 1);
	struct sl_packet_spec in = from_client(&paths[_i], IPPROTO_UDP);
	uint32_t n_told = 0;

	in.payload_bytes = payload_for(&paths[_i], 1500);
	rig->now_ns += SL_FLOW_TICK_NS - rig->now_ns % SL_FLOW_TICK_NS;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < SL_TOOBIG_BURST + 50; i++) // all within one tick
			sl_rig_put_spec(rig, RIG_FRONT, &in);
		sl_rig_turn(rig);
		while (sl_rig_take(rig, RIG_FRONT).n_bytes != 0)
			n_told++;
		ck_assert_uint_eq(n_told, SL_TOOBIG_BURST + (uint32_t)round * SL_TOOBIG_PER_TICK);
		rig->now_ns += SL_FLOW_TICK_NS;
	}
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 2 * (SL_TOOBIG_BURST + 50));
	stop(rig);
}
END_TEST

// A buffer whose headroom is one byte short of the header, as a driver might give it.
START_TEST(a_buffer_without_headroom_is_a_named_drop)
{
	const struct path *path = &paths[_i];
	struct sl_rig *rig = start(path, SL_MTU_GUARD_BOTH, 1);
	struct sl_packet_spec in = from_client(path, IPPROTO_UDP), inside;
	uint8_t frame[SL_PACKET_MAX_BYTES];
	uint16_t room = (uint16_t)(1500 - path->mtu);

	in.payload_bytes = 30;
	memcpy(in.dst_mac, rig->a.ports.macs[RIG_FRONT], 6);
	for (int n_missing = 1; n_missing >= 0; n_missing--) {
		size_t n_bytes = sl_packet_build(frame, sizeof(frame), &in);
		struct rte_mbuf *m = rte_pktmbuf_alloc(rig->a.ports.pool);

		m->data_off = (uint16_t)(room - n_missing);
		memcpy(rte_pktmbuf_append(m, (uint16_t)n_bytes), frame, n_bytes);
		ck_assert(rte_ring_enqueue(rig->to_us[RIG_FRONT], m) == 0);
		sl_rig_turn(rig);
		ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_NO_HEADROOM), 1);
	}
	inside = in;
	inside.ttl = 63;
	expect_inside(rig, path, &inside, 1); // the one with just enough
	stop(rig);
}
END_TEST

START_TEST(a_ttl_of_one_ends_before_the_tunnel)
{
	struct sl_rig *rig = start(&paths[_i], SL_MTU_GUARD_BOTH, 1);
	struct sl_packet_spec in = from_client(&paths[_i], IPPROTO_UDP);
	struct sl_rig_frame got;

	in.ttl = 1;
	in.payload_bytes = payload_for(&paths[_i], 1500);
	offer(rig, &in);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TTL), 1);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TOO_BIG), 0);
	got = sl_rig_take(rig, RIG_FRONT); // time exceeded, and nothing about its length
	ck_assert_uint_eq(outer_l3(&got)[_i == 0 ? 20 : 40], _i == 0 ? 11 : 3);
	stop(rig);
}
END_TEST

START_TEST(an_icmp_error_about_a_reply_follows_its_flow_into_the_tunnel)
{
	const struct path *path = &paths[_i];
	const bool is_v6 = path->inner == &families[1];
	struct sl_rig *rig = start(path, SL_MTU_GUARD_BOTH, 1);
	struct sl_packet_spec in = from_client(path, IPPROTO_TCP), inside;
	struct sl_packet_spec reply = {.src = in.dst,
	                               .dst = in.src,
	                               .proto = IPPROTO_TCP,
	                               .sport = 443,
	                               .dport = SPORT,
	                               .tcp_flags = SL_TCP_ACK,
	                               .payload_bytes = 40};
	struct sl_packet_spec error = {.src = sl_packet_ip(path->inner->gateway),
	                               .dst = in.dst,
	                               .proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
	                               .icmp_type = is_v6 ? 2 : 3,
	                               .icmp_code = is_v6 ? 0 : 4,
	                               .icmp_rest = 1300,
	                               .quote = &reply};
	uint32_t flow_id;

	offer(rig, &in);
	inside = in;
	inside.ttl = 63;
	flow_id = expect_inside(rig, path, &inside, 0);
	memcpy(error.src_mac, gateway_mac, 6);
	offer(rig, &error);
	inside = error;
	inside.ttl = 63;
	ck_assert_uint_eq(expect_inside(rig, path, &inside, 1), flow_id);
	stop(rig);
}
END_TEST

START_TEST(a_flow_stays_in_its_tunnel_when_the_backend_is_removed)
{
	const struct path *path = &paths[_i];
	struct path other = *path;
	struct family moved = *path->outer;
	struct sl_rig *rig = start(path, SL_MTU_GUARD_BOTH, 1);
	struct sl_packet_spec in = from_client(path, IPPROTO_TCP), inside;

	offer(rig, &in);
	inside = in;
	inside.ttl = 63;
	expect_inside(rig, path, &inside, 0);
	moved.backend = path->outer == &families[0] ? "10.0.0.99" : "2001:db8:2::99";
	other.outer = &moved;
	configure(rig, &other, SL_MTU_GUARD_BOTH, 2);
	forget_frames(rig);
	in.tcp_flags = SL_TCP_ACK;
	offer(rig, &in);
	inside = in;
	inside.ttl = 63;
	expect_inside(rig, path, &inside, 1);
	stop(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("encap");
	TCase *tc = tcase_create("pmd");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, a_packet_arrives_inside_another_byte_for_byte, 0, N_PATHS);
	tcase_add_loop_test(tc, packets_of_one_flow_look_alike_and_flows_differ, 0, N_PATHS);
	tcase_add_loop_test(tc, a_syn_announces_no_more_than_fits, 0, N_PATHS + 2);
	tcase_add_loop_test(tc, what_would_not_fit_is_answered_with_the_mtu, 0, N_PATHS);
	tcase_add_loop_test(tc, without_the_guard_nobody_is_told, 0, 2);
	tcase_add_test(tc, ipv4_without_df_is_dropped_and_counted);
	tcase_add_loop_test(tc, errors_are_limited_in_rate, 0, 2);
	tcase_add_loop_test(tc, a_buffer_without_headroom_is_a_named_drop, 0, N_PATHS);
	tcase_add_loop_test(tc, a_ttl_of_one_ends_before_the_tunnel, 0, 2);
	tcase_add_loop_test(tc, an_icmp_error_about_a_reply_follows_its_flow_into_the_tunnel, 0,
	                    N_PATHS);
	tcase_add_loop_test(tc, a_flow_stays_in_its_tunnel_when_the_backend_is_removed, 0, N_PATHS);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
