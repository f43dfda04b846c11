// SPDX-License-Identifier: Apache-2.0
#include "localpkt.h"

#include "csum.h"
#include "layout.h"

#define ND_SOLICIT     135
#define ND_ADVERTISE   136
#define ND_HOPS        255 // RFC 4861 7.1: proof that no router has touched it
#define ND_OPT_SOURCE  1
#define ND_OPT_TARGET  2
#define ND_OPT_UNIT    8
#define ND_FROM_ROUTER 0x80 // backends behind nat use us as their gateway
#define ND_SOLICITED   0x40
#define ND_OVERRIDE    0x20
#define ARP_REQUEST    1
#define ARP_REPLY      2
#define ECHO_REPLY_V4  0
#define ECHO_REPLY_V6  129
#define ECHO_TTL       64

struct arp {
	uint16_t hw_be, proto_be;
	uint8_t hw_bytes, proto_bytes;
	uint16_t op_be;
	uint8_t sender_mac[6], sender[4], target_mac[6], target[4];
};
_Static_assert(sizeof(struct arp) == 28, "RFC 826");

// Neighbour solicitation or advertisement.
struct nd {
	uint8_t type, code;
	uint16_t csum;
	uint8_t flags;
	uint8_t zero[3];
	uint8_t target[16];
};
_Static_assert(sizeof(struct nd) == 24, "RFC 4861 4.3, 4.4");

struct nd_option {
	uint8_t type;
	uint8_t units; // of 8 bytes
	uint8_t mac[6];
};
_Static_assert(sizeof(struct nd_option) == ND_OPT_UNIT, "RFC 4861 4.6.1");

static const uint8_t mac_zero[6];
static const uint8_t mac_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t mac_all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
static const struct sl_ip ip_unspecified;
static const struct sl_ip ip_all_nodes = {{0xff, 0x02, [15] = 1}};
static const uint8_t solicited_node[13] = {0xff, 0x02, [11] = 1, [12] = 0xff};

static bool is_host_mac(const uint8_t mac[6])
{
	return (mac[0] & 1) == 0 && memcmp(mac, mac_zero, sizeof(mac_zero)) != 0;
}

static bool is_multicast(const struct sl_ip *ip)
{
	return sl_ip_is_v4(ip) ? (ip->bytes[12] & 0xf0) == 0xe0 : ip->bytes[0] == 0xff;
}

static bool is_v4_broadcast(const struct sl_ip *ip)
{
	return sl_ip_is_v4(ip) && sl_ip_v4_be(ip) == UINT32_MAX;
}

static struct sl_ip v4_from(const uint8_t bytes[4])
{
	return sl_ip_from_v4(sl_load32(bytes));
}

static struct sl_neigh_msg parse_arp(const struct sl_pkt *pkt)
{
	const struct sl_neigh_msg none = {.kind = SL_NEIGH_MSG_NONE};
	struct sl_neigh_msg msg = none;
	struct arp arp;

	if (pkt->len < pkt->l3_off + sizeof(arp))
		return none;
	memcpy(&arp, pkt->data + pkt->l3_off, sizeof(arp));
	if (arp.hw_be != htons(1) || arp.proto_be != htons(SL_ETHERTYPE_IPV4) ||
	    arp.hw_bytes != sizeof(arp.sender_mac) || arp.proto_bytes != sizeof(arp.sender))
		return none;
	msg.sender = v4_from(arp.sender);
	msg.target = v4_from(arp.target);
	memcpy(msg.sender_mac, arp.sender_mac, sizeof(msg.sender_mac));
	if (!is_host_mac(msg.sender_mac) || is_multicast(&msg.sender) ||
	    is_v4_broadcast(&msg.sender))
		return none;
	msg.has_sender_mac = sl_ip_v4_be(&msg.sender) != 0;
	if (arp.op_be == htons(ARP_REQUEST)) {
		msg.kind = SL_NEIGH_MSG_ASKS;
		msg.is_dad = !msg.has_sender_mac; // RFC 5227 2.1.1: a probe speaks from 0.0.0.0
	} else if (arp.op_be == htons(ARP_REPLY) && msg.has_sender_mac) {
		msg.kind = SL_NEIGH_MSG_TELLS;
		msg.is_solicited =
			!sl_ip_equal(&msg.sender, &msg.target) && (pkt->data[0] & 1) == 0;
	} else {
		return none;
	}
	return msg;
}

