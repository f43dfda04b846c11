// SPDX-License-Identifier: Apache-2.0
// The k-th of a member's s turns may come no earlier than floor(k n / s) and is due before
// ceil((k + 1) n / s). Serving the earliest due of those that may come meets every due time
// (Baruah et al., "Proportionate progress", 1996), so nobody is ever a whole turn off its share.
// Nor does anybody with less than half come three times running (seen for all shares of up to 128
// slots by 3 members, 36 by 4, 20 by 5).
#include "pick_private.h"

#include <errno.h>
#include <stdlib.h>

struct remainder {
	uint64_t rest;
	uint32_t member;
};

static int by_rest(const void *a, const void *b)
{
	const struct remainder *x = a, *y = b;

	if (x->rest != y->rest)
		return x->rest > y->rest ? -1 : 1;
	return x->member < y->member ? -1 : 1;
}

int pick_share(uint32_t *shares, uint32_t n_slots, const struct sl_pick_member *members,
               uint32_t n_members)
{
	struct remainder *rests;
	uint64_t total = 0;
	uint32_t n_left = n_slots;

	for (uint32_t i = 0; i < n_members; i++)
		total += members[i].weight_milli;
	if (total == 0)
		return -ENOENT;
	rests = malloc(n_members * sizeof(*rests));
	if (rests == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_members; i++) {
		uint64_t exact = (uint64_t)members[i].weight_milli * n_slots;

		shares[i] = (uint32_t)(exact / total);
		rests[i] = (struct remainder){exact % total, i};
		n_left -= shares[i];
	}
	qsort(rests, n_members, sizeof(*rests), by_rest);
	// Fewer are left than there are remainders above 0, so weight 0 gets none.
	for (uint32_t i = 0; i < n_left; i++)
		shares[rests[i].member]++;
	free(rests);
	return 0;
}

struct spread {
	const uint32_t *shares;
	uint32_t n_slots;
	uint32_t *n_done;  // turns given, by member
	uint16_t *waiting; // next in the list of members whose next turn opens at the same slot
	uint64_t *ready;   // min-heap of due << 16 | member
	uint32_t n_ready;
};

static void heap_push(struct spread *s, uint64_t key)
{
	uint32_t at = s->n_ready++;

	while (at > 0 && s->ready[(at - 1) / 2] > key) {
		s->ready[at] = s->ready[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	s->ready[at] = key;
}

static uint64_t heap_pop(struct spread *s)
{
	uint64_t top = s->ready[0];
	uint64_t last = s->ready[--s->n_ready];
	uint32_t at = 0;

	for (uint32_t child = 1; child < s->n_ready; child = 2 * at + 1) {
		if (child + 1 < s->n_ready && s->ready[child + 1] < s->ready[child])
			child++;
		if (s->ready[child] >= last)
			break;
		s->ready[at] = s->ready[child];
		at = child;
	}
	s->ready[at] = last;
	return top;
}

// Slots not decided yet hold the head of the list of members whose next turn opens there.
static void wait_for_turn(struct spread *s, uint16_t *turns, uint32_t member)
{
	uint64_t opens = (uint64_t)s->n_done[member] * s->n_slots / s->shares[member];

	s->waiting[member] = turns[opens];
	turns[opens] = (uint16_t)member;
}

static void open_turns(struct spread *s, uint16_t head)
{
	for (uint16_t member = head; member != SL_NO_BACKEND; member = s->waiting[member]) {
		uint64_t share = s->shares[member];
		uint64_t due = ((s->n_done[member] + 1ull) * s->n_slots + share - 1) / share;

		heap_push(s, due << 16 | member);
	}
}

static void spread_all(struct spread *s, uint16_t *turns, uint32_t n_members)
{
	pick_fill_none(turns, s->n_slots);
	for (uint32_t i = 0; i < n_members; i++) {
		if (s->shares[i] != 0)
			wait_for_turn(s, turns, i);
	}
	for (uint32_t slot = 0; slot < s->n_slots; slot++) {
		uint16_t member;

		open_turns(s, turns[slot]);
		member = (uint16_t)heap_pop(s);
		turns[slot] = member;
		if (++s->n_done[member] == s->shares[member])
			continue;
		// A late turn may find that its next one is open already.
		if ((uint64_t)s->n_done[member] * s->n_slots / s->shares[member] > slot) {
			wait_for_turn(s, turns, member);
		} else {
			s->waiting[member] = SL_NO_BACKEND;
			open_turns(s, member);
		}
	}
}

int pick_spread(uint16_t *turns, uint32_t n_slots, const uint32_t *shares, uint32_t n_members)
{
	struct spread s = {.shares = shares, .n_slots = n_slots};
	int err = -ENOMEM;

	s.n_done = calloc(n_members, sizeof(*s.n_done));
	s.waiting = malloc(n_members * sizeof(*s.waiting));
	s.ready = malloc(n_members * sizeof(*s.ready));
	if (s.n_done != NULL && s.waiting != NULL && s.ready != NULL) {
		spread_all(&s, turns, n_members);
		err = 0;
	}
	free(s.n_done);
	free(s.waiting);
	free(s.ready);
	return err;
}
