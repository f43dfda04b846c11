// SPDX-License-Identifier: Apache-2.0
#include "ipcdecide.h"

#include <stdio.h>

#include "sluice/wire.h"

_Static_assert(sizeof(((struct sl_ipc_reply *)0)->reason) == SL_IPC_REASON_BYTES, "one length");

static void refuse(struct sl_ipc_decision *d, const char *reason)
{
	d->action = SL_IPC_ANSWER;
	d->status = SL_IPC_MALFORMED;
	d->is_kept = false;
	snprintf(d->reason, sizeof(d->reason), "%s", reason);
}

static bool is_ours(const struct sl_ipc_request *request)
{
	return request->magic == SL_IPC_MAGIC && request->version == SL_IPC_VERSION &&
	       request->type >= SL_IPC_HELLO && request->type <= SL_IPC_STATUS;
}

static void decide_body(const struct sl_ipc_arrival *arrival, struct sl_ipc_decision *d)
{
	const uint32_t n_bytes = d->request.body_bytes;

	if (arrival->n_fds != 1 || n_bytes == 0 || n_bytes > SL_WIRE_MAX_BYTES) {
		refuse(d, "");
		snprintf(d->reason, sizeof(d->reason),
		         "a body needs exactly one descriptor and 1 to %u bytes; got %u and %u",
		         SL_WIRE_MAX_BYTES, arrival->n_fds, n_bytes);
	} else if (!arrival->is_sealed || arrival->fd_bytes != n_bytes) {
		refuse(d, "");
		snprintf(d->reason, sizeof(d->reason), "the body is not a sealed memfd of %u bytes",
		         n_bytes);
	} else {
		d->action = SL_IPC_APPLY_BODY;
	}
}

void sl_ipc_decide(const struct sl_ipc_arrival *arrival, struct sl_ipc_decision *decision)
{
	struct sl_ipc_decision *d = decision;

	*d = (struct sl_ipc_decision){
		.action = SL_IPC_ANSWER, .status = SL_IPC_OK, .is_kept = true};
	if (arrival->n_bytes == 0) {
		d->action = SL_IPC_HANG_UP;
		d->is_kept = false;
		return;
	}
	if (arrival->n_bytes != sizeof(d->request)) {
		refuse(d, "a request is 16 bytes");
		return;
	}
	memcpy(&d->request, arrival->bytes, sizeof(d->request));
	if (!is_ours(&d->request))
		refuse(d, "not a message of this version of Sluice");
	else if (d->request.type == SL_IPC_CONFIG || d->request.type == SL_IPC_WEIGHTS)
		decide_body(arrival, d);
	else
		d->gives_stats = d->request.type == SL_IPC_HELLO;
}

struct sl_ipc_reply sl_ipc_reply_of(const struct sl_ipc_request *request, enum sl_ipc_status status,
                                    const char *reason)
{
	struct sl_ipc_reply reply = {.magic = SL_IPC_MAGIC,
	                             .version = SL_IPC_VERSION,
	                             .type = request->type,
	                             .request_id = request->request_id,
	                             .status = status};

	snprintf(reply.reason, sizeof(reply.reason), "%s", reason);
	return reply;
}
