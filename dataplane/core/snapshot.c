// SPDX-License-Identifier: Apache-2.0
#include "snapshot_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "flow.h"
#include "wirecheck.h"

#define NO_POOL             UINT16_MAX
#define MAGLEV_SMALL_MAX    40 // members, see SL_PICK_MAGLEV_SMALL
#define TICKS_PER_S         (SL_NS_PER_S / SL_FLOW_TICK_NS)
#define FLOW_IDLE_TICKS_MAX (UINT32_C(1) << 30) // ticks compare by signed difference

// The snapshot and everything it owns. The public part comes first: readers only borrow it.
struct store {
	struct sl_snapshot snap;
	struct snap_index index;
	struct sl_snap_vip *vips;
	struct sl_snap_pool *pools;
	struct sl_snap_backend *backends;
	uint16_t *members;         // by backend row; a pool's are a run of it
	uint32_t *inverse_weights; // by backend row
	uint16_t *slots;           // sequences and maglev tables of all pools, one after the other
	struct sl_acl_range *acl;  // of all VIPs; rows of one VIP share theirs
	struct sl_quic_config *quics; // by quic row
	uint32_t n_quics;
	struct sl_quic_server *servers; // by backend row; a pool's are a run of it
	bool *has_affinity;             // by pool row: some VIP needs its maglev table
};

