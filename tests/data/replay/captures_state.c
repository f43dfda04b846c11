// SPDX-License-Identifier: Apache-2.0
// What depends on time, and what Sluice says itself: expiry, echo, ARP, ND, waiting packets.
#include <netinet/in.h>

#include "captures.h"
#include "layout.h"

#define FRAME_MIN_BYTES 60

static const uint8_t late_mac[6] = {2, 0xbb, 0, 0, 0, 0x12};
static const uint8_t all_ones[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void says(struct script *s, const struct lane *lane, bool is_client, const char *verdict)
{
	struct sl_packet_spec in = is_client ? lane_from_client(lane) : lane_from_server(lane), out;

	in.tcp_flags = SL_TCP_ACK;
	in.payload_bytes = 4;
	out = is_client ? lane_to_server(lane, &in) : lane_to_client(lane, &in);
	script_in(s, &in);
	if (strcmp(verdict, "sent") == 0)
		script_out(s, &out);
	script_verdict(s, verdict);
}

// Half-open TCP is forgotten after 30 s, answered UDP after the pool's 5 min.
void capture_times(struct script *s)
{
	struct lane tcp = lane_make(SL_FORWARD_NAT, false, IPPROTO_TCP, 0);
	struct lane udp = lane_make(SL_FORWARD_NAT, true, IPPROTO_UDP, 0);
	struct sl_packet_spec in = lane_from_client(&tcp), out;

	in.tcp_flags = SL_TCP_SYN;
	out = lane_to_server(&tcp, &in);
	script_sent(s, &in, &out);
	script_wait(s, 29 * SL_NS_PER_S);
	says(s, &tcp, true, "sent");
	script_wait(s, 31 * SL_NS_PER_S);
	says(s, &tcp, true, "dropped:no_flow");
	says(s, &udp, true, "sent");
	says(s, &udp, false, "sent");
	script_wait(s, 299 * SL_NS_PER_S);
	says(s, &udp, false, "sent");
	script_wait(s, 301 * SL_NS_PER_S);
	says(s, &udp, false, "dropped:no_flow");
}

static struct sl_packet_spec echo(const char *dst, bool is_reply)
{
	struct sl_ip ip = sl_packet_ip(dst);
	bool is_v6 = !sl_ip_is_v4(&ip);
	struct lane lane = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_TCP, 0);
	struct sl_packet_spec spec = lane_from_client(&lane);

	spec.dst = ip;
	spec.proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	spec.icmp_type = is_v6 ? 128 : 8;
	spec.sport = 77;
	spec.dport = 1;
	spec.payload_bytes = 56;
	if (!is_reply)
		return spec;
	spec.icmp_type = is_v6 ? 129 : 0;
	spec.dst = spec.src;
	spec.src = ip;
	memcpy(spec.dst_mac, lane_client_mac, 6);
	memcpy(spec.src_mac, lane_our_macs[0], 6);
	return spec;
}

static void echo_answered(struct script *s, const char *dst)
{
	struct sl_packet_spec in = echo(dst, false), out = echo(dst, true);

	script_sent(s, &in, &out);
}

struct arp {
	const uint8_t *dst_mac, *src_mac, *target_mac; // NULL: zeros
	uint8_t op;
	struct sl_ip sender, target;
};

static void build_arp(uint8_t frame[FRAME_MIN_BYTES], const struct arp *arp)
{
	static const uint8_t head[] = {8, 6, 0, 1, 8, 0, 6, 4, 0};

	memset(frame, 0, FRAME_MIN_BYTES);
	memcpy(frame, arp->dst_mac, 6);
	memcpy(frame + 6, arp->src_mac, 6);
	memcpy(frame + 12, head, sizeof(head));
	frame[21] = arp->op;
	memcpy(frame + 22, arp->src_mac, 6);
	memcpy(frame + 28, arp->sender.bytes + 12, 4);
	if (arp->target_mac != NULL)
		memcpy(frame + 32, arp->target_mac, 6);
	memcpy(frame + 38, arp->target.bytes + 12, 4);
}

