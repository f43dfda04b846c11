// SPDX-License-Identifier: Apache-2.0
// What probing costs: N targets once a second for some seconds against servers in a child process;
// prints the processor time of this process alone, which is what sluice-control would pay.
// Usage: probe_scale tcp|http [targets [seconds]]
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"
#include "sluice/units.h"

#define N_PORTS  8
#define N_EVENTS 256

struct run {
	uv_loop_t loop;
	uv_timer_t end;
	struct sl_prober *prober;
	uint64_t n_ok, n_failed;
	uint64_t sum_us;
	uint32_t failed_by_reason[SL_PROBE_REASON_COUNT];
};

static int listen_on(uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n_bytes = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    listen(fd, 4096) != 0 || getsockname(fd, (struct sockaddr *)&sin, &n_bytes) != 0) {
		perror("listen");
		exit(EXIT_FAILURE);
	}
	*port = ntohs(sin.sin_port);
	return fd;
}

static void answer(int fd)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	char request[4096];

	if (recv(fd, request, sizeof(request), MSG_DONTWAIT) > 0)
		(void)send(fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL);
	else if (errno != EAGAIN)
		close(fd);
}

static void accept_all(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};

		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	}
}

static void serve(const int *listeners)
{
	int epoll = epoll_create1(0);
	struct epoll_event events[N_EVENTS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < N_PORTS; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = listeners[i]};

		epoll_ctl(epoll, EPOLL_CTL_ADD, listeners[i], &event);
	}
	for (;;) {
		int n = epoll_wait(epoll, events, N_EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd >= listeners[0] && fd <= listeners[N_PORTS - 1])
				accept_all(epoll, fd);
			else if (events[i].events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
				close(fd);
			else
				answer(fd);
		}
	}
}

static void on_done(void *ctx, uint64_t key, const struct sl_probe_result *result)
{
	struct run *run = ctx;

	(void)key;
	run->failed_by_reason[result->reason]++;
	if (result->reason != SL_PROBE_OK) {
		run->n_failed++;
		return;
	}
	run->n_ok++;
	run->sum_us += result->total_us;
}

static void on_end(uv_timer_t *timer)
{
	struct run *run = timer->data;

	sl_prober_close(run->prober, NULL, NULL);
	uv_close((uv_handle_t *)timer, NULL);
}

static double cpu_seconds(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int probe_all(uint8_t type, uint32_t n, uint32_t seconds, const uint16_t *ports)
{
	struct sl_model_probe probe = {.type = type,
	                               .jitter_percent = 10,
	                               .interval_ms = 1000,
	                               .timeout_ms = 800,
	                               .path = "/health"};
	struct sl_probe_target *targets = calloc(n, sizeof(*targets));
	struct run run = {0};
	double cpu_s;

	if (targets == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		targets[i] =
			(struct sl_probe_target){.key = i,
		                                 .address = sl_ip_from_v4(htonl(INADDR_LOOPBACK)),
		                                 .port = ports[i % N_PORTS],
		                                 .probe = &probe};
	uv_loop_init(&run.loop);
	uv_timer_init(&run.loop, &run.end);
	run.end.data = &run;
	run.prober = sl_prober_new(&run.loop, 1, on_done, &run);
	if (run.prober == NULL || sl_prober_set(run.prober, targets, n) != 0)
		return -ENOMEM;
	uv_timer_start(&run.end, on_end, (uint64_t)seconds * 1000, 0);
	cpu_s = cpu_seconds();
	uv_run(&run.loop, UV_RUN_DEFAULT);
	cpu_s = cpu_seconds() - cpu_s;
	printf("{\"targets\": %u, \"seconds\": %u, \"ok\": %lu, \"failed\": %lu, "
	       "\"mean_us\": %.0f, \"cpu_seconds_per_second\": %.3f, \"cpu_us_per_probe\": %.1f}\n",
	       n, seconds, run.n_ok, run.n_failed,
	       run.n_ok > 0 ? (double)run.sum_us / (double)run.n_ok : 0.0, cpu_s / seconds,
	       cpu_s * 1e6 / (double)(run.n_ok + run.n_failed + 1));
	for (unsigned int r = 1; r < SL_PROBE_REASON_COUNT; r++)
		if (run.failed_by_reason[r] > 0)
			printf("# %s: %u\n", sl_probe_reason_name(r), run.failed_by_reason[r]);
	uv_loop_close(&run.loop);
	free(targets);
	return 0;
}

int main(int argc, char **argv)
{
	bool is_http = argc > 1 && strcmp(argv[1], "http") == 0;
	uint32_t n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 10000;
	uint32_t seconds = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 5;
	int listeners[N_PORTS];
	uint16_t ports[N_PORTS];
	pid_t server;
	int err;

	if (argc < 2 || (!is_http && strcmp(argv[1], "tcp") != 0) || n == 0 || seconds == 0) {
		fprintf(stderr, "usage: %s tcp|http [targets [seconds]]\n", argv[0]);
		return EXIT_FAILURE;
	}
	raise_descriptor_limit();
	for (int i = 0; i < N_PORTS; i++)
		listeners[i] = listen_on(&ports[i]);
	server = fork();
	if (server == 0)
		serve(listeners);
	for (int i = 0; i < N_PORTS; i++)
		close(listeners[i]);
	err = probe_all(is_http ? SL_PROBE_HTTP : SL_PROBE_TCP, n, seconds, ports);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
