// SPDX-License-Identifier: Apache-2.0
#include "wire_client.h"

#include <check.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire_lab.h"
#include "wire_net.h"

#define CHUNK_BYTES    4096
#define DATAGRAM_BYTES 9000

static socklen_t vip_address(struct sockaddr_storage *address, bool is_v6, uint16_t port)
{
	struct sockaddr_in6 *v6 = (void *)address;
	struct sockaddr_in *v4 = (void *)address;

	memset(address, 0, sizeof(*address));
	if (is_v6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		inet_pton(AF_INET6, SL_LAB_VIP6, &v6->sin6_addr);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	inet_pton(AF_INET, SL_LAB_VIP4, &v4->sin_addr);
	return sizeof(*v4);
}

static bool wait_for(int fd, short events, uint64_t deadline_ms)
{
	struct pollfd ready = {.fd = fd, .events = events};
	uint64_t now_ms = sl_proc_now_ms();

	errno = ETIMEDOUT;
	return now_ms < deadline_ms && poll(&ready, 1, (int)(deadline_ms - now_ms)) == 1;
}

// The socket does not block: connect starts, poll waits, SO_ERROR tells.
static bool connect_in_time(int fd, bool is_v6, uint64_t deadline_ms)
{
	struct sockaddr_storage address;
	socklen_t n = vip_address(&address, is_v6, SL_LAB_TCP_PORT);
	socklen_t n_error = sizeof(int);
	int error = 0;

	if (connect(fd, (struct sockaddr *)&address, n) == 0)
		return true;
	if (errno != EINPROGRESS || !wait_for(fd, POLLOUT, deadline_ms))
		return false;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n_error);
	errno = error;
	return error == 0;
}

// The first line is the server's name. Read byte by byte: what follows belongs to the echo.
static bool read_name(struct sl_client *client, uint64_t deadline_ms)
{
	size_t n = 0;
	char c = 0;

	while (c != '\n') {
		ssize_t got = recv(client->fd, &c, 1, 0);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			return false;
		if (got < 0 && !wait_for(client->fd, POLLIN, deadline_ms))
			return false;
		if (got == 1 && c > ' ' && n + 1 < sizeof(client->server))
			client->server[n++] = c;
	}
	client->server[n] = '\0';
	return n > 0;
}

bool sl_client_open(struct sl_client *client, bool is_v6, uint32_t timeout_ms)
{
	uint64_t deadline_ms = sl_proc_now_ms() + timeout_ms;
	int error;

	memset(client, 0, sizeof(*client));
	client->fd =
		sl_net_socket("cli", is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (connect_in_time(client->fd, is_v6, deadline_ms) && read_name(client, deadline_ms))
		return true;
	error = errno;
	sl_client_close(client);
	errno = error;
	return false;
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8));
}

static bool matches(const uint8_t *bytes, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != pattern(at + i))
			return false;
	return true;
}

bool sl_client_echoes(struct sl_client *client, size_t n_bytes, uint32_t timeout_ms)
{
	uint64_t deadline_ms = sl_proc_now_ms() + timeout_ms;
	uint8_t out[CHUNK_BYTES], in[CHUNK_BYTES];
	size_t n_sent = 0, n_back = 0;

	while (n_back < n_bytes) {
		size_t n = n_bytes - n_sent < sizeof(out) ? n_bytes - n_sent : sizeof(out);
		ssize_t got;

		for (size_t i = 0; i < n; i++)
			out[i] = pattern(n_sent + i);
		got = n > 0 ? send(client->fd, out, n, MSG_NOSIGNAL) : 0;
		if (got < 0 && errno != EAGAIN)
			return false;
		n_sent += got > 0 ? (size_t)got : 0;
		got = recv(client->fd, in, sizeof(in), 0);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			return false;
		if (got < 0 && !wait_for(client->fd, POLLIN, deadline_ms))
			return false;
		if (got > 0 && !matches(in, (size_t)got, n_back))
			return false;
		n_back += got > 0 ? (size_t)got : 0;
	}
	return true;
}

void sl_client_close(struct sl_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

void sl_client_reset(struct sl_client *client)
{
	const struct linger now = {.l_onoff = 1};

	setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	sl_client_close(client);
}

// An answer is "NAME " and then the bytes of the question.
static bool split_answer(const uint8_t *in, size_t n, size_t n_sent,
                         char server[SL_CLIENT_NAME_BYTES])
{
	const uint8_t *space = memchr(in, ' ', n);
	size_t n_name = space != NULL ? (size_t)(space - in) : 0;

	if (n_name == 0 || n_name >= SL_CLIENT_NAME_BYTES || n - n_name - 1 != n_sent)
		return false;
	memcpy(server, in, n_name);
	server[n_name] = '\0';
	return matches(space + 1, n_sent, 0);
}

bool sl_client_udp_echoes(bool is_v6, size_t n_bytes, uint32_t timeout_ms,
                          char server[SL_CLIENT_NAME_BYTES])
{
	uint64_t deadline_ms = sl_proc_now_ms() + timeout_ms;
	int fd = sl_net_socket("cli", is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	uint8_t out[DATAGRAM_BYTES], in[DATAGRAM_BYTES + SL_CLIENT_NAME_BYTES];
	struct sockaddr_storage address;
	socklen_t n = vip_address(&address, is_v6, SL_LAB_UDP_PORT);
	bool is_echoed = false;

	ck_assert_uint_le(n_bytes, sizeof(out));
	for (size_t i = 0; i < n_bytes; i++)
		out[i] = pattern(i);
	// Connected: an answer from any other address, as of a server that was not translated
	// back, does not reach this socket.
	if (connect(fd, (struct sockaddr *)&address, n) == 0 &&
	    send(fd, out, n_bytes, 0) == (ssize_t)n_bytes && wait_for(fd, POLLIN, deadline_ms)) {
		ssize_t got = recv(fd, in, sizeof(in), 0);

		is_echoed = got > 0 && split_answer(in, (size_t)got, n_bytes, server);
	}
	close(fd);
	return is_echoed;
}
