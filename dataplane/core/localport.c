// SPDX-License-Identifier: Apache-2.0
#include "localport.h"

#include <stdalign.h>

#include "flow.h"
#include "hash.h"

#define NONE          UINT32_MAX
#define MARKS         16
#define PERIOD_TICKS  16 // of 250 ms
#define PERIOD_MASK   (UINT32_MAX / PERIOD_TICKS)
#define LONG_PERIODS  15
#define SHORT_PERIODS 1
#define N_BLOCKS      ((UINT16_MAX + 1 - SL_LOCALPORT_FIRST) / SL_LOCALPORT_LANES)
#define KEPT_CHUNKS   4 // of two queues, each with one half empty at either end
#define CHUNK_PORTS   SL_LOCALPORT_CHUNK_PORTS
#define MAX_POOLS     0x8000 // in 15 bits of what a holder keeps
#define HELD_SHORT    0x8000

_Static_assert(LONG_PERIODS *PERIOD_TICKS *SL_FLOW_TICK_NS == SL_LOCALPORT_REST_S * SL_NS_PER_S,
               "the rest is whole periods");
_Static_assert(SHORT_PERIODS *PERIOD_TICKS *SL_FLOW_TICK_NS ==
                       SL_LOCALPORT_SHORT_REST_S * SL_NS_PER_S,
               "the rest is whole periods");
_Static_assert(LONG_PERIODS < MARKS, "the oldest mark is old enough");

struct chunk {
	uint32_t next; // chunk, of the queue or of the free list
	uint16_t ports[CHUNK_PORTS];
};
_Static_assert(sizeof(struct chunk) == 512, "2 bytes per port and one link");

struct queue {
	uint32_t head, tail; // chunks; NONE = empty
	uint16_t head_at, tail_at;
	uint16_t n_in, n_out;  // ever, wrapping; never more than all ports apart
	uint16_t marks[MARKS]; // by period: n_in when it began
};

struct pool {
	struct sl_localport_key key;
	uint32_t next; // of the bucket or of the free list
	uint32_t period;
	uint32_t n_reserved; // chunks promised
	uint16_t n_fresh;    // never used so far
	uint16_t n_used;
	uint16_t block, lane_at; // of the next fresh one
	uint16_t untaken;        // 0 = none
	uint16_t backend;
	bool is_live;
	struct queue longer, shorter;
};

struct sl_localports {
	// --- set by init ---
	uint32_t n_pools, n_chunks, n_lanes, n_owned;
	uint32_t bucket_mask;
	uint64_t seed;
	size_t off_buckets, off_pools, off_holders, off_chunks;
	uint8_t lanes[SL_LOCALPORT_LANES];
	// --- changes ---
	uint32_t free_pool, n_touched_pools, n_live;
	uint32_t free_chunk, n_touched_chunks, n_used_chunks;
	uint32_t n_reserved; // chunks promised to all pools
	uint32_t sweep_at;
	uint32_t n_made; // pools ever, so that no two start alike
};

static size_t round_to_line(size_t n_bytes)
{
	return (n_bytes + SL_CACHE_LINE_BYTES - 1) & ~(size_t)(SL_CACHE_LINE_BYTES - 1);
}

static uint32_t bucket_count(uint32_t n_pools)
{
	uint32_t n = 16;

	while (n < n_pools)
		n *= 2;
	return n;
}

static uint32_t *bucket_of(struct sl_localports *lp, const struct sl_localport_key *key)
{
	uint64_t words[5], hash = lp->seed;

	memcpy(words, key, sizeof(words));
	for (int i = 0; i < 5; i++)
		hash = sl_mix64(hash ^ words[i]);
	return (uint32_t *)((uintptr_t)lp + lp->off_buckets) + (hash & lp->bucket_mask);
}

static struct pool *pool_at(struct sl_localports *lp, uint32_t pool)
{
	return (struct pool *)((uintptr_t)lp + lp->off_pools) + pool;
}

static struct chunk *chunk_at(struct sl_localports *lp, uint32_t chunk)
{
	return (struct chunk *)((uintptr_t)lp + lp->off_chunks) + chunk;
}

