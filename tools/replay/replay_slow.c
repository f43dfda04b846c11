// SPDX-License-Identifier: Apache-2.0
// What dataplane/io/slow.c does on the main core, on plain memory instead of packet buffers.
#include <stdlib.h>

#include "icmp_make.h"
#include "localpkt.h"
#include "replay_private.h"
#include "rewrite.h"

#define FRAME_MIN_BYTES 60                     // without the frame check sequence
#define FRAME_MAX_BYTES SL_ICMP_MAKE_MAX_BYTES // of what is made here
_Static_assert((int)FRAME_MAX_BYTES >= (int)SL_LOCALPKT_MAX_BYTES, "ARP and ND fit too");

// A packet of our own.
static void send_frame(struct sl_replay *rp, const uint8_t *frame, size_t n_bytes, uint16_t port)
{
	uint8_t padded[FRAME_MAX_BYTES] = {0};
	struct sl_replay_record record = {.t_ns = rp->now_ns, .in_port = SL_REPLAY_NO_PORT};

	if (n_bytes == 0)
		return;
	memcpy(padded, frame, n_bytes);
	replay_send(rp, &record, padded,
	            (uint32_t)(n_bytes > FRAME_MIN_BYTES ? n_bytes : FRAME_MIN_BYTES), port);
}

static void send_untagged(struct sl_replay *rp, uint8_t *frame, size_t n_bytes, uint16_t port)
{
	send_frame(rp, frame,
	           sl_links_tag_frame(&rp->links, frame, n_bytes, SL_LOCALPKT_MAX_BYTES, port),
	           port);
}

static void ask(struct sl_replay *rp, uint16_t row, bool is_unicast)
{
	const struct sl_neigh *n = &rp->neighs.rows[row];
	const struct sl_ip *source = sl_route_source(&rp->routes, &n->address);
	struct sl_ip unspecified = sl_ip_is_v4(&n->address) ? sl_ip_from_v4(0) : (struct sl_ip){0};
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];
	struct sl_l2 l2 = {0};

	memcpy(l2.our_mac, rp->macs[n->port], 6);
	if (is_unicast)
		sl_neigh_word_mac(sl_neigh_word(n), l2.dst_mac);
	send_untagged(rp, frame,
	              sl_build_ask(frame, sizeof(frame), &l2,
	                           source != NULL ? source : &unspecified, &n->address),
	              n->port);
}

static void release_held(struct sl_replay *rp, uint16_t row, bool is_usable)
{
	const struct sl_neigh *n = &rp->neighs.rows[row];
	uint8_t mac[6];
	uint32_t n_kept = 0;

	sl_neigh_word_mac(sl_neigh_word(n), mac);
	for (uint32_t i = 0; i < rp->n_held; i++) {
		struct replay_held *held = &rp->held[i];
		struct sl_pkt pkt = {.data = held->frame, .len = held->n_bytes};

		if (held->row != row) {
			rp->held[n_kept++] = *held;
			continue;
		}
		held->record.has_waited = true;
		if (is_usable) {
			sl_rewrite_macs(&pkt, rp->macs[n->port], mac);
			replay_send(rp, &held->record, held->frame, held->n_bytes, n->port);
		} else {
			replay_drop(rp, &held->record, SL_DROP_NEIGHBOUR);
		}
		free(held->frame);
	}
	rp->n_held = n_kept;
}

static void act(struct sl_replay *rp, uint16_t row, enum sl_neigh_action action)
{
	switch (action) {
	case SL_NEIGH_ASK_BROADCAST:
		ask(rp, row, false);
		break;
	case SL_NEIGH_ASK_UNICAST:
		ask(rp, row, true);
		break;
	case SL_NEIGH_GIVE_UP:
		release_held(rp, row, false);
		break;
	default:
		break;
	}
}

static uint16_t want(struct sl_replay *rp, const struct sl_ip *hop, uint16_t port, bool is_pinned)
{
	uint16_t row = sl_neigh_want(&rp->neighs, hop, port, is_pinned, rp->now_ns);

	if (row != SL_NEIGH_NONE)
		act(rp, row, sl_neigh_tick(&rp->neighs, row, rp->now_ns));
	return row;
}

uint16_t replay_pin(struct sl_replay *rp, const struct sl_ip *dst)
{
	struct sl_ip hop;
	const struct sl_route *route = sl_route_find(&rp->routes, dst, &hop);

	return route != NULL ? want(rp, &hop, route->port, true) : SL_NEIGH_NONE;
}

