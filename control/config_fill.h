// SPDX-License-Identifier: Apache-2.0
// Tree of nodes + schema table -> raw structs: every key looked up, every value parsed, defaults
// put in, every violation reported.
#ifndef SLUICE_CONTROL_CONFIG_FILL_H
#define SLUICE_CONTROL_CONFIG_FILL_H

#include "config_raw.h"
#include "config_schema.h"

struct sl_fill {
	struct sl_arena *arena;
	struct sl_diag_list *diag;
	bool is_out_of_memory;
};

// out: the struct of the object, zeroed. node NULL gives defaults alone.
void sl_fill_object(struct sl_fill *fill, const struct sl_schema_object *object,
                    struct sl_node *node, void *out);

#endif
