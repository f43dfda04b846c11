// SPDX-License-Identifier: Apache-2.0
// Many connections (or UDP flows) to echo servers, counting which of them answers: what the tests
// of shares and of long connections measure with.
#include "commands.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "addr.h"
#include "loop.h"
#include "options.h"
#include "sluice/units.h"

#define NAME_BYTES        80    // longest name with what ends it
#define PAYLOAD_MAX       65000 // one datagram
#define UDP_PAYLOAD_LEAST 8
#define CHUNK_BYTES       4096

struct settings {
	struct sl_addr target;
	uint32_t n_conns, n_parallel, hold_ms, payload_bytes, timeout_ms;
	int type;
	const char *json_path;
};

// TCP: connect, read the name line, have the payload echoed. UDP: one datagram each way.
enum phase { PHASE_CONNECTING, PHASE_NAME, PHASE_ECHO, PHASE_HELD };

struct conn {
	TAILQ_ENTRY(conn) link; // on run->active in order of start, or on run->held
	struct sl_watch watch;
	struct run *run;
	enum phase phase;
	uint64_t give_up_ns;
	char name[NAME_BYTES];
	size_t name_len, sent, echoed;
};

TAILQ_HEAD(conns, conn);

struct run {
	struct settings settings;
	struct sl_loop loop;
	struct conns active, held;
	uint32_t n_started, n_active, n_ok, n_failed, n_lost;
	json_t *by_name;
	uint64_t hold_end_ns;
	char *payload;
};

static void start_more(struct run *run);

static void conn_free(struct conn *conn)
{
	sl_loop_delete(&conn->run->loop, &conn->watch);
	close(conn->watch.fd);
	free(conn);
}

static void count_name(struct run *run, const char *name)
{
	json_t *count = json_object_get(run->by_name, name);

	if (count != NULL)
		json_integer_set(count, json_integer_value(count) + 1);
	else
		json_object_set_new(run->by_name, name, json_integer(1));
}

static void finish(struct conn *conn, bool is_ok)
{
	struct run *run = conn->run;

	TAILQ_REMOVE(&run->active, conn, link);
	run->n_active--;
	if (is_ok) {
		run->n_ok++;
		count_name(run, conn->name);
	} else {
		run->n_failed++;
	}
	if (is_ok && run->settings.hold_ms > 0) {
		conn->phase = PHASE_HELD;
		TAILQ_INSERT_TAIL(&run->held, conn, link);
		sl_loop_change(&run->loop, &conn->watch, EPOLLIN | EPOLLRDHUP);
	} else {
		conn_free(conn);
	}
}

