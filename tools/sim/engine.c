// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>

#include "random.h"
#include "sluice/units.h"

#define HIDDEN_CONTEXT_TOKENS 1024              // mean context of the Azure 2023 conversation trace
#define STALL_NS              (1 * SL_NS_PER_S) // a driver later than this was stopped: do not catch up

struct sl_engine_config sl_engine_default_config(uint32_t slots)
{
	return (struct sl_engine_config){
		.slots = slots,
		.kv_tokens = 120000,
		.chunk_tokens = 2048,
		.step_base_ns = 8 * SL_NS_PER_MS,
		.step_per_seq_ns = 50 * SL_NS_PER_US,
		.step_per_prefill_ns = 50 * SL_NS_PER_US,
		.step_per_context_ns = 40,
		.time_scale = 1.0,
	};
}

void sl_engine_init(struct sl_engine *engine, const struct sl_engine_config *config,
                    sl_engine_token_fn *on_token, void *ctx)
{
	*engine = (struct sl_engine){
		.config = *config,
		.on_token = on_token,
		.ctx = ctx,
		.step_end_ns = SL_ENGINE_IDLE,
		.random = config->seed,
		.slow = 1.0,
	};
	TAILQ_INIT(&engine->waiting);
	TAILQ_INIT(&engine->running);
}

// Tokens of the sequence that exist: all of them must be in the cache to produce the next one.
static uint32_t known_tokens(const struct sl_engine_seq *seq)
{
	return seq->prompt_tokens + seq->produced_tokens;
}

static bool is_decoding(const struct sl_engine_seq *seq)
{
	return seq->produced_tokens > 0 && known_tokens(seq) - seq->context_tokens == 1;
}

// Hidden load takes at most half of slots and KV: visible requests slow down but always proceed.
static uint32_t hidden_slots(const struct sl_engine *engine)
{
	const uint32_t most = engine->config.slots / 2;

	return engine->hidden_seqs < most ? engine->hidden_seqs : most;
}

static uint64_t hidden_tokens(const struct sl_engine *engine)
{
	const uint64_t most = engine->config.kv_tokens / 2;
	const uint64_t wanted = (uint64_t)engine->hidden_seqs * HIDDEN_CONTEXT_TOKENS;

	return wanted < most ? wanted : most;
}

static uint64_t free_tokens(const struct sl_engine *engine)
{
	const uint64_t used = hidden_tokens(engine) + engine->held_tokens;

	return used < engine->config.kv_tokens ? engine->config.kv_tokens - used : 0;
}

static bool is_overcommitted(const struct sl_engine *engine)
{
	return hidden_tokens(engine) + engine->held_tokens > engine->config.kv_tokens;
}

static void leave_running(struct sl_engine *engine, struct sl_engine_seq *seq)
{
	TAILQ_REMOVE(&engine->running, seq, link);
	engine->n_running--;
	engine->held_tokens -= known_tokens(seq);
	seq->state = SL_ENGINE_NONE;
}

// The last sequence is never evicted: it could make no progress anywhere else.
static bool preempt_youngest(struct sl_engine *engine)
{
	bool was_needed = false;

	while (engine->n_running > 1 && is_overcommitted(engine)) {
		struct sl_engine_seq *seq = TAILQ_LAST(&engine->running, sl_engine_queue);

		leave_running(engine, seq);
		seq->context_tokens = 0;
		seq->state = SL_ENGINE_WAITING;
		TAILQ_INSERT_HEAD(&engine->waiting, seq, link);
		engine->n_waiting++;
		engine->n_preempted++;
		was_needed = true;
	}
	return was_needed;
}

static void admit_waiting(struct sl_engine *engine)
{
	while (!TAILQ_EMPTY(&engine->waiting)) {
		struct sl_engine_seq *seq = TAILQ_FIRST(&engine->waiting);

		if (engine->n_running + hidden_slots(engine) >= engine->config.slots)
			return;
		// An idle engine takes anything: hidden load must not starve a long request for
		// ever.
		if (engine->n_running > 0 && known_tokens(seq) > free_tokens(engine))
			return;
		TAILQ_REMOVE(&engine->waiting, seq, link);
		engine->n_waiting--;
		TAILQ_INSERT_TAIL(&engine->running, seq, link);
		engine->n_running++;
		engine->held_tokens += known_tokens(seq);
		seq->state = SL_ENGINE_RUNNING;
	}
}

static double step_ns(struct sl_engine *engine, uint32_t n_seqs, uint64_t prefill_tokens,
                      uint64_t context_tokens)
{
	const struct sl_engine_config *c = &engine->config;
	double ns = c->step_base_ns + (double)c->step_per_seq_ns * n_seqs +
	            (double)c->step_per_prefill_ns * (double)prefill_tokens +
	            (double)c->step_per_context_ns * (double)context_tokens;

	if (c->jitter_milli > 0)
		ns *= 1.0 +
		      (sl_random_unit(&engine->random) * 2.0 - 1.0) * c->jitter_milli / 1000.0;
	return ns * c->time_scale * engine->slow;
}

