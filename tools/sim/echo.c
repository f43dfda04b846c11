// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "addr.h"
#include "loop.h"
#include "options.h"

#define BUFFER_BYTES    65536
#define NAME_MAX_BYTES  64
#define ACCEPTS         64 // per wake-up, so that a flood of connections does not starve the open ones
#define DATAGRAMS       64
#define UDP_QUEUE_BYTES (8 * 1024 * 1024)

struct conn {
	TAILQ_ENTRY(conn) link;
	struct sl_watch watch;
	struct echo *echo;
	char *pending; // owned; bytes the socket had no room for, NULL most of the time
	size_t n_pending, pending_pos;
};

TAILQ_HEAD(conns, conn);

struct echo {
	struct sl_loop loop;
	struct sl_watch watch;
	struct conns conns;
	char greeting[NAME_MAX_BYTES +
	              2]; // "NAME\n" of a connection, "NAME " before a datagram, or empty
	size_t greeting_len;
	char buffer[BUFFER_BYTES];
};

struct settings {
	struct sl_addr listen;
	const char *name;
	int type;
};

static void conn_free(struct conn *conn)
{
	sl_loop_delete(&conn->echo->loop, &conn->watch);
	TAILQ_REMOVE(&conn->echo->conns, conn, link);
	close(conn->watch.fd);
	free(conn->pending);
	free(conn);
}

