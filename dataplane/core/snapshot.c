// SPDX-License-Identifier: Apache-2.0
#include "snapshot_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "flow.h"
#include "wirecheck.h"

#define NO_POOL             UINT16_MAX
#define TICKS_PER_S         (SL_NS_PER_S / SL_FLOW_TICK_NS)
#define FLOW_IDLE_TICKS_MAX (UINT32_C(1) << 30) // ticks compare by signed difference

// What weights do not change.
struct fixed {
	uint32_t n_owners; // snapshots; the main core alone counts
	uint32_t n_quics;
	struct snap_index index;
	struct sl_snap_vip *vips;
	struct sl_snap_backend *backends;
	uint16_t *members;              // by backend row; a pool's are a run of it
	struct sl_acl_range *acl;       // of all VIPs; rows of one VIP share theirs
	struct sl_quic_config *quics;   // by quic row
	struct sl_quic_server *servers; // by backend row; a pool's are a run of it
	bool *has_affinity;             // by pool row: some VIP needs its maglev table
	uint8_t classes[SL_MAX_VIPS];   // by statistics slot
	bool keeps_clients;             // some VIP has persistence
};

// The snapshot and what it owns, alone or with others. The public part comes first: readers only
// borrow it.
struct store {
	struct sl_snapshot snap;
	struct fixed *fixed;
	struct sl_snap_pool *pools;
	uint32_t *weights_milli;   // by backend index
	struct snap_picks **picks; // by pool row
};

// To build the tables of one pool after the other.
struct scratch {
	struct sl_pick_member *members;
	uint64_t *sums;
};

static void fixed_free(struct fixed *f)
{
	if (f == NULL || --f->n_owners > 0)
		return;
	snap_index_fini(&f->index);
	free(f->vips);
	free(f->backends);
	free(f->members);
	free(f->has_affinity);
	free(f->acl);
	if (f->quics != NULL) // keys do not outlive their configuration
		explicit_bzero(f->quics, f->n_quics * sizeof(*f->quics));
	free(f->quics);
	free(f->servers);
	free(f);
}

void sl_snapshot_free(struct sl_snapshot *snap)
{
	struct store *s = (struct store *)(void *)snap;

	if (s == NULL)
		return;
	for (uint32_t i = 0; s->picks != NULL && i < s->snap.n_pools; i++)
		snap_picks_free(s->picks[i]);
	free(s->picks);
	free(s->pools);
	free(s->weights_milli);
	fixed_free(s->fixed);
	free(s);
}

static int scratch_init(struct scratch *scratch, size_t n_members)
{
	// One more, so that none is of size 0.
	scratch->members = malloc((n_members + 1) * sizeof(*scratch->members));
	scratch->sums = malloc((2 * n_members + 1) * sizeof(*scratch->sums));
	return scratch->members != NULL && scratch->sums != NULL ? 0 : -ENOMEM;
}

static void scratch_fini(struct scratch *scratch)
{
	free(scratch->members);
	free(scratch->sums);
}

static uint32_t ticks_of(uint32_t seconds)
{
	uint64_t ticks = seconds * TICKS_PER_S;

	if (ticks > FLOW_IDLE_TICKS_MAX)
		return FLOW_IDLE_TICKS_MAX;
	return ticks > 0 ? (uint32_t)ticks : 1;
}

static uint32_t weight_of(const struct sl_snap_inputs *in, uint32_t row)
{
	return in->weights_milli != NULL ? in->weights_milli[row]
	                                 : sl_wire_backends(in->config)[row].weight_milli;
}

static int allocate(struct store *s, const struct sl_wire_header *config)
{
	struct fixed *f = calloc(1, sizeof(*f));

	s->fixed = f;
	if (f == NULL)
		return -ENOMEM;
	f->n_owners = 1;
	// One more of each, so that none is of size 0.
	f->has_affinity = calloc(config->n_pools + 1, sizeof(*f->has_affinity));
	f->vips = calloc(config->n_vips + 1, sizeof(*f->vips));
	f->backends = calloc(s->snap.n_backends + 1, sizeof(*f->backends));
	f->members = calloc(config->n_backends + 1, sizeof(*f->members));
	s->pools = calloc(config->n_pools + 1, sizeof(*s->pools));
	s->picks = calloc(config->n_pools + 1, sizeof(struct snap_picks *));
	s->weights_milli = calloc(s->snap.n_backends + 1, sizeof(*s->weights_milli));
	return f->has_affinity != NULL && f->vips != NULL && f->members != NULL &&
	                       f->backends != NULL && s->pools != NULL && s->picks != NULL &&
	                       s->weights_milli != NULL
	               ? 0
	               : -ENOMEM;
}

