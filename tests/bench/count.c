// SPDX-License-Identifier: Apache-2.0
// A fixed amount of work for callgrind to count: the core's two passes over bursts of 64-byte
// packets, without DPDK. Same instructions each time: seeds, clock and order are constants.
//
// Usage:  bench_count nat-v4|nat-v6|dsr-v4|ipip-v4|stream|connection
//         stream: each round is a token of every answer and what the client acknowledges.
//         Prints how many packets measured_pass saw; run it under
//         callgrind --collect-atstart=no --toggle-collect=measured_pass.
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>

#include "forward.h"
#include "parse.h"
#include "traffic.h"
#include "wirecheck.h"

#define N_FLOWS     512u
#define N_ROUNDS    8u
#define WARM_ROUNDS 4u // until it is known what the first token of a stream is
#define BURST       32u
#define N_PKTS      (2 * N_FLOWS)
#define HEADROOM    64u // for a tunnel's header
#define FRAME       128u

struct bench {
	struct sl_forwarder fw;
	struct bench_traffic traffic;
	struct sl_dpconfig config;
	struct sl_route_table routes;
	struct sl_neigh_table neighs;
	struct sl_stats_worker stats;
	struct sl_stats_backend backends[BENCH_BACKENDS];
	struct sl_stats_vip vip;
	struct sl_stats_local_ports ports[BENCH_BACKENDS];
	uint8_t macs[1][6];
	uint32_t others[BENCH_BACKENDS], own[BENCH_BACKENDS], entries[BENCH_BACKENDS];
	uint32_t others_vip[1], own_vip[1];
	struct sl_measure measure;
	struct sl_phase_flow phases[2 * N_FLOWS];
	struct sl_stats_latency latency[BENCH_BACKENDS];
	uint32_t own_units[BENCH_BACKENDS], others_units[BENCH_BACKENDS];
	struct sl_limits limits;
	uint16_t next_hops[BENCH_BACKENDS];
	struct sl_tuple sent[N_FLOWS];
	uint8_t buffers[N_PKTS][HEADROOM + FRAME], before[N_PKTS][FRAME];
	uint32_t lengths[N_PKTS];
	struct sl_pkt pkts[N_PKTS];
	uint32_t n_pkts;
	uint64_t n_sent;
	uint16_t token_bytes; // of payload; 0 = none
};

static void *need(void *mem)
{
	if (mem == NULL)
		abort();
	return mem;
}

static void learn(void *ctx, const struct sl_ip *ip)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	struct bench *b = ctx;
	const uint16_t row = sl_neigh_want(&b->neighs, ip, 0, true, 1);

	if (row == SL_NEIGH_NONE)
		abort();
	for (uint32_t i = 0; i < b->config.n_routes; i++) {
		if (sl_ip_equal(&b->config.routes[i].via, ip))
			sl_neigh_make_gateway(&b->neighs, row);
	}
	sl_neigh_learn(&b->neighs, ip, 0, mac, true, 1);
}

static const struct sl_snapshot *make_snapshot(struct bench *b)
{
	struct sl_wire_header *body = bench_traffic_body(&b->traffic, 1, 1);
	static const uint16_t slots[1], generations[BENCH_BACKENDS];
	uint16_t indices[BENCH_BACKENDS];

	for (uint16_t i = 0; i < BENCH_BACKENDS; i++) {
		indices[i] = i;
		b->next_hops[i] = sl_neigh_find(&b->neighs, &sl_wire_backends(body)[i].address, 0);
	}
	return need(sl_snapshot_build(&(struct sl_snap_inputs){
		.config = body,
		.backend_indices = indices,
		.backend_generations = generations,
		.vip_slots = slots,
		.next_hops = b->next_hops,
		.routes = &b->routes,
		.epoch = 1,
		.maglev_key = {3, 4},
	}));
}

static struct sl_flow_table *make_table(void)
{
	const struct sl_flow_params params = {.n_flows = 2 * N_FLOWS, .key = {1, 2}, .now = 1};
	size_t n_bytes = sl_flow_table_bytes(params.n_flows);
	void *mem = need(aligned_alloc(64, n_bytes));

	memset(mem, 0, n_bytes);
	return need(sl_flow_table_init(mem, n_bytes, &params));
}

static struct sl_localports *make_ports(void)
{
	const struct sl_localport_params params =
		sl_localport_params_of(2 * N_FLOWS, BENCH_BACKENDS, sl_forward_lanes(0, 1), 6);
	size_t n_bytes = (sl_localport_bytes(&params) + 63) / 64 * 64;
	return need(sl_localport_init(need(aligned_alloc(64, n_bytes)), n_bytes, &params));
}

