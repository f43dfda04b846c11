// SPDX-License-Identifier: Apache-2.0
#include "probe_reply.h"

#include <strings.h>

#define GRPC_PREFIX_BYTES  5
#define GRPC_SERVING       1
#define PROTO_VARINT       0
#define PROTO_FIXED64      1
#define PROTO_BYTES        2
#define PROTO_FIXED32      5
#define PROTO_STATUS_FIELD 1
#define PROTO_SERVICE_TAG  0x0a // field 1, bytes

void sl_reply_init(struct sl_reply *reply, const struct sl_model_probe *probe)
{
	*reply = (struct sl_reply){.probe = probe, .grpc_status = -1};
}

static bool is_line_named(const char *line, size_t n_bytes, const char *name)
{
	size_t n = strlen(name);

	return n_bytes > n && strncasecmp(line, name, n) == 0;
}

static int32_t number_of(const char *text, size_t n_bytes)
{
	int32_t value = -1;

	for (size_t i = 0; i < n_bytes && value < 1000; i++) {
		if (text[i] >= '0' && text[i] <= '9')
			value = (value < 0 ? 0 : value) * 10 + (text[i] - '0');
		else if (text[i] != ' ' || value >= 0)
			break;
	}
	return value;
}

bool sl_reply_add_header(struct sl_reply *reply, const char *line, size_t n_bytes)
{
	static const char grpc_status[] = "grpc-status:";

	if (n_bytes > SL_PROBE_HEADER_MAX_BYTES - reply->n_header_bytes) {
		reply->is_too_large = true;
		return false;
	}
	reply->n_header_bytes += (uint32_t)n_bytes;
	if (n_bytes > 5 && memcmp(line, "HTTP/", 5) == 0)
		reply->are_headers_complete = false; // again, after an informational answer
	if (line[0] == '\r' || line[0] == '\n')
		reply->are_headers_complete = true;
	if (is_line_named(line, n_bytes, grpc_status))
		reply->grpc_status = number_of(line + sizeof(grpc_status) - 1,
		                               n_bytes - (sizeof(grpc_status) - 1));
	return true;
}

static void keep_message(struct sl_reply *reply, const char *bytes, size_t n_bytes)
{
	size_t room = SL_REPLY_MESSAGE_BYTES - reply->n_tail;
	size_t n = n_bytes < room ? n_bytes : room;

	memcpy(&reply->tail[reply->n_tail], bytes, n);
	reply->n_tail += (uint32_t)n;
}

// A needle of n bytes may begin in the last n - 1 bytes of what came before: those are kept in
// front of each new piece.
static void search(struct sl_reply *reply, const char *bytes, size_t n_bytes)
{
	const char *needle = reply->probe->contains;
	size_t n_needle = strlen(needle), keep = n_needle - 1;
	uint8_t seam[2 * sizeof(reply->probe->contains)];
	size_t n_front = n_bytes < keep ? n_bytes : keep;
	size_t n_seam = reply->n_tail + n_front;

	memcpy(seam, reply->tail, reply->n_tail);
	memcpy(seam + reply->n_tail, bytes, n_front);
	if (memmem(seam, n_seam, needle, n_needle) != NULL ||
	    memmem(bytes, n_bytes, needle, n_needle) != NULL) {
		reply->is_found = true;
		return;
	}
	if (n_bytes >= keep) {
		memcpy(reply->tail, bytes + n_bytes - keep, keep);
		reply->n_tail = (uint32_t)keep;
	} else {
		size_t n = n_seam < keep ? n_seam : keep;

		memcpy(reply->tail, seam + n_seam - n, n);
		reply->n_tail = (uint32_t)n;
	}
}

bool sl_reply_add_body(struct sl_reply *reply, const char *bytes, size_t n_bytes)
{
	if (n_bytes > SL_PROBE_BODY_MAX_BYTES - reply->n_body_bytes) {
		reply->is_too_large = true;
		return false;
	}
	reply->n_body_bytes += (uint32_t)n_bytes;
	if (reply->probe->type == SL_PROBE_GRPC)
		keep_message(reply, bytes, n_bytes);
	else if (reply->probe->contains[0] != '\0' && !reply->is_found && n_bytes > 0)
		search(reply, bytes, n_bytes);
	return true;
}

