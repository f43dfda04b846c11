// SPDX-License-Identifier: Apache-2.0
#include "qos.h"

#include "sluice/units.h"
#include "tos.h"

#define BIT(queue)    (1u << (queue))
#define FIRST_BITS    (BIT(SL_QOS_CONTROL) | BIT(SL_QOS_INFERENCE))
#define TRAINING_BITS (BIT(SL_QOS_RDMA) | BIT(SL_QOS_TRAINING) | BIT(SL_QOS_BULK))

#define PORT_DEPTH_NS (2 * SL_NS_PER_MS) // a worker that was not let run for so long loses nothing
#define PART_DEPTH_NS SL_NS_PER_MS       // of cap and training: so soon a change of load is felt

#define STEP_NS      (50 * SL_NS_PER_US)  // inference
#define RAMP_FROM_NS (32 * SL_NS_PER_US)  // the others, with the next two: DCQCN as times
#define RAMP_ALL_NS  (128 * SL_NS_PER_US) // beyond it every packet
#define RAMP_PERCENT 20                   // of packets, just below that
#define FEW_FRAMES   4  // at least so many times of the longest frame for STEP and RAMP_FROM,
#define MANY_FRAMES  16 // and so many for RAMP_ALL: below 1.5 Gbit/s a window has to fit

static const struct {
	uint8_t weight;
	uint16_t pkts;
} plans[] = {
#define PLAN(id, name, weight, pkts, help) {weight, pkts},
	SL_QOS_LIST(PLAN)
#undef PLAN
};

uint32_t sl_qos_slots(void)
{
	uint32_t n = 0;

	for (uint32_t q = 0; q < SL_QOS_COUNT; q++)
		n += plans[q].pkts;
	return n;
}

static struct sl_qos_bucket full_bucket(uint64_t rate_bps, uint64_t depth_ns)
{
	// (rate << 32) / (8 * SL_NS_PER_S), which is 2^12 * 5^9, without the overflow.
	struct sl_qos_bucket b = {.rate_q32 = (rate_bps << 20) / 1953125};

