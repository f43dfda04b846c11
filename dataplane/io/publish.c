// SPDX-License-Identifier: Apache-2.0
#include "publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_rcu_qsbr.h>

#define NO_ROW    UINT32_MAX
#define FOLD_NS   SL_NS_PER_MS
#define SETTLE_NS (2 * SL_NS_PER_MS) // a worker's longest nap and then some

// The rows of one configuration, before they become the ones in force.
struct draft {
	struct sl_wire_header *config;
	uint32_t *weights_milli, *rows_by_id;
	uint16_t *backend_indices, *backend_generations, *next_hops, *vip_slots;
	uint32_t rows_mask;
};

// Appliances that share VIPs must agree on this; fixed until a cluster key is configured.
static const struct sl_hash_key shared_maglev_key = {UINT64_C(0x5a9e0c1f3d7b2846),
                                                     UINT64_C(0xc31d84f26b0795ae)};

int sl_publisher_init(struct sl_publisher *pub, struct sl_io *io, struct sl_slow *slow)
{
	struct sl_registry_slot *backend_slots, *vip_slots;

	memset(pub, 0, sizeof(*pub));
	pub->io = io;
	pub->slow = slow;
	pub->stats = io->stats;
	pub->maglev_key = shared_maglev_key;
	backend_slots = calloc(SL_MAX_BACKENDS, sizeof(*backend_slots));
	vip_slots = calloc(SL_MAX_VIPS, sizeof(*vip_slots));
	for (uint32_t w = 0; w < io->n_workers; w++) {
		pub->others_load[w] = calloc(SL_MAX_BACKENDS, sizeof(uint32_t));
		pub->others_vip_load[w] = calloc(SL_MAX_VIPS, sizeof(uint32_t));
		pub->others_units[w] = calloc(SL_MAX_BACKENDS, sizeof(uint32_t));
	}
	if (backend_slots == NULL || vip_slots == NULL)
		return -ENOMEM;
	for (uint32_t w = 0; w < io->n_workers; w++) {
		if (pub->others_load[w] == NULL || pub->others_vip_load[w] == NULL ||
		    pub->others_units[w] == NULL)
			return -ENOMEM;
	}
	sl_registry_init(&pub->backends, backend_slots, SL_MAX_BACKENDS);
	sl_registry_init(&pub->vips, vip_slots, SL_MAX_VIPS);
	return 0;
}

static void draft_free(struct draft *d)
{
	free(d->config);
	free(d->weights_milli);
	free(d->rows_by_id);
	free(d->backend_indices);
	free(d->backend_generations);
	free(d->next_hops);
	free(d->vip_slots);
}

static struct draft in_force(const struct sl_publisher *pub)
{
	return (struct draft){pub->config,
	                      pub->weights_milli,
	                      pub->rows_by_id,
	                      pub->backend_indices,
	                      pub->backend_generations,
	                      pub->next_hops,
	                      pub->vip_slots,
	                      pub->rows_mask};
}

void sl_publisher_fini(struct sl_publisher *pub)
{
	struct draft d = in_force(pub);

	draft_free(&d);
	sl_snapshot_free(pub->current);
	sl_snapshot_free(pub->retiring);
	free(pub->backends.slots);
	free(pub->vips.slots);
	for (uint32_t w = 0; w < pub->io->n_workers; w++) {
		free(pub->others_load[w]);
		free(pub->others_vip_load[w]);
		free(pub->others_units[w]);
	}
}

static void publish(struct sl_publisher *pub, struct sl_snapshot *snap)
{
	pub->retiring = pub->current;
	pub->current = snap;
	pub->epoch = snap->epoch;
	atomic_store_explicit(&pub->io->snapshot, snap, memory_order_release);
	pub->token = rte_rcu_qsbr_start(pub->io->qsbr);
	pub->published_ns = pub->slow->now_ns;
	pub->is_waiting = true;
	sl_stat_set(&pub->stats->epoch, pub->epoch);
	sl_stat_set(&pub->stats->generation, pub->generation);
	sl_stat_add(&pub->stats->config_applied, 1);
}