void sl_snapshot_free(struct sl_snapshot *snap)
{
	struct store *s = (struct store *)(void *)snap;

	if (s == NULL)
		return;
	snap_index_fini(&s->index);
	free(s->vips);
	free(s->pools);
	free(s->backends);
	free(s->members);
	free(s->inverse_weights);
	free(s->slots);
	free(s->has_affinity);
	free(s->acl);
	if (s->quics != NULL) // keys do not outlive their configuration
		explicit_bzero(s->quics, s->n_quics * sizeof(*s->quics));
	free(s->quics);
	free(s->servers);
	free(s);
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

static uint32_t maglev_slots(uint32_t n_members)
{
	return n_members <= MAGLEV_SMALL_MAX ? SL_PICK_MAGLEV_SMALL : SL_PICK_MAGLEV_SLOTS;
}

static bool needs_maglev(const struct store *s, const struct sl_wire_header *config, uint32_t pool)
{
	return s->has_affinity[pool] || sl_wire_pools(config)[pool].balance == SL_BALANCE_MAGLEV;
}

static uint32_t slots_of(const struct store *s, const struct sl_wire_header *config, uint32_t pool)
{
	const struct sl_wire_pool *row = &sl_wire_pools(config)[pool];
	uint32_t n_slots = 0;

	if (row->balance == SL_BALANCE_WEIGHTED)
		n_slots += sl_pick_sequence_slots(row->n_backends);
	if (needs_maglev(s, config, pool))
		n_slots += maglev_slots(row->n_backends);
	return n_slots;
}

static int allocate(struct store *s, const struct sl_wire_header *config)
{
	size_t n_slots = 0;

	s->has_affinity = calloc(config->n_pools + 1, sizeof(*s->has_affinity));
	if (s->has_affinity == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->n_vips; i++) {
		const struct sl_wire_vip *vip = &sl_wire_vips(config)[i];

		s->has_affinity[vip->pool] |= vip->affinity != SL_AFFINITY_NONE;
	}
	for (uint32_t i = 0; i < config->n_pools; i++)
		n_slots += slots_of(s, config, i);
	// One more of each, so that none is of size 0.
	s->vips = calloc(config->n_vips + 1, sizeof(*s->vips));
	s->pools = calloc(config->n_pools + 1, sizeof(*s->pools));
	s->backends = calloc(s->snap.n_backends + 1, sizeof(*s->backends));
	s->members = calloc(config->n_backends + 1, sizeof(*s->members));
	s->inverse_weights = calloc(config->n_backends + 1, sizeof(*s->inverse_weights));
	s->slots = malloc((n_slots + 1) * sizeof(*s->slots));
	return s->vips != NULL && s->pools != NULL && s->backends != NULL && s->members != NULL &&
	                       s->inverse_weights != NULL && s->slots != NULL
	               ? 0
	               : -ENOMEM;
}

static bool shares_prefixes(const struct sl_wire_vip *rows, uint32_t i)
{
	return i > 0 && rows[i].first_prefix == rows[i - 1].first_prefix &&
	       rows[i].n_prefixes == rows[i - 1].n_prefixes;
}

static int fill_acls(struct store *s, const struct sl_wire_header *config)
{
	const struct sl_wire_vip *rows = sl_wire_vips(config);
	struct sl_acl_range *next;
	size_t n_ranges = 1;

	for (uint32_t i = 0; i < config->n_vips; i++)
		n_ranges += shares_prefixes(rows, i) ? 0 : SL_ACL_RANGES(rows[i].n_prefixes);
	s->acl = calloc(n_ranges, sizeof(*s->acl));
	if (s->acl == NULL)
		return -ENOMEM;
	next = s->acl;
	for (uint32_t i = 0; i < config->n_vips; i++) {
		struct sl_snap_vip *vip = &s->vips[i];

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

static int fill_vips(struct store *s, const struct sl_snap_inputs *in)
{
	int err;

	for (uint32_t i = 0; i < in->config->n_vips; i++) {
		const struct sl_wire_vip *row = &sl_wire_vips(in->config)[i];

		s->vips[i] = (struct sl_snap_vip){
			.address = row->address,
			.id = row->id,
			.slot = in->vip_slots[i],
			.pool = (uint16_t)row->pool,
			.port_first = row->port_first,
			.port_last = row->port_last,
			.proto = row->proto,
			.affinity = row->affinity,
			.limit_flows = row->limit_flows,
			.rate = sl_limit_rate_of(row->limit_new_flows_per_s),
			.source_rate = sl_limit_rate_of(row->source_new_flows_per_s),
		};
	}
	err = fill_acls(s, in->config);
	return err != 0 ? err : snap_index_init(&s->index, s->vips, in->config->n_vips);
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
		s->backends[i].pool = NO_POOL;
	for (uint32_t i = 0; i < in->config->n_backends; i++) {
		const struct sl_wire_backend *row = &sl_wire_backends(in->config)[i];
		uint8_t forward = sl_wire_pools(in->config)[row->pool].forward;

		s->backends[in->backend_indices[i]] = (struct sl_snap_backend){
			.address = row->address,
			.id = row->id,
			.weight_milli = weight_of(in, i),
			.port_be = htons(row->port),
			.generation = in->backend_generations[i],
			.next_hop = in->next_hops[i],
			.pool = (uint16_t)row->pool,
		};
		if (sl_forward_is_tunnel(forward) && in->routes != NULL)
			fill_tunnel(&s->backends[in->backend_indices[i]], in->routes);
		s->members[i] = in->backend_indices[i];
		s->inverse_weights[i] = sl_pick_inverse_weight(weight_of(in, i));
	}
}

// A pool without weight has a table all the same: every pick from it is SL_NO_BACKEND.
static int fill_slots(struct sl_snap_pool *pool, uint16_t *slots, bool has_maglev,
                      const struct sl_pick_member *members)
{
	uint32_t n_slots;
	int err = 0;

	if (pool->balance == SL_BALANCE_WEIGHTED) {
		n_slots = sl_pick_sequence_slots(pool->n_members);
		pool->slots_log2 = (uint8_t)__builtin_ctz(n_slots);
		pool->sequence = slots;
		err = sl_pick_sequence_build(slots, n_slots, members, pool->n_members);
		slots += n_slots;
	}
	if (has_maglev && (err == 0 || err == -ENOENT)) {
		pool->n_maglev = maglev_slots(pool->n_members);
		pool->maglev = slots;
		err = sl_pick_maglev_build(slots, pool->n_maglev, members, pool->n_members);
	}
	return err == -ENOENT ? 0 : err;
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
	s->quics = calloc(config->n_quics + 1, sizeof(*s->quics));
	s->servers = calloc(config->n_backends + 1, sizeof(*s->servers));
	if (s->quics == NULL || s->servers == NULL)
		return -ENOMEM;
	s->n_quics = config->n_quics;
	for (uint32_t i = 0; i < config->n_quics; i++) {
		const struct sl_wire_quic *row = &sl_wire_quics(config)[i];
		struct sl_quic_config *quic = &s->quics[i];

		quic->server_id_bytes = row->server_id_bytes;
		quic->nonce_bytes = row->nonce_bytes;
		quic->has_key = row->has_key != 0;
		if (quic->has_key)
			sl_aes_init(&quic->aes, row->key);
		s->pools[row->pool].quic.configs[row->codepoint] = quic;
	}
	for (uint32_t p = 0; p < config->n_pools; p++) {
		uint32_t first = sl_wire_pools(config)[p].first_backend;

		fill_servers(&s->pools[p], &s->servers[first], &sl_wire_backends(config)[first]);
	}
	return 0;
}

static int fill_pools(struct store *s, const struct sl_snap_inputs *in,
                      struct sl_pick_member *scratch)
{
	uint16_t *slots = s->slots;
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < in->config->n_pools; i++) {
		const struct sl_wire_pool *row = &sl_wire_pools(in->config)[i];
		struct sl_snap_pool *pool = &s->pools[i];

		*pool = (struct sl_snap_pool){
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
			.members = &s->members[row->first_backend],
			.inverse_weights = &s->inverse_weights[row->first_backend],
			.row = i,
		};
		for (uint32_t m = 0; m < row->n_backends; m++) {
			const struct sl_snap_backend *b = &s->backends[pool->members[m]];

			pool->has_capacity |= b->weight_milli > 0;
			pool->weights_milli += b->weight_milli;
			scratch[m] = (struct sl_pick_member){
				.id = b->id,
				.weight_milli = b->weight_milli,
				.backend = pool->members[m],
			};
		}
		err = fill_slots(pool, slots, needs_maglev(s, in->config, i), scratch);
		slots += slots_of(s, in->config, i);
	}
	return err;
}

static int fill(struct store *s, const struct sl_snap_inputs *in)
{
	struct sl_pick_member *scratch;
	int err;

	err = allocate(s, in->config);
	if (err == 0)
		err = fill_vips(s, in);
	if (err != 0)
		return err;
	scratch = calloc(in->config->n_backends + 1, sizeof(*scratch));
	if (scratch == NULL)
		return -ENOMEM;
	fill_backends(s, in);
	err = fill_pools(s, in, scratch);
	if (err == 0)
		err = fill_quics(s, in->config);
	free(scratch);
	return err;
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
	s->snap.vips = s->vips;
	s->snap.pools = s->pools;
	s->snap.backends = s->backends;
	s->snap.private = &s->index;
	return &s->snap;
}
