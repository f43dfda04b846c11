// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

static const char *const server_argv[] = {"server", "--listen",     "127.0.0.1:0", "--name",
                                          "gpu-a",  "--time-scale", "0.05",        NULL};

// A name for a file that the test reads back and removes.
static void temporary(char path[32])
{
	int fd;

	strcpy(path, "/tmp/sl-sim-test-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static json_t *read_json(const char *path)
{
	json_t *json = json_load_file(path, 0, NULL);

	ck_assert_ptr_nonnull(json);
	unlink(path);
	return json;
}

static json_int_t number(const json_t *json, const char *outer, const char *name)
{
	if (outer != NULL)
		json = json_object_get(json, outer);
	return json_integer_value(json_object_get(json, name));
}

static const char *const connections[] = {"per-request", "keep-alive"};

START_TEST(two_seconds_of_load_have_no_failure)
{
	struct child server;
	char path[32];
	json_t *json;
	double ttft_ms;

	temporary(path);
	child_start(&server, server_argv);
	ck_assert_int_eq(child_run((const char *[]){"load", "--target", server.http, "--rate",
	                                            "200", "--duration", "2", "--connections",
	                                            connections[_i], "--json", path, NULL}),
	                 0);
	child_stop(&server);
	json = read_json(path);
	ck_assert_int_ge(number(json, NULL, "sent"), 300);
	ck_assert_int_le(number(json, NULL, "sent"), 500);
	ck_assert_int_eq(number(json, NULL, "failed"), 0);
	ck_assert_int_eq(number(json, NULL, "in_flight"), 0);
	ck_assert_int_eq(number(json, NULL, "ok"), number(json, NULL, "sent"));
	ck_assert_int_eq(number(json_object_get(json, "backends"), "gpu-a", "ok"),
	                 number(json, NULL, "sent"));
	ttft_ms = json_real_value(json_object_get(json_object_get(json, "ttft_ms"), "p50"));
	ck_assert_double_gt(ttft_ms, 0.8);  // two thousandths of a second is what the model says
	ck_assert_double_lt(ttft_ms, 1000); // wide: a busy machine is no fault, a wrong unit is
	json_decref(json);
}
END_TEST

static json_int_t sent_with(const char *target, const char *spread, const char *seed)
{
	char path[32];
	json_int_t sent;
	json_t *json;

	temporary(path);
	ck_assert_int_eq(
		child_run((const char *[]){"load", "--target", target, "--rate", "150",
	                                   "--rate-spread", spread, "--duration", "1", "--output",
	                                   "2", "--seed", seed, "--json", path, NULL}),
		0);
	json = read_json(path);
	sent = number(json, NULL, "sent");
	json_decref(json);
	return sent;
}

START_TEST(a_spread_rate_is_drawn_from_the_seed)
{
	struct child server;
	json_int_t even[2], spread[2];

	child_start(&server, server_argv);
	for (int i = 0; i < 2; i++) {
		static const char *const seeds[] = {"2", "10"};

		even[i] = sent_with(server.http, "0", seeds[i]);
		spread[i] = sent_with(server.http, "1", seeds[i]);
	}
	child_stop(&server);
	// More than six standard deviations of what chance makes of 150.
	ck_assert_int_le(llabs(even[0] - even[1]), 110);
	ck_assert_int_le(spread[0], even[0] / 2);
	ck_assert_int_ge(spread[1], even[1] * 3 / 2);
}
END_TEST

START_TEST(a_port_that_nobody_serves_counts_as_refused)
{
	struct child server;
	char path[32];
	json_t *json;

	temporary(path);
	child_start(&server, server_argv); // its port is free again, and known
	child_stop(&server);
	ck_assert_int_eq(
		child_run((const char *[]){"load", "--target", server.http, "--rate", "100",
	                                   "--duration", "100ms", "--json", path, NULL}),
		0);
	json = read_json(path);
	ck_assert_int_gt(number(json, NULL, "sent"), 0);
	ck_assert_int_eq(number(json, "errors", "refused"), number(json, NULL, "sent"));
	ck_assert_int_eq(number(json_object_get(json, "backends"), "?", "failed"),
	                 number(json, NULL, "sent"));
	ck_assert_double_eq(json_real_value(json_object_get(json, "slo_attainment")), 0);
	json_decref(json);
}
END_TEST

static const struct {
	const char *knob, *error;
} troubles[] = {{"fail=true", "status"}, {"hang=true", "timeout"}};

START_TEST(trouble_is_counted_by_its_kind)
{
	struct child server;
	char path[32];
	json_t *json;

	temporary(path);
	child_start(&server, server_argv);
	ck_assert_int_eq(child_run((const char *[]){"knob", server.http, troubles[_i].knob, NULL}),
	                 0);
	ck_assert_int_eq(child_run((const char *[]){"load", "--target", server.http, "--rate",
	                                            "100", "--duration", "100ms", "--timeout",
	                                            "200ms", "--json", path, NULL}),
	                 0);
	child_stop(&server);
	json = read_json(path);
	ck_assert_int_gt(number(json, NULL, "sent"), 0);
	ck_assert_int_eq(number(json, "errors", troubles[_i].error), number(json, NULL, "sent"));
	json_decref(json);
}
END_TEST

// The last line of a stream of JSON lines.
static json_t *read_last_line(const char *path, int *n_lines)
{
	FILE *in = fopen(path, "r");
	char line[8192];

	*n_lines = 0;
	while (fgets(line, sizeof(line), in) != NULL)
		(*n_lines)++;
	fclose(in);
	unlink(path);
	return json_loads(line, 0, NULL);
}

START_TEST(live_lines_come_once_a_second_and_hold_the_sums)
{
	char json_path[32], live_path[32];
	struct child server;
	json_t *json, *live;
	int n_lines;

	temporary(json_path);
	temporary(live_path);
	child_start(&server, server_argv);
	ck_assert_int_eq(
		child_run((const char *[]){"load", "--target", server.http, "--rate", "50",
	                                   "--output", "1", "--duration", "1600ms", "--json",
	                                   json_path, "--live", live_path, NULL}),
		0);
	child_stop(&server);
	json = read_json(json_path);
	live = read_last_line(live_path, &n_lines);
	ck_assert_int_eq(n_lines, 1);
	ck_assert_int_gt(number(live, "total", "sent"), 0);
	ck_assert_int_le(number(live, "total", "sent"), number(json, NULL, "sent"));
	ck_assert_int_eq(number(live, NULL, "sent"), number(live, "total", "sent"));
	json_decref(json);
	json_decref(live);
}
END_TEST

START_TEST(a_trace_with_a_bad_line_is_refused)
{
	char path[32];
	FILE *trace;

	temporary(path);
	trace = fopen(path, "w");
	fputs("100 20\nmany few\n", trace);
	fclose(trace);
	ck_assert_int_eq(child_run((const char *[]){"load", "--target", "127.0.0.1:1", "--trace",
	                                            path, "--duration", "100ms", NULL}),
	                 1);
	unlink(path);
}
END_TEST

// A datagram of 500 bytes: 32 of them at once fit the smallest usual receive queue.
static const struct {
	const char *protocol, *listen, *payload;
} echoes[] = {
	{"tcp", "127.0.0.1:0", "9000"},
	{"udp", "127.0.0.1:0", "500"},
	{"tcp", "[::1]:0", "9000"},
	{"udp", "[::1]:0", "500"},
};

START_TEST(conns_counts_who_answered)
{
	struct child echo;
	char path[32];
	json_t *json;

	temporary(path);
	child_start(&echo, (const char *[]){"echo", "--listen", echoes[_i].listen, "--protocol",
	                                    echoes[_i].protocol, "--name", "e-1", NULL});
	ck_assert_int_eq(
		child_run((const char *[]){"conns", "--target", echo.http, "--count", "300",
	                                   "--protocol", echoes[_i].protocol, "--payload",
	                                   echoes[_i].payload, "--json", path, NULL}),
		0);
	child_stop(&echo);
	json = read_json(path);
	ck_assert_int_eq(number(json, NULL, "connections"), 300);
	ck_assert_int_eq(number(json, NULL, "failed"), 0);
	ck_assert_int_eq(number(json, "by_name", "e-1"), 300);
	json_decref(json);
}
END_TEST

START_TEST(conns_reports_what_failed)
{
	struct child echo;
	char path[32];
	json_t *json;

	temporary(path);
	child_start(&echo,
	            (const char *[]){"echo", "--listen", "127.0.0.1:0", "--protocol", "tcp", NULL});
	// Without a name there is no first line, so each connection waits for it in vain.
	ck_assert_int_eq(child_run((const char *[]){"conns", "--target", echo.http, "--count", "10",
	                                            "--timeout", "100ms", "--json", path, NULL}),
	                 1);
	child_stop(&echo);
	json = read_json(path);
	ck_assert_int_eq(number(json, NULL, "failed"), 10);
	json_decref(json);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("load");
	TCase *tcase = tcase_create("load");

	tcase_set_timeout(tcase, 30); // a guard, not a wait
	tcase_add_loop_test(tcase, two_seconds_of_load_have_no_failure, 0, 2);
	tcase_add_test(tcase, a_spread_rate_is_drawn_from_the_seed);
	tcase_add_test(tcase, a_port_that_nobody_serves_counts_as_refused);
	tcase_add_loop_test(tcase, trouble_is_counted_by_its_kind, 0, 2);
	tcase_add_test(tcase, live_lines_come_once_a_second_and_hold_the_sums);
	tcase_add_test(tcase, a_trace_with_a_bad_line_is_refused);
	tcase_add_loop_test(tcase, conns_counts_who_answered, 0,
	                    sizeof(echoes) / sizeof(echoes[0]));
	tcase_add_test(tcase, conns_reports_what_failed);
	suite_add_tcase(suite, tcase);
	return sl_check_run(suite);
}
