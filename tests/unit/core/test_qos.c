// SPDX-License-Identifier: Apache-2.0
// The scheduler of a port, under virtual time.
#include "sl_check.h"

#include <math.h>
#include <netinet/in.h>

#include "packets.h"
#include "qos.h"
#include "sluice/units.h"
#include "tos.h"

#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define FRAME_BYTES 1522
#define STEP_NS     (2 * SL_NS_PER_US) // of the worker that asks
#define MBIT        (UINT64_C(1000) * 1000)
#define ITEMS       16384 // more than the queues hold
#define START_NS    (3 * SL_NS_PER_S)

struct item {
	struct sl_pkt pkt;
	uint8_t frame[64]; // its head; nobody reads further
	uint64_t number;   // of its class, in the order they came
};

struct port {
	struct sl_qos qos;
	struct sl_qos_slot *slots;
	struct sl_stats_qos stats[SL_QOS_COUNT];
	struct item *items;
	struct sl_pkt **free;
	uint32_t n_free;
	uint64_t now_ns;
	uint64_t offered[SL_QOS_COUNT], left[SL_QOS_COUNT]; // packets
};

static struct sl_qos_params params_of(uint64_t rate_bps, uint8_t training_percent)
{
	struct sl_qos_params params = {.rate_bps = rate_bps,
	                               .frame_bytes = FRAME_BYTES,
	                               .training_percent = training_percent,
	                               .seed = 7};

	memset(params.dscps, SL_QOS_AS_IT_IS, sizeof(params.dscps));
	memset(params.pcps, SL_QOS_AS_IT_IS, sizeof(params.pcps));
	return params;
}

static struct port *port_new(struct sl_qos_params params)
{
	struct port *p = aligned_alloc(64, (sizeof(*p) + 63) & ~63ul);

	memset(p, 0, sizeof(*p));
	p->slots = calloc(sl_qos_slots(), sizeof(*p->slots));
	p->items = calloc(ITEMS, sizeof(*p->items));
	p->free = calloc(ITEMS, sizeof(struct sl_pkt *));
	for (uint32_t i = 0; i < ITEMS; i++)
		p->free[p->n_free++] = &p->items[i].pkt;
	p->now_ns = START_NS;
	params.stats = p->stats;
	sl_qos_init(&p->qos, &params, p->slots, p->now_ns);
	return p;
}

static void port_free(struct port *p)
{
	free(p->slots);
	free(p->items);
	free(p->free);
	free(p);
}

static struct sl_pkt *packet(struct port *p, uint32_t queue, uint32_t n_bytes)
{
	static const struct sl_packet_spec spec = {.src = SL_PACKET_V4(198, 51, 100, 7),
	                                           .dst = SL_PACKET_V4(203, 0, 113, 10),
	                                           .proto = IPPROTO_TCP,
	                                           .dscp_ecn = 2};
	struct item *item;

	ck_assert_uint_gt(p->n_free, 0);
	item = (struct item *)(void *)p->free[--p->n_free];
	sl_packet_build(item->frame, sizeof(item->frame), &spec);
	item->number = p->offered[queue]++;
	item->pkt.data = item->frame;
	item->pkt.len = n_bytes;
	item->pkt.queue = (uint8_t)queue;
	return &item->pkt;
}

static void give_back(struct port *p, struct sl_pkt *pkt)
{
	p->free[p->n_free++] = pkt;
}

static uint64_t bytes_of(const struct port *p, uint32_t queue)
{
	return sl_stat_get(&p->stats[queue].sent_bytes);
}

static void keep_waiting(struct port *p, uint32_t queue, uint32_t n_bytes)
{
	while (sl_stat_get(&p->stats[queue].held_pkts) < 64)
		ck_assert(sl_qos_hold(&p->qos, packet(p, queue, n_bytes), p->now_ns));
}

static void drain(struct port *p)
{
	struct sl_pkt *pkt;

	while ((pkt = sl_qos_next(&p->qos, p->now_ns)) != NULL) {
		ck_assert_uint_eq(((struct item *)(void *)pkt)->number, p->left[pkt->queue]++);
		give_back(p, pkt);
	}
}