struct nd {
	const uint8_t *dst_mac, *src_mac;
	uint8_t type;   // 135 asks, 136 tells
	uint16_t flags; // the upper half of the word behind the checksum
	struct sl_ip src, dst, target;
};

static size_t build_nd(uint8_t *frame, const struct nd *nd)
{
	uint8_t body[24] = {0};
	struct sl_packet_spec spec = {.src = nd->src,
	                              .dst = nd->dst,
	                              .proto = IPPROTO_ICMPV6,
	                              .ttl = 255,
	                              .icmp_type = nd->type,
	                              .sport = nd->flags,
	                              .payload = body,
	                              .payload_bytes = sizeof(body)};

	memcpy(spec.dst_mac, nd->dst_mac, 6);
	memcpy(spec.src_mac, nd->src_mac, 6);
	memcpy(body, nd->target.bytes, 16);
	body[16] = nd->type == 135 ? 1 : 2;
	body[17] = 1;
	memcpy(body + 18, nd->src_mac, 6);
	return sl_packet_build(frame, SL_PACKET_MAX_BYTES, &spec);
}

static void asked_by_arp(struct script *s, const char *target, bool is_ours)
{
	struct arp question = {.dst_mac = all_ones,
	                       .src_mac = lane_client_mac,
	                       .op = 1,
	                       .sender = sl_packet_ip("198.51.100.10"),
	                       .target = sl_packet_ip(target)};
	struct arp answer = {.dst_mac = lane_client_mac,
	                     .src_mac = lane_our_macs[0],
	                     .target_mac = lane_client_mac,
	                     .op = 2,
	                     .sender = question.target,
	                     .target = question.sender};
	uint8_t frame[FRAME_MIN_BYTES];

	build_arp(frame, &question);
	script_in_bytes(s, frame, sizeof(frame));
	build_arp(frame, &answer);
	if (is_ours)
		script_generated(s, frame, sizeof(frame), s->t_ns);
	script_verdict(s, is_ours ? "dropped:consumed" : "kernel");
}

static void asked_by_nd(struct script *s, const char *target, const char *group, bool is_ours)
{
	uint8_t group_mac[6] = {0x33, 0x33}, frame[SL_PACKET_MAX_BYTES];
	struct nd question = {.dst_mac = group_mac,
	                      .src_mac = lane_client_mac,
	                      .type = 135,
	                      .src = sl_packet_ip("2001:db8:1::10"),
	                      .dst = sl_packet_ip(group),
	                      .target = sl_packet_ip(target)};
	struct nd answer = {.dst_mac = lane_client_mac,
	                    .src_mac = lane_our_macs[0],
	                    .type = 136,
	                    .flags = 0xe000, // from a router, solicited, override
	                    .src = question.target,
	                    .dst = question.src,
	                    .target = question.target};

	memcpy(group_mac + 2, question.dst.bytes + 12, 4);
	script_in_bytes(s, frame, build_nd(frame, &question));
	if (is_ours)
		script_generated(s, frame, build_nd(frame, &answer), s->t_ns);
	script_verdict(s, is_ours ? "dropped:consumed" : "kernel");
}

void capture_local(struct script *s)
{
	struct sl_packet_spec spec = echo("192.0.2.77", false);

	echo_answered(s, "192.0.2.1");
	echo_answered(s, "198.51.100.254");
	echo_answered(s, "2001:db8:3::1");
	echo_answered(s, "2001:db8:1::fe");
	script_ends(s, &spec, "kernel");
	memcpy(spec.dst_mac, lane_our_macs[1], 6); // the other port is not shared
	script_ends(s, &spec, "dropped:no_flow");
	asked_by_arp(s, "192.0.2.1", true);
	asked_by_arp(s, "198.51.100.254", true);
	asked_by_arp(s, "192.0.2.77", false);
	asked_by_nd(s, "2001:db8:3::1", "ff02::1:ff00:1", true);
	asked_by_nd(s, "2001:db8:1::fe", "ff02::1:ff00:fe", true);
	asked_by_nd(s, "2001:db8:3::77", "ff02::1:ff00:77", false);
}

