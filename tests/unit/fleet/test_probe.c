// SPDX-License-Identifier: Apache-2.0
// Connections of every kind of probe, and the prober itself: sets, slots, descriptors, life.
#include "sl_check.h"

#include <errno.h>
#include <sys/resource.h>

#include "probe_server.h"

static const uint8_t every_type[] = {SL_PROBE_TCP, SL_PROBE_HTTP, SL_PROBE_KSERVE, SL_PROBE_GRPC};

START_TEST(a_closed_port_refuses)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	uint16_t port;
	int fd = harness_listen(-1, &port); // bound, not listening
	struct sl_probe_result r = harness_probe_once(port, &probe);

	ck_assert_str_eq(sl_probe_reason_name(r.reason), "refused");
	ck_assert_uint_eq(r.connect_us, 0);
	close(fd);
}
END_TEST

// With a full queue the kernel ignores further SYNs, as a dead host would.
START_TEST(an_ignored_syn_is_a_connect_timeout)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	uint16_t port;
	int fd = harness_listen(0, &port), fill[4];
	struct sockaddr_in sin = {.sin_family = AF_INET,
	                          .sin_port = htons(port),
	                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sl_probe_result r;

	for (int i = 0; i < 4; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fill[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	r = harness_probe_once(port, &probe);
	ck_assert_str_eq(sl_probe_reason_name(r.reason), "connect_timeout");
	ck_assert_uint_eq(r.connect_us, 0);
	ck_assert_uint_ge(r.total_us, 190 * 1000);
	for (int i = 0; i < 4; i++)
		close(fill[i]);
	close(fd);
}
END_TEST

// Nobody connects to a broadcast address: the kernel says "network unreachable" everywhere.
START_TEST(no_route_is_unreachable)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	struct sl_probe_target target = harness_target(0, 80, &probe);
	struct harness h;

	target.address = sl_ip_from_v4(htonl(0x7fffffff));
	harness_init(&h, 1);
	ck_assert_int_eq(sl_prober_set(h.prober, &target, 1), 0);
	harness_run(&h);
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason), "unreachable");
}
END_TEST

START_TEST(tcp_measures_the_connection)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_TCP);
	uint16_t port;
	int fd = harness_listen(16, &port);
	struct sl_probe_result r = harness_probe_once(port, &probe);

	ck_assert_str_eq(sl_probe_reason_name(r.reason), "ok");
	ck_assert_uint_gt(r.connect_us, 0);
	ck_assert_uint_eq(r.first_byte_us, r.connect_us);
	close(fd);
}
END_TEST

// Both families, since addresses are told apart by their bytes alone.
START_TEST(ipv6_is_probed_by_its_literal_address)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n_bytes = sizeof(sin6);
	struct sl_probe_target target;
	struct harness h;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin6, &n_bytes), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	target = harness_target(0, ntohs(sin6.sin6_port), &probe);
	target.address = (struct sl_ip){.bytes = {[15] = 1}};
	harness_init(&h, 1);
	ck_assert_int_eq(sl_prober_set(h.prober, &target, 1), 0);
	harness_run(&h);
	// Connected: tcp is content with that, the others wait in vain for an answer.
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason),
	                 every_type[_i] == SL_PROBE_TCP ? "ok" : "timeout");
	close(fd);
}
END_TEST

// The other side keeps the connection open, so it is the probe that closes first.
START_TEST(a_tcp_probe_leaves_nothing_waiting)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_TCP);
	uint16_t port;
	int fd = harness_listen(16, &port);

	harness_probe_once(port, &probe);
	ck_assert_int_eq(count_waiting(port), 0);
	close(fd);
}
END_TEST

START_TEST(the_probes_own_port_comes_first)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_TCP);
	uint16_t port;
	int fd = harness_listen(16, &port);
	struct sl_probe_result r;

	probe.port = port;
	r = harness_probe_once(1, &probe);
	ck_assert_str_eq(sl_probe_reason_name(r.reason), "ok");
	close(fd);
}
END_TEST

START_TEST(running_out_of_descriptors_is_our_own_trouble)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	struct sl_probe_target target = harness_target(0, 1, &probe);
	struct rlimit before, none;
	struct harness h;

	harness_init(&h, 1);
	ck_assert_int_eq(sl_prober_set(h.prober, &target, 1), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	harness_run(&h);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0); // sanitizers open files at exit
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason), "internal");
}
END_TEST

static void exhaust_after_first(void *ctx, uint64_t key, const struct sl_probe_result *result)
{
	struct harness *h = ctx;
	struct rlimit limit;

	(void)key;
	h->results[h->n_done++] = *result;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = h->n_done == 1 ? 0 : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (h->n_done == 2)
		sl_prober_close(h->prober, harness_on_closed, h);
}

// Curl's handles are reused, and so would be the error of the connection before.
START_TEST(an_older_refusal_is_not_blamed_for_missing_descriptors)
{
	struct sl_model_probe probe = harness_probe(every_type[_i]);
	struct sl_probe_target target = harness_target(0, 1, &probe);
	struct harness h = {0};

	uv_loop_init(&h.loop);
	uv_timer_init(&h.loop, &h.guard);
	uv_timer_start(&h.guard, harness_on_guard, 3000, 0);
	h.prober = sl_prober_new(&h.loop, 1, exhaust_after_first, &h);
	ck_assert_int_eq(sl_prober_set(h.prober, &target, 1), 0);
	harness_run(&h);
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason), "refused");
	ck_assert_str_eq(sl_probe_reason_name(h.results[1].reason), "internal");
}
END_TEST

