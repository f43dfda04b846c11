// SPDX-License-Identifier: Apache-2.0
// The subject of tools/bench: a whole appliance with one worker, first on a ring port where it
// makes its flows from real SYNs, then on net_pcap with infinite_rx, replaying a capture of exactly
// these flows that testpmd replays as well.
//
// Usage:  bench_subject nat|fullnat|dsr-l2|dsr-ipip KIND FLOWS CAPTURE [OPTION...]
//         KIND: established, connections, or a flood of SYNs: flood (hosts and ports one after
//         another), flood-random, flood-siphash, flood-crc (traffic.h).
//         v6, services=N and backends=N (traffic.h), socket=PATH (the main core obeys commands
//         there while workers run), deal=one|own|handed|mixed (two workers, each with a capture of
//         its own: of its flows, of the other's, or half and half).
//         Prints "ready {json}" when the capture is there, then obeys lines of standard input:
//         "run MS" and "check" (are all flows where they were made?) print one JSON object each,
//         end of input ends it.
// Time:   CPU time of the workers' threads, so that what else runs on the core is not charged to
//         them; cycles are that at the frequency of the TSC.
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include "parse.h"
#include "subject.h"

#define RING_PKTS    1024
#define MBUF_BYTES   (RTE_PKTMBUF_HEADROOM + 128) // a small buffer: a million of them must fit
#define MBUFS_MOVING 8192
// Two workers: fewer than a ring between them holds. While one is kept from its core, the other
// runs out of buffers and receives nothing, where it would fill the ring and drop.
#define MBUFS_DEALT 1800

// The second worker shares the main core's core, which sleeps meanwhile.
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
	                "--lcores=0@0,1@1,2@0",
	                "--log-level=lib.eal:error"};

	// 1 KB each covers object, header and private area with room for the rest of DPDK.
	snprintf(megabytes, sizeof(megabytes), "%u", 256 + n_mbufs / 1024);
	if (rte_eal_init(RTE_DIM(args), args) < 0)
		bench_die("EAL does not start");
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
		bench_die("no memory for rings");
	id = rte_eth_from_rings("wire", &s->in, 1, &s->out, 1, SOCKET_ID_ANY);
	if (id < 0 || sl_ports_add(&s->a.ports, (uint16_t)id, "wire", &why) != 0)
		bench_die("ring port");
	s->a.ports.macs[0][0] = 2;
	memcpy(s->traffic.mac, s->a.ports.macs[0], 6);
}

static void poll_workers(struct subject *s)
{
	for (uint32_t w = 0; w < s->n_workers; w++)
		sl_worker_poll(s->a.io.workers[w], sl_clock_ns());
}

static void configure(struct subject *s)
{
	struct sl_wire_header *body = bench_traffic_body(&s->traffic, 1, 1);
	char reason[128] = "";

	if (sl_publisher_apply_config(&s->a.pub, body, body->total_bytes, reason, sizeof(reason)) !=
	    SL_IPC_OK)
		bench_die(reason);
	free(body);
	while (s->a.pub.is_waiting) {
		poll_workers(s);
		sl_appliance_poll(&s->a, sl_clock_ns());
	}
	bench_traffic_hosts(learn, s);
}

static void start_appliance(struct subject *s)
{
	uint32_t n_moving = s->deal == DEAL_ONE ? MBUFS_MOVING : MBUFS_DEALT;
	uint32_t n_mbufs = bench_packets_of(s) + n_moving;
	struct sl_text why = {""};

	start_eal(n_mbufs);
	// A flood meets a table of a quarter of its sources; a fifth of room keeps the others from
	// being full by chance.
	bench_traffic_config(&s->a.config,
	                     s->kind >= KIND_FLOOD ? s->n_flows / 4 : s->n_flows * 6 / 5);
	s->a.config.n_workers = s->n_workers;
	s->a.config.flows *= s->n_workers;
	s->a.ports.n_workers = s->n_workers;
	s->a.ports.pool = sl_ports_make_pool("bench", n_mbufs, MBUF_BYTES);
	if (s->a.ports.pool == NULL)
		bench_die(rte_strerror(rte_errno));
	open_ring(s);
	if (sl_appliance_init(&s->a, &why) != 0)
		bench_die(why.text);
	configure(s);
	if (s->socket == NULL)
		return;
	if (sl_ipc_server_init(&s->a.ipc, &s->a.pub, s->socket, s->a.segment.read_only_fd, 1) != 0)
		bench_die("no command socket");
	s->a.has_ipc = true;
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
		bench_die("ring is full");
	poll_workers(s);
	if (s->n_workers > 1) // it came to the one that has the ring, and leaves there
		poll_workers(s);
	while (rte_ring_dequeue(s->out, &out) == 0) {
		m = out;
		pkt.len = rte_pktmbuf_data_len(m);
		memcpy(frame, rte_pktmbuf_mtod(m, void *), pkt.len);
		rte_pktmbuf_free(m);
		if (sl_parse(&pkt) >= 0 ||
		    (pkt.kind != SL_PKT_TCP && pkt.tuple.proto != IPPROTO_IPIP))
			continue; // what the main core asks its neighbours
		*sent = pkt.tuple;
		return true;
	}
	return false;
}

