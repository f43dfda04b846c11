// SPDX-License-Identifier: Apache-2.0
// One HTTP request on its way through the server: between http.c, which moves bytes, and routes.c,
// which decides.
// Errors: 0 or -errno; an error of sl_http_answer() closes the connection.
#ifndef SLUICE_SIM_HTTP_H
#define SLUICE_SIM_HTTP_H

#include "chat.h"
#include "server.h"

struct MHD_Connection;

struct sl_http_request {
	struct sl_engine_seq seq;
	TAILQ_ENTRY(sl_http_request) link; // on server->hung while is_held
	struct sl_watch watch; // of the client's hang-up; on_ready NULL when not watched
	struct sl_server *server;
	struct sl_http_port *port;
	struct MHD_Connection *connection;
	char *body; // owned
	size_t body_len, body_size;
	struct sl_chat_answer answer;
	uint64_t arrival_ns, first_ns;
	uint32_t sent_tokens;
	uint8_t n_ends; // of the two events after the last token
	bool has_sent_role, is_suspended, is_generating, is_held, is_gone, is_too_large;
};

// Decides on a request whose body is complete: answers it, holds it or gives it to the engine.
int sl_http_route(struct sl_http_request *request, const char *method, const char *url);

int sl_http_answer(struct sl_http_request *request, int status, const char *type,
                   char *text); // takes text

// Gives the request to the engine. -E2BIG when it does not fit the KV cache.
int sl_http_generate(struct sl_http_request *request, const struct sl_chat_request *wanted);

// Says nothing until sl_http_release_all(), which has it routed again.
void sl_http_hold(struct sl_http_request *request);
void sl_http_release_all(struct sl_server *server);

#endif
