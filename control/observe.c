// SPDX-License-Identifier: Apache-2.0
// What flows show of their backends: from the statistics to the fleet, each tick, and to the log
// when it took a backend out or let it back in.
#include <inttypes.h>

#include "daemon.h"

#define TOLD_PER_TICK 4u // lines; a fleet that fails as a whole must not fill the log

static const struct sl_model_pool *pool_of(const struct sl_model *model, uint32_t backend)
{
	const struct sl_model_pool *pool = model->pools;

	while (backend - pool->first_backend >= pool->n_backends)
		pool++;
	return pool;
}

static void tell(const struct sl_daemon *daemon, uint32_t backend, const struct sl_steer_view *view,
                 uint64_t now_ns)
{
	const struct sl_model_pool *pool = pool_of(daemon->model, backend);
	const char *name = daemon->model->backends[backend].name;
	const char *would = pool->adaptive == SL_ADAPTIVE_SHADOW ? "shadow: would be " : "";

	if (view->guard == SL_GUARD_EJECTED)
		sl_log(daemon->log, SL_LOG_WARN,
		       "backend %s/%s: %sejected for %" PRIu64 " s: %s (%.2f, bound %.2f)",
		       pool->name, name, would,
		       (view->guard_until_ns > now_ns ? view->guard_until_ns - now_ns : 0) /
		               SL_NS_PER_S,
		       sl_guard_reason_name(view->guard_reason), view->guard_value,
		       view->guard_bound);
	else if (view->guard == SL_GUARD_HALF_OPEN)
		sl_log(daemon->log, SL_LOG_INFO,
		       "backend %s/%s: %shalf open after %s: a 64th of its weight until 3 "
		       "connections went well",
		       pool->name, name, would, sl_guard_reason_name(view->guard_reason));
	else
		sl_log(daemon->log, SL_LOG_INFO, "backend %s/%s: %sback in service after %s",
		       pool->name, name, would, sl_guard_reason_name(view->guard_reason));
}

void sl_observe_tick(struct sl_daemon *daemon, uint64_t now_ns)
{
	struct sl_latency_reader *latency = sl_stats_reader_latency(daemon->stats);

	sl_latency_reader_look(latency, now_ns);
	for (uint32_t b = 0; b < daemon->model->n_backends; b++) {
		struct sl_steer_seen seen;

		sl_latency_reader_take(latency, daemon->model->backends[b].id, &seen);
		sl_fleet_seen(daemon->fleet, b, &seen);
	}
}

void sl_observe_tell(struct sl_daemon *daemon, uint64_t now_ns)
{
	struct sl_steer_view view;

	for (uint32_t b = 0, n = 0;
	     n < TOLD_PER_TICK && sl_fleet_guard_news(daemon->fleet, &b, &view); b++, n++)
		tell(daemon, b, &view, now_ns);
}