// sizes: of the queues that always have something; 0: never.
static void run(struct port *p, const uint32_t sizes[SL_QOS_COUNT], uint64_t ns)
{
	const uint64_t end_ns = p->now_ns + ns;

	for (; p->now_ns < end_ns; p->now_ns += STEP_NS) {
		for (uint32_t q = 0; q < SL_QOS_COUNT; q++) {
			if (sizes[q] != 0)
				keep_waiting(p, q, sizes[q]);
		}
		drain(p);
	}
}

static const struct {
	const char *name;
	uint8_t training_percent;
	uint32_t sizes[SL_QOS_COUNT];
	double shares[SL_QOS_COUNT];
} shares[] = {
	{"by weight, equal frames",
         100,
         {0, 0, 1500, 1500, 1500, 1500},
         {0, 0, .5, .25, .125, .125}},
	{"by weight, whatever their size",
         100,
         {0, 0, 90, 1522, 600, 64},
         {0, 0, .5, .25, .125, .125}},
	{"by weight, of those that are there",
         100,
         {0, 0, 0, 1500, 0, 300},
         {0, 0, 0, 2 / 3., 0, 1 / 3.}},
	{"one has it all", 100, {0, 0, 0, 1500, 0, 0}, {0, 0, 0, 1, 0, 0}},
	{"inference has its cap", 100, {0, 700, 0, 1500, 0, 0}, {0, .8, 0, .2, 0, 0}},
	{"control and inference share the cap, control first",
         100,
         {100, 700, 0, 1500, 0, 0},
         {.8, 0, 0, .2, 0, 0}},
	{"inference alone has it all", 100, {0, 1500, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}},
	{"training has its share", 40, {0, 0, 0, 1500, 0, 1500}, {0, 0, 0, .4, 0, .6}},
	{"the share is that of its queues together",
         30,
         {0, 0, 1500, 1500, 0, 1500},
         {0, 0, .2, .1, 0, .7}},
	{"weights decide below the share",
         90,
         {0, 0, 0, 1500, 0, 1500},
         {0, 0, 0, 2 / 3., 0, 1 / 3.}},
	{"training alone borrows the rest", 1, {0, 0, 0, 1500, 0, 0}, {0, 0, 0, 1, 0, 0}},
	{"what inference wants beyond its cap goes before what training borrows",
         10,
         {0, 700, 0, 1500, 0, 0},
         {0, .9, 0, .1, 0, 0}},
};

START_TEST(shares_are_right_within_a_hundredth)
{
	const uint64_t rate_bps = 1000 * MBIT;
	struct port *p = port_new(params_of(rate_bps, shares[_i].training_percent));
	const double whole = (double)rate_bps / 8;

	run(p, shares[_i].sizes, SL_NS_PER_S);
	for (uint32_t q = 0; q < SL_QOS_COUNT; q++)
		ck_assert_msg(fabs((double)bytes_of(p, q) / whole - shares[_i].shares[q]) < 0.01,
		              "%s: %s has %.3f of it instead of %.3f", shares[_i].name,
		              sl_qos_name(q), (double)bytes_of(p, q) / whole, shares[_i].shares[q]);
	port_free(p);
}
END_TEST

static const uint64_t rates_bps[] = {SL_QOS_RATE_MIN_BPS, 200 * MBIT, 1000 * MBIT, 10000 * MBIT};

// Work conservation: as long as anything waits, all of the rate is used, and never more.
START_TEST(rate_is_used_up_and_kept)
{
	static const uint32_t sizes[SL_QOS_COUNT] = {0, 0, 1500, 900, 0, 100};
	const uint64_t rate_bps = rates_bps[_i];
	struct port *p = port_new(params_of(rate_bps, 100));
	const uint64_t depth = rate_bps / 8 / 500 + FRAME_BYTES; // 2 ms, and what was owed
	uint64_t sent = 0;

	run(p, sizes, SL_NS_PER_S / 2);
	for (uint32_t q = 0; q < SL_QOS_COUNT; q++)
		sent += bytes_of(p, q);
	ck_assert_msg(sent <= rate_bps / 16 + depth && sent + FRAME_BYTES >= rate_bps / 16,
	              "%lu of %lu bytes", (unsigned long)sent, (unsigned long)rate_bps / 16);
	port_free(p);
}
END_TEST

