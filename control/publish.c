// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "daemon.h"
#include "reload_weights.h"
#include "wirebuild.h"

#define WEIGHTS_EVERY_NS (100 * SL_NS_PER_MS) // contract of the command channel
#define STALE_WAIT_NS    SL_NS_PER_S // two controls must not outbid each other without a pause
#define APPLY_MAX_TRIES  5

static double unix_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// Takes body. The epoch is spent even when sending fails: it only has to rise.
static void send_body(struct sl_daemon *daemon, enum sl_ipc_type type, void *body, size_t n_bytes,
                      enum sl_in_flight kind)
{
	int err = body == NULL ? -errno : 0;

	if (err == 0 && n_bytes > SL_WIRE_MAX_BYTES)
		err = -EMSGSIZE;
	if (err == 0)
		err = sl_ipc_client_send(daemon->ipc, type, body, n_bytes);
	free(body);
	if (err != 0) {
		sl_log(daemon->log, SL_LOG_ERROR,
		       "cannot send %zu bytes to the data plane: %s; trying again in 1 s", n_bytes,
		       strerror(-err));
		daemon->publish.config_not_before_ns = uv_hrtime() + STALE_WAIT_NS;
		return;
	}
	daemon->publish.epoch++;
	daemon->publish.in_flight = kind;
}

static void send_apply(struct sl_daemon *daemon)
{
	struct sl_apply *apply = daemon->apply;
	uint32_t *weights = sl_reload_weights(daemon->model, daemon->fleet, apply->model);
	void *body = NULL;
	size_t n_bytes = 0;

	if (apply->n_tries++ >= APPLY_MAX_TRIES) {
		free(weights);
		sl_reload_fail(daemon, 503, "the data plane would not take it after 5 attempts");
		return;
	}
	if (weights != NULL)
		body = sl_wirebuild_config(apply->model, weights, apply->generation,
		                           daemon->publish.epoch + 1, &n_bytes);
	send_body(daemon, SL_IPC_CONFIG, body, n_bytes, SL_IN_FLIGHT_APPLY);
	free(weights);
}

static void send_config(struct sl_daemon *daemon)
{
	size_t n_bytes = 0;
	void *body;

	daemon->publish.is_config_due = false;
	body = sl_wirebuild_config(daemon->model, sl_fleet_take_weights(daemon->fleet),
	                           daemon->generation, daemon->publish.epoch + 1, &n_bytes);
	send_body(daemon, SL_IPC_CONFIG, body, n_bytes, SL_IN_FLIGHT_CONFIG);
	if (daemon->publish.in_flight == SL_IN_FLIGHT_CONFIG)
		daemon->publish.is_weights_due = false;
	else
		daemon->publish.is_config_due = true;
}

static void send_weights(struct sl_daemon *daemon, uint64_t now_ns)
{
	size_t n_bytes = 0;
	void *body;

	daemon->publish.is_weights_due = false;
	daemon->publish.weights_sent_ns = now_ns;
	body = sl_wirebuild_weights(daemon->model, sl_fleet_take_weights(daemon->fleet),
	                            daemon->generation, daemon->publish.epoch + 1, &n_bytes);
	send_body(daemon, SL_IPC_WEIGHTS, body, n_bytes, SL_IN_FLIGHT_WEIGHTS);
	if (daemon->publish.in_flight != SL_IN_FLIGHT_WEIGHTS)
		daemon->publish.is_weights_due = true;
}

void sl_publish_next(struct sl_daemon *daemon)
{
	struct sl_publish *publish = &daemon->publish;
	const uint64_t now_ns = uv_hrtime();

	if (!publish->is_connected || !sl_ipc_client_is_idle(daemon->ipc) ||
	    now_ns < publish->config_not_before_ns)
		return;
	if (daemon->apply != NULL)
		send_apply(daemon);
	else if (publish->is_config_due && daemon->model != NULL)
		send_config(daemon);
	else if (publish->is_weights_due && publish->is_config_acked &&
	         now_ns - publish->weights_sent_ns >= WEIGHTS_EVERY_NS)
		send_weights(daemon, now_ns);
}

static bool connected(void *ctx, const struct sl_ipc_reply *hello, int stats_fd)
{
	struct sl_daemon *daemon = ctx;
	struct sl_publish *publish = &daemon->publish;
	const bool is_same = publish->instance == hello->instance;
	char why[160];

	if (sl_stats_reader_attach(daemon->stats, stats_fd, uv_hrtime(), why, sizeof(why)) != 0) {
		sl_log(daemon->log, SL_LOG_ERROR, "statistics of the data plane refused: %s", why);
		return false;
	}
	// Somebody else's number, or ours from before a restart: be above it. Our own stays.
	if (hello->generation > daemon->generation ||
	    (hello->generation == daemon->generation && !is_same))
		daemon->generation = sl_reload_number(daemon, hello->generation);
	if (hello->epoch > publish->epoch)
		publish->epoch = hello->epoch;
	publish->epoch_acked = hello->epoch_acked;
	publish->instance = hello->instance;
	publish->is_connected = true;
	publish->is_config_acked = false;
	publish->is_config_due = true;
	publish->config_not_before_ns = 0;
	publish->in_flight = SL_IN_FLIGHT_NONE;
	publish->n_attached++;
	publish->was_lost_logged = false;
	sl_log(daemon->log, SL_LOG_INFO,
	       "data plane %016" PRIx64 " (%s): %u workers, generation %" PRIu64 ", epoch %" PRIu64,
	       hello->instance, is_same ? "same as before" : "new", hello->n_workers,
	       hello->generation, hello->epoch);
	sl_publish_next(daemon);
	return true;
}

