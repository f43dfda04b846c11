// SPDX-License-Identifier: Apache-2.0
// One VIP before a pool of three, in both families, and clients that knock on it: where a packet
// leaves to is the backend's number.
#ifndef SLUICE_TESTS_POOL_FIXTURE_H
#define SLUICE_TESTS_POOL_FIXTURE_H

#include "sl_check.h"

#include <netinet/in.h>

#include "rig.h"

#define N_BACKENDS 3
static const uint8_t gateway_mac[6] = {0x02, 0, 0, 0, 0, 0xfe};

// One family's world: the same tests run in both.
struct world {
	const char *client, *vip, *backends[N_BACKENDS], *gateway;
};

static const struct world worlds[] = {
	{"198.51.100.7", "203.0.113.10", {"10.0.0.11", "10.0.0.12", "10.0.0.13"}, "192.0.2.254"},
	{"2001:db8:7::7",
         "2001:db8:ff::10",
         {"2001:db8:2::11", "2001:db8:2::12", "2001:db8:2::13"},
         "2001:db8:1::fe"},
};

struct bench {
	struct sl_rig *rig;
	const struct world *world;
	struct sl_body_pool pool;
	struct sl_body_vip vip;
	uint64_t generation;
};

static inline void empty(struct sl_rig *rig)
{
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
}

static inline void configure(struct bench *b)
{
	struct sl_body_spec spec = {b->generation, b->generation, &b->vip, 1, &b->pool, 1};

	b->generation++;
	sl_rig_configure(b->rig, &spec);
	empty(b->rig);
}

static inline void meet_neighbours(struct bench *b)
{
	sl_rig_neighbour(b->rig, RIG_FRONT, b->world->gateway, gateway_mac);
	for (uint32_t i = 0; i < N_BACKENDS; i++) {
		uint8_t mac[6] = {0x02, 0, 0, 0, 1, (uint8_t)i};

		sl_rig_neighbour(b->rig, RIG_BACK, b->world->backends[i], mac);
	}
	empty(b->rig);
}

static inline struct bench start(const struct world *w, uint8_t affinity, uint32_t n_workers)
{
	struct bench b = {.rig = sl_rig_new(n_workers, 1024), .world = w, .generation = 1};

	b.pool = (struct sl_body_pool){.forward = SL_FORWARD_NAT,
	                               .balance = SL_BALANCE_WEIGHTED,
	                               .n_backends = N_BACKENDS};
	for (uint32_t i = 0; i < N_BACKENDS; i++)
		b.pool.backends[i] = (struct sl_body_backend){w->backends[i], 8000, 1000};
	b.vip = (struct sl_body_vip){w->vip, 443, 443, IPPROTO_TCP, 0, affinity};
	configure(&b);
	meet_neighbours(&b);
	return b;
}

static inline void stop(struct bench *b)
{
	sl_rig_check_accounts(b->rig);
	sl_rig_free(b->rig);
}

// Sends it as from the gateway; the backend it leaves to, -1 for none.
static inline int pass_through(struct bench *b, struct sl_packet_spec *spec)
{
	struct sl_rig_frame frame;

	memcpy(spec->src_mac, gateway_mac, 6);
	sl_rig_put_spec(b->rig, RIG_FRONT, spec);
	sl_rig_turn(b->rig);
	frame = sl_rig_take(b->rig, RIG_BACK);
	sl_rig_expect_nothing(b->rig, RIG_BACK);
	if (frame.n_bytes == 0)
		return -1;
	ck_assert_uint_eq(frame.bytes[4], 1);
	ck_assert_uint_lt(frame.bytes[5], N_BACKENDS);
	return frame.bytes[5];
}

// A TCP packet of this client, its last byte counted up by n.
static inline int knock(struct bench *b, uint8_t n, uint16_t sport, uint8_t tcp_flags)
{
	struct sl_packet_spec spec = {.src = sl_packet_ip(b->world->client),
	                              .dst = sl_packet_ip(b->world->vip),
	                              .proto = IPPROTO_TCP,
	                              .sport = sport,
	                              .dport = 443,
	                              .tcp_flags = tcp_flags,
	                              .tcp_seq = 1000};

	spec.src.bytes[15] = (uint8_t)(spec.src.bytes[15] + n);
	return pass_through(b, &spec);
}

static inline void refuse(struct bench *b, uint8_t n, uint16_t sport, int backend)
{
	struct sl_packet_spec reset = {.src_mac = {0x02, 0, 0, 0, 1, (uint8_t)backend},
	                               .src = sl_packet_ip(b->world->backends[backend]),
	                               .dst = sl_packet_ip(b->world->client),
	                               .proto = IPPROTO_TCP,
	                               .sport = 8000,
	                               .dport = sport,
	                               .tcp_flags = SL_TCP_RST | SL_TCP_ACK};

	reset.dst.bytes[15] = (uint8_t)(reset.dst.bytes[15] + n);
	sl_rig_put_spec(b->rig, RIG_BACK, &reset);
	sl_rig_turn(b->rig);
	ck_assert_uint_ne(sl_rig_take(b->rig, RIG_FRONT).n_bytes, 0);
}

// Asked for and refused at once, so that no load is left and only the hash decides.
static inline int visit(struct bench *b, uint8_t n, uint16_t sport)
{
	int backend = knock(b, n, sport, SL_TCP_SYN);

	refuse(b, n, sport, backend);
	return backend;
}

#endif
