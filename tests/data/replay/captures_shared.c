// SPDX-License-Identifier: Apache-2.0
// Ports shared with the kernel: what the XDP program takes and what it leaves.
#include <netinet/in.h>

#include "captures.h"

// The server's answer, and things that only look like one.
static void from_servers(struct script *s, const struct lane *lane)
{
	struct sl_packet_spec in = lane_from_server(lane), out;

	in.tcp_flags = SL_TCP_SYN | SL_TCP_ACK;
	out = lane_to_client(lane, &in);
	script_sent(s, &in, &out);
	in.sport = 22; // another program of the server
	script_ends(s, &in, "kernel");
	in.sport = lane->server_port;
	in.proto = IPPROTO_UDP;
	script_ends(s, &in, "kernel");
	in = lane_from_server(lane);
	in.src.bytes[15] = 0x63; // a server of nobody
	script_ends(s, &in, "kernel");
	in = lane_from_server(lane);
	in.dst = lane->local; // the kernel's own probe is answered
	script_ends(s, &in, "kernel");
}

// A router of the servers' side complains of a packet to a server, or to somebody else.
static void complaints(struct script *s, const struct lane *lane)
{
	struct sl_packet_spec from_client = lane_from_client(lane), quote, told, in, out;

	from_client.tcp_flags = SL_TCP_ACK;
	quote = lane_to_server(lane, &from_client);
	told = from_client;
	told.ttl = quote.ttl;
	in = (struct sl_packet_spec){.src = lane->server,
	                             .dst = lane->client,
	                             .proto = lane->is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
	                             .icmp_type = lane->is_v6 ? 1 : 3,
	                             .quote = &quote};
	in.src.bytes[15] = 0x77;
	memcpy(in.dst_mac, lane_our_macs[1], 6);
	memcpy(in.src_mac, lane_server_mac, 6);
	out = in;
	out.src = lane->vip;
	out.ttl = 63;
	out.quote = &told;
	memcpy(out.dst_mac, lane_client_mac, 6);
	memcpy(out.src_mac, lane_our_macs[0], 6);
	script_sent(s, &in, &out);
	quote.dst.bytes[15] = 0x63;
	script_ends(s, &in, "kernel");
}

static void shared(struct script *s, bool is_v6)
{
	struct lane nat = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_TCP, 0);
	struct sl_packet_spec in = lane_from_client(&nat), out;

	in.tcp_flags = SL_TCP_SYN;
	out = lane_to_server(&nat, &in);
	script_sent(s, &in, &out);
	from_servers(s, &nat);
	complaints(s, &nat);
	in.dst.bytes[15] = 0x99; // no VIP: the kernel may route it
	script_ends(s, &in, "kernel");
}

void capture_shared_v4(struct script *s)
{
	shared(s, false);
}

void capture_shared_v6(struct script *s)
{
	shared(s, true);
}
