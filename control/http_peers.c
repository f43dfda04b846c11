// SPDX-License-Identifier: Apache-2.0
#include "http_peers.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "sluice/units.h"

#define SPARE_SHARE 8u // part of the connections kept free for newcomers

struct sl_http_peer {
	struct sl_http_peer *prev, *next;
	uint64_t since_ns; // of the turn
	int fd;
	enum sl_http_turn turn;
	bool is_cut; // shut down by us, its owner will notice
};

static void take_out(struct sl_http_peers *peers, struct sl_http_peer *peer)
{
	if (peer->prev != NULL)
		peer->prev->next = peer->next;
	else
		peers->first = peer->next;
	if (peer->next != NULL)
		peer->next->prev = peer->prev;
	else
		peers->last = peer->prev;
}

static void append(struct sl_http_peers *peers, struct sl_http_peer *peer)
{
	peer->prev = peers->last;
	peer->next = NULL;
	if (peers->last != NULL)
		peers->last->next = peer;
	else
		peers->first = peer;
	peers->last = peer;
}

static void cut(struct sl_http_peers *peers, struct sl_http_peer *peer)
{
	peer->is_cut = true;
	peers->n_peers--;
	peers->is_stale = true;
	shutdown(peer->fd, SHUT_RDWR);
}

static struct sl_http_peer *oldest(const struct sl_http_peers *peers, enum sl_http_turn turn)
{
	for (struct sl_http_peer *peer = peers->first; peer != NULL; peer = peer->next) {
		if (peer->turn == turn && !peer->is_cut)
			return peer;
	}
	return NULL;
}

// Whoever owes us a request the longest goes first, then who takes the longest to read an answer.
static void make_room(struct sl_http_peers *peers)
{
	while (peers->n_peers > peers->max_peers - peers->max_peers / SPARE_SHARE) {
		struct sl_http_peer *peer = oldest(peers, SL_HTTP_TURN_CLIENT);

		if (peer == NULL)
			peer = oldest(peers, SL_HTTP_TURN_REPLY);
		if (peer == NULL)
			return;
		cut(peers, peer);
	}
}

struct sl_http_peer *sl_http_peers_add(struct sl_http_peers *peers, int fd, uint64_t now_ns)
{
	struct sl_http_peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL)
		return NULL;
	peer->fd = fd;
	peer->since_ns = now_ns;
	append(peers, peer);
	peers->n_peers++;
	make_room(peers);
	return peer;
}

void sl_http_peers_remove(struct sl_http_peers *peers, struct sl_http_peer *peer)
{
	peers->is_stale = true;
	if (peer == NULL)
		return;
	take_out(peers, peer);
	peers->n_peers -= !peer->is_cut;
	free(peer);
}

void sl_http_peers_turn(struct sl_http_peers *peers, struct sl_http_peer *peer,
                        enum sl_http_turn turn, uint64_t now_ns)
{
	take_out(peers, peer);
	peer->turn = turn;
	peer->since_ns = now_ns;
	append(peers, peer);
}

void sl_http_peers_sweep(struct sl_http_peers *peers, uint64_t now_ns)
{
	for (struct sl_http_peer *peer = peers->first; peer != NULL; peer = peer->next) {
		const uint32_t allowed_ms =
			peer->turn == SL_HTTP_TURN_CLIENT ? peers->request_ms : peers->reply_ms;

		if (peer->turn != SL_HTTP_TURN_HANDLER && !peer->is_cut &&
		    now_ns - peer->since_ns > allowed_ms * SL_NS_PER_MS)
			cut(peers, peer);
	}
}
