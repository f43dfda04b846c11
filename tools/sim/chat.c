// SPDX-License-Identifier: Apache-2.0
#include "chat.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHARS_PER_TOKEN       4
#define DEFAULT_CHAT_TOKENS   128
#define DEFAULT_TEXT_TOKENS   16 // the OpenAI API's default
#define EMBEDDING_DIMENSIONS  64
#define OUTPUT_TOKENS_MAX     1000000
#define ANSWER_BYTES_PER_WORD 8

static const char *const words[] = {" the", " flow", " of",   " water", " is",    " held",
                                    " by",  " a",    " gate", " that",  " opens", " when",
                                    " it",  " must", ",",     "."};

static const char *word(uint32_t token)
{
	return words[token * 7 % (sizeof(words) / sizeof(words[0]))];
}

// Characters of a string, or of every string inside an array or a message part.
static size_t count_chars(const json_t *value)
{
	const json_t *item;
	size_t sum = 0, i;

	if (json_is_string(value))
		return json_string_length(value);
	if (json_is_integer(value))
		return CHARS_PER_TOKEN; // a prompt given as token numbers
	if (json_is_object(value)) {
		item = json_object_get(value, "content");
		return count_chars(item != NULL ? item : json_object_get(value, "text"));
	}
	json_array_foreach(value, i, item)
	{
		sum += count_chars(item);
	}
	return sum;
}

static int refuse(char why[SL_CHAT_WHY], const char *message)
{
	snprintf(why, SL_CHAT_WHY, "%s", message);
	return -EINVAL;
}

static int parse_prompt(struct sl_chat_request *request, const json_t *root, char why[SL_CHAT_WHY])
{
	static const char *const fields[] = {
		[SL_CHAT_COMPLETION] = "messages",
		[SL_CHAT_TEXT] = "prompt",
		[SL_CHAT_EMBEDDING] = "input",
	};
	const char *field = fields[request->kind];
	const json_t *value = json_object_get(root, field);
	const bool is_list = json_is_array(value) && json_array_size(value) > 0;
	size_t n_tokens;

	if (!is_list && (request->kind == SL_CHAT_COMPLETION || !json_is_string(value))) {
		snprintf(why, SL_CHAT_WHY, "field '%s' is missing, empty or of the wrong type",
		         field);
		return -EINVAL;
	}
	n_tokens = (count_chars(value) + CHARS_PER_TOKEN - 1) / CHARS_PER_TOKEN;
	request->prompt_tokens = n_tokens > 0 ? (uint32_t)n_tokens : 1;
	return 0;
}

static int parse_options(struct sl_chat_request *request, const json_t *root, char why[SL_CHAT_WHY])
{
	const json_t *stream = json_object_get(root, "stream");
	const json_t *limit = json_object_get(root, "max_completion_tokens");

	if (stream != NULL && !json_is_boolean(stream) && !json_is_null(stream))
		return refuse(why, "field 'stream' must be true or false");
	request->is_stream = json_is_true(stream) && request->kind != SL_CHAT_EMBEDDING;
	if (limit == NULL)
		limit = json_object_get(root, "max_tokens");
	request->output_tokens =
		request->kind == SL_CHAT_COMPLETION ? DEFAULT_CHAT_TOKENS : DEFAULT_TEXT_TOKENS;
	if (limit != NULL && !json_is_null(limit)) {
		if (!json_is_integer(limit) || json_integer_value(limit) < 1 ||
		    json_integer_value(limit) > OUTPUT_TOKENS_MAX)
			return refuse(why, "field 'max_tokens' must be a number from 1 to 1000000");
		request->output_tokens = (uint32_t)json_integer_value(limit);
	}
	if (request->kind == SL_CHAT_EMBEDDING)
		request->output_tokens = 1; // one step of the engine: prefill is the whole work
	return 0;
}

int sl_chat_parse(struct sl_chat_request *request, const char *body, size_t len,
                  char why[SL_CHAT_WHY])
{
	json_error_t error;
	json_t *root = json_loadb(body, len, 0, &error);
	int rc;

	if (root == NULL) {
		snprintf(why, SL_CHAT_WHY, "body is not valid JSON: line %d column %d: %.80s",
		         error.line, error.column, error.text);
		return -EINVAL;
	}
	if (json_is_object(root)) {
		rc = parse_prompt(request, root, why);
		if (rc == 0)
			rc = parse_options(request, root, why);
	} else {
		rc = refuse(why, "body must be a JSON object");
	}
	json_decref(root);
	return rc;
}

