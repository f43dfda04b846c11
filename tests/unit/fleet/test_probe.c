// SPDX-License-Identifier: Apache-2.0
// Probes against real servers on loopback: well behaved, rude, endless and absent ones.
#include "sl_check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

#include "probe_harness.h"

enum then { THEN_CLOSE, THEN_RESET, THEN_HOLD, THEN_DRIP, THEN_FLOOD };

// What a server does with each connection: wait for a request, send, then ...
struct script {
	const char *send;
	enum then then;
	const char *more; // dripped every 5 ms, or sent as fast as it goes
};

struct server {
	struct script script;
	int fd;
	uint16_t port;
	char request[2048]; // the last one
};

static void wait_for_hangup(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char byte;

	while (poll(&p, 1, 2000) == 1 && recv(fd, &byte, 1, 0) > 0)
		;
}

static void flood(int fd, const char *more)
{
	size_t n_more = strlen(more), n = 0;
	char many[8192];

	for (; n + n_more <= sizeof(many); n += n_more)
		memcpy(&many[n], more, n_more);
	while (send(fd, many, n, MSG_NOSIGNAL) > 0)
		;
}

static void serve_one(struct server *server, int fd)
{
	const struct script *script = &server->script;
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	ssize_t n = recv(fd, server->request, sizeof(server->request) - 1, 0);

	if (n < 0)
		return;
	server->request[n] = '\0';
	if (script->send != NULL)
		(void)send(fd, script->send, strlen(script->send), MSG_NOSIGNAL);
	if (script->then == THEN_RESET) {
		usleep(20000); // let the client read what was sent: a reset would overtake it
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	if (script->then == THEN_HOLD)
		wait_for_hangup(fd);
	else if (script->then == THEN_DRIP)
		while (send(fd, script->more, strlen(script->more), MSG_NOSIGNAL) > 0)
			usleep(5000);
	else if (script->then == THEN_FLOOD)
		flood(fd, script->more);
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

// The test's own process ends with it, and so does the thread.
static void server_start(struct server *server, const struct script *script)
{
	pthread_t thread;

	server->script = *script;
	server->fd = harness_listen(16, &server->port);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, server), 0);
	pthread_detach(thread);
}

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define OK_READY "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready"

