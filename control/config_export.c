// SPDX-License-Identifier: Apache-2.0
#include "config_export.h"

#include <stdlib.h>

#include "config.h"
#include "config_schema.h"
#include "config_value.h"

// Deep enough for every object of the table; the table has no cycles.
#define PATH_BYTES 128

static void put_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			fputc('\\', out);
		fputc(*p, out);
	}
	fputc('"', out);
}

static void put_schema(FILE *out, const struct sl_schema_key *key);

static void put_pattern(FILE *out, const char *pattern)
{
	fputs("\"type\": \"string\", \"pattern\": ", out);
	put_string(out, pattern);
}

static void put_properties(FILE *out, const struct sl_schema_object *object)
{
	bool is_first = true;

	fputs("\"type\": \"object\", \"additionalProperties\": false, \"properties\": {", out);
	for (uint32_t i = 0; i < object->n_keys; i++) {
		fputs(i > 0 ? ",\n" : "\n", out);
		put_string(out, object->keys[i].name);
		fputs(": ", out);
		put_schema(out, &object->keys[i]);
	}
	fputs("}, \"required\": [", out);
	for (uint32_t i = 0; i < object->n_keys; i++) {
		if (!object->keys[i].is_required)
			continue;
		fputs(is_first ? "" : ", ", out);
		put_string(out, object->keys[i].name);
		is_first = false;
	}
	fputc(']', out);
}

static void put_list(FILE *out, const struct sl_schema_key *key)
{
	bool has_word = key->all_word != NULL;

	if (has_word) {
		fputs("\"oneOf\": [{\"const\": ", out);
		put_string(out, key->all_word);
		fputs("}, {", out);
	}
	fprintf(out, "\"type\": \"array\", \"minItems\": %ju, \"maxItems\": %ju, \"items\": ",
	        (uintmax_t)key->min, (uintmax_t)key->max);
	put_schema(out, key->item);
	if (has_word)
		fputs("}]", out);
}

static void put_named(FILE *out, const struct sl_schema_key *key)
{
	fprintf(out,
	        "\"type\": \"object\", \"minProperties\": %ju, \"maxProperties\": %ju, "
	        "\"propertyNames\": {\"pattern\": \"^[A-Za-z0-9._-]{1,63}$\"}, "
	        "\"additionalProperties\": ",
	        (uintmax_t)key->min, (uintmax_t)key->max);
	put_schema(out, key->item);
}

static void put_words(FILE *out, const struct sl_schema_key *key)
{
	fputs("\"enum\": [", out);
	for (size_t i = 0; key->words[i] != NULL; i++) {
		fputs(i > 0 ? ", " : "", out);
		put_string(out, key->words[i]);
	}
	fputc(']', out);
}

static void put_type(FILE *out, const struct sl_schema_key *key)
{
	switch (key->type) {
	case SL_VALUE_MAP:
		put_properties(out, key->object);
		break;
	case SL_VALUE_LIST:
		put_list(out, key);
		break;
	case SL_VALUE_NAMED:
		put_named(out, key);
		break;
	case SL_VALUE_WORD:
		put_words(out, key);
		break;
	case SL_VALUE_INTEGER:
		fprintf(out, "\"type\": \"integer\", \"minimum\": %ju, \"maximum\": %ju",
		        (uintmax_t)key->min, (uintmax_t)key->max);
		break;
	case SL_VALUE_COUNT:
		fputs("\"type\": [\"integer\", \"string\"], \"pattern\": \"^[0-9]+[kM]?$\"", out);
		break;
	case SL_VALUE_RATE:
		put_pattern(out, "^[0-9]+[kM]?/s$");
		break;
	case SL_VALUE_BIT_RATE:
		put_pattern(out, "^[0-9]+(Mbit|Gbit)$");
		break;
	case SL_VALUE_DURATION:
	case SL_VALUE_SECONDS:
		put_pattern(out, "^[0-9]+(ms|s|m|h)$");
		break;
	case SL_VALUE_PERCENT:
		put_pattern(out, "^[0-9]+%$");
		break;
	case SL_VALUE_SIZE:
		put_pattern(out, "^[0-9]+(kB|MB|GB|KiB|MiB|GiB)$");
		break;
	case SL_VALUE_NAME:
		put_pattern(out, "^[A-Za-z0-9._-]{1,63}$");
		break;
	case SL_VALUE_PATH:
		put_pattern(out, "^/[!-~]*$");
		break;
	case SL_VALUE_RANGE:
		fputs("\"type\": [\"integer\", \"string\"], \"minimum\": 1, \"maximum\": 65535, "
		      "\"pattern\": \"^[0-9]{1,5}(-[0-9]{1,5})?$\"",
		      out);
		break;
	case SL_VALUE_HEX:
		put_pattern(out, "^([0-9a-fA-F]{2})+$");
		break;
	case SL_VALUE_DEVICE:
		put_pattern(out, "^(af_xdp|af_packet|pci|vdev):[!-~]+$");
		break;
	default:
		fputs("\"type\": \"string\"", out);
	}
}

