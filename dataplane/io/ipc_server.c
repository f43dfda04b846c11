// SPDX-License-Identifier: Apache-2.0
#include "ipc_server.h"

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
                  enum sl_ipc_status status, const char *reason)
{
	const struct sl_publisher *pub = server->pub;
	struct sl_ipc_reply answer = {.magic = SL_IPC_MAGIC,
	                              .version = SL_IPC_VERSION,
	                              .type = request->type,
	                              .request_id = request->request_id,
	                              .status = status,
	                              .instance = server->instance,
	                              .generation = pub->generation,
	                              .epoch = pub->epoch,
	                              .epoch_acked = pub->acked_epoch,
	                              .n_workers = pub->io->n_workers};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {&answer, sizeof(answer)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	snprintf(answer.reason, sizeof(answer.reason), "%s", reason);
	if (request->type == SL_IPC_HELLO && status == SL_IPC_OK) {
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
	int fds[MAX_FDS];
	uint32_t n_fds;
};

static void close_fds(struct message *m)
{
	for (uint32_t i = 0; i < m->n_fds; i++)
		close(m->fds[i]);
	m->n_fds = 0;
}

// Bytes received (0 = closed), or -errno; descriptors are ours afterwards whatever the outcome.
static ssize_t receive(int fd, struct message *m)
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
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	m->n_fds = 0;
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			m->n_fds = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(m->fds, CMSG_DATA(c), m->n_fds * sizeof(int));
		}
	}
	return n;
}

// A private copy of the sealed body, or NULL with the reason.
static void *copy_body(const struct message *m, char *reason, size_t reason_bytes)
{
	uint32_t n_bytes = m->request.body_bytes;
	struct stat st;
	void *body;
	int seals;

	if (m->n_fds != 1 || n_bytes == 0 || n_bytes > SL_WIRE_MAX_BYTES) {
		snprintf(reason, reason_bytes,
		         "a body needs exactly one descriptor and 1 to %u bytes; got %u and %u",
		         SL_WIRE_MAX_BYTES, m->n_fds, n_bytes);
		return NULL;
	}
	seals = fcntl(m->fds[0], F_GET_SEALS);
	if (seals < 0 || (seals & NEEDED_SEALS) != NEEDED_SEALS || fstat(m->fds[0], &st) != 0 ||
	    st.st_size != n_bytes) {
		snprintf(reason, reason_bytes, "the body is not a sealed memfd of %u bytes",
		         n_bytes);
		return NULL;
	}
	body = malloc(n_bytes);
	if (body == NULL || pread(m->fds[0], body, n_bytes, 0) != (ssize_t)n_bytes) {
		free(body);
		snprintf(reason, reason_bytes, "the body cannot be read");
		return NULL;
	}
	return body;
}

static enum sl_ipc_status apply(struct sl_ipc_server *server, const struct message *m, char *reason,
                                size_t reason_bytes)
{
	void *body = copy_body(m, reason, reason_bytes);
	enum sl_ipc_status status;

	if (body == NULL)
		status = SL_IPC_MALFORMED;
	else if (m->request.type == SL_IPC_CONFIG)
		status = sl_publisher_apply_config(server->pub, body, m->request.body_bytes, reason,
		                                   reason_bytes);
	else
		status = sl_publisher_apply_weights(server->pub, body, m->request.body_bytes,
		                                    reason, reason_bytes);
	free(body);
	if (status != SL_IPC_OK)
		sl_stat_add(&server->pub->stats->config_refused, 1);
	return status;
}

// False: close the client.
static bool serve(struct sl_ipc_server *server, uint32_t i, const struct message *m,
                  uint64_t now_ns)
{
	const struct sl_ipc_request *request = &m->request;
	enum sl_ipc_status status;
	char reason[128] = "";

	if (request->magic != SL_IPC_MAGIC || request->version != SL_IPC_VERSION ||
	    request->type < SL_IPC_HELLO || request->type > SL_IPC_STATUS) {
		sl_stat_add(&server->pub->stats->config_refused, 1);
		reply(server, server->clients[i], request, SL_IPC_MALFORMED,
		      "not a message of this version of Sluice");
		return false;
	}
	if (request->type == SL_IPC_HELLO || request->type == SL_IPC_STATUS)
		return reply(server, server->clients[i], request, SL_IPC_OK, "");
	status = apply(server, m, reason, sizeof(reason));
	if (status != SL_IPC_OK)
		return reply(server, server->clients[i], request, status, reason) &&
		       status != SL_IPC_MALFORMED;
	server->waiting_client = (int)i;
	server->waiting_request = *request;
	server->waiting_until_ns = now_ns + ACK_TIMEOUT_NS;
	return true;
}

static void serve_client(struct sl_ipc_server *server, uint32_t i, uint64_t now_ns)
{
	struct message m;
	ssize_t n = receive(server->clients[i], &m);
	bool keep;

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == (ssize_t)sizeof(m.request)) {
		keep = serve(server, i, &m, now_ns);
	} else {
		keep = false;
		if (n > 0) {
			sl_stat_add(&server->pub->stats->config_refused, 1);
			memset(&m.request, 0, sizeof(m.request));
			reply(server, server->clients[i], &m.request, SL_IPC_MALFORMED,
			      "a request is 16 bytes");
		}
	}
	close_fds(&m);
	if (!keep)
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
	                                   : ""))
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
