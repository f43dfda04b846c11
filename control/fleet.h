// SPDX-License-Identifier: Apache-2.0
// The fleet: what control knows and decides about every backend. Pure: results and time in, states
// and weights out; the same code runs in the tests with virtual time.
//
// Weight:  effective = health gate x slow start x (override, else configured x factor); published
//          only when it changes by more than 2 % or an eligibility changes (hysteresis).
// Factor:  a pool with a latency probe: clamp(median smoothed latency of the pool / own, 1/8, 4),
//          moved at most by a bounded step per second. A pool without (passive): what its flows
//          show, by steer.h: the controller's factor and the guards' verdict. Ejections are ignored
//          while they leave less than half of those that could serve.
// Unknown: before the first verdict a backend serves at its configured weight (fail open); when
// every
//          backend of a pool is down, the pool keeps configured weights (panic) - better a slow
//          answer than none; both are visible in the view.
// Carry:   sl_fleet_sync keeps everything known about a backend whose id stays, and its probes by
// name. Time:    now_ns is CLOCK_MONOTONIC. Thread:  control main loop.
#ifndef SLUICE_CONTROL_FLEET_H
#define SLUICE_CONTROL_FLEET_H

#include "model.h"
#include "probe_reason.h"
#include "sluice/units.h"
#include "steer.h"

enum sl_backend_state {
	SL_BACKEND_UNKNOWN, // no verdict yet: serves
	SL_BACKEND_UP,
	SL_BACKEND_SLOW_START, // up, weight ramping
	SL_BACKEND_DOWN,
	SL_BACKEND_DRAIN, // by file or operator: keeps flows, takes none
	SL_BACKEND_MAINT,
};
const char *sl_backend_state_name(unsigned int state);

struct sl_fleet;
struct sl_histogram;

struct sl_probe_view {
	bool has_verdict;
	bool is_up;
	uint8_t streak; // same results in a row
	struct sl_probe_result last;
	uint64_t last_ns; // 0 = never ran
	uint64_t n_ok, n_failed;
	const struct sl_histogram *durations; // borrowed until the next sync; NULL = no such probe
};

// What moved a weight most.
enum sl_weight_cause {
	SL_WEIGHT_FIRST, // the first one that was published
	SL_WEIGHT_BY_FILE,
	SL_WEIGHT_BY_OVERRIDE,
	SL_WEIGHT_BY_HEALTH, // state, the operator's drain too
	SL_WEIGHT_BY_PANIC,
	SL_WEIGHT_BY_GUARD,
	SL_WEIGHT_BY_LATENCY,
	SL_WEIGHT_BY_SLOW_START,
	SL_WEIGHT_CAUSES
};
const char *sl_weight_cause_name(unsigned int cause);

#define SL_WEIGHT_CHANGES 16

struct sl_weight_change {
	uint64_t at_ns;
	uint32_t from_milli, to_milli;
	uint32_t factor_milli; // of latency, then
	uint8_t cause;         // enum sl_weight_cause
	uint8_t state;         // enum sl_backend_state
	uint8_t guard_reason;  // enum sl_guard_reason, when the cause is the guard
};

struct sl_backend_view {
	uint8_t state;                 // enum sl_backend_state
	uint8_t reason;                // enum sl_probe_reason of the probe that decided; OK when up
	uint32_t deciding_probe;       // number in the pool; UINT32_MAX = none
	uint32_t weight_milli;         // effective, last computed
	uint32_t latency_factor_milli; // 1000 = neutral (shadow: what it would be)
	uint32_t guard_milli;          // 1000 = well, 0 = ejected (shadow: it would be)
	uint32_t slow_start_milli;     // 1000 = done
	int32_t override_weight;       // -1 = none
	uint64_t latency_us;           // smoothed, of probe or first tokens; 0 = unknown
	uint64_t state_since_ns;
	bool is_drained_by_operator;
	bool in_panic;
};

// Of a passive pool's backend.
struct sl_steer_view {
	uint8_t guard;             // enum sl_guard_state
	uint8_t guard_reason;      // enum sl_guard_reason: of the last ejection
	double guard_value;        // that decided it, and
	double guard_bound;        // what it was held against
	uint64_t guard_until_ns;   // while ejected
	bool is_ignored;           // ejected, but too few others are left
	bool is_drifting;          // slower than its own past
	uint64_t ttft_us, tpot_us; // smoothed; 0 = unknown
	uint64_t latency_us;       // what the controller compares; 0 = unknown
};

struct sl_pool_steer_view {
	bool is_frozen;   // weights only go back to the configured ones
	bool is_degraded; // the pool as a whole is slower than it was
	uint64_t median_us, median_ttft_us, objective_us; // 0 = unknown, none
};

struct sl_fleet *sl_fleet_new(void);
void sl_fleet_free(struct sl_fleet *fleet);

// model is borrowed until the next sync. 0 or -ENOMEM (then nothing changed).
int sl_fleet_sync(struct sl_fleet *fleet, const struct sl_model *model, uint64_t now_ns);

// backend and probe by number in the model (probe within its pool).
void sl_fleet_result(struct sl_fleet *fleet, uint32_t backend, uint32_t probe,
                     const struct sl_probe_result *result, uint64_t now_ns);

// What flows showed of a backend since the call before; of backends of passive pools.
void sl_fleet_seen(struct sl_fleet *fleet, uint32_t backend, const struct sl_steer_seen *seen);

// Operator's word, on top of the file's. weight -1 takes an override back.
int sl_fleet_set_drain(struct sl_fleet *fleet, uint32_t backend, bool is_drained, uint64_t now_ns);
int sl_fleet_set_weight(struct sl_fleet *fleet, uint32_t backend, int32_t weight, uint64_t now_ns);

// Recompute. true when the weights differ enough from the last taken ones to be published.
bool sl_fleet_tick(struct sl_fleet *fleet, uint64_t now_ns);

// The weights by backend of the model, and remember them, with what moved them, as taken. Borrowed
// until the next call.
const uint32_t *sl_fleet_take_weights(struct sl_fleet *fleet);

void sl_fleet_view(const struct sl_fleet *fleet, uint32_t backend, struct sl_backend_view *view);
// Newest first; how many there are, at most SL_WEIGHT_CHANGES.
uint32_t sl_fleet_weight_changes(const struct sl_fleet *fleet, uint32_t backend,
                                 struct sl_weight_change changes[SL_WEIGHT_CHANGES]);

// False when its pool is not passive.
bool sl_fleet_steer_view(const struct sl_fleet *fleet, uint32_t backend,
                         struct sl_steer_view *view);
bool sl_fleet_pool_steer_view(const struct sl_fleet *fleet, uint32_t pool,
                              struct sl_pool_steer_view *view);

// The next backend from *backend on whose guard is in another state than when this was asked last.
bool sl_fleet_guard_news(struct sl_fleet *fleet, uint32_t *backend, struct sl_steer_view *view);

void sl_fleet_probe_view(const struct sl_fleet *fleet, uint32_t backend, uint32_t probe,
                         struct sl_probe_view *view);

#endif
