// SPDX-License-Identifier: Apache-2.0
// A look at the first payload of a flow: which protocol begins here, and, where it can be read,
// what it asks for. Nothing is put together: what the first segment does not hold is not seen.
//
// Reads:  never past n_bytes.   Thread: pure.
// Source: RFC 9113 3.4 (HTTP/2 preface); RFC 8446 4.1.2, RFC 6066 3, RFC 7301 (ClientHello);
//         RFC 4253 4.2 (SSH); reference/roce.md 3.1 (NCCL's magic number).
#ifndef SLUICE_CORE_PEEK_H
#define SLUICE_CORE_PEEK_H

#include "sluice/class.h"
#include "sluice/types.h"

enum sl_wire {
	SL_WIRE_UNSEEN,
	SL_WIRE_OTHER,
	SL_WIRE_HTTP,
	SL_WIRE_H2,
	SL_WIRE_TLS,
	SL_WIRE_TLS_H2, // HTTP/2 is offered
	SL_WIRE_SSH,
	SL_WIRE_NCCL,
	SL_WIRE_COUNT
};
_Static_assert(SL_WIRE_COUNT <= 8, "three bits in struct sl_features");

struct sl_peek {
	enum sl_wire wire;
	uint8_t kind;        // enum sl_kind, when
	bool is_sure;        // the content says so
	const uint8_t *name; // of the server (SNI), inside payload; NULL = none
	uint16_t name_bytes;
};

struct sl_peek sl_peek(const uint8_t *payload, uint32_t n_bytes);

#endif
