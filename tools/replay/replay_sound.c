// SPDX-License-Identifier: Apache-2.0
#include "replay_private.h"

static bool counts_add_up(const struct sl_replay *rp)
{
	struct sl_replay_counts c = sl_replay_counts(rp);
	uint64_t n_dropped = 0;

	for (uint32_t i = 0; i < SL_DROP_COUNT; i++)
		n_dropped += c.drops[i];
	return c.in_pkts == c.ends[SL_REPLAY_SENT] + c.ends[SL_REPLAY_KERNEL] +
	                            c.ends[SL_REPLAY_DROPPED] + c.ends[SL_REPLAY_HELD] &&
	       n_dropped == c.ends[SL_REPLAY_DROPPED] &&
	       c.out_pkts == c.ends[SL_REPLAY_SENT] + c.generated_pkts;
}

// What the core counts per backend and what stands in its table.
static bool worker_adds_up(const struct sl_replay *rp, const struct replay_worker *w)
{
	uint64_t n_entries = 0, n_active = 0, n_new = 0;

	for (uint32_t b = 0; b < rp->n_backends_seen; b++) {
		n_entries += w->fw.entries[b];
		n_active += w->fw.own_load[b];
		n_new += sl_stat_get(&w->backend_stats[b].flows_new);
		if (w->fw.own_load[b] > w->fw.entries[b] ||
		    sl_stat_get(&w->backend_stats[b].flows_active) != w->fw.own_load[b])
			return false;
	}
	return n_active <= n_entries && n_entries == sl_flow_count(w->fw.flows) &&
	       n_entries == sl_stat_get(&w->stats->flows) &&
	       n_new == sl_stat_get(&w->stats->flows_new) &&
	       sl_stat_get(&w->stats->flows_evicted) <= n_new &&
	       sl_flow_table_is_sound(w->fw.flows);
}

// The same per VIP.
static bool vips_add_up(const struct sl_replay *rp, const struct replay_worker *w)
{
	uint64_t n_entries = 0, n_active = 0, n_on_backends = 0;

	for (uint32_t v = 0; v < rp->vips.n_slots; v++) {
		if (w->fw.own_vip_load[v] > sl_stat_get(&w->vip_stats[v].flows))
			return false;
		n_entries += sl_stat_get(&w->vip_stats[v].flows);
		n_active += w->fw.own_vip_load[v];
	}
	for (uint32_t b = 0; b < rp->n_backends_seen; b++)
		n_on_backends += w->fw.own_load[b];
	return n_entries == sl_flow_count(w->fw.flows) && n_active == n_on_backends;
}

bool sl_replay_is_sound(const struct sl_replay *rp)
{
	for (uint32_t w = 0; w < rp->config.n_workers; w++) {
		if (!worker_adds_up(rp, rp->workers[w]) || !vips_add_up(rp, rp->workers[w]))
			return false;
	}
	return counts_add_up(rp);
}
