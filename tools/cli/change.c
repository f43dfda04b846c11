// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WEIGHT   1000 // as in pools.yaml
#define WAIT_STEP_MS 500  // longer than weights take to reach every worker

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

int sl_cli_split_target(const char *target, char pool[80], const char **backend)
{
	const char *slash = strchr(target, '/');

	if (slash == NULL || slash - target >= 80) {
		fprintf(stderr,
		        "sluice: \"%s\" is no POOL/BACKEND\n"
		        "  next: `sluice pool list` and `sluice pool show POOL` name them\n",
		        target);
		return SL_CLI_USAGE;
	}
	snprintf(pool, 80, "%.*s", (int)(slash - target), target);
	*backend = slash + 1;
	return sl_cli_is_name(pool) && sl_cli_is_name(*backend) ? SL_CLI_OK : SL_CLI_USAGE;
}

// body is taken.
static int change_backend(const struct sl_cli *cli, const char *target, const char *verb,
                          json_t *body)
{
	char pool[80], path[256], *text = json_dumps(body, 0);
	const char *backend;
	json_t *json;
	int rc = sl_cli_split_target(target, pool, &backend);

	json_decref(body);
	if (rc == SL_CLI_OK && text == NULL)
		rc = SL_CLI_FAILED;
	if (rc == SL_CLI_OK) {
		snprintf(path, sizeof(path), "/api/v1/pools/%s/backends/%s/%s", pool, backend,
		         verb);
		rc = sl_cli_request(cli, path, text, &json);
	}
	free(text);
	if (rc != SL_CLI_OK)
		return rc;
	if (cli->is_json && cli->wait_ms == 0)
		sl_cli_print_json(json);
	else if (!cli->is_json)
		tell_backend(json);
	json_decref(json);
	return SL_CLI_OK;
}

// --ttl and --reason into the body of a change. false: told.
static bool add_note(const struct sl_cli *cli, json_t *body)
{
	long ttl_ms = cli->ttl != NULL ? sl_cli_parse_ms(cli->ttl) : 0;

	if (cli->ttl != NULL && strcmp(cli->ttl, "forever") == 0) {
		json_object_set_new(body, "ttl_seconds", json_null());
	} else if (cli->ttl != NULL && ttl_ms < 1000) {
		fprintf(stderr,
		        "sluice: --ttl %s is no duration of a second or more\n"
		        "  next: write it like 30m, 4h or 7d, or forever\n",
		        cli->ttl);
		return false;
	} else if (cli->ttl != NULL) {
		json_object_set_new(body, "ttl_seconds", json_integer(ttl_ms / 1000));
	}
	if (cli->reason != NULL &&
	    json_object_set_new(body, "reason", json_string(cli->reason)) != 0) {
		fprintf(stderr, "sluice: --reason is no UTF-8 text\n  next: write it in ASCII\n");
		return false;
	}
	return true;
}

// The backend as it is now; NULL and *rc when it cannot be had.
static json_t *look(const struct sl_cli *cli, const char *pool, const char *backend, int *rc)
{
	json_t *json, *row, *found = NULL;
	char path[256];
	size_t i;

	snprintf(path, sizeof(path), "/api/v1/pools/%s", pool);
	*rc = sl_cli_request(cli, path, NULL, &json);
	if (*rc != SL_CLI_OK)
		return NULL;
	json_array_foreach(json_object_get(json, "backends"), i, row)
	{
		if (strcmp(sl_cli_text_of(row, "name"), backend) == 0)
			found = json_incref(row);
	}
	json_decref(json);
	if (found == NULL) {
		fprintf(stderr, "sluice: %s/%s is no longer in the configuration\n", pool, backend);
		*rc = SL_CLI_FAILED;
	}
	return found;
}

