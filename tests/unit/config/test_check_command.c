// SPDX-License-Identifier: Apache-2.0
// `sluice check`, `compile` and `schema` as a shell sees them: output, errors, exit status.
#include <fcntl.h>
#include <unistd.h>

#include "check_command.h"
#include "config_test.h"

#define ARGS_MAX     6
#define OUTPUT_BYTES (1 << 17)

#define POOLS     SL_SOURCE_DIR "/config/pools.example.yaml"
#define DATAPLANE SL_SOURCE_DIR "/config/dataplane.example.yaml"
#define BROKEN    SL_SOURCE_DIR "/tests/data/broken/word-balance.yaml"
#define BROKEN_DP SL_SOURCE_DIR "/tests/data/broken-dataplane/idle-word.yaml"

struct run {
	int status;
	size_t n_out;
	char *out, *err; // NUL-terminated
};

static char *slurp(int fd, size_t *n_bytes)
{
	char *text = calloc(1, OUTPUT_BYTES);
	ssize_t n = pread(fd, text, OUTPUT_BYTES - 1, 0);

	ck_assert_int_ge(n, 0);
	*n_bytes = (size_t)n;
	return text;
}

// Check forks each test, so the descriptors of its own report are safe.
static struct run run(int (*command)(int, char **), const char *const *words)
{
	char out_path[] = "/tmp/sluice-out-XXXXXX", err_path[] = "/tmp/sluice-err-XXXXXX";
	int out = mkstemp(out_path), err = mkstemp(err_path), old_out = dup(1), old_err = dup(2);
	char *argv[ARGS_MAX + 1] = {0};
	struct run r;
	size_t n;
	int argc = 0;

	for (; words[argc] != NULL && argc < ARGS_MAX; argc++)
		argv[argc] = strdup(words[argc]);
	fflush(NULL);
	dup2(out, 1);
	dup2(err, 2);
	r.status = command(argc, argv);
	fflush(NULL);
	dup2(old_out, 1);
	dup2(old_err, 2);
	r.out = slurp(out, &r.n_out);
	r.err = slurp(err, &n);
	for (int i = 0; words[i] != NULL && i < ARGS_MAX; i++)
		free(argv[i]);
	close(out);
	close(err);
	close(old_out);
	close(old_err);
	unlink(out_path);
	unlink(err_path);
	return r;
}

static void run_fini(struct run *r)
{
	free(r->out);
	free(r->err);
}

static const struct {
	const char *name, *words[ARGS_MAX + 1];
	int status;
	const char *out, *err; // parts
} check_cases[] = {
	{"a good pools file", {"check", "-f", POOLS}, 0, ": ok: 3 vips, 3 pools, 7 backends\n", ""},
	{"a good data plane file",
         {"check", "--dataplane", DATAPLANE},
         0,
         ": ok: 2 ports, 2 workers, 3 routes\n",
         ""},
	{"both",
         {"check", "--file", POOLS, "--dataplane", DATAPLANE},
         0,
         ": ok: 2 ports, 2 workers, 3 routes\n",
         ""},
	{"a broken pools file",
         {"check", "-f", BROKEN},
         3,
         "",
         "did you mean \"least-connections\"?"},
	{"a broken data plane file", {"check", "--dataplane", BROKEN_DP}, 3, "", ": error: idle: "},
	{"both are read though the first is broken",
         {"check", "-f", BROKEN, "--dataplane", DATAPLANE},
         3,
         ": ok: 2 ports",
         ": error: balance: "},
	{"one good file does not hide the other",
         {"check", "-f", POOLS, "--dataplane", BROKEN_DP},
         3,
         ": ok: 3 vips",
         ": error: idle: "},
	{"no such file",
         {"check", "-f", "/nonexistent"},
         3,
         "",
         "/nonexistent: error: cannot be opened"},
	{"an unknown option", {"check", "--fil=x", "--bogus"}, 2, "", "usage: sluice check"},
	{"an extra word", {"check", "-f", POOLS, "x"}, 2, "", "usage: sluice check"},
	{"help", {"check", "--help"}, 0, "usage: sluice check", ""},
};

