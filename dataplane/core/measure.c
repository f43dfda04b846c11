// SPDX-License-Identifier: Apache-2.0
#include "measure.h"

#define FLEETING_MS 100

static uint32_t to_us(uint64_t now_ns)
{
	return (uint32_t)(now_ns / SL_NS_PER_US);
}

static void add_cell(sl_latency_cell *cell, uint32_t n)
{
	atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
	                      memory_order_relaxed);
}

static void add_sample(struct sl_stats_latency *row, enum sl_latency_kind kind, uint32_t us,
                       uint32_t n)
{
	_Atomic uint64_t *sum = &row->sums_us[kind];

	add_cell(&row->counts[kind][sl_latency_bucket(us)], n);
	atomic_store_explicit(sum,
	                      atomic_load_explicit(sum, memory_order_relaxed) + (uint64_t)us * n,
	                      memory_order_relaxed);
}

static void change_load(struct sl_measure *m, uint16_t backend, uint32_t before, uint32_t after)
{
	const uint32_t units = m->own_units[backend] - before + after;

	if (before == after)
		return;
	__atomic_store_n(&m->own_units[backend], units, __ATOMIC_RELAXED);
	atomic_store_explicit(&m->latency[backend].load_units, units, memory_order_relaxed);
}

static void tell(struct sl_measure *m, uint16_t backend, const struct sl_phase_told *told)
{
	if (told->ttft_us != 0)
		add_sample(&m->latency[backend], SL_LATENCY_TTFT, told->ttft_us, 1);
	if (told->n_tokens != 0)
		add_sample(&m->latency[backend], SL_LATENCY_TPOT, told->tpot_us, told->n_tokens);
}

// Into the ring, to be looked at last.
static void list(struct sl_measure *m, uint32_t entry)
{
	struct sl_phase_flow *phase = &m->flows[entry];

	if (phase->is_listed)
		return;
	phase->is_listed = true;
	if (m->n_listed++ == 0) {
		phase->next = entry;
	} else {
		phase->next = m->flows[m->last].next;
		m->flows[m->last].next = entry;
	}
	m->last = entry;
}

void sl_measure_open(struct sl_measure *m, const struct sl_flow *flow, const struct sl_pkt *pkt,
                     uint64_t now_ns)
{
	const uint32_t entry = flow_entry_of(m->table, flow);

	sl_phase_open(&m->flows[entry], pkt->tcp_seq, to_us(now_ns),
	              (uint32_t)(now_ns / SL_NS_PER_MS));
	change_load(m, flow->backend, 0, sl_phase_load(&m->flows[entry]));
	list(m, entry);
	if (m->table->ahead != SL_FLOW_NONE) // a flood: the next flow's record, too
		sl_measure_prefetch(m, m->table->ahead);
}

static uint32_t payload_bytes(const struct sl_pkt *pkt)
{
	return (uint32_t)pkt->l4_bytes - (uint32_t)(pkt->payload_off - pkt->l4_off);
}

static uint32_t ack_of(const struct sl_pkt *pkt)
{
	return sl_load32_host(pkt->data + pkt->l4_off + SL_TCP_OFF_ACK);
}

static struct sl_phase_segment segment_of(const struct sl_pkt *pkt, enum sl_dir dir,
                                          uint32_t now_us)
{
	return (struct sl_phase_segment){
		.now_us = now_us,
		.seq = pkt->tcp_seq,
		.ack = ack_of(pkt),
		.n_bytes = payload_bytes(pkt),
		.payload = pkt->data + pkt->payload_off,
		.dir = dir,
		.is_fin = (pkt->tcp_flags & SL_TCP_FIN) != 0,
		.is_rst = (pkt->tcp_flags & SL_TCP_RST) != 0,
	};
}

static __attribute__((noinline)) void measure_segment(struct sl_measure *m,
                                                      const struct sl_flow *flow,
                                                      const struct sl_pkt *pkt, enum sl_dir dir,
                                                      uint32_t now_us)
{
	const uint32_t entry = flow_entry_of(m->table, flow);
	struct sl_phase_flow *phase = &m->flows[entry];
	const uint32_t before = sl_phase_load(phase);
	const struct sl_phase_segment seg = segment_of(pkt, dir, now_us);
	struct sl_phase_told told = {0};

	if (pkt->tcp_flags & SL_TCP_SYN) {
		if (dir == SL_DIR_S2C && flow->state == SL_FLOW_NEW)
			add_sample(&m->latency[flow->backend], SL_LATENCY_CONNECT,
			           now_us - phase->request_us, 1);
		return;
	}
	sl_phase_segment(phase, &seg, (flow->flags & SL_FLOW_IS_DSR) != 0, &told);
	tell(m, flow->backend, &told);
	change_load(m, flow->backend, before, sl_phase_load(phase));
	if (phase->phase != SL_PHASE_IDLE)
		list(m, entry);
}

