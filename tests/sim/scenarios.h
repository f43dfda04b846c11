// SPDX-License-Identifier: Apache-2.0
// The clusters and troubles that policies are compared in. S1 to S5 are those of ai-aware.md 2.5.
#ifndef SLUICE_TESTS_SIM_SCENARIOS_H
#define SLUICE_TESTS_SIM_SCENARIOS_H

#include "world.h"

#include <stddef.h>

size_t scenario_count(void);
const struct scenario *scenario_at(size_t i);
const struct scenario *scenario_find(const char *name); // NULL when there is none

#endif
