// SPDX-License-Identifier: Apache-2.0
// Server side of sluice/ipc.h on the main core: a few clients, polled, never blocking.
//
// Thread:  main core. A publication under way delays the next message, not the workers.
#ifndef SLUICE_IO_IPC_SERVER_H
#define SLUICE_IO_IPC_SERVER_H

#include <poll.h>

#include "publish.h"

#define SL_IPC_SERVER_FDS (1 + SL_IPC_MAX_CLIENTS)

struct sl_ipc_server {
	struct sl_publisher *pub;
	int listen_fd;
	int stats_fd;                    // read-only descriptor that HELLO hands out; borrowed
	int clients[SL_IPC_MAX_CLIENTS]; // -1 = free
	uint32_t next_client; // whose turn it is: one that never stops must not starve others
	uint64_t instance;
	char path[108];
	// --- a CONFIG or WEIGHTS waiting for the workers ---
	int waiting_client; // -1 = none
	struct sl_ipc_request waiting_request;
	uint64_t waiting_until_ns;
};

// Binds path (mode 0600; a stale socket of a dead process is replaced, a live one is -EADDRINUSE,
// another file -EEXIST).
int sl_ipc_server_init(struct sl_ipc_server *server, struct sl_publisher *pub, const char *path,
                       int stats_fd, uint64_t instance);

// Does a process listen there? Never blocks, and when in doubt says yes.
bool sl_ipc_server_is_alive(const char *path);

void sl_ipc_server_poll(struct sl_ipc_server *server, uint64_t now_ns);
// What to wait for with poll(2): at most SL_IPC_SERVER_FDS, none while a publication is under way.
uint32_t sl_ipc_server_fds(const struct sl_ipc_server *server, struct pollfd *fds);
void sl_ipc_server_fini(struct sl_ipc_server *server);

#endif
