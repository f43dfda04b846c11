// SPDX-License-Identifier: Apache-2.0
#include "flow_private.h"

static size_t round_to_line(size_t n_bytes)
{
	return (n_bytes + SL_CACHE_LINE_BYTES - 1) & ~(size_t)(SL_CACHE_LINE_BYTES - 1);
}

// Two tuples per flow fill at most three quarters of the ways: with two buckets per tuple and one
// move aside, inserts then practically never fail for want of a way.
static uint32_t bucket_count(uint32_t n_flows)
{
	uint32_t n_buckets = 2;

	while ((uint64_t)n_buckets * FLOW_WAYS * 3 / 4 < 2 * (uint64_t)n_flows)
		n_buckets *= 2;
	return n_buckets;
}

size_t sl_flow_table_bytes(uint32_t n_flows)
{
	return round_to_line(sizeof(struct sl_flow_table)) +
	       (size_t)bucket_count(n_flows) * sizeof(struct flow_bucket) +
	       (size_t)n_flows * (sizeof(struct sl_flow) + sizeof(struct sl_flow_v6));
}

struct sl_flow_table *sl_flow_table_init(void *mem, size_t mem_bytes,
                                         const struct sl_flow_params *params)
{
	struct sl_flow_table *ft = mem;
	uint32_t n_buckets;

	if (mem == NULL || (uintptr_t)mem % SL_CACHE_LINE_BYTES != 0 || params->n_flows == 0 ||
	    params->n_flows > FLOW_MAX_FLOWS || mem_bytes < sl_flow_table_bytes(params->n_flows))
		return NULL;
	n_buckets = bucket_count(params->n_flows);
	ft->magic = FLOW_MAGIC;
	ft->version = FLOW_VERSION;
	ft->entry_bytes = sizeof(struct sl_flow);
	ft->bucket_bytes = sizeof(struct flow_bucket);
	ft->region_bytes = sl_flow_table_bytes(params->n_flows);
	ft->off_buckets = round_to_line(sizeof(struct sl_flow_table));
	ft->off_flows = ft->off_buckets + (uint64_t)n_buckets * sizeof(struct flow_bucket);
	ft->off_v6 = ft->off_flows + (uint64_t)params->n_flows * sizeof(struct sl_flow);
	ft->n_flows = params->n_flows;
	ft->bucket_mask = n_buckets - 1;
	ft->key = params->key;
	ft->n_used = 0;
	ft->n_changes = 0;
	ft->n_touched = 0;
	ft->free_head = SL_FLOW_NONE;
	ft->ahead = SL_FLOW_NONE;
	ft->gone = NULL;
	ft->gone_ctx = NULL;
	flow_wheel_init(ft, params->now);
	return ft;
}

void sl_flow_table_on_gone(struct sl_flow_table *ft, sl_flow_gone_fn gone, void *ctx)
{
	ft->gone = gone;
	ft->gone_ctx = ctx;
}

uint64_t sl_flow_hash(const struct sl_flow_table *ft, const struct sl_tuple *tuple)
{
	struct flow_key_v4 key;

	if (!sl_ip_is_v4(&tuple->src) || !sl_ip_is_v4(&tuple->dst))
		return sl_siphash13(&ft->key, tuple, sizeof(*tuple));
	key = flow_key_v4(tuple);
	return sl_siphash13(&ft->key, &key, sizeof(key));
}

static uint32_t entry_take(struct sl_flow_table *ft)
{
	uint32_t entry = ft->free_head;

	if (entry != SL_FLOW_NONE)
		ft->free_head = flow_at(ft, entry)->wheel_next;
	else if (ft->n_touched < ft->n_flows)
		entry = ft->n_touched++;
	return entry;
}

static void entry_give(struct sl_flow_table *ft, uint32_t entry)
{
	struct sl_flow *flow = flow_at(ft, entry);

	flow->flags = 0;
	flow->wheel_next = ft->free_head;
	ft->free_head = entry;
}

