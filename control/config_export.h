// SPDX-License-Identifier: Apache-2.0
// The schema table for other readers: editors (JSON Schema, see config.h) and people (Markdown).
#ifndef SLUICE_CONTROL_CONFIG_EXPORT_H
#define SLUICE_CONTROL_CONFIG_EXPORT_H

#include <stdbool.h>

// Tables of every key, its value, default and meaning (malloced text). NULL when out of memory.
char *sl_config_markdown(bool is_dataplane);

#endif