static uint32_t count_waiting(const struct sl_replay *rp, uint16_t row)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rp->n_held; i++)
		n += rp->held[i].row == row;
	return n;
}

static enum sl_replay_end hold(struct sl_replay *rp, const struct sl_pkt *pkt,
                               struct sl_replay_record *record)
{
	uint16_t row = want(rp, &pkt->hop, pkt->out_port, false);
	struct replay_held *held;
	uint8_t *frame;

	if (row == SL_NEIGH_NONE || rp->neighs.rows[row].state == SL_NEIGH_FAILED ||
	    rp->n_held == REPLAY_MAX_HELD || count_waiting(rp, row) == SL_NEIGH_MAX_HELD) {
		replay_drop(rp, record, SL_DROP_NEIGHBOUR);
		return SL_REPLAY_DROPPED;
	}
	frame = malloc(pkt->len);
	if (frame == NULL)
		abort(); // a lost packet would make the answer wrong
	record->out_port = pkt->out_port;
	held = &rp->held[rp->n_held++];
	*held = (struct replay_held){.frame = memcpy(frame, pkt->data, pkt->len),
	                             .n_bytes = pkt->len,
	                             .row = row,
	                             .record = *record};
	return SL_REPLAY_HELD;
}

static bool is_ours(const struct sl_replay *rp, const struct sl_ip *ip)
{
	return (rp->snap != NULL && sl_snapshot_has_address(rp->snap, ip)) ||
	       sl_route_is_own_address(&rp->routes, ip);
}

static void neighbour_message(struct sl_replay *rp, const struct sl_pkt *pkt)
{
	struct sl_neigh_msg msg = sl_neigh_msg_parse(pkt);
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];

	if (msg.has_sender_mac) {
		uint16_t row = sl_neigh_learn(&rp->neighs, &msg.sender, pkt->in_port,
		                              msg.sender_mac, msg.is_solicited, rp->now_ns);

		if (row != SL_NEIGH_NONE)
			release_held(rp, row, true);
	}
	if (msg.kind == SL_NEIGH_MSG_ASKS && is_ours(rp, &msg.target))
		send_frame(rp, frame,
		           sl_build_tell(frame, sizeof(frame), pkt, &msg, rp->macs[pkt->in_port]),
		           pkt->in_port);
}

// As the data plane's main core does: the packet ends by the name it has, its sender is told.
static void tell_sender(struct sl_replay *rp, const struct sl_pkt *pkt)
{
	const struct sl_icmp_error error = {
		.type = pkt->is_v6 ? SL_ICMP6_TIME_EXCEEDED : SL_ICMP4_TIME_EXCEEDED,
		.source = sl_route_source(&rp->routes, &pkt->tuple.src)};
	uint8_t frame[SL_ICMP_MAKE_MAX_BYTES];

	if (error.source != NULL)
		send_frame(rp, frame,
		           sl_icmp_make_error(frame, sizeof(frame), pkt, rp->macs[pkt->in_port],
		                              &error),
		           pkt->in_port);
}

enum sl_replay_end replay_slow(struct sl_replay *rp, struct sl_pkt *pkt,
                               struct sl_replay_record *record)
{
	if (pkt->verdict == SL_VERDICT_RESOLVE)
		return hold(rp, pkt, record);
	if (pkt->wants_error) {
		tell_sender(rp, pkt);
		replay_drop(rp, record, pkt->drop);
		return SL_REPLAY_DROPPED;
	}
	if (pkt->kind == SL_PKT_ARP || pkt->kind == SL_PKT_ND) {
		neighbour_message(rp, pkt);
	} else if (sl_echo_reply(pkt, rp->macs[pkt->in_port])) {
		replay_send(rp, record, pkt->data, pkt->len, pkt->in_port);
		return SL_REPLAY_SENT;
	}
	replay_drop(rp, record, SL_DROP_CONSUMED);
	return SL_REPLAY_DROPPED;
}

void replay_slow_timers(struct sl_replay *rp)
{
	for (uint32_t i = 0; i < rp->n_fixed; i++) {
		const struct replay_fixed *fixed = &rp->fixed[i];

		sl_neigh_want(&rp->neighs, &fixed->ip, fixed->port, true, rp->now_ns);
		sl_neigh_learn(&rp->neighs, &fixed->ip, fixed->port, fixed->mac, true, rp->now_ns);
	}
	for (uint32_t row = 0; row < rp->neighs.n_rows; row++)
		act(rp, (uint16_t)row, sl_neigh_tick(&rp->neighs, (uint16_t)row, rp->now_ns));
}
