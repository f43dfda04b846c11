// SPDX-License-Identifier: Apache-2.0
#include "bond.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eth_bond.h>
#include <rte_eth_bond_8023ad.h>
#include <rte_ethdev.h>

#define LINK_POLL_MS 50 // of the driver, for NICs without an interrupt

enum state {
	MEMBER_IN,
	MEMBER_LEAVING, // out of the bond, but a worker may still be in a burst with it
	MEMBER_OUT,     // closed
};

struct member {
	uint16_t id; // DPDK's, unless OUT
	uint8_t state;
	uint64_t token; // LEAVING: of the grace period
};

struct sl_bond {
	const struct sl_dp_port *config;
	uint16_t port; // number
	uint16_t id;   // DPDK's
	uint64_t seen; // bits of active members at the last look
	struct member members[SL_MAX_PORT_MEMBERS];
};

static const uint8_t modes[] = {
	[SL_BOND_ACTIVE_BACKUP] = BONDING_MODE_ACTIVE_BACKUP,
	[SL_BOND_BALANCE_XOR] = BONDING_MODE_BALANCE,
	[SL_BOND_8023AD] = BONDING_MODE_8023AD,
};

static bool is_interface(const struct sl_bond *bond)
{
	return bond->config->members[0].kind == SL_DEVICE_AF_PACKET;
}

// A member as a port of its own would be written.
static struct sl_dp_port as_port(const struct sl_bond *bond, uint32_t m)
{
	struct sl_dp_port port = *bond->config;

	port.kind = bond->config->members[m].kind;
	snprintf(port.device, sizeof(port.device), "%s", bond->config->members[m].device);
	return port;
}

static void name_member(const struct sl_bond *bond, uint32_t m, char name[SL_PORT_VDEV_BYTES])
{
	snprintf(name, SL_PORT_VDEV_BYTES, "net_af_packet%u_%u", bond->port, m);
}

static int add_member(const struct sl_ports *ports, struct sl_bond *bond, uint32_t m,
                      struct sl_text *why)
{
	const struct sl_dp_port port = as_port(bond, m);
	struct member *member = &bond->members[m];
	char name[SL_PORT_VDEV_BYTES];
	int err;

	name_member(bond, m, name);
	err = sl_ports_probe(ports, &port, name, &member->id, why);
	if (err != 0)
		return err;
	member->state = MEMBER_IN;
	if (rte_eth_bond_slave_add(bond->id, member->id) == 0)
		return 0;
	snprintf(why->text, sizeof(why->text), "port %s: %.64s cannot be a member of a bond",
	         bond->config->name, port.device);
	return -EINVAL;
}

int sl_bond_open(struct sl_ports *ports, const struct sl_dp_port *config, uint32_t index,
                 uint16_t *id, struct sl_text *why)
{
	struct sl_bond *bond = calloc(1, sizeof(*bond));
	struct rte_ether_addr mac;
	char name[SL_PORT_VDEV_BYTES];
	int made, err = 0;

	if (bond == NULL)
		return -ENOMEM;
	ports->bonds[ports->n_bonds++] = bond;
	bond->config = config;
	bond->port = (uint16_t)index;
	for (uint32_t m = 0; m < SL_MAX_PORT_MEMBERS; m++)
		bond->members[m].state = MEMBER_OUT;
	snprintf(name, sizeof(name), "net_bonding%u", index);
	made = rte_eth_bond_create(name, modes[config->bond_mode], (uint8_t)rte_socket_id());
	bond->id = made >= 0 ? (uint16_t)made : SL_NO_QUEUE;
	for (uint32_t m = 0; made >= 0 && err == 0 && m < config->n_members; m++)
		err = add_member(ports, bond, m, why);
	if (err != 0)
		return err;
	if (made < 0 || rte_eth_macaddr_get(bond->members[0].id, &mac) != 0 ||
	    rte_eth_bond_mac_address_set(bond->id, &mac) != 0 ||
	    rte_eth_bond_primary_set(bond->id, bond->members[0].id) != 0 ||
	    rte_eth_bond_xmit_policy_set(bond->id, BALANCE_XMIT_POLICY_LAYER34) != 0 ||
	    rte_eth_bond_link_monitoring_set(bond->id, LINK_POLL_MS) != 0) {
		snprintf(why->text, sizeof(why->text), "port %s: no bond of these members",
		         config->name);
		return -EINVAL;
	}
	*id = bond->id;
	return 0;
}

