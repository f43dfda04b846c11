// SPDX-License-Identifier: Apache-2.0
// What the XDP program of a shared port would do with a packet: the very functions of
// dataplane/xdp/sluice_xdp.bpf.c, compiled for this machine, with arrays in place of its maps.
//
// Rows:   VIPs and port addresses are ours, kernel[] is the kernel's (it wins, as in the loader),
//         backends by the ports their replies come from.
// Thread: read-only once built; a lookup names its rules in a thread-local.
#ifndef SLUICE_REPLAY_XDP_RULES_H
#define SLUICE_REPLAY_XDP_RULES_H

#include "sluice/dpconfig.h"
#include "sluice/wire.h"

struct sl_xdp_rules;

// wire: checked, or NULL before the first configuration. NULL when out of memory.
struct sl_xdp_rules *sl_xdp_rules_new(const struct sl_dpconfig *config,
                                      const struct sl_wire_header *wire, const struct sl_ip *kernel,
                                      uint32_t n_kernel);
void sl_xdp_rules_free(struct sl_xdp_rules *rules);

// true: Sluice gets the packet; false: it stays with the kernel.
bool sl_xdp_rules_take(const struct sl_xdp_rules *rules, uint16_t in_port, const uint8_t *frame,
                       uint32_t n_bytes);

#endif
