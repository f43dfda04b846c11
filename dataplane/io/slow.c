// SPDX-License-Identifier: Apache-2.0
#include "slow.h"

#include "icmp_make.h"
#include "localpkt.h"
#include "parse.h"
#include "rewrite.h"

#define FRAME_MIN_BYTES 60 // without the frame check sequence

void sl_slow_init(struct sl_slow *slow, struct sl_io *io, struct sl_neigh_table *neighs,
                  const struct sl_route_table *routes, uint64_t now_ns)
{
	memset(slow, 0, sizeof(*slow));
	slow->io = io;
	slow->neighs = neighs;
	slow->routes = routes;
	slow->stats = io->stats;
	slow->now_ns = now_ns;
	slow->next_vip = UINT32_MAX;
}

static void end(struct sl_slow *slow, struct rte_mbuf *m, enum sl_drop why)
{
	sl_stat_add(&slow->stats->main_drop[why], 1);
	sl_stat_add(&slow->stats->main_drops, 1);
	rte_pktmbuf_free(m);
}

// The worker that can transmit on the port takes it from our ring.
static void transmit(struct sl_slow *slow, struct rte_mbuf *m, uint16_t port)
{
	struct sl_pkt *pkt = sl_pkt_of(m);
	uint32_t main_index = slow->io->n_workers;
	struct rte_ring *ring = slow->io->rings[slow->io->ports->ports[port].tx_worker][main_index];

	pkt->verdict = SL_VERDICT_SEND;
	pkt->out_port = port;
	if (rte_ring_sp_enqueue(ring, m) == 0)
		sl_stat_add(&slow->stats->main_tx_pkts, 1);
	else
		end(slow, m, SL_DROP_HANDOFF_FULL);
}

// A packet of our own: frame bytes, padded to the Ethernet minimum.
static void send_frame(struct sl_slow *slow, const uint8_t *frame, size_t n_bytes, uint16_t port)
{
	struct rte_mbuf *m;
	char *data;
	size_t n_padded = RTE_MAX(n_bytes, (size_t)FRAME_MIN_BYTES);

	if (n_bytes == 0)
		return;
	m = rte_pktmbuf_alloc(slow->io->ports->pool);
	if (m == NULL)
		return; // nothing was received, so nothing is lost; the asker repeats
	data = rte_pktmbuf_append(m, (uint16_t)n_padded);
	memcpy(data, frame, n_bytes);
	memset(data + n_bytes, 0, n_padded - n_bytes);
	sl_stat_add(&slow->stats->main_generated_pkts, 1);
	sl_pkt_of(m)->queue = SL_QOS_CONTROL;
	sl_pkt_of(m)->data = (uint8_t *)data;
	sl_pkt_of(m)->len = (uint32_t)n_padded;
	transmit(slow, m, port);
}

// The same, made without a tag. frame has room for one more.
static void send_untagged(struct sl_slow *slow, uint8_t *frame, size_t n_bytes, uint16_t port)
{
	if (slow->io->links != NULL)
		n_bytes = sl_links_tag_frame(slow->io->links, frame, n_bytes, SL_LOCALPKT_MAX_BYTES,
		                             port);
	send_frame(slow, frame, n_bytes, port);
}

static void ask(struct sl_slow *slow, uint16_t row, bool is_unicast)
{
	const struct sl_neigh *n = &slow->neighs->rows[row];
	const struct sl_ip *source = sl_route_source(slow->routes, &n->address);
	struct sl_ip unspecified = sl_ip_is_v4(&n->address) ? sl_ip_from_v4(0) : (struct sl_ip){0};
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];
	struct sl_l2 l2 = {0};
	uint64_t word = atomic_load_explicit(&n->mac_word, memory_order_relaxed);

	memcpy(l2.our_mac, slow->io->ports->macs[n->port], 6);
	if (is_unicast)
		sl_neigh_word_mac(word, l2.dst_mac);
	send_untagged(slow, frame,
	              sl_build_ask(frame, sizeof(frame), &l2,
	                           source != NULL ? source : &unspecified, &n->address),
	              n->port);
}

static void release_held(struct sl_slow *slow, uint16_t row, bool is_usable)
{
	uint64_t word =
		atomic_load_explicit(&slow->neighs->rows[row].mac_word, memory_order_relaxed);
	uint16_t port = slow->neighs->rows[row].port;
	uint32_t n_kept = 0;

	for (uint32_t i = 0; i < slow->n_held; i++) {
		struct sl_slow_held held = slow->held[i];

		if (held.row != row) {
			slow->held[n_kept++] = held;
		} else if (is_usable) {
			uint8_t mac[6];

			sl_neigh_word_mac(word, mac);
			sl_rewrite_macs(sl_pkt_of(held.m), slow->io->ports->macs[port], mac);
			transmit(slow, held.m, port);
		} else {
			end(slow, held.m, SL_DROP_NEIGHBOUR);
		}
	}
	slow->n_held = n_kept;
}

