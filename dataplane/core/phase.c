// SPDX-License-Identifier: Apache-2.0
#include "phase.h"

#define TOKENS_AT_LEAST 4 // for a time per token at the end of an answer
#define FRAMES_MAX      8
#define HEADER_GAPS     3 // a first gap this many times the second followed a header
#define QUIET_GAPS      8
#define HTTP_HEADER_MAX 1024 // looked at for its end

#define RECORD_CCS       0x14
#define RECORD_HANDSHAKE 0x16
#define RECORD_DATA      0x17
#define RECORD_HEADER    5
#define CCS_BYTES        6

void sl_phase_open(struct sl_phase_flow *flow, uint32_t isn, uint32_t now_us, uint32_t now_ms)
{
	const uint32_t next = flow->next;
	const bool is_listed = flow->is_listed;

	*flow = (struct sl_phase_flow){
		.request_us = now_us,
		.seq = isn + 1,
		.start_ms = now_ms,
		.phase = SL_PHASE_PENDING,
		.next = next,
		.is_listed = is_listed,
	};
}

static void tell_first(struct sl_phase_flow *flow, uint32_t at_us, struct sl_phase_told *told)
{
	const uint32_t ttft_us = at_us - flow->request_us;

	told->ttft_us = ttft_us > 0 ? ttft_us : 1;
	flow->token = SL_PHASE_TOKEN_KNOWN;
	flow->phase = SL_PHASE_STREAMING;
	flow->pending_bytes = 0;
}

static void tell_group(struct sl_phase_flow *flow, struct sl_phase_told *told)
{
	told->n_tokens = flow->n_tokens;
	told->tpot_us = (flow->answer_us - flow->first_us) / flow->n_tokens;
	flow->first_us = flow->answer_us;
	flow->n_tokens = 0;
}

// The answer is over, or as good as.
static void end(struct sl_phase_flow *flow, struct sl_phase_told *told)
{
	const uint32_t gap_us = (uint32_t)flow->gap * SL_PHASE_GAP_US;

	if (flow->token == SL_PHASE_TOKEN_HEADER || flow->token == SL_PHASE_TOKEN_TENTATIVE)
		tell_first(flow, flow->first_us, told);
	else if (flow->token == SL_PHASE_TOKEN_PAIR) // a header and one token, or two tokens
		tell_first(flow,
		           gap_us > flow->first_us - flow->request_us ? flow->first_us + gap_us
		                                                      : flow->first_us,
		           told);
	else if (flow->token == SL_PHASE_TOKEN_KNOWN && flow->n_tokens >= TOKENS_AT_LEAST)
		tell_group(flow, told);
	flow->phase = SL_PHASE_IDLE;
	flow->token = SL_PHASE_TOKEN_NONE;
	flow->pending_bytes = 0;
	flow->answer_bytes = 0;
	flow->n_tokens = 0;
	flow->gap = 0;
}

// --- the client's side ---

// After the handshake's last records, which begin with ChangeCipherSpec in both versions of TLS
// that are in use, the first request may follow in the same segment.
static uint32_t tls_request_bytes(struct sl_phase_flow *flow, const struct sl_phase_segment *seg)
{
	const uint8_t *at = seg->payload;
	uint32_t handshake;

	if (flow->wire == SL_PHASE_WIRE_TLS)
		return seg->n_bytes;
	if (at[0] == RECORD_DATA) { // Finished came before, or without ChangeCipherSpec
		flow->wire = SL_PHASE_WIRE_TLS;
		return seg->n_bytes;
	}
	if (at[0] != RECORD_CCS || seg->n_bytes < CCS_BYTES + RECORD_HEADER)
		return 0;
	at += CCS_BYTES;
	handshake = CCS_BYTES + RECORD_HEADER + ((uint32_t)at[3] << 8 | at[4]);
	if (at[0] != RECORD_DATA && at[0] != RECORD_HANDSHAKE)
		return 0;
	flow->wire = SL_PHASE_WIRE_TLS;
	return seg->n_bytes > handshake ? seg->n_bytes - handshake : 0;
}

