// SPDX-License-Identifier: Apache-2.0
// The subject of tools/bench: a whole appliance with one worker, first on a ring port where it
// makes its flows from real SYNs, then on net_pcap with infinite_rx, replaying a capture of exactly
// these flows that testpmd replays as well.
//
// Usage:  bench_subject nat|fullnat|dsr-l2 established|connections|flood FLOWS CAPTURE [v6]
//         Prints "ready {json}" when the capture is there, then obeys lines of standard input:
//         "run MS" prints one JSON object, end of input ends it.
// Time:   CPU time of the worker's thread, so that what else runs on the core is not charged to
//         it; cycles are that at the frequency of the TSC.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include "appliance.h"
#include "parse.h"
#include "traffic.h"

#define RING_PKTS    1024
#define MBUF_BYTES   (RTE_PKTMBUF_HEADROOM + 128) // a small buffer: a million of them must fit
#define MBUF_CACHE   256
#define MBUFS_MOVING 8192
#define N_TOGETHER   1024 // connections whose packets are interleaved

enum kind { KIND_ESTABLISHED, KIND_CONNECTIONS, KIND_FLOOD };

struct subject {
	struct sl_appliance a;
	struct bench_traffic traffic;
	enum kind kind;
	uint32_t n_flows;
	const char *path;
	struct rte_ring *in, *out;
	struct sl_tuple *sent; // by flow: how its packets leave us
	uint64_t cpu_ns;       // of the last run
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_subject: %s\n", what);
	exit(EXIT_FAILURE);
}

static uint32_t packets_of(const struct subject *s)
{
	if (s->kind == KIND_CONNECTIONS)
		return 8 * s->n_flows;
	return s->kind == KIND_FLOOD || s->traffic.forward == SL_FORWARD_DSR_L2 ? s->n_flows
	                                                                        : 2 * s->n_flows;
}

static void start_eal(uint32_t n_mbufs)
{
	char megabytes[16];
	char *args[] = {"bench_subject",
	                "--no-huge",
	                "--no-pci",
	                "-m",
	                megabytes,
	                "--no-telemetry",
	                "--no-shconf",
	                "--lcores=0@0,1@1",
	                "--log-level=lib.eal:error"};

	// 1 KB each covers object, header and private area with room for the rest of DPDK.
	snprintf(megabytes, sizeof(megabytes), "%u", 256 + n_mbufs / 1024);
	if (rte_eal_init(RTE_DIM(args), args) < 0)
		die("EAL does not start");
}

static void learn(void *ctx, const struct sl_ip *ip)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	struct subject *s = ctx;

	sl_neigh_learn(&s->a.neighs, ip, 0, mac, true, sl_clock_ns());
}

static void open_ring(struct subject *s)
{
	struct sl_text why;
	int id;

	s->in = rte_ring_create("in", RING_PKTS, SOCKET_ID_ANY, 0);
	s->out = rte_ring_create("out", RING_PKTS, SOCKET_ID_ANY, 0);
	if (s->in == NULL || s->out == NULL)
		die("no memory for rings");
	id = rte_eth_from_rings("wire", &s->in, 1, &s->out, 1, SOCKET_ID_ANY);
	if (id < 0 || sl_ports_add(&s->a.ports, (uint16_t)id, "wire", &why) != 0)
		die("ring port");
	s->a.ports.macs[0][0] = 2;
	memcpy(s->traffic.mac, s->a.ports.macs[0], 6);
}

static void configure(struct subject *s)
{
	struct sl_wire_header *body = bench_traffic_body(&s->traffic);
	char reason[128] = "";

	if (sl_publisher_apply_config(&s->a.pub, body, body->total_bytes, reason, sizeof(reason)) !=
	    SL_IPC_OK)
		die(reason);
	free(body);
	while (s->a.pub.is_waiting) {
		sl_worker_poll(s->a.io.workers[0], sl_clock_ns());
		sl_appliance_poll(&s->a, sl_clock_ns());
	}
	bench_traffic_hosts(learn, s);
}

static void start_appliance(struct subject *s)
{
	uint32_t n_mbufs = packets_of(s) + MBUFS_MOVING;
	struct sl_text why = {""};

	start_eal(n_mbufs);
	// A flood meets a table of a quarter of its sources; a fifth of room keeps the others from
	// being full by chance.
	bench_traffic_config(&s->a.config,
	                     s->kind == KIND_FLOOD ? s->n_flows / 4 : s->n_flows * 6 / 5);
	s->a.ports.n_workers = 1;
	s->a.ports.pool = sl_ports_make_pool("bench", n_mbufs, MBUF_BYTES);
	if (s->a.ports.pool == NULL)
		die(rte_strerror(rte_errno));
	open_ring(s);
	if (sl_appliance_init(&s->a, &why) != 0)
		die(why.text);
	configure(s);
}

