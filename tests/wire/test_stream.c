// SPDX-License-Identifier: Apache-2.0
// Streaming inference through the appliance: simulated GPU servers, an open-loop client.
#include <signal.h>
#include <string.h>

#include "wire_lab.h"
#include "wire_main.h"
#include "wire_net.h"

#define N_SERVERS       2
#define LOAD_TIMEOUT_MS 30000
#define LOAD_SECONDS    3
#define LOAD_RATE       20

struct row {
	const char *device;
	const char *target;
	const char *connections;
};

static const struct row rows[] = {
	{"af_packet", SL_LAB_VIP4 ":8000", "per-request"},
	{"af_packet", "[" SL_LAB_VIP6 "]:8000", "keep-alive"},
	// From here on with AF_XDP.
	{"af_xdp", SL_LAB_VIP4 ":8000", "keep-alive"},
	{"af_xdp", "[" SL_LAB_VIP6 "]:8000", "per-request"},
};
#define N_ROWS     4
#define N_ROWS_XDP 2

static void start_servers(struct sl_lab *lab)
{
	char sim[256], part[8], ns[SL_NET_NAME_BYTES], log[96];

	sl_wire_program(sim, sizeof(sim), "tools/sim/sluice-sim");
	snprintf(log, sizeof(log), "%s/server.log", lab->dir);
	for (uint32_t n = 0; n < N_SERVERS; n++) {
		sl_net_name(ns, sl_lab_server(part, n));
		sl_proc_start(&lab->servers[n][0], ns, log,
		              "%s server --listen 10.20.0.%u:8000 --listen [fd20::%x]:8000 "
		              "--name %s",
		              sim, 11 + n, 0x11 + n, part);
	}
	for (uint32_t n = 0; n < N_SERVERS; n++) {
		sl_proc_wait_port(&lab->servers[n][0], "tcp", SL_LAB_TCP_PORT);
		sl_proc_wait_port(&lab->servers[n][0], "tcp6", SL_LAB_TCP_PORT);
	}
}

static void check_report(const struct row *row, const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	json_int_t sent = 0, ok = 0, failed = -1;

	ck_assert_msg(json != NULL, "no JSON: %s", text);
	json_unpack(json, "{s:I, s:I, s:I}", "sent", &sent, "ok", &ok, "failed", &failed);
	ck_assert_msg(failed == 0 && ok == sent && ok >= LOAD_RATE * LOAD_SECONDS / 2,
	              "%s %s %s: %s", row->device, row->target, row->connections, text);
	json_decref(json);
}

START_TEST(every_streamed_answer_arrives_complete)
{
	const struct row *row = &rows[_i];
	const struct sl_lab_spec spec = {.device = row->device,
	                                 .forward = "nat",
	                                 .balance = "least-connections",
	                                 .n_servers = N_SERVERS,
	                                 .n_workers = 1};
	char sim[256], path[96], ns[SL_NET_NAME_BYTES], *text;
	struct sl_lab lab;

	sl_lab_start(&lab, &spec);
	start_servers(&lab);
	sl_wire_program(sim, sizeof(sim), "tools/sim/sluice-sim");
	snprintf(path, sizeof(path), "%s/load.json", lab.dir);
	free(sl_proc_output(sl_net_name(ns, "cli"), LOAD_TIMEOUT_MS,
	                    "%s load --target %s --rate %d --duration %d --connections %s "
	                    "--output 16 --prompt 100 --seed 1 --json %s",
	                    sim, row->target, LOAD_RATE, LOAD_SECONDS, row->connections, path));
	text = sl_proc_read_file(path);
	check_report(row, text);
	free(text);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stream");
	TCase *tcase = tcase_create("sim");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, every_streamed_answer_arrives_complete, 0,
	                    sl_wire_has_af_xdp() ? N_ROWS : N_ROWS - N_ROWS_XDP);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
