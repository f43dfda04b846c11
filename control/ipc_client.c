// SPDX-License-Identifier: Apache-2.0
#include "ipc_client.h"

#include "ipc_reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_MIN_MS     100
#define RETRY_MAX_MS     1000
#define REPLY_TIMEOUT_MS 5000 // the contract answers within 1 s; a paused data plane gets the rest

#define MAX_REPLY_FDS 4 // room to receive, and so to close, what nobody asked for

enum phase { PHASE_WAITING, PHASE_HELLO, PHASE_IDLE, PHASE_BUSY, PHASE_CLOSING };

struct sl_ipc_client {
	struct sl_ipc_events events;
	struct sockaddr_un address;
	uv_loop_t *loop;
	uv_timer_t timer; // retry while waiting, deadline of the reply otherwise
	uv_poll_t *poll;  // one per connection: a closing handle cannot be used again
	int fd;
	enum phase phase;
	uint32_t request_id; // of the message in flight
	uint16_t request_type;
	uint64_t retry_ms;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

static void start_connecting(uv_timer_t *timer);

static void free_poll(uv_handle_t *handle)
{
	free(handle);
}

static void disconnect(struct sl_ipc_client *client)
{
	if (client->poll != NULL) {
		uv_poll_stop(client->poll);
		uv_close((uv_handle_t *)client->poll, free_poll);
		client->poll = NULL;
	}
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

static void retry_later(struct sl_ipc_client *client, const char *why)
{
	disconnect(client);
	client->phase = PHASE_WAITING;
	uv_timer_start(&client->timer, start_connecting, client->retry_ms, 0);
	client->retry_ms *= 2;
	if (client->retry_ms > RETRY_MAX_MS)
		client->retry_ms = RETRY_MAX_MS;
	client->events.lost(client->events.ctx, why);
}

static void reply_overdue(uv_timer_t *timer)
{
	retry_later(timer->data, "no reply from the data plane within 5 s");
}

// A sealed copy: the receiver may check it and then rely on it. -errno or the descriptor.
static int seal_body(const void *body, size_t n_bytes)
{
	const char *from = body;
	size_t left = n_bytes;
	int fd = memfd_create("sluice-ipc", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;

	if (fd < 0)
		return -errno;
	while (left > 0) {
		ssize_t n = write(fd, from, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			goto err;
		from += n;
		left -= (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
err:
	err = -errno;
	close(fd);
	return err;
}

static int send_request(struct sl_ipc_client *client, const struct sl_ipc_request *request,
                        int body_fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)request, .iov_len = sizeof(*request)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (body_fd >= 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &body_fd, sizeof(int));
	}
	return sendmsg(client->fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_typed(struct sl_ipc_client *client, enum sl_ipc_type type, int body_fd,
                      size_t n_bytes)
{
	struct sl_ipc_request request = {
		.magic = SL_IPC_MAGIC,
		.version = SL_IPC_VERSION,
		.type = (uint16_t)type,
		.request_id = ++client->request_id,
		.body_bytes = (uint32_t)n_bytes,
	};
	int err = send_request(client, &request, body_fd);

	if (err != 0)
		return err;
	client->request_type = request.type;
	uv_timer_start(&client->timer, reply_overdue, REPLY_TIMEOUT_MS, 0);
	return 0;
}

// Every descriptor that came is collected, so that none leaks whatever else is wrong.
static uint32_t collect_fds(struct msghdr *msg, int fds[MAX_REPLY_FDS])
{
	uint32_t n_fds = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n && n_fds < MAX_REPLY_FDS; i++)
			memcpy(&fds[n_fds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return n_fds;
}

// NULL when the reply is one to take, else what is wrong with it.
static const char *check_reply(const struct sl_ipc_client *client, const struct sl_ipc_reply *reply,
                               ssize_t n_bytes, uint32_t n_fds)
{
	const struct sl_ipc_request asked = {.type = client->request_type,
	                                     .request_id = client->request_id};

	if (client->phase != PHASE_HELLO && client->phase != PHASE_BUSY)
		return "a message nobody asked for";
	return sl_ipc_reply_check(&asked, reply, (size_t)n_bytes, n_fds);
}

static void take_reply(struct sl_ipc_client *client, const struct sl_ipc_reply *reply, int stats_fd)
{
	uv_timer_stop(&client->timer);
	if (client->phase == PHASE_BUSY) {
		client->phase = PHASE_IDLE;
		client->events.replied(client->events.ctx, reply);
		return;
	}
	if (reply->status != SL_IPC_OK) {
		retry_later(client, reply->reason);
		return;
	}
	client->phase = PHASE_IDLE;
	if (!client->events.connected(client->events.ctx, reply, stats_fd)) {
		retry_later(client, "the data plane's statistics cannot be used");
		return;
	}
	client->retry_ms = RETRY_MIN_MS;
}

static void readable(uv_poll_t *poll, int status, int events)
{
	struct sl_ipc_client *client = poll->data;
	char control[CMSG_SPACE(MAX_REPLY_FDS * sizeof(int))];
	struct sl_ipc_reply reply = {0};
	struct iovec iov = {.iov_base = &reply, .iov_len = sizeof(reply)};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = control,
	                     .msg_controllen = sizeof(control)};
	int fds[MAX_REPLY_FDS];
	uint32_t n_fds;
	const char *wrong;
	ssize_t n;

	(void)events;
	// MSG_TRUNC returns the true size, so that a longer message is seen as such.
	n = recvmsg(client->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR) && status == 0)
		return;
	if (n <= 0) {
		retry_later(client, "the data plane closed the connection");
		return;
	}
	n_fds = collect_fds(&msg, fds);
	wrong = (msg.msg_flags & MSG_CTRUNC) != 0 ? "a reply with too many descriptors"
	                                          : check_reply(client, &reply, n, n_fds);
	if (wrong != NULL)
		retry_later(client, wrong);
	else
		take_reply(client, &reply, n_fds > 0 ? fds[0] : -1);
	for (uint32_t i = 0; i < n_fds; i++)
		close(fds[i]);
}

static int watch(struct sl_ipc_client *client)
{
	int err;

	client->poll = calloc(1, sizeof(*client->poll));
	if (client->poll == NULL)
		return -ENOMEM;
	err = uv_poll_init(client->loop, client->poll, client->fd);
	if (err != 0) {
		free(client->poll);
		client->poll = NULL;
		return err;
	}
	client->poll->data = client;
	return uv_poll_start(client->poll, UV_READABLE | UV_DISCONNECT, readable);
}

static int connect_now(struct sl_ipc_client *client)
{
	client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return -errno;
	if (connect(client->fd, (struct sockaddr *)&client->address, sizeof(client->address)) != 0)
		return -errno;
	return watch(client);
}

static void start_connecting(uv_timer_t *timer)
{
	struct sl_ipc_client *client = timer->data;
	char why[160];
	int err;

	err = connect_now(client);
	if (err == 0)
		err = send_typed(client, SL_IPC_HELLO, -1, 0);
	if (err == 0) {
		client->phase = PHASE_HELLO;
		return;
	}
	snprintf(why, sizeof(why), "cannot connect to %s: %s", client->address.sun_path,
	         strerror(-err));
	retry_later(client, why);
}

struct sl_ipc_client *sl_ipc_client_new(uv_loop_t *loop, const char *path,
                                        const struct sl_ipc_events *events)
{
	struct sl_ipc_client *client;

	if (strlen(path) >= sizeof(client->address.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		return NULL;
	client->events = *events;
	client->address.sun_family = AF_UNIX;
	memcpy(client->address.sun_path, path, strlen(path));
	client->loop = loop;
	client->fd = -1;
	client->phase = PHASE_WAITING;
	client->retry_ms = RETRY_MIN_MS;
	uv_timer_init(loop, &client->timer);
	client->timer.data = client;
	uv_timer_start(&client->timer, start_connecting, 0, 0);
	return client;
}

bool sl_ipc_client_is_idle(const struct sl_ipc_client *client)
{
	return client->phase == PHASE_IDLE;
}

int sl_ipc_client_send(struct sl_ipc_client *client, enum sl_ipc_type type, const void *body,
                       size_t n_bytes)
{
	int fd, err;

	if (client->phase != PHASE_IDLE)
		return -EBUSY;
	fd = seal_body(body, n_bytes);
	if (fd < 0)
		return fd;
	err = send_typed(client, type, fd, n_bytes);
	close(fd);
	if (err == 0)
		client->phase = PHASE_BUSY;
	return err;
}

static void timer_closed(uv_handle_t *handle)
{
	struct sl_ipc_client *client = handle->data;
	void (*closed)(void *ctx) = client->closed;
	void *ctx = client->closed_ctx;

	free(client);
	if (closed != NULL)
		closed(ctx);
}

void sl_ipc_client_close(struct sl_ipc_client *client, void (*closed)(void *ctx), void *ctx)
{
	client->closed = closed;
	client->closed_ctx = ctx;
	client->phase = PHASE_CLOSING;
	disconnect(client);
	uv_close((uv_handle_t *)&client->timer, timer_closed);
}
