// SPDX-License-Identifier: Apache-2.0
// Who may open flows to a VIP: allow and deny lists of prefixes. The longest prefix that holds the
// client decides; without one, clients are admitted unless there is an allow list. The same prefix
// in both lists denies.
//
// Shape:   the prefixes are turned into ranges that cover all addresses and do not overlap, sorted
// by
//          first address, so that a lookup is one binary search however deep prefixes nest.
// Thread:  build off the packet path; find from anywhere.
#ifndef SLUICE_CORE_ACL_H
#define SLUICE_CORE_ACL_H

#include "sluice/wire.h"

// Up to the next range's first address.
struct sl_acl_range {
	uint64_t high, low; // of the first address, host order
	bool is_allowed;
};

#define SL_ACL_RANGES(n_prefixes) (2 * (size_t)(n_prefixes) + 1)

// ranges has room for SL_ACL_RANGES(n_prefixes). Returns how many it filled; 0 = out of memory.
uint32_t sl_acl_build(struct sl_acl_range *ranges, const struct sl_wire_prefix *prefixes,
                      uint32_t n_prefixes);

// n_ranges 0 admits everybody.
bool sl_acl_allows(const struct sl_acl_range *ranges, uint32_t n_ranges, const struct sl_ip *ip);

#endif
