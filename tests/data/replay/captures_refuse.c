// SPDX-License-Identifier: Apache-2.0
// What is not forwarded, and why: one packet per reason; nothing may leave but what tells its
// sender.
#include <netinet/in.h>

#include "captures.h"
#include "icmp_error.h"

static struct sl_packet_spec syn_to(const char *vip, uint16_t port)
{
	struct sl_ip dst = sl_packet_ip(vip);
	struct lane lane = lane_make(SL_FORWARD_NAT, !sl_ip_is_v4(&dst), IPPROTO_TCP, 0);
	struct sl_packet_spec spec = lane_from_client(&lane);

	spec.dst = dst;
	spec.dport = port;
	spec.tcp_flags = SL_TCP_SYN;
	return spec;
}

// Its last hop is here. Its sender is told, unless the answer would be longer than the packet.
static void ttl_ends(struct script *s, const struct sl_packet_spec *spec)
{
	const bool is_v6 = !sl_ip_is_v4(&spec->dst);
	const struct sl_icmp_want want = {.type = is_v6 ? 3 : 11,
	                                  .source = is_v6 ? "2001:db8:1::fe" : "198.51.100.254"};
	struct sl_packet_spec last = *spec;
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes;

	last.ttl = 1;
	last.payload_bytes = 0;
	script_ends(s, &last, "dropped:ttl");
	last.payload_bytes = 40;
	n_bytes = sl_icmp_want_build(frame, &last, &want);
	script_in(s, &last);
	script_generated(s, frame, n_bytes, s->t_ns);
	script_verdict(s, "dropped:ttl");
}

static void mid_stream(struct script *s, bool is_v6)
{
	struct lane lane = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_TCP, 0);
	struct lane udp = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_UDP, 0);
	struct sl_packet_spec spec = lane_from_client(&lane);

	spec.tcp_flags = SL_TCP_ACK;
	script_ends(s, &spec, "dropped:no_flow");
	spec.tcp_flags = SL_TCP_RST;
	script_ends(s, &spec, "dropped:no_flow");
	spec.tcp_flags = SL_TCP_SYN | SL_TCP_ACK;
	script_ends(s, &spec, "dropped:no_flow");
	spec = lane_from_server(&lane);
	spec.tcp_flags = SL_TCP_SYN | SL_TCP_ACK;
	script_ends(s, &spec, "dropped:no_flow");
	spec = lane_from_server(&udp);
	script_ends(s, &spec, "dropped:no_flow");
}

// About a connection nobody has.
static void stray_error(struct script *s, bool is_v6)
{
	struct lane lane = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_TCP, 0);
	struct sl_packet_spec from_server = lane_from_server(&lane);
	struct sl_packet_spec quote = lane_to_client(&lane, &from_server);
	struct sl_packet_spec spec = lane_from_client(&lane);

	spec.proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	spec.icmp_type = is_v6 ? 1 : 3;
	spec.quote = &quote;
	script_ends(s, &spec, "dropped:icmp_no_flow");
}

static void wrong_mac(struct script *s, bool is_v6)
{
	static const uint8_t other[6] = {2, 0xcc, 0, 0, 0, 1}, group[6] = {1, 0, 0x5e, 0, 0, 1};
	struct lane lane = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_TCP, 0);
	struct sl_packet_spec spec = lane_from_client(&lane);

	spec.tcp_flags = SL_TCP_SYN;
	memcpy(spec.dst_mac, other, 6);
	script_ends(s, &spec, "dropped:not_for_us");
	memcpy(spec.dst_mac, group, 6);
	script_ends(s, &spec, "dropped:not_for_us");
}

void capture_refused_v4(struct script *s)
{
	struct sl_packet_spec spec = syn_to("192.0.2.1", 81);

	script_ends(s, &spec, "dropped:no_vip");
	spec.proto = IPPROTO_UDP;
	script_ends(s, &spec, "dropped:no_vip");
	spec.proto = IPPROTO_SCTP;
	script_ends(s, &spec, "dropped:no_vip");
	mid_stream(s, false);
	stray_error(s, false);
	wrong_mac(s, false);
	spec = syn_to("192.0.2.4", 80);
	script_ends(s, &spec, "dropped:no_backend");
	spec = syn_to("192.0.2.4", 82);
	script_ends(s, &spec, "dropped:no_route");
	spec = syn_to("192.0.2.99", 80); // nobody's: the kernel's on a shared port
	script_ends(s, &spec, "kernel");
	memcpy(spec.dst_mac, lane_our_macs[1], 6); // the other port is not shared
	script_ends(s, &spec, "dropped:no_flow");
}

void capture_refused_v6(struct script *s)
{
	struct sl_packet_spec spec = syn_to("2001:db8:3::1", 81);

	script_ends(s, &spec, "dropped:no_vip");
	spec.proto = IPPROTO_UDP;
	script_ends(s, &spec, "dropped:no_vip");
	mid_stream(s, true);
	stray_error(s, true);
	wrong_mac(s, true);
	spec = syn_to("2001:db8:3::99", 80);
	script_ends(s, &spec, "kernel");
	memcpy(spec.dst_mac, lane_our_macs[1], 6);
	script_ends(s, &spec, "dropped:no_flow");
}

// A well-formed SYN with bytes changed afterwards.
struct broken {
	const char *verdict;
	uint16_t n_bytes; // cut to; 0 = whole
	struct {
		uint16_t off; // 0 = none
		uint8_t value;
	} pokes[4];
};

