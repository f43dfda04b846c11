// SPDX-License-Identifier: Apache-2.0
// Packets through the forwarder: load and latency of their backend, as statistics show them.
#include "forward_fixture.h"

#define CLIENT4 "198.51.100.7"
#define VIP4    "203.0.113.10"
#define CLIENT6 "2001:db8:7::9"
#define VIP6    "2001:db8:3::10"
#define U       SL_PHASE_UNIT

static const struct way {
	const char *name;
	uint8_t forward;
	bool is_v6;
} ways[] = {
	{"nat", SL_FORWARD_NAT, false},
	{"nat over IPv6", SL_FORWARD_NAT, true},
	{"fullnat", SL_FORWARD_FULLNAT, false},
	{"fullnat over IPv6", SL_FORWARD_FULLNAT, true},
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

static struct lab *lab_of(const struct way *way, bool is_measured)
{
	const struct sl_body_pool pool = {
		.forward = way->forward,
		.balance = SL_BALANCE_LEAST_CONNECTIONS,
		.n_backends = 1,
		.backends = {{way->is_v6 ? "2001:db8:2::11" : "10.0.0.11", 8000, 1000}}};
	const struct sl_body_vip vip = {.address = way->is_v6 ? VIP6 : VIP4,
	                                .port_first = 443,
	                                .port_last = 443,
	                                .proto = IPPROTO_TCP,
	                                .is_measured = is_measured};
	const struct sl_body_spec spec = {.generation = 1,
	                                  .epoch = 1,
	                                  .vips = &vip,
	                                  .n_vips = 1,
	                                  .pools = &pool,
	                                  .n_pools = 1};
	struct lab *lab = lab_new(1);

	lab_configure(lab, &spec);
	return lab;
}

struct talk {
	struct lab *lab;
	struct lab_worker *w;
	struct sl_packet_spec from_client, from_backend;
};

static void at_ms(struct talk *t, uint32_t ms)
{
	t->w->fw.now_ns = 1000 * SL_NS_PER_S + ms * SL_NS_PER_MS;
	t->w->fw.now = (uint32_t)(t->w->fw.now_ns / SL_FLOW_TICK_NS);
}

static void say(struct talk *t, enum sl_dir dir, uint8_t flags, uint16_t n_bytes)
{
	struct sl_packet_spec *spec = dir == SL_DIR_C2S ? &t->from_client : &t->from_backend;

	spec->tcp_flags = flags;
	spec->payload_bytes = n_bytes;
	ck_assert_int_eq(lab_send(t->lab, dir == SL_DIR_C2S ? LAB_FRONT : LAB_BACK, spec),
	                 SL_VERDICT_SEND);
	spec->tcp_seq += n_bytes + ((flags & (SL_TCP_SYN | SL_TCP_FIN)) != 0);
}

static struct talk open_talk(const struct way *way, bool is_measured)
{
	struct talk t = {.lab = lab_of(way, is_measured)};

	t.w = t.lab->workers[0];
	t.from_client =
		lab_packet(way->is_v6 ? CLIENT6 : CLIENT4, way->is_v6 ? VIP6 : VIP4, 40000, 443);
	at_ms(&t, 0);
	say(&t, SL_DIR_C2S, SL_TCP_SYN, 0);
	t.from_backend = lab_answer(t.lab, 0);
	at_ms(&t, 2);
	say(&t, SL_DIR_S2C, SL_TCP_SYN | SL_TCP_ACK, 0);
	at_ms(&t, 3);
	say(&t, SL_DIR_C2S, SL_TCP_ACK, 0);
	return t;
}

static uint32_t samples(const struct talk *t, enum sl_latency_kind kind, uint32_t *mean_us)
{
	const struct sl_stats_latency *row = &t->w->latency[0];
	uint32_t n = 0;

	for (uint32_t b = 0; b < SL_LATENCY_BUCKETS; b++)
		n += row->counts[kind][b];
	*mean_us = n > 0 ? (uint32_t)(row->sums_us[kind] / n) : 0;
	return n;
}

START_TEST(a_conversation_shows_as_load_and_latency_of_its_backend)
{
	struct talk t = open_talk(&ways[_i], true);
	uint32_t mean_us;

	ck_assert_uint_eq(t.w->own_units[0], U);
	ck_assert_uint_eq(samples(&t, SL_LATENCY_CONNECT, &mean_us), 1);
	ck_assert_uint_eq(mean_us, 2000);
	at_ms(&t, 10);
	say(&t, SL_DIR_C2S, SL_TCP_ACK, 600);
	ck_assert_uint_eq(t.w->own_units[0], U + 600);
	ck_assert_uint_eq(t.w->latency[0].load_units, U + 600);
	at_ms(&t, 260);
	say(&t, SL_DIR_S2C, SL_TCP_ACK, 1200);
	ck_assert_uint_eq(t.w->own_units[0], U);
	ck_assert_uint_eq(samples(&t, SL_LATENCY_TTFT, &mean_us), 1);
	ck_assert_uint_eq(mean_us, 250000);
	for (uint32_t i = 1; i <= 5; i++) {
		at_ms(&t, 260 + 20 * i);
		say(&t, SL_DIR_S2C, SL_TCP_ACK, 262);
	}
	say(&t, SL_DIR_S2C, SL_TCP_ACK | SL_TCP_FIN, 0);
	ck_assert_uint_eq(samples(&t, SL_LATENCY_TPOT, &mean_us), 5);
	ck_assert_uint_eq(mean_us, 20000);
	ck_assert_uint_eq(t.w->own_units[0], SL_PHASE_IDLE_UNIT);
	say(&t, SL_DIR_C2S, SL_TCP_ACK | SL_TCP_FIN, 0);
	ck_assert_uint_eq(t.w->own_units[0], 0);
	ck_assert_uint_eq(samples(&t, SL_LATENCY_DURATION, &mean_us), 1);
	ck_assert_uint_eq(mean_us, 360000);
	ck_assert_uint_eq(t.w->latency[0].ended, 1);
	ck_assert_uint_eq(t.w->latency[0].fleeting, 0);
	lab_free(t.lab);
}
END_TEST

START_TEST(a_vip_that_is_not_measured_shows_nothing)
{
	struct talk t = open_talk(&ways[0], false);

	at_ms(&t, 10);
	say(&t, SL_DIR_C2S, SL_TCP_ACK, 600);
	say(&t, SL_DIR_S2C, SL_TCP_ACK, 1200);
	ck_assert_uint_eq(t.w->own_units[0], 0);
	for (size_t i = 0; i < sizeof(t.w->latency[0]); i++)
		ck_assert_uint_eq(((const uint8_t *)&t.w->latency[0])[i], 0);
	lab_free(t.lab);
}
END_TEST

// A server that takes connections and ends them at once, with an error or without.
START_TEST(connections_that_end_at_once_are_fleeting)
{
	struct talk t = open_talk(&ways[0], true);

	at_ms(&t, 10);
	say(&t, SL_DIR_C2S, SL_TCP_ACK, 600);
	at_ms(&t, 12);
	say(&t, SL_DIR_S2C, SL_TCP_ACK, 120);
	say(&t, SL_DIR_S2C, SL_TCP_RST, 0);
	ck_assert_uint_eq(t.w->latency[0].fleeting, 1);
	ck_assert_uint_eq(t.w->own_units[0], 0);
	// Data revives it (an out-of-window RST must not kill), and its load is back.
	say(&t, SL_DIR_S2C, SL_TCP_ACK, 120);
	ck_assert_uint_ge(t.w->own_units[0], SL_PHASE_IDLE_UNIT);
	lab_free(t.lab);
}
END_TEST

START_TEST(a_flood_of_syns_is_no_latency_and_leaves_no_load)
{
	struct lab *lab = lab_of(&ways[0], true);
	struct lab_worker *w = lab->workers[0];

	for (uint32_t i = 0; i < 5 * LAB_FLOWS; i++) {
		struct sl_packet_spec syn = lab_packet(CLIENT4, VIP4, (uint16_t)(1024 + i), 443);

		syn.src.bytes[14] = (uint8_t)(i >> 8);
		syn.src.bytes[15] = (uint8_t)i;
		lab_send(lab, LAB_FRONT, &syn);
		sl_measure_sweep(&w->measure, i * SL_NS_PER_MS, 3);
		ck_assert_uint_eq(w->own_units[0], w->own_load[0] * U);
	}
	ck_assert_uint_gt(w->measure.n_listed, 0);
	sl_flow_expire(w->fw.flows, w->fw.now + 4000, UINT32_MAX);
	ck_assert_uint_eq(sl_flow_count(w->fw.flows), 0);
	ck_assert_uint_eq(w->own_units[0], 0);
	ck_assert_uint_eq(w->latency[0].ended, 0);
	// Entries that are gone leave the ring in the round after.
	for (uint32_t i = 0; i < 2 * LAB_FLOWS; i++)
		sl_measure_sweep(&w->measure, 100 * SL_NS_PER_S + i * SL_NS_PER_S, 100);
	ck_assert_uint_eq(w->measure.n_listed, 0);
	lab_free(lab);
}
END_TEST

START_TEST(the_sweep_ends_silent_answers_and_finds_the_longest_wait)
{
	struct talk t = open_talk(&ways[0], true);
	const uint64_t start_ns = t.w->fw.now_ns;

	say(&t, SL_DIR_C2S, SL_TCP_ACK, 600);
	sl_measure_sweep(&t.w->measure, start_ns + 5 * SL_NS_PER_S, 8);
	ck_assert_uint_eq(t.w->latency[0].oldest_us, 5000000);
	sl_measure_sweep(&t.w->measure, start_ns + 5 * SL_NS_PER_S + 50 * SL_NS_PER_MS, 8);
	ck_assert_uint_eq(t.w->latency[0].oldest_us, 5000000); // a round takes its time
	at_ms(&t, 6000);
	say(&t, SL_DIR_S2C, SL_TCP_ACK, 1200);
	ck_assert_uint_eq(t.w->own_units[0], U);
	sl_measure_sweep(&t.w->measure, start_ns + 9 * SL_NS_PER_S, 8);
	ck_assert_uint_eq(t.w->own_units[0], SL_PHASE_IDLE_UNIT);
	ck_assert_uint_eq(t.w->measure.n_listed, 0);
	ck_assert_uint_eq(t.w->latency[0].oldest_us, 5000000); // its time says that it is old
	lab_free(t.lab);
}
END_TEST

// DSR: requests and acknowledgements alone.
START_TEST(without_the_answers_load_still_rises_and_falls)
{
	const struct way dsr = {"dsr-l2", SL_FORWARD_DSR_L2, false};
	struct talk t = {.lab = lab_of(&dsr, true)};
	uint32_t mean_us;

	t.w = t.lab->workers[0];
	t.from_client = lab_packet(CLIENT4, VIP4, 40000, 443);
	t.from_client.tcp_ack = 5000;
	at_ms(&t, 0);
	say(&t, SL_DIR_C2S, SL_TCP_SYN, 0);
	say(&t, SL_DIR_C2S, SL_TCP_ACK, 0);
	say(&t, SL_DIR_C2S, SL_TCP_ACK, 600);
	ck_assert_uint_eq(t.w->own_units[0], U + 600);
	at_ms(&t, 300);
	t.from_client.tcp_ack += 1400;
	say(&t, SL_DIR_C2S, SL_TCP_ACK, 0);
	ck_assert_uint_eq(t.w->own_units[0], U);
	ck_assert_uint_eq(samples(&t, SL_LATENCY_TTFT, &mean_us), 1);
	ck_assert_uint_eq(mean_us, 300000);
	lab_free(t.lab);
}
END_TEST

START_TEST(a_bucket_holds_its_own_value_and_is_3_percent_wide)
{
	uint32_t last = 0;

	for (uint64_t us = 0; us <= UINT32_MAX; us += us / 50 + 1) {
		uint32_t bucket = sl_latency_bucket((uint32_t)us);
		uint32_t value_us = sl_latency_value_us(bucket);
		uint32_t off_us = value_us > us ? value_us - (uint32_t)us : (uint32_t)us - value_us;

		ck_assert_uint_lt(bucket, SL_LATENCY_BUCKETS);
		ck_assert_uint_ge(bucket, last);
		ck_assert_uint_eq(sl_latency_bucket(value_us), bucket);
		ck_assert_msg(off_us <= us / 30 + SL_LATENCY_UNIT_US / 2, "%llu us are told as %u",
		              (unsigned long long)us, value_us);
		last = bucket;
	}
	ck_assert_uint_eq(sl_latency_bucket(UINT32_MAX), SL_LATENCY_BUCKETS - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("measure");
	TCase *tc = tcase_create("measure");

	tcase_add_loop_test(tc, a_conversation_shows_as_load_and_latency_of_its_backend, 0, N_WAYS);
	tcase_add_test(tc, a_vip_that_is_not_measured_shows_nothing);
	tcase_add_test(tc, connections_that_end_at_once_are_fleeting);
	tcase_add_test(tc, a_flood_of_syns_is_no_latency_and_leaves_no_load);
	tcase_add_test(tc, the_sweep_ends_silent_answers_and_finds_the_longest_wait);
	tcase_add_test(tc, without_the_answers_load_still_rises_and_falls);
	tcase_add_test(tc, a_bucket_holds_its_own_value_and_is_3_percent_wide);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
