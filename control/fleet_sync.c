// SPDX-License-Identifier: Apache-2.0
#include "fleet_private.h"

#include <errno.h>
#include <stdlib.h>

void sl_fleet_set_fini(struct sl_fleet_set *set)
{
	for (uint32_t p = 0; set->pools != NULL && p < set->n_pools; p++)
		sl_steer_fini(&set->pools[p].steer);
	free(set->pools);
	free(set->definitions);
	free(set->backends);
	free(set->probes);
	free(set->weights_milli);
	free(set->taken_milli);
	free(set->scratch_us);
	free(set->seen);
	free(set->takes);
	*set = (struct sl_fleet_set){0};
}

static size_t count_probes(const struct sl_model *model)
{
	size_t n = 0;

	for (uint32_t p = 0; p < model->n_pools; p++)
		n += (size_t)model->pools[p].n_backends * model->pools[p].n_probes;
	return n;
}

// calloc(0) may answer NULL without an error: ask for one more than needed.
static int init_set(struct sl_fleet_set *set, const struct sl_model *model)
{
	size_t n = model->n_backends;

	*set = (struct sl_fleet_set){.n_backends = model->n_backends, .n_pools = model->n_pools};
	set->pools = calloc(model->n_pools + 1, sizeof(*set->pools));
	set->definitions = calloc(model->n_probes + 1, sizeof(*set->definitions));
	set->backends = calloc(n + 1, sizeof(*set->backends));
	set->probes = calloc(count_probes(model) + 1, sizeof(*set->probes));
	set->weights_milli = calloc(n + 1, sizeof(*set->weights_milli));
	set->taken_milli = calloc(n + 1, sizeof(*set->taken_milli));
	set->scratch_us = calloc(n + 1, sizeof(*set->scratch_us));
	set->seen = calloc(n + 1, sizeof(*set->seen));
	set->takes = calloc(n + 1, sizeof(*set->takes));
	if (set->pools == NULL || set->definitions == NULL || set->backends == NULL ||
	    set->probes == NULL || set->weights_milli == NULL || set->taken_milli == NULL ||
	    set->scratch_us == NULL || set->seen == NULL || set->takes == NULL ||
	    sl_fleet_steer_init(set, model) != 0) {
		sl_fleet_set_fini(set);
		return -ENOMEM;
	}
	if (model->n_probes > 0)
		memcpy(set->definitions, model->probes,
		       model->n_probes * sizeof(*set->definitions));
	return 0;
}

static void lay_out(struct sl_fleet_set *set, const struct sl_model *model)
{
	uint32_t next_probe = 0;

	for (uint32_t p = 0; p < model->n_pools; p++) {
		const struct sl_model_pool *pool = &model->pools[p];

		set->pools[p].first_probe = pool->first_probe;
		set->pools[p].n_probes = pool->n_probes;
		set->pools[p].latency_probe = pool->latency_probe;
		for (uint32_t i = 0; i < pool->n_backends; i++) {
			uint32_t b = pool->first_backend + i;

			set->backends[b] = (struct sl_fleet_backend){
				.id = model->backends[b].id,
				.factor = 1.0,
				.override_weight = -1,
				.pool = p,
				.first_probe = next_probe,
				.deciding_probe = SL_FLEET_NO_PROBE,
			};
			set->taken_milli[b] = SL_FLEET_NOT_TAKEN;
			next_probe += pool->n_probes;
		}
	}
}

static const struct sl_model_probe *definition_of(const struct sl_fleet_set *set, uint32_t pool,
                                                  uint32_t probe)
{
	return &set->definitions[set->pools[pool].first_probe + probe];
}

static uint32_t find_probe(const struct sl_fleet_set *set, uint32_t pool, const char *name)
{
	for (uint32_t i = 0; i < set->pools[pool].n_probes; i++)
		if (strcmp(definition_of(set, pool, i)->name, name) == 0)
			return i;
	return SL_FLEET_NO_PROBE;
}

static bool is_same_probe(const struct sl_model_probe *a, const struct sl_model_probe *b)
{
	return a->type == b->type && a->port == b->port && a->expect_status == b->expect_status &&
	       strcmp(a->path, b->path) == 0 && strcmp(a->contains, b->contains) == 0 &&
	       strcmp(a->body, b->body) == 0 && strcmp(a->service, b->service) == 0;
}

