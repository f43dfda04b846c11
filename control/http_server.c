// SPDX-License-Identifier: Apache-2.0
#include "http_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_peers.h"

#define MAX_CONNECTIONS   64u
#define MIN_CONNECTIONS   8u
#define DESCRIPTORS_SHARE 8u         // part of the process's descriptors one server may hold
#define SPARE_SHARE       8u         // part of the connections kept free for newcomers
#define REQUEST_MS        5000u      // to send a head, then again to send its body
#define REPLY_MS          30000u     // to take the whole answer
#define IDLE_S            5u         // MHD's own clock, restarted by every byte
#define SWEEP_MS          250u       // between two looks at the clocks above
#define DISCARD_BYTES     (1u << 20) // of a chunked body that is too long, before we hang up

struct sl_http_server {
	struct MHD_Daemon *mhd;
	struct sl_http_peers peers;
	sl_http_handler_fn handler;
	void *ctx;
	uv_poll_t poll;
	uv_timer_t timer;
	int n_closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

struct sl_http_exchange {
	struct sl_http_server *server;
	struct sl_http_peer *peer;
	struct MHD_Connection *connection;
	char *body;
	size_t body_bytes;
	size_t body_capacity;
	bool is_too_large;
	bool is_handled;
	bool is_suspended;
	bool is_answered;
	struct sl_http_reply reply;
};

static void run(struct sl_http_server *server);

static void timer_fired(uv_timer_t *timer)
{
	run(timer->data);
}

static void poll_fired(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

// ---- connections ----

static struct sl_http_peer *peer_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;

	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info != NULL ? info->socket_context : NULL;
}

static void connection_changed(void *ctx, struct MHD_Connection *connection, void **slot,
                               enum MHD_ConnectionNotificationCode code)
{
	struct sl_http_server *server = ctx;
	const union MHD_ConnectionInfo *info;