static void make_flows(struct subject *s)
{
	const bool is_dsr = sl_forward_is_dsr(s->traffic.forward);
	struct sl_packet_spec spec;
	struct sl_tuple ignored;

	s->sent = calloc(s->n_flows, sizeof(*s->sent));
	if (s->sent == NULL)
		bench_die("no memory for tuples");
	for (uint32_t i = 0; i < s->n_flows; i++) {
		spec = bench_traffic_from_client(&s->traffic, i, SL_TCP_SYN);
		if (!pass(s, &spec, &s->sent[i]))
			bench_die("a SYN was not forwarded");
		if (s->kind == KIND_CONNECTIONS)
			continue;
		spec = bench_traffic_from_backend(&s->traffic, &s->sent[i],
		                                  SL_TCP_SYN | SL_TCP_ACK);
		if (!is_dsr && !pass(s, &spec, &ignored))
			bench_die("a SYN-ACK was not forwarded");
		spec = bench_traffic_from_client(&s->traffic, i, SL_TCP_ACK);
		if (!pass(s, &spec, &ignored))
			bench_die("an ACK was not forwarded");
	}
}

// The capture takes the place of the ring as the only port; flows and next hops stay.
static void open_capture(struct subject *s)
{
	char args[1024] = "", path[256];
	struct sl_text why = {""};
	uint16_t id;

	sl_ports_stop(&s->a.ports);
	for (uint32_t w = 0; w < s->n_workers; w++) {
		bench_capture_path(path, sizeof(path), s, w);
		snprintf(args + strlen(args), sizeof(args) - strlen(args), "rx_pcap=%s,", path);
	}
	snprintf(args + strlen(args), sizeof(args) - strlen(args), "infinite_rx=1");
	if (rte_eal_hotplug_add("vdev", "net_pcap0", args) != 0 ||
	    rte_eth_dev_get_port_by_name("net_pcap0", &id) != 0)
		bench_die("net_pcap does not take the capture");
	if (sl_ports_add(&s->a.ports, id, "capture", &why) != 0)
		bench_die(why.text);
	memcpy(s->a.ports.macs[0], s->traffic.mac, 6);
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * SL_NS_PER_S + (uint64_t)t.tv_nsec;
}

// Two workers that hand packets to each other must run at the same time, or they wait for each
// other and that is what is measured. 0 gives the core back.
static void claim_core(const struct subject *s, int priority)
{
	const struct sched_param param = {.sched_priority = priority};

	if ((s->n_workers > 1 || s->socket != NULL) &&
	    sched_setscheduler(0, priority > 0 ? SCHED_FIFO : SCHED_OTHER, &param) != 0)
		bench_die("this needs SCHED_FIFO, which needs root");
}

static int run_worker(void *arg)
{
	struct subject *s = arg;
	uint32_t w = rte_lcore_id() - 1;
	uint64_t before_ns;

	sem_wait(&s->go);
	claim_core(s, 1);
	before_ns = thread_cpu_ns();
	rte_rcu_qsbr_thread_online(s->a.io.qsbr, w);
	sl_worker_run(s->a.io.workers[w]);
	s->cpu_ns[w] = thread_cpu_ns() - before_ns;
	claim_core(s, 0);
	return 0;
}

struct counts {
	uint64_t rx, tx, handed, dropped, flows_new, busy_cycles, idle_cycles;
};

