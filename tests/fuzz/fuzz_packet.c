// SPDX-License-Identifier: Apache-2.0
#include "fuzz_packet.h"

#include "fuzz.h"
#include "packets.h"
#include "parse.h"
#include "rewrite.h"

void fuzz_require_inside(const struct sl_pkt *pkt)
{
	uint32_t l4_end = (uint32_t)pkt->l4_off + pkt->l4_bytes;

	FUZZ_REQUIRE(pkt->l3_off <= pkt->len);
	if (pkt->kind == SL_PKT_ARP)
		return;
	FUZZ_REQUIRE(pkt->l3_off + (pkt->is_v6 ? 40 : 20) <= pkt->l4_off);
	FUZZ_REQUIRE(l4_end <= pkt->len);
	FUZZ_REQUIRE(pkt->payload_off >= pkt->l4_off && pkt->payload_off <= l4_end);
	FUZZ_REQUIRE(pkt->is_v6 != sl_ip_is_v4(&pkt->tuple.src));
	FUZZ_REQUIRE(pkt->is_v6 != sl_ip_is_v4(&pkt->tuple.dst));
	if (pkt->kind != SL_PKT_ICMP_ERROR)
		return;
	FUZZ_REQUIRE(pkt->inner_l3_off >= pkt->payload_off);
	FUZZ_REQUIRE(pkt->inner_l4_off > pkt->inner_l3_off && pkt->inner_l4_off <= l4_end);
	FUZZ_REQUIRE(pkt->is_v6 != sl_ip_is_v4(&pkt->inner.src));
}

static struct sl_tuple backwards(const struct sl_tuple *tuple)
{
	return (struct sl_tuple){.src = tuple->dst,
	                         .dst = tuple->src,
	                         .sport_be = tuple->dport_be,
	                         .dport_be = tuple->sport_be,
	                         .proto = tuple->proto};
}

// An IPv4 header of all zeros or ones apart, a right checksum stays right.
void fuzz_require_rewrites(struct sl_pkt *pkt)
{
	struct sl_tuple to = backwards(&pkt->tuple), inner = backwards(&pkt->inner);
	struct sl_pkt again = {.data = pkt->data, .len = pkt->len};
	bool was_right = sl_packet_csums_are_right(pkt->data, pkt->len);
	int result;

	if (pkt->kind == SL_PKT_ICMP_ERROR)
		sl_rewrite_icmp_error(pkt, &to, &inner);
	else if (pkt->kind == SL_PKT_TCP || pkt->kind == SL_PKT_UDP)
		sl_rewrite_tuple(pkt, &to);
	else
		return;
	sl_rewrite_ttl(pkt);
	result = sl_parse(&again);
	if (result == SL_DROP_BAD_ADDRESS) // a group may be a destination but not a source
		return;
	FUZZ_REQUIRE(result == -1);
	FUZZ_REQUIRE(again.kind == pkt->kind && again.l4_off == pkt->l4_off);
	FUZZ_REQUIRE(again.l4_bytes == pkt->l4_bytes);
	FUZZ_REQUIRE(memcmp(&again.tuple, &pkt->tuple, sizeof(again.tuple)) == 0);
	if (pkt->kind == SL_PKT_ICMP_ERROR)
		FUZZ_REQUIRE(memcmp(&again.inner.src, &inner.src, sizeof(inner.src)) == 0);
	if (was_right)
		FUZZ_REQUIRE(sl_packet_csums_are_right(pkt->data, pkt->len));
}