static void start(struct bench *b)
{
	uint32_t bad;

	b->macs[0][0] = 2;
	memcpy(b->traffic.mac, b->macs[0], 6);
	b->traffic.n_services = 1;
	b->traffic.n_backends = BENCH_BACKENDS;
	bench_traffic_config(&b->config, N_FLOWS);
	if (sl_route_build(&b->routes, &b->config, &bad) != 0)
		abort();
	sl_neigh_init(&b->neighs, need(calloc(SL_NEIGH_MAX, sizeof(struct sl_neigh))),
	              need(calloc(SL_NEIGH_INDEX_SLOTS, sizeof(uint32_t))), 5);
	bench_traffic_hosts(learn, b);
	b->fw = (struct sl_forwarder){
		.n_workers = 1,
		.flows = make_table(),
		.local_ports = make_ports(),
		.routes = &b->routes,
		.neighs = &b->neighs,
		.others_load = b->others,
		.own_load = b->own,
		.others_units = b->others_units,
		.others_vip_load = b->others_vip,
		.own_vip_load = b->own_vip,
		.limits = &b->limits,
		.measure = &b->measure,
		.entries = b->entries,
		.stats = &b->stats,
		.backend_stats = b->backends,
		.vip_stats = &b->vip,
		.port_stats = b->ports,
		.port_macs = (const uint8_t(*)[6])b->macs,
		.steer_seed = 6,
		.snap = make_snapshot(b),
		.now = 2,
	};
	b->measure = (struct sl_measure){.table = b->fw.flows,
	                                 .flows = b->phases,
	                                 .own_units = b->own_units,
	                                 .latency = b->latency};
	sl_forward_init(&b->fw);
	sl_flow_table_on_gone(b->fw.flows, sl_forward_flow_gone, &b->fw);
}

static void put(struct bench *b, const struct sl_packet_spec *spec)
{
	struct sl_pkt *pkt = &b->pkts[b->n_pkts];

	pkt->data = b->buffers[b->n_pkts] + HEADROOM;
	pkt->len = b->lengths[b->n_pkts] = (uint32_t)sl_packet_build(pkt->data, FRAME, spec);
	pkt->headroom = HEADROOM;
	pkt->in_port = 0;
	memcpy(b->before[b->n_pkts++], pkt->data, FRAME);
}

// As the worker does it.
static inline void pass(struct bench *b)
{
	struct sl_pkt *burst[BURST];

	for (uint32_t first = 0; first < b->n_pkts; first += BURST) {
		uint32_t n = 0;

		for (uint32_t i = first; i < first + BURST && i < b->n_pkts; i++) {
			sl_forward_classify(&b->fw, &b->pkts[i]);
			if (b->pkts[i].verdict == SL_VERDICT_DECIDE)
				burst[n++] = &b->pkts[i];
		}
		sl_forward_burst(&b->fw, burst, n);
		for (uint32_t i = 0; i < n; i++)
			b->n_sent += burst[i]->verdict == SL_VERDICT_SEND;
	}
}

// Not inlined, so that callgrind knows where to start and stop counting.
void measured_pass(struct bench *b);
__attribute__((noinline)) void measured_pass(struct bench *b)
{
	pass(b);
}

static void unmeasured_pass(struct bench *b, bool is_to_note)
{
	for (uint32_t i = 0; i < b->n_pkts; i++) {
		struct sl_pkt *pkt = &b->pkts[i], copy;

		sl_forward_classify(&b->fw, pkt);
		if (pkt->verdict == SL_VERDICT_DECIDE)
			sl_forward_burst(&b->fw, &pkt, 1);
		if (pkt->verdict != SL_VERDICT_SEND)
			abort();
		copy = *pkt;
		if (is_to_note && sl_parse(&copy) < 0)
			b->sent[i] = copy.tuple;
	}
	b->n_pkts = 0;
}

static void put_from_clients(struct bench *b, uint8_t flags)
{
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		struct sl_packet_spec spec = bench_traffic_from_client(&b->traffic, i, flags);

		put(b, &spec);
	}
}

static void put_from_backends(struct bench *b, uint8_t flags)
{
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		struct sl_packet_spec spec =
			bench_traffic_from_backend(&b->traffic, &b->sent[i], flags);

		put(b, &spec);
	}
}

