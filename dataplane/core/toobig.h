// SPDX-License-Identifier: Apache-2.0
// "Packet too big": the ICMP error that tells a sender what still fits through a tunnel.
//
// Shape:   the packet itself becomes the error, in place: its start is what the error quotes. So it
//          needs no buffer, is never longer than what caused it (no amplification), and each of
//          its bytes is written or quoted.
// Sender:  the error comes from the address that the packet was sent to. Port addresses are often
//          private; the VIP is ours to speak for, and passes the filters the client's packets do.
// Never:   about ICMP errors, fragments, multicast or broadcast, nor to what is not one host
//          (RFC 1122 3.2.2, RFC 4443 2.4 e); about IPv4 without DF, which asks to be fragmented.
// Rate:    a token bucket per worker (RFC 4443 2.4 f), in ticks of the flow table.
// Source:  RFC 792, RFC 1191 section 4, RFC 1812 section 4.3.2, RFC 4443 section 3.2, RFC 8201.
#ifndef SLUICE_CORE_TOOBIG_H
#define SLUICE_CORE_TOOBIG_H

#include "pkt.h"

#define SL_TOOBIG_PER_TICK 250 // with ticks of 250 ms 1000/s, as Linux's icmp_msgs_per_sec
#define SL_TOOBIG_BURST    250

struct sl_toobig_bucket {
	uint32_t n_tokens;
	uint32_t tick; // of the last refill
};

static inline void sl_toobig_bucket_init(struct sl_toobig_bucket *bucket, uint32_t now)
{
	bucket->n_tokens = SL_TOOBIG_BURST;
	bucket->tick = now;
}

// Takes a token if there is one. now wraps like all ticks.
bool sl_toobig_take(struct sl_toobig_bucket *bucket, uint32_t now);

// May an error be sent about this parsed packet?
bool sl_toobig_is_allowed(const struct sl_pkt *pkt);

// Turns the packet into the error: len, tuple and kind change; MACs are the caller's to set.
// mtu_bytes: the longest IP packet that would have passed.
void sl_toobig_make(struct sl_pkt *pkt, uint16_t mtu_bytes);

#endif
