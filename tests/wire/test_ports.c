// SPDX-License-Identifier: Apache-2.0
// Ports that are more than a plain interface of 1500 bytes: VLANs on a trunk, and long packets.
#include "wire_client.h"
#include "wire_ipc.h"
#include "wire_lab.h"
#include "wire_main.h"

#define TIMEOUT_MS    5000
#define N_CONNECTIONS 4
#define STREAM_BYTES  200000
#define HEADERS_BYTES 56 // IPv6, UDP, and the name a server puts before its answer

struct row {
	const char *name;
	struct sl_lab_spec spec;
};

#define ROW(label, dev, fwd, arms, workers, mtu)                                                   \
	{                                                                                          \
		label,                                                                             \
		{                                                                                  \
			.device = dev, .forward = fwd, .balance = "weighted", .layout = arms,      \
			.n_servers = 2, .n_workers = workers, .mtu_bytes = mtu                     \
		}                                                                                  \
	}

static const struct row rows[] = {
	ROW("nat between VLANs, af_packet", "af_packet", "nat", SL_LAB_VLANS, 1, 0),
	ROW("fullnat between VLANs, two workers, af_packet", "af_packet", "fullnat", SL_LAB_VLANS,
            2, 0),
	ROW("nat, mtu 9000, af_packet", "af_packet", "nat", SL_LAB_TWO_ARM, 1, 9000),
	ROW("fullnat, mtu 9000, one arm, af_packet", "af_packet", "fullnat", SL_LAB_ONE_ARM, 1,
            9000),
	ROW("nat between VLANs, mtu 9000, af_packet", "af_packet", "nat", SL_LAB_VLANS, 1, 9000),
	// From here on with AF_XDP.
	ROW("nat between VLANs, af_xdp", "af_xdp", "nat", SL_LAB_VLANS, 1, 0),
	ROW("nat, the longest mtu, af_xdp", "af_xdp", "nat", SL_LAB_TWO_ARM, 1,
            SL_MTU_AF_XDP_BYTES),
	ROW("nat between VLANs, the longest mtu, af_xdp", "af_xdp", "nat", SL_LAB_VLANS, 1,
            SL_MTU_AF_XDP_BYTES),
};
#define N_ROWS     (int)(sizeof(rows) / sizeof(rows[0]))
#define N_ROWS_XDP 3

START_TEST(tcp_and_udp_of_full_length_pass_unchanged)
{
	const struct row *row = &rows[_i];
	const uint16_t mtu_bytes = row->spec.mtu_bytes != 0 ? row->spec.mtu_bytes : 1500;
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
		ck_assert_msg(
			sl_client_udp_echoes(is_v6, mtu_bytes - HEADERS_BYTES, TIMEOUT_MS, server),
			"%s: UDP v%d datagram %d: no echo", row->name, is_v6 ? 6 : 4, i);
	}
	sl_stats_open(&view, &lab);
	sl_stats_check_balance(&view, row->name);
	sl_stats_sum(&view, &sums);
	ck_assert_uint_eq(sums.drops[SL_DROP_TRUNCATED], 0);
	ck_assert_uint_eq(sums.drops[SL_DROP_TOO_BIG], 0);
	sl_stats_close(&view);
	ck_assert_msg(atomic_load(&lab.trunk.n_strange) == 0, "%s: %lu frames of no VLAN",
	              row->name, (unsigned long)atomic_load(&lab.trunk.n_strange));
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ports");
	TCase *tcase = tcase_create("ports");

	tcase_set_timeout(tcase, 90);
	tcase_add_loop_test(tcase, tcp_and_udp_of_full_length_pass_unchanged, 0,
	                    sl_wire_has_af_xdp() ? N_ROWS : N_ROWS - N_ROWS_XDP);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
