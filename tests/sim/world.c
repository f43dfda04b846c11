// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "world_private.h"

#define RTT_US          200.0
#define RATE_EACH_S     5.0
#define RATE_SPREAD     0.15 // of the logarithm of the rate
#define BYTES_A_TOKEN   4.5
#define BYTES_LEAST     500
#define SIZE_MAX_TOKENS 16384
#define DRAIN_S         30.0
#define SLOW_START_S    30.0
#define RAMP_LEAST      0.1
#define TOKEN_BYTES     262
#define SLO_TTFT_US     2e6

static void *need(void *mem)
{
	if (mem == NULL)
		abort();
	return mem;
}

// --- what passes on a connection ---

static struct worker *worker_of(struct world *w, const struct conn *c)
{
	return &w->workers[c->worker];
}

static struct sl_steer_seen *seen_of(struct world *w, const struct conn *c)
{
	return &w->seen[c->worker / w->n_workers][c->server];
}

static bool is_blind(const struct world *w)
{
	return w->now_ns >= NS(w->scenario->blackout_from_s) &&
	       w->now_ns < NS(w->scenario->blackout_to_s);
}

static void note(struct world *w, const struct conn *c, const struct sl_phase_told *told)
{
	struct sl_steer_seen *seen = seen_of(w, c);

	if (is_blind(w))
		return;
	if (told->ttft_us > 0) {
		seen->n_ttft++;
		seen->ttft_sum_us += told->ttft_us;
	}
	seen->n_tokens += told->n_tokens;
	seen->tpot_sum_us += (double)told->tpot_us * told->n_tokens;
}

static void pass(struct world *w, struct conn *c, enum sl_dir dir, const char *text,
                 uint32_t n_bytes)
{
	static const uint8_t filler[4096] = "data: ";
	struct worker *own = worker_of(w, c);
	const uint32_t before = sl_phase_load(&c->phase);
	struct sl_phase_segment seg = {.now_us = (uint32_t)(w->now_ns / 1000),
	                               .seq = c->seq,
	                               .n_bytes = n_bytes,
	                               .payload = text != NULL ? (const uint8_t *)text : filler,
	                               .dir = dir};
	struct sl_phase_told told = {0};

	sl_phase_segment(&c->phase, &seg, false, &told);
	if (dir == SL_DIR_C2S)
		c->seq += n_bytes;
	note(w, c, &told);
	own->own_units[c->server] += sl_phase_load(&c->phase) - before;
}

static struct conn *connect_to(struct world *w, uint32_t server, uint32_t worker)
{
	struct conn *c = need(calloc(1, sizeof(*c)));

	c->server = server;
	c->worker = worker;
	c->n_left = w->keep_alive;
	c->seq = 1;
	c->start_ns = w->now_ns;
	sl_phase_open(&c->phase, 0, (uint32_t)(w->now_ns / 1000), (uint32_t)(w->now_ns / 1000000));
	worker_of(w, c)->own[server]++;
	worker_of(w, c)->own_units[server] += sl_phase_load(&c->phase);
	seen_of(w, c)->n_connected++;
	tally_picked(w->tally, server, w->now_ns);
	return c;
}

static void disconnect(struct world *w, struct conn *c)
{
	struct sl_steer_seen *seen = seen_of(w, c);
	const uint64_t lasted_ns = w->now_ns - c->start_ns;

	worker_of(w, c)->own[c->server]--;
	worker_of(w, c)->own_units[c->server] -= sl_phase_load(&c->phase);
	seen->n_ended++;
	seen->duration_sum_us += (double)lasted_ns / 1000;
	seen->n_fleeting += lasted_ns < NS(0.1) && !c->phase.has_answered;
	free(c);
}

// --- requests ---

static void leave(struct world *w, struct request *r)
{
	struct server *s = r->conn != NULL ? &w->servers[r->conn->server] : NULL;

	if (s != NULL) {
		TAILQ_REMOVE(&s->open, r, link);
		s->n_open--;
	}
	free(r);
}

static void release(struct world *w, struct conn *c)
{
	if (c->n_left > 0)
		TAILQ_INSERT_TAIL(&w->idle, c, link);
	else
		disconnect(w, c);
}

