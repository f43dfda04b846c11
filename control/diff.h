// SPDX-License-Identifier: Apache-2.0
// What changes between two configurations, by name, as lines for people. Pure.
//
// Lines:  "+ vip chat ...", "- backend llama/gpu-7 ...", "~ pool llama balance weighted -> maglev".
//         Order of the file does not matter: a moved line is no change.
#ifndef SLUICE_CONTROL_DIFF_H
#define SLUICE_CONTROL_DIFF_H

#include "model.h"
#include "text.h"

struct sl_diff {
	struct sl_text lines; // one per change, each ending in a newline
	uint32_t n_lines;
};

// before may be NULL: everything is new then.
void sl_diff_build(struct sl_diff *diff, const struct sl_model *before,
                   const struct sl_model *after);
void sl_diff_fini(struct sl_diff *diff);

#endif
