// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "api_private.h"
#include "nearest.h"

struct route {
	const char *method;
	const char *path;
	bool is_change;
	void (*handle)(struct sl_daemon *daemon, const struct sl_http_request *request,
	               const struct sl_api_path *path);
};

static void answer_text(const struct sl_http_request *request, unsigned int status,
                        const char *content_type, char *body, size_t n_bytes)
{
	const struct sl_http_reply reply = {
		.status = status,
		.content_type = content_type,
		.body = body,
		.body_bytes = n_bytes,
	};

	sl_http_answer(request->exchange, &reply);
}

void sl_api_answer(struct sl_http_exchange *exchange, unsigned int status, json_t *json)
{
	char *body = json != NULL ? json_dumps(json, JSON_INDENT(1)) : NULL;
	const struct sl_http_reply reply = {
		.status = status,
		.content_type = "application/json",
		.body = body,
		.body_bytes = body != NULL ? strlen(body) : 0,
	};

	json_decref(json);
	sl_http_answer(exchange, &reply);
}

static json_t *error_json(const char *error, const char *next)
{
	return sl_view_envelope("Error", json_pack("{s:o, s:o}", "error", sl_view_text(error),
	                                           "next", sl_view_text(next)));
}

void sl_api_refuse(const struct sl_http_request *request, unsigned int status, const char *error,
                   const char *next)
{
	sl_api_answer(request->exchange, status, error_json(error, next));
}

// ---- reading ----

static void get_status(struct sl_daemon *daemon, const struct sl_http_request *request,
                       const struct sl_api_path *path)
{
	(void)path;
	sl_api_answer(request->exchange, 200, sl_view_envelope("Status", sl_view_status(daemon)));
}

static void get_vips(struct sl_daemon *daemon, const struct sl_http_request *request,
                     const struct sl_api_path *path)
{
	(void)path;
	sl_api_answer(request->exchange, 200, sl_view_envelope("VipList", sl_view_vips(daemon)));
}

static void get_pools(struct sl_daemon *daemon, const struct sl_http_request *request,
                      const struct sl_api_path *path)
{
	(void)path;
	sl_api_answer(request->exchange, 200, sl_view_envelope("PoolList", sl_view_pools(daemon)));
}

static void get_flow_count(struct sl_daemon *daemon, const struct sl_http_request *request,
                           const struct sl_api_path *path)
{
	(void)path;
	sl_api_answer(request->exchange, 200,
	              sl_view_envelope("FlowCount", sl_view_flow_count(daemon)));
}

static void get_healthz(struct sl_daemon *daemon, const struct sl_http_request *request,
                        const struct sl_api_path *path)
{
	(void)daemon;
	(void)path;
	answer_text(request, 200, "text/plain; charset=utf-8", strdup("ok\n"), 3);
}

static void get_metrics(struct sl_daemon *daemon, const struct sl_http_request *request,
                        const struct sl_api_path *path)
{
	size_t n_bytes = 0;
	char *text = sl_metrics_render(daemon, &n_bytes);

	(void)path;
	answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text, n_bytes);
}

// ---- names ----

// "no such thing" with the nearest name there is. names is freed.
static void refuse_name(const struct sl_http_request *request, const char *what, const char *name,
                        const char **names, size_t n_names)
{
	const char *nearest = names != NULL ? sl_nearest_word(name, names, n_names) : NULL;
	char error[256], next[256];

	snprintf(error, sizeof(error), "no %s is called %.100s", what, name);
	if (nearest != NULL)
		snprintf(next, sizeof(next), "did you mean %s?", nearest);
	else
		snprintf(next, sizeof(next), "`sluice pool list` and `sluice pool show` name them");
	sl_api_refuse(request, 404, error, next);
	free(names);
}

static bool find_pool(struct sl_daemon *daemon, const struct sl_http_request *request,
                      const char *name, uint32_t *pool)
{
	const struct sl_model *model = daemon->model;
	const uint32_t n_pools = model != NULL ? model->n_pools : 0;
	const char **names;

	for (*pool = 0; *pool < n_pools; (*pool)++) {
		if (strcmp(model->pools[*pool].name, name) == 0)
			return true;
	}
	names = calloc(n_pools + 1u, sizeof(*names));
	for (uint32_t i = 0; names != NULL && i < n_pools; i++)
		names[i] = model->pools[i].name;
	refuse_name(request, "pool", name, names, n_pools);
	return false;
}

