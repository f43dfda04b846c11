// SPDX-License-Identifier: Apache-2.0
// Every file of tests/data/broken* is refused with the one error its first line promises.
#include <dirent.h>

#include "config_test.h"

#define DIR_POOLS     "tests/data/broken"
#define DIR_DATAPLANE "tests/data/broken-dataplane"
#define EXPECT        "# expect: "
#define LINE_BYTES    512

// "4:5 message part", or "- message part" for an error of the file as a whole.
static void build_expected(const char *file, const char *text, char *place, char *message)
{
	const char *end = strchr(text, '\n');
	const char *space;

	ck_assert_msg(strncmp(text, EXPECT, strlen(EXPECT)) == 0 && end != NULL,
	              "%s: no first line with '%s'", file, EXPECT);
	text += strlen(EXPECT);
	space = strchr(text, ' ');
	ck_assert_msg(space != NULL && space < end, "%s: no message expected", file);
	if (text[0] == '-')
		snprintf(place, LINE_BYTES, "%s: error: ", file);
	else
		snprintf(place, LINE_BYTES, "%s:%.*s: error: ", file, (int)(space - text), text);
	snprintf(message, LINE_BYTES, "%.*s", (int)(end - space - 1), space + 1);
}

static bool has_line(const char *report, const char *place, const char *message)
{
	size_t n = strlen(place);

	for (const char *line = report; line != NULL && *line != '\0';) {
		const char *end = strchr(line, '\n');
		const char *found = strstr(line, message);

		if (strncmp(line, place, n) == 0 && found != NULL && found < end)
			return true;
		line = end != NULL ? end + 1 : NULL;
	}
	return false;
}

static void check_file(const char *folder, const char *name, bool is_dataplane)
{
	char path[LINE_BYTES], place[LINE_BYTES], message[LINE_BYTES];
	struct sl_diagnostics diag;
	struct sl_dpconfig config;
	struct sl_model *model = NULL;
	size_t n_bytes;
	char *text;
	int err = -1;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	text = test_read_file(path, &n_bytes);
	build_expected(name, text, place, message);
	if (is_dataplane)
		err = sl_config_parse_dataplane(name, text, n_bytes, &config, &diag);
	else
		model = sl_config_parse_pools(name, text, n_bytes, &diag);
	ck_assert_msg(model == NULL && err != 0, "%s: was accepted", path);
	ck_assert_msg(diag.text != NULL, "%s: no report", path);
	ck_assert_msg(has_line(diag.text, place, message), "%s: expected\n%s%s\ngot\n%s", path,
	              place, message, diag.text);
	ck_assert_msg(diag.n_errors == 1, "%s: one mistake, but\n%s", path, diag.text);
	sl_diagnostics_fini(&diag);
	free(text);
}

static unsigned int check_folder(const char *folder, bool is_dataplane)
{
	char path[LINE_BYTES];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", SL_SOURCE_DIR, folder);
	dir = opendir(path);
	ck_assert_msg(dir != NULL, "%s: cannot be opened", path);
	while ((entry = readdir(dir)) != NULL) {
		if (strstr(entry->d_name, ".yaml") == NULL)
			continue;
		check_file(folder, entry->d_name, is_dataplane);
		n++;
	}
	closedir(dir);
	return n;
}

START_TEST(every_broken_pools_file_is_refused_for_its_reason)
{
	ck_assert_uint_ge(check_folder(DIR_POOLS, false), 280);
}
END_TEST

START_TEST(every_broken_dataplane_file_is_refused_for_its_reason)
{
	ck_assert_uint_ge(check_folder(DIR_DATAPLANE, true), 80);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_broken");
	TCase *tc = tcase_create("broken");

	tcase_add_test(tc, every_broken_pools_file_is_refused_for_its_reason);
	tcase_add_test(tc, every_broken_dataplane_file_is_refused_for_its_reason);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
