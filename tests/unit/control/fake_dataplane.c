// SPDX-License-Identifier: Apache-2.0
#include "fake_dataplane.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sl_check.h"
#include "sluice/units.h"

static uint32_t place(size_t *at, size_t n_bytes)
{
	uint32_t off = (uint32_t)*at;

	*at = (*at + n_bytes + 63) & ~(size_t)63;
	return off;
}

int fake_stats_new(uint64_t instance, void **base, size_t *n_bytes)
{
	struct sl_stats_header h = {
		.magic = SL_STATS_MAGIC,
		.version = SL_STATS_VERSION,
		.instance = instance,
		.n_workers = FAKE_WORKERS,
		.n_ports = FAKE_PORTS,
		.max_backends = FAKE_MAX_BACKENDS,
		.max_vips = FAKE_MAX_VIPS,
		.flow_capacity = 1000,
		.port_names = {"wan"},
		.port_devices = {"veth0"},
	};
	size_t at = (sizeof(h) + 63) & ~(size_t)63;
	int fd = memfd_create("fake-stats", MFD_CLOEXEC);

	h.off_workers = place(&at, FAKE_WORKERS * sizeof(struct sl_stats_worker));
	h.off_ports = place(&at, FAKE_WORKERS * FAKE_PORTS * sizeof(struct sl_stats_port));
	h.off_backends =
		place(&at, FAKE_WORKERS * FAKE_MAX_BACKENDS * sizeof(struct sl_stats_backend));
	h.off_vips = place(&at, FAKE_WORKERS * FAKE_MAX_VIPS * sizeof(struct sl_stats_vip));
	h.off_local_ports =
		place(&at, FAKE_WORKERS * FAKE_MAX_BACKENDS * sizeof(struct sl_stats_local_ports));
	h.off_backend_slots = place(&at, FAKE_MAX_BACKENDS * sizeof(struct sl_stats_slot));
	h.off_vip_slots = place(&at, FAKE_MAX_VIPS * sizeof(struct sl_stats_slot));
	h.off_qos = place(&at, (size_t)FAKE_PORTS * SL_QOS_COUNT * sizeof(struct sl_stats_qos));
	h.off_latency =
		place(&at, FAKE_WORKERS * FAKE_MAX_BACKENDS * sizeof(struct sl_stats_latency));
	h.total_bytes = (uint32_t)at;
	ck_assert_int_eq(ftruncate(fd, (off_t)at), 0);
	*base = mmap(NULL, at, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(*base, MAP_FAILED);
	memcpy(*base, &h, sizeof(h));
	*n_bytes = at;
	return fd;
}

static void send_reply(struct fake_dataplane *fake, const struct sl_ipc_reply *reply,
                       enum fake_fault fault)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = {0};
	char bytes[sizeof(*reply) + 8] = {0};
	struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(*reply)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	const int fds[2] = {fake->stats_fd, fake->stats_fd};
	int n_fds = reply->type == SL_IPC_HELLO && fault != FAKE_NO_FD ? 1 : 0;

	memcpy(bytes, reply, sizeof(*reply));
	if (fault == FAKE_SHORT)
		iov.iov_len -= 8;
	if (fault == FAKE_LONG)
		iov.iov_len += 8;
	if (fault == FAKE_EXTRA_FD)
		n_fds++;
	if (n_fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)n_fds * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(fake->fd, &msg, MSG_NOSIGNAL), (ssize_t)iov.iov_len);
}

static void corrupt(struct sl_ipc_reply *reply, enum fake_fault fault)
{
	reply->magic ^= fault == FAKE_MAGIC;
	reply->version = (uint16_t)(reply->version + (fault == FAKE_VERSION));
	reply->request_id += fault == FAKE_REQUEST_ID;
	reply->type = (uint16_t)(reply->type + (fault == FAKE_TYPE));
	if (fault == FAKE_STATUS)
		reply->status = 77;
	if (fault == FAKE_REASON)
		memset(reply->reason, 'x', sizeof(reply->reason));
}

