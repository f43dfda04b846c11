// SPDX-License-Identifier: Apache-2.0
// Local ports of fullnat: from the pool of the backend (localport.h), back to it when the flow is
// gone, and the gauges an operator sees.
#include <arpa/inet.h>

#include "flow_private.h"
#include "forward_private.h"

static void show(struct sl_forwarder *fw, uint16_t backend, uint32_t pool)
{
	struct sl_stats_local_ports *row = &fw->port_stats[backend];
	uint32_t busy = sl_localport_busy(fw->local_ports, pool, fw->now);

	sl_stat_set(&row->busy, busy);
	if (busy > sl_stat_get(&row->busy_peak))
		sl_stat_set(&row->busy_peak, busy);
}

// The row may have been another backend's.
static void show_new(struct sl_forwarder *fw, const struct sl_snap_backend *be, uint32_t pool)
{
	const uint16_t backend = (uint16_t)(be - fw->snap->backends);
	struct sl_stats_local_ports *row = &fw->port_stats[backend];

	if (sl_stat_get(&row->generation) != be->generation) {
		sl_stat_set(&row->busy_peak, 0);
		sl_stat_set(&row->generation, be->generation);
	}
	show(fw, backend, pool);
}

// Where our address is a VIP too, a packet to a service's port is a client's. And a backend listed
// with its port and without it has two pools, which may have the same tuple to give.
static bool is_usable(struct sl_forwarder *fw, const struct sl_tuple *s2c)
{
	enum sl_dir dir;

	return sl_snapshot_vip(fw->snap, &s2c->dst, s2c->proto, s2c->dport_be) == NULL &&
	       sl_flow_find(fw->flows, s2c, sl_flow_hash(fw->flows, s2c), &dir) == NULL;
}

enum sl_drop sl_forward_take_port(struct sl_forwarder *fw, const struct sl_snap_backend *be,
                                  struct sl_tuple *s2c, uint32_t *pool)
{
	const struct sl_localport_key key = {
		.local = s2c->dst, .backend = be->address, .port_be = be->port_be};

	*pool = sl_localport_pool(fw->local_ports, &key, (uint16_t)(be - fw->snap->backends),
	                          fw->now);
	if (*pool == SL_LOCALPORT_NONE)
		return SL_DROP_NO_PORT;
	for (uint32_t n = 0; n < SL_FORWARD_PORT_PROBES; n++) {
		uint16_t port = sl_localport_take(fw->local_ports, *pool, fw->now);

		if (port == 0)
			break;
		s2c->dport_be = htons(port);
		if (is_usable(fw, s2c)) {
			show_new(fw, be, *pool);
			return SL_DROP_COUNT;
		}
		sl_localport_give(fw->local_ports, *pool, port, true, fw->now);
	}
	return SL_DROP_NO_PORT;
}

void sl_forward_untake_port(struct sl_forwarder *fw, const struct sl_tuple *s2c, uint32_t pool)
{
	sl_localport_untake(fw->local_ports, pool, ntohs(s2c->dport_be), fw->now);
}

void sl_forward_hold_port(struct sl_forwarder *fw, const struct sl_flow *flow, uint32_t pool)
{
	sl_localport_hold(fw->local_ports, flow_entry_of(fw->flows, flow), pool);
}

void sl_forward_forget_port(struct sl_forwarder *fw, const struct sl_flow *flow)
{
	sl_localport_forget(fw->local_ports, flow_entry_of(fw->flows, flow));
}

// Nobody at the backend remembers the tuple: it refused or reset the connection or never completed
// it. UDP has no memory of it.
static bool is_forgotten(const struct sl_flow *flow)
{
	return flow->proto != IPPROTO_TCP || !sl_flow_is_confirmed(flow->state) ||
	       flow->state == SL_FLOW_RESET;
}

void sl_forward_give_port(struct sl_forwarder *fw, const struct sl_flow *flow)
{
	bool is_short_rest;
	const uint32_t pool =
		sl_localport_held(fw->local_ports, flow_entry_of(fw->flows, flow), &is_short_rest);

	sl_localport_give(fw->local_ports, pool, ntohs(flow->local_port_be),
	                  is_short_rest || is_forgotten(flow), fw->now);
	show(fw, flow->backend, pool);
}

void sl_forward_sweep(struct sl_forwarder *fw)
{
	if (fw->swept == fw->now)
		return;
	fw->swept = fw->now;
	for (uint32_t n = 0; n < SL_FORWARD_SWEEP_EACH; n++) {
		uint16_t backend;
		uint32_t pool = sl_localport_sweep(fw->local_ports, &backend, fw->now);

		if (pool == SL_LOCALPORT_NONE)
			return;
		show(fw, backend, pool);
	}
}
