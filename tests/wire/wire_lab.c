// SPDX-License-Identifier: Apache-2.0
#include "wire_lab.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "wire_main.h"
#include "wire_net.h"

#define READY_TIMEOUT_MS 20000
#define CLI_TIMEOUT_MS   15000
#define TEXT_BYTES       8192
#define CLIENT_VLAN      10
#define SERVER_VLAN      20

const char *sl_lab_server(char name[8], uint32_t n)
{
	snprintf(name, 8, "s%u", n);
	return name;
}

// Both addresses of one interface; host parts by family as text.
static void add_addresses(const char *part, const char *interface, const char *v4, const char *v6)
{
	sl_net_ip(part, "addr add %s dev %s", v4, interface);
	sl_net_ip(part, "addr add %s dev %s nodad", v6, interface);
}

static void link_ends(const struct sl_lab *lab, struct sl_net_end a, struct sl_net_end b)
{
	sl_net_link(a, b);
	if (lab->spec.mtu_bytes == 0)
		return;
	sl_net_ip(a.part, "link set %s mtu %u", a.interface, lab->spec.mtu_bytes);
	sl_net_ip(b.part, "link set %s mtu %u", b.interface, lab->spec.mtu_bytes);
}

// vlan_id is that of the port where the switch has VLANs; the appliance's is the trunk.
static void add_switch_port(struct sl_lab *lab, struct sl_net_end peer, const char *port,
                            uint16_t vlan_id)
{
	link_ends(lab, peer, (struct sl_net_end){"sw", port});
	if (lab->spec.layout == SL_LAB_VLANS)
		sl_trunk_add(&lab->trunk, port, vlan_id);
	else
		sl_net_ip("sw", "link set %s master br0", port);
}

static bool is_dsr(const struct sl_lab *lab)
{
	return strncmp(lab->spec.forward, "dsr-", 4) == 0;
}

static bool is_tunnel(const struct sl_lab *lab)
{
	return is_dsr(lab) && strncmp(lab->spec.forward, "dsr-l2", 6) != 0;
}

