// SPDX-License-Identifier: Apache-2.0
// Files that are large, random or made to hurt: bounded time, no crash, all or nothing.
#include <time.h>
#include <unistd.h>

#include "config_test.h"

#define N_MUTATIONS 1500

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// n_backends in pools of 16; malloced.
static char *big_file(unsigned int n_backends)
{
	char *text = NULL;
	size_t n_bytes;
	FILE *out = open_memstream(&text, &n_bytes);

	fputs("version: 1\nvips: [{ name: v, address: 203.0.113.1, ports: [443], pool: p0 }]\n"
	      "pools:\n",
	      out);
	for (unsigned int i = 0; i < n_backends; i++) {
		if (i % 16 == 0)
			fprintf(out,
			        "  p%u:\n    probes: { a: { type: http, path: /health } }\n"
			        "    backends:\n",
			        i / 16);
		fprintf(out, "      - { name: gpu-%05u, address: 10.%u.%u.%u:8000, weight: 100 }\n",
		        i, i >> 16, (i >> 8) & 255, i & 255);
	}
	fclose(out);
	return text;
}

START_TEST(ten_thousand_backends_parse_within_a_second)
{
	char *text = big_file(10000);
	double start_s = now_s();
	struct sl_model *model = test_pools_model(text);

	ck_assert_double_lt(now_s() - start_s, 1.0);
	ck_assert_uint_eq(model->n_backends, 10000);
	ck_assert_str_eq(model->backends[9999].name, "gpu-09999");
	sl_model_free(model);
	free(text);
}
END_TEST

START_TEST(one_backend_too_many_is_refused)
{
	char *text = big_file(SL_MAX_BACKENDS + 1);
	char *report = test_pools_report(text);

	ck_assert_ptr_nonnull(strstr(report, "more than 16384 backends in all pools"));
	free(report);
	free(text);
}
END_TEST

START_TEST(one_vip_row_too_many_is_refused)
{
	char *text = NULL, *report;
	size_t n_bytes;
	FILE *out = open_memstream(&text, &n_bytes);

	fputs("version: 1\npools: { p: { backends: [{ name: a, address: 10.0.0.1:80 }] } "
	      "}\nvips:\n",
	      out);
	for (unsigned int i = 0; i <= SL_MAX_VIPS / 2; i++)
		fprintf(out, "  - { name: v%u, address: 203.0.113.1, ports: [%u, %u], pool: p }\n",
		        i, 2 * i + 1, 2 * i + 2);
	fclose(out);
	report = test_pools_report(text);
	ck_assert_ptr_nonnull(
		strstr(report, "vips: 4098 port ranges are more than the most, 4096"));
	free(report);
	free(text);
}
END_TEST

// Each is 1 MB or more of something that a careless reader takes quadratic time or deep recursion
// for.
static const struct {
	const char *name, *head, *repeated;
	unsigned int n;
} bombs[] = {
	{"open brackets", "vips: ", "[", 1 << 20},
	{"open braces", "vips: ", "{a: ", 1 << 18},
	{"one key again and again", "", "a: 1\n", 1 << 17},
	{"aliases", "a: &a [x]\nb: [", "*a, ", 1 << 17},
	{"empty items", "vips:\n", "- \n", 1 << 18},
	{"one long word", "version: ", "x", 1 << 20},
	{"comments", "", "# nothing\n", 1 << 17},
	{"quotes", "", "\"\" : \"\"\n", 1 << 16},
};

START_TEST(bombs_are_refused_within_seconds)
{
	size_t n_head = strlen(bombs[_i].head), n_each = strlen(bombs[_i].repeated);
	char *text = malloc(n_head + n_each * bombs[_i].n + 1), *report;
	double start_s = now_s();

	strcpy(text, bombs[_i].head);
	for (unsigned int i = 0; i < bombs[_i].n; i++)
		memcpy(text + n_head + n_each * i, bombs[_i].repeated, n_each + 1);
	report = test_pools_report(text);
	ck_assert_ptr_nonnull(strstr(report, "error: "));
	ck_assert_msg(now_s() - start_s < 10.0, "%s: %.1f s", bombs[_i].name, now_s() - start_s);
	ck_assert_uint_lt(strlen(report), 100000);
	free(report);
	free(text);
}
END_TEST

