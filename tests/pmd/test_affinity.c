// SPDX-License-Identifier: Apache-2.0
// Which backend a client's packets leave to, through the real worker loop: affinity by source, by
// flow and by QUIC connection id, drains, with one worker and with two.
#include "pool_fixture.h"

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

// ---- QUIC ----

static const uint8_t quic_key[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

// Two configurations live, as during a rotation: ids of the one are plain, of the other one block.
static struct bench start_quic(const struct world *w)
{
	struct bench b = start(w, SL_AFFINITY_NONE, 2);

	b.vip.proto = IPPROTO_UDP;
	b.vip.affinity = SL_AFFINITY_QUIC_CID;
	b.pool.n_quics = 2;
	b.pool.quics[0] =
		(struct sl_wire_quic){.codepoint = 0, .server_id_bytes = 2, .nonce_bytes = 5};
	b.pool.quics[1] = (struct sl_wire_quic){
		.codepoint = 3, .server_id_bytes = 2, .nonce_bytes = 14, .has_key = 1};
	memcpy(b.pool.quics[1].key, quic_key, sizeof(quic_key));
	configure(&b);
	return b;
}

static int send_quic(struct bench *b, uint8_t client, uint16_t sport, const uint8_t *payload,
                     uint16_t n_bytes)
{
	struct sl_packet_spec spec = {.src = sl_packet_ip(b->world->client),
	                              .dst = sl_packet_ip(b->world->vip),
	                              .proto = IPPROTO_UDP,
	                              .sport = sport,
	                              .dport = 443,
	                              .payload = payload,
	                              .payload_bytes = n_bytes};

	spec.src.bytes[15] = (uint8_t)(spec.src.bytes[15] + client);
	return pass_through(b, &spec);
}

// A short header with an id that this server made under configuration codepoint 0 or 3.
static int send_short(struct bench *b, uint8_t client, uint16_t sport, uint8_t codepoint,
                      int server)
{
	uint8_t payload[40] = {0x40, (uint8_t)(codepoint << 5), (uint8_t)(N_BACKENDS - server), 0};
	struct sl_aes aes;

	for (uint8_t i = 4; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * sport); // nonce, then what would be encrypted
	sl_aes_init(&aes, quic_key);
	if (codepoint == 3)
		sl_aes_encrypt(&aes, &payload[2], &payload[2]);
	return send_quic(b, client, sport, payload, sizeof(payload));
}

static int send_initial(struct bench *b, uint8_t client, uint16_t sport, uint8_t dcid)
{
	// Codepoint 7 of the client's choosing: never routable.
	const uint8_t payload[40] = {0xc0, 0, 0, 0, 1, 8, 0xe0, dcid, 1, 2, 3, 4, 5, 6};

	return send_quic(b, client, sport, payload, sizeof(payload));
}

START_TEST(a_connection_finds_its_server_from_any_address)
{
	struct bench b = start_quic(&worlds[_i % 2]);
	uint8_t codepoint = _i < 2 ? 0 : 3;

	for (uint16_t n = 0; n < 30; n++) {
		int server = n % N_BACKENDS;

		ck_assert_int_eq(
			send_short(&b, (uint8_t)n, (uint16_t)(20000 + 7 * n), codepoint, server),
			server);
	}
	stop(&b);
}
END_TEST

START_TEST(a_draining_server_keeps_its_connections_and_gets_no_new_ones)
{
	struct bench b = start_quic(&worlds[_i]);

	b.pool.backends[1].weight_milli = 0;
	configure(&b);
	for (uint16_t n = 0; n < 20; n++) {
		ck_assert_int_eq(send_short(&b, 0, (uint16_t)(20000 + n), 3, 1), 1);
		ck_assert_int_ne(send_initial(&b, 0, (uint16_t)(30000 + n), (uint8_t)n), 1);
	}
	stop(&b);
}
END_TEST

START_TEST(first_packets_follow_the_id_the_client_chose)
{
	struct bench b = start_quic(&worlds[_i]);
	uint32_t used = 0;

	for (uint8_t dcid = 0; dcid < 20; dcid++) {
		int first = send_initial(&b, 0, (uint16_t)(20000 + dcid), dcid);

		ck_assert_int_ge(first, 0);
		ck_assert_int_eq(send_initial(&b, 1, (uint16_t)(30000 + dcid), dcid), first);
		used |= 1u << first;
	}
	ck_assert_uint_eq(used, 7);
	stop(&b);
}
END_TEST

static const struct {
	const char *name;
	uint8_t payload[8];
	uint16_t n_bytes;
} unroutable[] = {
	{"no payload", {0}, 0},
	{"a first octet alone", {0x40}, 1},
	{"an id too short for its configuration", {0x40, 0x00, 1, 0, 9, 9, 9}, 7},
	{"a configuration that is not there", {0x40, 0x20, 1, 0, 9, 9, 9, 9}, 8},
	{"codepoint 7", {0x40, 0xe0, 1, 0, 9, 9, 9, 9}, 8},
	{"a server that is not there", {0x40, 0x00, 9, 9, 9, 9, 9, 9}, 8},
	{"a long header cut off", {0xc0, 0, 0, 0, 1, 20, 1, 2}, 8},
	{"not QUIC at all", {'G', 'E', 'T', ' ', '/'}, 5},
};

START_TEST(what_is_not_routable_goes_by_its_tuple_and_is_never_dropped)
{
	struct bench b = start_quic(&worlds[0]);
	uint32_t used = 0;

	for (uint16_t port = 20000; port < 20040; port++) {
		int backend =
			send_quic(&b, 0, port, unroutable[_i].payload, unroutable[_i].n_bytes);

		ck_assert_msg(backend >= 0, "%s", unroutable[_i].name);
		used |= 1u << backend;
	}
	ck_assert_msg(used == 7, "%s: all to one", unroutable[_i].name);
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
	tcase_add_loop_test(tc, a_connection_finds_its_server_from_any_address, 0, 4);
	tcase_add_loop_test(tc, a_draining_server_keeps_its_connections_and_gets_no_new_ones, 0, 2);
	tcase_add_loop_test(tc, first_packets_follow_the_id_the_client_chose, 0, 2);
	tcase_add_loop_test(tc, what_is_not_routable_goes_by_its_tuple_and_is_never_dropped, 0,
	                    sizeof(unroutable) / sizeof(unroutable[0]));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
