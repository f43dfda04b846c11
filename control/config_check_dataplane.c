// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "config_check.h"
#include "config_value.h"

// One address of one port; at most SL_MAX_PORTS x SL_MAX_PORT_ADDRESSES of them are compared.
struct own {
	const struct raw_prefix *address;
	uint32_t port;
};

struct owns {
	struct own items[SL_MAX_PORTS * SL_MAX_PORT_ADDRESSES];
	uint32_t n;
};

// Bits of the 16-byte form that name the network.
static unsigned int network_bits(const struct sl_prefix *prefix)
{
	return prefix->bits + (sl_ip_is_v4(&prefix->address) ? 96u : 0u);
}

static struct sl_ip network_of(const struct sl_ip *ip, unsigned int bits)
{
	struct sl_ip network = *ip;

	for (unsigned int i = 0; i < 16; i++) {
		unsigned int kept = bits > 8 * i ? bits - 8 * i : 0;

		if (kept < 8)
			network.bytes[i] &= (uint8_t)(0xff00u >> kept);
	}
	return network;
}

static bool is_inside(const struct sl_ip *ip, const struct sl_prefix *prefix)
{
	struct sl_ip a = network_of(ip, network_bits(prefix));
	struct sl_ip b = network_of(&prefix->address, network_bits(prefix));

	return sl_ip_is_v4(ip) == sl_ip_is_v4(&prefix->address) && sl_ip_equal(&a, &b);
}

static bool are_overlapping(const struct sl_prefix *a, const struct sl_prefix *b)
{
	return a->bits <= b->bits ? is_inside(&b->address, a) : is_inside(&a->address, b);
}

static void check_cpus(const struct raw_dataplane_file *file, struct sl_diag_list *diag)
{
	const struct raw_cpu *cpus = file->cpus.items;
	const struct sl_node *node = sl_node_good(file->node, "cpus");
	const struct sl_node *workers = sl_node_find(file->node, "workers");

	if (node == NULL)
		return;
	for (uint32_t i = 0; i < file->cpus.n; i++) {
		for (uint32_t k = 0; k < i; k++) {
			if (cpus[i].node->is_bad || cpus[k].node->is_bad ||
			    cpus[i].cpu != cpus[k].cpu)
				continue;
			sl_diag_error(diag, &cpus[i].node->span, "duplicate CPU %ju",
			              (uintmax_t)cpus[i].cpu);
			break;
		}
	}
	if ((workers == NULL || !workers->is_bad) && file->cpus.n > 0 &&
	    file->cpus.n != file->workers + 1)
		sl_diag_error(diag, sl_node_place(node),
		              "cpus: %u given, %ju needed: one for the main thread and one per "
		              "worker",
		              file->cpus.n, (uintmax_t)file->workers + 1);
}

struct words {
	struct sl_word items[SL_MAX_PORTS];
	uint32_t n;
};

static void add_word(struct words *words, const struct sl_node *object, const char *key)
{
	const struct sl_node *node = sl_node_good(object, key);

	if (node != NULL && words->n < SL_MAX_PORTS)
		words->items[words->n++] =
			(struct sl_word){node->text, node->text_bytes, &node->span};
}

static void check_duplicates(struct words *words, const char *what, struct sl_diag_list *diag)
{
	struct sl_duplicate_ctx ctx = {diag, what, true};

	sl_words_find_duplicates(words->items, words->n, sl_check_refuse_duplicate, &ctx);
}

static void check_names(const struct raw_list *list, struct sl_diag_list *diag)
{
	const struct raw_port *ports = list->items;
	struct words names = {.n = 0}, devices = {.n = 0};

	for (uint32_t i = 0; i < list->n; i++) {
		const struct raw_vlan *vlans = ports[i].vlans.items;

		add_word(&names, ports[i].node, "name");
		if (ports[i].device.kind != SL_DEVICE_BOND) // theirs is no name
			add_word(&devices, ports[i].node, "device");
		for (uint32_t k = 0; k < ports[i].vlans.n; k++)
			add_word(&names, vlans[k].node, "name");
	}
	check_duplicates(&names, "port name", diag);
	check_duplicates(&devices, "device", diag);
}

static void check_vlans(const struct raw_port *port, struct sl_diag_list *diag)
{
	const struct raw_vlan *vlans = port->vlans.items;

	for (uint32_t i = 0; i < port->vlans.n; i++) {
		const struct sl_node *id = sl_node_good(vlans[i].node, "id");
		const struct sl_node *mtu = sl_node_good(vlans[i].node, "mtu");

		for (uint32_t k = 0; id != NULL && k < i; k++) {
			const struct sl_node *first = sl_node_good(vlans[k].node, "id");

			if (first == NULL || vlans[k].id != vlans[i].id)
				continue;
			sl_diag_error(diag, &id->span, "id: VLAN %ju is on line %u already",
			              (uintmax_t)vlans[i].id, first->span.line + 1);
			break;
		}
		if (mtu != NULL && vlans[i].mtu_bytes > port->mtu_bytes)
			sl_diag_error(diag, &mtu->span, "mtu: above the %ju of the port",
			              (uintmax_t)port->mtu_bytes);
	}
}

