// SPDX-License-Identifier: Apache-2.0
// Local ports of fullnat: against a plain list of ports and times, and at the edges.
#include "sl_check.h"

#include <stdbool.h>

#include "localport.h"
#include "sluice/stats.h"

#define TICKS_PER_S 4
#define REST        (SL_LOCALPORT_REST_S * TICKS_PER_S)
#define SHORT_REST  (SL_LOCALPORT_SHORT_REST_S * TICKS_PER_S)
#define PERIOD      16 // what a rest may be longer than it must
#define LANE_PORTS  4032

static struct sl_localports *ports_new(const struct sl_localport_params *params)
{
	size_t n_bytes = (sl_localport_bytes(params) + 63) / 64 * 64;
	void *mem = aligned_alloc(64, n_bytes);
	struct sl_localports *lp;

	memset(mem, 0xa5, n_bytes);
	lp = sl_localport_init(mem, n_bytes, params);
	ck_assert_ptr_nonnull(lp);
	return lp;
}

static struct sl_localports *ports_of(uint16_t lanes, uint64_t seed)
{
	const struct sl_localport_params params = {
		.n_pools = 8, .n_chunks = 600, .lanes = lanes, .seed = seed};

	return ports_new(&params);
}

static uint32_t pool_of(struct sl_localports *lp, uint8_t backend, uint32_t now)
{
	struct sl_localport_key key = {.port_be = 80};

	key.backend.bytes[15] = backend;
	return sl_localport_pool(lp, &key, backend, now);
}

// --- the model: what was given back, in order ---

struct given {
	uint16_t port;
	uint32_t tick;
};

struct line {
	struct given given[400000];
	uint32_t head, tail;
};

struct model {
	struct line longer, shorter;
	bool is_used[65536], was_used[65536];
	uint16_t used[65536];
	uint32_t n_used, n_fresh;
};

static bool is_head(struct line *line, uint16_t port, uint32_t now, uint32_t rest)
{
	const struct given *g = &line->given[line->head];

	if (line->head == line->tail || g->port != port || now - g->tick < rest)
		return false;
	line->head++;
	return true;
}

static bool may_refuse(const struct line *line, uint32_t now, uint32_t rest)
{
	return line->head == line->tail || now - line->given[line->head].tick < rest + PERIOD;
}

static void check_take(struct model *m, uint16_t port, uint32_t now, uint64_t seed)
{
	if (port == 0) {
		ck_assert_msg(m->n_fresh == 0 && may_refuse(&m->longer, now, REST) &&
		                      may_refuse(&m->shorter, now, SHORT_REST),
		              "refused at %u, seed %lu", now, (unsigned long)seed);
		return;
	}
	ck_assert_msg(!m->is_used[port], "port %u twice, seed %lu", port, (unsigned long)seed);
	if (m->n_fresh > 0) {
		ck_assert_msg(!m->was_used[port], "port %u early, seed %lu", port,
		              (unsigned long)seed);
		m->n_fresh--;
	} else {
		ck_assert_msg(is_head(&m->longer, port, now, REST) ||
		                      is_head(&m->shorter, port, now, SHORT_REST),
		              "port %u out of turn at %u, seed %lu", port, now,
		              (unsigned long)seed);
	}
	m->is_used[port] = m->was_used[port] = true;
	m->used[m->n_used++] = port;
}

static void give(struct model *m, struct sl_localports *lp, uint32_t pool, uint32_t which,
                 bool is_short, uint32_t now)
{
	struct line *line = is_short ? &m->shorter : &m->longer;
	uint16_t port = m->used[which];

	m->used[which] = m->used[--m->n_used];
	m->is_used[port] = false;
	line->given[line->tail++] = (struct given){port, now};
	sl_localport_give(lp, pool, port, is_short, now);
}

