// SPDX-License-Identifier: Apache-2.0
// The `sluice` command as a child process, against a control process on the test's loop.
#include "daemon_fixture.h"

#include <unistd.h>

struct child {
	uv_process_t process;
	uv_pipe_t out; // standard output and error
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
	return ((struct child *)ctx)->n_closed == 2;
}

// words: the arguments, separated by blanks.
static void run_cli(struct fixture *f, struct child *child, const char *words)
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
	child->out.data = child;
	child->process.data = child;
	stdio[1] = (uv_stdio_container_t){.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
	                                  .data.stream = (uv_stream_t *)&child->out};
	ck_assert_int_eq(uv_spawn(&f->loop, &child->process, &options), 0);
	uv_read_start((uv_stream_t *)&child->out, on_alloc, on_read);
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
	{"backend drain llama/gpu-1", 0, "llama/gpu-1: drain, weight 0.0"},
	{"backend ready llama/gpu-1", 0, "llama/gpu-1: unknown, weight 100.0"},
	{"weight set llama/gpu-1 7", 0, "weight 7.0 (configured 100)"},
	{"weight clear llama/gpu-1", 0, "weight 100.0 (configured 100)"},
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

START_TEST(without_a_data_plane_status_is_degraded_and_apply_partial)
{
	static struct child child;
	struct fixture f;

	fixture_set_up(&f, GOOD);
	fixture_start_daemon(&f);
	run_cli(&f, &child, "status");
	ck_assert_int_eq(child.status, 6);
	ck_assert_ptr_nonnull(strstr(child.text, "the data plane is not connected"));
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
	tcase_add_test(tc, without_a_data_plane_status_is_degraded_and_apply_partial);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
