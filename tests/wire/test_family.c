// SPDX-License-Identifier: Apache-2.0
// fullnat between the families: clients of one, servers of the other, real stacks on both sides.
#include <netinet/in.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "wire_client.h"
#include "wire_ipc.h"
#include "wire_lab.h"
#include "wire_main.h"
#include "wire_net.h"

#define TIMEOUT_MS     5000
#define N_CONNECTIONS  6
#define STREAM_BYTES   300000 // full-size segments
#define DATAGRAM_BYTES 1200
#define UDP_MAX_BYTES  (1500 - 28) // fills an IPv4 packet, and is 20 too many in IPv6

struct row {
	const char *name;
	struct sl_lab_spec spec;
};

#define ROW(label, dev, arms, workers)                                                             \
	{                                                                                          \
		label,                                                                             \
		{                                                                                  \
			.device = dev, .forward = "fullnat", .balance = "weighted",                \
			.layout = arms, .n_servers = 2, .n_workers = workers, .is_crossed = true   \
		}                                                                                  \
	}

static const struct row rows[] = {
	ROW("two arms, af_packet", "af_packet", SL_LAB_TWO_ARM, 1),
	ROW("two arms, two workers", "af_packet", SL_LAB_TWO_ARM, 2),
	ROW("one arm, af_packet", "af_packet", SL_LAB_ONE_ARM, 1),
	// From here on with AF_XDP.
	ROW("two arms, af_xdp", "af_xdp", SL_LAB_TWO_ARM, 1),
};
#define N_ROWS     (int)(sizeof(rows) / sizeof(rows[0]))
#define N_ROWS_XDP 1

START_TEST(servers_of_the_other_family_answer)
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
	ck_assert_msg(sums.drops[SL_DROP_TOO_BIG] == 0, "%s: a SYN announced too much", row->name);
	sl_stats_close(&view);
	sl_lab_stop(&lab);
}
END_TEST

// Sends n_bytes that may not be fragmented; true when they come back, after the server's name.
static bool is_echoed(int fd, const char *bytes, size_t n_bytes, int timeout_ms)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	char back[2048];
	ssize_t n;

	if (send(fd, bytes, n_bytes, 0) != (ssize_t)n_bytes || poll(&poller, 1, timeout_ms) != 1)
		return false;
	n = recv(fd, back, sizeof(back), 0);
	return n >= (ssize_t)n_bytes && memcmp(back + n - n_bytes, bytes, n_bytes) == 0;
}

START_TEST(an_ipv4_client_learns_that_the_ipv6_header_is_longer)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(SL_LAB_UDP_PORT)};
	const uint64_t end_ms = sl_proc_now_ms() + 30000;
	int discover = IP_PMTUDISC_DO, mtu_bytes = 0, fd;
	static char bytes[UDP_MAX_BYTES];
	socklen_t n = sizeof(mtu_bytes);
	struct sl_lab lab;

	sl_lab_start(&lab, &rows[0].spec);
	sl_lab_start_echoes(&lab);
	memset(bytes, 'x', sizeof(bytes));
	fd = sl_net_socket("cli", AF_INET, SOCK_DGRAM, 0);
	inet_pton(AF_INET, SL_LAB_VIP4, &to.sin_addr);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover)),
	                 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert(is_echoed(fd, bytes, DATAGRAM_BYTES, TIMEOUT_MS));
	while (mtu_bytes != 1480 && sl_proc_now_ms() < end_ms) { // told by ICMP
		ck_assert(!is_echoed(fd, bytes, UDP_MAX_BYTES, 100));
		ck_assert_int_eq(getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu_bytes, &n), 0);
	}
	ck_assert_int_eq(mtu_bytes, 1480);
	ck_assert(is_echoed(fd, bytes, UDP_MAX_BYTES - 20 - SL_CLIENT_NAME_BYTES, TIMEOUT_MS));
	close(fd);
	sl_lab_stop(&lab);
}
END_TEST

// A port nobody listens on: the server's ICMP error reaches the client in the client's family.
START_TEST(a_refused_datagram_is_told_to_the_client_in_its_family)
{
	const bool is_v6 = _i;
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(SL_LAB_UDP_PORT)};
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(SL_LAB_UDP_PORT)};
	const uint64_t end_ms = sl_proc_now_ms() + 30000;
	struct sl_lab lab;
	int fd, error = 0;

	sl_lab_start(&lab, &rows[0].spec); // and no echo servers
	inet_pton(AF_INET, SL_LAB_VIP4, &to4.sin_addr);
	inet_pton(AF_INET6, SL_LAB_VIP6, &to6.sin6_addr);
	fd = sl_net_socket("cli", is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(connect(fd, is_v6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4,
	                         is_v6 ? sizeof(to6) : sizeof(to4)),
	                 0);
	while (error == 0 && sl_proc_now_ms() < end_ms) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		char byte = 1;

		if (send(fd, &byte, 1, 0) < 0 ||
		    (poll(&poller, 1, 100) == 1 && recv(fd, &byte, 1, 0) < 0))
			error = errno;
	}
	ck_assert_int_eq(error, ECONNREFUSED);
	close(fd);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("family");
	TCase *tcase = tcase_create("translated");

	tcase_set_timeout(tcase, 90);
	tcase_add_test(tcase, an_ipv4_client_learns_that_the_ipv6_header_is_longer);
	tcase_add_loop_test(tcase, a_refused_datagram_is_told_to_the_client_in_its_family, 0, 2);
	tcase_add_loop_test(tcase, servers_of_the_other_family_answer, 0,
	                    sl_wire_has_af_xdp() ? N_ROWS : N_ROWS - N_ROWS_XDP);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
