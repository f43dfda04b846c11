// SPDX-License-Identifier: Apache-2.0
// HTTP on the control loop: libmicrohttpd without threads, its epoll descriptor watched by libuv,
// so that handlers own everything without locks.
//
// Bounds:  64 connections (fewer when the process may open few descriptors), 64 KiB of body (413
//          above), 5 s in all for a head, 5 s for its body, 30 s to take the answer. When
//          connections run out, the one that owes its request the longest is cut, so that slow
//          clients cannot keep others out.
// Answer:  at once in the handler, or later from anywhere on the loop; until then the connection
//          is suspended. Each exchange is answered exactly once, before the server is closed.
// Thread:  the loop's.
#ifndef SLUICE_CONTROL_HTTP_SERVER_H
#define SLUICE_CONTROL_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define SL_HTTP_BODY_MAX_BYTES 65536

struct sl_http_exchange;

struct sl_http_request {
	const char *method;
	const char *path; // percent-decoded, without the query
	const char *body; // NUL-terminated
	size_t body_bytes;
	bool may_change;   // the peer is root or runs as our user, on a Unix socket
	uint32_t peer_uid; // when may_change
	struct sl_http_exchange *exchange;
};

struct sl_http_reply {
	unsigned int status;
	const char *content_type; // static
	const char *allow;        // static; for 405, else NULL
	char *body;               // malloced, taken; NULL answers 500
	size_t body_bytes;
};

typedef void (*sl_http_handler_fn)(void *ctx, const struct sl_http_request *request);

struct sl_http_server;

// Takes listen_fd (a listening stream socket) when it succeeds. NULL with errno.
struct sl_http_server *sl_http_server_new(uv_loop_t *loop, int listen_fd,
                                          sl_http_handler_fn handler, void *ctx);
void sl_http_server_close(struct sl_http_server *server, void (*closed)(void *ctx), void *ctx);

// Instead of the times above; for tests, which do not wait for seconds.
void sl_http_server_set_patience(struct sl_http_server *server, uint32_t request_ms,
                                 uint32_t reply_ms);

void sl_http_answer(struct sl_http_exchange *exchange, const struct sl_http_reply *reply);

// Listening sockets. A Unix socket replaces a dead one of the same name, never a living one
// (-EADDRINUSE), and gets the mode 0660. The descriptor or -errno.
int sl_http_listen_unix(const char *path);
// "127.0.0.1:9180"; only loopback addresses are taken (-EINVAL): these pages have no access check.
int sl_http_listen_tcp(const char *address_and_port);

#endif
