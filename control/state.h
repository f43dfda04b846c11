// SPDX-License-Identifier: Apache-2.0
// The state directory: small files that survive a restart, each replaced whole or not at all.
//
// Files:  last-good.yaml (the last configuration the data plane took), overrides.json (what
//         operators said), generation (the last number given to a configuration).
// Crash:  temporary file, fsync, rename, fsync of the directory: after a power cut a reader finds
//         the old file or the new one.
// Errors: 0 or -errno. Thread: the control loop.
#ifndef SLUICE_CONTROL_STATE_H
#define SLUICE_CONTROL_STATE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define SL_STATE_LAST_GOOD  "last-good.yaml"
#define SL_STATE_OVERRIDES  "overrides.json"
#define SL_STATE_GENERATION "generation"

// Full path of a file of the directory. 0 or -ENAMETOOLONG.
int sl_state_path(const char *dir, const char *name, char path[PATH_MAX]);

int sl_state_write(const char *dir, const char *name, const void *data, size_t n_bytes);

// 0 when there is none yet or it holds no number: the data plane's own is then the only source.
uint64_t sl_state_read_generation(const char *dir);
int sl_state_write_generation(const char *dir, uint64_t generation);

#endif
