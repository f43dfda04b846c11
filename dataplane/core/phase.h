// SPDX-License-Identifier: Apache-2.0
// Phase: what a connection to an inference server is doing right now, told from sizes, directions
// and times of its TCP segments alone, so that it works under TLS too.
//
// Shape:   IDLE (nothing asked) -> PENDING (asked, no token yet) -> STREAMING (tokens arrive) ->
// IDLE
//          when the answer ends, or PENDING again with the next request (HTTP keep-alive). A new
//          connection is PENDING from its SYN on: load is counted when it is given away, not when
//          it shows.
// Token:   the first byte of an answer is seldom a token: servers write their header at once and
// the
//          first token when it exists. What comes within SL_PHASE_HEADER_US of the request is a
//          header; the first token is then what follows a gap of SL_PHASE_HEADER_US, or makes the
//          answer longer than SL_PHASE_ANSWER_BYTES. What comes later is a header, or a header with
//          the first token in it, and the gaps tell which: a stream's first gap is like its second,
//          while the gap behind a header is many times as long.
// End:     by the last chunk or the length that a readable HTTP/1.1 header names, by the server's
// FIN,
//          by the next request, or by silence. A header alone under TLS may be a whole answer or
//          the start of a long wait: it counts as a wait for SL_PHASE_HEADER_WAIT_US.
// Burst:   payload within SL_PHASE_TOKEN_US of the payload before belongs to the same token.
// TLS:     handshake records are no request and no answer. HTTP/2: only HEADERS and DATA frames are
//          a request or an answer; under TLS, where frames cannot be read, whatever is longer than
//          SL_PHASE_FRAME_BYTES.
// DSR:     answers bypass us; what the client acknowledges stands for what it received. Times are
//          then later by the client's delayed acknowledgement and bursts fewer: good for phases and
//          first tokens, rough for times per token.
// Time:    microseconds of CLOCK_MONOTONIC in 32 bits, wrapping; a flow is looked at
// (sl_phase_check)
//          at least every few seconds while it is not IDLE.
// Thread:  pure; the flow's worker.
// Source:  reference/ai-aware.md section 2.4; RFC 8446 section 5.1 and appendix D.4; RFC 9113
//          section 4.1.
#ifndef SLUICE_CORE_PHASE_H
#define SLUICE_CORE_PHASE_H

#include "sluice/latency.h"
#include "sluice/types.h"
#include "tcp.h"

#define SL_PHASE_HEADER_US      10000
#define SL_PHASE_TOKEN_US       1000
#define SL_PHASE_ANSWER_BYTES   1024
#define SL_PHASE_FRAME_BYTES    64
#define SL_PHASE_QUIET_US       1000000 // an answer is over after this, or 8 gaps, of silence
#define SL_PHASE_HEADER_WAIT_US 10000000
#define SL_PHASE_GAP_US         64 // unit of a flow's gap
#define SL_PHASE_GAP_WEIGHT     8  // of its smoothing
#define SL_PHASE_GROUP_TOKENS   16 // a time per token is reported for each so many

// Load of a flow, in units of a running decode: SL_PHASE_UNIT for a flow that is answered or will
// be, one more unit for each byte asked and not answered (about 300 tokens of prompt cost what a
// running decode costs), an eighth for an idle one, which may ask any moment.
#define SL_PHASE_UNIT        SL_LATENCY_LOAD_UNIT
#define SL_PHASE_IDLE_UNIT   (SL_PHASE_UNIT / 8)
#define SL_PHASE_PENDING_MAX (256 * SL_PHASE_UNIT)

enum sl_phase {
	SL_PHASE_IDLE,
	SL_PHASE_PENDING,
	SL_PHASE_STREAMING,
};

enum sl_phase_wire {
	SL_PHASE_WIRE_UNKNOWN,
	SL_PHASE_WIRE_PLAIN,
	SL_PHASE_WIRE_H2,
	SL_PHASE_WIRE_TLS_HELLO, // handshake under way
	SL_PHASE_WIRE_TLS,
};

// Of the answer that is open. TENTATIVE: its first payload came late enough to be a token.
enum sl_phase_token {
	SL_PHASE_TOKEN_NONE,      // no payload yet
	SL_PHASE_TOKEN_HEADER,    // payload came too early to be a token
	SL_PHASE_TOKEN_TENTATIVE, // one burst
	SL_PHASE_TOKEN_PAIR,      // two bursts; the gap to the third will tell
	SL_PHASE_TOKEN_KNOWN,
};

