// SPDX-License-Identifier: Apache-2.0
// Target: CONFIG and WEIGHTS bodies. As they come, and with the header's magic, version and size
// put right, so that rows are reached. A body that passes the check must build a snapshot that
// answers for each of its VIPs.
#include <arpa/inet.h>

#include "fuzz.h"
#include "snapshot.h"
#include "wirecheck.h"

static void require_vip(const struct sl_snapshot *snap, const struct sl_wire_vip *row,
                        uint16_t port)
{
	const struct sl_snap_vip *vip =
		sl_snapshot_vip(snap, &row->address, row->proto, htons(port));

	FUZZ_REQUIRE(vip != NULL && vip->pool < snap->n_pools);
	FUZZ_REQUIRE(vip->port_first <= port && port <= vip->port_last);
}

static void require_vips(const struct sl_snapshot *snap, const struct sl_wire_header *h)
{
	const struct sl_wire_vip *rows = sl_wire_vips(h);

	for (uint32_t i = 0; i < h->n_vips; i++) {
		FUZZ_REQUIRE(sl_snapshot_has_address(snap, &rows[i].address));
		require_vip(snap, &rows[i], rows[i].port_first);
		require_vip(snap, &rows[i], rows[i].port_last);
	}
}

// Whatever a pick may return is a backend of this pool.
static void require_pool(const struct sl_snapshot *snap, uint32_t row)
{
	const struct sl_snap_pool *pool = &snap->pools[row];

	for (uint32_t i = 0; i < pool->n_members; i++) {
		FUZZ_REQUIRE(pool->members[i] < snap->n_backends);
		FUZZ_REQUIRE(snap->backends[pool->members[i]].pool == row);
	}
	if (!pool->has_capacity)
		return;
	for (uint32_t i = 0; i < pool->turns.n_leaves; i++)
		FUZZ_REQUIRE(snap->backends[pool->turns.backends[i]].pool == row);
	for (uint32_t i = 0; pool->maglev != NULL && i < pool->n_maglev; i++)
		FUZZ_REQUIRE(snap->backends[pool->maglev[i]].pool == row);
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
	for (uint32_t i = 0; i < snap->n_pools; i++)
		require_pool(snap, i);
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
