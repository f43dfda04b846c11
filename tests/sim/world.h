// SPDX-License-Identifier: Apache-2.0
// A virtual cluster: servers that batch (tools/sim/engine.h), clients that ask, and load balancers
// in between, in virtual time. The balancers' decisions are the production code: the pick
// (core/pick.h), the phases (core/phase.h) and the steering of control (control/steer.h).
//
// Shape:   arrivals are a modulated Poisson process; each request gets a connection, and with it a
//          server, or uses an idle one of a keep-alive pool. What passes on it is fed to the phase
//          machine segment by segment, as packets would be.
// Balancers: several appliances share nothing; workers of one share counts at sync_ns.
// Time:    nanoseconds from 0. Same seed, same run.
// Honest limits: constants of the servers are guesses (ai-aware.md 2.5), there is no network but a
//          fixed delay, and prefix caches are not modelled.
#ifndef SLUICE_TESTS_SIM_WORLD_H
#define SLUICE_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "admission.h"
#include "engine.h"
#include "phase.h"
#include "steer.h"

#define WORLD_SERVERS_MAX 128
#define WORLD_WORKERS_MAX 32
#define WORLD_CLASSES     2
#define SWING_WINDOW_S    60.0

enum policy {
	POLICY_ROUND_ROBIN,
	POLICY_WEIGHTED_PROBE,    // weighted round-robin by 1 / connect latency
	POLICY_LEAST_CONNECTIONS, // ours, exact
	POLICY_TWO_CHOICES,       // least connections of two at random
	POLICY_PEAK_EWMA,         // two choices, peak EWMA of the first response x (active + 1)
	POLICY_PREQUAL,           // hot and cold by requests in flight, three probes a request
	POLICY_QUEUE_50MS,        // argmin of scraped queue and KV, 50 ms old at most
	POLICY_QUEUE_1S,
	POLICY_PHASES,   // ours without weights and guards
	POLICY_ADAPTIVE, // ours
	POLICY_COUNT
};
const char *policy_name(enum policy policy);

enum fault_kind {
	FAULT_NONE,
	FAULT_SLOW,      // steps take factor times as long
	FAULT_FAST_FAIL, // takes connections, answers an error at once
	FAULT_HANG,      // takes connections, answers nothing; /health says 200
	FAULT_ABSENT,    // is not there, and comes back cold
	FAULT_FLAP,      // fast-fails for 5 s of every 15 s
};

struct fault {
	enum fault_kind kind;
	uint32_t server;
	double factor;
	double from_s, to_s;
};

struct scenario {
	const char *name, *what;
	uint32_t n_servers; // 0 = 16
	double rate_rps;    // of requests, over all appliances
	double slow_factor; // of the second half of the servers; 0 = 1
	double hidden_rps;  // asked of each of the second half by others, behind our back
	struct fault faults[2];
	double burst_factor;                   // rate x this for 10 s of each 60 s; 0 = 1
	double embeddings;                     // share of requests that are short
	uint32_t keep_alive;                   // requests per connection; 0 = 1
	uint32_t n_workers;                    // 0 = 1
	uint32_t n_appliances;                 // 0 = 1
	double sync_ms;                        // of counts between workers; 0 = 1
	double cap;                            // flows' worth per server; 0 = none
	double batch;                          // share of requests of the second class
	enum sl_admission_kind admission;      // of classes, by ours; needs cap
	uint32_t trickle_rps;                  // of the second class
	double blackout_from_s, blackout_to_s; // no latency is seen, nothing can be scraped
};

struct options {
	const struct scenario *scenario;
	enum policy policy;
	uint64_t seed;
	double duration_s;
};

struct result {
	uint64_t n_asked, n_failed, n_refused;                 // refused: by admission
	double ttft_p50_s, ttft_p99_s, ttft_p999_s, e2e_p99_s; // of those answered
	double e2e_all_p99_s; // of all asked and let in: who fails took a client's patience
	double slo; // share of all asked with TTFT <= 2 s and mean time per token <= 100 ms
	double slo_class[WORLD_CLASSES]; // the same of one class
	uint64_t n_asked_class[WORLD_CLASSES], n_refused_class[WORLD_CLASSES];
	double slow_share; // of new flows to the faulty server in its seconds 10 to 20, by its fair
	                   // share
	double join_p999_s;  // TTFT in the 60 s after a server came back
	double join_share;   // of new flows to it 30 to 60 s after it came back, by its fair share
	double weight_swing; // worst standard deviation / mean of a weight over the second half
	double share_swing; // standard deviation / mean of a server's share of new flows in windows
	                    // of SWING_WINDOW_S, once the last fault's end is a minute past:
	                    // over all servers, and the worst one's
	double share_swing_worst;
	double share_noise; // what picks at random by the same shares would show instead
	double detected_s;  // from the fault to the first ejection; -1 = never
};

// Runs it to the end.
void world_run(const struct options *options, struct result *result);

#endif
