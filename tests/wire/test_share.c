// SPDX-License-Identifier: Apache-2.0
// Who gets how many connections.
#include <errno.h>
#include <string.h>

#include "wire_client.h"
#include "wire_lab.h"
#include "wire_main.h"

#define TIMEOUT_MS    3000
#define N_CONNECTIONS 10000
#define N_LONG        200
#define MAX_SPREAD    2

static uint32_t number_of(const struct sl_client *client)
{
	uint32_t n = (uint32_t)strtoul(client->server + 1, NULL, 10);

	ck_assert_msg(client->server[0] == 's' && n < SL_LAB_MAX_SERVERS, "no server is called %s",
	              client->server);
	return n;
}

struct weighted_row {
	const char *device;
	bool is_v6;
	uint8_t n_workers;
	uint16_t weights[SL_LAB_MAX_SERVERS];
	uint8_t n_servers;
};

static const struct weighted_row weighted_rows[] = {
	{"af_packet", false, 1, {100, 200, 300, 400}, 4},
	// From here on with AF_XDP.
	{"af_xdp", true, 2, {70, 110, 330, 490}, 4},
};

START_TEST(shares_of_ten_thousand_connections_are_within_1_percent_of_the_weights)
{
	const struct weighted_row *row = &weighted_rows[_i];
	const struct sl_lab_spec spec = {.device = row->device,
	                                 .forward = "nat",
	                                 .balance = "weighted",
	                                 .weights = row->weights,
	                                 .n_servers = row->n_servers,
	                                 .n_workers = row->n_workers};
	uint32_t counts[SL_LAB_MAX_SERVERS] = {0}, total = 0;
	struct sl_lab lab;

	sl_lab_start(&lab, &spec);
	sl_lab_start_echoes(&lab);
	for (int i = 0; i < N_CONNECTIONS; i++) {
		struct sl_client client;

		ck_assert_msg(sl_client_open(&client, row->is_v6, TIMEOUT_MS),
		              "%s: connection %d: %s", row->device, i, strerror(errno));
		counts[number_of(&client)]++;
		sl_client_reset(&client);
	}
	for (uint32_t n = 0; n < row->n_servers; n++)
		total += row->weights[n];
	for (uint32_t n = 0; n < row->n_servers; n++) {
		double expected = (double)N_CONNECTIONS * row->weights[n] / total;

		ck_assert_msg(counts[n] >= expected * 0.99 - 1 && counts[n] <= expected * 1.01 + 1,
		              "%s: s%u got %u of %d, its weight is worth %.0f", row->device, n,
		              counts[n], N_CONNECTIONS, expected);
	}
	sl_lab_stop(&lab);
}
END_TEST

static const struct sl_lab_spec least_specs[] = {
	{.device = "af_packet", .n_workers = 1},
	{.device = "af_packet", .n_workers = 2},
	// From here on with AF_XDP.
	{.device = "af_xdp", .n_workers = 1},
};

// Opens those that are closed and checks that no server holds many more than another.
static void open_all(struct sl_client clients[N_LONG], const struct sl_lab_spec *spec,
                     const char *when)
{
	uint32_t counts[SL_LAB_MAX_SERVERS] = {0}, least = N_LONG, most = 0;

	for (int i = 0; i < N_LONG; i++) {
		if (clients[i].fd < 0)
			ck_assert_msg(sl_client_open(&clients[i], false, TIMEOUT_MS),
			              "%s: connection %d: %s", when, i, strerror(errno));
		counts[number_of(&clients[i])]++;
	}
	for (int n = 0; n < SL_LAB_MAX_SERVERS; n++) {
		least = counts[n] < least ? counts[n] : least;
		most = counts[n] > most ? counts[n] : most;
	}
	ck_assert_msg(most - least <= MAX_SPREAD, "%s, %u workers, %s: between %u and %u",
	              spec->device, spec->n_workers, when, least, most);
}

// The second round tells least connections from taking turns: half of the servers stand empty.
START_TEST(least_connections_keeps_200_long_connections_on_8_backends_within_2)
{
	struct sl_lab_spec spec = least_specs[_i];
	struct sl_client clients[N_LONG];
	struct sl_lab lab;

	spec.forward = "nat";
	spec.balance = "least-connections";
	spec.n_servers = SL_LAB_MAX_SERVERS;
	sl_lab_start(&lab, &spec);
	sl_lab_start_echoes(&lab);
	for (int i = 0; i < N_LONG; i++)
		clients[i].fd = -1;
	open_all(clients, &spec, "from nothing");
	for (int i = 0; i < N_LONG; i++)
		if (number_of(&clients[i]) < SL_LAB_MAX_SERVERS / 2)
			sl_client_reset(&clients[i]);
	open_all(clients, &spec, "with half of the servers empty");
	for (int i = 0; i < N_LONG; i++)
		ck_assert_msg(sl_client_echoes(&clients[i], 100, TIMEOUT_MS),
		              "connection %d to %s died", i, clients[i].server);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("share");
	TCase *tcase = tcase_create("connections");
	bool has_af_xdp = sl_wire_has_af_xdp();

	tcase_set_timeout(tcase, 90);
	tcase_add_loop_test(tcase,
	                    shares_of_ten_thousand_connections_are_within_1_percent_of_the_weights,
	                    0, has_af_xdp ? 2 : 1);
	tcase_add_loop_test(tcase,
	                    least_connections_keeps_200_long_connections_on_8_backends_within_2, 0,
	                    has_af_xdp ? 3 : 2);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
