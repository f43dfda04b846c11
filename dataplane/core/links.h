// SPDX-License-Identifier: Apache-2.0
// Links: ports and what is under them. A port is a device, or one VLAN of a device; routes,
// neighbours and answers know ports only, so that here is all that knows tags.
//
// Tags:    a device with VLANs configured is a trunk. What comes there untagged, or with VLAN id 0
//          (a priority tag, IEEE 802.1Q 6.9.3), is the device's own; one 802.1Q tag with a known id
//          makes it that VLAN's; every other tag, and a second one, is refused. What leaves such a
//          port has exactly that port's tag, with the priority the packet came with. Between
//          devices without VLANs tags pass as they are.
// Length:  a port whose mtu is below the longest one must look at what leaves by it.
// Careful: ports that tags or length concern. Neighbours there lack SL_NEIGH_DIRECT, so that nobody
//          else pays (neigh.h).
// Thread:  made before workers run, then read-only.
#ifndef SLUICE_CORE_LINKS_H
#define SLUICE_CORE_LINKS_H

#include "pkt.h"
#include "sluice/dpconfig.h"

#define SL_LINKS_IDS (1 << 12) // VLAN ids

struct sl_link {
	uint16_t device; // port number; its own where it is one
	uint16_t vlan_id;
	uint16_t mtu_bytes;
	bool is_trunk; // of a device with VLANs, or one of them
	bool is_careful;
};

struct sl_links {
	struct sl_link ports[SL_MAX_PORTS];
	uint32_t n_ports;
	bool has_vlans;
	uint8_t (*port_of)[SL_LINKS_IDS]; // owned, by device; 0: no such VLAN (no VLAN is port 0)
};

// config is checked. 0 or -ENOMEM; fini also after a failure.
int sl_links_init(struct sl_links *links, const struct sl_dpconfig *config);
void sl_links_fini(struct sl_links *links);

// A bit per port.
uint64_t sl_links_careful(const struct sl_links *links);

// pkt parsed, in_port a device. Sets in_port to the port it belongs to; false: to none.
bool sl_links_enter(const struct sl_links *links, struct sl_pkt *pkt);

// Give a packet the tag of out_port. The MACs move along, offsets follow. False: no headroom.
bool sl_links_tag(const struct sl_links *links, struct sl_pkt *pkt);

// The same for a frame made here without a tag. Returns its new length, 0 if it does not fit.
size_t sl_links_tag_frame(const struct sl_links *links, uint8_t *frame, size_t n_bytes,
                          size_t max_bytes, uint16_t port);

#endif