static void sluice_asks_arp(struct script *s, const char *target, uint64_t t_ns)
{
	struct arp question = {.dst_mac = all_ones,
	                       .src_mac = lane_our_macs[1],
	                       .op = 1,
	                       .sender = sl_packet_ip("10.0.0.254"),
	                       .target = sl_packet_ip(target)};
	uint8_t frame[FRAME_MIN_BYTES];

	build_arp(frame, &question);
	script_generated(s, frame, sizeof(frame), t_ns);
}

static void sluice_asks_nd(struct script *s, uint64_t t_ns)
{
	static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 0x12};
	struct nd question = {.dst_mac = group_mac,
	                      .src_mac = lane_our_macs[1],
	                      .type = 135,
	                      .src = sl_packet_ip("2001:db8:2::fe"),
	                      .dst = sl_packet_ip("ff02::1:ff00:12"),
	                      .target = sl_packet_ip("2001:db8:2::12")};
	uint8_t frame[SL_PACKET_MAX_BYTES];

	script_generated(s, frame, build_nd(frame, &question), t_ns);
}

static struct sl_packet_spec late_syn(bool is_v6, const char *server, struct sl_packet_spec *out)
{
	struct lane lane = lane_make(SL_FORWARD_NAT, is_v6, IPPROTO_TCP, 0);
	struct sl_packet_spec in;

	lane.server = sl_packet_ip(server);
	lane.server_port = 8080;
	in = lane_from_client(&lane);
	in.tcp_flags = SL_TCP_SYN;
	*out = lane_to_server(&lane, &in);
	memcpy(out->dst_mac, late_mac, 6);
	return in;
}

// The packets wait, the answers come, the packets leave; who never answers costs the packet.
void capture_neighbours(struct script *s)
{
	struct arp arp = {.dst_mac = lane_our_macs[1],
	                  .src_mac = late_mac,
	                  .target_mac = lane_our_macs[1],
	                  .op = 2,
	                  .sender = sl_packet_ip("10.0.0.12"),
	                  .target = sl_packet_ip("10.0.0.254")};
	struct nd nd = {.dst_mac = lane_our_macs[1],
	                .src_mac = late_mac,
	                .type = 136,
	                .flags = 0x6000, // solicited, override
	                .src = sl_packet_ip("2001:db8:2::12"),
	                .dst = sl_packet_ip("2001:db8:2::fe"),
	                .target = sl_packet_ip("2001:db8:2::12")};
	struct sl_packet_spec in4, out4, in6, out6, dead, unused;
	uint8_t frame[SL_PACKET_MAX_BYTES];

	in4 = late_syn(false, "10.0.0.12", &out4);
	in6 = late_syn(true, "2001:db8:2::12", &out6);
	dead = late_syn(false, "10.0.0.13", &unused);
	dead.dst = sl_packet_ip("192.0.2.2");
	sluice_asks_arp(s, "10.0.0.12", SCRIPT_START_NS);
	sluice_asks_nd(s, SCRIPT_START_NS);
	sluice_asks_arp(s, "10.0.0.13", SCRIPT_START_NS);
	script_in(s, &in4);
	script_in(s, &in6);
	script_in(s, &dead);
	build_arp(frame, &arp);
	script_in_bytes(s, frame, FRAME_MIN_BYTES);
	script_out(s, &out4);
	script_late(s, 1, "sent");
	script_verdict(s, "dropped:consumed");
	script_in_bytes(s, frame, build_nd(frame, &nd));
	script_out(s, &out6);
	script_late(s, 2, "sent");
	script_verdict(s, "dropped:consumed");
	sluice_asks_arp(s, "10.0.0.13", SCRIPT_START_NS + SL_NS_PER_S);
	sluice_asks_arp(s, "10.0.0.13", SCRIPT_START_NS + 2 * SL_NS_PER_S);
	script_late(s, 3, "dropped:neighbour");
	// A server is asked for again, by the first timer after another second.
	sluice_asks_arp(s, "10.0.0.13", SCRIPT_START_NS + 3100 * SL_NS_PER_MS);
	script_wait(s, 3500 * SL_NS_PER_MS);
	script_in(s, &dead);
	script_verdict(s, "dropped:neighbour");
	script_in(s, &in4);
	script_out(s, &out4);
	script_verdict(s, "sent");
}
