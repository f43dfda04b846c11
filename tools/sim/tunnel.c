// SPDX-License-Identifier: Apache-2.0
#include "tunnel.h"

#include <netinet/in.h>

#define GUE_BYTES      4
#define GUE_CONTROL    0x20
#define GUE_WORDS_MASK 0x1f
#define IPV4_BYTES     20
#define IPV6_BYTES     40
#define ECN_MASK       3

int sl_tunnel_ecn(uint8_t inner, uint8_t outer)
{
	enum { NOT_ECT, ECT_1, ECT_0, CE, DROP = -1 };
	static const int8_t table[4][4] = {// [inner][outer], RFC 6040 figure 4
	                                   [NOT_ECT] = {NOT_ECT, NOT_ECT, NOT_ECT, DROP},
	                                   [ECT_1] = {ECT_1, ECT_1, ECT_1, CE},
	                                   [ECT_0] = {ECT_0, ECT_1, ECT_0, CE},
	                                   [CE] = {CE, CE, CE, CE}};

	return table[inner & ECN_MASK][outer & ECN_MASK];
}

static bool is_listed(const struct sl_ip *ips, uint32_t n_ips, const struct sl_ip *ip)
{
	for (uint32_t i = 0; i < n_ips; i++) {
		if (sl_ip_equal(&ips[i], ip))
			return true;
	}
	return false;
}

static uint32_t load16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

// Variant 0 without private or future flags: anything else has a layout we do not know.
static enum sl_tunnel_verdict open_gue(struct sl_tunnel_arrival *a)
{
	const uint8_t *gue = a->bytes;
	size_t n_bytes;

	if (a->n_bytes < GUE_BYTES || gue[0] >> 6 != 0 || load16(gue + 2) != 0)
		return SL_TUNNEL_MALFORMED;
	if (gue[0] & GUE_CONTROL)
		return SL_TUNNEL_CONTROL;
	n_bytes = GUE_BYTES + (size_t)(gue[0] & GUE_WORDS_MASK) * 4;
	if (n_bytes > a->n_bytes)
		return SL_TUNNEL_MALFORMED;
	a->proto = gue[1];
	a->bytes += n_bytes;
	a->n_bytes -= n_bytes;
	return SL_TUNNEL_PASSED;
}

// Destination and next protocol of the inner packet; its length is cut to what it claims.
static bool read_inner(struct sl_tunnel_arrival *a, struct sl_ip *dst, uint8_t *proto)
{
	const uint8_t *l3 = a->bytes;
	const bool is_v6 = a->proto == IPPROTO_IPV6;
	uint32_t v4_be, n_claimed;

	if (a->n_bytes < (is_v6 ? IPV6_BYTES : IPV4_BYTES) || l3[0] >> 4 != (is_v6 ? 6 : 4))
		return false;
	n_claimed = is_v6 ? load16(l3 + 4) + IPV6_BYTES : load16(l3 + 2);
	if (n_claimed > a->n_bytes ||
	    (!is_v6 && (n_claimed < (l3[0] & 15u) * 4 || (l3[0] & 15u) * 4 < IPV4_BYTES)))
		return false;
	a->n_bytes = n_claimed;
	*proto = l3[is_v6 ? 6 : 9];
	if (is_v6) {
		memcpy(dst->bytes, l3 + 24, 16);
	} else {
		memcpy(&v4_be, l3 + 16, 4);
		*dst = sl_ip_from_v4(v4_be);
	}
	return true;
}

static void set_ecn(uint8_t *l3, bool is_v6, uint8_t ecn)
{
	uint32_t was = load16(l3), sum;

	if (is_v6) {
		l3[1] = (uint8_t)((l3[1] & ~0x30) | ecn << 4);
		return;
	}
	l3[1] = (uint8_t)((l3[1] & ~ECN_MASK) | ecn);
	// RFC 1624 equation 3 on the first word of the header.
	sum = (~load16(l3 + 10) & 0xffff) + (~was & 0xffff) + load16(l3);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	l3[10] = (uint8_t)(sum >> 8);
	l3[11] = (uint8_t)sum;
}

enum sl_tunnel_verdict sl_tunnel_open(const struct sl_tunnel_policy *policy,
                                      struct sl_tunnel_arrival *arrival)
{
	enum sl_tunnel_verdict verdict;
	struct sl_ip dst;
	uint8_t proto, inner_ecn;
	bool is_v6;
	int ecn;

	if (!is_listed(policy->peers, policy->n_peers, &arrival->from))
		return SL_TUNNEL_PEER;
	verdict = arrival->is_gue ? open_gue(arrival) : SL_TUNNEL_PASSED;
	if (verdict != SL_TUNNEL_PASSED)
		return verdict;
	is_v6 = arrival->proto == IPPROTO_IPV6;
	if ((!is_v6 && arrival->proto != IPPROTO_IPIP) || !read_inner(arrival, &dst, &proto))
		return SL_TUNNEL_MALFORMED;
	if (!is_listed(policy->inners, policy->n_inners, &dst))
		return SL_TUNNEL_ADDRESS;
	if (proto == IPPROTO_IPIP || proto == IPPROTO_IPV6)
		return SL_TUNNEL_NESTED;
	inner_ecn = is_v6 ? arrival->bytes[1] >> 4 & ECN_MASK : arrival->bytes[1] & ECN_MASK;
	ecn = sl_tunnel_ecn(inner_ecn, arrival->traffic_class);
	if (ecn < 0)
		return SL_TUNNEL_CONGESTED;
	if (ecn != inner_ecn)
		set_ecn(arrival->bytes, is_v6, (uint8_t)ecn);
	return SL_TUNNEL_PASSED;
}