// Sends, and keeps what does not fit. While anything is kept nothing more is read: that is all the
// flow control an echo needs.
static int conn_send(struct conn *conn, const char *bytes, size_t len)
{
	ssize_t n = send(conn->watch.fd, bytes, len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		return -errno;
	if (n == (ssize_t)len)
		return 0;
	if (n < 0)
		n = 0;
	conn->n_pending = len - (size_t)n;
	conn->pending_pos = 0;
	conn->pending = malloc(conn->n_pending);
	if (conn->pending == NULL)
		return -ENOMEM;
	memcpy(conn->pending, bytes + n, conn->n_pending);
	return sl_loop_change(&conn->echo->loop, &conn->watch, EPOLLOUT);
}

static int conn_send_pending(struct conn *conn)
{
	const size_t left = conn->n_pending - conn->pending_pos;
	const ssize_t n =
		send(conn->watch.fd, conn->pending + conn->pending_pos, left, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	conn->pending_pos += (size_t)n;
	if ((size_t)n < left)
		return 0;
	free(conn->pending);
	conn->pending = NULL;
	return sl_loop_change(&conn->echo->loop, &conn->watch, EPOLLIN);
}

static void conn_ready(struct sl_watch *watch, uint32_t events)
{
	struct conn *conn = (void *)((char *)watch - offsetof(struct conn, watch));
	struct echo *echo = conn->echo;
	ssize_t n;
	int rc;

	(void)events;
	if (conn->pending != NULL) {
		rc = conn_send_pending(conn);
	} else {
		n = recv(watch->fd, echo->buffer, sizeof(echo->buffer), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			rc = -ENOTCONN;
		else
			rc = n > 0 ? conn_send(conn, echo->buffer, (size_t)n) : 0;
	}
	if (rc != 0)
		conn_free(conn);
}

static void conn_start(struct echo *echo, int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	const int on = 1;

	if (conn == NULL) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn->echo = echo;
	conn->watch = (struct sl_watch){.on_ready = conn_ready, .fd = fd};
	TAILQ_INSERT_TAIL(&echo->conns, conn, link);
	if (sl_loop_add(&echo->loop, &conn->watch, EPOLLIN) != 0 ||
	    (echo->greeting_len > 0 && conn_send(conn, echo->greeting, echo->greeting_len) != 0))
		conn_free(conn);
}

static void tcp_ready(struct sl_watch *watch, uint32_t events)
{
	struct echo *echo = (void *)((char *)watch - offsetof(struct echo, watch));

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		const int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		conn_start(echo, fd);
	}
}

// Answers from the address that was asked: with several addresses on the machine (a DSR VIP) the
// kernel would choose another one. IPv4 and IPv6 control data go back as they came.
static void udp_answer(struct echo *echo)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control;
	struct sockaddr_storage from;
	struct iovec in = {echo->buffer, sizeof(echo->buffer)};
	struct iovec out[2] = {{echo->greeting, echo->greeting_len}, {echo->buffer, 0}};
	struct msghdr message = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &in,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg;
	ssize_t n = recvmsg(echo->watch.fd, &message, 0);

	if (n < 0)
		return;
	out[1].iov_len = (size_t)n;
	message.msg_iov = out;
	message.msg_iovlen = 2;
	cmsg = CMSG_FIRSTHDR(&message);
	if (cmsg != NULL && cmsg->cmsg_type == IP_PKTINFO && cmsg->cmsg_level == IPPROTO_IP)
		((struct in_pktinfo *)(void *)CMSG_DATA(cmsg))->ipi_ifindex = 0; // routing decides
	sendmsg(echo->watch.fd, &message, MSG_NOSIGNAL);
}

static void udp_ready(struct sl_watch *watch, uint32_t events)
{
	struct echo *echo = (void *)((char *)watch - offsetof(struct echo, watch));
	char peek;

	(void)events;
	for (int i = 0; i < DATAGRAMS; i++) {
		// A pending socket error is reported, and cleared, here.
		if (recv(watch->fd, &peek, 1, MSG_PEEK) < 0)
			return;
		udp_answer(echo);
	}
}

static int usage(void)
{
	fprintf(stderr,
	        "usage: sluice-sim echo --listen ADDR:PORT --protocol tcp|udp [--name NAME]\n");
	return SL_EXIT_USAGE;
}

static int parse_option(void *settings, int option, const char *value)
{
	struct settings *s = settings;

	switch (option) {
	case 'l':
		return sl_addr_parse(&s->listen, value);
	case 'n':
		s->name = value;
		return strlen(value) > 0 && strlen(value) <= NAME_MAX_BYTES ? 0 : -EINVAL;
	default:
		s->type = strcmp(value, "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;
		return s->type == SOCK_STREAM || strcmp(value, "udp") == 0 ? 0 : -EINVAL;
	}
}

static void no_deadline(void *ctx)
{
	(void)ctx;
}

static int open_socket(struct echo *echo, struct settings *s)
{
	const int on = 1, room = UDP_QUEUE_BYTES, fd = sl_addr_listen(&s->listen, s->type);
	char text[SL_ADDR_TEXT];

	sl_addr_format(&s->listen, text);
	if (fd < 0) {
		fprintf(stderr, "sluice-sim echo: cannot listen on %s: %s\n", text, strerror(-fd));
		return fd;
	}
	if (s->type == SOCK_DGRAM) {
		// A burst of clients must not overflow the queue; without privilege the system's
		// limit holds.
		if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0)
			setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	}
	echo->watch.fd = fd;
	echo->watch.on_ready = s->type == SOCK_STREAM ? tcp_ready : udp_ready;
	printf("%s %s\nready\n", s->type == SOCK_STREAM ? "tcp" : "udp", text);
	fflush(stdout);
	return sl_loop_add(&echo->loop, &echo->watch, EPOLLIN);
}

static int serve(struct echo *echo, struct settings *s)
{
	struct conn *conn;
	int rc = sl_loop_init(&echo->loop, no_deadline, echo);

	if (rc != 0)
		return rc;
	TAILQ_INIT(&echo->conns);
	echo->watch.fd = -1;
	if (s->name != NULL)
		echo->greeting_len = (size_t)sprintf(echo->greeting, "%s%s", s->name,
		                                     s->type == SOCK_STREAM ? "\n" : " ");
	rc = open_socket(echo, s);
	while (rc == 0 && !echo->loop.is_stopped)
		rc = sl_loop_turn(&echo->loop, -1);
	while ((conn = TAILQ_FIRST(&echo->conns)) != NULL)
		conn_free(conn);
	if (echo->watch.fd >= 0)
		close(echo->watch.fd);
	sl_loop_fini(&echo->loop);
	return rc;
}

int sl_echo_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"protocol", required_argument, NULL, 'p'},
		{"name", required_argument, NULL, 'n'},
		{0},
	};
	struct settings settings = {0};
	struct echo *echo;
	int rc;

	if (sl_options_parse(argc, argv, options, parse_option, &settings) != 0)
		return usage();
	if (settings.listen.len == 0 || settings.type == 0)
		return usage();
	sl_options_raise_files();
	echo = calloc(1, sizeof(*echo));
	if (echo == NULL)
		return SL_EXIT_FAILED;
	rc = serve(echo, &settings);
	free(echo);
	return rc == 0 ? SL_EXIT_OK : SL_EXIT_FAILED;
}
