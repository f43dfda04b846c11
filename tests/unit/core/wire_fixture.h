// SPDX-License-Identifier: Apache-2.0
// Message bodies built row by row, for the tests of wirecheck and snapshot.
#ifndef SLUICE_TESTS_WIRE_FIXTURE_H
#define SLUICE_TESTS_WIRE_FIXTURE_H

#include "sl_check.h"

#include "wirecheck.h"

#define PROTO_TCP 6
#define PROTO_UDP 17

struct body {
	struct sl_wire_header *header;
	struct sl_wire_vip *vips;
	struct sl_wire_pool *pools;
	struct sl_wire_backend *backends;
	struct sl_wire_weight *weights;
	size_t n_bytes;
};

// Exactly as large as it says, so that a read past the end is seen by ASan. Rows are zero.
static inline struct body body_new(enum sl_wire_kind kind, uint32_t n_vips, uint32_t n_pools,
                                   uint32_t n_backends, uint32_t n_weights)
{
	struct body b = {.n_bytes = sizeof(*b.header) + n_vips * sizeof(*b.vips) +
	                            n_pools * sizeof(*b.pools) + n_backends * sizeof(*b.backends) +
	                            n_weights * sizeof(*b.weights)};

	b.header = calloc(1, b.n_bytes);
	ck_assert_ptr_nonnull(b.header);
	*b.header = (struct sl_wire_header){.magic = SL_WIRE_MAGIC,
	                                    .version = SL_WIRE_VERSION,
	                                    .kind = (uint16_t)kind,
	                                    .generation = 5,
	                                    .epoch = 6,
	                                    .total_bytes = (uint32_t)b.n_bytes,
	                                    .n_vips = n_vips,
	                                    .n_pools = n_pools,
	                                    .n_backends = n_backends,
	                                    .n_weights = n_weights};
	b.vips = (struct sl_wire_vip *)(void *)(b.header + 1);
	b.pools = (struct sl_wire_pool *)(void *)(b.vips + n_vips);
	b.backends = (struct sl_wire_backend *)(void *)(b.pools + n_pools);
	b.weights = (struct sl_wire_weight *)(void *)(b.backends + n_backends);
	return b;
}

static inline void body_free(struct body *b)
{
	free(b->header);
}

static inline struct sl_ip ip4(uint8_t b, uint8_t c, uint8_t d)
{
	return (struct sl_ip){.bytes = {[10] = 0xff, 0xff, 10, b, c, d}};
}

static inline struct sl_ip ip6(uint16_t number)
{
	return (struct sl_ip){.bytes = {0xfd, [14] = (uint8_t)(number >> 8), (uint8_t)number}};
}

static inline void set_vip(struct body *b, uint32_t row, uint32_t pool, struct sl_ip address,
                           uint16_t first, uint16_t last)
{
	b->vips[row] = (struct sl_wire_vip){.address = address,
	                                    .id = 1000 + row,
	                                    .pool = pool,
	                                    .port_first = first,
	                                    .port_last = last,
	                                    .proto = PROTO_TCP};
}

// A pool and its backends, after those of the pools before it.
static inline void set_pool(struct body *b, uint32_t row, uint32_t n_backends,
                            enum sl_forward forward, enum sl_balance balance)
{
	uint32_t first =
		row == 0 ? 0 : b->pools[row - 1].first_backend + b->pools[row - 1].n_backends;

	b->pools[row] = (struct sl_wire_pool){.id = 2000 + row,
	                                      .first_backend = first,
	                                      .n_backends = n_backends,
	                                      .tcp_idle_s = 7440,
	                                      .udp_idle_s = 300,
	                                      .limit_flows = 10 + row,
	                                      .forward = (uint8_t)forward,
	                                      .balance = (uint8_t)balance};
	for (uint32_t i = first; i < first + n_backends; i++)
		b->backends[i] =
			(struct sl_wire_backend){.address = ip4(9, (uint8_t)(i >> 8), (uint8_t)i),
		                                 .id = 3000 + i,
		                                 .pool = row,
		                                 .weight_milli = 1000 + i,
		                                 .port = forward == SL_FORWARD_DSR_L2 ? 0 : 8000};
}

#endif
