// SPDX-License-Identifier: Apache-2.0
// Packet buffers: how many, how long, and the memory they take.
//
// Pools:  a usual one, whose buffers hold SL_MTU_USUAL_BYTES, for every device and for packets of
//         our own; and a long one for devices whose mtu asks for more, as long as the longest of
//         them needs, so that a packet always lies in one piece.
// Thread: main core, before workers run. The plan needs no EAL.
#ifndef SLUICE_IO_BUFFERS_H
#define SLUICE_IO_BUFFERS_H

#include <rte_mbuf.h>

#include "pkt.h"
#include "sluice/dpconfig.h"

// Whole cache lines, so that the packet behind it starts on one: 64 bytes of headers in one line
// instead of two.
#define SL_PRIVATE_BYTES RTE_ALIGN(sizeof(struct sl_pkt), RTE_CACHE_LINE_SIZE)

enum { SL_POOL_USUAL, SL_POOL_LONG, SL_POOLS };

struct sl_pool_plan {
	uint32_t n_mbufs; // 0: not needed
	uint32_t data_bytes;
};

uint32_t sl_buffers_count_devices(const struct sl_dpconfig *config);

// Of an af_packet device, or a bond of them.
bool sl_buffers_is_af_packet(const struct sl_dp_port *port);

// Which pool a device receives into.
uint32_t sl_buffers_pool_of(const struct sl_dp_port *port);

void sl_buffers_plan(const struct sl_dpconfig *config, struct sl_pool_plan plans[SL_POOLS]);

// Memory of a pool with what manages it.
uint64_t sl_buffers_pool_bytes(const struct sl_pool_plan *plan);

// NULL with rte_errno.
struct rte_mempool *sl_buffers_make_pool(const char *name, const struct sl_pool_plan *plan);

// tp_frame_size of af_packet for this mtu: a whole number of them fills a block, and what the
// kernel writes into one fits into a buffer of the plan.
uint32_t sl_buffers_af_packet_frame(uint16_t mtu_bytes);

#endif
