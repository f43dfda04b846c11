// SPDX-License-Identifier: Apache-2.0
// The tcp probe: connect, take the time, reset. Closing with a reset leaves no TIME_WAIT behind;
// thousands of probes a second would otherwise eat the local ports.
#include "probe_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sluice/units.h"

struct sl_probe_tcp {
	uv_poll_t poll;
	uv_timer_t timeout;
	struct sl_prober *prober;
	struct sl_target *target; // NULL when ended
	struct sl_probe_tcp *next_free;
	uint64_t start_ns;
	int fd;
};

uint8_t sl_probe_reason_of_errno(int err)
{
	switch (err) {
	case 0:
		return SL_PROBE_OK;
	case ECONNREFUSED:
		return SL_PROBE_REFUSED;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case EACCES: // a prohibit route or a local filter
	case EPERM:
		return SL_PROBE_UNREACHABLE;
	case ETIMEDOUT:
		return SL_PROBE_CONNECT_TIMEOUT;
	case ECONNRESET:
	case EPIPE:
		return SL_PROBE_RESET;
	default:
		return SL_PROBE_INTERNAL;
	}
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct sl_probe_tcp *tcp = handle->data;
	struct sl_prober *prober = tcp->prober;

	tcp->next_free = prober->tcp_free;
	prober->tcp_free = tcp;
	if (prober->is_closing)
		sl_probe_tcp_fini(prober);
	sl_probe_handle_closed(prober);
}

static void stop(struct sl_probe_tcp *tcp)
{
	uv_timer_stop(&tcp->timeout);
	uv_poll_stop(&tcp->poll);
	close(tcp->fd);
	uv_close((uv_handle_t *)&tcp->poll, on_poll_closed);
	tcp->target->tcp = NULL;
	tcp->target = NULL;
}

static uint32_t elapsed_us(const struct sl_probe_tcp *tcp)
{
	uint64_t us = (uv_hrtime() - tcp->start_ns) / SL_NS_PER_US;

	if (us == 0)
		return 1; // 0 means "did not connect"
	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void end(struct sl_probe_tcp *tcp, uint8_t reason)
{
	struct sl_target *target = tcp->target;
	struct sl_prober *prober = tcp->prober;
	struct sl_probe_result result = {.reason = reason, .total_us = elapsed_us(tcp)};

	if (reason == SL_PROBE_OK)
		result.connect_us = result.first_byte_us = result.total_us;
	stop(tcp);
	sl_probe_finish(target, &result);
	sl_probe_pump(prober);
}

static void end_with_socket_error(struct sl_probe_tcp *tcp, int status)
{
	socklen_t n_bytes = sizeof(int);
	int err = 0;

	if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &err, &n_bytes) != 0)
		err = errno;
	if (err == 0 && status < 0)
		err = -status;
	end(tcp, sl_probe_reason_of_errno(err));
}

static void on_writable(uv_poll_t *handle, int status, int events)
{
	struct sl_probe_tcp *tcp = handle->data;

	(void)events;
	if (tcp->target != NULL)
		end_with_socket_error(tcp, status);
}

static void on_timeout(uv_timer_t *timer)
{
	struct sl_probe_tcp *tcp = timer->data;
	struct pollfd now = {.fd = tcp->fd, .events = POLLOUT};

	if (tcp->target == NULL)
		return;
	// libuv runs timers before it looks at sockets: after a pause of this process (it was
	// stopped, or busy) the answer may lie there unseen, and must not be called missing.
	if (poll(&now, 1, 0) == 1)
		end_with_socket_error(tcp, 0);
	else
		end(tcp, SL_PROBE_CONNECT_TIMEOUT);
}

static struct sl_probe_tcp *get_tcp(struct sl_prober *prober)
{
	struct sl_probe_tcp *tcp = prober->tcp_free;

	if (tcp != NULL) {
		prober->tcp_free = tcp->next_free;
		return tcp;
	}
	tcp = calloc(1, sizeof(*tcp));
	if (tcp == NULL)
		return NULL;
	tcp->prober = prober;
	uv_timer_init(prober->loop, &tcp->timeout);
	prober->n_handles++;
	tcp->timeout.data = tcp;
	tcp->poll.data = tcp;
	return tcp;
}

static int open_and_connect(const struct sl_target *target, int *fd)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	bool is_v4 = sl_ip_is_v4(&target->address);
	struct sockaddr_in v4 = {.sin_family = AF_INET,
	                         .sin_port = htons(target->port),
	                         .sin_addr.s_addr = sl_ip_v4_be(&target->address)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(target->port)};
	int err;

	memcpy(&v6.sin6_addr, target->address.bytes, sizeof(v6.sin6_addr));
	*fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	if (setsockopt(*fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0 &&
	    (connect(*fd, is_v4 ? (void *)&v4 : (void *)&v6, is_v4 ? sizeof(v4) : sizeof(v6)) ==
	             0 ||
	     errno == EINPROGRESS))
		return 0;
	err = -errno;
	close(*fd);
	return err;
}

int sl_probe_tcp_start(struct sl_target *target)
{
	struct sl_prober *prober = target->prober;
	struct sl_probe_tcp *tcp = get_tcp(prober);
	int err;

	if (tcp == NULL)
		return -ENOMEM;
	tcp->start_ns = uv_hrtime();
	err = open_and_connect(target, &tcp->fd);
	if (err != 0)
		goto err_slot;
	err = uv_poll_init(prober->loop, &tcp->poll, tcp->fd);
	if (err != 0)
		goto err_fd;
	prober->n_handles++;
	tcp->target = target;
	target->tcp = tcp;
	uv_poll_start(&tcp->poll, UV_WRITABLE, on_writable);
	uv_timer_start(&tcp->timeout, on_timeout, target->spec->def.timeout_ms, 0);
	return 0;
err_fd:
	close(tcp->fd);
err_slot:
	tcp->next_free = prober->tcp_free;
	prober->tcp_free = tcp;
	return err;
}

void sl_probe_tcp_cancel(struct sl_target *target)
{
	stop(target->tcp);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct sl_probe_tcp *tcp = handle->data;
	struct sl_prober *prober = tcp->prober;

	free(tcp);
	sl_probe_handle_closed(prober);
}

void sl_probe_tcp_fini(struct sl_prober *prober)
{
	while (prober->tcp_free != NULL) {
		struct sl_probe_tcp *tcp = prober->tcp_free;

		prober->tcp_free = tcp->next_free;
		uv_close((uv_handle_t *)&tcp->timeout, on_timer_closed);
	}
}