// Of the tuple that this direction of a flow has.
static uint64_t hash_of(const struct sl_flow_table *ft, const struct sl_flow *flow, enum sl_dir dir)
{
	struct sl_tuple tuple;
	struct sl_pair_v4 pair;
	struct flow_key_v4 key;

	if (flow->flags & SL_FLOW_IS_V6) {
		tuple = dir == SL_DIR_C2S ? sl_flow_tuple_from_client(ft, flow)
		                          : sl_flow_tuple_from_backend(ft, flow);
		return sl_flow_hash(ft, &tuple);
	}
	pair = sl_flow_pair_v4(flow, dir);
	key = (struct flow_key_v4){pair.addresses_be, flow_key_rest(pair.ports_be, flow->proto)};
	return sl_siphash13(&ft->key, &key, sizeof(key));
}

void flow_drop(struct sl_flow_table *ft, struct sl_flow *flow, bool is_eviction)
{
	const bool is_dsr = (flow->flags & SL_FLOW_IS_DSR) != 0;
	const uint32_t entry = flow_entry_of(ft, flow);
	uint64_t hashes[2];

	if (entry == ft->ahead) {
		memcpy(hashes, ft->ahead_hashes, sizeof(hashes));
		ft->ahead = SL_FLOW_NONE;
	} else {
		hashes[SL_DIR_C2S] = hash_of(ft, flow, SL_DIR_C2S);
		hashes[SL_DIR_S2C] = is_dsr ? 0 : hash_of(ft, flow, SL_DIR_S2C);
	}
	if (ft->gone != NULL)
		ft->gone(ft->gone_ctx, flow, is_eviction);
	flow_index_take(ft, hashes[SL_DIR_C2S], entry << 1 | SL_DIR_C2S);
	if (!is_dsr)
		flow_index_take(ft, hashes[SL_DIR_S2C], entry << 1 | SL_DIR_S2C);
	flow_wheel_unlink(ft, flow);
	entry_give(ft, entry);
	ft->n_used--;
	ft->n_changes++;
}

void sl_flow_remove(struct sl_flow_table *ft, struct sl_flow *flow)
{
	flow_drop(ft, flow, false);
}

// For a way: push out unconfirmed flows of the two buckets, the oldest first, until with the new
// one neither holds more than its quarter; at least one. That is what a flood can hold on to where
// tuples were chosen to crowd. false when there is none to push out.
static bool evict_for(struct sl_flow_table *ft, uint64_t hash, uint32_t except, uint32_t now)
{
	uint32_t n;
	uint32_t oldest = flow_index_oldest_unconfirmed(ft, hash, except, now, &n);

	if (oldest == SL_FLOW_NONE)
		return false;
	do {
		flow_drop(ft, flow_at(ft, oldest), true);
		oldest = flow_index_oldest_unconfirmed(ft, hash, except, now, &n);
	} while (n >= FLOW_WAYS_PRESSED);
	return true;
}

// The next flow does the same, and everything about the one it evicts lies in cold memory: ask for
// it now. The entry itself was asked for a flow ago.
static void look_ahead(struct sl_flow_table *ft)
{
	const uint32_t entry = ft->queue_head;
	const struct sl_flow *flow = flow_at(ft, entry);

	if (entry == SL_FLOW_NONE)
		return;
	if (flow->wheel_next != SL_FLOW_NONE)
		__builtin_prefetch(flow_at(ft, flow->wheel_next), 1);
	ft->ahead = entry;
	ft->ahead_hashes[SL_DIR_C2S] = hash_of(ft, flow, SL_DIR_C2S);
	flow_prefetch_buckets(ft, ft->ahead_hashes[SL_DIR_C2S]);
	if (flow->flags & SL_FLOW_IS_DSR)
		return;
	ft->ahead_hashes[SL_DIR_S2C] = hash_of(ft, flow, SL_DIR_S2C);
	flow_prefetch_buckets(ft, ft->ahead_hashes[SL_DIR_S2C]);
}

// For an entry: whoever has been waiting longest in the whole table. A flood then evicts in the
// order it came, and a handshake has the time that all free entries last. What is evicted for a
// flow that then cannot be made leaves room for the next.
static bool make_room(struct sl_flow_table *ft)
{
	if (ft->free_head != SL_FLOW_NONE || ft->n_touched < ft->n_flows)
		return true;
	if (ft->queue_head == SL_FLOW_NONE)
		return false;
	flow_drop(ft, flow_at(ft, ft->queue_head), true);
	look_ahead(ft);
	return true;
}

