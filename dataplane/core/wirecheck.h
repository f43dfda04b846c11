// SPDX-License-Identifier: Apache-2.0
// Is a CONFIG or WEIGHTS body well-formed and meaningful? Pure; the body is a private copy.
#ifndef SLUICE_CORE_WIRECHECK_H
#define SLUICE_CORE_WIRECHECK_H

#include "sluice/ipc.h"
#include "sluice/wire.h"

// Verifies header (magic, version, kind, sizes, counts within limits, zero bytes) and every row:
// indices in range, contiguous pools, enums known, ports ordered, unique backend ids, no two VIP
// rows of one id with different address or overlapping equal-width ranges, family of VIP equal to
// its backends' (but for tunnels), DSR backends with port 0, weights <= SL_WEIGHT_MAX_MILLI, no id
// 0. body must be 8-byte aligned. Returns enum sl_ipc_status; reason gets the cause in words.
enum sl_ipc_status sl_wire_check(const void *body, size_t n_bytes, enum sl_wire_kind kind,
                                 char *reason, size_t reason_bytes);

// Rows of a checked body.
const struct sl_wire_vip *sl_wire_vips(const struct sl_wire_header *body);
const struct sl_wire_pool *sl_wire_pools(const struct sl_wire_header *body);
const struct sl_wire_backend *sl_wire_backends(const struct sl_wire_header *body);
const struct sl_wire_weight *sl_wire_weights(const struct sl_wire_header *body);

#endif
