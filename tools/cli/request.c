// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX_BYTES (64u << 20) // a pool of 16384 backends is about 16 MB

struct answer {
	char *data;
	size_t n_bytes;
};

static size_t take_bytes(char *data, size_t size, size_t n, void *ctx)
{
	struct answer *answer = ctx;
	char *grown;

	n *= size;
	if (answer->n_bytes + n > ANSWER_MAX_BYTES)
		return 0;
	grown = realloc(answer->data, answer->n_bytes + n + 1);
	if (grown == NULL)
		return 0;
	memcpy(grown + answer->n_bytes, data, n);
	answer->data = grown;
	answer->n_bytes += n;
	grown[answer->n_bytes] = '\0';
	return n;
}

static int tell_curl(const struct sl_cli *cli, CURLcode code, bool is_quiet)
{
	const bool is_late = code == CURLE_OPERATION_TIMEDOUT;

	if (is_quiet)
		return is_late ? SL_CLI_PARTIAL : SL_CLI_UNREACHABLE;
	if (is_late) {
		fprintf(stderr,
		        "sluice: no answer from %s within %ld ms\n"
		        "  next: give it longer with --timeout, or look at the log of "
		        "sluice-control\n",
		        cli->socket, cli->timeout_ms);
		return SL_CLI_PARTIAL;
	}
	fprintf(stderr,
	        "sluice: cannot reach sluice-control at %s: %s\n"
	        "  next: is it running (systemctl status sluice-control), may you open its "
	        "socket (group sluice or sudo), or is it elsewhere (--socket)?\n",
	        cli->socket, curl_easy_strerror(code));
	return SL_CLI_UNREACHABLE;
}

static int tell_refusal(long status, const json_t *json, bool is_quiet)
{
	const char *report = json_string_value(json_object_get(json, "report"));

	if (!is_quiet) {
		if (report != NULL)
			fprintf(stderr, "%s", report);
		fprintf(stderr, "sluice: %s\n", sl_cli_text_of(json, "error"));
		if (sl_cli_text_of(json, "next")[0] != '\0')
			fprintf(stderr, "  next: %s\n", sl_cli_text_of(json, "next"));
	}
	return status == 422 ? SL_CLI_INVALID : SL_CLI_FAILED;
}

static CURLcode perform(CURL *curl, const struct sl_cli *cli, const char *path, const char *body,
                        struct answer *answer)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char url[512];
	CURLcode code;

	snprintf(url, sizeof(url), "http://sluice%s", path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, cli->socket);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, cli->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	if (body != NULL) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	}
	code = curl_easy_perform(curl);
	curl_slist_free_all(headers);
	return code;
}

static int request(const struct sl_cli *cli, const char *path, const char *body, bool is_quiet,
                   json_t **out)
{
	struct answer answer = {0};
	CURL *curl = curl_easy_init();
	long status = 0;
	json_t *json;
	CURLcode code;
	int rc = SL_CLI_OK;

	*out = NULL;
	if (curl == NULL)
		return SL_CLI_FAILED;
	code = perform(curl, cli, path, body, &answer);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	if (code != CURLE_OK) {
		free(answer.data);
		return tell_curl(cli, code, is_quiet);
	}
	json = json_loadb(answer.data != NULL ? answer.data : "", answer.n_bytes, 0, NULL);
	free(answer.data);
	if (json == NULL || status < 200) {
		fprintf(stderr, "sluice: what answers at %s is not sluice-control (HTTP %ld)\n",
		        cli->socket, status);
		rc = SL_CLI_FAILED;
	} else if (status >= 300) {
		rc = tell_refusal(status, json, is_quiet);
	}
	if (rc != SL_CLI_OK)
		json_decref(json);
	else
		*out = json;
	return rc;
}

int sl_cli_request(const struct sl_cli *cli, const char *path, const char *body, json_t **answer)
{
	return request(cli, path, body, false, answer);
}

int sl_cli_request_quietly(const struct sl_cli *cli, const char *path, json_t **answer)
{
	return request(cli, path, NULL, true, answer);
}
