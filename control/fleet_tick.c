// SPDX-License-Identifier: Apache-2.0
#include "fleet_private.h"

#include "weight.h"

#define STALE_MIN_NS    (5 * SL_NS_PER_S)
#define STALE_INTERVALS 5
#define NEUTRAL_MILLI   1000

void sl_fleet_start_ramp(struct sl_fleet_backend *be, uint64_t now_ns)
{
	be->is_ramping = true;
	be->ramp_start_ns = now_ns;
}

// One probe that says down is enough; up needs one that says so and none that disagrees.
static uint8_t combine_probes(const struct sl_fleet_probe *probes, uint32_t n, uint32_t *deciding)
{
	uint8_t verdict = SL_VERDICT_UNKNOWN;

	*deciding = SL_FLEET_NO_PROBE;
	for (uint32_t i = 0; i < n; i++) {
		if (probes[i].health.verdict == SL_VERDICT_DOWN) {
			*deciding = i;
			return SL_VERDICT_DOWN;
		}
		if (probes[i].health.verdict == SL_VERDICT_UP)
			verdict = SL_VERDICT_UP;
	}
	return verdict;
}

static void update_verdict(struct sl_fleet *fleet, struct sl_fleet_backend *be, uint64_t now_ns)
{
	const struct sl_fleet_probe *probes = &fleet->set.probes[be->first_probe];
	uint8_t verdict =
		combine_probes(probes, fleet->set.pools[be->pool].n_probes, &be->deciding_probe);

	be->reason = be->deciding_probe == SL_FLEET_NO_PROBE
	                     ? (uint8_t)SL_PROBE_OK
	                     : probes[be->deciding_probe].health.reason;
	if (verdict == SL_VERDICT_DOWN && be->verdict != SL_VERDICT_DOWN) {
		// What a dead server's latency was says nothing about the one that comes back.
		sl_estimator_reset(&be->latency);
		be->factor = 1.0;
		be->is_ramping = false;
	}
	if (verdict != SL_VERDICT_DOWN && be->verdict == SL_VERDICT_DOWN)
		sl_fleet_start_ramp(be, now_ns);
	be->verdict = verdict;
}

static uint8_t state_of(const struct sl_fleet_backend *be, uint8_t admin)
{
	if (admin == SL_ADMIN_MAINT)
		return SL_BACKEND_MAINT;
	if (admin == SL_ADMIN_DRAIN || be->is_drained)
		return SL_BACKEND_DRAIN;
	if (be->verdict == SL_VERDICT_DOWN)
		return SL_BACKEND_DOWN;
	if (be->verdict == SL_VERDICT_UNKNOWN)
		return SL_BACKEND_UNKNOWN;
	return be->ramp_milli < NEUTRAL_MILLI ? SL_BACKEND_SLOW_START : SL_BACKEND_UP;
}

void sl_fleet_update_state(struct sl_fleet *fleet, uint32_t backend, uint64_t now_ns)
{
	struct sl_fleet_backend *be = &fleet->set.backends[backend];
	const struct sl_model_pool *pool = &fleet->model->pools[be->pool];
	uint8_t state;

	update_verdict(fleet, be, now_ns);
	be->ramp_milli = NEUTRAL_MILLI;
	if (be->is_ramping) {
		uint64_t since_ns = now_ns > be->ramp_start_ns ? now_ns - be->ramp_start_ns : 0;

		be->ramp_milli = sl_weight_ramp_milli(since_ns, pool->slow_start_ms);
		be->is_ramping = be->ramp_milli < NEUTRAL_MILLI;
	}
	state = state_of(be, fleet->model->backends[backend].state);
	if (state != be->state) {
		be->state = state;
		be->state_since_ns = now_ns;
	}
}

bool sl_fleet_may_take_flows(const struct sl_fleet_backend *be)
{
	return be->state == SL_BACKEND_UNKNOWN || be->state == SL_BACKEND_UP ||
	       be->state == SL_BACKEND_SLOW_START;
}

static bool has_fresh_latency(const struct sl_fleet *fleet, const struct sl_fleet_backend *be,
                              uint64_t now_ns)
{
	const struct sl_model_pool *pool = &fleet->model->pools[be->pool];
	uint64_t stale_ns = STALE_MIN_NS;

	if (pool->latency_probe < pool->n_probes) {
		uint32_t interval_ms =
			fleet->model->probes[pool->first_probe + pool->latency_probe].interval_ms;
		uint64_t intervals_ns = STALE_INTERVALS * (uint64_t)interval_ms * SL_NS_PER_MS;

		if (intervals_ns > stale_ns)
			stale_ns = intervals_ns;
	}
	return sl_estimator_age_ns(&be->latency, now_ns) <= stale_ns;
}

