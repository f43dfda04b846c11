// SPDX-License-Identifier: Apache-2.0
// The `sluice` command as a child process, against a control process on the test's loop.
#include "daemon_fixture.h"

#include <signal.h>
#include <unistd.h>

struct child {
	uv_process_t process;
	uv_pipe_t out, err; // both end in text
	char text[16384];
	size_t n_bytes;
	int status;
	int n_closed;
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct child *child = handle->data;

	(void)suggested;
	*buf = uv_buf_init(child->text + child->n_bytes,
	                   (unsigned int)(sizeof(child->text) - 1 - child->n_bytes));
}

static void child_closed(uv_handle_t *handle)
{
	((struct child *)handle->data)->n_closed++;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct child *child = stream->data;

	(void)buf;
	if (n > 0)
		child->n_bytes += (size_t)n;
	else if (n < 0)
		uv_close((uv_handle_t *)stream, child_closed);
}

static void on_exit_status(uv_process_t *process, int64_t status, int signal)
{
	struct child *child = process->data;

	child->status = signal != 0 ? 1000 + signal : (int)status;
	uv_close((uv_handle_t *)process, child_closed);
}

static bool is_gone(void *ctx)
{
	return ((struct child *)ctx)->n_closed == 3;
}

// words: the arguments, separated by blanks.
static void start_cli(struct fixture *f, struct child *child, const char *words)
{
	char copy[256], *rest = NULL, *argv[16] = {(char *)(uintptr_t) "sluice"};
	char socket[100];
	char *env[] = {socket, NULL};
	uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}};
	uv_process_options_t options = {.exit_cb = on_exit_status,
	                                .file = SLUICE_CLI,
	                                .args = argv,
	                                .env = env,
	                                .stdio_count = 3,
	                                .stdio = stdio};
	int argc = 1;

	*child = (struct child){0};
	snprintf(copy, sizeof(copy), "%s", words);
	snprintf(socket, sizeof(socket), "SLUICE_SOCKET=%s", f->api_path);
	for (char *w = strtok_r(copy, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest))
		argv[argc++] = w;
	uv_pipe_init(&f->loop, &child->out, 0);
	uv_pipe_init(&f->loop, &child->err, 0);
	child->out.data = child;
	child->err.data = child;
	child->process.data = child;
	stdio[1] = (uv_stdio_container_t){.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
	                                  .data.stream = (uv_stream_t *)&child->out};
	stdio[2] = (uv_stdio_container_t){.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
	                                  .data.stream = (uv_stream_t *)&child->err};
	ck_assert_int_eq(uv_spawn(&f->loop, &child->process, &options), 0);
	uv_read_start((uv_stream_t *)&child->out, on_alloc, on_read);
	uv_read_start((uv_stream_t *)&child->err, on_alloc, on_read);
}

static void run_cli(struct fixture *f, struct child *child, const char *words)
{
	start_cli(f, child, words);
	fake_run_until(&f->loop, is_gone, child, words);
	child->text[child->n_bytes] = '\0';
}

