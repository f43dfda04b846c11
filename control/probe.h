// SPDX-License-Identifier: Apache-2.0
// Active probes: one timer per (backend, probe) on a libuv loop, jittered; TCP connects directly,
// HTTP, KServe and gRPC health through one libcurl multi handle.
//
// Bounds:  a reply is read to 64 KiB at most, within the probe's timeout; then it is
// SL_PROBE_TOO_LARGE or
//          _TIMEOUT. 10,000 targets at 1 s need less than one core.
// Overlap: a target has at most one probe in flight; a due one is skipped while the last still
// runs. Thread:  the loop's. done is called from it, never from inside sl_prober_set. Source:
// KServe v2 (Open Inference Protocol) /v2/health/ready; grpc.health.v1 over h2c.
#ifndef SLUICE_CONTROL_PROBE_H
#define SLUICE_CONTROL_PROBE_H

#include <uv.h>

#include "model.h"
#include "probe_reason.h"

struct sl_probe_target {
	uint64_t key; // the caller's name for it, unique; a key that stays keeps its timer and
	              // statistics
	struct sl_ip address;
	uint16_t port;                      // host order
	const struct sl_model_probe *probe; // copied
};

typedef void (*sl_probe_done_fn)(void *ctx, uint64_t key, const struct sl_probe_result *result);

struct sl_prober;
struct sl_prober *sl_prober_new(uv_loop_t *loop, uint64_t seed, sl_probe_done_fn done, void *ctx);

// Replace the set of targets; first probes of new ones are spread over their interval. 0 or -errno.
int sl_prober_set(struct sl_prober *prober, const struct sl_probe_target *targets, uint32_t n);

// Stops everything; closed is called when the loop has let go of it and the prober is freed.
void sl_prober_close(struct sl_prober *prober, void (*closed)(void *ctx), void *ctx);

#endif
