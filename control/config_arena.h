// SPDX-License-Identifier: Apache-2.0
// Memory that lives as long as one parse: nodes, texts and raw structs are freed all at once.
#ifndef SLUICE_CONTROL_CONFIG_ARENA_H
#define SLUICE_CONTROL_CONFIG_ARENA_H

#include <stddef.h>

struct sl_arena_chunk;
struct sl_arena {
	struct sl_arena_chunk *chunks;
};

// Zeroed and aligned for any type; NULL when out of memory.
void *sl_arena_alloc(struct sl_arena *arena, size_t n_bytes);

// NUL-terminated copy.
char *sl_arena_text(struct sl_arena *arena, const void *text, size_t n_bytes);

void sl_arena_fini(struct sl_arena *arena);

#endif