// The packets of its VLANs would go past the device's queues.
static void check_rate(const struct raw_port *port, struct sl_diag_list *diag)
{
	const struct sl_node *rate = sl_node_good(port->node, "rate");

	if (rate != NULL && port->vlans.n != 0)
		sl_diag_error(diag, &rate->span,
		              "rate: a port with vlans has none; give each VLAN its own");
}

static void check_count(const struct raw_list *list, struct sl_diag_list *diag)
{
	const struct raw_port *ports = list->items;
	uint32_t n = list->n;

	for (uint32_t i = 0; i < list->n; i++) {
		n += ports[i].vlans.n;
		if (n <= SL_MAX_PORTS)
			continue;
		sl_diag_error(diag, sl_node_place(sl_node_find(ports[i].node, "vlans")),
		              "vlans: more than %d ports and VLANs in all", SL_MAX_PORTS);
		break;
	}
}

static bool is_interface(const struct raw_port *port)
{
	return port->device.kind == SL_DEVICE_AF_XDP || port->device.kind == SL_DEVICE_AF_PACKET;
}

// Two drivers on one interface would each get some of its packets, or all of them twice.
static void check_interfaces(const struct raw_list *list, struct sl_diag_list *diag)
{
	const struct raw_port *ports = list->items;

	for (uint32_t i = 0; i < list->n && i < SL_MAX_PORTS; i++) {
		const struct sl_node *device = sl_node_good(ports[i].node, "device");

		for (uint32_t k = 0; device != NULL && is_interface(&ports[i]) && k < i; k++) {
			const struct sl_node *first = sl_node_good(ports[k].node, "device");

			if (first == NULL || !is_interface(&ports[k]) ||
			    ports[i].device.kind == ports[k].device.kind ||
			    strcmp(ports[i].device.args, ports[k].device.args) != 0)
				continue;
			sl_diag_error(diag, &device->span,
			              "device: also the interface of a port on line %u",
			              first->span.line + 1);
		}
	}
}

static void check_mode(const struct raw_port *port, struct sl_diag_list *diag)
{
	const struct sl_node *mode = sl_node_good(port->node, "mode");

	if (mode != NULL && sl_node_good(port->node, "device") != NULL &&
	    port->device.kind != SL_DEVICE_AF_XDP)
		sl_diag_error(diag, sl_node_place(mode),
		              "mode is for af_xdp devices alone; the others take all traffic");
}

static void check_mtu(const struct raw_port *port, struct sl_diag_list *diag)
{
	const struct sl_node *mtu = sl_node_good(port->node, "mtu");

	if (mtu != NULL && sl_node_good(port->node, "device") != NULL &&
	    port->device.kind == SL_DEVICE_AF_XDP && port->mtu_bytes > SL_MTU_AF_XDP_BYTES)
		sl_diag_error(diag, &mtu->span,
		              "mtu: af_xdp carries at most %d bytes here; use af_packet or pci",
		              SL_MTU_AF_XDP_BYTES);
}

static void check_host_part(const struct raw_prefix *address, struct sl_diag_list *diag)
{
	const struct sl_prefix *p = &address->prefix;
	struct sl_ip network = network_of(&p->address, network_bits(p));
	const char *martian = sl_value_martian(&p->address);

	if (martian != NULL)
		sl_diag_error(diag, &address->node->span, "addresses: this is %s, no host has it",
		              martian);
	else if (network_bits(p) < 127 && sl_ip_equal(&network, &p->address))
		sl_diag_error(diag, &address->node->span,
		              "addresses: this names the network; give the port's own address in "
		              "it");
	else if (p->bits == 0)
		sl_diag_error(diag, &address->node->span,
		              "addresses: length 0 would connect the whole Internet to this port");
}

static void check_broadcast(const struct raw_prefix *address, struct sl_diag_list *diag)
{
	const struct sl_prefix *p = &address->prefix;
	uint32_t host_mask, v4;

	if (!sl_ip_is_v4(&p->address) || p->bits > 30 || p->bits == 0)
		return;
	host_mask = UINT32_MAX >> p->bits;
	v4 = ntohl(sl_ip_v4_be(&p->address));
	if ((v4 & host_mask) == host_mask)
		sl_diag_error(diag, &address->node->span,
		              "addresses: this is the broadcast address of the network");
}

