// SPDX-License-Identifier: Apache-2.0
// RSS: keys that make a NIC hash the client's side of a packet only, so that requests and replies
// of a connection reach the same worker without being handed over.
//
// How:    a NIC computes the Toeplitz hash of source address, destination address, source port and
//         destination port and looks its low bits up in a table of queues. Bit i of the input
//         changes the low 7 bits of the hash by bits i+25..i+31 of the key. Where these are 0 for
//         every bit of a field, the field does not count. One key leaves the source alone, another
//         the destination, and both give the same lane for the same client: the second has the
//         first one's bits 32 places (addresses) and 16 places (ports) further on.
// Lanes:  the low 7 bits; each belongs to a worker. Every client's ports alone reach
//         all lanes, and so do addresses alone.
// IPv6:   the source key serves both families. There is no destination key that does (its IPv4
//         fields lie where IPv6 has the source address), so IPv6 replies are handed over.
// Secret: the key is drawn anew at each start. Toeplitz is linear and no keyed hash: somebody who
//         learns it can aim at one worker, as with any NIC's RSS.
// Source: Microsoft's RSS specification of the Toeplitz hash, which all NICs follow.
#ifndef SLUICE_CORE_RSS_H
#define SLUICE_CORE_RSS_H

#include "sluice/types.h"

#define SL_RSS_LANES     128
#define SL_RSS_KEY_BYTES 40

struct sl_rss {
	uint8_t source_key[SL_RSS_KEY_BYTES];
	uint8_t destination_key[SL_RSS_KEY_BYTES]; // IPv4 only
	// What each byte of address and port adds (exclusive or) to the lane.
	uint8_t v4[4 + 2][256];
	uint8_t v6[16 + 2][256];
	uint8_t owners[SL_RSS_LANES]; // worker of each lane
};

// A new key from this seed.
void sl_rss_init(struct sl_rss *rss, uint64_t seed, uint32_t n_workers);

// port_be as in the packet.
uint8_t sl_rss_lane(const struct sl_rss *rss, const struct sl_ip *client, uint16_t port_be);

#endif
