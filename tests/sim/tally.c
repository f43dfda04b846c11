// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "world_private.h"

#define WARM_UP_S     20.0
#define SLO_TTFT_S    2.0
#define SLO_TPOT_S    0.1
#define JOIN_WINDOW_S 60.0
#define SLOW_FROM_S   10.0
#define SLOW_TO_S     20.0
#define SETTLED_S     60.0

struct values {
	double *at;
	size_t n, room;
};

// Shares of new flows, window by window.
struct shares {
	uint64_t start_ns; // of the window
	uint32_t counts[WORLD_SERVERS_MAX];
	uint32_t n_flows;
	uint32_t n_windows;
	double n_all; // in whole windows
	double sums[WORLD_SERVERS_MAX], squares[WORLD_SERVERS_MAX];
};

struct tally {
	const struct scenario *scenario;
	uint64_t end_ns;
	struct values ttft, e2e, e2e_all, joined;
	struct shares shares;
	uint64_t n_asked[WORLD_CLASSES], n_refused[WORLD_CLASSES], n_good[WORLD_CLASSES];
	uint64_t n_failed;
	uint64_t n_picked_back, n_faulty_back; // once the one that was away is back
	uint64_t n_picked_then, n_faulty_then; // while the slow one should be known
	double weight_sum[WORLD_SERVERS_MAX], weight_squares[WORLD_SERVERS_MAX];
	uint64_t n_weights;
	double detected_s;
	uint64_t warm_ns;
	uint64_t now_ns;
};

static void put(struct values *v, double value)
{
	if (v->n == v->room) {
		v->room = v->room > 0 ? 2 * v->room : 4096;
		v->at = realloc(v->at, v->room * sizeof(*v->at));
		if (v->at == NULL)
			abort();
	}
	v->at[v->n++] = value;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort(struct values *v)
{
	if (v->n > 0) // an empty one has no array
		qsort(v->at, v->n, sizeof(*v->at), compare);
}

static double quantile(struct values *v, double q)
{
	if (v->n == 0)
		return 0;
	return v->at[(size_t)fmin(q * (double)v->n, (double)v->n - 1)];
}

// After the last change of the scenario that is within the run.
static uint64_t settled_ns(const struct options *options)
{
	double last_s = 0;

	for (size_t i = 0; i < 2; i++) {
		const struct fault *f = &options->scenario->faults[i];
		const double edge_s = f->to_s < options->duration_s ? f->to_s : f->from_s;

		if (f->kind != FAULT_NONE && edge_s < options->duration_s)
			last_s = fmax(last_s, edge_s);
	}
	if (options->scenario->blackout_to_s < options->duration_s)
		last_s = fmax(last_s, options->scenario->blackout_to_s);
	return NS(last_s + SETTLED_S);
}

static void close_window(struct shares *sh)
{
	for (size_t i = 0; i < WORLD_SERVERS_MAX && sh->n_flows > 0; i++) {
		const double share = (double)sh->counts[i] / sh->n_flows;

		sh->sums[i] += share;
		sh->squares[i] += share * share;
	}
	sh->n_windows++;
	sh->n_all += sh->n_flows;
	sh->n_flows = 0;
	memset(sh->counts, 0, sizeof(sh->counts));
}

static void share(struct shares *sh, uint32_t server, uint64_t now_ns)
{
	if (now_ns < sh->start_ns)
		return;
	if (now_ns >= sh->start_ns + NS(SWING_WINDOW_S)) {
		close_window(sh);
		sh->start_ns += NS(SWING_WINDOW_S);
	}
	sh->counts[server]++;
	sh->n_flows++;
}

static void find_swing(const struct shares *sh, struct result *result)
{
	const double n = sh->n_windows;
	double sum = 0, noise = 0, n_servers = 0;

	for (size_t i = 0; i < WORLD_SERVERS_MAX && n > 1; i++) {
		const double mean = sh->sums[i] / n;
		const double variance = fmax(sh->squares[i] / n - mean * mean, 0) * n / (n - 1);

		if (mean == 0)
			continue;
		sum += variance / (mean * mean);
		noise += (1 - mean) / (mean * sh->n_all / n); // of a binomial distribution
		n_servers++;
		result->share_swing_worst = fmax(result->share_swing_worst, sqrt(variance) / mean);
	}
	if (n_servers > 0) {
		result->share_swing = sqrt(sum / n_servers);
		result->share_noise = sqrt(noise / n_servers);
	}
}

struct tally *tally_new(const struct options *options)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (t == NULL)
		abort();
	t->scenario = options->scenario;
	t->end_ns = NS(options->duration_s);
	t->detected_s = -1;
	t->warm_ns = NS(WARM_UP_S);
	t->shares.start_ns = settled_ns(options);
	return t;
}

void tally_asked(struct tally *t, uint32_t rank)
{
	t->n_asked[rank]++;
}

void tally_refused(struct tally *t, uint32_t rank)
{
	t->n_refused[rank]++;
}

void tally_failed(struct tally *t)
{
	t->n_failed++;
}