struct sl_phase_flow {
	uint32_t request_us; // the SYN; then the first byte of the request last seen
	uint32_t answer_us;  // last payload from the server
	uint32_t first_us; // first payload of the answer; once known, where its tokens are counted
	                   // from
	uint32_t seq;      // the client's next byte
	uint32_t ack;      // DSR: what it acknowledged; 0 = nothing yet
	uint32_t start_ms; // of the SYN
	uint32_t pending_bytes : 19; // asked and not answered, up to SL_PHASE_PENDING_MAX
	uint32_t n_tokens : 5;       // since first_us
	uint32_t phase : 2;          // enum sl_phase
	uint32_t wire : 3;           // enum sl_phase_wire
	uint32_t token : 3;          // enum sl_phase_token
	uint32_t next : 30;          // an entry: of the list it is in, and
	uint32_t is_listed : 1;      // whether it is: the caller's, kept when opened anew
	uint32_t has_answered : 1;   // more than a header's worth, ever
	uint16_t gap;                // between bursts, smoothed once tokens flow; SL_PHASE_GAP_US
	uint16_t answer_bytes;       // saturates
};
_Static_assert(sizeof(struct sl_phase_flow) == 36, "10 M flows in 1.3 GB, with their entries");
_Static_assert(SL_PHASE_PENDING_MAX < 1 << 19 && SL_PHASE_GROUP_TOKENS < 1 << 5, "they fit");

struct sl_phase_segment {
	uint32_t now_us;
	uint32_t seq, ack; // host order
	uint32_t n_bytes;  // of payload
	const uint8_t *payload;
	enum sl_dir dir;
	bool is_fin, is_rst;
};

// What a segment told. 0 = nothing of that kind.
struct sl_phase_told {
	uint32_t ttft_us;
	uint32_t tpot_us;  // mean of
	uint32_t n_tokens; // so many
};

// Zeroed memory, or a flow that is done with.
void sl_phase_open(struct sl_phase_flow *flow, uint32_t isn, uint32_t now_us, uint32_t now_ms);

// Any segment with payload, FIN or RST; of DSR flows, every segment of the client after its SYN.
void sl_phase_segment(struct sl_phase_flow *flow, const struct sl_phase_segment *seg, bool is_dsr,
                      struct sl_phase_told *told);

static inline uint16_t sl_phase_to_gap(uint32_t us)
{
	const uint32_t gap = us / SL_PHASE_GAP_US;

	return gap < UINT16_MAX ? (uint16_t)gap : UINT16_MAX;
}

static inline void sl_phase_add_answer(struct sl_phase_flow *flow, uint32_t n_bytes)
{
	const uint32_t answer_bytes = flow->answer_bytes + n_bytes;

	flow->answer_bytes = answer_bytes < UINT16_MAX ? (uint16_t)answer_bytes : UINT16_MAX;
	flow->has_answered |= answer_bytes > SL_PHASE_ANSWER_BYTES;
}

static inline void sl_phase_add_token(struct sl_phase_flow *flow, uint32_t gap_us)
{
	const int32_t change = (int32_t)sl_phase_to_gap(gap_us) - (int32_t)flow->gap;

	flow->gap = (uint16_t)((int32_t)flow->gap + change / SL_PHASE_GAP_WEIGHT);
	flow->n_tokens++;
}

// The short way for most of what servers send: one more token of a stream, with nothing to tell.
// False, and nothing changed, when sl_phase_segment has to look.
static inline bool sl_phase_goes_on(struct sl_phase_flow *flow, uint32_t now_us,
                                    const uint8_t *payload, uint32_t n_bytes)
{
	static const uint8_t end_of_chunks[4] = "\r\n\r\n";
	const uint32_t gap_us = now_us - flow->answer_us;

	if (flow->token != SL_PHASE_TOKEN_KNOWN || flow->phase != SL_PHASE_STREAMING ||
	    flow->n_tokens >= SL_PHASE_GROUP_TOKENS - 1 || n_bytes < 4)
		return false;
	if (flow->wire == SL_PHASE_WIRE_H2 && n_bytes <= SL_PHASE_FRAME_BYTES)
		return false;
	if (flow->wire == SL_PHASE_WIRE_PLAIN &&
	    memcmp(payload + n_bytes - 4, end_of_chunks, 4) == 0)
		return false;
	flow->answer_us = now_us;
	sl_phase_add_answer(flow, n_bytes);
	if (gap_us >= SL_PHASE_TOKEN_US)
		sl_phase_add_token(flow, gap_us);
	return true;
}

// An answer that has been silent for long is over. Age of what is not answered, 0 if nothing is.
uint32_t sl_phase_check(struct sl_phase_flow *flow, uint32_t now_us, struct sl_phase_told *told);

static inline uint32_t sl_phase_load(const struct sl_phase_flow *flow)
{
	if (flow->phase == SL_PHASE_IDLE)
		return SL_PHASE_IDLE_UNIT;
	return SL_PHASE_UNIT + flow->pending_bytes;
}

#endif
