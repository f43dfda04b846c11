// SPDX-License-Identifier: Apache-2.0
// One simulated GPU server: one thread, one loop, one engine; HTTP and gRPC in front of it.
//
// Who drives whom: the loop's deadline is the end of the engine's step; a finished step marks the
// requests that got a token and resumes their connections; the HTTP library then asks each for the
// bytes. Nothing here blocks, so a slow client only grows its own backlog of unsent tokens.
#ifndef SLUICE_SIM_SERVER_H
#define SLUICE_SIM_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "addr.h"
#include "engine.h"
#include "grpc.h"
#include "knobs.h"
#include "loop.h"
#include "metrics.h"

#define SL_SERVER_PORTS 16
#define SL_SERVER_NAME  64

struct MHD_Daemon;
struct sl_server;

struct sl_http_port {
	struct sl_watch watch; // the HTTP library's own epoll
	struct MHD_Daemon *daemon;
	struct sl_server *server;
	bool has_work;
};

struct sl_http_request;
TAILQ_HEAD(sl_http_requests, sl_http_request);

struct sl_server {
	struct sl_loop loop;
	struct sl_engine engine;
	struct sl_knobs knobs;
	struct sl_metrics metrics;
	struct sl_http_port ports[SL_SERVER_PORTS];
	unsigned n_ports;
	struct sl_http_requests hung; // accepted, read, and never answered until the knob turns
	struct sl_grpc grpc;
	const char *name;
	uint64_t n_requests;
};

// Listens; addr receives the real port.
int sl_http_open(struct sl_server *server, struct sl_addr *addr);
void sl_http_close(struct sl_server *server);

// Lets the HTTP library do what is due. Returns how long the loop may wait, as for epoll_wait().
int sl_http_run(struct sl_server *server);

// The engine's callback; ctx is the server.
void sl_http_token(void *ctx, struct sl_engine_seq *seq, uint64_t now_ns);

// Brings knobs into effect after they changed. Does not return when the server was killed.
void sl_server_turn_knobs(struct sl_server *server);

// Keeps the loop's deadline at the end of the engine's step.
void sl_server_schedule(struct sl_server *server);

#endif
