// SPDX-License-Identifier: Apache-2.0
// Raw structs of a file without errors to the form the rest of Sluice uses.
#ifndef SLUICE_CONTROL_CONFIG_BUILD_H
#define SLUICE_CONTROL_CONFIG_BUILD_H

#include "config_raw.h"

// NULL when out of memory.
struct sl_model *sl_build_model(const struct raw_pools_file *file, const char *text,
                                size_t n_bytes);
void sl_build_dpconfig(const struct raw_dataplane_file *file, struct sl_dpconfig *out);

#endif