// One packet through the worker; true and the tuple it left with if it was sent.
static bool pass(struct subject *s, const struct sl_packet_spec *spec, struct sl_tuple *sent)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->a.ports.pool);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), spec);
	struct sl_pkt pkt = {.data = frame};
	void *out;

	memcpy(rte_pktmbuf_append(m, (uint16_t)n_bytes), frame, n_bytes);
	if (rte_ring_enqueue(s->in, m) != 0)
		die("ring is full");
	sl_worker_poll(s->a.io.workers[0], sl_clock_ns());
	while (rte_ring_dequeue(s->out, &out) == 0) {
		m = out;
		pkt.len = rte_pktmbuf_data_len(m);
		memcpy(frame, rte_pktmbuf_mtod(m, void *), pkt.len);
		rte_pktmbuf_free(m);
		if (sl_parse(&pkt) >= 0 || pkt.kind != SL_PKT_TCP)
			continue; // what the main core asks its neighbours
		*sent = pkt.tuple;
		return true;
	}
	return false;
}

static void make_flows(struct subject *s)
{
	const bool is_dsr = s->traffic.forward == SL_FORWARD_DSR_L2;
	struct sl_packet_spec spec;
	struct sl_tuple ignored;

	s->sent = calloc(s->n_flows, sizeof(*s->sent));
	if (s->sent == NULL)
		die("no memory for tuples");
	for (uint32_t i = 0; i < s->n_flows; i++) {
		spec = bench_traffic_from_client(&s->traffic, i, SL_TCP_SYN);
		if (!pass(s, &spec, &s->sent[i]))
			die("a SYN was not forwarded");
		if (s->kind == KIND_CONNECTIONS)
			continue;
		spec = bench_traffic_from_backend(&s->traffic, &s->sent[i],
		                                  SL_TCP_SYN | SL_TCP_ACK);
		if (!is_dsr && !pass(s, &spec, &ignored))
			die("a SYN-ACK was not forwarded");
		spec = bench_traffic_from_client(&s->traffic, i, SL_TCP_ACK);
		if (!pass(s, &spec, &ignored))
			die("an ACK was not forwarded");
	}
}

static void put(struct subject *s, FILE *capture, uint32_t flow, uint8_t flags, bool is_reply)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec spec =
		is_reply ? bench_traffic_from_backend(&s->traffic, &s->sent[flow], flags)
			 : bench_traffic_from_client(&s->traffic, flow, flags);

	bench_capture_put(capture, frame, (uint32_t)sl_packet_build(frame, sizeof(frame), &spec));
}

// Every flow's packets in an order that no prefetcher can guess (Fisher and Yates).
static void write_established(struct subject *s, FILE *capture)
{
	uint32_t n = packets_of(s);
	uint32_t *order = calloc(n, sizeof(*order));

	if (order == NULL)
		die("no memory for the capture");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)(((sl_mix64(i + 1) >> 32) * (i + 1)) >> 32);

		order[i] = order[j];
		order[j] = i;
	}
	for (uint32_t i = 0; i < n; i++)
		put(s, capture, order[i] % s->n_flows, SL_TCP_ACK, order[i] >= s->n_flows);
	free(order);
}

// Whole connections, N_TOGETHER at a time. Their number is a multiple of the weighted sequence, so
// that each round picks the backends of the round before, whose answers the capture holds.
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

	for (uint32_t first = 0; first < s->n_flows; first += N_TOGETHER) {
		for (uint32_t step = 0; step < RTE_DIM(steps); step++) {
			for (uint32_t i = first; i < first + N_TOGETHER; i++)
				put(s, capture, i, steps[step].flags, steps[step].is_reply);
		}
	}
}

static void write_capture(struct subject *s)
{
	FILE *capture = bench_capture_open(s->path);

	if (s->kind == KIND_CONNECTIONS)
		write_connections(s, capture);
	else if (s->kind == KIND_ESTABLISHED)
		write_established(s, capture);
	else
		for (uint32_t i = 0; i < s->n_flows; i++) // sources nobody has seen
			put(s, capture, s->n_flows + i, SL_TCP_SYN, false);
	if (fclose(capture) != 0)
		die("capture: disk full");
}