static int settle_member(const struct sl_bond *bond, uint32_t m, struct sl_text *why)
{
	const struct sl_dp_port port = as_port(bond, m);

	rte_eth_promiscuous_enable(bond->members[m].id);
	// The driver sets 1500.
	return is_interface(bond) ? sl_ports_raise_mtu(&port, why) : 0;
}

static struct sl_bond *find(const struct sl_ports *ports, uint32_t index)
{
	for (uint32_t b = 0; b < ports->n_bonds; b++) {
		if (ports->bonds[b]->port == index)
			return ports->bonds[b];
	}
	return NULL;
}

int sl_bond_settle(struct sl_ports *ports, uint32_t index, struct sl_text *why)
{
	struct sl_bond *bond = find(ports, index);
	int err = 0;

	for (uint32_t m = 0; err == 0 && m < bond->config->n_members; m++)
		err = settle_member(bond, m, why);
	return err;
}

static bool has_carrier(const char *interface)
{
	struct ifreq request = {.ifr_name = ""};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_running;

	if (fd < 0)
		return true; // not known: leave it as it is
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", interface);
	is_running = ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING);
	close(fd);
	return is_running;
}

static uint32_t count_in(const struct sl_bond *bond)
{
	uint32_t n = 0;

	for (uint32_t m = 0; m < bond->config->n_members; m++)
		n += bond->members[m].state == MEMBER_IN;
	return n;
}

static void leave(struct sl_bond *bond, uint32_t m, struct rte_rcu_qsbr *qsbr)
{
	struct member *member = &bond->members[m];

	if (rte_eth_bond_slave_remove(bond->id, member->id) != 0)
		return;
	member->state = MEMBER_LEAVING;
	member->token = rte_rcu_qsbr_start(qsbr);
	fprintf(stderr, "<4>port %s: %s has no link, %u of %u members left\n", bond->config->name,
	        bond->config->members[m].device, count_in(bond), bond->config->n_members);
}

static void close_member(struct sl_bond *bond, uint32_t m)
{
	char name[SL_PORT_VDEV_BYTES];

	rte_eth_dev_stop(bond->members[m].id);
	rte_eth_dev_close(bond->members[m].id);
	name_member(bond, m, name);
	if (is_interface(bond))
		rte_eal_hotplug_remove("vdev", name);
	bond->members[m].state = MEMBER_OUT;
}

// A member that comes back. Its preferred place, too: the first one is active when it can be.
static void join(const struct sl_ports *ports, struct sl_bond *bond, uint32_t m)
{
	struct sl_text why = {""};
	int err = add_member(ports, bond, m, &why);

	if (err == 0)
		err = settle_member(bond, m, &why);
	if (err == 0 && m == 0)
		err = rte_eth_bond_primary_set(bond->id, bond->members[0].id);
	if (err == 0) {
		fprintf(stderr, "<6>port %s: %s has a link again\n", bond->config->name,
		        bond->config->members[m].device);
		return;
	}
	fprintf(stderr, "<4>port %s: %s does not come back: %s\n", bond->config->name,
	        bond->config->members[m].device, why.text);
	if (bond->members[m].state == MEMBER_IN) {
		rte_eth_bond_slave_remove(bond->id, bond->members[m].id);
		bond->members[m].state = MEMBER_LEAVING;
		bond->members[m].token = 0; // long over
	}
}

// Who is back joins first, so that one is left for who goes.
static void follow_carriers(const struct sl_ports *ports, struct sl_bond *bond,
                            struct rte_rcu_qsbr *qsbr)
{
	bool is_up[SL_MAX_PORT_MEMBERS];

	for (uint32_t m = 0; m < bond->config->n_members; m++) {
		is_up[m] = has_carrier(bond->config->members[m].device);
		if (bond->members[m].state == MEMBER_LEAVING &&
		    rte_rcu_qsbr_check(qsbr, bond->members[m].token, false) == 1)
			close_member(bond, m);
		else if (bond->members[m].state == MEMBER_OUT && is_up[m])
			join(ports, bond, m);
	}
	for (uint32_t m = 0; m < bond->config->n_members; m++) {
		if (bond->members[m].state == MEMBER_IN && !is_up[m] && count_in(bond) > 1)
			leave(bond, m, qsbr);
	}
}

