// SPDX-License-Identifier: Apache-2.0
// What an HTTP probe makes of every way to answer, against real servers on loopback.
#include "sl_check.h"

#include "probe_server.h"

static const struct {
	const char *name;
	uint8_t type;
	uint16_t expect_status;
	const char *contains;
	struct script script;
	uint8_t reason;
	uint16_t status;
} answers[] = {
	{"200 is ok", SL_PROBE_HTTP, 0, "", {OK_EMPTY}, SL_PROBE_OK, 200},
	{"kserve ready", SL_PROBE_KSERVE, 0, "", {OK_EMPTY}, SL_PROBE_OK, 200},
	{"kserve not ready",
         SL_PROBE_KSERVE,
         0,
         "",
         {"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"},
         SL_PROBE_STATUS,
         503},
	{"a keep-alive server", SL_PROBE_HTTP, 0, "ready", {OK_READY, THEN_HOLD}, SL_PROBE_OK, 200},
	{"a body that ends with the connection",
         SL_PROBE_HTTP,
         0,
         "ready",
         {"HTTP/1.0 200 OK\r\n\r\nit is ready"},
         SL_PROBE_OK,
         200},
	{"chunked",
         SL_PROBE_HTTP,
         0,
         "ready",
         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nre\r\n3\r\nady\r\n0\r\n\r\n"},
         SL_PROBE_OK,
         200},
	{"text is missing", SL_PROBE_HTTP, 0, "steady", {OK_READY}, SL_PROBE_BODY, 200},
	{"status is wrong", SL_PROBE_HTTP, 204, "", {OK_EMPTY}, SL_PROBE_STATUS, 200},
	{"a redirect is not followed",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"},
         SL_PROBE_STATUS,
         302},
	{"a wrong status wins over an endless body",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 500 Oops\r\n\r\n", THEN_FLOOD, "xxxxxxxxxxxxxxxx"},
         SL_PROBE_STATUS,
         500},
	{"silence", SL_PROBE_HTTP, 0, "", {NULL, THEN_HOLD}, SL_PROBE_TIMEOUT, 0},
	{"half a header",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nX: y", THEN_HOLD},
         SL_PROBE_TIMEOUT,
         200},
	{"a body that drips for ever",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\n\r\n", THEN_DRIP, "x"},
         SL_PROBE_TIMEOUT,
         200},
	{"headers that drip for ever",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\n", THEN_DRIP, "X: y\r\n"},
         SL_PROBE_TIMEOUT,
         200},
	{"an endless body",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\n\r\n", THEN_FLOOD, "xxxxxxxxxxxxxxxx"},
         SL_PROBE_TOO_LARGE,
         200},
	{"a text found early does not excuse an endless body",
         SL_PROBE_HTTP,
         0,
         "ready",
         {"HTTP/1.1 200 OK\r\n\r\nready", THEN_FLOOD, "xxxxxxxxxxxxxxxx"},
         SL_PROBE_TOO_LARGE,
         200},
	{"endless headers",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\n", THEN_FLOOD, "Name: value\r\n"},
         SL_PROBE_TOO_LARGE,
         200},
	{"one endless header line",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nX: ", THEN_FLOOD, "xxxxxxxxxxxxxxxx"},
         SL_PROBE_TOO_LARGE,
         200},
	{"closed without a word", SL_PROBE_HTTP, 0, "", {NULL, THEN_CLOSE}, SL_PROBE_RESET, 0},
	{"reset without a word", SL_PROBE_HTTP, 0, "", {NULL, THEN_RESET}, SL_PROBE_RESET, 0},
	{"closed within the headers",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nX: y\r\n"},
         SL_PROBE_RESET,
         200},
	{"closed within the body",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nready"},
         SL_PROBE_RESET,
         200},
	{"reset within the body",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nready", THEN_RESET},
         SL_PROBE_RESET,
         200},
	{"not HTTP at all",
         SL_PROBE_HTTP,
         0,
         "",
         {"SSH-2.0-OpenSSH_9.2\r\n"},
         SL_PROBE_PROTOCOL,
         0},
	{"broken chunks",
         SL_PROBE_HTTP,
         0,
         "",
         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
         SL_PROBE_PROTOCOL,
         200},
	{"HTTP/1 to a gRPC probe",
         SL_PROBE_GRPC,
         0,
         "",
         {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", THEN_HOLD},
         SL_PROBE_PROTOCOL,
         0},
	{"silence to a gRPC probe", SL_PROBE_GRPC, 0, "", {NULL, THEN_HOLD}, SL_PROBE_TIMEOUT, 0},
};

START_TEST(every_way_to_answer_has_its_reason)
{
	struct sl_model_probe probe = harness_probe(answers[_i].type);
	static struct server server;
	struct sl_probe_result r;

	probe.expect_status = answers[_i].expect_status;
	strcpy(probe.contains, answers[_i].contains);
	server_start(&server, &answers[_i].script);
	r = harness_probe_once(server.port, &probe);
	ck_assert_msg(r.reason == answers[_i].reason, "%s: %s", answers[_i].name,
	              sl_probe_reason_name(r.reason));
	ck_assert_msg(r.http_status == answers[_i].status, "%s: status %u", answers[_i].name,
	              r.http_status);
	ck_assert_msg(r.connect_us > 0 && r.total_us >= r.connect_us, "%s: %u us, %u us",
	              answers[_i].name, r.connect_us, r.total_us);
	ck_assert_msg(r.total_us < 1000 * 1000, "%s: took %u us", answers[_i].name, r.total_us);
}
END_TEST

START_TEST(an_http_probe_leaves_nothing_waiting)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	static const struct script script = {OK_EMPTY, THEN_HOLD};
	static struct server server;

	server_start(&server, &script);
	harness_probe_once(server.port, &probe);
	ck_assert_int_eq(count_waiting(server.port), 0);
}
END_TEST