// 0 when more is to come, 1 when the whole exchange is over, negative when it failed.
static int send_payload(struct conn *conn)
{
	const struct run *run = conn->run;
	const size_t left = run->settings.payload_bytes - conn->sent;
	ssize_t n;

	if (left == 0)
		return 0;
	n = send(conn->watch.fd, run->payload + conn->sent, left, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	conn->sent += (size_t)n;
	return 0;
}

static int begin_echo(struct conn *conn)
{
	conn->phase = PHASE_ECHO;
	if (conn->run->settings.payload_bytes == 0)
		return 1;
	return sl_loop_change(&conn->run->loop, &conn->watch, EPOLLIN | EPOLLOUT);
}

static int take_echo(struct conn *conn, const char *bytes, size_t len)
{
	const struct run *run = conn->run;

	if (len > run->settings.payload_bytes - conn->echoed ||
	    memcmp(bytes, run->payload + conn->echoed, len) != 0)
		return -EBADMSG;
	conn->echoed += len;
	return conn->echoed == run->settings.payload_bytes;
}

// The name ends with a newline; nothing can follow it yet, because we have sent nothing.
static int take_name(struct conn *conn, const char *bytes, size_t len)
{
	if (len > sizeof(conn->name) - conn->name_len)
		return -EBADMSG;
	memcpy(conn->name + conn->name_len, bytes, len);
	conn->name_len += len;
	if (conn->name[conn->name_len - 1] != '\n')
		return 0;
	conn->name[conn->name_len - 1] = '\0';
	return begin_echo(conn);
}

static int tcp_step(struct conn *conn)
{
	char bytes[CHUNK_BYTES];
	ssize_t n;
	int rc = 0;

	if (conn->phase == PHASE_CONNECTING) {
		conn->phase = PHASE_NAME;
		return sl_loop_change(&conn->run->loop, &conn->watch, EPOLLIN);
	}
	if (conn->phase == PHASE_ECHO)
		rc = send_payload(conn);
	if (rc == 0 && conn->phase == PHASE_ECHO && conn->sent == conn->run->settings.payload_bytes)
		rc = sl_loop_change(&conn->run->loop, &conn->watch, EPOLLIN);
	if (rc != 0)
		return rc;
	n = recv(conn->watch.fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	return conn->phase == PHASE_NAME ? take_name(conn, bytes, (size_t)n)
	                                 : take_echo(conn, bytes, (size_t)n);
}

// The answer is "NAME " and the payload.
static int udp_step(struct conn *conn)
{
	const struct run *run = conn->run;
	char bytes[NAME_BYTES + PAYLOAD_MAX];
	ssize_t n = recv(conn->watch.fd, bytes, sizeof(bytes), 0);
	size_t name_len;

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if ((size_t)n < run->settings.payload_bytes)
		return -EBADMSG;
	name_len = (size_t)n - run->settings.payload_bytes;
	if (name_len < 2 || name_len > NAME_BYTES || bytes[name_len - 1] != ' ' ||
	    memcmp(bytes + name_len, run->payload, run->settings.payload_bytes) != 0)
		return -EBADMSG;
	memcpy(conn->name, bytes, name_len - 1);
	conn->name[name_len - 1] = '\0';
	return 1;
}

static void conn_ready(struct sl_watch *watch, uint32_t events)
{
	struct conn *conn = (void *)((char *)watch - offsetof(struct conn, watch));
	struct run *run = conn->run;
	int rc;

	if (conn->phase == PHASE_HELD) { // the echo has nothing to say: it went away
		TAILQ_REMOVE(&run->held, conn, link);
		conn_free(conn);
		run->n_lost++;
		return;
	}
	if (events & EPOLLERR)
		rc = -ECONNREFUSED;
	else
		rc = run->settings.type == SOCK_STREAM ? tcp_step(conn) : udp_step(conn);
	if (rc != 0) {
		finish(conn, rc > 0);
		start_more(run);
	}
}

static int conn_start(struct run *run)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	const bool is_tcp = run->settings.type == SOCK_STREAM;
	int rc;

	if (conn == NULL)
		return -ENOMEM;
	conn->run = run;
	conn->give_up_ns = sl_loop_now_ns() + run->settings.timeout_ms * SL_NS_PER_MS;
	conn->watch.on_ready = conn_ready;
	conn->watch.fd = sl_addr_connect(&run->settings.target, run->settings.type);
	rc = conn->watch.fd < 0
	             ? conn->watch.fd
	             : sl_loop_add(&run->loop, &conn->watch, is_tcp ? EPOLLOUT : EPOLLIN);
	if (rc == 0 && !is_tcp &&
	    send(conn->watch.fd, run->payload, run->settings.payload_bytes, MSG_NOSIGNAL) < 0)
		rc = -errno;
	if (rc != 0) {
		if (conn->watch.fd >= 0)
			close(conn->watch.fd);
		free(conn);
		return rc;
	}
	TAILQ_INSERT_TAIL(&run->active, conn, link);
	run->n_active++;
	return 0;
}

static int write_report(const struct run *run)
{
	const char *path = run->settings.json_path;
	FILE *out = path == NULL || strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	json_t *json;
	int rc;

	if (out == NULL) {
		fprintf(stderr, "sluice-sim conns: cannot write %s: %s\n", path, strerror(errno));
		return -EIO;
	}
	json = json_pack("{s:I, s:I, s:I, s:O}", "connections", (json_int_t)run->n_ok, "failed",
	                 (json_int_t)run->n_failed, "lost", (json_int_t)run->n_lost, "by_name",
	                 run->by_name);
	rc = json_dumpf(json, out, JSON_COMPACT | JSON_SORT_KEYS);
	fputc('\n', out);
	json_decref(json);
	if ((out == stdout ? fflush(out) : fclose(out)) != 0)
		rc = -EIO;
	return rc;
}

// Everyone has an answer or was given up. With --hold the report is written now, and again at the
// end with what was lost in between.
static void all_done(struct run *run)
{
	if (run->settings.hold_ms == 0) {
		run->loop.is_stopped = true;
		return;
	}
	if (write_report(run) != 0)
		run->loop.is_stopped = true;
	run->hold_end_ns = sl_loop_now_ns() + run->settings.hold_ms * SL_NS_PER_MS;
	sl_loop_set_deadline(&run->loop, run->hold_end_ns);
}

static void start_more(struct run *run)
{
	const struct conn *oldest;

	while (run->n_started < run->settings.n_conns && run->n_active < run->settings.n_parallel) {
		run->n_started++;
		if (conn_start(run) != 0)
			run->n_failed++;
	}
	oldest = TAILQ_FIRST(&run->active);
	if (oldest != NULL)
		sl_loop_set_deadline(&run->loop, oldest->give_up_ns);
	else
		all_done(run);
}

static void something_due(void *ctx)
{
	struct run *run = ctx;
	const uint64_t now_ns = sl_loop_now_ns();
	struct conn *conn;

	if (run->hold_end_ns != 0) {
		run->loop.is_stopped = true;
		return;
	}
	while ((conn = TAILQ_FIRST(&run->active)) != NULL && conn->give_up_ns <= now_ns)
		finish(conn, false);
	start_more(run);
}

static int usage(void)
{
	fprintf(stderr,
	        "usage: sluice-sim conns --target ADDR:PORT --count N [--protocol tcp|udp]\n"
	        "  [--parallel 32] [--payload BYTES] [--hold SECONDS] [--timeout 5s] [--json "
	        "FILE]\n");
	return SL_EXIT_USAGE;
}

static int parse_option(void *ctx, int option, const char *value)
{
	struct settings *settings = ctx;

	switch (option) {
	case 't':
		return sl_addr_parse(&settings->target, value);
	case 'c':
		return sl_option_u32(value, 1, 10000000, &settings->n_conns);
	case 'p':
		settings->type = strcmp(value, "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;
		return settings->type == SOCK_STREAM || strcmp(value, "udp") == 0 ? 0 : -EINVAL;
	case 'P':
		return sl_option_u32(value, 1, 65536, &settings->n_parallel);
	case 'b':
		return sl_option_u32(value, 0, PAYLOAD_MAX, &settings->payload_bytes);
	case 'h':
		return sl_option_duration_ms(value, &settings->hold_ms);
	case 'm':
		return sl_option_duration_ms(value, &settings->timeout_ms);
	case 'j':
		settings->json_path = value;
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse_settings(struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
		{"target", required_argument, NULL, 't'},
		{"count", required_argument, NULL, 'c'},
		{"protocol", required_argument, NULL, 'p'},
		{"parallel", required_argument, NULL, 'P'},
		{"payload", required_argument, NULL, 'b'},
		{"hold", required_argument, NULL, 'h'},
		{"timeout", required_argument, NULL, 'm'},
		{"json", required_argument, NULL, 'j'},
		{0},
	};
	int rc = sl_options_parse(argc, argv, options, parse_option, settings);

	if (rc != 0 || settings->target.len == 0 || settings->n_conns == 0)
		return -EINVAL;
	if (settings->type == SOCK_DGRAM && settings->payload_bytes < UDP_PAYLOAD_LEAST)
		settings->payload_bytes = UDP_PAYLOAD_LEAST;
	return 0;
}

static int run_all(struct run *run)
{
	struct conn *conn;
	int rc = sl_loop_init(&run->loop, something_due, run);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < run->settings.payload_bytes; i++)
		run->payload[i] = (char)('a' + i % 26);
	start_more(run);
	while (rc == 0 && !run->loop.is_stopped)
		rc = sl_loop_turn(&run->loop, -1);
	if (rc == 0)
		rc = write_report(run);
	if (run->n_started < run->settings.n_conns || run->n_active > 0)
		rc = -EINTR;
	while ((conn = TAILQ_FIRST(&run->active)) != NULL) {
		TAILQ_REMOVE(&run->active, conn, link);
		conn_free(conn);
	}
	while ((conn = TAILQ_FIRST(&run->held)) != NULL) {
		TAILQ_REMOVE(&run->held, conn, link);
		conn_free(conn);
	}
	sl_loop_fini(&run->loop);
	return rc;
}

int sl_conns_main(int argc, char **argv)
{
	struct run run = {.settings = {.type = SOCK_STREAM, .n_parallel = 32, .timeout_ms = 5000}};
	int rc = -ENOMEM;

	if (parse_settings(&run.settings, argc, argv) != 0)
		return usage();
	sl_options_raise_files();
	TAILQ_INIT(&run.active);
	TAILQ_INIT(&run.held);
	run.by_name = json_object();
	run.payload = malloc(run.settings.payload_bytes + 1);
	if (run.by_name != NULL && run.payload != NULL)
		rc = run_all(&run);
	free(run.payload);
	json_decref(run.by_name);
	return rc == 0 && run.n_failed == 0 && run.n_lost == 0 ? SL_EXIT_OK : SL_EXIT_FAILED;
}