static const struct {
	const char *name;
	uint8_t type;
	uint16_t expect_status;
	const char *contains;
	struct script script;
	uint8_t reason;
	uint16_t status;
} answers[] = {
	{"200 is ok", SL_PROBE_HTTP, 0, "", {OK_EMPTY}, SL_PROBE_OK, 200},
	{"kserve ready", SL_PROBE_KSERVE, 0, "", {OK_EMPTY}, SL_PROBE_OK, 200},
	{"kserve not ready",
         SL_PROBE_KSERVE,
         0,
         "",
         {"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"},
         SL_PROBE_STATUS,
         503},
	{"a keep-alive server", SL_PROBE_HTTP, 0, "ready", {OK_READY, THEN_HOLD}, SL_PROBE_OK, 200},
	{"a body that ends with the connection",
         SL_PROBE_HTTP,
         0,
         "ready",
         {"HTTP/1.0 200 OK\r\n\r\nit is ready"},
         SL_PROBE_OK,
         200},
	{"chunked",
         SL_PROBE_HTTP,
         0,
         "ready",
         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nre\r\n3\r\nady\r\n0\r\n\r\n"},
         SL_PROBE_OK,
         200},
	{"text is missing", SL_PROBE_HTTP, 0, "steady", {OK_READY}, SL_PROBE_BODY, 200},
	{"status is wrong", SL_PROBE_HTTP, 204, "", {OK_EMPTY}, SL_PROBE_STATUS, 200},
	{"a redirect is not followed",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"},
         SL_PROBE_STATUS,
         302},
	{"a wrong status wins over an endless body",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 500 Oops\r\n\r\n", THEN_FLOOD, "xxxxxxxxxxxxxxxx"},
         SL_PROBE_STATUS,
         500},
	{"silence", SL_PROBE_HTTP, 0, "", {NULL, THEN_HOLD}, SL_PROBE_TIMEOUT, 0},
	{"half a header",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nX: y", THEN_HOLD},
         SL_PROBE_TIMEOUT,
         200},
	{"a body that drips for ever",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\n\r\n", THEN_DRIP, "x"},
         SL_PROBE_TIMEOUT,
         200},
	{"headers that drip for ever",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\n", THEN_DRIP, "X: y\r\n"},
         SL_PROBE_TIMEOUT,
         200},
	{"an endless body",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\n\r\n", THEN_FLOOD, "xxxxxxxxxxxxxxxx"},
         SL_PROBE_TOO_LARGE,
         200},
	{"a text found early does not excuse an endless body",
         SL_PROBE_HTTP,
         0,
         "ready",
         {"HTTP/1.1 200 OK\r\n\r\nready", THEN_FLOOD, "xxxxxxxxxxxxxxxx"},
         SL_PROBE_TOO_LARGE,
         200},
	{"endless headers",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\n", THEN_FLOOD, "Name: value\r\n"},
         SL_PROBE_TOO_LARGE,
         200},
	{"one endless header line",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nX: ", THEN_FLOOD, "xxxxxxxxxxxxxxxx"},
         SL_PROBE_TOO_LARGE,
         200},
	{"closed without a word", SL_PROBE_HTTP, 0, "", {NULL, THEN_CLOSE}, SL_PROBE_RESET, 0},
	{"reset without a word", SL_PROBE_HTTP, 0, "", {NULL, THEN_RESET}, SL_PROBE_RESET, 0},
	{"closed within the headers",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nX: y\r\n"},
         SL_PROBE_RESET,
         200},
	{"closed within the body",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nready"},
         SL_PROBE_RESET,
         200},
	{"reset within the body",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nready", THEN_RESET},
         SL_PROBE_RESET,
         200},
	{"not HTTP at all",
         SL_PROBE_HTTP,
         0,
         "",
         {"SSH-2.0-OpenSSH_9.2\r\n"},
         SL_PROBE_PROTOCOL,
         0},
	{"broken chunks",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
         SL_PROBE_PROTOCOL,
         200},
	{"HTTP/1 to a gRPC probe",
         SL_PROBE_GRPC,
         0,
         "",
         {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", THEN_HOLD},
         SL_PROBE_PROTOCOL,
         0},
	{"silence to a gRPC probe", SL_PROBE_GRPC, 0, "", {NULL, THEN_HOLD}, SL_PROBE_TIMEOUT, 0},
};

START_TEST(every_way_to_answer_has_its_reason)
{
	struct sl_model_probe probe = harness_probe(answers[_i].type);
	static struct server server;
	struct sl_probe_result r;

	probe.expect_status = answers[_i].expect_status;
	strcpy(probe.contains, answers[_i].contains);
	server_start(&server, &answers[_i].script);
	r = harness_probe_once(server.port, &probe);
	ck_assert_msg(r.reason == answers[_i].reason, "%s: %s", answers[_i].name,
	              sl_probe_reason_name(r.reason));
	ck_assert_msg(r.http_status == answers[_i].status, "%s: status %u", answers[_i].name,
	              r.http_status);
	ck_assert_msg(r.connect_us > 0 && r.total_us >= r.connect_us, "%s: %u us, %u us",
	              answers[_i].name, r.connect_us, r.total_us);
	ck_assert_msg(r.total_us < 1000 * 1000, "%s: took %u us", answers[_i].name, r.total_us);
}
END_TEST

static const uint8_t every_type[] = {SL_PROBE_TCP, SL_PROBE_HTTP, SL_PROBE_KSERVE, SL_PROBE_GRPC};

START_TEST(a_closed_port_refuses)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	uint16_t port;
	int fd = harness_listen(-1, &port); // bound, not listening
	struct sl_probe_result r = harness_probe_once(port, &probe);

	ck_assert_str_eq(sl_probe_reason_name(r.reason), "refused");
	ck_assert_uint_eq(r.connect_us, 0);
	close(fd);
}
END_TEST