static void carry_probes(struct sl_fleet_set *to, struct sl_fleet_backend *be,
                         const struct sl_fleet_set *from, const struct sl_fleet_backend *old)
{
	for (uint32_t i = 0; i < to->pools[be->pool].n_probes; i++) {
		const struct sl_model_probe *def = definition_of(to, be->pool, i);
		struct sl_fleet_probe *probe = &to->probes[be->first_probe + i];
		uint32_t was = find_probe(from, old->pool, def->name);

		if (was == SL_FLEET_NO_PROBE)
			continue;
		*probe = from->probes[old->first_probe + was];
		if (!is_same_probe(def, definition_of(from, old->pool, was)))
			sl_health_restart(&probe->health);
	}
}

// Latencies of two different probes must not meet in one mean.
static bool has_same_latency_probe(const struct sl_fleet_set *to, uint32_t pool,
                                   const struct sl_fleet_set *from, uint32_t old_pool)
{
	uint32_t now = to->pools[pool].latency_probe, was = from->pools[old_pool].latency_probe;

	if (now >= to->pools[pool].n_probes || was >= from->pools[old_pool].n_probes)
		return false;
	return strcmp(definition_of(to, pool, now)->name,
	              definition_of(from, old_pool, was)->name) == 0;
}

static void carry_backend(struct sl_fleet_set *to, struct sl_fleet_backend *be,
                          const struct sl_fleet_set *from, const struct sl_fleet_backend *old)
{
	uint32_t pool = be->pool, first_probe = be->first_probe;

	*be = *old;
	be->pool = pool;
	be->first_probe = first_probe;
	if (to->pools[pool].is_passive != from->pools[old->pool].is_passive)
		be->factor = 1.0; // was of another kind of latency
	if (!has_same_latency_probe(to, pool, from, old->pool))
		sl_estimator_reset(&be->latency);
	carry_probes(to, be, from, old);
}

// Nothing looks at a backend in maintenance, and it may come back as another machine: it forgets
// what was known and, back in service, starts like a new one.
static void apply_maintenance(struct sl_fleet_set *set, uint32_t backend, uint8_t admin,
                              uint64_t now_ns)
{
	struct sl_fleet_backend *be = &set->backends[backend];
	bool was_maint = be->state == SL_BACKEND_MAINT;

	if (admin != SL_ADMIN_MAINT) {
		if (was_maint)
			sl_fleet_start_ramp(be, now_ns);
		return;
	}
	for (uint32_t i = 0; i < set->pools[be->pool].n_probes; i++)
		set->probes[be->first_probe + i].health = (struct sl_health){0};
	sl_estimator_reset(&be->latency);
	be->factor = 1.0;
	be->is_ramping = false;
	be->verdict = SL_VERDICT_UNKNOWN;
	sl_fleet_steer_forget(set, backend);
}

struct known {
	uint64_t id;
	uint32_t backend;
};

static int compare_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static struct known *index_by_id(const struct sl_fleet_set *set)
{
	struct known *index = calloc(set->n_backends + 1, sizeof(*index));

	if (index == NULL)
		return NULL;
	for (uint32_t b = 0; b < set->n_backends; b++)
		index[b] = (struct known){set->backends[b].id, b};
	qsort(index, set->n_backends, sizeof(*index), compare_known);
	return index;
}

static void fill_set(struct sl_fleet_set *to, const struct sl_model *model,
                     const struct sl_fleet *fleet, const struct known *index, uint64_t now_ns)
{
	const struct sl_fleet_set *from = &fleet->set;

	for (uint32_t b = 0; b < to->n_backends; b++) {
		struct sl_fleet_backend *be = &to->backends[b];
		const struct known key = {.id = be->id};
		const struct known *was =
			bsearch(&key, index, from->n_backends, sizeof(*index), compare_known);

		be->state_since_ns = now_ns;
		if (was != NULL) {
			carry_backend(to, be, from, &from->backends[was->backend]);
			sl_fleet_steer_carry(to, b, from, was->backend);
			to->taken_milli[b] = from->taken_milli[was->backend];
		} else if (fleet->model != NULL) {
			sl_fleet_start_ramp(be, now_ns);
		}
		apply_maintenance(to, b, model->backends[b].state, now_ns);
	}
}

int sl_fleet_sync(struct sl_fleet *fleet, const struct sl_model *model, uint64_t now_ns)
{
	struct sl_fleet_set set;
	struct known *index = index_by_id(&fleet->set);
	int err;

	if (index == NULL)
		return -ENOMEM;
	err = init_set(&set, model);
	if (err == 0) {
		lay_out(&set, model);
		fill_set(&set, model, fleet, index, now_ns);
		sl_fleet_set_fini(&fleet->set);
		fleet->set = set;
		fleet->model = model;
		sl_fleet_compute(fleet, now_ns);
	}
	free(index);
	return err;
}
