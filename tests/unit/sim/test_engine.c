// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <errno.h>
#include <string.h>

#include "engine.h"
#include "sluice/units.h"

#define MAX_SEQS 64

struct item {
	struct sl_engine_seq seq; // first: the callback casts
	uint64_t first_ns, last_ns;
	uint32_t n_tokens;
};

struct rig {
	struct sl_engine engine;
	struct item items[MAX_SEQS];
	uint64_t trace; // of every token's time and owner
};

static void note_token(void *ctx, struct sl_engine_seq *seq, uint64_t now_ns)
{
	struct rig *rig = ctx;
	struct item *item = (struct item *)seq;

	if (item->n_tokens++ == 0)
		item->first_ns = now_ns;
	item->last_ns = now_ns;
	rig->trace =
		(rig->trace ^ (now_ns + (uint64_t)(item - rig->items))) * UINT64_C(1099511628211);
}

static void rig_init(struct rig *rig, const struct sl_engine_config *config)
{
	memset(rig, 0, sizeof(*rig));
	sl_engine_init(&rig->engine, config, note_token, rig);
}

static void add(struct rig *rig, size_t i, uint32_t prompt, uint32_t output, uint64_t now_ns)
{
	rig->items[i].seq.prompt_tokens = prompt;
	rig->items[i].seq.output_tokens = output;
	ck_assert_int_eq(sl_engine_submit(&rig->engine, &rig->items[i].seq, now_ns), 0);
}

// Bounded: a model that never ends fails here instead of hanging.
static void drain(struct rig *rig)
{
	for (int i = 0; i < 100000 && sl_engine_next_ns(&rig->engine) != SL_ENGINE_IDLE; i++)
		sl_engine_run(&rig->engine, sl_engine_next_ns(&rig->engine));
	ck_assert_uint_eq(sl_engine_next_ns(&rig->engine), SL_ENGINE_IDLE);
	ck_assert_uint_eq(rig->engine.held_tokens, 0);
	ck_assert_uint_eq(rig->engine.n_running + rig->engine.n_waiting, 0);
}

static const struct {
	const char *what;
	uint32_t prompt;
	double slow, time_scale;
	uint32_t hidden;
	uint64_t ttft_us;
} ttfts[] = {
	{"one step: base, one sequence, 1000 tokens", 1000, 1, 1, 0, 8000 + 50 + 50000},
	{"a prompt over one chunk takes two steps; the second reads the first", 3000, 1, 1, 0,
         2 * (8000 + 50) + 150000 + 2048 * 40 / 1000},
	{"slow multiplies", 1000, 5, 1, 0, 5 * 58050},
	{"time scale multiplies", 1000, 1, 0.1, 0, 5805},
	{"hidden load lengthens the step", 1000, 1, 1, 8, 58050 + 8 * 50 + 8 * 1024 * 40 / 1000},
};

START_TEST(ttft_of_an_idle_engine_follows_the_formula)
{
	struct sl_engine_config config = sl_engine_default_config(32);
	struct rig rig;
	uint64_t got_us;

	config.time_scale = ttfts[_i].time_scale;
	rig_init(&rig, &config);
	sl_engine_set_slow(&rig.engine, ttfts[_i].slow);
	sl_engine_set_hidden(&rig.engine, ttfts[_i].hidden);
	add(&rig, 0, ttfts[_i].prompt, 1, 7 * SL_NS_PER_S);
	drain(&rig);
	got_us = (rig.items[0].first_ns - 7 * SL_NS_PER_S) / SL_NS_PER_US;
	ck_assert_msg(got_us >= ttfts[_i].ttft_us && got_us <= ttfts[_i].ttft_us + 1,
	              "%s: %lu us, not %lu", ttfts[_i].what, got_us, ttfts[_i].ttft_us);
}
END_TEST

static const struct {
	uint32_t n_seqs;
	double tpot_us; // 8 ms + 50 us and 40 ns x (100 + half the output of 50) per sequence
} tpots[] = {{1, 8055}, {8, 8440}, {32, 9760}};