// 200 silent targets, 16 slots of 20 ms: whoever waits for a slot is not late by that.
START_TEST(waiting_for_a_slot_costs_no_time_of_its_own)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	struct sl_probe_target targets[200];
	struct rlimit few = {64, 64};
	struct harness h;
	uint16_t port;
	int fd = harness_listen(4096, &port);

	probe.timeout_ms = 20;
	for (uint32_t i = 0; i < 200; i++)
		targets[i] = harness_target(i, port, &probe);
	setrlimit(RLIMIT_NOFILE, &few);
	harness_init(&h, 200);
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 200), 0);
	harness_run(&h);
	for (uint32_t i = 0; i < 200; i++) {
		// On a busy machine even the connection may take as long.
		ck_assert(h.results[i].reason == SL_PROBE_TIMEOUT ||
		          h.results[i].reason == SL_PROBE_CONNECT_TIMEOUT);
		ck_assert_uint_ge(h.results[i].total_us, 19 * 1000);
		ck_assert_uint_lt(h.results[i].total_us, 200 * 1000);
	}
	close(fd);
}
END_TEST

static void set_during_done(void *ctx, uint64_t key, const struct sl_probe_result *result)
{
	struct harness *h = ctx;
	static const struct sl_model_probe probe = {
		.type = SL_PROBE_HTTP, .interval_ms = 10, .timeout_ms = 200};
	struct sl_probe_target next[2] = {harness_target(1, 1, &probe),
	                                  harness_target(2, 1, &probe)};

	(void)result;
	h->counts[key]++;
	h->n_done++;
	if (key == 0)
		ck_assert_int_eq(sl_prober_set(h->prober, next, 2), 0);
	else if (h->counts[1] >= 2 && h->counts[2] >= 2)
		sl_prober_close(h->prober, harness_on_closed, h);
}

START_TEST(done_may_replace_the_set_it_is_called_for)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	struct sl_probe_target targets[2] = {harness_target(0, 1, &probe),
	                                     harness_target(1, 1, &probe)};
	struct harness h = {0};

	uv_loop_init(&h.loop);
	uv_timer_init(&h.loop, &h.guard);
	uv_timer_start(&h.guard, harness_on_guard, 3000, 0);
	h.prober = sl_prober_new(&h.loop, 1, set_during_done, &h);
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 2), 0);
	harness_run(&h);
	ck_assert_uint_eq(h.counts[0], 1);
}
END_TEST

// Removed, changed and kept targets while all of them are in flight against a silent server.
START_TEST(a_new_set_cancels_what_is_gone_and_keeps_what_stays)
{
	struct sl_model_probe silent = harness_probe(SL_PROBE_HTTP),
			      tcp = harness_probe(SL_PROBE_TCP);
	struct sl_probe_target targets[3];
	struct harness h;
	uint16_t port;
	int fd = harness_listen(64, &port);

	targets[0] = harness_target(0, port, &silent);
	targets[1] = harness_target(1, port, &silent);
	targets[2] = harness_target(2, port, &silent);
	harness_init(&h, 2);
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 3), 0);
	for (int i = 0; i < 5; i++)
		uv_run(&h.loop, UV_RUN_ONCE);
	targets[1].probe = &tcp;
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 2), 0);
	harness_run(&h);
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason), "timeout");
	ck_assert_str_eq(sl_probe_reason_name(h.results[1].reason), "ok");
	ck_assert_uint_eq(h.counts[2], 0);
	close(fd);
}
END_TEST

START_TEST(two_targets_with_one_key_are_refused_and_change_nothing)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_TCP);
	struct sl_probe_target targets[2] = {harness_target(0, 1, &probe),
	                                     harness_target(0, 2, &probe)};
	struct harness h;

	harness_init(&h, 1);
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 1), 0);
	ck_assert_int_eq(sl_prober_set(h.prober, targets, 2), -EINVAL);
	harness_run(&h);
	ck_assert_str_eq(sl_probe_reason_name(h.results[0].reason), "refused");
}
END_TEST

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *s = suite_create("probe");
	TCase *tc = tcase_create("probe");

	tcase_add_loop_test(tc, a_closed_port_refuses, 0, N(every_type));
	tcase_add_loop_test(tc, an_ignored_syn_is_a_connect_timeout, 0, N(every_type));
	tcase_add_loop_test(tc, no_route_is_unreachable, 0, N(every_type));
	tcase_add_test(tc, tcp_measures_the_connection);
	tcase_add_loop_test(tc, ipv6_is_probed_by_its_literal_address, 0, N(every_type));
	tcase_add_test(tc, a_tcp_probe_leaves_nothing_waiting);
	tcase_add_test(tc, the_probes_own_port_comes_first);
	tcase_add_loop_test(tc, running_out_of_descriptors_is_our_own_trouble, 0, N(every_type));
	tcase_add_loop_test(tc, an_older_refusal_is_not_blamed_for_missing_descriptors, 0,
	                    N(every_type));
	tcase_add_test(tc, waiting_for_a_slot_costs_no_time_of_its_own);
	tcase_add_test(tc, done_may_replace_the_set_it_is_called_for);
	tcase_add_test(tc, a_new_set_cancels_what_is_gone_and_keeps_what_stays);
	tcase_add_test(tc, two_targets_with_one_key_are_refused_and_change_nothing);
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
