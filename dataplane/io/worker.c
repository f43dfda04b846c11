// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "shaper.h"
#include "syncookie.h"

#define IDLE_MAX_US 200 // the longest nap; also bounds how long a new snapshot waits for us
#define BEAT_NS     (10 * SL_NS_PER_MS)
#define IDLE_SPINS  64 // empty turns before the first nap

uint64_t sl_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SL_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void free_counted(struct rte_mbuf *m, sl_stat *drops, enum sl_drop why)
{
	sl_stat_add(&drops[why], 1);
	rte_pktmbuf_free(m);
}

// One store that the other core sees for all of them: it fetches the ring's head line once, not per
// packet.
static void flush_handed(struct sl_worker *worker, uint32_t to)
{
	struct rte_mbuf **pkts = worker->handed[to];
	uint32_t n = worker->n_handed[to];
	uint32_t n_sent = rte_ring_sp_enqueue_burst(worker->io->rings[to][worker->index],
	                                            (void *const *)pkts, n, NULL);

	for (uint32_t i = n_sent; i < n; i++)
		free_counted(pkts[i], worker->stats->drops,
		             to == worker->io->n_workers ? SL_DROP_SLOW_FULL
		                                         : SL_DROP_HANDOFF_FULL);
	sl_stat_add(&worker->stats->handed_pkts, n_sent);
	worker->n_handed[to] = 0;
}

static void hand(struct sl_worker *worker, uint32_t to, struct rte_mbuf *m)
{
	if (worker->n_handed[to] == SL_HAND_BUFFER)
		flush_handed(worker, to);
	worker->handed[to][worker->n_handed[to]++] = m;
}

static void flush_port(struct sl_worker *worker, uint32_t port)
{
	struct sl_stats_port *stats = sl_stats_port_at(worker->io->stats, worker->index, port);
	const struct sl_port *p = &worker->io->ports->ports[port];
	uint32_t n = worker->n_tx[port];
	uint64_t n_bytes = 0;
	uint16_t n_sent;

	for (uint32_t i = 0; i < n; i++)
		n_bytes += rte_pktmbuf_pkt_len(worker->tx[port][i]);
	n_sent = rte_eth_tx_burst(p->id, p->tx_queue[worker->index], worker->tx[port], (uint16_t)n);
	for (uint32_t i = n_sent; i < n; i++) { // full queue: never spin, count
		n_bytes -= rte_pktmbuf_pkt_len(worker->tx[port][i]);
		free_counted(worker->tx[port][i], worker->stats->drops, SL_DROP_TX_FULL);
	}
	sl_stat_add(&worker->stats->tx_pkts, n_sent);
	sl_stat_add(&stats->tx_pkts, n_sent);
	sl_stat_add(&stats->tx_bytes, n_bytes);
	if (p->parent != port) { // a VLAN: its device has sent them too
		stats = sl_stats_port_at(worker->io->stats, worker->index, p->parent);
		sl_stat_add(&stats->tx_pkts, n_sent);
		sl_stat_add(&stats->tx_bytes, n_bytes);
	}
	worker->n_tx[port] = 0;
}

// DPDK's LACP sends from within transmit bursts and wants one each 100 ms, packets or none.
static __rte_noinline void beat(struct sl_worker *worker, uint64_t now_ns)
{
	const struct sl_ports *ports = worker->io->ports;

	if (now_ns < worker->next_beat_ns)
		return;
	worker->next_beat_ns = now_ns + BEAT_NS;
	sl_shapers_beat(worker);
	for (uint32_t p = 0; p < ports->n_ports; p++) {
		const struct sl_port *port = &ports->ports[p];

		if (port->is_lacp && port->parent == p &&
		    port->tx_queue[worker->index] != SL_NO_QUEUE)
			rte_eth_tx_burst(port->id, port->tx_queue[worker->index], NULL, 0);
	}
}

static void flush_all(struct sl_worker *worker)
{
	for (uint32_t to = 0; to <= worker->io->n_workers; to++) {
		if (worker->n_handed[to] != 0)
			flush_handed(worker, to);
	}
	for (uint32_t p = 0; p < worker->io->ports->n_ports; p++) {
		if (worker->n_tx[p] != 0)
			flush_port(worker, p);
	}
}

