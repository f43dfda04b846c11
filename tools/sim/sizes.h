// SPDX-License-Identifier: Apache-2.0
// Lengths of prompts and answers: log-normal around a mean, or read from a trace.
// The spreads were fitted to the conversation part of the Azure LLM inference trace 2023.
// Errors: 0 or -errno. Thread: one.
#ifndef SLUICE_SIM_SIZES_H
#define SLUICE_SIM_SIZES_H

#include <stddef.h>
#include <stdint.h>

#define SL_SIZES_TOKENS_MAX 100000 // of a prompt or an answer: longer ones of a trace are cut

struct sl_size {
	uint32_t prompt_tokens, output_tokens;
};

struct sl_sizes {
	double prompt_mean, output_mean;
	struct sl_size *trace; // owned; NULL when drawn from the distribution
	size_t n_trace, next;
	uint64_t random;
};

// Lines of "prompt output"; empty lines and lines that begin with # are skipped. On -EINVAL
// *bad_line says where.
int sl_sizes_load(struct sl_sizes *sizes, const char *path, size_t *bad_line);
void sl_sizes_fini(struct sl_sizes *sizes);

// The next pair: a trace is repeated from its start when it ends.
struct sl_size sl_sizes_next(struct sl_sizes *sizes);

#endif
