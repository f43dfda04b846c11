// SPDX-License-Identifier: Apache-2.0
#include "csum.h"

#include <arpa/inet.h>
#include <netinet/in.h>

uint32_t sl_csum_add(uint32_t sum, const void *bytes, size_t n_bytes)
{
	const uint8_t *at = bytes;
	uint64_t total = sum;
	uint32_t word;

	// 2^32 words of 32 bits fit; no packet has that many.
	for (; n_bytes >= sizeof(word); n_bytes -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		total += word;
	}
	word = 0; // the missing byte of an odd tail is the second of its pair, in memory order
	memcpy(&word, at, n_bytes);
	total += word;
	total = (total & UINT32_MAX) + (total >> 32);
	return sl_csum_fold((uint32_t)((total & 0xffff) + (total >> 16)));
}

uint16_t sl_csum_l4(const struct sl_ip *src, const struct sl_ip *dst, uint8_t proto, const void *l4,
                    uint16_t l4_bytes)
{
	const uint16_t tail_be[2] = {htons(l4_bytes), htons(proto)};
	size_t skip = sl_ip_is_v4(dst) ? 12 : 0; // IPv4: the last four bytes of the mapped form
	uint32_t sum;
	uint16_t csum;

	sum = sl_csum_add(0, src->bytes + skip, sizeof(src->bytes) - skip);
	sum = sl_csum_add(sum, dst->bytes + skip, sizeof(dst->bytes) - skip);
	sum = sl_csum_add(sum, tail_be, sizeof(tail_be));
	sum = sl_csum_add(sum, l4, l4_bytes);
	csum = (uint16_t)~sl_csum_fold(sum);
	return csum == 0 && proto == IPPROTO_UDP ? 0xffff
	                                         : csum; // RFC 768: 0 would say "no checksum"
}
