// SPDX-License-Identifier: Apache-2.0
#include "daemon_fixture.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// ---- operators ----

START_TEST(an_operators_drain_reaches_the_data_plane_and_survives_a_restart)
{
	static struct call call;
	struct fixture f;

	fixture_set_up_running(&f);
	fixture_request(&f, &call, "POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{}");
	ck_assert_int_eq(call.status, 200);
	ck_assert_str_eq(fixture_text_of(&call, "state"), "drain");
	json_decref(call.json);
	f.want = 1;
	fake_run_until(&f.loop, fixture_has_weights, &f, "weights arrived");
	fixture_stop_daemon(&f);
	fixture_start_daemon(&f);
	fixture_wait_configs(&f, 2);
	ck_assert_uint_eq(fixture_weight_milli(&f, 0), 0);
	fixture_request(&f, &call, "POST", "/api/v1/pools/llama/backends/gpu-1/ready", "");
	ck_assert_str_ne(fixture_text_of(&call, "state"), "drain");
	json_decref(call.json);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(an_override_falls_when_the_file_changes_its_value)
{
	static struct call call;
	struct fixture f;

	fixture_set_up_running(&f);
	fixture_request(&f, &call, "POST", "/api/v1/pools/llama/backends/gpu-1/weight",
	                "{\"weight\": 7}");
	ck_assert_int_eq(call.status, 200);
	ck_assert(json_number_value(json_object_get(call.json, "weight_effective")) == 7);
	json_decref(call.json);
	fixture_write_config(&f, CHANGE);
	fixture_request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 200);
	json_decref(call.json);
	fixture_request(&f, &call, "GET", "/api/v1/pools/llama", "");
	ck_assert(json_number_value(
			  json_object_get(json_array_get(json_object_get(call.json, "backends"), 0),
	                                  "weight_effective")) == 50);
	json_decref(call.json);
	ck_assert_uint_eq(f.daemon.overrides.n_items, 0);
	fixture_tear_down(&f);
}
END_TEST

static const json_t *first_override(const struct call *call, const char *what)
{
	const json_t *backend = json_array_get(json_object_get(call->json, "backends"), 0);

	return json_object_get(json_object_get(backend, "overrides"), what);
}