// What was asked, or the next token of what is answered.
static void put_payload(struct bench *b, enum sl_dir dir)
{
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		struct sl_packet_spec spec =
			dir == SL_DIR_C2S
				? bench_traffic_from_client(&b->traffic, i, SL_TCP_ACK)
				: bench_traffic_from_backend(&b->traffic, &b->sent[i], SL_TCP_ACK);

		spec.payload_bytes = b->token_bytes;
		spec.tcp_seq += dir == SL_DIR_C2S;
		put(b, &spec);
	}
}

// Packets as they came: what was done to them, and a header before them, is undone.
static void restore(struct bench *b)
{
	for (uint32_t i = 0; i < b->n_pkts; i++) {
		struct sl_pkt *pkt = &b->pkts[i];

		pkt->data = b->buffers[i] + HEADROOM;
		pkt->len = b->lengths[i];
		pkt->headroom = HEADROOM;
		memcpy(pkt->data, b->before[i], FRAME);
	}
}

static void count_established(struct bench *b)
{
	const bool is_dsr = sl_forward_is_dsr(b->traffic.forward);

	put_from_clients(b, SL_TCP_SYN);
	unmeasured_pass(b, true);
	if (!is_dsr) {
		put_from_backends(b, SL_TCP_SYN | SL_TCP_ACK);
		unmeasured_pass(b, false);
	}
	put_from_clients(b, SL_TCP_ACK);
	unmeasured_pass(b, false);
	if (b->token_bytes > 0) {
		put_payload(b, SL_DIR_C2S);
		unmeasured_pass(b, false);
	}
	put_from_clients(b, SL_TCP_ACK);
	if (b->token_bytes > 0)
		put_payload(b, SL_DIR_S2C);
	else if (!is_dsr)
		put_from_backends(b, SL_TCP_ACK);
	for (uint32_t round = 0; round < WARM_ROUNDS + N_ROUNDS; round++) {
		b->fw.now_ns += 20 * SL_NS_PER_MS;
		restore(b);
		if (round < WARM_ROUNDS)
			pass(b);
		else
			measured_pass(b);
	}
	b->n_sent -= (uint64_t)WARM_ROUNDS * b->n_pkts;
}

// SYN to FIN; the flows' number is no multiple of the sequence, so each is made once.
static void count_connections(struct bench *b)
{
	static const struct {
		uint8_t flags;
		bool is_reply;
	} steps[] = {
		{SL_TCP_SYN, false},
		{SL_TCP_SYN | SL_TCP_ACK, true},
		{SL_TCP_ACK, false},
		{SL_TCP_ACK | SL_TCP_PSH, false},
		{SL_TCP_ACK | SL_TCP_PSH, true},
		{SL_TCP_FIN | SL_TCP_ACK, false},
		{SL_TCP_FIN | SL_TCP_ACK, true},
		{SL_TCP_ACK, false},
	};

	for (uint32_t step = 0; step < sizeof(steps) / sizeof(steps[0]); step++) {
		b->n_pkts = 0;
		if (steps[step].is_reply)
			put_from_backends(b, steps[step].flags);
		else
			put_from_clients(b, steps[step].flags);
		measured_pass(b);
		for (uint32_t i = 0; step == 0 && i < b->n_pkts; i++) {
			struct sl_pkt copy = b->pkts[i];

			if (sl_parse(&copy) >= 0)
				abort();
			b->sent[i] = copy.tuple;
		}
	}
}

int main(int argc, char **argv)
{
	struct bench *b = need(aligned_alloc(64, (sizeof(*b) + 63) / 64 * 64));
	const char *what = argc > 1 ? argv[1] : "";
	const bool is_connection = strcmp(what, "connection") == 0;
	uint64_t n_expected;

	memset(b, 0, sizeof(*b));
	b->traffic.is_v6 = strcmp(what, "nat-v6") == 0;
	if (strcmp(what, "dsr-v4") == 0)
		b->traffic.forward = SL_FORWARD_DSR_L2;
	else if (strcmp(what, "ipip-v4") == 0)
		b->traffic.forward = SL_FORWARD_DSR_IPIP;
	else if (strcmp(what, "stream") == 0)
		b->token_bytes = 60;
	else if (!is_connection && strncmp(what, "nat-v", 5) != 0)
		return EXIT_FAILURE;
	start(b);
	if (is_connection)
		count_connections(b);
	else
		count_established(b);
	n_expected = is_connection ? 8 * N_FLOWS : (uint64_t)b->n_pkts * N_ROUNDS;
	if (b->n_sent != n_expected) {
		fprintf(stderr, "bench_count: %lu of %lu packets were sent\n", b->n_sent,
		        n_expected);
		return EXIT_FAILURE;
	}
	printf("%lu\n", b->n_sent);
	return EXIT_SUCCESS;
}
