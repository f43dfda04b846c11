// SPDX-License-Identifier: Apache-2.0
// The HTTP side of the server: connections, streams and their life. What each address answers is
// in routes.c.
//
// A request is suspended whenever it has nothing to send. Suspended connections are in no poll set
// of the library, so a watch of our own on the socket notices when the client leaves.
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "sluice/units.h"

#define BODY_MAX_BYTES  (16 * 1024 * 1024)
#define STREAM_BLOCK    4096 // room for several events when a client fell behind
#define CONNECTIONS_MAX 32768
#define RUNS_PER_TURN   16 // of the library per loop turn: one busy port must not starve the engine

static void resume(struct sl_http_request *request)
{
	request->port->has_work = true;
	if (!request->is_suspended)
		return;
	request->is_suspended = false;
	MHD_resume_connection(request->connection);
}

static void suspend(struct sl_http_request *request)
{
	request->is_suspended = true;
	MHD_suspend_connection(request->connection);
}

static void client_left(struct sl_watch *watch, uint32_t events)
{
	struct sl_http_request *request =
		(void *)((char *)watch - offsetof(struct sl_http_request, watch));

	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0)
		return;
	request->is_gone = true;
	resume(request);
}

static void watch_client(struct sl_http_request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (request->watch.on_ready != NULL || info == NULL)
		return;
	request->watch = (struct sl_watch){.on_ready = client_left, .fd = info->connect_fd};
	if (sl_loop_add(&request->server->loop, &request->watch, EPOLLRDHUP | EPOLLET) != 0)
		request->watch.on_ready = NULL;
}

void sl_http_hold(struct sl_http_request *request)
{
	watch_client(request);
	if (!request->is_held) {
		request->is_held = true;
		TAILQ_INSERT_TAIL(&request->server->hung, request, link);
	}
	suspend(request);
}

void sl_http_release_all(struct sl_server *server)
{
	struct sl_http_request *request;

	while ((request = TAILQ_FIRST(&server->hung)) != NULL) {
		TAILQ_REMOVE(&server->hung, request, link);
		request->is_held = false;
		resume(request);
	}
}

static struct MHD_Response *with_headers(struct sl_http_request *request,
                                         struct MHD_Response *response, const char *type)
{
	if (response != NULL) {
		MHD_add_response_header(response, "Content-Type", type);
		MHD_add_response_header(response, "x-sluice-backend", request->server->name);
	}
	return response;
}

int sl_http_answer(struct sl_http_request *request, int status, const char *type, char *text)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	if (text == NULL)
		return -ENOMEM;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(text);
		return -ENOMEM;
	}
	with_headers(request, response, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, POST");
	result = MHD_queue_response(request->connection, (unsigned)status, response);
	MHD_destroy_response(response);
	return result == MHD_YES ? 0 : -EIO;
}

// The role event, a token event for each token produced and not sent, and the two events at the
// end.
static size_t write_next_event(struct sl_http_request *request, char *buf)
{
	const struct sl_chat_answer *answer = &request->answer;
	enum sl_chat_event event;

	if (!request->has_sent_role) {
		request->has_sent_role = true;
		if (answer->kind == SL_CHAT_COMPLETION)
			return sl_chat_event_write(answer, SL_CHAT_ROLE, 0, buf);
	}
	if (request->sent_tokens < request->seq.produced_tokens)
		return sl_chat_event_write(answer, SL_CHAT_TOKEN, request->sent_tokens++, buf);
	if (request->sent_tokens < request->seq.output_tokens || request->n_ends == 2)
		return 0;
	event = request->n_ends++ == 0 ? SL_CHAT_FINISH : SL_CHAT_DONE;
	return sl_chat_event_write(answer, event, 0, buf);
}

static ssize_t read_stream(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct sl_http_request *request = cls;
	char event[SL_CHAT_EVENT];
	size_t len = 0;

	(void)pos;
	if (request->is_gone)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	// The block is larger than an event, so there is room for one at least.
	while (max - len >= SL_CHAT_EVENT) {
		const size_t n = write_next_event(request, event);

		if (n == 0)
			break;
		memcpy(buf + len, event, n);
		len += n;
	}
	if (len > 0)
		return (ssize_t)len;
	if (request->n_ends == 2)
		return MHD_CONTENT_READER_END_OF_STREAM;
	suspend(request);
	return 0;
}