// DATA or HEADERS: what asks, and what answers; all others are between the two stacks.
static bool has_message_frame(const uint8_t *at, uint32_t n_bytes)
{
	for (int i = 0; i < FRAMES_MAX && n_bytes >= 9; i++) {
		const uint32_t frame = 9 + ((uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2]);

		if (at[3] <= 1)
			return true;
		if (frame >= n_bytes)
			return false;
		at += frame;
		n_bytes -= frame;
	}
	return false;
}

static const uint8_t h2_preface[24] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Bytes of this segment that ask for something.
static uint32_t request_bytes(struct sl_phase_flow *flow, const struct sl_phase_segment *seg)
{
	const bool is_asking = flow->phase == SL_PHASE_PENDING && flow->pending_bytes > 0;
	uint32_t skip = 0;

	if (flow->wire == SL_PHASE_WIRE_UNKNOWN) {
		flow->wire = SL_PHASE_WIRE_PLAIN;
		if (seg->payload[0] == RECORD_HANDSHAKE) {
			flow->wire = SL_PHASE_WIRE_TLS_HELLO;
		} else if (seg->n_bytes >= sizeof(h2_preface) &&
		           memcmp(seg->payload, h2_preface, sizeof(h2_preface)) == 0) {
			flow->wire = SL_PHASE_WIRE_H2;
			skip = sizeof(h2_preface);
		}
	}
	if (flow->wire == SL_PHASE_WIRE_H2)
		return is_asking || has_message_frame(seg->payload + skip, seg->n_bytes - skip)
		               ? seg->n_bytes - skip
		               : 0;
	if (flow->wire == SL_PHASE_WIRE_TLS_HELLO || flow->wire == SL_PHASE_WIRE_TLS) {
		const uint32_t n = tls_request_bytes(flow, seg);

		return is_asking || n > SL_PHASE_FRAME_BYTES ? n : 0;
	}
	return seg->n_bytes;
}

static void ask(struct sl_phase_flow *flow, uint32_t n_bytes, uint32_t now_us,
                struct sl_phase_told *told)
{
	uint32_t pending;

	if (flow->phase == SL_PHASE_STREAMING || flow->answer_bytes > SL_PHASE_FRAME_BYTES)
		end(flow, told);
	if (flow->phase == SL_PHASE_IDLE || flow->pending_bytes == 0)
		flow->request_us = now_us;
	flow->phase = SL_PHASE_PENDING;
	flow->token = SL_PHASE_TOKEN_NONE; // a short answer to half a request is "100 Continue"
	flow->answer_bytes = 0;
	pending = flow->pending_bytes + n_bytes;
	flow->pending_bytes = n_bytes < SL_PHASE_PENDING_MAX && pending < SL_PHASE_PENDING_MAX
	                              ? pending
	                              : SL_PHASE_PENDING_MAX;
}

static void from_client(struct sl_phase_flow *flow, const struct sl_phase_segment *seg,
                        struct sl_phase_told *told)
{
	const uint32_t next = seg->seq + seg->n_bytes;
	uint32_t n_bytes;

	if ((int32_t)(next - flow->seq) <= 0)
		return; // sent again, or a keep-alive probe
	flow->seq = next;
	n_bytes = request_bytes(flow, seg);
	if (n_bytes > 0)
		ask(flow, n_bytes, seg->now_us, told);
}

// --- the server's side ---

static void count_token(struct sl_phase_flow *flow, uint32_t gap_us, struct sl_phase_told *told)
{
	sl_phase_add_token(flow, gap_us);
	if (flow->n_tokens == SL_PHASE_GROUP_TOKENS)
		tell_group(flow, told);
}

// The second gap of an answer tells what the first one was.
static void tell_pair(struct sl_phase_flow *flow, uint32_t gap_us, struct sl_phase_told *told)
{
	const uint32_t first_gap_us = (uint32_t)flow->gap * SL_PHASE_GAP_US;

	if (first_gap_us < HEADER_GAPS * gap_us) {
		tell_first(flow, flow->first_us, told);
		flow->n_tokens = 2;
	} else {
		tell_first(flow, flow->first_us + first_gap_us, told);
		flow->first_us += first_gap_us;
		flow->n_tokens = 1;
	}
	flow->gap = sl_phase_to_gap(gap_us);
}