	if (code != MHD_CONNECTION_NOTIFY_STARTED) {
		sl_http_peers_remove(&server->peers, *slot);
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	*slot = sl_http_peers_add(&server->peers, info->connect_fd, uv_hrtime());
}

static void take_turn(struct sl_http_exchange *exchange, enum sl_http_turn turn)
{
	sl_http_peers_turn(&exchange->server->peers, exchange->peer, turn, uv_hrtime());
}

// After each turn MHD says when it wants the next one at the latest. Not among its reasons: at its
// limit of connections it stops listening, and looks again only in the turn after some have gone;
// without that turn nobody is ever let in again.
static void run(struct sl_http_server *server)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	server->peers.is_stale = false;
	MHD_run(server->mhd);
	sl_http_peers_sweep(&server->peers, uv_hrtime());
	if (MHD_get_timeout(server->mhd, &wait_ms) != MHD_YES || wait_ms > SWEEP_MS)
		wait_ms = SWEEP_MS;
	if (server->peers.is_stale)
		wait_ms = 0;
	if (server->peers.is_stale || server->peers.first != NULL)
		uv_timer_start(&server->timer, timer_fired, wait_ms, 0);
	else
		uv_timer_stop(&server->timer);
}

// ---- exchanges ----

static enum MHD_Result queue_reply(struct sl_http_exchange *exchange)
{
	struct sl_http_reply *reply = &exchange->reply;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (reply->body == NULL) {
		reply->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		reply->body_bytes = 0;
	}
	response = MHD_create_response_from_buffer(reply->body_bytes, reply->body,
	                                           MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(reply->body);
		return MHD_NO;
	}
	reply->body = NULL; // the response owns it
	if (reply->content_type != NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
		                        reply->content_type);
	if (reply->allow != NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
	take_turn(exchange, SL_HTTP_TURN_REPLY);
	result = MHD_queue_response(exchange->connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse_body(struct sl_http_exchange *exchange)
{
	static const char text[] = "{\"api\":\"sluice/v1\",\"kind\":\"Error\","
				   "\"error\":\"the body is longer than 65536 bytes\","
				   "\"next\":\"send the file's name instead of its text\"}\n";

	exchange->is_answered = true;
	exchange->is_handled = true;
	exchange->reply = (struct sl_http_reply){.status = MHD_HTTP_CONTENT_TOO_LARGE,
	                                         .content_type = "application/json",
	                                         .body = strdup(text),
	                                         .body_bytes = sizeof(text) - 1};
	return queue_reply(exchange);
}

static bool is_trusted_peer(struct MHD_Connection *connection, uint32_t *uid)
{
	const union MHD_ConnectionInfo *info;
	struct ucred cred;
	socklen_t n_bytes = sizeof(cred);

	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL ||
	    getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &cred, &n_bytes) != 0)
		return false;
	*uid = cred.uid;
	// On a TCP socket the kernel has no peer and says pid 0.
	return cred.pid != 0 && (cred.uid == 0 || cred.uid == geteuid());
}

// false: hang up.
static bool add_body(struct sl_http_exchange *exchange, const char *data, size_t n_bytes)
{
	size_t need = exchange->body_bytes + n_bytes;
	char *body;

	if (need > SL_HTTP_BODY_MAX_BYTES) {
		exchange->is_too_large = true;
		exchange->body_bytes = need;
		return need <= DISCARD_BYTES;
	}
	body = realloc(exchange->body, need + 1);
	if (body == NULL)
		return false;
	memcpy(body + exchange->body_bytes, data, n_bytes);
	body[need] = '\0';
	exchange->body = body;
	exchange->body_bytes = need;
	return true;
}

static enum MHD_Result first_call(struct sl_http_server *server, struct MHD_Connection *connection,
                                  void **slot)
{
	struct sl_http_peer *peer = peer_of(connection);
	struct sl_http_exchange *exchange;
	const char *length;

	exchange = peer != NULL ? calloc(1, sizeof(*exchange)) : NULL;
	if (exchange == NULL)
		return MHD_NO;
	exchange->server = server;
	exchange->peer = peer;
	exchange->connection = connection;
	take_turn(exchange, SL_HTTP_TURN_CLIENT); // a body gets a time of its own
	*slot = exchange;
	length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
	                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
	if (length != NULL && strtoull(length, NULL, 10) > SL_HTTP_BODY_MAX_BYTES)
		return refuse_body(exchange); // before the body is sent
	return MHD_YES;
}

// The eight parameters are libmicrohttpd's.
static enum MHD_Result access_handler(void *ctx, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version, const char *upload,
                                      size_t *upload_bytes, void **slot)
{
	struct sl_http_server *server = ctx;
	struct sl_http_exchange *exchange = *slot;
	struct sl_http_request request;

	(void)version;
	if (exchange == NULL)
		return first_call(server, connection, slot);
	if (*upload_bytes > 0) {
		bool go_on = add_body(exchange, upload, *upload_bytes);

		*upload_bytes = 0;
		return go_on ? MHD_YES : MHD_NO;
	}
	if (exchange->is_too_large)
		return refuse_body(exchange);
	if (!exchange->is_handled) {
		exchange->is_handled = true;
		request = (struct sl_http_request){
			.method = method,
			.path = url,
			.body = exchange->body != NULL ? exchange->body : "",
			.body_bytes = exchange->body_bytes,
			.exchange = exchange,
		};
		request.may_change = is_trusted_peer(connection, &request.peer_uid);
		server->handler(server->ctx, &request);
	}
	if (exchange->is_answered)
		return queue_reply(exchange);
	exchange->is_suspended = true;
	take_turn(exchange, SL_HTTP_TURN_HANDLER);
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static void completed(void *ctx, struct MHD_Connection *connection, void **slot,
                      enum MHD_RequestTerminationCode code)
{
	struct sl_http_exchange *exchange = *slot;

	(void)ctx;
	(void)connection;
	(void)code;
	if (exchange == NULL)
		return;
	take_turn(exchange, SL_HTTP_TURN_CLIENT); // the next request, if any
	free(exchange->body);
	free(exchange->reply.body); // when the peer went before it was queued
	free(exchange);
	*slot = NULL;
}

void sl_http_answer(struct sl_http_exchange *exchange, const struct sl_http_reply *reply)
{
	exchange->reply = *reply;
	exchange->is_answered = true;
	if (!exchange->is_suspended)
		return;
	exchange->is_suspended = false;
	MHD_resume_connection(exchange->connection);
	uv_timer_start(&exchange->server->timer, timer_fired, 0, 0);
}

static void log_nothing(void *ctx, const char *format, va_list args)
{
	(void)ctx;
	(void)format;
	(void)args;
}

// So many that API, pages, probes and files together stay below what the process may open.
static uint32_t count_allowed(void)
{
	struct rlimit limit;
	rlim_t n;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return MIN_CONNECTIONS;
	n = limit.rlim_cur / DESCRIPTORS_SHARE;
	if (n > MAX_CONNECTIONS)
		return MAX_CONNECTIONS;
	return n < MIN_CONNECTIONS ? MIN_CONNECTIONS : (uint32_t)n;
}

static struct MHD_Daemon *start_mhd(struct sl_http_server *server, int listen_fd)
{
	// MHD's own messages are about single connections (resets, timeouts): nothing an operator
	// can act on, and a way for a client to fill the log.
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
	                        NULL, NULL, access_handler, server, MHD_OPTION_EXTERNAL_LOGGER,
	                        log_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
	                        MHD_OPTION_CONNECTION_LIMIT, server->peers.max_peers,
	                        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_NOTIFY_COMPLETED,
	                        completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, connection_changed,
	                        server, MHD_OPTION_END);
}

struct sl_http_server *sl_http_server_new(uv_loop_t *loop, int listen_fd,
                                          sl_http_handler_fn handler, void *ctx)
{
	struct sl_http_server *server = calloc(1, sizeof(*server));
	const union MHD_DaemonInfo *info;

	if (server == NULL)
		return NULL;
	server->handler = handler;
	server->ctx = ctx;
	server->peers.max_peers = count_allowed();
	sl_http_server_set_patience(server, REQUEST_MS, REPLY_MS);
	server->mhd = start_mhd(server, listen_fd);
	if (server->mhd == NULL) {
		free(server);
		errno = ENOMEM;
		return NULL;
	}
	info = MHD_get_daemon_info(server->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL || uv_poll_init(loop, &server->poll, info->epoll_fd) != 0) {
		MHD_quiesce_daemon(server->mhd); // the socket stays the caller's
		MHD_stop_daemon(server->mhd);
		free(server);
		errno = EINVAL;
		return NULL;
	}
	server->poll.data = server;
	uv_poll_start(&server->poll, UV_READABLE, poll_fired);
	uv_timer_init(loop, &server->timer);
	server->timer.data = server;
	return server;
}

void sl_http_server_set_patience(struct sl_http_server *server, uint32_t request_ms,
                                 uint32_t reply_ms)
{
	server->peers.request_ms = request_ms;
	server->peers.reply_ms = reply_ms;
}

static void handle_closed(uv_handle_t *handle)
{
	struct sl_http_server *server = handle->data;
	void (*closed)(void *ctx) = server->closed;
	void *ctx = server->closed_ctx;

	if (--server->n_closing > 0)
		return;
	free(server);
	if (closed != NULL)
		closed(ctx);
}

void sl_http_server_close(struct sl_http_server *server, void (*closed)(void *ctx), void *ctx)
{
	server->closed = closed;
	server->closed_ctx = ctx;
	server->n_closing = 2;
	uv_poll_stop(&server->poll); // before MHD closes the descriptor
	MHD_run(server->mhd);        // last answers leave
	MHD_stop_daemon(server->mhd);
	uv_close((uv_handle_t *)&server->poll, handle_closed);
	uv_close((uv_handle_t *)&server->timer, handle_closed);
}
