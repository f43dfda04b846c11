// SPDX-License-Identifier: Apache-2.0
// Persistence of affinity `source` through the real worker loop: flows of one client land on
// several workers, and all of them know its backend.
#include "pool_fixture.h"

#define TIMEOUT_S 60
#define ISN       7000 // of backends

struct row {
	uint8_t world;
	uint8_t forward;
	uint8_t n_workers;
};

static const struct row rows[] = {
	{0, SL_FORWARD_NAT, 1},    {0, SL_FORWARD_NAT, 3},    {1, SL_FORWARD_NAT, 3},
	{0, SL_FORWARD_DSR_L2, 3}, {1, SL_FORWARD_DSR_L2, 1},
};
#define N_ROWS (int)(sizeof(rows) / sizeof(rows[0]))

static struct bench start_sticky(const struct row *row, uint8_t proto)
{
	const struct world *w = &worlds[row->world];
	struct bench b = start(w, SL_AFFINITY_SOURCE, row->n_workers);

	b.pool.forward = row->forward;
	for (uint32_t i = 0; i < N_BACKENDS && sl_forward_is_dsr(row->forward); i++)
		b.pool.backends[i].port = 0;
	b.vip.proto = proto;
	b.vip.persist_s = TIMEOUT_S;
	b.vip.persist_bits = row->world == 0 ? 32 : 128;
	configure(&b);
	meet_neighbours(&b);
	return b;
}

static uint64_t sum(const struct bench *b, size_t offset)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < b->rig->a.config.n_workers; w++)
		n += sl_stat_get(
			(const sl_stat *)(const void *)((const char *)sl_stats_worker_at(
								b->rig->a.segment.base, w) +
		                                        offset));
	return n;
}
#define COUNT(b, name) sum(b, offsetof(struct sl_stats_worker, name))

static struct sl_packet_spec from_client(const struct bench *b, uint8_t n, uint16_t sport)
{
	struct sl_packet_spec spec = {.src = sl_packet_ip(b->world->client),
	                              .dst = sl_packet_ip(b->world->vip),
	                              .proto = b->vip.proto,
	                              .sport = sport,
	                              .dport = 443,
	                              .tcp_seq = 1000};

	spec.src.bytes[15] = (uint8_t)(spec.src.bytes[15] + n);
	return spec;
}

// nat only: under DSR answers do not come here.
static void answer(struct bench *b, uint8_t n, uint16_t sport, int backend, uint8_t flags)
{
	struct sl_packet_spec spec = {.src_mac = {0x02, 0, 0, 0, 1, (uint8_t)backend},
	                              .src = sl_packet_ip(b->world->backends[backend]),
	                              .dst = sl_packet_ip(b->world->client),
	                              .proto = b->vip.proto,
	                              .sport = 8000,
	                              .dport = sport,
	                              .tcp_flags = flags,
	                              .tcp_seq = ISN};

	spec.dst.bytes[15] = (uint8_t)(spec.dst.bytes[15] + n);
	sl_rig_put_spec(b->rig, RIG_BACK, &spec);
	sl_rig_turn(b->rig);
	ck_assert_uint_ne(sl_rig_take(b->rig, RIG_FRONT).n_bytes, 0);
}

static int send_tcp(struct bench *b, uint8_t n, uint16_t sport, uint8_t flags, uint32_t tcp_ack)
{
	struct sl_packet_spec spec = from_client(b, n, sport);

	spec.tcp_flags = flags;
	spec.tcp_ack = tcp_ack;
	return pass_through(b, &spec);
}

// A connection whose client acknowledges so much, then reset by the client; its backend.
static int shake_hands(struct bench *b, uint8_t n, uint16_t sport, uint32_t tcp_ack)
{
	int backend = send_tcp(b, n, sport, SL_TCP_SYN, 0);

	ck_assert_int_ge(backend, 0);
	if (!sl_forward_is_dsr(b->pool.forward))
		answer(b, n, sport, backend, SL_TCP_SYN | SL_TCP_ACK);
	ck_assert_int_eq(send_tcp(b, n, sport, SL_TCP_ACK, tcp_ack), backend);
	ck_assert_int_eq(send_tcp(b, n, sport, SL_TCP_RST | SL_TCP_ACK, tcp_ack), backend);
	return backend;
}