// Decides what the next step computes: decodes first (one token each), then prefill in order of
// admission with what is left of the chunk.
static void start_step(struct sl_engine *engine, uint64_t now_ns)
{
	const uint32_t n_hidden = engine->hidden_seqs;
	uint64_t context = (uint64_t)n_hidden * HIDDEN_CONTEXT_TOKENS, prefill = 0;
	uint32_t n_seqs = n_hidden, left = engine->config.chunk_tokens;
	struct sl_engine_seq *seq;

	// A step that had to evict admits nobody, or the same sequence would bounce in and out.
	if (!preempt_youngest(engine))
		admit_waiting(engine);
	if (engine->n_running == 0) {
		engine->step_end_ns = SL_ENGINE_IDLE;
		return;
	}
	TAILQ_FOREACH(seq, &engine->running, link)
	{
		seq->step_tokens = is_decoding(seq) && left > 0 ? 1 : 0;
		left -= seq->step_tokens;
	}
	TAILQ_FOREACH(seq, &engine->running, link)
	{
		if (!is_decoding(seq)) {
			const uint32_t todo = known_tokens(seq) - seq->context_tokens;

			seq->step_tokens = todo < left ? todo : left;
			left -= seq->step_tokens;
			prefill += seq->step_tokens;
		}
		if (seq->step_tokens > 0) {
			n_seqs++;
			context += seq->context_tokens;
		}
	}
	engine->step_end_ns = now_ns + (uint64_t)llround(step_ns(engine, n_seqs, prefill, context));
}

static void finish_step(struct sl_engine *engine)
{
	const uint64_t now_ns = engine->step_end_ns;
	struct sl_engine_seq *seq, *next;

	engine->n_steps++;
	for (seq = TAILQ_FIRST(&engine->running); seq != NULL; seq = next) {
		next = TAILQ_NEXT(seq, link);
		seq->context_tokens += seq->step_tokens;
		if (seq->step_tokens == 0 || seq->context_tokens < known_tokens(seq))
			continue;
		seq->produced_tokens++;
		engine->held_tokens++;
		if (seq->produced_tokens == seq->output_tokens)
			leave_running(engine, seq);
		engine->on_token(engine->ctx, seq, now_ns);
	}
}

int sl_engine_submit(struct sl_engine *engine, struct sl_engine_seq *seq, uint64_t now_ns)
{
	if (seq->prompt_tokens == 0 || seq->output_tokens == 0)
		return -EINVAL;
	if ((uint64_t)seq->prompt_tokens + seq->output_tokens > engine->config.kv_tokens)
		return -E2BIG;
	seq->produced_tokens = 0;
	seq->context_tokens = 0;
	seq->step_tokens = 0;
	seq->state = SL_ENGINE_WAITING;
	TAILQ_INSERT_TAIL(&engine->waiting, seq, link);
	engine->n_waiting++;
	if (engine->step_end_ns == SL_ENGINE_IDLE)
		start_step(engine, now_ns);
	return 0;
}

void sl_engine_cancel(struct sl_engine *engine, struct sl_engine_seq *seq)
{
	if (seq->state == SL_ENGINE_RUNNING) {
		leave_running(engine, seq);
	} else if (seq->state == SL_ENGINE_WAITING) {
		TAILQ_REMOVE(&engine->waiting, seq, link);
		engine->n_waiting--;
		seq->state = SL_ENGINE_NONE;
	}
}

void sl_engine_run(struct sl_engine *engine, uint64_t now_ns)
{
	while (engine->step_end_ns <= now_ns && engine->step_end_ns != SL_ENGINE_IDLE) {
		const uint64_t end_ns = engine->step_end_ns;

		finish_step(engine);
		start_step(engine, now_ns - end_ns > STALL_NS ? now_ns : end_ns);
	}
}

uint64_t sl_engine_next_ns(const struct sl_engine *engine)
{
	return engine->step_end_ns;
}

void sl_engine_set_slow(struct sl_engine *engine, double slow)
{
	engine->slow = slow;
}

void sl_engine_set_hidden(struct sl_engine *engine, uint32_t hidden_seqs)
{
	engine->hidden_seqs = hidden_seqs;
}

double sl_engine_kv_usage(const struct sl_engine *engine)
{
	const double used = (double)(hidden_tokens(engine) + engine->held_tokens);
	const double share = used / engine->config.kv_tokens;

	return share < 1.0 ? share : 1.0;
}