static int start_stream(struct sl_http_request *request)
{
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, request, NULL);
	enum MHD_Result result;

	if (response == NULL)
		return -ENOMEM;
	with_headers(request, response, "text/event-stream; charset=utf-8");
	MHD_add_response_header(response, "Cache-Control", "no-cache");
	result = MHD_queue_response(request->connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result == MHD_YES ? 0 : -EIO;
}

int sl_http_generate(struct sl_http_request *request, const struct sl_chat_request *wanted)
{
	struct sl_server *server = request->server;
	int rc;

	request->seq.prompt_tokens = wanted->prompt_tokens;
	request->seq.output_tokens = wanted->output_tokens;
	request->arrival_ns = sl_loop_now_ns();
	request->answer = (struct sl_chat_answer){
		.kind = wanted->kind,
		.id = (++server->n_requests << 32) ^ request->arrival_ns,
		.created_s = time(NULL),
		.prompt_tokens = wanted->prompt_tokens,
		.output_tokens = wanted->output_tokens,
	};
	rc = sl_engine_submit(&server->engine, &request->seq, request->arrival_ns);
	if (rc != 0)
		return rc;
	sl_server_schedule(server);
	server->metrics.n_prompt_tokens += wanted->prompt_tokens;
	request->is_generating = true;
	watch_client(request);
	if (wanted->is_stream)
		return start_stream(request);
	suspend(request);
	return 0;
}

static void count_token(struct sl_http_request *request, uint64_t now_ns)
{
	struct sl_metrics *metrics = &request->server->metrics;
	const uint32_t n = request->seq.produced_tokens;

	metrics->n_output_tokens++;
	if (n == 1) {
		request->first_ns = now_ns;
		sl_metrics_ttft(metrics, now_ns - request->arrival_ns);
	}
	if (n < request->seq.output_tokens)
		return;
	metrics->n_finished++;
	sl_metrics_e2e(metrics, now_ns - request->arrival_ns);
	if (n > 1)
		sl_metrics_tpot(metrics, (now_ns - request->first_ns) / (n - 1));
}

void sl_http_token(void *ctx, struct sl_engine_seq *seq, uint64_t now_ns)
{
	struct sl_http_request *request =
		(void *)((char *)seq - offsetof(struct sl_http_request, seq));

	(void)ctx;
	count_token(request, now_ns);
	// A stream hangs with its server: tokens pile up unsent until the knob turns back.
	if (request->server->knobs.is_hung) {
		if (!request->is_held) {
			request->is_held = true;
			TAILQ_INSERT_TAIL(&request->server->hung, request, link);
		}
		return;
	}
	if (request->has_sent_role || seq->produced_tokens == seq->output_tokens)
		resume(request);
}

static struct sl_http_request *request_new(struct sl_http_port *port,
                                           struct MHD_Connection *connection)
{
	struct sl_http_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->server = port->server;
	request->port = port;
	request->connection = connection;
	return request;
}

static void request_done(void *cls, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode why)
{
	struct sl_http_request *request = *slot;

	(void)cls;
	(void)connection;
	(void)why;
	if (request == NULL)
		return;
	*slot = NULL;
	sl_engine_cancel(&request->server->engine, &request->seq);
	if (request->is_held)
		TAILQ_REMOVE(&request->server->hung, request, link);
	if (request->watch.on_ready != NULL)
		sl_loop_delete(&request->server->loop, &request->watch);
	free(request->body);
	free(request);
}

