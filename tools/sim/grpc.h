// SPDX-License-Identifier: Apache-2.0
// gRPC health checking over cleartext HTTP/2: grpc.health.v1.Health/Check and nothing else.
// Source: grpc/doc/health-checking.md and PROTOCOL-HTTP2.md.
#ifndef SLUICE_SIM_GRPC_H
#define SLUICE_SIM_GRPC_H

#include <stdbool.h>
#include <sys/queue.h>

#include "addr.h"
#include "loop.h"

struct sl_grpc_conn;
TAILQ_HEAD(sl_grpc_conns, sl_grpc_conn);

struct sl_grpc {
	struct sl_watch watch; // the listening socket; fd -1 when there is none
	struct sl_loop *loop;
	const char *name;
	struct sl_grpc_conns conns;
	bool is_serving; // what Check answers
	bool is_hung;    // reads, and answers nothing; held calls are answered when it ends
};

void sl_grpc_init(struct sl_grpc *grpc, struct sl_loop *loop, const char *name);
int sl_grpc_open(struct sl_grpc *grpc, struct sl_addr *addr); // addr receives the real port
void sl_grpc_close(struct sl_grpc *grpc);
void sl_grpc_set_hung(struct sl_grpc *grpc, bool is_hung);

#endif
