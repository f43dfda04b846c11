// SPDX-License-Identifier: Apache-2.0
// Registry: gives each 64-bit id a small index and a generation, stable while the id is configured.
//
// Reuse:  sl_registry_retire marks an index as leaving; it is free for another id only when the
//         caller's is_idle says that nothing refers to it any more (no flows on any worker), and
//         then its generation rises. An id that comes back before that gets its old index and
//         generation again. Ids that are left out give up their index after that: to replace more
//         than is free takes two assignments.
// Errors: -ENOSPC.   Thread: data-plane main core.
#ifndef SLUICE_CORE_REGISTRY_H
#define SLUICE_CORE_REGISTRY_H

#include "sluice/types.h"

struct sl_registry_slot {
	uint64_t id; // 0 = free
	uint16_t generation;
	bool is_retired;
};

struct sl_registry {
	struct sl_registry_slot *slots; // owned by the caller
	uint32_t n_slots;
};

typedef bool (*sl_registry_idle_fn)(void *ctx, uint32_t index);

void sl_registry_init(struct sl_registry *reg, struct sl_registry_slot *slots, uint32_t n_slots);

// Free retired slots that is_idle confirms. Call before assigning.
void sl_registry_reap(struct sl_registry *reg, sl_registry_idle_fn is_idle, void *ctx);

// Make exactly these ids configured: known ones keep their index, new ones get one, the others are
// retired. indices[i] receives the index of ids[i]. All or nothing: on -ENOSPC nothing changed.
int sl_registry_assign(struct sl_registry *reg, const uint64_t *ids, uint32_t n_ids,
                       uint16_t *indices);

struct sl_registry_room {
	uint32_t n_free, n_configured;
	uint32_t n_retired; // no longer configured, but something refers to them
};

struct sl_registry_room sl_registry_count(const struct sl_registry *reg);

#endif
