// SPDX-License-Identifier: Apache-2.0
#include "api_latency.h"

static json_t *integer(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *seconds_of_us(uint64_t us)
{
	return us == 0 ? json_null() : json_real((double)us / 1e6);
}

// Sums are kept of all samples only.
static json_t *mean(const struct sl_tally *tally, enum sl_latency_kind kind, uint64_t n)
{
	return n == 0 ? json_null() : json_real((double)tally->total_us[kind] / 1e6 / (double)n);
}

static json_t *view_kind(const struct sl_tally *tally, enum sl_latency_kind kind,
                         enum sl_tally_span span)
{
	const uint64_t n = sl_tally_count(tally, kind, span);
	json_t *json =
		json_pack("{s:o, s:o, s:o, s:o}", "samples", integer(n), "p50",
	                  seconds_of_us(sl_tally_quantile_us(tally, kind, span, 0.50)), "p90",
	                  seconds_of_us(sl_tally_quantile_us(tally, kind, span, 0.90)), "p99",
	                  seconds_of_us(sl_tally_quantile_us(tally, kind, span, 0.99)));

	if (json != NULL && span == SL_TALLY_EVER)
		json_object_set_new(json, "mean", mean(tally, kind, n));
	return json;
}

static json_t *view_span(const struct sl_tally *tally, enum sl_tally_span span)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "ttft_seconds",
	                 view_kind(tally, SL_LATENCY_TTFT, span), "tpot_seconds",
	                 view_kind(tally, SL_LATENCY_TPOT, span), "connect_seconds",
	                 view_kind(tally, SL_LATENCY_CONNECT, span), "duration_seconds",
	                 view_kind(tally, SL_LATENCY_DURATION, span));
}

json_t *sl_view_latency(struct sl_daemon *daemon, uint64_t backend_id)
{
	const struct sl_tally *tally =
		sl_latency_reader_tally(sl_stats_reader_latency(daemon->stats), backend_id);

	if (tally == NULL)
		return json_null();
	return json_pack("{s:f, s:o, s:o, s:o, s:o, s:o}", "load",
	                 tally->load_units / (double)SL_LATENCY_LOAD_UNIT, "oldest_wait_seconds",
	                 seconds_of_us(tally->oldest_us), "ended_total", integer(tally->ended),
	                 "fleeting_total", integer(tally->fleeting), "minute",
	                 view_span(tally, SL_TALLY_MINUTE), "ever",
	                 view_span(tally, SL_TALLY_EVER));
}

json_t *sl_view_steer(const struct sl_daemon *daemon, uint32_t backend)
{
	static const char *const guards[] = {[SL_GUARD_CLOSED] = "closed",
	                                     [SL_GUARD_EJECTED] = "ejected",
	                                     [SL_GUARD_HALF_OPEN] = "half_open"};
	const uint64_t now_ns = uv_hrtime();
	struct sl_steer_view view;
	json_t *left = json_null(), *why = json_null();

	if (!sl_fleet_steer_view(daemon->fleet, backend, &view))
		return json_null();
	if (view.guard == SL_GUARD_EJECTED)
		left = json_real(
			(double)(view.guard_until_ns > now_ns ? view.guard_until_ns - now_ns : 0) /
			(double)SL_NS_PER_S);
	if (view.guard_reason != SL_GUARD_OK)
		why = json_pack("{s:s, s:f, s:f}", "reason",
		                sl_guard_reason_name(view.guard_reason), "value", view.guard_value,
		                "bound", view.guard_bound);
	return json_pack("{s:s, s:o, s:o, s:b, s:b, s:o, s:o, s:o}", "guard", guards[view.guard],
	                 "last_ejection", why, "remaining_seconds", left, "ignored",
	                 (int)view.is_ignored, "drifting", (int)view.is_drifting, "ttft_seconds",
	                 seconds_of_us(view.ttft_us), "tpot_seconds", seconds_of_us(view.tpot_us),
	                 "compared_seconds", seconds_of_us(view.latency_us));
}

json_t *sl_view_pool_steer(const struct sl_daemon *daemon, uint32_t pool)
{
	struct sl_pool_steer_view view;

	if (!sl_fleet_pool_steer_view(daemon->fleet, pool, &view))
		return json_null();
	return json_pack("{s:b, s:b, s:o, s:o, s:o}", "frozen", (int)view.is_frozen, "degraded",
	                 (int)view.is_degraded, "median_compared_seconds",
	                 seconds_of_us(view.median_us), "median_ttft_seconds",
	                 seconds_of_us(view.median_ttft_us), "ttft_objective_seconds",
	                 seconds_of_us(view.objective_us));
}

json_t *sl_view_weight_changes(const struct sl_daemon *daemon, uint32_t backend)
{
	struct sl_weight_change changes[SL_WEIGHT_CHANGES];
	const uint32_t n = sl_fleet_weight_changes(daemon->fleet, backend, changes);
	const uint64_t now_ns = uv_hrtime();
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++) {
		const struct sl_weight_change *c = &changes[i];
		const char *reason = c->cause == SL_WEIGHT_BY_GUARD
		                             ? sl_guard_reason_name(c->guard_reason)
		                             : NULL;

		json_array_append_new(
			list, json_pack("{s:f, s:f, s:f, s:s, s:f, s:s, s:s?}", "age_seconds",
		                        (double)(now_ns > c->at_ns ? now_ns - c->at_ns : 0) /
		                                (double)SL_NS_PER_S,
		                        "from", c->from_milli / 1000.0, "to", c->to_milli / 1000.0,
		                        "cause", sl_weight_cause_name(c->cause), "latency_factor",
		                        c->factor_milli / 1000.0, "state",
		                        sl_backend_state_name(c->state), "guard_reason", reason));
	}
	return list;
}