static size_t mutate(char *text, size_t n, size_t capacity, uint64_t *seed)
{
	static const char spice[] = "{}[]:,-&*!|>'\"#%@`~ \n\t?0\xc3\xff";
	size_t at = sl_check_random(seed) % n, length = sl_check_random(seed) % 40;

	switch (sl_check_random(seed) % 5) {
	case 0: // one byte becomes another
		text[at] = (char)sl_check_random(seed);
		return n;
	case 1:
		text[at] = spice[sl_check_random(seed) % (sizeof(spice) - 1)];
		return n;
	case 2: // a piece goes
		length = length < n - at ? length : n - at;
		memmove(text + at, text + at + length, n - at - length);
		return n - length > 0 ? n - length : n;
	case 3: // a piece comes twice
		length = length < n - at ? length : n - at;
		if (n + length > capacity)
			return n;
		memmove(text + at + length, text + at, n - at);
		return n + length;
	default: // the rest is missing
		return at > 0 && sl_check_random(seed) % 8 == 0 ? at : n;
	}
}

START_TEST(mutated_files_are_accepted_whole_or_refused_with_a_reason)
{
	uint64_t seed = sl_check_seed(), state = seed;
	size_t n_bytes;
	const char *path = _i == 0 ? "config/pools.example.yaml" : "config/dataplane.example.yaml";
	char *original = test_read_file(path, &n_bytes);
	char *text = malloc(2 * n_bytes);

	for (unsigned int i = 0; i < N_MUTATIONS; i++) {
		size_t n = n_bytes;
		struct sl_diagnostics diag;
		struct sl_dpconfig config;
		struct sl_model *model = NULL;
		bool is_accepted;

		memcpy(text, original, n_bytes);
		for (uint64_t k = sl_check_random(&state) % 6; k < 6; k++)
			n = mutate(text, n, 2 * n_bytes, &state);
		if (_i == 0)
			model = sl_config_parse_pools("f", text, n, &diag);
		is_accepted =
			_i == 0 ? model != NULL
				: sl_config_parse_dataplane("f", text, n, &config, &diag) == 0;
		ck_assert_msg(is_accepted == (diag.n_errors == 0), "seed %ju, file %u",
		              (uintmax_t)seed, i);
		ck_assert_msg(is_accepted || diag.n_bytes > 0, "seed %ju, file %u", (uintmax_t)seed,
		              i);
		sl_diagnostics_fini(&diag);
		sl_model_free(model);
	}
	free(text);
	free(original);
}
END_TEST

static const struct {
	const char *path, *reason;
} unreadable[] = {
	{"/nonexistent/pools.yaml", "cannot be opened: No such file or directory"},
	{"/", "not a regular file"},
	{"/dev/zero", "not a regular file"},
	{"/proc/self/root", "not a regular file"},
};

START_TEST(only_regular_files_are_read)
{
	struct sl_diagnostics diag;
	size_t n_bytes;

	ck_assert_ptr_null(sl_config_read_file(unreadable[_i].path, &n_bytes, &diag));
	ck_assert_msg(strstr(diag.text, unreadable[_i].reason) != NULL, "%s", diag.text);
	ck_assert_uint_eq(diag.n_errors, 1);
	sl_diagnostics_fini(&diag);
}
END_TEST

START_TEST(a_file_above_16_mib_is_refused_unread)
{
	char path[] = "/tmp/sluice-config-XXXXXX";
	struct sl_diagnostics diag;
	size_t n_bytes;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (16 << 20) + 1), 0);
	ck_assert_ptr_null(sl_config_read_file(path, &n_bytes, &diag));
	ck_assert_ptr_nonnull(strstr(diag.text, "more than the most, 16 MiB"));
	sl_diagnostics_fini(&diag);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(a_text_above_16_mib_is_refused_unparsed)
{
	size_t n_bytes = (16 << 20) + 1;
	char *text = malloc(n_bytes);
	struct sl_diagnostics diag;

	memset(text, '#', n_bytes); // one long comment otherwise
	ck_assert_ptr_null(sl_config_parse_pools("f", text, n_bytes, &diag));
	ck_assert_str_eq(diag.text, "f: error: 16777217 bytes are more than the most, 16 MiB\n"
	                            "1 error, 0 warnings\n");
	sl_diagnostics_fini(&diag);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_hostile");
	TCase *tc = tcase_create("hostile");

	tcase_set_timeout(tc, 60); // sanitizers on a busy machine
	tcase_add_test(tc, ten_thousand_backends_parse_within_a_second);
	tcase_add_test(tc, one_backend_too_many_is_refused);
	tcase_add_test(tc, one_vip_row_too_many_is_refused);
	tcase_add_loop_test(tc, bombs_are_refused_within_seconds, 0,
	                    sizeof(bombs) / sizeof(bombs[0]));
	tcase_add_loop_test(tc, mutated_files_are_accepted_whole_or_refused_with_a_reason, 0, 2);
	tcase_add_loop_test(tc, only_regular_files_are_read, 0,
	                    sizeof(unreadable) / sizeof(unreadable[0]));
	tcase_add_test(tc, a_file_above_16_mib_is_refused_unread);
	tcase_add_test(tc, a_text_above_16_mib_is_refused_unparsed);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
