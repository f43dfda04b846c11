// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "daemon.h"
#include "state.h"

// A report has several lines; the log has one level mark per line.
static void log_report(const struct sl_daemon *daemon, const char *report)
{
	while (*report != '\0') {
		int n = (int)strcspn(report, "\n");

		if (n > 0)
			sl_log(daemon->log, SL_LOG_ERROR, "%.*s", n, report);
		report += n;
		report += *report == '\n';
	}
}

static struct sl_model *read_model(const char *file, char **text, size_t *text_bytes,
                                   struct sl_diagnostics *diag)
{
	struct sl_model *model;

	*diag = (struct sl_diagnostics){0};
	*text = sl_config_read_file(file, text_bytes, diag);
	if (*text == NULL)
		return NULL;
	sl_diagnostics_fini(diag); // each of the two calls writes a report of its own
	*diag = (struct sl_diagnostics){0};
	model = sl_config_parse_pools(file, *text, *text_bytes, diag);
	if (model == NULL) {
		free(*text);
		*text = NULL;
	}
	return model;
}

static void set_error(struct sl_daemon *daemon, const char *error, bool is_refused)
{
	free(daemon->error);
	daemon->error = error != NULL ? strdup(error) : NULL;
	daemon->is_refused = is_refused;
}

uint64_t sl_reload_number(struct sl_daemon *daemon, uint64_t above)
{
	uint64_t stored = sl_state_read_generation(daemon->options.state_dir);
	uint64_t generation = (stored > above ? stored : above) + 1;

	if (generation <= daemon->generation)
		generation = daemon->generation + 1;
	sl_keep_generation(daemon, generation);
	return generation;
}

static void override_dropped(void *ctx, const struct sl_override *override,
                             const struct sl_override_note *note, const char *why)
{
	const struct sl_daemon *daemon = ctx;

	sl_log(daemon->log, SL_LOG_WARN,
	       "override of %s/%s dropped: %s (set by %s%s%s); the file counts again",
	       override->pool, override->backend, why,
	       note->owner[0] != '\0' ? note->owner : "an earlier release",
	       note->reason[0] != '\0' ? ": " : "", note->reason);
}

// The fleet's overrides become exactly the stored ones.
static void force_overrides(struct sl_daemon *daemon)
{
	const struct sl_model *model = daemon->model;
	const uint64_t now_ns = uv_hrtime();

	for (uint32_t p = 0; p < model->n_pools; p++) {
		const struct sl_model_pool *pool = &model->pools[p];

		for (uint32_t i = 0; i < pool->n_backends; i++) {
			const uint32_t b = pool->first_backend + i;
			const struct sl_override *item;
			struct sl_backend_view view;
			int32_t weight;
			bool is_drained;

			item = sl_overrides_find(&daemon->overrides, pool->name,
			                         model->backends[b].name);
			weight = item != NULL ? item->weight : -1;
			is_drained = item != NULL && item->is_drained;
			sl_fleet_view(daemon->fleet, b, &view);
			if (view.override_weight != weight)
				sl_fleet_set_weight(daemon->fleet, b, weight, now_ns);
			if (view.is_drained_by_operator != is_drained)
				sl_fleet_set_drain(daemon->fleet, b, is_drained, now_ns);
		}
	}
}

void sl_reload_expire_overrides(struct sl_daemon *daemon, uint64_t now_ns)
{
	if (sl_overrides_expire(&daemon->overrides, now_ns, override_dropped, daemon) == 0)
		return;
	sl_keep_overrides(daemon);
	if (daemon->model != NULL)
		force_overrides(daemon);
}

// Takes model and text when it succeeds.
static int put_in_force(struct sl_daemon *daemon, struct sl_model *model, char *text,
                        size_t text_bytes)
{
	struct timespec now;
	int err = sl_fleet_sync(daemon->fleet, model, uv_hrtime());

	if (err != 0)
		return err;
	sl_model_free(daemon->model);
	free(daemon->text);
	daemon->model = model;
	daemon->text = text;
	daemon->text_bytes = text_bytes;
	if (sl_overrides_reconcile(&daemon->overrides, model, override_dropped, daemon) > 0)
		sl_keep_overrides(daemon);
	force_overrides(daemon);
	err = sl_targets_set(daemon);
	if (err != 0)
		sl_log(daemon->log, SL_LOG_ERROR, "probes could not be changed: %s",
		       strerror(-err));
	sl_fleet_tick(daemon->fleet, uv_hrtime());
	clock_gettime(CLOCK_REALTIME, &now);
	daemon->applied_ns = uv_hrtime();
	daemon->applied_unix_s = (double)now.tv_sec;
	return 0;
}

