// SPDX-License-Identifier: Apache-2.0
// A port with a rate on the ring ports: what passes, what waits, what goes first, what is dropped.
#include "sl_check.h"

#include <netinet/in.h>

#include "rig.h"
#include "shaper.h"

#define RATE_BPS      (UINT64_C(100) * 1000 * 1000)
#define PAYLOAD_BYTES 1400
#define FRAME_BYTES   (14 + 20 + 8 + PAYLOAD_BYTES)
#define DEPTH_PKTS    18 // of 2 ms: the last one on credit
#define BACKEND       "10.0.0.11"
#define VIP           "203.0.113.10"

enum { GENERAL_PORT = 1000, INFERENCE_PORT, TRAINING_PORT, ROCE_PORT = 4791 };

static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 0xfe}, backend_mac[6] = {2, 0, 0, 0, 0, 0xbb};

static const struct {
	const char *name;
	uint16_t port;
	uint8_t dscp;
	const uint8_t *payload;
	uint32_t queue;
} kinds[] = {
	{"general", GENERAL_PORT, 0, NULL, SL_QOS_GENERAL},
	{"inference", INFERENCE_PORT, 0, NULL, SL_QOS_INFERENCE},
	{"training", TRAINING_PORT, 0, NULL, SL_QOS_TRAINING},
	{"training of lower effort", TRAINING_PORT, 1, NULL, SL_QOS_BULK},
	{"training of class selector 1", TRAINING_PORT, 8, NULL, SL_QOS_BULK},
	{"general asks for priority in vain", GENERAL_PORT, 46, NULL, SL_QOS_GENERAL},
	{"RoCE data", ROCE_PORT, 26, (const uint8_t[PAYLOAD_BYTES]){0x0a}, SL_QOS_RDMA},
	{"RoCE congestion notification", ROCE_PORT, 48, (const uint8_t[PAYLOAD_BYTES]){0x81},
         SL_QOS_CONTROL},
	{"RoCE connection manager", ROCE_PORT, 0, (const uint8_t[PAYLOAD_BYTES]){0x64, [7] = 1},
         SL_QOS_CONTROL},
	{"RoCE datagram to a queue pair", ROCE_PORT, 0,
         (const uint8_t[PAYLOAD_BYTES]){0x64, [6] = 1, [7] = 1}, SL_QOS_RDMA},
};

static void limit_back(struct sl_dpconfig *c)
{
	c->ports[RIG_BACK].rate_bps = RATE_BPS;
	c->ports[RIG_BACK].training_percent = 100;
	c->dscps[SL_QOS_INFERENCE] = 34;
}

static struct sl_rig *start(uint32_t n_workers)
{
	static const struct sl_body_pool pool = {.forward = SL_FORWARD_NAT,
	                                         .balance = SL_BALANCE_WEIGHTED,
	                                         .n_backends = 1,
	                                         .backends = {{BACKEND, 0, 1000}}};
	static const struct sl_body_vip vips[] = {
		{VIP, GENERAL_PORT, GENERAL_PORT, IPPROTO_UDP, 0},
		{VIP, INFERENCE_PORT, INFERENCE_PORT, IPPROTO_UDP, 0, .class = SL_VIP_INFERENCE},
		{VIP, TRAINING_PORT, TRAINING_PORT, IPPROTO_UDP, 0, .class = SL_VIP_TRAINING},
		{VIP, ROCE_PORT, ROCE_PORT, IPPROTO_UDP, 0},
	};
	struct sl_rig *rig = sl_rig_new_changed(n_workers, 1024, limit_back);

	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, vips, 4, &pool, 1});
	sl_rig_neighbour(rig, RIG_FRONT, "192.0.2.254", gateway_mac);
	sl_rig_neighbour(rig, RIG_BACK, BACKEND, backend_mac);
	sl_rig_pass(rig, SL_NS_PER_S);
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
	return rig;
}

static struct sl_packet_spec packet(uint32_t kind, uint16_t sport)
{
	struct sl_packet_spec spec = {.src = SL_PACKET_V4(198, 51, 100, 7),
	                              .dst = SL_PACKET_V4(203, 0, 113, 10),
	                              .proto = IPPROTO_UDP,
	                              .sport = sport,
	                              .dport = kinds[kind].port,
	                              .dscp_ecn = (uint8_t)(kinds[kind].dscp << 2 | 2),
	                              .payload = kinds[kind].payload,
	                              .payload_bytes = PAYLOAD_BYTES};

	memcpy(spec.src_mac, gateway_mac, 6);
	return spec;
}

static void put(struct sl_rig *rig, uint32_t kind, uint16_t sport)
{
	const struct sl_packet_spec spec = packet(kind, sport);

	sl_rig_put_spec(rig, RIG_FRONT, &spec);
}

