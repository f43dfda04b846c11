// SPDX-License-Identifier: Apache-2.0
#include "parse_parts.h"

#define DATAGRAM_MAX_BYTES UINT16_MAX

static bool is_followed(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

// Where the transport header would be written over by this fragment (RFC 1858 section 3.2.2,
// RFC 3128): of UDP the header is one unit long, which offset 0 alone can reach.
static bool is_inside_header(const struct sl_pkt *pkt)
{
	return pkt->tuple.proto == IPPROTO_TCP && pkt->frag_off_bytes < SL_TCP_BYTES;
}

static int parse_first(struct sl_pkt *pkt)
{
	int drop;

	if (!is_followed(pkt->tuple.proto))
		return SL_DROP_FRAGMENT;
	drop = sl_parse_l4(pkt);
	// A tiny fragment: hides from filters what the second one brings (RFC 1858, RFC 7112).
	return drop == SL_DROP_TRUNCATED ? SL_DROP_FRAGMENT_BAD : drop;
}

int sl_parse_fragment(struct sl_pkt *pkt)
{
	// The protocol that a later IPv6 fragment names need not be that of the first one
	// (RFC 8200 4.5); only what nobody would send falls here.
	const bool is_icmp = pkt->tuple.proto == (pkt->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

	pkt->is_fragment = true;
	if (pkt->frag_bytes == 0)
		return SL_DROP_FRAGMENT_BAD;
	if (pkt->has_more_fragments && pkt->frag_bytes % SL_FRAG_UNIT_BYTES != 0)
		return SL_DROP_FRAGMENT_BAD;
	if ((uint32_t)pkt->frag_off_bytes + pkt->frag_bytes > DATAGRAM_MAX_BYTES)
		return SL_DROP_FRAGMENT_BAD; // RFC 791 3.2: what no receiver can put together
	if (pkt->frag_off_bytes == 0)
		return parse_first(pkt);
	if (is_icmp || (!pkt->is_v6 && !is_followed(pkt->tuple.proto)))
		return SL_DROP_FRAGMENT;
	if (is_inside_header(pkt))
		return SL_DROP_FRAGMENT_BAD;
	pkt->kind = SL_PKT_FRAGMENT;
	pkt->payload_off = pkt->l4_off;
	return SL_PARSED;
}
