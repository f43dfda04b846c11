// SPDX-License-Identifier: Apache-2.0
// MSS clamp: a SYN or SYN-ACK never announces more than a tunnel can carry.
//
// Policy:  only ever lowered; a SYN without the option is left alone, since its default (536,
//          RFC 9293 3.7.1; 1220 over IPv6) fits any tunnel. Malformed options end the walk and
//          change nothing. A wrong checksum stays wrong: the end host decides.
// Source:  RFC 9293 section 3.7.1, RFC 4459 section 3.2.
#ifndef SLUICE_CORE_MSS_H
#define SLUICE_CORE_MSS_H

#include "pkt.h"

// The most that fits into an IP packet of mtu_bytes without options.
static inline uint16_t sl_mss_of_mtu(uint16_t mtu_bytes, bool is_v6)
{
	return (uint16_t)(mtu_bytes - (is_v6 ? 40 : 20) - 20);
}

// pkt is parsed. true if the option was lowered; nothing happens to other than TCP with SYN.
bool sl_mss_clamp(struct sl_pkt *pkt, uint16_t max_mss_bytes);

// The option announces n_bytes less, where it is there and above that. As above.
bool sl_mss_take(struct sl_pkt *pkt, uint16_t n_bytes);

#endif
