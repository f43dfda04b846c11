// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "child.h"

#define ANSWER_BYTES 65536

struct answer {
	CURLcode rc;
	long status;
	size_t len;
	char head[2048], body[ANSWER_BYTES];
};

static const char *const server_argv[] = {
	"server", "--listen",      "127.0.0.1:0", "--listen",    "[::1]:0", "--name",
	"gpu-a",  "--grpc-listen", "127.0.0.1:0", "--kv-tokens", "4000",    NULL};

static size_t keep_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct answer *answer = ctx;

	ck_assert_uint_lt(answer->len + size * n, ANSWER_BYTES);
	memcpy(answer->body + answer->len, bytes, size * n);
	answer->len += size * n;
	return size * n;
}

static size_t keep_head(char *bytes, size_t size, size_t n, void *ctx)
{
	struct answer *answer = ctx;

	strncat(answer->head, bytes, sizeof(answer->head) - strlen(answer->head) - 1);
	return size * n;
}

static CURL *prepare(struct answer *answer, const char *addr, const char *path, long timeout_ms)
{
	CURL *curl = curl_easy_init();
	char url[256];

	memset(answer, 0, sizeof(*answer));
	snprintf(url, sizeof(url), "http://%s%s", addr, path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, keep_head);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
	return curl;
}

static void perform(CURL *curl, struct answer *answer)
{
	answer->rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_easy_cleanup(curl);
}

// A body makes it a POST.
static void ask(struct answer *answer, const char *addr, const char *path, const char *body)
{
	CURL *curl = prepare(answer, addr, path, 10000);

	if (body != NULL)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	perform(curl, answer);
}

static void turn_knob(const struct child *server, const char *json)
{
	static struct answer answer;

	ask(&answer, server->http, "/sim/knobs", json);
	ck_assert_msg(answer.rc == CURLE_OK && answer.status == 200, "%s: %s", json, answer.body);
}

#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"what is water?\"}]"
#define PARTS    "\"messages\":[{\"content\":[{\"type\":\"text\",\"text\":\"0123456789ab\"}]}]"

static const struct {
	const char *what, *path, *body;
	long status;
	const char *contains;
} exchanges[] = {
	{"chat", "/v1/chat/completions", "{" MESSAGES ",\"max_tokens\":3}", 200,
         "\"completion_tokens\":3"},
	{"parts are counted", "/v1/chat/completions", "{" PARTS ",\"max_tokens\":1}", 200,
         "\"prompt_tokens\":3"},
	{"text", "/v1/completions", "{\"prompt\":\"0123456789abcdef\",\"max_tokens\":1}", 200,
         "\"prompt_tokens\":4,\"completion_tokens\":1"},
	{"embedding", "/v1/embeddings", "{\"input\":[\"01234567\",\"01234567\"]}", 200,
         "\"prompt_tokens\":4"},
	{"health", "/health", NULL, 200, ""},
	{"models", "/v1/models", NULL, 200, "\"id\":\"sim-llm\""},
	{"live", "/v2/health/live", NULL, 200, "true"},
	{"ready", "/v2/health/ready", NULL, 200, "true"},
	{"metrics", "/metrics", NULL, 200, "vllm:num_requests_running{model_name=\"sim-llm\"} 0"},
	{"knobs", "/sim/knobs", NULL, 200, "\"slow\":1.0"},
	{"broken JSON", "/v1/chat/completions", "{" MESSAGES, 400, "not valid JSON"},
	{"not an object", "/v1/chat/completions", "[]", 400, "JSON object"},
	{"no body", "/v1/chat/completions", "", 400, "not valid JSON"},
	{"no messages", "/v1/chat/completions", "{\"max_tokens\":3}", 400, "'messages'"},
	{"messages is a string", "/v1/chat/completions", "{\"messages\":\"x\"}", 400, "'messages'"},
	{"no tokens", "/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":0}", 400,
         "'max_tokens'"},
	{"tokens is a word", "/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":\"x\"}", 400,
         "'max_tokens'"},
	{"stream is a number", "/v1/completions", "{\"prompt\":\"x\",\"stream\":1}", 400,
         "'stream'"},
	{"over the context", "/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":4000}", 400,
         "context of 4000"},
	{"unknown address", "/v1/nothing", NULL, 404, "invalid_request_error"},
	{"wrong method", "/health", "{}", 405, "method"},
	{"unknown knob", "/sim/knobs", "{\"slow\":2,\"fast\":1}", 400, "no knob fast"},
	{"knob of a wrong type", "/sim/knobs", "{\"slow\":\"x\"}", 400, "knob slow takes"},
	{"knob out of range", "/sim/knobs", "{\"hidden_load\":-1}", 400, "hidden_load takes"},
	{"refused knobs change nothing", "/sim/knobs", NULL, 200, "\"slow\":1.0"},
};

