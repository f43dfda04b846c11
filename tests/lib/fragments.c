// SPDX-License-Identifier: Apache-2.0
#include "fragments.h"

#include <stdio.h>
#include <stdlib.h>

#include "layout.h"

// IPv4 header, one word after the other.
static uint16_t header_csum(const uint8_t *l3, size_t n_bytes)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n_bytes; i += 2)
		sum += sl_load16_host(l3 + i);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t put_head_v4(uint8_t *l3, size_t header_bytes, const struct sl_cut *cut, bool has_more)
{
	sl_store16_host(l3 + SL_IPV4_OFF_TOTAL, (uint16_t)(header_bytes + cut->n_bytes));
	sl_store16_host(l3 + SL_IPV4_OFF_ID, (uint16_t)cut->id);
	sl_store16_host(l3 + SL_IPV4_OFF_FRAG,
	                (uint16_t)(cut->at / 8 | (has_more ? SL_IPV4_FRAG_MORE : 0)));
	sl_store16(l3 + SL_IPV4_OFF_CSUM, 0);
	sl_store16_host(l3 + SL_IPV4_OFF_CSUM, header_csum(l3, header_bytes));
	return header_bytes;
}

static size_t put_head_v6(uint8_t *l3, const struct sl_cut *cut, bool has_more)
{
	uint8_t *header = l3 + SL_IPV6_BYTES;
	uint32_t id_be = htonl(cut->id);

	memset(header, 0, SL_FRAG6_BYTES);
	header[0] = l3[SL_IPV6_OFF_NEXT];
	l3[SL_IPV6_OFF_NEXT] = IPPROTO_FRAGMENT;
	sl_store16_host(header + SL_FRAG6_OFF_OFFSET, (uint16_t)(cut->at | has_more));
	memcpy(header + SL_FRAG6_OFF_ID, &id_be, sizeof(id_be));
	sl_store16_host(l3 + SL_IPV6_OFF_PAYLOAD, (uint16_t)(SL_FRAG6_BYTES + cut->n_bytes));
	return SL_IPV6_BYTES + SL_FRAG6_BYTES;
}

size_t sl_fragment_cut(uint8_t *part, const uint8_t *whole, size_t n_bytes,
                       const struct sl_cut *cut)
{
	const uint8_t *l3 = whole + SL_ETH_BYTES;
	const bool is_v6 = l3[0] >> 4 == 6;
	const size_t header_bytes = is_v6 ? SL_IPV6_BYTES : (size_t)(l3[0] & 15) * 4;
	const size_t from = SL_ETH_BYTES + header_bytes + cut->at;
	struct sl_cut c = *cut;
	bool has_more;

	if (from > n_bytes || from + cut->n_bytes > n_bytes) {
		fprintf(stderr, "fragments: the cut ends behind the packet\n");
		abort();
	}
	if (c.n_bytes == 0)
		c.n_bytes = (uint16_t)(n_bytes - from);
	has_more = c.has_more || from + c.n_bytes < n_bytes;
	memcpy(part, whole, SL_ETH_BYTES + header_bytes);
	part += SL_ETH_BYTES;
	part += is_v6 ? put_head_v6(part, &c, has_more)
	              : put_head_v4(part, header_bytes, &c, has_more);
	memcpy(part, whole + from, c.n_bytes);
	return SL_ETH_BYTES + header_bytes + (is_v6 ? SL_FRAG6_BYTES : 0) + c.n_bytes;
}
