// SPDX-License-Identifier: Apache-2.0
// Latency of backends as the data plane sees it pass: one row per (worker, backend) in the
// statistics segment (stats.h), written by the worker, read by anybody.
//
// Shape:  log-linear histograms: SL_LATENCY_STEPS buckets to each doubling, so that a quantile is
//         known within 3 %; in units of SL_LATENCY_UNIT_US, up to 71 minutes. Counts wrap at 2^32
//         and are never reset: a reader works with differences.
// Thread: one writer, its worker; readers are relaxed.
#ifndef SLUICE_LATENCY_H
#define SLUICE_LATENCY_H

#include <stdalign.h>
#include <stdatomic.h>

#include "sluice/types.h"

#define SL_LATENCY_UNIT_US 16
#define SL_LATENCY_STEPS   16 // per doubling
#define SL_LATENCY_BUCKETS 400

#define SL_LATENCY_LOAD_UNIT 1400 // load_units of a flow that is being answered (core/phase.h)

typedef _Atomic uint32_t sl_latency_cell;

enum sl_latency_kind {
	SL_LATENCY_TTFT,     // first byte of a request to the first token of its answer
	SL_LATENCY_TPOT,     // from token to token, weighted by tokens
	SL_LATENCY_CONNECT,  // SYN to SYN-ACK
	SL_LATENCY_DURATION, // SYN to the end of the connection
	SL_LATENCY_KINDS
};

struct sl_stats_latency {
	alignas(64) sl_latency_cell counts[SL_LATENCY_KINDS][SL_LATENCY_BUCKETS];
	_Atomic uint64_t sums_us[SL_LATENCY_KINDS];
	// --- gauges ---
	sl_latency_cell load_units; // of phase.h: what flows on it are worth, this worker's
	sl_latency_cell oldest_us;  // longest wait for an answer that was seen lately, and
	_Atomic uint64_t oldest_ns; // when that was (CLOCK_MONOTONIC)
	// --- totals ---
	sl_latency_cell ended;    // connections
	sl_latency_cell fleeting; // of them: over within 100 ms with less than 1 KB answered
	sl_latency_cell spare[2];
};

static inline uint32_t sl_latency_bucket(uint32_t us)
{
	const uint32_t v = us / SL_LATENCY_UNIT_US;
	uint32_t octave;

	if (v < SL_LATENCY_STEPS)
		return v;
	octave = 31 - (uint32_t)__builtin_clz(v) - 4; // of SL_LATENCY_STEPS
	return (octave + 1) * SL_LATENCY_STEPS + ((v >> octave) & (SL_LATENCY_STEPS - 1));
}

// The middle of a bucket.
static inline uint32_t sl_latency_value_us(uint32_t bucket)
{
	const uint32_t octave = bucket / SL_LATENCY_STEPS;
	uint64_t low, width;

	if (octave == 0)
		return bucket * SL_LATENCY_UNIT_US + SL_LATENCY_UNIT_US / 2;
	width = (uint64_t)SL_LATENCY_UNIT_US << (octave - 1);
	low = (SL_LATENCY_STEPS + bucket % SL_LATENCY_STEPS) * width;
	return (uint32_t)(low + width / 2);
}
_Static_assert((27 - 4 + 1 + 1) * SL_LATENCY_STEPS == SL_LATENCY_BUCKETS,
               "2^32 us are 2^28 units: 24 doublings above the first");

#endif