static int open_and_close(struct bench *b, uint8_t n, uint16_t sport)
{
	return shake_hands(b, n, sport, ISN + 1);
}

static void set_weight(struct bench *b, int backend, uint32_t weight_milli)
{
	b->pool.backends[backend].weight_milli = weight_milli;
	configure(b);
}

// Alone, the hash would bring the client home again at once.
START_TEST(a_client_stays_where_its_last_flow_went_until_its_time_is_over)
{
	struct bench b = start_sticky(&rows[_i], IPPROTO_TCP);
	int home = open_and_close(&b, 0, 40000), refuge;

	set_weight(&b, home, 0);
	refuge = open_and_close(&b, 0, 40001);
	ck_assert_int_ne(refuge, home);
	ck_assert_uint_eq(COUNT(&b, persist_repicked), 1);
	set_weight(&b, home, 1000);
	for (uint16_t port = 40002; port < 40022; port++)
		ck_assert_int_eq(open_and_close(&b, 0, port), refuge);
	ck_assert_uint_eq(COUNT(&b, persist_followed), 20);
	ck_assert_uint_eq(COUNT(&b, persist_made), 1);
	sl_rig_pass(b.rig, (TIMEOUT_S + 30) * SL_NS_PER_S); // flows that were reset linger a while
	empty(b.rig);
	meet_neighbours(&b);
	ck_assert_int_eq(open_and_close(&b, 0, 41000), home);
	ck_assert_uint_eq(COUNT(&b, persist_followed), 20);
	stop(&b);
}
END_TEST

START_TEST(a_client_is_kept_beyond_the_bound_of_its_backend)
{
	struct bench b = start_sticky(&rows[_i], IPPROTO_TCP);
	int home = open_and_close(&b, 0, 40000);

	for (uint16_t port = 40001; port < 40031; port++) {
		ck_assert_int_eq(send_tcp(&b, 0, port, SL_TCP_SYN, 0), home);
		sl_rig_turn(b.rig);
	}
	stop(&b);
}
END_TEST

START_TEST(a_limit_of_the_backend_comes_before_persistence)
{
	struct bench b = start_sticky(&rows[_i], IPPROTO_TCP);
	int home = open_and_close(&b, 0, 40000);

	b.pool.limit_flows = 4;
	configure(&b);
	for (uint16_t port = 40001; port < 40005; port++) {
		ck_assert_int_eq(send_tcp(&b, 0, port, SL_TCP_SYN, 0), home);
		sl_rig_turn(b.rig);
	}
	ck_assert_int_ne(send_tcp(&b, 0, 40005, SL_TCP_SYN, 0), home);
	stop(&b);
}
END_TEST

// The table learns nothing from what a stranger can send in somebody's name.
START_TEST(a_spoofed_handshake_is_not_remembered)
{
	static const uint32_t guesses[] = {0, ISN, ISN + 1 + 65537, 1u << 31, UINT32_MAX};
	const struct row row = {(uint8_t)(_i % 2), SL_FORWARD_NAT, 2};
	struct bench b = start_sticky(&row, IPPROTO_TCP);

	for (uint16_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++)
		shake_hands(&b, 0, (uint16_t)(40000 + i), guesses[i]);
	for (uint16_t port = 41000; port < 41100; port++)
		ck_assert_int_ge(send_tcp(&b, (uint8_t)(port % 100), port, SL_TCP_SYN, 0), 0);
	ck_assert_uint_eq(COUNT(&b, persist_made), 0);
	open_and_close(&b, 0, 42000);
	ck_assert_uint_eq(COUNT(&b, persist_made), 1);
	stop(&b);
}
END_TEST

START_TEST(a_refused_connection_is_not_remembered)
{
	const struct row row = {(uint8_t)_i, SL_FORWARD_NAT, 2};
	struct bench b = start_sticky(&row, IPPROTO_TCP);

	for (uint16_t port = 40000; port < 40010; port++)
		visit(&b, 0, port);
	ck_assert_uint_eq(COUNT(&b, persist_made), 0);
	stop(&b);
}
END_TEST

