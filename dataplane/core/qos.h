// SPDX-License-Identifier: Apache-2.0
// Scheduler of a port with a rate: what leaves next, and when.
//
// Order:   control, then inference, both together within their cap; then by deficit round-robin
//          and weight whoever shares (sluice/qos.h), training only within its share; then what is
//          beyond the cap; then training beyond its share. So training borrows every idle bit, and
//          the next packet of anybody else is before its next one.
// Buckets: the port's, the cap's and training's. A bucket that is not empty lets one packet go and
//          owes what it had not. What is borrowed is not owed: only the port's bucket pays for it.
// Through: while nothing waits and the port's bucket is not empty, packets pass without a queue.
// ECN:     by the time a packet has waited when it leaves. Inference beyond a step, the others by a
//          ramp; both are as many packet times at least, else a slow port would mark everything.
// Lossless: RDMA's queue is the longest, and each queue's packets have buffers of their own
//          (io/buffers.h), so that no other class can take them.
// Time:    now_ns is CLOCK_MONOTONIC, a parameter. Thread: the port's one worker.
// Source:  Shreedhar and Varghese 1995 (deficit round-robin), RFC 3168, RFC 8257 (DCTCP);
// thresholds
//          of DCQCN as times.
#ifndef SLUICE_CORE_QOS_H
#define SLUICE_CORE_QOS_H

#include "pkt.h"
#include "sluice/qos.h"
#include "sluice/stats.h"

#define SL_QOS_CAP_PERCENT 80 // of the rate, for control and inference together, if others want it

struct sl_qos_params {
	uint64_t rate_bps;
	uint32_t frame_bytes;        // the longest one
	uint8_t training_percent;    // rdma, training and bulk, while others want the rest; 1..100
	uint8_t dscps[SL_QOS_COUNT]; // SL_QOS_AS_IT_IS: not changed
	uint8_t pcps[SL_QOS_COUNT];  // the same, of tagged frames
	uint32_t seed;               // of the ramp; not 0
	struct sl_stats_qos *stats;  // SL_QOS_COUNT rows of the port
};

struct sl_qos_bucket {
	int64_t credit_q32; // bytes
	int64_t depth_q32;
	uint64_t rate_q32; // bytes per ns
};

struct sl_qos_slot {
	struct sl_pkt *pkt;
	uint64_t since_ns;
	uint32_t n_bytes;
};

struct sl_qos_queue {
	struct sl_qos_slot *slots;
	uint32_t mask;
	uint32_t head, tail; // free-running: head - tail are waiting
	uint32_t deficit_bytes;
	uint32_t quantum_bytes;
	uint64_t mark_from_ns, mark_all_ns; // the same: a step
	uint64_t ramp_q32;                  // chance of a mark per ns beyond mark_from
	uint8_t dscp, pcp;
};

struct sl_qos {
	struct sl_qos_queue queues[SL_QOS_COUNT];
	uint32_t waiting; // a bit per queue that is not empty
	uint32_t turn;    // of those that share
	uint64_t filled_ns;
	struct sl_qos_bucket port, cap, training;
	bool is_narrow; // training has a share below all
	uint32_t random;
	struct sl_stats_qos *stats;
};

// Slots that memory must hold, over all queues.
uint32_t sl_qos_slots(void);

// memory: that many slots, the caller's for as long as qos lives.
void sl_qos_init(struct sl_qos *qos, const struct sl_qos_params *params, struct sl_qos_slot *memory,
                 uint64_t now_ns);

// May the packet leave at once? True: it has left, as far as the scheduler is concerned.
bool sl_qos_pass(struct sl_qos *qos, struct sl_pkt *pkt, uint64_t now_ns);

// It waits. False: its queue is full, and it is the caller's to drop as sl_qos_drop_of.
bool sl_qos_hold(struct sl_qos *qos, struct sl_pkt *pkt, uint64_t now_ns);

// What leaves next, marked and with the class's DSCP and PCP; NULL: nothing now.
struct sl_pkt *sl_qos_next(struct sl_qos *qos, uint64_t now_ns);

// Gives up a waiting packet, rate or not, for the end; NULL: none is left.
struct sl_pkt *sl_qos_flush(struct sl_qos *qos);

static inline enum sl_drop sl_qos_drop_of(unsigned int queue)
{
	return (enum sl_drop)(SL_DROP_QUEUE_CONTROL + queue);
}

#endif