// The link-layer address option wanted, if there. false when the options are malformed.
static bool parse_nd_options(const uint8_t *at, size_t n_bytes, uint8_t wanted,
                             struct sl_neigh_msg *msg)
{
	struct nd_option option;

	while (n_bytes > 0) {
		if (n_bytes < sizeof(option))
			return false;
		memcpy(&option, at, sizeof(option));
		if (option.units == 0 || option.units * ND_OPT_UNIT > n_bytes)
			return false;
		if (option.type == wanted && option.units == 1 && is_host_mac(option.mac)) {
			memcpy(msg->sender_mac, option.mac, sizeof(msg->sender_mac));
			msg->has_sender_mac = true;
		}
		at += option.units * ND_OPT_UNIT;
		n_bytes -= option.units * ND_OPT_UNIT;
	}
	return true;
}

static bool is_solicited_node(const struct sl_ip *ip)
{
	return memcmp(ip->bytes, solicited_node, sizeof(solicited_node)) == 0;
}

// RFC 4861 7.1.1. Without the option the asker expects the answer where the frame came from.
static struct sl_neigh_msg finish_solicit(const struct sl_pkt *pkt, struct sl_neigh_msg msg)
{
	msg.kind = SL_NEIGH_MSG_ASKS;
	msg.sender = pkt->tuple.src;
	msg.is_dad = sl_ip_equal(&msg.sender, &ip_unspecified);
	if (msg.is_dad && (msg.has_sender_mac || !is_solicited_node(&pkt->tuple.dst)))
		msg.kind = SL_NEIGH_MSG_NONE;
	if (!msg.has_sender_mac)
		memcpy(msg.sender_mac, pkt->data + 6, sizeof(msg.sender_mac));
	return msg;
}

// RFC 4861 7.1.2. An answer to a unicast question may leave the option out: the frame's source is
// the MAC that just answered. Unsolicited without override must not replace what is known (7.2.5).
static struct sl_neigh_msg finish_advertise(const struct sl_pkt *pkt, uint8_t flags,
                                            struct sl_neigh_msg msg)
{
	msg.kind = SL_NEIGH_MSG_TELLS;
	msg.sender = msg.target;
	msg.is_solicited = (flags & ND_SOLICITED) != 0;
	if (msg.is_solicited && is_multicast(&pkt->tuple.dst))
		msg.kind = SL_NEIGH_MSG_NONE;
	if (msg.is_solicited && !msg.has_sender_mac && is_host_mac(pkt->data + 6)) {
		memcpy(msg.sender_mac, pkt->data + 6, sizeof(msg.sender_mac));
		msg.has_sender_mac = true;
	}
	if (!msg.is_solicited && (flags & ND_OVERRIDE) == 0)
		msg.has_sender_mac = false;
	return msg;
}

static struct sl_neigh_msg parse_nd(const struct sl_pkt *pkt)
{
	const struct sl_neigh_msg none = {.kind = SL_NEIGH_MSG_NONE};
	const uint8_t *l4 = pkt->data + pkt->l4_off;
	struct sl_neigh_msg msg = none;
	struct nd nd;
	uint8_t wanted;

	if (!pkt->is_v6 || pkt->l4_bytes < sizeof(nd) || pkt->len < pkt->l4_off ||
	    pkt->len - pkt->l4_off < pkt->l4_bytes)
		return none;
	memcpy(&nd, l4, sizeof(nd));
	if (nd.type != ND_SOLICIT && nd.type != ND_ADVERTISE)
		return none;
	if (pkt->ttl != ND_HOPS || nd.code != 0 || is_multicast(&pkt->tuple.src))
		return none;
	// Over a message with its checksum in place the sum comes out as zero.
	if (sl_csum_l4(&pkt->tuple.src, &pkt->tuple.dst, IPPROTO_ICMPV6, l4, pkt->l4_bytes) != 0)
		return none;
	memcpy(msg.target.bytes, nd.target, sizeof(nd.target));
	if (is_multicast(&msg.target) || sl_ip_is_v4(&msg.target))
		return none;
	wanted = nd.type == ND_SOLICIT ? ND_OPT_SOURCE : ND_OPT_TARGET;
	if (!parse_nd_options(l4 + sizeof(nd), pkt->l4_bytes - sizeof(nd), wanted, &msg))
		return none;
	msg = nd.type == ND_SOLICIT ? finish_solicit(pkt, msg)
	                            : finish_advertise(pkt, nd.flags, msg);
	return msg.kind == SL_NEIGH_MSG_NONE ? none : msg;
}

