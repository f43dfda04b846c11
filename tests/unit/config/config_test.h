// SPDX-License-Identifier: Apache-2.0
// What the tests of the configuration share: files of the source tree, and parsing of literals.
#ifndef SLUICE_TESTS_CONFIG_TEST_H
#define SLUICE_TESTS_CONFIG_TEST_H

#include "sl_check.h"

#include "config.h"

// Malloced, NUL-terminated; path is relative to the top of the source tree.
static inline char *test_read_file(const char *path, size_t *n_bytes)
{
	struct sl_diagnostics diag;
	char full[1024], *text;

	snprintf(full, sizeof(full), "%s/%s", SL_SOURCE_DIR, path);
	text = sl_config_read_file(full, n_bytes, &diag);
	ck_assert_msg(text != NULL, "%s", diag.text);
	sl_diagnostics_fini(&diag);
	return text;
}

// The report on a pools file; malloced, "" when there is nothing to say.
static inline char *test_pools_report(const char *text)
{
	struct sl_diagnostics diag;

	sl_model_free(sl_config_parse_pools("pools.yaml", text, strlen(text), &diag));
	return diag.text;
}

static inline char *test_dataplane_report(const char *text)
{
	struct sl_dpconfig config;
	struct sl_diagnostics diag;

	(void)sl_config_parse_dataplane("dataplane.yaml", text, strlen(text), &config, &diag);
	return diag.text;
}

// The model of a file that must be accepted.
static inline struct sl_model *test_pools_model(const char *text)
{
	struct sl_diagnostics diag;
	struct sl_model *model;

	model = sl_config_parse_pools("pools.yaml", text, strlen(text), &diag);
	ck_assert_msg(model != NULL, "%s", diag.text);
	sl_diagnostics_fini(&diag);
	return model;
}

#endif
