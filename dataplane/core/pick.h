// SPDX-License-Identifier: Apache-2.0
// Picking a backend for a new flow: three algorithms, each a table built off the packet path and a
// pick of bounded cost without division.
//
// weighted: a smooth sequence of 2^n slots. Slots per backend follow the weights within one slot; a
// backend's slots
//           are spread evenly (no bursts). A worker's cursor is a fraction of the sequence in 32
//           bits, so a new sequence keeps the phase; workers start at different offsets.
// least-connections: argmin of (flows + 1) * inverse weight over a full scan up to
//           SL_PICK_SCAN_MAX backends, else power of two choices; ties are broken by a rotating
//           start.
// maglev:   Eisenbud et al., NSDI'16, section 3.4; table of a prime size; weights by slot share.
// Weight 0 owns no slot.
//           The table depends only on ids and weights, not on their order, so appliances agree.
// bounded:  consistent hashing with bounded loads (Mirrokni et al., SODA'18): no backend gets a
// flow
//           when it has 1.25 times its share by weight or more, rounded up; the next slot does. The
//           shares add up to 1.25 times all flows, so backends with a fifth of the weight have
//           room.
// Members:  indices into the snapshot's backend array.
#ifndef SLUICE_CORE_PICK_H
#define SLUICE_CORE_PICK_H

#include "sluice/types.h"

#define SL_PICK_SCAN_MAX     128
#define SL_PICK_SEQUENCE_MIN 4096
#define SL_PICK_SEQUENCE_MAX 65536
#define SL_PICK_MAGLEV_SLOTS 65537
#define SL_PICK_MAGLEV_SMALL 4099 // enough for up to 40 members at 1 % share error

struct sl_pick_member {
	uint64_t id;
	uint32_t weight_milli;
	uint16_t backend; // index to return
};

// Number of slots to use for n members: a power of two, >= 8 n, within MIN..MAX.
uint32_t sl_pick_sequence_slots(uint32_t n_members);

// Fills slots[n_slots] (power of two). 0, or -ENOENT when no member has weight (slots then hold
// SL_NO_BACKEND), or -ENOMEM.
int sl_pick_sequence_build(uint16_t *slots, uint32_t n_slots, const struct sl_pick_member *members,
                           uint32_t n_members);

// Advance *cursor and return the slot's backend. n_slots a power of two.
static inline uint16_t sl_pick_sequence_next(const uint16_t *slots, uint32_t slots_log2,
                                             uint32_t *cursor)
{
	uint16_t backend = slots[*cursor >> (32 - slots_log2)];

	*cursor += UINT32_C(1) << (32 - slots_log2);
	return backend;
}

// Cursor for worker w of n: evenly spread over the sequence.
uint32_t sl_pick_sequence_start(uint32_t worker, uint32_t n_workers);

int sl_pick_maglev_build(uint16_t *slots, uint32_t n_slots, const struct sl_pick_member *members,
                         uint32_t n_members);

// hash: 32 bits or more of a keyed hash. Multiplicative range reduction, no division.
static inline uint32_t sl_pick_maglev_slot(uint32_t n_slots, uint64_t hash)
{
	return (uint32_t)(((hash & 0xffffffffu) * n_slots) >> 32);
}

static inline uint16_t sl_pick_maglev(const uint16_t *slots, uint32_t n_slots, uint64_t hash)
{
	return slots[sl_pick_maglev_slot(n_slots, hash)];
}

// May a backend with n_own of its pool's n_all flows take one more? That is
// n_own + 1 <= ceil(5/4 (n_all + 1) weight / weights), without the division.
static inline bool sl_pick_is_within_bound(uint64_t n_own, uint64_t n_all, uint32_t weight_milli,
                                           uint64_t weights_milli)
{
	__extension__ typedef unsigned __int128 wide; // flows of 32 bits times 36 bits of weights

	return (wide)4 * n_own * weights_milli < (wide)5 * (n_all + 1) * weight_milli;
}

// Least connections. inverse_weight[i] = 2^32 / weight_milli rounded, 0 = takes no new flow.
// own and others are flow counts by snapshot index; limit_flows 0 = none.
struct sl_pick_least {
	const uint16_t *backends; // members
	const uint32_t *inverse_weights;
	uint32_t n_members;
	uint32_t limit_flows;
};

struct sl_pick_load {
	const uint32_t *own;    // this worker's active flows, by backend index; exact
	const uint32_t *others; // all other workers', folded at most 1 ms ago
};

// *cursor rotates ties and seeds the two choices. SL_NO_BACKEND if none is eligible;
// *is_limited then says whether a limit (rather than weights) is the cause.
uint16_t sl_pick_least_next(const struct sl_pick_least *pl, const struct sl_pick_load *load,
                            uint32_t *cursor, bool *is_limited);

uint32_t sl_pick_inverse_weight(uint32_t weight_milli);

#endif