static bool has_no_flows(void *ctx, uint32_t backend)
{
	struct sl_publisher *pub = ctx;
	uint64_t n_flows = 0;

	// Entries, not active flows: one that is over may be revived, and counts on its index then.
	for (uint32_t w = 0; w < pub->io->n_workers; w++)
		n_flows += __atomic_load_n(&pub->io->workers[w]->fw.entries[backend],
		                           __ATOMIC_RELAXED);
	return n_flows == 0;
}

// Flows of a removed VIP go on counting in its slot, and against the limit of its next owner.
static bool vip_has_no_flows(void *ctx, uint32_t slot)
{
	struct sl_publisher *pub = ctx;
	uint64_t n_flows = 0;

	for (uint32_t w = 0; w < pub->io->n_workers; w++)
		n_flows += sl_stat_get(&sl_stats_vip_at(pub->io->stats, w, slot)->flows);
	return n_flows == 0;
}

static int draft_alloc(struct draft *d, const struct sl_wire_header *body, size_t n_bytes)
{
	size_t n_be = body->n_backends, n_slots = 2;

	while (n_slots < 2 * (n_be + 1))
		n_slots *= 2;
	memset(d, 0, sizeof(*d));
	d->rows_mask = (uint32_t)n_slots - 1;
	d->config = malloc(n_bytes);
	d->weights_milli = calloc(n_be + 1, sizeof(*d->weights_milli));
	d->rows_by_id = malloc(n_slots * sizeof(*d->rows_by_id));
	d->backend_indices = calloc(n_be + 1, sizeof(uint16_t));
	d->backend_generations = calloc(n_be + 1, sizeof(uint16_t));
	d->next_hops = calloc(n_be + 1, sizeof(uint16_t));
	d->vip_slots = calloc((size_t)body->n_vips + 1, sizeof(uint16_t));
	if (d->config == NULL || d->weights_milli == NULL || d->rows_by_id == NULL ||
	    d->backend_indices == NULL || d->backend_generations == NULL || d->next_hops == NULL ||
	    d->vip_slots == NULL)
		return -ENOMEM;
	memcpy(d->config, body, n_bytes);
	return 0;
}

static void index_rows(struct draft *d)
{
	const struct sl_wire_backend *be = sl_wire_backends(d->config);

	memset(d->rows_by_id, 0xff, ((size_t)d->rows_mask + 1) * sizeof(*d->rows_by_id));
	for (uint32_t i = 0; i < d->config->n_backends; i++) {
		uint32_t slot = (uint32_t)sl_mix64(be[i].id) & d->rows_mask;

		while (d->rows_by_id[slot] != NO_ROW)
			slot = (slot + 1) & d->rows_mask;
		d->rows_by_id[slot] = i;
		d->weights_milli[i] = be[i].weight_milli;
	}
}

static uint32_t row_of(const struct sl_publisher *pub, uint64_t id)
{
	const struct sl_wire_backend *be = sl_wire_backends(pub->config);
	uint32_t slot = (uint32_t)sl_mix64(id) & pub->rows_mask;

	while (pub->rows_by_id[slot] != NO_ROW) {
		if (be[pub->rows_by_id[slot]].id == id)
			return pub->rows_by_id[slot];
		slot = (slot + 1) & pub->rows_mask;
	}
	return NO_ROW;
}

