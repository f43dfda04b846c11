// SPDX-License-Identifier: Apache-2.0
// ARP, neighbour discovery and echo: what a router's neighbours expect of it.
#include <string.h>

#include "wire_client.h"
#include "wire_lab.h"
#include "wire_main.h"
#include "wire_net.h"

#define TIMEOUT_MS     3000
#define MAC_TIMEOUT_MS 10000

static const char *const devices[] = {"af_packet", "af_xdp"};

static void start_lab(struct sl_lab *lab, const char *device)
{
	const struct sl_lab_spec spec = {.device = device,
	                                 .forward = "nat",
	                                 .balance = "weighted",
	                                 .n_servers = 1,
	                                 .n_workers = 1};

	sl_lab_start(lab, &spec);
	sl_lab_start_echoes(lab);
}

static void ping(const char *part, const char *address)
{
	char ns[SL_NET_NAME_BYTES];

	sl_proc_must(sl_net_name(ns, part), "ping -c 3 -i 0.05 -W 2 %s", address);
}

START_TEST(sluice_answers_ping_for_its_addresses_and_vips)
{
	struct sl_lab lab;

	start_lab(&lab, devices[_i]);
	ping("cli", "10.10.0.1");
	ping("cli", "fd10::1");
	ping("cli", SL_LAB_VIP4);
	ping("cli", SL_LAB_VIP6);
	ping("s0", "10.20.0.1");
	ping("s0", "fd20::1");
	sl_lab_stop(&lab);
}
END_TEST

START_TEST(a_client_that_forgot_its_neighbours_goes_on)
{
	struct sl_client clients[2];
	struct sl_lab lab;

	start_lab(&lab, devices[_i]);
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		ck_assert(sl_client_open(&clients[is_v6], is_v6, TIMEOUT_MS));
	sl_net_ip("cli", "neigh flush all");
	sl_net_ip("s0", "neigh flush all");
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		struct sl_client fresh;

		ck_assert_msg(sl_client_echoes(&clients[is_v6], 5000, TIMEOUT_MS),
		              "v%d: the old connection hangs", is_v6 ? 6 : 4);
		ck_assert_msg(sl_client_open(&fresh, is_v6, TIMEOUT_MS), "v%d: no new connection",
		              is_v6 ? 6 : 4);
		sl_client_close(&fresh);
		sl_client_close(&clients[is_v6]);
	}
	sl_lab_stop(&lab);
}
END_TEST

// The new card announces itself the way a kernel does: it asks for its gateway.
START_TEST(a_server_with_a_new_mac_is_followed_by_old_and_new_connections)
{
	struct sl_client clients[2];
	struct sl_lab lab;

	start_lab(&lab, devices[_i]);
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		ck_assert(sl_client_open(&clients[is_v6], is_v6, TIMEOUT_MS));
	sl_net_ip("s0", "link set eth0 address 02:00:00:00:99:01");
	sl_net_ip("s0", "neigh flush all");
	ping("s0", "10.20.0.1");
	ping("s0", "fd20::1");
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		struct sl_client fresh;

		ck_assert_msg(sl_client_echoes(&clients[is_v6], 5000, MAC_TIMEOUT_MS),
		              "v%d: the old connection hangs", is_v6 ? 6 : 4);
		ck_assert_msg(sl_client_open(&fresh, is_v6, MAC_TIMEOUT_MS),
		              "v%d: no new connection", is_v6 ? 6 : 4);
		sl_client_close(&fresh);
		sl_client_close(&clients[is_v6]);
	}
	sl_lab_stop(&lab);
}
END_TEST

// The port is shared: what is addressed to the kernel's own addresses is the kernel's.
START_TEST(kernel_traffic_on_a_shared_port_stays_with_the_kernel)
{
	char ns[SL_NET_NAME_BYTES];
	struct sl_client client;
	struct sl_lab lab;

	start_lab(&lab, devices[_i]);
	ping("s0", "10.20.0.2");
	ping("s0", "fd20::2");
	ping("lb", "10.20.0.11");
	ping("lb", "fd20::11");
	ping("cli", "10.10.0.3");
	ping("cli", "fd10::3");
	// A connection from the kernel to a backend's very service, as a probe makes it.
	sl_proc_must(sl_net_name(ns, "lb"),
	             "bash -c 'read -t 3 name </dev/tcp/10.20.0.11/%d && "
	             "[ \"${name%%%% *}\" = s0 ]'",
	             SL_LAB_TCP_PORT);
	ck_assert(sl_client_open(&client, false, TIMEOUT_MS));
	sl_client_close(&client);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("neighbour");
	TCase *tcase = tcase_create("neighbour");
	int n_devices = sl_wire_has_af_xdp() ? 2 : 1;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, sluice_answers_ping_for_its_addresses_and_vips, 0, n_devices);
	tcase_add_loop_test(tcase, a_client_that_forgot_its_neighbours_goes_on, 0, n_devices);
	tcase_add_loop_test(tcase, a_server_with_a_new_mac_is_followed_by_old_and_new_connections,
	                    0, n_devices);
	tcase_add_loop_test(tcase, kernel_traffic_on_a_shared_port_stays_with_the_kernel, 0,
	                    n_devices);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
