// SPDX-License-Identifier: Apache-2.0
// http, kserve and grpc probes: one libcurl multi handle driven by the loop, easy handles reused,
// a fresh connection each time, since connecting is part of what is probed.
#include "probe_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe_reply.h"

#define URL_BYTES 384 // "http://[", address, "]:", port, a path of 255 and a slash

struct sl_probe_http {
	CURL *easy;
	struct sl_prober *prober;
	struct sl_target *target; // NULL when ended
	struct sl_probe_http *next_free;
	struct sl_reply reply;
	bool could_not_open; // the socket
};

// One per socket that curl has open, for as long as it has.
struct sl_probe_socket {
	uv_poll_t poll;
	struct sl_prober *prober;
	curl_socket_t fd;
};

static void on_socket_closed(uv_handle_t *handle)
{
	struct sl_probe_socket *socket = handle->data;
	struct sl_prober *prober = socket->prober;

	free(socket);
	sl_probe_handle_closed(prober);
}

static uint32_t us_of(CURL *easy, CURLINFO what)
{
	curl_off_t us = 0;

	if (curl_easy_getinfo(easy, what, &us) != CURLE_OK || us < 0)
		return 0;
	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static uint8_t reason_of_connect(CURL *easy)
{
	long err = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &err);
	return err == 0 ? (uint8_t)SL_PROBE_INTERNAL : sl_probe_reason_of_errno((int)err);
}

// Curl says "receive error" of a reset, with the system's error, and of bytes that make no sense
// (bad chunks, bad frames), without one.
static uint8_t reason_of_receive(CURL *easy)
{
	long err = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &err);
	return err == 0 ? SL_PROBE_PROTOCOL : SL_PROBE_RESET;
}

static uint8_t reason_of_code(const struct sl_probe_http *http, CURLcode code, bool is_connected)
{
	bool is_grpc = http->reply.probe->type == SL_PROBE_GRPC;

	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return reason_of_connect(http->easy);
	case CURLE_OPERATION_TIMEDOUT:
		return is_connected ? SL_PROBE_TIMEOUT : SL_PROBE_CONNECT_TIMEOUT;
	case CURLE_RECV_ERROR:
		return reason_of_receive(http->easy);
	case CURLE_GOT_NOTHING:
		// To HTTP/2 this is also what an answer in HTTP/1 looks like, much the likelier.
		return is_grpc ? SL_PROBE_PROTOCOL : SL_PROBE_RESET;
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		return SL_PROBE_RESET;
	case CURLE_UNSUPPORTED_PROTOCOL: // not HTTP/1: curl takes it for HTTP/0.9
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_BAD_CONTENT_ENCODING:
		return SL_PROBE_PROTOCOL;
	case CURLE_OUT_OF_MEMORY: // also said of one header line above curl's own limit
		return is_connected ? SL_PROBE_TOO_LARGE : SL_PROBE_INTERNAL;
	default:
		return SL_PROBE_INTERNAL;
	}
}

static uint8_t judge(const struct sl_probe_http *http, CURLcode code, uint16_t status,
                     bool is_connected)
{
	const struct sl_reply *reply = &http->reply;

	// A wrong status is the plainest word, whatever became of the rest of the answer.
	if (reply->are_headers_complete && !sl_reply_is_status_wanted(reply, status))
		return SL_PROBE_STATUS;
	if (reply->is_too_large)
		return SL_PROBE_TOO_LARGE;
	if (http->could_not_open)
		return SL_PROBE_INTERNAL;
	if (code != CURLE_OK)
		return reason_of_code(http, code, is_connected);
	return sl_reply_judge(reply, status);
}

static void put_back(struct sl_probe_http *http)
{
	struct sl_prober *prober = http->prober;

	curl_multi_remove_handle(prober->multi, http->easy);
	http->target->http = NULL;
	http->target = NULL;
	http->next_free = prober->http_free;
	prober->http_free = http;
}

static void end(struct sl_probe_http *http, CURLcode code)
{
	struct sl_target *target = http->target;
	struct sl_probe_result result = {
		.connect_us = us_of(http->easy, CURLINFO_CONNECT_TIME_T),
		.first_byte_us = us_of(http->easy, CURLINFO_STARTTRANSFER_TIME_T),
		.total_us = us_of(http->easy, CURLINFO_TOTAL_TIME_T),
	};
	long status = 0;

	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	result.http_status = (uint16_t)status;
	result.reason = judge(http, code, result.http_status, result.connect_us > 0);
	put_back(http);
	sl_probe_finish(target, &result);
}

static void collect_ended(struct sl_prober *prober)
{
	CURLMsg *msg;
	int n_left;

	// done may close the prober: then nothing is left to collect.
	while (!prober->is_closing &&
	       (msg = curl_multi_info_read(prober->multi, &n_left)) != NULL) {
		char *http = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &http);
		end((struct sl_probe_http *)(void *)http, msg->data.result);
	}
	sl_probe_pump(prober);
}

