// SPDX-License-Identifier: Apache-2.0
// The whole control process on the test's loop: real socket to a fake data plane, real Unix socket
// to the API, real files in a directory of its own.
#include "sl_check.h"

#include <jansson.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <curl/curl.h>

#include "daemon.h"
#include "fake_dataplane.h"
#include "state.h"

#define POOLS(weight_1, more)                                                                      \
	"version: 1\nvips:\n"                                                                      \
	"  - { name: chat, address: 203.0.113.10, ports: [443], protocol: tcp, pool: llama }\n"    \
	"pools:\n  llama:\n    forward: { mode: nat }\n    backends:\n"                            \
	"      - { name: gpu-1, address: 10.0.0.1:443, weight: " weight_1 " }\n"                   \
	"      - { name: gpu-2, address: 10.0.0.2:443, weight: 100 }\n" more

#define GOOD   POOLS("100", "")
#define CHANGE POOLS("50", "")
#define BAD    POOLS("100", "      - { name: gpu-3, adress: 10.0.0.3:443 }\n")

struct fixture {
	uv_loop_t loop;
	char dir[32], config[64], dp_path[64], api_path[64];
	struct fake_dataplane fake;
	struct sl_daemon daemon;
	bool has_fake, is_closed;
	uint32_t want; // of what a predicate waits for
};

// ---- the client side of the API: a socket on the same loop ----

struct call {
	uv_loop_t *loop;
	int fd;
	uv_poll_t poll;
	char bytes[262144];
	size_t n_bytes;
	bool is_over, is_poll_closed;
	int status;
	json_t *json;
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct call *call = poll->data;
	ssize_t n = recv(call->fd, call->bytes + call->n_bytes,
	                 sizeof(call->bytes) - 1 - call->n_bytes, MSG_DONTWAIT);

	(void)status;
	(void)events;
	if (n > 0)
		call->n_bytes += (size_t)n;
	else
		call->is_over = true;
}

static bool is_over(void *ctx)
{
	return ((struct call *)ctx)->is_over;
}

static void poll_closed(uv_handle_t *handle)
{
	((struct call *)handle->data)->is_poll_closed = true;
}

static bool is_poll_closed(void *ctx)
{
	return ((struct call *)ctx)->is_poll_closed;
}

// Sends text as it is and takes everything until the other side closes.
static void exchange(struct fixture *f, struct call *call, const char *text, size_t n_bytes)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *body;

	*call = (struct call){.loop = &f->loop};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->api_path);
	call->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(call->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(send(call->fd, text, n_bytes, MSG_NOSIGNAL), (ssize_t)n_bytes);
	uv_poll_init(&f->loop, &call->poll, call->fd);
	call->poll.data = call;
	uv_poll_start(&call->poll, UV_READABLE, on_readable);
	fake_run_until(&f->loop, is_over, call, "the API answered");
	uv_close((uv_handle_t *)&call->poll, poll_closed);
	fake_run_until(&f->loop, is_poll_closed, call, "closed");
	close(call->fd);
	call->bytes[call->n_bytes] = '\0';
	sscanf(call->bytes, "HTTP/1.1 %d", &call->status);
	body = strstr(call->bytes, "\r\n\r\n");
	if (body != NULL)
		call->json = json_loads(body + 4, 0, NULL);
}

static void request(struct fixture *f, struct call *call, const char *method, const char *path,
                    const char *body)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
	                 "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	                 "Content-Length: %zu\r\n\r\n%s",
	                 method, path, strlen(body), body);

	exchange(f, call, text, (size_t)n);
}

static const char *text_of(const struct call *call, const char *key)
{
	const char *text = json_string_value(json_object_get(call->json, key));

	return text != NULL ? text : "";
}

// ---- fixture ----

