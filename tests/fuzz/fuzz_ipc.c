// SPDX-License-Identifier: Apache-2.0
// Target: the command socket. Byte 0 says what the kernel would tell of a message beside its bytes,
// byte 1 how long it is; what follows is the message, and its body. Whatever the data plane answers
// control must take, and control must take nothing else.
#include "fuzz.h"
#include "ipc_reply.h"
#include "ipcdecide.h"
#include "wirecheck.h"

enum hint {
	HINT_RIGHT = 1,  // magic and version put right
	HINT_SEALED = 2, // the descriptor
	HINT_EXACT = 4,  // body_bytes is what the body has
	HINT_FDS = 24,   // two bits: how many descriptors
};

static void require_decision(const struct sl_ipc_arrival *a, const struct sl_ipc_decision *d)
{
	const struct sl_ipc_request *r = &d->request;
	const bool has_body = r->type == SL_IPC_CONFIG || r->type == SL_IPC_WEIGHTS;

	FUZZ_REQUIRE(memchr(d->reason, '\0', sizeof(d->reason)) != NULL);
	FUZZ_REQUIRE((d->status == SL_IPC_OK) == (d->reason[0] == '\0'));
	FUZZ_REQUIRE((d->action == SL_IPC_HANG_UP) == (a->n_bytes == 0));
	FUZZ_REQUIRE(d->is_kept == (d->status == SL_IPC_OK && d->action != SL_IPC_HANG_UP));
	if (d->gives_stats)
		FUZZ_REQUIRE(r->type == SL_IPC_HELLO && d->status == SL_IPC_OK);
	if (a->n_bytes != sizeof(*r) || d->status != SL_IPC_OK) {
		FUZZ_REQUIRE(d->action != SL_IPC_APPLY_BODY);
		return;
	}
	FUZZ_REQUIRE(memcmp(r, a->bytes, sizeof(*r)) == 0);
	FUZZ_REQUIRE(r->magic == SL_IPC_MAGIC && r->version == SL_IPC_VERSION);
	FUZZ_REQUIRE((d->action == SL_IPC_APPLY_BODY) == has_body);
	if (has_body)
		FUZZ_REQUIRE(a->n_fds == 1 && a->is_sealed && a->fd_bytes == r->body_bytes &&
		             r->body_bytes > 0 && r->body_bytes <= SL_WIRE_MAX_BYTES);
}

static void require_answer(const struct sl_ipc_decision *d)
{
	struct sl_ipc_reply reply = sl_ipc_reply_of(&d->request, d->status, d->reason);
	const uint32_t n_fds = d->gives_stats ? 1 : 0;

	FUZZ_REQUIRE(sl_ipc_reply_check(&d->request, &reply, sizeof(reply), n_fds) == NULL);
	FUZZ_REQUIRE(sl_ipc_reply_check(&d->request, &reply, sizeof(reply), n_fds + 1) != NULL);
	FUZZ_REQUIRE(sl_ipc_reply_check(&d->request, &reply, sizeof(reply) - 1, n_fds) != NULL);
	reply.request_id++;
	FUZZ_REQUIRE(sl_ipc_reply_check(&d->request, &reply, sizeof(reply), n_fds) != NULL);
}

// A message of anybody's as a reply: refused, or it keeps the contract.
static void require_reply(const struct sl_ipc_request *asked, const uint8_t *bytes, size_t n_bytes)
{
	struct sl_ipc_reply reply;
	size_t n_copied = n_bytes < sizeof(reply) ? n_bytes : sizeof(reply);

	memset(&reply, 0xff, sizeof(reply));
	if (n_copied > 0)
		memcpy(&reply, bytes, n_copied);
	if (sl_ipc_reply_check(asked, &reply, n_bytes, 0) != NULL)
		return;
	FUZZ_REQUIRE(n_bytes == sizeof(reply) && reply.status <= SL_IPC_INTERNAL);
	FUZZ_REQUIRE(strlen(reply.reason) < sizeof(reply.reason));
	FUZZ_REQUIRE(asked->type != SL_IPC_HELLO || reply.status != SL_IPC_OK);
}

static void apply_body(struct sl_ipc_decision *d, const uint8_t *bytes, size_t n_bytes)
{
	uint8_t *body = fuzz_copy(bytes, n_bytes);
	enum sl_wire_kind kind =
		d->request.type == SL_IPC_CONFIG ? SL_WIRE_CONFIG : SL_WIRE_WEIGHTS;

	d->status = sl_wire_check(body, n_bytes, kind, d->reason, sizeof(d->reason));
	d->is_kept = sl_ipc_is_kept_after(d->status);
	free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	struct fuzz_input in = {bytes, bytes + n_bytes};
	const uint8_t hints = fuzz_u8(&in);
	size_t n_message = fuzz_u8(&in) % (2 * sizeof(struct sl_ipc_request));
	struct sl_ipc_arrival arrival = {.n_fds = (hints & HINT_FDS) / 8,
	                                 .is_sealed = (hints & HINT_SEALED) != 0};
	struct sl_ipc_decision decision;
	struct sl_ipc_request *request;
	uint8_t *message;

	if (n_message > fuzz_left(&in))
		n_message = fuzz_left(&in);
	message = fuzz_copy(in.at, n_message);
	in.at += n_message;
	if (n_message == sizeof(*request)) {
		request = (struct sl_ipc_request *)(void *)message;
		if (hints & HINT_RIGHT) {
			request->magic = SL_IPC_MAGIC;
			request->version = SL_IPC_VERSION;
		}
		if (hints & HINT_EXACT)
			request->body_bytes = (uint32_t)fuzz_left(&in);
		require_reply(request, in.at, fuzz_left(&in));
	}
	arrival.bytes = message;
	arrival.n_bytes = n_message;
	arrival.fd_bytes = fuzz_left(&in);
	sl_ipc_decide(&arrival, &decision);
	require_decision(&arrival, &decision);
	if (decision.action == SL_IPC_APPLY_BODY)
		apply_body(&decision, in.at, fuzz_left(&in));
	if (decision.action != SL_IPC_HANG_UP)
		require_answer(&decision);
	free(message);
	return 0;
}