static struct counts count(const struct subject *s)
{
	struct counts n = {0};

	for (uint32_t w = 0; w < s->n_workers; w++) {
		const struct sl_stats_worker *stats = s->a.io.workers[w]->stats;

		n.rx += sl_stat_get(&stats->rx_pkts);
		n.tx += sl_stat_get(&stats->tx_pkts);
		n.handed += sl_stat_get(&stats->handed_pkts);
		n.flows_new += sl_stat_get(&stats->flows_new);
		n.busy_cycles += sl_stat_get(&stats->busy_cycles);
		n.idle_cycles += sl_stat_get(&stats->idle_cycles);
		for (uint32_t d = 0; d < SL_DROP_COUNT; d++)
			n.dropped += sl_stat_get(&stats->drops[d]);
	}
	return n;
}

static bool has_client(const struct subject *s)
{
	for (uint32_t i = 0; i < SL_IPC_MAX_CLIENTS; i++) {
		if (s->a.ipc.clients[i] >= 0)
			return true;
	}
	return false;
}

// What the main core does meanwhile: nothing, or what commands ask for, until nobody asks any more.
static void wait_ms(struct subject *s, uint32_t ms)
{
	struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	uint64_t until_ns = sl_clock_ns() + ms * SL_NS_PER_MS;
	bool is_busy = false;

	if (!s->a.has_ipc) {
		nanosleep(&wait, NULL);
		return;
	}
	while (sl_clock_ns() < until_ns || has_client(s)) {
		sl_appliance_sleep(&s->a, -1, is_busy ? 0 : 1);
		is_busy = sl_appliance_poll(&s->a, sl_clock_ns());
	}
}

static void run(struct subject *s, uint32_t ms)
{
	struct counts before = count(s), after;
	uint64_t cpu_ns = 0;

	bench_traffic_hosts(learn, s);
	atomic_store(&s->a.io.is_stopping, false);
	for (uint32_t w = 0; w < s->n_workers; w++) {
		if (rte_eal_remote_launch(run_worker, s, w + 1) != 0)
			bench_die("the worker's core is busy");
	}
	claim_core(s, 2); // above the worker that shares ours, to end its turn
	for (uint32_t w = 0; w < s->n_workers; w++)
		sem_post(&s->go);
	wait_ms(s, ms);
	atomic_store(&s->a.io.is_stopping, true);
	claim_core(s, 0);
	rte_eal_mp_wait_lcore();
	for (uint32_t w = 0; w < s->n_workers; w++)
		cpu_ns += s->cpu_ns[w];
	after = count(s);
	printf("{\"packets\": %lu, \"sent\": %lu, \"handed\": %lu, \"dropped\": %lu, "
	       "\"flows_new\": %lu, \"epoch\": %lu, \"busy_cycles\": %lu, \"idle_cycles\": %lu, "
	       "\"cpu_ns\": %lu, \"tsc_hz\": %lu}\n",
	       after.rx - before.rx, after.tx - before.tx, after.handed - before.handed,
	       after.dropped - before.dropped, after.flows_new - before.flows_new, s->a.pub.epoch,
	       after.busy_cycles - before.busy_cycles, after.idle_cycles - before.idle_cycles,
	       cpu_ns, rte_get_tsc_hz());
}

static void check(const struct subject *s)
{
	uint32_t n_moved = 0;

	for (uint32_t i = 0; i < s->n_flows; i++)
		n_moved += bench_owner_of(s, i) == s->n_workers;
	printf("{\"flows\": %u, \"moved\": %u}\n", s->n_flows, n_moved);
}

static void take_option(struct subject *s, const char *option)
{
	static const char *const deals[] = {"one", "own", "handed", "mixed"};
	uint32_t d = 0;

	if (strcmp(option, "v6") == 0)
		s->traffic.is_v6 = true;
	else if (strncmp(option, "services=", 9) == 0)
		s->traffic.n_services = (uint32_t)strtoul(option + 9, NULL, 10);
	else if (strncmp(option, "backends=", 9) == 0)
		s->traffic.n_backends = (uint32_t)strtoul(option + 9, NULL, 10);
	else if (strncmp(option, "socket=", 7) == 0)
		s->socket = option + 7;
	else if (strncmp(option, "deal=", 5) != 0)
		bench_die("unknown option");
	if (strncmp(option, "deal=", 5) != 0)
		return;
	while (d < RTE_DIM(deals) && strcmp(option + 5, deals[d]) != 0)
		d++;
	if (d == RTE_DIM(deals))
		bench_die("deal=own|handed|mixed");
	s->deal = (enum deal)d;
	s->n_workers = s->deal == DEAL_ONE ? 1 : 2;
}

