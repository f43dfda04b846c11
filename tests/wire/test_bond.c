// SPDX-License-Identifier: Apache-2.0
// Bonds: connections outlive the links of their members, and flows share these.
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "wire_client.h"
#include "wire_ipc.h"
#include "wire_lab.h"
#include "wire_main.h"
#include "wire_net.h"

#define TIMEOUT_MS    20000
#define CHUNK_BYTES   100000
#define N_FAILURES    3
#define N_CONNECTIONS 24
#define N_FEW         4
#define SERVER_PORT   1 // in the order of dataplane.yaml

struct row {
	const char *name;
	struct sl_lab_spec spec;
};

#define ROW(label, mode, fwd, workers, mtu)                                                        \
	{                                                                                          \
		label,                                                                             \
		{                                                                                  \
			.device = "af_packet", .forward = fwd, .balance = "weighted",              \
			.layout = SL_LAB_BOND, .bond_mode = mode, .n_servers = 2,                  \
			.n_workers = workers, .mtu_bytes = mtu                                     \
		}                                                                                  \
	}

static const struct row backups[] = {
	ROW("active-backup, nat", "active-backup", "nat", 1, 0),
	ROW("active-backup, fullnat, two workers, mtu 9000", "active-backup", "fullnat", 2, 9000),
};
static const struct row balances[] = {
	ROW("balance-xor, nat", "balance-xor", "nat", 1, 0),
	ROW("balance-xor, fullnat, two workers, mtu 9000", "balance-xor", "fullnat", 2, 9000),
};
#define N_ROWS 2

static bool has_states(struct sl_lab *lab, const char *const states[2])
{
	json_t *status = sl_lab_json(lab, "status");
	const json_t *ports = json_object_get(json_object_get(status, "dataplane"), "ports");
	const json_t *members = json_object_get(json_array_get(ports, SERVER_PORT), "members");
	bool is_so = json_array_size(members) == 2;

	for (size_t m = 0; is_so && m < 2; m++) {
		const json_t *member = json_array_get(members, m);

		is_so = strcmp(json_string_value(json_object_get(member, "device")),
		               m == 0 ? "af_packet:srv0" : "af_packet:srv1") == 0 &&
		        strcmp(json_string_value(json_object_get(member, "state")), states[m]) == 0;
	}
	json_decref(status);
	return is_so;
}

static void wait_states(struct sl_lab *lab, const char *name, const char *first, const char *second)
{
	const char *const states[2] = {first, second};
	uint64_t deadline_ms = sl_proc_now_ms() + TIMEOUT_MS;

	while (!has_states(lab, states)) {
		if (sl_proc_now_ms() > deadline_ms)
			ck_abort_msg("%s: members are not %s and %s\n%s", name, first, second,
			             sl_proc_read_file(lab->dataplane.log));
		sl_proc_pause();
	}
}

// A connection that never rests.
struct transfer {
	pthread_t thread;
	struct sl_client client;
	_Atomic bool is_ending;
	_Atomic bool has_failed;
	_Atomic uint32_t n_chunks;
};

static void *run_transfer(void *arg)
{
	struct transfer *t = arg;

	while (!atomic_load(&t->is_ending) && !atomic_load(&t->has_failed)) {
		if (sl_client_echoes(&t->client, CHUNK_BYTES, TIMEOUT_MS))
			atomic_fetch_add(&t->n_chunks, 1);
		else
			atomic_store(&t->has_failed, true);
	}
	return NULL;
}

static void start_transfer(struct transfer *t, bool is_v6, const char *name)
{
	memset(t, 0, sizeof(*t));
	ck_assert_msg(sl_client_open(&t->client, is_v6, TIMEOUT_MS), "%s: no server", name);
	ck_assert_int_eq(pthread_create(&t->thread, NULL, run_transfer, t), 0);
}

static void wait_progress(struct transfer *t, const char *what)
{
	uint32_t wanted =
		atomic_load(&t->n_chunks) + 2; // the one that began before, and a whole one
	uint64_t deadline_ms = sl_proc_now_ms() + TIMEOUT_MS;

	while (atomic_load(&t->n_chunks) < wanted) {
		ck_assert_msg(!atomic_load(&t->has_failed) && sl_proc_now_ms() < deadline_ms,
		              "%s: the transfer stands still", what);
		sl_proc_pause();
	}
}

static void end_transfer(struct transfer *t, const char *name)
{
	atomic_store(&t->is_ending, true);
	pthread_join(t->thread, NULL);
	ck_assert_msg(!atomic_load(&t->has_failed), "%s: the transfer broke", name);
	sl_client_close(&t->client);
}

static void check_balance(struct sl_lab *lab, const char *name)
{
	struct sl_stats_view view;

	sl_stats_open(&view, lab);
	sl_stats_check_balance(&view, name);
	sl_stats_close(&view);
}

START_TEST(transfers_go_on_when_the_active_member_loses_its_link)
{
	const struct row *row = &backups[_i];
	struct transfer transfers[2];
	char server[SL_CLIENT_NAME_BYTES];
	struct sl_lab lab;

	sl_lab_start(&lab, &row->spec);
	sl_lab_start_echoes(&lab);
	wait_states(&lab, row->name, "active", "backup");
	for (int i = 0; i < 2; i++)
		start_transfer(&transfers[i], i == 1, row->name);
	for (int n = 0; n < N_FAILURES; n++) {
		for (int i = 0; i < 2; i++)
			wait_progress(&transfers[i], row->name);
		sl_net_ip("sw", "link set lb down");
		wait_states(&lab, row->name, "down", "active");
		for (int i = 0; i < 2; i++)
			wait_progress(&transfers[i], "second member");
		ck_assert_msg(sl_client_udp_echoes(n & 1, 100, TIMEOUT_MS, server),
		              "%s: no new flow over the second member", row->name);
		sl_net_ip("sw", "link set lb up");
		wait_states(&lab, row->name, "active", "backup");
		for (int i = 0; i < 2; i++)
			wait_progress(&transfers[i], "first member again");
	}
	for (int i = 0; i < 2; i++)
		end_transfer(&transfers[i], row->name);
	check_balance(&lab, row->name);
	sl_lab_stop(&lab);
}
END_TEST

