// SPDX-License-Identifier: Apache-2.0
// Affinity comes before balance: a VIP that has one names the backend by hash, and only a bound or
// a limit leads away from it.
#include "forward_private.h"
#include "layout.h"

#define WALK_MAX     256 // slots, and four per member at most
#define WALK_ANY_MAX 64  // slots from anywhere: each has room with a chance of 1/5 (pick.h)
#define SUM_EACH     64  // members per pick

// Hashed as bytes: what is not meant to count is 0.
struct client {
	struct sl_ip address;
	uint16_t port_be;
	uint8_t proto, zero[5];
};

static uint64_t hash_client(const struct sl_forwarder *fw, const struct client *key)
{
	return sl_siphash13(&fw->snap->maglev_key, key, sizeof(*key));
}

static uint64_t hash_flow(const struct sl_forwarder *fw, const struct sl_pkt *pkt)
{
	struct client key = {pkt->tuple.src, pkt->tuple.sport_be, pkt->tuple.proto, {0}};

	return hash_client(fw, &key);
}

static bool find_cid(const struct sl_pkt *pkt, struct sl_quic_cid *cid)
{
	return pkt->kind == SL_PKT_UDP && pkt->l4_bytes > SL_UDP_BYTES &&
	       sl_quic_find_cid(pkt->data + pkt->l4_off + SL_UDP_BYTES,
	                        (size_t)pkt->l4_bytes - SL_UDP_BYTES, cid);
}

// The first packets of a connection carry an id their client chose, and carry it again from a new
// address; nothing else is known before the server's own id.
static uint64_t hash_quic(const struct sl_forwarder *fw, const struct sl_pkt *pkt)
{
	struct sl_quic_cid cid;

	if (find_cid(pkt, &cid) && cid.is_long && cid.n_bytes > 0)
		return sl_siphash13(&fw->snap->maglev_key, cid.bytes, cid.n_bytes);
	return hash_flow(fw, pkt);
}

static uint16_t pick_least(struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                           bool *is_limited)
{
	struct sl_pick_least least = {.backends = pool->members,
	                              .inverse_weights = pool->inverse_weights,
	                              .n_members = pool->n_members,
	                              .limit_flows = pool->limit_flows,
	                              .rate = pool->rate,
	                              .now_ns = fw->now_ns};
	struct sl_pick_load load = {.own = fw->own_load, .others = fw->others_load};
	// A cursor shared by pools would start each behind where another stopped: with equal loads
	// some members would never have their turn.
	const bool is_adaptive = pool->balance == SL_BALANCE_ADAPTIVE && fw->measure != NULL;
	uint32_t *cursor = is_adaptive || pool->balance == SL_BALANCE_LEAST_CONNECTIONS
	                           ? &fw->cursors[pool->row]
	                           : &fw->least_cursor;

	if (is_adaptive) {
		load.own_units = fw->measure->own_units;
		load.others_units = fw->others_units;
	}
	if (pool->rate.interval_ns != 0)
		least.cells = fw->limits->backends;
	return sl_pick_least_next(&least, &load, cursor, is_limited);
}

static uint64_t flows_of(const struct sl_forwarder *fw, uint16_t backend)
{
	return (uint64_t)fw->own_load[backend] +
	       __atomic_load_n(&fw->others_load[backend], __ATOMIC_RELAXED);
}

// What a limit counts: flows, or what they are worth where balance goes by that.
static uint64_t worth_of(const struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                         uint16_t backend)
{
	if (pool->balance != SL_BALANCE_ADAPTIVE || fw->measure == NULL)
		return flows_of(fw, backend);
	return ((uint64_t)fw->measure->own_units[backend] +
	        __atomic_load_n(&fw->others_units[backend], __ATOMIC_RELAXED)) /
	       SL_PICK_UNIT;
}

bool sl_forward_is_at_limit(const struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                            uint16_t backend)
{
	if (pool->limit_flows != 0 && worth_of(fw, pool, backend) >= pool->limit_flows)
		return true;
	return pool->rate.interval_ns != 0 &&
	       !sl_limit_is_open(&fw->limits->backends[backend], &pool->rate, fw->now_ns);
}

