// SPDX-License-Identifier: Apache-2.0
// What is forwarded: whole connections in every mode, every shape of packet, ICMP errors.
#include <netinet/in.h>

#include "captures.h"

#define PSH_ACK (SL_TCP_PSH | SL_TCP_ACK)

static void client_says(struct script *s, const struct lane *lane, uint8_t flags, uint16_t n_bytes)
{
	struct sl_packet_spec in = lane_from_client(lane), out;

	in.tcp_flags = flags;
	in.tcp_seq = 1000;
	in.payload_bytes = n_bytes;
	out = lane_to_server(lane, &in);
	script_sent(s, &in, &out);
}

static void server_says(struct script *s, const struct lane *lane, uint8_t flags, uint16_t n_bytes)
{
	struct sl_packet_spec in = lane_from_server(lane), out;

	in.tcp_flags = flags;
	in.tcp_seq = 9000;
	in.payload_bytes = n_bytes;
	out = lane_to_client(lane, &in);
	script_sent(s, &in, &out);
}

static void whole_connection(struct script *s, const struct lane *lane)
{
	bool is_dsr = lane->forward == SL_FORWARD_DSR_L2;

	client_says(s, lane, SL_TCP_SYN, 0);
	if (!is_dsr)
		server_says(s, lane, SL_TCP_SYN | SL_TCP_ACK, 0);
	client_says(s, lane, SL_TCP_ACK, 0);
	client_says(s, lane, PSH_ACK, 333);
	if (!is_dsr) {
		server_says(s, lane, PSH_ACK, 1400);
		server_says(s, lane, SL_TCP_FIN | SL_TCP_ACK, 0);
	}
	client_says(s, lane, SL_TCP_FIN | SL_TCP_ACK, 0);
	if (!is_dsr)
		server_says(s, lane, SL_TCP_ACK, 0);
}

static void datagrams(struct script *s, const struct lane *lane)
{
	struct sl_packet_spec in = lane_from_client(lane), out;

	client_says(s, lane, 0, 40);
	client_says(s, lane, 0, 0);
	if (lane->forward != SL_FORWARD_DSR_L2)
		server_says(s, lane, 0, 511);
	if (lane->is_v6)
		return;
	in.is_udp_csum_off = true; // and stays off: RFC 768
	in.payload_bytes = 9;
	out = lane_to_server(lane, &in);
	script_sent(s, &in, &out);
}

static void forward_mode(struct script *s, uint8_t forward, bool is_v6)
{
	bool is_fullnat = forward == SL_FORWARD_FULLNAT;
	struct lane tcp = lane_make(forward, is_v6, IPPROTO_TCP, is_fullnat ? FIRST_LOCAL_PORT : 0);
	struct lane udp =
		lane_make(forward, is_v6, IPPROTO_UDP, is_fullnat ? SECOND_LOCAL_PORT : 0);

	whole_connection(s, &tcp);
	datagrams(s, &udp);
}

void capture_nat_v4(struct script *s)
{
	forward_mode(s, SL_FORWARD_NAT, false);
}

void capture_nat_v6(struct script *s)
{
	forward_mode(s, SL_FORWARD_NAT, true);
}

void capture_fullnat_v4(struct script *s)
{
	forward_mode(s, SL_FORWARD_FULLNAT, false);
}

void capture_fullnat_v6(struct script *s)
{
	forward_mode(s, SL_FORWARD_FULLNAT, true);
}

// One connection after the other to one backend: each gets the next port, and the first one's comes
// again neither when it was reset nor minutes later, before all others had their turn.
void capture_fullnat_ports(struct script *s)
{
	for (uint16_t i = 0; i < 4; i++) {
		struct lane lane = lane_make(SL_FORWARD_FULLNAT, false, IPPROTO_TCP,
		                             (uint16_t)(FIRST_LOCAL_PORT + i));

		lane.client_port = (uint16_t)(lane.client_port + i);
		client_says(s, &lane, SL_TCP_SYN, 0);
		server_says(s, &lane, i % 2 ? SL_TCP_SYN | SL_TCP_ACK : SL_TCP_RST, 0);
		if (i == 1)
			client_says(s, &lane, SL_TCP_ACK, 0); // open: the pool goes on
		if (i == 2)
			script_wait(s, 50 * SL_NS_PER_S); // its flow is gone, its port rests
	}
}

