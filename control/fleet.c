// SPDX-License-Identifier: Apache-2.0
#include "fleet_private.h"

#include <errno.h>
#include <stdlib.h>

#include "weight.h"

const char *sl_backend_state_name(unsigned int state)
{
	static const char *const names[] = {
		[SL_BACKEND_UNKNOWN] = "unknown",       [SL_BACKEND_UP] = "up",
		[SL_BACKEND_SLOW_START] = "slow_start", [SL_BACKEND_DOWN] = "down",
		[SL_BACKEND_DRAIN] = "drain",           [SL_BACKEND_MAINT] = "maint",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "invalid";
}

struct sl_fleet *sl_fleet_new(void)
{
	return calloc(1, sizeof(struct sl_fleet));
}

void sl_fleet_free(struct sl_fleet *fleet)
{
	if (fleet == NULL)
		return;
	sl_fleet_set_fini(&fleet->set);
	free(fleet);
}

// NULL for numbers of an older model: a late result must not land on a stranger's memory.
static struct sl_fleet_probe *probe_at(const struct sl_fleet *fleet, uint32_t backend,
                                       uint32_t probe)
{
	const struct sl_fleet_backend *be;

	if (backend >= fleet->set.n_backends)
		return NULL;
	be = &fleet->set.backends[backend];
	if (probe >= fleet->set.pools[be->pool].n_probes)
		return NULL;
	return &fleet->set.probes[be->first_probe + probe];
}

// A timeout is a sample too: the answer would have taken at least this long. So a stalled backend
// loses weight before it is called dead.
static void add_latency(struct sl_fleet_backend *be, const struct sl_probe_result *result,
                        uint64_t now_ns)
{
	if (result->reason == SL_PROBE_OK)
		sl_estimator_add(&be->latency,
		                 result->first_byte_us > 0 ? result->first_byte_us
		                                           : result->total_us,
		                 now_ns);
	else if ((result->reason == SL_PROBE_TIMEOUT ||
	          result->reason == SL_PROBE_CONNECT_TIMEOUT) &&
	         result->total_us > sl_estimator_value_us(&be->latency))
		sl_estimator_add(&be->latency, result->total_us, now_ns);
}

void sl_fleet_result(struct sl_fleet *fleet, uint32_t backend, uint32_t probe,
                     const struct sl_probe_result *result, uint64_t now_ns)
{
	struct sl_fleet_probe *state = probe_at(fleet, backend, probe);
	const struct sl_model_probe *def;
	const struct sl_model_pool *pool;
	struct sl_fleet_backend *be;

	if (state == NULL || fleet->set.backends[backend].state == SL_BACKEND_MAINT)
		return;
	be = &fleet->set.backends[backend];
	pool = &fleet->model->pools[be->pool];
	def = &fleet->model->probes[pool->first_probe + probe];

	state->last = *result;
	state->last_ns = now_ns;
	if (sl_health_is_good(result->reason))
		state->n_ok++;
	else
		state->n_failed++;
	if (result->reason != SL_PROBE_INTERNAL) // else it did not run
		sl_histogram_add(&state->durations, result->total_us);
	sl_health_add(&state->health, result->reason, def->rise, def->fall);
	if (probe == pool->latency_probe && sl_health_counts(result->reason))
		add_latency(be, result, now_ns);
	sl_fleet_update_state(fleet, backend, now_ns);
}

int sl_fleet_set_drain(struct sl_fleet *fleet, uint32_t backend, bool is_drained, uint64_t now_ns)
{
	if (backend >= fleet->set.n_backends)
		return -ENOENT;
	fleet->set.backends[backend].is_drained = is_drained;
	sl_fleet_update_state(fleet, backend, now_ns);
	return 0;
}

int sl_fleet_set_weight(struct sl_fleet *fleet, uint32_t backend, int32_t weight, uint64_t now_ns)
{
	if (backend >= fleet->set.n_backends)
		return -ENOENT;
	if (weight < -1 || weight > 1000)
		return -EINVAL;
	fleet->set.backends[backend].override_weight = weight;
	sl_fleet_update_state(fleet, backend, now_ns);
	return 0;
}

bool sl_fleet_tick(struct sl_fleet *fleet, uint64_t now_ns)
{
	bool differs = false;

	if (fleet->model == NULL)
		return false;
	sl_fleet_compute(fleet, now_ns);
	for (uint32_t b = 0; b < fleet->set.n_backends && !differs; b++)
		differs = sl_weight_differs(fleet->set.taken_milli[b], fleet->set.weights_milli[b]);
	return differs;
}

const uint32_t *sl_fleet_take_weights(struct sl_fleet *fleet)
{
	for (uint32_t b = 0; b < fleet->set.n_backends; b++) {
		struct sl_steer_view view;

		sl_fleet_steer_view(fleet, b, &view);
		sl_fleet_note_change(&fleet->set.backends[b], fleet->set.taken_milli[b],
		                     view.guard_reason, fleet->tick_ns);
	}
	if (fleet->set.n_backends > 0)
		memcpy(fleet->set.taken_milli, fleet->set.weights_milli,
		       fleet->set.n_backends * sizeof(*fleet->set.taken_milli));
	return fleet->set.taken_milli;
}

void sl_fleet_view(const struct sl_fleet *fleet, uint32_t backend, struct sl_backend_view *view)
{
	const struct sl_fleet_backend *be;
	struct sl_steer_view steer;

	*view = (struct sl_backend_view){.deciding_probe = SL_FLEET_NO_PROBE,
	                                 .override_weight = -1};
	if (backend >= fleet->set.n_backends)
		return;
	be = &fleet->set.backends[backend];
	view->state = be->state;
	view->reason = be->reason;
	view->deciding_probe = be->deciding_probe;
	view->weight_milli = be->weight_milli;
	view->latency_factor_milli = sl_weight_to_milli(be->factor);
	view->slow_start_milli = be->ramp_milli;
	view->override_weight = be->override_weight;
	view->guard_milli = sl_fleet_guard_milli(fleet, backend);
	view->latency_us = sl_fleet_steer_view(fleet, backend, &steer)
	                           ? steer.ttft_us
	                           : sl_estimator_value_us(&be->latency);
	view->state_since_ns = be->state_since_ns;
	view->is_drained_by_operator = be->is_drained;
	view->in_panic = be->in_panic;
}

void sl_fleet_probe_view(const struct sl_fleet *fleet, uint32_t backend, uint32_t probe,
                         struct sl_probe_view *view)
{
	const struct sl_fleet_probe *state = probe_at(fleet, backend, probe);

	*view = (struct sl_probe_view){0};
	if (state == NULL)
		return;
	view->has_verdict = state->health.verdict != SL_VERDICT_UNKNOWN;
	view->is_up = state->health.verdict == SL_VERDICT_UP;
	view->streak = state->health.streak;
	view->last = state->last;
	view->last_ns = state->last_ns;
	view->n_ok = state->n_ok;
	view->n_failed = state->n_failed;
	view->durations = &state->durations;
}
