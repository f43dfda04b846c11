// SPDX-License-Identifier: Apache-2.0
// Changes the configuration of bench_subject while it forwards, as a control process in a hurry
// would: over the command socket, one message at a time.
//
// Usage:  bench_sender SOCKET SERVICES BACKENDS storm PER_S MS | reload N
// storm:  PER_S times a second each service gets new weights for all its backends. What is due at
//         one time goes in one message for all services; what falls due while a message is under
//         way goes with the next, as the control process does it. Latency is from the time the
//         oldest update in a message was due until the reply, which comes when every worker uses
//         the new weights: a late message is not measured as if it had been asked for late.
// reload: N times the whole configuration, one each 50 ms, every time with some backends replaced;
// the
//         time is from sending until the reply.
// Prints: one JSON object.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "hash.h"
#include "sluice/ipc.h"
#include "sluice/units.h"
#include "traffic.h"

#define ALL_SEALS    (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
#define RELOAD_NS    (50 * SL_NS_PER_MS)
#define WEIGHT_MIN   500 // to 1500
#define WEIGHT_RANGE 1000

struct sender {
	struct bench_traffic traffic;
	int fd;
	uint32_t request_id;
	uint64_t generation, epoch;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_sender: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SL_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t at_ns)
{
	struct timespec t = {.tv_sec = (time_t)(at_ns / SL_NS_PER_S),
	                     .tv_nsec = (long)(at_ns % SL_NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static struct sl_ipc_reply ask(struct sender *s, enum sl_ipc_type type, int body_fd,
                               uint32_t body_bytes)
{
	struct sl_ipc_request request = {SL_IPC_MAGIC, SL_IPC_VERSION, (uint16_t)type,
	                                 ++s->request_id, body_bytes};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {&request, sizeof(request)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct sl_ipc_reply reply;

	if (body_fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &body_fd, sizeof(int));
	}
	if (sendmsg(s->fd, &msg, 0) != (ssize_t)sizeof(request) ||
	    recv(s->fd, &reply, sizeof(reply), 0) != (ssize_t)sizeof(reply))
		die("command socket");
	if (reply.request_id != s->request_id || reply.status != SL_IPC_OK) {
		fprintf(stderr, "bench_sender: refused: %s\n", reply.reason);
		exit(EXIT_FAILURE);
	}
	return reply;
}

static void push(struct sender *s, enum sl_ipc_type type, const struct sl_wire_header *body)
{
	int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct sl_ipc_reply reply;

	if (fd < 0 || write(fd, body, body->total_bytes) != (ssize_t)body->total_bytes ||
	    fcntl(fd, F_ADD_SEALS, ALL_SEALS) != 0)
		die("memfd");
	reply = ask(s, type, fd, body->total_bytes);
	close(fd);
	if (reply.epoch_acked != body->epoch)
		die("a reply before all workers had it");
}

static void dial(struct sender *s, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct sl_ipc_reply hello;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	s->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die(path);
	hello = ask(s, SL_IPC_HELLO, -1, 0);
	s->generation = hello.generation;
	s->epoch = hello.epoch;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

// Prints the fields without the braces around them.
static void print_times(const char *name, uint64_t *times_ns, size_t n)
{
	qsort(times_ns, n, sizeof(*times_ns), by_value);
	printf("\"%s_us\": {\"p50\": %.0f, \"p99\": %.0f, \"max\": %.0f}", name,
	       (double)times_ns[n / 2] / 1e3, (double)times_ns[n - 1 - n / 100] / 1e3,
	       (double)times_ns[n - 1] / 1e3);
}

static void draw_weights(struct sl_wire_header *body, uint64_t *random)
{
	struct sl_wire_weight *rows = (struct sl_wire_weight *)(void *)(body + 1);

	for (uint32_t i = 0; i < body->n_weights; i++)
		rows[i].weight_milli = WEIGHT_MIN + (uint32_t)(sl_mix64(++*random) % WEIGHT_RANGE);
}

static void storm(struct sender *s, uint32_t per_s, uint32_t ms)
{
	const uint64_t n_due = (uint64_t)per_s * ms / 1000, period_ns = SL_NS_PER_S / per_s;
	struct sl_wire_header *body = bench_traffic_weights(&s->traffic);
	uint64_t *latencies_ns = calloc(n_due, sizeof(*latencies_ns));
	uint64_t *pushes_ns = calloc(n_due, sizeof(*pushes_ns));
	uint64_t start_ns = clock_ns(), random = start_ns, done = 0;
	size_t n = 0;

	if (latencies_ns == NULL || pushes_ns == NULL)
		die("times");
	body->generation = s->generation;
	while (done < n_due) {
		uint64_t oldest_ns = start_ns + done * period_ns, sent_ns;

		sleep_until(oldest_ns);
		draw_weights(body, &random);
		body->epoch = ++s->epoch;
		sent_ns = clock_ns();
		done = 1 + (sent_ns - start_ns) / period_ns; // all that are due by now
		push(s, SL_IPC_WEIGHTS, body);
		pushes_ns[n] = clock_ns() - sent_ns;
		latencies_ns[n++] = clock_ns() - oldest_ns;
	}
	printf("{\"messages\": %zu, \"updates\": %lu, \"weights\": %lu, \"seconds\": %.3f, ", n,
	       done * s->traffic.n_services, n * body->n_weights,
	       (double)(clock_ns() - start_ns) / 1e9);
	print_times("update", latencies_ns, n);
	printf(", ");
	print_times("push", pushes_ns, n);
	printf("}\n");
	free(latencies_ns);
	free(pushes_ns);
	free(body);
}

static void reload(struct sender *s, uint32_t n)
{
	uint64_t *times_ns = calloc(n, sizeof(*times_ns));
	uint64_t due_ns = clock_ns();

	if (times_ns == NULL)
		die("times");
	for (uint32_t i = 0; i < n; i++, due_ns += RELOAD_NS) {
		struct sl_wire_header *body =
			bench_traffic_body(&s->traffic, ++s->generation, ++s->epoch);
		uint64_t before_ns;

		sleep_until(due_ns);
		before_ns = clock_ns();
		push(s, SL_IPC_CONFIG, body);
		times_ns[i] = clock_ns() - before_ns;
		free(body);
	}
	printf("{\"reloads\": %u, ", n);
	print_times("reload", times_ns, n);
	printf("}\n");
	free(times_ns);
}

int main(int argc, char **argv)
{
	struct sender s = {0};
	uint32_t n;

	if (argc < 6 || (strcmp(argv[4], "storm") == 0 && argc < 7)) {
		fputs("usage: bench_sender SOCKET SERVICES BACKENDS storm PER_S MS | reload N\n",
		      stderr);
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1000UL);
	s.traffic.n_services = (uint32_t)strtoul(argv[2], NULL, 10);
	s.traffic.n_backends = (uint32_t)strtoul(argv[3], NULL, 10);
	n = (uint32_t)strtoul(argv[5], NULL, 10);
	if (n == 0)
		return 2;
	dial(&s, argv[1]);
	if (strcmp(argv[4], "storm") == 0)
		storm(&s, n, (uint32_t)strtoul(argv[6], NULL, 10));
	else
		reload(&s, n);
	close(s.fd);
	return EXIT_SUCCESS;
}
