// SPDX-License-Identifier: Apache-2.0
#include "fleet_private.h"

#include <math.h>

const char *sl_weight_cause_name(unsigned int cause)
{
	static const char *const names[SL_WEIGHT_CAUSES] = {
		[SL_WEIGHT_FIRST] = "first",          [SL_WEIGHT_BY_FILE] = "file",
		[SL_WEIGHT_BY_OVERRIDE] = "override", [SL_WEIGHT_BY_HEALTH] = "health",
		[SL_WEIGHT_BY_PANIC] = "panic",       [SL_WEIGHT_BY_GUARD] = "guard",
		[SL_WEIGHT_BY_LATENCY] = "latency",   [SL_WEIGHT_BY_SLOW_START] = "slow_start",
	};

	return cause < SL_WEIGHT_CAUSES ? names[cause] : "invalid";
}

// What is switched comes before what glides: the factor may have moved a little at the same time.
static enum sl_weight_cause find_cause(const struct sl_fleet_backend *be)
{
	const struct sl_weight_parts *now = &be->parts, *was = &be->taken_parts;

	if (be->n_changes == 0)
		return SL_WEIGHT_FIRST;
	if (be->in_panic != be->was_in_panic)
		return SL_WEIGHT_BY_PANIC;
	if (now->takes_flows != was->takes_flows)
		return SL_WEIGHT_BY_HEALTH;
	if (now->override_weight != was->override_weight)
		return SL_WEIGHT_BY_OVERRIDE;
	if (now->configured != was->configured)
		return SL_WEIGHT_BY_FILE;
	if (now->guard_milli != was->guard_milli)
		return SL_WEIGHT_BY_GUARD;
	return fabs(log((now->ramp_milli + 1.0) / (was->ramp_milli + 1.0))) >
	                       fabs(log((now->factor_milli + 1.0) / (was->factor_milli + 1.0)))
	               ? SL_WEIGHT_BY_SLOW_START
	               : SL_WEIGHT_BY_LATENCY;
}

void sl_fleet_note_change(struct sl_fleet_backend *be, uint32_t taken_milli, uint8_t guard_reason,
                          uint64_t now_ns)
{
	struct sl_weight_change *change = &be->changes[be->n_changes % SL_WEIGHT_CHANGES];
	const enum sl_weight_cause cause = find_cause(be);

	// Gliding parts are compared with where they stood at the last change.
	if (be->weight_milli == taken_milli)
		return;
	*change = (struct sl_weight_change){
		.at_ns = now_ns,
		.from_milli = cause == SL_WEIGHT_FIRST ? 0 : taken_milli,
		.to_milli = be->weight_milli,
		.factor_milli = be->parts.factor_milli,
		.cause = (uint8_t)cause,
		.state = be->state,
		.guard_reason = guard_reason,
	};
	be->n_changes++;
	be->taken_parts = be->parts;
	be->was_in_panic = be->in_panic;
}

uint32_t sl_fleet_weight_changes(const struct sl_fleet *fleet, uint32_t backend,
                                 struct sl_weight_change changes[SL_WEIGHT_CHANGES])
{
	const struct sl_fleet_backend *be;
	uint32_t n;

	if (backend >= fleet->set.n_backends)
		return 0;
	be = &fleet->set.backends[backend];
	n = be->n_changes < SL_WEIGHT_CHANGES ? be->n_changes : SL_WEIGHT_CHANGES;
	for (uint32_t i = 0; i < n; i++)
		changes[i] = be->changes[(be->n_changes - 1 - i) % SL_WEIGHT_CHANGES];
	return n;
}
