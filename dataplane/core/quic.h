// SPDX-License-Identifier: Apache-2.0
// QUIC-LB: which server made a connection id. A client that comes from a new address (NAT
// rebinding, migration) still carries an id of its server, so the flow made for the new tuple goes
// there.
//
// Shape:   up to 7 configurations per pool, told apart by the first three bits of an id, so that
// one
//          can be rotated in while ids of another live on. An id that no configuration explains
//          (the first ones, which clients choose, and codepoint 7) is not routable: the caller
//          falls back to a hash, never to a drop.
// Layout:  first octet, then server id and nonce: plain, or one AES block when they are 16 octets
//          together, or a Feistel network of four AES passes for any other length.
// Source:  draft-ietf-quic-load-balancers-21 sections 3 to 5; headers: RFC 8999.
#ifndef SLUICE_CORE_QUIC_H
#define SLUICE_CORE_QUIC_H

#include <stddef.h>

#include "aes.h"
#include "sluice/types.h"

#define SL_QUIC_CONFIGS         7 // codepoint 7 is never routable
#define SL_QUIC_NONCE_MIN_BYTES 4
#define SL_QUIC_ID_BYTES        16 // a server id, filled up with 0; at most 15 are used
#define SL_QUIC_CID_V1_BYTES    20
#define SL_QUIC_PLAIN_BYTES     19 // server id and nonce together, at most

struct sl_quic_config {
	uint8_t server_id_bytes;
	uint8_t nonce_bytes;
	bool has_key;
	struct sl_aes aes; // when has_key
};

struct sl_quic_server {
	uint8_t id[SL_QUIC_ID_BYTES];
	uint16_t backend; // index
};

struct sl_quic_pool {
	const struct sl_quic_config *configs[SL_QUIC_CONFIGS]; // by codepoint; NULL = none
	const struct sl_quic_server *servers;                  // sorted by id
	uint32_t n_servers;
};

// The destination connection id of a packet, borrowed. A short header does not say where it ends:
// then n_bytes is what the packet has, 20 at most.
struct sl_quic_cid {
	const uint8_t *bytes;
	uint32_t n_bytes;
	bool is_long; // long header: n_bytes is exact
};

// False when a UDP payload of n_bytes is too short for what it says it is.
bool sl_quic_find_cid(const uint8_t *payload, size_t n_bytes, struct sl_quic_cid *cid);

// The server id in an id of this configuration; false when the id is too short.
bool sl_quic_server_id(const struct sl_quic_config *config, const struct sl_quic_cid *cid,
                       uint8_t server_id[SL_QUIC_ID_BYTES]);

// SL_NO_BACKEND when the id is not routable.
uint16_t sl_quic_backend(const struct sl_quic_pool *pool, const struct sl_quic_cid *cid);

// For qsort and search of servers.
int sl_quic_order(const void *a, const void *b);

#endif