START_TEST(each_request_gets_its_answer)
{
	static struct answer answer;
	struct child server;

	child_start(&server, server_argv);
	for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
		ask(&answer, server.http, exchanges[i].path, exchanges[i].body);
		ck_assert_msg(answer.rc == CURLE_OK, "%s: %s", exchanges[i].what,
		              curl_easy_strerror(answer.rc));
		ck_assert_msg(answer.status == exchanges[i].status, "%s: status %ld",
		              exchanges[i].what, answer.status);
		ck_assert_msg(strstr(answer.body, exchanges[i].contains) != NULL, "%s: %s",
		              exchanges[i].what, answer.body);
		ck_assert_msg(strstr(answer.head, "x-sluice-backend: gpu-a\r\n") != NULL, "%s: %s",
		              exchanges[i].what, answer.head);
	}
	child_stop(&server);
}
END_TEST

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;

	for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part))
		n++;
	return n;
}

START_TEST(a_stream_has_a_role_then_every_token_then_done)
{
	static struct answer answer;
	struct child server;
	const char *role, *first;

	child_start(&server, server_argv);
	ask(&answer, server.http, "/v1/chat/completions",
	    "{" MESSAGES ",\"stream\":true,\"max_tokens\":5}");
	ck_assert_int_eq(answer.rc, CURLE_OK);
	ck_assert_ptr_nonnull(strstr(answer.head, "Content-Type: text/event-stream"));
	ck_assert_uint_eq(count_of(answer.body, "data: "), 1 + 5 + 1 + 1);
	ck_assert_uint_eq(count_of(answer.body, "\"delta\":{\"content\":\""), 5);
	role = strstr(answer.body, "\"role\":\"assistant\"");
	first = strstr(answer.body, "\"delta\":{\"content\":\"");
	ck_assert(role != NULL && role < first);
	ck_assert_uint_eq(count_of(answer.body, "\"finish_reason\":\"length\""), 1);
	ck_assert_str_eq(answer.body + answer.len - 14, "data: [DONE]\n\n");
	child_stop(&server);
}
END_TEST

START_TEST(the_role_comes_at_once_and_the_first_token_after_prefill)
{
	static struct answer answer;
	struct child server;
	double first_byte_s, total_s;
	CURL *curl;

	child_start(&server, server_argv);
	turn_knob(&server, "{\"slow\":20}"); // a step of 160 ms
	curl = prepare(&answer, server.http, "/v1/chat/completions", 10000);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
	                 "{" MESSAGES ",\"stream\":true,\"max_tokens\":1}");
	answer.rc = curl_easy_perform(curl);
	ck_assert_int_eq(answer.rc, CURLE_OK);
	curl_easy_getinfo(curl, CURLINFO_STARTTRANSFER_TIME, &first_byte_s);
	curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &total_s);
	curl_easy_cleanup(curl);
	ck_assert_double_lt(first_byte_s, 0.1);
	ck_assert_double_ge(total_s, 0.15);
	child_stop(&server);
}
END_TEST