START_TEST(an_override_has_owner_reason_and_end_and_ends_by_itself)
{
	static struct call call;
	const json_t *drain;
	struct fixture f;
	double left_s;

	fixture_set_up_running(&f);
	fixture_request(&f, &call, "POST", "/api/v1/pools/llama/backends/gpu-1/weight",
	                "{\"weight\": 7, \"ttl_seconds\": null}");
	json_decref(call.json);
	fixture_request(&f, &call, "POST", "/api/v1/pools/llama/backends/gpu-1/drain",
	                "{\"ttl_seconds\": 60, \"reason\": \"fw update\"}");
	ck_assert_int_eq(call.status, 200);
	json_decref(call.json);
	fixture_request(&f, &call, "GET", "/api/v1/pools/llama", "");
	drain = first_override(&call, "drain");
	left_s = json_number_value(json_object_get(drain, "remaining_seconds"));
	ck_assert(left_s > 50 && left_s <= 60);
	ck_assert_str_eq(json_string_value(json_object_get(drain, "reason")), "fw update");
	ck_assert_uint_gt(json_string_length(json_object_get(drain, "owner")), 0);
	ck_assert(json_is_null(
		json_object_get(first_override(&call, "weight"), "remaining_seconds")));
	json_decref(call.json);
	sl_reload_expire_overrides(&f.daemon, uv_hrtime() + 61 * SL_NS_PER_S);
	fixture_request(&f, &call, "GET", "/api/v1/pools/llama", "");
	ck_assert(json_is_null(first_override(&call, "drain")));
	ck_assert_int_eq(
		json_integer_value(json_object_get(first_override(&call, "weight"), "value")), 7);
	ck_assert_ptr_null(strstr(call.bytes, "\"state\": \"drain\""));
	json_decref(call.json);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(an_override_without_a_word_lasts_four_hours)
{
	static struct call call;
	struct fixture f;

	fixture_set_up_running(&f);
	fixture_request(&f, &call, "POST", "/api/v1/pools/llama/backends/gpu-1/drain", "");
	json_decref(call.json);
	ck_assert_uint_eq(f.daemon.overrides.items[0].drain_note.ttl_s, 4 * 3600);
	sl_reload_expire_overrides(&f.daemon, uv_hrtime() + (4 * 3600 - 5) * SL_NS_PER_S);
	ck_assert_uint_eq(f.daemon.overrides.n_items, 1);
	sl_reload_expire_overrides(&f.daemon, uv_hrtime() + 4 * 3600 * SL_NS_PER_S);
	ck_assert_uint_eq(f.daemon.overrides.n_items, 0);
	fixture_tear_down(&f);
}
END_TEST

static const struct {
	const char *method;
	const char *path;
	const char *body;
	int status;
	const char *error;
	const char *next;
} calls[] = {
	{"GET", "/api/v1/statsu", "", 404, "nothing is at", "/api/v1/status"},
	{"GET", "/", "", 404, "nothing is at", "nearest"},
	{"GET", "/api/v1/pools/a/b/c/d/e/f/g/h/i", "", 404, "nothing is at", "nearest"},
	{"GET", "/api/v1/pools/lama", "", 404, "no pool is called lama", "llama"},
	{"POST", "/api/v1/pools/llama/backends/gpu-9/drain", "", 404, "gpu-9", "gpu-"},
	{"POST", "/api/v1/status", "", 405, "method", "use GET"},
	{"GET", "/api/v1/apply", "", 405, "method", "use POST"},
	{"DELETE", "/api/v1/pools/llama", "", 405, "method", "use GET"},
	{"POST", "/api/v1/apply", "{\"file\":", 400, "line 1 column", "API.md"},
	{"POST", "/api/v1/apply", "[]", 400, "not an object", "API.md"},
	{"POST", "/api/v1/apply", "{\"fiel\": \"/x\"}", 400, "unknown key fiel", "API.md"},
	{"POST", "/api/v1/apply", "{\"file\": \"pools.yaml\"}", 400, "absolute path", "{}"},
	{"POST", "/api/v1/apply", "{\"file\": 1}", 400, "absolute path", "{}"},
	{"POST", "/api/v1/apply", "{\"file\": \"/does/not/exist\"}", 422, "refused", "check"},
	{"POST", "/api/v1/apply", "{\"a\":1,\"a\":2}", 400, "duplicate", "API.md"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/weight", "{\"weight\": 1001}", 400,
         "0 to 1000", "null"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/weight", "{\"weight\": -1}", 400, "0 to 1000",
         "null"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/weight", "{\"weight\": 1.5}", 400, "0 to 1000",
         "null"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/weight", "{}", 400, "0 to 1000", "null"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/weight", "{\"weight\": 5, \"ttl\": 1}", 400,
         "unknown key ttl", "API.md"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/ready", "{\"ttl\": 1}", 400, "unknown key ttl",
         "{}"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{\"ttl\": 1}", 400, "unknown key ttl",
         "API.md"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{\"ttl_seconds\": 0}", 400,
         "ttl_seconds", "null"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{\"ttl_seconds\": -5}", 400,
         "ttl_seconds", "null"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{\"ttl_seconds\": 1.5}", 400,
         "ttl_seconds", "null"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{\"ttl_seconds\": \"4h\"}", 400,
         "ttl_seconds", "null"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{\"ttl_seconds\": 31536001}", 400,
         "ttl_seconds", "null"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{\"reason\": 1}", 400, "one line",
         "shorter"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{\"reason\": \"a\\nb\"}", 400,
         "one line", "shorter"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{\"reason\": \"\\u001b[2J\"}", 400,
         "one line", "shorter"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "\xff\xfe", 400, "not JSON", "API.md"},
};

START_TEST(a_wrong_call_is_refused_with_cause_and_next_step)
{
	static struct call call;
	struct fixture f;

	fixture_set_up_running(&f);
	fixture_request(&f, &call, calls[_i].method, calls[_i].path, calls[_i].body);
	ck_assert_msg(call.status == calls[_i].status, "%s %s: %s", calls[_i].method,
	              calls[_i].path, call.bytes);
	ck_assert_str_eq(fixture_text_of(&call, "kind"), "Error");
	ck_assert_msg(strstr(fixture_text_of(&call, "error"), calls[_i].error) != NULL, "%s",
	              call.bytes);
	ck_assert_msg(strstr(fixture_text_of(&call, "next"), calls[_i].next) != NULL, "%s",
	              call.bytes);
	ck_assert_uint_eq(f.daemon.overrides.n_items, 0);
	ck_assert_uint_eq(f.fake.n_configs, 1);
	json_decref(call.json);
	fixture_tear_down(&f);
}
END_TEST

static const struct {
	const char *name;
	const char *head;
	int status; // 0 = hung up on
} floods[] = {
	{"an announced body above the limit", "Content-Length: 65537\r\n\r\n", 413},
	{"a chunked body above the limit", "Transfer-Encoding: chunked\r\n\r\n", 413},
	{"a head that is no HTTP", NULL, 400},
};

START_TEST(oversized_and_garbled_messages_change_nothing)
{
	static struct call call;
	static char text[200000];
	struct fixture f;
	size_t n = 0;

	fixture_set_up_running(&f);
	if (floods[_i].head != NULL) {
		n = (size_t)snprintf(text, sizeof(text),
		                     "POST /api/v1/apply HTTP/1.1\r\nHost: x\r\n"
		                     "Connection: close\r\n%s",
		                     floods[_i].head);
	}
	if (floods[_i].head != NULL && strstr(floods[_i].head, "chunked") != NULL) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "11170\r\n"); // 70000
		memset(text + n, ' ', 70000);
		n += 70000;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n0\r\n\r\n");
	}
	if (floods[_i].head == NULL)
		n = (size_t)snprintf(text, sizeof(text), "\x16\x03\x01\x02 \r\n\r\n");
	fixture_exchange(&f, &call, text, n);
	ck_assert_msg(call.status == floods[_i].status, "%s: %.200s", floods[_i].name, call.bytes);
	ck_assert_uint_eq(f.fake.n_configs, 1);
	json_decref(call.json);
	fixture_request(&f, &call, "GET", "/healthz", "");
	ck_assert_int_eq(call.status, 200);
	fixture_tear_down(&f);
}
END_TEST

// ---- slow clients ----

#define N_SLOW 100 // more than the server's connections, fewer than those and its backlog

static int open_slow(const struct fixture *f, const char *head)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->api_path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		send(fd, head, strlen(head), MSG_NOSIGNAL);
	return fd;
}

static const char *const heads[] = {
	"", "GET /healthz HT",
	"POST /api/v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
	"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", // and never reads it
};

START_TEST(slow_clients_keep_nobody_out_neither_while_they_hang_nor_afterwards)
{
	static struct call call;
	struct fixture f;
	int fds[N_SLOW];

	fixture_set_up_running(&f);
	for (int i = 0; i < N_SLOW; i++) {
		fds[i] = open_slow(&f, heads[_i]);
		uv_run(&f.loop, UV_RUN_NOWAIT);
	}
	fixture_request(&f, &call, "GET", "/healthz", "");
	ck_assert_int_eq(call.status, 200);
	for (int i = 0; i < N_SLOW; i++)
		close(fds[i]);
	fixture_request(&f, &call, "GET", "/healthz", "");
	ck_assert_int_eq(call.status, 200);
	fixture_tear_down(&f);
}
END_TEST

struct drip {
	int fd;
	uint64_t sent_ns;
	bool is_over;
};

static bool is_hung_up_on(void *ctx)
{
	struct drip *drip = ctx;
	char byte;

	// So slowly that neither the length of the head nor a pause can be the reason.
	if (uv_hrtime() - drip->sent_ns < 5 * SL_NS_PER_MS)
		return drip->is_over;
	drip->sent_ns = uv_hrtime();
	if (send(drip->fd, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE)
		drip->is_over = true;
	return drip->is_over || recv(drip->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

START_TEST(a_request_that_drips_in_is_cut_off_however_lively_it_is)
{
	struct fixture f;
	struct drip drip;

	fixture_set_up_running(&f);
	sl_http_server_set_patience(f.daemon.api, 20, 20);
	drip = (struct drip){.fd = open_slow(&f, "GET /healthz HTTP/1.1\r\nHost: ")};
	fake_run_until(&f.loop, is_hung_up_on, &drip, "the drip was cut");
	close(drip.fd);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(the_socket_is_for_owner_and_group_only)
{
	struct fixture f;
	struct stat st;

	fixture_set_up_running(&f);
	ck_assert_int_eq(stat(f.api_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(metrics_name_backends_and_hide_addresses_but_in_info)
{
	static struct call call;
	struct fixture f;

	fixture_set_up_running(&f);
	fixture_request(&f, &call, "GET", "/metrics", "");
	ck_assert_int_eq(call.status, 200);
	ck_assert_ptr_nonnull(strstr(call.bytes, "\nsluice_controller_connected 1\n"));
	ck_assert_ptr_nonnull(strstr(
		call.bytes,
		"\nsluice_backend_weight_effective{pool=\"llama\",backend=\"gpu-1\"} 100\n"));
	ck_assert_ptr_nonnull(strstr(call.bytes, "\nsluice_drops_total{reason=\"no_vip\"} 0\n"));
	for (const char *p = call.bytes; (p = strstr(p, "10.0.0.")) != NULL; p++) {
		const char *line = p;

		while (line[-1] != '\n')
			line--;
		ck_assert_int_eq(strncmp(line, "sluice_backend_info{", 20), 0);
	}
	fixture_tear_down(&f);
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *suite = suite_create("api");
	TCase *tc = tcase_create("api");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, an_operators_drain_reaches_the_data_plane_and_survives_a_restart);
	tcase_add_test(tc, an_override_falls_when_the_file_changes_its_value);
	tcase_add_test(tc, an_override_has_owner_reason_and_end_and_ends_by_itself);
	tcase_add_test(tc, an_override_without_a_word_lasts_four_hours);
	tcase_add_loop_test(tc, a_wrong_call_is_refused_with_cause_and_next_step, 0, N(calls));
	tcase_add_loop_test(tc, oversized_and_garbled_messages_change_nothing, 0, N(floods));
	tcase_add_loop_test(tc, slow_clients_keep_nobody_out_neither_while_they_hang_nor_afterwards,
	                    0, N(heads));
	tcase_add_test(tc, a_request_that_drips_in_is_cut_off_however_lively_it_is);
	tcase_add_test(tc, the_socket_is_for_owner_and_group_only);
	tcase_add_test(tc, metrics_name_backends_and_hide_addresses_but_in_info);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
