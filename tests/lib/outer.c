// SPDX-License-Identifier: Apache-2.0
#include "outer.h"

#include <netinet/in.h>

#define ETHERNET_BYTES 14
#define VLAN_BYTES     4

// Identification, and the header checksum anew, byte by byte.
static void set_id(uint8_t *l3, uint16_t id)
{
	uint32_t sum = 0;

	l3[4] = (uint8_t)(id >> 8);
	l3[5] = (uint8_t)id;
	l3[10] = 0;
	l3[11] = 0;
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)l3[i] << 8 | l3[i + 1];
	while (sum > 0xffff)
		sum = (sum >> 16) + (sum & 0xffff);
	l3[10] = (uint8_t)(~sum >> 8);
	l3[11] = (uint8_t)~sum;
}

size_t sl_outer_build(uint8_t *frame, size_t n_bytes, const struct sl_outer_spec *spec)
{
	uint8_t payload[SL_PACKET_MAX_BYTES] = {0};
	const uint8_t proto = sl_ip_is_v4(&spec->inner->dst) ? 4 : 41;
	const size_t gue_bytes = spec->gue_sport != 0 ? 4 : 0;
	struct sl_packet_spec inner = *spec->inner, outer = {.src = spec->src, .dst = spec->dst};
	uint8_t *l3 = frame + ETHERNET_BYTES + (size_t)spec->n_vlans * VLAN_BYTES;
	uint8_t bare[SL_PACKET_MAX_BYTES];
	size_t n_inner;

	inner.n_vlans = 0;
	inner.padding_bytes = 0;
	n_inner = sl_packet_build(bare, sizeof(bare), &inner) - ETHERNET_BYTES;
	if (gue_bytes != 0)
		payload[1] = proto;
	memcpy(payload + gue_bytes, bare + ETHERNET_BYTES, n_inner);
	memcpy(outer.dst_mac, spec->dst_mac, 6);
	memcpy(outer.src_mac, spec->src_mac, 6);
	outer.n_vlans = spec->n_vlans;
	memcpy(outer.vlan_tci, spec->inner->vlan_tci, sizeof(outer.vlan_tci));
	outer.dscp_ecn = spec->dscp_ecn;
	outer.frag = spec->has_df ? 0x4000 : 0;
	outer.proto = gue_bytes != 0 ? IPPROTO_UDP : proto;
	outer.is_udp_csum_off = true;
	outer.sport = spec->gue_sport;
	outer.dport = 6080;
	outer.payload = payload;
	outer.payload_bytes = (uint16_t)(n_inner + gue_bytes);
	n_bytes = sl_packet_build(frame, n_bytes, &outer);
	if (sl_ip_is_v4(&spec->dst)) {
		set_id(l3, spec->id);
	} else {
		l3[1] |= (uint8_t)(spec->flow_label >> 16);
		l3[2] = (uint8_t)(spec->flow_label >> 8);
		l3[3] = (uint8_t)spec->flow_label;
	}
	return n_bytes;
}