static size_t write_chat_event(const struct sl_chat_answer *answer, enum sl_chat_event event,
                               uint32_t token, char *buf)
{
	static const char shape[] =
		"data: {\"id\":\"chatcmpl-%016" PRIx64 "\",\"object\":\"chat.completion.chunk\","
		"\"created\":%" PRId64 ",\"model\":\"" SL_CHAT_MODEL "\","
		"\"system_fingerprint\":\"fp_%08x\",\"choices\":[{\"index\":0,\"delta\":{%s%s%s},"
		"\"logprobs\":null,\"finish_reason\":%s}]}\n\n";
	const char *before = "", *text = "", *after = "", *reason = "null";

	if (event == SL_CHAT_ROLE) {
		before = "\"role\":\"assistant\",\"content\":\"\"";
	} else if (event == SL_CHAT_TOKEN) {
		before = "\"content\":\"";
		text = word(token);
		after = "\"";
	} else {
		reason = "\"length\"";
	}
	return (size_t)snprintf(buf, SL_CHAT_EVENT, shape, answer->id, answer->created_s,
	                        (unsigned)(answer->id >> 32), before, text, after, reason);
}

static size_t write_text_event(const struct sl_chat_answer *answer, enum sl_chat_event event,
                               uint32_t token, char *buf)
{
	const bool has_text = event == SL_CHAT_TOKEN;

	return (size_t)snprintf(
		buf, SL_CHAT_EVENT,
		"data: {\"id\":\"cmpl-%016" PRIx64 "\",\"object\":\"text_completion\","
		"\"created\":%" PRId64 ",\"model\":\"" SL_CHAT_MODEL "\",\"choices\":[{\"index\":0,"
		"\"text\":\"%s\",\"logprobs\":null,\"finish_reason\":%s,\"stop_reason\":null}]}"
		"\n\n",
		answer->id, answer->created_s, has_text ? word(token) : "",
		event == SL_CHAT_FINISH ? "\"length\"" : "null");
}

size_t sl_chat_event_write(const struct sl_chat_answer *answer, enum sl_chat_event event,
                           uint32_t token, char *buf)
{
	if (event == SL_CHAT_DONE)
		return (size_t)snprintf(buf, SL_CHAT_EVENT, "data: [DONE]\n\n");
	if (answer->kind == SL_CHAT_COMPLETION)
		return write_chat_event(answer, event, token, buf);
	return write_text_event(answer, event, token, buf);
}

static char *dump(json_t *root)
{
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

	json_decref(root);
	return text;
}

static json_t *usage_json(const struct sl_chat_answer *answer)
{
	const json_int_t prompt = answer->prompt_tokens, output = answer->output_tokens;

	return json_pack("{s:I, s:I, s:I}", "prompt_tokens", prompt, "completion_tokens", output,
	                 "total_tokens", prompt + output);
}

static char *embedding_json(const struct sl_chat_answer *answer)
{
	json_t *vector = json_array();

	for (int i = 0; i < EMBEDDING_DIMENSIONS; i++)
		json_array_append_new(vector, json_real((i % 17 - 8) / 64.0));
	return dump(json_pack("{s:s, s:s, s:[{s:s, s:i, s:o}], s:{s:I, s:I}}", "object", "list",
	                      "model", SL_CHAT_MODEL, "data", "object", "embedding", "index", 0,
	                      "embedding", vector, "usage", "prompt_tokens",
	                      (json_int_t)answer->prompt_tokens, "total_tokens",
	                      (json_int_t)answer->prompt_tokens));
}

char *sl_chat_answer_json(const struct sl_chat_answer *answer)
{
	const bool is_chat = answer->kind == SL_CHAT_COMPLETION;
	char id[32], *text, *end, *result;
	json_t *choice;

	if (answer->kind == SL_CHAT_EMBEDDING)
		return embedding_json(answer);
	text = malloc((size_t)answer->output_tokens * ANSWER_BYTES_PER_WORD + 1);
	if (text == NULL)
		return NULL;
	text[0] = '\0';
	end = text;
	for (uint32_t i = 0; i < answer->output_tokens; i++)
		end = stpcpy(end, word(i));
	if (is_chat)
		choice = json_pack("{s:i, s:{s:s, s:s}, s:s}", "index", 0, "message", "role",
		                   "assistant", "content", text, "finish_reason", "length");
	else
		choice = json_pack("{s:i, s:s, s:s}", "index", 0, "text", text, "finish_reason",
		                   "length");
	snprintf(id, sizeof(id), "%s-%016" PRIx64, is_chat ? "chatcmpl" : "cmpl", answer->id);
	result = dump(json_pack("{s:s, s:s, s:I, s:s, s:[o], s:o}", "id", id, "object",
	                        is_chat ? "chat.completion" : "text_completion", "created",
	                        (json_int_t)answer->created_s, "model", SL_CHAT_MODEL, "choices",
	                        choice, "usage", usage_json(answer)));
	free(text);
	return result;
}

char *sl_chat_error_json(int status, const char *message)
{
	const char *type = status < 500 ? "invalid_request_error" : "server_error";

	return dump(json_pack("{s:{s:s, s:s, s:n, s:i}}", "error", "message", message, "type", type,
	                      "param", "code", status));
}

char *sl_chat_models_json(int64_t created_s)
{
	return dump(json_pack("{s:s, s:[{s:s, s:s, s:I, s:s}]}", "object", "list", "data", "id",
	                      SL_CHAT_MODEL, "object", "model", "created", (json_int_t)created_s,
	                      "owned_by", "sluice-sim"));
}