static void on_socket_event(uv_poll_t *handle, int status, int events)
{
	struct sl_probe_socket *socket = handle->data;
	struct sl_prober *prober = socket->prober;
	int flags = status < 0 ? CURL_CSELECT_ERR : 0, n_running;

	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(prober->multi, socket->fd, flags, &n_running);
	collect_ended(prober);
}

static void on_curl_timer(uv_timer_t *timer)
{
	struct sl_prober *prober = timer->data;
	int n_running;

	curl_multi_socket_action(prober->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
	collect_ended(prober);
}

static struct sl_probe_socket *watch(struct sl_prober *prober, curl_socket_t fd)
{
	struct sl_probe_socket *socket = calloc(1, sizeof(*socket));

	if (socket == NULL)
		return NULL;
	if (uv_poll_init_socket(prober->loop, &socket->poll, fd) != 0) {
		free(socket);
		return NULL;
	}
	prober->n_handles++;
	socket->poll.data = socket;
	socket->prober = prober;
	socket->fd = fd;
	curl_multi_assign(prober->multi, fd, socket);
	return socket;
}

// Called by curl. Without memory the socket goes unwatched and the attempt ends by its timeout.
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct sl_prober *prober = ctx;
	struct sl_probe_socket *socket = socket_ctx;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (socket != NULL) {
			uv_poll_stop(&socket->poll);
			uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
			curl_multi_assign(prober->multi, fd, NULL);
		}
		return 0;
	}
	if (socket == NULL)
		socket = watch(prober, fd);
	if (socket == NULL)
		return 0;
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	uv_poll_start(&socket->poll, events, on_socket_event);
	return 0;
}

static int on_curl_wants_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct sl_prober *prober = ctx;

	(void)multi;
	if (timeout_ms < 0 || prober->is_closing)
		uv_timer_stop(&prober->curl_timer);
	else
		uv_timer_start(&prober->curl_timer, on_curl_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
	struct sl_probe_http *http = ctx;

	return sl_reply_add_header(&http->reply, line, size * n) ? size * n : 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct sl_probe_http *http = ctx;
	long status = 0;

	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!sl_reply_is_status_wanted(&http->reply, (uint16_t)status))
		return 0;
	return sl_reply_add_body(&http->reply, bytes, size * n) ? size * n : 0;
}

// As for tcp: close with a reset, leave no TIME_WAIT. A socket that could not be made is told apart
// here, since curl calls it a failed connection, and it is not the backend's fault.
static curl_socket_t on_socket_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct sl_probe_http *http = ctx;
	int fd = socket(address->family, address->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
	                address->protocol);

	(void)purpose;
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	http->could_not_open = true;
	return CURL_SOCKET_BAD;
}

static bool configure(struct sl_probe_http *http)
{
	CURL *e = http->easy;
	CURLcode err = CURLE_OK;

	err |= curl_easy_setopt(e, CURLOPT_PRIVATE, http);
	err |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	err |= curl_easy_setopt(e, CURLOPT_PROXY, "");
	err |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http");
	err |= curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http");
	err |= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	err |= curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
	err |= curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	err |= curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	err |= curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
	err |= curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	err |= curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 8192L);
	err |= curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	err |= curl_easy_setopt(e, CURLOPT_USERAGENT, "sluice-probe");
	err |= curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket_open);
	err |= curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, http);
	err |= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	err |= curl_easy_setopt(e, CURLOPT_HEADERDATA, http);
	err |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	err |= curl_easy_setopt(e, CURLOPT_WRITEDATA, http);
	return err == CURLE_OK;
}

static struct sl_probe_http *get_http(struct sl_prober *prober)
{
	struct sl_probe_http *http = prober->http_free;

	if (http != NULL) {
		prober->http_free = http->next_free;
		return http;
	}
	http = calloc(1, sizeof(*http));
	if (http == NULL)
		return NULL;
	http->prober = prober;
	http->easy = curl_easy_init();
	if (http->easy != NULL && configure(http))
		return http;
	curl_easy_cleanup(http->easy);
	free(http);
	return NULL;
}

static void format_url(const struct sl_target *target, char *url)
{
	const char *path = target->spec->def.path;
	bool is_v4 = sl_ip_is_v4(&target->address);
	char address[INET6_ADDRSTRLEN];

	if (target->spec->def.type == SL_PROBE_GRPC)
		path = "/grpc.health.v1.Health/Check";
	else if (target->spec->def.type == SL_PROBE_KSERVE && path[0] == '\0')
		path = "/v2/health/ready";
	inet_ntop(is_v4 ? AF_INET : AF_INET6,
	          is_v4 ? &target->address.bytes[12] : target->address.bytes, address,
	          sizeof(address));
	snprintf(url, URL_BYTES, is_v4 ? "http://%s:%u%s%s" : "http://[%s]:%u%s%s", address,
	         target->port, path[0] == '/' ? "" : "/", path);
}