	b.depth_q32 = (int64_t)(depth_ns * b.rate_q32);
	b.credit_q32 = b.depth_q32;
	return b;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void init_marks(struct sl_qos_queue *queue, bool is_step, uint64_t frame_ns)
{
	if (is_step) {
		queue->mark_from_ns = longer(STEP_NS, FEW_FRAMES * frame_ns);
		queue->mark_all_ns = queue->mark_from_ns;
		return;
	}
	queue->mark_from_ns = longer(RAMP_FROM_NS, FEW_FRAMES * frame_ns);
	queue->mark_all_ns = longer(RAMP_ALL_NS, MANY_FRAMES * frame_ns);
	queue->ramp_q32 = (RAMP_PERCENT * (UINT64_C(1) << 32) / 100) /
	                  (queue->mark_all_ns - queue->mark_from_ns);
}

void sl_qos_init(struct sl_qos *qos, const struct sl_qos_params *params, struct sl_qos_slot *memory,
                 uint64_t now_ns)
{
	const uint64_t frame_ns = params->frame_bytes * 8 * SL_NS_PER_S / params->rate_bps;

	*qos = (struct sl_qos){
		.turn = SL_QOS_GENERAL,
		.filled_ns = now_ns,
		.port = full_bucket(params->rate_bps, PORT_DEPTH_NS),
		.cap = full_bucket(params->rate_bps / 100 * SL_QOS_CAP_PERCENT, PART_DEPTH_NS),
		.training = full_bucket(params->rate_bps / 100 * params->training_percent,
	                                PART_DEPTH_NS),
		.is_narrow = params->training_percent < 100,
		.random = params->seed | 1,
		.stats = params->stats,
	};
	for (uint32_t q = 0; q < SL_QOS_COUNT; q++) {
		struct sl_qos_queue *queue = &qos->queues[q];

		queue->slots = memory;
		queue->mask = plans[q].pkts - 1u;
		queue->quantum_bytes = plans[q].weight * params->frame_bytes;
		queue->dscp = params->dscps[q];
		queue->pcp = params->pcps[q];
		init_marks(queue, BIT(q) & FIRST_BITS, frame_ns);
		memory += plans[q].pkts;
	}
}

static void fill(struct sl_qos_bucket *bucket, uint64_t elapsed_ns)
{
	bucket->credit_q32 += (int64_t)(elapsed_ns * bucket->rate_q32);
	if (bucket->credit_q32 > bucket->depth_q32)
		bucket->credit_q32 = bucket->depth_q32;
}

static void spend(struct sl_qos_bucket *bucket, uint32_t n_bytes)
{
	bucket->credit_q32 -= (int64_t)n_bytes << 32;
}

static void fill_all(struct sl_qos *qos, uint64_t now_ns)
{
	uint64_t elapsed_ns = now_ns - qos->filled_ns;

	if (elapsed_ns == 0)
		return;
	qos->filled_ns = now_ns;
	if (elapsed_ns > PORT_DEPTH_NS) // more would be lost anyway, and the product fits
		elapsed_ns = PORT_DEPTH_NS;
	fill(&qos->port, elapsed_ns);
	fill(&qos->cap, elapsed_ns);
	fill(&qos->training, elapsed_ns);
}

// The parts pay while they can; beyond that it is borrowed, from what nobody else wanted.
static void leave(struct sl_qos *qos, uint32_t q, uint32_t n_bytes)
{
	struct sl_stats_qos *stats = &qos->stats[q];

	spend(&qos->port, n_bytes);
	if (BIT(q) & FIRST_BITS) {
		if (qos->cap.credit_q32 > 0)
			spend(&qos->cap, n_bytes);
		else
			sl_stat_add(&stats->borrowed_pkts, 1);
	} else if (qos->is_narrow && (BIT(q) & TRAINING_BITS)) {
		if (qos->training.credit_q32 > 0)
			spend(&qos->training, n_bytes);
		else
			sl_stat_add(&stats->borrowed_pkts, 1);
	}
	sl_stat_add(&stats->sent_pkts, 1);
	sl_stat_add(&stats->sent_bytes, n_bytes);
}

static void dress(const struct sl_qos_queue *queue, struct sl_pkt *pkt)
{
	if (queue->dscp != SL_QOS_AS_IT_IS)
		sl_tos_set_dscp(pkt->data, pkt->len, queue->dscp);
	if (queue->pcp != SL_QOS_AS_IT_IS)
		sl_tos_set_pcp(pkt->data, pkt->len, queue->pcp);
}

bool sl_qos_pass(struct sl_qos *qos, struct sl_pkt *pkt, uint64_t now_ns)
{
	if (qos->waiting != 0)
		return false;
	fill_all(qos, now_ns);
	if (qos->port.credit_q32 <= 0)
		return false;
	leave(qos, pkt->queue, pkt->len);
	dress(&qos->queues[pkt->queue], pkt);
	return true;
}

bool sl_qos_hold(struct sl_qos *qos, struct sl_pkt *pkt, uint64_t now_ns)
{
	struct sl_qos_queue *queue = &qos->queues[pkt->queue];
	struct sl_stats_qos *stats = &qos->stats[pkt->queue];

	if (queue->head - queue->tail > queue->mask) {
		sl_stat_add(&stats->dropped_pkts, 1);
		return false;
	}
	queue->slots[queue->head++ & queue->mask] = (struct sl_qos_slot){pkt, now_ns, pkt->len};
	qos->waiting |= BIT(pkt->queue);
	sl_stat_add(&stats->waited_pkts, 1);
	sl_stat_set(&stats->held_pkts, queue->head - queue->tail);
	return true;
}

static const struct sl_qos_slot *first_of(const struct sl_qos_queue *queue)
{
	return &queue->slots[queue->tail & queue->mask];
}

// Among these queues, none of them empty, whose turn it is. Each round gives every one of them a
// frame at least, so a round is enough.
static uint32_t share(struct sl_qos *qos, uint32_t bits)
{
	struct sl_qos_queue *queue = &qos->queues[qos->turn];
	uint32_t later;

	if ((bits & BIT(qos->turn)) && queue->deficit_bytes >= first_of(queue)->n_bytes) {
		queue->deficit_bytes -= first_of(queue)->n_bytes;
		return qos->turn;
	}
	do {
		later = bits & ~(BIT(qos->turn + 1) - 1);
		qos->turn = (uint32_t)__builtin_ctz(later != 0 ? later : bits);
		queue = &qos->queues[qos->turn];
		queue->deficit_bytes += queue->quantum_bytes;
	} while (queue->deficit_bytes < first_of(queue)->n_bytes);
	queue->deficit_bytes -= first_of(queue)->n_bytes;
	return qos->turn;
}

// Who goes while training may not leaves the turn where it is: else the queues of training would
// start anew each time, and the first of them had it all.
static uint32_t choose(struct sl_qos *qos)
{
	const uint32_t first = qos->waiting & FIRST_BITS;
	const uint32_t rest = qos->waiting & ~FIRST_BITS;
	const bool is_spent = qos->is_narrow && qos->training.credit_q32 <= 0;
	const uint32_t entitled = is_spent ? rest & ~TRAINING_BITS : rest;

	if (first != 0 && (qos->cap.credit_q32 > 0 || entitled == 0))
		return (uint32_t)__builtin_ctz(first);
	if (is_spent && entitled != 0)
		return (uint32_t)__builtin_ctz(entitled);
	return share(qos, rest);
}

static uint32_t draw(struct sl_qos *qos)
{
	qos->random ^= qos->random << 13;
	qos->random ^= qos->random >> 17;
	qos->random ^= qos->random << 5;
	return qos->random;
}

static bool is_late(struct sl_qos *qos, const struct sl_qos_queue *queue, uint64_t wait_ns)
{
	if (wait_ns <= queue->mark_from_ns)
		return false;
	return wait_ns > queue->mark_all_ns ||
	       draw(qos) < (wait_ns - queue->mark_from_ns) * queue->ramp_q32;
}

static struct sl_pkt *take(struct sl_qos *qos, uint32_t q)
{
	struct sl_qos_queue *queue = &qos->queues[q];
	struct sl_pkt *pkt = first_of(queue)->pkt;

