// SPDX-License-Identifier: Apache-2.0
// Who gets a new flow: affinity before balance, bounds and limits before both.
#include "sl_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "body.h"
#include "forward_private.h"
#include "packets.h"
#include "wirecheck.h"

#define MAX_BACKENDS 1024

// A forwarder that only picks: a snapshot and the load of each backend. Index = row.
struct picker {
	struct sl_forwarder fw;
	struct sl_snapshot *snap;
	uint32_t own[MAX_BACKENDS], others[MAX_BACKENDS];
	uint16_t indices[MAX_BACKENDS], zeros[MAX_BACKENDS];
};

static void build(struct picker *p, struct sl_wire_header *body, uint64_t epoch)
{
	struct sl_snap_inputs in = {.config = body,
	                            .backend_indices = p->indices,
	                            .backend_generations = p->zeros,
	                            .vip_slots = p->zeros,
	                            .next_hops = p->zeros,
	                            .epoch = epoch,
	                            .maglev_key = {3, 4}};
	char reason[140];

	ck_assert_msg(sl_wire_check(body, body->total_bytes, SL_WIRE_CONFIG, reason,
	                            sizeof(reason)) == SL_IPC_OK,
	              "%s", reason);
	sl_snapshot_free(p->snap);
	p->snap = sl_snapshot_build(&in);
	ck_assert_ptr_nonnull(p->snap);
	p->fw.snap = p->snap;
	free(body);
}

static struct picker *picker_new(struct sl_wire_header *body)
{
	struct picker *p = calloc(1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	for (uint16_t i = 0; i < MAX_BACKENDS; i++)
		p->indices[i] = i;
	p->fw.n_workers = 1;
	p->fw.own_load = p->own;
	p->fw.others_load = p->others;
	sl_forward_init(&p->fw);
	build(p, body, 1);
	return p;
}

static void picker_free(struct picker *p)
{
	sl_snapshot_free(p->snap);
	free(p);
}

// One VIP and n backends; weight 0 of drained (or nobody: n or more), 1000 + step * i of others.
struct shape {
	uint32_t n_backends, drained, step, limit_flows;
	uint8_t balance, affinity;
};

static struct sl_wire_header *body_of(const struct shape *shape)
{
	size_t n_bytes = sizeof(struct sl_wire_header) + sizeof(struct sl_wire_vip) +
	                 sizeof(struct sl_wire_pool) +
	                 shape->n_backends * sizeof(struct sl_wire_backend);
	struct sl_wire_header *h = calloc(1, n_bytes);
	struct sl_wire_vip *vip = (struct sl_wire_vip *)(void *)(h + 1);
	struct sl_wire_pool *pool = (struct sl_wire_pool *)(void *)(vip + 1);
	struct sl_wire_backend *be = (struct sl_wire_backend *)(void *)(pool + 1);

