// SPDX-License-Identifier: Apache-2.0
// Which server a client's connections reach: affinities, persistence and QUIC connection ids, with
// real sockets of both families.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "aes.h"
#include "wire_client.h"
#include "wire_ipc.h"
#include "wire_lab.h"
#include "wire_main.h"
#include "wire_net.h"

#define TIMEOUT_MS 3000
#define N_SERVERS  3
#define N_VISITS   20

// Rows of AF_XDP come last.
static const char *const devices[] = {"af_packet", "af_xdp"};

static struct sl_lab_spec spec_of(int row, const char *vip_keys)
{
	struct sl_lab_spec spec = {.device = devices[row],
	                           .forward = "nat",
	                           .balance = "weighted",
	                           .n_servers = N_SERVERS,
	                           .n_workers = 2,
	                           .pool_keys = {"slow-start: 0ms", "slow-start: 0ms"}};

	spec.vip_keys[0] = spec.vip_keys[2] = vip_keys;
	return spec;
}

static int number_of(const char *server)
{
	ck_assert_msg(server[0] == 's', "no server is called %s", server);
	return server[1] - '0';
}

// Opens and ends; the server.
static int visit(bool is_v6)
{
	struct sl_client client;

	ck_assert_msg(sl_client_open(&client, is_v6, TIMEOUT_MS), "v%d: %s", is_v6 ? 6 : 4,
	              strerror(errno));
	sl_client_reset(&client);
	return number_of(client.server);
}

// Flows that are not over, on all backends.
static uint64_t active_flows(const struct sl_stats_view *view)
{
	const struct sl_stats_header *h = view->base;
	uint64_t n = 0;

	for (uint32_t w = 0; w < h->n_workers; w++) {
		for (uint32_t b = 0; b < 4 * N_SERVERS; b++)
			n += sl_stat_get(&sl_stats_backend_at(view->base, w, b)->flows_active);
	}
	return n;
}

// One after the other: what is open counts, and a bound on the load would lead some elsewhere. A
// bit per server that was met.
static uint32_t visit_often(struct sl_lab *lab, bool is_v6)
{
	struct sl_stats_view view;
	uint32_t met = 0;

	sl_stats_open(&view, lab);
	for (int i = 0; i < N_VISITS; i++) {
		uint64_t deadline_ms = sl_proc_now_ms() + TIMEOUT_MS;

		met |= 1u << visit(is_v6);
		while (active_flows(&view) > 0) {
			ck_assert_msg(sl_proc_now_ms() < deadline_ms, "a flow does not end");
			sl_proc_pause();
		}
	}
	sl_stats_close(&view);
	return met;
}

START_TEST(source_brings_all_connections_of_a_client_to_one_server_and_none_does_not)
{
	struct sl_lab_spec spec = spec_of(_i, NULL);
	struct sl_lab lab;

	// Of two, one may hold a flow that another worker has not heard the end of yet.
	spec.n_servers = 2;
	spec.vip_keys[0] = "affinity: source";
	sl_lab_start(&lab, &spec);
	sl_lab_start_echoes(&lab);
	ck_assert_int_eq(__builtin_popcount(visit_often(&lab, false)), 1);
	ck_assert_int_eq(__builtin_popcount(visit_often(&lab, true)), 2);
	sl_lab_stop(&lab);
	spec.vip_keys[0] = NULL;
	spec.vip_keys[2] = "affinity: source";
	sl_lab_start(&lab, &spec);
	sl_lab_start_echoes(&lab);
	ck_assert_int_eq(__builtin_popcount(visit_often(&lab, false)), 2);
	ck_assert_int_eq(__builtin_popcount(visit_often(&lab, true)), 1);
	sl_lab_stop(&lab);
}
END_TEST