START_TEST(a_body_is_posted_as_json)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	static const struct script script = {OK_EMPTY};
	static struct server server;

	strcpy(probe.path, "/v1/completions?x=1");
	strcpy(probe.body, "{\"max_tokens\":1}");
	server_start(&server, &script);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	ck_assert_uint_eq(harness_probe_once(server.port, &probe).reason, SL_PROBE_OK);
	ck_assert_ptr_nonnull(strstr(server.request, "POST /v1/completions?x=1 HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(server.request, "Content-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(server.request, "\r\n\r\n{\"max_tokens\":1}"));
}
END_TEST

// Servers that read a header first, of either version, would refuse a request without.
START_TEST(a_proxy_header_comes_before_the_request_where_there_is_to_be_one)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	// It may answer between the two, so it must not hang up before it has read the rest.
	static const struct script script = {OK_EMPTY, THEN_HOLD};
	static struct server server;

	probe.has_proxy_header = _i == 1;
	server_start(&server, &script);
	ck_assert_uint_eq(harness_probe_once(server.port, &probe).reason, SL_PROBE_OK);
	ck_assert_int_eq(strncmp(server.request, "PROXY TCP4 127.0.0.1 127.0.0.1 ", 31) == 0,
	                 _i == 1);
}
END_TEST

START_TEST(a_redirect_to_a_working_server_is_still_wrong)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	static const struct script ok = {OK_EMPTY};
	static struct server works, redirects;
	static char text[128];
	struct script script = {text};

	server_start(&works, &ok);
	snprintf(
		text, sizeof(text),
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/\r\nContent-Length: 0\r\n\r\n",
		works.port);
	server_start(&redirects, &script);
	ck_assert_str_eq(sl_probe_reason_name(harness_probe_once(redirects.port, &probe).reason),
	                 "status");
	ck_assert_uint_eq(works.request[0], 0);
}
END_TEST

START_TEST(a_wrong_status_ends_the_probe_at_once)
{
	struct sl_model_probe probe = harness_probe(SL_PROBE_HTTP);
	static const struct script script = {"HTTP/1.1 500 Oops\r\n\r\n", THEN_DRIP, "x"};
	static struct server server;
	struct sl_probe_result r;

	probe.timeout_ms = 1000;
	server_start(&server, &script);
	r = harness_probe_once(server.port, &probe);
	ck_assert_str_eq(sl_probe_reason_name(r.reason), "status");
	ck_assert_uint_lt(r.total_us, 500 * 1000);
}
END_TEST

#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *s = suite_create("probe_http");
	TCase *tc = tcase_create("probe_http");

	tcase_add_loop_test(tc, every_way_to_answer_has_its_reason, 0, N(answers));
	tcase_add_test(tc, an_http_probe_leaves_nothing_waiting);
	tcase_add_test(tc, a_body_is_posted_as_json);
	tcase_add_loop_test(tc, a_proxy_header_comes_before_the_request_where_there_is_to_be_one, 0,
	                    2);
	tcase_add_test(tc, a_redirect_to_a_working_server_is_still_wrong);
	tcase_add_test(tc, a_wrong_status_ends_the_probe_at_once);
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
