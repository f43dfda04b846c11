// SPDX-License-Identifier: Apache-2.0
#include "config_arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536

struct sl_arena_chunk {
	struct sl_arena_chunk *next;
	size_t used_bytes, size_bytes;
	alignas(max_align_t) unsigned char bytes[];
};

void *sl_arena_alloc(struct sl_arena *arena, size_t n_bytes)
{
	struct sl_arena_chunk *chunk = arena->chunks;
	size_t need = (n_bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	void *memory;

	if (chunk == NULL || chunk->size_bytes - chunk->used_bytes < need) {
		size_t size = need > CHUNK_BYTES ? need : CHUNK_BYTES;

		chunk = calloc(1, sizeof(*chunk) + size);
		if (chunk == NULL)
			return NULL;
		chunk->size_bytes = size;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	memory = chunk->bytes + chunk->used_bytes;
	chunk->used_bytes += need;
	return memory;
}

char *sl_arena_text(struct sl_arena *arena, const void *text, size_t n_bytes)
{
	char *copy = sl_arena_alloc(arena, n_bytes + 1);

	if (copy != NULL && n_bytes > 0)
		memcpy(copy, text, n_bytes);
	return copy;
}

void sl_arena_fini(struct sl_arena *arena)
{
	while (arena->chunks != NULL) {
		struct sl_arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
}