size_t sl_localport_bytes(const struct sl_localport_params *params)
{
	return round_to_line(sizeof(struct sl_localports)) +
	       round_to_line(bucket_count(params->n_pools) * sizeof(uint32_t)) +
	       round_to_line(params->n_pools * sizeof(struct pool)) +
	       round_to_line(params->n_holders * sizeof(uint16_t)) +
	       params->n_chunks * sizeof(struct chunk);
}

// Twice the backends, because the pools of removed ones outlive them. Chunks for one pool each, and
// for four ports per flow beyond that.
struct sl_localport_params sl_localport_params_of(uint32_t n_flows, uint32_t n_backends,
                                                  uint16_t lanes, uint64_t seed)
{
	return (struct sl_localport_params){
		.n_pools = 2 * n_backends,
		.n_holders = n_flows,
		.n_chunks = KEPT_CHUNKS * n_backends + n_flows / 64,
		.lanes = lanes,
		.seed = seed,
	};
}

struct sl_localports *sl_localport_init(void *mem, size_t mem_bytes,
                                        const struct sl_localport_params *params)
{
	struct sl_localports *lp = mem;
	uint32_t n_buckets = bucket_count(params->n_pools);
	uint32_t *buckets;

	if (mem == NULL || (uintptr_t)mem % SL_CACHE_LINE_BYTES != 0 || params->n_pools == 0 ||
	    params->n_pools > MAX_POOLS || params->lanes == 0 ||
	    mem_bytes < sl_localport_bytes(params))
		return NULL;
	*lp = (struct sl_localports){
		.n_pools = params->n_pools,
		.n_chunks = params->n_chunks,
		.bucket_mask = n_buckets - 1,
		.seed = params->seed,
		.off_buckets = round_to_line(sizeof(*lp)),
		.free_pool = NONE,
		.free_chunk = NONE,
	};
	lp->off_pools = lp->off_buckets + round_to_line(n_buckets * sizeof(uint32_t));
	lp->off_holders = lp->off_pools + round_to_line(params->n_pools * sizeof(struct pool));
	lp->off_chunks = lp->off_holders + round_to_line(params->n_holders * sizeof(uint16_t));
	for (uint8_t lane = 0; lane < SL_LOCALPORT_LANES; lane++) {
		if (params->lanes >> lane & 1)
			lp->lanes[lp->n_lanes++] = lane;
	}
	lp->n_owned = lp->n_lanes * N_BLOCKS;
	if (params->lanes >> (SL_LOCALPORT_ROCE % SL_LOCALPORT_LANES) & 1)
		lp->n_owned--;
	buckets = (uint32_t *)((uintptr_t)lp + lp->off_buckets);
	for (uint32_t i = 0; i < n_buckets; i++)
		buckets[i] = NONE;
	return lp;
}

// There is always one: pools take no more ports into play than chunks are promised for.
static uint32_t chunk_take(struct sl_localports *lp)
{
	uint32_t chunk = lp->free_chunk;

	if (chunk != NONE)
		lp->free_chunk = chunk_at(lp, chunk)->next;
	else
		chunk = lp->n_touched_chunks++;
	lp->n_used_chunks++;
	chunk_at(lp, chunk)->next = NONE;
	return chunk;
}

static void chunk_give(struct sl_localports *lp, uint32_t chunk)
{
	chunk_at(lp, chunk)->next = lp->free_chunk;
	lp->free_chunk = chunk;
	lp->n_used_chunks--;
}

static void push(struct sl_localports *lp, struct queue *q, uint16_t port)
{
	if (q->head == NONE) {
		q->head = q->tail = chunk_take(lp);
		q->head_at = q->tail_at = 0;
	} else if (q->tail_at == CHUNK_PORTS) {
		uint32_t chunk = chunk_take(lp);

		chunk_at(lp, q->tail)->next = chunk;
		q->tail = chunk;
		q->tail_at = 0;
	}
	chunk_at(lp, q->tail)->ports[q->tail_at++] = port;
	q->n_in++;
}

static uint16_t pop(struct sl_localports *lp, struct queue *q)
{
	struct chunk *chunk = chunk_at(lp, q->head);
	uint16_t port = chunk->ports[q->head_at++];
	uint32_t next = chunk->next;

	q->n_out++;
	if (q->n_out == q->n_in || q->head_at == CHUNK_PORTS) {
		chunk_give(lp, q->head);
		q->head = q->n_out == q->n_in ? NONE : next;
		q->head_at = 0;
	}
	return port;
}

