// SPDX-License-Identifier: Apache-2.0
// Where a check of a body says why it refuses: the first cause wins and ends the check.
#ifndef SLUICE_CORE_WIRECHECK_PRIVATE_H
#define SLUICE_CORE_WIRECHECK_PRIVATE_H

#include "wirecheck.h"

struct wire_reason {
	char *text;
	size_t n_bytes;
};

__attribute__((format(printf, 3, 4))) enum sl_ipc_status
wire_refuse(const struct wire_reason *why, enum sl_ipc_status status, const char *format, ...);

// wirecheck_sets.c: what only rows together can break, after every row alone is known good.
enum sl_ipc_status wire_check_config_sets(const struct sl_wire_header *h,
                                          const struct wire_reason *why);
enum sl_ipc_status wire_check_weight_sets(const struct sl_wire_header *h,
                                          const struct wire_reason *why);

#endif