START_TEST(clients_of_one_prefix_are_one)
{
	const struct row row = {(uint8_t)_i, SL_FORWARD_NAT, 3};
	struct bench b = start_sticky(&row, IPPROTO_TCP);
	int home, refuge;

	b.vip.persist_bits = row.world == 0 ? 24 : 64;
	configure(&b);
	home = open_and_close(&b, 0, 40000);
	ck_assert_int_eq(open_and_close(&b, 9, 40001), home);
	set_weight(&b, home, 0);
	refuge = open_and_close(&b, 3, 40002);
	set_weight(&b, home, 1000);
	for (uint8_t n = 0; n < 20; n++)
		ck_assert_int_eq(open_and_close(&b, n, (uint16_t)(40010 + n)), refuge);
	ck_assert_uint_eq(COUNT(&b, persist_made), 1);
	stop(&b);
}
END_TEST

// Either the entry still lives when the flow ends, or the flow outlived it.
START_TEST(a_flow_that_ends_starts_the_time_anew)
{
	const struct row row = {(uint8_t)(_i % 2), SL_FORWARD_NAT, 2};
	const uint32_t length_s = _i < 2 ? TIMEOUT_S - 10 : TIMEOUT_S + 10;
	struct bench b = start_sticky(&row, IPPROTO_TCP);
	int home = open_and_close(&b, 0, 40000), refuge;

	set_weight(&b, home, 0);
	refuge = send_tcp(&b, 0, 40001, SL_TCP_SYN, 0);
	answer(&b, 0, 40001, refuge, SL_TCP_SYN | SL_TCP_ACK);
	ck_assert_int_eq(send_tcp(&b, 0, 40001, SL_TCP_ACK, ISN + 1), refuge);
	set_weight(&b, home, 1000);
	sl_rig_pass(b.rig, length_s * SL_NS_PER_S);
	empty(b.rig);
	meet_neighbours(&b);
	ck_assert_int_eq(send_tcp(&b, 0, 40001, SL_TCP_RST | SL_TCP_ACK, ISN + 1), refuge);
	sl_rig_pass(b.rig,
	            40 * SL_NS_PER_S); // gone soon after its reset, and 10 s past the first time
	empty(b.rig);
	meet_neighbours(&b);
	ck_assert_int_eq(open_and_close(&b, 0, 40002), refuge);
	stop(&b);
}
END_TEST

// An answer, or the third packet, confirms.
START_TEST(a_udp_client_is_kept_too)
{
	const struct row row = {(uint8_t)(_i % 2), SL_FORWARD_NAT, 2};
	const bool is_answered = _i < 2;
	struct bench b = start_sticky(&row, IPPROTO_UDP);
	struct sl_packet_spec spec;
	int home = -1, refuge = -1;

	for (uint16_t round = 0; round < 2; round++) {
		spec = from_client(&b, 0, (uint16_t)(40000 + round));
		home = refuge;
		refuge = pass_through(&b, &spec);
		ck_assert_uint_eq(COUNT(&b, persist_made), round);
		if (is_answered)
			answer(&b, 0, spec.sport, refuge, 0);
		else
			ck_assert(pass_through(&b, &spec) == refuge &&
			          pass_through(&b, &spec) == refuge);
		ck_assert_uint_eq(COUNT(&b, persist_made), 1);
		set_weight(&b, refuge, 0);
		if (round == 1)
			set_weight(&b, refuge, 1000);
	}
	set_weight(&b, home, 1000);
	ck_assert_int_ne(home, refuge);
	spec = from_client(&b, 0, 41000);
	ck_assert_int_eq(pass_through(&b, &spec), refuge);
	stop(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("persist");
	TCase *tc = tcase_create("persist");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_loop_test(tc, a_client_stays_where_its_last_flow_went_until_its_time_is_over, 0,
	                    N_ROWS);
	tcase_add_loop_test(tc, a_client_is_kept_beyond_the_bound_of_its_backend, 0, N_ROWS);
	tcase_add_loop_test(tc, a_limit_of_the_backend_comes_before_persistence, 0, N_ROWS);
	tcase_add_loop_test(tc, a_spoofed_handshake_is_not_remembered, 0, 2);
	tcase_add_loop_test(tc, a_refused_connection_is_not_remembered, 0, 2);
	tcase_add_loop_test(tc, clients_of_one_prefix_are_one, 0, 2);
	tcase_add_loop_test(tc, a_flow_that_ends_starts_the_time_anew, 0, 4);
	tcase_add_loop_test(tc, a_udp_client_is_kept_too, 0, 4);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
