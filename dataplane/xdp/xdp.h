// SPDX-License-Identifier: Apache-2.0
// The loader's side of AF_XDP steering: what must be true before the PMD attaches our program, the
// contents of its maps while we run, and nothing left behind afterwards.
//
// Order:   sl_xdp_prepare for every port, then rte_eal_init (the PMD loads, pins and attaches, with
//          xdp_prog=), ports started, sl_xdp_open, set_mode for every port, sync at every change of
//          addresses or backends, ports closed, sl_xdp_close.
// Errors:  0 or -errno; why gets the cause in words and what to do. Never logs.
// Thread:  the data plane's main core.   Needs: CAP_NET_ADMIN, CAP_BPF, and CAP_SYS_ADMIN to look
//          at a program that is attached already and to mount bpffs.
#ifndef SLUICE_XDP_H
#define SLUICE_XDP_H

#include "sluice/types.h"

struct sl_xdp;

// Replies from here are ours. port_be 0: any port (the pool keeps the VIP's and that is a range).
struct sl_xdp_backend {
	struct sl_ip address;
	uint16_t port_be;
	uint8_t proto;
	uint8_t zero;
};

struct sl_xdp_sets {
	const struct sl_ip *own; // VIPs and addresses of the ports
	size_t n_own;
	const struct sl_xdp_backend *backends;
	size_t n_backends;
};

// Makes ifname ready for the PMD: mounts bpffs where there is none, detaches a program that an
// earlier Sluice left after a crash, removes its pinned maps. -EBUSY: another program is attached.
int sl_xdp_prepare(const char *ifname, char *why, size_t why_bytes);

// The maps of the program the PMD has loaded. *xdp is the caller's to close.
int sl_xdp_open(struct sl_xdp **xdp, char *why, size_t why_bytes);

// is_dedicated: all packets of the interface are ours; else only those README.md names.
int sl_xdp_set_mode(struct sl_xdp *xdp, const char *ifname, bool is_dedicated);

// Makes the maps equal to the sets, adds before deletes, so that nothing that stays is interrupted.
// The kernel's own addresses are found here and kept in the map as its own. After an error some
// changes may be missing; the next sync makes them.
int sl_xdp_sync(struct sl_xdp *xdp, const struct sl_xdp_sets *sets, char *why, size_t why_bytes);

// Detaches our program where it still is, unpins its maps. NULL is fine.
void sl_xdp_close(struct sl_xdp *xdp);

#endif
