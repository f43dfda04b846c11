// SPDX-License-Identifier: Apache-2.0
#include "load.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sluice/units.h"

#define CONNECT_TIMEOUT_MS 5000L
#define IDLE_CONNECTIONS   1024L // kept for reuse
#define CHARS_PER_TOKEN    4     // as the server counts

struct socket_watch {
	struct sl_watch watch;
	struct sl_load *load;
};

static void event_came(void *ctx, const char *data, size_t len)
{
	struct sl_call *call = ctx;

	if (len == 6 && memcmp(data, "[DONE]", 6) == 0) {
		call->is_done = true;
		return;
	}
	if (!sl_sse_has_content(data, len))
		return;
	call->last_ns = sl_loop_now_ns();
	if (call->n_tokens++ == 0)
		call->first_ns = call->last_ns;
}

static size_t body_came(char *bytes, size_t size, size_t n, void *ctx)
{
	struct sl_call *call = ctx;

	sl_sse_feed(&call->sse, bytes, size * n);
	return size * n;
}

static size_t header_came(char *bytes, size_t size, size_t n, void *ctx)
{
	static const char name[] = "x-sluice-backend:";
	struct sl_call *call = ctx;
	size_t len = size * n, start = sizeof(name) - 1;

	if (len < start || strncasecmp(bytes, name, start) != 0)
		return len;
	while (start < len && bytes[start] == ' ')
		start++;
	n = len - start;
	while (n > 0 && (bytes[start + n - 1] == '\n' || bytes[start + n - 1] == '\r'))
		n--;
	if (n >= sizeof(call->backend))
		n = sizeof(call->backend) - 1;
	memcpy(call->backend, bytes + start, n);
	call->backend[n] = '\0';
	return len;
}

// When the request left: its latency then is without connection and handshake, as an appliance
// between the two sees it.
static int something_passed(CURL *easy, curl_infotype type, char *bytes, size_t len, void *ctx)
{
	struct sl_call *call = ctx;

	(void)easy;
	(void)bytes;
	(void)len;
	if (type == CURLINFO_HEADER_OUT && call->sent_ns == 0)
		call->sent_ns = sl_loop_now_ns();
	return 0;
}

static enum sl_load_error classify(const struct sl_call *call, CURLcode rc)
{
	long status = 0, os_errno = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
	switch (rc) {
	case CURLE_OK:
		if (status != 200)
			return SL_LOAD_STATUS;
		return call->is_done && call->n_tokens > 0 ? SL_LOAD_NONE : SL_LOAD_INCOMPLETE;
	case CURLE_OPERATION_TIMEDOUT:
		return SL_LOAD_TIMEOUT;
	case CURLE_COULDNT_CONNECT:
		return os_errno == ETIMEDOUT ? SL_LOAD_TIMEOUT : SL_LOAD_REFUSED;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
		return SL_LOAD_RESET;
	default:
		return SL_LOAD_INCOMPLETE;
	}
}

static void report(struct sl_call *call, enum sl_load_error error)
{
	const struct sl_load_settings *settings = &call->load->settings;
	struct sl_load_result result = {.error = error, .backend = call->backend};

	if (error == SL_LOAD_NONE) {
		result.ttft_us = (call->first_ns - call->scheduled_ns) / SL_NS_PER_US;
		result.answer_us = (call->first_ns - call->sent_ns) / SL_NS_PER_US;
		result.n_gaps = call->n_tokens - 1;
		result.gaps_us = (call->last_ns - call->first_ns) / SL_NS_PER_US;
		result.e2e_us = (call->last_ns - call->scheduled_ns) / SL_NS_PER_US;
		result.has_tpot = call->n_tokens > 1;
		if (result.has_tpot)
			result.tpot_us = (call->last_ns - call->first_ns) / SL_NS_PER_US /
			                 (call->n_tokens - 1);
		result.met_slo = result.ttft_us <= settings->slo_ttft_ms * UINT64_C(1000) &&
		                 result.tpot_us <= settings->slo_tpot_ms * UINT64_C(1000);
	}
	sl_load_stats_result(&call->load->stats, &result);
}