static const struct fault *fault_of(const struct tally *t)
{
	return t->scenario->faults[0].kind != FAULT_NONE ? &t->scenario->faults[0] : NULL;
}

void tally_picked(struct tally *t, uint32_t server, uint64_t now_ns)
{
	const struct fault *fault = fault_of(t);

	share(&t->shares, server, now_ns);
	if (fault != NULL && now_ns >= NS(fault->to_s + JOIN_WINDOW_S / 2) &&
	    now_ns < NS(fault->to_s + JOIN_WINDOW_S)) {
		t->n_picked_back++;
		t->n_faulty_back += server == fault->server;
	}
	if (fault == NULL || now_ns < NS(fault->from_s + SLOW_FROM_S) ||
	    now_ns >= NS(fault->from_s + SLOW_TO_S))
		return;
	t->n_picked_then++;
	t->n_faulty_then += server == fault->server;
}

void tally_done(struct tally *t, const struct request *r, uint64_t now_ns)
{
	const struct fault *fault = fault_of(t);
	const double ttft_s = (double)(r->first_ns - r->asked_ns) / 1e9;
	const double e2e_s = (double)(now_ns - r->asked_ns) / 1e9;
	const double n_gaps = r->seq.output_tokens > 1 ? r->seq.output_tokens - 1 : 1;

	if (ttft_s <= SLO_TTFT_S && (e2e_s - ttft_s) / n_gaps <= SLO_TPOT_S)
		t->n_good[r->rank]++;
	if (r->asked_ns < t->warm_ns)
		return;
	put(&t->ttft, ttft_s);
	put(&t->e2e, e2e_s);
	put(&t->e2e_all, e2e_s);
	if (fault != NULL && fault->kind == FAULT_ABSENT && r->asked_ns >= NS(fault->to_s) &&
	    r->asked_ns < NS(fault->to_s + JOIN_WINDOW_S))
		put(&t->joined, ttft_s);
}

void tally_weights(struct tally *t, const struct sl_steer *steer, uint64_t now_ns)
{
	const struct fault *fault = fault_of(t);

	if (fault != NULL && t->detected_s < 0 && now_ns >= NS(fault->from_s) &&
	    steer->guard[fault->server].state == SL_GUARD_EJECTED)
		t->detected_s = (double)(now_ns - NS(fault->from_s)) / 1e9;
	if (now_ns < t->end_ns / 2)
		return;
	t->n_weights++;
	for (size_t i = 0; i < steer->n; i++) {
		t->weight_sum[i] += steer->factors[i];
		t->weight_squares[i] += steer->factors[i] * steer->factors[i];
	}
}

static double swing_of(const struct tally *t)
{
	double worst = 0;

	for (size_t i = 0; i < WORLD_SERVERS_MAX && t->n_weights > 0; i++) {
		const double mean = t->weight_sum[i] / (double)t->n_weights;
		const double square = t->weight_squares[i] / (double)t->n_weights;

		if (mean > 0)
			worst = fmax(worst, sqrt(fmax(square - mean * mean, 0)) / mean);
	}
	return worst;
}

static void count_classes(const struct tally *t, struct result *result)
{
	uint64_t n_good = 0;

	for (size_t i = 0; i < WORLD_CLASSES; i++) {
		n_good += t->n_good[i];
		result->n_asked += result->n_asked_class[i] = t->n_asked[i];
		result->n_refused += result->n_refused_class[i] = t->n_refused[i];
		if (t->n_asked[i] > 0)
			result->slo_class[i] = (double)t->n_good[i] / (double)t->n_asked[i];
	}
	result->slo = (double)n_good / (double)result->n_asked;
}

void tally_finish(struct tally *t, struct result *result)
{
	const double n_servers = t->scenario->n_servers > 0 ? t->scenario->n_servers : 16;

	sort(&t->ttft);
	sort(&t->e2e);
	for (uint64_t i = 0; i < t->n_failed; i++)
		put(&t->e2e_all, PATIENCE_S);
	sort(&t->e2e_all);
	sort(&t->joined);
	*result = (struct result){
		.n_failed = t->n_failed,
		.ttft_p50_s = quantile(&t->ttft, 0.5),
		.ttft_p99_s = quantile(&t->ttft, 0.99),
		.ttft_p999_s = quantile(&t->ttft, 0.999),
		.e2e_p99_s = quantile(&t->e2e, 0.99),
		.e2e_all_p99_s = quantile(&t->e2e_all, 0.99),
		.slow_share = t->n_picked_then > 0 ? (double)t->n_faulty_then /
	                                                     (double)t->n_picked_then * n_servers
	                                           : 0,
		.join_p999_s = quantile(&t->joined, 0.999),
		.weight_swing = swing_of(t),
		.detected_s = t->detected_s,
	};
	if (t->n_picked_back > 0)
		result->join_share =
			(double)t->n_faulty_back / (double)t->n_picked_back * n_servers;
	count_classes(t, result);
	find_swing(&t->shares, result);
	free(t->e2e_all.at);
	free(t->ttft.at);
	free(t->e2e.at);
	free(t->joined.at);
	free(t);
}
