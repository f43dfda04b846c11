// SPDX-License-Identifier: Apache-2.0
// No room for a flow: the packet alone says where it goes, and where its answer comes from. Nothing
// is remembered of a connection but when this last happened.
//
// To the backend: by the hash of the client, the same for each of its packets while weights stay.
// To the client:  under nat, by the backend's address and port, where only one service can have
//                 sent the request; direct return needs none. fullnat needs a port of its own,
//                 which is state.
// Not followed:   ICMP errors about such connections, and later fragments.
#include <arpa/inet.h>

#include "forward_private.h"
#include "rewrite.h"

// Connections made in a time of need go on after it.
static bool is_in_use(const struct sl_forwarder *fw)
{
	return (int32_t)(fw->stateless_until - fw->now) > 0;
}

static bool can_do(const struct sl_snap_pool *pool)
{
	return pool->forward != SL_FORWARD_FULLNAT;
}

static void count(struct sl_forwarder *fw, const struct sl_snap_vip *vip, const struct sl_pkt *pkt,
                  enum sl_dir dir)
{
	struct sl_stats_vip *stats = &fw->vip_stats[vip->slot];

	sl_stat_add(&stats->stateless_pkts, 1);
	sl_stat_add(dir == SL_DIR_C2S ? &stats->c2s_pkts : &stats->s2c_pkts, 1);
	sl_stat_add(dir == SL_DIR_C2S ? &stats->c2s_bytes : &stats->s2c_bytes, pkt->len);
}

static void to_backend(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_snap_vip *vip,
                       const struct sl_snap_backend *be)
{
	const uint8_t forward = fw->snap->pools[vip->pool].forward;
	struct sl_tuple to = pkt->tuple;

	count(fw, vip, pkt, SL_DIR_C2S);
	if (sl_forward_is_tunnel(forward)) {
		sl_forward_into_tunnel(fw, pkt, be, forward == SL_FORWARD_DSR_GUE);
		return;
	}
	if (forward == SL_FORWARD_NAT) {
		to.dst = be->address;
		if (be->port_be != 0)
			to.dport_be = be->port_be;
		sl_rewrite_ttl(pkt); // above 1: whoever calls has looked
		sl_rewrite_tuple(pkt, &to);
	}
	sl_forward_leave_by(fw, pkt, be->next_hop, &be->address);
}

void sl_forward_stateless(struct sl_forwarder *fw, struct sl_pkt *pkt,
                          const struct sl_snap_vip *vip)
{
	const struct sl_snap_pool *pool = &fw->snap->pools[vip->pool];
	const uint32_t idle_ticks =
		pkt->kind == SL_PKT_TCP ? pool->tcp_idle_ticks : pool->udp_idle_ticks;
	uint16_t backend;

	if (!can_do(pool) || pkt->is_fragment) {
		sl_forward_drop(pkt, SL_DROP_TABLE_FULL);
		return;
	}
	backend = sl_forward_pick_stateless(fw, vip, pkt);
	if (backend == SL_NO_BACKEND) {
		sl_forward_drop(pkt, SL_DROP_NO_BACKEND);
		return;
	}
	if (!is_in_use(fw) || (int32_t)(fw->now + idle_ticks - fw->stateless_until) > 0)
		fw->stateless_until = fw->now + idle_ticks;
	to_backend(fw, pkt, vip, &fw->snap->backends[backend]);
}

// Only from where the backend is: its address in a packet from elsewhere is somebody else's doing.
static bool answer(struct sl_forwarder *fw, struct sl_pkt *pkt)
{
	const struct sl_tuple *t = &pkt->tuple;
	struct sl_tuple to = *t;
	const struct sl_snap_vip *vip =
		sl_snapshot_speaker(fw->snap, &t->src, t->proto, t->sport_be, &to.sport_be);
	const struct sl_route *route;
	struct sl_ip hop;

	if (vip == NULL || pkt->is_fragment)
		return false;
	route = sl_route_find(fw->routes, &t->src, &hop);
	if (route == NULL || route->port != pkt->in_port)
		return false;
	if (pkt->ttl <= 1) {
		sl_forward_expire(fw, pkt);
		return true;
	}
	count(fw, vip, pkt, SL_DIR_S2C);
	to.src = vip->address;
	sl_rewrite_ttl(pkt);
	sl_rewrite_tuple(pkt, &to);
	sl_forward_leave_towards(fw, pkt, &to.dst, NULL);
	return true;
}

bool sl_forward_stateless_rest(struct sl_forwarder *fw, struct sl_pkt *pkt,
                               const struct sl_snap_vip *vip)
{
	if (!is_in_use(fw) || (pkt->kind != SL_PKT_TCP && pkt->kind != SL_PKT_UDP))
		return false;
	if (vip == NULL)
		return answer(fw, pkt);
	if (!can_do(&fw->snap->pools[vip->pool]) ||
	    !sl_acl_allows(vip->acl, vip->n_acl, &pkt->tuple.src))
		return false;
	if (pkt->ttl <= 1 && fw->snap->pools[vip->pool].forward != SL_FORWARD_DSR_L2)
		sl_forward_expire(fw, pkt);
	else
		sl_forward_stateless(fw, pkt, vip);
	return true;
}