static bool shares_prefixes(const struct sl_wire_vip *rows, uint32_t i)
{
	return i > 0 && rows[i].first_prefix == rows[i - 1].first_prefix &&
	       rows[i].n_prefixes == rows[i - 1].n_prefixes;
}

static int fill_acls(struct fixed *f, const struct sl_wire_header *config)
{
	const struct sl_wire_vip *rows = sl_wire_vips(config);
	struct sl_acl_range *next;
	size_t n_ranges = 1;

	for (uint32_t i = 0; i < config->n_vips; i++)
		n_ranges += shares_prefixes(rows, i) ? 0 : SL_ACL_RANGES(rows[i].n_prefixes);
	f->acl = calloc(n_ranges, sizeof(*f->acl));
	if (f->acl == NULL)
		return -ENOMEM;
	next = f->acl;
	for (uint32_t i = 0; i < config->n_vips; i++) {
		struct sl_snap_vip *vip = &f->vips[i];

		if (rows[i].n_prefixes == 0)
			continue;
		if (shares_prefixes(rows, i)) {
			vip->acl = vip[-1].acl;
			vip->n_acl = vip[-1].n_acl;
			continue;
		}
		vip->acl = next;
		vip->n_acl = sl_acl_build(next, &sl_wire_prefixes(config)[rows[i].first_prefix],
		                          rows[i].n_prefixes);
		if (vip->n_acl == 0)
			return -ENOMEM;
		next += vip->n_acl;
	}
	return 0;
}

static int fill_vips(struct fixed *f, const struct sl_snap_inputs *in)
{
	int err;

	for (uint32_t i = 0; i < in->config->n_vips; i++) {
		const struct sl_wire_vip *row = &sl_wire_vips(in->config)[i];

		f->vips[i] = (struct sl_snap_vip){
			.address = row->address,
			.id = row->id,
			.slot = in->vip_slots[i],
			.pool = (uint16_t)row->pool,
			.port_first = row->port_first,
			.port_last = row->port_last,
			.proto = row->proto,
			.affinity = row->affinity,
			.persist_bits = row->persist_bits,
			.persist_s = row->persist_s,
			.is_measured = row->is_measured != 0,
			.syn_cookies = row->syn_cookies,
			.class = row->class,
			.limit_flows = row->limit_flows,
			.rate = sl_limit_rate_of(row->limit_new_flows_per_s),
			.source_rate = sl_limit_rate_of(row->source_new_flows_per_s),
		};
		f->has_affinity[row->pool] |= row->affinity != SL_AFFINITY_NONE;
		f->classes[in->vip_slots[i]] = row->class;
		f->keeps_clients |= row->persist_s != 0;
	}
	err = fill_acls(f, in->config);
	if (err == 0)
		err = snap_index_init(&f->index, f->vips, in->config->n_vips);
	return err != 0 ? err : snap_index_add_speakers(&f->index, f->vips, in->config);
}

// A backend that no route leads to keeps MTU 0; its packets end as no_route.
static void fill_tunnel(struct sl_snap_backend *backend, const struct sl_route_table *routes)
{
	struct sl_ip next_hop;
	const struct sl_route *route = sl_route_find(routes, &backend->address, &next_hop);

	if (route == NULL)
		return;
	backend->mtu_bytes = route->mtu_bytes;
	backend->tunnel_source = route->source;
}