static void lost(void *ctx, const char *why)
{
	struct sl_daemon *daemon = ctx;
	struct sl_publish *publish = &daemon->publish;

	// One line per outage: the attempts in between say nothing new.
	if (!publish->was_lost_logged)
		sl_log(daemon->log, SL_LOG_WARN,
		       "data plane: %s; it goes on with what it has, trying again up to each "
		       "second",
		       why);
	publish->was_lost_logged = true;
	publish->is_connected = false;
	publish->is_config_acked = false;
	publish->in_flight = SL_IN_FLIGHT_NONE;
	if (daemon->apply != NULL)
		sl_reload_fail(daemon, 503, "the data plane went away before it answered");
}

static void apply_answered(struct sl_daemon *daemon, const struct sl_ipc_reply *reply)
{
	if (daemon->apply == NULL)
		return;
	if (reply->status == SL_IPC_OK || reply->status == SL_IPC_SLOW) {
		daemon->publish.is_config_acked = true;
		daemon->publish.is_config_due = false;
		sl_reload_finish(daemon);
	} else if (reply->status == SL_IPC_STALE) {
		if (reply->generation >= daemon->apply->generation)
			daemon->apply->generation = sl_reload_number(daemon, reply->generation);
	} else {
		sl_reload_fail(daemon, 422, reply->reason);
	}
}

static void config_answered(struct sl_daemon *daemon, const struct sl_ipc_reply *reply)
{
	struct sl_publish *publish = &daemon->publish;

	if (reply->status == SL_IPC_OK || reply->status == SL_IPC_SLOW) {
		publish->is_config_acked = true;
		sl_reload_proven(daemon);
	} else if (reply->status == SL_IPC_STALE) {
		if (reply->generation >= daemon->generation)
			daemon->generation = sl_reload_number(daemon, reply->generation);
		publish->is_config_due = true;
		publish->config_not_before_ns = uv_hrtime() + STALE_WAIT_NS;
	} else {
		sl_reload_refused(daemon, reply->reason);
	}
}

static void weights_answered(struct sl_daemon *daemon, const struct sl_ipc_reply *reply)
{
	struct sl_publish *publish = &daemon->publish;

	if (reply->status == SL_IPC_OK || reply->status == SL_IPC_SLOW) {
		publish->n_weights_applied++;
		publish->weights_applied_unix_s = unix_now_s();
	} else if (reply->status == SL_IPC_STALE) {
		publish->is_config_due = true; // another control wrote in between: say all again
		if (reply->generation > daemon->generation)
			daemon->generation = sl_reload_number(daemon, reply->generation);
	}
}

static void replied(void *ctx, const struct sl_ipc_reply *reply)
{
	static const char *const words[] = {"ok",       "malformed", "stale",   "invalid",
	                                    "no space", "slow",      "internal"};
	struct sl_daemon *daemon = ctx;
	struct sl_publish *publish = &daemon->publish;
	const enum sl_in_flight kind = publish->in_flight;

	publish->in_flight = SL_IN_FLIGHT_NONE;
	publish->epoch_acked = reply->epoch_acked;
	if (reply->epoch > publish->epoch)
		publish->epoch = reply->epoch;
	if (reply->status != SL_IPC_OK) {
		publish->n_refused += reply->status != SL_IPC_SLOW;
		sl_log(daemon->log, SL_LOG_WARN,
		       "data plane answered %s to epoch %" PRIu64 ": %s (it has epoch %" PRIu64
		       ", workers %" PRIu64 ")",
		       words[reply->status], publish->epoch, reply->reason, reply->epoch,
		       reply->epoch_acked);
	}
	if (kind == SL_IN_FLIGHT_APPLY)
		apply_answered(daemon, reply);
	else if (kind == SL_IN_FLIGHT_CONFIG)
		config_answered(daemon, reply);
	else if (kind == SL_IN_FLIGHT_WEIGHTS)
		weights_answered(daemon, reply);
	sl_publish_next(daemon);
}

int sl_publish_start(struct sl_daemon *daemon)
{
	const struct sl_ipc_events events = {
		.connected = connected, .lost = lost, .replied = replied, .ctx = daemon};

	daemon->ipc = sl_ipc_client_new(daemon->loop, daemon->options.dataplane_socket, &events);
	if (daemon->ipc == NULL) {
		sl_log(daemon->log, SL_LOG_ERROR, "data plane socket %s: %s",
		       daemon->options.dataplane_socket, strerror(errno));
		return -errno;
	}
	return 0;
}
