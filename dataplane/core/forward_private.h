// SPDX-License-Identifier: Apache-2.0
// Between the parts of the forwarder: whose a packet is (forward_classify.c), packets of known
// flows (forward.c), the making of new ones (forward_new.c, forward_pick.c), tunnels
// (forward_tunnel.c), packets for whose flow there is no room (forward_stateless.c), translation
// between the families (forward_translate.c), connections whose ends count differently
// (forward_splice.c), SYN cookies (forward_cookie.c).
#ifndef SLUICE_CORE_FORWARD_PRIVATE_H
#define SLUICE_CORE_FORWARD_PRIVATE_H

#include "forward.h"

static inline void sl_forward_drop(struct sl_pkt *pkt, enum sl_drop why)
{
	pkt->verdict = SL_VERDICT_DROP;
	pkt->drop = (uint8_t)why;
}

// forward_classify.c: a fragment at the worker that knows its datagram, or already at its flow's.
// True when it is to be decided here.
bool sl_forward_pass_fragment(struct sl_forwarder *fw, struct sl_pkt *pkt);

// Account, rewrite and route a packet of this flow.
void sl_forward_hit(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                    enum sl_dir dir);

// The TTL ends here. The packet is as it came; its sender is told if that is allowed.
void sl_forward_expire(struct sl_forwarder *fw, struct sl_pkt *pkt);

// No flow has this tuple: make one, or say why not.
void sl_forward_miss(struct sl_forwarder *fw, struct sl_pkt *pkt);

// forward_pick.c: a backend for a new flow of this VIP; SL_NO_BACKEND and why when none takes it.
uint16_t sl_forward_pick(struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                         const struct sl_pkt *pkt, enum sl_drop *why);

// Would every appliance, and this one after a restart, pick the same backend for a client?
bool sl_forward_is_agreed(const struct sl_forwarder *fw, const struct sl_snap_vip *vip);

// forward_admit.c: may this client open a flow to the VIP? If not, verdict and counters are set.
bool sl_forward_admit(struct sl_forwarder *fw, const struct sl_snap_vip *vip, struct sl_pkt *pkt);

// forward_port.c: a local port for s2c, whose other parts are set. SL_DROP_COUNT when all is well;
// *pool is what it is to be given back to.
enum sl_drop sl_forward_take_port(struct sl_forwarder *fw, const struct sl_snap_backend *be,
                                  struct sl_tuple *s2c, uint32_t *pool);
void sl_forward_untake_port(struct sl_forwarder *fw, const struct sl_tuple *s2c, uint32_t pool);
// The flow that was made has it until it is given back.
void sl_forward_hold_port(struct sl_forwarder *fw, const struct sl_flow *flow, uint32_t pool);
// The client closed first: TIME_WAIT is at its end.
void sl_forward_forget_port(struct sl_forwarder *fw, const struct sl_flow *flow);
void sl_forward_give_port(struct sl_forwarder *fw, const struct sl_flow *flow);

// Is this backend of the pool at limits.flows or limits.new-flows?
bool sl_forward_is_at_limit(const struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                            uint16_t backend);

// One new flow out of the backend's limits.new-flows; false when another worker took the last.
bool sl_forward_take_rate(struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                          uint16_t backend);

// forward_persist.c, of VIPs that keep clients. The backend of a client's last flow, if that takes
// new ones; SL_NO_BACKEND else.
uint16_t sl_forward_persisted(struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                              const struct sl_ip *client);

// While some VIP keeps clients, of all flows: the backend's SYN-ACK passes; this packet has
// confirmed the flow; it was confirmed and is over.
void sl_forward_note_syn_ack(struct sl_flow *flow, const struct sl_pkt *pkt);
void sl_forward_remember(struct sl_forwarder *fw, struct sl_flow *flow, const struct sl_pkt *pkt);
void sl_forward_remember_end(struct sl_forwarder *fw, const struct sl_flow *flow);

// One flow more or less on its backend and VIP, for least-connections, limits and operators.
void sl_forward_load(struct sl_forwarder *fw, const struct sl_flow *flow, int32_t change);

// The flow's backend as configured now; NULL once it was removed.
static inline const struct sl_snap_backend *sl_forward_backend_of(const struct sl_forwarder *fw,
                                                                  const struct sl_flow *flow)
{
	const struct sl_snap_backend *be;

	if (flow->backend >= fw->snap->n_backends)
		return NULL;
	be = &fw->snap->backends[flow->backend];
	return be->pool != UINT16_MAX && be->generation == flow->backend_generation ? be : NULL;
}

