// SPDX-License-Identifier: Apache-2.0
// What the schema table says elsewhere (JSON Schema, README) holds together with what it parses.
#include <jansson.h>

#include "config_export.h"
#include "config_schema.h"
#include "config_test.h"
#include "config_value.h"

static json_t *load_schema(bool is_dataplane)
{
	char *text = sl_config_json_schema(is_dataplane);
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(root != NULL, "line %d: %s", error.line, error.text);
	free(text);
	return root;
}

static void check_object(const struct sl_schema_object *object, const json_t *json);

static void check_key(const struct sl_schema_key *key, const json_t *json)
{
	const char *of_items = key->type == SL_VALUE_LIST ? "items" : "additionalProperties";

	ck_assert_msg(key->doc == NULL || json_object_get(json, "description") != NULL,
	              "%s has no description", key->name);
	if (key->default_text != NULL)
		ck_assert_msg(json_object_get(json, "default") != NULL, "%s: no default",
		              key->name);
	if (key->type == SL_VALUE_WORD)
		for (size_t i = 0; key->words[i] != NULL; i++)
			ck_assert_str_eq(
				json_string_value(json_array_get(json_object_get(json, "enum"), i)),
				key->words[i]);
	if (key->all_word != NULL)
		json = json_array_get(json_object_get(json, "oneOf"), 1);
	if (key->object != NULL)
		check_object(key->object, json);
	else if (key->item != NULL)
		check_key(key->item, json_object_get(json, of_items));
	else
		ck_assert_msg(json_object_get(json, "type") != NULL ||
		                      json_object_get(json, "enum") != NULL,
		              "%s: no type", key->name);
}

static void check_object(const struct sl_schema_object *object, const json_t *json)
{
	const json_t *properties = json_object_get(json, "properties");
	size_t n_required = 0;

	ck_assert_uint_eq(json_object_size(properties), object->n_keys);
	ck_assert(json_is_false(json_object_get(json, "additionalProperties")));
	for (uint32_t i = 0; i < object->n_keys; i++) {
		const json_t *property = json_object_get(properties, object->keys[i].name);

		ck_assert_msg(property != NULL, "%s lacks %s", object->what, object->keys[i].name);
		check_key(&object->keys[i], property);
		n_required += object->keys[i].is_required;
	}
	ck_assert_uint_eq(json_array_size(json_object_get(json, "required")), n_required);
}

START_TEST(json_schema_lists_every_key)
{
	json_t *root = load_schema(_i == 1);

	check_object(_i == 1 ? &sl_schema_dataplane : &sl_schema_pools, root);
	ck_assert_str_eq(json_string_value(json_object_get(root, "$schema")),
	                 "https://json-schema.org/draft/2020-12/schema");
	json_decref(root);
}
END_TEST

static unsigned int check_table(const struct sl_schema_object *object)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < object->n_keys; i++) {
		const struct sl_schema_key *key = &object->keys[i];
		char why[SL_VALUE_WHY_BYTES];
		union {
			uint64_t number;
			const char *text;
			struct sl_prefix prefix;
		} out;

		ck_assert_msg(key->doc != NULL && key->doc[0] != '\0', "%s: no text", key->name);
		if (key->default_text != NULL) {
			ck_assert_msg(sl_value_parse(key, key->default_text, &out, why) == 0,
			              "default of %s: %s", key->name, why);
			n++;
		}
		if (key->object != NULL)
			n += check_table(key->object);
		if (key->item != NULL && key->item->object != NULL)
			n += check_table(key->item->object);
	}
	return n;
}

START_TEST(every_default_is_a_valid_value)
{
	ck_assert_uint_ge(check_table(&sl_schema_pools), 20);
	ck_assert_uint_ge(check_table(&sl_schema_dataplane), 6);
}
END_TEST

START_TEST(readme_holds_the_tables_of_the_schema)
{
	char *table = sl_config_markdown(_i == 1);
	size_t n_bytes;
	char *readme = test_read_file("config/README.md", &n_bytes);

	ck_assert_msg(strstr(readme, table) != NULL,
	              "config/README.md is old; put there what `sluice schema --markdown%s` says",
	              _i == 1 ? " --dataplane" : "");
	free(table);
	free(readme);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_schema");
	TCase *tc = tcase_create("schema");

	tcase_add_loop_test(tc, json_schema_lists_every_key, 0, 2);
	tcase_add_test(tc, every_default_is_a_valid_value);
	tcase_add_loop_test(tc, readme_holds_the_tables_of_the_schema, 0, 2);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