START_TEST(a_hung_server_accepts_and_says_nothing_until_released)
{
	static struct answer answer;
	struct child server;
	CURL *curl;

	child_start(&server, server_argv);
	turn_knob(&server, "{\"hang\":true}");
	curl = prepare(&answer, server.http, "/health", 100);
	perform(curl, &answer);
	ck_assert_int_eq(answer.rc, CURLE_OPERATION_TIMEDOUT);
	ck_assert_uint_eq(strlen(answer.head), 0);
	turn_knob(&server, "{\"hang\":false}");
	ask(&answer, server.http, "/health", NULL);
	ck_assert_int_eq(answer.status, 200);
	child_stop(&server);
}
END_TEST

static const struct {
	const char *knob;
	long inference_status, health_status;
} fails[] = {
	{"{\"fail\":true}", 500, 500},
	{"{\"fail\":\"inference\"}", 500, 200},
	{"{\"fail\":false}", 200, 200},
};

START_TEST(a_failing_server_answers_500_at_once)
{
	static struct answer answer;
	struct child server;

	child_start(&server, server_argv);
	for (size_t i = 0; i < sizeof(fails) / sizeof(fails[0]); i++) {
		turn_knob(&server, fails[i].knob);
		ask(&answer, server.http, "/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":1}");
		ck_assert_msg(answer.status == fails[i].inference_status, "%s", fails[i].knob);
		ask(&answer, server.http, "/health", NULL);
		ck_assert_msg(answer.status == fails[i].health_status, "%s", fails[i].knob);
	}
	child_stop(&server);
}
END_TEST

START_TEST(hidden_load_shows_in_the_cache_gauge)
{
	static struct answer answer;
	struct child server;

	child_start(&server, server_argv);
	turn_knob(&server, "{\"hidden_load\":1}");
	ask(&answer, server.http, "/metrics", NULL);
	ck_assert_ptr_nonnull(
		strstr(answer.body, "kv_cache_usage_perc{model_name=\"sim-llm\"} 0.256\n"));
	child_stop(&server);
}
END_TEST

START_TEST(a_killed_server_is_gone_and_resets_its_connections)
{
	struct sl_addr addr;
	struct child server;
	char byte;
	int fd;

	child_start(&server, server_argv);
	ck_assert_int_eq(sl_addr_parse(&addr, server.http), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr.storage, addr.len), 0);
	// The answer proves that the connection has left the listen queue.
	ck_assert_int_eq(send(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 33, 0), 33);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
	ck_assert_int_eq(child_run((const char *[]){"knob", server.http, "kill=true", NULL}), 0);
	ck_assert_int_eq(child_wait(&server), 137);
	while (recv(fd, &byte, 1, 0) == 1)
		;
	ck_assert_int_eq(errno, ECONNRESET);
	close(fd);
}
END_TEST

// Asks until the text is there; the test's time limit ends it otherwise.
static void wait_for_metric(const struct child *server, const char *text)
{
	static struct answer answer;

	do
		ask(&answer, server->http, "/metrics", NULL);
	while (strstr(answer.body, text) == NULL);
}

START_TEST(a_client_that_leaves_frees_its_slot)
{
	static struct answer answer;
	struct child server;
	CURL *curl;

	child_start(&server, server_argv);
	curl = prepare(&answer, server.http, "/v1/completions", 100);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "{\"prompt\":\"x\",\"max_tokens\":3000}");
	perform(curl, &answer);
	ck_assert_int_eq(answer.rc, CURLE_OPERATION_TIMEDOUT);
	wait_for_metric(&server, "num_requests_running{model_name=\"sim-llm\"} 0");
	ask(&answer, server.http, "/metrics", NULL);
	// It ran, and did not finish.
	ck_assert_ptr_nonnull(
		strstr(answer.body, "request_success_total{model_name=\"sim-llm\"} 0"));
	ck_assert_ptr_null(
		strstr(answer.body, "generation_tokens_total{model_name=\"sim-llm\"} 0"));
	child_stop(&server);
}
END_TEST

