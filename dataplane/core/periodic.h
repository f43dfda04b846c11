// SPDX-License-Identifier: Apache-2.0
// Finds bursts that come back after one period, as gradient synchronisation does.
//
// Shape:  between two groups of hosts, three rings of 512 bits: was there a burst in this bin? Bins
// of
//         1, 8.2 and 65.5 ms look 0.5, 4.2 and 33 s back. The period is the lag at which a ring is
//         most like itself, behind a lag at which it is not.
// Clock:  microseconds of CLOCK_MONOTONIC in 32 bits, wrapping.
// Cost:   a packet adds its bytes; a step per bin that passed. sl_periodic_find takes some 10 us:
// once a
//         second, off the packet path.
// Not:    bursts whose distance varies by more than a tenth; these are not found.
// Source: reference/roce.md section 3.2 (phi coefficient of a shifted bit string).
#ifndef SLUICE_CORE_PERIODIC_H
#define SLUICE_CORE_PERIODIC_H

#include "sluice/types.h"

#define SL_PERIODIC_SCALES 3
#define SL_PERIODIC_BITS   512
#define SL_PERIODIC_WORDS  (SL_PERIODIC_BITS / 64)

struct sl_periodic_ring {
	uint64_t bits[SL_PERIODIC_WORDS]; // by bin number, modulo
	uint32_t bin;                     // number of the bin under way, modulo 2^(32 - shift)
	uint32_t n_bytes;                 // in it
	uint32_t least_bytes;             // that make a burst of it
	uint32_t n_bins;                  // seen, up to SL_PERIODIC_BITS
};

struct sl_periodic {
	struct sl_periodic_ring rings[SL_PERIODIC_SCALES];
};

// rate_bps: of the port; a burst is 2 % of what it carries in a bin, and 16 KB at least.
void sl_periodic_init(struct sl_periodic *p, uint64_t rate_bps, uint32_t now_us);
void sl_periodic_add(struct sl_periodic *p, uint32_t n_bytes, uint32_t now_us);

// The period in microseconds; 0 = none is to be seen.
uint32_t sl_periodic_find(const struct sl_periodic *p);

#endif
