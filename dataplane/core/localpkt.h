// SPDX-License-Identifier: Apache-2.0
// Packets Sluice makes or answers itself: ARP, IPv6 neighbour discovery, echo replies. Pure: bytes
// in, bytes out.
//
// Shape:  buffers are whole frames; builders return the frame's length (>= 60 is the io layer's to
// pad) or 0 if
//         it does not fit. VLAN tags of a request are kept in its answer.
// Source: RFC 826, RFC 5227; RFC 4861 sections 4.3, 4.4, 7.1 (hop limit 255, option length,
// checksum,
//         code 0 are checked; malformed ND is ignored); RFC 792, RFC 4443 section 4.
#ifndef SLUICE_CORE_LOCALPKT_H
#define SLUICE_CORE_LOCALPKT_H

#include "pkt.h"

#define SL_LOCALPKT_MAX_BYTES 128

// What an ARP or ND packet says.
enum sl_neigh_msg_kind { SL_NEIGH_MSG_NONE, SL_NEIGH_MSG_ASKS, SL_NEIGH_MSG_TELLS };

struct sl_neigh_msg {
	uint8_t kind;        // enum sl_neigh_msg_kind
	bool has_sender_mac; // the sender mapping may be learned from
	bool is_solicited;   // an answer to us, not gratuitous
	bool is_dad;         // duplicate address detection: answer to all-nodes
	uint8_t sender_mac[6];
	struct sl_ip sender; // who speaks (NA: the target)
	struct sl_ip target; // who is asked for
};

// pkt parsed, kind SL_PKT_ARP or SL_PKT_ND. kind NONE for anything malformed or of no interest.
struct sl_neigh_msg sl_neigh_msg_parse(const struct sl_pkt *pkt);

struct sl_l2 {
	uint8_t our_mac[6];
	uint8_t dst_mac[6]; // all zero: broadcast (ARP) or the solicited-node multicast (NS)
};

// Who has target? From our address source (may be all zero bytes in v4 form for a probe). family
// from target.
size_t sl_build_ask(uint8_t *frame, size_t n_bytes, const struct sl_l2 *l2,
                    const struct sl_ip *source, const struct sl_ip *target);

// Answer to an asking packet (ARP reply, or solicited NA with override), keeping VLAN tags. Never
// longer than the question: where a solicitation has no option, the answer has none.
size_t sl_build_tell(uint8_t *frame, size_t n_bytes, const struct sl_pkt *asked,
                     const struct sl_neigh_msg *msg, const uint8_t our_mac[6]);

// Gratuitous ARP / unsolicited NA for an address we serve.
size_t sl_build_announce(uint8_t *frame, size_t n_bytes, const struct sl_ip *address,
                         const uint8_t our_mac[6]);

// Turn an echo request (kind SL_PKT_ECHO) into its reply in place: addresses and MACs swapped,
// type, TTL 64, checksums. False when the request must not be answered (multicast or broadcast).
bool sl_echo_reply(struct sl_pkt *pkt, const uint8_t our_mac[6]);

#endif