// Indices for all backends and slots for all VIPs of a configuration. 0 or -ENOSPC/-ENOMEM; *full
// is then the registry that has no room.
static int assign(struct sl_publisher *pub, const struct draft *d, const struct sl_registry **full)
{
	const struct sl_wire_header *config = d->config;
	const struct sl_wire_backend *be = sl_wire_backends(config);
	const struct sl_wire_vip *vip = sl_wire_vips(config);
	uint32_t n_ids = RTE_MAX(config->n_backends, config->n_vips);
	uint64_t *ids = calloc((size_t)n_ids + 1, sizeof(*ids));
	uint32_t *unique_of = calloc((size_t)config->n_vips + 1, sizeof(*unique_of));
	uint32_t n_unique = 0;
	int err = -ENOMEM;

	if (ids == NULL || unique_of == NULL)
		goto out;
	for (uint32_t i = 0; i < config->n_backends; i++)
		ids[i] = be[i].id;
	*full = &pub->backends;
	sl_registry_reap(&pub->backends, has_no_flows, pub);
	err = sl_registry_assign(&pub->backends, ids, config->n_backends, d->backend_indices);
	if (err != 0)
		goto out;
	for (uint32_t i = 0; i < config->n_vips; i++) { // rows of one VIP stand together
		if (i == 0 || vip[i].id != vip[i - 1].id)
			ids[n_unique++] = vip[i].id;
		unique_of[i] = n_unique - 1;
	}
	*full = &pub->vips;
	sl_registry_reap(&pub->vips, vip_has_no_flows, pub);
	err = sl_registry_assign(&pub->vips, ids, n_unique, d->vip_slots);
	for (uint32_t i = config->n_vips; err == 0 && i > 0; i--)
		d->vip_slots[i - 1] = d->vip_slots[unique_of[i - 1]];
out:
	free(ids);
	free(unique_of);
	return err;
}

// Put the registries back to the configuration in force.
static void unassign(struct sl_publisher *pub)
{
	struct draft d = in_force(pub);
	const struct sl_registry *full;

	if (pub->config != NULL)
		assign(pub, &d, &full);
}

// What is removed keeps its place until the apply is done, and for as long as flows refer to it.
static void explain_full(const struct sl_publisher *pub, const struct sl_registry *full,
                         char *reason, size_t reason_bytes)
{
	struct sl_registry_room room = sl_registry_count(full);

	snprintf(reason, reason_bytes,
	         "%s: %u in force, %u removed but with flows, %u free: apply in two steps, first "
	         "remove, then add",
	         full == &pub->vips ? "VIPs" : "backends", room.n_configured, room.n_retired,
	         room.n_free);
}

static void show_slots(struct sl_publisher *pub)
{
	for (uint32_t i = 0; i < pub->backends.n_slots; i++) {
		struct sl_stats_slot *slot = sl_stats_backend_slot_at(pub->io->stats, i);

		sl_stat_set(&slot->generation, pub->backends.slots[i].generation);
		sl_stat_set(&slot->id, pub->backends.slots[i].id);
	}
	for (uint32_t i = 0; i < pub->vips.n_slots; i++) {
		struct sl_stats_slot *slot = sl_stats_vip_slot_at(pub->io->stats, i);

		sl_stat_set(&slot->generation, pub->vips.slots[i].generation);
		sl_stat_set(&slot->id, pub->vips.slots[i].id);
	}
}

static struct sl_snapshot *build(const struct sl_publisher *pub, const struct draft *d,
                                 uint64_t epoch)
{
	struct sl_snap_inputs in = {.config = d->config,
	                            .weights_milli = d->weights_milli,
	                            .backend_indices = d->backend_indices,
	                            .backend_generations = d->backend_generations,
	                            .vip_slots = d->vip_slots,
	                            .next_hops = d->next_hops,
	                            .routes = pub->slow->routes,
	                            .epoch = epoch,
	                            .maglev_key = pub->maglev_key};

	return sl_snapshot_build(&in);
}

static void adopt(struct sl_publisher *pub, const struct draft *d)
{
	struct draft old = in_force(pub);

	pub->config = d->config;
	pub->weights_milli = d->weights_milli;
	pub->rows_by_id = d->rows_by_id;
	pub->rows_mask = d->rows_mask;
	pub->backend_indices = d->backend_indices;
	pub->backend_generations = d->backend_generations;
	pub->next_hops = d->next_hops;
	pub->vip_slots = d->vip_slots;
	pub->generation = d->config->generation;
	draft_free(&old);
}