// Two networks on two ports that overlap leave open where their hosts are.
static void check_overlap(const struct owns *owns, uint32_t i, struct sl_diag_list *diag)
{
	const struct own *own = &owns->items[i];

	for (uint32_t k = 0; k < i; k++) {
		const struct own *first = &owns->items[k];
		uint32_t line = first->address->node->span.line + 1;

		if (sl_ip_equal(&own->address->prefix.address, &first->address->prefix.address)) {
			sl_diag_error(diag, &own->address->node->span,
			              "duplicate address; first on line %u", line);
			return;
		}
		if (own->port != first->port &&
		    are_overlapping(&own->address->prefix, &first->address->prefix)) {
			sl_diag_error(diag, &own->address->node->span,
			              "addresses: the network overlaps one of another port on "
			              "line %u",
			              line);
			return;
		}
	}
}

static void add_addresses(const struct raw_list *list, uint32_t port, struct owns *owns)
{
	const struct raw_prefix *addresses = list->items;

	for (uint32_t i = 0; i < list->n; i++)
		if (!addresses[i].node->is_bad &&
		    owns->n < sizeof(owns->items) / sizeof(owns->items[0]))
			owns->items[owns->n++] = (struct own){&addresses[i], port};
}

static void collect_addresses(const struct raw_dataplane_file *file, struct owns *owns)
{
	const struct raw_port *ports = file->ports.items;
	uint32_t n = 0;

	for (uint32_t i = 0; i < file->ports.n; i++) {
		const struct raw_vlan *vlans = ports[i].vlans.items;

		add_addresses(&ports[i].addresses, n++, owns);
		for (uint32_t k = 0; k < ports[i].vlans.n; k++)
			add_addresses(&vlans[k].addresses, n++, owns);
	}
}

static void check_target(const struct raw_route *route, const struct sl_node *to,
                         struct sl_diag_list *diag)
{
	struct sl_ip network = network_of(&route->to.address, network_bits(&route->to));
	char shown[INET6_ADDRSTRLEN];

	if (sl_ip_equal(&network, &route->to.address))
		return;
	sl_value_print_ip(&network, shown, sizeof(shown));
	sl_diag_error(diag, &to->span, "to: bits are set behind the length; write %s/%u", shown,
	              route->to.bits);
}

static void check_next_hop(const struct raw_route *route, const struct sl_node *via,
                           const struct owns *owns, struct sl_diag_list *diag)
{
	bool is_connected = false, is_own = false;

	for (uint32_t i = 0; i < owns->n; i++) {
		const struct sl_prefix *own = &owns->items[i].address->prefix;

		is_connected = is_connected || is_inside(&route->via, own);
		is_own = is_own || sl_ip_equal(&route->via, &own->address);
	}
	if (is_own)
		sl_diag_error(diag, &via->span, "via: an own address cannot be the next hop");
	else if (!is_connected)
		sl_diag_error(diag, &via->span, "via: no port has an address in the network of %s",
		              via->text);
}

static void check_routes(const struct raw_dataplane_file *file, const struct owns *owns,
                         struct sl_diag_list *diag)
{
	const struct raw_route *routes = file->routes.items;

	for (uint32_t i = 0; i < file->routes.n && i < SL_MAX_ROUTES; i++) {
		const struct sl_node *to = sl_node_good(routes[i].node, "to");
		const struct sl_node *via = sl_node_good(routes[i].node, "via");

		if (to != NULL)
			check_target(&routes[i], to, diag);
		if (via != NULL)
			check_next_hop(&routes[i], via, owns, diag);
		if (to != NULL && via != NULL &&
		    sl_ip_is_v4(&routes[i].to.address) != sl_ip_is_v4(&routes[i].via))
			sl_diag_error(diag, &via->span, "via: to and via must be of one family");
		for (uint32_t k = 0; to != NULL && k < i; k++) {
			if (sl_node_good(routes[k].node, "to") == NULL ||
			    memcmp(&routes[i].to, &routes[k].to, sizeof(routes[i].to)) != 0)
				continue;
			sl_diag_error(diag, &to->span, "duplicate route; first on line %u",
			              routes[k].node->span.line + 1);
			break;
		}
	}
}

int sl_check_dataplane(struct raw_dataplane_file *file, struct sl_diag_list *diag)
{
	const struct raw_port *ports = file->ports.items;
	struct owns *owns = calloc(1, sizeof(*owns));

	if (owns == NULL)
		return -ENOMEM;
	check_cpus(file, diag);
	check_names(&file->ports, diag);
	check_count(&file->ports, diag);
	check_interfaces(&file->ports, diag);
	sl_check_bonds(&file->ports, diag);
	for (uint32_t i = 0; i < file->ports.n; i++) {
		check_mode(&ports[i], diag);
		check_mtu(&ports[i], diag);
		check_vlans(&ports[i], diag);
		check_rate(&ports[i], diag);
	}
	collect_addresses(file, owns);
	for (uint32_t i = 0; i < owns->n; i++) {
		check_host_part(owns->items[i].address, diag);
		check_broadcast(owns->items[i].address, diag);
		check_overlap(owns, i, diag);
	}
	check_routes(file, owns, diag);
	free(owns);
	return 0;
}
