// SPDX-License-Identifier: Apache-2.0
// Messages on the command socket, good and bad: one row, one decision.
#include "sl_check.h"

#include "ipcdecide.h"
#include "sluice/wire.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HEAD     SL_IPC_MAGIC, SL_IPC_VERSION
#define HEADLESS "not a message of this version of Sluice"

struct row {
	const char *name;
	struct sl_ipc_request request;
	size_t n_bytes;
	uint32_t n_fds;
	bool is_sealed;
	uint64_t fd_bytes;
	enum sl_ipc_action action;
	bool is_kept;
	const char *reason; // how it begins
};

static const struct row rows[] = {
	{"hello", {HEAD, SL_IPC_HELLO, 7, 0}, 16, 0, 0, 0, SL_IPC_ANSWER, true, ""},
	{"status", {HEAD, SL_IPC_STATUS, 7, 0}, 16, 0, 0, 0, SL_IPC_ANSWER, true, ""},
	{"status with a stray descriptor",
         {HEAD, SL_IPC_STATUS, 7, 0},
         16,
         3,
         0,
         0,
         SL_IPC_ANSWER,
         true,
         ""},
	{"config", {HEAD, SL_IPC_CONFIG, 7, 80}, 16, 1, true, 80, SL_IPC_APPLY_BODY, true, ""},
	{"weights", {HEAD, SL_IPC_WEIGHTS, 7, 80}, 16, 1, true, 80, SL_IPC_APPLY_BODY, true, ""},
	{"the longest body",
         {HEAD, SL_IPC_CONFIG, 7, SL_WIRE_MAX_BYTES},
         16,
         1,
         true,
         SL_WIRE_MAX_BYTES,
         SL_IPC_APPLY_BODY,
         true,
         ""},
	{"nothing", {0}, 0, 0, 0, 0, SL_IPC_HANG_UP, false, ""},
	{"one byte", {HEAD, SL_IPC_HELLO, 7, 0}, 1, 0, 0, 0, SL_IPC_ANSWER, false, "a request is"},
	{"15 bytes", {HEAD, SL_IPC_HELLO, 7, 0}, 15, 0, 0, 0, SL_IPC_ANSWER, false, "a request is"},
	{"17 bytes", {HEAD, SL_IPC_HELLO, 7, 0}, 17, 0, 0, 0, SL_IPC_ANSWER, false, "a request is"},
	{"another magic",
         {1, SL_IPC_VERSION, SL_IPC_HELLO, 7, 0},
         16,
         0,
         0,
         0,
         SL_IPC_ANSWER,
         false,
         HEADLESS},
	{"another version",
         {SL_IPC_MAGIC, SL_IPC_VERSION + 1, SL_IPC_HELLO, 7, 0},
         16,
         0,
         0,
         0,
         SL_IPC_ANSWER,
         false,
         HEADLESS},
	{"type 0", {HEAD, 0, 7, 0}, 16, 0, 0, 0, SL_IPC_ANSWER, false, HEADLESS},
	{"type 5", {HEAD, 5, 7, 0}, 16, 0, 0, 0, SL_IPC_ANSWER, false, HEADLESS},
	{"config without descriptor",
         {HEAD, SL_IPC_CONFIG, 7, 80},
         16,
         0,
         0,
         0,
         SL_IPC_ANSWER,
         false,
         "a body needs exactly one"},
	{"config with two",
         {HEAD, SL_IPC_CONFIG, 7, 80},
         16,
         2,
         true,
         80,
         SL_IPC_ANSWER,
         false,
         "a body needs exactly one"},
	{"a body of no bytes",
         {HEAD, SL_IPC_CONFIG, 7, 0},
         16,
         1,
         true,
         0,
         SL_IPC_ANSWER,
         false,
         "a body needs exactly one"},
	{"a body too long",
         {HEAD, SL_IPC_CONFIG, 7, SL_WIRE_MAX_BYTES + 1},
         16,
         1,
         true,
         SL_WIRE_MAX_BYTES + 1,
         SL_IPC_ANSWER,
         false,
         "a body needs exactly one"},
	{"a body that can still change",
         {HEAD, SL_IPC_CONFIG, 7, 80},
         16,
         1,
         false,
         80,
         SL_IPC_ANSWER,
         false,
         "the body is not a sealed"},
	{"a body shorter than it says",
         {HEAD, SL_IPC_WEIGHTS, 7, 80},
         16,
         1,
         true,
         79,
         SL_IPC_ANSWER,
         false,
         "the body is not a sealed"},
	{"a body longer than it says",
         {HEAD, SL_IPC_WEIGHTS, 7, 80},
         16,
         1,
         true,
         80 + (UINT64_C(1) << 32),
         SL_IPC_ANSWER,
         false,
         "the body is not a sealed"},
};

START_TEST(a_message_is_decided_by_the_contract)
{
	const struct row *row = &rows[_i];
	const struct sl_ipc_arrival arrival = {.bytes = &row->request,
	                                       .n_bytes = row->n_bytes,
	                                       .n_fds = row->n_fds,
	                                       .is_sealed = row->is_sealed,
	                                       .fd_bytes = row->fd_bytes};
	struct sl_ipc_decision d;

	sl_ipc_decide(&arrival, &d);
	ck_assert_msg(d.action == row->action, "%s: action %d", row->name, d.action);
	ck_assert_msg(d.is_kept == row->is_kept, "%s: kept or not", row->name);
	ck_assert_msg(strncmp(d.reason, row->reason, strlen(row->reason)) == 0, "%s: %s", row->name,
	              d.reason);
	ck_assert_msg((d.status == SL_IPC_OK) == (d.reason[0] == '\0'), "%s: status %d", row->name,
	              d.status);
	ck_assert_msg(d.gives_stats == (d.status == SL_IPC_OK && row->n_bytes == 16 &&
	                                row->request.type == SL_IPC_HELLO),
	              "%s: statistics", row->name);
	if (row->n_bytes == 16)
		ck_assert_uint_eq(d.request.request_id, 7);
	else
		ck_assert_uint_eq(d.request.request_id, 0);
}
END_TEST

START_TEST(a_reply_is_one_to_its_request_and_its_reason_ends)
{
	const struct sl_ipc_request request = {HEAD, SL_IPC_WEIGHTS, 9, 80};
	char words[200];
	struct sl_ipc_reply reply;

	memset(words, 'x', sizeof(words));
	words[sizeof(words) - 1] = '\0';
	reply = sl_ipc_reply_of(&request, SL_IPC_STALE, words);
	ck_assert_uint_eq(reply.magic, SL_IPC_MAGIC);
	ck_assert_uint_eq(reply.version, SL_IPC_VERSION);
	ck_assert_uint_eq(reply.type, SL_IPC_WEIGHTS);
	ck_assert_uint_eq(reply.request_id, 9);
	ck_assert_uint_eq(reply.status, SL_IPC_STALE);
	ck_assert_uint_eq(strlen(reply.reason), sizeof(reply.reason) - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ipcdecide");
	TCase *tc = tcase_create("decide");

	tcase_add_loop_test(tc, a_message_is_decided_by_the_contract, 0, COUNT(rows));
	tcase_add_test(tc, a_reply_is_one_to_its_request_and_its_reason_ends);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