// Bursts and droughts over half an hour, across the wrap of the clock: both lines wrap many times.
START_TEST(ports_come_back_in_the_order_they_were_given_and_rested)
{
	uint64_t seed = sl_check_seed() + (uint64_t)_i, state = seed;
	struct sl_localports *lp = ports_of(1u << 3, seed);
	struct model *m = calloc(1, sizeof(*m));
	uint32_t now = UINT32_MAX - 2000, pool = pool_of(lp, 1, now), n_refused = 0;

	m->n_fresh = sl_localport_per_pool(lp);
	for (uint32_t tick = 0; tick < 7200; tick++, now++) {
		uint32_t n = (uint32_t)(sl_check_random(&state) % (tick / 900 % 2 ? 60 : 12));

		for (uint32_t i = 0; i < n; i++) {
			uint16_t port = sl_localport_take(lp, pool, now);

			check_take(m, port, now, seed);
			n_refused += port == 0;
		}
		while (m->n_used > 900 + sl_check_random(&state) % 400)
			give(m, lp, pool, (uint32_t)(sl_check_random(&state) % m->n_used),
			     sl_check_random(&state) % 3 == 0, now);
	}
	ck_assert_uint_gt(n_refused, 0);         // droughts there were,
	ck_assert_uint_gt(m->longer.head, 8000); // and every port went round more than once
	free(m);
	free(lp);
}
END_TEST

START_TEST(every_port_of_the_lanes_is_given_once_and_4791_never)
{
	static const struct {
		uint16_t lanes;
		uint32_t n;
	} cases[] = {{1u << 3, LANE_PORTS},
	             {1u << 7, LANE_PORTS - 1},
	             {0x8421, 4 * LANE_PORTS},
	             {UINT16_MAX, SL_STATS_LOCAL_PORTS}};
	struct sl_localports *lp = ports_of(cases[_i].lanes, 5);
	uint32_t pool = pool_of(lp, 1, 100);
	static bool seen[65536];

	memset(seen, 0, sizeof(seen));
	ck_assert_uint_eq(sl_localport_per_pool(lp), cases[_i].n);
	for (uint32_t i = 0; i < cases[_i].n; i++) {
		uint16_t port = sl_localport_take(lp, pool, 100);

		ck_assert_uint_ge(port, SL_LOCALPORT_FIRST);
		ck_assert_uint_ne(port, 4791);
		ck_assert(cases[_i].lanes >> port % 16 & 1);
		ck_assert(!seen[port]);
		seen[port] = true;
	}
	ck_assert_uint_eq(sl_localport_take(lp, pool, 100), 0);
	ck_assert_uint_eq(sl_localport_busy(lp, pool, 100), cases[_i].n);
	free(lp);
}
END_TEST

START_TEST(a_port_rests_as_long_as_its_peer_may_remember)
{
	bool is_short = _i;
	uint32_t rest = is_short ? SHORT_REST : REST, now = 1007;
	struct sl_localports *lp = ports_of(1, 9);
	uint32_t pool = pool_of(lp, 1, now);
	uint16_t port = 0;

	while (sl_localport_busy(lp, pool, now) < LANE_PORTS)
		port = sl_localport_take(lp, pool, now);
	sl_localport_give(lp, pool, port, is_short, now);
	ck_assert_uint_eq(sl_localport_take(lp, pool, now + rest - 1), 0);
	ck_assert_uint_eq(sl_localport_busy(lp, pool, now + rest - 1), LANE_PORTS);
	ck_assert_uint_eq(sl_localport_busy(lp, pool, now + rest + PERIOD), LANE_PORTS - 1);
	ck_assert_uint_eq(sl_localport_take(lp, pool, now + rest + PERIOD), port);
	free(lp);
}
END_TEST

START_TEST(a_port_that_was_never_sent_from_is_the_next_one)
{
	struct sl_localports *lp = ports_of(1, 9);
	uint32_t pool = pool_of(lp, 1, 1);
	uint16_t first = sl_localport_take(lp, pool, 1), second = sl_localport_take(lp, pool, 1);

	sl_localport_untake(lp, pool, second, 1);
	ck_assert_uint_eq(sl_localport_busy(lp, pool, 1), 1);
	ck_assert_uint_eq(sl_localport_take(lp, pool, 1), second);
	sl_localport_untake(lp, pool, second, 1);
	sl_localport_untake(lp, pool, first, 1); // one is kept, more of them rest
	ck_assert_uint_eq(sl_localport_busy(lp, pool, 1), 1);
	ck_assert_uint_eq(sl_localport_busy(lp, pool, 1 + SHORT_REST + PERIOD), 0);
	free(lp);
}
END_TEST