static void keep(struct fake_dataplane *fake, uint16_t type, int fd, uint32_t n_bytes)
{
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	struct sl_wire_header **slot =
		type == SL_IPC_CONFIG ? &fake->last_config : &fake->last_weights;

	fake->n_unsealed += (fcntl(fd, F_GET_SEALS) & seals) != seals;
	free(*slot);
	*slot = malloc(n_bytes);
	ck_assert_int_eq(pread(fd, *slot, n_bytes, 0), (ssize_t)n_bytes);
	ck_assert_uint_eq((*slot)->total_bytes, n_bytes);
	fake->n_configs += type == SL_IPC_CONFIG;
	fake->n_weights += type == SL_IPC_WEIGHTS;
}

// What the contract says about epochs, so that the client is held to it.
static uint32_t judge(struct fake_dataplane *fake, uint16_t type)
{
	const struct sl_wire_header *body =
		type == SL_IPC_CONFIG ? fake->last_config : fake->last_weights;
	uint32_t status = fake->next_status;

	fake->next_status = SL_IPC_OK;
	if (status == SL_IPC_STALE)
		fake->epoch = fake->stale_epoch;
	if (status != SL_IPC_OK && status != SL_IPC_SLOW)
		return status;
	if (body->epoch <= fake->epoch ||
	    (type == SL_IPC_WEIGHTS && body->generation != fake->generation))
		return SL_IPC_STALE;
	fake->epoch = body->epoch;
	fake->generation = body->generation;
	return status;
}

static void hang_up(struct fake_dataplane *fake)
{
	if (fake->connected != NULL) {
		uv_poll_stop(fake->connected);
		uv_close((uv_handle_t *)fake->connected, (uv_close_cb)free);
		fake->connected = NULL;
		close(fake->fd);
		fake->fd = -1;
	}
}

static int receive(struct fake_dataplane *fake, struct sl_ipc_request *request)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {.iov_base = request, .iov_len = sizeof(*request)};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = control,
	                     .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	int body_fd = -1;
	ssize_t n = recvmsg(fake->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return -2;
	ck_assert_int_eq(n, (ssize_t)sizeof(*request));
	ck_assert_uint_eq(request->magic, SL_IPC_MAGIC);
	c = CMSG_FIRSTHDR(&msg);
	if (c != NULL)
		memcpy(&body_fd, CMSG_DATA(c), sizeof(int));
	return body_fd;
}

// What the main core and the workers write into the segment.
static void beat(struct fake_dataplane *fake)
{
	struct sl_stats_header *h = fake->stats;

	sl_stat_set(&h->heartbeat_ns, uv_hrtime());
	sl_stat_set(&h->generation, fake->generation);
	sl_stat_set(&h->epoch, fake->epoch);
	for (uint32_t w = 0; w < FAKE_WORKERS; w++)
		sl_stat_set(&sl_stats_worker_at(h, w)->epoch, fake->epoch);
}

static void on_message(uv_poll_t *poll, int status, int events)
{
	struct fake_dataplane *fake = poll->data;
	struct sl_ipc_request request;
	struct sl_ipc_reply reply = {.magic = SL_IPC_MAGIC, .version = SL_IPC_VERSION};
	int body_fd = receive(fake, &request);
	enum fake_fault fault;

	(void)status;
	(void)events;
	if (body_fd == -2) {
		fake->n_closed++;
		hang_up(fake);
		return;
	}
	fault = request.type == fake->fault_type ? fake->fault : FAKE_GOOD;
	fake->n_hellos += request.type == SL_IPC_HELLO;
	if (body_fd >= 0) {
		keep(fake, request.type, body_fd, request.body_bytes);
		close(body_fd);
		reply.status = judge(fake, request.type);
		if (reply.status != SL_IPC_OK)
			snprintf(reply.reason, sizeof(reply.reason), "as the test said");
	}
	reply.type = request.type;
	reply.request_id = request.request_id;
	reply.instance = fake->instance;
	reply.generation = fake->generation;
	reply.epoch = reply.epoch_acked = fake->epoch;
	reply.n_workers = FAKE_WORKERS;
	((struct sl_stats_header *)fake->stats)->magic = SL_STATS_MAGIC + (fault == FAKE_BAD_STATS);
	beat(fake);
	corrupt(&reply, fault);
	if (fault == FAKE_HANG_UP)
		hang_up(fake);
	else if (fault != FAKE_SILENT)
		send_reply(fake, &reply, fault);
}

