// SPDX-License-Identifier: Apache-2.0
// Steering: keeps the XDP program's maps equal to the configuration, so that VIP traffic, replies
// and our own addresses come to AF_XDP and everything else stays with the kernel.
//
// Thread:  main core.
#ifndef SLUICE_IO_STEERING_H
#define SLUICE_IO_STEERING_H

#include "appliance.h"
#include "xdp.h"

// Before EAL: clean interfaces of what an earlier run left. 0 or -errno with the reason.
int sl_steering_prepare(const struct sl_dpconfig *config, struct sl_text *why);

// After the ports started: *xdp stays NULL when no port is AF_XDP.
int sl_steering_open(struct sl_xdp **xdp, const struct sl_appliance *a, struct sl_text *why);

// After every change of configuration. Failure leaves some traffic with the kernel.
int sl_steering_sync(struct sl_xdp *xdp, const struct sl_appliance *a, struct sl_text *why);

#endif