static void on_token(void *ctx, struct sl_engine_seq *seq, uint64_t now_ns)
{
	struct world *w = ctx;
	struct request *r = (struct request *)(void *)seq;
	struct conn *c = r->conn;

	w->now_ns = now_ns;
	if (c == NULL) { // behind our back
		if (seq->produced_tokens == seq->output_tokens)
			free(r);
		return;
	}
	if (seq->produced_tokens == 1) {
		r->first_ns = now_ns;
		policy_first_token(&w->servers[c->server], (double)(now_ns - r->asked_ns) / 1000,
		                   now_ns);
	}
	pass(w, c, SL_DIR_S2C, NULL, TOKEN_BYTES);
	if (seq->produced_tokens < seq->output_tokens)
		return;
	pass(w, c, SL_DIR_S2C, "0\r\n\r\n", 5);
	tally_done(w->tally, r, now_ns);
	leave(w, r);
	release(w, c);
}

static uint32_t length(struct world *w, double mean, double spread)
{
	const double mu = log(mean) - spread * spread / 2;
	const double n = exp(mu + spread * sl_random_normal(&w->random));

	return (uint32_t)fmin(fmax(n, 1), SIZE_MAX_TOKENS);
}

// Fitted to the mean and the 99th percentile of the Azure LLM inference trace 2023: conversations
// (70 %) and code.
static void size_request(struct world *w, struct request *r)
{
	if (sl_random_unit(&w->random) < w->scenario->embeddings) {
		r->seq.prompt_tokens = length(w, 100, 0.5);
		r->seq.output_tokens = 1;
	} else if (sl_random_unit(&w->random) < 0.7) {
		r->seq.prompt_tokens = length(w, 1155, 0.636);
		r->seq.output_tokens = length(w, 211, 0.505);
	} else {
		r->seq.prompt_tokens = length(w, 2048, 0.644);
		r->seq.output_tokens = length(w, 28, 1.318);
	}
	r->n_bytes = BYTES_LEAST + (uint32_t)(r->seq.prompt_tokens * BYTES_A_TOKEN *
	                                      (0.8 + 0.4 * sl_random_unit(&w->random)));
}

static struct conn *find_conn(struct world *w, uint32_t rank)
{
	const uint32_t worker =
		(uint32_t)(sl_random_next(&w->random) % (w->n_workers * w->n_appliances));
	struct conn *c = TAILQ_FIRST(&w->idle);
	uint32_t server;

	if (c != NULL) {
		TAILQ_REMOVE(&w->idle, c, link);
		return c;
	}
	if (!policy_admits(w, worker, rank))
		return NULL;
	server = policy_pick(w, worker);
	return server != NO_SERVER ? connect_to(w, server, worker) : NULL;
}

static void fail_fast(struct world *w, struct conn *c)
{
	pass(w, c, SL_DIR_S2C, NULL, 120);
	tally_failed(w->tally);
	disconnect(w, c);
}

static void ask(struct world *w)
{
	const uint32_t rank =
		w->scenario->batch > 0 && sl_random_unit(&w->random) < w->scenario->batch;
	struct conn *c = find_conn(w, rank);
	struct request *r;
	struct server *s;

	tally_asked(w->tally, rank);
	if (c == NULL) {
		tally_refused(w->tally, rank);
		return;
	}
	r = need(calloc(1, sizeof(*r)));
	size_request(w, r);
	s = &w->servers[c->server];
	c->n_left--;
	pass(w, c, SL_DIR_C2S, "POST /v1/chat/completions", r->n_bytes);
	if (s->is_failing || !s->is_up) {
		free(r);
		fail_fast(w, c);
		return;
	}
	r->conn = c;
	r->rank = rank;
	r->asked_ns = w->now_ns;
	TAILQ_INSERT_TAIL(&s->open, r, link);
	s->n_open++;
	if (s->is_hanging)
		return;
	pass(w, c, SL_DIR_S2C, NULL, 310); // the header, at once
	if (sl_engine_submit(&s->engine, &r->seq, w->now_ns) != 0)
		abort();
}

static void ask_hidden(struct world *w)
{
	const uint32_t half = w->n_servers / 2;
	struct request *r = need(calloc(1, sizeof(*r)));
	struct server *s = &w->servers[half + sl_random_next(&w->random) % (w->n_servers - half)];

	size_request(w, r);
	if (sl_engine_submit(&s->engine, &r->seq, w->now_ns) != 0)
		abort();
}

