// SPDX-License-Identifier: Apache-2.0
// From probe results to verdicts: rise/fall per probe, then all probes of a backend together.
//
// Table:   one constant row per (verdict so far, outcome) says how many in a row it takes and what
//          comes next.
// Outcome: a probe that Sluice itself could not run says nothing about the backend and is skipped.
// Thread:  the owner's.   Pure: no time at all, only order.
#ifndef SLUICE_CONTROL_HEALTH_H
#define SLUICE_CONTROL_HEALTH_H

#include "probe_reason.h"

enum sl_verdict { SL_VERDICT_UNKNOWN, SL_VERDICT_UP, SL_VERDICT_DOWN };

struct sl_health {
	uint8_t verdict;     // enum sl_verdict
	uint8_t reason;      // enum sl_probe_reason: of the last failure while down, else OK
	uint8_t streak;      // same outcomes in a row, saturates
	bool streak_is_good; // which outcome
};

// true when the verdict changed. rise and fall below 1 count as 1.
bool sl_health_add(struct sl_health *health, unsigned int reason, uint8_t rise, uint8_t fall);

// A probe whose definition changed: the verdict stays until the new one has earned its own.
void sl_health_restart(struct sl_health *health);

// Does this reason count as success, failure, or not at all?
bool sl_health_is_good(unsigned int reason);
bool sl_health_counts(unsigned int reason);

#endif
