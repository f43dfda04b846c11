// SPDX-License-Identifier: Apache-2.0
// From a checked body to the snapshot in force: what dataplane/io/publish.c does, without workers
// to wait for.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "replay_private.h"
#include "wirecheck.h"

// The same as in dataplane/io/publish.c: appliances, and this replay, agree on Maglev's choice.
static const struct sl_hash_key shared_maglev_key = {UINT64_C(0x5a9e0c1f3d7b2846),
                                                     UINT64_C(0xc31d84f26b0795ae)};

struct draft {
	struct sl_wire_header *wire;
	uint32_t *weights_milli;
	uint16_t *backend_indices, *backend_generations, *next_hops, *vip_slots;
};

static void draft_free(struct draft *d)
{
	free(d->wire);
	free(d->weights_milli);
	free(d->backend_indices);
	free(d->backend_generations);
	free(d->next_hops);
	free(d->vip_slots);
}

static struct draft in_force(const struct sl_replay *rp)
{
	return (struct draft){
		rp->wire,      rp->weights_milli, rp->backend_indices, rp->backend_generations,
		rp->next_hops, rp->vip_slots};
}

void replay_config_fini(struct sl_replay *rp)
{
	struct draft d = in_force(rp);

	draft_free(&d);
	sl_snapshot_free(rp->snap);
}

static int draft_alloc(struct draft *d, const struct sl_wire_header *body, size_t n_bytes)
{
	size_t n = (size_t)body->n_backends + 1;

	*d = (struct draft){.wire = malloc(n_bytes),
	                    .weights_milli = calloc(n, sizeof(uint32_t)),
	                    .backend_indices = calloc(n, sizeof(uint16_t)),
	                    .backend_generations = calloc(n, sizeof(uint16_t)),
	                    .next_hops = calloc(n, sizeof(uint16_t)),
	                    .vip_slots = calloc((size_t)body->n_vips + 1, sizeof(uint16_t))};
	if (d->wire == NULL || d->weights_milli == NULL || d->backend_indices == NULL ||
	    d->backend_generations == NULL || d->next_hops == NULL || d->vip_slots == NULL)
		return -ENOMEM;
	memcpy(d->wire, body, n_bytes);
	return 0;
}

static bool has_no_flows(void *ctx, uint32_t backend)
{
	const struct sl_replay *rp = ctx;
	uint32_t n_flows = 0;

	for (uint32_t w = 0; w < rp->config.n_workers; w++)
		n_flows += rp->workers[w]->fw.entries[backend];
	return n_flows == 0;
}

// VIP slots only name counters.
static bool is_always_idle(void *ctx, uint32_t slot)
{
	(void)ctx;
	(void)slot;
	return true;
}

static int assign_vips(struct sl_replay *rp, const struct sl_wire_header *wire, uint16_t *slots)
{
	const struct sl_wire_vip *vip = sl_wire_vips(wire);
	uint64_t *ids = calloc((size_t)wire->n_vips + 1, sizeof(*ids));
	uint32_t n_unique = 0;
	int err;

	if (ids == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < wire->n_vips; i++) { // rows of one VIP stand together
		if (i == 0 || vip[i].id != vip[i - 1].id)
			ids[n_unique++] = vip[i].id;
	}
	sl_registry_reap(&rp->vips, is_always_idle, NULL);
	err = sl_registry_assign(&rp->vips, ids, n_unique, slots);
	// From the back: row i needs at most slot i, which no row behind it does.
	for (uint32_t i = wire->n_vips; err == 0 && i > 0; i--) {
		slots[i - 1] = slots[n_unique - 1];
		if (i > 1 && vip[i - 1].id != vip[i - 2].id)
			n_unique--;
	}
	free(ids);
	return err;
}

static int assign_backends(struct sl_replay *rp, const struct draft *d)
{
	const struct sl_wire_backend *be = sl_wire_backends(d->wire);
	uint32_t n = d->wire->n_backends;
	uint64_t *ids = calloc((size_t)n + 1, sizeof(*ids));
	int err = -ENOMEM;

	if (ids == NULL)
		return err;
	for (uint32_t i = 0; i < n; i++)
		ids[i] = be[i].id;
	sl_registry_reap(&rp->backends, has_no_flows, rp);
	err = sl_registry_assign(&rp->backends, ids, n, d->backend_indices);
	for (uint32_t i = 0; err == 0 && i < n; i++) {
		uint16_t index = d->backend_indices[i];

		d->backend_generations[i] = rp->backends.slots[index].generation;
		d->next_hops[i] = replay_pin(rp, &be[i].address);
		d->weights_milli[i] = be[i].weight_milli;
		if (index >= rp->n_backends_seen)
			rp->n_backends_seen = index + 1u;
	}
	free(ids);
	return err;
}

static struct sl_snapshot *build(const struct sl_replay *rp, const struct draft *d, uint64_t epoch)
{
	struct sl_snap_inputs in = {.config = d->wire,
	                            .weights_milli = d->weights_milli,
	                            .backend_indices = d->backend_indices,
	                            .backend_generations = d->backend_generations,
	                            .vip_slots = d->vip_slots,
	                            .next_hops = d->next_hops,
	                            .routes = &rp->routes,
	                            .epoch = epoch,
	                            .maglev_key = shared_maglev_key};