static bool index_add(struct sl_flow_table *ft, uint64_t hash, uint32_t ref, uint32_t now)
{
	uint32_t bucket = flow_index_make_way(ft, hash);

	if (bucket == SL_FLOW_NONE) {
		if (!evict_for(ft, hash, ref >> 1, now))
			return false;
		bucket = flow_index_make_way(ft, hash);
	}
	flow_index_put(ft, bucket, hash, ref);
	return true;
}

// Where the parts of a new flow go. Under DSR the packet keeps the client's own tuple; the
// backend's address is kept all the same, because that is where it is sent.
static struct sl_flow_v6 addresses_of(const struct sl_flow_new *new)
{
	struct sl_flow_v6 a = {.client = new->c2s.src, .vip = new->c2s.dst};
	bool is_dsr = (new->flags &SL_FLOW_IS_DSR) != 0;

	a.local = is_dsr ? a.client : new->s2c.dst;
	a.backend = new->s2c.src;
	return a;
}

// Only a tunnel or a translation leads to a backend of the other family.
static bool are_families_right(const struct sl_flow_v6 *a, uint8_t flags)
{
	const bool is_v4 = sl_ip_is_v4(&a->client);
	const bool is_local_v4 =
		is_v4 != ((flags & SL_FLOW_IS_FULLNAT) && (flags & SL_FLOW_IS_TRANSLATED));

	return sl_ip_is_v4(&a->vip) == is_v4 && sl_ip_is_v4(&a->local) == is_local_v4 &&
	       (((flags & SL_FLOW_IS_DSR) && (flags & SL_FLOW_IS_TUNNEL)) ||
	        sl_ip_is_v4(&a->backend) == is_local_v4);
}

static void fill(struct sl_flow_table *ft, uint32_t entry, const struct sl_flow_new *new,
                 const struct sl_flow_v6 *a)
{
	struct sl_flow *flow = flow_at(ft, entry);
	bool is_dsr = (new->flags &SL_FLOW_IS_DSR) != 0;

	*flow = (struct sl_flow){
		.client_port_be = new->c2s.sport_be,
		.vip_port_be = new->c2s.dport_be,
		.local_port_be = is_dsr ? new->c2s.sport_be : new->s2c.dport_be,
		.backend_port_be = is_dsr ? new->c2s.dport_be : new->s2c.sport_be,
		.proto = new->c2s.proto,
		.state = SL_FLOW_NEW,
		.flags = new->flags &(SL_FLOW_IS_DSR | SL_FLOW_IS_FULLNAT | SL_FLOW_IS_TUNNEL),
		.backend = new->backend,
		.backend_generation = new->backend_generation,
		.vip = new->vip,
		.idle_ticks = new->idle_ticks < FLOW_MAX_IDLE_TICKS ? new->idle_ticks
	                                                            : FLOW_MAX_IDLE_TICKS,
		.syn_seq = new->syn_seq,
	};
	flow->flags |= SL_FLOW_USED;
	if (!sl_ip_is_v4(&a->client) || !sl_ip_is_v4(&a->backend)) {
		flow->flags |= SL_FLOW_IS_V6;
		*flow_v6_at(ft, entry) = *a;
		return;
	}
	flow->client_be = sl_ip_v4_be(&a->client);
	flow->vip_be = sl_ip_v4_be(&a->vip);
	flow->local_be = sl_ip_v4_be(&a->local);
	flow->backend_be = sl_ip_v4_be(&a->backend);
}

static bool has_tuple(struct sl_flow_table *ft, const struct sl_tuple *tuple, uint64_t hash)
{
	enum sl_dir dir;

	return sl_flow_find(ft, tuple, hash, &dir) != NULL;
}

struct sl_flow *sl_flow_add(struct sl_flow_table *ft, const struct sl_flow_new *new, uint32_t now)
{
	const bool is_dsr = (new->flags &SL_FLOW_IS_DSR) != 0;
	const uint64_t c2s_hash = sl_flow_hash(ft, &new->c2s);
	const uint64_t s2c_hash = is_dsr ? 0 : sl_flow_hash(ft, &new->s2c);
	const struct sl_flow_v6 addresses = addresses_of(new);
	struct sl_flow *flow;
	uint32_t entry;