// With a full queue the kernel ignores further SYNs, as a dead host would.
START_TEST(an_ignored_syn_is_a_connect_timeout)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	uint16_t port;
	int fd = harness_listen(0, &port), fill[4];
	struct sockaddr_in sin = {.sin_family = AF_INET,
	                          .sin_port = htons(port),
	                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sl_probe_result r;

	for (int i = 0; i < 4; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fill[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	r = harness_probe_once(port, &probe);
	ck_assert_str_eq(sl_probe_reason_name(r.reason), "connect_timeout");
	ck_assert_uint_eq(r.connect_us, 0);
	ck_assert_uint_ge(r.total_us, 190 * 1000);
	for (int i = 0; i < 4; i++)
		close(fill[i]);
	close(fd);
}
END_TEST

// Nobody connects to a broadcast address: the kernel says "network unreachable" everywhere.
START_TEST(no_route_is_unreachable)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	struct sl_probe_target target = harness_target(0, 80, &probe);
	struct harness h;

	target.address = sl_ip_from_v4(htonl(0x7fffffff));
	harness_init(&h, 1);
	ck_assert_int_eq(sl_prober_set(h.prober, &target, 1), 0);
	harness_run(&h);
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason), "unreachable");
}
END_TEST

START_TEST(tcp_measures_the_connection)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_TCP);
	uint16_t port;
	int fd = harness_listen(16, &port);
	struct sl_probe_result r = harness_probe_once(port, &probe);

	ck_assert_str_eq(sl_probe_reason_name(r.reason), "ok");
	ck_assert_uint_gt(r.connect_us, 0);
	ck_assert_uint_eq(r.first_byte_us, r.connect_us);
	close(fd);
}
END_TEST

// Both families, since addresses are told apart by their bytes alone.
START_TEST(ipv6_is_probed_by_its_literal_address)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n_bytes = sizeof(sin6);
	struct sl_probe_target target;
	struct harness h;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin6, &n_bytes), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	target = harness_target(0, ntohs(sin6.sin6_port), &probe);
	target.address = (struct sl_ip){.bytes = {[15] = 1}};
	harness_init(&h, 1);
	ck_assert_int_eq(sl_prober_set(h.prober, &target, 1), 0);
	harness_run(&h);
	// Connected: tcp is content with that, the others wait in vain for an answer.
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason),
	                 every_type[_i] == SL_PROBE_TCP ? "ok" : "timeout");
	close(fd);
}
END_TEST

// Of whoever closed first: FIN_WAIT1, FIN_WAIT2 (about to be) and TIME_WAIT.
static int count_waiting(uint16_t port)
{
	FILE *file = fopen("/proc/net/tcp", "re");
	unsigned int local, remote, state;
	char line[256];
	int n = 0;

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, " %*u: %*x:%x %*x:%x %x", &local, &remote, &state) == 3 &&
		    (local == port || remote == port) && state >= 4 && state <= 6)
			n++;
	fclose(file);
	return n;
}

// The other side keeps the connection open, so it is the probe that closes first.
START_TEST(a_tcp_probe_leaves_nothing_waiting)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_TCP);
	uint16_t port;
	int fd = harness_listen(16, &port);

	harness_probe_once(port, &probe);
	ck_assert_int_eq(count_waiting(port), 0);
	close(fd);
}
END_TEST

START_TEST(an_http_probe_leaves_nothing_waiting)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	static const struct script script = {OK_EMPTY, THEN_HOLD};
	static struct server server;

	server_start(&server, &script);
	harness_probe_once(server.port, &probe);
	ck_assert_int_eq(count_waiting(server.port), 0);
}
END_TEST

START_TEST(the_probes_own_port_comes_first)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_TCP);
	uint16_t port;
	int fd = harness_listen(16, &port);
	struct sl_probe_result r;

	probe.port = port;
	r = harness_probe_once(1, &probe);
	ck_assert_str_eq(sl_probe_reason_name(r.reason), "ok");
	close(fd);
}
END_TEST

START_TEST(a_body_is_posted_as_json)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	static const struct script script = {OK_EMPTY};
	static struct server server;

	strcpy(probe.path, "/v1/completions?x=1");
	strcpy(probe.body, "{\"max_tokens\":1}");
	server_start(&server, &script);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	ck_assert_uint_eq(harness_probe_once(server.port, &probe).reason, SL_PROBE_OK);
	ck_assert_ptr_nonnull(strstr(server.request, "POST /v1/completions?x=1 HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(server.request, "Content-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(server.request, "\r\n\r\n{\"max_tokens\":1}"));
}
END_TEST