// Under DSR the servers hold the VIP themselves, but must not answer ARP for it.
static void hold_vip(const char *part)
{
	char ns[SL_NET_NAME_BYTES];

	sl_proc_must(sl_net_name(ns, part),
	             "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
	add_addresses(part, "lo", SL_LAB_VIP4 "/32", SL_LAB_VIP6 "/128");
}

static void add_server(struct sl_lab *lab, uint32_t n)
{
	char part[8], v4[32], v6[32], mss[16] = "";

	sl_lab_server(part, n);
	snprintf(v4, sizeof(v4), "10.20.0.%u/24", 11 + n);
	snprintf(v6, sizeof(v6), "fd20::%x/64", 0x11 + n);
	sl_net_add(part);
	add_switch_port(lab, (struct sl_net_end){part, "eth0"}, part, SERVER_VLAN);
	add_addresses(part, "eth0", v4, v6);
	if (is_dsr(lab)) {
		hold_vip(part);
		if (lab->spec.advertised_mss != 0)
			snprintf(mss, sizeof(mss), "advmss %u", lab->spec.advertised_mss);
		sl_net_ip(part, "route add 10.10.0.0/24 dev eth0 %s", mss);
		sl_net_ip(part, "-6 route add fd10::/64 dev eth0 %s", mss);
		return;
	}
	sl_net_ip(part, "route add default via 10.20.0.1");
	sl_net_ip(part, "-6 route add default via fd20::1");
}

static void add_network(struct sl_lab *lab)
{
	bool is_bond = lab->spec.layout == SL_LAB_BOND;
	bool is_one_arm = !is_bond && lab->spec.layout != SL_LAB_TWO_ARM;
	const char *client_side = is_one_arm ? "lan0" : "cli0";
	const char *server_side = is_one_arm ? "lan0" : "srv0";

	sl_net_add("cli");
	sl_net_add("lb");
	sl_net_add("sw");
	sl_net_ip("sw", "link add br0 type bridge");
	sl_net_ip("sw", "link set br0 up");
	add_switch_port(lab, (struct sl_net_end){"lb", server_side}, "lb", 0);
	if (is_bond)
		add_switch_port(lab, (struct sl_net_end){"lb", "srv1"}, "lb1", 0);
	if (is_one_arm)
		add_switch_port(lab, (struct sl_net_end){"cli", "eth0"}, "cli", CLIENT_VLAN);
	else
		link_ends(lab, (struct sl_net_end){"cli", "eth0"},
		          (struct sl_net_end){"lb", client_side});
	add_addresses("lb", client_side, "10.10.0.3/24", "fd10::3/64");
	add_addresses("lb", server_side, "10.20.0.2/24", "fd20::2/64");
	// With af_packet the appliance's kernel gets every packet too. It forwards nothing, but for
	// an IPv6 destination without a route it would tell the sender so.
	sl_net_ip("lb", "-6 route add blackhole default");
	add_addresses("cli", "eth0", "10.10.0.2/24", "fd10::2/64");
	sl_net_ip("cli", "route add " SL_LAB_VIP4 "/32 via 10.10.0.1");
	sl_net_ip("cli", "-6 route add " SL_LAB_VIP6 "/128 via fd10::1");
	for (uint32_t n = 0; n < lab->spec.n_servers; n++)
		add_server(lab, n);
	if (is_dsr(lab)) {
		sl_net_ip("cli", "route add 10.20.0.0/24 dev eth0");
		sl_net_ip("cli", "-6 route add fd20::/64 dev eth0");
	}
}

static void write_dataplane(const struct sl_lab *lab)
{
	const char *device = lab->spec.device;
	const unsigned int mtu = lab->spec.mtu_bytes != 0 ? lab->spec.mtu_bytes : 1500;
	char text[TEXT_BYTES], path[96], mode[48];
	char server[128];
	int n;

	snprintf(server, sizeof(server), "%s:srv0\"", device);
	if (lab->spec.layout == SL_LAB_BOND)
		snprintf(server, sizeof(server), "bond:%s\", members: [\"%s:srv0\", \"%s:srv1\"]",
		         lab->spec.bond_mode, device, device);
	snprintf(mode, sizeof(mode), "%smtu: %u, ",
	         strcmp(device, "af_xdp") == 0 ? "mode: shared, " : "", mtu);
	n = snprintf(text, sizeof(text),
	             "workers: %u\nflows: 65536\nidle: sleep\nsocket: %s/dp.sock\n"
	             "memory: {hugepages: never}\nports:\n",
	             lab->spec.n_workers, lab->dir);
	if (lab->spec.layout == SL_LAB_VLANS)
		snprintf(text + n, sizeof(text) - (size_t)n,
		         "  - {name: lan, device: \"%s:lan0\", %svlans: [\n"
		         "     {name: client, id: %u, addresses: [10.10.0.1/24, \"fd10::1/64\"]},\n"
		         "     {name: server, id: %u, addresses: [10.20.0.1/24, "
		         "\"fd20::1/64\"]}]}\n",
		         device, mode, CLIENT_VLAN, SERVER_VLAN);
	else if (lab->spec.layout == SL_LAB_ONE_ARM)
		snprintf(text + n, sizeof(text) - (size_t)n,
		         "  - {name: lan, device: \"%s:lan0\", %saddresses: "
		         "[10.10.0.1/24, \"fd10::1/64\", 10.20.0.1/24, \"fd20::1/64\"]}\n",
		         device, mode);
	else
		snprintf(text + n, sizeof(text) - (size_t)n,
		         "  - {name: client, device: \"%s:cli0\", %saddresses: "
		         "[10.10.0.1/24, \"fd10::1/64\"]}\n"
		         "  - {name: server, device: \"%s, %saddresses: "
		         "[10.20.0.1/24, \"fd20::1/64\"]}\n",
		         device, mode, server, mode);
	snprintf(path, sizeof(path), "%s/dataplane.yaml", lab->dir);
	sl_proc_write_file(path, text);
}

static int write_pool(const struct sl_lab *lab, char *text, size_t n_bytes, bool is_tcp, bool is_v6)
{
	const struct sl_lab_spec *spec = &lab->spec;
	bool is_to_v6 = is_v6 != spec->is_crossed;
	bool has_address = is_tcp && spec->client_address != NULL;
	int n;

	n = snprintf(text, n_bytes, "  %s%d:\n    forward: {mode: %s%s%s}\n    balance: %s\n",
	             is_tcp ? "tcp" : "udp", is_v6 ? 6 : 4, spec->forward,
	             has_address ? ", client-address: " : "",
	             has_address ? spec->client_address : "", spec->balance);
	if (is_tcp && spec->probes != NULL)
		n += snprintf(text + n, n_bytes - (size_t)n, "    probes: %s\n", spec->probes);
	if (spec->pool_keys[!is_tcp] != NULL)
		n += snprintf(text + n, n_bytes - (size_t)n, "    %s\n", spec->pool_keys[!is_tcp]);
	n += snprintf(text + n, n_bytes - (size_t)n, "    backends:\n");
	for (uint32_t s = 0; s < spec->n_servers; s++) {
		char address[32], server_id[24] = "";

		snprintf(address, sizeof(address), is_to_v6 ? "[fd20::%x]" : "10.20.0.%u",
		         (is_to_v6 ? 0x11 : 11) + s);
		if (!is_tcp && spec->has_server_ids)
			snprintf(server_id, sizeof(server_id), ", server-id: %04x", s + 1);
		n += snprintf(text + n, n_bytes - (size_t)n,
		              "      - {name: s%u, address: \"%s:%u\", weight: %u%s}\n", s, address,
		              is_tcp ? SL_LAB_TCP_PORT : SL_LAB_UDP_PORT,
		              spec->weights != NULL ? spec->weights[s] : 100, server_id);
	}
	return n;
}

void sl_lab_write_pools(const struct sl_lab *lab)
{
	char text[TEXT_BYTES], path[96];
	int n = snprintf(text, sizeof(text), "version: 1\nvips:\n");

	for (int i = 0; i < 4; i++) {
		const char *proto = i & 1 ? "udp" : "tcp";
		int family = i & 2 ? 6 : 4;

		n += snprintf(text + n, sizeof(text) - (size_t)n,
		              "  - {name: %s%d, address: \"%s\", ports: [%u], protocol: %s, pool: "
		              "%s%d%s%s}\n",
		              proto, family, family == 6 ? SL_LAB_VIP6 : SL_LAB_VIP4,
		              i & 1 ? SL_LAB_UDP_PORT : SL_LAB_TCP_PORT, proto, proto, family,
		              lab->spec.vip_keys[i] != NULL ? ", " : "",
		              lab->spec.vip_keys[i] != NULL ? lab->spec.vip_keys[i] : "");
	}
	n += snprintf(text + n, sizeof(text) - (size_t)n, "pools:\n");
	for (int i = 0; i < 4; i++)
		n += write_pool(lab, text + n, sizeof(text) - (size_t)n, !(i & 1), i & 2);
	snprintf(path, sizeof(path), "%s/pools.yaml", lab->dir);
	sl_proc_write_file(path, text);
}

void sl_lab_start_dataplane(struct sl_lab *lab)
{
	char program[256], cli[256], log[96], ns[SL_NET_NAME_BYTES];

	sl_wire_program(program, sizeof(program), "dataplane/io/sluice-dataplane");
	sl_wire_program(cli, sizeof(cli), "tools/cli/sluice");
	snprintf(log, sizeof(log), "%s/dataplane.log", lab->dir);
	sl_proc_start(&lab->dataplane, sl_net_name(ns, "lb"), log,
	              "env SLUICE_BIN=%s %s --config %s/dataplane.yaml", cli, program, lab->dir);
	sl_proc_wait_log(&lab->dataplane, "sluice-dataplane: ready", READY_TIMEOUT_MS);
}

void sl_lab_start_control(struct sl_lab *lab)
{
	char program[256], log[96], ns[SL_NET_NAME_BYTES];

	sl_wire_program(program, sizeof(program), "control/sluice-control");
	snprintf(log, sizeof(log), "%s/control.log", lab->dir);
	sl_proc_start(
		&lab->control, sl_net_name(ns, "lb"), log,
		"%s --config %s/pools.yaml --state-dir %s/state --dataplane-socket %s/dp.sock "
		"--socket %s/control.sock --metrics 127.0.0.1:9180",
		program, lab->dir, lab->dir, lab->dir, lab->dir);
}

int sl_lab_sluice(struct sl_lab *lab, char **out, const char *command)
{
	char cli[256];

	sl_wire_program(cli, sizeof(cli), "tools/cli/sluice");
	return sl_proc_run(NULL, CLI_TIMEOUT_MS, out, "%s --socket %s/control.sock %s", cli,
	                   lab->dir, command);
}

json_t *sl_lab_json(struct sl_lab *lab, const char *command)
{
	char whole[256], *text;
	json_error_t error;
	json_t *json;
	int status;

	snprintf(whole, sizeof(whole), "-o json %s", command);
	status = sl_lab_sluice(lab, &text, whole);
	json = json_loads(text, 0, &error);
	ck_assert_msg(json != NULL, "sluice %s: status %d, no JSON: %s", whole, status, text);
	free(text);
	return json;
}

// status answers 6 while anything is degraded; only the connection and the epoch matter here.
void sl_lab_wait_ready(struct sl_lab *lab)
{
	uint64_t deadline_ms = sl_proc_now_ms() + READY_TIMEOUT_MS;
	bool is_ready = false;

	while (!is_ready) {
		json_int_t generation = 0;
		int is_connected = 0;
		char *text;

		sl_lab_sluice(lab, &text, "-o json status");
		json_t *json = json_loads(text, 0, NULL);

		if (json != NULL)
			json_unpack(json, "{s:{s:b, s:I}}", "dataplane", "connected", &is_connected,
			            "generation", &generation);
		is_ready = is_connected && generation > 0;
		if (!is_ready &&
		    (sl_proc_now_ms() > deadline_ms || !sl_proc_is_running(&lab->control)))
			ck_abort_msg("not configured in time: %s\n%s", text,
			             sl_proc_read_file(lab->control.log));
		json_decref(json);
		free(text);
		sl_proc_pause();
	}
}

void sl_lab_start(struct sl_lab *lab, const struct sl_lab_spec *spec)
{
	char state[96];

	memset(lab, 0, sizeof(*lab));
	lab->spec = *spec;
	snprintf(lab->dir, sizeof(lab->dir), "%s", sl_wire_dir());
	sl_net_sweep();
	sl_proc_must(NULL, "find %s -mindepth 1 -delete", lab->dir);
	snprintf(state, sizeof(state), "%s/state", lab->dir);
	ck_assert_int_eq(mkdir(state, 0700), 0);
	sl_trunk_init(&lab->trunk);
	add_network(lab);
	if (spec->layout == SL_LAB_VLANS)
		sl_trunk_start(&lab->trunk);
	write_dataplane(lab);
	sl_lab_write_pools(lab);
	sl_lab_start_dataplane(lab);
	sl_lab_start_control(lab);
	sl_lab_wait_ready(lab);
}

static void start_decaps(struct sl_lab *lab, const char *sim)
{
	char log[96], part[8], ns[SL_NET_NAME_BYTES];

	for (uint32_t n = 0; n < lab->spec.n_servers; n++) {
		snprintf(log, sizeof(log), "%s/decap%u.log", lab->dir, n);
		sl_proc_start(&lab->decaps[n], sl_net_name(ns, sl_lab_server(part, n)), log,
		              "%s decap --peer 10.20.0.1 --peer fd20::1 --inner " SL_LAB_VIP4
		              " --inner " SL_LAB_VIP6,
		              sim);
		sl_proc_wait_log(&lab->decaps[n], "ready", READY_TIMEOUT_MS);
	}
}

void sl_lab_start_echoes(struct sl_lab *lab)
{
	const char *const protos[SL_LAB_ECHOES] = {"tcp", "tcp6", "udp", "udp6"};
	char sim[256], log[96], part[8], ns[SL_NET_NAME_BYTES];

	sl_wire_program(sim, sizeof(sim), "tools/sim/sluice-sim");
	if (is_tunnel(lab))
		start_decaps(lab, sim);
	snprintf(log, sizeof(log), "%s/echo.log", lab->dir);
	for (uint32_t i = 0; i < lab->spec.n_servers * (uint32_t)SL_LAB_ECHOES; i++) {
		uint32_t n = i / SL_LAB_ECHOES, proto = i % SL_LAB_ECHOES;
		bool is_v6 = proto & 1, is_tcp = proto < 2;
		char address[32];

		snprintf(address, sizeof(address), is_v6 ? "fd20::%x" : "10.20.0.%u",
		         (is_v6 ? 0x11 : 11) + n);
		if (is_dsr(lab))
			snprintf(address, sizeof(address), "%s", is_v6 ? SL_LAB_VIP6 : SL_LAB_VIP4);
		sl_net_name(ns, sl_lab_server(part, n));
		sl_proc_start(&lab->servers[n][proto], ns, log,
		              is_v6 ? "%s echo --listen [%s]:%u --protocol %s --name %s"
		                    : "%s echo --listen %s:%u --protocol %s --name %s",
		              sim, address, is_tcp ? SL_LAB_TCP_PORT : SL_LAB_UDP_PORT,
		              is_tcp ? "tcp" : "udp", part);
	}
	for (uint32_t i = 0; i < lab->spec.n_servers * (uint32_t)SL_LAB_ECHOES; i++) {
		uint32_t proto = i % SL_LAB_ECHOES;

		sl_proc_wait_port(&lab->servers[i / SL_LAB_ECHOES][proto], protos[proto],
		                  proto < 2 ? SL_LAB_TCP_PORT : SL_LAB_UDP_PORT);
	}
}

void sl_lab_stop(struct sl_lab *lab)
{
	sl_proc_stop(&lab->control, SIGTERM);
	sl_proc_stop(&lab->dataplane, SIGTERM);
	for (uint32_t i = 0; i < SL_LAB_MAX_SERVERS * (uint32_t)SL_LAB_ECHOES; i++)
		sl_proc_stop(&lab->servers[i / SL_LAB_ECHOES][i % SL_LAB_ECHOES], SIGKILL);
	for (uint32_t n = 0; n < SL_LAB_MAX_SERVERS; n++)
		sl_proc_stop(&lab->decaps[n], SIGTERM);
	sl_trunk_stop(&lab->trunk);
	sl_net_sweep();
}