static bool use_last_good(struct sl_daemon *daemon)
{
	struct sl_diagnostics diag;
	struct sl_model *model = NULL;
	char path[PATH_MAX], *text;
	size_t text_bytes;

	if (sl_state_path(daemon->options.state_dir, SL_STATE_LAST_GOOD, path) != 0 ||
	    access(path, F_OK) != 0)
		return false;
	model = read_model(path, &text, &text_bytes, &diag);
	sl_diagnostics_fini(&diag);
	if (model == NULL)
		return false;
	// What was just refused is no way out.
	if ((daemon->model != NULL && daemon->model->hash == model->hash) ||
	    put_in_force(daemon, model, text, text_bytes) != 0) {
		sl_model_free(model);
		free(text);
		return false;
	}
	daemon->generation = sl_reload_number(daemon, daemon->generation);
	daemon->is_last_good = true;
	daemon->is_unproven = false;
	daemon->publish.is_config_due = true;
	sl_log(daemon->log, SL_LOG_WARN, "running the last good configuration, %s", path);
	return true;
}

void sl_reload_start(struct sl_daemon *daemon)
{
	struct sl_diagnostics diag;
	struct sl_model *model;
	char *text;
	size_t text_bytes;

	snprintf(daemon->file, sizeof(daemon->file), "%s", daemon->options.config_file);
	model = read_model(daemon->file, &text, &text_bytes, &diag);
	if (model != NULL && put_in_force(daemon, model, text, text_bytes) == 0) {
		daemon->generation = sl_reload_number(daemon, 0);
		daemon->is_unproven = true;
		sl_log(daemon->log, SL_LOG_INFO, "%s: %u vips, %u pools, %u backends", daemon->file,
		       model->n_vips, model->n_pools, model->n_backends);
	} else {
		set_error(daemon, diag.text != NULL ? diag.text : "out of memory", true);
		daemon->n_applies_failed++;
		log_report(daemon, daemon->error != NULL ? daemon->error : "");
		if (!use_last_good(daemon))
			sl_log(daemon->log, SL_LOG_ERROR,
			       "%s is refused and there is no last good configuration: mend it, "
			       "then run `sluice apply`",
			       daemon->file);
	}
	sl_diagnostics_fini(&diag);
}

static void answer(struct sl_daemon *daemon, const struct sl_apply_result *result,
                   sl_apply_done_fn done, void *ctx)
{
	if (result->status == 200)
		daemon->n_applies_ok++;
	else
		daemon->n_applies_failed++;
	if (result->error != NULL)
		sl_log(daemon->log, SL_LOG_ERROR, "apply: %s; nothing changed", result->error);
	if (done != NULL)
		done(ctx, result);
}

static void free_apply(struct sl_apply *apply)
{
	sl_diff_fini(&apply->diff);
	sl_model_free(apply->model);
	free(apply->text);
	free(apply->warnings);
	free(apply);
}

void sl_reload_fail(struct sl_daemon *daemon, unsigned int status, const char *error)
{
	struct sl_apply *apply = daemon->apply;
	struct sl_apply_result result = {
		.status = status,
		.error = error,
		.next = status == 422 ? "change the file and apply again"
	                              : "look at `sluice status`, then apply again",
	};

	daemon->apply = NULL;
	set_error(daemon, error, status == 422);
	answer(daemon, &result, apply->done, apply->ctx);
	free_apply(apply);
}

void sl_reload_proven(struct sl_daemon *daemon)
{
	if (!daemon->is_unproven)
		return;
	daemon->is_unproven = false;
	sl_keep_last_good(daemon);
}

void sl_reload_refused(struct sl_daemon *daemon, const char *reason)
{
	char error[PATH_MAX + 256];

	snprintf(error, sizeof(error), "the data plane refused %s: %s", daemon->file, reason);
	set_error(daemon, error, true);
	sl_log(daemon->log, SL_LOG_ERROR, "%s", error);
	if (daemon->is_unproven)
		use_last_good(daemon);
}