struct sl_neigh_msg sl_neigh_msg_parse(const struct sl_pkt *pkt)
{
	switch (pkt->kind) {
	case SL_PKT_ARP:
		return parse_arp(pkt);
	case SL_PKT_ND:
		return parse_nd(pkt);
	default:
		return (struct sl_neigh_msg){.kind = SL_NEIGH_MSG_NONE};
	}
}

// Where a frame that is being built begins.
struct head {
	const uint8_t *dst_mac, *src_mac;
	const uint8_t *tags; // as they stood in the request
	size_t tags_bytes;
	size_t most_bytes; // of the IP packet in it
};

static size_t put_eth(uint8_t *frame, const struct head *head, uint16_t ethertype)
{
	memcpy(frame, head->dst_mac, 6);
	memcpy(frame + 6, head->src_mac, 6);
	if (head->tags_bytes > 0)
		memcpy(frame + SL_ETH_OFF_TYPE, head->tags, head->tags_bytes);
	sl_store16_host(frame + SL_ETH_OFF_TYPE + head->tags_bytes, ethertype);
	return SL_ETH_BYTES + head->tags_bytes;
}

static size_t put_arp(uint8_t *frame, size_t n_bytes, const struct head *head, struct arp *arp)
{
	size_t off;

	if (n_bytes < SL_ETH_BYTES + head->tags_bytes + sizeof(*arp))
		return 0;
	arp->hw_be = htons(1);
	arp->proto_be = htons(SL_ETHERTYPE_IPV4);
	arp->hw_bytes = sizeof(arp->sender_mac);
	arp->proto_bytes = sizeof(arp->sender);
	memcpy(arp->sender_mac, head->src_mac, sizeof(arp->sender_mac));
	off = put_eth(frame, head, SL_ETHERTYPE_ARP);
	memcpy(frame + off, arp, sizeof(*arp));
	return off + sizeof(*arp);
}

// Our MAC follows as the option, except for a question from nobody (RFC 4861 4.3) and in an answer
// that it would make longer than most_bytes, its question (IP packets).
static size_t put_nd(uint8_t *frame, size_t n_bytes, const struct head *head, const struct nd *nd,
                     const struct sl_ip addresses[2])
{
	bool has_option = !sl_ip_equal(&addresses[0], &ip_unspecified) &&
	                  SL_IPV6_BYTES + sizeof(*nd) + ND_OPT_UNIT <= head->most_bytes;
	uint16_t nd_bytes = (uint16_t)(sizeof(*nd) + (has_option ? ND_OPT_UNIT : 0));
	struct nd_option option = {.type = nd->type == ND_SOLICIT ? ND_OPT_SOURCE : ND_OPT_TARGET,
	                           .units = 1};
	uint8_t *ip, *l4;

	if (n_bytes < SL_ETH_BYTES + head->tags_bytes + SL_IPV6_BYTES + nd_bytes)
		return 0;
	ip = frame + put_eth(frame, head, SL_ETHERTYPE_IPV6);
	memset(ip, 0, SL_IPV6_BYTES);
	ip[0] = 6 << 4;
	sl_store16_host(ip + SL_IPV6_OFF_PAYLOAD, nd_bytes);
	ip[SL_IPV6_OFF_NEXT] = IPPROTO_ICMPV6;
	ip[SL_IPV6_OFF_HOPS] = ND_HOPS;
	memcpy(ip + SL_IPV6_OFF_SRC, addresses, 2 * sizeof(addresses[0]));
	l4 = ip + SL_IPV6_BYTES;
	memcpy(l4, nd, sizeof(*nd));
	memcpy(option.mac, head->src_mac, sizeof(option.mac));
	if (has_option)
		memcpy(l4 + sizeof(*nd), &option, sizeof(option));
	sl_store16(l4 + SL_ICMP_OFF_CSUM,
	           sl_csum_l4(&addresses[0], &addresses[1], IPPROTO_ICMPV6, l4, nd_bytes));
	return (size_t)(l4 - frame) + nd_bytes;
}

