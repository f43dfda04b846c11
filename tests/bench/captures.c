// SPDX-License-Identifier: Apache-2.0
// The packets of the flows that the subject has made, in the order in which they are replayed.
#include <stdio.h>
#include <stdlib.h>

#include "subject.h"

_Noreturn void bench_die(const char *what)
{
	fprintf(stderr, "bench_subject: %s\n", what);
	exit(EXIT_FAILURE);
}

uint32_t bench_packets_of(const struct subject *s)
{
	const bool is_one_way = s->kind >= KIND_FLOOD || sl_forward_is_dsr(s->traffic.forward);

	if (s->kind == KIND_CONNECTIONS)
		return 8 * s->n_flows;
	return RTE_MIN(is_one_way ? s->n_flows : 2 * s->n_flows, (uint32_t)BENCH_SAMPLE);
}

static void put(struct subject *s, FILE *capture, uint32_t flow, uint8_t flags, bool is_reply)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec spec =
		is_reply ? bench_traffic_from_backend(&s->traffic, &s->sent[flow], flags)
			 : bench_traffic_from_client(&s->traffic, flow, flags);

	bench_capture_put(capture, frame, (uint32_t)sl_packet_build(frame, sizeof(frame), &spec));
}

// Is the flow in this worker's table, and leads it where its packets went when it was made?
static bool has_flow(const struct subject *s, uint32_t worker, uint32_t i)
{
	struct sl_flow_table *flows = s->a.io.workers[worker]->fw.flows;
	struct sl_packet_spec spec = bench_traffic_from_client(&s->traffic, i, SL_TCP_ACK);
	struct sl_tuple tuple = {.src = spec.src,
	                         .dst = spec.dst,
	                         .sport_be = rte_cpu_to_be_16(spec.sport),
	                         .dport_be = rte_cpu_to_be_16(spec.dport),
	                         .proto = spec.proto};
	const struct sl_flow *flow;
	enum sl_dir dir;

	flow = sl_flow_find(flows, &tuple, sl_flow_hash(flows, &tuple), &dir);
	if (flow == NULL)
		return false;
	tuple = sl_flow_tuple_to_backend(flows, flow);
	return memcmp(&tuple, &s->sent[i], sizeof(tuple)) == 0;
}

uint32_t bench_owner_of(const struct subject *s, uint32_t flow)
{
	uint32_t w = 0;

	while (w < s->n_workers && !has_flow(s, w, flow))
		w++;
	return w;
}

static uint32_t receiver_of(const struct subject *s, uint32_t flow, uint32_t packet)
{
	if (s->deal == DEAL_ONE)
		return 0;
	if (s->deal == DEAL_MIXED)
		return sl_mix64(packet) & 1;
	return bench_owner_of(s, flow) ^ (s->deal == DEAL_HANDED);
}

// Every flow's packets in an order that no prefetcher can guess (Fisher and Yates).
static void write_established(struct subject *s, FILE **captures)
{
	const uint32_t n = sl_forward_is_dsr(s->traffic.forward) ? s->n_flows : 2 * s->n_flows;
	uint32_t *order = calloc(n, sizeof(*order));

	if (order == NULL)
		bench_die("no memory for the capture");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)(((sl_mix64(i + 1) >> 32) * (i + 1)) >> 32);

		order[i] = order[j];
		order[j] = i;
	}
	for (uint32_t i = 0; i < bench_packets_of(s); i++) {
		uint32_t flow = order[i] % s->n_flows;

		put(s, captures[receiver_of(s, flow, order[i])], flow, SL_TCP_ACK,
		    order[i] >= s->n_flows);
	}
	free(order);
}

// Whole connections, BENCH_TOGETHER at a time. Their number is a multiple of the weighted sequence,
// so that each round picks the backends of the round before, whose answers the capture holds.
static void write_connections(struct subject *s, FILE *capture)
{
	static const struct {
		uint8_t flags;
		bool is_reply;
	} steps[8] = {
		{SL_TCP_SYN, false},
		{SL_TCP_SYN | SL_TCP_ACK, true},
		{SL_TCP_ACK, false},
		{SL_TCP_ACK | SL_TCP_PSH, false},
		{SL_TCP_ACK | SL_TCP_PSH, true},
		{SL_TCP_FIN | SL_TCP_ACK, false},
		{SL_TCP_FIN | SL_TCP_ACK, true},
		{SL_TCP_ACK, false},
	};

	for (uint32_t first = 0; first < s->n_flows; first += BENCH_TOGETHER) {
		for (uint32_t step = 0; step < RTE_DIM(steps); step++) {
			for (uint32_t i = first; i < first + BENCH_TOGETHER; i++)
				put(s, capture, i, steps[step].flags, steps[step].is_reply);
		}
	}
}

static void write_flood(struct subject *s, FILE *capture)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	uint64_t tried = 0;

	for (uint32_t i = 0; i < bench_packets_of(s); i++) {
		struct sl_packet_spec spec = bench_traffic_flood(
			&s->traffic, (enum bench_flood)(s->kind - KIND_FLOOD), &tried);

		bench_capture_put(capture, frame,
		                  (uint32_t)sl_packet_build(frame, sizeof(frame), &spec));
	}
}

void bench_capture_path(char *path, size_t n_bytes, const struct subject *s, uint32_t worker)
{
	snprintf(path, n_bytes, worker == 0 ? "%s" : "%s.%u", s->path, worker);
}

void bench_write_captures(struct subject *s)
{
	FILE *captures[BENCH_WORKERS];
	char path[256];

	for (uint32_t w = 0; w < s->n_workers; w++) {
		bench_capture_path(path, sizeof(path), s, w);
		captures[w] = bench_capture_open(path);
	}
	if (s->kind == KIND_CONNECTIONS)
		write_connections(s, captures[0]);
	else if (s->kind == KIND_ESTABLISHED)
		write_established(s, captures);
	else
		write_flood(s, captures[0]);
	for (uint32_t w = 0; w < s->n_workers; w++) {
		if (fclose(captures[w]) != 0)
			bench_die("capture: disk full");
	}
}