static void act(struct sl_slow *slow, uint16_t row, enum sl_neigh_action action)
{
	switch (action) {
	case SL_NEIGH_ASK_BROADCAST:
		ask(slow, row, false);
		break;
	case SL_NEIGH_ASK_UNICAST:
		ask(slow, row, true);
		break;
	case SL_NEIGH_GIVE_UP:
		release_held(slow, row, false);
		break;
	default:
		break;
	}
}

static uint16_t want(struct sl_slow *slow, const struct sl_ip *hop, uint16_t port, bool is_pinned)
{
	uint16_t row = sl_neigh_want(slow->neighs, hop, port, is_pinned, slow->now_ns);

	if (row != SL_NEIGH_NONE)
		act(slow, row, sl_neigh_tick(slow->neighs, row, slow->now_ns));
	return row;
}

uint16_t sl_slow_pin(struct sl_slow *slow, const struct sl_ip *dst)
{
	struct sl_ip hop;
	const struct sl_route *route = sl_route_find(slow->routes, dst, &hop);

	return route != NULL ? want(slow, &hop, route->port, true) : SL_NEIGH_NONE;
}

void sl_slow_keep_pins(struct sl_slow *slow, const uint16_t *rows, uint32_t n_rows)
{
	bool is_kept[SL_NEIGH_MAX] = {false};

	for (uint32_t i = 0; i < n_rows; i++) {
		if (rows[i] != SL_NEIGH_NONE)
			is_kept[rows[i]] = true;
	}
	for (uint32_t row = 0; row < slow->neighs->n_rows; row++) {
		if (slow->neighs->rows[row].is_pinned && !is_kept[row])
			sl_neigh_unpin(slow->neighs, (uint16_t)row, slow->now_ns);
	}
}

// A rewritten packet whose next hop has no MAC yet.
static void hold(struct sl_slow *slow, struct rte_mbuf *m)
{
	struct sl_pkt *pkt = sl_pkt_of(m);
	uint16_t row = want(slow, &pkt->hop, pkt->out_port, false);
	uint32_t n_waiting = 0;

	if (row == SL_NEIGH_NONE || slow->neighs->rows[row].state == SL_NEIGH_FAILED) {
		end(slow, m, SL_DROP_NEIGHBOUR);
		return;
	}
	for (uint32_t i = 0; i < slow->n_held; i++)
		n_waiting += slow->held[i].row == row;
	if (n_waiting == SL_NEIGH_MAX_HELD || slow->n_held == SL_SLOW_HELD) {
		end(slow, m, SL_DROP_NEIGHBOUR);
		return;
	}
	slow->held[slow->n_held++] = (struct sl_slow_held){m, row};
	if (atomic_load_explicit(&slow->neighs->rows[row].mac_word, memory_order_relaxed) &
	    SL_NEIGH_USABLE)
		release_held(slow, row, true); // it was learned while the packet travelled here
}

static bool is_vip(struct sl_slow *slow, const struct sl_ip *ip)
{
	const struct sl_snapshot *snap =
		atomic_load_explicit(&slow->io->snapshot, memory_order_relaxed);

	return snap != NULL && sl_snapshot_has_address(snap, ip);
}

// An address of one of our networks is answered for there and nowhere else; a VIP of no network of
// ours, wherever somebody asks.
static bool answers_on(struct sl_slow *slow, const struct sl_ip *ip, uint16_t port)
{
	const struct sl_route *route;
	struct sl_ip hop;

	if (!is_vip(slow, ip) && !sl_route_is_own_address(slow->routes, ip))
		return false;
	route = sl_route_find(slow->routes, ip, &hop);
	return route == NULL || !route->is_connected || route->port == port;
}

static void neighbour_message(struct sl_slow *slow, struct rte_mbuf *m)
{
	struct sl_pkt *pkt = sl_pkt_of(m);
	struct sl_neigh_msg msg = sl_neigh_msg_parse(pkt);
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];

	if (msg.has_sender_mac) {
		uint16_t row = sl_neigh_learn(slow->neighs, &msg.sender, pkt->in_port,
		                              msg.sender_mac, msg.is_solicited, slow->now_ns);

		if (row != SL_NEIGH_NONE)
			release_held(slow, row, true);
	}
	if (msg.kind == SL_NEIGH_MSG_ASKS && answers_on(slow, &msg.target, pkt->in_port))
		send_frame(slow, frame,
		           sl_build_tell(frame, sizeof(frame), pkt, &msg,
		                         slow->io->ports->macs[pkt->in_port]),
		           pkt->in_port);
	end(slow, m, SL_DROP_CONSUMED);
}

