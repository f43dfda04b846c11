// SPDX-License-Identifier: Apache-2.0
// dataplane.yaml becomes exactly the struct the data plane reads.
#include "config_test.h"

static void parse(const char *text, struct sl_dpconfig *out)
{
	struct sl_diagnostics diag;
	int err = sl_config_parse_dataplane("dataplane.yaml", text, strlen(text), out, &diag);

	ck_assert_msg(err == 0, "%s", diag.text);
	ck_assert_str_eq(diag.text, "");
	sl_diagnostics_fini(&diag);
}

static void parse_example(struct sl_dpconfig *out)
{
	size_t n_bytes;
	char *text = test_read_file("config/dataplane.example.yaml", &n_bytes);

	parse(text, out);
	free(text);
}

START_TEST(example_is_exact)
{
	struct sl_dpconfig c;

	memset(&c, 0xa5, sizeof(c)); // what is not set must be cleared
	parse_example(&c);
	ck_assert_uint_eq(c.magic, SL_DPCONFIG_MAGIC);
	ck_assert_uint_eq(c.version, SL_DPCONFIG_VERSION);
	ck_assert_uint_eq(c.total_bytes, sizeof(c));
	ck_assert_uint_eq(c.n_workers, 2);
	ck_assert_uint_eq(c.n_cpus, 3);
	ck_assert_uint_eq(c.cpus[0], 0);
	ck_assert_uint_eq(c.cpus[1], 2);
	ck_assert_uint_eq(c.cpus[2], 3);
	ck_assert_uint_eq(c.flows, 1000000);
	ck_assert_uint_eq(c.idle, SL_IDLE_SLEEP);
	ck_assert_uint_eq(c.hugepages, SL_HUGEPAGES_AUTO);
	ck_assert_uint_eq(c.memory_bytes, 512000000);
	ck_assert_str_eq(c.socket, "");
	ck_assert_uint_eq(c.n_ports, 2);
	ck_assert_uint_eq(c.n_routes, 3);
	ck_assert_uint_eq(c.zero, 0);
	ck_assert_uint_eq(c.ports[2].name[0], 0);
}
END_TEST

START_TEST(example_ports_are_exact)
{
	struct sl_dpconfig c;
	const struct sl_dp_port *p = c.ports;

	parse_example(&c);
	ck_assert_str_eq(p[0].name, "clients");
	ck_assert_str_eq(p[0].device, "eth0");
	ck_assert_uint_eq(p[0].kind, SL_DEVICE_AF_XDP);
	ck_assert_uint_eq(p[0].mode, SL_PORT_SHARED);
	ck_assert_uint_eq(p[0].mtu_bytes, SL_MTU_DEFAULT_BYTES);
	ck_assert_uint_eq(p[0].n_addresses, 2);
	ck_assert_uint_eq(p[0].addresses[0].bits, 24);
	ck_assert(sl_ip_is_v4(&p[0].addresses[0].address));
	ck_assert_uint_eq(p[0].addresses[0].address.bytes[15], 2);
	ck_assert_uint_eq(p[0].addresses[1].bits, 64);
	ck_assert_uint_eq(p[0].addresses[1].address.bytes[0], 0x20);
	ck_assert_str_eq(p[1].device, "0000:01:00.0");
	ck_assert_uint_eq(p[1].kind, SL_DEVICE_PCI);
}
END_TEST

START_TEST(example_routes_are_exact)
{
	struct sl_dpconfig c;

	parse_example(&c);
	ck_assert_uint_eq(c.routes[0].to.bits, 0);
	ck_assert(sl_ip_is_v4(&c.routes[0].to.address));
	ck_assert_uint_eq(c.routes[0].via.bytes[15], 1);
	ck_assert(!sl_ip_is_v4(&c.routes[1].to.address));
	ck_assert_uint_eq(c.routes[2].to.bits, 16);
	ck_assert_uint_eq(c.routes[2].to.address.bytes[13], 30);
	ck_assert_uint_eq(c.routes[2].via.bytes[15], 254);
}
END_TEST

START_TEST(least_file_gets_the_defaults)
{
	struct sl_dpconfig c;

	parse("ports: [{ name: p, device: \"vdev:net_null0,size=64\" }]\n", &c);
	ck_assert_uint_eq(c.n_workers, 1);
	ck_assert_uint_eq(c.n_cpus, 0);
	ck_assert_uint_eq(c.flows, 262144);
	ck_assert_uint_eq(c.idle, SL_IDLE_SLEEP);
	ck_assert_uint_eq(c.memory_bytes, 0);
	ck_assert_uint_eq(c.ports[0].kind, SL_DEVICE_VDEV);
	ck_assert_str_eq(c.ports[0].device, "net_null0,size=64");
	ck_assert_uint_eq(c.ports[0].n_addresses, 0);
}
END_TEST

