// SPDX-License-Identifier: Apache-2.0
// Passive pools: what their flows show goes to their steer.h, and its factors to their weights.
#include "fleet_private.h"

#include <errno.h>

static bool is_passive(const struct sl_model_pool *pool)
{
	return pool->adaptive != SL_ADAPTIVE_OFF && pool->latency_probe >= pool->n_probes;
}

int sl_fleet_steer_init(struct sl_fleet_set *set, const struct sl_model *model)
{
	for (uint32_t p = 0; p < model->n_pools; p++) {
		const struct sl_model_pool *pool = &model->pools[p];
		struct sl_fleet_pool *to = &set->pools[p];

		to->first_backend = pool->first_backend;
		to->is_passive = is_passive(pool);
		if (!to->is_passive)
			continue;
		if (sl_steer_init(&to->steer, pool->n_backends) != 0)
			return -ENOMEM;
		to->steer.slo_ttft_us = pool->ttft_objective_ms * 1000.0;
		to->steer.guard_pool.random = pool->id;
	}
	return 0;
}

// A backend's id holds its pool's name, so its old pool is this pool as it was.
void sl_fleet_steer_carry(struct sl_fleet_set *to, uint32_t backend,
                          const struct sl_fleet_set *from, uint32_t old)
{
	struct sl_fleet_pool *pool = &to->pools[to->backends[backend].pool];
	const struct sl_fleet_pool *was = &from->pools[from->backends[old].pool];
	const uint32_t i = backend - pool->first_backend, k = old - was->first_backend;

	if (!pool->is_passive || !was->is_passive)
		return;
	pool->steer.palc[i] = was->steer.palc[k];
	pool->steer.guard[i] = was->steer.guard[k];
	pool->steer.factors[i] = was->steer.factors[k];
	pool->steer.since_guard[i] = was->steer.since_guard[k];
	pool->steer.since_palc[i] = was->steer.since_palc[k];
	pool->steer.palc_pool = was->steer.palc_pool;
	pool->steer.guard_pool = was->steer.guard_pool;
	pool->steer.palc_ns = was->steer.palc_ns;
	pool->steer.guard_ns = was->steer.guard_ns;
	to->seen[backend] = from->seen[old];
}

void sl_fleet_steer_forget(struct sl_fleet_set *set, uint32_t backend)
{
	struct sl_fleet_pool *pool = &set->pools[set->backends[backend].pool];
	const uint32_t i = backend - pool->first_backend;

	if (!pool->is_passive)
		return;
	pool->steer.palc[i] = (struct sl_palc_member){0};
	pool->steer.guard[i] = (struct sl_guard_member){0};
	pool->steer.factors[i] = 1;
	set->seen[backend] = (struct sl_steer_seen){0};
}

void sl_fleet_seen(struct sl_fleet *fleet, uint32_t backend, const struct sl_steer_seen *seen)
{
	struct sl_steer_seen *sum;

	if (backend >= fleet->set.n_backends)
		return;
	sum = &fleet->set.seen[backend];
	sum->n_ttft += seen->n_ttft;
	sum->n_tokens += seen->n_tokens;
	sum->n_ended += seen->n_ended;
	sum->n_fleeting += seen->n_fleeting;
	sum->n_connected += seen->n_connected;
	sum->n_refused += seen->n_refused;
	sum->ttft_sum_us += seen->ttft_sum_us;
	sum->tpot_sum_us += seen->tpot_sum_us;
	sum->duration_sum_us += seen->duration_sum_us;
	sum->oldest_us = seen->oldest_us;
}

// The guard's figures go on changing; these are kept to be shown.
static void note_ejection(struct sl_fleet_backend *be, const struct sl_guard_member *guard)
{
	if (guard->ejected_ns == be->guard_ejected_ns)
		return;
	be->guard_ejected_ns = guard->ejected_ns;
	be->guard_value = guard->value;
	be->guard_bound = guard->bound;
}