static const struct {
	const char *what, *knob, *path, *message;
	long message_len;
	const char *trailer, *body;
	size_t body_len;
} checks[] = {
	{"whole server", "{}", "/grpc.health.v1.Health/Check", "\0\0\0\0\0", 5, "grpc-status: 0",
         "\0\0\0\0\2\x08\1", 7},
	{"failing server", "{\"fail\":true}", "/grpc.health.v1.Health/Check", "\0\0\0\0\0", 5,
         "grpc-status: 0", "\0\0\0\0\2\x08\2", 7},
	{"unknown service", "{}", "/grpc.health.v1.Health/Check", "\0\0\0\0\3\x0a\1x", 8,
         "grpc-status: 5", "", 0},
	{"unknown method", "{}", "/grpc.health.v1.Health/Other", "\0\0\0\0\0", 5, "grpc-status: 12",
         "", 0},
	{"no message", "{}", "/grpc.health.v1.Health/Check", "", 0, "grpc-status: 5", "", 0},
};

START_TEST(grpc_health_answers_check)
{
	struct curl_slist *headers = curl_slist_append(NULL, "content-type: application/grpc");
	static struct answer answer;
	struct child server;
	CURL *curl;

	child_start(&server, server_argv);
	turn_knob(&server, checks[_i].knob);
	curl = prepare(&answer, server.grpc, checks[_i].path, 10000);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, checks[_i].message_len);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, checks[_i].message);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	perform(curl, &answer);
	curl_slist_free_all(headers);
	ck_assert_msg(answer.rc == CURLE_OK, "%s: %s", checks[_i].what,
	              curl_easy_strerror(answer.rc));
	ck_assert_msg(strstr(answer.head, checks[_i].trailer) != NULL, "%s: %s", checks[_i].what,
	              answer.head);
	ck_assert_uint_eq(answer.len, checks[_i].body_len);
	ck_assert_mem_eq(answer.body, checks[_i].body, checks[_i].body_len);
	child_stop(&server);
}
END_TEST

START_TEST(grpc_health_hangs_with_the_server)
{
	static struct answer answer;
	struct child server;
	CURL *curl;

	child_start(&server, server_argv);
	turn_knob(&server, "{\"hang\":true}");
	curl = prepare(&answer, server.grpc, "/grpc.health.v1.Health/Check", 100);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 5L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "\0\0\0\0\0");
	perform(curl, &answer);
	ck_assert_int_eq(answer.rc, CURLE_OPERATION_TIMEDOUT);
	child_stop(&server);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("server");
	TCase *tcase = tcase_create("server");

	curl_global_init(CURL_GLOBAL_DEFAULT);
	tcase_set_timeout(tcase, 30); // a guard, not a wait
	tcase_add_test(tcase, each_request_gets_its_answer);
	tcase_add_test(tcase, a_stream_has_a_role_then_every_token_then_done);
	tcase_add_test(tcase, the_role_comes_at_once_and_the_first_token_after_prefill);
	tcase_add_test(tcase, a_hung_server_accepts_and_says_nothing_until_released);
	tcase_add_test(tcase, a_failing_server_answers_500_at_once);
	tcase_add_test(tcase, hidden_load_shows_in_the_cache_gauge);
	tcase_add_test(tcase, a_killed_server_is_gone_and_resets_its_connections);
	tcase_add_test(tcase, a_client_that_leaves_frees_its_slot);
	tcase_add_loop_test(tcase, grpc_health_answers_check, 0,
	                    sizeof(checks) / sizeof(checks[0]));
	tcase_add_test(tcase, grpc_health_hangs_with_the_server);
	suite_add_tcase(suite, tcase);
	return sl_check_run(suite);
}
