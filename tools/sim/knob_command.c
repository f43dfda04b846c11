// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "options.h"

#define TIMEOUT_MS 3000L

static int usage(void)
{
	fprintf(stderr,
	        "usage: sluice-sim knob ADDR:PORT [NAME=VALUE..]\n"
	        "  names: slow (factor), hang (true, false), fail (true, false, inference),\n"
	        "  hidden_load (requests), kill (true); without any, prints what is set\n");
	return SL_EXIT_USAGE;
}

// A value that is no JSON of its own (inference) is meant as a string.
static int add_knob(json_t *knobs, const char *argument)
{
	const char *equals = strchr(argument, '=');
	json_t *value;

	if (equals == NULL || equals == argument)
		return -1;
	value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
	if (value == NULL)
		value = json_string(equals + 1);
	return json_object_setn_new(knobs, argument, (size_t)(equals - argument), value);
}

static CURLcode send_knobs(CURL *curl, const char *target, const char *body, long *status)
{
	char url[SL_ADDR_TEXT + 32];
	CURLcode rc;

	snprintf(url, sizeof(url), "http://%s/sim/knobs", target);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (body != NULL)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	rc = curl_easy_perform(curl); // prints the answer
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	return rc;
}

static int turn(const char *target, const json_t *knobs)
{
	char *body = json_object_size(knobs) > 0 ? json_dumps(knobs, JSON_COMPACT) : NULL;
	const bool kills = json_is_true(json_object_get(knobs, "kill"));
	CURL *curl = curl_easy_init();
	CURLcode rc = CURLE_FAILED_INIT;
	long status = 0;

	if (curl != NULL)
		rc = send_knobs(curl, target, body, &status);
	curl_easy_cleanup(curl);
	free(body);
	// A killed server resets the connection: that is its answer.
	if (kills && (rc == CURLE_RECV_ERROR || rc == CURLE_GOT_NOTHING))
		return SL_EXIT_OK;
	if (rc != CURLE_OK)
		fprintf(stderr, "sluice-sim knob: %s: %s\n", target, curl_easy_strerror(rc));
	else
		putchar('\n');
	return rc == CURLE_OK && status == 200 ? SL_EXIT_OK : SL_EXIT_FAILED;
}

int sl_knob_main(int argc, char **argv)
{
	struct sl_addr addr;
	json_t *knobs;
	int status;

	if (argc < 2)
		return usage();
	if (sl_addr_parse(&addr, argv[1]) != 0) {
		fprintf(stderr, "sluice-sim knob: '%s' is not ADDR:PORT\n", argv[1]);
		return usage();
	}
	knobs = json_object();
	for (int i = 2; i < argc; i++) {
		if (add_knob(knobs, argv[i]) != 0) {
			fprintf(stderr, "sluice-sim knob: '%s' is not NAME=VALUE\n", argv[i]);
			json_decref(knobs);
			return usage();
		}
	}
	status = turn(argv[1], knobs);
	json_decref(knobs);
	return status;
}
