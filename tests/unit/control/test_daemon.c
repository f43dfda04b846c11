// SPDX-License-Identifier: Apache-2.0
#include "daemon_fixture.h"
#include "histogram.h"

#include <sys/stat.h>
#include <unistd.h>

// ---- configuration ----

START_TEST(the_file_reaches_the_data_plane_above_its_epoch_and_generation)
{
	struct fixture f;

	fixture_set_up(&f, GOOD);
	f.fake.epoch = 500;
	f.fake.generation = 90;
	fixture_start_fake(&f, 7);
	fixture_start_daemon(&f);
	fixture_wait_configs(&f, 1);
	ck_assert_uint_eq(f.fake.last_config->epoch, 501);
	ck_assert_uint_eq(f.fake.last_config->generation, 91);
	ck_assert_uint_eq(f.fake.last_config->n_backends, 2);
	ck_assert_uint_eq(fixture_weight_milli(&f, 0), 100 * SL_WEIGHT_ONE_MILLI);
	ck_assert(fixture_has_file(&f, SL_STATE_LAST_GOOD, GOOD));
	ck_assert(fixture_has_file(&f, SL_STATE_GENERATION, "91\n"));
	fixture_tear_down(&f);
}
END_TEST

START_TEST(apply_puts_a_changed_file_in_force_and_says_what_changed)
{
	static struct call call;
	struct fixture f;
	uint64_t generation;

	fixture_set_up_running(&f);
	generation = f.daemon.generation;
	fixture_write_config(&f, CHANGE);
	fixture_request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 200);
	ck_assert_str_eq(fixture_text_of(&call, "kind"), "Apply");
	ck_assert_str_eq(
		json_string_value(json_array_get(json_object_get(call.json, "changes"), 0)),
		"~ backend llama/gpu-1 weight 100 -> 50");
	ck_assert_int_eq(json_integer_value(json_object_get(call.json, "epoch_acked")),
	                 json_integer_value(json_object_get(call.json, "epoch")));
	ck_assert_uint_eq(f.daemon.generation, generation + 1);
	ck_assert_uint_eq(fixture_weight_milli(&f, 0), 50 * SL_WEIGHT_ONE_MILLI);
	ck_assert(fixture_has_file(&f, SL_STATE_LAST_GOOD, CHANGE));
	json_decref(call.json);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(a_refused_file_changes_nothing_and_is_reported)
{
	static struct call call;
	struct fixture f;
	uint64_t generation;

	fixture_set_up_running(&f);
	generation = f.daemon.generation;
	fixture_write_config(&f, BAD);
	fixture_request(&f, &call, "POST", "/api/v1/apply", "");
	ck_assert_int_eq(call.status, 422);
	ck_assert_ptr_nonnull(strstr(fixture_text_of(&call, "report"), "adress"));
	ck_assert_uint_eq(f.daemon.generation, generation);
	ck_assert_uint_eq(f.fake.n_configs, 1);
	ck_assert(fixture_has_file(&f, SL_STATE_LAST_GOOD, GOOD));
	json_decref(call.json);
	fixture_request(&f, &call, "GET", "/api/v1/status", "");
	ck_assert(json_is_true(json_object_get(call.json, "degraded")));
	json_decref(call.json);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(a_file_the_data_plane_refuses_changes_nothing)
{
	static struct call call;
	struct fixture f;
	struct sl_model *model;

	fixture_set_up_running(&f);
	model = f.daemon.model;
	f.fake.next_status = SL_IPC_NO_SPACE;
	fixture_write_config(&f, CHANGE);
	fixture_request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 422);
	ck_assert_str_eq(fixture_text_of(&call, "error"), "as the test said");
	ck_assert_ptr_eq(f.daemon.model, model);
	ck_assert(fixture_has_file(&f, SL_STATE_LAST_GOOD, GOOD));
	json_decref(call.json);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(an_apply_while_the_data_plane_hangs_up_fails_and_restores)
{
	static struct call call;
	struct fixture f;

	fixture_set_up_running(&f);
	f.fake.fault = FAKE_HANG_UP;
	f.fake.fault_type = SL_IPC_CONFIG;
	fixture_write_config(&f, CHANGE);
	fixture_request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 503);
	ck_assert_uint_eq(fixture_weight_milli(&f, 0), 50 * SL_WEIGHT_ONE_MILLI); // it had arrived
	f.fake.fault = FAKE_GOOD;
	fixture_wait_configs(&f, 3);
	ck_assert_uint_eq(fixture_weight_milli(&f, 0), 100 * SL_WEIGHT_ONE_MILLI);
	ck_assert(fixture_has_file(&f, SL_STATE_LAST_GOOD, GOOD));
	json_decref(call.json);
	fixture_request(&f, &call, "GET", "/api/v1/status", "");
	ck_assert_ptr_nonnull(strstr(call.bytes, "could not be put in force: running the one"));
	ck_assert_ptr_null(strstr(call.bytes, "was refused"));
	json_decref(call.json);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(a_stale_epoch_is_caught_up_within_one_apply)
{
	static struct call call;
	struct fixture f;

	fixture_set_up_running(&f);
	f.fake.next_status = SL_IPC_STALE;
	f.fake.stale_epoch = 9000;
	fixture_write_config(&f, CHANGE);
	fixture_request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 200);
	ck_assert_uint_eq(f.fake.last_config->epoch, 9001);
	json_decref(call.json);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(a_data_plane_that_restarted_gets_the_configuration_again)
{
	struct fixture f;

	fixture_set_up_running(&f);
	fake_stop(&f.fake);
	fake_run_until(&f.loop, fixture_is_lost, &f, "loss seen");
	f.fake.epoch = 0;
	f.fake.generation = 0;
	fixture_start_fake(&f, 8);
	fixture_wait_configs(&f, 2);
	ck_assert_uint_eq(f.fake.last_config->n_backends, 2);
	ck_assert_uint_gt(f.fake.last_config->epoch, 1);
	ck_assert_uint_eq(f.daemon.publish.instance, 8);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(a_control_restart_sends_the_same_objects_again)
{
	struct fixture f;
	struct sl_wire_header *first;
	size_t n_rows;

	fixture_set_up_running(&f);
	fixture_stop_daemon(&f);
	first = f.fake.last_config;
	f.fake.last_config = NULL;
	fixture_start_daemon(&f);
	fixture_wait_configs(&f, 2);
	ck_assert_uint_gt(f.fake.last_config->epoch, first->epoch);
	ck_assert_uint_gt(f.fake.last_config->generation, first->generation);
	n_rows = first->total_bytes - sizeof(*first);
	ck_assert_uint_eq(f.fake.last_config->total_bytes, first->total_bytes);
	ck_assert_int_eq(memcmp(f.fake.last_config + 1, first + 1, n_rows), 0);
	free(first);
	fixture_tear_down(&f);
}
END_TEST

// ---- start ----

START_TEST(a_broken_file_at_start_runs_the_last_good_one)
{
	static struct call call;
	struct fixture f;

	fixture_set_up_running(&f);
	fixture_stop_daemon(&f);
	fixture_write_config(&f, BAD);
	fixture_start_daemon(&f);
	fixture_wait_configs(&f, 2);
	ck_assert_uint_eq(f.fake.last_config->n_backends, 2);
	fixture_request(&f, &call, "GET", "/api/v1/status", "");
	ck_assert_str_eq(
		json_string_value(json_object_get(json_object_get(call.json, "config"), "state")),
		"last-good");
	ck_assert_ptr_nonnull(strstr(
		json_string_value(json_object_get(json_object_get(call.json, "config"), "error")),
		"adress"));
	json_decref(call.json);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(without_any_good_file_control_waits_and_apply_ends_it)
{
	static struct call call;
	struct fixture f;

	fixture_set_up(&f, NULL);
	fixture_start_fake(&f, 7);
	fixture_start_daemon(&f);
	fixture_request(&f, &call, "GET", "/api/v1/status", "");
	ck_assert_int_eq(call.status, 200);
	ck_assert(json_is_true(json_object_get(call.json, "degraded")));
	ck_assert_uint_eq(f.fake.n_configs, 0);
	json_decref(call.json);
	fixture_write_config(&f, GOOD);
	fixture_request(&f, &call, "POST", "/api/v1/apply", "{}");
	ck_assert_int_eq(call.status, 200);
	json_decref(call.json);
	fixture_wait_configs(&f, 1);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(a_new_file_that_the_data_plane_refuses_at_start_gives_way_to_the_last_good)
{
	struct fixture f;

	fixture_set_up_running(&f);
	fixture_stop_daemon(&f);
	fixture_write_config(&f, CHANGE);
	f.fake.next_status = SL_IPC_INVALID;
	fixture_start_daemon(&f);
	fixture_wait_configs(&f, 3);
	ck_assert_uint_eq(fixture_weight_milli(&f, 0), 100 * SL_WEIGHT_ONE_MILLI);
	ck_assert(f.daemon.is_last_good);
	ck_assert(fixture_has_file(&f, SL_STATE_LAST_GOOD, GOOD));
	fixture_tear_down(&f);
}
END_TEST

// A directory where the state file should be: fails for root too, unlike a mode.
START_TEST(what_cannot_be_saved_is_said_and_saved_when_it_can_be)
{
	static struct call call;
	char path[PATH_MAX];
	struct fixture f;

	fixture_set_up_running(&f);
	sl_state_path(f.dir, SL_STATE_OVERRIDES, path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	fixture_request(&f, &call, "POST", "/api/v1/pools/llama/backends/gpu-1/drain", "{}");
	ck_assert_int_eq(call.status, 200);
	ck_assert_ptr_nonnull(strstr(call.bytes, "a restart of control would lose overrides"));
	json_decref(call.json);
	fixture_request(&f, &call, "GET", "/api/v1/status", "");
	ck_assert(json_is_true(json_object_get(call.json, "degraded")));
	ck_assert_ptr_nonnull(strstr(call.bytes, "a restart of control would lose overrides"));
	json_decref(call.json);
	ck_assert_int_eq(rmdir(path), 0);
	sl_keep_retry(&f.daemon, uv_hrtime());
	ck_assert_uint_ne(f.daemon.unsaved, 0); // not at each tick
	sl_keep_retry(&f.daemon, f.daemon.unsaved_retry_ns);
	ck_assert_uint_eq(f.daemon.unsaved, 0);
	ck_assert_int_eq(access(path, R_OK), 0);
	fixture_request(&f, &call, "GET", "/api/v1/status", "");
	ck_assert(json_is_false(json_object_get(call.json, "degraded")));
	json_decref(call.json);
	fixture_tear_down(&f);
}
END_TEST

#define PROBED                                                                                     \
	"version: 1\nvips:\n"                                                                      \
	"  - { name: chat, address: 203.0.113.10, ports: [443], pool: llama }\n"                   \
	"pools:\n  llama:\n    probes: { live: { type: tcp, interval: 1h, rise: 1, fall: 2 } }\n"  \
	"    backends: [{ name: gpu-1, address: \"10.0.0.1:443\" }]\n"

START_TEST(a_backend_that_goes_down_or_comes_back_is_in_the_log_once_and_a_storm_is_bounded)
{
	const struct sl_probe_result bad = {.reason = SL_PROBE_REFUSED}, good = {0};
	char text[8192] = "";
	struct fixture f;
	struct sl_probe_view view;
	uint32_t n_lines = 0;
	uint64_t key;
	int fds[2];

	fixture_set_up(&f, PROBED);
	fixture_start_daemon(&f);
	ck_assert_int_eq(pipe(fds), 0);
	f.daemon.options.log = (struct sl_log){.level = SL_LOG_INFO, .fd = fds[1]};
	key = sl_targets_key(f.daemon.model->backends[0].id, "live");
	sl_targets_result(&f.daemon, key, &good);
	for (int i = 0; i < 100; i++) {
		sl_targets_result(&f.daemon, key, &bad);
		sl_targets_result(&f.daemon, key, &bad);
		sl_targets_result(&f.daemon, key, &good);
	}
	sl_targets_tell_rest(&f.daemon);
	sl_fleet_probe_view(f.daemon.fleet, 0, 0, &view);
	ck_assert_uint_eq(view.durations->counts[0], 301);
	f.daemon.options.log.fd = -1;
	close(fds[1]);
	ck_assert_int_gt(read(fds[0], text, sizeof(text) - 1), 0);
	close(fds[0]);
	ck_assert_int_eq(strncmp(text, "<6>backend llama/gpu-1: unknown -> ", 35), 0);
	ck_assert_ptr_nonnull(strstr(text, "<4>backend llama/gpu-1: up -> down (refused)\n"));
	ck_assert_ptr_nonnull(strstr(text, "<6>backend llama/gpu-1: down -> "));
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		n_lines++;
	ck_assert_uint_eq(n_lines, 21);
	ck_assert_ptr_nonnull(strstr(text, "<4>181 more backends changed"));
	fixture_tear_down(&f);
}
END_TEST

START_TEST(applying_another_file_warns_that_a_restart_reads_the_first)
{
	static struct call call;
	char body[PATH_MAX + 16], other[PATH_MAX];
	struct fixture f;
	FILE *file;

	fixture_set_up_running(&f);
	sl_state_path(f.dir, "other.yaml", other);
	file = fopen(other, "w");
	ck_assert_ptr_nonnull(file);
	fputs(CHANGE, file);
	fclose(file);
	snprintf(body, sizeof(body), "{\"file\": \"%s\"}", other);
	fixture_request(&f, &call, "POST", "/api/v1/apply", body);
	ck_assert_int_eq(call.status, 200);
	ck_assert_ptr_nonnull(strstr(call.bytes, "pools.yaml, not this file"));
	json_decref(call.json);
	snprintf(body, sizeof(body), "{\"file\": \"%s\"}", f.config);
	fixture_request(&f, &call, "POST", "/api/v1/apply", body);
	ck_assert_int_eq(call.status, 200);
	ck_assert_ptr_null(strstr(call.bytes, "not this file"));
	json_decref(call.json);
	unlink(other);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(a_signal_during_an_apply_is_not_lost_and_a_storm_of_them_is_one_apply)
{
	struct fixture f;

	fixture_set_up_running(&f);
	sl_reload_apply(&f.daemon, NULL, NULL, NULL); // reads the file, waits for the data plane
	ck_assert_ptr_nonnull(f.daemon.apply);
	fixture_write_config(&f, CHANGE);
	for (int i = 0; i < 1000; i++)
		sl_reload_request(&f.daemon);
	fixture_wait_configs(&f, 3);
	ck_assert_uint_eq(fixture_weight_milli(&f, 0), 50000);
	ck_assert_uint_eq(f.fake.n_configs, 3);
	ck_assert(!f.daemon.is_reload_due);
	ck_assert_uint_eq(f.daemon.n_applies_failed, 0);
	fixture_tear_down(&f);
}
END_TEST

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
	tcase_add_test(tc, a_signal_during_an_apply_is_not_lost_and_a_storm_of_them_is_one_apply);
	tcase_add_test(tc, what_cannot_be_saved_is_said_and_saved_when_it_can_be);
	tcase_add_test(
		tc,
		a_backend_that_goes_down_or_comes_back_is_in_the_log_once_and_a_storm_is_bounded);
	tcase_add_test(tc, applying_another_file_warns_that_a_restart_reads_the_first);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
