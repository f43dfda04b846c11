// SPDX-License-Identifier: Apache-2.0
// Parser: Ethernet II, 0-2 VLAN tags, ARP, IPv4 with options, IPv6 with a bounded walk over
// extension headers, TCP, UDP, ICMP/ICMPv6 echo requests and errors with the quoted packet (as
// little as 8 bytes of its L4).
//
// Reads:   never a byte past pkt->len, whatever the packet claims.
// Returns: -1 when parsed (pkt filled), else the enum sl_drop to count. After a drop, pkt's fields
//          are not to be used.
// Fills:   ARP: kind, n_vlans, l3_off only. ICMP error: inner, from the quote; of a quoted
//          echo the identifier is in sport_be; of a quoted protocol without ports, addresses and
//          proto only. inner is left alone otherwise.
// Checks:  version, header lengths, total length against the frame; martians (RFC 1812 5.3.7,
//          RFC 6890: source multicast, 240/4, broadcast; 0/8 and loopback either way; v6 multicast
//          source, :: either way except as the source of ND; IPv4-mapped addresses in IPv6, which
//          would be mistaken for IPv4 in a tuple, quoted ones too). IPv4 LSRR/SSRR, IPv6 RH0
//          and any routing header with segments left give SL_DROP_SOURCE_ROUTE (RFC 7126, RFC 5095,
//          RFC 8200 4.4). UDP over IPv6 with checksum 0 gives SL_DROP_BAD_HEADER (RFC 8200 8.1).
//          Checksums are not verified: the ends do that, and an incremental update keeps a wrong
//          one wrong.
// Parts:   the first fragment of a TCP or UDP datagram parses like a whole packet, with is_fragment
//          and the frag_ fields set; a later one is SL_PKT_FRAGMENT with addresses only. Refused as
//          SL_DROP_FRAGMENT: other protocols, and neighbour discovery even in an atomic one
//          (RFC 6980). As SL_DROP_FRAGMENT_BAD: a first one without all of its headers (RFC 1858,
//          RFC 7112), a later TCP one that begins inside the TCP header (RFC 1858, RFC 3128), an
//          empty one, a length that is no multiple of 8 with more to come, an end past 65535, a
//          fragment inside a fragment. What needs a memory is in frag.h. An IPv6 atomic fragment
//          (RFC 6946) is a whole packet and never meets the others.
// Options: IPv4 options are walked and pass unchanged, record route and timestamp too: we add
//          nothing to them. Only source routing is refused, and what is malformed. IPv6 extension
//          headers pass unchanged within the bounds below; hop-by-hop options are not acted on
//          (RFC 8200 4.3 allows that) and stand first or not at all.
// MAC:     the destination MAC is io's concern, not checked here.
#ifndef SLUICE_CORE_PARSE_H
#define SLUICE_CORE_PARSE_H

#include "pkt.h"

#define SL_PARSE_MAX_EXT_HEADERS 8
#define SL_PARSE_MAX_EXT_BYTES   256

int sl_parse(struct sl_pkt *pkt);

// The same of what is not plain (parse_plain.h), and of what is.
int sl_parse_layers(struct sl_pkt *pkt);

#endif
