// SPDX-License-Identifier: Apache-2.0
#include "ipc_server.h"

#include "ipcdecide.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACK_TIMEOUT_NS SL_NS_PER_S // promised in ipc.h
#define NEEDED_SEALS   (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
#define MAX_FDS        4 // more than one is refused, but they must be closed

bool sl_ipc_server_is_alive(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool is_dead;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	is_dead = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 &&
	          (errno == ECONNREFUSED || errno == ENOENT);
	if (fd >= 0)
		close(fd);
	return !is_dead;
}

int sl_ipc_server_init(struct sl_ipc_server *server, struct sl_publisher *pub, const char *path,
                       int stats_fd, uint64_t instance)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t old_mask;
	struct stat st;
	int err;

	*server = (struct sl_ipc_server){
		.pub = pub, .stats_fd = stats_fd, .instance = instance, .waiting_client = -1};
	for (uint32_t i = 0; i < SL_IPC_MAX_CLIENTS; i++)
		server->clients[i] = -1;
	snprintf(server->path, sizeof(server->path), "%s", path);
	if (sl_ipc_server_is_alive(path))
		return -EADDRINUSE;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return -EEXIST;
	unlink(path);
	server->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->listen_fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	old_mask = umask(0177);
	err = bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address));
	if (err == 0)
		err = listen(server->listen_fd, SL_IPC_MAX_CLIENTS);
	err = err == 0 ? 0 : -errno;
	umask(old_mask);
	if (err != 0)
		close(server->listen_fd);
	return err;
}

void sl_ipc_server_fini(struct sl_ipc_server *server)
{
	for (uint32_t i = 0; i < SL_IPC_MAX_CLIENTS; i++) {
		if (server->clients[i] >= 0)
			close(server->clients[i]);
	}
	close(server->listen_fd);
	unlink(server->path);
}

static void drop_client(struct sl_ipc_server *server, uint32_t i)
{
	close(server->clients[i]);
	server->clients[i] = -1;
	if (server->waiting_client == (int)i)
		server->waiting_client = -1;
}

static void accept_clients(struct sl_ipc_server *server)
{
	int fd;

	while ((fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct ucred peer;
		socklen_t n_bytes = sizeof(peer);
		uint32_t i = 0;

		while (i < SL_IPC_MAX_CLIENTS && server->clients[i] >= 0)
			i++;
		if (i == SL_IPC_MAX_CLIENTS ||
		    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n_bytes) != 0 ||
		    (peer.uid != 0 && peer.uid != geteuid())) {
			close(fd);
			continue;
		}
		server->clients[i] = fd;
	}
}

// False when the client is gone or does not read: then it is dropped.
static bool reply(struct sl_ipc_server *server, int fd, const struct sl_ipc_request *request,
                  enum sl_ipc_status status, const char *reason, bool gives_stats)
{
	const struct sl_publisher *pub = server->pub;
	struct sl_ipc_reply answer = sl_ipc_reply_of(request, status, reason);
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {&answer, sizeof(answer)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	answer.instance = server->instance;
	answer.generation = pub->generation;
	answer.epoch = pub->epoch;
	answer.epoch_acked = pub->acked_epoch;
	answer.n_workers = pub->io->n_workers;
	if (gives_stats) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &server->stats_fd, sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(answer);
}

struct message {
	struct sl_ipc_request request;
	ssize_t n_bytes; // 0 = closed, or -errno
	int fds[MAX_FDS];
	uint32_t n_fds;
};

static void close_fds(struct message *m)
{
	for (uint32_t i = 0; i < m->n_fds; i++)
		close(m->fds[i]);
	m->n_fds = 0;
}

// Descriptors are ours afterwards whatever the outcome.
static void receive(int fd, struct message *m)
{
	union {
		char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	char extra; // a longer message is told by MSG_TRUNC, or by this byte being filled
	struct iovec iov[2] = {{&m->request, sizeof(m->request)}, {&extra, 1}};
	struct msghdr msg = {.msg_iov = iov,
	                     .msg_iovlen = 2,
	                     .msg_control = control.bytes,
	                     .msg_controllen = sizeof(control.bytes)};

	m->n_bytes = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	m->n_fds = 0;
	if (m->n_bytes < 0) {
		m->n_bytes = -errno;
		return;
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			m->n_fds = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(m->fds, CMSG_DATA(c), m->n_fds * sizeof(int));
		}
	}
}

static struct sl_ipc_arrival arrival_of(const struct message *m)
{
	struct sl_ipc_arrival arrival = {
		.bytes = &m->request, .n_bytes = (size_t)m->n_bytes, .n_fds = m->n_fds};
	struct stat st;
	int seals = m->n_fds > 0 ? fcntl(m->fds[0], F_GET_SEALS) : -1;

