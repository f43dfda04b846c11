// SPDX-License-Identifier: Apache-2.0
#include "rewrite.h"

#include "csum.h"
#include "layout.h"

// src and dst, and sport and dport, stand side by side in struct sl_tuple as in the headers, so
// that each pair is replaced at once.
_Static_assert(offsetof(struct sl_tuple, dst) == offsetof(struct sl_tuple, src) + 16, "pair");
_Static_assert(offsetof(struct sl_tuple, dport_be) == offsetof(struct sl_tuple, sport_be) + 2,
               "pair");

// Puts value at at; returns delta plus the change it makes to a sum over it.
static inline uint16_t put(uint8_t *at, const void *value, size_t n_bytes, uint16_t delta)
{
	delta = sl_csum_delta(delta, at, value, n_bytes);
	memcpy(at, value, n_bytes);
	return delta;
}

static inline uint16_t put16(uint8_t *at, uint16_t value_be, uint16_t delta)
{
	return put(at, &value_be, sizeof(value_be), delta);
}

// Addresses of an IP header, and its own checksum. Returns the change of a pseudo-header; the
// change of the header as plain bytes is 0 for IPv4 (its checksum sees to that), the same for IPv6.
static inline uint16_t put_addresses(uint8_t *l3, const struct sl_tuple *to, const bool is_v6)
{
	uint32_t pair_be[2];
	uint16_t delta;

	if (is_v6)
		return put(l3 + SL_IPV6_OFF_SRC, &to->src, 2 * sizeof(to->src), 0);
	pair_be[0] = sl_ip_v4_be(&to->src);
	pair_be[1] = sl_ip_v4_be(&to->dst);
	delta = put(l3 + SL_IPV4_OFF_SRC, pair_be, sizeof(pair_be), 0);
	sl_store16(l3 + SL_IPV4_OFF_CSUM, sl_csum_apply(sl_load16(l3 + SL_IPV4_OFF_CSUM), delta));
	return delta;
}

static inline void rewrite_one(struct sl_pkt *pkt, const struct sl_tuple *to, const bool is_v6)
{
	uint8_t *l4 = pkt->data + pkt->l4_off;
	uint16_t delta = put_addresses(pkt->data + pkt->l3_off, to, is_v6);
	uint8_t *csum;

	delta = put(l4, &to->sport_be, 2 * sizeof(to->sport_be), delta);
	if (pkt->kind == SL_PKT_TCP) {
		csum = l4 + SL_TCP_OFF_CSUM;
		sl_store16(csum, sl_csum_apply(sl_load16(csum), delta));
	} else {
		csum = l4 + SL_UDP_OFF_CSUM;
		sl_store16(csum, sl_csum_apply_udp(sl_load16(csum), delta));
	}
	pkt->tuple = *to;
}

void sl_rewrite_tuple(struct sl_pkt *pkt, const struct sl_tuple *to)
{
	if (pkt->kind == SL_PKT_FRAGMENT) { // the first one has the ports, and the checksum of all
		put_addresses(pkt->data + pkt->l3_off, to, pkt->is_v6);
		pkt->tuple = *to;
	} else if (pkt->is_v6) {
		rewrite_one(pkt, to, true);
	} else {
		rewrite_one(pkt, to, false);
	}
}

// Ports of the quoted packet, and its checksum where the quote reaches that far; pseudo_delta is
// what changed in its pseudo-header. Returns the change of the bytes written.
static uint16_t put_quoted_l4(struct sl_pkt *pkt, const struct sl_tuple *inner,
                              uint16_t pseudo_delta)
{
	const uint32_t end = (uint32_t)pkt->l4_off + pkt->l4_bytes;
	const bool is_udp = pkt->inner.proto == IPPROTO_UDP;
	uint8_t *l4 = pkt->data + pkt->inner_l4_off;
	uint32_t csum_off = is_udp ? SL_UDP_OFF_CSUM : SL_TCP_OFF_CSUM;
	uint16_t delta, covered, csum;

	if (!is_udp && pkt->inner.proto != IPPROTO_TCP)
		return 0;
	delta = put(l4, &inner->sport_be, 2 * sizeof(inner->sport_be), 0);
	pkt->inner.sport_be = inner->sport_be;
	pkt->inner.dport_be = inner->dport_be;
	if (pkt->inner_l4_off + csum_off + sizeof(csum) > end)
		return delta;
	covered = sl_csum_fold((uint32_t)delta + pseudo_delta);
	csum = sl_load16(l4 + csum_off);
	csum = is_udp ? sl_csum_apply_udp(csum, covered) : sl_csum_apply(csum, covered);
	return put16(l4 + csum_off, csum, delta);
}

void sl_rewrite_icmp_error(struct sl_pkt *pkt, const struct sl_tuple *outer,
                           const struct sl_tuple *inner)
{
	uint8_t *csum = pkt->data + pkt->l4_off + SL_ICMP_OFF_CSUM;
	uint16_t outer_delta = put_addresses(pkt->data + pkt->l3_off, outer, pkt->is_v6);
	uint16_t inner_delta = put_addresses(pkt->data + pkt->inner_l3_off, inner, pkt->is_v6);
	uint32_t delta = put_quoted_l4(pkt, inner, inner_delta);

	if (pkt->is_v6)
		delta += (uint32_t)outer_delta + inner_delta;
	sl_store16(csum, sl_csum_apply(sl_load16(csum), sl_csum_fold(delta)));
	pkt->tuple.src = outer->src;
	pkt->tuple.dst = outer->dst;
	pkt->inner.src = inner->src;
	pkt->inner.dst = inner->dst;
}

bool sl_rewrite_ttl(struct sl_pkt *pkt)
{
	if (pkt->ttl <= 1)
		return false;
	sl_rewrite_ttl_plain(pkt);
	return true;
}
