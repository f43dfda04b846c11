// SPDX-License-Identifier: Apache-2.0
// Picking a backend for a new flow: three algorithms, each a table built off the packet path and a
// pick of bounded cost without division.
//
// weighted: turns by halves. The members are the leaves of a binary tree; each node splits the
// turns
//           that reach it between its two sides by weight, as evenly as whole turns allow. Turn k
//           is a pure function of k and the weights, so new weights keep the phase and building
//           is a pass over the members, which lets weights change thousands of times a second.
//           Equal weights take turns in a fixed order; a node is at most half a turn off, and a
//           member has had its share at any time within four turns. Workers start apart.
// least-connections: argmin of (flows + 1) * inverse weight over a full scan up to
//           SL_PICK_SCAN_MAX backends, else power of two choices; ties are broken by a rotating
//           start.
// adaptive: the same over what flows are worth instead of how many they are (phase.h): argmin of
//           (load units + one flow's) * inverse weight; limit_flows are then flows' worth of load,
//           not flows. One pick in
//           SL_PICK_EXPLORE_EACH goes round all members in turn, so that nobody is judged by what
//           it did long ago.
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

#include "limit.h"
#include "sluice/types.h"

#define SL_PICK_SCAN_MAX     128
#define SL_PICK_EXPLORE_EACH 64
#define SL_PICK_UNIT         1400 // load of a flow that is answered (SL_PHASE_UNIT)
#define SL_PICK_MAGLEV_SLOTS 65537
#define SL_PICK_MAGLEV_SMALL 4099 // enough for up to 40 members at 1 % share error

struct sl_pick_member {
	uint64_t id;
	uint32_t weight_milli;
	uint16_t backend; // index to return
};

// Members with weight, in a tree: nodes 1 to n - 1, the children of node i are 2 i and 2 i + 1, and
// those from n on are the leaves. lefts[i] is the left child's share of node i, times 2^32.
struct sl_pick_turns {
	const uint32_t *lefts;
	const uint16_t *backends; // of the leaves
	uint32_t n_leaves;        // 0: nobody has weight
};

// Fills lefts[n_members], backends[n_members]; sums[2 n_members] is scratch. Returns the number of
// leaves.
uint32_t sl_pick_turns_build(uint32_t *lefts, uint16_t *backends, uint64_t *sums,
                             const struct sl_pick_member *members, uint32_t n_members);

// Whose turn number (*cursor)++ is. Of the first k turns a node passes k * left / 2^32 to the left,
// rounded: this one goes left if it makes that number grow.
static inline uint16_t sl_pick_turns_next(const struct sl_pick_turns *turns, uint32_t *cursor)
{
	uint32_t turn = (*cursor)++;
	uint32_t node = 1;

	if (turns->n_leaves == 0)
		return SL_NO_BACKEND;
	while (node < turns->n_leaves) {
		uint64_t exact = (uint64_t)turn * turns->lefts[node] + (UINT32_C(1) << 31);
		uint32_t n_left = (uint32_t)(exact >> 32);
		bool is_left = (uint32_t)((exact + turns->lefts[node]) >> 32) != n_left;

		turn = is_left ? n_left : turn - n_left;
		node = 2 * node + !is_left;
	}
	return turns->backends[node - turns->n_leaves];
}

// First turn of a worker: apart from the others' in pools of any size.
static inline uint32_t sl_pick_turns_start(uint32_t worker)
{
	return worker * UINT32_C(0x9e3779b1); // a prime, so no pool's size divides it
}

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
	const sl_limit_cell *cells; // of all backends, by index; NULL = no limit of new flows
	struct sl_limit_rate rate;
	uint64_t now_ns;
};

struct sl_pick_load {
	const uint32_t *own;    // this worker's active flows, by backend index; exact
	const uint32_t *others; // all other workers', folded at most 1 ms ago
	const uint32_t *own_units, *others_units; // adaptive: what they are worth; else NULL
};

// *cursor rotates ties and seeds the two choices. SL_NO_BACKEND if none is eligible;
// *is_limited then says whether a limit (rather than weights) is the cause.
uint16_t sl_pick_least_next(const struct sl_pick_least *pl, const struct sl_pick_load *load,
                            uint32_t *cursor, bool *is_limited);

uint32_t sl_pick_inverse_weight(uint32_t weight_milli);

#endif