// Periods that began since the pool was last looked at begin with what the queues hold now.
static void roll(struct pool *p, uint32_t now)
{
	uint32_t period = now / PERIOD_TICKS;
	uint32_t n = (period - p->period) & PERIOD_MASK;

	for (uint32_t i = 0; i < n && i < MARKS; i++) {
		p->longer.marks[(period - i) % MARKS] = p->longer.n_in;
		p->shorter.marks[(period - i) % MARKS] = p->shorter.n_in;
	}
	p->period = period;
}

static uint16_t length(const struct queue *q)
{
	return (uint16_t)(q->n_in - q->n_out);
}

// Ports in front of the queue that have rested so many whole periods.
static uint16_t rested(const struct pool *p, const struct queue *q, uint32_t n_periods)
{
	return (uint16_t)(q->marks[(p->period - n_periods) % MARKS] - q->n_out);
}

static struct queue queue_empty(void)
{
	return (struct queue){.head = NONE, .tail = NONE};
}

static uint32_t pool_make(struct sl_localports *lp, const struct sl_localport_key *key,
                          uint32_t now)
{
	uint64_t start = sl_mix64(lp->seed + ++lp->n_made);
	uint32_t pool = lp->free_pool;
	struct pool *p;

	if (lp->n_reserved + KEPT_CHUNKS > lp->n_chunks)
		return NONE;
	if (pool != NONE)
		lp->free_pool = pool_at(lp, pool)->next;
	else if (lp->n_touched_pools < lp->n_pools)
		pool = lp->n_touched_pools++;
	else
		return NONE;
	p = pool_at(lp, pool);
	*p = (struct pool){
		.key = *key,
		.period = now / PERIOD_TICKS,
		.n_reserved = KEPT_CHUNKS,
		.n_fresh = (uint16_t)lp->n_owned,
		.block = (uint16_t)((start & UINT32_MAX) * N_BLOCKS >> 32),
		.is_live = true,
		.longer = queue_empty(),
		.shorter = queue_empty(),
	};
	lp->n_reserved += KEPT_CHUNKS;
	lp->n_live++;
	return pool;
}

uint32_t sl_localport_pool(struct sl_localports *lp, const struct sl_localport_key *key,
                           uint16_t backend, uint32_t now)
{
	uint32_t *bucket = bucket_of(lp, key);
	uint32_t pool;

	for (pool = *bucket; pool != NONE; pool = pool_at(lp, pool)->next) {
		if (memcmp(&pool_at(lp, pool)->key, key, sizeof(*key)) == 0)
			break;
	}
	if (pool == NONE) {
		pool = pool_make(lp, key, now);
		if (pool == NONE)
			return NONE;
		pool_at(lp, pool)->next = *bucket;
		*bucket = pool;
	}
	pool_at(lp, pool)->backend = backend;
	return pool;
}

// One more port in play: is there a chunk for it to rest in some day?
static bool reserve(struct sl_localports *lp, struct pool *p)
{
	uint32_t n_in_play = lp->n_owned - p->n_fresh + 1;

	if (n_in_play / CHUNK_PORTS + KEPT_CHUNKS <= p->n_reserved)
		return true;
	if (lp->n_reserved == lp->n_chunks)
		return false;
	lp->n_reserved++;
	p->n_reserved++;
	return true;
}

static uint16_t take_fresh(const struct sl_localports *lp, struct pool *p)
{
	uint16_t port;

	do {
		port = (uint16_t)(SL_LOCALPORT_FIRST + p->block * SL_LOCALPORT_LANES +
		                  lp->lanes[p->lane_at]);
		if (++p->lane_at == lp->n_lanes) {
			p->lane_at = 0;
			p->block = p->block + 1 == N_BLOCKS ? 0 : (uint16_t)(p->block + 1);
		}
	} while (port == SL_LOCALPORT_ROCE);
	p->n_fresh--;
	return port;
}