// A packet of a tunnel's flow, or an ICMP error about one: encapsulate and send, answer with
// "too big", or drop. pkt->hash is that of the flow's tuple.
void sl_forward_through_tunnel(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow);

// The shortest way (forward_plain.h) of the same. false: nothing was done.
bool sl_forward_plain_tunnel(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                             enum sl_dir dir);

// forward.c: the packet is an ICMP error about one we sent.
void sl_forward_icmp_error(struct sl_forwarder *fw, struct sl_pkt *pkt);

// forward_leave.c: make the packet what out_port carries. False when it does not leave there; its
// verdict is set then.
bool sl_forward_fit(struct sl_forwarder *fw, struct sl_pkt *pkt);

// forward_sort.c: the queue of each packet, before it is rewritten.
void sl_forward_sort(struct sl_forwarder *fw, struct sl_forward_batch *batch);

// forward_translate.c: a packet of a flow between the families, or an ICMP error about one;
// translate and send, answer with "too big", or drop.
void sl_forward_translate(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                          enum sl_dir dir);
void sl_forward_translate_error(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                                enum sl_dir dir);

// forward_splice.c: a packet of a flow with SL_FLOW_IS_SPLICED, as it came: its numbers become
// those of its receiver. False when it ends here: its verdict is set.
bool sl_forward_splice(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                       enum sl_dir dir);

// A new flow that is rewritten, made by a SYN: how its backend is told who the client is.
void sl_forward_splice_start(struct sl_flow *flow, const struct sl_snap_pool *pool, bool is_v6);

// An ICMP error about a packet of such a flow, dir that of the flow which the quote turned round
// has: the quoted numbers become those of who is told.
void sl_forward_splice_quote(struct sl_pkt *pkt, const struct sl_flow *flow, enum sl_dir dir);

// The packet is too long for what is ahead of it: its sender, the client, is told if that is
// allowed. mtu_bytes: of an IP packet as the client sends it.
void sl_forward_refuse_too_big(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                               uint16_t mtu_bytes);

// forward.c: the next hop's port needs care (links.h), or its MAC is not known.
void sl_forward_leave_with_care(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_neigh *row,
                                uint64_t word);

// The same without a flow, to this backend.
void sl_forward_into_tunnel(struct sl_forwarder *fw, struct sl_pkt *pkt,
                            const struct sl_snap_backend *be, bool is_gue);

// A flow for this packet of the VIP, or NULL and a verdict: limits, pick and all.
struct sl_flow *sl_forward_open(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                const struct sl_snap_vip *vip);

// A state in which it is no load any more.
void sl_forward_over(struct sl_forwarder *fw, struct sl_flow *flow, uint8_t state);

// forward_cookie.c: a packet without flow, for a VIP with SYN cookies. True when it was about them:
// its verdict is set.
bool sl_forward_cookie(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_snap_vip *vip);

// A packet of a flow that is PROVEN. False when it ends here: its verdict is set.
bool sl_forward_cookie_wait(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow,
                            enum sl_dir dir);

// forward_stateless.c: there is no room for a flow, so the packet goes where its hash says, if its
// service can do without (else it is dropped as table_full).
void sl_forward_stateless(struct sl_forwarder *fw, struct sl_pkt *pkt,
                          const struct sl_snap_vip *vip);

// Nobody has this packet's flow, and it may make none: does it belong to a connection that was
// forwarded that way (vip: the service it goes to, or NULL)? True when it was, its verdict is set.
bool sl_forward_stateless_rest(struct sl_forwarder *fw, struct sl_pkt *pkt,
                               const struct sl_snap_vip *vip);

// forward_pick.c: the same backend for every packet of a connection, as long as weights stay; no
// limit leads away from it. SL_NO_BACKEND when none takes new flows.
uint16_t sl_forward_pick_stateless(const struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                                   const struct sl_pkt *pkt);

// By hop, a row of neighbours, or SL_NEIGH_NONE: by the route to dst.
void sl_forward_leave_by(struct sl_forwarder *fw, struct sl_pkt *pkt, uint16_t hop,
                         const struct sl_ip *dst);
void sl_forward_leave_to_client(struct sl_forwarder *fw, struct sl_pkt *pkt, struct sl_flow *flow);
void sl_forward_leave_to_backend(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                 const struct sl_flow *flow, const struct sl_ip *backend);
void sl_forward_leave_towards(struct sl_forwarder *fw, struct sl_pkt *pkt, const struct sl_ip *dst,
                              uint16_t *hop_cache);

#endif