// 0 with fewer than two backends to compare.
static uint64_t pool_median_us(struct sl_fleet *fleet, const struct sl_model_pool *pool,
                               uint64_t now_ns)
{
	size_t n = 0;

	for (uint32_t i = 0; i < pool->n_backends; i++) {
		const struct sl_fleet_backend *be = &fleet->set.backends[pool->first_backend + i];

		if (sl_fleet_may_take_flows(be) && has_fresh_latency(fleet, be, now_ns))
			fleet->set.scratch_us[n++] = sl_estimator_value_us(&be->latency);
	}
	return n >= 2 ? sl_weight_median_us(fleet->set.scratch_us, n) : 0;
}

static void update_factors(struct sl_fleet *fleet, const struct sl_model_pool *pool,
                           uint64_t now_ns, uint64_t elapsed_ns)
{
	uint64_t median_us = pool_median_us(fleet, pool, now_ns);

	for (uint32_t i = 0; i < pool->n_backends; i++) {
		struct sl_fleet_backend *be = &fleet->set.backends[pool->first_backend + i];

		if (pool->adaptive == SL_ADAPTIVE_OFF) {
			be->factor = 1.0;
		} else if (!has_fresh_latency(fleet, be, now_ns)) {
			be->factor = sl_weight_factor_fade(be->factor, elapsed_ns);
		} else {
			double target = 1.0;

			if (median_us > 0)
				target = sl_weight_factor_target(
					median_us, sl_estimator_value_us(&be->latency));
			be->factor = sl_weight_factor_step(be->factor, target, elapsed_ns);
		}
	}
}

bool sl_fleet_wants_flows(const struct sl_fleet_backend *be, const struct sl_model_backend *mb)
{
	return be->override_weight >= 0 ? be->override_weight > 0 : mb->weight > 0;
}

// Everyone who could carry weight is down: then the probes are more likely wrong than right, or
// nothing is lost by trying.
static bool is_pool_in_panic(const struct sl_fleet *fleet, const struct sl_model_pool *pool)
{
	bool any_down = false;

	for (uint32_t i = 0; i < pool->n_backends; i++) {
		uint32_t b = pool->first_backend + i;
		const struct sl_fleet_backend *be = &fleet->set.backends[b];

		if (!sl_fleet_wants_flows(be, &fleet->model->backends[b]))
			continue;
		if (sl_fleet_may_take_flows(be))
			return false;
		any_down |= be->state == SL_BACKEND_DOWN;
	}
	return any_down;
}

static void update_weights(struct sl_fleet *fleet, uint32_t p)
{
	const struct sl_model_pool *pool = &fleet->model->pools[p];
	const bool in_panic = is_pool_in_panic(fleet, pool);
	const bool ignores = sl_fleet_ignores_ejections(fleet, p);

	for (uint32_t i = 0; i < pool->n_backends; i++) {
		uint32_t b = pool->first_backend + i;
		struct sl_fleet_backend *be = &fleet->set.backends[b];
		bool is_enforced = pool->adaptive == SL_ADAPTIVE_ENFORCE && !in_panic;
		bool is_rescued = in_panic && be->state == SL_BACKEND_DOWN;

		be->is_ignored = ignores && sl_fleet_guard_milli(fleet, b) == 0;
		const struct sl_weight_parts parts = {
			.takes_flows = sl_fleet_may_take_flows(be) || is_rescued,
			.configured = fleet->model->backends[b].weight,
			.override_weight = be->override_weight,
			.factor_milli =
				is_enforced ? sl_weight_to_milli(be->factor) : NEUTRAL_MILLI,
			.guard_milli = is_enforced && !be->is_ignored
		                               ? sl_fleet_guard_milli(fleet, b)
		                               : NEUTRAL_MILLI,
			.ramp_milli = in_panic ? NEUTRAL_MILLI : be->ramp_milli,
		};

		be->in_panic = in_panic;
		be->parts = parts;
		be->weight_milli = sl_weight_effective_milli(&parts);
		fleet->set.weights_milli[b] = be->weight_milli;
	}
}

void sl_fleet_compute(struct sl_fleet *fleet, uint64_t now_ns)
{
	uint64_t elapsed_ns = now_ns > fleet->tick_ns ? now_ns - fleet->tick_ns : 0;

	for (uint32_t b = 0; b < fleet->set.n_backends; b++)
		sl_fleet_update_state(fleet, b, now_ns);
	for (uint32_t p = 0; p < fleet->model->n_pools; p++) {
		if (fleet->set.pools[p].is_passive)
			sl_fleet_steer(fleet, p, now_ns);
		else
			update_factors(fleet, &fleet->model->pools[p], now_ns, elapsed_ns);
		update_weights(fleet, p);
	}
	fleet->tick_ns = now_ns;
}