void sl_measure_pkt(struct sl_measure *m, const struct sl_flow *flow, const struct sl_pkt *pkt,
                    enum sl_dir dir, uint64_t now_ns)
{
	const uint32_t entry = flow_entry_of(m->table, flow);
	struct sl_phase_flow *phase = &m->flows[entry];
	const uint32_t now_us = to_us(now_ns);

	if (sl_flow_is_over(flow->state) || pkt->is_fragment)
		return;
	if (!(pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_FIN | SL_TCP_RST))) {
		if (dir == SL_DIR_S2C &&
		    sl_phase_goes_on(phase, now_us, pkt->data + pkt->payload_off,
		                     payload_bytes(pkt)))
			return;
		if (payload_bytes(pkt) == 0 && ack_of(pkt) == phase->ack)
			return; // under DSR: acknowledges nothing new
	}
	measure_segment(m, flow, pkt, dir, now_us);
}

void sl_measure_over(struct sl_measure *m, const struct sl_flow *flow, uint64_t now_ns)
{
	struct sl_phase_flow *phase = &m->flows[flow_entry_of(m->table, flow)];
	struct sl_stats_latency *row = &m->latency[flow->backend];
	const uint32_t lasted_ms = (uint32_t)(now_ns / SL_NS_PER_MS) - phase->start_ms;

	change_load(m, flow->backend, sl_phase_load(phase), 0);
	phase->phase = SL_PHASE_IDLE;
	phase->pending_bytes = 0;
	if (!sl_flow_is_confirmed(flow->state))
		return; // nobody was served: floods are no latency
	add_sample(row, SL_LATENCY_DURATION,
	           lasted_ms < UINT32_MAX / 1000 ? lasted_ms * 1000 : UINT32_MAX, 1);
	add_cell(&row->ended, 1);
	if (lasted_ms < FLEETING_MS && !phase->has_answered)
		add_cell(&row->fleeting, 1);
}

void sl_measure_again(struct sl_measure *m, const struct sl_flow *flow)
{
	change_load(m, flow->backend, 0, sl_phase_load(&m->flows[flow_entry_of(m->table, flow)]));
}

// Younger waits do not hide behind an old one that has ended: it stands for one second.
static void note_age(struct sl_stats_latency *row, uint32_t age_us, uint64_t now_ns)
{
	const uint64_t noted_ns = atomic_load_explicit(&row->oldest_ns, memory_order_relaxed);

	if (age_us < atomic_load_explicit(&row->oldest_us, memory_order_relaxed) &&
	    now_ns - noted_ns < SL_NS_PER_S)
		return;
	atomic_store_explicit(&row->oldest_us, age_us, memory_order_relaxed);
	atomic_store_explicit(&row->oldest_ns, now_ns, memory_order_relaxed);
}

// False when the flow is no longer active.
static bool look_at(struct sl_measure *m, uint32_t entry, uint64_t now_ns)
{
	const struct sl_flow *flow = flow_at(m->table, entry);
	struct sl_phase_flow *phase = &m->flows[entry];
	const uint32_t before = sl_phase_load(phase);
	struct sl_phase_told told = {0};
	uint32_t age_us;

	if (phase->phase == SL_PHASE_IDLE)
		return false; // over or gone as well
	age_us = sl_phase_check(phase, to_us(now_ns), &told);
	if (age_us == 0 && told.ttft_us == 0 && told.n_tokens == 0 &&
	    sl_phase_load(phase) == before)
		return true; // as most do: the entry itself, in memory of its own, was not needed
	tell(m, flow->backend, &told);
	change_load(m, flow->backend, before, sl_phase_load(phase));
	if (age_us > 0)
		note_age(&m->latency[flow->backend], age_us, now_ns);
	return phase->phase != SL_PHASE_IDLE;
}

void sl_measure_sweep(struct sl_measure *m, uint64_t now_ns, uint32_t budget)
{
	const uint32_t now_us = to_us(now_ns);

	if (m->n_left == 0) {
		if (now_us - m->round_us < SL_MEASURE_ROUND_US)
			return;
		m->round_us = now_us;
		m->n_left = m->n_listed;
	}
	for (; budget > 0 && m->n_left > 0; budget--, m->n_left--) {
		const uint32_t entry = m->flows[m->last].next;

		if (look_at(m, entry, now_ns)) {
			m->last = entry;
			continue;
		}
		m->flows[m->last].next = m->flows[entry].next;
		m->flows[entry].is_listed = false;
		m->n_listed--;
	}
	if (m->n_left > 0) // by the next call it is here
		sl_measure_prefetch(m, m->flows[m->last].next);
}