void capture_dsr_l2_v4(struct script *s)
{
	forward_mode(s, SL_FORWARD_DSR_L2, false);
}

void capture_dsr_l2_v6(struct script *s)
{
	forward_mode(s, SL_FORWARD_DSR_L2, true);
}

// Tags, options, extension headers, padding, DSCP and ECN: all of it stays as it is.
static void shapes(struct script *s, bool is_v6)
{
	static const uint8_t nops[8] = {1, 1, 1, 1, 1, 1, 1, 0};
	static const uint8_t dst_options[8] = {IPPROTO_TCP, 0, 1, 4, 0, 0, 0, 0};
	static const uint8_t tcp_options[12] = {2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 1, 0};
	struct lane lane = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_TCP, 0);
	struct sl_packet_spec in, out;

	for (unsigned int i = 0; i < 6; i++) {
		in = lane_from_client(&lane);
		in.tcp_flags = i == 0 ? SL_TCP_SYN : SL_TCP_ACK;
		in.tcp_options = tcp_options;
		in.tcp_options_bytes = i == 0 ? sizeof(tcp_options) : 0;
		in.n_vlans = i == 1 ? 1 : i == 2 ? 2 : 0;
		in.vlan_tci[0] = 0xa00a;
		in.vlan_tci[1] = 20;
		in.vlan_tpid[0] = i == 2 ? 0x88a8 : 0;
		in.ext = is_v6 ? dst_options : nops;
		in.ext_bytes = i == 3 ? 8 : 0;
		in.ext_next = IPPROTO_DSTOPTS;
		in.padding_bytes = i == 4 ? 6 : 0;
		in.dscp_ecn = i == 5 ? 0xbb : 0;
		in.ttl = i == 5 ? 2 : 0; // one hop left behind us
		out = lane_to_server(&lane, &in);
		script_sent(s, &in, &out);
	}
}

void capture_shapes_v4(struct script *s)
{
	shapes(s, false);
}

void capture_shapes_v6(struct script *s)
{
	shapes(s, true);
}

static struct sl_packet_spec error_about(const struct sl_packet_spec *quote, const char *from,
                                         uint16_t l4_bytes)
{
	bool is_v6 = !sl_ip_is_v4(&quote->src);

	return (struct sl_packet_spec){
		.src = sl_packet_ip(from),
		.dst = quote->src,
		.proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		.icmp_type = is_v6 ? 2 : 3, // packet too big; fragmentation needed
		.icmp_code = is_v6 ? 0 : 4,
		.icmp_rest = 1280,
		.quote = quote,
		.quote_bytes = (uint16_t)((is_v6 ? 40 : 20) + l4_bytes),
	};
}

// Of a reply on its way to the client: the server must hear of it.
static void error_from_client_side(struct script *s, const struct lane *lane, uint16_t l4_bytes)
{
	struct sl_packet_spec from_server = lane_from_server(lane), quote, quote_out, in, out;

	from_server.tcp_flags = PSH_ACK;
	from_server.payload_bytes = 64;
	quote = lane_to_client(lane, &from_server);
	quote_out = from_server;
	quote_out.ttl = quote.ttl; // as it was when it was cut off
	in = error_about(&quote, lane->is_v6 ? "2001:db8:77::1" : "203.0.113.1", l4_bytes);
	memcpy(in.dst_mac, lane_our_macs[0], 6);
	memcpy(in.src_mac, lane_client_mac, 6);
	out = error_about(&quote_out, lane->is_v6 ? "2001:db8:77::1" : "203.0.113.1", l4_bytes);
	if (lane->forward == SL_FORWARD_FULLNAT)
		out.src = lane->local; // the server knows nobody else
	out.ttl = 63;
	memcpy(out.dst_mac, lane_server_mac, 6);
	memcpy(out.src_mac, lane_our_macs[1], 6);
	script_sent(s, &in, &out);
}

