// SPDX-License-Identifier: Apache-2.0
// Does a reply of the data plane keep the contract of sluice/ipc.h? Pure, so that it can be fuzzed.
#ifndef SLUICE_CONTROL_IPC_REPLY_H
#define SLUICE_CONTROL_IPC_REPLY_H

#include "sluice/ipc.h"

// NULL when it does, else what it breaks. n_bytes and n_fds are what came.
const char *sl_ipc_reply_check(const struct sl_ipc_request *asked, const struct sl_ipc_reply *reply,
                               size_t n_bytes, uint32_t n_fds);

#endif