	*h = (struct sl_wire_header){.magic = SL_WIRE_MAGIC,
	                             .version = SL_WIRE_VERSION,
	                             .kind = SL_WIRE_CONFIG,
	                             .generation = 1,
	                             .epoch = 1,
	                             .total_bytes = (uint32_t)n_bytes,
	                             .n_vips = 1,
	                             .n_pools = 1,
	                             .n_backends = shape->n_backends};
	*vip = (struct sl_wire_vip){.address = sl_packet_ip("203.0.113.10"),
	                            .id = 1,
	                            .port_first = 443,
	                            .port_last = 443,
	                            .proto = IPPROTO_TCP,
	                            .affinity = shape->affinity};
	*pool = (struct sl_wire_pool){.id = 1,
	                              .n_backends = shape->n_backends,
	                              .limit_flows = shape->limit_flows,
	                              .balance = shape->balance};
	for (uint32_t i = 0; i < shape->n_backends; i++)
		be[i] = (struct sl_wire_backend){
			.address = sl_ip_from_v4(htonl(0x0a000000 + i)),
			.id = 100 + i,
			.weight_milli = i == shape->drained ? 0 : 1000 + shape->step * i,
			.port = 8000};
	return h;
}

static uint16_t pick_why(struct picker *p, uint32_t client, uint16_t port, enum sl_drop *why)
{
	struct sl_pkt pkt = {.kind = SL_PKT_TCP,
	                     .tuple = {.src = sl_ip_from_v4(htonl(0xc6336400 + client)),
	                               .dst = sl_packet_ip("203.0.113.10"),
	                               .sport_be = htons(port),
	                               .dport_be = htons(443),
	                               .proto = IPPROTO_TCP}};

	return sl_forward_pick(&p->fw, &p->snap->vips[0], &pkt, why);
}

static uint16_t pick(struct picker *p, uint32_t client, uint16_t port)
{
	enum sl_drop why;
	uint16_t backend = pick_why(p, client, port, &why);

	ck_assert_uint_lt(backend, MAX_BACKENDS);
	return backend;
}

#define NOBODY MAX_BACKENDS
static const struct {
	const char *name;
	uint8_t balance;
} balances[] = {
	{"weighted", SL_BALANCE_WEIGHTED},
	{"least-connections", SL_BALANCE_LEAST_CONNECTIONS},
	{"maglev", SL_BALANCE_MAGLEV},
};

START_TEST(source_keeps_a_client_on_one_backend_whatever_its_port)
{
	struct picker *p = picker_new(body_of(
		&(struct shape){8, NOBODY, 0, 0, balances[_i].balance, SL_AFFINITY_SOURCE}));
	uint32_t n_used[8] = {0};

	for (uint32_t client = 0; client < 200; client++) {
		uint16_t first = pick(p, client, 1);

		for (uint16_t port = 2; port < 20; port++)
			ck_assert_msg(pick(p, client, port) == first, "%s", balances[_i].name);
		n_used[first]++;
	}
	for (uint32_t b = 0; b < 8; b++)
		ck_assert_msg(n_used[b] > 5, "backend %u serves %u of 200 clients", b, n_used[b]);
	picker_free(p);
}
END_TEST

START_TEST(flow_spreads_a_client_by_port_and_agrees_with_maglev)
{
	struct picker *p = picker_new(
		body_of(&(struct shape){8, NOBODY, 0, 0, balances[_i].balance, SL_AFFINITY_FLOW}));
	struct picker *maglev = picker_new(
		body_of(&(struct shape){8, NOBODY, 0, 0, SL_BALANCE_MAGLEV, SL_AFFINITY_NONE}));
	uint32_t used = 0;

	for (uint16_t port = 1; port < 200; port++) {
		uint16_t backend = pick(p, 1, port);

		ck_assert_uint_eq(backend, pick(maglev, 1, port));
		ck_assert_uint_eq(backend, pick(p, 1, port));
		used |= 1u << backend;
	}
	ck_assert_uint_eq(used, 0xff);
	picker_free(p);
	picker_free(maglev);
}
END_TEST

// Load only grows here, and one client makes half of it: the worst case for a hash alone.
START_TEST(source_holds_every_backend_to_five_quarters_of_its_share)
{
	static const uint32_t sizes[] = {2, 8, 40, 300, 1000};
	uint32_t n = sizes[_i], sum = 0;
	struct shape shape = {n, 1, 7, 0, SL_BALANCE_WEIGHTED, SL_AFFINITY_SOURCE};
	struct picker *p = picker_new(body_of(&shape));
	uint64_t seed = sl_check_seed(), random = seed;
	double weights = 0;

	for (uint32_t b = 0; b < n; b++)
		weights += p->snap->weights_milli[b];
	for (uint32_t flow = 0; flow < 4000; flow++) {
		uint32_t client = (uint32_t)sl_check_random(&random);
		uint16_t b = pick(p, client % 2 ? 7 : client % 100000, 1);
		double share = p->snap->weights_milli[b] / weights;

		p->own[b] += flow % 2;
		p->others[b] += 1 - flow % 2;
		sum = p->own[b] + p->others[b];
		// Large pools are summed every n/64 picks; nothing leaves, so the sum is right.
		ck_assert_msg(sum <= (uint32_t)(1.25 * (flow + 1) * share) + 1,
		              "backend %u has %u of %u, seed %lu", b, sum, flow + 1, seed);
	}
	ck_assert_uint_eq(p->own[1] + p->others[1], 0);
	picker_free(p);
}
END_TEST

START_TEST(a_client_over_the_bound_goes_to_the_same_next_backend)
{
	struct shape shape = {8, NOBODY, 0, 0, SL_BALANCE_WEIGHTED, SL_AFFINITY_SOURCE};
	struct picker *p = picker_new(body_of(&shape));

	for (uint32_t client = 0; client < 100; client++) {
		uint16_t first = pick(p, client, 1), second;

		p->others[first] = 50;
		second = pick(p, client, 1);
		ck_assert_uint_ne(second, first);
		for (uint16_t port = 2; port < 10; port++)
			ck_assert_uint_eq(pick(p, client, port), second);
		p->others[first] = 0;
		ck_assert_uint_eq(pick(p, client, 1), first);
	}
	picker_free(p);
}
END_TEST

START_TEST(drain_moves_the_clients_of_the_drained_backend_and_few_others)
{
	struct shape shape = {8, NOBODY, 0, 0, SL_BALANCE_WEIGHTED, SL_AFFINITY_SOURCE};
	struct picker *p = picker_new(body_of(&shape));
	uint16_t before[1000];
	uint32_t n_moved = 0, n_drained = 0;

	for (uint32_t client = 0; client < 1000; client++)
		before[client] = pick(p, client, 1);
	shape.drained = 3;
	build(p, body_of(&shape), 2);
	for (uint32_t client = 0; client < 1000; client++) {
		uint16_t after = pick(p, client, 1);

		ck_assert_uint_ne(after, 3);
		n_drained += before[client] == 3;
		n_moved += after != before[client] && before[client] != 3;
	}
	ck_assert_uint_gt(n_drained, 50);
	ck_assert_msg(n_moved < 50, "%u of 1000 moved that did not have to", n_moved);
	picker_free(p);
}
END_TEST

START_TEST(limits_come_before_affinity)
{
	static const uint8_t affinities[] = {SL_AFFINITY_SOURCE, SL_AFFINITY_FLOW};
	struct shape shape = {4, NOBODY, 0, 10, SL_BALANCE_WEIGHTED, affinities[_i]};
	struct picker *p = picker_new(body_of(&shape));
	uint16_t first = pick(p, 5, 5);
	enum sl_drop why;

	for (uint32_t b = 0; b < 4; b++)
		p->own[b] = 9;
	p->own[first] = 10;
	ck_assert_uint_ne(pick(p, 5, 5), first);
	for (uint32_t b = 0; b < 4; b++)
		p->own[b] = 10;
	ck_assert_uint_eq(pick_why(p, 5, 5, &why), SL_NO_BACKEND);
	ck_assert_int_eq(why, SL_DROP_FLOW_LIMIT);
	picker_free(p);
}
END_TEST

START_TEST(only_what_hashes_the_flow_alone_is_agreed_everywhere)
{
	static const struct {
		uint8_t balance, affinity;
		bool is_agreed;
	} cases[] = {
		{SL_BALANCE_MAGLEV, SL_AFFINITY_NONE, true},
		{SL_BALANCE_WEIGHTED, SL_AFFINITY_NONE, false},
		{SL_BALANCE_WEIGHTED, SL_AFFINITY_FLOW, true},
		{SL_BALANCE_WEIGHTED, SL_AFFINITY_SOURCE, false},
		{SL_BALANCE_MAGLEV, SL_AFFINITY_SOURCE, false},
	};
	struct picker *p = picker_new(
		body_of(&(struct shape){4, NOBODY, 0, 0, cases[_i].balance, cases[_i].affinity}));

	ck_assert(sl_forward_is_agreed(&p->fw, &p->snap->vips[0]) == cases[_i].is_agreed);
	picker_free(p);
}
END_TEST

static const struct {
	const char *name;
	uint64_t n_own, n_all;
	uint32_t weight_milli;
	uint64_t weights_milli;
	bool is_within;
} bounds[] = {
	{"the first flow of all goes anywhere", 0, 0, 1, 1000000, true},
	{"one of two equal may take a second", 1, 1, 1000, 2000, true},
	{"but not a third before the other has one", 2, 2, 1000, 2000, false},
	{"exactly at the bound is over", 125, 399, 1000, 4000, false},
	{"just below it is not", 124, 399, 1000, 4000, true},
	{"three times the weight, three times the room", 374, 399, 3000, 4000, true},
	{"without weight there is no room", 0, 0, 0, 1000, false},
	{"nothing wraps at the largest", UINT64_C(1) << 33, UINT64_C(1) << 34, 4000000,
         UINT64_C(16384) * 4000000, false},
};

START_TEST(the_bound_is_five_quarters_of_the_share_rounded_up)
{
	ck_assert_msg(sl_pick_is_within_bound(bounds[_i].n_own, bounds[_i].n_all,
	                                      bounds[_i].weight_milli,
	                                      bounds[_i].weights_milli) == bounds[_i].is_within,
	              "%s", bounds[_i].name);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward_pick");
	TCase *tc = tcase_create("pick");

	tcase_add_loop_test(tc, source_keeps_a_client_on_one_backend_whatever_its_port, 0, 3);
	tcase_add_loop_test(tc, flow_spreads_a_client_by_port_and_agrees_with_maglev, 0, 3);
	tcase_add_loop_test(tc, source_holds_every_backend_to_five_quarters_of_its_share, 0, 5);
	tcase_add_test(tc, a_client_over_the_bound_goes_to_the_same_next_backend);
	tcase_add_test(tc, drain_moves_the_clients_of_the_drained_backend_and_few_others);
	tcase_add_loop_test(tc, limits_come_before_affinity, 0, 2);
	tcase_add_loop_test(tc, only_what_hashes_the_flow_alone_is_agreed_everywhere, 0, 5);
	tcase_add_loop_test(tc, the_bound_is_five_quarters_of_the_share_rounded_up, 0,
	                    sizeof(bounds) / sizeof(bounds[0]));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
