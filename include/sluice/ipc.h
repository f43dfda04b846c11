// SPDX-License-Identifier: Apache-2.0
// Command channel: control process (client) to data plane (server).
//
// Shape:   AF_UNIX SOCK_SEQPACKET; one struct sl_ipc_request per message, answered by one struct
//          sl_ipc_reply in order. CONFIG and WEIGHTS carry exactly one sealed memfd (SCM_RIGHTS,
//          F_SEAL_WRITE|F_SEAL_SHRINK|F_SEAL_GROW set) holding a body of wire.h. The reply to HELLO
//          carries one read-only descriptor of the statistics segment (stats.h).
// Peers:   the server accepts up to SL_IPC_MAX_CLIENTS peers of its own uid (or root); any of them
//          may send CONFIG or WEIGHTS, and the epoch decides who is stale.
// Timing:  the reply to CONFIG and WEIGHTS is sent when every worker uses the new snapshot, so
//          epoch_acked == epoch then; SL_IPC_SLOW after 1 s (applied, but a worker has not passed).
// Errors:  any refusal leaves the data plane as it was; reason says why, in words.
//          A message of the wrong size, magic or version is answered SL_IPC_MALFORMED and the
//          connection is closed.
#ifndef SLUICE_IPC_H
#define SLUICE_IPC_H

#include "sluice/types.h"

#define SL_IPC_MAGIC       UINT32_C(0x534c4950) // "SLIP"
#define SL_IPC_VERSION     1
#define SL_IPC_MAX_CLIENTS 8
#define SL_IPC_SOCKET      "/run/sluice/dataplane.sock"

enum sl_ipc_type {
	SL_IPC_HELLO = 1,
	SL_IPC_CONFIG = 2,
	SL_IPC_WEIGHTS = 3,
	SL_IPC_STATUS = 4, // generation, epoch and epoch_acked, no change
};

enum sl_ipc_status {
	SL_IPC_OK = 0,
	SL_IPC_MALFORMED = 1, // message or body breaks this contract
	SL_IPC_STALE = 2,     // epoch not above ours, or weights of another generation
	SL_IPC_INVALID = 3,   // well-formed, but means something impossible
	SL_IPC_NO_SPACE = 4,  // more objects than the data plane was started for
	SL_IPC_SLOW = 5,      // applied; not every worker has acknowledged within 1 s
	SL_IPC_INTERNAL = 6,  // out of memory and the like
};

struct sl_ipc_request {
	uint32_t magic;
	uint16_t version;
	uint16_t type;       // enum sl_ipc_type
	uint32_t request_id; // echoed
	uint32_t body_bytes; // of the memfd; 0 without one
};
_Static_assert(sizeof(struct sl_ipc_request) == 16, "ipc layout");

struct sl_ipc_reply {
	uint32_t magic;
	uint16_t version;
	uint16_t type; // of the request
	uint32_t request_id;
	uint32_t status;      // enum sl_ipc_status
	uint64_t instance;    // random per start of the data plane: another one means it restarted
	uint64_t generation;  // of the configuration in use; 0 = none yet
	uint64_t epoch;       // published
	uint64_t epoch_acked; // the lowest any worker uses
	uint32_t n_workers;
	char reason[140]; // NUL-terminated; "" when status is OK
};
_Static_assert(sizeof(struct sl_ipc_reply) == 192, "ipc layout");

#endif