static void early_answer(struct sl_phase_flow *flow, uint32_t gap_us, uint32_t now_us,
                         struct sl_phase_told *told)
{
	switch (flow->token) {
	case SL_PHASE_TOKEN_NONE:
		flow->first_us = now_us;
		if (flow->answer_bytes > SL_PHASE_ANSWER_BYTES) {
			tell_first(flow, now_us, told);
		} else if (now_us - flow->request_us < SL_PHASE_HEADER_US) {
			flow->token = SL_PHASE_TOKEN_HEADER;
		} else {
			flow->token = SL_PHASE_TOKEN_TENTATIVE;
			flow->phase = SL_PHASE_STREAMING;
			flow->pending_bytes = 0;
		}
		break;
	case SL_PHASE_TOKEN_HEADER:
		if (gap_us >= SL_PHASE_HEADER_US || flow->answer_bytes > SL_PHASE_ANSWER_BYTES) {
			tell_first(flow, now_us, told);
			flow->first_us = now_us;
		}
		break;
	case SL_PHASE_TOKEN_TENTATIVE:
		if (gap_us >= SL_PHASE_HEADER_US) {
			flow->gap = sl_phase_to_gap(now_us - flow->first_us);
			flow->token = SL_PHASE_TOKEN_PAIR;
		} else if (gap_us >= SL_PHASE_TOKEN_US ||
		           flow->answer_bytes > SL_PHASE_ANSWER_BYTES) {
			tell_first(flow, flow->first_us, told);
			flow->n_tokens = gap_us >= SL_PHASE_TOKEN_US;
			flow->gap = sl_phase_to_gap(gap_us);
		}
		break;
	default: // SL_PHASE_TOKEN_PAIR
		if (gap_us >= SL_PHASE_TOKEN_US)
			tell_pair(flow, gap_us, told);
		break;
	}
}

static bool is_name(const char *at, const char *lower, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char c = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] - 'A' + 'a') : at[i];

		if (c != lower[i])
			return false;
	}
	return true;
}

static bool is_last_chunk(const struct sl_phase_segment *seg)
{
	static const uint8_t last[5] = "0\r\n\r\n";

	return seg->n_bytes >= sizeof(last) &&
	       memcmp(seg->payload + seg->n_bytes - sizeof(last), last, sizeof(last)) == 0;
}

// The length of an HTTP/1.1 answer whose header is in this segment as a whole, header included; 0
// if it names none.
static uint64_t http_answer_bytes(const struct sl_phase_segment *seg)
{
	static const char name[] = "\r\ncontent-length:";
	const char *at = (const char *)seg->payload;
	const uint32_t most = seg->n_bytes < HTTP_HEADER_MAX ? seg->n_bytes : HTTP_HEADER_MAX;
	uint64_t length = 0;
	bool has_length = false;

	if (most < 12 || memcmp(at, "HTTP/1.", 7) != 0)
		return 0;
	for (uint32_t i = 12; i + 4 <= most; i++) {
		if (at[i] != '\r')
			continue;
		if (memcmp(at + i, "\r\n\r\n", 4) == 0)
			return has_length ? i + 4 + length : 0;
		if (i + sizeof(name) - 1 > most || !is_name(at + i, name, sizeof(name) - 1))
			continue;
		has_length = true;
		for (i += sizeof(name) - 1; i < most && at[i] == ' '; i++)
			;
		for (length = 0; i < most && at[i] >= '0' && at[i] <= '9' && length < UINT32_MAX;
		     i++)
			length = length * 10 + (uint64_t)(at[i] - '0');
		i--;
	}
	return 0;
}

// The first segment of an answer that is as long as it will be.
static bool is_whole_answer(const struct sl_phase_flow *flow, const struct sl_phase_segment *seg)
{
	const uint64_t length = flow->answer_bytes == seg->n_bytes ? http_answer_bytes(seg) : 0;

	return length > 0 && length <= seg->n_bytes;
}

// A stream that was silent for so long that it was taken for ended. What is as short as an alert or
// a frame is none.
static bool revive(struct sl_phase_flow *flow, const struct sl_phase_segment *seg)
{
	if (seg->n_bytes <= SL_PHASE_FRAME_BYTES)
		return false;
	flow->phase = SL_PHASE_STREAMING;
	flow->token = SL_PHASE_TOKEN_KNOWN;
	flow->first_us = seg->now_us;
	flow->answer_us = seg->now_us;
	return true;
}

