// SPDX-License-Identifier: Apache-2.0
// Measure: what the flows of a worker tell about their backends. It feeds packets of measured flows
// to their phase machine (phase.h), keeps each backend's load, and writes what was learnt to the
// statistics (sluice/latency.h).
//
// Shape:   one struct sl_phase_flow beside each entry of the flow table, by the entry's number. A
// flow
//          is measured when it has SL_FLOW_IS_MEASURED; others cost one test of that flag.
// Active:  flows that are not IDLE are in a ring, and sl_measure_sweep goes round it every
//          SL_MEASURE_ROUND_US: that ends silent answers and finds the longest wait.
// Cost:    packets without payload of a flow whose answers we see touch nothing.
// Thread:  the flows' worker; load_units of others is main's to fold.
#ifndef SLUICE_CORE_MEASURE_H
#define SLUICE_CORE_MEASURE_H

#include "flow_private.h"
#include "layout.h"
#include "phase.h"
#include "sluice/latency.h"

#define SL_MEASURE_ROUND_US 100000

struct sl_measure {
	// --- set before start ---
	struct sl_flow_table *table;
	struct sl_phase_flow *flows;      // by number of the entry; zeroed
	uint32_t *own_units;              // load by backend; main reads (relaxed)
	struct sl_stats_latency *latency; // by backend: this worker's rows of the segment
	// --- running ---
	uint32_t last;     // of the ring of active flows; its next is the one looked at next
	uint32_t n_listed; // in the ring
	uint32_t n_left;   // to look at in this round
	uint32_t round_us; // when it began
};

// A flow was made from this packet.
void sl_measure_open(struct sl_measure *m, const struct sl_flow *flow, const struct sl_pkt *pkt,
                     uint64_t now_ns);

// A packet of it, before it is rewritten.
void sl_measure_pkt(struct sl_measure *m, const struct sl_flow *flow, const struct sl_pkt *pkt,
                    enum sl_dir dir, uint64_t now_ns);

// The connection is over (both FINs, RST), or its entry goes while it is not.
void sl_measure_over(struct sl_measure *m, const struct sl_flow *flow, uint64_t now_ns);

// It was over and lives on (a RST that was not in the window).
void sl_measure_again(struct sl_measure *m, const struct sl_flow *flow);

void sl_measure_sweep(struct sl_measure *m, uint64_t now_ns, uint32_t budget);

// Has this packet anything to tell? payload, or the beginning or end of the connection.
static inline bool sl_measure_wants(const struct sl_flow *flow, const struct sl_pkt *pkt)
{
	return pkt->l4_bytes > pkt->payload_off - pkt->l4_off ||
	       (pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_FIN | SL_TCP_RST)) != 0 ||
	       (flow->flags & SL_FLOW_IS_DSR) != 0;
}

// A packet that wants something, but under DSR acknowledges nothing new: the same as sl_measure_pkt
// says, without the call.
static inline bool sl_measure_is_stale(const struct sl_measure *m, const struct sl_flow *flow,
                                       const struct sl_pkt *pkt)
{
	return (flow->flags & SL_FLOW_IS_DSR) != 0 &&
	       pkt->l4_bytes == pkt->payload_off - pkt->l4_off &&
	       !(pkt->tcp_flags & (SL_TCP_SYN | SL_TCP_FIN | SL_TCP_RST)) &&
	       sl_load32_host(pkt->data + pkt->l4_off + SL_TCP_OFF_ACK) ==
	               m->flows[flow_entry_of(m->table, flow)].ack;
}

// A record may lie on two lines.
static inline void sl_measure_prefetch(const struct sl_measure *m, uint32_t entry)
{
	__builtin_prefetch(&m->flows[entry], 1);
	__builtin_prefetch((const char *)(&m->flows[entry] + 1) - 1, 1);
}

#endif
