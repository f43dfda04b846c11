// SPDX-License-Identifier: Apache-2.0
// Client address: how the backend of a fullnat pool learns who its client is, although packets come
// to it from an address of ours.
//
// PROXY:   the header of version 2 before the first byte of the stream, command PROXY, TCP over the
//          client's family, no extensions: 28 or 52 bytes. It shifts the stream (splice.h).
// TOA:     a TCP option of kind 254: port and address, 8 or 20 bytes, as the modules of that name
//          for Linux read it (LVS, DPVS and their kin). It is the first option: one behind an "end
//          of options" would never be found. Nothing is shifted.
// Forgery: options of the kinds for experiments (253, 254; RFC 4727) that arrive from clients
//          become padding, whatever their length: modules differ in kind and length, nobody on the
//          Internet needs them, and one that reached a backend would name any client it likes.
// Sums:    updated, not made anew: a wrong checksum stays wrong, and the end host decides.
// Source:  PROXY protocol, sections 2.2 and 2.3; RFC 9293 section 3.1; RFC 7413; RFC 8684.
#ifndef SLUICE_CORE_CLIENTADDR_H
#define SLUICE_CORE_CLIENTADDR_H

#include "pkt.h"

#define SL_CLIENTADDR_MAX_BYTES 52

// What the client's packets grow by where the address is in them.
static inline uint32_t sl_clientaddr_bytes(unsigned int how, bool is_v6)
{
	switch (how) {
	case SL_CLIENT_ADDRESS_PROXY_V2:
		return is_v6 ? 52 : 28;
	case SL_CLIENT_ADDRESS_TOA:
		return is_v6 ? 20 : 8;
	default:
		return 0;
	}
}

// All take a parsed TCP packet of the client, before it is translated: the tuple is what is told.

// The header before the payload; false, and no change, without headroom.
bool sl_clientaddr_push_proxy(struct sl_pkt *pkt);

// The option before all others; false, and no change, without headroom or room among the options.
bool sl_clientaddr_push_toa(struct sl_pkt *pkt);

// Addresses a client forged become padding. True if there were any.
bool sl_clientaddr_strip(struct sl_pkt *pkt);

// A SYN to a backend that reads a header first: Fast Open and Multipath TCP, which put bytes where
// the header goes or count them on their own, are not offered, and data is cut off: what stands
// before the header would be taken for it. Clients send it again after the handshake.
void sl_clientaddr_plain_syn(struct sl_pkt *pkt);

#endif
