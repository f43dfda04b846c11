// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WEIGHT 1000 // as in pools.yaml

bool sl_cli_is_name(const char *text)
{
	const size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                              "0123456789._-");

	if (n >= 1 && n <= 63 && text[n] == '\0')
		return true;
	fprintf(stderr,
	        "sluice: \"%s\" is no name\n"
	        "  next: names are letters, digits, '.', '_' and '-'; a backend is POOL/BACKEND\n",
	        text);
	return false;
}

static void tell_warnings(const json_t *json)
{
	json_t *line;
	size_t i;

	json_array_foreach(json_object_get(json, "warnings"), i, line)
		fprintf(stderr, "warning: %s\n", json_string_value(line));
}

static int tell_apply(const json_t *json)
{
	const double epoch = sl_cli_number_of(json, "epoch");
	const double acked = sl_cli_number_of(json, "epoch_acked");
	const json_t *changes = json_object_get(json, "changes");
	json_t *line;
	size_t i;

	json_array_foreach(changes, i, line) printf("%s\n", json_string_value(line));
	tell_warnings(json);
	if (acked > 0 && acked >= epoch) {
		printf("applied: generation %.0f, %zu changes, every worker uses epoch %.0f\n",
		       sl_cli_number_of(json, "generation"), json_array_size(changes), acked);
		return SL_CLI_OK;
	}
	printf("accepted: generation %.0f, %zu changes, but not every worker uses it yet\n",
	       sl_cli_number_of(json, "generation"), json_array_size(changes));
	fprintf(stderr, "  next: `sluice status --wait` tells when they do\n");
	return SL_CLI_PARTIAL;
}

int sl_cli_apply(const struct sl_cli *cli, int argc, char **argv)
{
	char path[PATH_MAX];
	json_t *json, *body = json_object();
	char *text;
	int rc;

	(void)argc;
	(void)argv;
	if (cli->file != NULL) {
		if (realpath(cli->file, path) == NULL) {
			fprintf(stderr,
			        "sluice: %s: %s\n"
			        "  next: name a file that `sluice check -f FILE` accepts\n",
			        cli->file, strerror(errno));
			json_decref(body);
			return SL_CLI_FAILED;
		}
		json_object_set_new(body, "file", json_string(path));
	}
	text = json_dumps(body, 0);
	json_decref(body);
	if (text == NULL)
		return SL_CLI_FAILED;
	rc = sl_cli_request(cli, "/api/v1/apply", text, &json);
	free(text);
	if (rc != SL_CLI_OK)
		return rc;
	if (cli->is_json) {
		sl_cli_print_json(json);
		rc = sl_cli_number_of(json, "epoch_acked") >= sl_cli_number_of(json, "epoch") &&
		                     sl_cli_number_of(json, "epoch_acked") > 0
		             ? SL_CLI_OK
		             : SL_CLI_PARTIAL;
	} else {
		rc = tell_apply(json);
	}
	json_decref(json);
	return rc;
}

static void tell_backend(const json_t *json)
{
	printf("%s/%s: %s, weight %.1f (configured %.0f), %.1f%% of the pool, %.0f flows\n",
	       sl_cli_text_of(json, "pool"), sl_cli_text_of(json, "name"),
	       sl_cli_text_of(json, "state"), sl_cli_number_of(json, "weight_effective"),
	       sl_cli_number_of(json, "weight_configured"), 100 * sl_cli_number_of(json, "share"),
	       sl_cli_number_of(json, "flows"));
	tell_warnings(json);
}

// target is POOL/BACKEND.
static int change_backend(const struct sl_cli *cli, const char *target, const char *verb,
                          const char *body)
{
	char pool[80], path[256];
	const char *slash = strchr(target, '/');
	json_t *json;
	int rc;

	if (slash == NULL || (size_t)(slash - target) >= sizeof(pool)) {
		fprintf(stderr,
		        "sluice: \"%s\" is no POOL/BACKEND\n"
		        "  next: `sluice pool list` and `sluice pool show POOL` name them\n",
		        target);
		return SL_CLI_USAGE;
	}
	snprintf(pool, sizeof(pool), "%.*s", (int)(slash - target), target);
	if (!sl_cli_is_name(pool) || !sl_cli_is_name(slash + 1))
		return SL_CLI_USAGE;
	snprintf(path, sizeof(path), "/api/v1/pools/%s/backends/%s/%s", pool, slash + 1, verb);
	rc = sl_cli_request(cli, path, body, &json);
	if (rc != SL_CLI_OK)
		return rc;
	if (cli->is_json)
		sl_cli_print_json(json);
	else
		tell_backend(json);
	json_decref(json);
	return SL_CLI_OK;
}

int sl_cli_backend_drain(const struct sl_cli *cli, int argc, char **argv)
{
	(void)argc;
	return change_backend(cli, argv[0], "drain", "{}");
}

int sl_cli_backend_ready(const struct sl_cli *cli, int argc, char **argv)
{
	(void)argc;
	return change_backend(cli, argv[0], "ready", "{}");
}

int sl_cli_weight_set(const struct sl_cli *cli, int argc, char **argv)
{
	char body[64], *end;
	long weight = strtol(argv[1], &end, 10);

	(void)argc;
	if (end == argv[1] || *end != '\0' || weight < 0 || weight > MAX_WEIGHT) {
		fprintf(stderr,
		        "sluice: weight %s is no whole number from 0 to %d\n"
		        "  next: the file's weights have the same scale; `sluice weight clear` "
		        "goes "
		        "back to them\n",
		        argv[1], MAX_WEIGHT);
		return SL_CLI_USAGE;
	}
	snprintf(body, sizeof(body), "{\"weight\": %ld}", weight);
	return change_backend(cli, argv[0], "weight", body);
}

int sl_cli_weight_clear(const struct sl_cli *cli, int argc, char **argv)
{
	(void)argc;
	return change_backend(cli, argv[0], "weight", "{\"weight\": null}");
}