static void write_config(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->config, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void start_daemon(struct fixture *f)
{
	const struct sl_daemon_options options = {
		.config_file = f->config,
		.state_dir = f->dir,
		.dataplane_socket = f->dp_path,
		.socket = f->api_path,
		.log = {.level = SL_LOG_ERROR, .fd = -1}, // what is refused is asked for
	};

	f->is_closed = false;
	ck_assert_int_eq(sl_daemon_start(&f->daemon, &f->loop, &options), 0);
}

static void set_up(struct fixture *f, const char *config)
{
	*f = (struct fixture){.dir = "/tmp/sl-ctl-XXXXXX"};
	ck_assert_ptr_nonnull(mkdtemp(f->dir));
	snprintf(f->config, sizeof(f->config), "%s/pools.yaml", f->dir);
	snprintf(f->dp_path, sizeof(f->dp_path), "%s/dp.sock", f->dir);
	snprintf(f->api_path, sizeof(f->api_path), "%s/api.sock", f->dir);
	if (config != NULL)
		write_config(f, config);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	ck_assert_int_eq(uv_loop_init(&f->loop), 0);
}

static void start_fake(struct fixture *f, uint64_t instance)
{
	fake_start(&f->fake, &f->loop, f->dp_path, instance);
	f->has_fake = true;
}

static void on_closed(void *ctx)
{
	((struct fixture *)ctx)->is_closed = true;
}

static bool is_closed(void *ctx)
{
	return ((struct fixture *)ctx)->is_closed;
}

static void stop_daemon(struct fixture *f)
{
	sl_daemon_stop(&f->daemon, on_closed, f);
	fake_run_until(&f->loop, is_closed, f, "daemon closed");
}

static void tear_down(struct fixture *f)
{
	static const char *const names[] = {"pools.yaml", SL_STATE_LAST_GOOD, SL_STATE_OVERRIDES,
	                                    SL_STATE_GENERATION};

	stop_daemon(f);
	if (f->has_fake)
		fake_fini(&f->fake);
	while (uv_loop_close(&f->loop) == UV_EBUSY)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	curl_global_cleanup();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[PATH_MAX];

		sl_state_path(f->dir, names[i], path);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(f->dir), 0); // nothing else was left: no temporary file, no socket
}

static bool has_configs(void *ctx)
{
	const struct fixture *f = ctx;

	return f->fake.n_configs >= f->want && sl_ipc_client_is_idle(f->daemon.ipc);
}

static bool has_weights(void *ctx)
{
	const struct fixture *f = ctx;

	return f->fake.n_weights >= f->want && sl_ipc_client_is_idle(f->daemon.ipc);
}

static bool is_lost(void *ctx)
{
	return !((struct fixture *)ctx)->daemon.publish.is_connected;
}

static void wait_configs(struct fixture *f, uint32_t n)
{
	f->want = n;
	fake_run_until(&f->loop, has_configs, f, "configuration arrived");
}

// Weight of a backend in the last configuration that arrived.
static uint32_t config_weight_milli(const struct fixture *f, uint32_t backend)
{
	const struct sl_wire_header *h = f->fake.last_config;
	const char *rows = (const char *)(h + 1) + h->n_vips * sizeof(struct sl_wire_vip) +
	                   h->n_pools * sizeof(struct sl_wire_pool);
	struct sl_wire_backend row;

	ck_assert_uint_lt(backend, h->n_backends);
	memcpy(&row, rows + backend * sizeof(row), sizeof(row));
	return row.weight_milli;
}

static bool has_file(const struct fixture *f, const char *name, const char *want)
{
	char path[PATH_MAX], text[4096] = "";
	FILE *file;

	sl_state_path(f->dir, name, path);
	file = fopen(path, "r");
	if (file == NULL)
		return want == NULL;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return want != NULL && strcmp(text, want) == 0;
}

static void set_up_running(struct fixture *f)
{
	set_up(f, GOOD);
	start_fake(f, 7);
	start_daemon(f);
	wait_configs(f, 1);
}

// ---- configuration ----

START_TEST(the_file_reaches_the_data_plane_above_its_epoch_and_generation)
{
	struct fixture f;

	set_up(&f, GOOD);
	f.fake.epoch = 500;
	f.fake.generation = 90;
	start_fake(&f, 7);
	start_daemon(&f);
	wait_configs(&f, 1);
	ck_assert_uint_eq(f.fake.last_config->epoch, 501);
	ck_assert_uint_eq(f.fake.last_config->generation, 91);
	ck_assert_uint_eq(f.fake.last_config->n_backends, 2);
	ck_assert_uint_eq(config_weight_milli(&f, 0), 100 * SL_WEIGHT_ONE_MILLI);
	ck_assert(has_file(&f, SL_STATE_LAST_GOOD, GOOD));
	ck_assert(has_file(&f, SL_STATE_GENERATION, "91\n"));
	tear_down(&f);
}
END_TEST

