// SPDX-License-Identifier: Apache-2.0
// The parts of /metrics: each adds whole families. See operations.md section 3 for the names.
#ifndef SLUICE_CONTROL_METRICS_H
#define SLUICE_CONTROL_METRICS_H

#include "daemon.h"
#include "metrics_text.h"

void sl_metrics_add_process(struct sl_text *text, struct sl_daemon *daemon);
void sl_metrics_add_objects(struct sl_text *text, struct sl_daemon *daemon);  // vips, pools
void sl_metrics_add_backends(struct sl_text *text, struct sl_daemon *daemon); // and probes
void sl_metrics_add_dataplane(struct sl_text *text, struct sl_daemon *daemon);

#endif