static void from_server(struct sl_phase_flow *flow, const struct sl_phase_segment *seg,
                        struct sl_phase_told *told)
{
	const uint32_t gap_us = seg->now_us - flow->answer_us;

	if (flow->phase == SL_PHASE_PENDING && flow->pending_bytes == 0)
		return; // nobody asked yet: a handshake
	if (flow->wire == SL_PHASE_WIRE_H2 && seg->n_bytes <= SL_PHASE_FRAME_BYTES &&
	    seg->payload != NULL && !has_message_frame(seg->payload, seg->n_bytes))
		return; // an answered PING is no token
	if (flow->phase == SL_PHASE_IDLE && !revive(flow, seg))
		return;
	sl_phase_add_answer(flow, seg->n_bytes);
	// Before the group is told: its last token is this one.
	flow->answer_us = seg->now_us;
	if (flow->token != SL_PHASE_TOKEN_KNOWN)
		early_answer(flow, gap_us, seg->now_us, told);
	else if (gap_us >= SL_PHASE_TOKEN_US)
		count_token(flow, gap_us, told);
	if (flow->wire == SL_PHASE_WIRE_PLAIN && seg->payload != NULL &&
	    (is_last_chunk(seg) || is_whole_answer(flow, seg)))
		end(flow, told);
}

// DSR: what the client acknowledges it has received.
static void from_ack(struct sl_phase_flow *flow, const struct sl_phase_segment *seg,
                     struct sl_phase_told *told)
{
	struct sl_phase_segment heard = *seg;

	heard.n_bytes = flow->ack != 0 ? seg->ack - flow->ack : 0;
	heard.payload = NULL;
	if ((int32_t)heard.n_bytes < 0)
		return; // overtaken by a later one
	flow->ack = seg->ack;
	if (heard.n_bytes > 0)
		from_server(flow, &heard, told);
}

void sl_phase_segment(struct sl_phase_flow *flow, const struct sl_phase_segment *seg, bool is_dsr,
                      struct sl_phase_told *told)
{
	if (is_dsr && seg->dir == SL_DIR_C2S)
		from_ack(flow, seg, told);
	if (seg->n_bytes > 0) {
		if (seg->dir == SL_DIR_C2S)
			from_client(flow, seg, told);
		else
			from_server(flow, seg, told);
	}
	// Nobody knows whether what came was an answer; tokens that were told apart were.
	if (seg->is_rst && flow->token != SL_PHASE_TOKEN_KNOWN)
		flow->token = SL_PHASE_TOKEN_NONE;
	if (seg->is_rst || (seg->is_fin && seg->dir == SL_DIR_S2C))
		end(flow, told);
}

// Frames that looked like a request (PING, settings) and were answered in kind.
static bool is_chatter(const struct sl_phase_flow *flow)
{
	return flow->wire != SL_PHASE_WIRE_PLAIN && flow->token == SL_PHASE_TOKEN_HEADER &&
	       flow->pending_bytes <= 2 * SL_PHASE_FRAME_BYTES &&
	       flow->answer_bytes <= SL_PHASE_FRAME_BYTES;
}

uint32_t sl_phase_check(struct sl_phase_flow *flow, uint32_t now_us, struct sl_phase_told *told)
{
	const uint32_t silent_us = now_us - flow->answer_us;
	const uint32_t gaps_us = QUIET_GAPS * (uint32_t)flow->gap * SL_PHASE_GAP_US;

	if (flow->phase == SL_PHASE_STREAMING &&
	    silent_us >= (gaps_us > SL_PHASE_QUIET_US ? gaps_us : SL_PHASE_QUIET_US))
		end(flow, told);
	if (flow->phase != SL_PHASE_PENDING)
		return 0;
	if (flow->token == SL_PHASE_TOKEN_NONE)
		return flow->pending_bytes > 0 ? now_us - flow->request_us : 0;
	if (flow->wire != SL_PHASE_WIRE_PLAIN &&
	    silent_us >= (is_chatter(flow) ? SL_PHASE_QUIET_US : SL_PHASE_HEADER_WAIT_US)) {
		flow->token = SL_PHASE_TOKEN_NONE;
		end(flow, told);
	}
	return 0;
}
