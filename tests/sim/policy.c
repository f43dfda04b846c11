// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "world_private.h"

#define PEAK_TAU_S    10.0
#define PEAK_START_US 30000.0
#define PREQUAL_POOL  3 // probes a request
#define PREQUAL_HOT   0.5
#define KV_WEIGHT     128.0 // a full KV cache counts as much as so many waiting

const char *policy_name(enum policy policy)
{
	static const char *const names[POLICY_COUNT] = {
		"round-robin",  "weighted-probe", "least-connections", "two-choices", "peak-ewma",
		"prequal-like", "queue-50ms",     "queue-1s",          "phases",      "adaptive"};

	return names[policy];
}

static uint32_t below(struct world *w, uint32_t n)
{
	return (uint32_t)(((sl_random_next(&w->random) >> 32) * n) >> 32);
}

static bool is_there(const struct world *w, uint32_t server)
{
	return w->servers[server].is_up;
}

// Smooth weighted round-robin: everybody gains its weight, the richest pays the sum.
static uint32_t weighted(struct world *w, const double *weights)
{
	uint32_t best = NO_SERVER;
	double sum = 0;

	for (uint32_t s = 0; s < w->n_servers; s++) {
		if (!is_there(w, s))
			continue;
		w->round_robin[s] += weights[s];
		sum += weights[s];
		if (best == NO_SERVER || w->round_robin[s] > w->round_robin[best])
			best = s;
	}
	if (best != NO_SERVER)
		w->round_robin[best] -= sum;
	return best;
}

static uint32_t by_probe(struct world *w)
{
	double weights[WORLD_SERVERS_MAX];

	for (uint32_t s = 0; s < w->n_servers; s++)
		weights[s] = 1 / w->servers[s].rtt_us;
	return weighted(w, weights);
}

static uint32_t round_robin(struct world *w)
{
	double weights[WORLD_SERVERS_MAX];

	for (uint32_t s = 0; s < w->n_servers; s++)
		weights[s] = 1;
	return weighted(w, weights);
}

static void two_at_random(struct world *w, uint32_t two[2])
{
	do {
		two[0] = below(w, w->n_servers);
	} while (!is_there(w, two[0]));
	do {
		two[1] = below(w, w->n_servers);
	} while (!is_there(w, two[1]));
}

static uint32_t two_choices(struct world *w)
{
	uint32_t two[2];

	two_at_random(w, two);
	return w->servers[two[0]].n_open <= w->servers[two[1]].n_open ? two[0] : two[1];
}

static double peak_cost(const struct server *s, uint64_t now_ns)
{
	const double age_s = (double)(now_ns - s->peak_ns) / 1e9;
	const double peak_us =
		s->peak_ns == 0 ? PEAK_START_US : s->peak_us * exp(-age_s / PEAK_TAU_S);

	return fmax(peak_us, 1) * (s->n_open + 1);
}

static uint32_t peak_ewma(struct world *w)
{
	uint32_t two[2];

	two_at_random(w, two);
	return peak_cost(&w->servers[two[0]], w->now_ns) <=
	                       peak_cost(&w->servers[two[1]], w->now_ns)
	               ? two[0]
	               : two[1];
}

void policy_first_token(struct server *s, double ttft_us, uint64_t now_ns)
{
	const double age_s = (double)(now_ns - s->peak_ns) / 1e9;
	const double keep = exp(-age_s / PEAK_TAU_S);

	s->peak_us = s->peak_ns == 0 || ttft_us > s->peak_us * keep
	                     ? ttft_us
	                     : s->peak_us * keep + ttft_us * (1 - keep);
	s->peak_ns = now_ns;
	s->ttft_us = s->ttft_us == 0 ? ttft_us : s->ttft_us * 0.9 + ttft_us * 0.1;
}

