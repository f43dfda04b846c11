// SPDX-License-Identifier: Apache-2.0
// Bonds: their members are devices of one kind that nobody else uses.
#include "config_check.h"

static bool is_interface(const struct raw_device *device)
{
	return device->kind == SL_DEVICE_AF_XDP || device->kind == SL_DEVICE_AF_PACKET;
}

static bool are_same(const struct raw_device *a, const struct raw_device *b)
{
	return (a->kind == b->kind || (is_interface(a) && is_interface(b))) &&
	       strcmp(a->args, b->args) == 0;
}

// Members belong to bonds, and a bond without them carries nothing.
static void check_presence(const struct raw_port *port, const struct sl_node *device,
                           struct sl_diag_list *diag)
{
	const struct sl_node *members = sl_node_find(port->node, "members");
	const bool is_bond = port->device.kind == SL_DEVICE_BOND;

	if (is_bond && members == NULL)
		sl_diag_error(diag, &device->span,
		              "device: a bond needs members, such as [\"af_packet:eth1\", "
		              "\"af_packet:eth2\"]");
	else if (!is_bond && members != NULL)
		sl_diag_error(diag, sl_node_place(members),
		              "members are for bonds alone; write device: \"bond:active-backup\"");
}

static void check_kind(const struct raw_member *member, const struct raw_member *first,
                       struct sl_diag_list *diag)
{
	if (member->device.kind == SL_DEVICE_BOND)
		sl_diag_error(diag, &member->node->span, "members: a bond is no member of another");
	else if (member->device.kind == SL_DEVICE_AF_XDP)
		sl_diag_error(diag, &member->node->span,
		              "members: af_xdp cannot be one, its program steers to the sockets of "
		              "one port; use af_packet or pci");
	else if (!first->node->is_bad && member->device.kind != first->device.kind)
		sl_diag_error(diag, &member->node->span,
		              "members: of another kind than the first one on line %u",
		              first->node->span.line + 1);
}

// Line of a device before member m of port p that is the same one; 0: none.
static uint32_t find_user(const struct raw_list *list, uint32_t p, uint32_t m)
{
	const struct raw_port *ports = list->items;
	const struct raw_member *self = (const struct raw_member *)ports[p].members.items + m;

	for (uint32_t i = 0; i < list->n; i++) {
		const struct raw_member *members = ports[i].members.items;
		const struct sl_node *device = sl_node_good(ports[i].node, "device");
		uint32_t n = i < p ? ports[i].members.n : i == p ? m : 0;

		if (device != NULL && are_same(&self->device, &ports[i].device))
			return device->span.line + 1;
		for (uint32_t k = 0; k < n; k++) {
			if (!members[k].node->is_bad && are_same(&self->device, &members[k].device))
				return members[k].node->span.line + 1;
		}
	}
	return 0;
}

static void check_members(const struct raw_list *list, uint32_t p, struct sl_diag_list *diag)
{
	const struct raw_port *port = (const struct raw_port *)list->items + p;
	const struct raw_member *members = port->members.items;

	for (uint32_t m = 0; m < port->members.n; m++) {
		uint32_t line;

		if (members[m].node->is_bad)
			continue;
		check_kind(&members[m], &members[0], diag);
		line = find_user(list, p, m);
		if (line != 0)
			sl_diag_error(diag, &members[m].node->span,
			              "members: already the device of a port or bond on line %u",
			              line);
	}
}

void sl_check_bonds(const struct raw_list *list, struct sl_diag_list *diag)
{
	const struct raw_port *ports = list->items;
	uint32_t n = 0;

	for (uint32_t p = 0; p < list->n && p < SL_MAX_DEVICES; p++) {
		const struct sl_node *device = sl_node_good(ports[p].node, "device");

		if (device == NULL)
			continue;
		check_presence(&ports[p], device, diag);
		check_members(list, p, diag);
		n += ports[p].members.n;
		if (n > SL_MAX_MEMBERS && n - ports[p].members.n <= SL_MAX_MEMBERS)
			sl_diag_error(diag, sl_node_place(sl_node_find(ports[p].node, "members")),
			              "members: more than %d of all bonds together",
			              SL_MAX_MEMBERS);
	}
}
