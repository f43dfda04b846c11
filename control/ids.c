// SPDX-License-Identifier: Apache-2.0
#include "ids.h"

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325) // FNV-1a, 64 bits
#define FNV_PRIME  UINT64_C(0x100000001b3)

static uint64_t add_bytes(uint64_t h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * FNV_PRIME;
	return h;
}

// With the closing NUL, so that "a","bc" and "ab","c" differ.
static uint64_t add_name(uint64_t h, const char *name)
{
	return add_bytes(h, name, strlen(name) + 1);
}

// FNV leaves the high bits poorly mixed for short names; a table may index by any of them.
static uint64_t finish(uint64_t h)
{
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 32;
	return h != 0 ? h : 1;
}

uint64_t sl_id_of_vip(const char *name)
{
	return finish(add_name(add_name(FNV_OFFSET, "vip"), name));
}

uint64_t sl_id_of_pool(const char *name)
{
	return finish(add_name(add_name(FNV_OFFSET, "pool"), name));
}

uint64_t sl_id_of_backend(const char *pool, const char *name, const struct sl_ip *address,
                          uint16_t port)
{
	const uint8_t port_bytes[2] = {(uint8_t)(port >> 8), (uint8_t)port};
	uint64_t h = add_name(add_name(FNV_OFFSET, "backend"), pool);

	h = add_bytes(add_name(h, name), address->bytes, sizeof(address->bytes));
	return finish(add_bytes(h, port_bytes, sizeof(port_bytes)));
}
