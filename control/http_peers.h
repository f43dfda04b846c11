// SPDX-License-Identifier: Apache-2.0
// Who is connected to an HTTP server, whose turn it is and since when; and who has to go, so that
// slow clients cannot keep others out. MHD has no call to close a connection: the socket is shut
// down, MHD sees the end of the stream and lets go of it.
//
// Thread: the loop's. Time: now_ns is CLOCK_MONOTONIC.
#ifndef SLUICE_CONTROL_HTTP_PEERS_H
#define SLUICE_CONTROL_HTTP_PEERS_H

#include <stdbool.h>
#include <stdint.h>

enum sl_http_turn {
	SL_HTTP_TURN_CLIENT,  // the request is not complete
	SL_HTTP_TURN_HANDLER, // it waits for us: no clock runs
	SL_HTTP_TURN_REPLY,   // the answer is on its way
};

struct sl_http_peer;

struct sl_http_peers {
	struct sl_http_peer *first, *last; // oldest turn first
	uint32_t n_peers;                  // that are not cut
	uint32_t max_peers;
	uint32_t request_ms, reply_ms; // what the turns of the client and of the reply may take
	bool is_stale;                 // some went or were cut since the owner set it to false
};

// Makes room when there are nearly too many. fd is borrowed until the peer is removed. NULL without
// memory.
struct sl_http_peer *sl_http_peers_add(struct sl_http_peers *peers, int fd, uint64_t now_ns);
void sl_http_peers_remove(struct sl_http_peers *peers, struct sl_http_peer *peer); // NULL is fine
void sl_http_peers_turn(struct sl_http_peers *peers, struct sl_http_peer *peer,
                        enum sl_http_turn turn, uint64_t now_ns);
void sl_http_peers_sweep(struct sl_http_peers *peers, uint64_t now_ns); // cuts who took too long

#endif