START_TEST(inference_waits_for_one_frame_at_most)
{
	static const uint32_t sizes[SL_QOS_COUNT] = {0, 0, 1500, 1500, 1500, 1500};
	const uint64_t rate_bps = 200 * MBIT;
	const uint64_t frame_ns = 1500 * 8 * SL_NS_PER_S / rate_bps;
	struct port *p = port_new(params_of(rate_bps, 100));

	run(p, sizes, 10 * SL_NS_PER_MS); // the depth is gone
	for (uint32_t i = 0; i < 1000; i++) {
		ck_assert(sl_qos_hold(&p->qos, packet(p, SL_QOS_INFERENCE, 200), p->now_ns));
		run(p, sizes, (301 + i % 7) * SL_NS_PER_US);
	}
	ck_assert_uint_eq(sl_stat_get(&p->stats[SL_QOS_INFERENCE].sent_pkts), 1000);
	ck_assert_uint_le(sl_stat_get(&p->stats[SL_QOS_INFERENCE].wait_max_ns), frame_ns + STEP_NS);
	port_free(p);
}
END_TEST

START_TEST(training_gives_back_what_it_borrowed_within_a_millisecond)
{
	static const uint32_t alone[SL_QOS_COUNT] = {0, 0, 0, 1500, 0, 0};
	static const uint32_t both[SL_QOS_COUNT] = {0, 0, 0, 1500, 0, 1500};
	const uint64_t ms_bytes = 1000 * MBIT / 8 / 1000;
	struct port *p = port_new(params_of(1000 * MBIT, 25));
	uint64_t before;

	run(p, alone, 50 * SL_NS_PER_MS);
	ck_assert_uint_ge(bytes_of(p, SL_QOS_TRAINING), 50 * ms_bytes);
	ck_assert_uint_gt(sl_stat_get(&p->stats[SL_QOS_TRAINING].borrowed_pkts), 0);
	run(p, both, SL_NS_PER_MS);
	for (uint32_t ms = 0; ms < 20; ms++) {
		before = bytes_of(p, SL_QOS_TRAINING);
		run(p, both, SL_NS_PER_MS);
		ck_assert_uint_le(bytes_of(p, SL_QOS_TRAINING) - before,
		                  ms_bytes / 4 + 2 * FRAME_BYTES);
	}
	before = bytes_of(p, SL_QOS_TRAINING);
	for (; sl_stat_get(&p->stats[SL_QOS_GENERAL].held_pkts) != 0; p->now_ns += STEP_NS)
		drain(p); // nobody else comes any more
	before = bytes_of(p, SL_QOS_TRAINING);
	run(p, alone, SL_NS_PER_MS);
	ck_assert_uint_ge(bytes_of(p, SL_QOS_TRAINING) - before, ms_bytes - 2 * FRAME_BYTES);
	port_free(p);
}
END_TEST

// frame_us of 10 Gbit/s is 1.2, of 200 Mbit/s 61: there 4 of them are 244 us, 16 are 974.
static const struct {
	const char *name;
	uint32_t queue;
	uint64_t rate_mbit;
	uint64_t wait_us;
	double chance;
} marks[] = {
	{"inference below its step", SL_QOS_INFERENCE, 10000, 49, 0},
	{"inference beyond it", SL_QOS_INFERENCE, 10000, 51, 1},
	{"control like inference", SL_QOS_CONTROL, 10000, 51, 1},
	{"training below the ramp", SL_QOS_TRAINING, 10000, 31, 0},
	{"training in its middle", SL_QOS_TRAINING, 10000, 80, .1},
	{"training at its end", SL_QOS_TRAINING, 10000, 127, .198},
	{"training beyond it", SL_QOS_TRAINING, 10000, 129, 1},
	{"RoCE in the middle", SL_QOS_RDMA, 10000, 80, .1},
	{"general beyond the ramp", SL_QOS_GENERAL, 10000, 129, 1},
	{"a slow port, inference behind one frame", SL_QOS_INFERENCE, 200, 65, 0},
	{"a slow port, inference behind five", SL_QOS_INFERENCE, 200, 305, 1},
	{"a slow port, training behind three", SL_QOS_TRAINING, 200, 190, 0},
	{"a slow port, training behind seventeen", SL_QOS_TRAINING, 200, 1000, 1},
};

