// SPDX-License-Identifier: Apache-2.0
// One run a line, as JSON, for tools/simulate to make tables of.
//
// Usage: sluice-sim-cluster --list | SCENARIO POLICY SEED SECONDS
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"

static void list(void)
{
	for (size_t i = 0; i < scenario_count(); i++)
		printf("scenario\t%s\t%s\n", scenario_at(i)->name, scenario_at(i)->what);
	for (int p = 0; p < POLICY_COUNT; p++)
		printf("policy\t%s\n", policy_name((enum policy)p));
}

static bool find_policy(const char *name, enum policy *policy)
{
	for (int p = 0; p < POLICY_COUNT; p++) {
		if (strcmp(policy_name((enum policy)p), name) == 0) {
			*policy = (enum policy)p;
			return true;
		}
	}
	return false;
}

static void print(const struct result *r)
{
	const struct {
		const char *name;
		double value;
	} figures[] = {
		{"ttft_p50", r->ttft_p50_s},
		{"ttft_p99", r->ttft_p99_s},
		{"ttft_p999", r->ttft_p999_s},
		{"e2e_p99", r->e2e_p99_s},
		{"e2e_all_p99", r->e2e_all_p99_s},
		{"slo", r->slo},
		{"slo_first", r->slo_class[0]},
		{"slo_second", r->slo_class[1]},
		{"refused_first", (double)r->n_refused_class[0]},
		{"refused_second", (double)r->n_refused_class[1]},
		{"slow_share", r->slow_share},
		{"join_p999", r->join_p999_s},
		{"weight_swing", r->weight_swing},
		{"share_swing", r->share_swing},
		{"share_swing_worst", r->share_swing_worst},
		{"share_noise", r->share_noise},
		{"detected", r->detected_s},
	};

	printf("{\"asked\": %lu, \"failed\": %lu, \"refused\": %lu", r->n_asked, r->n_failed,
	       r->n_refused);
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		printf(", \"%s\": %.5f", figures[i].name, figures[i].value);
	printf("}\n");
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct result r;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list();
		return EXIT_SUCCESS;
	}
	if (argc != 5 || (options.scenario = scenario_find(argv[1])) == NULL ||
	    !find_policy(argv[2], &options.policy)) {
		fprintf(stderr,
		        "usage: sluice-sim-cluster --list | SCENARIO POLICY SEED SECONDS\n");
		return EXIT_FAILURE;
	}
	options.seed = strtoull(argv[3], NULL, 10);
	options.duration_s = strtod(argv[4], NULL);
	world_run(&options, &r);
	print(&r);
	return EXIT_SUCCESS;
}