static size_t ask_arp(uint8_t *frame, size_t n_bytes, const struct sl_l2 *l2,
                      const struct sl_ip *source, const struct sl_ip *target)
{
	struct head head = {.dst_mac = l2->dst_mac, .src_mac = l2->our_mac};
	struct arp arp = {.op_be = htons(ARP_REQUEST)};

	if (memcmp(l2->dst_mac, mac_zero, sizeof(mac_zero)) == 0)
		head.dst_mac = mac_broadcast;
	memcpy(arp.sender, &source->bytes[12], sizeof(arp.sender));
	memcpy(arp.target, &target->bytes[12], sizeof(arp.target));
	return put_arp(frame, n_bytes, &head, &arp);
}

static size_t ask_nd(uint8_t *frame, size_t n_bytes, const struct sl_l2 *l2,
                     const struct sl_ip *source, const struct sl_ip *target)
{
	struct head head = {.dst_mac = l2->dst_mac, .src_mac = l2->our_mac, .most_bytes = SIZE_MAX};
	uint8_t group_mac[6] = {0x33, 0x33, 0xff};
	struct sl_ip addresses[2] = {*source, *target};
	struct nd nd = {.type = ND_SOLICIT};

	memcpy(nd.target, target->bytes, sizeof(nd.target));
	if (memcmp(l2->dst_mac, mac_zero, sizeof(mac_zero)) == 0) {
		memcpy(&group_mac[3], &target->bytes[13], 3);
		head.dst_mac = group_mac;
		memcpy(addresses[1].bytes, solicited_node, sizeof(solicited_node));
	}
	return put_nd(frame, n_bytes, &head, &nd, addresses);
}

size_t sl_build_ask(uint8_t *frame, size_t n_bytes, const struct sl_l2 *l2,
                    const struct sl_ip *source, const struct sl_ip *target)
{
	if (sl_ip_is_v4(source) != sl_ip_is_v4(target))
		return 0;
	return sl_ip_is_v4(target) ? ask_arp(frame, n_bytes, l2, source, target)
	                           : ask_nd(frame, n_bytes, l2, source, target);
}

static size_t tell_arp(uint8_t *frame, size_t n_bytes, const struct head *head,
                       const struct sl_neigh_msg *msg)
{
	struct arp arp = {.op_be = htons(ARP_REPLY)};

	memcpy(arp.sender, &msg->target.bytes[12], sizeof(arp.sender));
	memcpy(arp.target_mac, msg->sender_mac, sizeof(arp.target_mac));
	memcpy(arp.target, &msg->sender.bytes[12], sizeof(arp.target));
	return put_arp(frame, n_bytes, head, &arp);
}

static size_t tell_nd(uint8_t *frame, size_t n_bytes, struct head *head,
                      const struct sl_neigh_msg *msg)
{
	struct sl_ip addresses[2] = {msg->target, msg->sender};
	struct nd nd = {.type = ND_ADVERTISE, .flags = ND_FROM_ROUTER | ND_OVERRIDE};

	memcpy(nd.target, msg->target.bytes, sizeof(nd.target));
	if (msg->is_dad) {
		addresses[1] = ip_all_nodes;
		head->dst_mac = mac_all_nodes;
	} else {
		nd.flags |= ND_SOLICITED;
	}
	return put_nd(frame, n_bytes, head, &nd, addresses);
}

size_t sl_build_tell(uint8_t *frame, size_t n_bytes, const struct sl_pkt *asked,
                     const struct sl_neigh_msg *msg, const uint8_t our_mac[6])
{
	struct head head = {.dst_mac = msg->sender_mac,
	                    .src_mac = our_mac,
	                    .tags = asked->data + SL_ETH_OFF_TYPE,
	                    .tags_bytes = (size_t)asked->n_vlans * SL_VLAN_BYTES};

	// A question from a host that knows our MAC goes without the option, and so may its answer
	// (RFC 4861 7.2.4). So does a test for duplicates, and it looks at the target alone (RFC
	// 4862 5.4.4): the option that 4861 4.4 wants there would make us an amplifier.
	if (asked->kind != SL_PKT_ARP)
		head.most_bytes = (size_t)(asked->l4_off - asked->l3_off) + asked->l4_bytes;

	if (msg->kind != SL_NEIGH_MSG_ASKS || !is_host_mac(msg->sender_mac))
		return 0;
	return asked->kind == SL_PKT_ARP ? tell_arp(frame, n_bytes, &head, msg)
	                                 : tell_nd(frame, n_bytes, &head, msg);
}