static void set_state(struct sl_lab *lab, const char *verb, bool is_v6, int server)
{
	char command[64], *text;

	snprintf(command, sizeof(command), "--timeout 14s backend %s tcp%d/s%d", verb,
	         is_v6 ? 6 : 4, server);
	ck_assert_msg(sl_lab_sluice(lab, &text, command) == 0, "%s: %s", command, text);
	free(text);
}

static json_int_t persistence(struct sl_lab *lab, const char *name)
{
	json_t *json = sl_lab_json(lab, "flow count");
	json_int_t n =
		json_integer_value(json_object_get(json_object_get(json, "persistence"), name));

	json_decref(json);
	return n;
}

// The drained server's client moves, and stays where it moved to although its own is back.
START_TEST(persistence_respects_a_drain_and_outlives_it)
{
	struct sl_lab_spec spec = spec_of(_i / 2, "affinity: source, persistence: {timeout: 1h}");
	const bool is_v6 = _i % 2;
	uint64_t deadline_ms;
	struct sl_lab lab;
	int home, refuge;

	sl_lab_start(&lab, &spec);
	sl_lab_start_echoes(&lab);
	home = visit(is_v6);
	ck_assert_uint_eq(visit_often(&lab, is_v6), 1u << home);
	set_state(&lab, "drain", is_v6, home);
	// The answer comes before the data plane has the new weight: wait for it there.
	deadline_ms = sl_proc_now_ms() + TIMEOUT_MS;
	do {
		refuge = visit(is_v6);
	} while (refuge == home && sl_proc_now_ms() < deadline_ms);
	ck_assert_int_ne(refuge, home);
	ck_assert_int_eq(persistence(&lab, "repicked_total"), 1);
	set_state(&lab, "ready", is_v6, home);
	ck_assert_uint_eq(visit_often(&lab, is_v6), 1u << refuge);
	ck_assert_int_ge(persistence(&lab, "followed_total"), 2 * N_VISITS);
	ck_assert_int_eq(persistence(&lab, "clients_total"), 1);
	sl_lab_stop(&lab);
}
END_TEST

// The same clients, met in their middle by a data plane that knows nothing of them.
START_TEST(flow_finds_connections_again_after_the_data_plane_was_killed)
{
	struct sl_lab_spec spec = spec_of(_i, "affinity: flow");
	struct sl_client clients[N_VISITS];
	uint32_t met = 0;
	struct sl_lab lab;

	sl_lab_start(&lab, &spec);
	sl_lab_start_echoes(&lab);
	for (int i = 0; i < N_VISITS; i++) {
		ck_assert(sl_client_open(&clients[i], i % 2, TIMEOUT_MS));
		met |= 1u << number_of(clients[i].server);
	}
	ck_assert_int_gt(__builtin_popcount(met), 1);
	sl_proc_stop(&lab.dataplane, SIGKILL);
	sl_lab_start_dataplane(&lab);
	sl_lab_wait_ready(&lab);
	for (int i = 0; i < N_VISITS; i++) {
		ck_assert_msg(sl_client_echoes(&clients[i], 100, 10000),
		              "connection %d to %s is dead", i, clients[i].server);
		sl_client_reset(&clients[i]);
	}
	sl_lab_stop(&lab);
}
END_TEST

// ---- QUIC ----

static const uint8_t key[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

// Sends it from a port of its own and takes the echo: the server's number, -1 for none.
static int ask(bool is_v6, const uint8_t *payload, size_t n_bytes)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(SL_LAB_UDP_PORT)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(SL_LAB_UDP_PORT)};
	int fd = sl_net_socket("cli", is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	char answer[128] = "";
	int err;

	inet_pton(AF_INET6, SL_LAB_VIP6, &v6.sin6_addr);
	inet_pton(AF_INET, SL_LAB_VIP4, &v4.sin_addr);
	err = is_v6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
	            : connect(fd, (struct sockaddr *)&v4, sizeof(v4));
	ck_assert_int_eq(err, 0);
	ck_assert_int_eq(send(fd, payload, n_bytes, 0), (ssize_t)n_bytes);
	if (poll(&ready, 1, TIMEOUT_MS) == 1)
		(void)!recv(fd, answer, sizeof(answer) - 1, 0);
	close(fd);
	return answer[0] != '\0' ? number_of(answer) : -1;
}

