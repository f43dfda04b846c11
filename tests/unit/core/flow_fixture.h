// SPDX-License-Identifier: Apache-2.0
// Tables and flows for the two flow tests.
#ifndef SLUICE_TESTS_FLOW_FIXTURE_H
#define SLUICE_TESTS_FLOW_FIXTURE_H

#include "sl_check.h"

#include "flow_search.h"

#define PROTO_TCP  6
#define PROTO_UDP  17
#define IDLE_TICKS 29760 // 2 h 4 min

struct fixture {
	struct sl_flow_table *ft;
	void *mem;
	uint32_t n_gone, n_evicted;
	struct sl_flow last_gone;
};

static inline void on_gone(void *ctx, const struct sl_flow *flow, bool is_eviction)
{
	struct fixture *f = ctx;

	f->n_gone++;
	f->n_evicted += is_eviction;
	f->last_gone = *flow;
}

static inline void fixture_init(struct fixture *f, uint32_t n_flows, uint32_t now)
{
	const struct sl_flow_params params = {.n_flows = n_flows, .key = {11, 22}, .now = now};
	size_t n_bytes = (sl_flow_table_bytes(n_flows) + 63) & ~(size_t)63;

	memset(f, 0, sizeof(*f));
	f->mem = aligned_alloc(64, n_bytes);
	ck_assert_ptr_nonnull(f->mem);
	memset(f->mem, 0, n_bytes);
	f->ft = sl_flow_table_init(f->mem, n_bytes, &params);
	ck_assert_ptr_nonnull(f->ft);
	sl_flow_table_on_gone(f->ft, on_gone, f);
}

static inline void fixture_fini(struct fixture *f)
{
	ck_assert(sl_flow_table_is_sound(f->ft));
	free(f->mem);
}

// host 10.group.x.y, or fd00:group::x:y
static inline struct sl_ip host(bool is_v6, uint8_t group, uint16_t number)
{
	struct sl_ip ip = {.bytes = {0xfd, [3] = group}};

	if (!is_v6)
		memcpy(ip.bytes, (uint8_t[14]){[10] = 0xff, 0xff, 10, group}, 14);
	ip.bytes[14] = (uint8_t)(number >> 8);
	ip.bytes[15] = (uint8_t)number;
	return ip;
}

// A distinct TCP flow per number, through local address 10.3.0.1 under fullnat.
static inline struct sl_flow_new flow_of(uint32_t number, uint8_t flags, bool is_v6)
{
	// Under DSR it is ignored, so it may be anything.
	bool is_local = (flags & (SL_FLOW_IS_FULLNAT | SL_FLOW_IS_DSR)) != 0;
	struct sl_ip client = host(is_v6, 1, (uint16_t)(number >> 8));
	uint16_t client_port = (uint16_t)(1024 + (number & 0xff));

	return (struct sl_flow_new){
		.c2s = {.src = client,
	                .dst = host(is_v6, 2, 1),
	                .sport_be = client_port,
	                .dport_be = 443,
	                .proto = PROTO_TCP},
		.s2c = {.src = host(is_v6, 4, 7),
	                .dst = is_local ? host(is_v6, 3, (uint16_t)(number >> 16)) : client,
	                .sport_be = 8000,
	                .dport_be = is_local ? (uint16_t)number : client_port,
	                .proto = PROTO_TCP},
		.flags = flags,
		.backend = (uint16_t)number,
		.backend_generation = 3,
		.vip = 5,
		.idle_ticks = IDLE_TICKS,
		.syn_seq = 99,
	};
}

static inline struct sl_flow *find(struct fixture *f, const struct sl_tuple *tuple,
                                   enum sl_dir *dir)
{
	return sl_flow_find(f->ft, tuple, sl_flow_hash(f->ft, tuple), dir);
}

static inline bool has(struct fixture *f, const struct sl_tuple *tuple)
{
	enum sl_dir dir;

	return find(f, tuple, &dir) != NULL;
}

#endif
