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
	printf("{\"asked\": %lu, \"failed\": %lu, \"refused\": %lu, \"ttft_p50\": %.4f, "
	       "\"ttft_p99\": %.4f, "
	       "\"ttft_p999\": %.4f, \"e2e_p99\": %.3f, \"slo\": %.5f, \"slow_share\": %.4f, "
	       "\"join_p999\": %.4f, \"weight_swing\": %.4f, \"detected\": %.2f}\n",
	       r.n_asked, r.n_failed, r.n_refused, r.ttft_p50_s, r.ttft_p99_s, r.ttft_p999_s,
	       r.e2e_p99_s, r.slo, r.slow_share, r.join_p999_s, r.weight_swing, r.detected_s);
	return EXIT_SUCCESS;
}
