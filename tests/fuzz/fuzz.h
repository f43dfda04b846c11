// SPDX-License-Identifier: Apache-2.0
// What the libFuzzer targets share.
#ifndef SLUICE_TESTS_FUZZ_H
#define SLUICE_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A broken property is a finding like a crash.
#define FUZZ_REQUIRE(condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

// Bytes of the input, one after the other; zeros when they are used up.
struct fuzz_input {
	const uint8_t *at, *end;
};

static inline size_t fuzz_left(const struct fuzz_input *in)
{
	return (size_t)(in->end - in->at);
}

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
	uint16_t high = fuzz_u8(in);

	return (uint16_t)(high << 8 | fuzz_u8(in));
}

static inline uint8_t fuzz_below(struct fuzz_input *in, uint8_t n)
{
	return fuzz_u8(in) % n;
}

// Exactly as large as the bytes, so that ASan sees the first one too many. Owned by the caller.
static inline uint8_t *fuzz_copy(const void *bytes, size_t n_bytes)
{
	uint8_t *copy = malloc(n_bytes);

	FUZZ_REQUIRE(copy != NULL || n_bytes == 0);
	return n_bytes > 0 ? memcpy(copy, bytes, n_bytes) : copy;
}

#endif
