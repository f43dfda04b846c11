// SPDX-License-Identifier: Apache-2.0
// Tally: what the data plane measured of one backend, in three forms: since the last look (for
// steering), over the last minute (for people), since it was first seen (for Prometheus).
//
// Shape:   the data plane's counts wrap at 2^32 and are never reset, so every look takes
//          differences to the one before; sums over workers wrap alike.
// Minute:  SL_TALLY_SLICES slices of SL_TALLY_SLICE_NS, the oldest of which is dropped when a new
//          one begins.
// Thread:  pure; the owner's.
#ifndef SLUICE_CONTROL_TALLY_H
#define SLUICE_CONTROL_TALLY_H

#include "histogram.h"
#include "sluice/latency.h"
#include "sluice/units.h"
#include "steer.h"

#define SL_TALLY_SLICES   4
#define SL_TALLY_SLICE_NS (15 * SL_NS_PER_S)
#define SL_TALLY_AGE_NS   (2 * SL_NS_PER_S) // an older wait is over

// A backend's row, summed over workers. Kinds whose bit in changed is 0 are as they were at the
// look before, and their counts are not filled in.
struct sl_tally_row {
	uint32_t counts[SL_LATENCY_KINDS][SL_LATENCY_BUCKETS];
	uint64_t sums_us[SL_LATENCY_KINDS];
	uint32_t changed;
	uint32_t load_units;
	uint32_t oldest_us; // of waits younger than SL_TALLY_AGE_NS; 0 = none
	uint32_t ended, fleeting, refused;
};

struct sl_tally {
	// --- of the slot: kept when it passes to another backend ---
	uint32_t seen[SL_LATENCY_KINDS][SL_LATENCY_BUCKETS];
	uint64_t seen_sums_us[SL_LATENCY_KINDS];
	uint32_t seen_ended, seen_fleeting, seen_refused;
	// --- of the backend ---
	uint64_t totals[SL_LATENCY_KINDS][SL_LATENCY_BUCKETS];
	uint64_t total_us[SL_LATENCY_KINDS];
	uint64_t ended, fleeting;
	uint32_t slices[SL_TALLY_SLICES][SL_LATENCY_KINDS][SL_LATENCY_BUCKETS];
	uint64_t slice_ns; // when the one being filled began; 0 = none was
	uint32_t slice;
	uint32_t load_units, oldest_us;
};

// One look; adds what is new to since. is_first: what was counted before anybody looked is part of
// the totals, and nothing that happened now.
void sl_tally_look(struct sl_tally *tally, const struct sl_tally_row *row, bool is_first,
                   uint64_t now_ns, struct sl_steer_seen *since);

// The slot has passed to another backend: its past is not the new one's.
void sl_tally_pass(struct sl_tally *tally);

enum sl_tally_span { SL_TALLY_MINUTE, SL_TALLY_EVER };

// Samples, and the value that share (0..1) of them do not exceed; 0 without a sample.
uint64_t sl_tally_count(const struct sl_tally *tally, enum sl_latency_kind kind,
                        enum sl_tally_span span);
uint32_t sl_tally_quantile_us(const struct sl_tally *tally, enum sl_latency_kind kind,
                              enum sl_tally_span span, double share);

// All samples, in the buckets that Prometheus is shown.
void sl_tally_histogram(const struct sl_tally *tally, enum sl_latency_kind kind,
                        struct sl_histogram *histogram);

#endif
