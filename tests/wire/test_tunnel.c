// SPDX-License-Identifier: Apache-2.0
// dsr-ipip and dsr-gue: servers behind tunnels answer the client directly, in all four families,
// and full-size packets find their way although the tunnel makes them too long.
#include "wire_client.h"
#include "wire_ipc.h"
#include "wire_lab.h"
#include "wire_main.h"

#define TIMEOUT_MS     5000
#define N_CONNECTIONS  4
#define STREAM_BYTES   100000 // full-size segments, of which the first do not fit
#define DATAGRAM_BYTES 1200
#define SMALL_MSS      1388 // the longest that fits each of these tunnels, IPv6 in GUE over IPv6

struct row {
	const char *name;
	struct sl_lab_spec spec;
	bool is_told; // clients learn of the tunnel by ICMP
};

#define ROW(label, dev, fwd, crossed, mss, told)                                                   \
	{                                                                                          \
		label,                                                                             \
			{.device = dev,                                                            \
		         .forward = fwd,                                                           \
		         .balance = "weighted",                                                    \
		         .layout = SL_LAB_ONE_ARM,                                                 \
		         .n_servers = 2,                                                           \
		         .n_workers = 1,                                                           \
		         .is_crossed = crossed,                                                    \
		         .advertised_mss = mss},                                                   \
			told                                                                       \
	}

static const struct row rows[] = {
	ROW("4in4 and 6in6, af_packet", "af_packet", "dsr-ipip", false, 0, true),
	ROW("4in6 and 6in4, af_packet", "af_packet", "dsr-ipip", true, 0, true),
	ROW("gue, af_packet", "af_packet", "dsr-gue", false, 0, true),
	ROW("gue crossed, af_packet", "af_packet", "dsr-gue", true, 0, true),
	// Nobody is told, as if every ICMP error were lost: servers announce what fits.
	ROW("4in4 and 6in6 without ICMP", "af_packet", "dsr-ipip, mtu-guard: clamp-mss", false,
            SMALL_MSS, false),
	ROW("gue crossed without ICMP", "af_packet", "dsr-gue, mtu-guard: clamp-mss", true,
            SMALL_MSS, false),
	// From here on with AF_XDP.
	ROW("4in4 and 6in6, af_xdp", "af_xdp", "dsr-ipip", false, 0, true),
	ROW("gue crossed, af_xdp", "af_xdp", "dsr-gue", true, 0, true),
};
#define N_ROWS     (int)(sizeof(rows) / sizeof(rows[0]))
#define N_ROWS_XDP 2

START_TEST(servers_behind_tunnels_answer_and_long_packets_fit)
{
	const struct row *row = &rows[_i];
	struct sl_stats_view view;
	struct sl_stats_sums sums;
	struct sl_lab lab;

	sl_lab_start(&lab, &row->spec);
	sl_lab_start_echoes(&lab);
	for (int i = 0; i < 2 * N_CONNECTIONS; i++) {
		bool is_v6 = i % 2;
		char server[SL_CLIENT_NAME_BYTES];
		struct sl_client client;

		ck_assert_msg(sl_client_open(&client, is_v6, TIMEOUT_MS),
		              "%s: TCP v%d connection %d: no server", row->name, is_v6 ? 6 : 4, i);
		ck_assert_msg(sl_client_echoes(&client, STREAM_BYTES, TIMEOUT_MS),
		              "%s: TCP v%d connection %d to %s: echo is not what was sent",
		              row->name, is_v6 ? 6 : 4, i, client.server);
		sl_client_close(&client);
		ck_assert_msg(sl_client_udp_echoes(is_v6, DATAGRAM_BYTES, TIMEOUT_MS, server),
		              "%s: UDP v%d datagram %d: no echo", row->name, is_v6 ? 6 : 4, i);
	}
	sl_stats_open(&view, &lab);
	sl_stats_check_balance(&view, row->name);
	sl_stats_sum(&view, &sums);
	ck_assert_msg((sums.drops[SL_DROP_TOO_BIG] > 0) == row->is_told, "%s: %lu too big",
	              row->name, (unsigned long)sums.drops[SL_DROP_TOO_BIG]);
	sl_stats_close(&view);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tunnel");
	TCase *tcase = tcase_create("modes");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, servers_behind_tunnels_answer_and_long_packets_fit, 0,
	                    sl_wire_has_af_xdp() ? N_ROWS : N_ROWS - N_ROWS_XDP);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