// Of a request on its way to the server: the client must hear of it, from the VIP.
static void error_from_server_side(struct script *s, const struct lane *lane, uint16_t l4_bytes)
{
	struct sl_packet_spec from_client = lane_from_client(lane), quote, quote_out, in, out;

	from_client.tcp_flags = PSH_ACK;
	from_client.payload_bytes = 64;
	quote = lane_to_server(lane, &from_client);
	quote_out = from_client;
	quote_out.ttl = quote.ttl;
	in = error_about(&quote, lane->is_v6 ? "2001:db8:2::77" : "10.0.0.77", l4_bytes);
	memcpy(in.dst_mac, lane_our_macs[1], 6);
	memcpy(in.src_mac, lane_server_mac, 6);
	out = error_about(&quote_out, lane->is_v6 ? "2001:db8:2::77" : "10.0.0.77", l4_bytes);
	out.src = lane->vip;
	out.ttl = 63;
	memcpy(out.dst_mac, lane_client_mac, 6);
	memcpy(out.src_mac, lane_our_macs[0], 6);
	script_sent(s, &in, &out);
}

// Under DSR only what the client's side says comes by, about replies we never saw; it passes as
// it is, to the server that sent them.
static void error_under_dsr(struct script *s, const struct lane *lane)
{
	struct sl_packet_spec reply = {.src = lane->vip,
	                               .dst = lane->client,
	                               .proto = lane->proto,
	                               .sport = lane->vip_port,
	                               .dport = lane->client_port,
	                               .tcp_flags = PSH_ACK,
	                               .payload_bytes = 64};
	struct sl_packet_spec in, out;

	client_says(s, lane, SL_TCP_SYN, 0);
	in = error_about(&reply, lane->is_v6 ? "2001:db8:77::1" : "203.0.113.1", 8);
	memcpy(in.dst_mac, lane_our_macs[0], 6);
	memcpy(in.src_mac, lane_client_mac, 6);
	out = in;
	memcpy(out.dst_mac, lane_server_mac, 6);
	memcpy(out.src_mac, lane_our_macs[1], 6);
	script_sent(s, &in, &out);
}

static void errors(struct script *s, uint8_t forward, bool is_v6)
{
	static const uint16_t l4_bytes[] = {8, 20, 60}; // RFC 792's least, a header, some payload
	bool is_fullnat = forward == SL_FORWARD_FULLNAT;
	struct lane lanes[2] = {
		lane_make(forward, is_v6, IPPROTO_TCP, is_fullnat ? FIRST_LOCAL_PORT : 0),
		lane_make(forward, is_v6, IPPROTO_UDP, is_fullnat ? SECOND_LOCAL_PORT : 0)};

	for (unsigned int i = 0; i < 2; i++) {
		client_says(s, &lanes[i], SL_TCP_SYN, 0);
		server_says(s, &lanes[i], SL_TCP_SYN | SL_TCP_ACK, 0);
		for (unsigned int b = 0; b < 3; b++) {
			error_from_client_side(s, &lanes[i], l4_bytes[b]);
			error_from_server_side(s, &lanes[i], l4_bytes[b]);
		}
	}
}

void capture_icmp_nat_v4(struct script *s)
{
	errors(s, SL_FORWARD_NAT, false);
}

void capture_icmp_nat_v6(struct script *s)
{
	errors(s, SL_FORWARD_NAT, true);
}

void capture_icmp_fullnat_v4(struct script *s)
{
	errors(s, SL_FORWARD_FULLNAT, false);
}

void capture_icmp_fullnat_v6(struct script *s)
{
	errors(s, SL_FORWARD_FULLNAT, true);
}

void capture_icmp_dsr_l2_v4(struct script *s)
{
	struct lane lane = lane_make(SL_FORWARD_DSR_L2, false, IPPROTO_TCP, 0);

	error_under_dsr(s, &lane);
}

void capture_icmp_dsr_l2_v6(struct script *s)
{
	struct lane lane = lane_make(SL_FORWARD_DSR_L2, true, IPPROTO_TCP, 0);

	error_under_dsr(s, &lane);
}