START_TEST(marks_follow_the_time_in_the_queue)
{
	struct port *p = port_new(params_of(marks[_i].rate_mbit * MBIT, 100));
	const uint32_t n = 20000;
	uint32_t n_marked = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct sl_pkt *pkt = packet(p, marks[_i].queue, 200);
		uint8_t tos;

		ck_assert(sl_qos_hold(&p->qos, pkt, p->now_ns));
		p->now_ns += marks[_i].wait_us * SL_NS_PER_US;
		ck_assert_ptr_eq(sl_qos_next(&p->qos, p->now_ns), pkt);
		ck_assert(sl_tos_get(pkt->data, pkt->len, &tos));
		n_marked += (tos & SL_ECN_MASK) == SL_ECN_CE;
		give_back(p, pkt);
	}
	ck_assert_uint_eq(sl_stat_get(&p->stats[marks[_i].queue].marked_pkts), n_marked);
	ck_assert_msg(fabs((double)n_marked / n - marks[_i].chance) < .01, "%s: %.3f",
	              marks[_i].name, (double)n_marked / n);
	port_free(p);
}
END_TEST

START_TEST(packets_pass_while_nothing_waits_and_the_rate_allows)
{
	struct port *p = port_new(params_of(200 * MBIT, 100));
	const uint32_t depth = 200 * MBIT / 8 / 500; // 2 ms
	struct sl_pkt *pkt;
	uint32_t n = 0;

	while (sl_qos_pass(&p->qos, pkt = packet(p, SL_QOS_TRAINING, 1000), p->now_ns))
		n++;
	ck_assert_uint_eq(n, (depth + 999) / 1000);
	ck_assert_uint_eq(sl_stat_get(&p->stats[SL_QOS_TRAINING].waited_pkts), 0);
	ck_assert(sl_qos_hold(&p->qos, pkt, p->now_ns));
	p->now_ns += SL_NS_PER_S;
	ck_assert(!sl_qos_pass(&p->qos, packet(p, SL_QOS_INFERENCE, 100),
	                       p->now_ns)); // not before it
	ck_assert_ptr_eq(sl_qos_next(&p->qos, p->now_ns), pkt);
	ck_assert(sl_qos_pass(&p->qos, packet(p, SL_QOS_INFERENCE, 100), p->now_ns));
	port_free(p);
}
END_TEST

START_TEST(full_queue_refuses_its_class_alone)
{
	struct port *p = port_new(params_of(200 * MBIT, 100));
	uint32_t n = 0;

	while (sl_qos_hold(&p->qos, packet(p, SL_QOS_TRAINING, 1500), p->now_ns))
		n++;
	ck_assert_uint_eq(n, 1024);
	for (n = 0; n < 4096; n++)
		ck_assert(sl_qos_hold(&p->qos, packet(p, SL_QOS_RDMA, 1100), p->now_ns));
	ck_assert(sl_qos_hold(&p->qos, packet(p, SL_QOS_INFERENCE, 100), p->now_ns));
	ck_assert_uint_eq(sl_stat_get(&p->stats[SL_QOS_TRAINING].dropped_pkts), 1);
	ck_assert_uint_eq(sl_stat_get(&p->stats[SL_QOS_RDMA].dropped_pkts), 0);
	for (n = 0; sl_qos_flush(&p->qos) != NULL; n++)
		;
	ck_assert_uint_eq(n, 1024 + 4096 + 1);
	port_free(p);
}
END_TEST

