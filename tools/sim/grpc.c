// SPDX-License-Identifier: Apache-2.0
#include "grpc.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES       16384
#define REQUEST_MAX      256 // a Check names a service; anything longer is not one of ours
#define MESSAGE_BYTES    7   // gRPC prefix of 5, then the status field
#define STREAMS_PER_CONN 128
#define CHECK_PATH       "/grpc.health.v1.Health/Check"

enum grpc_code { GRPC_OK = 0, GRPC_NOT_FOUND = 5, GRPC_UNIMPLEMENTED = 12 };
enum serving { SERVING = 1, NOT_SERVING = 2 };

struct stream {
	TAILQ_ENTRY(stream) link;
	int32_t id;
	bool is_check; // its path is ours
	bool is_whole; // the request has ended
	bool is_answered;
	uint8_t request[REQUEST_MAX];
	size_t request_len;
	uint8_t message[MESSAGE_BYTES];
	size_t sent;
};

TAILQ_HEAD(streams, stream);

struct sl_grpc_conn {
	TAILQ_ENTRY(sl_grpc_conn) link;
	struct sl_watch watch;
	struct sl_grpc *grpc;
	nghttp2_session *session;
	struct streams streams;
	const uint8_t *unsent; // the library's, until its next call
	size_t n_unsent;
	bool is_writing; // waits for room in the socket
};

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name,
		.value = (uint8_t *)(uintptr_t)value,
		.namelen = strlen(name),
		.valuelen = strlen(value),
	};
}

// The library fixes the seven parameters.
static ssize_t read_message(nghttp2_session *session, int32_t id, uint8_t *buf, size_t max,
                            uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct stream *stream = source->ptr;
	size_t n = MESSAGE_BYTES - stream->sent;
	nghttp2_nv trailer = header("grpc-status", "0");

	(void)user;
	if (n > max)
		n = max;
	memcpy(buf, stream->message + stream->sent, n);
	stream->sent += n;
	if (stream->sent == MESSAGE_BYTES) {
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(session, id, &trailer, 1);
	}
	return (ssize_t)n;
}

// The service asked for: field 1, a string. Only the empty name, the whole server, is known.
static bool is_whole_server(const struct stream *stream)
{
	const uint8_t *message = stream->request + 5;

	if (stream->request_len < 5)
		return false;
	return stream->request_len == 5 ||
	       (stream->request_len == 7 && message[0] == 0x0a && message[1] == 0);
}

static void answer(struct sl_grpc_conn *conn, struct stream *stream)
{
	const enum grpc_code code = !stream->is_check         ? GRPC_UNIMPLEMENTED
	                            : is_whole_server(stream) ? GRPC_OK
	                                                      : GRPC_NOT_FOUND;
	const nghttp2_nv headers[] = {
		header(":status", "200"),
		header("content-type", "application/grpc"),
		header("x-sluice-backend", conn->grpc->name),
		header("grpc-status", code == GRPC_NOT_FOUND ? "5" : "12"),
	};
	nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_message};

	stream->is_answered = true;
	if (code != GRPC_OK) { // "trailers only": the status travels with the headers
		nghttp2_submit_response(conn->session, stream->id, headers, 4, NULL);
		return;
	}
	stream->message[4] = MESSAGE_BYTES - 5;
	stream->message[5] = 0x08; // field 1, a varint
	stream->message[6] = conn->grpc->is_serving ? SERVING : NOT_SERVING;
	nghttp2_submit_response(conn->session, stream->id, headers, 3, &provider);
}

static int stream_begins(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct sl_grpc_conn *conn = user;
	struct stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	stream->id = frame->hd.stream_id;
	TAILQ_INSERT_TAIL(&conn->streams, stream, link);
	nghttp2_session_set_stream_user_data(session, stream->id, stream);
	return 0;
}

// The library fixes the eight parameters.
static int header_came(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                       size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                       void *user)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)flags;
	(void)user;
	if (stream != NULL && name_len == 5 && memcmp(name, ":path", 5) == 0)
		stream->is_check = value_len == strlen(CHECK_PATH) &&
		                   memcmp(value, CHECK_PATH, value_len) == 0;
	return 0;
}

static int data_came(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                     size_t len, void *user)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void)flags;
	(void)user;
	if (stream == NULL)
		return 0;
	if (len > REQUEST_MAX - stream->request_len)
		len = REQUEST_MAX - stream->request_len;
	memcpy(stream->request + stream->request_len, bytes, len);
	stream->request_len += len;
	return 0;
}

static int frame_came(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct sl_grpc_conn *conn = user;
	struct stream *stream;

	if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (stream == NULL || stream->is_whole)
		return 0;
	stream->is_whole = true;
	if (!conn->grpc->is_hung)
		answer(conn, stream);
	return 0;
}

static int stream_ends(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
	struct sl_grpc_conn *conn = user;
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void)error;
	if (stream == NULL)
		return 0;
	TAILQ_REMOVE(&conn->streams, stream, link);
	nghttp2_session_set_stream_user_data(session, id, NULL);
	free(stream);
	return 0;
}