START_TEST(tpot_grows_with_the_batch)
{
	struct sl_engine_config config = sl_engine_default_config(32);
	struct rig rig;
	double tpot_us;

	rig_init(&rig, &config);
	// The first step starts with the first submit, so the others follow one step behind it.
	for (size_t i = 0; i < tpots[_i].n_seqs; i++)
		add(&rig, i, 100, 50, 0);
	drain(&rig);
	tpot_us = (double)(rig.items[0].last_ns - rig.items[0].first_ns) / 49 / SL_NS_PER_US;
	// The second step prefills everyone else's prompt: taken out here, 50 us a token.
	tpot_us -= (tpots[_i].n_seqs - 1) * 100 * 50.0 / 49;
	ck_assert_msg(tpot_us > tpots[_i].tpot_us * 0.99 && tpot_us < tpots[_i].tpot_us * 1.01,
	              "%u sequences: %.0f us, not %.0f", tpots[_i].n_seqs, tpot_us,
	              tpots[_i].tpot_us);
}
END_TEST

START_TEST(a_request_without_a_slot_waits_for_one)
{
	struct sl_engine_config config = sl_engine_default_config(2);
	struct rig rig;

	rig_init(&rig, &config);
	for (size_t i = 0; i < 3; i++)
		add(&rig, i, 100, 10, 0);
	sl_engine_run(&rig.engine, sl_engine_next_ns(&rig.engine));
	ck_assert_uint_eq(rig.engine.n_running, 2);
	ck_assert_uint_eq(rig.engine.n_waiting, 1);
	drain(&rig);
	ck_assert_uint_gt(rig.items[2].first_ns, rig.items[0].last_ns);
}
END_TEST

START_TEST(a_full_cache_preempts_the_youngest_which_still_finishes)
{
	struct sl_engine_config config = sl_engine_default_config(32);
	struct rig rig;

	config.kv_tokens = 1000;
	rig_init(&rig, &config);
	add(&rig, 0, 400, 300, 0);
	add(&rig, 1, 400, 300, 0);
	drain(&rig);
	ck_assert_uint_ge(rig.engine.n_preempted, 1);
	ck_assert_uint_eq(rig.items[0].n_tokens, 300);
	ck_assert_uint_eq(rig.items[1].n_tokens, 300);
	ck_assert_uint_lt(rig.items[0].last_ns, rig.items[1].last_ns);
}
END_TEST

START_TEST(the_cache_is_never_overcommitted_while_a_step_runs)
{
	struct sl_engine_config config = sl_engine_default_config(32);
	const uint64_t seed = sl_check_seed();
	uint64_t state = seed;
	struct rig rig;

	config.kv_tokens = 3000;
	rig_init(&rig, &config);
	for (size_t i = 0; i < MAX_SEQS; i++)
		add(&rig, i, 1 + sl_check_random(&state) % 500, 1 + sl_check_random(&state) % 200,
		    0);
	for (int i = 0; i < 100000 && sl_engine_next_ns(&rig.engine) != SL_ENGINE_IDLE; i++) {
		ck_assert_msg(rig.engine.held_tokens <= 3000, "%lu held, seed %lu",
		              rig.engine.held_tokens, seed);
		ck_assert_msg(sl_engine_kv_usage(&rig.engine) <= 1.0, "seed %lu", seed);
		sl_engine_run(&rig.engine, sl_engine_next_ns(&rig.engine));
	}
	for (size_t i = 0; i < MAX_SEQS; i++)
		ck_assert_msg(rig.items[i].n_tokens == rig.items[i].seq.output_tokens,
		              "sequence %zu has %u tokens, seed %lu", i, rig.items[i].n_tokens,
		              seed);
}
END_TEST

START_TEST(hidden_load_takes_slots_but_never_all)
{
	struct sl_engine_config config = sl_engine_default_config(4);
	struct rig rig;

	rig_init(&rig, &config);
	sl_engine_set_hidden(&rig.engine, 1000);
	for (size_t i = 0; i < 4; i++)
		add(&rig, i, 10, 2, 0);
	sl_engine_run(&rig.engine, sl_engine_next_ns(&rig.engine));
	ck_assert_uint_eq(rig.engine.n_running, 2);
	drain(&rig);
	ck_assert_uint_eq(rig.items[3].n_tokens, 2);
}
END_TEST

