// SPDX-License-Identifier: Apache-2.0
// What becomes of a message on the command socket (ipc.h), decided from what the kernel said about
// it; io/ipc_server.c holds the socket and does as it is told.
//
// Errors: none; whatever came, there is a decision.   Thread: any; pure.
#ifndef SLUICE_CORE_IPCDECIDE_H
#define SLUICE_CORE_IPCDECIDE_H

#include "sluice/ipc.h"

#define SL_IPC_REASON_BYTES 140 // of a reply

struct sl_ipc_arrival {
	const void *bytes; // may be NULL when n_bytes is 0
	size_t n_bytes;    // received; of a longer message any number above a request's
	uint32_t n_fds;
	// Of the first descriptor.
	bool is_sealed; // a memfd that nobody can write, shrink or grow
	uint64_t fd_bytes;
};

enum sl_ipc_action {
	SL_IPC_HANG_UP,    // the peer has closed: no answer
	SL_IPC_ANSWER,     // with status and reason
	SL_IPC_APPLY_BODY, // read it, apply it and answer what came of that
};

struct sl_ipc_decision {
	struct sl_ipc_request request; // zeros when there was none
	enum sl_ipc_action action;
	enum sl_ipc_status status;
	bool is_kept;     // the connection
	bool gives_stats; // the answer carries the descriptor of the statistics
	char reason[SL_IPC_REASON_BYTES];
};

void sl_ipc_decide(const struct sl_ipc_arrival *arrival, struct sl_ipc_decision *decision);

// An answer to the request, but for what only the data plane knows (instance, generation, epochs).
struct sl_ipc_reply sl_ipc_reply_of(const struct sl_ipc_request *request, enum sl_ipc_status status,
                                    const char *reason);

// Is the connection kept after a body was applied with this status?
static inline bool sl_ipc_is_kept_after(enum sl_ipc_status status)
{
	return status != SL_IPC_MALFORMED;
}

#endif
