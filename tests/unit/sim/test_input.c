// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "options.h"
#include "random.h"
#include "sizes.h"

static const struct {
	const char *text;
	int rc;
	const char *formatted;
} addrs[] = {
	{"127.0.0.1:8000", 0, "127.0.0.1:8000"},
	{"[::1]:8000", 0, "[::1]:8000"},
	{"[2001:db8:0:0::7]:65535", 0, "[2001:db8::7]:65535"},
	{"0.0.0.0:0", 0, "0.0.0.0:0"},
	{"127.0.0.1", -EINVAL, NULL},
	{"127.0.0.1:", -EINVAL, NULL},
	{"127.0.0.1:65536", -EINVAL, NULL},
	{"127.0.0.1:-1", -EINVAL, NULL},
	{"127.0.0.1:80x", -EINVAL, NULL},
	{"::1:8000", -EINVAL, NULL},
	{"[::1]", -EINVAL, NULL},
	{"localhost:8000", -EINVAL, NULL},
	{":8000", -EINVAL, NULL},
	{"[0000000000000000000000000000000000000000000000000000000000000000000]:1", -EINVAL, NULL},
};

START_TEST(an_address_is_a_literal_with_a_port)
{
	char formatted[SL_ADDR_TEXT];
	struct sl_addr addr;

	ck_assert_msg(sl_addr_parse(&addr, addrs[_i].text) == addrs[_i].rc, "%s", addrs[_i].text);
	if (addrs[_i].rc != 0)
		return;
	sl_addr_format(&addr, formatted);
	ck_assert_str_eq(formatted, addrs[_i].formatted);
}
END_TEST

static const struct {
	const char *text;
	int rc;
	uint32_t ms;
} durations[] = {
	{"2s", 0, 2000},      {"100ms", 0, 100},      {"1.5", 0, 1500},    {"0", 0, 0},
	{"2m", -EINVAL, 0},   {"", -EINVAL, 0},       {"-1s", -EINVAL, 0}, {"nan", -EINVAL, 0},
	{"1e9s", -EINVAL, 0}, {"100 ms", -EINVAL, 0},
};

START_TEST(a_duration_has_seconds_or_milliseconds)
{
	uint32_t ms = 0;

	ck_assert_msg(sl_option_duration_ms(durations[_i].text, &ms) == durations[_i].rc, "'%s'",
	              durations[_i].text);
	if (durations[_i].rc == 0)
		ck_assert_uint_eq(ms, durations[_i].ms);
}
END_TEST

static const struct {
	const char *what, *text;
	int rc;
	size_t n, bad_line;
} traces[] = {
	{"pairs", "374 44\n396 109\n", 0, 2, 0},
	{"comment and empty line", "# context generated\n\n374 44\n", 0, 1, 0},
	{"no newline at the end", "374 44", 0, 1, 0},
	{"one number", "374 44\n5\n", -EINVAL, 0, 2},
	{"a word", "many few\n", -EINVAL, 0, 1},
	{"three numbers", "1 2 3\n", -EINVAL, 0, 1},
	{"zero", "0 5\n", -EINVAL, 0, 1},
	{"nothing", "", -EINVAL, 0, 0},
};

START_TEST(a_trace_is_lines_of_prompt_and_output)
{
	char path[] = "/tmp/sl-sim-trace-XXXXXX";
	struct sl_sizes sizes = {0};
	const size_t len = strlen(traces[_i].text);
	size_t bad_line;
	int fd = mkstemp(path), rc;

	ck_assert_int_eq(write(fd, traces[_i].text, len), (ssize_t)len);
	close(fd);
	rc = sl_sizes_load(&sizes, path, &bad_line);
	unlink(path);
	ck_assert_msg(rc == traces[_i].rc, "%s: %d", traces[_i].what, rc);
	ck_assert_msg(bad_line == traces[_i].bad_line, "%s: line %zu", traces[_i].what, bad_line);
	if (rc == 0) {
		ck_assert_uint_eq(sizes.n_trace, traces[_i].n);
		ck_assert_uint_eq(sl_sizes_next(&sizes).prompt_tokens, 374);
		for (size_t i = 1; i < traces[_i].n; i++)
			sl_sizes_next(&sizes);
		ck_assert_uint_eq(sl_sizes_next(&sizes).output_tokens, 44); // from the start again
	}
	sl_sizes_fini(&sizes);
}
END_TEST

START_TEST(drawn_lengths_have_the_mean_asked_for)
{
	enum { N = 200000 };
	const uint64_t seed = sl_check_seed();
	struct sl_sizes sizes = {.prompt_mean = 512, .output_mean = 64, .random = seed};
	double prompt = 0, output = 0;

	for (int i = 0; i < N; i++) {
		const struct sl_size size = sl_sizes_next(&sizes);

		ck_assert(size.prompt_tokens >= 1 && size.output_tokens >= 1);
		prompt += size.prompt_tokens;
		output += size.output_tokens;
	}
	ck_assert_msg(prompt / N > 490 && prompt / N < 530, "mean %f, seed %lu", prompt / N, seed);
	ck_assert_msg(output / N > 61 && output / N < 67, "mean %f, seed %lu", output / N, seed);
}
END_TEST

START_TEST(arrival_gaps_are_exponential)
{
	enum { N = 200000 };
	const uint64_t seed = sl_check_seed();
	uint64_t state = seed;
	double sum = 0, squares = 0;

	for (int i = 0; i < N; i++) {
		const double gap = sl_random_exponential(&state, 10);

		sum += gap;
		squares += gap * gap;
	}
	ck_assert_msg(sum / N > 9.8 && sum / N < 10.2, "mean %f, seed %lu", sum / N, seed);
	// The second moment is twice the mean's square.
	ck_assert_msg(squares / N > 192 && squares / N < 208, "%f, seed %lu", squares / N, seed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("input");
	TCase *tcase = tcase_create("input");

	tcase_add_loop_test(tcase, an_address_is_a_literal_with_a_port, 0,
	                    sizeof(addrs) / sizeof(addrs[0]));
	tcase_add_loop_test(tcase, a_duration_has_seconds_or_milliseconds, 0,
	                    sizeof(durations) / sizeof(durations[0]));
	tcase_add_loop_test(tcase, a_trace_is_lines_of_prompt_and_output, 0,
	                    sizeof(traces) / sizeof(traces[0]));
	tcase_add_test(tcase, drawn_lengths_have_the_mean_asked_for);
	tcase_add_test(tcase, arrival_gaps_are_exponential);
	suite_add_tcase(suite, tcase);
	return sl_check_run(suite);
}