static void fill_backends(struct store *s, const struct sl_snap_inputs *in)
{
	for (uint32_t i = 0; i < s->snap.n_backends; i++)
		s->fixed->backends[i].pool = NO_POOL;
	for (uint32_t i = 0; i < in->config->n_backends; i++) {
		const struct sl_wire_backend *row = &sl_wire_backends(in->config)[i];
		uint8_t forward = sl_wire_pools(in->config)[row->pool].forward;

		s->fixed->backends[in->backend_indices[i]] = (struct sl_snap_backend){
			.address = row->address,
			.id = row->id,
			.port_be = htons(row->port),
			.generation = in->backend_generations[i],
			.next_hop = in->next_hops[i],
			.pool = (uint16_t)row->pool,
		};
		if (sl_forward_is_tunnel(forward) && in->routes != NULL)
			fill_tunnel(&s->fixed->backends[in->backend_indices[i]], in->routes);
		s->fixed->members[i] = in->backend_indices[i];
		s->weights_milli[in->backend_indices[i]] = weight_of(in, i);
	}
}

// The tables of a pool by the weights of its members.
static int weigh(struct store *s, uint32_t row, const struct scratch *scratch)
{
	struct sl_snap_pool *pool = &s->pools[row];
	const struct snap_picks_inputs in = {.members = scratch->members,
	                                     .sums = scratch->sums,
	                                     .has_maglev = s->fixed->has_affinity[row] ||
	                                                   pool->balance == SL_BALANCE_MAGLEV};

	for (uint32_t m = 0; m < pool->n_members; m++) {
		uint16_t index = pool->members[m];

		scratch->members[m] =
			(struct sl_pick_member){.id = s->fixed->backends[index].id,
		                                .weight_milli = s->weights_milli[index],
		                                .backend = index};
	}
	s->picks[row] = snap_picks_new(pool, &in);
	return s->picks[row] != NULL ? 0 : -ENOMEM;
}

static void fill_servers(struct sl_snap_pool *pool, struct sl_quic_server *servers,
                         const struct sl_wire_backend *rows)
{
	pool->quic.servers = servers;
	for (uint32_t m = 0; m < pool->n_members; m++) {
		struct sl_quic_server *server = &servers[pool->quic.n_servers];

		if (rows[m].server_id_bytes == 0)
			continue;
		memcpy(server->id, rows[m].server_id, sizeof(rows[m].server_id));
		server->backend = pool->members[m];
		pool->quic.n_servers++;
	}
	qsort(servers, pool->quic.n_servers, sizeof(*servers), sl_quic_order);
}

static int fill_quics(struct store *s, const struct sl_wire_header *config)
{
	struct fixed *f = s->fixed;

	f->quics = calloc(config->n_quics + 1, sizeof(*f->quics));
	f->servers = calloc(config->n_backends + 1, sizeof(*f->servers));
	if (f->quics == NULL || f->servers == NULL)
		return -ENOMEM;
	f->n_quics = config->n_quics;
	for (uint32_t i = 0; i < config->n_quics; i++) {
		const struct sl_wire_quic *row = &sl_wire_quics(config)[i];
		struct sl_quic_config *quic = &f->quics[i];

		quic->server_id_bytes = row->server_id_bytes;
		quic->nonce_bytes = row->nonce_bytes;
		quic->has_key = row->has_key != 0;
		if (quic->has_key)
			sl_aes_init(&quic->aes, row->key);
		s->pools[row->pool].quic.configs[row->codepoint] = quic;
	}
	for (uint32_t p = 0; p < config->n_pools; p++) {
		uint32_t first = sl_wire_pools(config)[p].first_backend;

		fill_servers(&s->pools[p], &f->servers[first], &sl_wire_backends(config)[first]);
	}
	return 0;
}

static int fill_pools(struct store *s, const struct sl_snap_inputs *in)
{
	struct scratch scratch;
	int err = scratch_init(&scratch, in->config->n_backends);

	for (uint32_t i = 0; err == 0 && i < in->config->n_pools; i++) {
		const struct sl_wire_pool *row = &sl_wire_pools(in->config)[i];

		s->pools[i] = (struct sl_snap_pool){
			.id = row->id,
			.forward = row->forward,
			.balance = row->balance,
			.mtu_guard = row->mtu_guard,
			.client_address = row->client_address,
			.tcp_idle_ticks = ticks_of(row->tcp_idle_s),
			.udp_idle_ticks = ticks_of(row->udp_idle_s),
			.limit_flows = row->limit_flows,
			.rate = sl_limit_rate_of(row->limit_new_flows_per_s),
			.n_members = row->n_backends,
			.members = &s->fixed->members[row->first_backend],
			.row = i,
		};
		err = weigh(s, i, &scratch);
	}
	scratch_fini(&scratch);
	return err;
}