// Another core's to send; or ours, and the port has a rate.
static __attribute__((noinline)) void transmit_elsewhere(struct sl_worker *worker,
                                                         struct rte_mbuf *m, uint32_t port)
{
	struct sl_shaper *shaper = worker->io->shapers[port];
	enum sl_drop why;

	if (shaper == NULL || shaper->worker != worker->index) {
		hand(worker, worker->io->ports->ports[port].tx_worker, m);
		return;
	}
	why = sl_shaper_send(shaper, m, worker->fw.now_ns);
	if (why != SL_DROP_COUNT)
		free_counted(m, worker->stats->drops, why);
}

static void transmit(struct sl_worker *worker, struct rte_mbuf *m, uint32_t port)
{
	const struct sl_port *p = &worker->io->ports->ports[port];

	if (p->tx_queue[worker->index] == SL_NO_QUEUE) {
		transmit_elsewhere(worker, m, port);
		return;
	}
	if (worker->n_tx[port] == SL_TX_BUFFER)
		flush_port(worker, port);
	worker->tx[port][worker->n_tx[port]++] = m;
}

// A tunnel header was put before the packet, or it became a shorter one. What the device was to do
// or has said about the old packet is void.
static void follow(struct rte_mbuf *m, const struct sl_pkt *pkt)
{
	m->data_off = (uint16_t)(pkt->data - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)pkt->len;
	m->pkt_len = pkt->len;
	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
}

// Carry out what was decided.
static void obey(struct sl_worker *worker, struct sl_pkt *pkt)
{
	struct rte_mbuf *m = sl_mbuf_of(pkt);

	if (unlikely(pkt->data != rte_pktmbuf_mtod(m, uint8_t *) || pkt->len != m->pkt_len))
		follow(m, pkt);
	switch (pkt->verdict) {
	case SL_VERDICT_SEND:
		transmit(worker, m, pkt->out_port);
		break;
	case SL_VERDICT_DROP:
		free_counted(m, worker->stats->drops, pkt->drop);
		break;
	case SL_VERDICT_HANDOFF:
		sl_stat_add(&sl_stats_port_at(worker->io->stats, worker->index, pkt->in_port)
		                     ->handed_pkts,
		            1);
		hand(worker, pkt->owner, m);
		break;
	default: // SLOW, RESOLVE
		hand(worker, worker->io->n_workers, m);
		break;
	}
}

// Every batch goes one step further, and the one that was gathered is begun.
static void advance(struct sl_worker *worker)
{
	struct sl_forward_batch *done = worker->peeked;

	sl_forward_start(&worker->fw, worker->filling);
	sl_forward_guess(&worker->fw, worker->started);
	sl_forward_peek(&worker->fw, worker->guessed);
	sl_forward_finish(&worker->fw, done);
	for (uint32_t i = 0; i < done->n_pkts; i++)
		obey(worker, done->pkts[i]);
	done->n_pkts = 0;
	worker->peeked = worker->guessed;
	worker->guessed = worker->started;
	worker->started = worker->filling;
	worker->filling = done;
}

static uint32_t count_begun(const struct sl_worker *worker)
{
	return worker->filling->n_pkts + worker->started->n_pkts + worker->guessed->n_pkts +
	       worker->peeked->n_pkts;
}

static void finish_all(struct sl_worker *worker)
{
	while (count_begun(worker) != 0)
		advance(worker);
}

static void queue_decision(struct sl_worker *worker, struct sl_pkt *pkt)
{
	worker->filling->pkts[worker->filling->n_pkts++] = pkt;
	if (worker->filling->n_pkts == RTE_DIM(worker->filling->pkts))
		advance(worker);
}

// What came with a VLAN's tag counts there too.
static void count_vlan(struct sl_worker *worker, const struct sl_pkt *pkt)
{
	struct sl_stats_port *stats =
		sl_stats_port_at(worker->io->stats, worker->index, pkt->in_port);

	sl_stat_add(&stats->rx_pkts, 1);
	sl_stat_add(&stats->rx_bytes, pkt->len);
}

