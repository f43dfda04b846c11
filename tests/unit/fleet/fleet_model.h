// SPDX-License-Identifier: Apache-2.0
// A small model for tests of the fleet: one pool, a latency probe "tcp", optionally a second probe
// "http"; the caller changes what its test is about.
#ifndef SLUICE_TESTS_FLEET_MODEL_H
#define SLUICE_TESTS_FLEET_MODEL_H

#include "fleet.h"

#define FLEET_MODEL_MAX 8

struct fleet_model {
	struct sl_model model;
	struct sl_model_pool pool;
	struct sl_model_probe probes[2];
	struct sl_model_backend backends[FLEET_MODEL_MAX];
};

static inline void fleet_model_init(struct fleet_model *m, uint32_t n_backends, uint32_t n_probes)
{
	static const char *const names[] = {"tcp", "http"};

	*m = (struct fleet_model){0};
	for (uint32_t i = 0; i < 2; i++) {
		m->probes[i] = (struct sl_model_probe){
			.type = i == 0 ? SL_PROBE_TCP : SL_PROBE_HTTP,
			.rise = 2,
			.fall = 3,
			.interval_ms = 500,
			.timeout_ms = 400,
		};
		strcpy(m->probes[i].name, names[i]);
	}
	for (uint32_t i = 0; i < FLEET_MODEL_MAX; i++)
		m->backends[i] = (struct sl_model_backend){.id = 100 + i, .weight = 100};
	m->pool = (struct sl_model_pool){
		.id = 1,
		.adaptive = SL_ADAPTIVE_ENFORCE,
		.latency_probe = 0,
		.slow_start_ms = 10000,
		.n_backends = n_backends,
		.n_probes = n_probes,
	};
	m->model = (struct sl_model){
		.pools = &m->pool,
		.probes = m->probes,
		.backends = m->backends,
		.n_pools = 1,
		.n_probes = n_probes,
		.n_backends = n_backends,
	};
}

static inline void fleet_feed(struct sl_fleet *fleet, uint32_t backend, uint32_t probe,
                              uint8_t reason, uint32_t latency_us, uint64_t now_ns)
{
	struct sl_probe_result r = {.reason = reason,
	                            .connect_us = latency_us,
	                            .first_byte_us = latency_us,
	                            .total_us = latency_us};

	sl_fleet_result(fleet, backend, probe, &r, now_ns);
}

static inline struct sl_backend_view fleet_view(const struct sl_fleet *fleet, uint32_t backend)
{
	struct sl_backend_view view;

	sl_fleet_view(fleet, backend, &view);
	return view;
}

#endif
