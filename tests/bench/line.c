// SPDX-License-Identifier: Apache-2.0
// How far apart the two cores are: a cache line is passed back and forth between them. Prints JSON,
// cycles of the TSC for one way. What a hand-over between workers costs hangs on it, and in a
// virtual machine it changes while the machine runs.
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#define N_PASSES 100000u

struct line {
	alignas(128) _Atomic uint64_t turn;
};

// Both must run at the same time, or they wait for each other.
static void claim_core(int core)
{
	const struct sched_param param = {.sched_priority = 1};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0 ||
	    sched_setscheduler(0, SCHED_FIFO, &param) != 0) {
		fputs("bench_line: needs two cores and root\n", stderr);
		exit(EXIT_FAILURE);
	}
}

static void pass(struct line *line, uint64_t parity)
{
	for (uint64_t i = 0; i < N_PASSES; i++) {
		while (atomic_load_explicit(&line->turn, memory_order_acquire) != 2 * i + parity)
			rte_pause();
		atomic_store_explicit(&line->turn, 2 * i + parity + 1, memory_order_release);
	}
}

static void *answer(void *line)
{
	claim_core(1);
	pass(line, 1);
	return NULL;
}

int main(void)
{
	struct line line = {0};
	pthread_t other;
	uint64_t before;

	if (pthread_create(&other, NULL, answer, &line) != 0)
		return EXIT_FAILURE;
	claim_core(0);
	before = rte_rdtsc();
	pass(&line, 0);
	printf("{\"one_way_cycles\": %.0f}\n", (double)(rte_rdtsc() - before) / (2 * N_PASSES));
	pthread_join(other, NULL);
	return EXIT_SUCCESS;
}
