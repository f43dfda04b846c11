// SPDX-License-Identifier: Apache-2.0
#include "links.h"

#include <errno.h>
#include <stdlib.h>

#include "layout.h"

#define MACS_BYTES SL_ETH_OFF_TYPE
#define ID_MASK    0x0fff
#define PCP_MASK   0xf000 // priority and drop eligibility

int sl_links_init(struct sl_links *links, const struct sl_dpconfig *config)
{
	uint16_t longest_bytes = 0;

	*links = (struct sl_links){.n_ports = config->n_ports};
	links->port_of = calloc(SL_MAX_DEVICES, sizeof(*links->port_of));
	if (links->port_of == NULL)
		return -ENOMEM;
	for (uint16_t p = 0; p < config->n_ports; p++) {
		const struct sl_dp_port *port = &config->ports[p];
		struct sl_link *link = &links->ports[p];

		link->device = port->vlan_id != 0 ? port->parent : p;
		link->vlan_id = port->vlan_id;
		link->mtu_bytes = port->mtu_bytes != 0 ? port->mtu_bytes : SL_MTU_DEFAULT_BYTES;
		if (link->mtu_bytes > longest_bytes)
			longest_bytes = link->mtu_bytes;
		if (link->vlan_id == 0)
			continue;
		link->is_trunk = true;
		links->ports[link->device].is_trunk = true;
		links->port_of[link->device][link->vlan_id] = (uint8_t)p;
		links->has_vlans = true;
	}
	for (uint32_t p = 0; p < links->n_ports; p++)
		links->ports[p].is_careful =
			links->has_vlans || links->ports[p].mtu_bytes < longest_bytes;
	return 0;
}

void sl_links_fini(struct sl_links *links)
{
	free(links->port_of);
	links->port_of = NULL;
}

uint64_t sl_links_careful(const struct sl_links *links)
{
	uint64_t ports = 0;

	for (uint32_t p = 0; p < links->n_ports; p++)
		ports |= (uint64_t)links->ports[p].is_careful << p;
	return ports;
}

bool sl_links_enter(const struct sl_links *links, struct sl_pkt *pkt)
{
	uint16_t id;

	if (!links->ports[pkt->in_port].is_trunk || pkt->n_vlans == 0)
		return true;
	if (pkt->n_vlans > 1 || sl_load16_host(pkt->data + SL_ETH_OFF_TYPE) != SL_ETHERTYPE_VLAN)
		return false;
	id = sl_load16_host(pkt->data + SL_ETH_BYTES) & ID_MASK;
	if (id == 0)
		return true;
	if (links->port_of[pkt->in_port][id] == 0)
		return false;
	pkt->in_port = links->port_of[pkt->in_port][id];
	return true;
}

static void put_tag(uint8_t *at, uint16_t tci)
{
	sl_store16_host(at, SL_ETHERTYPE_VLAN);
	sl_store16_host(at + 2, tci);
}

// The frame begins this many bytes later; a negative number makes room in front.
static void cut_front(struct sl_pkt *pkt, int32_t n_bytes)
{
	memmove(pkt->data + n_bytes, pkt->data, MACS_BYTES);
	pkt->data += n_bytes;
	pkt->len -= (uint32_t)n_bytes;
	pkt->headroom = (uint16_t)(pkt->headroom + n_bytes);
	pkt->l3_off = (uint16_t)(pkt->l3_off - n_bytes);
	pkt->l4_off = (uint16_t)(pkt->l4_off - n_bytes);
	pkt->payload_off = (uint16_t)(pkt->payload_off - n_bytes);
	pkt->inner_l3_off = (uint16_t)(pkt->inner_l3_off - n_bytes);
	pkt->inner_l4_off = (uint16_t)(pkt->inner_l4_off - n_bytes);
}

bool sl_links_tag(const struct sl_links *links, struct sl_pkt *pkt)
{
	const struct sl_link *in = &links->ports[pkt->in_port];
	const struct sl_link *out = &links->ports[pkt->out_port];
	const uint8_t n_wanted = out->vlan_id != 0;
	uint16_t tci = out->vlan_id;

	if (!in->is_trunk && !out->is_trunk)
		return true;
	if (pkt->n_vlans > 0)
		tci |= sl_load16_host(pkt->data + SL_ETH_BYTES) & PCP_MASK;
	if (n_wanted > pkt->n_vlans && pkt->headroom < SL_VLAN_BYTES)
		return false;
	if (n_wanted != pkt->n_vlans)
		cut_front(pkt, (pkt->n_vlans - n_wanted) * SL_VLAN_BYTES);
	pkt->n_vlans = n_wanted;
	if (n_wanted != 0)
		put_tag(pkt->data + MACS_BYTES, tci);
	return true;
}

size_t sl_links_tag_frame(const struct sl_links *links, uint8_t *frame, size_t n_bytes,
                          size_t max_bytes, uint16_t port)
{
	const uint16_t id = links->ports[port].vlan_id;

	if (id == 0 || n_bytes == 0)
		return n_bytes;
	if (n_bytes + SL_VLAN_BYTES > max_bytes)
		return 0;
	memmove(frame + MACS_BYTES + SL_VLAN_BYTES, frame + MACS_BYTES, n_bytes - MACS_BYTES);
	put_tag(frame + MACS_BYTES, id);
	return n_bytes + SL_VLAN_BYTES;
}
