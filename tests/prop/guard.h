// SPDX-License-Identifier: Apache-2.0
// Memory whose last byte is followed by a page that may not be touched: a read past the end is a
// SIGSEGV in any build, where ASan would be needed for malloc.
#ifndef SLUICE_TESTS_GUARD_H
#define SLUICE_TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
	uint8_t *end; // first byte that may not be touched
	uint8_t *map;
	size_t map_bytes;
};

static inline struct guard guard_new(size_t max_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t usable = (max_bytes + page - 1) / page * page;
	struct guard g = {.map_bytes = usable + page};

	g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g.map == MAP_FAILED || mprotect(g.map + usable, page, PROT_NONE) != 0)
		abort();
	g.end = g.map + usable;
	return g;
}

// A copy of bytes that ends where the guard begins; valid until the next one.
static inline uint8_t *guard_copy(const struct guard *g, const uint8_t *bytes, size_t n_bytes)
{
	return memcpy(g->end - n_bytes, bytes, n_bytes);
}

static inline void guard_free(struct guard *g)
{
	munmap(g->map, g->map_bytes);
}

#endif