// Clients that have waited too long for a first token give up.
static void give_up(struct world *w)
{
	for (uint32_t i = 0; i < w->n_servers; i++) {
		struct request *r, *next;

		for (r = TAILQ_FIRST(&w->servers[i].open); r != NULL; r = next) {
			struct conn *c = r->conn;

			next = TAILQ_NEXT(r, link);
			if (r->first_ns != 0 || w->now_ns - r->asked_ns < NS(PATIENCE_S))
				continue;
			sl_engine_cancel(&w->servers[i].engine, &r->seq);
			tally_failed(w->tally);
			leave(w, r);
			disconnect(w, c);
		}
	}
}

// --- balancers ---

static void sync_workers(struct world *w)
{
	for (uint32_t a = 0; a < w->n_appliances; a++) {
		struct worker *first = &w->workers[a * w->n_workers];

		for (uint32_t s = 0; s < w->n_servers; s++) {
			uint32_t flows = 0, units = 0;

			for (uint32_t i = 0; i < w->n_workers; i++) {
				flows += first[i].own[s];
				units += first[i].own_units[s];
			}
			for (uint32_t i = 0; i < w->n_workers; i++) {
				first[i].others[s] = flows - first[i].own[s];
				first[i].others_units[s] = units - first[i].own_units[s];
			}
		}
	}
}

static double ramp_of(const struct world *w, const struct server *s)
{
	const double since_s = (double)(w->now_ns - s->up_ns) / 1e9;

	if (s->up_ns == 0 || w->policy < POLICY_PHASES || since_s >= SLOW_START_S)
		return 1;
	return fmax(RAMP_LEAST, since_s / SLOW_START_S);
}

static uint32_t oldest_us(const struct world *w, const struct server *s, uint32_t appliance)
{
	struct request *r;

	TAILQ_FOREACH(r, &s->open, link)
	{
		if (r->first_ns == 0 && r->conn->worker / w->n_workers == appliance)
			return (uint32_t)((w->now_ns - r->asked_ns) / 1000);
	}
	return 0;
}

// As many as take new flows have room.
static void set_ceilings(const struct world *w, struct appliance *a)
{
	struct sl_admission_rule rule = {.kind = w->scenario->admission,
	                                 .n_ranks = WORLD_CLASSES,
	                                 .floor_milli = 800,
	                                 .cap_flows = (uint32_t)w->scenario->cap,
	                                 .trickle = {0, w->scenario->trickle_rps}};

	for (uint32_t s = 0; s < w->n_servers; s++)
		rule.n_backends += a->inverse_weights[s] != 0;
	if (sl_admission_build(&a->admission, &rule) != 0)
		abort();
}

static void steer(struct world *w, uint32_t appliance)
{
	struct appliance *a = &w->appliances[appliance];
	bool takes[WORLD_SERVERS_MAX];

	for (uint32_t s = 0; s < w->n_servers; s++) {
		struct sl_steer_seen *seen = &w->seen[appliance][s];

		takes[s] = w->servers[s].is_up;
		seen->oldest_us = is_blind(w) ? 0 : oldest_us(w, &w->servers[s], appliance);
	}
	sl_steer_tick(&a->steer, w->seen[appliance], takes, w->now_ns);
	memset(w->seen[appliance], 0, sizeof(w->seen[appliance]));
	for (uint32_t s = 0; s < w->n_servers; s++) {
		const double factor = w->policy == POLICY_ADAPTIVE ? a->steer.factors[s] : 1;
		const double ramp = ramp_of(w, &w->servers[s]);
		const double milli = takes[s] ? fmax(factor * ramp * 100 * 1000, factor > 0) : 0;

		a->inverse_weights[s] = sl_pick_inverse_weight((uint32_t)milli);
	}
	set_ceilings(w, a);
	if (appliance == 0)
		tally_weights(w->tally, &a->steer, w->now_ns);
}

// Answers that have ended without telling, on connections that are kept.
static void sweep(struct world *w)
{
	struct conn *c;

	TAILQ_FOREACH(c, &w->idle, link)
	{
		const uint32_t before = sl_phase_load(&c->phase);
		struct sl_phase_told told = {0};

		sl_phase_check(&c->phase, (uint32_t)(w->now_ns / 1000), &told);
		note(w, c, &told);
		worker_of(w, c)->own_units[c->server] += sl_phase_load(&c->phase) - before;
	}
}

