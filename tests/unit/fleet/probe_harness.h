// SPDX-License-Identifier: Apache-2.0
// For probe tests: a listening socket on loopback, and one run of a prober until every target has
// answered once (or 3 s have passed, which fails the test).
#ifndef SLUICE_TESTS_PROBE_HARNESS_H
#define SLUICE_TESTS_PROBE_HARNESS_H

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe.h"

#define HARNESS_MAX 256

struct harness {
	uv_loop_t loop;
	uv_timer_t guard;
	struct sl_prober *prober;
	uint32_t n_wanted, n_done;
	struct sl_probe_result results[HARNESS_MAX]; // first of each key
	uint32_t counts[HARNESS_MAX];
	bool is_closed;
};

static inline int harness_listen(int backlog, uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n_bytes = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	if (backlog >= 0)
		ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &n_bytes), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static inline struct sl_model_probe harness_probe(uint8_t type)
{
	return (struct sl_model_probe){.type = type,
	                               .rise = 1,
	                               .fall = 1,
	                               .jitter_percent = 10,
	                               .interval_ms = 10,
	                               .timeout_ms = 200};
}

static inline struct sl_probe_target harness_target(uint64_t key, uint16_t port,
                                                    const struct sl_model_probe *probe)
{
	return (struct sl_probe_target){.key = key,
	                                .address = sl_ip_from_v4(htonl(INADDR_LOOPBACK)),
	                                .port = port,
	                                .probe = probe};
}

static inline void harness_on_closed(void *ctx)
{
	struct harness *h = ctx;

	h->is_closed = true;
	uv_close((uv_handle_t *)&h->guard, NULL);
}

static inline void harness_on_guard(uv_timer_t *timer)
{
	(void)timer;
	ck_abort_msg("a probe did not end in time");
}

static inline void harness_on_done(void *ctx, uint64_t key, const struct sl_probe_result *result)
{
	struct harness *h = ctx;

	ck_assert_uint_lt(key, HARNESS_MAX);
	if (h->counts[key]++ == 0) {
		h->results[key] = *result;
		h->n_done++;
	}
	if (h->n_done == h->n_wanted)
		sl_prober_close(h->prober, harness_on_closed, h);
}

static inline void harness_init(struct harness *h, uint32_t n_wanted)
{
	*h = (struct harness){.n_wanted = n_wanted};
	ck_assert_int_eq(uv_loop_init(&h->loop), 0);
	uv_timer_init(&h->loop, &h->guard);
	uv_timer_start(&h->guard, harness_on_guard, 3000, 0);
	h->prober = sl_prober_new(&h->loop, 42, harness_on_done, h);
	ck_assert_ptr_nonnull(h->prober);
}

// The loop ends by itself only when the prober has let go of every handle.
static inline void harness_run(struct harness *h)
{
	ck_assert_int_eq(uv_run(&h->loop, UV_RUN_DEFAULT), 0);
	ck_assert(h->is_closed);
	ck_assert_int_eq(uv_loop_close(&h->loop), 0);
}

static inline struct sl_probe_result harness_probe_once(uint16_t port,
                                                        const struct sl_model_probe *probe)
{
	struct sl_probe_target target = harness_target(0, port, probe);
	struct harness h;

	harness_init(&h, 1);
	ck_assert_int_eq(sl_prober_set(h.prober, &target, 1), 0);
	harness_run(&h);
	return h.results[0];
}

#endif
