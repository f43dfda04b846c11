// SPDX-License-Identifier: Apache-2.0
// What the files of the parser share: parse.c (the straight path), parse_ext.c (options and
// extension headers), parse_icmp.c (ICMP and quoted packets). Not for other modules.
//
// Returns: SL_PARSED or the enum sl_drop to count.
#ifndef SLUICE_CORE_PARSE_PARTS_H
#define SLUICE_CORE_PARSE_PARTS_H

#include "layout.h"
#include "pkt.h"

#define SL_PARSED (-1)

// A walk over IPv6 extension headers.
struct sl_ext_walk {
	const uint8_t *data;
	uint32_t off;  // in: after the IPv6 header; out: of the first header that is no extension
	uint32_t end;  // nothing is read from here on
	uint8_t proto; // in: the IPv6 header's next header; out: what stands at off
	bool is_quote; // a packet that came back: how it was routed or cut no longer matters
	bool is_fragment; // out: a fragment header that is not an atomic one's stood at frag_off
	uint32_t frag_off;
	bool has_frag_header; // out: one stood there, if only an atomic one's
};

int sl_parse_ext_walk(struct sl_ext_walk *walk);

// options: the n_bytes after the fixed IPv4 header.
int sl_parse_ipv4_options(const uint8_t *options, uint32_t n_bytes);

// l4_off, l4_bytes, tuple's addresses and proto are set; the frame holds l4_bytes.
int sl_parse_icmp(struct sl_pkt *pkt);

// A fragment: pkt as parse_l4 wants it, is_fragment, has_more_fragments, frag_off_bytes and
// frag_bytes set. Checks what can be checked of one fragment alone.
int sl_parse_fragment(struct sl_pkt *pkt);

// Of a packet whose tuple's addresses and proto, l4_off and l4_bytes are set (parse.c).
int sl_parse_l4(struct sl_pkt *pkt);

// RFC 4291 2.5.5.2: such an address means IPv4 to us, and must not come from an IPv6 header.
static inline bool sl_parse_has_mapped(const struct sl_tuple *tuple)
{
	return sl_ip_is_v4(&tuple->src) || sl_ip_is_v4(&tuple->dst);
}

#endif
