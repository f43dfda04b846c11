// SPDX-License-Identifier: Apache-2.0
// Datagrams larger than the MTU pass in fragments both ways, in every forwarding mode, and a TTL
// that ends at Sluice is told to the sender: with the kernel's own fragments and its own ears.
//
// On AF_XDP only: DPDK's af_packet port has the kernel put fragments together before we see them
// (PACKET_FANOUT_FLAG_DEFRAG), and what that makes is larger than the MTU it would leave by.
#include <time.h> // before errqueue.h, which needs struct timespec

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "wire_client.h"
#include "wire_ipc.h"
#include "wire_lab.h"
#include "wire_main.h"
#include "wire_net.h"

#define TIMEOUT_MS  3000
#define N_DATAGRAMS 16

// One byte too long for one packet, and three packets' worth; answers are longer by a name.
static const size_t sizes[] = {1473, 4000};

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
	ROW("nat, two arms", "af_xdp", "nat", SL_LAB_TWO_ARM, 1),
	ROW("nat, two workers", "af_xdp", "nat", SL_LAB_TWO_ARM, 2),
	ROW("fullnat, one arm, two workers", "af_xdp", "fullnat", SL_LAB_ONE_ARM, 2),
	ROW("dsr-l2, one arm", "af_xdp", "dsr-l2", SL_LAB_ONE_ARM, 1),
};
#define N_ROWS (int)(sizeof(rows) / sizeof(rows[0]))

static const struct row anywhere = ROW("af_packet", "af_packet", "nat", SL_LAB_TWO_ARM, 1);

START_TEST(large_datagrams_are_echoed_whole)
{
	struct sl_stats_view view;
	struct sl_lab lab;
	const char *name = rows[_i].name;

	sl_lab_start(&lab, &rows[_i].spec);
	sl_lab_start_echoes(&lab);
	for (int i = 0; i < 4 * N_DATAGRAMS; i++) {
		bool is_v6 = i % 2;
		size_t n_bytes = sizes[i / 2 % 2];
		char server[SL_CLIENT_NAME_BYTES];

		ck_assert_msg(sl_client_udp_echoes(is_v6, n_bytes, TIMEOUT_MS, server),
		              "%s: UDP v%d datagram %d of %zu bytes: no echo", name, is_v6 ? 6 : 4,
		              i, n_bytes);
	}
	sl_stats_open(&view, &lab);
	sl_stats_check_balance(&view, name);
	sl_stats_close(&view);
	sl_lab_stop(&lab);
}
END_TEST

static socklen_t vip(struct sockaddr_storage *address, bool is_v6)
{
	struct sockaddr_in6 *v6 = (void *)address;
	struct sockaddr_in *v4 = (void *)address;

	memset(address, 0, sizeof(*address));
	if (is_v6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(SL_LAB_UDP_PORT);
		inet_pton(AF_INET6, SL_LAB_VIP6, &v6->sin6_addr);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(SL_LAB_UDP_PORT);
	inet_pton(AF_INET, SL_LAB_VIP4, &v4->sin_addr);
	return sizeof(*v4);
}

// The error the kernel took in for a socket, and who sent it (as text).
struct told {
	struct sock_extended_err error;
	char by[INET6_ADDRSTRLEN];
};

static bool read_error(int fd, bool is_v6, struct told *told)
{
	union {
		char bytes[512];
		struct cmsghdr align;
	} control;
	struct msghdr message = {.msg_control = control.bytes,
	                         .msg_controllen = sizeof(control.bytes)};
	struct pollfd ready = {.fd = fd};
	struct cmsghdr *cmsg;
	const void *by;

	if (poll(&ready, 1, TIMEOUT_MS) != 1 || recvmsg(fd, &message, MSG_ERRQUEUE) < 0)
		return false;
	cmsg = CMSG_FIRSTHDR(&message);
	if (cmsg == NULL || cmsg->cmsg_type != (is_v6 ? IPV6_RECVERR : IP_RECVERR))
		return false;
	memcpy(&told->error, CMSG_DATA(cmsg), sizeof(told->error));
	by = CMSG_DATA(cmsg) + sizeof(told->error) +
	     (is_v6 ? offsetof(struct sockaddr_in6, sin6_addr)
	            : offsetof(struct sockaddr_in, sin_addr));
	return inet_ntop(is_v6 ? AF_INET6 : AF_INET, by, told->by, sizeof(told->by)) != NULL;
}

START_TEST(a_ttl_that_ends_at_sluice_is_told_to_the_kernel_that_sent_it)
{
	const char *const ours[] = {"10.10.0.1", "fd10::1"};
	static const char question[100];
	const int ttl = 1, on = 1;
	struct sl_lab lab;

	sl_lab_start(&lab, &anywhere.spec);
	sl_lab_start_echoes(&lab);
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		int fd = sl_net_socket("cli", is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
		struct sockaddr_storage address;
		socklen_t n = vip(&address, is_v6);
		struct told told = {.by = ""};

		ck_assert_int_eq(setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		                            is_v6 ? IPV6_UNICAST_HOPS : IP_TTL, &ttl, sizeof(ttl)),
		                 0);
		ck_assert_int_eq(setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		                            is_v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on)),
		                 0);
		ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, n), 0);
		ck_assert_int_eq(send(fd, "x", 1, 0), 1); // the answer would be longer
		ck_assert_msg(!read_error(fd, is_v6, &told), "IPv%d: told more than was said",
		              is_v6 ? 6 : 4);
		ck_assert_int_eq(send(fd, question, sizeof(question), 0), sizeof(question));
		ck_assert_msg(read_error(fd, is_v6, &told), "IPv%d: nobody is told", is_v6 ? 6 : 4);
		ck_assert_uint_eq(told.error.ee_type, is_v6 ? 3 : 11);
		ck_assert_uint_eq(told.error.ee_errno, EHOSTUNREACH);
		ck_assert_str_eq(told.by, ours[is_v6]);
		close(fd);
	}
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frag");
	TCase *tcase = tcase_create("modes");

	tcase_set_timeout(tcase, 60);
	if (sl_wire_has_af_xdp())
		tcase_add_loop_test(tcase, large_datagrams_are_echoed_whole, 0, N_ROWS);
	tcase_add_test(tcase, a_ttl_that_ends_at_sluice_is_told_to_the_kernel_that_sent_it);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