START_TEST(a_cancelled_request_frees_its_slot_and_cache)
{
	struct sl_engine_config config = sl_engine_default_config(1);
	struct rig rig;

	rig_init(&rig, &config);
	add(&rig, 0, 100, 1000, 0);
	add(&rig, 1, 100, 10, 0);
	add(&rig, 2, 100, 10, 0);
	sl_engine_cancel(&rig.engine, &rig.items[0].seq);
	sl_engine_cancel(&rig.engine, &rig.items[1].seq);
	drain(&rig);
	ck_assert_uint_eq(rig.items[0].n_tokens, 0);
	ck_assert_uint_eq(rig.items[1].n_tokens, 0);
	ck_assert_uint_eq(rig.items[2].n_tokens, 10);
}
END_TEST

static const struct {
	const char *what;
	uint32_t prompt, output;
	int rc;
} requests[] = {
	{"just fits", 119999, 1, 0},
	{"one token too many", 120000, 1, -E2BIG},
	{"the sum wraps", UINT32_MAX, UINT32_MAX, -E2BIG},
	{"no prompt", 0, 1, -EINVAL},
	{"no output", 1, 0, -EINVAL},
};

START_TEST(a_request_that_cannot_fit_is_refused)
{
	struct sl_engine_config config = sl_engine_default_config(32);
	struct rig rig;
	int rc;

	rig_init(&rig, &config);
	rig.items[0].seq.prompt_tokens = requests[_i].prompt;
	rig.items[0].seq.output_tokens = requests[_i].output;
	rc = sl_engine_submit(&rig.engine, &rig.items[0].seq, 0);
	ck_assert_msg(rc == requests[_i].rc, "%s: %d", requests[_i].what, rc);
	if (rc == 0)
		drain(&rig);
	ck_assert_uint_eq(sl_engine_next_ns(&rig.engine), SL_ENGINE_IDLE);
}
END_TEST

static uint64_t trace_of(uint64_t seed)
{
	struct sl_engine_config config = sl_engine_default_config(8);
	struct rig rig;

	config.seed = seed;
	config.jitter_milli = 30;
	rig_init(&rig, &config);
	for (size_t i = 0; i < 32; i++)
		add(&rig, i, 50 + 7 * (uint32_t)i, 20, 0);
	drain(&rig);
	return rig.trace;
}

START_TEST(a_seed_decides_every_token)
{
	ck_assert_uint_eq(trace_of(1), trace_of(1));
	ck_assert_uint_ne(trace_of(1), trace_of(2));
}
END_TEST

START_TEST(a_driver_that_was_stopped_does_not_catch_up)
{
	struct sl_engine_config config = sl_engine_default_config(1);
	struct rig rig;

	rig_init(&rig, &config);
	add(&rig, 0, 100, 1000, 0);
	sl_engine_run(&rig.engine, 60 * SL_NS_PER_S);
	ck_assert_uint_eq(rig.items[0].n_tokens, 1);
	ck_assert_uint_gt(sl_engine_next_ns(&rig.engine), 60 * SL_NS_PER_S);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *tcase = tcase_create("engine");

	tcase_add_loop_test(tcase, ttft_of_an_idle_engine_follows_the_formula, 0,
	                    sizeof(ttfts) / sizeof(ttfts[0]));
	tcase_add_loop_test(tcase, tpot_grows_with_the_batch, 0, sizeof(tpots) / sizeof(tpots[0]));
	tcase_add_test(tcase, a_request_without_a_slot_waits_for_one);
	tcase_add_test(tcase, a_full_cache_preempts_the_youngest_which_still_finishes);
	tcase_add_test(tcase, the_cache_is_never_overcommitted_while_a_step_runs);
	tcase_add_test(tcase, hidden_load_takes_slots_but_never_all);
	tcase_add_test(tcase, a_cancelled_request_frees_its_slot_and_cache);
	tcase_add_loop_test(tcase, a_request_that_cannot_fit_is_refused, 0,
	                    sizeof(requests) / sizeof(requests[0]));
	tcase_add_test(tcase, a_seed_decides_every_token);
	tcase_add_test(tcase, a_driver_that_was_stopped_does_not_catch_up);
	suite_add_tcase(suite, tcase);
	return sl_check_run(suite);
}