// Flows on the members that take new ones. A pool of n members is summed every n/64 picks, so that
// a pick looks at 64 or so; the sum is then wrong by less than a 64th of a flow per member.
static uint64_t flows_of_pool(struct sl_forwarder *fw, const struct sl_snap_pool *pool)
{
	struct sl_forward_sum *sum = &fw->sums[pool->row];

	if (sum->n_left > 0 && sum->epoch == fw->snap->epoch) {
		sum->n_left--;
		return ++sum->n_flows;
	}
	sum->epoch = fw->snap->epoch;
	sum->n_left = pool->n_members / SUM_EACH;
	sum->n_flows = 0;
	for (uint32_t m = 0; m < pool->n_members; m++) {
		if (pool->inverse_weights[m] != 0)
			sum->n_flows += flows_of(fw, pool->members[m]);
	}
	return sum->n_flows;
}

struct walk {
	uint32_t slot, step, n_max;
	uint64_t n_flows; // of the pool
};

static uint16_t walk(const struct sl_forwarder *fw, const struct sl_snap_pool *pool, struct walk w)
{
	for (uint32_t n = 0; n < w.n_max; n++) {
		uint16_t backend = pool->maglev[w.slot];

		if (!sl_forward_is_at_limit(fw, pool, backend) &&
		    sl_pick_is_within_bound(flows_of(fw, backend), w.n_flows,
		                            fw->snap->weights_milli[backend], pool->weights_milli))
			return backend;
		w.slot += w.step;
		if (w.slot >= pool->n_maglev)
			w.slot -= pool->n_maglev;
	}
	return SL_NO_BACKEND;
}

// From the client's slot on, the first backend within the bound. Two clients whose first choice is
// full go on from different slots, so its overflow spreads. One client that has filled all it can
// reach in a large pool (4 slots per member meet nearly all of a small one) goes anywhere, in steps
// that leave its own full stretch of slots at once.
static uint16_t pick_source(struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                            const struct sl_snap_pool *pool, const struct sl_pkt *pkt)
{
	struct client key = {.address = vip->persist_s != 0 ? sl_persist_prefix(&pkt->tuple.src,
	                                                                        vip->persist_bits)
	                                                    : pkt->tuple.src};
	struct walk w = {.slot = sl_pick_maglev_slot(pool->n_maglev, hash_client(fw, &key)),
	                 .step = 1,
	                 .n_max = 4 * pool->n_members < WALK_MAX ? 4 * pool->n_members : WALK_MAX,
	                 .n_flows = flows_of_pool(fw, pool)};
	uint16_t backend = walk(fw, pool, w);
	uint64_t random;

	if (backend != SL_NO_BACKEND)
		return backend;
	random = sl_mix64(++fw->least_cursor);
	w.slot = sl_pick_maglev_slot(pool->n_maglev, random);
	w.step = 1 + sl_pick_maglev_slot(pool->n_maglev - 1, random >> 32);
	w.n_max = WALK_ANY_MAX;
	return walk(fw, pool, w);
}

static uint16_t pick_first(struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                           const struct sl_snap_pool *pool, const struct sl_pkt *pkt)
{
	if (vip->affinity == SL_AFFINITY_SOURCE) {
		uint16_t backend = vip->persist_s != 0
		                           ? sl_forward_persisted(fw, vip, &pkt->tuple.src)
		                           : SL_NO_BACKEND;

		return backend != SL_NO_BACKEND ? backend : pick_source(fw, vip, pool, pkt);
	}
	if (vip->affinity == SL_AFFINITY_QUIC_CID)
		return sl_pick_maglev(pool->maglev, pool->n_maglev, hash_quic(fw, pkt));
	if (vip->affinity == SL_AFFINITY_FLOW || pool->balance == SL_BALANCE_MAGLEV)
		return sl_pick_maglev(pool->maglev, pool->n_maglev, hash_flow(fw, pkt));
	if (pool->balance == SL_BALANCE_WEIGHTED)
		return sl_pick_turns_next(&pool->turns, &fw->cursors[pool->row]);
	return SL_NO_BACKEND;
}

