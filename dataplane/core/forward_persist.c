// SPDX-License-Identifier: Apache-2.0
// Persistence of affinity `source` in the forwarder: the pick asks, confirmed and ended flows tell.
// Drains come first: an entry leads only to a backend that takes new flows (Kubernetes sends
// clients to terminating endpoints for as long as their affinity lasts, issue 71809 there).
#include "forward_private.h"
#include "layout.h"

// A client's ACK may acknowledge data of the backend too; further off it is a guess.
#define ACK_AHEAD_BYTES 65536

static uint32_t now_s(const struct sl_forwarder *fw)
{
	return (uint32_t)(fw->now_ns / SL_NS_PER_S);
}

static uint64_t hash_client(const struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                            const struct sl_ip *client)
{
	const struct sl_ip prefix = sl_persist_prefix(client, vip->persist_bits);

	return sl_persist_hash(fw->persist, &prefix, vip->id);
}

static bool takes_flows(const struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                        struct sl_persist_backend backend)
{
	const struct sl_snap_backend *be;

	if (backend.index >= fw->snap->n_backends)
		return false;
	be = &fw->snap->backends[backend.index];
	return be->pool == vip->pool && (uint8_t)be->generation == backend.generation &&
	       fw->snap->weights_milli[backend.index] > 0 &&
	       !sl_forward_is_at_limit(fw, &fw->snap->pools[vip->pool], backend.index);
}

uint16_t sl_forward_persisted(struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                              const struct sl_ip *client)
{
	struct sl_persist_backend backend;

	if (fw->persist == NULL ||
	    !sl_persist_find(fw->persist, hash_client(fw, vip, client), now_s(fw), &backend))
		return SL_NO_BACKEND;
	if (!takes_flows(fw, vip, backend)) {
		sl_stat_add(&fw->stats->persist_repicked, 1);
		return SL_NO_BACKEND;
	}
	sl_stat_add(&fw->stats->persist_followed, 1);
	return backend.index;
}

// The VIP of the flow if it still keeps clients.
static const struct sl_snap_vip *vip_of(const struct sl_forwarder *fw, const struct sl_flow *flow,
                                        struct sl_ip *client)
{
	const struct sl_tuple t = sl_flow_tuple_from_client(fw->flows, flow);
	const struct sl_snap_vip *vip;

	if (fw->snap == NULL || fw->persist == NULL)
		return NULL;
	vip = sl_snapshot_vip(fw->snap, &t.dst, t.proto, t.dport_be);
	*client = t.src;
	return vip != NULL && vip->persist_s != 0 ? vip : NULL;
}

static struct sl_persist_backend backend_of(const struct sl_flow *flow)
{
	return (struct sl_persist_backend){.index = flow->backend,
	                                   .generation = (uint8_t)flow->backend_generation};
}

// Has the client heard the backend? Nobody can tell where replies bypass us, in UDP, and where the
// client was told another number than the backend's: there the field belongs to the splice.
static bool can_tell(const struct sl_flow *flow)
{
	return flow->proto == IPPROTO_TCP && !(flow->flags & SL_FLOW_IS_DSR) &&
	       !(flow->splice & SL_SPLICE_DELTA);
}

void sl_forward_note_syn_ack(struct sl_flow *flow, const struct sl_pkt *pkt)
{
	if (can_tell(flow))
		flow->heard_ack = pkt->tcp_seq + 1;
}

static bool has_heard(const struct sl_flow *flow, const struct sl_pkt *pkt)
{
	return (pkt->tcp_flags & SL_TCP_ACK) &&
	       sl_load32_host(pkt->data + pkt->l4_off + SL_TCP_OFF_ACK) - flow->heard_ack <=
	               ACK_AHEAD_BYTES;
}

static void put(struct sl_forwarder *fw, const struct sl_flow *flow, bool is_end)
{
	const struct sl_snap_vip *vip;
	enum sl_persist_change change;
	struct sl_ip client;
	uint64_t hash;

	vip = vip_of(fw, flow, &client);
	if (vip == NULL)
		return;
	hash = hash_client(fw, vip, &client);
	change = is_end ? sl_persist_end(fw->persist, hash, backend_of(flow), now_s(fw),
	                                 vip->persist_s)
	                : sl_persist_begin(fw->persist, hash, backend_of(flow), now_s(fw),
	                                   vip->persist_s);
	if (change == SL_PERSIST_MADE || change == SL_PERSIST_EVICTED)
		sl_stat_add(&fw->stats->persist_made, 1);
	if (change == SL_PERSIST_EVICTED)
		sl_stat_add(&fw->stats->persist_evicted, 1);
}

void sl_forward_remember(struct sl_forwarder *fw, struct sl_flow *flow, const struct sl_pkt *pkt)
{
	if (can_tell(flow)) {
		flow->heard_ack = has_heard(flow, pkt) ? 0 : 1;
		if (flow->heard_ack != 0)
			return;
	}
	put(fw, flow, false);
}

void sl_forward_remember_end(struct sl_forwarder *fw, const struct sl_flow *flow)
{
	if (!can_tell(flow) || flow->heard_ack == 0)
		put(fw, flow, true);
}
