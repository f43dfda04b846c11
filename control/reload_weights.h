// SPDX-License-Identifier: Apache-2.0
// The weights a configuration starts with, before the fleet knows it. Pure.
//
// A backend that stays keeps its ratio of effective to configured weight: one that is down stays at
// 0, one that was slow stays low. The fleet is asked, not changed, so that a configuration the data
// plane refuses leaves no trace.
#ifndef SLUICE_CONTROL_RELOAD_WEIGHTS_H
#define SLUICE_CONTROL_RELOAD_WEIGHTS_H

#include "fleet.h"

// before may be NULL. Malloced, by backend of after; NULL without memory.
uint32_t *sl_reload_weights(const struct sl_model *before, const struct sl_fleet *fleet,
                            const struct sl_model *after);

#endif
