// SPDX-License-Identifier: Apache-2.0
// A scripted server on loopback, in a thread of the test's own process: well behaved, rude or
// endless, as its script says.
#ifndef SLUICE_TESTS_PROBE_SERVER_H
#define SLUICE_TESTS_PROBE_SERVER_H

#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include "probe_harness.h"

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define OK_READY "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready"

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

static inline void wait_for_hangup(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char byte;

	while (poll(&p, 1, 2000) == 1 && recv(fd, &byte, 1, 0) > 0)
		;
}

static inline void flood(int fd, const char *more)
{
	size_t n_more = strlen(more), n = 0;
	char many[8192];

	for (; n + n_more <= sizeof(many); n += n_more)
		memcpy(&many[n], more, n_more);
	while (send(fd, many, n, MSG_NOSIGNAL) > 0)
		;
}

static inline void serve_one(struct server *server, int fd)
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

static inline void *serve(void *ctx)
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
static inline void server_start(struct server *server, const struct script *script)
{
	pthread_t thread;

	server->script = *script;
	server->fd = harness_listen(16, &server->port);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, server), 0);
	pthread_detach(thread);
}

// Of whoever closed first: FIN_WAIT1, FIN_WAIT2 (about to be) and TIME_WAIT.
static inline int count_waiting(uint16_t port)
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

#endif
