// SPDX-License-Identifier: Apache-2.0
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define JSON_TYPE "application/json"

static int answer_error(struct sl_http_request *request, int status, const char *message)
{
	return sl_http_answer(request, status, JSON_TYPE, sl_chat_error_json(status, message));
}

static int generate(struct sl_http_request *request, enum sl_chat_kind kind)
{
	struct sl_chat_request wanted = {.kind = kind};
	char why[SL_CHAT_WHY];
	int rc;

	if (sl_chat_parse(&wanted, request->body, request->body_len, why) != 0)
		return answer_error(request, MHD_HTTP_BAD_REQUEST, why);
	rc = sl_http_generate(request, &wanted);
	if (rc != -E2BIG)
		return rc;
	snprintf(why, sizeof(why),
	         "%u prompt and %u output tokens do not fit the context of %u tokens",
	         wanted.prompt_tokens, wanted.output_tokens,
	         request->server->engine.config.kv_tokens);
	return answer_error(request, MHD_HTTP_BAD_REQUEST, why);
}

static int post_chat(struct sl_http_request *request)
{
	return generate(request, SL_CHAT_COMPLETION);
}

static int post_completions(struct sl_http_request *request)
{
	return generate(request, SL_CHAT_TEXT);
}

static int post_embeddings(struct sl_http_request *request)
{
	return generate(request, SL_CHAT_EMBEDDING);
}

// vLLM's /health is an empty 200.
static int get_health(struct sl_http_request *request)
{
	return sl_http_answer(request, MHD_HTTP_OK, "text/plain", strdup(""));
}

static int get_live(struct sl_http_request *request)
{
	return sl_http_answer(request, MHD_HTTP_OK, JSON_TYPE, strdup("{\"live\":true}"));
}

static int get_ready(struct sl_http_request *request)
{
	return sl_http_answer(request, MHD_HTTP_OK, JSON_TYPE, strdup("{\"ready\":true}"));
}

static int get_models(struct sl_http_request *request)
{
	return sl_http_answer(request, MHD_HTTP_OK, JSON_TYPE, sl_chat_models_json(time(NULL)));
}

static int get_metrics(struct sl_http_request *request)
{
	return sl_http_answer(request, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
	                      sl_metrics_text(&request->server->metrics, &request->server->engine));
}

static int get_knobs(struct sl_http_request *request)
{
	return sl_http_answer(request, MHD_HTTP_OK, JSON_TYPE,
	                      sl_knobs_json(&request->server->knobs));
}

static int post_knobs(struct sl_http_request *request)
{
	char why[SL_KNOBS_WHY];

	if (sl_knobs_apply(&request->server->knobs, request->body, request->body_len, why) != 0)
		return answer_error(request, MHD_HTTP_BAD_REQUEST, why);
	sl_server_turn_knobs(request->server);
	return get_knobs(request);
}

enum route_kind { ROUTE_CONTROL, ROUTE_HEALTH, ROUTE_INFERENCE };

struct route {
	const char *method, *url;
	enum route_kind kind;
	int (*answer)(struct sl_http_request *request);
};

static const struct route routes[] = {
	{"POST", "/v1/chat/completions", ROUTE_INFERENCE, post_chat},
	{"POST", "/v1/completions", ROUTE_INFERENCE, post_completions},
	{"POST", "/v1/embeddings", ROUTE_INFERENCE, post_embeddings},
	{"GET", "/health", ROUTE_HEALTH, get_health},
	{"GET", "/v2/health/live", ROUTE_HEALTH, get_live},
	{"GET", "/v2/health/ready", ROUTE_HEALTH, get_ready},
	{"GET", "/v1/models", ROUTE_HEALTH, get_models},
	{"GET", "/metrics", ROUTE_HEALTH, get_metrics},
	{"GET", "/sim/knobs", ROUTE_CONTROL, get_knobs},
	{"POST", "/sim/knobs", ROUTE_CONTROL, post_knobs},
};

static const struct route *find_route(const char *method, const char *url, bool *is_known_url)
{
	*is_known_url = false;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].url, url) != 0)
			continue;
		*is_known_url = true;
		if (strcmp(routes[i].method, method) == 0 ||
		    (strcmp(method, "HEAD") == 0 && strcmp(routes[i].method, "GET") == 0))
			return &routes[i];
	}
	return NULL;
}

int sl_http_route(struct sl_http_request *request, const char *method, const char *url)
{
	const struct sl_knobs *knobs = &request->server->knobs;
	bool is_known_url;
	const struct route *route = find_route(method, url, &is_known_url);
	const bool is_control = route != NULL && route->kind == ROUTE_CONTROL;
	const bool is_inference = route != NULL && route->kind == ROUTE_INFERENCE;

	if (knobs->is_hung && !is_control) {
		sl_http_hold(request);
		return 0;
	}
	if ((knobs->fail == SL_KNOBS_FAIL_ALL && !is_control) ||
	    (knobs->fail == SL_KNOBS_FAIL_INFERENCE && is_inference))
		return answer_error(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "engine is dead");
	if (request->is_too_large)
		return answer_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "body is over 16 MiB");
	if (route != NULL)
		return route->answer(request);
	if (is_known_url)
		return answer_error(request, MHD_HTTP_METHOD_NOT_ALLOWED,
		                    "method is not allowed here");
	return answer_error(request, MHD_HTTP_NOT_FOUND, "no such address");
}