static const struct {
	const char *words;
	int status;
	const char *output;
} runs[] = {
	{"status", 0, "health      good\n"},
	{"status --wait=2s", 0, "health      good\n"},
	{"-o json status", 0, "\"kind\": \"Status\""},
	{"status -o json", 0, "\"kind\": \"Status\""},
	{"vip list", 0, "chat  203.0.113.10  tcp    443    llama"},
	{"pool list", 0, "llama  nat"},
	{"pool show llama", 0, "gpu-1    10.0.0.1   443  unknown   100  100.0  ############"},
	{"flow count", 0, "0 flows in all, room for 2000"},
	{"drops", 0, "0 packets dropped in all"},
	{"apply", 0, "every worker uses epoch"},
	{"backend why llama/gpu-1", 0, "weight 100.0 = configured 100 x latency 1.00 x guard 1.00"},
	{"backend why gpu-1", 2, ""},
	{"backend drain llama/gpu-1", 0, "llama/gpu-1: drain, weight 0.0"},
	{"backend ready llama/gpu-1", 0, "llama/gpu-1: unknown, weight 100.0"},
	{"weight set llama/gpu-1 7", 0, "weight 7.0 (configured 100)"},
	{"weight clear llama/gpu-1", 0, "weight 100.0 (configured 100)"},
	{"weight set llama/gpu-1 7 --ttl forever", 0, "weight 7.0 (configured 100)"},
	{"weight set --reason canary --ttl 90s llama/gpu-1 7", 0, "weight 7.0 (configured 100)"},
	{"backend drain llama/gpu-1 --wait=5s", 0, "llama/gpu-1: drained, no flows left"},
	{"backend drain llama/gpu-1 --wait -o json", 0, "\"drained\": true"},
	{"status --help", 0, "usage: sluice status [options]\n  --wait[=DURATION]"},
	{"pool show -h", 0, "usage: sluice pool show POOL\n"},
	{"help backend drain", 0, "--reason TEXT"},
	{"help --man", 0, ".SS \"backend drain POOL/BACKEND\""},
	{"completion bash", 0, "complete -o default -F _sluice sluice"},
	{"completion zsh", 0, "#compdef sluice"},
	{"completion fish", 0, "complete -c sluice"},
	{"completion tcsh", 2, ""},
	{"help frobnicate", 2, ""},
	{"__complete ba", 0, "backend\n"},
	{"__complete backend d", 0, "drain\n"},
	{"__complete backend drain ll", 0, "llama/gpu-1\nllama/gpu-2\n"},
	{"__complete weight set llama/gpu-2", 0, "llama/gpu-2\n"},
	{"__complete pool show l", 0, "llama\n"},
	{"__complete backend drain --t", 0, "--ttl\n--timeout\n"},
	{"__complete completion z", 0, "zsh\n"},
	{"--version", 0, "sluice "},
	{"version", 0, "sluice "},
	{"help", 0, "usage: sluice"},
	{"pool show lama", 1, ""},
	{"apply -f /does/not/exist", 1, ""},
	{"", 2, ""},
	{"frobnicate", 2, ""},
	{"pool", 2, ""},
	{"pool show", 2, ""},
	{"pool show a b", 2, ""},
	{"pool show a/b", 2, ""},
	{"backend drain gpu-1", 2, ""},
	{"weight set llama/gpu-1 1001", 2, ""},
	{"weight set llama/gpu-1 x", 2, ""},
	{"backend drain llama/gpu-1 --ttl 500ms", 2, "sluice: --ttl 500ms is no duration"},
	{"backend drain llama/gpu-1 --ttl never", 2, "or forever"},
	{"backend drain llama/gpu-1 --ttl 9999d", 1, "ttl_seconds must be"},
	{"backend ready llama/gpu-1 --ttl 1h", 2, "usage: sluice backend ready"},
	{"-o xml status", 2, ""},
	{"status -f x", 2, ""},
	{"status --wait=soon", 2, ""},
	{"--bogus status", 2, ""},
	{"apply -f /dev/null", 3, ""},
	{"--socket /does/not/exist status", 4, ""},
	{"--socket /does/not/exist status --wait=300ms", 4, ""},
};