bool sl_forward_take_rate(struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                          uint16_t backend)
{
	return pool->rate.interval_ns == 0 ||
	       sl_limit_take(&fw->limits->backends[backend], &pool->rate, fw->now_ns);
}

// Another worker may take the last place between look and grasp: then the least loaded of the rest.
static uint16_t take(struct sl_forwarder *fw, const struct sl_snap_pool *pool, uint16_t backend,
                     bool *is_limited)
{
	while (backend != SL_NO_BACKEND && !sl_forward_take_rate(fw, pool, backend))
		backend = pick_least(fw, pool, is_limited);
	return backend;
}

// Only least-connections looks at limits by itself: when another way's choice is at its limit, the
// least loaded backend that is not takes the flow.
uint16_t sl_forward_pick(struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                         const struct sl_pkt *pkt, enum sl_drop *why)
{
	const struct sl_snap_pool *pool = &fw->snap->pools[vip->pool];
	bool is_limited = false;
	struct sl_quic_cid cid;
	uint16_t backend;

	*why = SL_DROP_NO_BACKEND;
	if (vip->affinity == SL_AFFINITY_QUIC_CID && find_cid(pkt, &cid)) {
		backend = sl_quic_backend(&pool->quic, &cid);
		if (backend != SL_NO_BACKEND)
			return backend; // nobody else knows this connection, full or draining
	}
	if (!pool->has_capacity)
		return SL_NO_BACKEND;
	backend = pick_first(fw, vip, pool, pkt);
	if (backend == SL_NO_BACKEND || sl_forward_is_at_limit(fw, pool, backend))
		backend = pick_least(fw, pool, &is_limited);
	backend = take(fw, pool, backend, &is_limited);
	if (is_limited)
		*why = SL_DROP_FLOW_LIMIT;
	return backend;
}

// By the client, with the weights as chances: from a place that the hash names, each try accepts
// its member as often as its weight says. No table to build for a case that is to be rare, and a
// weight that changes moves only clients from or to its own backend.
#define SAMPLE_TRIES 64
static uint16_t sample(const struct sl_forwarder *fw, const struct sl_snap_pool *pool,
                       uint64_t hash)
{
	uint32_t at = 0;

	for (uint32_t n = 0; n < SAMPLE_TRIES; n++) {
		const uint64_t random = sl_mix64(hash + n);
		const uint32_t least = (uint32_t)((random >> 32) * pool->weight_top_milli >> 32);

		at = (uint32_t)((random & UINT32_MAX) * pool->n_members >> 32);
		if (least < fw->snap->weights_milli[pool->members[at]])
			return pool->members[at];
	}
	while (fw->snap->weights_milli[pool->members[at]] == 0) // some have weight
		at = at + 1 < pool->n_members ? at + 1 : 0;
	return pool->members[at];
}

uint16_t sl_forward_pick_stateless(const struct sl_forwarder *fw, const struct sl_snap_vip *vip,
                                   const struct sl_pkt *pkt)
{
	const struct sl_snap_pool *pool = &fw->snap->pools[vip->pool];
	struct client client = {.address = pkt->tuple.src};
	struct sl_quic_cid cid;

	if (vip->affinity == SL_AFFINITY_QUIC_CID && find_cid(pkt, &cid)) {
		uint16_t backend = sl_quic_backend(&pool->quic, &cid);

		if (backend != SL_NO_BACKEND)
			return backend;
	}
	if (!pool->has_capacity)
		return SL_NO_BACKEND;
	if (pool->maglev == NULL)
		return sample(fw, pool, hash_flow(fw, pkt));
	return sl_pick_maglev(pool->maglev, pool->n_maglev,
	                      vip->affinity == SL_AFFINITY_SOURCE ? hash_client(fw, &client)
	                                                          : hash_flow(fw, pkt));
}

bool sl_forward_is_agreed(const struct sl_forwarder *fw, const struct sl_snap_vip *vip)
{
	if (vip->affinity == SL_AFFINITY_NONE)
		return fw->snap->pools[vip->pool].balance == SL_BALANCE_MAGLEV;
	return vip->affinity == SL_AFFINITY_FLOW;
}
