// SPDX-License-Identifier: Apache-2.0
// What choosing among 64 backends costs, by algorithm; prints JSON, nanoseconds of CPU time.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "hash.h"
#include "pick.h"
#include "sluice/units.h"

#define N_MEMBERS 64
#define N_PICKS   2000000u

struct table {
	struct sl_pick_member members[N_MEMBERS];
	uint16_t backends[N_MEMBERS], leaves[N_MEMBERS], *maglev;
	uint32_t inverse_weights[N_MEMBERS], own[N_MEMBERS], others[N_MEMBERS], lefts[N_MEMBERS];
	uint64_t sums[2 * N_MEMBERS];
	struct sl_pick_turns turns;
};

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * SL_NS_PER_S + (uint64_t)t.tv_nsec;
}

static double weighted(struct table *t)
{
	uint64_t before_ns = cpu_ns();
	uint32_t cursor = 0;

	for (uint32_t i = 0; i < N_PICKS; i++)
		t->own[sl_pick_turns_next(&t->turns, &cursor)]++;
	return (double)(cpu_ns() - before_ns) / N_PICKS;
}

static double maglev(struct table *t)
{
	const struct sl_hash_key key = {1, 2};
	uint64_t before_ns = cpu_ns();

	for (uint64_t i = 0; i < N_PICKS; i++) {
		const uint64_t client[3] = {i, i * 3, i * 5}; // as long as the real one

		t->own[sl_pick_maglev(t->maglev, SL_PICK_MAGLEV_SLOTS,
		                      sl_siphash13(&key, client, sizeof(client)))]++;
	}
	return (double)(cpu_ns() - before_ns) / N_PICKS;
}

static double least(struct table *t)
{
	const struct sl_pick_least least = {t->backends, t->inverse_weights, N_MEMBERS, 0};
	const struct sl_pick_load load = {t->own, t->others};
	uint64_t before_ns = cpu_ns();
	uint32_t cursor = 0;
	bool is_limited;

	for (uint32_t i = 0; i < N_PICKS; i++)
		t->own[sl_pick_least_next(&least, &load, &cursor, &is_limited)]++;
	return (double)(cpu_ns() - before_ns) / N_PICKS;
}

int main(void)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return EXIT_FAILURE;
	t->maglev = calloc(SL_PICK_MAGLEV_SLOTS, sizeof(*t->maglev));
	for (uint16_t i = 0; i < N_MEMBERS; i++) {
		t->members[i] = (struct sl_pick_member){sl_mix64(i + 1), 500u + i * 20u, i};
		t->backends[i] = i;
		t->inverse_weights[i] = sl_pick_inverse_weight(t->members[i].weight_milli);
	}
	t->turns = (struct sl_pick_turns){
		t->lefts, t->leaves,
		sl_pick_turns_build(t->lefts, t->leaves, t->sums, t->members, N_MEMBERS)};
	if (t->maglev == NULL ||
	    sl_pick_maglev_build(t->maglev, SL_PICK_MAGLEV_SLOTS, t->members, N_MEMBERS) != 0)
		return EXIT_FAILURE;
	printf("{\"weighted\": %.2f, ", weighted(t));
	printf("\"maglev\": %.2f, ", maglev(t));
	printf("\"least-connections\": %.2f}\n", least(t));
	free(t->maglev);
	free(t);
	return EXIT_SUCCESS;
}