bool sl_api_find_backend(struct sl_daemon *daemon, const struct sl_http_request *request,
                         const struct sl_api_path *path, uint32_t *pool, uint32_t *backend)
{
	const struct sl_model *model = daemon->model;
	const struct sl_model_pool *p;
	const char *name = path->parts[5], **names;

	if (!find_pool(daemon, request, path->parts[3], pool))
		return false;
	p = &model->pools[*pool];
	for (*backend = p->first_backend; *backend < p->first_backend + p->n_backends;
	     (*backend)++) {
		if (strcmp(model->backends[*backend].name, name) == 0)
			return true;
	}
	names = calloc(p->n_backends + 1u, sizeof(*names));
	for (uint32_t i = 0; names != NULL && i < p->n_backends; i++)
		names[i] = model->backends[p->first_backend + i].name;
	refuse_name(request, "backend of that pool", name, names, p->n_backends);
	return false;
}

static void get_pool(struct sl_daemon *daemon, const struct sl_http_request *request,
                     const struct sl_api_path *path)
{
	uint32_t pool;

	if (find_pool(daemon, request, path->parts[3], &pool))
		sl_api_answer(request->exchange, 200,
		              sl_view_envelope("Pool", sl_view_pool(daemon, pool, true)));
}

static void get_backend(struct sl_daemon *daemon, const struct sl_http_request *request,
                        const struct sl_api_path *path)
{
	uint32_t pool, backend;

	if (sl_api_find_backend(daemon, request, path, &pool, &backend))
		sl_api_answer(request->exchange, 200,
		              sl_view_envelope("Backend", sl_view_backend(daemon, pool, backend)));
}

// ---- changing ----

static json_t *parse_body(const struct sl_http_request *request)
{
	json_error_t where;
	char error[300];
	json_t *json;

	if (request->body_bytes == 0)
		return json_object();
	json = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, &where);
	if (json_is_object(json))
		return json;
	if (json != NULL)
		snprintf(error, sizeof(error), "the body is JSON, but not an object");
	else
		snprintf(error, sizeof(error), "the body is not JSON: line %d column %d: %s",
		         where.line, where.column, where.text);
	json_decref(json);
	sl_api_refuse(request, 400, error, "API.md says what each call takes");
	return NULL;
}

static bool is_among(const char *name, const char *const *keys)
{
	while (*keys != NULL && strcmp(*keys, name) != 0)
		keys++;
	return *keys != NULL;
}

json_t *sl_api_read_body(const struct sl_http_request *request, const char *const *keys)
{
	json_t *json = parse_body(request), *value;
	const char *name;
	char error[200];

	json_object_foreach(json, name, value)
	{
		if (is_among(name, keys))
			continue;
		snprintf(error, sizeof(error), "unknown key %.80s", name);
		sl_api_refuse(request, 400, error,
		              keys[0] != NULL ? "API.md says what each call takes" : "send {}");
		json_decref(json);
		return NULL;
	}
	return json;
}

static void apply_done(void *ctx, const struct sl_apply_result *result)
{
	struct sl_http_exchange *exchange = ctx;
	json_t *json;

	if (result->status == 200) {
		sl_api_answer(exchange, 200, sl_view_envelope("Apply", sl_view_apply(result)));
		return;
	}
	json = error_json(result->error, result->next != NULL ? result->next : "");
	if (result->report != NULL)
		json_object_set_new(json, "report", sl_view_text(result->report));
	sl_api_answer(exchange, result->status, json);
}

static void post_apply(struct sl_daemon *daemon, const struct sl_http_request *request,
                       const struct sl_api_path *path)
{
	static const char *const keys[] = {"file", NULL};
	json_t *json = sl_api_read_body(request, keys), *file;

	(void)path;
	if (json == NULL)
		return;
	file = json_object_get(json, "file");
	if (file != NULL && (!json_is_string(file) || json_string_value(file)[0] != '/' ||
	                     json_string_length(file) >= PATH_MAX))
		sl_api_refuse(request, 400, "file must be an absolute path",
		              "send {} to read the file that control was started with");
	else
		sl_reload_apply(daemon, json_string_value(file), apply_done, request->exchange);
	json_decref(json);
}

