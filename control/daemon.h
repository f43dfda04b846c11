// SPDX-License-Identifier: Apache-2.0
// The control process: everything it owns, in one struct on one libuv loop. daemon.c opens and
// closes it; each of the other parts below is one file that works on it.
//
//   reload.c    files -> configuration in force, and back to the last good one
//   keep.c      what survives a restart -> state directory
//   publish.c   configuration and weights -> data plane, one message at a time
//   targets.c   backends -> probes, results -> fleet
//   observe.c   what flows showed -> fleet
//   api*.c      operators' requests        metrics.c   what Prometheus reads
//
// Thread: the loop's, all of it. Time: now_ns is CLOCK_MONOTONIC (uv_hrtime).
#ifndef SLUICE_CONTROL_DAEMON_H
#define SLUICE_CONTROL_DAEMON_H

#include <limits.h>
#include <uv.h>

#include "diff.h"
#include "fleet.h"
#include "http_server.h"
#include "ipc_client.h"
#include "log.h"
#include "overrides.h"
#include "probe.h"
#include "stats_reader.h"

#define SL_VERSION "0.1.0"

struct sl_daemon_options {
	const char *config_file;
	const char *state_dir;
	const char *dataplane_socket;
	const char *socket;  // of the API
	const char *metrics; // "127.0.0.1:9180"; NULL = none
	struct sl_log log;
};

// How an apply ended. Pointers live for the call of done.
struct sl_apply_result {
	unsigned int status;  // HTTP: 200, 409 busy, 422 refused, 503 data plane lost, 500
	const char *error;    // NULL when it was applied
	const char *next;     // what the operator can do about it
	const char *report;   // errors of a refused file, warnings of a good one, or NULL
	const char *warning;  // or NULL
	const char *own_file; // what the next start reads, when that is another one; or NULL
	const struct sl_diff *diff;
	uint64_t generation, epoch, epoch_acked;
};
typedef void (*sl_apply_done_fn)(void *ctx, const struct sl_apply_result *result);

// A configuration on its way into force.
struct sl_apply {
	struct sl_model *model;
	char *text; // what model came from
	size_t text_bytes;
	char *warnings; // about text; NULL = none
	char file[PATH_MAX];
	struct sl_diff diff;
	uint64_t generation;
	uint32_t n_tries;
	sl_apply_done_fn done;
	void *ctx;
};

enum sl_in_flight {
	SL_IN_FLIGHT_NONE,
	SL_IN_FLIGHT_CONFIG,
	SL_IN_FLIGHT_APPLY,
	SL_IN_FLIGHT_WEIGHTS
};

struct sl_publish {
	bool is_connected;
	bool is_config_acked; // on this connection: weights may follow
	bool is_config_due;
	bool is_weights_due;
	enum sl_in_flight in_flight;
	uint64_t instance;    // of the data plane seen last; 0 = none yet
	uint64_t epoch;       // highest known: sent by us or reported
	uint64_t epoch_acked; // of the last reply
	uint64_t config_not_before_ns;
	uint64_t weights_sent_ns;
	uint64_t n_attached;
	uint64_t n_refused;
	uint64_t n_weights_applied;
	double weights_applied_unix_s; // 0 = never
	bool was_lost_logged;
};

// What is kept in the state directory.
enum sl_keep { SL_KEEP_GENERATION, SL_KEEP_LAST_GOOD, SL_KEEP_OVERRIDES };

struct sl_probe_key; // targets.c

struct sl_daemon {
	struct sl_daemon_options options;
	uv_loop_t *loop;
	const struct sl_log *log;
	uint64_t start_ns;
	double start_unix_s;

	// --- configuration in force ---
	struct sl_model *model; // NULL: none yet
	char *text; // what model came from; saved as last good when the data plane took it
	size_t text_bytes;
	char file[PATH_MAX]; // the newest file that was read, good or refused
	char *error;         // report that refused it, or why it is not in force; NULL = it is
	bool is_refused;     // error is about the file, not about putting it in force
	bool is_last_good;   // model came from the state directory, not from the file
	bool is_unproven;    // no data plane has taken model yet
	uint64_t generation;
	uint64_t applied_ns;
	double applied_unix_s;
	uint64_t n_applies_ok, n_applies_failed;
	struct sl_apply *apply; // on its way; NULL = none
	bool is_reload_due;     // asked for by a signal, not yet begun

