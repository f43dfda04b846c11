// SPDX-License-Identifier: Apache-2.0
#include "api_private.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>

#define MAX_WEIGHT 1000 // as in pools.yaml

static void name_owner(uint32_t uid, char owner[SL_OVERRIDE_OWNER_BYTES])
{
	struct passwd entry, *found = NULL;
	char buffer[4096];

	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL)
		snprintf(owner, SL_OVERRIDE_OWNER_BYTES, "%s", entry.pw_name);
	else
		snprintf(owner, SL_OVERRIDE_OWNER_BYTES, "uid %" PRIu32, uid);
}

// What is written to the log and to terminals must not steer either.
static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

// Seconds; 0 for null (for ever), the default without a word, -1 for what is neither.
static int64_t ttl_of(const json_t *json)
{
	if (json == NULL)
		return SL_OVERRIDE_TTL_S;
	if (json_is_null(json))
		return 0;
	if (!json_is_integer(json) || json_integer_value(json) < 1 ||
	    json_integer_value(json) > SL_OVERRIDE_TTL_MAX_S)
		return -1;
	return json_integer_value(json);
}

// false: refused.
static bool read_note(const struct sl_http_request *request, const json_t *json,
                      struct sl_override_note *note)
{
	const json_t *reason = json_object_get(json, "reason");
	int64_t ttl_s = ttl_of(json_object_get(json, "ttl_seconds"));

	*note = (struct sl_override_note){0};
	if (ttl_s < 0) {
		sl_api_refuse(request, 400,
		              "ttl_seconds must be a whole number from 1 to 31536000, or null",
		              "null holds for ever; left out it is 14400, four hours");
		return false;
	}
	if (reason != NULL &&
	    (!json_is_string(reason) || json_string_length(reason) >= sizeof(note->reason) ||
	     !is_printable(json_string_value(reason)))) {
		sl_api_refuse(request, 400, "reason must be one line of at most 127 bytes",
		              "say it shorter");
		return false;
	}
	name_owner(request->peer_uid, note->owner);
	if (reason != NULL)
		snprintf(note->reason, sizeof(note->reason), "%s", json_string_value(reason));
	note->ttl_s = (uint32_t)ttl_s;
	note->expires_ns = uv_hrtime() + (uint64_t)ttl_s * SL_NS_PER_S;
	return true;
}

static void changed(struct sl_daemon *daemon, const struct sl_http_request *request, uint32_t pool,
                    uint32_t backend)
{
	json_t *json, *warnings = json_array();
	char unsaved[PATH_MAX + 256];

	sl_keep_overrides(daemon);
	if (sl_fleet_tick(daemon->fleet, uv_hrtime()))
		daemon->publish.is_weights_due = true;
	if (sl_keep_warning(daemon, unsaved, sizeof(unsaved)))
		json_array_append_new(warnings, sl_view_text(unsaved));
	json = sl_view_envelope("Backend", sl_view_backend(daemon, pool, backend));
	json_object_set_new(json, "warnings", warnings);
	sl_api_answer(request->exchange, 200, json);
}

static void tell(const struct sl_daemon *daemon, uint32_t pool, uint32_t backend, const char *what,
                 const struct sl_override_note *note)
{
	char time[32] = "for ever";

	if (note->ttl_s != 0)
		snprintf(time, sizeof(time), "for %" PRIu32 " s", note->ttl_s);
	sl_log(daemon->log, SL_LOG_INFO, "override of %s/%s: %s by %s %s%s%s",
	       daemon->model->pools[pool].name, daemon->model->backends[backend].name, what,
	       note->owner, time, note->reason[0] != '\0' ? ": " : "", note->reason);
}

static void set_drain(struct sl_daemon *daemon, const struct sl_http_request *request,
                      const struct sl_api_path *path, bool is_drained)
{
	static const char *const drain_keys[] = {"ttl_seconds", "reason", NULL};
	static const char *const no_keys[] = {NULL};
	const struct sl_model_backend *be;
	struct sl_override_note note;
	uint32_t pool, backend;
	json_t *json;
	bool is_good;
	int err;

	if (!sl_api_find_backend(daemon, request, path, &pool, &backend))
		return;
	json = sl_api_read_body(request, is_drained ? drain_keys : no_keys);
	if (json == NULL)
		return;
	is_good = read_note(request, json, &note);
	json_decref(json);
	if (!is_good)
		return;
	be = &daemon->model->backends[backend];
	if (!is_drained && be->state != SL_ADMIN_READY) {
		sl_api_refuse(request, 409, "the file itself takes this backend out of service",
		              "set its state to ready in the file, then run `sluice apply`");
		return;
	}
	err = sl_overrides_set_drain(&daemon->overrides, daemon->model->pools[pool].name, be,
	                             is_drained, &note);
	if (err == 0)
		err = sl_fleet_set_drain(daemon->fleet, backend, is_drained, uv_hrtime());
	if (err != 0) {
		sl_api_refuse(request, 500, strerror(-err), "try again");
		return;
	}
	if (!is_drained)
		note.ttl_s = 0;
	tell(daemon, pool, backend, is_drained ? "drained" : "made ready", &note);
	changed(daemon, request, pool, backend);
}

void sl_api_post_drain(struct sl_daemon *daemon, const struct sl_http_request *request,
                       const struct sl_api_path *path)
{
	set_drain(daemon, request, path, true);
}

void sl_api_post_ready(struct sl_daemon *daemon, const struct sl_http_request *request,
                       const struct sl_api_path *path)
{
	set_drain(daemon, request, path, false);
}

// -1 for null, -2 for anything that is no weight.
static int32_t weight_of(const json_t *json)
{
	if (json_is_null(json))
		return -1;
	if (!json_is_integer(json) || json_integer_value(json) < 0 ||
	    json_integer_value(json) > MAX_WEIGHT)
		return -2;
	return (int32_t)json_integer_value(json);
}

static void set_weight(struct sl_daemon *daemon, const struct sl_http_request *request,
                       const uint32_t at[2], int32_t weight, struct sl_override_note *note)
{
	char what[32] = "weight given back to the file";
	int err;

	err = sl_overrides_set_weight(&daemon->overrides, daemon->model->pools[at[0]].name,
	                              &daemon->model->backends[at[1]], weight, note);
	if (err == 0)
		err = sl_fleet_set_weight(daemon->fleet, at[1], weight, uv_hrtime());
	if (err != 0) {
		sl_api_refuse(request, 500, strerror(-err), "try again");
		return;
	}
	if (weight >= 0)
		snprintf(what, sizeof(what), "weight %" PRId32, weight);
	else
		note->ttl_s = 0;
	tell(daemon, at[0], at[1], what, note);
	changed(daemon, request, at[0], at[1]);
}

void sl_api_post_weight(struct sl_daemon *daemon, const struct sl_http_request *request,
                        const struct sl_api_path *path)
{
	static const char *const keys[] = {"weight", "ttl_seconds", "reason", NULL};
	struct sl_override_note note;
	uint32_t at[2]; // pool, backend
	int32_t weight;
	json_t *json;

	if (!sl_api_find_backend(daemon, request, path, &at[0], &at[1]))
		return;
	json = sl_api_read_body(request, keys);
	if (json == NULL)
		return;
	weight = weight_of(json_object_get(json, "weight"));
	if (weight < -1)
		sl_api_refuse(request, 400, "weight must be a whole number from 0 to 1000, or null",
		              "null goes back to the file's weight");
	else if (read_note(request, json, &note))
		set_weight(daemon, request, at, weight, &note);
	json_decref(json);
}
