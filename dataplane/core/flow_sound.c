// SPDX-License-Identifier: Apache-2.0
// The structural self-check, apart from what runs per packet. Every claim is counted from both
// sides, so a lost or doubled link shows up as a difference.
#include "flow_private.h"

static bool is_used(const struct sl_flow_table *ft, uint32_t entry)
{
	return entry < ft->n_touched && (flow_at(ft, entry)->flags & SL_FLOW_USED) != 0;
}

static bool free_list_is_sound(const struct sl_flow_table *ft)
{
	uint32_t n_free = 0;

	for (uint32_t entry = ft->free_head; entry != SL_FLOW_NONE;
	     entry = flow_at(ft, entry)->wheel_next) {
		if (entry >= ft->n_touched || is_used(ft, entry) || n_free++ > ft->n_touched)
			return false;
	}
	return n_free + ft->n_used == ft->n_touched;
}

// Whoever is unconfirmed, and nobody else.
static bool queue_is_sound(const struct sl_flow_table *ft, uint32_t *n_linked)
{
	uint32_t prev = SL_FLOW_NONE;

	*n_linked = 0;
	for (uint32_t entry = ft->queue_head; entry != SL_FLOW_NONE;
	     entry = flow_at(ft, entry)->wheel_next) {
		const struct sl_flow *flow = flow_at(ft, entry);

		if (!is_used(ft, entry) || sl_flow_is_confirmed(flow->state) ||
		    flow->wheel_prev != prev || (*n_linked)++ > ft->n_used)
			return false;
		prev = entry;
	}
	return prev == ft->queue_tail && *n_linked == ft->n_queued;
}

static bool wheel_is_sound(const struct sl_flow_table *ft)
{
	uint32_t n_linked;

	if (!queue_is_sound(ft, &n_linked))
		return false;

	for (uint32_t slot = 0; slot < FLOW_WHEEL_SLOTS; slot++) {
		uint32_t prev = SL_FLOW_NONE;

		for (uint32_t entry = ft->wheel[slot]; entry != SL_FLOW_NONE;
		     entry = flow_at(ft, entry)->wheel_next) {
			const struct sl_flow *flow = flow_at(ft, entry);

			if (!is_used(ft, entry) || !sl_flow_is_confirmed(flow->state) ||
			    flow->wheel_prev != prev ||
			    flow->wheel_due % FLOW_WHEEL_SLOTS != slot || n_linked++ > ft->n_used)
				return false;
			prev = entry;
		}
	}
	return n_linked == ft->n_used;
}

static bool refs_are_sound(const struct sl_flow_table *ft, uint64_t *n_refs)
{
	*n_refs = 0;
	for (uint32_t i = 0; i <= ft->bucket_mask; i++) {
		const struct flow_bucket *b = &flow_buckets(ft)[i];

		for (unsigned int w = 0; w < FLOW_WAYS; w++) {
			if (b->tags[w] == 0)
				continue;
			if (!is_used(ft, b->refs[w] >> 1))
				return false;
			(*n_refs)++;
		}
	}
	return true;
}

bool sl_flow_table_is_sound(const struct sl_flow_table *ft)
{
	uint64_t n_refs, n_expected = 0;
	uint32_t n_used = 0;

	if (ft->magic != FLOW_MAGIC || ft->version != FLOW_VERSION || ft->n_used > ft->n_flows ||
	    ft->n_touched > ft->n_flows || !refs_are_sound(ft, &n_refs) ||
	    !free_list_is_sound(ft) || !wheel_is_sound(ft))
		return false;
	for (uint32_t entry = 0; entry < ft->n_touched; entry++) {
		const struct sl_flow *flow = flow_at(ft, entry);
		struct sl_tuple tuple;

		if (!is_used(ft, entry))
			continue;
		n_used++;
		tuple = sl_flow_tuple_from_client(ft, flow);
		n_expected++;
		if (!flow_index_holds(ft, sl_flow_hash(ft, &tuple), entry << 1 | SL_DIR_C2S))
			return false;
		if (flow->flags & SL_FLOW_IS_DSR)
			continue;
		tuple = sl_flow_tuple_from_backend(ft, flow);
		n_expected++;
		if (!flow_index_holds(ft, sl_flow_hash(ft, &tuple), entry << 1 | SL_DIR_S2C))
			return false;
	}
	return n_used == ft->n_used && n_refs == n_expected;
}
