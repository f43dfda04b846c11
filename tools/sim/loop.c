// SPDX-License-Identifier: Apache-2.0
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "sluice/units.h"

#define LOOP_OF(watch, member)                                                                     \
	((struct sl_loop *)(void *)((char *)(watch)-offsetof(struct sl_loop, member)))

static void timer_ready(struct sl_watch *watch, uint32_t events)
{
	struct sl_loop *loop = LOOP_OF(watch, timer);
	uint64_t n_expired;

	(void)events;
	// Nothing to read when the deadline was moved after it had expired: then it is not due.
	if (read(watch->fd, &n_expired, sizeof(n_expired)) == (ssize_t)sizeof(n_expired))
		loop->on_deadline(loop->ctx);
}

static void signal_ready(struct sl_watch *watch, uint32_t events)
{
	struct sl_loop *loop = LOOP_OF(watch, signals);

	(void)events;
	loop->is_stopped = true;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int sl_loop_init(struct sl_loop *loop, void (*on_deadline)(void *ctx), void *ctx)
{
	int rc;

	*loop = (struct sl_loop){.on_deadline = on_deadline, .ctx = ctx};
	loop->timer.on_ready = timer_ready;
	loop->signals.on_ready = signal_ready;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	loop->signals.fd = open_signals();
	if (loop->epoll_fd < 0 || loop->timer.fd < 0 || loop->signals.fd < 0) {
		rc = -errno;
		goto err;
	}
	rc = sl_loop_add(loop, &loop->timer, EPOLLIN);
	if (rc == 0)
		rc = sl_loop_add(loop, &loop->signals, EPOLLIN);
	if (rc == 0)
		return 0;
err:
	sl_loop_fini(loop);
	return rc;
}

void sl_loop_fini(struct sl_loop *loop)
{
	if (loop->signals.fd >= 0)
		close(loop->signals.fd);
	if (loop->timer.fd >= 0)
		close(loop->timer.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
}

int sl_loop_add(struct sl_loop *loop, struct sl_watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) == 0 ? 0 : -errno;
}

int sl_loop_change(struct sl_loop *loop, struct sl_watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0 ? 0 : -errno;
}

void sl_loop_delete(struct sl_loop *loop, struct sl_watch *watch)
{
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = 0; i < loop->n_batch; i++) {
		if (loop->batch[i].data.ptr == watch)
			loop->batch[i].data.ptr = NULL;
	}
}

void sl_loop_set_deadline(struct sl_loop *loop, uint64_t due_ns)
{
	struct itimerspec spec = {0};

	// A zero time would disarm the timer; one nanosecond is just as much in the past.
	if (due_ns == 0)
		due_ns = 1;
	if (due_ns != SL_LOOP_NEVER) {
		spec.it_value.tv_sec = (time_t)(due_ns / SL_NS_PER_S);
		spec.it_value.tv_nsec = (long)(due_ns % SL_NS_PER_S);
	}
	timerfd_settime(loop->timer.fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

int sl_loop_turn(struct sl_loop *loop, int timeout_ms)
{
	const int n = epoll_wait(loop->epoll_fd, loop->batch, SL_LOOP_BATCH, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	loop->n_batch = n;
	for (int i = 0; i < n; i++) {
		struct sl_watch *watch = loop->batch[i].data.ptr;

		if (watch != NULL)
			watch->on_ready(watch, loop->batch[i].events);
	}
	loop->n_batch = 0;
	return 0;
}

uint64_t sl_loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SL_NS_PER_S + (uint64_t)now.tv_nsec;
}