// ---- routing ----

static const struct route routes[] = {
	{"GET", "/api/v1/status", false, get_status},
	{"GET", "/api/v1/vips", false, get_vips},
	{"GET", "/api/v1/pools", false, get_pools},
	{"GET", "/api/v1/pools/*", false, get_pool},
	{"GET", "/api/v1/pools/*/backends/*", false, get_backend},
	{"GET", "/api/v1/flows/count", false, get_flow_count},
	{"POST", "/api/v1/apply", true, post_apply},
	{"POST", "/api/v1/pools/*/backends/*/drain", true, sl_api_post_drain},
	{"POST", "/api/v1/pools/*/backends/*/ready", true, sl_api_post_ready},
	{"POST", "/api/v1/pools/*/backends/*/weight", true, sl_api_post_weight},
	// The two below are all that the page listener has.
	{"GET", "/metrics", false, get_metrics},
	{"GET", "/healthz", false, get_healthz},
};

#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))
#define N_PAGES  2

static bool split(struct sl_api_path *path, const char *text)
{
	char *rest = NULL;

	path->n_parts = 0;
	if (strlen(text) >= sizeof(path->text))
		return false;
	strcpy(path->text, text);
	for (char *p = strtok_r(path->text, "/", &rest); p != NULL;
	     p = strtok_r(NULL, "/", &rest)) {
		if (path->n_parts == SL_API_MAX_PARTS)
			return false;
		path->parts[path->n_parts++] = p;
	}
	return true;
}

static bool matches(const struct sl_api_path *path, const char *pattern)
{
	struct sl_api_path want;

	if (!split(&want, pattern) || want.n_parts != path->n_parts)
		return false;
	for (size_t i = 0; i < want.n_parts; i++) {
		if (strcmp(want.parts[i], "*") != 0 && strcmp(want.parts[i], path->parts[i]) != 0)
			return false;
	}
	return true;
}

static void refuse_path(const struct sl_http_request *request, const struct route *first, size_t n)
{
	const char *paths[N_ROUTES], *nearest;
	char error[160], next[160];

	for (size_t i = 0; i < n; i++)
		paths[i] = first[i].path;
	nearest = sl_nearest_word(request->path, paths, n);
	snprintf(error, sizeof(error), "nothing is at %.120s", request->path);
	snprintf(next, sizeof(next), "the nearest path is %s",
	         nearest != NULL ? nearest : first[0].path);
	sl_api_refuse(request, 404, error, next);
}

static void refuse_method(const struct sl_http_request *request, const struct route *route)
{
	char next[80];
	json_t *json;
	struct sl_http_reply reply = {
		.status = 405, .content_type = "application/json", .allow = route->method};

	snprintf(next, sizeof(next), "use %s", route->method);
	json = error_json("this path does not take that method", next);
	reply.body = json_dumps(json, JSON_INDENT(1));
	reply.body_bytes = reply.body != NULL ? strlen(reply.body) : 0;
	json_decref(json);
	sl_http_answer(request->exchange, &reply);
}

static void dispatch(struct sl_daemon *daemon, const struct sl_http_request *request,
                     const struct route *first, size_t n)
{
	const struct route *route = NULL;
	struct sl_api_path path;
	bool is_head = strcmp(request->method, "HEAD") == 0; // answered like GET, without the body

	for (size_t i = 0; split(&path, request->path) && i < n && route == NULL; i++) {
		if (matches(&path, first[i].path))
			route = &first[i];
	}
	if (route == NULL)
		refuse_path(request, first, n);
	else if (strcmp(route->method, is_head ? "GET" : request->method) != 0)
		refuse_method(request, route);
	else if (route->is_change && !request->may_change)
		sl_api_refuse(request, 403,
		              "only root and the user that control runs as may change things",
		              "run the command with sudo");
	else
		route->handle(daemon, request, &path);
}

void sl_api_handle(void *daemon, const struct sl_http_request *request)
{
	dispatch(daemon, request, routes, N_ROUTES);
}

void sl_api_handle_pages(void *daemon, const struct sl_http_request *request)
{
	dispatch(daemon, request, &routes[N_ROUTES - N_PAGES], N_PAGES);
}
