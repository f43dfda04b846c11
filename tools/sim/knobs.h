// SPDX-License-Identifier: Apache-2.0
// What can be turned on a running server, and its JSON form.
#ifndef SLUICE_SIM_KNOBS_H
#define SLUICE_SIM_KNOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_KNOBS_WHY 120

enum sl_knobs_fail {
	SL_KNOBS_FAIL_NONE,
	SL_KNOBS_FAIL_ALL,       // every answer is a 500, health too
	SL_KNOBS_FAIL_INFERENCE, // health still says all is well: the sinkhole of ai-aware.md 2.3
};

struct sl_knobs {
	double slow;
	uint32_t hidden_load;
	enum sl_knobs_fail fail;
	bool is_hung;
	bool is_killed;
};

// Changes the knobs that the JSON object names, or, with -EINVAL and a reason, none.
int sl_knobs_apply(struct sl_knobs *knobs, const char *body, size_t len, char why[SL_KNOBS_WHY]);

// The caller frees it; NULL when there is no memory.
char *sl_knobs_json(const struct sl_knobs *knobs);

#endif
