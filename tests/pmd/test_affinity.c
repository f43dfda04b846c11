// SPDX-License-Identifier: Apache-2.0
// Which backend a client's packets leave to, through the real worker loop: affinity by source and
// by flow, over workers, drains and restarts of the table.
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

static void empty(struct sl_rig *rig)
{
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
}

static void configure(struct bench *b)
{
	struct sl_body_spec spec = {b->generation, b->generation, &b->vip, 1, &b->pool, 1};

	b->generation++;
	sl_rig_configure(b->rig, &spec);
	empty(b->rig);
}

static void meet_neighbours(struct bench *b)
{
	sl_rig_neighbour(b->rig, RIG_FRONT, b->world->gateway, gateway_mac);
	for (uint32_t i = 0; i < N_BACKENDS; i++) {
		uint8_t mac[6] = {0x02, 0, 0, 0, 1, (uint8_t)i};

		sl_rig_neighbour(b->rig, RIG_BACK, b->world->backends[i], mac);
	}
	empty(b->rig);
}

static struct bench start(const struct world *w, uint8_t affinity, uint32_t n_workers)
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

static void stop(struct bench *b)
{
	sl_rig_check_accounts(b->rig);
	sl_rig_free(b->rig);
}

// The backend a packet of this client (its last byte counted up by n) goes to; -1 for none.
static int knock(struct bench *b, uint8_t n, uint16_t sport, uint8_t tcp_flags)
{
	struct sl_packet_spec spec = {.src = sl_packet_ip(b->world->client),
	                              .dst = sl_packet_ip(b->world->vip),
	                              .proto = IPPROTO_TCP,
	                              .sport = sport,
	                              .dport = 443,
	                              .tcp_flags = tcp_flags,
	                              .tcp_seq = 1000};
	struct sl_rig_frame frame;

	spec.src.bytes[15] = (uint8_t)(spec.src.bytes[15] + n);
	memcpy(spec.src_mac, gateway_mac, 6);
	sl_rig_put_spec(b->rig, RIG_FRONT, &spec);
	sl_rig_turn(b->rig);
	frame = sl_rig_take(b->rig, RIG_BACK);
	sl_rig_expect_nothing(b->rig, RIG_BACK);
	if (frame.n_bytes == 0)
		return -1;
	ck_assert_uint_eq(frame.bytes[4], 1);
	ck_assert_uint_lt(frame.bytes[5], N_BACKENDS);
	return frame.bytes[5];
}

static void refuse(struct bench *b, uint8_t n, uint16_t sport, int backend)
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
static int visit(struct bench *b, uint8_t n, uint16_t sport)
{
	int backend = knock(b, n, sport, SL_TCP_SYN);

	refuse(b, n, sport, backend);
	return backend;
}

START_TEST(source_brings_every_connection_of_a_client_to_one_backend)
{
	struct bench b = start(&worlds[_i % 2], SL_AFFINITY_SOURCE, (uint32_t)_i / 2 + 1);
	uint32_t used = 0;

	for (uint8_t n = 0; n < 20; n++) {
		int first = visit(&b, n, 40000);

		ck_assert_int_ge(first, 0);
		for (uint16_t port = 40001; port < 40010; port++)
			ck_assert_int_eq(visit(&b, n, port), first);
		used |= 1u << first;
	}
	ck_assert_uint_eq(used, 7);
	stop(&b);
}
END_TEST

// Sixty open connections of one client: each backend gets at most ceil(1.25 * 60 / 3).
START_TEST(source_shares_a_client_that_is_too_much_for_one_backend)
{
	struct bench b = start(&worlds[0], SL_AFFINITY_SOURCE, (uint32_t)_i + 1);
	uint32_t n_flows[N_BACKENDS] = {0};

	for (uint16_t port = 0; port < 60; port++) {
		int backend = knock(&b, 0, (uint16_t)(40000 + port), SL_TCP_SYN);

		ck_assert_int_ge(backend, 0);
		n_flows[backend]++;
		sl_rig_turn(b.rig); // the main core folds loads
	}
	for (uint32_t i = 0; i < N_BACKENDS; i++)
		ck_assert_msg(n_flows[i] >= 10 && n_flows[i] <= 25, "backend %u has %u", i,
		              n_flows[i]);
	stop(&b);
}
END_TEST

START_TEST(source_leaves_a_drained_backend_and_keeps_its_flows)
{
	struct bench b = start(&worlds[0], SL_AFFINITY_SOURCE, 1);
	int home = knock(&b, 0, 40000, SL_TCP_SYN), other;

	b.pool.backends[home].weight_milli = 0;
	configure(&b);
	ck_assert_int_eq(knock(&b, 0, 40000, SL_TCP_ACK), home);
	other = visit(&b, 0, 40001);
	ck_assert_int_ge(other, 0);
	ck_assert_int_ne(other, home);
	ck_assert_int_eq(visit(&b, 0, 40002), other);
	refuse(&b, 0, 40000, home); // it would be more than five quarters of the share
	b.pool.backends[home].weight_milli = 1000;
	configure(&b);
	ck_assert_int_eq(visit(&b, 0, 40003), home);
	stop(&b);
}
END_TEST

START_TEST(flow_picks_up_a_connection_another_appliance_began)
{
	struct bench a = start(&worlds[_i], SL_AFFINITY_FLOW, 1);
	int began[32];
	uint32_t used = 0;

	for (uint16_t i = 0; i < 32; i++) {
		began[i] = visit(&a, 0, (uint16_t)(40000 + i));
		used |= 1u << began[i];
	}
	ck_assert_uint_eq(used, 7);
	sl_rig_pass(a.rig, 60 * SL_NS_PER_S); // the table forgets flows that were reset
	empty(a.rig);                         // questions about neighbours
	meet_neighbours(&a);
	for (uint16_t i = 0; i < 32; i++)
		ck_assert_int_eq(knock(&a, 0, (uint16_t)(40000 + i), SL_TCP_ACK), began[i]);
	stop(&a);
}
END_TEST

START_TEST(source_does_not_guess_where_a_connection_was)
{
	struct bench b = start(&worlds[0], SL_AFFINITY_SOURCE, 1);

	ck_assert_int_eq(knock(&b, 0, 40000, SL_TCP_ACK), -1);
	ck_assert_uint_eq(sl_rig_drops(b.rig, SL_DROP_NO_FLOW), 1);
	stop(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("affinity");
	TCase *tc = tcase_create("affinity");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_loop_test(tc, source_brings_every_connection_of_a_client_to_one_backend, 0, 4);
	tcase_add_loop_test(tc, source_shares_a_client_that_is_too_much_for_one_backend, 0, 2);
	tcase_add_test(tc, source_leaves_a_drained_backend_and_keeps_its_flows);
	tcase_add_loop_test(tc, flow_picks_up_a_connection_another_appliance_began, 0, 2);
	tcase_add_test(tc, source_does_not_guess_where_a_connection_was);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
