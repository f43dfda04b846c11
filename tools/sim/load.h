// SPDX-License-Identifier: Apache-2.0
// The open-loop client. load.c decides when a request is due; call.c carries one out over libcurl.
//
// Arrivals are a Poisson process that waits for nobody, and every latency counts from the scheduled
// arrival, so a client that falls behind reports worse figures, not better ones.
#ifndef SLUICE_SIM_LOAD_H
#define SLUICE_SIM_LOAD_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#include "addr.h"
#include "loadstats.h"
#include "loop.h"
#include "sizes.h"
#include "sse.h"

struct sl_load_settings {
	struct sl_addr target;
	double rate;        // requests a second
	double rate_spread; // of the rate's logarithm
	uint32_t duration_ms, drain_ms, timeout_ms;
	uint32_t slo_ttft_ms, slo_tpot_ms;
	bool is_keep_alive, is_http2, is_tls;
	const char *trace_path, *json_path, *live_path;
	uint64_t seed;
};

struct sl_load;

struct sl_call {
	TAILQ_ENTRY(sl_call) link; // on load->calls, or on load->spare
	struct sl_load *load;
	CURL *easy;
	char *body;
	size_t body_size;
	struct sl_sse sse;
	uint64_t scheduled_ns, sent_ns, first_ns, last_ns; // sent: the request's header
	uint32_t n_tokens;
	bool is_done; // [DONE] came
	char backend[SL_LOAD_NAME];
};

TAILQ_HEAD(sl_calls, sl_call);

struct sl_load {
	struct sl_load_settings settings;
	struct sl_loop loop;
	struct sl_load_stats stats;
	struct sl_sizes sizes;
	CURLM *multi;
	struct curl_slist *headers;
	struct sl_calls calls, spare;
	uint64_t in_flight;
	uint64_t start_ns, next_arrival_ns, next_tick_ns, curl_due_ns;
	uint64_t end_ns, drain_end_ns;
	uint64_t random, rate_random;
	double rate; // now
	uint64_t next_rate_ns;
	FILE *live;
	bool is_terminal;
};

int sl_calls_init(struct sl_load *load);
void sl_calls_fini(struct sl_load *load);

// Sends one request whose arrival was due at scheduled_ns.
int sl_call_start(struct sl_load *load, const struct sl_size *size, uint64_t scheduled_ns);

// What libcurl asked to be done when load->curl_due_ns comes.
void sl_calls_timeout(struct sl_load *load);

// Gives up what is still under way and counts it as timed out.
void sl_calls_abandon(struct sl_load *load);

// Sets the loop's deadline to whatever is due first.
void sl_load_schedule(struct sl_load *load);

#endif