START_TEST(running_out_of_descriptors_is_our_own_trouble)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	struct sl_probe_target target = harness_target(0, 1, &probe);
	struct rlimit before, none;
	struct harness h;

	harness_init(&h, 1);
	ck_assert_int_eq(sl_prober_set(h.prober, &target, 1), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	harness_run(&h);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0); // sanitizers open files at exit
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason), "internal");
}
END_TEST

static void exhaust_after_first(void *ctx, uint64_t key, const struct sl_probe_result *result)
{
	struct harness *h = ctx;
	struct rlimit limit;

	(void)key;
	h->results[h->n_done++] = *result;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = h->n_done == 1 ? 0 : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (h->n_done == 2)
		sl_prober_close(h->prober, harness_on_closed, h);
}

// Curl's handles are reused, and so would be the error of the connection before.
START_TEST(an_older_refusal_is_not_blamed_for_missing_descriptors)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	struct sl_probe_target target = harness_target(0, 1, &probe);
	struct harness h = {0};

	uv_loop_init(&h.loop);
	uv_timer_init(&h.loop, &h.guard);
	uv_timer_start(&h.guard, harness_on_guard, 3000, 0);
	h.prober = sl_prober_new(&h.loop, 1, exhaust_after_first, &h);
	ck_assert_int_eq(sl_prober_set(h.prober, &target, 1), 0);
	harness_run(&h);
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason), "refused");
	ck_assert_str_eq(sl_probe_reason_name(h.results[1].reason), "internal");
}
END_TEST

START_TEST(a_redirect_to_a_working_server_is_still_wrong)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	static const struct script ok = {OK_EMPTY};
	static struct server works, redirects;
	static char text[128];
	struct script script = {text};

	server_start(&works, &ok);
	snprintf(
		text, sizeof(text),
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/\r\nContent-Length: 0\r\n\r\n",
		works.port);
	server_start(&redirects, &script);
	ck_assert_str_eq(sl_probe_reason_name(harness_probe_once(redirects.port, &probe).reason),
	                 "status");
	ck_assert_uint_eq(works.request[0], 0);
}
END_TEST

START_TEST(a_wrong_status_ends_the_probe_at_once)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	static const struct script script = {"HTTP/1.1 500 Oops\r\n\r\n", THEN_DRIP, "x"};
	static struct server server;
	struct sl_probe_result r;

	probe.timeout_ms = 1000;
	server_start(&server, &script);
	r = harness_probe_once(server.port, &probe);
	ck_assert_str_eq(sl_probe_reason_name(r.reason), "status");
	ck_assert_uint_lt(r.total_us, 500 * 1000);
}
END_TEST

// 200 silent targets, 16 slots of 20 ms: whoever waits for a slot is not late by that.
START_TEST(waiting_for_a_slot_costs_no_time_of_its_own)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	struct sl_probe_target targets[200];
	struct rlimit few = {64, 64};
	struct harness h;
	uint16_t port;
	int fd = harness_listen(4096, &port);

	probe.timeout_ms = 20;
	for (uint32_t i = 0; i < 200; i++)
		targets[i] = harness_target(i, port, &probe);
	setrlimit(RLIMIT_NOFILE, &few);
	harness_init(&h, 200);
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 200), 0);
	harness_run(&h);
	for (uint32_t i = 0; i < 200; i++) {
		ck_assert_str_eq(sl_probe_reason_name(h.results[i].reason), "timeout");
		ck_assert_uint_ge(h.results[i].total_us, 19 * 1000);
		ck_assert_uint_lt(h.results[i].total_us, 200 * 1000);
	}
	close(fd);
}
END_TEST

