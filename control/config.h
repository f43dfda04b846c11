// SPDX-License-Identifier: Apache-2.0
// Reading pools.yaml and dataplane.yaml: libyaml for the syntax, one schema table for the rest.
//
// Errors: all of them at once (50 at most), each with file:line:column, the line, a caret line and,
// for a misspelt
//         word, the nearest valid one. NULL or -EINVAL then; nothing partial is ever returned.
// Limits: 16 MB, depth 16; NUL bytes, aliases, anchors, tags, several documents, duplicate keys are
// errors. Thread: any; no globals.
#ifndef SLUICE_CONTROL_CONFIG_H
#define SLUICE_CONTROL_CONFIG_H

#include <stdio.h>

#include "model.h"
#include "sluice/dpconfig.h"

struct sl_diagnostics {
	char *text; // whole report, ready to print; owned, free with sl_diagnostics_fini
	size_t n_bytes;
	uint32_t n_errors, n_warnings;
};
void sl_diagnostics_fini(struct sl_diagnostics *diag);

// text need not be NUL-terminated; file_name is for messages only.
struct sl_model *sl_config_parse_pools(const char *file_name, const char *text, size_t n_bytes,
                                       struct sl_diagnostics *diag);
int sl_config_parse_dataplane(const char *file_name, const char *text, size_t n_bytes,
                              struct sl_dpconfig *out, struct sl_diagnostics *diag);

// Reads a regular file of at most 16 MB into malloced memory. NULL with a diagnostic otherwise.
char *sl_config_read_file(const char *file_name, size_t *n_bytes, struct sl_diagnostics *diag);

// The schema table as JSON Schema 2020-12 (malloced text).
char *sl_config_json_schema(bool is_dataplane);

#endif
