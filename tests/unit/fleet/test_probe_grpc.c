// SPDX-License-Identifier: Apache-2.0
// The grpc probe against a real h2c server (libnghttp2) that answers as each case says.
#include "sl_check.h"

#include <nghttp2/nghttp2.h>
#include <pthread.h>

#include "probe_harness.h"

struct script {
	const char *http_status;
	const char *grpc_status; // trailer; NULL = none
	uint8_t n_body;
	uint8_t body[16];
	bool is_endless; // the body never ends
	bool is_mute;    // the stream gets no answer
};

struct server {
	struct script script;
	int fd;
	uint16_t port;
	size_t n_sent;
	char path[64];
	uint8_t request[64]; // the posted message
	size_t n_request;
};

#define HEADER(n, v)                                                                               \
	{                                                                                          \
		(uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v),        \
			NGHTTP2_NV_FLAG_NONE                                                       \
	}

// The library fixes the seven parameters.
static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t n_buf,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct server *server = ctx;
	const struct script *script = &server->script;
	size_t n = script->n_body - server->n_sent;

	(void)source;
	if (script->is_endless) {
		memset(buf, 0, n_buf);
		return (ssize_t)n_buf;
	}
	memcpy(buf, &script->body[server->n_sent], n);
	server->n_sent += n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (script->grpc_status != NULL) {
		nghttp2_nv trailer = HEADER("grpc-status", script->grpc_status);

		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(session, stream, &trailer, 1);
	}
	return (ssize_t)n;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct server *server = ctx;
	nghttp2_data_provider provider = {.read_callback = read_body};
	nghttp2_nv headers[] = {HEADER(":status", server->script.http_status),
	                        HEADER("content-type", "application/grpc")};

	if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 || server->script.is_mute)
		return 0;
	server->n_sent = 0;
	return nghttp2_submit_response(session, frame->hd.stream_id, headers, 2, &provider);
}

// The library fixes the eight parameters.
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags, void *ctx)
{
	struct server *server = ctx;

	(void)session;
	(void)frame;
	(void)flags;
	if (n_name == 5 && memcmp(name, ":path", 5) == 0)
		snprintf(server->path, sizeof(server->path), "%.*s", (int)n_value, value);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t n_bytes, void *ctx)
{
	struct server *server = ctx;

	(void)session;
	(void)flags;
	(void)stream;
	if (n_bytes > sizeof(server->request))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	memcpy(server->request, data, n_bytes);
	server->n_request = n_bytes;
	return 0;
}

static bool send_pending(nghttp2_session *session, int fd)
{
	const uint8_t *bytes;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(session, &bytes)) > 0)
		if (send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
			return false;
	return n == 0;
}

static void serve_one(struct server *server, int fd)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *session;
	uint8_t in[4096];
	ssize_t n;

	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_server_new(&session, callbacks, server);
	nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, NULL, 0);
	while (send_pending(session, fd) && (n = recv(fd, in, sizeof(in), 0)) > 0)
		if (nghttp2_session_mem_recv(session, in, (size_t)n) < 0)
			break;
	nghttp2_session_del(session);
	nghttp2_session_callbacks_del(callbacks);
}

static void *serve(void *ctx)
{
	struct server *server = ctx;
	int fd;

	while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
		serve_one(server, fd);
		close(fd);
	}
	return NULL;
}

// The thread ends when the listener is shut down, so that nothing of it counts as leaked.
static struct sl_probe_result probe_server(struct server *server, const struct script *script,
                                           const struct sl_model_probe *probe)
{
	struct sl_probe_result result;
	pthread_t thread;

	server->script = *script;
	server->fd = harness_listen(16, &server->port);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, server), 0);
	result = harness_probe_once(server->port, probe);
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(server->fd);
	return result;
}

static const struct {
	const char *name;
	struct script script;
	uint8_t reason;
} cases[] = {
	{"serving", {"200", "0", 7, {0, 0, 0, 0, 2, 8, 1}}, SL_PROBE_OK},
	{"not serving", {"200", "0", 7, {0, 0, 0, 0, 2, 8, 2}}, SL_PROBE_NOT_SERVING},
	{"unknown service", {"200", "5", 0, {0}}, SL_PROBE_NOT_SERVING},
	{"not implemented", {"200", "12", 0, {0}}, SL_PROBE_NOT_SERVING},
	{"no trailer", {"200", NULL, 7, {0, 0, 0, 0, 2, 8, 1}}, SL_PROBE_PROTOCOL},
	{"half a message", {"200", "0", 3, {0, 0, 0}}, SL_PROBE_PROTOCOL},
	{"a gateway's 502", {"502", NULL, 0, {0}}, SL_PROBE_STATUS},
	{"an endless message", {"200", "0", 0, {0}, .is_endless = true}, SL_PROBE_TOO_LARGE},
	{"no answer to the call", {"200", "0", 0, {0}, .is_mute = true}, SL_PROBE_TIMEOUT},
};

START_TEST(grpc_health_has_its_reasons)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_GRPC);
	static struct server server;
	struct sl_probe_result r = probe_server(&server, &cases[_i].script, &probe);

	ck_assert_msg(r.reason == cases[_i].reason, "%s: %s", cases[_i].name,
	              sl_probe_reason_name(r.reason));
	ck_assert_uint_gt(r.connect_us, 0);
	ck_assert_uint_lt(r.total_us, 1000 * 1000);
}
END_TEST

START_TEST(the_call_names_method_and_service)
{
	static const struct script script = {"200", "0", 7, {0, 0, 0, 0, 2, 8, 1}};
	struct sl_model_probe probe = harness_probe(SL_PROBE_GRPC);
	static struct server server;

	strcpy(probe.service, "llm");
	ck_assert_uint_eq(probe_server(&server, &script, &probe).reason, SL_PROBE_OK);
	ck_assert_str_eq(server.path, "/grpc.health.v1.Health/Check");
	ck_assert_uint_eq(server.n_request, 10);
	ck_assert_mem_eq(server.request, "\0\0\0\0\5\12\3llm", 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("probe_grpc");
	TCase *tc = tcase_create("probe_grpc");

	tcase_add_loop_test(tc, grpc_health_has_its_reasons, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, the_call_names_method_and_service);
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
