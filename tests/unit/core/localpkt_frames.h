// SPDX-License-Identifier: Apache-2.0
// Frames for the tests of localpkt.h, made without its code and without the parser's.
#ifndef SLUICE_TESTS_LOCALPKT_FRAMES_H
#define SLUICE_TESTS_LOCALPKT_FRAMES_H

#include <netinet/in.h>

#include "layout.h"
#include "localpkt.h"
#include "packets.h"
#include "sl_check.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#define ARP_HEAD  0, 1, 8, 0, 6, 4
#define ARP_HOST  2, 0, 0, 0, 0, 0x99
#define ETH_BCAST 255, 255, 255, 255, 255, 255, ARP_HOST, 8, 6
#define ETH_OURS  2, 0, 0, 0, 0, 1, ARP_HOST, 8, 6
#define NOBODY    0, 0, 0, 0, 0, 0
#define HOST      "2001:db8::9"
#define TARGET    "2001:db8::1:2:3"
#define NODE      "ff02::1:ff02:3" // solicited-node address of TARGET
#define NS        135
#define NA        136
#define S         0x40
#define O         0x20

struct nd_case {
	const char *name;
	uint8_t type, code, hops, flags;
	const char *src, *dst, *target;
	uint8_t options[32];
	uint8_t n_options_bytes;
	uint8_t kind;
	bool has_sender_mac, is_solicited, is_dad;
	uint8_t last_mac_byte; // of the sender; 0x99 is the frame's source
};
#define SLLA    1, 1, 2, 0, 0, 0, 0, 0x77
#define TLLA    2, 1, 2, 0, 0, 0, 0, 0x77
#define UNKNOWN 14, 2, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9

// What sl_parse would say of a frame made here: no extension headers, no options.
static inline struct sl_pkt pkt_of(uint8_t *frame, size_t n_bytes, enum sl_pkt_kind kind,
                                   uint8_t n_vlans)
{
	struct sl_pkt pkt = {.data = frame, .len = (uint32_t)n_bytes, .kind = kind};
	const uint8_t *ip;

	pkt.n_vlans = n_vlans;
	pkt.l3_off = (uint16_t)(SL_ETH_BYTES + n_vlans * SL_VLAN_BYTES);
	if (kind == SL_PKT_ARP)
		return pkt;
	ip = frame + pkt.l3_off;
	pkt.is_v6 = ip[0] >> 4 == 6;
	if (pkt.is_v6) {
		pkt.l4_off = pkt.l3_off + SL_IPV6_BYTES;
		pkt.l4_bytes = sl_load16_host(ip + SL_IPV6_OFF_PAYLOAD);
		pkt.ttl = ip[SL_IPV6_OFF_HOPS];
		memcpy(&pkt.tuple.src, ip + SL_IPV6_OFF_SRC, 16);
		memcpy(&pkt.tuple.dst, ip + SL_IPV6_OFF_DST, 16);
	} else {
		pkt.l4_off = (uint16_t)(pkt.l3_off + (ip[0] & 15) * 4);
		pkt.l4_bytes =
			(uint16_t)(sl_load16_host(ip + SL_IPV4_OFF_TOTAL) - (ip[0] & 15) * 4);
		pkt.ttl = ip[SL_IPV4_OFF_TTL];
		pkt.tuple.src = sl_ip_from_v4(sl_load32(ip + SL_IPV4_OFF_SRC));
		pkt.tuple.dst = sl_ip_from_v4(sl_load32(ip + SL_IPV4_OFF_DST));
	}
	return pkt;
}
// Frame of the case in a buffer of exactly its size (so that a sanitizer sees a read past it).
static inline uint8_t *nd_frame(const struct nd_case *c, uint8_t n_vlans, struct sl_pkt *pkt)
{
	struct sl_ip target = sl_packet_ip(c->target);
	uint8_t payload[16 + sizeof(c->options)], frame[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec spec = {
		.dst_mac = {0x33, 0x33, 0xff, 2, 0, 3},
		.src_mac = {2, 0, 0, 0, 0, 0x99},
		.n_vlans = n_vlans,
		.vlan_tci = {0x2064, 0x0065},
		.vlan_tpid = {SL_ETHERTYPE_SVLAN, SL_ETHERTYPE_VLAN},
		.src = sl_packet_ip(c->src),
		.dst = sl_packet_ip(c->dst),
		.proto = IPPROTO_ICMPV6,
		.ttl = c->hops,
		.icmp_type = c->type,
		.icmp_code = c->code,
		.sport = (uint16_t)(c->flags << 8), // where an echo has its identifier
		.payload = payload,
		.payload_bytes = (uint16_t)(16 + c->n_options_bytes),
	};
	size_t n_bytes;
	uint8_t *exact;

	memcpy(payload, target.bytes, 16);
	memcpy(payload + 16, c->options, sizeof(c->options));
	n_bytes = sl_packet_build(frame, sizeof(frame), &spec);
	exact = malloc(n_bytes);
	memcpy(exact, frame, n_bytes);
	*pkt = pkt_of(exact, n_bytes, SL_PKT_ND, n_vlans);
	return exact;
}
#endif
