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

// Sum of words, not complemented; odd tail padded with zero. Chain by passing the previous sum.
uint32_t sl_csum_add(uint32_t sum, const void *bytes, size_t n_bytes);

// Delta for replacing old by new (each n_bytes, even), added to delta.
uint16_t sl_csum_delta(uint16_t delta, const void *old_bytes, const void *new_bytes,
                       size_t n_bytes);

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
