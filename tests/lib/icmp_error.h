// SPDX-License-Identifier: Apache-2.0
// The ICMP error that Sluice itself is to send about a packet: what RFC 1812 and RFC 4443 leave
// open is as dataplane/core/icmp_make.h says.
#ifndef SLUICE_TESTS_ICMP_ERROR_H
#define SLUICE_TESTS_ICMP_ERROR_H

#include "layout.h"
#include "packets.h"

struct sl_icmp_want {
	uint8_t type, code;
	uint32_t rest;
	const char *source;
};

// The frame that answers about; its dst_mac is ours. Returns its length.
static inline size_t sl_icmp_want_build(uint8_t *frame, const struct sl_packet_spec *about,
                                        const struct sl_icmp_want *want)
{
	uint8_t whole[SL_PACKET_MAX_BYTES];
	const bool is_v6 = !sl_ip_is_v4(&about->dst);
	const size_t eth_bytes = SL_ETH_BYTES + (size_t)about->n_vlans * SL_VLAN_BYTES;
	const size_t most = is_v6 ? 1280 : 576, head_bytes = is_v6 ? 48 : 28;
	const size_t about_bytes =
		sl_packet_build(whole, sizeof(whole), about) - eth_bytes - about->padding_bytes;
	const size_t quote_bytes = (about_bytes < most ? about_bytes : most) - head_bytes;
	struct sl_packet_spec error = {.src = sl_packet_ip(want->source),
	                               .dst = about->src,
	                               .proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
	                               .dscp_ecn = is_v6 ? 0 : 0xc0,
	                               .frag = is_v6 ? 0 : 0x4000,
	                               .icmp_type = want->type,
	                               .icmp_code = want->code,
	                               .icmp_rest = want->rest,
	                               .quote = about,
	                               .quote_bytes = (uint16_t)quote_bytes,
	                               .n_vlans = about->n_vlans};
	size_t n_bytes;
	uint8_t *l3 = frame + eth_bytes;
	uint32_t csum;

	memcpy(error.dst_mac, about->src_mac, 6);
	memcpy(error.src_mac, about->dst_mac, 6);
	memcpy(error.vlan_tci, about->vlan_tci, sizeof(error.vlan_tci));
	memcpy(error.vlan_tpid, about->vlan_tpid, sizeof(error.vlan_tpid));
	n_bytes = sl_packet_build(frame, SL_PACKET_MAX_BYTES, &error);
	if (is_v6)
		return n_bytes;
	// Packets of the tests have an id; ours, which may not be fragmented, have 0.
	csum = (uint32_t)sl_load16_host(l3 + SL_IPV4_OFF_CSUM) +
	       sl_load16_host(l3 + SL_IPV4_OFF_ID);
	sl_store16_host(l3 + SL_IPV4_OFF_CSUM, (uint16_t)(csum + (csum >> 16)));
	sl_store16(l3 + SL_IPV4_OFF_ID, 0);
	return n_bytes;
}

#endif
