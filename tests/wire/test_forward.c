// SPDX-License-Identifier: Apache-2.0
// Every forwarding mode carries TCP and UDP of both families, unchanged.
#include "wire_client.h"
#include "wire_ipc.h"
#include "wire_lab.h"
#include "wire_main.h"

#define TIMEOUT_MS     3000
#define N_CONNECTIONS  8
#define STREAM_BYTES   100000 // many segments, so that every checksum path is taken
#define DATAGRAM_BYTES 1200

struct row {
	const char *name;
	struct sl_lab_spec spec;
};

#define ROW(label, dev, fwd, arms, workers)                                                        \
	{                                                                                          \
		label,                                                                             \
		{                                                                                  \
			.device = dev, .forward = fwd, .balance = "weighted", .layout = arms,      \
			.n_servers = 2, .n_workers = workers                                       \
		}                                                                                  \
	}

static const struct row rows[] = {
	ROW("nat, two arms, af_packet", "af_packet", "nat", SL_LAB_TWO_ARM, 1),
	ROW("nat, one arm, af_packet", "af_packet", "nat", SL_LAB_ONE_ARM, 1),
	ROW("fullnat, one arm, af_packet", "af_packet", "fullnat", SL_LAB_ONE_ARM, 1),
	ROW("dsr-l2, one arm, af_packet", "af_packet", "dsr-l2", SL_LAB_ONE_ARM, 1),
	ROW("nat, two workers, af_packet", "af_packet", "nat", SL_LAB_TWO_ARM, 2),
	ROW("fullnat, two workers, af_packet", "af_packet", "fullnat", SL_LAB_ONE_ARM, 2),
	// From here on with AF_XDP.
	ROW("nat, two arms, af_xdp", "af_xdp", "nat", SL_LAB_TWO_ARM, 1),
	ROW("fullnat, one arm, af_xdp", "af_xdp", "fullnat", SL_LAB_ONE_ARM, 1),
	ROW("dsr-l2, one arm, af_xdp", "af_xdp", "dsr-l2", SL_LAB_ONE_ARM, 1),
	ROW("nat, two workers, af_xdp", "af_xdp", "nat", SL_LAB_TWO_ARM, 2),
};
#define N_ROWS     (int)(sizeof(rows) / sizeof(rows[0]))
#define N_ROWS_XDP 4

START_TEST(tcp_and_udp_of_both_families_pass_unchanged)
{
	struct sl_stats_view view;
	struct sl_lab lab;
	const char *name = rows[_i].name;

	sl_lab_start(&lab, &rows[_i].spec);
	sl_lab_start_echoes(&lab);
	for (int i = 0; i < 2 * N_CONNECTIONS; i++) {
		bool is_v6 = i % 2;
		char server[SL_CLIENT_NAME_BYTES];
		struct sl_client client;

		ck_assert_msg(sl_client_open(&client, is_v6, TIMEOUT_MS),
		              "%s: TCP v%d connection %d: no server", name, is_v6 ? 6 : 4, i);
		ck_assert_msg(sl_client_echoes(&client, STREAM_BYTES, TIMEOUT_MS),
		              "%s: TCP v%d connection %d to %s: echo is not what was sent", name,
		              is_v6 ? 6 : 4, i, client.server);
		sl_client_close(&client);
		ck_assert_msg(sl_client_udp_echoes(is_v6, DATAGRAM_BYTES, TIMEOUT_MS, server),
		              "%s: UDP v%d datagram %d: no echo", name, is_v6 ? 6 : 4, i);
	}
	sl_stats_open(&view, &lab);
	sl_stats_check_balance(&view, name);
	sl_stats_close(&view);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward");
	TCase *tcase = tcase_create("modes");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, tcp_and_udp_of_both_families_pass_unchanged, 0,
	                    sl_wire_has_af_xdp() ? N_ROWS : N_ROWS - N_ROWS_XDP);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
