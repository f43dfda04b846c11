// SPDX-License-Identifier: Apache-2.0
// The far end of a tunnel, for kernels without one: takes the inner packet out of an IPIP or GUE
// packet and says whether a server may have it. Pure.
//
// Policy: only from known peers, only to our own inner addresses, never a tunnel inside a tunnel
//         (CVE-2020-10136, CVE-2024-7595, CVE-2024-7596: open decapsulators are open relays).
// ECN:    RFC 6040 section 4.2: congestion met by the outer header is not lost, and a packet that
//         cannot say so is dropped. DSCP stays the inner one.
// Source: RFC 2003, RFC 2473, draft-ietf-intarea-gue (variant 0).
#ifndef SLUICE_SIM_TUNNEL_H
#define SLUICE_SIM_TUNNEL_H

#include "sluice/types.h"

#define SL_TUNNEL_GUE_PORT      6080
#define SL_TUNNEL_MAX_ADDRESSES 8

// X(enum suffix, word of the report)
#define SL_TUNNEL_LIST(X)                                                                          \
	X(PASSED, "passed")                                                                        \
	X(MALFORMED, "malformed")                                                                  \
	X(CONTROL, "control")                                                                      \
	X(PEER, "peer")                                                                            \
	X(ADDRESS, "address")                                                                      \
	X(NESTED, "nested")                                                                        \
	X(CONGESTED, "congested")

enum sl_tunnel_verdict {
#define SL_TUNNEL_ENUM(id, word) SL_TUNNEL_##id,
	SL_TUNNEL_LIST(SL_TUNNEL_ENUM)
#undef SL_TUNNEL_ENUM
		SL_TUNNEL_COUNT
};

struct sl_tunnel_policy {
	struct sl_ip peers[SL_TUNNEL_MAX_ADDRESSES];  // outer sources
	struct sl_ip inners[SL_TUNNEL_MAX_ADDRESSES]; // inner destinations
	uint32_t n_peers, n_inners;
};

// A packet as a raw or UDP socket gives it: what follows the outer IP or UDP header.
struct sl_tunnel_arrival {
	uint8_t *bytes; // ECN of the inner packet may be changed in place
	size_t n_bytes;
	struct sl_ip from;     // source of the outer header
	uint8_t traffic_class; // of the outer header
	bool is_gue;
	uint8_t proto; // IPIP: of the outer header, 4 or 41
};

// When PASSED, bytes and n_bytes have become the inner packet, without what follows it.
enum sl_tunnel_verdict sl_tunnel_open(const struct sl_tunnel_policy *policy,
                                      struct sl_tunnel_arrival *arrival);

// ECN of the inner packet after decapsulation; -1 = to be dropped. Codepoints as in the header:
// 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE.
int sl_tunnel_ecn(uint8_t inner, uint8_t outer);

#endif
