// SPDX-License-Identifier: Apache-2.0
// SYN cookies: a SYN is answered without remembering it, and the ACK that comes back proves that
// its sender has the address it says. Pure: packets are changed in place.
//
// Cookie:  our sequence number is one bit of a clock of 64 s, three of the client's MSS (rounded
//          down to one of eight), one whether it does SACK, and 27 of a keyed hash over all that,
//          the whole clock, the tuple and the client's sequence number. It holds for 64 to 128 s; a
//          guess is right once in 2^27.
// SYN-ACK: never longer than the SYN, never repeated, with a window of 0: the client sends nothing
//          until the backend's window is told (sl_syncookie_to_update).
// Options: MSS and SACK, if the client has offered them. No window scale (the backend's own is not
//          known yet) and no timestamps (the backend's would run by another clock), so windows of
//          such a connection end at 64 kB.
// Backend: gets a SYN made of the ACK, with the client's numbers; what its own numbers differ by is
//          the splice of the flow (forward_splice.c).
// Time:    ticks of the flow table.
// Source:  RFC 4987 section 3.6, Bernstein 1996 (cr.yp.to/syncookies.html) for the idea.
#ifndef SLUICE_CORE_SYNCOOKIE_H
#define SLUICE_CORE_SYNCOOKIE_H

#include "hash.h"
#include "pkt.h"

// For cookies only, from a worker's secret.
struct sl_hash_key sl_syncookie_key(const struct sl_hash_key *secret);

// The SYN becomes the SYN-ACK: tuple, lengths and checksums follow, MACs are the caller's.
// mss_bytes is ours. False, and no change, of a fragment or a packet with IP options or extension
// headers.
bool sl_syncookie_answer(struct sl_pkt *pkt, const struct sl_hash_key *key, uint32_t now,
                         uint16_t mss_bytes);

// Does this ACK, or first data, name a cookie of ours?
bool sl_syncookie_is_right(const struct sl_pkt *pkt, const struct sl_hash_key *key, uint32_t now,
                           uint32_t *cookie);

// A client's packet becomes the SYN it had sent; what it carried is gone. Its options need up to 8
// bytes of headroom and stay away without.
void sl_syncookie_to_syn(struct sl_pkt *pkt, uint32_t client_isn, uint32_t cookie);

// The backend's SYN-ACK becomes an ACK, in the backend's numbers: news of its window.
void sl_syncookie_to_update(struct sl_pkt *pkt);

// The backend's RST against our SYN becomes one that stands where its stream would start, had it
// counted from 0.
void sl_syncookie_to_reset(struct sl_pkt *pkt);

#endif
