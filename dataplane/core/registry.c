// SPDX-License-Identifier: Apache-2.0
#include "registry.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "hash.h"

enum mark { MARK_ABSENT, MARK_KNOWN, MARK_NEW };

// Scratch of one assign: which slots the new set uses, and a hash from id to slot.
struct scratch {
	uint8_t *marks;  // enum mark, by slot
	uint32_t *table; // slot + 1, open addressing; 0 = free
	uint32_t mask;
	uint32_t next_free; // no free slot lies below
};

void sl_registry_init(struct sl_registry *reg, struct sl_registry_slot *slots, uint32_t n_slots)
{
	assert(n_slots <= UINT16_MAX);
	reg->slots = slots;
	reg->n_slots = n_slots;
	memset(slots, 0, n_slots * sizeof(*slots));
}

void sl_registry_reap(struct sl_registry *reg, sl_registry_idle_fn is_idle, void *ctx)
{
	for (uint32_t i = 0; i < reg->n_slots; i++) {
		struct sl_registry_slot *slot = &reg->slots[i];

		if (!slot->is_retired || !is_idle(ctx, i))
			continue;
		slot->id = 0;
		slot->generation++;
		slot->is_retired = false;
	}
}

// Cell of the table that holds the id or is free for it.
static uint32_t *cell_of(const struct scratch *s, const struct sl_registry *reg, uint64_t id)
{
	uint32_t at = (uint32_t)sl_mix64(id) & s->mask;

	while (s->table[at] != 0 && reg->slots[s->table[at] - 1].id != id)
		at = (at + 1) & s->mask;
	return &s->table[at];
}

static int scratch_init(struct scratch *s, const struct sl_registry *reg)
{
	uint32_t n_cells = 2;

	while (n_cells < 2 * reg->n_slots)
		n_cells *= 2;
	s->mask = n_cells - 1;
	s->next_free = 0;
	s->marks = calloc(reg->n_slots + 1, sizeof(*s->marks));
	s->table = calloc(n_cells, sizeof(*s->table));
	if (s->marks == NULL || s->table == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < reg->n_slots; i++) {
		if (reg->slots[i].id != 0)
			*cell_of(s, reg, reg->slots[i].id) = i + 1;
	}
	return 0;
}

static void scratch_fini(struct scratch *s)
{
	free(s->marks);
	free(s->table);
}

// Slot of the id, a new one if it has none. n_slots when none is free.
static uint32_t slot_for(struct scratch *s, struct sl_registry *reg, uint64_t id)
{
	uint32_t *cell = cell_of(s, reg, id);
	uint32_t slot;

	if (*cell != 0) {
		slot = *cell - 1;
		if (s->marks[slot] == MARK_ABSENT)
			s->marks[slot] = MARK_KNOWN;
		return slot;
	}
	while (s->next_free < reg->n_slots && reg->slots[s->next_free].id != 0)
		s->next_free++;
	slot = s->next_free;
	if (slot == reg->n_slots)
		return slot;
	reg->slots[slot].id = id;
	s->marks[slot] = MARK_NEW;
	*cell = slot + 1;
	return slot;
}

static void undo(const struct scratch *s, struct sl_registry *reg)
{
	for (uint32_t i = 0; i < reg->n_slots; i++) {
		if (s->marks[i] == MARK_NEW)
			reg->slots[i].id = 0;
	}
}

int sl_registry_assign(struct sl_registry *reg, const uint64_t *ids, uint32_t n_ids,
                       uint16_t *indices)
{
	struct scratch s;
	int err = scratch_init(&s, reg);

	for (uint32_t i = 0; err == 0 && i < n_ids; i++) {
		uint32_t slot;

		assert(ids[i] != 0);
		slot = slot_for(&s, reg, ids[i]);
		if (slot == reg->n_slots) {
			undo(&s, reg);
			err = -ENOSPC;
		} else {
			indices[i] = (uint16_t)slot;
		}
	}
	for (uint32_t i = 0; err == 0 && i < reg->n_slots; i++)
		reg->slots[i].is_retired = reg->slots[i].id != 0 && s.marks[i] == MARK_ABSENT;
	scratch_fini(&s);
	return err;
}

struct sl_registry_room sl_registry_count(const struct sl_registry *reg)
{
	struct sl_registry_room room = {0};

	for (uint32_t i = 0; i < reg->n_slots; i++) {
		if (reg->slots[i].id == 0)
			room.n_free++;
		else if (reg->slots[i].is_retired)
			room.n_retired++;
		else
			room.n_configured++;
	}
	return room;
}