static void parse_args(struct subject *s, int argc, char **argv)
{
	static const char *const forwards[] = {"nat", "fullnat", "dsr-l2", "dsr-ipip"};
	static const char *const kinds[] = {"established",  "connections",   "flood",
	                                    "flood-random", "flood-siphash", "flood-crc"};
	uint32_t f = 0, k = 0;

	if (argc < 5)
		bench_die("usage: nat|fullnat|dsr-l2|dsr-ipip KIND FLOWS CAPTURE [OPTION...]");
	while (f < RTE_DIM(forwards) && strcmp(argv[1], forwards[f]) != 0)
		f++;
	while (k < RTE_DIM(kinds) && strcmp(argv[2], kinds[k]) != 0)
		k++;
	if (f == RTE_DIM(forwards) || k == RTE_DIM(kinds))
		bench_die("no such forwarding mode or kind of capture");
	s->traffic.forward = (uint8_t)f;
	s->kind = (enum kind)k;
	s->n_flows = (uint32_t)strtoul(argv[3], NULL, 10);
	s->path = argv[4];
	s->traffic.n_services = s->n_workers = 1;
	s->traffic.n_backends = BENCH_BACKENDS;
	for (int i = 5; i < argc; i++)
		take_option(s, argv[i]);
	if (s->traffic.n_services == 0 || s->traffic.n_services > SL_MAX_POOLS ||
	    s->traffic.n_backends == 0 || s->traffic.n_backends > BENCH_BACKENDS)
		bench_die("1 to 4096 services of 1 to 16 backends");
	if (s->n_flows == 0 || (s->kind == KIND_CONNECTIONS && s->n_flows % BENCH_TOGETHER != 0))
		bench_die("FLOWS must be more than 0, and a multiple of 1024 for connections");
}

// What of a piece of memory the kernel has given pages for.
static uint64_t resident_bytes(void *mem, size_t n_bytes)
{
	const uintptr_t page = (uintptr_t)getpagesize(), first = (uintptr_t)mem & ~(page - 1);
	const size_t n_pages = ((uintptr_t)mem + n_bytes - first + page - 1) / page;
	unsigned char *here = calloc(n_pages, 1);
	uint64_t n = 0;

	if (here == NULL || mincore((void *)first, n_pages * page, here) != 0)
		bench_die("mincore");
	for (size_t i = 0; i < n_pages; i++)
		n += (here[i] & 1) * page;
	free(here);
	return n;
}

static void tell_ready(const struct subject *s)
{
	const struct sl_worker *worker = s->a.io.workers[0];

	printf("ready {\"capture_packets\": %u, \"buffer_bytes\": %zu, \"flows\": %lu, "
	       "\"table_bytes\": %zu, \"table_resident_bytes\": %lu, "
	       "\"measure_resident_bytes\": %lu}\n",
	       bench_packets_of(s), MBUF_BYTES + SL_PRIVATE_BYTES,
	       sl_stat_get(&worker->stats->flows), worker->flow_bytes,
	       resident_bytes(worker->flow_memory, worker->flow_bytes),
	       resident_bytes(worker->measure.flows, worker->phase_bytes));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct subject *s = calloc(1, sizeof(*s));
	char line[64];

	if (s == NULL)
		bench_die("no memory");
	sem_init(&s->go, 0, 0);
	parse_args(s, argc, argv);
	start_appliance(s);
	if (s->kind < KIND_FLOOD)
		make_flows(s);
	bench_write_captures(s);
	open_capture(s);
	tell_ready(s);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strncmp(line, "run ", 4) == 0)
			run(s, (uint32_t)strtoul(line + 4, NULL, 10));
		else if (strncmp(line, "check", 5) == 0)
			check(s);
		fflush(stdout);
	}
	return EXIT_SUCCESS;
}
