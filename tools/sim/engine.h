// SPDX-License-Identifier: Apache-2.0
// Continuous-batching engine model: how long a GPU server takes for each token of each request.
//
// Every step runs all sequences that hold a slot: a sequence still in prefill gets a share of the
// chunk, every other one gets one token. A step's length is a linear formula of what it ran; the
// constants (and that they are guesses) are in ai-aware.md 2.5. When the KV cache is full the
// youngest sequence loses its slot, goes back to the head of the queue and recomputes its context.
// Hidden load is sequences that nobody here sees: they hold slots and KV and lengthen each step.
//
// Units:  tokens, and nanoseconds of a clock that is always a parameter.
// Errors: 0 or -errno. Thread: one. Memory: sequences live in the caller's requests.
#ifndef SLUICE_SIM_ENGINE_H
#define SLUICE_SIM_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define SL_ENGINE_IDLE UINT64_MAX

enum sl_engine_state { SL_ENGINE_NONE, SL_ENGINE_WAITING, SL_ENGINE_RUNNING };

struct sl_engine_seq {
	TAILQ_ENTRY(sl_engine_seq) link;
	// --- caller sets before submit ---
	uint32_t prompt_tokens;
	uint32_t output_tokens;
	// --- engine writes ---
	uint32_t produced_tokens;
	uint32_t context_tokens; // computed so far and held in the KV cache
	uint32_t step_tokens;    // what the step under way computes of it
	enum sl_engine_state state;
};

TAILQ_HEAD(sl_engine_queue, sl_engine_seq);

// A sequence has one more token at now_ns. It has left the engine when all were produced.
// The callback may submit, but not cancel.
typedef void sl_engine_token_fn(void *ctx, struct sl_engine_seq *seq, uint64_t now_ns);

struct sl_engine_config {
	uint32_t slots;
	uint32_t kv_tokens;
	uint32_t chunk_tokens;
	uint32_t step_base_ns;
	uint32_t step_per_seq_ns;
	uint32_t step_per_prefill_ns;
	uint32_t step_per_context_ns;
	uint32_t jitter_milli; // each step's length varies by +- so many thousandths
	double time_scale;
	uint64_t seed;
};

struct sl_engine {
	struct sl_engine_config config;
	sl_engine_token_fn *on_token;
	void *ctx;
	struct sl_engine_queue waiting; // head is next
	struct sl_engine_queue running; // head is oldest
	uint32_t n_waiting, n_running;
	uint64_t held_tokens; // prompt and produced tokens of all running sequences
	uint64_t step_end_ns;
	uint64_t random;
	uint64_t n_steps, n_preempted;
	uint32_t hidden_seqs;
	double slow;
};

// The constants of ai-aware.md 2.5 with `slots` slots.
struct sl_engine_config sl_engine_default_config(uint32_t slots);

void sl_engine_init(struct sl_engine *engine, const struct sl_engine_config *config,
                    sl_engine_token_fn *on_token, void *ctx);

// -E2BIG when prompt and output together can never fit the KV cache, -EINVAL when either is 0.
int sl_engine_submit(struct sl_engine *engine, struct sl_engine_seq *seq, uint64_t now_ns);

void sl_engine_cancel(struct sl_engine *engine, struct sl_engine_seq *seq);

// Completes every step that ends by now_ns, reporting its tokens.
void sl_engine_run(struct sl_engine *engine, uint64_t now_ns);

// When the step under way ends, or SL_ENGINE_IDLE.
uint64_t sl_engine_next_ns(const struct sl_engine *engine);

// Take effect with the next step. slow is a factor of every step's length.
void sl_engine_set_slow(struct sl_engine *engine, double slow);
void sl_engine_set_hidden(struct sl_engine *engine, uint32_t hidden_seqs);

// Share of the KV cache in use, 0..1, hidden load included.
double sl_engine_kv_usage(const struct sl_engine *engine);

#endif