static void finish(struct sl_call *call, enum sl_load_error error)
{
	struct sl_load *load = call->load;

	report(call, error);
	curl_multi_remove_handle(load->multi, call->easy);
	TAILQ_REMOVE(&load->calls, call, link);
	TAILQ_INSERT_HEAD(&load->spare, call, link);
	load->in_flight--;
}

static void collect(struct sl_load *load)
{
	CURLMsg *message;
	int n_left;

	while ((message = curl_multi_info_read(load->multi, &n_left)) != NULL) {
		const CURLcode rc = message->data.result;
		char *private = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		finish((void *)private, classify((void *)private, rc));
	}
}

static void socket_ready(struct sl_watch *watch, uint32_t events)
{
	struct socket_watch *sw = (void *)((char *)watch - offsetof(struct socket_watch, watch));
	struct sl_load *load = sw->load;
	int flags = 0, n_running;

	if (events & EPOLLIN)
		flags |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		flags |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		flags |= CURL_CSELECT_ERR;
	// May free the watch.
	curl_multi_socket_action(load->multi, watch->fd, flags, &n_running);
	collect(load);
	sl_load_schedule(load);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct sl_load *load = ctx;
	struct socket_watch *sw = socket_ctx;
	uint32_t events = 0;
	int rc;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (sw != NULL)
			sl_loop_delete(&load->loop, &sw->watch);
		free(sw);
		curl_multi_assign(load->multi, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (sw != NULL)
		return sl_loop_change(&load->loop, &sw->watch, events) == 0 ? 0 : -1;
	sw = calloc(1, sizeof(*sw));
	if (sw == NULL)
		return -1;
	sw->watch = (struct sl_watch){.on_ready = socket_ready, .fd = fd};
	sw->load = load;
	rc = sl_loop_add(&load->loop, &sw->watch, events);
	if (rc != 0) {
		free(sw);
		return -1;
	}
	curl_multi_assign(load->multi, fd, sw);
	return 0;
}

static int want_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
	struct sl_load *load = ctx;

	(void)multi;
	load->curl_due_ns = timeout_ms < 0 ? SL_LOOP_NEVER
	                                   : sl_loop_now_ns() + (uint64_t)timeout_ms * SL_NS_PER_MS;
	return 0;
}

void sl_calls_timeout(struct sl_load *load)
{
	int n_running;

	load->curl_due_ns = SL_LOOP_NEVER;
	curl_multi_socket_action(load->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
	collect(load);
}

int sl_calls_init(struct sl_load *load)
{
	struct curl_slist *headers;

	TAILQ_INIT(&load->calls);
	TAILQ_INIT(&load->spare);
	load->curl_due_ns = SL_LOOP_NEVER;
	load->multi = curl_multi_init();
	if (load->multi == NULL)
		return -ENOMEM;
	curl_multi_setopt(load->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(load->multi, CURLMOPT_SOCKETDATA, load);
	curl_multi_setopt(load->multi, CURLMOPT_TIMERFUNCTION, want_timeout);
	curl_multi_setopt(load->multi, CURLMOPT_TIMERDATA, load);
	curl_multi_setopt(load->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS);
	load->headers = curl_slist_append(NULL, "Content-Type: application/json");
	headers = curl_slist_append(load->headers, "Expect:"); // no round trip before a long prompt
	// One stream at a time, so that a connection has one request under way under HTTP/2 too.
	curl_multi_setopt(load->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	if (headers != NULL && !load->settings.is_keep_alive && !load->settings.is_http2)
		headers = curl_slist_append(load->headers, "Connection: close");
	return load->headers != NULL && headers != NULL ? 0 : -ENOMEM;
}

static void call_free(struct sl_call *call)
{
	curl_easy_cleanup(call->easy);
	sl_sse_fini(&call->sse);
	free(call->body);
	free(call);
}

void sl_calls_fini(struct sl_load *load)
{
	struct sl_call *call;

	while ((call = TAILQ_FIRST(&load->calls)) != NULL) {
		TAILQ_REMOVE(&load->calls, call, link);
		curl_multi_remove_handle(load->multi, call->easy);
		call_free(call);
	}
	while ((call = TAILQ_FIRST(&load->spare)) != NULL) {
		TAILQ_REMOVE(&load->spare, call, link);
		call_free(call);
	}
	curl_multi_cleanup(load->multi);
	curl_slist_free_all(load->headers);
}

static void set_options(struct sl_call *call)
{
	struct sl_load *load = call->load;
	CURL *easy = call->easy;
	char ip_port[SL_ADDR_TEXT], url[SL_ADDR_TEXT + 32];

	sl_addr_format(&load->settings.target, ip_port);
	snprintf(url, sizeof(url), "http%s://%s/v1/chat/completions",
	         load->settings.is_tls ? "s" : "", ip_port);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
	                 load->settings.is_http2 ? (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
	                                         : (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L); // it measures, it keeps no secret
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	// Or each connection reads a hundred certificates, and all latencies wait for it.
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
	curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, something_passed);
	curl_easy_setopt(easy, CURLOPT_DEBUGDATA, call);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, load->headers);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)load->settings.timeout_ms);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_came);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_came);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	if (!load->settings.is_keep_alive) {
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	}
}

