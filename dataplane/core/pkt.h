// SPDX-License-Identifier: Apache-2.0
// One packet on its way through the core: where its bytes are, what the parser found, what was
// decided. The io layer fills data, len, port and headroom; the parser fills the middle; forward.c
// decides, and may move data and change len, which the io layer follows.
//
// Shape:  data points at the Ethernet header; len counts all contiguous bytes of the frame,
//         padding included. l3_bytes is what the IP header claims and was checked against len, so
//         padding is never counted, checksummed or forwarded as payload.
#ifndef SLUICE_CORE_PKT_H
#define SLUICE_CORE_PKT_H

#include "sluice/drop.h"
#include "sluice/types.h"

enum sl_pkt_kind {
	SL_PKT_ARP,
	SL_PKT_TCP,
	SL_PKT_UDP,
	SL_PKT_ECHO,       // ICMP or ICMPv6 echo request; the identifier stands in sport_be
	SL_PKT_ICMP_ERROR, // tuple is the outer one, inner is the packet it complains about
	SL_PKT_ND,         // ICMPv6 133..137
	SL_PKT_OTHER,      // well-formed IP of another protocol
	SL_PKT_FRAGMENT,   // not the first of its datagram: no L4 header; ports come from frag.h
};

// Hashed as bytes: zero stays 0.
struct sl_tuple {
	struct sl_ip src, dst;
	uint16_t sport_be, dport_be;
	uint8_t proto; // of the transport; inside an ICMP error, of the quoted packet
	uint8_t zero[3];
};
_Static_assert(sizeof(struct sl_tuple) == 40, "no hidden padding");

enum sl_verdict {
	SL_VERDICT_SEND,    // rewritten in place, MACs too; leaves by out_port
	SL_VERDICT_DROP,    // count drop
	SL_VERDICT_SLOW,    // to the main core: ARP, ND, echo to us
	SL_VERDICT_RESOLVE, // rewritten, but the MAC of hop on out_port is not known: to the main
	                    // core
	SL_VERDICT_HANDOFF, // to worker owner
	SL_VERDICT_DECIDE,  // classified and ours: sl_forward_burst decides
};

enum sl_tcp_flag {
	SL_TCP_FIN = 0x01,
	SL_TCP_SYN = 0x02,
	SL_TCP_RST = 0x04,
	SL_TCP_PSH = 0x08,
	SL_TCP_ACK = 0x10,
};

struct sl_pkt {
	// --- two lines: all that a TCP or UDP packet of a known flow needs ---
	// from io
	uint8_t *data;
	uint32_t len;
	uint16_t in_port;
	uint16_t headroom; // bytes before data that may be written: a tunnel header goes there
	// from sl_parse
	uint8_t kind; // enum sl_pkt_kind
	bool is_v6;
	uint8_t n_vlans;
	uint8_t icmp_type;
	// The packet is a part of a datagram: the first (kind TCP or UDP) or a later one (kind
	// FRAGMENT). The frag_ fields are set only then.
	bool is_fragment;
	bool has_more_fragments;
	bool has_passed_frag; // a fragment that was at its datagram's worker (frag.h)
	bool wants_error;     // verdict SLOW: tell its sender why (drop) it ends here (icmp_make.h)
	uint16_t l3_off;
	uint16_t l4_off;
	uint8_t ttl;
	uint8_t tcp_flags;
	uint16_t l4_bytes; // L4 header and payload, by the IP header
	uint16_t payload_off;
	uint16_t owner;   // worker
	uint32_t tcp_seq; // host order
	// decision
	uint8_t verdict; // enum sl_verdict
	uint8_t drop;    // enum sl_drop
	uint16_t out_port;
	uint64_t hash; // of tuple, between the two passes over a burst
	struct sl_tuple tuple;
	// --- seldom ---
	struct sl_ip hop;      // next hop, when its MAC is not known
	struct sl_tuple inner; // ICMP error: as quoted (the packet somebody could not deliver)
	uint16_t inner_l3_off;
	uint16_t inner_l4_off;
	uint16_t frag_off_bytes; // of this part in the fragmentable part of the datagram
	uint16_t frag_bytes;     // length of this part; off + length <= 65535
	uint32_t frag_id_be;     // IPv4: 16 bits
	uint8_t queue;           // enum sl_qos_class, while some port has a rate (forward_sort.c)
};
_Static_assert(offsetof(struct sl_pkt, hop) <= 2 * SL_CACHE_LINE_BYTES, "two lines");

#endif