// --- the world ---

static void apply_fault(struct world *w, const struct fault *f)
{
	struct server *s = &w->servers[f->server];
	const bool is_on = w->now_ns >= NS(f->from_s) && w->now_ns < NS(f->to_s);
	const double phase_s = fmod((double)w->now_ns / 1e9, 15);

	switch (f->kind) {
	case FAULT_SLOW:
		sl_engine_set_slow(&s->engine, is_on ? f->factor : 1);
		break;
	case FAULT_FAST_FAIL:
		s->is_failing = is_on;
		break;
	case FAULT_FLAP:
		s->is_failing = is_on && phase_s < 5;
		break;
	case FAULT_HANG:
		s->is_hanging = is_on;
		break;
	case FAULT_ABSENT:
		if (!s->is_up && !is_on)
			s->up_ns = w->now_ns;
		s->is_up = !is_on;
		break;
	default:
		break;
	}
}

static void tick(struct world *w)
{
	for (uint32_t i = 0; i < 2; i++) {
		if (w->scenario->faults[i].kind != FAULT_NONE)
			apply_fault(w, &w->scenario->faults[i]);
	}
	for (uint32_t a = 0; a < w->n_appliances; a++)
		steer(w, a);
	for (uint32_t s = 0; s < w->n_servers; s++) // a probe's noise; it knows nothing of the GPU
		w->servers[s].rtt_us = RTT_US * (0.9 + 0.2 * sl_random_unit(&w->random));
	give_up(w);
}

static double rate_now(const struct world *w)
{
	double rate = w->scenario->rate_rps * w->rate_factor;

	if (w->scenario->burst_factor > 0 && fmod((double)w->now_ns / 1e9, 60) < 10)
		rate *= w->scenario->burst_factor;
	return rate;
}

static void new_rate(struct world *w)
{
	w->rate_factor =
		exp(RATE_SPREAD * sl_random_normal(&w->random) - RATE_SPREAD * RATE_SPREAD / 2);
}

static uint64_t after(struct world *w, double rate)
{
	return w->now_ns + NS(sl_random_exponential(&w->random, 1 / rate)) + 1;
}

static bool is_due(uint64_t *next_ns, uint64_t now_ns, uint64_t period_ns)
{
	if (*next_ns > now_ns)
		return false;
	*next_ns += period_ns;
	return true;
}

static uint64_t earliest(const struct world *w, uint32_t *server)
{
	const uint64_t times[] = {w->next_arrival_ns, w->next_hidden_ns, w->next_sync_ns,
	                          w->next_tick_ns,    w->next_sweep_ns,  w->next_scrape_ns,
	                          w->next_rate_ns};
	uint64_t first = UINT64_MAX;

	*server = NO_SERVER;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		first = times[i] < first ? times[i] : first;
	for (uint32_t s = 0; s < w->n_servers; s++) {
		if (sl_engine_next_ns(&w->servers[s].engine) < first && !w->servers[s].is_hanging) {
			first = sl_engine_next_ns(&w->servers[s].engine);
			*server = s;
		}
	}
	return first;
}

static void run_timers(struct world *w)
{
	const double sync_ms = w->scenario->sync_ms > 0 ? w->scenario->sync_ms : 1;
	const bool is_1s = w->policy == POLICY_QUEUE_1S;

	if (w->next_arrival_ns <= w->now_ns) {
		ask(w);
		w->next_arrival_ns = after(w, rate_now(w));
		if (w->next_arrival_ns >= w->end_ns)
			w->next_arrival_ns = UINT64_MAX;
	}
	if (w->next_hidden_ns <= w->now_ns) {
		ask_hidden(w);
		w->next_hidden_ns =
			after(w, w->scenario->hidden_rps * (w->n_servers - w->n_servers / 2));
		if (w->next_hidden_ns >= w->end_ns)
			w->next_hidden_ns = UINT64_MAX;
	}
	if (is_due(&w->next_sync_ns, w->now_ns, NS(sync_ms / 1000)))
		sync_workers(w);
	if (is_due(&w->next_tick_ns, w->now_ns, NS(0.25)))
		tick(w);
	if (is_due(&w->next_sweep_ns, w->now_ns, NS(0.1)))
		sweep(w);
	if (is_due(&w->next_scrape_ns, w->now_ns, NS(is_1s ? 1 : 0.05)) && !is_blind(w))
		policy_scrape(w);
	if (is_due(&w->next_rate_ns, w->now_ns, NS(RATE_EACH_S)))
		new_rate(w);
}