static const struct sl_stats_qos *row(struct sl_rig *rig, uint32_t queue)
{
	return sl_stats_qos_at(rig->a.segment.base, RIG_BACK) + queue;
}

static uint32_t take_all(struct sl_rig *rig)
{
	uint32_t n = 0;

	while (sl_rig_take(rig, RIG_BACK).n_bytes != 0)
		n++;
	return n;
}

START_TEST(packets_are_sorted_by_what_they_are)
{
	struct sl_rig *rig = start(1 + (uint32_t)_i % 2);
	const uint32_t kind = (uint32_t)_i / 2;
	const struct sl_stats_qos *r = row(rig, kinds[kind].queue);
	const uint64_t before = sl_stat_get(&r->sent_pkts);

	for (uint32_t i = 0; i < 2; i++) { // the first makes the flow, the second has it
		put(rig, kind, 40000);
		sl_rig_turn(rig);
	}
	ck_assert_msg(sl_stat_get(&r->sent_pkts) == before + 2, "%s", kinds[kind].name);
	ck_assert_uint_eq(take_all(rig), 2);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(inference_leaves_before_what_waits_and_with_its_dscp)
{
	struct sl_rig *rig = start(1 + (uint32_t)_i);
	struct sl_packet_spec want = packet(1, 40000);
	struct sl_rig_frame frame;

	rig->is_time_frozen = true;
	for (uint32_t i = 0; i < 60; i++)
		put(rig, 2, (uint16_t)(41000 + i));
	put(rig, 1, 40000);
	sl_rig_turn(rig);
	ck_assert_uint_eq(take_all(rig), DEPTH_PKTS);
	ck_assert_uint_eq(sl_stat_get(&row(rig, SL_QOS_TRAINING)->held_pkts), 60 - DEPTH_PKTS);
	ck_assert_uint_eq(sl_stat_get(&row(rig, SL_QOS_INFERENCE)->held_pkts), 1);
	sl_rig_check_accounts(rig);
	rig->now_ns += 200 * SL_NS_PER_US;
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_BACK);
	ck_assert_uint_eq(frame.n_bytes, FRAME_BYTES);
	ck_assert_uint_eq(frame.bytes[36] << 8 | frame.bytes[37], INFERENCE_PORT);
	want.dst = sl_packet_ip(BACKEND);
	want.ttl = 63;
	want.dscp_ecn = 34 << 2 | 2;
	memcpy(want.src_mac, rig->a.ports.macs[RIG_BACK], 6);
	memcpy(want.dst_mac, backend_mac, 6);
	{
		uint8_t bytes[SL_PACKET_MAX_BYTES];

		ck_assert_uint_eq(sl_packet_build(bytes, sizeof(bytes), &want), frame.n_bytes);
		ck_assert_mem_eq(bytes, frame.bytes, frame.n_bytes);
	}
	take_all(rig);
	rig->now_ns += SL_NS_PER_S;
	sl_rig_turn(rig);
	rig->now_ns += SL_NS_PER_S;
	sl_rig_turn(rig);
	rig->now_ns += SL_NS_PER_S;
	sl_rig_turn(rig);
	sl_rig_check_accounts(rig);
	ck_assert_uint_eq(sl_stat_get(&row(rig, SL_QOS_TRAINING)->held_pkts), 0);
	ck_assert_uint_gt(sl_stat_get(&row(rig, SL_QOS_TRAINING)->marked_pkts), 0);
	ck_assert_uint_eq(sl_stat_get(&row(rig, SL_QOS_TRAINING)->sent_pkts), 60);
	sl_rig_free(rig);
}
END_TEST

START_TEST(full_queue_drops_by_its_name_and_roce_goes_on)
{
	struct sl_rig *rig = start(1);
	const uint32_t n = 1024 + DEPTH_PKTS + 100;

	rig->is_time_frozen = true;
	for (uint32_t i = 0; i < n; i++)
		put(rig, 2, (uint16_t)(41000 + i % 16));
	sl_rig_turn(rig);
	for (uint32_t i = 0; i < n; i++)
		put(rig, 6, (uint16_t)(41000 + i % 16));
	sl_rig_turn(rig);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_QUEUE_TRAINING), 100);
	ck_assert_uint_eq(sl_stat_get(&row(rig, SL_QOS_TRAINING)->dropped_pkts), 100);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_QUEUE_RDMA), 0);
	ck_assert_uint_eq(sl_stat_get(&row(rig, SL_QOS_RDMA)->held_pkts), n);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig); // with them inside
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rate");
	TCase *tc = tcase_create("rate");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, packets_are_sorted_by_what_they_are, 0,
	                    2 * sizeof(kinds) / sizeof(kinds[0]));
	tcase_add_loop_test(tc, inference_leaves_before_what_waits_and_with_its_dscp, 0, 2);
	tcase_add_test(tc, full_queue_drops_by_its_name_and_roce_goes_on);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
