// SPDX-License-Identifier: Apache-2.0
// The report as an operator sees it, byte by byte.
#include "config_test.h"
#include "config_words.h"

#define HEAD "version: 1\nvips: []\n"

static const struct {
	const char *name, *text, *report;
} goldens[] = {
	{"two errors, each with its line and caret",
         HEAD "pools:\n  llama:\n    clas: interactive\n    backends:\n"
              "      - { name: gpu-01, address: 10.20.0.300:8000, weight: 1 }\n",
         "pools.yaml:5:5: error: unknown key \"clas\" in pool\n"
         "    5 |     clas: interactive\n"
         "      |     ^~~~\n"
         "pools.yaml:7:34: error: address: \"10.20.0.300:8000\" is not an address and port, "
         "such as 10.0.0.1:8000 or \"[2001:db8::1]:8000\"\n"
         "    7 |       - { name: gpu-01, address: 10.20.0.300:8000, weight: 1 }\n"
         "      |                                  ^~~~~~~~~~~~~~~~\n"
         "2 errors, 0 warnings\n"},
	{"columns count characters, not bytes",
         HEAD "pools:\n  llama:\n    backends: [{ name: \"äöü\", address: 10.0.0.1:80, "
              "weigt: 1 }]\n",
         "pools.yaml:5:24: error: name: \"äöü\" is no name; letters, digits and . _ - make "
         "one\n"
         "    5 |     backends: [{ name: \"äöü\", address: 10.0.0.1:80, weigt: 1 }]\n"
         "      |                        ^~~~~\n"
         "pools.yaml:5:53: error: unknown key \"weigt\" in backend; did you mean \"weight\"?\n"
         "    5 |     backends: [{ name: \"äöü\", address: 10.0.0.1:80, weigt: 1 }]\n"
         "      |                                                     ^~~~~\n"
         "2 errors, 0 warnings\n"},
	{"lines may end as in Windows, and start with a byte order mark",
         "\xef\xbb\xbfversion: 2\r\nvips: []\r\npools: {}\r\nx: 1\r\n",
         "pools.yaml:1:10: error: version: 2 is above the most, 1\n"
         "    1 | version: 2\n"
         "      |          ^\n"
         "pools.yaml:4:1: error: unknown key \"x\" in pools.yaml\n"
         "    4 | x: 1\n"
         "      | ^\n"
         "2 errors, 0 warnings\n"},
	{"an error of the whole file has no place", "",
         "pools.yaml: error: the file holds no configuration\n"
         "1 error, 0 warnings\n"},
	{"warnings do not refuse",
         HEAD "pools:\n  llama:\n    backends: [{ name: a, address: 10.0.0.1:80, weight: 0 "
              "}]\n",
         "pools.yaml:4:3: warning: no backend of pool \"llama\" takes new flows: all have weight "
         "0, drain or maint\n"
         "    4 |   llama:\n"
         "      |   ^~~~~\n"
         "pools.yaml:4:3: warning: no VIP leads to pool \"llama\"\n"
         "    4 |   llama:\n"
         "      |   ^~~~~\n"
         "0 errors, 2 warnings\n"},
	{"errors stand in the order of the file, whenever they were found",
         "version: 1\nvips: [{ name: v, address: 203.0.113.1, ports: [443], pool: q }]\n"
         "pools: { p: { backends: [{ name: a, address: 10.0.0.1:80 }] } }\nx: 1\n",
         "pools.yaml:2:61: error: pool: there is no pool \"q\"\n"
         "    2 | vips: [{ name: v, address: 203.0.113.1, ports: [443], pool: q }]\n"
         "      |                                                             ^\n"
         "pools.yaml:4:1: error: unknown key \"x\" in pools.yaml\n"
         "    4 | x: 1\n"
         "      | ^\n"
         "2 errors, 0 warnings\n"},
	{"a wide range overlaps all it holds, not the next alone",
         "version: 1\nvips: [{ name: v, address: 203.0.113.1, pool: p, ports: [1-999, 5, 7] }]\n"
         "pools: { p: { backends: [{ name: a, address: 10.0.0.1:80 }] } }\n",
         "pools.yaml:2:65: error: 203.0.113.1 tcp ports 5-5 overlap ports 1-999 of VIP \"v\" on "
         "line 2\n"
         "    2 | vips: [{ name: v, address: 203.0.113.1, pool: p, ports: [1-999, 5, 7] }]\n"
         "      |                                                                 ^\n"
         "pools.yaml:2:68: error: 203.0.113.1 tcp ports 7-7 overlap ports 1-999 of VIP \"v\" on "
         "line 2\n"
         "    2 | vips: [{ name: v, address: 203.0.113.1, pool: p, ports: [1-999, 5, 7] }]\n"
         "      |                                                                    ^\n"
         "2 errors, 0 warnings\n"},
	{"nothing to say is nothing", HEAD "pools: {}\n", ""},
};