size_t sl_build_announce(uint8_t *frame, size_t n_bytes, const struct sl_ip *address,
                         const uint8_t our_mac[6])
{
	struct head head = {.dst_mac = mac_all_nodes, .src_mac = our_mac, .most_bytes = SIZE_MAX};
	const struct sl_ip addresses[2] = {*address, ip_all_nodes};
	struct nd nd = {.type = ND_ADVERTISE, .flags = ND_FROM_ROUTER | ND_OVERRIDE};
	struct sl_l2 l2 = {{0}};

	if (sl_ip_is_v4(address)) {
		// RFC 5227 2.3: an announcement is a request for one's own address.
		memcpy(l2.our_mac, our_mac, sizeof(l2.our_mac));
		return ask_arp(frame, n_bytes, &l2, address, address);
	}
	memcpy(nd.target, address->bytes, sizeof(nd.target));
	return put_nd(frame, n_bytes, &head, &nd, addresses);
}

static void swap_v4(uint8_t *ip)
{
	size_t header_bytes = (size_t)(ip[0] & 0x0f) * 4;
	uint32_t src_be = sl_load32(ip + SL_IPV4_OFF_SRC);

	memcpy(ip + SL_IPV4_OFF_SRC, ip + SL_IPV4_OFF_DST, sizeof(src_be));
	memcpy(ip + SL_IPV4_OFF_DST, &src_be, sizeof(src_be));
	ip[SL_IPV4_OFF_TTL] = ECHO_TTL;
	sl_store16(ip + SL_IPV4_OFF_CSUM, 0);
	sl_store16(ip + SL_IPV4_OFF_CSUM,
	           (uint16_t)~sl_csum_fold(sl_csum_add(0, ip, header_bytes)));
}

static void swap_v6(uint8_t *ip)
{
	uint8_t src[16];

	memcpy(src, ip + SL_IPV6_OFF_SRC, sizeof(src));
	memcpy(ip + SL_IPV6_OFF_SRC, ip + SL_IPV6_OFF_DST, sizeof(src));
	memcpy(ip + SL_IPV6_OFF_DST, src, sizeof(src));
	ip[SL_IPV6_OFF_HOPS] = ECHO_TTL;
}

// An incremental update knows one zero only. A message of nothing but zeros, which no header but
// this one allows, has the other: RFC 1624 section 3 needs something that is not zero.
static uint16_t proper_zero(const struct sl_pkt *pkt, uint16_t csum)
{
	const uint8_t *l4 = pkt->data + pkt->l4_off;

	if (csum != 0 || pkt->is_v6) // there is a pseudo-header there
		return csum;
	for (uint32_t i = 0; i < pkt->l4_bytes; i++) {
		if (l4[i] != 0 && i / 2 != SL_ICMP_OFF_CSUM / 2)
			return csum;
	}
	return UINT16_MAX;
}

bool sl_echo_reply(struct sl_pkt *pkt, const uint8_t our_mac[6])
{
	const struct sl_ip src = pkt->tuple.src;
	uint16_t asked, answered, csum;
	uint8_t *l4;

	if (pkt->kind != SL_PKT_ECHO || is_multicast(&pkt->tuple.dst) ||
	    is_v4_broadcast(&pkt->tuple.dst) || !is_host_mac(pkt->data) ||
	    !is_host_mac(pkt->data + 6))
		return false;
	memcpy(pkt->data, pkt->data + 6, 6);
	memcpy(pkt->data + 6, our_mac, 6);
	if (pkt->is_v6)
		swap_v6(pkt->data + pkt->l3_off);
	else
		swap_v4(pkt->data + pkt->l3_off);
	l4 = pkt->data + pkt->l4_off;
	asked = sl_load16(l4);
	l4[0] = pkt->is_v6 ? ECHO_REPLY_V6 : ECHO_REPLY_V4;
	answered = sl_load16(l4);
	// Only the type: swapped addresses leave the sum of the pseudo-header as it was.
	csum = sl_csum_apply(sl_load16(l4 + SL_ICMP_OFF_CSUM),
	                     sl_csum_fold((uint32_t)(uint16_t)~asked + answered));
	sl_store16(l4 + SL_ICMP_OFF_CSUM, proper_zero(pkt, csum));
	pkt->icmp_type = l4[0];
	pkt->ttl = ECHO_TTL;
	pkt->tuple.src = pkt->tuple.dst;
	pkt->tuple.dst = src;
	return true;
}
