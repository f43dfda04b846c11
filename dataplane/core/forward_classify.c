// SPDX-License-Identifier: Apache-2.0
// The first pass: is a packet for us, what is it, and which worker owns it.
#include <arpa/inet.h>

#include "forward_private.h"
#include "parse.h"
#include "parse_parts.h"
#include "parse_plain.h"

static uint16_t owner_of_client(const struct sl_forwarder *fw, const struct sl_ip *ip,
                                uint16_t port_be, uint8_t proto)
{
	uint64_t words[2];

	if (fw->rss != NULL)
		return fw->rss->owners[sl_rss_lane(fw->rss, ip, port_be)];
	memcpy(words, ip->bytes, sizeof(words));
	words[0] = sl_mix64(words[0] ^ fw->steer_seed);
	words[0] = sl_mix64(words[0] ^ words[1] ^ ((uint64_t)port_be << 8 | proto));
	return (uint16_t)(((words[0] & UINT32_MAX) * fw->n_workers) >> 32);
}

// The client's side of a connection has this end. Where a VIP is our own address too, fullnat's
// local ports live there as well, and a port that is no service is one of those.
static bool is_vip_end(const struct sl_forwarder *fw, const struct sl_ip *ip, uint16_t port_be,
                       uint8_t proto)
{
	return sl_snapshot_has_address(fw->snap, ip) &&
	       (!sl_route_is_own_address(fw->routes, ip) ||
	        sl_snapshot_vip(fw->snap, ip, proto, port_be) != NULL);
}

static uint16_t owner_of_local(const struct sl_forwarder *fw, uint16_t port_be)
{
	return fw->lane_owner[ntohs(port_be) % SL_LOCALPORT_LANES];
}

// The client end of what an ICMP error quotes: a packet we sent to the client (from the VIP), or
// one we sent to a backend (from the client, or from a local address).
static uint16_t owner_of_error(const struct sl_forwarder *fw, const struct sl_pkt *pkt)
{
	const struct sl_tuple *in = &pkt->inner;

	if (is_vip_end(fw, &in->src, in->sport_be, in->proto))
		return owner_of_client(fw, &in->dst, in->dport_be, in->proto);
	if (sl_route_is_own_address(fw->routes, &in->src))
		return owner_of_local(fw, in->sport_be);
	return owner_of_client(fw, &in->src, in->sport_be, in->proto);
}

static uint16_t owner_of(const struct sl_forwarder *fw, const struct sl_pkt *pkt)
{
	const struct sl_tuple *t = &pkt->tuple;

	if (pkt->kind == SL_PKT_ICMP_ERROR)
		return owner_of_error(fw, pkt);
	if (is_vip_end(fw, &t->dst, t->dport_be, t->proto))
		return owner_of_client(fw, &t->src, t->sport_be, t->proto);
	if (sl_route_is_own_address(fw->routes, &t->dst))
		return owner_of_local(fw, t->dport_be);
	return owner_of_client(fw, &t->dst, t->dport_be, t->proto);
}

// The worker that knows the ports of all fragments of a datagram.
static uint16_t owner_of_datagram(const struct sl_forwarder *fw, const struct sl_pkt *pkt)
{
	uint64_t words[4], hash = fw->steer_seed ^ pkt->frag_id_be;

	memcpy(words, &pkt->tuple, sizeof(words)); // both addresses
	for (int i = 0; i < 4; i++)
		hash = sl_mix64(hash ^ words[i]);
	return (uint16_t)(((hash & UINT32_MAX) * fw->n_workers) >> 32);
}

// A fragment at that worker, or already at its flow's. True when it is to be decided here, now that
// it has its ports.
bool sl_forward_pass_fragment(struct sl_forwarder *fw, struct sl_pkt *pkt)
{
	int why;

	pkt->verdict = SL_VERDICT_DECIDE;
	if (pkt->has_passed_frag)
		return true;
	why = fw->frags != NULL ? sl_frag_pass(fw->frags, pkt, fw->now) : SL_DROP_FRAGMENT;
	if (why >= 0) {
		sl_forward_drop(pkt, (enum sl_drop)why);
		return false;
	}
	pkt->has_passed_frag = true;
	pkt->owner = fw->n_workers > 1 ? owner_of(fw, pkt) : (uint16_t)fw->worker;
	if (pkt->owner != fw->worker)
		pkt->verdict = SL_VERDICT_HANDOFF;
	return pkt->verdict == SL_VERDICT_DECIDE;
}