static bool is_distributing(const struct sl_bond *bond, uint16_t id)
{
	struct rte_eth_bond_8023ad_slave_info info;

	return rte_eth_bond_8023ad_slave_info(bond->id, id, &info) == 0 &&
	       (info.actor_state & STATE_DISTRIBUTING) != 0;
}

// Bits of members that carry what leaves, and of those whose link is up.
static uint64_t look(const struct sl_bond *bond, uint64_t *up)
{
	uint16_t ids[SL_MAX_PORT_MEMBERS];
	int n = rte_eth_bond_active_slaves_get(bond->id, ids, RTE_DIM(ids));
	int primary = rte_eth_bond_primary_get(bond->id);
	uint64_t active = 0;

	*up = 0;
	for (uint32_t m = 0; m < bond->config->n_members; m++) {
		const struct member *member = &bond->members[m];
		bool is_in = false, carries;

		for (int i = 0; i < n && member->state == MEMBER_IN; i++)
			is_in |= ids[i] == member->id;
		if (!is_in)
			continue;
		carries = bond->config->bond_mode == SL_BOND_BALANCE_XOR ||
		          (bond->config->bond_mode == SL_BOND_ACTIVE_BACKUP &&
		           primary == member->id) ||
		          (bond->config->bond_mode == SL_BOND_8023AD &&
		           is_distributing(bond, member->id));
		*up |= UINT64_C(1) << m;
		active |= (uint64_t)carries << m;
	}
	return active;
}

static uint32_t tell(const struct sl_bond *bond, struct sl_stats_header *stats, uint32_t row,
                     uint64_t active, uint64_t up)
{
	for (uint32_t m = 0; m < bond->config->n_members; m++) {
		uint64_t bit = UINT64_C(1) << m;

		sl_stat_set(&stats->member_states[row++], active & bit ? SL_MEMBER_ACTIVE
		                                          : up & bit   ? SL_MEMBER_BACKUP
		                                                       : SL_MEMBER_DOWN);
	}
	return row;
}

uint64_t sl_bonds_watch(struct sl_ports *ports, struct rte_rcu_qsbr *qsbr,
                        struct sl_stats_header *stats, uint64_t now_ns)
{
	uint64_t moved = 0;
	uint32_t row = 0;

	if (ports->n_bonds == 0 || now_ns < ports->next_watch_ns)
		return 0;
	ports->next_watch_ns = now_ns + SL_BOND_WATCH_NS;
	for (uint32_t b = 0; b < ports->n_bonds; b++) {
		struct sl_bond *bond = ports->bonds[b];
		uint64_t active, up;

		if (is_interface(bond))
			follow_carriers(ports, bond, qsbr);
		active = look(bond, &up);
		row = tell(bond, stats, row, active, up);
		if (active != bond->seen)
			moved |= UINT64_C(1) << bond->port;
		bond->seen = active;
	}
	return moved;
}

void sl_bonds_name(const struct sl_ports *ports, struct sl_stats_header *stats)
{
	static const char *const kinds[] = {[SL_DEVICE_AF_PACKET] = "af_packet:",
	                                    [SL_DEVICE_PCI] = "pci:",
	                                    [SL_DEVICE_VDEV] = "vdev:"};

	for (uint32_t b = 0; b < ports->n_bonds; b++) {
		const struct sl_dp_port *config = ports->bonds[b]->config;

		for (uint32_t m = 0; m < config->n_members; m++) {
			uint32_t row = stats->n_members++;

			stats->member_ports[row] = (uint8_t)ports->bonds[b]->port;
			snprintf(stats->member_devices[row], SL_NAME_BYTES, "%s%.50s",
			         kinds[config->members[m].kind], config->members[m].device);
		}
	}
}

void sl_bonds_stop(struct sl_ports *ports)
{
	for (uint32_t b = 0; b < ports->n_bonds; b++) {
		struct sl_bond *bond = ports->bonds[b];

		if (bond->id != SL_NO_QUEUE) {
			rte_eth_dev_stop(bond->id);
			rte_eth_dev_close(bond->id);
		}
		for (uint32_t m = 0; m < bond->config->n_members; m++) {
			if (bond->members[m].state != MEMBER_OUT)
				close_member(bond, m);
		}
		free(bond);
	}
	ports->n_bonds = 0;
}
