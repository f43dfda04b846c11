// SPDX-License-Identifier: Apache-2.0
// Target: CONFIG and WEIGHTS bodies. As they come, and with the header's magic, version and size
// put right, so that rows are reached. A body that passes the check must build a snapshot that
// answers for each of its VIPs.
#include <arpa/inet.h>

#include "fuzz.h"
#include "snapshot.h"
#include "wirecheck.h"

static void require_vips(const struct sl_snapshot *snap, const struct sl_wire_header *h)
{
	const struct sl_wire_vip *vips = sl_wire_vips(h);

	for (uint32_t i = 0; i < h->n_vips; i++) {
		FUZZ_REQUIRE(sl_snapshot_has_address(snap, &vips[i].address));
		FUZZ_REQUIRE(sl_snapshot_vip(snap, &vips[i].address, vips[i].proto,
		                             htons(vips[i].port_first)) != NULL);
		FUZZ_REQUIRE(sl_snapshot_vip(snap, &vips[i].address, vips[i].proto,
		                             htons(vips[i].port_last)) != NULL);
	}
}

static void require_snapshot(const struct sl_wire_header *h)
{
	uint16_t *numbers = calloc((size_t)h->n_backends + h->n_vips + 1, sizeof(*numbers));
	uint16_t *zeros = calloc((size_t)h->n_backends + h->n_vips + 1, sizeof(*zeros));
	struct sl_snap_inputs in = {.config = h,
	                            .backend_indices = numbers,
	                            .backend_generations = zeros,
	                            .vip_slots = numbers,
	                            .next_hops = zeros,
	                            .epoch = h->epoch};
	struct sl_snapshot *snap;

	FUZZ_REQUIRE(numbers != NULL && zeros != NULL);
	for (uint32_t i = 0; i < h->n_backends + h->n_vips; i++)
		numbers[i] = (uint16_t)i;
	snap = sl_snapshot_build(&in);
	FUZZ_REQUIRE(snap != NULL);
	require_vips(snap, h);
	sl_snapshot_free(snap);
	free(numbers);
	free(zeros);
}

static void check(const uint8_t *bytes, size_t n_bytes, bool is_put_right)
{
	uint8_t *body = fuzz_copy(bytes, n_bytes); // malloc aligns it
	struct sl_wire_header *h = (struct sl_wire_header *)(void *)body;
	char reason[160] = "";
	enum sl_ipc_status status;
	enum sl_wire_kind kind = SL_WIRE_CONFIG;

	if (n_bytes >= sizeof(*h)) {
		if (is_put_right) {
			h->magic = SL_WIRE_MAGIC;
			h->version = SL_WIRE_VERSION;
			h->total_bytes = (uint32_t)n_bytes;
		}
		if (h->kind == SL_WIRE_WEIGHTS)
			kind = SL_WIRE_WEIGHTS;
	}
	status = sl_wire_check(body, n_bytes, kind, reason, sizeof(reason));
	FUZZ_REQUIRE(memchr(reason, '\0', sizeof(reason)) != NULL);
	FUZZ_REQUIRE((status == SL_IPC_OK) == (reason[0] == '\0'));
	if (status == SL_IPC_OK && kind == SL_WIRE_CONFIG)
		require_snapshot(h);
	free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	check(bytes, n_bytes, false);
	check(bytes, n_bytes, true);
	return 0;
}