static void sweep_all(struct sl_localports *lp, uint32_t now)
{
	uint16_t backend;

	while (sl_localport_sweep(lp, &backend, now) != SL_LOCALPORT_NONE)
		;
}

// The backend may be long gone from the configuration: the last port that has rested ends the pool.
START_TEST(a_pool_without_flows_gives_all_memory_back_when_it_has_rested)
{
	struct sl_localports *lp = ports_of(UINT16_MAX, 3);
	uint32_t now = 50, pools[2] = {pool_of(lp, 1, now), pool_of(lp, 2, now)};
	uint16_t used[2000];

	for (uint32_t p = 0; p < 2; p++) {
		for (uint32_t i = 0; i < 2000; i++)
			used[i] = sl_localport_take(lp, pools[p], now);
		for (uint32_t i = p; i < 2000; i++) // the second keeps one
			sl_localport_give(lp, pools[p], used[i], i % 2, now);
	}
	ck_assert_uint_eq(sl_localport_chunks(lp), 16);
	sweep_all(lp, now + REST - 1);
	ck_assert_uint_eq(sl_localport_pools(lp), 2);
	sweep_all(lp, now + REST + PERIOD);
	ck_assert_uint_eq(sl_localport_pools(lp), 1);
	ck_assert_uint_eq(sl_localport_chunks(lp), 8);
	sl_localport_give(lp, pools[1], used[0], false, now);
	sweep_all(lp, now + 3 * REST);
	ck_assert_uint_eq(sl_localport_pools(lp), 0);
	ck_assert_uint_eq(sl_localport_chunks(lp), 0);
	ck_assert_uint_eq(sl_localport_busy(lp, pools[1], now), 0);
	for (uint32_t i = 0; i < 600; i++) { // what was promised to them, too
		ck_assert_uint_ne(pool_of(lp, (uint8_t)i, now), SL_LOCALPORT_NONE);
		sweep_all(lp, now);
	}
	free(lp);
}
END_TEST

START_TEST(pools_start_elsewhere_each_time_and_for_each_backend)
{
	struct sl_localports *a = ports_of(UINT16_MAX, 1), *b = ports_of(UINT16_MAX, 2);
	uint16_t first = sl_localport_take(a, pool_of(a, 1, 9), 9);

	ck_assert_uint_ne(first, sl_localport_take(b, pool_of(b, 1, 9), 9));
	ck_assert_uint_ne(first, sl_localport_take(a, pool_of(a, 2, 9), 9));
	sl_localport_give(a, pool_of(a, 1, 9), first, true, 9);
	sweep_all(a, 9 + REST);
	ck_assert_uint_ne(first, sl_localport_take(a, pool_of(a, 1, 9 + REST), 9 + REST));
	free(a);
	free(b);
}
END_TEST

// 12 chunks: one pool may have them all but for the four promised to the other.
START_TEST(ports_beyond_what_the_arena_can_keep_are_refused_and_none_is_lost)
{
	const struct sl_localport_params params = {
		.n_pools = 2, .n_chunks = 12, .lanes = UINT16_MAX, .seed = 1};
	struct sl_localports *lp = ports_new(&params);
	uint32_t now = 77, pools[2] = {pool_of(lp, 1, now), pool_of(lp, 2, now)};
	static uint16_t used[65536];
	uint32_t n = 0;

	while ((used[n] = sl_localport_take(lp, pools[0], now)) != 0)
		n++;
	ck_assert_uint_eq(n, 5 * SL_LOCALPORT_CHUNK_PORTS - 1);
	ck_assert_uint_ne(sl_localport_take(lp, pools[1], now), 0);
	for (uint32_t i = 0; i < n; i++)
		sl_localport_give(lp, pools[0], used[i], false, now);
	ck_assert_uint_eq(sl_localport_busy(lp, pools[0], now), n);
	now += REST + PERIOD;
	for (uint32_t i = 0; i < n; i++)
		ck_assert_uint_eq(sl_localport_take(lp, pools[0], now), used[i]);
	ck_assert_uint_eq(sl_localport_take(lp, pools[0], now), 0);
	free(lp);
}
END_TEST