	queue->tail++;
	if (queue->head == queue->tail) {
		qos->waiting &= ~BIT(q);
		queue->deficit_bytes = 0;
	}
	sl_stat_set(&qos->stats[q].held_pkts, queue->head - queue->tail);
	return pkt;
}

struct sl_pkt *sl_qos_next(struct sl_qos *qos, uint64_t now_ns)
{
	struct sl_qos_queue *queue;
	struct sl_qos_slot slot;
	uint64_t wait_ns;
	uint32_t q;

	if (qos->waiting == 0)
		return NULL;
	fill_all(qos, now_ns);
	if (qos->port.credit_q32 <= 0)
		return NULL;
	q = choose(qos);
	queue = &qos->queues[q];
	slot = *first_of(queue);
	take(qos, q);
	leave(qos, q, slot.n_bytes);
	wait_ns = now_ns - slot.since_ns;
	if (wait_ns > sl_stat_get(&qos->stats[q].wait_max_ns))
		sl_stat_set(&qos->stats[q].wait_max_ns, wait_ns);
	if (is_late(qos, queue, wait_ns) && sl_tos_mark(slot.pkt->data, slot.pkt->len))
		sl_stat_add(&qos->stats[q].marked_pkts, 1);
	dress(queue, slot.pkt);
	return slot.pkt;
}

struct sl_pkt *sl_qos_flush(struct sl_qos *qos)
{
	return qos->waiting != 0 ? take(qos, (uint32_t)__builtin_ctz(qos->waiting)) : NULL;
}
