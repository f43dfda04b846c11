// SPDX-License-Identifier: Apache-2.0
// The OpenAI shapes that the server reads and writes: chat and text completions, embeddings,
// errors. A prompt counts one token for every four characters; the words of the answer mean
// nothing. Errors: 0 or -errno with a message for the client. Thread: any.
#ifndef SLUICE_SIM_CHAT_H
#define SLUICE_SIM_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_CHAT_MODEL "sim-llm"
#define SL_CHAT_EVENT 512 // the longest event of a stream, terminator included
#define SL_CHAT_WHY   160

enum sl_chat_kind { SL_CHAT_COMPLETION, SL_CHAT_TEXT, SL_CHAT_EMBEDDING };

struct sl_chat_request {
	enum sl_chat_kind kind;
	bool is_stream;
	uint32_t prompt_tokens;
	uint32_t output_tokens;
};

// What all events of one answer share.
struct sl_chat_answer {
	enum sl_chat_kind kind;
	uint64_t id;
	int64_t created_s;
	uint32_t prompt_tokens, output_tokens;
};

enum sl_chat_event { SL_CHAT_ROLE, SL_CHAT_TOKEN, SL_CHAT_FINISH, SL_CHAT_DONE };

// -EINVAL: why says what the client did wrong.
int sl_chat_parse(struct sl_chat_request *request, const char *body, size_t len,
                  char why[SL_CHAT_WHY]);

// One server-sent event with its empty line; returns its length. Needs SL_CHAT_EVENT bytes.
size_t sl_chat_event_write(const struct sl_chat_answer *answer, enum sl_chat_event event,
                           uint32_t token, char *buf);

// Whole JSON bodies; the caller frees them. NULL when there is no memory.
char *sl_chat_answer_json(const struct sl_chat_answer *answer);
char *sl_chat_error_json(int status, const char *message);
char *sl_chat_models_json(int64_t created_s);

#endif
