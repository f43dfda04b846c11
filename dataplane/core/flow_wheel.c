// SPDX-License-Identifier: Apache-2.0
// A hashed wheel of one slot per tick. An entry sits in the slot of the earlier of its deadline and
// one revolution ahead; packets only write last_seen, and the wheel moves the entry on when it
// finds it alive.
//
// Unconfirmed flows have one timeout, so they need no wheel: they wait in a queue. Its head is who
// goes first, by time or for want of room.
#include "flow_private.h"

#define SECONDS(s) ((uint32_t)((s)*SL_NS_PER_S / SL_FLOW_TICK_NS))

#define UNCONFIRMED_TICKS SECONDS(30)  // below RFC 5382 REQ-5 on purpose: a SYN flood must pass
#define FIN_MIN_TICKS     SECONDS(300) // a half-closed stream of tokens may pause
#define CLOSED_TICKS      SECONDS(10)  // shorter than 2 MSL; a new SYN reopens the tuple anyway

uint32_t sl_flow_timeout_ticks(const struct sl_flow *flow)
{
	uint32_t fin_ticks;

	switch (flow->state) {
	case SL_FLOW_NEW:
	case SL_FLOW_ANSWERED:
	case SL_FLOW_PICKED:
	case SL_FLOW_PROVEN:
	case SL_FLOW_REFUSED:
		return UNCONFIRMED_TICKS;
	case SL_FLOW_FIN_C2S:
	case SL_FLOW_FIN_S2C:
		fin_ticks = flow->idle_ticks / 4;
		if (fin_ticks < FIN_MIN_TICKS)
			fin_ticks = FIN_MIN_TICKS;
		return fin_ticks < flow->idle_ticks ? fin_ticks : flow->idle_ticks;
	case SL_FLOW_CLOSING:
	case SL_FLOW_RESET:
		return CLOSED_TICKS;
	default:
		return flow->idle_ticks;
	}
}

void flow_wheel_init(struct sl_flow_table *ft, uint32_t now)
{
	ft->wheel_tick = now;
	ft->queue_head = ft->queue_tail = SL_FLOW_NONE;
	ft->n_queued = 0;
	for (unsigned int i = 0; i < FLOW_WHEEL_SLOTS; i++)
		ft->wheel[i] = SL_FLOW_NONE;
}

static uint32_t deadline(const struct sl_flow *flow)
{
	return flow->last_seen + sl_flow_timeout_ticks(flow);
}

// due rises from head to tail: it is when a flow came, plus what all of them have.
static void queue_link(struct sl_flow_table *ft, struct sl_flow *flow, uint32_t due)
{
	const uint32_t entry = flow_entry_of(ft, flow);

	flow->wheel_due = due;
	flow->wheel_next = SL_FLOW_NONE;
	flow->wheel_prev = ft->queue_tail;
	if (ft->queue_tail != SL_FLOW_NONE)
		flow_at(ft, ft->queue_tail)->wheel_next = entry;
	else
		ft->queue_head = entry;
	ft->queue_tail = entry;
	ft->n_queued++;
}

static void queue_unlink(struct sl_flow_table *ft, struct sl_flow *flow)
{
	if (flow->wheel_next != SL_FLOW_NONE)
		flow_at(ft, flow->wheel_next)->wheel_prev = flow->wheel_prev;
	else
		ft->queue_tail = flow->wheel_prev;
	if (flow->wheel_prev != SL_FLOW_NONE)
		flow_at(ft, flow->wheel_prev)->wheel_next = flow->wheel_next;
	else
		ft->queue_head = flow->wheel_next;
	ft->n_queued--;
}

// Ticks compare by signed difference, so that they may wrap.
static void slot_link(struct sl_flow_table *ft, struct sl_flow *flow)
{
	int32_t ahead = (int32_t)(deadline(flow) - ft->wheel_tick);
	uint32_t entry = flow_entry_of(ft, flow);
	uint32_t *head;

	if (ahead < 0)
		ahead = 0;
	if (ahead > FLOW_WHEEL_SLOTS - 1)
		ahead = FLOW_WHEEL_SLOTS - 1;
	flow->wheel_due = ft->wheel_tick + (uint32_t)ahead;
	head = &ft->wheel[flow->wheel_due % FLOW_WHEEL_SLOTS];
	flow->wheel_prev = SL_FLOW_NONE;
	flow->wheel_next = *head;
	if (*head != SL_FLOW_NONE)
		flow_at(ft, *head)->wheel_prev = entry;
	*head = entry;
}