// The capture takes the place of the ring as the only port; flows and next hops stay.
static void open_capture(struct subject *s)
{
	char args[512];
	struct sl_text why = {""};
	uint16_t id;

	sl_ports_stop(&s->a.ports);
	snprintf(args, sizeof(args), "rx_pcap=%s,infinite_rx=1", s->path);
	if (rte_eal_hotplug_add("vdev", "net_pcap0", args) != 0 ||
	    rte_eth_dev_get_port_by_name("net_pcap0", &id) != 0)
		die("net_pcap does not take the capture");
	if (sl_ports_add(&s->a.ports, id, "capture", &why) != 0)
		die(why.text);
	memcpy(s->a.ports.macs[0], s->traffic.mac, 6);
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * SL_NS_PER_S + (uint64_t)t.tv_nsec;
}

static int run_worker(void *arg)
{
	struct subject *s = arg;
	uint64_t before_ns = thread_cpu_ns();

	rte_rcu_qsbr_thread_online(s->a.io.qsbr, 0);
	sl_worker_run(s->a.io.workers[0]);
	s->cpu_ns = thread_cpu_ns() - before_ns;
	return 0;
}

static uint64_t dropped(const struct subject *s)
{
	uint64_t n = 0;

	for (uint32_t d = 0; d < SL_DROP_COUNT; d++)
		n += sl_stat_get(&s->a.io.workers[0]->stats->drops[d]);
	return n;
}

static void run(struct subject *s, uint32_t ms)
{
	const struct sl_stats_worker *stats = s->a.io.workers[0]->stats;
	uint64_t rx = sl_stat_get(&stats->rx_pkts), tx = sl_stat_get(&stats->tx_pkts);
	uint64_t flows_new = sl_stat_get(&stats->flows_new), drops = dropped(s);
	struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	bench_traffic_hosts(learn, s);
	atomic_store(&s->a.io.is_stopping, false);
	if (rte_eal_remote_launch(run_worker, s, 1) != 0)
		die("the worker's core is busy");
	nanosleep(&wait, NULL);
	atomic_store(&s->a.io.is_stopping, true);
	rte_eal_wait_lcore(1);
	printf("{\"packets\": %lu, \"sent\": %lu, \"dropped\": %lu, \"flows_new\": %lu, "
	       "\"cpu_ns\": %lu, \"tsc_hz\": %lu}\n",
	       sl_stat_get(&stats->rx_pkts) - rx, sl_stat_get(&stats->tx_pkts) - tx,
	       dropped(s) - drops, sl_stat_get(&stats->flows_new) - flows_new, s->cpu_ns,
	       rte_get_tsc_hz());
}

static void parse_args(struct subject *s, int argc, char **argv)
{
	static const char *const forwards[] = {"nat", "fullnat", "dsr-l2"};
	static const char *const kinds[] = {"established", "connections", "flood"};
	uint32_t f = 0, k = 0;

	if (argc < 5)
		die("usage: nat|fullnat|dsr-l2 established|connections|flood FLOWS CAPTURE [v6]");
	while (f < RTE_DIM(forwards) && strcmp(argv[1], forwards[f]) != 0)
		f++;
	while (k < RTE_DIM(kinds) && strcmp(argv[2], kinds[k]) != 0)
		k++;
	if (f == RTE_DIM(forwards) || k == RTE_DIM(kinds))
		die("no such forwarding mode or kind of capture");
	s->traffic.forward = (uint8_t)f;
	s->kind = (enum kind)k;
	s->n_flows = (uint32_t)strtoul(argv[3], NULL, 10);
	s->path = argv[4];
	s->traffic.is_v6 = argc > 5 && strcmp(argv[5], "v6") == 0;
	if (s->n_flows == 0 || (s->kind == KIND_CONNECTIONS && s->n_flows % N_TOGETHER != 0))
		die("FLOWS must be more than 0, and a multiple of 1024 for connections");
}

int main(int argc, char **argv)
{
	struct subject *s = calloc(1, sizeof(*s));
	char line[64];

	if (s == NULL)
		die("no memory");
	parse_args(s, argc, argv);
	start_appliance(s);
	if (s->kind != KIND_FLOOD)
		make_flows(s);
	write_capture(s);
	open_capture(s);
	printf("ready {\"capture_packets\": %u, \"buffer_bytes\": %zu, \"flows\": %lu, "
	       "\"table_bytes_per_flow\": %.1f}\n",
	       packets_of(s), MBUF_BYTES + SL_PRIVATE_BYTES,
	       sl_stat_get(&s->a.io.workers[0]->stats->flows),
	       (double)sl_flow_table_bytes(s->n_flows) / s->n_flows);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strncmp(line, "run ", 4) == 0)
			run(s, (uint32_t)strtoul(line + 4, NULL, 10));
		fflush(stdout);
	}
	return EXIT_SUCCESS;
}
