// SPDX-License-Identifier: Apache-2.0
// The last step of a search (flow.h), in the one place per packet where its cost counts: inline.
#ifndef SLUICE_CORE_FLOW_SEARCH_H
#define SLUICE_CORE_FLOW_SEARCH_H

#include <endian.h>

#include "flow_private.h"

// An entry that is in use and has the tuple is the flow, whatever came or went since the guess:
// no tuple is in the table twice. Only that direction of dsr is in no index.
static inline bool flow_is_found(const struct sl_flow_table *ft,
                                 const struct sl_flow_search *search, uint32_t i,
                                 const struct sl_pkt *pkt, const struct sl_flow *flow,
                                 enum sl_dir dir)
{
	const uint8_t no = dir == SL_DIR_S2C ? SL_FLOW_IS_DSR : 0;
	const struct flow_key_v4 key = {htole64(search->keys.low[i]),
	                                htole64(search->keys.high[i])};

	if ((flow->flags & (SL_FLOW_USED | no)) != SL_FLOW_USED)
		return false;
	if (pkt->is_v6)
		return flow_matches(ft, flow_entry_of(ft, flow) << 1 | dir, &pkt->tuple);
	return flow_matches_v4(flow, dir, &key);
}

// The flow of packet i of the burst as the table is now, or NULL; not for ICMP errors.
static inline struct sl_flow *sl_flow_search_take(struct sl_flow_table *ft,
                                                  const struct sl_flow_search *search, uint32_t i,
                                                  const struct sl_pkt *pkt, enum sl_dir *dir)
{
	const uint32_t ref = search->refs[i];
	struct sl_flow *flow = flow_at(ft, ref >> 1);

	*dir = (enum sl_dir)(ref & 1);
	if (__builtin_expect(ref != SL_FLOW_NONE, 1)) {
		if (__builtin_expect(flow_is_found(ft, search, i, pkt, flow, *dir), 1))
			return flow;
	} else if (search->changes == ft->n_changes) {
		return NULL;
	}
	return sl_flow_find(ft, &pkt->tuple, pkt->hash, dir);
}

#endif