START_TEST(apply_puts_a_changed_file_in_force_and_says_what_changed)
{
	static struct call call;
	struct fixture f;
	uint64_t generation;

	set_up_running(&f);
	generation = f.daemon.generation;
	write_config(&f, CHANGE);
	request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 200);
	ck_assert_str_eq(text_of(&call, "kind"), "Apply");
	ck_assert_str_eq(
		json_string_value(json_array_get(json_object_get(call.json, "changes"), 0)),
		"~ backend llama/gpu-1 weight 100 -> 50");
	ck_assert_int_eq(json_integer_value(json_object_get(call.json, "epoch_acked")),
	                 json_integer_value(json_object_get(call.json, "epoch")));
	ck_assert_uint_eq(f.daemon.generation, generation + 1);
	ck_assert_uint_eq(config_weight_milli(&f, 0), 50 * SL_WEIGHT_ONE_MILLI);
	ck_assert(has_file(&f, SL_STATE_LAST_GOOD, CHANGE));
	json_decref(call.json);
	tear_down(&f);
}
END_TEST

START_TEST(a_refused_file_changes_nothing_and_is_reported)
{
	static struct call call;
	struct fixture f;
	uint64_t generation;

	set_up_running(&f);
	generation = f.daemon.generation;
	write_config(&f, BAD);
	request(&f, &call, "POST", "/api/v1/apply", "");
	ck_assert_int_eq(call.status, 422);
	ck_assert_ptr_nonnull(strstr(text_of(&call, "report"), "adress"));
	ck_assert_uint_eq(f.daemon.generation, generation);
	ck_assert_uint_eq(f.fake.n_configs, 1);
	ck_assert(has_file(&f, SL_STATE_LAST_GOOD, GOOD));
	json_decref(call.json);
	request(&f, &call, "GET", "/api/v1/status", "");
	ck_assert(json_is_true(json_object_get(call.json, "degraded")));
	json_decref(call.json);
	tear_down(&f);
}
END_TEST

START_TEST(a_file_the_data_plane_refuses_changes_nothing)
{
	static struct call call;
	struct fixture f;
	struct sl_model *model;

	set_up_running(&f);
	model = f.daemon.model;
	f.fake.next_status = SL_IPC_NO_SPACE;
	write_config(&f, CHANGE);
	request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 422);
	ck_assert_str_eq(text_of(&call, "error"), "as the test said");
	ck_assert_ptr_eq(f.daemon.model, model);
	ck_assert(has_file(&f, SL_STATE_LAST_GOOD, GOOD));
	json_decref(call.json);
	tear_down(&f);
}
END_TEST

START_TEST(an_apply_while_the_data_plane_hangs_up_fails_and_restores)
{
	static struct call call;
	struct fixture f;

	set_up_running(&f);
	f.fake.fault = FAKE_HANG_UP;
	f.fake.fault_type = SL_IPC_CONFIG;
	write_config(&f, CHANGE);
	request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 503);
	ck_assert_uint_eq(config_weight_milli(&f, 0), 50 * SL_WEIGHT_ONE_MILLI); // it had arrived
	f.fake.fault = FAKE_GOOD;
	wait_configs(&f, 3);
	ck_assert_uint_eq(config_weight_milli(&f, 0), 100 * SL_WEIGHT_ONE_MILLI);
	ck_assert(has_file(&f, SL_STATE_LAST_GOOD, GOOD));
	json_decref(call.json);
	tear_down(&f);
}
END_TEST

START_TEST(a_stale_epoch_is_caught_up_within_one_apply)
{
	static struct call call;
	struct fixture f;

	set_up_running(&f);
	f.fake.next_status = SL_IPC_STALE;
	f.fake.stale_epoch = 9000;
	write_config(&f, CHANGE);
	request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 200);
	ck_assert_uint_eq(f.fake.last_config->epoch, 9001);
	json_decref(call.json);
	tear_down(&f);
}
END_TEST

START_TEST(a_data_plane_that_restarted_gets_the_configuration_again)
{
	struct fixture f;

	set_up_running(&f);
	fake_stop(&f.fake);
	fake_run_until(&f.loop, is_lost, &f, "loss seen");
	f.fake.epoch = 0;
	f.fake.generation = 0;
	start_fake(&f, 8);
	wait_configs(&f, 2);
	ck_assert_uint_eq(f.fake.last_config->n_backends, 2);
	ck_assert_uint_gt(f.fake.last_config->epoch, 1);
	ck_assert_uint_eq(f.daemon.publish.instance, 8);
	tear_down(&f);
}
END_TEST

