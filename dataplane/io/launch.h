// SPDX-License-Identifier: Apache-2.0
// What has to be there before packets can flow: the compiled configuration, EAL, memory.
#ifndef SLUICE_IO_LAUNCH_H
#define SLUICE_IO_LAUNCH_H

#include "ports.h"

// Runs `sluice compile FILE` (beside this binary, in the build tree, or on PATH; $SLUICE_BIN wins)
// and verifies what it prints. 0 or -errno with the reason; its diagnostics go to standard error.
int sl_launch_config(const char *file, struct sl_dpconfig *config, struct sl_text *why);

// Directory of the running binary, for the XDP object and the sluice command.
int sl_launch_directory(char *directory, size_t n_bytes);

// rte_eal_init with what the configuration asks for: lcores on cpus, hugepages when there.
int sl_launch_eal(const struct sl_dpconfig *config, struct sl_text *why);

#endif
