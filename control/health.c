// SPDX-License-Identifier: Apache-2.0
#include "health.h"

enum outcome { OUTCOME_GOOD, OUTCOME_BAD, OUTCOME_COUNT };

enum needs { NEEDS_RISE, NEEDS_FALL, NEEDS_NOTHING_NEW };

struct rule {
	uint8_t needs; // enum needs: length of the streak it takes
	uint8_t next;  // enum sl_verdict
};

static const struct rule rules[][OUTCOME_COUNT] = {
	[SL_VERDICT_UNKNOWN] = {[OUTCOME_GOOD] = {NEEDS_RISE, SL_VERDICT_UP},
                                [OUTCOME_BAD] = {NEEDS_FALL, SL_VERDICT_DOWN}},
	[SL_VERDICT_UP] = {[OUTCOME_GOOD] = {NEEDS_NOTHING_NEW, SL_VERDICT_UP},
                           [OUTCOME_BAD] = {NEEDS_FALL, SL_VERDICT_DOWN}},
	[SL_VERDICT_DOWN] = {[OUTCOME_GOOD] = {NEEDS_RISE, SL_VERDICT_UP},
                             [OUTCOME_BAD] = {NEEDS_NOTHING_NEW, SL_VERDICT_DOWN}},
};

bool sl_health_is_good(unsigned int reason)
{
	return reason == SL_PROBE_OK;
}

bool sl_health_counts(unsigned int reason)
{
	return reason < SL_PROBE_REASON_COUNT && reason != SL_PROBE_INTERNAL;
}

static bool is_streak_long_enough(const struct sl_health *health, uint8_t needs, uint8_t rise,
                                  uint8_t fall)
{
	uint8_t wanted;

	if (needs == NEEDS_NOTHING_NEW)
		return false;
	wanted = needs == NEEDS_RISE ? rise : fall;
	return health->streak >= (wanted > 0 ? wanted : 1);
}

bool sl_health_add(struct sl_health *health, unsigned int reason, uint8_t rise, uint8_t fall)
{
	bool is_good = sl_health_is_good(reason);
	const struct rule *rule;

	if (!sl_health_counts(reason))
		return false;
	if (health->streak_is_good != is_good) {
		health->streak = 0;
		health->streak_is_good = is_good;
	}
	if (health->streak < UINT8_MAX)
		health->streak++;

	rule = &rules[health->verdict][is_good ? OUTCOME_GOOD : OUTCOME_BAD];
	if (!is_streak_long_enough(health, rule->needs, rise, fall)) {
		if (health->verdict == SL_VERDICT_DOWN && !is_good)
			health->reason = (uint8_t)reason;
		return false;
	}
	health->verdict = rule->next;
	health->reason = (uint8_t)reason;
	return true;
}

void sl_health_restart(struct sl_health *health)
{
	health->streak = 0;
}