START_TEST(a_control_restart_sends_the_same_objects_again)
{
	struct fixture f;
	struct sl_wire_header *first;
	size_t n_rows;

	set_up_running(&f);
	stop_daemon(&f);
	first = f.fake.last_config;
	f.fake.last_config = NULL;
	start_daemon(&f);
	wait_configs(&f, 2);
	ck_assert_uint_gt(f.fake.last_config->epoch, first->epoch);
	ck_assert_uint_gt(f.fake.last_config->generation, first->generation);
	n_rows = first->total_bytes - sizeof(*first);
	ck_assert_uint_eq(f.fake.last_config->total_bytes, first->total_bytes);
	ck_assert_int_eq(memcmp(f.fake.last_config + 1, first + 1, n_rows), 0);
	free(first);
	tear_down(&f);
}
END_TEST

// ---- start ----

START_TEST(a_broken_file_at_start_runs_the_last_good_one)
{
	static struct call call;
	struct fixture f;

	set_up_running(&f);
	stop_daemon(&f);
	write_config(&f, BAD);
	start_daemon(&f);
	wait_configs(&f, 2);
	ck_assert_uint_eq(f.fake.last_config->n_backends, 2);
	request(&f, &call, "GET", "/api/v1/status", "");
	ck_assert_str_eq(
		json_string_value(json_object_get(json_object_get(call.json, "config"), "state")),
		"last-good");
	ck_assert_ptr_nonnull(strstr(
		json_string_value(json_object_get(json_object_get(call.json, "config"), "error")),
		"adress"));
	json_decref(call.json);
	tear_down(&f);
}
END_TEST

START_TEST(without_any_good_file_control_waits_and_apply_ends_it)
{
	static struct call call;
	struct fixture f;

	set_up(&f, NULL);
	start_fake(&f, 7);
	start_daemon(&f);
	request(&f, &call, "GET", "/api/v1/status", "");
	ck_assert_int_eq(call.status, 200);
	ck_assert(json_is_true(json_object_get(call.json, "degraded")));
	ck_assert_uint_eq(f.fake.n_configs, 0);
	json_decref(call.json);
	write_config(&f, GOOD);
	request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 200);
	json_decref(call.json);
	wait_configs(&f, 1);
	tear_down(&f);
}
END_TEST

START_TEST(a_new_file_that_the_data_plane_refuses_at_start_gives_way_to_the_last_good)
{
	struct fixture f;

	set_up_running(&f);
	stop_daemon(&f);
	write_config(&f, CHANGE);
	f.fake.next_status = SL_IPC_INVALID;
	start_daemon(&f);
	wait_configs(&f, 3);
	ck_assert_uint_eq(config_weight_milli(&f, 0), 100 * SL_WEIGHT_ONE_MILLI);
	ck_assert(f.daemon.is_last_good);
	ck_assert(has_file(&f, SL_STATE_LAST_GOOD, GOOD));
	tear_down(&f);
}
END_TEST

// ---- operators ----

START_TEST(an_operators_drain_reaches_the_data_plane_and_survives_a_restart)
{
	static struct call call;
	struct fixture f;

	set_up_running(&f);
	request(&f, &call, "POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{}");
	ck_assert_int_eq(call.status, 200);
	ck_assert_str_eq(text_of(&call, "state"), "drain");
	json_decref(call.json);
	f.want = 1;
	fake_run_until(&f.loop, has_weights, &f, "weights arrived");
	stop_daemon(&f);
	start_daemon(&f);
	wait_configs(&f, 2);
	ck_assert_uint_eq(config_weight_milli(&f, 0), 0);
	request(&f, &call, "POST", "/api/v1/pools/llama/backends/gpu-1/ready", "");
	ck_assert_str_ne(text_of(&call, "state"), "drain");
	json_decref(call.json);
	tear_down(&f);
}
END_TEST