START_TEST(each_queue_has_its_own_reason_to_drop)
{
	char name[64];

	snprintf(name, sizeof(name), "queue_%s", sl_qos_name((uint32_t)_i));
	ck_assert_str_eq(sl_drop_name(sl_qos_drop_of((uint32_t)_i)), name);
}
END_TEST

START_TEST(packets_leave_with_the_dscp_of_their_class)
{
	struct sl_qos_params params = params_of(200 * MBIT, 100);
	struct port *p;
	struct sl_pkt *pkt;
	uint8_t tos;

	params.dscps[SL_QOS_INFERENCE] = 46;
	p = port_new(params);
	pkt = packet(p, SL_QOS_INFERENCE, 100);
	ck_assert(sl_qos_pass(&p->qos, pkt, p->now_ns) && sl_tos_get(pkt->data, 64, &tos));
	ck_assert_uint_eq(tos, 46 << 2 | 2);
	pkt = packet(p, SL_QOS_INFERENCE, 100);
	ck_assert(sl_qos_hold(&p->qos, pkt, p->now_ns));
	ck_assert_ptr_eq(sl_qos_next(&p->qos, p->now_ns), pkt);
	ck_assert(sl_tos_get(pkt->data, 64, &tos));
	ck_assert_uint_eq(tos, 46 << 2 | 2);
	pkt = packet(p, SL_QOS_TRAINING, 100);
	ck_assert(sl_qos_pass(&p->qos, pkt, p->now_ns) && sl_tos_get(pkt->data, 64, &tos));
	ck_assert_uint_eq(tos, 2);
	port_free(p);
}
END_TEST

START_TEST(accounts_balance_whatever_comes)
{
	uint64_t seed = sl_check_seed(), random = seed;
	struct port *p = port_new(params_of(500 * MBIT, 35));
	uint64_t dropped[SL_QOS_COUNT] = {0};

	for (uint32_t i = 0; i < 300000; i++) {
		const uint64_t r = sl_check_random(&random);
		const uint32_t q = (uint32_t)(r % SL_QOS_COUNT), n_bytes = 60 + (r >> 8) % 1463;
		struct sl_pkt *pkt = packet(p, q, n_bytes);

		p->now_ns += (r >> 32) % 40 * SL_NS_PER_US;
		if (sl_qos_pass(&p->qos, pkt, p->now_ns)) {
			p->left[q]++;
			give_back(p, pkt);
		} else if (!sl_qos_hold(&p->qos, pkt, p->now_ns)) {
			p->offered[q]--; // its number goes to the next one
			dropped[q]++;
			give_back(p, pkt);
		}
		if ((r >> 40) % 8 == 0)
			drain(p);
	}
	for (uint32_t q = 0; q < SL_QOS_COUNT; q++) {
		const struct sl_stats_qos *s = &p->stats[q];

		ck_assert_msg(sl_stat_get(&s->dropped_pkts) == dropped[q] &&
		                      sl_stat_get(&s->sent_pkts) == p->left[q] &&
		                      p->offered[q] == p->left[q] + sl_stat_get(&s->held_pkts),
		              "%s: seed %lu", sl_qos_name(q), (unsigned long)seed);
	}
	port_free(p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("qos");
	TCase *tc = tcase_create("qos");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, shares_are_right_within_a_hundredth, 0, COUNT(shares));
	tcase_add_loop_test(tc, rate_is_used_up_and_kept, 0, COUNT(rates_bps));
	tcase_add_test(tc, inference_waits_for_one_frame_at_most);
	tcase_add_test(tc, training_gives_back_what_it_borrowed_within_a_millisecond);
	tcase_add_loop_test(tc, marks_follow_the_time_in_the_queue, 0, COUNT(marks));
	tcase_add_test(tc, packets_pass_while_nothing_waits_and_the_rate_allows);
	tcase_add_test(tc, full_queue_refuses_its_class_alone);
	tcase_add_loop_test(tc, each_queue_has_its_own_reason_to_drop, 0, SL_QOS_COUNT);
	tcase_add_test(tc, packets_leave_with_the_dscp_of_their_class);
	tcase_add_test(tc, accounts_balance_whatever_comes);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