static void conn_free(struct sl_grpc_conn *conn)
{
	struct stream *stream;

	while ((stream = TAILQ_FIRST(&conn->streams)) != NULL) {
		TAILQ_REMOVE(&conn->streams, stream, link);
		free(stream);
	}
	sl_loop_delete(conn->grpc->loop, &conn->watch);
	TAILQ_REMOVE(&conn->grpc->conns, conn, link);
	nghttp2_session_del(conn->session);
	close(conn->watch.fd);
	free(conn);
}

// Writes what the session has to say. False when the connection is over.
static bool flush_out(struct sl_grpc_conn *conn)
{
	for (;;) {
		ssize_t n;

		if (conn->n_unsent == 0) {
			n = nghttp2_session_mem_send(conn->session, &conn->unsent);
			if (n < 0)
				return false;
			if (n == 0)
				break;
			conn->n_unsent = (size_t)n;
		}
		n = send(conn->watch.fd, conn->unsent, conn->n_unsent, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			break;
		conn->unsent += n;
		conn->n_unsent -= (size_t)n;
	}
	if (conn->is_writing != (conn->n_unsent > 0)) {
		conn->is_writing = conn->n_unsent > 0;
		sl_loop_change(conn->grpc->loop, &conn->watch,
		               conn->is_writing ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
	return conn->n_unsent > 0 || nghttp2_session_want_read(conn->session) ||
	       nghttp2_session_want_write(conn->session);
}

static void conn_ready(struct sl_watch *watch, uint32_t events)
{
	struct sl_grpc_conn *conn = (void *)((char *)watch - offsetof(struct sl_grpc_conn, watch));
	uint8_t buf[READ_BYTES];
	ssize_t n;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = recv(watch->fd, buf, sizeof(buf), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN) ||
		    (n > 0 && nghttp2_session_mem_recv(conn->session, buf, (size_t)n) != n)) {
			conn_free(conn);
			return;
		}
	}
	if (!flush_out(conn))
		conn_free(conn);
}

static int session_new(struct sl_grpc_conn *conn)
{
	const nghttp2_settings_entry limit = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
	                                      STREAMS_PER_CONN};
	nghttp2_session_callbacks *callbacks;
	int rc;

	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, stream_begins);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, header_came);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_came);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_came);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_ends);
	rc = nghttp2_session_server_new(&conn->session, callbacks, conn);
	nghttp2_session_callbacks_del(callbacks);
	if (rc != 0)
		return -ENOMEM;
	nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, &limit, 1);
	return 0;
}

static void conn_start(struct sl_grpc *grpc, int fd)
{
	struct sl_grpc_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL || session_new(conn) != 0) {
		free(conn);
		close(fd);
		return;
	}
	conn->grpc = grpc;
	conn->watch = (struct sl_watch){.on_ready = conn_ready, .fd = fd};
	TAILQ_INIT(&conn->streams);
	TAILQ_INSERT_TAIL(&grpc->conns, conn, link);
	if (sl_loop_add(grpc->loop, &conn->watch, EPOLLIN) != 0 || !flush_out(conn))
		conn_free(conn);
}

static void listen_ready(struct sl_watch *watch, uint32_t events)
{
	struct sl_grpc *grpc = (void *)((char *)watch - offsetof(struct sl_grpc, watch));
	const int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0)
		conn_start(grpc, fd);
}

void sl_grpc_init(struct sl_grpc *grpc, struct sl_loop *loop, const char *name)
{
	*grpc = (struct sl_grpc){.watch.fd = -1, .loop = loop, .name = name, .is_serving = true};
	TAILQ_INIT(&grpc->conns);
}

int sl_grpc_open(struct sl_grpc *grpc, struct sl_addr *addr)
{
	const int fd = sl_addr_listen(addr, SOCK_STREAM);

	if (fd < 0)
		return fd;
	grpc->watch = (struct sl_watch){.on_ready = listen_ready, .fd = fd};
	return sl_loop_add(grpc->loop, &grpc->watch, EPOLLIN);
}

void sl_grpc_close(struct sl_grpc *grpc)
{
	struct sl_grpc_conn *conn;

	while ((conn = TAILQ_FIRST(&grpc->conns)) != NULL)
		conn_free(conn);
	if (grpc->watch.fd >= 0)
		close(grpc->watch.fd);
	grpc->watch.fd = -1;
}

static void answer_held(struct sl_grpc_conn *conn)
{
	struct stream *stream;

	TAILQ_FOREACH(stream, &conn->streams, link)
	{
		if (stream->is_whole && !stream->is_answered)
			answer(conn, stream);
	}
}

void sl_grpc_set_hung(struct sl_grpc *grpc, bool is_hung)
{
	struct sl_grpc_conn *conn, *next;

	grpc->is_hung = is_hung;
	if (is_hung)
		return;
	for (conn = TAILQ_FIRST(&grpc->conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		answer_held(conn);
		if (!flush_out(conn))
			conn_free(conn);
	}
}