	// --- backends ---
	struct sl_fleet *fleet;
	struct sl_prober *prober;
	struct sl_probe_key *probe_keys; // sorted by key
	uint32_t n_probe_keys;
	uint32_t n_told; // changes of state in this second
	struct sl_overrides overrides;

	// --- state directory ---
	uint32_t unsaved; // bits of enum sl_keep: what is in memory only
	int unsaved_errno;
	uint64_t unsaved_retry_ns;

	// --- data plane ---
	struct sl_ipc_client *ipc;
	struct sl_stats_reader *stats;
	struct sl_publish publish;

	// --- outside ---
	struct sl_http_server *api;
	struct sl_http_server *pages; // /metrics and /healthz on 127.0.0.1
	uv_timer_t tick;
	uv_timer_t sample;
	int n_closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

// ---- daemon.c ----
// 0 or -errno with a log line; then nothing is left open. A bad configuration is not an error.
int sl_daemon_start(struct sl_daemon *daemon, uv_loop_t *loop,
                    const struct sl_daemon_options *options);
void sl_daemon_stop(struct sl_daemon *daemon, void (*closed)(void *ctx), void *ctx);

// ---- reload.c ----
void sl_reload_start(struct sl_daemon *daemon);
// file NULL = the one named at start. done is called once, now or later; NULL = only logs.
void sl_reload_apply(struct sl_daemon *daemon, const char *file, sl_apply_done_fn done, void *ctx);
// By signal, which cannot be answered "busy": at the next tick, and after an apply that is running,
// for that one may have read the file too early. A storm of them is one.
void sl_reload_request(struct sl_daemon *daemon);
void sl_reload_requested(struct sl_daemon *daemon);                         // the tick's part of it
void sl_reload_expire_overrides(struct sl_daemon *daemon, uint64_t now_ns); // once a second
void sl_reload_finish(struct sl_daemon *daemon); // the data plane took it
void sl_reload_fail(struct sl_daemon *daemon, unsigned int status, const char *error);
void sl_reload_proven(struct sl_daemon *daemon);                      // so did it with model
void sl_reload_refused(struct sl_daemon *daemon, const char *reason); // or it did not
uint64_t sl_reload_number(struct sl_daemon *daemon, uint64_t above);  // next generation, stored

// ---- keep.c: nothing that failed to be saved is forgotten or kept quiet ----
void sl_keep_generation(struct sl_daemon *daemon, uint64_t generation);
void sl_keep_last_good(struct sl_daemon *daemon);
void sl_keep_overrides(struct sl_daemon *daemon);
struct sl_override_clock sl_keep_clock(void);
void sl_keep_retry(struct sl_daemon *daemon, uint64_t now_ns);
// false: all is saved.
bool sl_keep_warning(const struct sl_daemon *daemon, char *text, size_t n_bytes);

// ---- publish.c ----
int sl_publish_start(struct sl_daemon *daemon);
void sl_publish_next(struct sl_daemon *daemon); // send what is due, if the channel is free

// ---- targets.c ----
int sl_targets_start(struct sl_daemon *daemon);
int sl_targets_set(struct sl_daemon *daemon); // from daemon->model
// Stable over reloads and restarts: of the backend's id and the probe's name, not of numbers.
uint64_t sl_targets_key(uint64_t backend_id, const char *probe);
void sl_targets_result(void *daemon, uint64_t key, const struct sl_probe_result *result);
void sl_targets_tell_rest(struct sl_daemon *daemon); // once a second
void sl_targets_fini(struct sl_daemon *daemon);

// ---- observe.c ----
void sl_observe_tick(struct sl_daemon *daemon, uint64_t now_ns); // before the fleet's tick
void sl_observe_tell(struct sl_daemon *daemon, uint64_t now_ns); // after it

// ---- api.c, metrics.c ----
void sl_api_handle(void *daemon, const struct sl_http_request *request);
void sl_api_handle_pages(void *daemon, const struct sl_http_request *request);
char *sl_metrics_render(struct sl_daemon *daemon, size_t *n_bytes); // malloced; NULL: no memory

#endif
