// SPDX-License-Identifier: Apache-2.0
// Limits on the rate of new flows: per backend, per VIP and per source prefix, each exact over all
// workers together.
//
// Shape:   one 64-bit word per limited thing, shared by all workers: the time at which its next
// flow
//          would be due if flows came evenly. A flow is admitted when that time is no further ahead
//          than the burst, and moves it on by one interval (the generic cell rate algorithm, ITU-T
//          I.371 annex A; a token bucket without a refill).
// Sharing: a word is written only when a flow is admitted, so its cache line moves between cores at
//          most as often as the limit allows; what is over the limit only reads. This is why the
//          count can be exact at all: shares per worker would refuse flows while another worker has
//          room, for flows are spread over workers by hash and not evenly.
// Burst:   a quarter of a second's flows, at least one.
// Sources: /32 of IPv4, /64 of IPv6, per VIP, in a table of fixed size with a keyed hash. A word
//          there holds 16 bits of hash and the time in us. Who comes to a full bucket takes the
//          place of the source closest to being forgotten anyway: a table too small admits too much
//          and never refuses the innocent.
// Time:    now_ns is a parameter, CLOCK_MONOTONIC; it may differ by a loop's length between
// workers. Thread:  any worker, any time.
#ifndef SLUICE_CORE_LIMIT_H
#define SLUICE_CORE_LIMIT_H

#include <stdalign.h>
#include <stdatomic.h>

#include "hash.h"
#include "sluice/units.h"

#define SL_LIMIT_SOURCES 65536
#define SL_LIMIT_WAYS    8 // one cache line

typedef _Atomic uint64_t sl_limit_cell;

struct sl_limit_rate {
	uint64_t interval_ns; // 0 = no limit
	uint64_t burst_ns;    // how far ahead the next flow may be due
};

// Shared by all workers; zeroed, 64-byte aligned; key is the caller's random.
struct sl_limits {
	alignas(64) sl_limit_cell sources[SL_LIMIT_SOURCES];
	sl_limit_cell backends[SL_MAX_BACKENDS]; // by index
	sl_limit_cell vips[SL_MAX_VIPS];         // by slot
	struct sl_hash_key key;
};

// 0 means no limit.
struct sl_limit_rate sl_limit_rate_of(uint32_t flows_per_s);

// Would a flow be admitted now?
static inline bool sl_limit_is_open(const sl_limit_cell *cell, const struct sl_limit_rate *rate,
                                    uint64_t now_ns)
{
	return rate->interval_ns == 0 ||
	       atomic_load_explicit(cell, memory_order_relaxed) <= now_ns + rate->burst_ns;
}

// Admit one; false when over the limit.
bool sl_limit_take(sl_limit_cell *cell, const struct sl_limit_rate *rate, uint64_t now_ns);

// The same for the prefix of this source at this VIP.
bool sl_limit_take_source(struct sl_limits *limits, const struct sl_ip *source, uint16_t vip_slot,
                          const struct sl_limit_rate *rate, uint64_t now_ns);

#endif