// Without a data plane nobody knows how many flows there are. -1 = not to be had, *rc says why.
static double count_flows(const struct sl_cli *cli, const char *pool, const char *backend, int *rc)
{
	json_t *status, *json = look(cli, pool, backend, rc);
	double n = sl_cli_number_of(json, "flows");
	bool is_drained = strcmp(sl_cli_text_of(json, "state"), "drain") == 0 ||
	                  strcmp(sl_cli_text_of(json, "state"), "maint") == 0;

	json_decref(json);
	if (*rc != SL_CLI_OK)
		return -1;
	if (!is_drained) {
		fprintf(stderr,
		        "sluice: %s/%s takes new flows again: the drain ended or was taken back\n",
		        pool, backend);
		*rc = SL_CLI_FAILED;
		return -1;
	}
	*rc = sl_cli_request(cli, "/api/v1/status", NULL, &status);
	if (*rc != SL_CLI_OK)
		return -1;
	if (!json_is_true(json_object_get(json_object_get(status, "dataplane"), "connected")))
		n = -1;
	json_decref(status);
	return n;
}

static int tell_drained(const struct sl_cli *cli, const char *target, double n, bool is_drained)
{
	if (cli->is_json) {
		json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:o}", "api", "sluice/v1", "kind",
		                         "Drain", "backend", target, "drained", (int)is_drained,
		                         "flows", n >= 0 ? json_real(n) : json_null());

		sl_cli_print_json(json);
		json_decref(json);
	} else if (is_drained) {
		printf("%s: drained, no flows left\n", target);
	} else if (n < 0) {
		fprintf(stderr, "sluice: %s: flows unknown, the data plane is not connected\n",
		        target);
	} else {
		fprintf(stderr,
		        "sluice: %s: %.0f flows left; it stays drained\n"
		        "  next: wait again, or stop the server and lose them\n",
		        target, n);
	}
	return is_drained ? SL_CLI_OK : SL_CLI_PARTIAL;
}

// Two looks must see none: the weights are on their way to the workers during the first.
static int wait_drained(const struct sl_cli *cli, const char *target)
{
	const long end_ms = sl_cli_now_ms() + cli->wait_ms;
	int n_empty = 0, rc = SL_CLI_OK;
	const char *backend;
	char pool[80];
	double n;

	rc = sl_cli_split_target(target, pool, &backend);
	while (rc == SL_CLI_OK) {
		n = count_flows(cli, pool, backend, &rc);
		n_empty = n == 0 ? n_empty + 1 : 0;
		if (rc == SL_CLI_OK && (n_empty == 2 || sl_cli_now_ms() >= end_ms))
			return tell_drained(cli, target, n, n_empty == 2);
		sl_cli_sleep_ms(WAIT_STEP_MS);
	}
	return rc;
}

int sl_cli_backend_drain(const struct sl_cli *cli, int argc, char **argv)
{
	json_t *body = json_object();
	int rc;

	(void)argc;
	if (!add_note(cli, body)) {
		json_decref(body);
		return SL_CLI_USAGE;
	}
	rc = change_backend(cli, argv[0], "drain", body);
	return rc == SL_CLI_OK && cli->wait_ms > 0 ? wait_drained(cli, argv[0]) : rc;
}

int sl_cli_backend_ready(const struct sl_cli *cli, int argc, char **argv)
{
	(void)argc;
	return change_backend(cli, argv[0], "ready", json_object());
}

int sl_cli_weight_set(const struct sl_cli *cli, int argc, char **argv)
{
	long weight;
	json_t *body;
	char *end;

	(void)argc;
	weight = strtol(argv[1], &end, 10);
	if (end == argv[1] || *end != '\0' || weight < 0 || weight > MAX_WEIGHT) {
		fprintf(stderr,
		        "sluice: weight %s is no whole number from 0 to %d\n"
		        "  next: the file's weights have the same scale; `sluice weight clear` "
		        "goes "
		        "back to them\n",
		        argv[1], MAX_WEIGHT);
		return SL_CLI_USAGE;
	}
	body = json_pack("{s:I}", "weight", (json_int_t)weight);
	if (!add_note(cli, body)) {
		json_decref(body);
		return SL_CLI_USAGE;
	}
	return change_backend(cli, argv[0], "weight", body);
}

int sl_cli_weight_clear(const struct sl_cli *cli, int argc, char **argv)
{
	(void)argc;
	return change_backend(cli, argv[0], "weight", json_pack("{s:n}", "weight"));
}
