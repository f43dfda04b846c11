// SPDX-License-Identifier: Apache-2.0
// VLANs: tags are replaced, unknown ones refused, and the mtu of a VLAN is its own.
#include <netinet/in.h>

#include "captures.h"

#define CLIENTS_ID 10
#define SERVERS_ID 20
#define PRIORITY   0x6000
#define MTU_BYTES  1400

static struct sl_packet_spec tagged(struct sl_packet_spec spec, uint16_t tci)
{
	spec.n_vlans = 1;
	spec.vlan_tci[0] = tci;
	return spec;
}

static void asks(struct script *s, const struct lane *lane, uint16_t n_bytes, bool is_tagged)
{
	struct sl_packet_spec in = lane_from_client(lane), out;

	in.payload_bytes = n_bytes;
	if (is_tagged)
		in = tagged(in, PRIORITY | CLIENTS_ID);
	out = tagged(lane_to_server(lane, &in), (is_tagged ? PRIORITY : 0) | SERVERS_ID);
	script_sent(s, &in, &out);
}

static void answers(struct script *s, const struct lane *lane)
{
	struct sl_packet_spec in = tagged(lane_from_server(lane), SERVERS_ID), out;

	in.payload_bytes = 511;
	out = tagged(lane_to_client(lane, &in), CLIENTS_ID);
	script_sent(s, &in, &out);
}

static void strangers(struct script *s, const struct lane *lane)
{
	static const uint16_t ids[] = {SERVERS_ID, 11, 4095};
	struct sl_packet_spec in = lane_from_client(lane);

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		in = tagged(in, ids[i]);
		script_ends(s, &in, "dropped:vlan");
	}
	in.n_vlans = 2;
	in.vlan_tci[0] = CLIENTS_ID;
	script_ends(s, &in, "dropped:vlan");
}

static void vlan(struct script *s, bool is_v6)
{
	const struct lane udp = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_UDP, 0);
	const uint16_t longest = (uint16_t)(MTU_BYTES - (is_v6 ? 40 : 20) - 8);
	struct sl_packet_spec in = tagged(lane_from_client(&udp), CLIENTS_ID);

	asks(s, &udp, 40, true);
	answers(s, &udp);
	asks(s, &udp, 40, false); // the device's own; flows do not ask where packets come from
	strangers(s, &udp);
	asks(s, &udp, longest, true);
	if (is_v6)
		return;
	in.payload_bytes = (uint16_t)(longest + 1); // may be fragmented, which we do not do
	script_ends(s, &in, "dropped:too_big");
}

void capture_vlan_v4(struct script *s)
{
	vlan(s, false);
}

void capture_vlan_v6(struct script *s)
{
	vlan(s, true);
}