static void slot_unlink(struct sl_flow_table *ft, struct sl_flow *flow)
{
	if (flow->wheel_next != SL_FLOW_NONE)
		flow_at(ft, flow->wheel_next)->wheel_prev = flow->wheel_prev;
	if (flow->wheel_prev != SL_FLOW_NONE)
		flow_at(ft, flow->wheel_prev)->wheel_next = flow->wheel_next;
	else
		ft->wheel[flow->wheel_due % FLOW_WHEEL_SLOTS] = flow->wheel_next;
}

void flow_wheel_link(struct sl_flow_table *ft, struct sl_flow *flow)
{
	if (sl_flow_is_confirmed(flow->state))
		slot_link(ft, flow);
	else
		queue_link(ft, flow, deadline(flow));
}

void flow_wheel_unlink(struct sl_flow_table *ft, struct sl_flow *flow)
{
	if (sl_flow_is_confirmed(flow->state))
		slot_unlink(ft, flow);
	else
		queue_unlink(ft, flow);
}

// A state changes because of a packet, so its timeout starts now.
void sl_flow_set_state(struct sl_flow_table *ft, struct sl_flow *flow, uint8_t state, uint32_t now)
{
	const bool was_confirmed = sl_flow_is_confirmed(flow->state);

	if (was_confirmed != sl_flow_is_confirmed(state)) {
		flow_wheel_unlink(ft, flow);
		flow->state = state;
		flow->last_seen = now;
		flow_wheel_link(ft, flow);
		return;
	}
	flow->state = state;
	flow->last_seen = now;
	if (!was_confirmed || (int32_t)(deadline(flow) - flow->wheel_due) >= 0)
		return; // a place in the queue is kept, or somebody could stay ahead of all others
	slot_unlink(ft, flow);
	slot_link(ft, flow);
}

// After a long silence one revolution sees every slot; whole revolutions more would find nothing.
static void skip_revolutions(struct sl_flow_table *ft, uint32_t now)
{
	int32_t behind = (int32_t)(now - ft->wheel_tick);

	if (behind >= 2 * FLOW_WHEEL_SLOTS)
		ft->wheel_tick += ((uint32_t)behind / FLOW_WHEEL_SLOTS - 1) * FLOW_WHEEL_SLOTS;
}

// One that has spoken since it came waits once more, so it may be gone as late as a timeout after
// its time.
static uint32_t expire_queue(struct sl_flow_table *ft, uint32_t now, uint32_t *budget)
{
	uint32_t n_removed = 0;

	while (ft->queue_head != SL_FLOW_NONE && *budget > 0) {
		struct sl_flow *flow = flow_at(ft, ft->queue_head);

		if ((int32_t)(now - flow->wheel_due) < 0)
			break;
		(*budget)--;
		if ((int32_t)(now - deadline(flow)) >= 0) {
			flow_drop(ft, flow, false);
			n_removed++;
			continue;
		}
		queue_unlink(ft, flow);
		queue_link(ft, flow, now + UNCONFIRMED_TICKS);
	}
	return n_removed;
}

uint32_t sl_flow_expire(struct sl_flow_table *ft, uint32_t now, uint32_t budget)
{
	uint32_t n_removed = expire_queue(ft, now, &budget);

	skip_revolutions(ft, now);
	while ((int32_t)(now - ft->wheel_tick) >= 0) {
		uint32_t entry = ft->wheel[ft->wheel_tick % FLOW_WHEEL_SLOTS];
		struct sl_flow *flow;

		if (entry == SL_FLOW_NONE) {
			ft->wheel_tick++;
			continue;
		}
		if (budget-- == 0)
			break;
		flow = flow_at(ft, entry);
		if ((int32_t)(now - deadline(flow)) >= 0) {
			flow_drop(ft, flow, false);
			n_removed++;
			continue;
		}
		// Its deadline is after now, hence not in this slot again.
		slot_unlink(ft, flow);
		slot_link(ft, flow);
	}
	return n_removed;
}