static bool is_ours(const struct sl_forwarder *fw, const struct sl_ip *ip)
{
	return (fw->snap != NULL && sl_snapshot_has_address(fw->snap, ip)) ||
	       sl_route_is_own_address(fw->routes, ip);
}

static void steer(const struct sl_forwarder *fw, struct sl_pkt *pkt)
{
	pkt->owner = pkt->is_fragment ? owner_of_datagram(fw, pkt) : owner_of(fw, pkt);
	pkt->verdict = pkt->owner == fw->worker ? SL_VERDICT_DECIDE : SL_VERDICT_HANDOFF;
}

// why: as sl_parse said.
static __attribute__((noinline)) void classify_any(struct sl_forwarder *fw, struct sl_pkt *pkt,
                                                   int why)
{
	bool is_group, is_neighbours;

	if (why < 0 && fw->links != NULL && !sl_links_enter(fw->links, pkt))
		why = SL_DROP_VLAN;
	if (why >= 0) {
		// What was not sent to our MAC is not our business, however odd it looks.
		if (pkt->len >= 14 && memcmp(pkt->data, fw->port_macs[pkt->in_port], 6) != 0)
			why = SL_DROP_NOT_FOR_US;
		sl_forward_drop(pkt, (enum sl_drop)why);
		return;
	}
	is_group = (pkt->data[0] & 1) != 0;
	is_neighbours = pkt->kind == SL_PKT_ARP || pkt->kind == SL_PKT_ND;
	if (!(is_group && is_neighbours) && // only these go to groups
	    memcmp(pkt->data, fw->port_macs[pkt->in_port], 6) != 0) {
		sl_forward_drop(pkt, SL_DROP_NOT_FOR_US);
	} else if (is_neighbours) {
		pkt->verdict = SL_VERDICT_SLOW;
	} else if (pkt->kind == SL_PKT_ECHO) {
		if (is_ours(fw, &pkt->tuple.dst))
			pkt->verdict = SL_VERDICT_SLOW;
		else
			sl_forward_drop(pkt, SL_DROP_NO_FLOW);
	} else if (pkt->kind == SL_PKT_OTHER) {
		sl_forward_drop(pkt,
		                is_ours(fw, &pkt->tuple.dst) ? SL_DROP_NO_VIP : SL_DROP_NOT_FOR_US);
	} else if (fw->snap == NULL) {
		sl_forward_drop(pkt, SL_DROP_NO_VIP);
	} else {
		pkt->owner = (uint16_t)fw->worker;
		pkt->verdict = SL_VERDICT_DECIDE;
		if (fw->n_workers > 1)
			steer(fw, pkt);
	}
}

// What nearly all packets are; classify_any says the same of them.
static inline void classify_plain(struct sl_forwarder *fw, struct sl_pkt *pkt)
{
	if (!fw->is_simple || fw->snap == NULL ||
	    memcmp(pkt->data, fw->port_macs[pkt->in_port], 6) != 0) {
		classify_any(fw, pkt, SL_PARSED);
		return;
	}
	pkt->owner = (uint16_t)fw->worker;
	pkt->verdict = SL_VERDICT_DECIDE;
	if (fw->n_workers > 1)
		steer(fw, pkt);
}

void sl_forward_classify(struct sl_forwarder *fw, struct sl_pkt *pkt)
{
	int why;

	if (__builtin_expect(sl_parse_plain(pkt), 1)) {
		classify_plain(fw, pkt);
		return;
	}
	why = sl_parse_layers(pkt);
	if (why < 0 && (pkt->kind == SL_PKT_TCP || pkt->kind == SL_PKT_UDP))
		classify_plain(fw, pkt);
	else
		classify_any(fw, pkt, why);
}