// Of the servers probed: the fastest of those that are cold, else the one with the least in flight.
static uint32_t prequal(struct world *w)
{
	uint32_t probed[PREQUAL_POOL], best = NO_SERVER;
	uint32_t counts[WORLD_SERVERS_MAX], n = 0, hot;

	for (uint32_t s = 0; s < w->n_servers; s++) {
		uint32_t at = n++;

		for (; at > 0 && counts[at - 1] > w->servers[s].n_open; at--)
			counts[at] = counts[at - 1];
		counts[at] = w->servers[s].n_open;
	}
	hot = counts[(uint32_t)(PREQUAL_HOT * n)];
	for (uint32_t i = 0; i < PREQUAL_POOL; i++) {
		const struct server *s, *b;

		do {
			probed[i] = below(w, w->n_servers);
		} while (!is_there(w, probed[i]));
		s = &w->servers[probed[i]];
		b = best == NO_SERVER ? NULL : &w->servers[best];
		if (b == NULL || (s->n_open <= hot && b->n_open > hot) ||
		    (s->n_open <= hot && b->n_open <= hot && s->ttft_us < b->ttft_us) ||
		    (s->n_open > hot && b->n_open > hot && s->n_open < b->n_open))
			best = probed[i];
	}
	return best;
}

static uint32_t by_queue(struct world *w)
{
	const uint32_t start = below(w, w->n_servers);
	uint32_t best = NO_SERVER;
	double least = 0;

	for (uint32_t i = 0; i < w->n_servers; i++) {
		const uint32_t at = (start + i) % w->n_servers;
		const struct server *s = &w->servers[at];
		const double cost = s->scraped_queue + s->scraped_running / KV_WEIGHT +
		                    KV_WEIGHT * s->scraped_kv;

		if (is_there(w, at) && (best == NO_SERVER || cost < least)) {
			best = at;
			least = cost;
		}
	}
	return best;
}

void policy_scrape(struct world *w)
{
	for (uint32_t i = 0; i < w->n_servers; i++) {
		struct server *s = &w->servers[i];

		s->scraped_queue = s->engine.n_waiting;
		s->scraped_running = s->engine.n_running;
		s->scraped_kv = sl_engine_kv_usage(&s->engine);
	}
}

static struct sl_pick_least members_of(const struct world *w, const struct appliance *a)
{
	return (struct sl_pick_least){.backends = a->members,
	                              .inverse_weights = a->inverse_weights,
	                              .n_members = w->n_servers,
	                              .limit_flows = (uint32_t)w->scenario->cap};
}

// The production pick, over counts or over load.
static uint32_t ours(struct world *w, uint32_t worker, bool has_units)
{
	const struct sl_pick_least pl = members_of(w, &w->appliances[worker / w->n_workers]);
	struct worker *own = &w->workers[worker];
	struct sl_pick_load load = {.own = own->own, .others = own->others};
	bool is_limited;
	uint16_t server;

	if (has_units) {
		load.own_units = own->own_units;
		load.others_units = own->others_units;
	}
	server = sl_pick_least_next(&pl, &load, &own->cursor, &is_limited);
	return server == SL_NO_BACKEND ? NO_SERVER : server;
}

// Classes are ours alone; others take everybody up to the caps.
bool policy_admits(struct world *w, uint32_t worker, uint32_t rank)
{
	struct appliance *a = &w->appliances[worker / w->n_workers];
	const struct sl_pick_least pl = members_of(w, a);
	const struct sl_pick_load load = {.own_units = w->workers[worker].own_units,
	                                  .others_units = w->workers[worker].others_units};

	if (w->scenario->batch == 0 || w->policy < POLICY_PHASES)
		return true;
	return !sl_admission_is_refused(sl_admission_ask(&a->admission, a->trickles, rank,
	                                                 sl_admission_load(&pl, &load), w->now_ns));
}

uint32_t policy_pick(struct world *w, uint32_t worker)
{
	switch (w->policy) {
	case POLICY_ROUND_ROBIN:
		return round_robin(w);
	case POLICY_WEIGHTED_PROBE:
		return by_probe(w);
	case POLICY_TWO_CHOICES:
		return two_choices(w);
	case POLICY_PEAK_EWMA:
		return peak_ewma(w);
	case POLICY_PREQUAL:
		return prequal(w);
	case POLICY_QUEUE_50MS:
	case POLICY_QUEUE_1S:
		return by_queue(w);
	case POLICY_LEAST_CONNECTIONS:
		return ours(w, worker, false);
	default:
		return ours(w, worker, true);
	}
}