static json_int_t sent_by(const char *interface)
{
	char ns[SL_NET_NAME_BYTES];
	char *text = sl_proc_output(sl_net_name(ns, "lb"), TIMEOUT_MS, "ip -j -s link show dev %s",
	                            interface);
	json_t *links = json_loads(text, 0, NULL);
	json_int_t n = -1;

	json_unpack(links, "[{s:{s:{s:I}}}]", "stats64", "tx", "packets", &n);
	json_decref(links);
	free(text);
	ck_assert_int_ge(n, 0);
	return n;
}

static void open_all(struct sl_client clients[N_CONNECTIONS], const char *name)
{
	for (int i = 0; i < N_CONNECTIONS; i++)
		ck_assert_msg(sl_client_open(&clients[i], i & 1, TIMEOUT_MS), "%s: connection %d",
		              name, i);
}

static void echo_all(struct sl_client clients[N_CONNECTIONS], const char *name, const char *when)
{
	for (int i = 0; i < N_CONNECTIONS; i++)
		ck_assert_msg(sl_client_echoes(&clients[i], CHUNK_BYTES / 4, TIMEOUT_MS),
		              "%s: connection %d %s", name, i, when);
}

START_TEST(flows_share_the_members_and_move_when_one_loses_its_link)
{
	const struct row *row = &balances[_i];
	static const char *const members[] = {"srv0", "srv1"};
	struct sl_client clients[N_CONNECTIONS];
	json_int_t before[2];
	struct sl_lab lab;

	sl_lab_start(&lab, &row->spec);
	sl_lab_start_echoes(&lab);
	wait_states(&lab, row->name, "active", "active");
	open_all(clients, row->name);
	for (int m = 0; m < 2; m++)
		before[m] = sent_by(members[m]);
	echo_all(clients, row->name, "over both members");
	for (int m = 0; m < 2; m++)
		ck_assert_msg(sent_by(members[m]) - before[m] > N_FEW,
		              "%s: %s sends next to nothing", row->name, members[m]);
	sl_net_ip("sw", "link set lb down");
	wait_states(&lab, row->name, "down", "active");
	echo_all(clients, row->name, "over the second member");
	sl_net_ip("sw", "link set lb up");
	wait_states(&lab, row->name, "active", "active");
	sl_net_ip("sw", "link set lb1 down");
	wait_states(&lab, row->name, "active", "down");
	echo_all(clients, row->name, "over the first member");
	for (int i = 0; i < N_CONNECTIONS; i++)
		sl_client_close(&clients[i]);
	check_balance(&lab, row->name);
	sl_lab_stop(&lab);
}
END_TEST

static const struct row lacps[] = {
	ROW("802.3ad, nat", "802.3ad", "nat", 1, 0),
	ROW("802.3ad, fullnat, two workers", "802.3ad", "fullnat", 2, 0),
};

// In place of the switch's two plain ports: one that speaks LACP, whose aggregate leads to the
// bridge.
static void start_partner(struct sl_lab *lab, struct sl_proc *partner)
{
	char program[256], log[96], ns[SL_NET_NAME_BYTES];

	sl_wire_program(program, sizeof(program), "tests/wire/lacp_partner");
	snprintf(log, sizeof(log), "%s/partner.log", lab->dir);
	sl_net_ip("sw", "link set lb nomaster");
	sl_net_ip("sw", "link set lb1 nomaster");
	sl_net_link((struct sl_net_end){"sw", "trunk"}, (struct sl_net_end){"sw", "inner"});
	sl_net_ip("sw", "link set inner master br0");
	sl_proc_start(partner, sl_net_name(ns, "sw"), log, "%s trunk lb lb1", program);
	sl_proc_wait_log(partner, "lacp_partner: ready", TIMEOUT_MS);
}

START_TEST(flows_share_members_that_lacp_has_agreed_on)
{
	const struct row *row = &lacps[_i];
	static const char *const members[] = {"srv0", "srv1"};
	struct sl_client clients[N_CONNECTIONS];
	struct sl_proc partner;
	json_int_t before[2];
	struct sl_lab lab;

	sl_lab_start(&lab, &row->spec);
	sl_lab_start_echoes(&lab);
	wait_states(&lab, row->name, "backup", "backup"); // links, and nobody who speaks
	start_partner(&lab, &partner);
	wait_states(&lab, row->name, "active", "active");
	open_all(clients, row->name);
	for (int m = 0; m < 2; m++)
		before[m] = sent_by(members[m]);
	echo_all(clients, row->name, "over both members");
	for (int m = 0; m < 2; m++)
		ck_assert_msg(sent_by(members[m]) - before[m] > N_FEW,
		              "%s: %s sends next to nothing", row->name, members[m]);
	for (int i = 0; i < N_CONNECTIONS; i++)
		sl_client_close(&clients[i]);
	sl_proc_stop(&partner, SIGKILL);
	check_balance(&lab, row->name);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bond");
	TCase *tcase = tcase_create("bond");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, transfers_go_on_when_the_active_member_loses_its_link, 0,
	                    N_ROWS);
	tcase_add_loop_test(tcase, flows_share_the_members_and_move_when_one_loses_its_link, 0,
	                    N_ROWS);
	tcase_add_loop_test(tcase, flows_share_members_that_lacp_has_agreed_on, 0, N_ROWS);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
