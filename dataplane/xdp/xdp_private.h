// SPDX-License-Identifier: Apache-2.0
// Inside the loader only: the open maps.
#ifndef SLUICE_XDP_PRIVATE_H
#define SLUICE_XDP_PRIVATE_H

#include "xdp.h"
#include "xdp_maps.h"

enum { MAP_MODE, MAP_OWN, MAP_BACK, MAP_COUNT };

struct sl_xdp {
	int fds[MAP_COUNT];
	int ifindexes[SL_MAX_PORTS]; // set_mode was called for
	uint32_t n_ifindexes;
};

_Static_assert(sizeof(struct sl_xdp_address) == sizeof(struct sl_ip), "one form everywhere");

#endif
