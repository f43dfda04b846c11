// SPDX-License-Identifier: Apache-2.0
#include "daemon_fixture.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <curl/curl.h>

// ---- the client side of the API: a socket on the same loop ----

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
void fixture_exchange(struct fixture *f, struct call *call, const char *text, size_t n_bytes)
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

void fixture_request(struct fixture *f, struct call *call, const char *method, const char *path,
                     const char *body)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
	                 "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	                 "Content-Length: %zu\r\n\r\n%s",
	                 method, path, strlen(body), body);

	fixture_exchange(f, call, text, (size_t)n);
}

const char *fixture_text_of(const struct call *call, const char *key)
{
	const char *text = json_string_value(json_object_get(call->json, key));

	return text != NULL ? text : "";
}

// ---- fixture ----

void fixture_write_config(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->config, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

void fixture_start_daemon(struct fixture *f)
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

void fixture_set_up(struct fixture *f, const char *config)
{
	*f = (struct fixture){.dir = "/tmp/sl-ctl-XXXXXX"};
	ck_assert_ptr_nonnull(mkdtemp(f->dir));
	snprintf(f->config, sizeof(f->config), "%s/pools.yaml", f->dir);
	snprintf(f->dp_path, sizeof(f->dp_path), "%s/dp.sock", f->dir);
	snprintf(f->api_path, sizeof(f->api_path), "%s/api.sock", f->dir);
	if (config != NULL)
		fixture_write_config(f, config);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	ck_assert_int_eq(uv_loop_init(&f->loop), 0);
}

void fixture_start_fake(struct fixture *f, uint64_t instance)
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

void fixture_stop_daemon(struct fixture *f)
{
	sl_daemon_stop(&f->daemon, on_closed, f);
	fake_run_until(&f->loop, is_closed, f, "daemon closed");
}

void fixture_tear_down(struct fixture *f)
{
	static const char *const names[] = {"pools.yaml", SL_STATE_LAST_GOOD, SL_STATE_OVERRIDES,
	                                    SL_STATE_GENERATION};

	fixture_stop_daemon(f);
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

bool fixture_has_weights(void *ctx)
{
	const struct fixture *f = ctx;

	return f->fake.n_weights >= f->want && sl_ipc_client_is_idle(f->daemon.ipc);
}

bool fixture_is_lost(void *ctx)
{
	return !((struct fixture *)ctx)->daemon.publish.is_connected;
}

void fixture_wait_configs(struct fixture *f, uint32_t n)
{
	f->want = n;
	fake_run_until(&f->loop, has_configs, f, "configuration arrived");
}

// Weight of a backend in the last configuration that arrived.
uint32_t fixture_weight_milli(const struct fixture *f, uint32_t backend)
{
	const struct sl_wire_header *h = f->fake.last_config;
	const char *rows = (const char *)(h + 1) + h->n_vips * sizeof(struct sl_wire_vip) +
	                   h->n_pools * sizeof(struct sl_wire_pool);
	struct sl_wire_backend row;

	ck_assert_uint_lt(backend, h->n_backends);
	memcpy(&row, rows + backend * sizeof(row), sizeof(row));
	return row.weight_milli;
}

bool fixture_has_file(const struct fixture *f, const char *name, const char *want)
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

void fixture_set_up_running(struct fixture *f)
{
	fixture_set_up(f, GOOD);
	fixture_start_fake(f, 7);
	fixture_start_daemon(f);
	fixture_wait_configs(f, 1);
}
