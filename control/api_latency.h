// SPDX-License-Identifier: Apache-2.0
// The JSON of what flows showed: the "latency" and "steer" of API.md. New references, or NULL
// without memory; JSON null where there is nothing to say.
#ifndef SLUICE_CONTROL_API_LATENCY_H
#define SLUICE_CONTROL_API_LATENCY_H

#include <jansson.h>

#include "daemon.h"

json_t *sl_view_latency(struct sl_daemon *daemon, uint64_t backend_id);
json_t *sl_view_steer(const struct sl_daemon *daemon, uint32_t backend);
json_t *sl_view_pool_steer(const struct sl_daemon *daemon, uint32_t pool);
json_t *sl_view_weight_changes(const struct sl_daemon *daemon, uint32_t backend);

#endif
