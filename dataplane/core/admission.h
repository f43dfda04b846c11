// SPDX-License-Identifier: Apache-2.0
// Admission: which classes of new flows a pool still takes as it fills up. What is let in beyond
// what its servers can do makes everybody late; what is refused at the SYN costs nobody anything,
// and those who can wait are refused first.
//
// Load:    sat = sum(load) / sum(cap) over the backends that take new flows, load as in phase.h.
// Classes: by rank, 0 is served first. Each has a ceiling on sat:
//            soft      1 - rank x sat / (ranks - 1): it comes down as sat goes up, so the last of
//                      them gets in up to half of the capacity
//            holdback  from 1 for rank 0 evenly down to the floor for the last
//          Rank 0 stops at the sum of the caps; the cap of each backend is the pick's
//          (sl_pick_least.limit_flows).
// Tighter: each step takes an eighth off the ceilings below rank 0: for a forecast that says the
//          pool is about to be full (control/forecast.h).
// Trickle: a class above its ceiling still gets so many flows per second, so that nobody starves;
//          exact over workers (limit.h). Not above the sum of the caps.
// Refused: silently (the client's kernel comes again after a second: batch) or with a RST (it knows
//          at once and goes elsewhere: interactive), by class.
// Cost:    a sum over the members and one compare; ceilings are made off the packet path.
// Thread:  struct sl_admission is read-only while workers use it; the cells are shared.
// Source:  reference/ai-aware.md section 2.4.
#ifndef SLUICE_CORE_ADMISSION_H
#define SLUICE_CORE_ADMISSION_H

#include "limit.h"
#include "pick.h"

#define SL_ADMISSION_RANKS 8

enum sl_admission_kind { SL_ADMISSION_SOFT, SL_ADMISSION_HOLDBACK };

struct sl_admission_rule {
	enum sl_admission_kind kind;
	uint32_t n_ranks;                     // 1 to SL_ADMISSION_RANKS
	uint32_t floor_milli;                 // of holdback; up to 1000
	uint32_t n_tighter;                   // steps
	uint32_t cap_flows;                   // of each backend, in flows' worth; 0 = no ceilings
	uint32_t n_backends;                  // that take new flows
	uint32_t trickle[SL_ADMISSION_RANKS]; // flows per second; 0 = none
	bool has_reset[SL_ADMISSION_RANKS];   // refused with a RST
};

struct sl_admission {
	uint64_t ceilings[SL_ADMISSION_RANKS]; // of the load of all members together, in units
	struct sl_limit_rate trickles[SL_ADMISSION_RANKS];
	uint8_t n_ranks;
	uint8_t resets; // bit by rank
};

enum sl_admission_verdict {
	SL_ADMISSION_OPEN,    // below the ceiling
	SL_ADMISSION_TRICKLE, // above it, but not starved: admitted
	SL_ADMISSION_CLASS,   // refused: above the ceiling of its class
	SL_ADMISSION_FULL,    // refused: the pool is at the sum of its caps
};

// 0, or -EINVAL for a rule out of its bounds.
int sl_admission_build(struct sl_admission *a, const struct sl_admission_rule *rule);

// Load of the members that take new flows.
uint64_t sl_admission_load(const struct sl_pick_least *pl, const struct sl_pick_load *load);

// A new flow of this rank; ranks beyond the last are the last. cells[SL_ADMISSION_RANKS]: of this
// pool, shared by all workers, zeroed at first.
enum sl_admission_verdict sl_admission_ask(const struct sl_admission *a, sl_limit_cell *cells,
                                           uint32_t rank, uint64_t load_units, uint64_t now_ns);

static inline bool sl_admission_is_refused(enum sl_admission_verdict verdict)
{
	return verdict >= SL_ADMISSION_CLASS;
}

static inline bool sl_admission_has_reset(const struct sl_admission *a, uint32_t rank)
{
	return (a->resets >> (rank < a->n_ranks ? rank : a->n_ranks - 1u) & 1) != 0;
}

#endif