static enum sl_ipc_status check_epoch(const struct sl_publisher *pub, uint64_t epoch, char *reason,
                                      size_t reason_bytes)
{
	if (epoch > pub->epoch)
		return SL_IPC_OK;
	snprintf(reason, reason_bytes, "epoch %lu is not above %lu, which is in force",
	         (unsigned long)epoch, (unsigned long)pub->epoch);
	return SL_IPC_STALE;
}

// Fill the draft's rows; the registries are changed, so the caller undoes that on failure.
static int fill_draft(struct sl_publisher *pub, struct draft *d, const struct sl_registry **full)
{
	const struct sl_wire_backend *be = sl_wire_backends(d->config);
	int err = assign(pub, d, full);

	if (err != 0)
		return err;
	for (uint32_t i = 0; i < d->config->n_backends; i++) {
		d->backend_generations[i] = pub->backends.slots[d->backend_indices[i]].generation;
		d->next_hops[i] = sl_slow_pin(pub->slow, &be[i].address);
	}
	index_rows(d);
	return 0;
}

enum sl_ipc_status sl_publisher_apply_config(struct sl_publisher *pub, const void *body,
                                             size_t n_bytes, char *reason, size_t reason_bytes)
{
	enum sl_ipc_status status =
		sl_wire_check(body, n_bytes, SL_WIRE_CONFIG, reason, reason_bytes);
	const struct sl_wire_header *h = body;
	const struct sl_registry *full = NULL;
	struct sl_snapshot *snap = NULL;
	struct draft d = {0};
	int err;

	if (status == SL_IPC_OK)
		status = check_epoch(pub, h->epoch, reason, reason_bytes);
	if (status != SL_IPC_OK)
		return status;
	err = draft_alloc(&d, h, n_bytes);
	if (err == 0)
		err = fill_draft(pub, &d, &full);
	if (err == 0) {
		snap = build(pub, &d, h->epoch);
		err = snap == NULL ? -errno : 0;
	}
	if (err != 0) {
		if (err == -ENOSPC)
			explain_full(pub, full, reason, reason_bytes);
		else
			snprintf(reason, reason_bytes, "out of memory");
		unassign(pub);
		draft_free(&d);
		return err == -ENOSPC ? SL_IPC_NO_SPACE : SL_IPC_INTERNAL;
	}
	adopt(pub, &d);
	sl_slow_keep_pins(pub->slow, pub->next_hops, pub->config->n_backends);
	show_slots(pub);
	publish(pub, snap);
	if (pub->changed != NULL)
		pub->changed(pub->changed_ctx);
	return SL_IPC_OK;
}

enum sl_ipc_status sl_publisher_apply_weights(struct sl_publisher *pub, const void *body,
                                              size_t n_bytes, char *reason, size_t reason_bytes)
{
	enum sl_ipc_status status =
		sl_wire_check(body, n_bytes, SL_WIRE_WEIGHTS, reason, reason_bytes);
	const struct sl_wire_header *h = body;
	const struct sl_wire_weight *rows;
	struct sl_snapshot *snap;
	uint32_t *weights_milli;

	if (status == SL_IPC_OK)
		status = check_epoch(pub, h->epoch, reason, reason_bytes);
	if (status != SL_IPC_OK)
		return status;
	if (pub->config == NULL || h->generation != pub->generation) {
		snprintf(reason, reason_bytes, "weights are for generation %lu, in force is %lu",
		         (unsigned long)h->generation, (unsigned long)pub->generation);
		return SL_IPC_STALE;
	}
	weights_milli = malloc(((size_t)pub->config->n_backends + 1) * sizeof(uint32_t));
	if (weights_milli == NULL)
		goto no_memory;
	memcpy(weights_milli, pub->weights_milli, pub->config->n_backends * sizeof(uint32_t));
	rows = sl_wire_weights(h);
	for (uint32_t i = 0; i < h->n_weights; i++) {
		uint32_t row = row_of(pub, rows[i].id);

		if (row == NO_ROW) {
			snprintf(reason, reason_bytes, "weight row %u names no backend", i);
			free(weights_milli);
			return SL_IPC_INVALID;
		}
		weights_milli[row] = rows[i].weight_milli;
	}
	snap = sl_snapshot_reweigh(pub->current, weights_milli, h->epoch);
	if (snap == NULL)
		goto no_memory;
	free(pub->weights_milli);
	pub->weights_milli = weights_milli;
	publish(pub, snap);
	return SL_IPC_OK;

no_memory:
	free(weights_milli);
	snprintf(reason, reason_bytes, "out of memory");
	return SL_IPC_INTERNAL;
}