START_TEST(no_more_pools_than_there_is_room_for)
{
	struct sl_localports *lp = ports_of(1, 1);

	for (uint8_t i = 0; i < 8; i++)
		ck_assert_uint_ne(pool_of(lp, i, 1), SL_LOCALPORT_NONE);
	ck_assert_uint_eq(pool_of(lp, 8, 1), SL_LOCALPORT_NONE);
	ck_assert_uint_eq(pool_of(lp, 3, 1), pool_of(lp, 3, 2)); // those there are stay
	sweep_all(lp, 1);
	ck_assert_uint_ne(pool_of(lp, 8, 1), SL_LOCALPORT_NONE);
	free(lp);
}
END_TEST

START_TEST(a_holder_knows_its_pool_and_how_long_its_port_is_to_rest)
{
	struct sl_localport_params params = sl_localport_params_of(100, 16, 1, 1);
	struct sl_localports *lp = ports_new(&params);
	bool is_short_rest;

	for (uint32_t i = 0; i < 100; i++)
		sl_localport_hold(lp, i, 31 - i % 32);
	sl_localport_forget(lp, 7);
	for (uint32_t i = 0; i < 100; i++) {
		ck_assert_uint_eq(sl_localport_held(lp, i, &is_short_rest), 31 - i % 32);
		ck_assert_int_eq(is_short_rest, i == 7);
	}
	sl_localport_hold(lp, 7, 1); // another flow
	sl_localport_held(lp, 7, &is_short_rest);
	ck_assert(!is_short_rest);
	free(lp);
}
END_TEST

START_TEST(impossible_parameters_make_nothing)
{
	struct sl_localport_params params = {.n_pools = 1, .n_chunks = 4, .lanes = 1};
	size_t n_bytes = sl_localport_bytes(&params);
	uint8_t *mem = aligned_alloc(64, (n_bytes + 127) / 64 * 64);

	ck_assert_ptr_nonnull(sl_localport_init(mem, n_bytes, &params));
	ck_assert_ptr_null(sl_localport_init(mem + 8, n_bytes, &params));
	ck_assert_ptr_null(sl_localport_init(mem, n_bytes - 1, &params));
	ck_assert_ptr_null(sl_localport_init(NULL, n_bytes, &params));
	params.n_pools = 0x8001;
	ck_assert_ptr_null(sl_localport_init(mem, SIZE_MAX, &params));
	params.n_pools = 1;
	params.lanes = 0;
	ck_assert_ptr_null(sl_localport_init(mem, n_bytes, &params));
	free(mem);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("localport");
	TCase *tc = tcase_create("pools");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, ports_come_back_in_the_order_they_were_given_and_rested, 0, 4);
	tcase_add_loop_test(tc, every_port_of_the_lanes_is_given_once_and_4791_never, 0, 4);
	tcase_add_loop_test(tc, a_port_rests_as_long_as_its_peer_may_remember, 0, 2);
	tcase_add_test(tc, a_port_that_was_never_sent_from_is_the_next_one);
	tcase_add_test(tc, a_pool_without_flows_gives_all_memory_back_when_it_has_rested);
	tcase_add_test(tc, pools_start_elsewhere_each_time_and_for_each_backend);
	tcase_add_test(tc, ports_beyond_what_the_arena_can_keep_are_refused_and_none_is_lost);
	tcase_add_test(tc, no_more_pools_than_there_is_room_for);
	tcase_add_test(tc, a_holder_knows_its_pool_and_how_long_its_port_is_to_rest);
	tcase_add_test(tc, impossible_parameters_make_nothing);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
