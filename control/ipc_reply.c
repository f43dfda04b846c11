// SPDX-License-Identifier: Apache-2.0
#include "ipc_reply.h"

const char *sl_ipc_reply_check(const struct sl_ipc_request *asked, const struct sl_ipc_reply *reply,
                               size_t n_bytes, uint32_t n_fds)
{
	const uint32_t want_fds = asked->type == SL_IPC_HELLO ? 1 : 0;

	if (n_bytes != sizeof(*reply))
		return "a reply of the wrong size";
	if (reply->magic != SL_IPC_MAGIC || reply->version != SL_IPC_VERSION)
		return "a reply of another protocol or version";
	if (reply->type != asked->type || reply->request_id != asked->request_id)
		return "a reply to another request";
	if (reply->status > SL_IPC_INTERNAL)
		return "a reply with an unknown status";
	if (memchr(reply->reason, '\0', sizeof(reply->reason)) == NULL)
		return "a reply whose reason does not end";
	if (reply->status == SL_IPC_OK ? n_fds != want_fds : n_fds != 0)
		return "a reply with the wrong number of descriptors";
	return NULL;
}
