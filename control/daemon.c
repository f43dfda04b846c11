// SPDX-License-Identifier: Apache-2.0
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "state.h"

#define TICK_MS   100  // contract: weights at most this often
#define SAMPLE_MS 1000 // rates are over the last second

static void tick(uv_timer_t *timer)
{
	struct sl_daemon *daemon = timer->data;
	const uint64_t now_ns = uv_hrtime();

	if (daemon->model != NULL) {
		sl_observe_tick(daemon, now_ns);
		if (sl_fleet_tick(daemon->fleet, now_ns))
			daemon->publish.is_weights_due = true;
		sl_observe_tell(daemon, now_ns);
	}
	sl_publish_next(daemon);
	sl_reload_requested(daemon);
}

static void sample(uv_timer_t *timer)
{
	struct sl_daemon *daemon = timer->data;

	sl_stats_reader_sample(daemon->stats, uv_hrtime());
	sl_keep_retry(daemon, uv_hrtime());
	sl_targets_tell_rest(daemon);
	sl_reload_expire_overrides(daemon, uv_hrtime());
}

static void load_overrides(struct sl_daemon *daemon)
{
	const struct sl_override_clock clock = sl_keep_clock();
	struct sl_diagnostics diag = {0};
	char path[PATH_MAX], *text;
	size_t n_bytes;

	if (sl_state_path(daemon->options.state_dir, SL_STATE_OVERRIDES, path) != 0 ||
	    access(path, F_OK) != 0)
		return;
	text = sl_config_read_file(path, &n_bytes, &diag);
	if (text == NULL || sl_overrides_load(&daemon->overrides, text, n_bytes, &clock) != 0)
		sl_log(daemon->log, SL_LOG_ERROR,
		       "%s cannot be read: all backends follow the file until they are overridden "
		       "again",
		       path);
	free(text);
	sl_diagnostics_fini(&diag);
}

static int open_server(struct sl_daemon *daemon, int fd, const char *where,
                       sl_http_handler_fn handler, struct sl_http_server **server)
{
	int err = 0;

	if (fd < 0) {
		sl_log(daemon->log, SL_LOG_ERROR, "cannot listen on %s: %s", where, strerror(-fd));
		return fd;
	}
	*server = sl_http_server_new(daemon->loop, fd, handler, daemon);
	if (*server == NULL) {
		err = -errno;
		close(fd);
		sl_log(daemon->log, SL_LOG_ERROR, "cannot serve HTTP on %s", where);
	}
	return err;
}

static int open_servers(struct sl_daemon *daemon)
{
	const struct sl_daemon_options *options = &daemon->options;
	int err;

	err = open_server(daemon, sl_http_listen_unix(options->socket), options->socket,
	                  sl_api_handle, &daemon->api);
	if (err != 0 || options->metrics == NULL)
		return err;
	return open_server(daemon, sl_http_listen_tcp(options->metrics), options->metrics,
	                   sl_api_handle_pages, &daemon->pages);
}

static void free_all(struct sl_daemon *daemon)
{
	sl_targets_fini(daemon);
	sl_overrides_fini(&daemon->overrides);
	sl_stats_reader_free(daemon->stats);
	sl_fleet_free(daemon->fleet);
	sl_model_free(daemon->model);
	free(daemon->text);
	free(daemon->error);
}

int sl_daemon_start(struct sl_daemon *daemon, uv_loop_t *loop,
                    const struct sl_daemon_options *options)
{
	struct timespec now;
	int err;

	clock_gettime(CLOCK_REALTIME, &now);
	*daemon = (struct sl_daemon){.options = *options,
	                             .loop = loop,
	                             .start_ns = uv_hrtime(),
	                             .start_unix_s = (double)now.tv_sec};
	daemon->log = &daemon->options.log;
	uv_timer_init(loop, &daemon->tick);
	uv_timer_init(loop, &daemon->sample);
	daemon->tick.data = daemon;
	daemon->sample.data = daemon;
	daemon->fleet = sl_fleet_new();
	daemon->stats = sl_stats_reader_new();
	if (daemon->fleet == NULL || daemon->stats == NULL) {
		err = -ENOMEM;
		goto err_stop;
	}
	if (mkdir(options->state_dir, 0750) != 0 && errno != EEXIST)
		sl_log(daemon->log, SL_LOG_WARN, "cannot make %s: %s; nothing will be remembered",
		       options->state_dir, strerror(errno));
	// The API first: whatever is wrong afterwards can then be asked for.
	err = open_servers(daemon);
	if (err == 0)
		err = sl_targets_start(daemon);
	if (err != 0)
		goto err_stop;
	load_overrides(daemon);
	sl_reload_expire_overrides(daemon, uv_hrtime()); // what ended while we were away
	sl_reload_start(daemon);
	err = sl_publish_start(daemon);
	if (err != 0)
		goto err_stop;
	uv_timer_start(&daemon->tick, tick, TICK_MS, TICK_MS);
	uv_timer_start(&daemon->sample, sample, SAMPLE_MS, SAMPLE_MS);
	return 0;

err_stop:
	sl_daemon_stop(daemon, NULL, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	return err;
}

static void part_closed(void *ctx)
{
	struct sl_daemon *daemon = ctx;
	void (*closed)(void *ctx) = daemon->closed;

	if (--daemon->n_closing > 0)
		return;
	free_all(daemon);
	if (closed != NULL)
		closed(daemon->closed_ctx);
}

static void timer_closed(uv_handle_t *handle)
{
	part_closed(handle->data);
}

void sl_daemon_stop(struct sl_daemon *daemon, void (*closed)(void *ctx), void *ctx)
{
	daemon->closed = closed;
	daemon->closed_ctx = ctx;
	if (daemon->apply != NULL)
		sl_reload_fail(daemon, 503, "the control process is stopping");
	daemon->n_closing = 2 + (daemon->ipc != NULL) + (daemon->prober != NULL) +
	                    (daemon->api != NULL) + (daemon->pages != NULL);
	if (daemon->api != NULL) {
		unlink(daemon->options.socket);
		sl_http_server_close(daemon->api, part_closed, daemon);
	}
	if (daemon->pages != NULL)
		sl_http_server_close(daemon->pages, part_closed, daemon);
	if (daemon->ipc != NULL)
		sl_ipc_client_close(daemon->ipc, part_closed, daemon);
	if (daemon->prober != NULL)
		sl_prober_close(daemon->prober, part_closed, daemon);
	uv_close((uv_handle_t *)&daemon->tick, timer_closed);
	uv_close((uv_handle_t *)&daemon->sample, timer_closed);
}
