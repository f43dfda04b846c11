// SPDX-License-Identifier: Apache-2.0
#include "wire_ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>

#define REPLY_TIMEOUT_MS 3000
#define REST_TIMEOUT_MS  3000

int sl_ipc_open(const struct sl_lab *lab)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/dp.sock", lab->dir);
	ck_assert_msg(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "%s: %s",
	              address.sun_path, strerror(errno));
	return fd;
}

void sl_ipc_send(int socket_fd, const void *message, size_t n, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = n};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c;

		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	ck_assert_msg(sendmsg(socket_fd, &header, MSG_NOSIGNAL) == (ssize_t)n, "send: %s",
	              strerror(errno));
}

// One message and at most one descriptor; *fd is -1 without one.
static ssize_t receive(int socket_fd, struct sl_ipc_reply *reply, int *fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {.iov_base = reply, .iov_len = sizeof(*reply)};
	struct msghdr header = {.msg_iov = &part,
	                        .msg_iovlen = 1,
	                        .msg_control = control.bytes,
	                        .msg_controllen = sizeof(control.bytes)};
	struct pollfd ready = {.fd = socket_fd, .events = POLLIN};
	struct cmsghdr *c;
	ssize_t got;

	*fd = -1;
	ck_assert_msg(poll(&ready, 1, REPLY_TIMEOUT_MS) == 1, "no reply within 3 s");
	got = recvmsg(socket_fd, &header, MSG_CMSG_CLOEXEC);
	c = got > 0 ? CMSG_FIRSTHDR(&header) : NULL;
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return got;
}

bool sl_ipc_receive(int socket_fd, struct sl_ipc_reply *reply)
{
	int fd;
	ssize_t got = receive(socket_fd, reply, &fd);

	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return false;
	ck_assert_int_eq(got, sizeof(*reply));
	ck_assert_uint_eq(reply->magic, SL_IPC_MAGIC);
	return true;
}

int sl_ipc_memfd(const void *bytes, size_t n, int seals)
{
	int fd = memfd_create("sl-wire-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

void sl_stats_open(struct sl_stats_view *view, const struct sl_lab *lab)
{
	const struct sl_ipc_request hello = {
		.magic = SL_IPC_MAGIC, .version = SL_IPC_VERSION, .type = SL_IPC_HELLO};
	int socket_fd = sl_ipc_open(lab), fd;
	struct sl_ipc_reply reply;
	struct stat info;

	sl_ipc_send(socket_fd, &hello, sizeof(hello), -1);
	ck_assert_int_eq(receive(socket_fd, &reply, &fd), sizeof(reply));
	ck_assert_msg(fd >= 0, "HELLO brought no statistics: %.140s", reply.reason);
	ck_assert_int_eq(fstat(fd, &info), 0);
	view->n_bytes = (size_t)info.st_size;
	view->base = mmap(NULL, view->n_bytes, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(view->base, MAP_FAILED);
	ck_assert_uint_eq(((struct sl_stats_header *)view->base)->magic, SL_STATS_MAGIC);
	close(fd);
	close(socket_fd);
}

void sl_stats_close(struct sl_stats_view *view)
{
	munmap(view->base, view->n_bytes);
}

void sl_stats_sum(const struct sl_stats_view *view, struct sl_stats_sums *sums)
{
	struct sl_stats_header *header = view->base;

	memset(sums, 0, sizeof(*sums));
	for (uint32_t w = 0; w < header->n_workers; w++) {
		const struct sl_stats_worker *worker = sl_stats_worker_at(view->base, w);

		sums->rx_pkts += sl_stat_get(&worker->rx_pkts);
		sums->tx_pkts += sl_stat_get(&worker->tx_pkts);
		sums->generated_pkts += sl_stat_get(&worker->generated_pkts);
		sums->handed_pkts += sl_stat_get(&worker->handed_pkts);
		sums->taken_pkts += sl_stat_get(&worker->taken_pkts);
		sums->flows += sl_stat_get(&worker->flows);
		sums->flows_new += sl_stat_get(&worker->flows_new);
		for (int i = 0; i < SL_DROP_COUNT; i++)
			sums->drops[i] += sl_stat_get(&worker->drops[i]);
	}
	for (int i = 0; i < SL_DROP_COUNT; i++) {
		sums->drops[i] += sl_stat_get(&header->main_drop[i]);
		sums->drops_total += sums->drops[i];
	}
	sums->generated_pkts += sl_stat_get(&header->main_generated_pkts);
	sums->held_pkts = sl_stat_get(&header->held_pkts);
	sums->config_applied = sl_stat_get(&header->config_applied);
	sums->config_refused = sl_stat_get(&header->config_refused);
}

void sl_stats_check_balance(const struct sl_stats_view *view, const char *when)
{
	uint64_t deadline_ms = sl_proc_now_ms() + REST_TIMEOUT_MS;
	struct sl_stats_sums sums;
	uint64_t in, out;

	// Counters of a packet under way are read at different moments; at rest they agree.
	do {
		sl_stats_sum(view, &sums);
		in = sums.rx_pkts + sums.generated_pkts;
		out = sums.tx_pkts + sums.drops_total + sums.held_pkts;
		sl_proc_pause();
	} while (in != out && sl_proc_now_ms() < deadline_ms);
	ck_assert_msg(in == out && sums.rx_pkts > 0,
	              "%s: received %llu + made %llu, but sent %llu + dropped %llu + held %llu",
	              when, (unsigned long long)sums.rx_pkts,
	              (unsigned long long)sums.generated_pkts, (unsigned long long)sums.tx_pkts,
	              (unsigned long long)sums.drops_total, (unsigned long long)sums.held_pkts);
}
