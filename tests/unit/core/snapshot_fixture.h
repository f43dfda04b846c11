// SPDX-License-Identifier: Apache-2.0
// A configuration of every kind of pool and VIP for the tests of snapshots.
#ifndef SLUICE_TESTS_SNAPSHOT_FIXTURE_H
#define SLUICE_TESTS_SNAPSHOT_FIXTURE_H

#include "wire_fixture.h"

#include "snapshot.h"

#define MAX_ROWS 10000

// What the caller of build brings along: backend row i has index 2 i + 1, generation i + 50, next
// hop i + 70; vip row i has slot i + 90.
struct inputs {
	struct sl_snap_inputs in;
	uint16_t indices[MAX_ROWS], generations[MAX_ROWS], hops[MAX_ROWS], slots[MAX_ROWS];
	uint32_t weights_milli[MAX_ROWS];
};

static inline struct inputs *inputs_new(const struct body *b)
{
	struct inputs *s = calloc(1, sizeof(*s));
	char reason[140];

	ck_assert_ptr_nonnull(s);
	ck_assert_msg(sl_wire_check(b->header, b->n_bytes, SL_WIRE_CONFIG, reason, 140) == 0, "%s",
	              reason);
	for (uint16_t i = 0; i < MAX_ROWS; i++) {
		s->indices[i] = (uint16_t)(2 * i + 1);
		s->generations[i] = i + 50;
		s->hops[i] = i + 70;
		s->slots[i] = i + 90;
	}
	s->in = (struct sl_snap_inputs){
		.config = b->header,
		.backend_indices = s->indices,
		.backend_generations = s->generations,
		.vip_slots = s->slots,
		.next_hops = s->hops,
		.epoch = 77,
		.maglev_key = {1, 2},
	};
	return s;
}

static inline struct body config(void)
{
	struct body b = body_new(SL_WIRE_CONFIG, 8, 4, 9, 0);

	set_pool(&b, 0, 3, SL_FORWARD_NAT, SL_BALANCE_WEIGHTED);
	set_pool(&b, 1, 4, SL_FORWARD_DSR_L2, SL_BALANCE_MAGLEV);
	set_pool(&b, 2, 2, SL_FORWARD_FULLNAT, SL_BALANCE_LEAST_CONNECTIONS);
	set_pool(&b, 3, 0, SL_FORWARD_NAT, SL_BALANCE_WEIGHTED);
	b.backends[1].weight_milli = 0;
	b.backends[7].address = ip6(7);
	b.backends[8].address = ip6(8);
	set_vip(&b, 0, 0, ip4(1, 1, 1), 0, UINT16_MAX);
	set_vip(&b, 1, 0, ip4(1, 1, 1), 8000, 8999);
	set_vip(&b, 2, 1, ip4(1, 1, 1), 8100, 8199);
	set_vip(&b, 3, 1, ip4(1, 1, 1), 8150, 8150);
	set_vip(&b, 4, 1, ip4(1, 1, 2), 443, 443);
	set_vip(&b, 5, 0, ip4(1, 1, 2), 443, 443);
	b.vips[5].proto = PROTO_UDP;
	set_vip(&b, 6, 2, ip6(1), 443, 443);
	set_vip(&b, 7, 3, ip4(1, 1, 3), 8150, 8250);
	return b;
}

struct fixture {
	struct body body;
	struct inputs *inputs;
	struct sl_snapshot *snap;
};

static inline struct fixture setup(void)
{
	struct fixture f = {.body = config()};

	f.inputs = inputs_new(&f.body);
	f.snap = sl_snapshot_build(&f.inputs->in);
	ck_assert_ptr_nonnull(f.snap);
	return f;
}

static inline void teardown(struct fixture *f)
{
	sl_snapshot_free(f->snap);
	free(f->inputs);
	body_free(&f->body);
}

#endif