	if (seals < 0 || (seals & NEEDED_SEALS) != NEEDED_SEALS || fstat(m->fds[0], &st) != 0)
		return arrival;
	arrival.is_sealed = true;
	arrival.fd_bytes = (uint64_t)st.st_size;
	return arrival;
}

// A private copy of the sealed body, or NULL.
static void *copy_body(const struct message *m)
{
	const uint32_t n_bytes = m->request.body_bytes;
	void *body = malloc(n_bytes);

	if (body == NULL || pread(m->fds[0], body, n_bytes, 0) != (ssize_t)n_bytes) {
		free(body);
		return NULL;
	}
	return body;
}

static enum sl_ipc_status apply(struct sl_ipc_server *server, const struct message *m, char *reason,
                                size_t reason_bytes)
{
	const uint32_t n_bytes = m->request.body_bytes;
	void *body = copy_body(m);
	enum sl_ipc_status status;

	if (body == NULL) {
		status = SL_IPC_MALFORMED;
		snprintf(reason, reason_bytes, "the body cannot be read");
	} else if (m->request.type == SL_IPC_CONFIG) {
		status =
			sl_publisher_apply_config(server->pub, body, n_bytes, reason, reason_bytes);
	} else {
		status = sl_publisher_apply_weights(server->pub, body, n_bytes, reason,
		                                    reason_bytes);
	}
	free(body);
	return status;
}

// False: close the client.
static bool serve(struct sl_ipc_server *server, uint32_t i, const struct message *m,
                  uint64_t now_ns)
{
	const struct sl_ipc_arrival arrival = arrival_of(m);
	struct sl_ipc_decision d;

	sl_ipc_decide(&arrival, &d);
	if (d.action == SL_IPC_HANG_UP)
		return false;
	if (d.action == SL_IPC_APPLY_BODY) {
		d.status = apply(server, m, d.reason, sizeof(d.reason));
		d.is_kept = sl_ipc_is_kept_after(d.status);
		if (d.status == SL_IPC_OK) { // answered when all workers have it
			server->waiting_client = (int)i;
			server->waiting_request = d.request;
			server->waiting_until_ns = now_ns + ACK_TIMEOUT_NS;
			return true;
		}
	}
	if (d.status != SL_IPC_OK)
		sl_stat_add(&server->pub->stats->config_refused, 1);
	return reply(server, server->clients[i], &d.request, d.status, d.reason, d.gives_stats) &&
	       d.is_kept;
}

static void serve_client(struct sl_ipc_server *server, uint32_t i, uint64_t now_ns)
{
	struct message m;
	bool is_kept;

	receive(server->clients[i], &m);
	if (m.n_bytes == -EAGAIN || m.n_bytes == -EINTR)
		return;
	is_kept = m.n_bytes >= 0 && serve(server, i, &m, now_ns);
	close_fds(&m);
	if (!is_kept)
		drop_client(server, i);
}

static void finish_waiting(struct sl_ipc_server *server, uint64_t now_ns)
{
	bool is_late = now_ns >= server->waiting_until_ns;
	int i = server->waiting_client;

	if (i < 0 || (server->pub->is_waiting && !is_late))
		return;
	server->waiting_client = -1;
	if (!reply(server, server->clients[i], &server->waiting_request,
	           server->pub->is_waiting ? SL_IPC_SLOW : SL_IPC_OK,
	           server->pub->is_waiting ? "a worker has not taken the new snapshot within 1 s"
	                                   : "",
	           false))
		drop_client(server, (uint32_t)i);
}

void sl_ipc_server_poll(struct sl_ipc_server *server, uint64_t now_ns)
{
	accept_clients(server);
	finish_waiting(server, now_ns);
	if (server->pub->is_waiting)
		return;
	for (uint32_t n = 0; n < SL_IPC_MAX_CLIENTS; n++) {
		uint32_t i = server->next_client++ % SL_IPC_MAX_CLIENTS;

		if (server->clients[i] >= 0)
			serve_client(server, i, now_ns);
		if (server->pub->is_waiting)
			return; // one publication at a time; the others' messages stay queued
	}
}

uint32_t sl_ipc_server_fds(const struct sl_ipc_server *server, struct pollfd *fds)
{
	uint32_t n = 0;

	if (server->pub->is_waiting)
		return 0;
	fds[n++] = (struct pollfd){.fd = server->listen_fd, .events = POLLIN};
	for (uint32_t i = 0; i < SL_IPC_MAX_CLIENTS; i++) {
		if (server->clients[i] >= 0)
			fds[n++] = (struct pollfd){.fd = server->clients[i], .events = POLLIN};
	}
	return n;
}