static void start(struct world *w, const struct options *options)
{
	const struct scenario *sc = options->scenario;

	w->scenario = sc;
	w->policy = options->policy;
	w->end_ns = NS(options->duration_s);
	w->random = options->seed;
	w->n_servers = sc->n_servers > 0 ? sc->n_servers : 16;
	w->n_workers = sc->n_workers > 0 ? sc->n_workers : 1;
	w->n_appliances = sc->n_appliances > 0 ? sc->n_appliances : 1;
	w->keep_alive = sc->keep_alive > 0 ? sc->keep_alive : 1;
	w->tally = tally_new(options);
	w->next_hidden_ns = sc->hidden_rps > 0 ? 1 : UINT64_MAX;
	w->next_sync_ns = w->n_workers > 1 ? 1 : UINT64_MAX;
	w->next_tick_ns = 1; // sets weights before anybody asks
	w->next_arrival_ns = NS(0.001);
	w->rate_factor = 1;
	TAILQ_INIT(&w->idle);
	for (uint32_t s = 0; s < w->n_servers; s++) {
		struct sl_engine_config config = sl_engine_default_config(128);

		config.seed = options->seed * 1000 + s;
		config.jitter_milli = 50;
		if (s >= w->n_servers / 2 && sc->slow_factor > 0)
			config.time_scale = sc->slow_factor;
		sl_engine_init(&w->servers[s].engine, &config, on_token, w);
		TAILQ_INIT(&w->servers[s].open);
		w->servers[s].is_up = true;
		w->servers[s].rtt_us = RTT_US;
	}
	for (uint32_t a = 0; a < w->n_appliances; a++) {
		if (sl_steer_init(&w->appliances[a].steer, w->n_servers) != 0)
			abort();
		w->appliances[a].steer.slo_ttft_us = SLO_TTFT_US;
		for (uint32_t s = 0; s < w->n_servers; s++)
			w->appliances[a].members[s] = (uint16_t)s;
	}
}

// Requests of others are known to the engine alone.
static void free_hidden(struct sl_engine *engine)
{
	struct sl_engine_queue *const queues[] = {&engine->waiting, &engine->running};

	for (size_t q = 0; q < 2; q++) {
		struct sl_engine_seq *seq, *next;

		for (seq = TAILQ_FIRST(queues[q]); seq != NULL; seq = next) {
			next = TAILQ_NEXT(seq, link);
			if (((struct request *)(void *)seq)->conn == NULL)
				free(seq);
		}
	}
}

// Who still waits has waited at least until now.
static void finish(struct world *w)
{
	struct request *r, *next;
	struct conn *c;

	for (uint32_t s = 0; s < w->n_servers; s++) {
		free_hidden(&w->servers[s].engine);
		for (r = TAILQ_FIRST(&w->servers[s].open); r != NULL; r = next) {
			next = TAILQ_NEXT(r, link);
			if (r->first_ns == 0)
				r->first_ns = w->now_ns;
			tally_done(w->tally, r, w->now_ns + NS(PATIENCE_S));
			free(r->conn);
			free(r);
		}
	}
	while ((c = TAILQ_FIRST(&w->idle)) != NULL) {
		TAILQ_REMOVE(&w->idle, c, link);
		free(c);
	}
	for (uint32_t a = 0; a < w->n_appliances; a++)
		sl_steer_fini(&w->appliances[a].steer);
}

void world_run(const struct options *options, struct result *result)
{
	struct world *w = need(calloc(1, sizeof(*w)));
	uint64_t stop_ns;

	start(w, options);
	stop_ns = w->end_ns + NS(DRAIN_S);
	for (;;) {
		uint32_t server;
		const uint64_t next_ns = earliest(w, &server);

		if (next_ns >= stop_ns)
			break;
		w->now_ns = next_ns;
		if (server != NO_SERVER)
			sl_engine_run(&w->servers[server].engine, next_ns);
		else
			run_timers(w);
	}
	w->now_ns = stop_ns;
	finish(w);
	tally_finish(w->tally, result);
	free(w);
}