uint16_t sl_localport_take(struct sl_localports *lp, uint32_t pool, uint32_t now)
{
	struct pool *p = pool_at(lp, pool);
	uint16_t port;

	roll(p, now);
	if (p->untaken != 0) {
		port = p->untaken;
		p->untaken = 0;
	} else if (p->n_fresh > 0 && reserve(lp, p)) {
		port = take_fresh(lp, p);
	} else if (rested(p, &p->longer, LONG_PERIODS) > 0) {
		port = pop(lp, &p->longer);
	} else if (rested(p, &p->shorter, SHORT_PERIODS) > 0) {
		port = pop(lp, &p->shorter);
	} else {
		return 0;
	}
	p->n_used++;
	return port;
}

void sl_localport_give(struct sl_localports *lp, uint32_t pool, uint16_t port, bool is_short_rest,
                       uint32_t now)
{
	struct pool *p = pool_at(lp, pool);

	roll(p, now);
	push(lp, is_short_rest ? &p->shorter : &p->longer, port);
	p->n_used--;
}

void sl_localport_untake(struct sl_localports *lp, uint32_t pool, uint16_t port, uint32_t now)
{
	struct pool *p = pool_at(lp, pool);

	if (p->untaken != 0) {
		sl_localport_give(lp, pool, port, true, now);
		return;
	}
	p->untaken = port;
	p->n_used--;
}

static uint16_t *holder_at(const struct sl_localports *lp, uint32_t holder)
{
	return (uint16_t *)((uintptr_t)lp + lp->off_holders) + holder;
}

void sl_localport_hold(struct sl_localports *lp, uint32_t holder, uint32_t pool)
{
	*holder_at(lp, holder) = (uint16_t)pool;
}

void sl_localport_forget(struct sl_localports *lp, uint32_t holder)
{
	*holder_at(lp, holder) |= HELD_SHORT;
}

uint32_t sl_localport_held(const struct sl_localports *lp, uint32_t holder, bool *is_short_rest)
{
	const uint16_t held = *holder_at(lp, holder);

	*is_short_rest = (held & HELD_SHORT) != 0;
	return held & (uint16_t)~HELD_SHORT;
}

static uint32_t resting(const struct pool *p)
{
	return (uint32_t)length(&p->longer) - rested(p, &p->longer, LONG_PERIODS) +
	       length(&p->shorter) - rested(p, &p->shorter, SHORT_PERIODS);
}

uint32_t sl_localport_busy(struct sl_localports *lp, uint32_t pool, uint32_t now)
{
	struct pool *p = pool_at(lp, pool);

	if (!p->is_live)
		return 0;
	roll(p, now);
	return p->n_used + resting(p);
}

static void clear_queue(struct sl_localports *lp, struct queue *q)
{
	while (q->head != NONE) {
		uint32_t chunk = q->head;

		q->head = chunk == q->tail ? NONE : chunk_at(lp, chunk)->next;
		chunk_give(lp, chunk);
	}
}

static void pool_end(struct sl_localports *lp, uint32_t pool)
{
	struct pool *p = pool_at(lp, pool);
	uint32_t *link = bucket_of(lp, &p->key);

	while (*link != pool)
		link = &pool_at(lp, *link)->next;
	*link = p->next;
	clear_queue(lp, &p->longer);
	clear_queue(lp, &p->shorter);
	lp->n_reserved -= p->n_reserved;
	lp->n_live--;
	p->is_live = false;
	p->next = lp->free_pool;
	lp->free_pool = pool;
}

uint32_t sl_localport_sweep(struct sl_localports *lp, uint16_t *backend, uint32_t now)
{
	uint32_t n_left = lp->n_touched_pools - lp->sweep_at;

	while (n_left-- > 0) {
		uint32_t pool = lp->sweep_at++;
		struct pool *p = pool_at(lp, pool);

		if (!p->is_live)
			continue;
		*backend = p->backend;
		if (sl_localport_busy(lp, pool, now) == 0)
			pool_end(lp, pool);
		return pool;
	}
	lp->sweep_at = 0;
	return NONE;
}

uint32_t sl_localport_pools(const struct sl_localports *lp)
{
	return lp->n_live;
}

uint32_t sl_localport_chunks(const struct sl_localports *lp)
{
	return lp->n_used_chunks;
}

uint32_t sl_localport_per_pool(const struct sl_localports *lp)
{
	return lp->n_owned;
}