START_TEST(check_says_ok_or_why_not)
{
	struct run r = run(sl_command_check, check_cases[_i].words);
	const char *name = check_cases[_i].name;

	ck_assert_msg(r.status == check_cases[_i].status, "%s: status %d, %s", name, r.status,
	              r.err);
	ck_assert_msg(strstr(r.out, check_cases[_i].out) != NULL, "%s: %s", name, r.out);
	ck_assert_msg(strstr(r.err, check_cases[_i].err) != NULL, "%s: %s", name, r.err);
	ck_assert_msg(check_cases[_i].status != 0 || r.err[0] == '\0', "%s: %s", name, r.err);
	run_fini(&r);
}
END_TEST

START_TEST(compile_writes_the_struct)
{
	static const char *const words[] = {"compile", DATAPLANE, NULL};
	struct run r = run(sl_command_compile, words);
	struct sl_dpconfig config;

	ck_assert_msg(r.status == 0, "%s", r.err);
	ck_assert_uint_eq(r.n_out, sizeof(config));
	memcpy(&config, r.out, sizeof(config));
	ck_assert_uint_eq(config.magic, SL_DPCONFIG_MAGIC);
	ck_assert_str_eq(config.ports[1].name, "servers");
	run_fini(&r);
}
END_TEST

static const struct {
	const char *words[ARGS_MAX + 1];
	int status;
	const char *err;
} compile_cases[] = {
	{{"compile"}, 2, "usage: sluice compile"},
	{{"compile", "--output"}, 2, "usage: sluice compile"},
	{{"compile", DATAPLANE, DATAPLANE}, 2, "usage: sluice compile"},
	{{"compile", BROKEN_DP}, 3, "did you mean \"sleep\"?"},
	{{"compile", "/nonexistent"}, 3, "cannot be opened"},
};

START_TEST(compile_refuses_and_writes_nothing)
{
	struct run r = run(sl_command_compile, compile_cases[_i].words);

	ck_assert_int_eq(r.status, compile_cases[_i].status);
	ck_assert_msg(strstr(r.err, compile_cases[_i].err) != NULL, "%s", r.err);
	ck_assert_uint_eq(r.n_out, 0);
	run_fini(&r);
}
END_TEST

START_TEST(compile_refuses_a_terminal)
{
	static char command[] = "compile", file[] = DATAPLANE;
	char *argv[] = {command, file, NULL};
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, old_out = dup(1), status;

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master) + unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	ck_assert_int_ge(slave, 0);
	fflush(stdout);
	dup2(slave, 1);
	status = sl_command_compile(2, argv);
	dup2(old_out, 1);
	close(slave);
	close(master);
	close(old_out);
	ck_assert_int_eq(status, SL_COMMAND_USAGE);
}
END_TEST

static const struct {
	const char *words[ARGS_MAX + 1];
	int status;
	const char *out;
} schema_cases[] = {
	{{"schema"}, 0, "\"title\": \"pools.yaml\""},
	{{"schema", "--dataplane"}, 0, "\"title\": \"dataplane.yaml\""},
	{{"schema", "--markdown"}, 0, "| `pools.NAME.balance` |"},
	{{"schema", "--dataplane", "--markdown"}, 0, "| `ports[].device` |"},
	{{"schema", "x"}, 2, ""},
};

START_TEST(schema_prints_what_was_asked)
{
	struct run r = run(sl_command_schema, schema_cases[_i].words);

	ck_assert_int_eq(r.status, schema_cases[_i].status);
	ck_assert_ptr_nonnull(strstr(r.out, schema_cases[_i].out));
	run_fini(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("check_command");
	TCase *tc = tcase_create("commands");

	tcase_add_loop_test(tc, check_says_ok_or_why_not, 0,
	                    sizeof(check_cases) / sizeof(check_cases[0]));
	tcase_add_test(tc, compile_writes_the_struct);
	tcase_add_loop_test(tc, compile_refuses_and_writes_nothing, 0,
	                    sizeof(compile_cases) / sizeof(compile_cases[0]));
	tcase_add_test(tc, compile_refuses_a_terminal);
	tcase_add_loop_test(tc, schema_prints_what_was_asked, 0,
	                    sizeof(schema_cases) / sizeof(schema_cases[0]));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