START_TEST(an_override_falls_when_the_file_changes_its_value)
{
	static struct call call;
	struct fixture f;

	set_up_running(&f);
	request(&f, &call, "POST", "/api/v1/pools/llama/backends/gpu-1/weight", "{\"weight\": 7}");
	ck_assert_int_eq(call.status, 200);
	ck_assert(json_number_value(json_object_get(call.json, "weight_effective")) == 7);
	json_decref(call.json);
	write_config(&f, CHANGE);
	request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 200);
	json_decref(call.json);
	request(&f, &call, "GET", "/api/v1/pools/llama", "");
	ck_assert(json_number_value(
			  json_object_get(json_array_get(json_object_get(call.json, "backends"), 0),
	                                  "weight_effective")) == 50);
	json_decref(call.json);
	ck_assert_uint_eq(f.daemon.overrides.n_items, 0);
	tear_down(&f);
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
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{\"ttl\": 1}", 400, "unknown key ttl",
         "{}"},
	{"POST", "/api/v1/pools/llama/backends/gpu-1/drain", "\xff\xfe", 400, "not JSON", "API.md"},
};

START_TEST(a_wrong_call_is_refused_with_cause_and_next_step)
{
	static struct call call;
	struct fixture f;

	set_up_running(&f);
	request(&f, &call, calls[_i].method, calls[_i].path, calls[_i].body);
	ck_assert_msg(call.status == calls[_i].status, "%s %s: %s", calls[_i].method,
	              calls[_i].path, call.bytes);
	ck_assert_str_eq(text_of(&call, "kind"), "Error");
	ck_assert_msg(strstr(text_of(&call, "error"), calls[_i].error) != NULL, "%s", call.bytes);
	ck_assert_msg(strstr(text_of(&call, "next"), calls[_i].next) != NULL, "%s", call.bytes);
	ck_assert_uint_eq(f.daemon.overrides.n_items, 0);
	ck_assert_uint_eq(f.fake.n_configs, 1);
	json_decref(call.json);
	tear_down(&f);
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

	set_up_running(&f);
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
	exchange(&f, &call, text, n);
	ck_assert_msg(call.status == floods[_i].status, "%s: %.200s", floods[_i].name, call.bytes);
	ck_assert_uint_eq(f.fake.n_configs, 1);
	json_decref(call.json);
	request(&f, &call, "GET", "/healthz", "");
	ck_assert_int_eq(call.status, 200);
	tear_down(&f);
}
END_TEST

START_TEST(the_socket_is_for_owner_and_group_only)
{
	struct fixture f;
	struct stat st;

	set_up_running(&f);
	ck_assert_int_eq(stat(f.api_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	tear_down(&f);
}
END_TEST

START_TEST(metrics_name_backends_and_hide_addresses_but_in_info)
{
	static struct call call;
	struct fixture f;

	set_up_running(&f);
	request(&f, &call, "GET", "/metrics", "");
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
	tear_down(&f);
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *suite = suite_create("daemon");
	TCase *tc = tcase_create("daemon");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, the_file_reaches_the_data_plane_above_its_epoch_and_generation);
	tcase_add_test(tc, apply_puts_a_changed_file_in_force_and_says_what_changed);
	tcase_add_test(tc, a_refused_file_changes_nothing_and_is_reported);
	tcase_add_test(tc, a_file_the_data_plane_refuses_changes_nothing);
	tcase_add_test(tc, an_apply_while_the_data_plane_hangs_up_fails_and_restores);
	tcase_add_test(tc, a_stale_epoch_is_caught_up_within_one_apply);
	tcase_add_test(tc, a_data_plane_that_restarted_gets_the_configuration_again);
	tcase_add_test(tc, a_control_restart_sends_the_same_objects_again);
	tcase_add_test(tc, a_broken_file_at_start_runs_the_last_good_one);
	tcase_add_test(tc, without_any_good_file_control_waits_and_apply_ends_it);
	tcase_add_test(tc,
	               a_new_file_that_the_data_plane_refuses_at_start_gives_way_to_the_last_good);
	tcase_add_test(tc, an_operators_drain_reaches_the_data_plane_and_survives_a_restart);
	tcase_add_test(tc, an_override_falls_when_the_file_changes_its_value);
	tcase_add_loop_test(tc, a_wrong_call_is_refused_with_cause_and_next_step, 0, N(calls));
	tcase_add_loop_test(tc, oversized_and_garbled_messages_change_nothing, 0, N(floods));
	tcase_add_test(tc, the_socket_is_for_owner_and_group_only);
	tcase_add_test(tc, metrics_name_backends_and_hide_addresses_but_in_info);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
