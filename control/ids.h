// SPDX-License-Identifier: Apache-2.0
// 64-bit ids of named objects, the same in every process and after every restart; never 0.
#ifndef SLUICE_CONTROL_IDS_H
#define SLUICE_CONTROL_IDS_H

#include "sluice/types.h"

uint64_t sl_id_of_vip(const char *name);
uint64_t sl_id_of_pool(const char *name);
uint64_t sl_id_of_backend(const char *pool, const char *name, const struct sl_ip *address,
                          uint16_t port);

#endif
