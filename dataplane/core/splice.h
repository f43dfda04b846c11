// SPDX-License-Identifier: Apache-2.0
// Splice: the numbers of a TCP connection whose ends count differently, because bytes were put into
// one of its streams or because its server starts from another number than the client was told.
//
// Shape:   a packet's sequence number belongs to the stream its sender writes, its acknowledgement
//          and the edges of its SACK blocks to the one it reads: each stream has a delta, added
//          modulo 2^32. With n bytes put into the client's stream, packets to the server have
//          seq_delta n, packets to the client ack_delta -n.
// Floor:   where the client's own bytes begin. What lies before is not the client's to hear of: an
//          acknowledgement of less becomes one of nothing, a SACK block of less vanishes. The
//          comparison is one of 31 bits, so a floor is for the start of a connection only.
// Options: broken ones end the walk and stay as they are, as does a SACK of odd length; receivers
//          do the same. A wrong checksum stays wrong: the end host decides.
// Source:  RFC 9293 section 3.4, RFC 2018 section 3, RFC 2883 (duplicate SACK), RFC 1624.
#ifndef SLUICE_CORE_SPLICE_H
#define SLUICE_CORE_SPLICE_H

#include "pkt.h"

struct sl_splice {
	uint32_t seq_delta;
	uint32_t ack_delta; // of the acknowledgement, if ACK is set, and of SACK blocks
	uint32_t ack_floor; // in the numbers that leave
	bool has_floor;
};

// pkt is parsed, of kind TCP, perhaps a first fragment: no length changes. pkt->tcp_seq follows.
void sl_splice_shift(struct sl_pkt *pkt, const struct sl_splice *by);

// Moves the sequence number that an ICMP error quotes of a TCP packet (RFC 5508 section 4.2): hosts
// compare it with what they have sent. The quote's checksum is updated if it is there.
void sl_splice_quote(struct sl_pkt *pkt, uint32_t seq_delta);

#endif
