// SPDX-License-Identifier: Apache-2.0
#include "palc.h"

#include <math.h>
#include <stdlib.h>

#include "sluice/units.h"

#define TAU_TTFT_S     5.0
#define TAU_TPOT_S     3.0
#define TAU_DURATION_S 10.0
#define TAU_RECENT_S   10.0
#define TAU_POOL_S     30.0
#define SOFT_US        50000.0 // added to both sides of a ratio: small latencies are alike
#define PATIENCE_US    200000.0
#define GAIN           0.25
#define DEAD_BAND      0.10
#define STEP_UP        0.10 // per second
#define STEP_DOWN      0.20
#define LEAK           0.10                  // per second
#define U_MIN          (-2.0794415416798357) // ln 1/8
#define U_MAX          1.3862943611198906    // ln 4

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void smooth(double *value, double sample, double tau_s, double elapsed_s)
{
	*value = *value == 0 ? sample : sample + (*value - sample) * exp(-elapsed_s / tau_s);
}

static void observe(struct sl_palc_member *member, const struct sl_palc_seen *seen,
                    double elapsed_s)
{
	member->n_recent *= exp(-elapsed_s / TAU_RECENT_S);
	member->n_recent += seen->n_ttft > 0 ? seen->n_ttft : seen->n_ended;
	if (seen->n_ttft > 0)
		smooth(&member->ttft_us, seen->ttft_us, TAU_TTFT_S, elapsed_s);
	if (seen->n_tokens > 0)
		smooth(&member->tpot_us, seen->tpot_us, TAU_TPOT_S, elapsed_s);
	if (seen->n_ended > 0)
		smooth(&member->duration_us, seen->duration_us, TAU_DURATION_S, elapsed_s);
	member->latency_us = 0;
	if (member->n_recent >= SL_PALC_SAMPLES)
		member->latency_us = member->ttft_us > 0
		                             ? member->ttft_us + SL_PALC_TOKENS * member->tpot_us
		                             : member->duration_us;
	// Whoever keeps somebody waiting for so long is known to be slow without any sample.
	if (seen->oldest_us > 2 * (member->ttft_us + PATIENCE_US) &&
	    seen->oldest_us > member->latency_us)
		member->latency_us = seen->oldest_us;
}

static double step_of(double median_us, double latency_us, double elapsed_s)
{
	const double error = log((median_us + SOFT_US) / (latency_us + SOFT_US));
	const double step = GAIN * copysign(fmax(fabs(error) - DEAD_BAND, 0), error) * elapsed_s;

	return fmin(fmax(step, -STEP_DOWN * elapsed_s), STEP_UP * elapsed_s);
}

// The pool as a whole is neither slow nor fast: factors are relative.
static void centre(struct sl_palc_member *members, const bool *takes_flows, size_t n)
{
	double sum = 0;
	size_t n_counted = 0;

	for (size_t i = 0; i < n; i++) {
		if (!takes_flows[i])
			continue;
		sum += members[i].u;
		n_counted++;
	}
	for (size_t i = 0; i < n && n_counted > 0; i++) {
		if (takes_flows[i])
			members[i].u =
				fmin(fmax(members[i].u - sum / (double)n_counted, U_MIN), U_MAX);
	}
}

static void find_medians(struct sl_palc_pool *pool, const struct sl_palc_member *members,
                         const bool *takes_flows, double *scratch, size_t n)
{
	size_t n_known = 0, n_ttft = 0;

	pool->median_ttft_us = 0;
	for (size_t i = 0; i < n; i++) {
		if (takes_flows[i] && members[i].n_recent >= SL_PALC_SAMPLES &&
		    members[i].ttft_us > 0)
			scratch[n_ttft++] = members[i].ttft_us;
	}
	if (n_ttft > 0)
		pool->median_ttft_us = median(scratch, n_ttft);
	for (size_t i = 0; i < n; i++) {
		if (takes_flows[i] && members[i].latency_us > 0)
			scratch[n_known++] = members[i].latency_us;
	}
	pool->median_us = n_known >= 2 ? median(scratch, n_known) : 0;
	pool->is_frozen = pool->must_freeze ||
	                  (pool->slo_ttft_us > 0 && pool->median_ttft_us > pool->slo_ttft_us);
}

static void find_authority(struct sl_palc_pool *pool, const struct sl_palc_seen *seen, size_t n,
                           double elapsed_s)
{
	const double keep = exp(-elapsed_s / TAU_POOL_S);

	pool->n_connected *= keep;
	pool->n_answered *= keep;
	for (size_t i = 0; i < n; i++) {
		pool->n_connected += seen[i].n_connected;
		pool->n_answered += seen[i].n_ttft;
	}
	pool->authority =
		pool->n_answered > pool->n_connected ? pool->n_connected / pool->n_answered : 1;
}

void sl_palc_tick(struct sl_palc_pool *pool, struct sl_palc_member *members,
                  const struct sl_palc_seen *seen, const bool *takes_flows, double *scratch,
                  size_t n, uint64_t elapsed_ns)
{
	const double elapsed_s =
		(double)(elapsed_ns < SL_NS_PER_S ? elapsed_ns : SL_NS_PER_S) / (double)SL_NS_PER_S;

	for (size_t i = 0; i < n; i++)
		observe(&members[i], &seen[i], elapsed_s);
	find_medians(pool, members, takes_flows, scratch, n);
	find_authority(pool, seen, n, elapsed_s);
	for (size_t i = 0; i < n; i++) {
		struct sl_palc_member *member = &members[i];

		if (takes_flows[i] && pool->median_us > 0 && member->latency_us > 0 &&
		    !pool->is_frozen)
			member->u += pool->authority *
			             step_of(pool->median_us, member->latency_us, elapsed_s);
		member->u *= 1 - LEAK * elapsed_s;
	}
	centre(members, takes_flows, n);
}

void sl_palc_forget(struct sl_palc_member *member)
{
	*member = (struct sl_palc_member){.u = member->u};
}

double sl_palc_factor(const struct sl_palc_member *member)
{
	return exp(member->u);
}