// A short header with an id that this server made under configuration 0 (plain) or 3 (a block).
static int ask_short(bool is_v6, uint8_t config, int server)
{
	static uint8_t nonce;
	uint8_t payload[40] = {0x40, (uint8_t)(config << 5), 0, (uint8_t)(server + 1)};
	struct sl_aes aes;

	nonce++;
	for (uint8_t i = 4; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * nonce);
	sl_aes_init(&aes, key);
	if (config == 3)
		sl_aes_encrypt(&aes, &payload[2], &payload[2]);
	return ask(is_v6, payload, sizeof(payload));
}

#define PLAIN "{config-id: 0, server-id-bytes: 2, nonce-bytes: 5}"
#define BLOCK                                                                                      \
	"{config-id: 3, server-id-bytes: 2, nonce-bytes: 14, "                                     \
	"key: 0102030405060708090a0b0c0d0e0f10}"

static void apply(struct sl_lab *lab, const char *quic)
{
	char *text;

	lab->spec.pool_keys[1] = quic;
	sl_lab_write_pools(lab);
	ck_assert_msg(sl_lab_sluice(lab, &text, "apply") == 0, "apply: %s", text);
	free(text);
}

// Every question comes from a new port, as from behind a NAT that forgot its client.
static void check_routable(bool is_v6, uint8_t config)
{
	for (int i = 0; i < 2 * N_SERVERS; i++)
		ck_assert_int_eq(ask_short(is_v6, config, i % N_SERVERS), i % N_SERVERS);
}

static uint32_t servers_met(bool is_v6, uint8_t config)
{
	uint32_t met = 0;

	for (int i = 0; i < N_VISITS; i++) {
		int server = ask_short(is_v6, config, 1);

		ck_assert_int_ge(server, 0); // never dropped
		met |= 1u << server;
	}
	return met;
}

START_TEST(quic_clients_keep_their_server_through_rebinding_and_rotation)
{
	struct sl_lab_spec spec = spec_of(_i / 2, NULL);
	const bool is_v6 = _i % 2;
	struct sl_lab lab;

	spec.vip_keys[1] = spec.vip_keys[3] = "affinity: quic-cid";
	spec.pool_keys[1] = "quic: [" PLAIN "]";
	spec.has_server_ids = true;
	sl_lab_start(&lab, &spec);
	sl_lab_start_echoes(&lab);
	check_routable(is_v6, 0);
	ck_assert_int_gt(__builtin_popcount(servers_met(is_v6, 3)), 1); // not known yet: by tuple
	apply(&lab, "quic: [" PLAIN ", " BLOCK "]");
	check_routable(is_v6, 0);
	check_routable(is_v6, 3);
	apply(&lab, "quic: [" BLOCK "]");
	check_routable(is_v6, 3);
	ck_assert_int_gt(__builtin_popcount(servers_met(is_v6, 0)), 1);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("affinity");
	TCase *tcase = tcase_create("affinity");
	const int n_devices = sl_wire_has_af_xdp() ? 2 : 1;

	tcase_set_timeout(tcase, 90);
	tcase_add_loop_test(
		tcase, source_brings_all_connections_of_a_client_to_one_server_and_none_does_not, 0,
		n_devices);
	tcase_add_loop_test(tcase, persistence_respects_a_drain_and_outlives_it, 0, 2 * n_devices);
	tcase_add_loop_test(tcase, flow_finds_connections_again_after_the_data_plane_was_killed, 0,
	                    n_devices);
	tcase_add_loop_test(tcase, quic_clients_keep_their_server_through_rebinding_and_rotation, 0,
	                    2 * n_devices);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