	if (!is_dsr)
		flow_prefetch_buckets(ft, s2c_hash);
	if (!are_families_right(&addresses, new->flags) || has_tuple(ft, &new->c2s, c2s_hash) ||
	    !make_room(ft))
		return NULL;
	if (!is_dsr && (has_tuple(ft, &new->s2c, s2c_hash) || new->s2c.proto != new->c2s.proto ||
	                memcmp(&new->c2s, &new->s2c, sizeof(new->c2s)) == 0))
		return NULL;
	entry = entry_take(ft);
	flow = flow_at(ft, entry);
	fill(ft, entry, new, &addresses);
	flow->last_seen = now;
	if (!index_add(ft, c2s_hash, entry << 1 | SL_DIR_C2S, now))
		goto err_entry;
	if (!is_dsr && !index_add(ft, s2c_hash, entry << 1 | SL_DIR_S2C, now))
		goto err_c2s;
	flow_wheel_link(ft, flow);
	ft->n_used++;
	ft->n_changes++;
	return flow;

err_c2s:
	flow_index_take(ft, c2s_hash, entry << 1 | SL_DIR_C2S);
err_entry:
	entry_give(ft, entry);
	return NULL;
}

uint32_t sl_flow_changes(const struct sl_flow_table *ft)
{
	return ft->n_changes;
}

uint32_t sl_flow_count(const struct sl_flow_table *ft)
{
	return ft->n_used;
}

uint32_t sl_flow_unconfirmed(const struct sl_flow_table *ft)
{
	return ft->n_queued;
}

uint32_t sl_flow_capacity(const struct sl_flow_table *ft)
{
	return ft->n_flows;
}

static struct sl_flow_v6 addresses_at(const struct sl_flow_table *ft, const struct sl_flow *flow)
{
	if (flow->flags & SL_FLOW_IS_V6)
		return *flow_v6_at(ft, flow_entry_of(ft, flow));
	return (struct sl_flow_v6){
		.client = sl_ip_from_v4(flow->client_be),
		.vip = sl_ip_from_v4(flow->vip_be),
		.local = sl_ip_from_v4(flow->local_be),
		.backend = sl_ip_from_v4(flow->backend_be),
	};
}

struct sl_tuple sl_flow_tuple_from_client(const struct sl_flow_table *ft,
                                          const struct sl_flow *flow)
{
	const struct sl_flow_v6 a = addresses_at(ft, flow);

	return (struct sl_tuple){.src = a.client,
	                         .dst = a.vip,
	                         .sport_be = flow->client_port_be,
	                         .dport_be = flow->vip_port_be,
	                         .proto = flow->proto};
}

struct sl_tuple sl_flow_tuple_to_backend(const struct sl_flow_table *ft, const struct sl_flow *flow)
{
	const struct sl_flow_v6 a = addresses_at(ft, flow);

	return (struct sl_tuple){.src = a.local,
	                         .dst = a.backend,
	                         .sport_be = flow->local_port_be,
	                         .dport_be = flow->backend_port_be,
	                         .proto = flow->proto};
}

struct sl_tuple sl_flow_tuple_from_backend(const struct sl_flow_table *ft,
                                           const struct sl_flow *flow)
{
	const struct sl_flow_v6 a = addresses_at(ft, flow);

	return (struct sl_tuple){.src = a.backend,
	                         .dst = a.local,
	                         .sport_be = flow->backend_port_be,
	                         .dport_be = flow->local_port_be,
	                         .proto = flow->proto};
}

struct sl_tuple sl_flow_tuple_to_client(const struct sl_flow_table *ft, const struct sl_flow *flow)
{
	const struct sl_flow_v6 a = addresses_at(ft, flow);

	return (struct sl_tuple){.src = a.vip,
	                         .dst = a.client,
	                         .sport_be = flow->vip_port_be,
	                         .dport_be = flow->client_port_be,
	                         .proto = flow->proto};
}
