// SPDX-License-Identifier: Apache-2.0
// The control side of the command channel (sluice/ipc.h): keeps a connection to the data plane,
// says HELLO, carries one message at a time.
//
// Retry:   for ever, after 100 ms doubling to 1 s; a reply that does not come within 5 s or breaks
//          the contract closes the connection and starts over.
// Trust:   a reply is checked field by field before anybody sees it; descriptors that nobody asked
//          for are closed.
// Thread:  the loop's; events are called from it, never from inside a function of this header.
#ifndef SLUICE_CONTROL_IPC_CLIENT_H
#define SLUICE_CONTROL_IPC_CLIENT_H

#include <uv.h>

#include "sluice/ipc.h"

struct sl_ipc_events {
	// HELLO was answered. stats_fd is borrowed for the call. false closes and retries.
	bool (*connected)(void *ctx, const struct sl_ipc_reply *hello, int stats_fd);
	// After connected, or when connecting failed (each time): why, in words.
	void (*lost)(void *ctx, const char *why);
	void (*replied)(void *ctx, const struct sl_ipc_reply *reply);
	void *ctx;
};

struct sl_ipc_client;

// Starts connecting on the next turn of the loop. NULL with errno.
struct sl_ipc_client *sl_ipc_client_new(uv_loop_t *loop, const char *path,
                                        const struct sl_ipc_events *events);

// True between connected and lost when no message waits for its reply.
bool sl_ipc_client_is_idle(const struct sl_ipc_client *client);

// body is copied into a sealed memfd. 0, -EBUSY when not idle, or -errno (then not sent).
int sl_ipc_client_send(struct sl_ipc_client *client, enum sl_ipc_type type, const void *body,
                       size_t n_bytes);

// closed is called when the loop has let go and the client is freed; no event after this call.
void sl_ipc_client_close(struct sl_ipc_client *client, void (*closed)(void *ctx), void *ctx);

#endif