// For each worker, what all the others hold. A worker adds its own exact count. Their arrays are
// read rather than the statistics, where each count has a line of its own, and only what changed is
// written: lines that workers read stay theirs.
static void fold_rows(const struct sl_publisher *pub, const uint32_t *const *loads,
                      uint32_t *const *others_loads)
{
	uint32_t n_workers = pub->io->n_workers;

	for (uint32_t b = 0; b < pub->n_folded; b++) {
		uint32_t n_flows[SL_MAX_WORKERS], total = 0;

		for (uint32_t w = 0; w < n_workers; w++) {
			n_flows[w] = __atomic_load_n(&loads[w][b], __ATOMIC_RELAXED);
			total += n_flows[w];
		}
		for (uint32_t w = 0; w < n_workers; w++) {
			uint32_t others = total - n_flows[w];

			if (others_loads[w][b] != others)
				__atomic_store_n(&others_loads[w][b], others, __ATOMIC_RELAXED);
		}
	}
}

static void fold_loads(struct sl_publisher *pub)
{
	const uint32_t *flows[SL_MAX_WORKERS], *units[SL_MAX_WORKERS];

	for (uint32_t w = 0; w < pub->io->n_workers; w++) {
		flows[w] = pub->io->workers[w]->fw.own_load;
		units[w] = pub->io->workers[w]->measure.own_units;
	}
	fold_rows(pub, flows, pub->others_load);
	fold_rows(pub, units, pub->others_units);
}

// The same for VIPs that bound their flows.
static void fold_vip_loads(struct sl_publisher *pub)
{
	uint32_t n_workers = pub->io->n_workers;

	for (uint32_t v = 0; v < pub->current->n_vips; v++) {
		const struct sl_snap_vip *vip = &pub->current->vips[v];
		uint32_t n_flows[SL_MAX_WORKERS], total = 0;

		if (vip->limit_flows == 0)
			continue;
		for (uint32_t w = 0; w < n_workers; w++) {
			n_flows[w] = __atomic_load_n(
				&pub->io->workers[w]->fw.own_vip_load[vip->slot], __ATOMIC_RELAXED);
			total += n_flows[w];
		}
		for (uint32_t w = 0; w < n_workers; w++)
			__atomic_store_n(&pub->others_vip_load[w][vip->slot], total - n_flows[w],
			                 __ATOMIC_RELAXED);
	}
}

// A flood of ARP turns the main loop faster; loads need no more than FOLD_NS.
static void fold_when_due(struct sl_publisher *pub)
{
	if (pub->io->n_workers < 2 || pub->current == NULL ||
	    pub->slow->now_ns - pub->folded_ns < FOLD_NS)
		return;
	pub->folded_ns = pub->slow->now_ns;
	pub->n_folded = RTE_MAX(pub->n_folded, pub->current->n_backends);
	fold_loads(pub);
	fold_vip_loads(pub);
}

bool sl_publisher_is_settling(const struct sl_publisher *pub)
{
	return pub->is_waiting && pub->slow->now_ns - pub->published_ns < SETTLE_NS;
}

void sl_publisher_poll(struct sl_publisher *pub)
{
	fold_when_due(pub);
	if (!pub->is_waiting || rte_rcu_qsbr_check(pub->io->qsbr, pub->token, false) != 1)
		return;
	pub->is_waiting = false;
	pub->acked_epoch = pub->epoch;
	sl_snapshot_free(pub->retiring);
	pub->retiring = NULL;
}
