// SPDX-License-Identifier: Apache-2.0
// Inside of the virtual cluster: world.c (time and requests), policy.c (choices), tally.c
// (results).
#ifndef SLUICE_TESTS_SIM_WORLD_PRIVATE_H
#define SLUICE_TESTS_SIM_WORLD_PRIVATE_H

#include <sys/queue.h>

#include "pick.h"
#include "random.h"
#include "world.h"

#define NS(seconds) ((uint64_t)((seconds)*1e9))
#define PATIENCE_S  60.0 // of a client for its first token

// A connection through a balancer.
struct conn {
	TAILQ_ENTRY(conn) link; // of idle ones, or of spare memory
	struct sl_phase_flow phase;
	uint32_t server, worker; // worker: over all appliances
	uint32_t n_left;         // requests it may still carry
	uint32_t seq;            // of the client
	uint64_t start_ns;
	bool is_hidden; // not through us
};
TAILQ_HEAD(conns, conn);

struct request {
	struct sl_engine_seq seq; // first: the engine hands this back
	TAILQ_ENTRY(request) link;
	struct conn *conn;
	uint64_t asked_ns, first_ns;
	uint32_t n_bytes;
	uint32_t rank;
};
TAILQ_HEAD(requests, request);

struct server {
	struct sl_engine engine;
	struct requests open;
	uint32_t n_open; // through us
	bool is_up, is_failing, is_hanging;
	double rtt_us;
	uint64_t up_ns; // when it came back
	// --- what clients of other policies know ---
	double peak_us;
	uint64_t peak_ns;
	double ttft_us; // recent, of its own
	uint32_t scraped_queue;
	double scraped_kv;
	uint32_t scraped_running;
};

struct appliance {
	struct sl_steer steer;
	uint16_t members[WORLD_SERVERS_MAX];
	uint32_t inverse_weights[WORLD_SERVERS_MAX];
	uint32_t cursor;
	struct sl_admission admission;
	sl_limit_cell trickles[SL_ADMISSION_RANKS];
};

struct worker {
	uint32_t own[WORLD_SERVERS_MAX], others[WORLD_SERVERS_MAX];
	uint32_t own_units[WORLD_SERVERS_MAX], others_units[WORLD_SERVERS_MAX];
	uint32_t cursor;
};

struct tally;

struct world {
	const struct scenario *scenario;
	enum policy policy;
	uint64_t now_ns, end_ns, random;
	uint32_t n_servers, n_workers, n_appliances, keep_alive;
	struct server servers[WORLD_SERVERS_MAX];
	struct appliance appliances[4];
	struct worker workers[WORLD_WORKERS_MAX * 4];
	struct sl_steer_seen seen[4][WORLD_SERVERS_MAX];
	struct conns idle; // of keep-alive
	uint64_t next_arrival_ns, next_hidden_ns, next_sync_ns, next_tick_ns, next_sweep_ns,
		next_scrape_ns, next_rate_ns;
	double rate_factor;
	double round_robin[WORLD_SERVERS_MAX]; // credits of smooth weighted round-robin
	struct tally *tally;
};

// policy.c
#define NO_SERVER UINT32_MAX
uint32_t policy_pick(struct world *w, uint32_t worker);
bool policy_admits(struct world *w, uint32_t worker, uint32_t rank);
void policy_scrape(struct world *w);
void policy_first_token(struct server *s, double ttft_us, uint64_t now_ns);

// tally.c
struct tally *tally_new(const struct options *options);
void tally_asked(struct tally *t, uint32_t rank);
void tally_refused(struct tally *t, uint32_t rank);
void tally_failed(struct tally *t);
void tally_picked(struct tally *t, uint32_t server, uint64_t now_ns);
void tally_done(struct tally *t, const struct request *r, uint64_t now_ns);
void tally_weights(struct tally *t, const struct sl_steer *steer, uint64_t now_ns);
void tally_finish(struct tally *t, struct result *result); // frees

#endif