bool sl_reply_is_status_wanted(const struct sl_reply *reply, uint16_t status)
{
	if (reply->probe->type != SL_PROBE_HTTP)
		return status == 200;
	if (reply->probe->expect_status != 0)
		return status == reply->probe->expect_status;
	return status >= 200 && status <= 299;
}

static bool read_varint(const uint8_t *msg, size_t n_bytes, size_t *at, uint64_t *value)
{
	*value = 0;
	for (unsigned int shift = 0; *at < n_bytes && shift < 64; shift += 7) {
		uint8_t b = msg[(*at)++];

		*value |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0)
			return true;
	}
	return false;
}

static bool skip_field(const uint8_t *msg, size_t n_bytes, size_t *at, unsigned int wire_type)
{
	uint64_t n;

	if (wire_type == PROTO_VARINT)
		return read_varint(msg, n_bytes, at, &n);
	if (wire_type == PROTO_FIXED64)
		n = 8;
	else if (wire_type == PROTO_FIXED32)
		n = 4;
	else if (wire_type != PROTO_BYTES || !read_varint(msg, n_bytes, at, &n))
		return false;
	if (n > n_bytes - *at)
		return false;
	*at += n;
	return true;
}

// The serving status, 0 (UNKNOWN) when the field is absent as proto3 does for 0, or -1.
static int64_t serving_status(const uint8_t *msg, size_t n_bytes)
{
	int64_t status = 0;
	size_t at = 0;

	while (at < n_bytes) {
		uint64_t tag, value;

		if (!read_varint(msg, n_bytes, &at, &tag))
			return -1;
		if (tag == (PROTO_STATUS_FIELD << 3 | PROTO_VARINT)) {
			if (!read_varint(msg, n_bytes, &at, &value) || value > INT32_MAX)
				return -1;
			status = (int64_t)value;
		} else if (!skip_field(msg, n_bytes, &at, tag & 7)) {
			return -1;
		}
	}
	return status;
}

static uint8_t judge_grpc(const struct sl_reply *reply)
{
	uint32_t n_message;
	int64_t status;

	if (reply->grpc_status < 0)
		return SL_PROBE_PROTOCOL;
	if (reply->grpc_status > 0)
		return SL_PROBE_NOT_SERVING;
	if (reply->n_tail < GRPC_PREFIX_BYTES || reply->tail[0] != 0)
		return SL_PROBE_PROTOCOL;
	n_message = (uint32_t)reply->tail[1] << 24 | (uint32_t)reply->tail[2] << 16 |
	            (uint32_t)reply->tail[3] << 8 | reply->tail[4];
	if (n_message != reply->n_body_bytes - GRPC_PREFIX_BYTES ||
	    reply->n_body_bytes != reply->n_tail)
		return SL_PROBE_PROTOCOL;
	status = serving_status(&reply->tail[GRPC_PREFIX_BYTES], n_message);
	if (status < 0)
		return SL_PROBE_PROTOCOL;
	return status == GRPC_SERVING ? SL_PROBE_OK : SL_PROBE_NOT_SERVING;
}

uint8_t sl_reply_judge(const struct sl_reply *reply, uint16_t status)
{
	if (!reply->are_headers_complete)
		return SL_PROBE_RESET;
	if (!sl_reply_is_status_wanted(reply, status))
		return SL_PROBE_STATUS;
	if (reply->probe->type == SL_PROBE_GRPC)
		return judge_grpc(reply);
	if (reply->probe->contains[0] != '\0' && !reply->is_found)
		return SL_PROBE_BODY;
	return SL_PROBE_OK;
}

size_t sl_reply_grpc_request(const char *service, uint8_t *out, size_t n_out)
{
	size_t n_service = strlen(service);
	size_t n_message = n_service > 0 ? 2 + n_service : 0;

	// Below 128 the length is one byte of a varint.
	if (n_service > 127 || n_out < GRPC_PREFIX_BYTES + n_message)
		return 0;
	memset(out, 0, GRPC_PREFIX_BYTES);
	out[4] = (uint8_t)n_message;
	if (n_service > 0) {
		out[5] = PROTO_SERVICE_TAG;
		out[6] = (uint8_t)n_service;
		memcpy(&out[7], service, n_service);
	}
	return GRPC_PREFIX_BYTES + n_message;
}
