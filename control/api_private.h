// SPDX-License-Identifier: Apache-2.0
// Inside of the API, shared by api.c (routing, reading, apply) and api_override.c (what operators
// say about backends). Each call answers its request once, or hands it to one that does.
#ifndef SLUICE_CONTROL_API_PRIVATE_H
#define SLUICE_CONTROL_API_PRIVATE_H

#include "api_view.h"

#define SL_API_MAX_PARTS 8

// A path cut at its slashes; the parts that a route's "*" matched are its names.
struct sl_api_path {
	char text[512];
	const char *parts[SL_API_MAX_PARTS];
	size_t n_parts;
};

// ---- api.c ----
void sl_api_answer(struct sl_http_exchange *exchange, unsigned int status, json_t *json); // taken
void sl_api_refuse(const struct sl_http_request *request, unsigned int status, const char *error,
                   const char *next);
// false: refused.
bool sl_api_find_backend(struct sl_daemon *daemon, const struct sl_http_request *request,
                         const struct sl_api_path *path, uint32_t *pool, uint32_t *backend);
// The body as an object with nothing in it but keys (ending with NULL); no body counts as {}.
// NULL: refused, with the place of the mistake.
json_t *sl_api_read_body(const struct sl_http_request *request, const char *const *keys);

// ---- api_override.c ----
void sl_api_post_drain(struct sl_daemon *daemon, const struct sl_http_request *request,
                       const struct sl_api_path *path);
void sl_api_post_ready(struct sl_daemon *daemon, const struct sl_http_request *request,
                       const struct sl_api_path *path);
void sl_api_post_weight(struct sl_daemon *daemon, const struct sl_http_request *request,
                        const struct sl_api_path *path);

#endif