static void break_all(struct script *s, bool is_v6, const struct broken *rows, size_t n_rows)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec spec = syn_to(is_v6 ? "2001:db8:3::1" : "192.0.2.1", 80);

	for (size_t i = 0; i < n_rows; i++) {
		size_t n_bytes = sl_packet_build(frame, sizeof(frame), &spec);

		for (size_t p = 0; p < 4 && rows[i].pokes[p].off != 0; p++)
			frame[rows[i].pokes[p].off] = rows[i].pokes[p].value;
		script_in_bytes(s, frame, rows[i].n_bytes != 0 ? rows[i].n_bytes : n_bytes);
		script_verdict(s, rows[i].verdict);
	}
}

void capture_broken_v4(struct script *s)
{
	static const uint8_t loose_route[4] = {131, 3, 4, 0}, strict_route[4] = {137, 3, 4, 0};
	static const struct broken rows[] = {
		{"dropped:truncated", 53, {{0}}},          // one byte less than it says
		{"dropped:truncated", 40, {{0}}},          // within TCP
		{"dropped:truncated", 0, {{16, 1}}},       // total length 296
		{"dropped:bad_header", 0, {{17, 19}}},     // total length below the header's
		{"dropped:bad_header", 0, {{46, 0x40}}},   // TCP header of 16 bytes
		{"dropped:truncated", 0, {{46, 0xf0}}},    // TCP header of 60 bytes
		{"dropped:truncated", 0, {{17, 39}}},      // 19 bytes of TCP
		{"dropped:fragment_bad", 0, {{20, 0x20}}}, // a first one of 20 bytes
		{"dropped:fragment_bad", 0, {{21, 1}}},    // a later one, inside the TCP header
		{"dropped:bad_address", 0, {{26, 224}}},   // from a group
		{"dropped:bad_address", 0, {{26, 240}}},   // from 240/4
		{"dropped:bad_address", 0, {{26, 127}}},   // from loopback
		{"dropped:bad_address", 0, {{26, 0}}},     // from 0/8
		{"kernel", 0, {{14, 0x44}}},               // header of 16 bytes: no rule speaks
		{"kernel", 0, {{14, 0x55}}},               // version 5
		{"kernel", 20, {{0}}},                     // within the IP header
		{"dropped:truncated", 20, {{5, 1}}}, // the same at the port that is not shared
		{"dropped:truncated", 13, {{5, 1}}}, // within Ethernet
		{"dropped:bad_header", 0, {{5, 1}, {14, 0x44}}},
		{"dropped:not_for_us", 0, {{5, 1}, {12, 0x88}, {13, 0xcc}}}, // LLDP to our MAC
	};
	struct sl_packet_spec spec = syn_to("192.0.2.1", 80);

	break_all(s, false, rows, sizeof(rows) / sizeof(rows[0]));
	spec.ext = loose_route;
	spec.ext_bytes = sizeof(loose_route);
	script_ends(s, &spec, "dropped:source_route");
	spec.ext = strict_route;
	script_ends(s, &spec, "dropped:source_route");
	spec.ext_bytes = 0;
	ttl_ends(s, &spec);
}

void capture_broken_v6(struct script *s)
{
	static const uint8_t later_fragment[8] = {IPPROTO_TCP, 0, 0, 8, 0, 0, 0, 1};
	static const uint8_t routing0[24] = {IPPROTO_TCP, 2, 0, 1};
	static const struct broken rows[] = {
		{"dropped:truncated", 73, {{0}}},         // one byte less than it says
		{"dropped:truncated", 60, {{0}}},         // within TCP
		{"dropped:truncated", 0, {{18, 1}}},      // payload length 276
		{"dropped:truncated", 0, {{19, 19}}},     // 19 bytes of TCP
		{"dropped:bad_header", 0, {{66, 0x40}}},  // TCP header of 16 bytes
		{"dropped:truncated", 0, {{66, 0xf0}}},   // TCP header of 60 bytes
		{"dropped:bad_address", 0, {{22, 0xff}}}, // from a group
		{"kernel", 0, {{14, 0x50}}},              // version 5
		{"dropped:bad_header", 0, {{5, 1}, {14, 0x50}}},
		{"dropped:truncated", 50, {{5, 1}}},
	};
	struct sl_packet_spec spec = syn_to("2001:db8:3::1", 80);
	uint8_t chain[72] = {0};

	break_all(s, true, rows, sizeof(rows) / sizeof(rows[0]));
	spec.src = sl_packet_ip("::");
	script_ends(s, &spec, "dropped:bad_address");
	spec = syn_to("2001:db8:3::1", 80);
	spec.ext = later_fragment;
	spec.ext_bytes = sizeof(later_fragment);
	spec.ext_next = IPPROTO_FRAGMENT;
	script_ends(s, &spec, "dropped:fragment_bad");
	spec.ext = routing0;
	spec.ext_bytes = sizeof(routing0);
	spec.ext_next = IPPROTO_ROUTING;
	script_ends(s, &spec, "dropped:source_route");
	for (unsigned int i = 0; i < 9; i++)
		chain[8 * i] = i < 8 ? IPPROTO_DSTOPTS : IPPROTO_TCP;
	spec.ext = chain;
	spec.ext_bytes = sizeof(chain);
	spec.ext_next = IPPROTO_DSTOPTS;
	script_ends(s, &spec, "dropped:ext_headers");
	spec.ext_bytes = 0;
	ttl_ends(s, &spec);
	spec.ttl = 0;
	spec.proto = IPPROTO_UDP;
	spec.dport = 53;
	spec.is_udp_csum_off = true;
	script_ends(s, &spec, "dropped:bad_header");
}
