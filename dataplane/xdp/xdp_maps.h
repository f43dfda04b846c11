// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the XDP program and its loader share: names, keys and values of the pinned maps.
//
// Shape: keys are hashed as bytes, so zero stays 0. Addresses are struct sl_ip's 16 bytes.
// Types: the kernel's, because this is compiled for the bpf target too, where libc's do not exist.
#ifndef SLUICE_XDP_MAPS_H
#define SLUICE_XDP_MAPS_H

#include <linux/types.h>

#define SL_XDP_PROGRAM  "sluice_xdp"  // at most 15 characters: the kernel keeps no more
#define SL_XDP_MAP_MODE "sluice_mode" // interface number -> enum sl_xdp_mode
#define SL_XDP_MAP_OWN  "sluice_own"  // struct sl_xdp_address -> enum sl_xdp_holder
#define SL_XDP_MAP_BACK "sluice_back" // struct sl_xdp_endpoint -> 1

#define SL_XDP_MAX_OWN  16384
#define SL_XDP_MAX_BACK 131072 // two full sets: adds come before deletes

enum sl_xdp_mode { SL_XDP_SHARED = 1, SL_XDP_DEDICATED = 2 }; // an interface not in the map: shared
enum sl_xdp_holder { SL_XDP_OURS = 1, SL_XDP_KERNEL = 2 };

struct sl_xdp_address {
	__u8 bytes[16];
};

// port_be 0: any port of the protocol. Both 0: the address alone, for ICMP errors about it
// and fragments from it.
struct sl_xdp_endpoint {
	struct sl_xdp_address address;
	__u16 port_be;
	__u8 proto;
	__u8 zero;
};
_Static_assert(sizeof(struct sl_xdp_endpoint) == 20, "no hidden padding");

#endif