// A packet that ended at a worker, whose sender is to know. Spoken from the address of the port
// that leads to it (RFC 1812 4.3.2.4).
static void tell_sender(struct sl_slow *slow, struct rte_mbuf *m)
{
	const struct sl_pkt *pkt = sl_pkt_of(m);
	const struct sl_icmp_error error = {
		.type = pkt->is_v6 ? SL_ICMP6_TIME_EXCEEDED : SL_ICMP4_TIME_EXCEEDED,
		.source = sl_route_source(slow->routes, &pkt->tuple.src)};
	uint8_t frame[SL_ICMP_MAKE_MAX_BYTES];

	if (error.source != NULL)
		send_frame(slow, frame,
		           sl_icmp_make_error(frame, sizeof(frame), pkt,
		                              slow->io->ports->macs[pkt->in_port], &error),
		           pkt->in_port);
	end(slow, m, pkt->drop);
}

static void handle(struct sl_slow *slow, struct rte_mbuf *m)
{
	struct sl_pkt *pkt = sl_pkt_of(m);

	if (pkt->verdict == SL_VERDICT_RESOLVE)
		hold(slow, m);
	else if (pkt->wants_error)
		tell_sender(slow, m);
	else if (pkt->kind == SL_PKT_ARP || pkt->kind == SL_PKT_ND)
		neighbour_message(slow, m);
	else if (sl_echo_reply(pkt, slow->io->ports->macs[pkt->in_port])) {
		pkt->queue = SL_QOS_CONTROL;
		transmit(slow, m, pkt->in_port);
	} else
		end(slow, m, SL_DROP_CONSUMED);
}

static void announce(struct sl_slow *slow, const struct sl_ip *address)
{
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];

	for (uint16_t p = 0; p < slow->io->ports->n_ports; p++) {
		const uint8_t *mac = slow->io->ports->macs[p];

		if (answers_on(slow, address, p))
			send_untagged(slow, frame,
			              sl_build_announce(frame, sizeof(frame), address, mac), p);
	}
}

void sl_slow_announce_own(struct sl_slow *slow, const struct sl_ip *address)
{
	announce(slow, address);
}

void sl_slow_announce(struct sl_slow *slow)
{
	slow->next_vip = 0;
}

// A later configuration starts again from its first VIP.
static void announce_some(struct sl_slow *slow)
{
	const struct sl_snapshot *snap =
		atomic_load_explicit(&slow->io->snapshot, memory_order_relaxed);

	if (snap == NULL || slow->next_vip >= snap->n_vips ||
	    slow->now_ns - slow->announced_ns < SL_NS_PER_MS)
		return;
	slow->announced_ns = slow->now_ns;
	for (uint32_t n = 0; n < SL_SLOW_ANNOUNCE && slow->next_vip < snap->n_vips;) {
		const struct sl_snap_vip *vip = &snap->vips[slow->next_vip++];

		if (vip != snap->vips && sl_ip_equal(&vip->address, &vip[-1].address))
			continue; // a row per port range
		announce(slow, &vip->address);
		n++;
	}
}

bool sl_slow_poll(struct sl_slow *slow, uint64_t now_ns)
{
	uint32_t n_rows = RTE_MIN(slow->neighs->n_rows, (uint32_t)SL_SLOW_TICK_ROWS);
	bool is_busy = false;

	slow->now_ns = now_ns;
	announce_some(slow);
	for (uint32_t from = 0; from < slow->io->n_workers; from++) {
		struct rte_ring *ring = slow->io->rings[slow->io->n_workers][from];
		void *pkts[SL_BURST];
		uint32_t n = rte_ring_sc_dequeue_burst(ring, pkts, SL_BURST, NULL);

		for (uint32_t i = 0; i < n; i++)
			handle(slow, pkts[i]);
		is_busy |= n != 0;
	}
	for (uint32_t i = 0; i < n_rows; i++) {
		uint16_t row = (uint16_t)(slow->next_row++ % slow->neighs->n_rows);

		act(slow, row, sl_neigh_tick(slow->neighs, row, now_ns));
	}
	sl_stat_set(&slow->stats->held_pkts, slow->n_held);
	return is_busy;
}

void sl_slow_fini(struct sl_slow *slow)
{
	for (uint32_t i = 0; i < slow->n_held; i++)
		rte_pktmbuf_free(slow->held[i].m);
	slow->n_held = 0;
}