	return sl_snapshot_build(&in);
}

static void adopt(struct sl_replay *rp, const struct draft *d, struct sl_snapshot *snap,
                  struct sl_xdp_rules *rules)
{
	replay_config_fini(rp);
	sl_xdp_rules_free(rp->rules);
	rp->snap = snap;
	rp->rules = rules;
	rp->wire = d->wire;
	rp->weights_milli = d->weights_milli;
	rp->backend_indices = d->backend_indices;
	rp->backend_generations = d->backend_generations;
	rp->next_hops = d->next_hops;
	rp->vip_slots = d->vip_slots;
}

static enum sl_ipc_status refuse(enum sl_ipc_status status, char *reason, const char *why)
{
	snprintf(reason, SL_REPLAY_REASON_BYTES, "%s", why);
	return status;
}

static enum sl_ipc_status apply_config(struct sl_replay *rp, const struct sl_wire_header *body,
                                       size_t n_bytes, char *reason)
{
	struct sl_snapshot *snap = NULL;
	struct sl_xdp_rules *rules = NULL;
	struct draft d;
	int err = draft_alloc(&d, body, n_bytes);

	if (err == 0)
		err = assign_backends(rp, &d);
	if (err == 0)
		err = assign_vips(rp, d.wire, d.vip_slots);
	if (err == 0) {
		snap = build(rp, &d, body->epoch);
		rules = sl_xdp_rules_new(&rp->config, d.wire, rp->kernel, rp->n_kernel);
		err = snap != NULL && rules != NULL ? 0 : -ENOMEM;
	}
	if (err == 0) {
		adopt(rp, &d, snap, rules);
		return SL_IPC_OK;
	}
	sl_snapshot_free(snap);
	sl_xdp_rules_free(rules);
	draft_free(&d);
	if (rp->wire != NULL) { // the registries go back to what is in force
		struct draft old = in_force(rp);

		assign_backends(rp, &old);
		assign_vips(rp, old.wire, old.vip_slots);
	}
	return err == -ENOSPC ? refuse(SL_IPC_NO_SPACE, reason, "more backends or VIPs than fit")
	                      : refuse(SL_IPC_INTERNAL, reason, "out of memory");
}

static uint32_t row_of(const struct sl_wire_header *wire, uint64_t id)
{
	const struct sl_wire_backend *be = sl_wire_backends(wire);
	uint32_t row = 0;

	while (row < wire->n_backends && be[row].id != id)
		row++;
	return row;
}

static enum sl_ipc_status apply_weights(struct sl_replay *rp, const struct sl_wire_header *body,
                                        char *reason)
{
	const struct sl_wire_weight *rows = sl_wire_weights(body);
	struct sl_snapshot *snap;
	struct draft d;
	size_t n_weights_bytes;

	if (rp->wire == NULL || body->generation != rp->snap->generation)
		return refuse(SL_IPC_STALE, reason, "weights of another configuration");
	d = in_force(rp);
	n_weights_bytes = ((size_t)d.wire->n_backends + 1) * sizeof(uint32_t);
	d.weights_milli = malloc(n_weights_bytes);
	if (d.weights_milli == NULL)
		return refuse(SL_IPC_INTERNAL, reason, "out of memory");
	memcpy(d.weights_milli, rp->weights_milli, n_weights_bytes);
	for (uint32_t i = 0; i < body->n_weights; i++) {
		uint32_t row = row_of(d.wire, rows[i].id);

		if (row == d.wire->n_backends) {
			free(d.weights_milli);
			return refuse(SL_IPC_INVALID, reason, "a weight row names no backend");
		}
		d.weights_milli[row] = rows[i].weight_milli;
	}
	snap = build(rp, &d, body->epoch);
	if (snap == NULL) {
		free(d.weights_milli);
		return refuse(SL_IPC_INTERNAL, reason, "out of memory");
	}
	sl_snapshot_free(rp->snap);
	free(rp->weights_milli);
	rp->snap = snap;
	rp->weights_milli = d.weights_milli;
	return SL_IPC_OK;
}

enum sl_ipc_status sl_replay_apply(struct sl_replay *rp, const void *body, size_t n_bytes,
                                   char *reason)
{
	const struct sl_wire_header *h = body;
	enum sl_wire_kind kind = n_bytes >= sizeof(*h) && h->kind == SL_WIRE_WEIGHTS
	                                 ? SL_WIRE_WEIGHTS
	                                 : SL_WIRE_CONFIG;
	enum sl_ipc_status status =
		sl_wire_check(body, n_bytes, kind, reason, SL_REPLAY_REASON_BYTES);

	if (status != SL_IPC_OK)
		return status;
	if (rp->snap != NULL && h->epoch <= rp->snap->epoch)
		return refuse(SL_IPC_STALE, reason, "epoch is not above the one in force");
	return kind == SL_WIRE_CONFIG ? apply_config(rp, h, n_bytes, reason)
	                              : apply_weights(rp, h, reason);
}