static const char *warn_of_dataplane(const struct sl_daemon *daemon)
{
	return daemon->publish.is_connected
	               ? NULL
	               : "the data plane is not connected; it gets this when it is";
}

void sl_reload_finish(struct sl_daemon *daemon)
{
	struct sl_apply *apply = daemon->apply;
	struct sl_apply_result result = {
		.status = 200,
		.warning = warn_of_dataplane(daemon),
		.own_file = strcmp(apply->file, daemon->options.config_file) != 0
	                            ? daemon->options.config_file
	                            : NULL,
		.report = apply->warnings,
		.diff = &apply->diff,
		.generation = apply->generation,
		.epoch = daemon->publish.epoch,
		.epoch_acked = daemon->publish.is_connected ? daemon->publish.epoch_acked : 0,
	};

	if (put_in_force(daemon, apply->model, apply->text, apply->text_bytes) != 0) {
		// The data plane has it, we do not: give it back what we have.
		daemon->publish.is_config_due = true;
		daemon->generation = sl_reload_number(daemon, apply->generation);
		sl_reload_fail(daemon, 500, "out of memory");
		return;
	}
	apply->model = NULL;
	apply->text = NULL;
	daemon->apply = NULL;
	daemon->generation = apply->generation;
	daemon->is_last_good = false;
	daemon->is_unproven = true;
	daemon->publish.is_weights_due = true;
	daemon->publish.is_config_due |= !daemon->publish.is_connected;
	set_error(daemon, NULL, false);
	if (daemon->publish.is_connected)
		sl_reload_proven(daemon);
	sl_log(daemon->log, SL_LOG_INFO, "%s in force as generation %" PRIu64 ", %u changes",
	       apply->file, apply->generation, apply->diff.n_lines);
	answer(daemon, &result, apply->done, apply->ctx);
	free_apply(apply);
}

static void refuse_file(struct sl_daemon *daemon, const struct sl_diagnostics *diag,
                        sl_apply_done_fn done, void *ctx)
{
	const struct sl_apply_result result = {
		.status = 422,
		.error = "the file is refused",
		.next = "mend what the report shows; `sluice check -f FILE` shows it without "
			"applying",
		.report = diag->text != NULL ? diag->text : "out of memory",
	};

	log_report(daemon, result.report);
	set_error(daemon, result.report, true);
	answer(daemon, &result, done, ctx);
}

void sl_reload_apply(struct sl_daemon *daemon, const char *file, sl_apply_done_fn done, void *ctx)
{
	static const struct sl_apply_result busy = {.status = 409,
	                                            .error = "another apply is running",
	                                            .next = "try again in a second"};
	static const struct sl_apply_result no_memory = {.status = 500, .error = "out of memory"};
	struct sl_diagnostics diag;
	struct sl_apply *apply;

	if (daemon->apply != NULL) {
		answer(daemon, &busy, done, ctx);
		return;
	}
	apply = calloc(1, sizeof(*apply));
	if (apply == NULL) {
		answer(daemon, &no_memory, done, ctx);
		return;
	}
	apply->done = done;
	apply->ctx = ctx;
	snprintf(apply->file, sizeof(apply->file), "%s",
	         file != NULL ? file : daemon->options.config_file);
	memcpy(daemon->file, apply->file, sizeof(daemon->file));
	apply->model = read_model(apply->file, &apply->text, &apply->text_bytes, &diag);
	if (apply->model == NULL) {
		refuse_file(daemon, &diag, done, ctx);
		free_apply(apply);
		sl_diagnostics_fini(&diag);
		return;
	}
	if (diag.n_warnings > 0) {
		apply->warnings = diag.text;
		diag.text = NULL;
	}
	sl_diagnostics_fini(&diag);
	sl_diff_build(&apply->diff, daemon->model, apply->model);
	apply->generation = sl_reload_number(daemon, daemon->generation);
	daemon->apply = apply;
	if (daemon->publish.is_connected)
		sl_publish_next(daemon);
	else
		sl_reload_finish(daemon);
}

void sl_reload_request(struct sl_daemon *daemon)
{
	daemon->is_reload_due = true;
}

void sl_reload_requested(struct sl_daemon *daemon)
{
	if (!daemon->is_reload_due || daemon->apply != NULL)
		return;
	daemon->is_reload_due = false;
	sl_reload_apply(daemon, NULL, NULL, NULL);
}
