// SPDX-License-Identifier: Apache-2.0
#include "steer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sl_steer_init(struct sl_steer *steer, size_t n)
{
	const size_t room = n > 0 ? n : 1;

	*steer = (struct sl_steer){.n = n, .has_guards = true};
	steer->palc = calloc(room, sizeof(*steer->palc));
	steer->guard = calloc(room, sizeof(*steer->guard));
	steer->factors = calloc(room, sizeof(*steer->factors));
	steer->since_guard = calloc(room, sizeof(*steer->since_guard));
	steer->since_palc = calloc(room, sizeof(*steer->since_palc));
	steer->values = calloc(room, sizeof(*steer->values));
	steer->flags = calloc(room, sizeof(*steer->flags));
	steer->palc_seen = calloc(room, sizeof(*steer->palc_seen));
	steer->guard_seen = calloc(room, sizeof(*steer->guard_seen));
	if (steer->palc == NULL || steer->guard == NULL || steer->factors == NULL ||
	    steer->since_guard == NULL || steer->since_palc == NULL || steer->values == NULL ||
	    steer->flags == NULL || steer->palc_seen == NULL || steer->guard_seen == NULL) {
		sl_steer_fini(steer);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		steer->factors[i] = 1;
	return 0;
}

void sl_steer_fini(struct sl_steer *steer)
{
	free(steer->palc);
	free(steer->guard);
	free(steer->factors);
	free(steer->since_guard);
	free(steer->since_palc);
	free(steer->values);
	free(steer->flags);
	free(steer->palc_seen);
	free(steer->guard_seen);
	*steer = (struct sl_steer){0};
}

static void add_up(struct sl_steer_seen *sum, const struct sl_steer_seen *seen)
{
	sum->n_ttft += seen->n_ttft;
	sum->n_tokens += seen->n_tokens;
	sum->n_ended += seen->n_ended;
	sum->n_fleeting += seen->n_fleeting;
	sum->n_connected += seen->n_connected;
	sum->n_refused += seen->n_refused;
	sum->ttft_sum_us += seen->ttft_sum_us;
	sum->tpot_sum_us += seen->tpot_sum_us;
	sum->duration_sum_us += seen->duration_sum_us;
	sum->oldest_us = seen->oldest_us;
}

static double mean(double sum, uint32_t n)
{
	return n > 0 ? sum / n : 0;
}

// Who comes back is judged by what it does from now on.
static void forget(struct sl_steer *steer)
{
	for (size_t i = 0; i < steer->n; i++) {
		if (steer->flags[i] && steer->guard[i].state == SL_GUARD_HALF_OPEN)
			sl_palc_forget(&steer->palc[i]);
	}
}

static void run_guards(struct sl_steer *steer, const bool *takes_flows, uint64_t now_ns)
{
	for (size_t i = 0; i < steer->n; i++) {
		const struct sl_steer_seen *seen = &steer->since_guard[i];

		steer->guard_seen[i] = (struct sl_guard_seen){
			.n_connected = seen->n_connected,
			.n_refused = seen->n_refused,
			.n_ended = seen->n_ended,
			.n_fleeting = seen->n_fleeting,
			.n_answered = seen->n_ttft + seen->n_tokens,
			.oldest_us = seen->oldest_us,
			.ttft_us = steer->palc[i].ttft_us,
			.latency_us = steer->palc[i].latency_us,
		};
		steer->flags[i] = steer->guard[i].state == SL_GUARD_EJECTED;
	}
	sl_guard_tick(&steer->guard_pool, steer->guard, steer->guard_seen, takes_flows,
	              steer->values, steer->n, now_ns);
	if (steer->has_guards)
		forget(steer);
	memset(steer->since_guard, 0, steer->n * sizeof(*steer->since_guard));
}

// Who is ejected is out of the medians: its past is not the pool's. Where guards eject nobody it
// goes on taking flows, and only the controller is left to slow it.
static void run_controller(struct sl_steer *steer, const bool *takes_flows, uint64_t elapsed_ns)
{
	for (size_t i = 0; i < steer->n; i++) {
		const struct sl_steer_seen *seen = &steer->since_palc[i];

		steer->flags[i] = takes_flows[i] &&
		                  (!steer->has_guards || steer->guard[i].state == SL_GUARD_CLOSED);
		steer->palc_seen[i] = (struct sl_palc_seen){
			.n_ttft = seen->n_ttft,
			.ttft_us = mean(seen->ttft_sum_us, seen->n_ttft),
			.n_tokens = seen->n_tokens,
			.tpot_us = mean(seen->tpot_sum_us, seen->n_tokens),
			.n_ended = seen->n_ended,
			.duration_us = mean(seen->duration_sum_us, seen->n_ended),
			.n_connected = seen->n_connected,
			.oldest_us = seen->oldest_us,
		};
	}
	// While the fleet as a whole has shifted, differences say nothing.
	steer->palc_pool.slo_ttft_us = steer->slo_ttft_us;
	steer->palc_pool.must_freeze = steer->guard_pool.is_degraded;
	sl_palc_tick(&steer->palc_pool, steer->palc, steer->palc_seen, steer->flags, steer->values,
	             steer->n, elapsed_ns);
	memset(steer->since_palc, 0, steer->n * sizeof(*steer->since_palc));
}

bool sl_steer_tick(struct sl_steer *steer, const struct sl_steer_seen *seen,
                   const bool *takes_flows, uint64_t now_ns)
{
	for (size_t i = 0; i < steer->n; i++) {
		add_up(&steer->since_guard[i], &seen[i]);
		add_up(&steer->since_palc[i], &seen[i]);
	}
	if (now_ns - steer->guard_ns < SL_GUARD_TICK_NS)
		return false;
	run_guards(steer, takes_flows, now_ns);
	steer->guard_ns = now_ns;
	if (now_ns - steer->palc_ns >= SL_STEER_PALC_NS) {
		run_controller(steer, takes_flows, now_ns - steer->palc_ns);
		steer->palc_ns = now_ns;
	}
	for (size_t i = 0; i < steer->n; i++)
		steer->factors[i] = sl_palc_factor(&steer->palc[i]) *
		                    (steer->has_guards ? sl_guard_factor(&steer->guard[i]) : 1);
	return true;
}
