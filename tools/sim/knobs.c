// SPDX-License-Identifier: Apache-2.0
#include "knobs.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define SLOW_MAX   1000.0
#define HIDDEN_MAX 1000

static int set_slow(struct sl_knobs *knobs, const json_t *value)
{
	const double slow = json_number_value(value);

	if (!json_is_number(value) || slow <= 0 || slow > SLOW_MAX)
		return -EINVAL;
	knobs->slow = slow;
	return 0;
}

static int set_hang(struct sl_knobs *knobs, const json_t *value)
{
	knobs->is_hung = json_is_true(value);
	return json_is_boolean(value) ? 0 : -EINVAL;
}

static int set_fail(struct sl_knobs *knobs, const json_t *value)
{
	if (json_is_string(value) && strcmp(json_string_value(value), "inference") == 0)
		knobs->fail = SL_KNOBS_FAIL_INFERENCE;
	else if (json_is_boolean(value))
		knobs->fail = json_is_true(value) ? SL_KNOBS_FAIL_ALL : SL_KNOBS_FAIL_NONE;
	else
		return -EINVAL;
	return 0;
}

static int set_hidden_load(struct sl_knobs *knobs, const json_t *value)
{
	const json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || n > HIDDEN_MAX)
		return -EINVAL;
	knobs->hidden_load = (uint32_t)n;
	return 0;
}

static int set_kill(struct sl_knobs *knobs, const json_t *value)
{
	knobs->is_killed = json_is_true(value);
	return json_is_boolean(value) ? 0 : -EINVAL;
}

struct knob {
	const char *name, *takes;
	int (*set)(struct sl_knobs *knobs, const json_t *value);
};

static const struct knob table[] = {
	{"slow", "a factor above 0, at most 1000", set_slow},
	{"hang", "true or false", set_hang},
	{"fail", "true, false or \"inference\"", set_fail},
	{"hidden_load", "a number of requests from 0 to 1000", set_hidden_load},
	{"kill", "true or false", set_kill},
};

static int apply_one(struct sl_knobs *knobs, const char *name, const json_t *value,
                     char why[SL_KNOBS_WHY])
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, name) != 0)
			continue;
		if (table[i].set(knobs, value) == 0)
			return 0;
		snprintf(why, SL_KNOBS_WHY, "knob %s takes %s", name, table[i].takes);
		return -EINVAL;
	}
	snprintf(why, SL_KNOBS_WHY, "no knob %.40s: there are slow, hang, fail, hidden_load, kill",
	         name);
	return -EINVAL;
}

int sl_knobs_apply(struct sl_knobs *knobs, const char *body, size_t len, char why[SL_KNOBS_WHY])
{
	struct sl_knobs changed = *knobs;
	json_error_t error;
	json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error), *value;
	const char *name;
	int rc = 0;

	if (!json_is_object(root)) {
		snprintf(why, SL_KNOBS_WHY, "body must be a JSON object such as {\"slow\": 5}");
		json_decref(root);
		return -EINVAL;
	}
	json_object_foreach(root, name, value)
	{
		rc = apply_one(&changed, name, value, why);
		if (rc != 0)
			break;
	}
	json_decref(root);
	if (rc == 0)
		*knobs = changed;
	return rc;
}

char *sl_knobs_json(const struct sl_knobs *knobs)
{
	json_t *fail = knobs->fail == SL_KNOBS_FAIL_INFERENCE
	                       ? json_string("inference")
	                       : json_boolean(knobs->fail == SL_KNOBS_FAIL_ALL);
	json_t *root =
		json_pack("{s:f, s:b, s:o, s:i}", "slow", knobs->slow, "hang", knobs->is_hung,
	                  "fail", fail, "hidden_load", (int)knobs->hidden_load);
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

	json_decref(root);
	return text;
}