// Each layer has two bits: bad alone is what counts, both mean that nobody looked.
static bool is_bad(uint64_t flags)
{
	return (flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
	       (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

// Of a port whose device checks. Returns how many are left.
static __rte_noinline uint16_t drop_bad(struct sl_worker *worker, struct rte_mbuf **pkts,
                                        uint16_t n_pkts)
{
	uint16_t n_good = 0;

	for (uint16_t i = 0; i < n_pkts; i++) {
		if (is_bad(pkts[i]->ol_flags))
			free_counted(pkts[i], worker->stats->drops, SL_DROP_BAD_CHECKSUM);
		else
			pkts[n_good++] = pkts[i];
	}
	return n_good;
}

static inline void receive_one(struct sl_worker *worker, struct rte_mbuf *m, uint32_t port,
                               const bool is_trunk)
{
	struct sl_pkt *pkt = sl_pkt_of(m);

	if (unlikely(m->nb_segs != 1)) { // larger than one buffer: not at the MTU we set up
		free_counted(m, worker->stats->drops, SL_DROP_TOO_LONG);
		return;
	}
	pkt->data = rte_pktmbuf_mtod(m, uint8_t *);
	pkt->len = rte_pktmbuf_data_len(m);
	pkt->in_port = (uint16_t)port;
	pkt->headroom = rte_pktmbuf_headroom(m);
	sl_forward_classify(&worker->fw, pkt);
	if (is_trunk && pkt->in_port != port)
		count_vlan(worker, pkt);
	if (likely(pkt->verdict == SL_VERDICT_DECIDE))
		queue_decision(worker, pkt);
	else
		obey(worker, pkt);
}

static uint32_t receive(struct sl_worker *worker, uint32_t port, uint32_t queue)
{
	struct sl_stats_port *stats = sl_stats_port_at(worker->io->stats, worker->index, port);
	struct rte_mbuf *pkts[SL_BURST];
	uint64_t n_bytes = 0;
	const struct sl_port *p = &worker->io->ports->ports[port];
	uint16_t n = rte_eth_rx_burst(p->id, (uint16_t)queue, pkts, SL_BURST), n_left;

	if (n == 0)
		return 0;
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++)
		n_bytes += rte_pktmbuf_pkt_len(pkts[i]);
	sl_stat_add(&worker->stats->rx_pkts, n);
	sl_stat_add(&stats->rx_pkts, n);
	sl_stat_add(&stats->rx_bytes, n_bytes);
	n_left = n;
	if (unlikely(p->has_checks))
		n_left = drop_bad(worker, pkts, n);
	if (unlikely(p->is_trunk)) {
		for (uint16_t i = 0; i < n_left; i++)
			receive_one(worker, pkts[i], port, true);
		return n;
	}
	for (uint16_t i = 0; i < n_left; i++)
		receive_one(worker, pkts[i], port, false);
	return n;
}

static uint32_t take(struct sl_worker *worker, uint32_t from)
{
	struct rte_ring *ring = worker->io->rings[worker->index][from];
	void *pkts[SL_BURST];
	uint32_t n = rte_ring_sc_dequeue_burst(ring, pkts, SL_BURST, NULL);

	if (n == 0)
		return 0;
	sl_stat_add(&worker->stats->taken_pkts, n);
	// All of a packet's lines lie in the other core's cache: ask for those of the whole burst
	// before waiting for the first.
	for (uint32_t i = 0; i < n; i++) {
		const char *pkt = (const char *)sl_pkt_of(pkts[i]);

		rte_prefetch0(pkt);
		rte_prefetch0(pkt + SL_CACHE_LINE_BYTES);
		rte_prefetch0(pkts[i]);
	}
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(sl_pkt_of(pkts[i])->data);
	for (uint32_t i = 0; i < n; i++) {
		struct sl_pkt *pkt = sl_pkt_of(pkts[i]);

		if (pkt->verdict == SL_VERDICT_SEND)
			transmit(worker, pkts[i], pkt->out_port);
		else if (worker->fw.snap != NULL)
			queue_decision(worker, pkt);
		else
			free_counted(pkts[i], worker->stats->drops, SL_DROP_NO_VIP);
	}
	return n;
}

// *is_full: some burst was, so there is more where it came from.
static uint32_t receive_all(struct sl_worker *worker, bool *is_full)
{
	const struct sl_ports *ports = worker->io->ports;
	uint32_t n = 0, n_burst;

	for (uint32_t p = 0; p < ports->n_ports; p++) {
		for (uint32_t q = 0; q < ports->ports[p].n_queues; q++) {
			if (sl_ports_queue_worker(ports, p, q) != worker->index)
				continue;
			n_burst = receive(worker, p, q);
			*is_full |= n_burst == SL_BURST;
			n += n_burst;
		}
	}
	for (uint32_t from = 0; from <= worker->io->n_workers; from++) {
		if (from != worker->index)
			n += take(worker, from);
	}
	return n;
}

bool sl_worker_poll(struct sl_worker *worker, uint64_t now_ns)
{
	struct sl_forwarder *fw = &worker->fw;
	bool is_full = false;
	uint32_t n;

	// Valid until the quiescent state at the end of this turn.
	fw->snap = atomic_load_explicit(&worker->io->snapshot, memory_order_acquire);
	fw->now = (uint32_t)(now_ns / SL_FLOW_TICK_NS);
	fw->now_ns = now_ns;
	n = count_begun(worker);
	n += receive_all(worker, &is_full);
	if (!is_full)
		finish_all(worker);
	flush_all(worker);
	if (unlikely(worker->n_shapers != 0))
		n += sl_shapers_flush(worker, now_ns);
	if (unlikely(worker->io->ports->has_lacp))
		beat(worker, now_ns);
	sl_flow_expire(fw->flows, fw->now, SL_EXPIRE_EACH);
	sl_forward_sweep(fw);
	sl_measure_sweep(fw->measure, now_ns, is_full ? SL_SWEEP_FULL : SL_SWEEP_EACH);
	sl_stat_set(&worker->stats->epoch, fw->snap != NULL ? fw->snap->epoch : 0);
	sl_stat_set(&worker->stats->heartbeat_ns, now_ns);
	sl_stat_add(&worker->stats->loops, 1);
	rte_rcu_qsbr_quiescent(worker->io->qsbr, worker->index);
	return n != 0;
}

static void nap(uint32_t us)
{
	struct timespec t = {.tv_nsec = (long)(us * SL_NS_PER_US)};

	nanosleep(&t, NULL);
}

int sl_worker_run(void *arg)
{
	struct sl_worker *worker = arg;
	uint64_t before = rte_rdtsc();
	uint32_t n_empty = 0;

	prctl(PR_SET_TIMERSLACK, 1000UL); // ns: or a nap of 10 us takes 60
	while (!atomic_load_explicit(&worker->io->is_stopping, memory_order_relaxed)) {
		bool is_busy = sl_worker_poll(worker, sl_clock_ns());
		uint64_t now = rte_rdtsc();

		sl_stat_add(is_busy ? &worker->stats->busy_cycles : &worker->stats->idle_cycles,
		            now - before);
		before = now;
		n_empty = is_busy ? 0 : n_empty + 1;
		if (worker->io->is_sleepy && n_empty > IDLE_SPINS && !worker->is_holding)
			nap(RTE_MIN(n_empty - IDLE_SPINS, (uint32_t)IDLE_MAX_US));
	}
	finish_all(worker);
	flush_all(worker);
	rte_rcu_qsbr_thread_offline(worker->io->qsbr, worker->index);
	return 0;
}

static void *map_zeroed(size_t n_bytes)
{
	void *mem = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	madvise(mem, n_bytes, MADV_HUGEPAGE); // fewer TLB misses; fine if the kernel declines
	return mem;
}

static void point_stats(struct sl_worker *worker, void *base)
{
	worker->stats = sl_stats_worker_at(base, worker->index);
	worker->fw.stats = worker->stats;
	worker->fw.backend_stats = sl_stats_backend_at(base, worker->index, 0);
	worker->fw.vip_stats = sl_stats_vip_at(base, worker->index, 0);
	worker->fw.port_stats = sl_stats_local_ports_at(base, worker->index, 0);
	worker->measure.latency = sl_stats_latency_at(base, worker->index, 0);
}

struct sl_worker *sl_worker_new(struct sl_io *io, uint32_t index,
                                const struct sl_worker_params *params)
{
	struct sl_worker *worker = aligned_alloc(64, RTE_ALIGN(sizeof(*worker), 64));
	struct sl_flow_params flow_params = {.n_flows = params->n_flows,
	                                     .key = params->table_key,
	                                     .now = (uint32_t)(sl_clock_ns() / SL_FLOW_TICK_NS)};
	const struct sl_localport_params port_params = sl_localport_params_of(
		params->n_flows, SL_MAX_BACKENDS, sl_forward_lanes(index, io->n_workers),
		params->steer_seed + index);

	if (worker == NULL)
		return NULL;
	memset(worker, 0, sizeof(*worker));
	worker->io = io;
	worker->index = index;
	worker->filling = &worker->batches[0];
	worker->started = &worker->batches[1];
	worker->guessed = &worker->batches[2];
	worker->peeked = &worker->batches[3];
	worker->flow_bytes = sl_flow_table_bytes(params->n_flows);
	worker->flow_memory = map_zeroed(worker->flow_bytes);
	worker->port_bytes = sl_localport_bytes(&port_params);
	worker->port_memory = map_zeroed(worker->port_bytes);
	worker->loads = calloc(2 * SL_MAX_BACKENDS + SL_MAX_VIPS, sizeof(*worker->loads));
	worker->frags = malloc(sizeof(*worker->frags));
	worker->phase_bytes = params->n_flows * sizeof(struct sl_phase_flow);
	worker->measure.flows = map_zeroed(worker->phase_bytes);
	worker->measure.own_units = calloc(SL_MAX_BACKENDS, sizeof(uint32_t));
	if (worker->flow_memory == NULL || worker->port_memory == NULL || worker->loads == NULL ||
	    worker->frags == NULL || worker->measure.flows == NULL ||
	    worker->measure.own_units == NULL)
		goto err;
	sl_frag_init(worker->frags, &params->table_key);
	worker->fw = (struct sl_forwarder){
		.worker = index,
		.n_workers = io->n_workers,
		.flows = sl_flow_table_init(worker->flow_memory, worker->flow_bytes, &flow_params),
		.frags = worker->frags,
		.local_ports =
			sl_localport_init(worker->port_memory, worker->port_bytes, &port_params),
		.routes = params->routes,
		.links = io->links,
		.rss = io->ports->has_rss ? &io->ports->rss : NULL,
		.neighs = params->neighs,
		.others_load = params->others_load,
		.others_units = params->others_units,
		.others_vip_load = params->others_vip_load,
		.limits = params->limits,
		.persist = params->persist,
		.measure = &worker->measure,
		.own_load = worker->loads,
		.entries = worker->loads + SL_MAX_BACKENDS,
		.own_vip_load = worker->loads + 2 * SL_MAX_BACKENDS,
		.has_rates = io->has_rates,
		.port_macs = (const uint8_t(*)[6])io->ports->macs,
		.steer_seed = params->steer_seed,
		.now = flow_params.now,
		.cookie_key = sl_syncookie_key(&params->table_key),
	};
	if (worker->fw.flows == NULL || worker->fw.local_ports == NULL)
		goto err;
	worker->measure.table = worker->fw.flows;
	point_stats(worker, io->stats);
	sl_forward_init(&worker->fw);
	sl_flow_table_on_gone(worker->fw.flows, sl_forward_flow_gone, &worker->fw);
	rte_rcu_qsbr_thread_register(io->qsbr, index);
	rte_rcu_qsbr_thread_online(io->qsbr, index);
	sl_shapers_give(io, worker);
	io->workers[index] = worker;
	return worker;
err:
	sl_worker_free(worker);
	errno = ENOMEM;
	return NULL;
}

void sl_worker_free(struct sl_worker *worker)
{
	if (worker == NULL)
		return;
	if (worker->flow_memory != NULL)
		munmap(worker->flow_memory, worker->flow_bytes);
	if (worker->port_memory != NULL)
		munmap(worker->port_memory, worker->port_bytes);
	if (worker->measure.flows != NULL)
		munmap(worker->measure.flows, worker->phase_bytes);
	free(worker->measure.own_units);
	free(worker->loads);
	free(worker->frags);
	free(worker);
}
