// SPDX-License-Identifier: Apache-2.0
// The gate of a VIP, for packets that would make a flow. Lists first, for they cost nobody else
// anything; then what is only looked at; what takes from an allowance comes last, so that a refusal
// takes nothing from the limits behind it.
#include "forward_private.h"

static uint64_t flows_of_vip(const struct sl_forwarder *fw, uint16_t slot)
{
	return (uint64_t)fw->own_vip_load[slot] +
	       __atomic_load_n(&fw->others_vip_load[slot], __ATOMIC_RELAXED);
}

static enum sl_drop gate(struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                         const struct sl_pkt *pkt)
{
	sl_limit_cell *cell = &fw->limits->vips[vip->slot];

	if (!sl_acl_allows(vip->acl, vip->n_acl, &pkt->tuple.src))
		return SL_DROP_DENIED;
	if (vip->limit_flows != 0 && flows_of_vip(fw, vip->slot) >= vip->limit_flows)
		return SL_DROP_VIP_LIMIT;
	if (!sl_limit_is_open(cell, &vip->rate, fw->now_ns))
		return SL_DROP_VIP_LIMIT;
	if (!sl_limit_take_source(fw->limits, &pkt->tuple.src, vip->slot, &vip->source_rate,
	                          fw->now_ns))
		return SL_DROP_SOURCE_LIMIT;
	return sl_limit_take(cell, &vip->rate, fw->now_ns) ? SL_DROP_COUNT : SL_DROP_VIP_LIMIT;
}

bool sl_forward_admit(struct sl_forwarder *fw, const struct sl_snap_vip *vip, struct sl_pkt *pkt)
{
	enum sl_drop why = gate(fw, vip, pkt);
	struct sl_stats_vip *stats = &fw->vip_stats[vip->slot];

	if (why == SL_DROP_COUNT)
		return true;
	sl_stat_add(why == SL_DROP_DENIED ? &stats->denied : &stats->refused, 1);
	sl_forward_drop(pkt, why);
	return false;
}
