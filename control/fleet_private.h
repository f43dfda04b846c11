// SPDX-License-Identifier: Apache-2.0
// Inside of the fleet, shared by fleet.c (results, words, views), fleet_sync.c (carry over) and
// fleet_tick.c (states and weights).
#ifndef SLUICE_CONTROL_FLEET_PRIVATE_H
#define SLUICE_CONTROL_FLEET_PRIVATE_H

#include "estimator.h"
#include "fleet.h"
#include "health.h"
#include "histogram.h"
#include "weight.h"

#define SL_FLEET_NO_PROBE  UINT32_MAX
#define SL_FLEET_NOT_TAKEN UINT32_MAX // above every weight: always differs

struct sl_fleet_probe {
	struct sl_health health;
	struct sl_probe_result last;
	uint64_t last_ns;
	uint64_t n_ok, n_failed;
	struct sl_histogram durations;
};

struct sl_fleet_backend {
	uint64_t id;
	struct sl_estimator latency;
	double factor;          // of latency, 1 = neutral
	uint64_t ramp_start_ns; // while is_ramping
	uint64_t state_since_ns;
	int32_t override_weight;
	uint32_t pool;
	uint32_t first_probe; // in fleet->probes, one for each probe of the pool
	uint32_t deciding_probe;
	uint32_t weight_milli;
	uint32_t ramp_milli;
	uint8_t state;   // enum sl_backend_state
	uint8_t verdict; // enum sl_verdict, of all probes
	uint8_t reason;
	bool is_ramping;
	bool is_drained;
	bool in_panic;
	bool is_ignored;                 // its ejection is
	uint8_t guard_told;              // enum sl_guard_state
	double guard_value, guard_bound; // that its last ejection was decided by, and
	uint64_t guard_ejected_ns;       // when that was
	struct sl_weight_parts parts;    // of weight_milli
	// --- as taken ---
	struct sl_weight_parts taken_parts;
	bool was_in_panic;
	uint32_t n_changes; // ever
	struct sl_weight_change changes[SL_WEIGHT_CHANGES];
};

// Own copy of a probe's definition: at the next sync the old model may be gone.
struct sl_fleet_pool {
	uint32_t first_probe, n_probes; // in fleet->definitions
	uint32_t latency_probe;
	uint32_t first_backend;
	bool is_passive;       // its factors come from
	struct sl_steer steer; // what flows show
};

struct sl_fleet_set {
	struct sl_fleet_pool *pools;
	struct sl_model_probe *definitions;
	struct sl_fleet_backend *backends;
	struct sl_fleet_probe *probes;
	uint32_t *weights_milli;    // last computed, by backend
	uint32_t *taken_milli;      // last taken, or SL_FLEET_NOT_TAKEN
	uint64_t *scratch_us;       // for medians
	struct sl_steer_seen *seen; // since the last tick, by backend
	bool *takes;                // scratch, by backend
	uint32_t n_backends, n_pools;
};

struct sl_fleet {
	const struct sl_model *model; // borrowed; NULL before the first sync
	struct sl_fleet_set set;
	uint64_t tick_ns; // last recompute
};

// fleet_tick.c
void sl_fleet_update_state(struct sl_fleet *fleet, uint32_t backend, uint64_t now_ns);
void sl_fleet_compute(struct sl_fleet *fleet, uint64_t now_ns);
void sl_fleet_start_ramp(struct sl_fleet_backend *be, uint64_t now_ns);

// fleet_steer.c
void sl_fleet_steer(struct sl_fleet *fleet, uint32_t pool, uint64_t now_ns);
uint32_t sl_fleet_guard_milli(const struct sl_fleet *fleet, uint32_t backend);
// So many of those that could serve are ejected that all of them are needed.
bool sl_fleet_ignores_ejections(const struct sl_fleet *fleet, uint32_t pool);
int sl_fleet_steer_init(struct sl_fleet_set *set, const struct sl_model *model);
void sl_fleet_steer_carry(struct sl_fleet_set *to, uint32_t backend,
                          const struct sl_fleet_set *from, uint32_t old);
void sl_fleet_steer_forget(struct sl_fleet_set *set, uint32_t backend);

// fleet_changes.c
void sl_fleet_note_change(struct sl_fleet_backend *be, uint32_t taken_milli, uint8_t guard_reason,
                          uint64_t now_ns);

// fleet_tick.c
bool sl_fleet_may_take_flows(const struct sl_fleet_backend *be);
bool sl_fleet_wants_flows(const struct sl_fleet_backend *be, const struct sl_model_backend *mb);

// fleet_sync.c
void sl_fleet_set_fini(struct sl_fleet_set *set);

#endif
