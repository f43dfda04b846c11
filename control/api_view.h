// SPDX-License-Identifier: Apache-2.0
// The JSON of API.md, made from what the daemon holds. Each function returns a new reference, or
// NULL without memory.
#ifndef SLUICE_CONTROL_API_VIEW_H
#define SLUICE_CONTROL_API_VIEW_H

#include <jansson.h>

#include "daemon.h"

#define SL_API_NAME "sluice/v1"

json_t *sl_view_status(struct sl_daemon *daemon);
json_t *sl_view_vips(struct sl_daemon *daemon);
json_t *sl_view_pools(struct sl_daemon *daemon);
json_t *sl_view_pool(struct sl_daemon *daemon, uint32_t pool, bool with_backends);
// With the last changes of its weight.
json_t *sl_view_backend(struct sl_daemon *daemon, uint32_t pool, uint32_t backend);
json_t *sl_view_flow_count(struct sl_daemon *daemon);
json_t *sl_view_apply(const struct sl_apply_result *result);

// Any bytes as a JSON string: what is no UTF-8 (a quoted line of a refused file) becomes '?'.
json_t *sl_view_text(const char *text);

// Backends of a pool by state, as the pool list, the status and the metrics count them.
struct sl_state_counts {
	uint32_t by_state[SL_BACKEND_MAINT + 1];
	uint32_t n_backends;
	uint32_t n_up; // up or in slow start
	bool in_panic;
};
void sl_view_count_states(const struct sl_daemon *daemon, uint32_t pool,
                          struct sl_state_counts *counts);

// Adds api and kind. NULL stays NULL.
json_t *sl_view_envelope(const char *kind, json_t *object);

#endif