START_TEST(other_words_become_their_enum_values)
{
	struct sl_dpconfig c;

	parse("idle: poll\nsocket: /tmp/x.sock\nflows: 64k\n"
	      "memory: { hugepages: never, size: 1GiB }\n"
	      "ports:\n"
	      "  - { name: a, device: \"af_packet:veth1\", addresses: [10.0.0.1/31, 10.0.0.2/31] "
	      "}\n"
	      "  - { name: b, device: \"af_xdp:veth2\", mode: dedicated, mtu: 1400 }\n",
	      &c);
	ck_assert_uint_eq(c.idle, SL_IDLE_POLL);
	ck_assert_str_eq(c.socket, "/tmp/x.sock");
	ck_assert_uint_eq(c.flows, 64000);
	ck_assert_uint_eq(c.hugepages, SL_HUGEPAGES_NEVER);
	ck_assert_uint_eq(c.memory_bytes, UINT64_C(1) << 30);
	ck_assert_uint_eq(c.ports[0].kind, SL_DEVICE_AF_PACKET);
	ck_assert_uint_eq(c.ports[1].mode, SL_PORT_DEDICATED);
	ck_assert_uint_eq(c.ports[1].mtu_bytes, 1400);
}
END_TEST

START_TEST(vlans_are_ports_behind_all_devices)
{
	struct sl_dpconfig c;

	parse("ports:\n"
	      "  - name: a\n    device: af_packet:e0\n    mtu: 1400\n    vlans:\n"
	      "      - { name: red, id: 100, addresses: [10.0.0.1/24, 10.0.1.1/24] }\n"
	      "      - { name: blue, id: 4094, mtu: 1350 }\n"
	      "  - { name: b, device: \"af_packet:e1\", vlans: [{ name: green, id: 100 }] }\n"
	      "routes: [{ to: 0.0.0.0/0, via: 10.0.1.254 }]\n",
	      &c);
	ck_assert_uint_eq(c.n_ports, 5);
	ck_assert_str_eq(c.ports[1].name, "b");
	ck_assert_uint_eq(c.ports[1].vlan_id, 0);
	ck_assert_str_eq(c.ports[2].name, "red");
	ck_assert_uint_eq(c.ports[2].kind, SL_DEVICE_VLAN);
	ck_assert_uint_eq(c.ports[2].parent, 0);
	ck_assert_uint_eq(c.ports[2].vlan_id, 100);
	ck_assert_uint_eq(c.ports[2].mtu_bytes, 1400);
	ck_assert_uint_eq(c.ports[2].n_addresses, 2);
	ck_assert_uint_eq(c.ports[2].addresses[1].address.bytes[14], 1);
	ck_assert_uint_eq(c.ports[3].vlan_id, 4094);
	ck_assert_uint_eq(c.ports[3].mtu_bytes, 1350);
	ck_assert_str_eq(c.ports[4].name, "green");
	ck_assert_uint_eq(c.ports[4].parent, 1);
	ck_assert_uint_eq(c.ports[4].vlan_id, 100);
	ck_assert_uint_eq(c.ports[4].mtu_bytes, SL_MTU_DEFAULT_BYTES);
}
END_TEST

START_TEST(a_bond_keeps_its_mode_and_the_order_of_its_members)
{
	static const char *const modes[] = {"active-backup", "balance-xor", "802.3ad"};
	struct sl_dpconfig c;
	char text[256];

	snprintf(text, sizeof(text),
	         "ports:\n  - { name: a, device: \"bond:%s\", mtu: 9000, members: "
	         "[\"vdev:net_tap0,iface=t0\", \"vdev:net_tap1\"] }\n"
	         "  - { name: b, device: \"bond:%s\", members: [\"pci:0000:01:00.0\"] }\n",
	         modes[_i], modes[_i]);
	parse(text, &c);
	ck_assert_uint_eq(c.n_ports, 2);
	ck_assert_uint_eq(c.ports[0].kind, SL_DEVICE_BOND);
	ck_assert_uint_eq(c.ports[0].bond_mode, (unsigned)_i);
	ck_assert_uint_eq(c.ports[0].n_members, 2);
	ck_assert_uint_eq(c.ports[0].members[0].kind, SL_DEVICE_VDEV);
	ck_assert_str_eq(c.ports[0].members[0].device, "net_tap0,iface=t0");
	ck_assert_str_eq(c.ports[0].members[1].device, "net_tap1");
	ck_assert_uint_eq(c.ports[1].members[0].kind, SL_DEVICE_PCI);
	ck_assert_uint_eq(c.ports[1].n_members, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_dataplane");
	TCase *tc = tcase_create("dataplane");

	tcase_add_test(tc, example_is_exact);
	tcase_add_test(tc, example_ports_are_exact);
	tcase_add_test(tc, example_routes_are_exact);
	tcase_add_test(tc, least_file_gets_the_defaults);
	tcase_add_test(tc, other_words_become_their_enum_values);
	tcase_add_test(tc, vlans_are_ports_behind_all_devices);
	tcase_add_loop_test(tc, a_bond_keeps_its_mode_and_the_order_of_its_members, 0,
	                    SL_BOND_MODES);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