static bool aim(struct sl_probe_http *http, const struct sl_target *target)
{
	const struct sl_probe_spec *spec = target->spec;
	CURL *e = http->easy;
	CURLcode err = CURLE_OK;
	char url[URL_BYTES];

	format_url(target, url);
	err |= curl_easy_setopt(e, CURLOPT_URL, url);
	err |= curl_easy_setopt(e, CURLOPT_HAPROXYPROTOCOL, (long)spec->def.has_proxy_header);
	err |= curl_easy_setopt(e, CURLOPT_HTTPHEADER, spec->headers);
	err |= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)spec->def.timeout_ms);
	err |= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)spec->def.timeout_ms);
	err |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
	                        spec->def.type == SL_PROBE_GRPC
	                                ? (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
	                                : (long)CURL_HTTP_VERSION_1_1);
	if (spec->n_body_bytes > 0) {
		err |= curl_easy_setopt(e, CURLOPT_POST, 1L);
		err |= curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)spec->n_body_bytes);
		err |= curl_easy_setopt(e, CURLOPT_POSTFIELDS, spec->body);
	} else {
		err |= curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	}
	return err == CURLE_OK;
}

int sl_probe_http_start(struct sl_target *target)
{
	struct sl_prober *prober = target->prober;
	struct sl_probe_http *http = get_http(prober);

	if (http == NULL)
		return -ENOMEM;
	sl_reply_init(&http->reply, &target->spec->def);
	http->could_not_open = false;
	if (!aim(http, target) || curl_multi_add_handle(prober->multi, http->easy) != CURLM_OK) {
		http->next_free = prober->http_free;
		prober->http_free = http;
		return -ENOMEM;
	}
	http->target = target;
	target->http = http;
	return 0;
}

void sl_probe_http_cancel(struct sl_target *target)
{
	put_back(target->http);
}

// Headers and body are the same for every target of a definition: made once.
int sl_probe_http_spec_init(struct sl_probe_spec *spec)
{
	static const char *const for_kind[][3] = {
		[SL_PROBE_HTTP] = {"Connection: close", "Content-Type: application/json", NULL},
		[SL_PROBE_KSERVE] = {"Connection: close", NULL},
		[SL_PROBE_GRPC] = {"Content-Type: application/grpc", "TE: trailers", NULL},
	};
	const char *const *lines = for_kind[spec->def.type];

	if (spec->def.type == SL_PROBE_GRPC) {
		spec->n_body_bytes = (uint32_t)sl_reply_grpc_request(
			spec->def.service, (uint8_t *)spec->body, sizeof(spec->body));
	} else if (spec->def.type == SL_PROBE_HTTP) {
		spec->n_body_bytes = (uint32_t)strnlen(spec->def.body, sizeof(spec->def.body));
		memcpy(spec->body, spec->def.body, spec->n_body_bytes);
	}
	for (int i = 0; i < 2 && lines[i] != NULL; i++) {
		struct curl_slist *longer = curl_slist_append(spec->headers, lines[i]);

		if (longer == NULL)
			return -ENOMEM;
		spec->headers = longer;
		if (spec->def.type == SL_PROBE_HTTP && spec->n_body_bytes == 0)
			break; // a GET has no content to name
	}
	return 0;
}

int sl_probe_http_init(struct sl_prober *prober)
{
	CURLMcode err = CURLM_OK;

	if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
		return -ENOMEM;
	prober->multi = curl_multi_init();
	if (prober->multi == NULL) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	err |= curl_multi_setopt(prober->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	err |= curl_multi_setopt(prober->multi, CURLMOPT_SOCKETDATA, prober);
	err |= curl_multi_setopt(prober->multi, CURLMOPT_TIMERFUNCTION, on_curl_wants_timer);
	err |= curl_multi_setopt(prober->multi, CURLMOPT_TIMERDATA, prober);
	if (err != CURLM_OK) {
		curl_multi_cleanup(prober->multi);
		curl_global_cleanup();
		return -ENOMEM;
	}
	uv_timer_init(prober->loop, &prober->curl_timer);
	prober->curl_timer.data = prober;
	prober->n_handles++;
	return 0;
}

// Every attempt is cancelled by now.
void sl_probe_http_fini(struct sl_prober *prober)
{
	while (prober->http_free != NULL) {
		struct sl_probe_http *http = prober->http_free;

		prober->http_free = http->next_free;
		curl_easy_cleanup(http->easy);
		free(http);
	}
	curl_multi_cleanup(prober->multi);
	curl_global_cleanup();
}