static void set_during_done(void *ctx, uint64_t key, const struct sl_probe_result *result)
{
	struct harness *h = ctx;
	static const struct sl_model_probe probe = {
		.type = SL_PROBE_HTTP, .interval_ms = 10, .timeout_ms = 200};
	struct sl_probe_target next[2] = {harness_target(1, 1, &probe),
	                                  harness_target(2, 1, &probe)};

	(void)result;
	h->counts[key]++;
	h->n_done++;
	if (key == 0)
		ck_assert_int_eq(sl_prober_set(h->prober, next, 2), 0);
	else if (h->counts[1] >= 2 && h->counts[2] >= 2)
		sl_prober_close(h->prober, harness_on_closed, h);
}

START_TEST(done_may_replace_the_set_it_is_called_for)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	struct sl_probe_target targets[2] = {harness_target(0, 1, &probe),
	                                     harness_target(1, 1, &probe)};
	struct harness h = {0};

	uv_loop_init(&h.loop);
	uv_timer_init(&h.loop, &h.guard);
	uv_timer_start(&h.guard, harness_on_guard, 3000, 0);
	h.prober = sl_prober_new(&h.loop, 1, set_during_done, &h);
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 2), 0);
	harness_run(&h);
	ck_assert_uint_eq(h.counts[0], 1);
}
END_TEST

// Removed, changed and kept targets while all of them are in flight against a silent server.
START_TEST(a_new_set_cancels_what_is_gone_and_keeps_what_stays)
{
	struct sl_model_probe silent = harness_probe(SL_PROBE_HTTP),
			      tcp = harness_probe(SL_PROBE_TCP);
	struct sl_probe_target targets[3];
	struct harness h;
	uint16_t port;
	int fd = harness_listen(64, &port);

	targets[0] = harness_target(0, port, &silent);
	targets[1] = harness_target(1, port, &silent);
	targets[2] = harness_target(2, port, &silent);
	harness_init(&h, 2);
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 3), 0);
	for (int i = 0; i < 5; i++)
		uv_run(&h.loop, UV_RUN_ONCE);
	targets[1].probe = &tcp;
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 2), 0);
	harness_run(&h);
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason), "timeout");
	ck_assert_str_eq(sl_probe_reason_name(h.results[1].reason), "ok");
	ck_assert_uint_eq(h.counts[2], 0);
	close(fd);
}
END_TEST

START_TEST(two_targets_with_one_key_are_refused_and_change_nothing)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_TCP);
	struct sl_probe_target targets[2] = {harness_target(0, 1, &probe),
	                                     harness_target(0, 2, &probe)};
	struct harness h;

	harness_init(&h, 1);
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 1), 0);
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 2), -EINVAL);
	harness_run(&h);
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason), "refused");
}
END_TEST

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *s = suite_create("probe");
	TCase *tc = tcase_create("probe");

	tcase_add_loop_test(tc, every_way_to_answer_has_its_reason, 0, N(answers));
	tcase_add_loop_test(tc, a_closed_port_refuses, 0, N(every_type));
	tcase_add_loop_test(tc, an_ignored_syn_is_a_connect_timeout, 0, N(every_type));
	tcase_add_loop_test(tc, no_route_is_unreachable, 0, N(every_type));
	tcase_add_test(tc, tcp_measures_the_connection);
	tcase_add_loop_test(tc, ipv6_is_probed_by_its_literal_address, 0, N(every_type));
	tcase_add_test(tc, a_tcp_probe_leaves_nothing_waiting);
	tcase_add_test(tc, an_http_probe_leaves_nothing_waiting);
	tcase_add_test(tc, the_probes_own_port_comes_first);
	tcase_add_test(tc, a_body_is_posted_as_json);
	tcase_add_loop_test(tc, running_out_of_descriptors_is_our_own_trouble, 0, N(every_type));
	tcase_add_loop_test(tc, an_older_refusal_is_not_blamed_for_missing_descriptors, 0,
	                    N(every_type));
	tcase_add_test(tc, a_redirect_to_a_working_server_is_still_wrong);
	tcase_add_test(tc, a_wrong_status_ends_the_probe_at_once);
	tcase_add_test(tc, waiting_for_a_slot_costs_no_time_of_its_own);
	tcase_add_test(tc, done_may_replace_the_set_it_is_called_for);
	tcase_add_test(tc, a_new_set_cancels_what_is_gone_and_keeps_what_stays);
	tcase_add_test(tc, two_targets_with_one_key_are_refused_and_change_nothing);
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
