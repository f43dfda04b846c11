// SPDX-License-Identifier: Apache-2.0
// Which queue a packet is for, should it leave by a port with a rate (qos.h). Asked before the
// packet is rewritten, while its tuple still names its flow, and only where some port has a rate.
#include "forward_private.h"

#include "layout.h"

#define BTH_OFF_QPN         5 // destination queue pair, 24 bits
#define BTH_BYTES           12
#define ROCE_CNP            0x81 // congestion notification
#define ROCE_UD_SEND_ONLY   0x64
#define ROCE_QPN_MANAGEMENT 1 // connection manager

#define DSCP_LOWER_EFFORT 1 // RFC 8622
#define DSCP_CS1          8 // RFC 3662, what came before it

// Notifications and connections go first; the rest of a queue pair stays in one queue, since what
// overtakes looks lost to it.
static uint8_t roce_queue(const struct sl_pkt *pkt)
{
	const uint8_t *bth = pkt->data + pkt->l4_off + SL_UDP_BYTES;

	if (pkt->kind != SL_PKT_UDP || pkt->l4_bytes < SL_UDP_BYTES + BTH_BYTES)
		return SL_QOS_RDMA;
	if (bth[0] == ROCE_CNP)
		return SL_QOS_CONTROL;
	if (bth[0] == ROCE_UD_SEND_ONLY &&
	    (sl_load32_host(bth + BTH_OFF_QPN - 1) & 0xffffff) == ROCE_QPN_MANAGEMENT)
		return SL_QOS_CONTROL;
	return SL_QOS_RDMA;
}

static uint8_t dscp_of(const struct sl_pkt *pkt)
{
	const uint8_t *l3 = pkt->data + pkt->l3_off;

	return pkt->is_v6 ? (uint8_t)((l3[0] & 0x0f) << 2 | l3[1] >> 6) : (uint8_t)(l3[1] >> 2);
}

// A sender may ask for less than its service has, never for more. What a classifier by behaviour
// finds out about a flow goes before what its VIP says: here.
static uint8_t queue_of_class(uint8_t class, const struct sl_pkt *pkt)
{
	uint8_t dscp;

	if (class == SL_VIP_INFERENCE)
		return SL_QOS_INFERENCE;
	if (class != SL_VIP_TRAINING)
		return SL_QOS_GENERAL;
	dscp = dscp_of(pkt);
	return dscp == DSCP_LOWER_EFFORT || dscp == DSCP_CS1 ? SL_QOS_BULK : SL_QOS_TRAINING;
}

static uint8_t queue_of(struct sl_forwarder *fw, const struct sl_pkt *pkt)
{
	const struct sl_tuple *t = &pkt->tuple;
	const struct sl_snap_vip *vip;
	const struct sl_flow *flow;
	enum sl_dir dir;

	if (pkt->kind == SL_PKT_ICMP_ERROR)
		return SL_QOS_GENERAL;
	if (t->proto == IPPROTO_UDP &&
	    (t->dport_be == htons(SL_ROCE_PORT) || t->sport_be == htons(SL_ROCE_PORT)))
		return roce_queue(pkt);
	flow = sl_flow_find(fw->flows, t, pkt->hash, &dir);
	if (flow != NULL)
		return queue_of_class(fw->snap->classes[flow->vip], pkt);
	vip = sl_snapshot_vip(fw->snap, &t->dst, t->proto, t->dport_be);
	return vip != NULL ? queue_of_class(vip->class, pkt) : SL_QOS_GENERAL;
}

void sl_forward_sort(struct sl_forwarder *fw, struct sl_forward_batch *batch)
{
	for (uint32_t i = 0; i < batch->n_pkts; i++) {
		struct sl_pkt *pkt = batch->pkts[i];

		if (!pkt->is_fragment || pkt->verdict == SL_VERDICT_DECIDE)
			pkt->queue = queue_of(fw, pkt);
	}
}
