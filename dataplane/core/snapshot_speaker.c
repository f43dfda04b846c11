// SPDX-License-Identifier: Apache-2.0
// The way back without a flow: whose address a packet of a backend speaks from. Weights do not
// change it.
#include "snapshot_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "wirecheck.h"

// Of the VIP rows that lead to a pool, by protocol.
struct seen {
	uint32_t row; // the first
	uint32_t n_rows;
	bool has_one_address;
};

enum { SEEN_TCP, SEEN_UDP, SEEN_PROTOS };

static void see_vips(struct seen *seen, const struct sl_snap_vip *vips, uint32_t n_vips)
{
	for (uint32_t i = 0; i < n_vips; i++) {
		const uint32_t which = vips[i].proto == IPPROTO_UDP ? SEEN_UDP : SEEN_TCP;
		struct seen *s = &seen[(size_t)vips[i].pool * SEEN_PROTOS + which];

		if (s->n_rows++ == 0) {
			s->row = i;
			s->has_one_address = true;
		} else {
			s->has_one_address &= sl_ip_equal(&vips[i].address, &vips[s->row].address);
		}
	}
}

static struct snap_speaker *find(const struct snap_index *index, const struct sl_ip *backend,
                                 uint8_t proto, uint16_t port)
{
	const struct snap_table *t = &index->speakers_by_backend;
	uint32_t at = snap_hash_service(backend, proto, port) & t->mask;

	for (; t->cells[at] != 0; at = (at + 1) & t->mask) {
		struct snap_speaker *s = &index->speakers[t->cells[at] - 1];

		if (s->port == port && s->proto == proto && sl_ip_equal(&s->backend, backend))
			return s;
	}
	return NULL;
}

// A backend that keeps the VIP's port tells with it which port it was: one address will do. One
// with a port of its own does not.
static bool is_clear(const struct seen *seen, const struct sl_snap_vip *vips, uint16_t port)
{
	const struct sl_snap_vip *vip = &vips[seen->row];

	if (port == 0)
		return seen->has_one_address;
	return seen->n_rows == 1 && vip->port_first == vip->port_last;
}

static void add(struct snap_index *index, uint32_t *n_speakers, const struct snap_speaker *new)
{
	struct snap_speaker *old = find(index, &new->backend, new->proto, new->port);

	if (old != NULL) { // in two pools
		old->is_ambiguous = true;
		return;
	}
	index->speakers[*n_speakers] = *new;
	snap_table_put(&index->speakers_by_backend,
	               snap_hash_service(&new->backend, new->proto, new->port), (*n_speakers)++);
}

int snap_index_add_speakers(struct snap_index *index, const struct sl_snap_vip *vips,
                            const struct sl_wire_header *config)
{
	struct seen *seen = calloc((size_t)SEEN_PROTOS * (config->n_pools + 1), sizeof(*seen));
	uint32_t n_speakers = 0;
	int err = 0;

	index->speakers =
		calloc((size_t)SEEN_PROTOS * config->n_backends + 1, sizeof(*index->speakers));
	if (seen == NULL || index->speakers == NULL ||
	    snap_table_init(&index->speakers_by_backend, SEEN_PROTOS * config->n_backends) < 0)
		err = -ENOMEM;
	else
		see_vips(seen, vips, config->n_vips);
	for (uint32_t i = 0; err == 0 && i < SEEN_PROTOS * config->n_backends; i++) {
		const struct sl_wire_backend *row = &sl_wire_backends(config)[i / SEEN_PROTOS];
		const struct seen *s = &seen[(size_t)row->pool * SEEN_PROTOS + i % SEEN_PROTOS];

		if (sl_wire_pools(config)[row->pool].forward == SL_FORWARD_NAT && s->n_rows > 0)
			add(index, &n_speakers,
			    &(struct snap_speaker){.backend = row->address,
			                           .vip = s->row,
			                           .port = row->port,
			                           .proto = vips[s->row].proto,
			                           .is_ambiguous = !is_clear(s, vips, row->port)});
	}
	free(seen);
	return err;
}

const struct sl_snap_vip *sl_snapshot_speaker(const struct sl_snapshot *snap,
                                              const struct sl_ip *src, uint8_t proto,
                                              uint16_t sport_be, uint16_t *vip_port_be)
{
	const struct snap_speaker *own = find(snap->private, src, proto, ntohs(sport_be));
	const struct snap_speaker *any = find(snap->private, src, proto, 0);
	const struct sl_snap_vip *vip = NULL, *kept = NULL;

	if ((own != NULL && own->is_ambiguous) || (any != NULL && any->is_ambiguous))
		return NULL;
	if (own != NULL && own->port != 0) {
		vip = &snap->vips[own->vip];
		*vip_port_be = htons(vip->port_first);
	}
	if (any != NULL)
		kept = sl_snapshot_vip(snap, &snap->vips[any->vip].address, proto, sport_be);
	if (kept == NULL || kept->pool != snap->vips[any->vip].pool)
		return vip;
	*vip_port_be = sport_be;
	return vip == NULL ? kept : NULL;
}
