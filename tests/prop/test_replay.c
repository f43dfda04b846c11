// SPDX-License-Identifier: Apache-2.0
// sluice-replay itself on every capture of tests/data/replay: the packets that leave and the
// verdicts must be those written down there, byte for byte.
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/wait.h>
#include <unistd.h>

#include "captures_list.h"
#include "sl_check.h"

#define TEXT_BYTES (1 << 20)

struct capture_row {
	const char *name, *pools, *dataplane;
};

static const struct capture_row captures[] = {
#define CAPTURE_ROW(name, pools, dataplane) {#name, pools, dataplane},
	CAPTURES_LIST(CAPTURE_ROW)
#undef CAPTURE_ROW
};

static const char *from_env(const char *name)
{
	const char *value = getenv(name);

	ck_assert_msg(value != NULL, "%s is not set; run this through meson test", name);
	return value;
}

struct outcome {
	char out_path[64], json_path[64];
	int status;
};

static int run(char *const argv[])
{
	pid_t child = fork();
	int status;

	ck_assert(child >= 0);
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	ck_assert(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static struct outcome replay(const struct capture_row *row)
{
	struct outcome o = {.out_path = "/tmp/sl_replay_out_XXXXXX",
	                    .json_path = "/tmp/sl_replay_json_XXXXXX"};
	char pools[4096], dataplane[4096], in[4096];
	const char *dir = from_env("SL_REPLAY_DATA");
	char *argv[] = {(char *)from_env("SL_REPLAY"),
	                "--pools",
	                pools,
	                "--dataplane",
	                dataplane,
	                "--neigh",
	                "198.51.100.10=02:aa:00:00:00:10",
	                "--neigh",
	                "2001:db8:1::10=02:aa:00:00:00:10",
	                "--neigh",
	                "198.51.100.1=02:aa:00:00:00:01",
	                "--neigh",
	                "2001:db8:1::1=02:aa:00:00:00:01",
	                "--neigh",
	                "10.0.0.11=02:bb:00:00:00:11",
	                "--neigh",
	                "2001:db8:2::11=02:bb:00:00:00:11",
	                "--kernel",
	                "10.0.0.254",
	                "--kernel",
	                "2001:db8:2::fe",
	                "-o",
	                o.out_path,
	                "--json",
	                o.json_path,
	                in,
	                NULL};

	close(mkstemp(o.out_path));
	close(mkstemp(o.json_path));
	snprintf(pools, sizeof(pools), "%s/%s.yaml", dir, row->pools);
	snprintf(dataplane, sizeof(dataplane), "%s/%s.yaml", dir, row->dataplane);
	snprintf(in, sizeof(in), "%s/%s.in.pcap", from_env("SL_REPLAY_CAPTURES"), row->name);
	o.status = run(argv);
	return o;
}

static size_t read_all(const char *path, char *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n_bytes;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	n_bytes = read(fd, text, TEXT_BYTES);
	ck_assert(n_bytes >= 0 && n_bytes < TEXT_BYTES);
	close(fd);
	text[n_bytes] = '\0';
	return (size_t)n_bytes;
}

// Of a classic capture: 24 bytes, then 16 before each packet.
static void print_packet_at(const char *bytes, size_t n_bytes, size_t differs, char *where,
                            size_t where_bytes)
{
	size_t at = 24, n = 1;
	uint32_t len;

	while (at + 16 <= n_bytes) {
		memcpy(&len, bytes + at + 8, 4);
		if (differs < at + 16 + len)
			break;
		at += 16 + len;
		n++;
	}
	if (differs < at + 16)
		snprintf(where, where_bytes, "packet %zu: time or length", n);
	else
		snprintf(where, where_bytes, "packet %zu: byte %zu is %02x", n, differs - at - 16,
		         (uint8_t)bytes[differs]);
}

START_TEST(what_leaves_is_what_was_written_down_byte_for_byte)
{
	const struct capture_row *row = &captures[_i];
	struct outcome o = replay(row);
	char *got = malloc(TEXT_BYTES), *want = malloc(TEXT_BYTES), path[4096], where[128];
	size_t n_got, n_want, i;

	ck_assert_msg(o.status == 0, "%s: exit status %d", row->name, o.status);
	snprintf(path, sizeof(path), "%s/%s.out.pcap", from_env("SL_REPLAY_CAPTURES"), row->name);
	n_got = read_all(o.out_path, got);
	n_want = read_all(path, want);
	for (i = 0; i < n_got && i < n_want && got[i] == want[i]; i++)
		continue;
	if (i < n_got || i < n_want) {
		print_packet_at(got, n_got, i, where, sizeof(where));
		ck_abort_msg("%s: %zu bytes, want %zu; %s", row->name, n_got, n_want, where);
	}
	unlink(o.out_path);
	unlink(o.json_path);
	free(got);
	free(want);
}
END_TEST

// "3 dropped:ttl" from a line; every line must be JSON with all eight keys.
static void verdict_of_line(const char *text, size_t n_bytes, char *out, size_t out_bytes)
{
	static const char *const keys[] = {"n",      "t",        "in_port", "verdict",
	                                   "reason", "out_port", "backend", "vip"};
	json_t *line = json_loadb(text, n_bytes, 0, NULL);
	const char *verdict, *reason;
	char number[24] = "-";

	ck_assert_msg(line != NULL, "not JSON: %.*s", (int)n_bytes, text);
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
		ck_assert_msg(json_object_get(line, keys[k]) != NULL, "no %s: %.*s", keys[k],
		              (int)n_bytes, text);
	ck_assert_uint_eq(json_object_size(line), 8);
	verdict = json_string_value(json_object_get(line, "verdict"));
	reason = json_string_value(json_object_get(line, "reason"));
	ck_assert(verdict != NULL);
	if (json_is_integer(json_object_get(line, "n")))
		snprintf(number, sizeof(number), "%lld",
		         (long long)json_integer_value(json_object_get(line, "n")));
	if (strcmp(verdict, "dropped") == 0)
		snprintf(out, out_bytes, "%s dropped:%s\n", number, reason);
	else
		snprintf(out, out_bytes, "%s %s\n", number, verdict);
	json_decref(line);
}

START_TEST(every_packet_gets_the_verdict_that_was_written_down)
{
	const struct capture_row *row = &captures[_i];
	struct outcome o = replay(row);
	char *lines = malloc(TEXT_BYTES), *want = malloc(TEXT_BYTES), *at, *end, *expected;
	char path[4096], got[128];

	snprintf(path, sizeof(path), "%s/%s.verdicts", from_env("SL_REPLAY_CAPTURES"), row->name);
	read_all(o.json_path, lines);
	read_all(path, want);
	expected = want;
	for (at = lines; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		verdict_of_line(at, (size_t)(end - at), got, sizeof(got));
		ck_assert_msg(strncmp(got, expected, strlen(got)) == 0, "%s: got %s want %.*s",
		              row->name, got, (int)strcspn(expected, "\n"), expected);
		expected += strlen(got);
	}
	ck_assert_msg(*expected == '\0', "%s: nothing for %s", row->name, expected);
	unlink(o.out_path);
	unlink(o.json_path);
	free(lines);
	free(want);
}
END_TEST

START_TEST(bad_use_is_refused_with_the_documented_status)
{
	char data[4096], pools[4200], dataplane[4200], missing[] = "/nonexistent.pcap";
	char *replay_path = (char *)from_env("SL_REPLAY");
	char *no_files[] = {replay_path, missing, NULL};
	char *bad_neigh[] = {replay_path, "--pools", pools,   "--dataplane", dataplane,
	                     "--neigh",   "here",    missing, NULL};
	char *bad_port[] = {replay_path, "--pools", pools,   "--dataplane", dataplane,
	                    "--in-port", "no",      missing, NULL};
	char *no_capture[] = {replay_path, "--pools", pools, "--dataplane",
	                      dataplane,   missing,   NULL};
	char *wrong_file[] = {replay_path, "--pools", dataplane, "--dataplane",
	                      dataplane,   missing,   NULL};

	snprintf(data, sizeof(data), "%s", from_env("SL_REPLAY_DATA"));
	snprintf(pools, sizeof(pools), "%s/pools.yaml", data);
	snprintf(dataplane, sizeof(dataplane), "%s/dataplane.yaml", data);
	ck_assert_int_eq(run(no_files), 2);
	ck_assert_int_eq(run(bad_neigh), 2);
	ck_assert_int_eq(run(bad_port), 3);
	ck_assert_int_eq(run(wrong_file), 3);
	ck_assert_int_eq(run(no_capture), 1);
}
END_TEST

int main(void)
{
	const int n_captures = sizeof(captures) / sizeof(captures[0]);
	Suite *suite = suite_create("replay");
	TCase *tc = tcase_create("captures");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, what_leaves_is_what_was_written_down_byte_for_byte, 0, n_captures);
	tcase_add_loop_test(tc, every_packet_gets_the_verdict_that_was_written_down, 0, n_captures);
	tcase_add_test(tc, bad_use_is_refused_with_the_documented_status);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
