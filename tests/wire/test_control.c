// SPDX-License-Identifier: Apache-2.0
// What the control process does, or no longer does, never disturbs what is established.
#include <signal.h>
#include <string.h>

#include "wire_client.h"
#include "wire_ipc.h"
#include "wire_lab.h"
#include "wire_main.h"

#define TIMEOUT_MS 3000
#define N_LONG     40
#define N_SERVERS  4
#define N_ROUNDS   20

static const char *const devices[] = {"af_packet", "af_xdp"};

static void start_lab(struct sl_lab *lab, const char *device, const uint16_t *weights)
{
	const struct sl_lab_spec spec = {.device = device,
	                                 .forward = "nat",
	                                 .balance = "weighted",
	                                 .weights = weights,
	                                 .n_servers = N_SERVERS,
	                                 .n_workers = 1};

	sl_lab_start(lab, &spec);
	sl_lab_start_echoes(lab);
}

static void open_long(struct sl_client clients[N_LONG])
{
	for (int i = 0; i < N_LONG; i++)
		ck_assert_msg(sl_client_open(&clients[i], i % 2, TIMEOUT_MS), "connection %d", i);
}

static void check_long(struct sl_client clients[N_LONG], const char *when)
{
	for (int i = 0; i < N_LONG; i++)
		ck_assert_msg(sl_client_echoes(&clients[i], 2000, TIMEOUT_MS),
		              "%s: connection %d to %s is gone", when, i, clients[i].server);
}

static void close_long(struct sl_client clients[N_LONG])
{
	for (int i = 0; i < N_LONG; i++)
		sl_client_close(&clients[i]);
}

// A new connection of either family; its server's number.
static uint32_t open_one(int turn)
{
	struct sl_client client;
	uint32_t n;

	ck_assert_msg(sl_client_open(&client, turn % 2, TIMEOUT_MS), "new connection %d", turn);
	n = (uint32_t)strtoul(client.server + 1, NULL, 10);
	sl_client_close(&client);
	return n;
}

// Drops that mean a packet of a connection was lost, not one that was none of our business.
static uint64_t lost_pkts(const struct sl_stats_sums *sums)
{
	return sums->drops_total - sums->drops[SL_DROP_CONSUMED] - sums->drops[SL_DROP_NOT_FOR_US] -
	       sums->drops[SL_DROP_NO_VIP];
}

START_TEST(killing_control_under_load_loses_no_packet_and_it_attaches_again)
{
	struct sl_client clients[N_LONG];
	struct sl_stats_sums before, after;
	struct sl_stats_view view;
	struct sl_lab lab;

	start_lab(&lab, devices[_i], NULL);
	open_long(clients);
	sl_stats_open(&view, &lab);
	sl_stats_sum(&view, &before);
	for (int round = 0; round < N_ROUNDS; round++) {
		if (round == 5)
			sl_proc_stop(&lab.control, SIGKILL);
		if (round == 10)
			sl_lab_start_control(&lab);
		check_long(clients, "round");
		open_one(round);
	}
	sl_lab_wait_ready(&lab);
	check_long(clients, "after control came back");
	sl_stats_sum(&view, &after);
	ck_assert_msg(lost_pkts(&after) == lost_pkts(&before), "%s: %llu packets lost", devices[_i],
	              (unsigned long long)(lost_pkts(&after) - lost_pkts(&before)));
	ck_assert_msg(after.config_applied > before.config_applied,
	              "control came back without sending its configuration");
	close_long(clients);
	sl_stats_check_balance(&view, devices[_i]);
	sl_stats_close(&view);
	sl_lab_stop(&lab);
}
END_TEST

START_TEST(apply_moves_no_established_flow)
{
	static const uint16_t first[] = {100, 100, 0, 0}, second[] = {0, 0, 100, 300};
	struct sl_client clients[N_LONG];
	struct sl_lab lab;
	char *text;

	start_lab(&lab, devices[_i], first);
	open_long(clients);
	lab.spec.weights = second;
	sl_lab_write_pools(&lab);
	ck_assert_msg(sl_lab_sluice(&lab, &text, "apply") == 0, "apply: %s", text);
	free(text);
	check_long(clients, "after apply");
	for (int i = 0; i < N_LONG; i++) {
		ck_assert_msg(clients[i].server[1] < '2', "%s had no weight before",
		              clients[i].server);
		ck_assert_msg(open_one(i) >= 2, "a new connection went to a weight of 0");
	}
	check_long(clients, "after new connections");
	close_long(clients);
	sl_lab_stop(&lab);
}
END_TEST

START_TEST(a_refused_configuration_changes_nothing)
{
	struct sl_stats_sums before, after;
	struct sl_client clients[N_LONG];
	struct sl_stats_view view;
	struct sl_lab lab;
	char path[96], *text;
	int status;

	start_lab(&lab, devices[_i], NULL);
	open_long(clients);
	sl_stats_open(&view, &lab);
	sl_stats_sum(&view, &before);
	snprintf(path, sizeof(path), "%s/pools.yaml", lab.dir);
	sl_proc_write_file(path, "version: 1\nvips: []\npoools: {}\n");
	status = sl_lab_sluice(&lab, &text, "apply");
	ck_assert_msg(status == 3, "exit status %d: %s", status, text);
	ck_assert_msg(strstr(text, "pools.yaml:3") != NULL, "no place of the error: %s", text);
	free(text);
	sl_stats_sum(&view, &after);
	ck_assert_uint_eq(after.config_applied, before.config_applied);
	check_long(clients, "after the refusal");
	for (int i = 0; i < 2 * N_SERVERS; i++)
		open_one(i);
	close_long(clients);
	sl_stats_close(&view);
	sl_lab_stop(&lab);
}
END_TEST

START_TEST(a_drained_backend_keeps_its_flows_and_gets_no_new_one)
{
	struct sl_client clients[N_LONG];
	struct sl_lab lab;
	char *text;

	start_lab(&lab, devices[_i], NULL);
	open_long(clients);
	ck_assert_msg(sl_lab_sluice(&lab, &text, "backend drain tcp4/s1") == 0, "drain: %s", text);
	free(text);
	ck_assert_msg(sl_lab_sluice(&lab, &text, "backend drain tcp6/s1") == 0, "drain: %s", text);
	free(text);
	// The answer comes before the data plane has the new weight: wait for it there.
	for (uint64_t deadline_ms = sl_proc_now_ms() + TIMEOUT_MS;;) {
		bool is_taken = true;

		for (int i = 0; i < 4 * N_SERVERS; i++)
			is_taken = open_one(i) != 1 && is_taken;
		if (is_taken)
			break;
		ck_assert_msg(sl_proc_now_ms() < deadline_ms, "s1 still gets connections");
	}
	check_long(clients, "after drain");
	close_long(clients);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *tcase = tcase_create("control");
	int n_devices = sl_wire_has_af_xdp() ? 2 : 1;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, killing_control_under_load_loses_no_packet_and_it_attaches_again,
	                    0, n_devices);
	tcase_add_loop_test(tcase, apply_moves_no_established_flow, 0, n_devices);
	tcase_add_loop_test(tcase, a_refused_configuration_changes_nothing, 0, n_devices);
	tcase_add_loop_test(tcase, a_drained_backend_keeps_its_flows_and_gets_no_new_one, 0,
	                    n_devices);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