static int fill(struct store *s, const struct sl_snap_inputs *in)
{
	int err = allocate(s, in->config);

	if (err == 0)
		err = fill_vips(s->fixed, in);
	if (err != 0)
		return err;
	fill_backends(s, in);
	err = fill_pools(s, in);
	return err == 0 ? fill_quics(s, in->config) : err;
}

static void show(struct store *s)
{
	s->snap.vips = s->fixed->vips;
	s->snap.classes = s->fixed->classes;
	s->snap.pools = s->pools;
	s->snap.backends = s->fixed->backends;
	s->snap.weights_milli = s->weights_milli;
	s->snap.private = &s->fixed->index;
	s->snap.keeps_clients = s->fixed->keeps_clients;
}

struct sl_snapshot *sl_snapshot_build(const struct sl_snap_inputs *in)
{
	struct store *s = calloc(1, sizeof(*s));
	int err;

	if (s == NULL)
		return NULL;
	s->snap.generation = in->config->generation;
	s->snap.epoch = in->epoch;
	s->snap.n_vips = in->config->n_vips;
	s->snap.n_pools = in->config->n_pools;
	s->snap.n_members = in->config->n_backends;
	s->snap.maglev_key = in->maglev_key;
	for (uint32_t i = 0; i < in->config->n_backends; i++) {
		if (in->backend_indices[i] >= s->snap.n_backends)
			s->snap.n_backends = in->backend_indices[i] + 1u;
	}
	err = fill(s, in);
	if (err != 0) {
		sl_snapshot_free(&s->snap);
		errno = -err;
		return NULL;
	}
	show(s);
	return &s->snap;
}

static void *copy(const void *from, size_t n_bytes)
{
	void *to = malloc(n_bytes + 1); // not of size 0

	return to != NULL ? memcpy(to, from, n_bytes) : NULL;
}

// New weights for a pool's backends; true if they differ from the old.
static bool take_weights(struct store *s, uint32_t row, const uint32_t *weights_milli)
{
	const struct sl_snap_pool *pool = &s->pools[row];
	const uint32_t *weights = &weights_milli[pool->members - s->fixed->members];
	bool is_new = false;

	for (uint32_t m = 0; m < pool->n_members; m++) {
		uint32_t *weight = &s->weights_milli[pool->members[m]];

		is_new |= *weight != weights[m];
		*weight = weights[m];
	}
	return is_new;
}

static int reweigh(struct store *s, const struct store *base, const uint32_t *weights_milli)
{
	struct scratch scratch;
	uint32_t n_most = 0;
	int err;

	s->pools = copy(base->pools, s->snap.n_pools * sizeof(*s->pools));
	s->weights_milli =
		copy(base->weights_milli, s->snap.n_backends * sizeof(*s->weights_milli));
	s->picks = calloc(s->snap.n_pools + 1, sizeof(struct snap_picks *));
	if (s->pools == NULL || s->weights_milli == NULL || s->picks == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->snap.n_pools; i++)
		n_most = s->pools[i].n_members > n_most ? s->pools[i].n_members : n_most;
	err = scratch_init(&scratch, n_most);
	for (uint32_t i = 0; err == 0 && i < s->snap.n_pools; i++) {
		if (take_weights(s, i, weights_milli))
			err = weigh(s, i, &scratch);
		else
			s->picks[i] = snap_picks_share(base->picks[i]);
	}
	scratch_fini(&scratch);
	return err;
}

struct sl_snapshot *sl_snapshot_reweigh(const struct sl_snapshot *base,
                                        const uint32_t *weights_milli, uint64_t epoch)
{
	const struct store *from = (const struct store *)(const void *)base;
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->snap = *base;
	s->snap.epoch = epoch;
	s->fixed = from->fixed;
	s->fixed->n_owners++;
	if (reweigh(s, from, weights_milli) != 0) {
		sl_snapshot_free(&s->snap);
		errno = ENOMEM;
		return NULL;
	}
	show(s);
	return &s->snap;
}
