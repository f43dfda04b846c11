// SPDX-License-Identifier: Apache-2.0
// The subject of tools/bench, and the captures that hold its flows.
#ifndef SLUICE_BENCH_SUBJECT_H
#define SLUICE_BENCH_SUBJECT_H

#include <semaphore.h>

#include "appliance.h"
#include "traffic.h"

#define BENCH_TOGETHER 1024 // connections whose packets are interleaved
#define BENCH_WORKERS  2
#define BENCH_SAMPLE   2000000 // packets of a capture at most, over all flows

enum kind { KIND_ESTABLISHED, KIND_CONNECTIONS, KIND_FLOOD }; // and crafted ones from here on
enum deal { DEAL_ONE, DEAL_OWN, DEAL_HANDED, DEAL_MIXED };    // which worker receives what

struct subject {
	struct sl_appliance a;
	struct bench_traffic traffic;
	enum kind kind;
	uint32_t n_flows;
	enum deal deal;
	uint32_t n_workers;
	const char *path, *socket;
	struct rte_ring *in, *out;
	struct sl_tuple *sent;          // by flow: how its packets leave us
	uint64_t cpu_ns[BENCH_WORKERS]; // of the last run
	sem_t go;                       // workers wait for each other and for the main core
};

_Noreturn void bench_die(const char *what);

// Of all captures together.
uint32_t bench_packets_of(const struct subject *s);

// The worker that has flow i and leads it where its packets went when it was made; n_workers: none.
uint32_t bench_owner_of(const struct subject *s, uint32_t flow);

// One capture for each worker.
void bench_capture_path(char *path, size_t n_bytes, const struct subject *s, uint32_t worker);
void bench_write_captures(struct subject *s);

#endif