static uv_poll_t *watch(struct fake_dataplane *fake, int fd, uv_poll_cb cb)
{
	uv_poll_t *poll = calloc(1, sizeof(*poll));

	ck_assert_int_eq(uv_poll_init(fake->loop, poll, fd), 0);
	poll->data = fake;
	uv_poll_start(poll, UV_READABLE, cb);
	return poll;
}

static void on_connect(uv_poll_t *poll, int status, int events)
{
	struct fake_dataplane *fake = poll->data;
	int fd = accept4(fake->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)status;
	(void)events;
	if (fd < 0)
		return;
	hang_up(fake);
	fake->fd = fd;
	fake->connected = watch(fake, fd, on_message);
}

void fake_set_flows(struct fake_dataplane *fake, uint64_t backend_id, uint64_t n)
{
	sl_stat_set(&sl_stats_backend_slot_at(fake->stats, 0)->id, backend_id);
	sl_stat_set(&sl_stats_backend_at(fake->stats, 0, 0)->flows_active, n);
}

void fake_set_drops(struct fake_dataplane *fake, unsigned int reason, uint64_t n)
{
	sl_stat_set(&sl_stats_worker_at(fake->stats, 0)->drops[reason], n);
}

void fake_start(struct fake_dataplane *fake, uv_loop_t *loop, const char *path, uint64_t instance)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	fake->loop = loop;
	fake->instance = instance;
	fake->fd = -1;
	fake->stats_fd = fake_stats_new(instance, &fake->stats, &fake->stats_bytes);
	snprintf(fake->path, sizeof(fake->path), "%s", path);
	memcpy(address.sun_path, fake->path, sizeof(fake->path));
	unlink(path);
	fake->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fake->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fake->listen_fd, 4), 0);
	fake->listening = watch(fake, fake->listen_fd, on_connect);
}

void fake_stop(struct fake_dataplane *fake)
{
	hang_up(fake);
	uv_poll_stop(fake->listening);
	uv_close((uv_handle_t *)fake->listening, (uv_close_cb)free);
	close(fake->listen_fd);
	unlink(fake->path);
	munmap(fake->stats, fake->stats_bytes);
	close(fake->stats_fd);
}

void fake_fini(struct fake_dataplane *fake)
{
	fake_stop(fake);
	free(fake->last_config);
	free(fake->last_weights);
}

static void nothing(uv_timer_t *timer)
{
	(void)timer;
}

void fake_run_until(uv_loop_t *loop, bool (*done)(void *ctx), void *ctx, const char *what)
{
	const uint64_t end_ns = uv_hrtime() + 5 * SL_NS_PER_S;
	uv_timer_t wake; // so that the deadline is seen although nothing happens

	uv_timer_init(loop, &wake);
	uv_timer_start(&wake, nothing, 20, 20);
	while (!done(ctx)) {
		ck_assert_msg(uv_hrtime() < end_ns, "after 5 s still not: %s", what);
		uv_run(loop, UV_RUN_ONCE);
	}
	uv_close((uv_handle_t *)&wake, NULL);
	uv_run(loop, UV_RUN_NOWAIT); // ends the close of wake, which lives on this stack
}