static void put_schema(FILE *out, const struct sl_schema_key *key)
{
	fputc('{', out);
	put_type(out, key);
	if (key->default_text != NULL) {
		bool is_number = key->type == SL_VALUE_INTEGER || key->type == SL_VALUE_COUNT;

		fputs(", \"default\": ", out);
		if (is_number)
			fputs(key->default_text, out);
		else
			put_string(out, key->default_text);
	}
	if (key->doc != NULL) {
		fputs(", \"description\": ", out);
		put_string(out, key->doc);
	}
	fputc('}', out);
}

char *sl_config_json_schema(bool is_dataplane)
{
	const struct sl_schema_object *object =
		is_dataplane ? &sl_schema_dataplane : &sl_schema_pools;
	char *text = NULL;
	size_t n_bytes;
	FILE *out = open_memstream(&text, &n_bytes);

	if (out == NULL)
		return NULL;
	fputs("{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n\"title\": ", out);
	put_string(out, object->what);
	fputs(", ", out);
	put_properties(out, object);
	fputs("}\n", out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

// "100ms to 1h", "tcp, udp", ...
static void put_domain(FILE *out, const struct sl_schema_key *key)
{
	static const char *const plain[] = {
		[SL_VALUE_NAME] = "a name",
		[SL_VALUE_ADDRESS] = "an address",
		[SL_VALUE_ENDPOINT] = "`address:port`",
		[SL_VALUE_PREFIX] = "`address/length`",
		[SL_VALUE_DEVICE] = "a device",
		[SL_VALUE_MAP] = "keys below",
	};
	char least[32], most[32];

	switch (key->type) {
	case SL_VALUE_WORD:
		for (size_t i = 0; key->words[i] != NULL; i++)
			fprintf(out, "%s`%s`", i > 0 ? ", " : "", key->words[i]);
		break;
	case SL_VALUE_TEXT:
	case SL_VALUE_PATH:
		fprintf(out, "%s, up to %ju bytes", key->type == SL_VALUE_TEXT ? "text" : "a path",
		        (uintmax_t)key->max);
		break;
	case SL_VALUE_LIST:
	case SL_VALUE_NAMED:
		fprintf(out, "%s, %ju to %ju%s%s%s",
		        key->type == SL_VALUE_LIST ? "list" : "map from names", (uintmax_t)key->min,
		        (uintmax_t)key->max, key->all_word != NULL ? ", or `" : "",
		        key->all_word != NULL ? key->all_word : "",
		        key->all_word != NULL ? "`" : "");
		break;
	case SL_VALUE_HEX:
		fprintf(out, "hex, %ju to %ju bytes", (uintmax_t)key->min, (uintmax_t)key->max);
		break;
	case SL_VALUE_INTEGER:
	case SL_VALUE_COUNT:
	case SL_VALUE_RATE:
	case SL_VALUE_BIT_RATE:
	case SL_VALUE_DURATION:
	case SL_VALUE_SECONDS:
	case SL_VALUE_PERCENT:
	case SL_VALUE_SIZE:
		sl_value_print(key->type, key->min, least, sizeof(least));
		sl_value_print(key->type, key->max, most, sizeof(most));
		fprintf(out, "%s to %s", least, most);
		break;
	default:
		fputs(plain[key->type], out);
	}
}

static void put_rows(FILE *out, const struct sl_schema_object *object, const char *prefix)
{
	for (uint32_t i = 0; i < object->n_keys; i++) {
		const struct sl_schema_key *key = &object->keys[i];
		const struct sl_schema_object *inner = key->object;
		char path[PATH_BYTES];

		fprintf(out, "| `%s%s` | ", prefix, key->name);
		put_domain(out, key);
		fprintf(out, " | %s | %s |\n",
		        key->default_text != NULL ? key->default_text
		        : key->is_required        ? "required"
		                                  : "",
		        key->doc);
		if (key->item != NULL && key->item->object != NULL)
			inner = key->item->object;
		if (inner == NULL)
			continue;
		snprintf(path, sizeof(path), "%s%s%s.", prefix, key->name,
		         key->type == SL_VALUE_LIST    ? "[]"
		         : key->type == SL_VALUE_NAMED ? ".NAME"
		                                       : "");
		put_rows(out, inner, path);
	}
}

char *sl_config_markdown(bool is_dataplane)
{
	const struct sl_schema_object *object =
		is_dataplane ? &sl_schema_dataplane : &sl_schema_pools;
	char *text = NULL;
	size_t n_bytes;
	FILE *out = open_memstream(&text, &n_bytes);

	if (out == NULL)
		return NULL;
	fputs("| key | value | default | meaning |\n|---|---|---|---|\n", out);
	put_rows(out, object, "");
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
