// SPDX-License-Identifier: Apache-2.0
#include "lane.h"

#include <netinet/in.h>

const uint8_t lane_our_macs[2][6] = {{2, 0x53, 0x4c, 0, 0, 0}, {2, 0x53, 0x4c, 0, 0, 1}};
const uint8_t lane_client_mac[6] = {2, 0xaa, 0, 0, 0, 0x10};
const uint8_t lane_server_mac[6] = {2, 0xbb, 0, 0, 0, 0x11};

struct lane lane_make(uint8_t forward, bool is_v6, uint8_t proto, uint16_t local_port)
{
	static const char *const vips[2][3] = {{"192.0.2.1", "192.0.2.2", "192.0.2.3"},
	                                       {"2001:db8:3::1", "2001:db8:3::2", "2001:db8:3::3"}};
	static const uint16_t server_ports[2][3] = {{8080, 8081, 80}, {5353, 5354, 53}};
	bool is_udp = proto == IPPROTO_UDP;

	return (struct lane){
		.forward = forward,
		.is_v6 = is_v6,
		.proto = proto,
		.client = sl_packet_ip(is_v6 ? "2001:db8:1::10" : "198.51.100.10"),
		.vip = sl_packet_ip(vips[is_v6][forward]),
		.local = sl_packet_ip(is_v6 ? "2001:db8:2::fe" : "10.0.0.254"),
		.server = sl_packet_ip(is_v6 ? "2001:db8:2::11" : "10.0.0.11"),
		.client_port = 40000,
		.vip_port = is_udp ? 53 : 80,
		.local_port = local_port,
		.server_port = server_ports[is_udp][forward],
	};
}

static void set_macs(struct sl_packet_spec *spec, const uint8_t dst[6], const uint8_t src[6])
{
	memcpy(spec->dst_mac, dst, 6);
	memcpy(spec->src_mac, src, 6);
}

struct sl_packet_spec lane_from_client(const struct lane *lane)
{
	struct sl_packet_spec spec = {.src = lane->client,
	                              .dst = lane->vip,
	                              .proto = lane->proto,
	                              .sport = lane->client_port,
	                              .dport = lane->vip_port};

	set_macs(&spec, lane_our_macs[0], lane_client_mac);
	return spec;
}

struct sl_packet_spec lane_from_server(const struct lane *lane)
{
	bool is_fullnat = lane->forward == SL_FORWARD_FULLNAT;
	struct sl_packet_spec spec = {.src = lane->server,
	                              .dst = is_fullnat ? lane->local : lane->client,
	                              .proto = lane->proto,
	                              .sport = lane->server_port,
	                              .dport = is_fullnat ? lane->local_port : lane->client_port};

	set_macs(&spec, lane_our_macs[1], lane_server_mac);
	return spec;
}

struct sl_packet_spec lane_to_server(const struct lane *lane, const struct sl_packet_spec *in)
{
	struct sl_packet_spec out = *in;

	set_macs(&out, lane_server_mac, lane_our_macs[1]);
	if (lane->forward == SL_FORWARD_DSR_L2)
		return out; // a hop on the link: not even the TTL
	out.ttl = (uint8_t)((in->ttl != 0 ? in->ttl : 64) - 1);
	out.dst = lane->server;
	out.dport = lane->server_port;
	if (lane->forward == SL_FORWARD_FULLNAT) {
		out.src = lane->local;
		out.sport = lane->local_port;
	}
	return out;
}

struct sl_packet_spec lane_to_client(const struct lane *lane, const struct sl_packet_spec *in)
{
	struct sl_packet_spec out = *in;

	set_macs(&out, lane_client_mac, lane_our_macs[0]);
	out.ttl = (uint8_t)((in->ttl != 0 ? in->ttl : 64) - 1);
	out.src = lane->vip;
	out.sport = lane->vip_port;
	out.dst = lane->client;
	out.dport = lane->client_port;
	return out;
}