void sl_fleet_steer(struct sl_fleet *fleet, uint32_t p, uint64_t now_ns)
{
	const struct sl_model_pool *pool = &fleet->model->pools[p];
	struct sl_steer *steer = &fleet->set.pools[p].steer;
	const uint32_t first = pool->first_backend;

	for (uint32_t i = 0; i < pool->n_backends; i++) {
		const struct sl_fleet_backend *be = &fleet->set.backends[first + i];

		fleet->set.takes[first + i] =
			sl_fleet_may_take_flows(be) &&
			sl_fleet_wants_flows(be, &fleet->model->backends[first + i]);
	}
	sl_steer_tick(steer, &fleet->set.seen[first], &fleet->set.takes[first], now_ns);
	for (uint32_t i = 0; i < pool->n_backends; i++) {
		struct sl_steer_seen *seen = &fleet->set.seen[first + i];

		note_ejection(&fleet->set.backends[first + i], &steer->guard[i]);
		// A wait goes on until somebody says otherwise.
		*seen = (struct sl_steer_seen){.oldest_us = seen->oldest_us};
		fleet->set.backends[first + i].factor = sl_palc_factor(&steer->palc[i]);
	}
}

uint32_t sl_fleet_guard_milli(const struct sl_fleet *fleet, uint32_t backend)
{
	const struct sl_fleet_pool *pool = &fleet->set.pools[fleet->set.backends[backend].pool];

	if (!pool->is_passive)
		return 1000;
	return sl_weight_to_milli(
		sl_guard_factor(&pool->steer.guard[backend - pool->first_backend]));
}

bool sl_fleet_ignores_ejections(const struct sl_fleet *fleet, uint32_t p)
{
	const struct sl_model_pool *pool = &fleet->model->pools[p];
	uint32_t n_able = 0, n_left = 0;

	for (uint32_t i = 0; i < pool->n_backends; i++) {
		const uint32_t b = pool->first_backend + i;
		const struct sl_fleet_backend *be = &fleet->set.backends[b];

		if (!sl_fleet_may_take_flows(be) ||
		    !sl_fleet_wants_flows(be, &fleet->model->backends[b]))
			continue;
		n_able++;
		n_left += sl_fleet_guard_milli(fleet, b) > 0;
	}
	return 2 * n_left < n_able;
}

bool sl_fleet_steer_view(const struct sl_fleet *fleet, uint32_t backend, struct sl_steer_view *view)
{
	const struct sl_fleet_backend *be;
	const struct sl_palc_member *palc;
	const struct sl_guard_member *guard;
	const struct sl_fleet_pool *pool;

	*view = (struct sl_steer_view){0};
	if (backend >= fleet->set.n_backends)
		return false;
	be = &fleet->set.backends[backend];
	pool = &fleet->set.pools[be->pool];
	if (!pool->is_passive)
		return false;
	palc = &pool->steer.palc[backend - pool->first_backend];
	guard = &pool->steer.guard[backend - pool->first_backend];
	*view = (struct sl_steer_view){
		.guard = guard->state,
		.guard_reason = guard->reason,
		.guard_value = be->guard_value,
		.guard_bound = be->guard_bound,
		.guard_until_ns = guard->until_ns,
		.is_ignored = be->is_ignored,
		.is_drifting = guard->is_drifting,
		.ttft_us = (uint64_t)palc->ttft_us,
		.tpot_us = (uint64_t)palc->tpot_us,
		.latency_us = (uint64_t)palc->latency_us,
	};
	return true;
}

bool sl_fleet_pool_steer_view(const struct sl_fleet *fleet, uint32_t p,
                              struct sl_pool_steer_view *view)
{
	const struct sl_steer *steer;

	*view = (struct sl_pool_steer_view){0};
	if (p >= fleet->set.n_pools || !fleet->set.pools[p].is_passive)
		return false;
	steer = &fleet->set.pools[p].steer;
	*view = (struct sl_pool_steer_view){
		.is_frozen = steer->palc_pool.is_frozen,
		.is_degraded = steer->guard_pool.is_degraded,
		.median_us = (uint64_t)steer->palc_pool.median_us,
		.median_ttft_us = (uint64_t)steer->palc_pool.median_ttft_us,
		.objective_us = (uint64_t)steer->slo_ttft_us,
	};
	return true;
}

bool sl_fleet_guard_news(struct sl_fleet *fleet, uint32_t *backend, struct sl_steer_view *view)
{
	for (; *backend < fleet->set.n_backends; (*backend)++) {
		struct sl_fleet_backend *be = &fleet->set.backends[*backend];

		if (!sl_fleet_steer_view(fleet, *backend, view) || view->guard == be->guard_told)
			continue;
		be->guard_told = view->guard;
		return true;
	}
	return false;
}