static struct sl_call *call_new(struct sl_load *load)
{
	struct sl_call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->load = load;
	call->easy = curl_easy_init();
	if (call->easy == NULL || sl_sse_init(&call->sse, event_came, call) != 0) {
		call_free(call);
		return NULL;
	}
	set_options(call);
	return call;
}

// A call that ended keeps its handle and buffers for the next one.
static struct sl_call *call_take(struct sl_load *load)
{
	struct sl_call *call = TAILQ_FIRST(&load->spare);

	if (call == NULL)
		return call_new(load);
	TAILQ_REMOVE(&load->spare, call, link);
	if (load->settings.is_http2 && !load->settings.is_tls) {
		// libcurl 7.88: a handle that spoke h2c once fails each second time (CURLE_HTTP2).
		curl_easy_cleanup(call->easy);
		call->easy = curl_easy_init();
		if (call->easy == NULL) {
			call_free(call);
			return NULL;
		}
		set_options(call);
	}
	sl_sse_reset(&call->sse);
	call->n_tokens = 0;
	call->sent_ns = 0;
	call->first_ns = 0;
	call->last_ns = 0;
	call->is_done = false;
	call->backend[0] = '\0';
	return call;
}

static int write_body(struct sl_call *call, const struct sl_size *size)
{
	static const char head[] = "{\"model\":\"sim-llm\",\"stream\":true,\"max_tokens\":%u,"
				   "\"messages\":[{\"role\":\"user\",\"content\":\"";
	static const char tail[] = "\"}]}";
	static const char filler[] = "flow by a gate. ";
	const size_t n_chars = (size_t)size->prompt_tokens * CHARS_PER_TOKEN;
	const size_t need = sizeof(head) + 16 + n_chars + sizeof(tail);
	size_t len;

	if (need > call->body_size) {
		char *body = realloc(call->body, need);

		if (body == NULL)
			return -ENOMEM;
		call->body = body;
		call->body_size = need;
	}
	len = (size_t)snprintf(call->body, call->body_size, head, size->output_tokens);
	for (size_t i = 0; i < n_chars; i++)
		call->body[len++] = filler[i % (sizeof(filler) - 1)];
	memcpy(call->body + len, tail, sizeof(tail));
	len += sizeof(tail) - 1;
	curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE, (long)len);
	curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body);
	return 0;
}

int sl_call_start(struct sl_load *load, const struct sl_size *size, uint64_t scheduled_ns)
{
	struct sl_call *call = call_take(load);

	if (call == NULL)
		return -ENOMEM;
	if (write_body(call, size) != 0) {
		call_free(call);
		return -ENOMEM;
	}
	call->scheduled_ns = scheduled_ns;
	TAILQ_INSERT_TAIL(&load->calls, call, link);
	load->in_flight++;
	sl_load_stats_sent(&load->stats);
	return curl_multi_add_handle(load->multi, call->easy) == CURLM_OK ? 0 : -EIO;
}

void sl_calls_abandon(struct sl_load *load)
{
	struct sl_call *call;

	while ((call = TAILQ_FIRST(&load->calls)) != NULL)
		finish(call, SL_LOAD_TIMEOUT);
}
