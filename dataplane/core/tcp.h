// SPDX-License-Identifier: Apache-2.0
// Minimal, forgiving TCP state: just enough to pick a timeout and to know when a tuple is free.
// One constant table indexed by state, direction and event; no windows are enforced (a middlebox
// that guesses wrong breaks connections, see reliability.md T9).
//
// Source: RFC 9293 section 3.3.2 for the events; RFC 5382 REQ-5 and RFC 7857 for the times.
#ifndef SLUICE_CORE_TCP_H
#define SLUICE_CORE_TCP_H

#include "pkt.h"

// Also used for UDP, which knows NEW (one direction seen), OPEN (answered, or third packet) only.
enum sl_flow_state {
	SL_FLOW_NEW,      // SYN seen; unconfirmed: evicted first
	SL_FLOW_ANSWERED, // SYN-ACK seen from the backend; still unconfirmed
	SL_FLOW_PICKED,   // met in its middle: a client says so, the backend has not; unconfirmed
	SL_FLOW_PROVEN,   // SYN cookie: the client has shown its address, the backend was asked;
	                  // forward_cookie.c moves it on
	SL_FLOW_REFUSED,  // RST before it was confirmed: over, and still unconfirmed
	SL_FLOW_OPEN,     // ACK from the client after that (DSR: any ACK after the SYN)
	SL_FLOW_FIN_C2S,  // client has sent FIN; the other half may go on for long
	SL_FLOW_FIN_S2C,  // server has sent FIN
	SL_FLOW_CLOSING,  // both FINs seen
	SL_FLOW_RESET,    // RST seen; data revives it to OPEN (an out-of-window RST must not kill)
	SL_FLOW_STATE_COUNT
};

enum sl_dir { SL_DIR_C2S, SL_DIR_S2C };

// flags: enum sl_tcp_flag bits. is_dsr: replies are never seen. Total function. Under DSR a second
// packet opens what was PICKED: the caller lets through only one that comes some time later.
uint8_t sl_tcp_next(uint8_t state, enum sl_dir dir, uint8_t flags, bool is_dsr);

// A SYN from the client on this flow starts a new connection (new pick) rather than being a
// retransmission: CLOSING, RESET or REFUSED always; FIN_* when the sequence number differs from the
// flow's SYN; never NEW, ANSWERED, PICKED, PROVEN or OPEN (RFC 5961: the backend answers with a
// challenge ACK).
bool sl_tcp_syn_reopens(uint8_t state, uint32_t syn_seq, uint32_t flow_syn_seq);

// Over: it holds its tuple for a while, but is no load on its backend any more.
static inline bool sl_flow_is_over(uint8_t state)
{
	return state == SL_FLOW_CLOSING || state == SL_FLOW_RESET || state == SL_FLOW_REFUSED;
}

static inline bool sl_flow_is_confirmed(uint8_t state)
{
	return state >= SL_FLOW_OPEN;
}

#endif