// Doubles, so that a long prompt in many segments costs linear time. A body over the limit is
// remembered as too large and its bytes are forgotten.
static int keep_body(struct sl_http_request *request, const char *bytes, size_t len)
{
	size_t size = request->body_size;
	char *body;

	request->is_too_large |= request->body_len + len > BODY_MAX_BYTES;
	if (request->is_too_large)
		return 0;
	while (size < request->body_len + len)
		size = size == 0 ? 4096 : 2 * size;
	if (size != request->body_size) {
		body = realloc(request->body, size);
		if (body == NULL)
			return -ENOMEM;
		request->body = body;
		request->body_size = size;
	}
	memcpy(request->body + request->body_len, bytes, len);
	request->body_len += len;
	return 0;
}

// The library fixes the eight parameters.
static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_len, void **slot)
{
	struct sl_http_request *request = *slot;

	(void)version;
	if (request == NULL) {
		*slot = request_new(cls, connection);
		return *slot != NULL ? MHD_YES : MHD_NO;
	}
	if (*upload_len > 0) {
		if (keep_body(request, upload, *upload_len) != 0)
			return MHD_NO;
		*upload_len = 0;
		return MHD_YES;
	}
	if (request->is_gone)
		return MHD_NO;
	// Called again for an answer that is not streamed: after its last token, or after a hang
	// ended.
	if (request->is_generating) {
		if (request->seq.produced_tokens < request->seq.output_tokens) {
			suspend(request);
			return MHD_YES;
		}
		return sl_http_answer(request, MHD_HTTP_OK, "application/json",
		                      sl_chat_answer_json(&request->answer)) == 0
		               ? MHD_YES
		               : MHD_NO;
	}
	return sl_http_route(request, method, url) == 0 ? MHD_YES : MHD_NO;
}

static void port_ready(struct sl_watch *watch, uint32_t events)
{
	struct sl_http_port *port = (void *)((char *)watch - offsetof(struct sl_http_port, watch));

	(void)events;
	port->has_work = true;
}

int sl_http_open(struct sl_server *server, struct sl_addr *addr)
{
	struct sl_http_port *port = &server->ports[server->n_ports];
	int fd = sl_addr_listen(addr, SOCK_STREAM), rc;

	if (fd < 0)
		return fd;
	*port = (struct sl_http_port){.server = server};
	port->daemon =
		MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle,
	                         port, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
	                         (unsigned)CONNECTIONS_MAX, MHD_OPTION_NOTIFY_COMPLETED,
	                         request_done, NULL, MHD_OPTION_END);
	if (port->daemon == NULL) {
		close(fd);
		return -EIO;
	}
	port->watch.on_ready = port_ready;
	port->watch.fd = MHD_get_daemon_info(port->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	rc = sl_loop_add(&server->loop, &port->watch, EPOLLIN);
	if (rc != 0) {
		MHD_stop_daemon(port->daemon);
		return rc;
	}
	server->n_ports++;
	return 0;
}

int sl_http_run(struct sl_server *server)
{
	int timeout_ms = -1;

	for (unsigned i = 0; i < server->n_ports; i++) {
		struct sl_http_port *port = &server->ports[i];
		MHD_UNSIGNED_LONG_LONG due_ms = 0;

		for (int n = 0; n < RUNS_PER_TURN && port->has_work; n++) {
			MHD_run(port->daemon);
			port->has_work =
				MHD_get_timeout(port->daemon, &due_ms) == MHD_YES && due_ms == 0;
		}
		if (port->has_work)
			timeout_ms = 0;
	}
	return timeout_ms;
}

static void drop_queue(struct sl_engine_queue *queue)
{
	struct sl_engine_seq *seq;

	TAILQ_FOREACH(seq, queue, link)
	{
		struct sl_http_request *request =
			(void *)((char *)seq - offsetof(struct sl_http_request, seq));

		request->is_gone = true;
		resume(request);
	}
}

// The library refuses to stop while a connection is suspended.
void sl_http_close(struct sl_server *server)
{
	struct sl_http_request *request;

	TAILQ_FOREACH(request, &server->hung, link)
	request->is_gone = true;
	sl_http_release_all(server);
	drop_queue(&server->engine.running);
	drop_queue(&server->engine.waiting);
	sl_http_run(server);
	for (unsigned i = 0; i < server->n_ports; i++)
		MHD_stop_daemon(server->ports[i].daemon);
	server->n_ports = 0;
}
