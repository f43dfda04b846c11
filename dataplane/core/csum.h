// SPDX-License-Identifier: Apache-2.0
// Internet checksums (RFC 1071) and their incremental update (RFC 1624 equation 3).
//
// Units:  sums are of 16-bit words as they stand in memory (network order), so no byte swapping.
//         A delta is the folded one's complement sum of ~old and new words; applying it is eq. 3.
#ifndef SLUICE_CORE_CSUM_H
#define SLUICE_CORE_CSUM_H

#include "sluice/types.h"

static inline uint16_t sl_csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

// Sum of words, not complemented, folded to 16 bits; odd tail padded with zero. Chain by passing
// the previous sum (of an even number of bytes).
uint32_t sl_csum_add(uint32_t sum, const void *bytes, size_t n_bytes);

// Delta for replacing old by new (each n_bytes, even), added to delta. Inline, so that a constant
// n_bytes leaves a few additions. Words of 32 bits give the same sum: 2^16 = 1 modulo 0xffff.
static inline uint16_t sl_csum_delta(uint16_t delta, const void *old_bytes, const void *new_bytes,
                                     size_t n_bytes)
{
	const uint8_t *from = old_bytes, *to = new_bytes;
	uint64_t sum = delta;
	uint32_t a, b;
	size_t i;

	for (i = 0; i + 4 <= n_bytes; i += 4) {
		memcpy(&a, from + i, 4);
		memcpy(&b, to + i, 4);
		sum += (uint64_t)(uint32_t)~a + b;
	}
	if (i < n_bytes) {
		uint16_t c, d;

		memcpy(&c, from + i, 2);
		memcpy(&d, to + i, 2);
		sum += (uint64_t)(uint16_t)~c + d;
	}
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return sl_csum_fold((uint32_t)((sum & 0xffff) + (sum >> 16)));
}

// HC' = ~(~HC + delta).
static inline uint16_t sl_csum_apply(uint16_t csum, uint16_t delta)
{
	return (uint16_t)~sl_csum_fold((uint32_t)(uint16_t)~csum + delta);
}

// UDP: 0 on IPv4 means "none" and stays; a computed 0 is sent as 0xffff (RFC 768).
static inline uint16_t sl_csum_apply_udp(uint16_t csum, uint16_t delta)
{
	if (csum == 0)
		return 0;
	csum = sl_csum_apply(csum, delta);
	return csum == 0 ? 0xffff : csum;
}

// Full L4 checksum of TCP, UDP or ICMPv6 with its pseudo-header; for packets we make, and tests.
// src and dst of one family; l4 points at the header whose checksum field is 0. Returns the field.
uint16_t sl_csum_l4(const struct sl_ip *src, const struct sl_ip *dst, uint8_t proto, const void *l4,
                    uint16_t l4_bytes);

#endif