START_TEST(each_command_ends_with_its_documented_status)
{
	static struct child child;
	struct fixture f;

	fixture_set_up_running(&f);
	run_cli(&f, &child, runs[_i].words);
	ck_assert_msg(child.status == runs[_i].status, "sluice %s: %d\n%s", runs[_i].words,
	              child.status, child.text);
	ck_assert_msg(strstr(child.text, runs[_i].output) != NULL, "sluice %s:\n%s", runs[_i].words,
	              child.text);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(a_drain_that_is_waited_for_ends_with_5_and_the_flows_that_are_left)
{
	static struct child child;
	struct fixture f;

	fixture_set_up_running(&f);
	fake_set_flows(&f.fake, f.daemon.model->backends[0].id, 3);
	sl_stats_reader_sample(f.daemon.stats, uv_hrtime());
	run_cli(&f, &child, "backend drain llama/gpu-1 --reason fw --wait=50ms");
	ck_assert_msg(child.status == 5, "%d: %s", child.status, child.text);
	ck_assert_ptr_nonnull(strstr(child.text, "llama/gpu-1: drain, weight 0.0"));
	run_cli(&f, &child, "pool show llama");
	ck_assert_ptr_nonnull(strstr(child.text, "override "));
	ck_assert_ptr_nonnull(strstr(child.text, " 3h59m: fw"));
	fake_set_flows(&f.fake, f.daemon.model->backends[0].id, 0);
	run_cli(&f, &child, "backend drain llama/gpu-1 --wait=5s");
	ck_assert_int_eq(child.status, 0);
	fixture_tear_down(&f);
}
END_TEST

static bool has_rate(void *ctx)
{
	return strstr(((struct child *)ctx)->text, " packets dropped per second\n\n") != NULL;
}

static bool has_no_vip(void *ctx)
{
	const char *row = strstr(((struct child *)ctx)->text, "\nno_vip");

	return row != NULL && strstr(row, " packets dropped per second\n\n") != NULL;
}

START_TEST(drops_are_watched_as_rates_until_the_watcher_goes)
{
	static struct child child;
	struct fixture f;

	fixture_set_up_running(&f);
	start_cli(&f, &child, "drops --watch=20ms");
	fake_run_until(&f.loop, has_rate, &child, "first rates");
	ck_assert_ptr_nonnull(strstr(child.text, "0.0 packets dropped per second"));
	child.n_bytes = 0;
	memset(child.text, 0, sizeof(child.text));
	fake_set_drops(&f.fake, SL_DROP_NO_VIP, 1000);
	fake_run_until(&f.loop, has_no_vip, &child, "rates of what was dropped");
	ck_assert_ptr_nonnull(strstr(child.text, sl_drop_help(SL_DROP_NO_VIP)));
	uv_process_kill(&child.process, SIGTERM);
	fake_run_until(&f.loop, is_gone, &child, "killed");
	ck_assert_int_eq(child.status, 1000 + SIGTERM);
	fixture_tear_down(&f);
}
END_TEST

START_TEST(without_a_data_plane_status_is_degraded_and_apply_partial)
{
	static struct child child;
	struct fixture f;

	fixture_set_up(&f, GOOD);
	fixture_start_daemon(&f);
	run_cli(&f, &child, "status");
	ck_assert_int_eq(child.status, 6);
	ck_assert_ptr_nonnull(strstr(child.text, "the data plane is not connected"));
	run_cli(&f, &child, "drops");
	ck_assert_ptr_nonnull(strstr(child.text, "not connected"));
	run_cli(&f, &child, "flow count");
	ck_assert_ptr_nonnull(strstr(child.text, "not connected"));
	run_cli(&f, &child, "backend drain llama/gpu-1 --wait=50ms");
	ck_assert_int_eq(child.status, 5);
	ck_assert_ptr_nonnull(strstr(child.text, "flows unknown"));
	run_cli(&f, &child, "status --wait=300ms");
	ck_assert_int_eq(child.status, 5);
	run_cli(&f, &child, "apply");
	ck_assert_int_eq(child.status, 5);
	fixture_write_config(&f, BAD);
	run_cli(&f, &child, "apply");
	ck_assert_int_eq(child.status, 3);
	fixture_tear_down(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli");
	TCase *tc = tcase_create("cli");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, each_command_ends_with_its_documented_status, 0,
	                    (int)(sizeof(runs) / sizeof(runs[0])));
	tcase_add_test(tc, a_drain_that_is_waited_for_ends_with_5_and_the_flows_that_are_left);
	tcase_add_test(tc, drops_are_watched_as_rates_until_the_watcher_goes);
	tcase_add_test(tc, without_a_data_plane_status_is_degraded_and_apply_partial);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
