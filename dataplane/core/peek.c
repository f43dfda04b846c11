// SPDX-License-Identifier: Apache-2.0
#include "peek.h"

#define TLS_HELLO_AT   5 // behind the record header
#define TLS_SESSION_AT (TLS_HELLO_AT + 4 + 2 + 32)
#define TLS_EXT_SNI    0
#define TLS_EXT_ALPN   16

struct path {
	const char *start;
	uint8_t kind;
};

// Of the usual engines' interfaces. A longer path stands before what it begins with.
static const struct path paths[] = {
	{"/v1/chat/completions", SL_KIND_STREAM}, {"/v1/completions", SL_KIND_STREAM},
	{"/v1/messages", SL_KIND_STREAM},         {"/v1/responses", SL_KIND_STREAM},
	{"/v1/embeddings", SL_KIND_UNARY},        {"/v1/rerank", SL_KIND_UNARY},
	{"/generate_stream", SL_KIND_STREAM},     {"/generate", SL_KIND_STREAM},
	{"/api/generate", SL_KIND_STREAM},        {"/api/chat", SL_KIND_STREAM},
	{"/v2/models/", SL_KIND_UNARY},           {"/v1/models/", SL_KIND_UNARY},
	{"/predictions/", SL_KIND_UNARY},
};

static bool begins(const uint8_t *payload, uint32_t n_bytes, const void *with, uint32_t n_with)
{
	return n_bytes >= n_with && memcmp(payload, with, n_with) == 0;
}

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static bool is_http(const uint8_t *payload, uint32_t n_bytes)
{
	static const char methods[][9] = {"GET /",    "POST /",  "PUT /",   "HEAD /",
	                                  "DELETE /", "PATCH /", "OPTIONS "};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (begins(payload, n_bytes, methods[i], (uint32_t)strlen(methods[i])))
			return true;
	return false;
}

static void look_at_http(struct sl_peek *peek, const uint8_t *payload, uint32_t n_bytes)
{
	peek->wire = SL_WIRE_HTTP;
	if (!begins(payload, n_bytes, "POST ", 5))
		return; // a GET of these is a health check, or a list
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (!begins(payload + 5, n_bytes - 5, paths[i].start,
		            (uint32_t)strlen(paths[i].start)))
			continue;
		peek->kind = paths[i].kind;
		peek->is_sure = true;
		return;
	}
}

// One extension of a ClientHello; n_bytes of it are here.
static void look_at_extension(struct sl_peek *peek, uint16_t type, const uint8_t *at,
                              uint32_t n_bytes)
{
	if (type == TLS_EXT_SNI && n_bytes >= 5 && at[2] == 0) {
		const uint16_t name_bytes = be16(at + 3);

		if (name_bytes > 0 && name_bytes <= n_bytes - 5) {
			peek->name = at + 5;
			peek->name_bytes = name_bytes;
		}
	}
	for (uint32_t i = 2; type == TLS_EXT_ALPN && i < n_bytes; i += 1u + at[i])
		if (n_bytes - i >= 3 && memcmp(at + i, "\002h2", 3) == 0)
			peek->wire = SL_WIRE_TLS_H2;
}

static void look_at_hello(struct sl_peek *peek, const uint8_t *payload, uint32_t n_bytes)
{
	uint32_t at = TLS_SESSION_AT;

	peek->wire = SL_WIRE_TLS;
	// The session id, the ciphers and the compression methods come first.
	if (at >= n_bytes)
		return;
	at += 1u + payload[at];
	if (at + 2 > n_bytes)
		return;
	at += 2u + be16(payload + at);
	if (at >= n_bytes)
		return;
	at += 1u + payload[at] + 2;
	while (at + 4 <= n_bytes) {
		const uint16_t type = be16(payload + at), n_ext = be16(payload + at + 2);

		at += 4;
		if (n_ext > n_bytes - at)
			return;
		look_at_extension(peek, type, payload + at, n_ext);
		at += n_ext;
	}
}

struct sl_peek sl_peek(const uint8_t *payload, uint32_t n_bytes)
{
	static const uint8_t nccl[8] = {0x6c, 0x9d, 0x4b, 0xfc, 0xf2, 0xb9, 0x4a, 0x56};
	struct sl_peek peek = {.wire = SL_WIRE_OTHER, .kind = SL_KIND_OTHER};

	if (begins(payload, n_bytes, nccl, sizeof(nccl))) {
		peek.wire = SL_WIRE_NCCL;
		peek.kind = SL_KIND_COLLECTIVE;
		peek.is_sure = true;
	} else if (begins(payload, n_bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24)) {
		peek.wire = SL_WIRE_H2;
	} else if (begins(payload, n_bytes, "SSH-2.0-", 8)) {
		peek.wire = SL_WIRE_SSH;
	} else if (n_bytes > TLS_HELLO_AT && payload[0] == 0x16 && payload[1] == 3 &&
	           payload[TLS_HELLO_AT] == 1) {
		look_at_hello(&peek, payload, n_bytes);
	} else if (is_http(payload, n_bytes)) {
		look_at_http(&peek, payload, n_bytes);
	}
	return peek;
}
