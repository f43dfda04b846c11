// SPDX-License-Identifier: Apache-2.0
// What an answer says, while it arrives in pieces: bounds, body match, HTTP status, gRPC health.
// Pure: bytes in, a reason out; nothing is kept of a body but what a match may still need.
//
// Source: grpc.health.v1 (health.proto): HealthCheckResponse field 1, SERVING = 1;
//         gRPC over HTTP/2: five-byte message prefix, grpc-status trailer.
#ifndef SLUICE_CONTROL_PROBE_REPLY_H
#define SLUICE_CONTROL_PROBE_REPLY_H

#include "model.h"
#include "probe_reason.h"

#define SL_PROBE_BODY_MAX_BYTES   65536
#define SL_PROBE_HEADER_MAX_BYTES 65536

#define SL_REPLY_TAIL_BYTES    256 // a needle is shorter: model.h bounds it
#define SL_REPLY_MESSAGE_BYTES 256 // of a gRPC answer; SERVING takes seven

struct sl_reply {
	const struct sl_model_probe *probe; // borrowed
	uint32_t n_header_bytes, n_body_bytes;
	uint32_t n_tail;     // bytes kept: of a gRPC message, or for a match across pieces
	int32_t grpc_status; // -1 = not seen
	bool is_found;       // the needle
	bool is_too_large;
	bool are_headers_complete;
	uint8_t tail[SL_REPLY_TAIL_BYTES];
};

void sl_reply_init(struct sl_reply *reply, const struct sl_model_probe *probe);

// false: stop reading, the answer is judged already.
bool sl_reply_add_header(struct sl_reply *reply, const char *line, size_t n_bytes);
bool sl_reply_add_body(struct sl_reply *reply, const char *bytes, size_t n_bytes);

bool sl_reply_is_status_wanted(const struct sl_reply *reply, uint16_t status);

// Of an answer that was read to its end, with the status it had.
uint8_t sl_reply_judge(const struct sl_reply *reply, uint16_t status);

// The framed HealthCheckRequest for a service name ("" = the server). Bytes written, 0 = no room.
size_t sl_reply_grpc_request(const char *service, uint8_t *out, size_t n_out);

#endif