START_TEST(report_shows_place_line_and_caret)
{
	char *report = test_pools_report(goldens[_i].text);

	ck_assert_msg(strcmp(report, goldens[_i].report) == 0, "%s: expected\n%s\ngot\n%s",
	              goldens[_i].name, goldens[_i].report, report);
	free(report);
}
END_TEST

START_TEST(report_keeps_50_errors_and_counts_the_rest)
{
	char text[8192], *report;
	unsigned int n_shown = 0;
	size_t n = (size_t)snprintf(text, sizeof(text), HEAD "pools: {}\n");

	for (unsigned int i = 0; i < 80; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "unknown-%u: 1\n", i);
	report = test_pools_report(text);
	for (const char *p = report; (p = strstr(p, ": error: ")) != NULL; p++)
		n_shown++;
	ck_assert_uint_eq(n_shown, 50);
	ck_assert_ptr_nonnull(strstr(report, "\n30 more not shown\n80 errors, 0 warnings\n"));
	free(report);
}
END_TEST

START_TEST(report_never_repeats_control_characters)
{
	char *report =
		test_pools_report(HEAD "pools: { \"a\\e[2J\\a\": { balance: \"\\t\\x07\" } }\n");

	for (const char *p = report; *p != '\0'; p++)
		ck_assert_msg(*p == '\n' || (unsigned char)*p >= 0x20, "byte %#x in\n%s",
		              (unsigned int)(unsigned char)*p, report);
	ck_assert_ptr_nonnull(strstr(report, "\"a?[2J?\" is no name"));
	free(report);
}
END_TEST

START_TEST(report_of_dataplane_names_its_file)
{
	char *report = test_dataplane_report("workers: 1\n");

	ck_assert_str_eq(report, "dataplane.yaml:1:1: error: missing key \"ports\" in "
	                         "dataplane.yaml\n"
	                         "    1 | workers: 1\n"
	                         "      | ^\n"
	                         "1 error, 0 warnings\n");
	free(report);
}
END_TEST

static const struct {
	const char *wanted, *word, *best;
} nearest_cases[] = {
	{"balnce", "balance", "balance"},
	{"blaance", "balance", "balance"},
	{"BALANCE", "balance", "balance"},
	{"slow_start", "slow-start", "slow-start"},
	{"clas", "balance", NULL},
	{"", "tcp", NULL},
	{"tpc", "tcp", "tcp"},
	{"x", "y", NULL},
	{"intervall", "interval", "interval"},
};

START_TEST(nearest_finds_slips_of_the_pen_alone)
{
	struct sl_nearest nearest;

	sl_nearest_init(&nearest, nearest_cases[_i].wanted);
	sl_nearest_offer(&nearest, nearest_cases[_i].word);
	if (nearest_cases[_i].best == NULL)
		ck_assert_msg(nearest.best == NULL, "%s is not near %s", nearest_cases[_i].word,
		              nearest_cases[_i].wanted);
	else
		ck_assert_pstr_eq(nearest.best, nearest_cases[_i].best);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_report");
	TCase *tc = tcase_create("report");

	tcase_add_loop_test(tc, report_shows_place_line_and_caret, 0,
	                    sizeof(goldens) / sizeof(goldens[0]));
	tcase_add_test(tc, report_keeps_50_errors_and_counts_the_rest);
	tcase_add_test(tc, report_never_repeats_control_characters);
	tcase_add_test(tc, report_of_dataplane_names_its_file);
	tcase_add_loop_test(tc, nearest_finds_slips_of_the_pen_alone, 0,
	                    sizeof(nearest_cases) / sizeof(nearest_cases[0]));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
