// SPDX-License-Identifier: Apache-2.0
#include "fragments.h"
#include "layout.h"
#include "packets.h"
#include "parse.h"
#include "plant_private.h"

static const uint8_t peer_mac[6] = {2, 0xee, 0, 0, 0, 1};

// A packet as it is being made up.
struct made {
	struct sl_packet_spec spec, quote;
	uint16_t in_port;
};

// 2001:db8:NET::LAST
#define V6(net, last)                                                                              \
	{                                                                                          \
		.bytes = { 0x20, 0x01, 0x0d, 0xb8, 0, (net), [15] = (last) }                       \
	}

static struct sl_ip client_ip(bool is_v6, uint8_t choice)
{
	static const struct sl_ip ips[2][2] = {
		{SL_PACKET_V4(198, 51, 100, 10), SL_PACKET_V4(203, 0, 113, 10)},
		{V6(1, 0x10), V6(0x77, 0x10)}};
	struct sl_ip ip = ips[is_v6][(choice & 0x40) != 0]; // on the link, or behind the gateway

	ip.bytes[15] = (uint8_t)(ip.bytes[15] + (choice & 0x0f));
	return ip;
}

static struct sl_ip vip_ip(bool is_v6, uint8_t choice)
{
	static const struct sl_ip ips[2] = {SL_PACKET_V4(192, 0, 2, 1), V6(3, 1)};
	struct sl_ip ip = ips[is_v6];

	ip.bytes[15] = (uint8_t)(ip.bytes[15] + choice % 4); // the fourth is no VIP
	return ip;
}

static void from_client(struct made *m, struct fuzz_input *in)
{
	static const uint8_t flags[] = {SL_TCP_SYN,
	                                SL_TCP_SYN,
	                                SL_TCP_ACK,
	                                SL_TCP_ACK | SL_TCP_PSH,
	                                SL_TCP_FIN | SL_TCP_ACK,
	                                SL_TCP_RST,
	                                SL_TCP_SYN | SL_TCP_ACK,
	                                0};
	uint8_t choice = fuzz_u8(in);
	bool is_v6 = choice & 1;

	m->in_port = 0;
	m->spec.src = client_ip(is_v6, fuzz_u8(in));
	m->spec.dst = vip_ip(is_v6, choice >> 1);
	m->spec.proto = choice & 0x10 ? IPPROTO_UDP : IPPROTO_TCP;
	m->spec.tcp_flags = flags[choice >> 5];
	m->spec.tcp_seq = (uint32_t)fuzz_u8(in);
	m->spec.sport = (uint16_t)(1024 + fuzz_u8(in));
	m->spec.dport = (uint16_t)(80 + (choice >> 3 & 1) * 10 + (choice >> 6 & 1));
	m->spec.is_udp_csum_off = !is_v6 && choice & 0x80;
}

// The packet that was sent, as a spec. False when it is none with ports.
static bool spec_of_sent(const struct plant_sent *sent, struct sl_packet_spec *spec)
{
	uint8_t copy[sizeof(sent->frame)];
	struct sl_pkt pkt = {.data = copy, .len = sent->n_bytes};

	memcpy(copy, sent->frame, sent->n_bytes);
	if (sent->n_bytes == 0 || sl_parse(&pkt) != -1 ||
	    (pkt.kind != SL_PKT_TCP && pkt.kind != SL_PKT_UDP))
		return false;
	*spec = (struct sl_packet_spec){.src = pkt.tuple.src,
	                                .dst = pkt.tuple.dst,
	                                .proto = pkt.tuple.proto,
	                                .sport = ntohs(pkt.tuple.sport_be),
	                                .dport = ntohs(pkt.tuple.dport_be),
	                                .tcp_flags = pkt.tcp_flags,
	                                .tcp_seq = pkt.tcp_seq};
	return true;
}

// From whoever got it, back: a server's answer, or the client's next packet.
static bool answer(const struct plant *plant, struct made *m, struct fuzz_input *in)
{
	static const uint8_t flags[] = {SL_TCP_SYN | SL_TCP_ACK, SL_TCP_ACK,
	                                SL_TCP_FIN | SL_TCP_ACK, SL_TCP_RST | SL_TCP_ACK};
	const struct plant_sent *sent = &plant->sent[fuzz_below(in, PLANT_SENT)];
	struct sl_packet_spec was;

	if (!spec_of_sent(sent, &was))
		return false;
	m->in_port = sent->port;
	m->spec.src = was.dst;
	m->spec.dst = was.src;
	m->spec.sport = was.dport;
	m->spec.dport = was.sport;
	m->spec.proto = was.proto;
	m->spec.tcp_flags = flags[fuzz_below(in, 4)];
	m->spec.tcp_seq = fuzz_u8(in);
	return true;
}

// A router between us and the receiver complains.
static bool icmp_error(const struct plant *plant, struct made *m, struct fuzz_input *in)
{
	static const uint8_t types4[] = {3, 11, 12}, types6[] = {1, 2, 3, 4};
	const struct plant_sent *sent = &plant->sent[fuzz_below(in, PLANT_SENT)];
	uint8_t choice = fuzz_u8(in);
	bool is_v6;

	if (!spec_of_sent(sent, &m->quote))
		return false;
	is_v6 = !sl_ip_is_v4(&m->quote.src);
	m->in_port = sent->port;
	m->spec.src = client_ip(is_v6, choice);
	m->spec.dst = m->quote.src;
	m->spec.proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	m->spec.icmp_type = is_v6 ? types6[choice % 4] : types4[choice % 3];
	m->spec.icmp_rest = 1280;
	m->spec.quote = &m->quote;
	m->spec.quote_bytes = choice & 0x80 ? (is_v6 ? 48 : 28) : 0;
	return true;
}

static void echo(struct made *m, struct fuzz_input *in)
{
	uint8_t choice = fuzz_u8(in);
	bool is_v6 = choice & 1;

	m->in_port = 0;
	m->spec.src = client_ip(is_v6, choice >> 1);
	m->spec.dst = vip_ip(is_v6, choice >> 4);
	m->spec.proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	m->spec.icmp_type = is_v6 ? 128 : 8;
	m->spec.sport = choice;
}

// A neighbour (server, client or gateway) tells its address, asked or not, or asks for a VIP.
static size_t arp(uint8_t *frame, struct fuzz_input *in, uint16_t *in_port)
{
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0};
	uint8_t choice = fuzz_u8(in);
	struct sl_ip sender = sl_packet_ip(choice & 1 ? "10.0.0.1" : "198.51.100.10");
	struct sl_ip target = sl_packet_ip(choice & 2 ? "192.0.2.1" : "10.0.0.254");

	*in_port = choice & 1;
	sender.bytes[15] = (uint8_t)(sender.bytes[15] + (choice >> 4));
	if (choice & 8)
		sender = sl_packet_ip("198.51.100.253");
	memset(frame, 0xff, 6);
	if (choice & 4)
		memcpy(frame, plant_macs[*in_port], 6);
	memcpy(frame + 6, peer_mac, 6);
	sl_store16_host(frame + 12, SL_ETHERTYPE_ARP);
	memcpy(frame + 14, head, sizeof(head));
	frame[21] = choice & 4 ? 2 : 1; // answer or question
	memcpy(frame + 22, peer_mac, 6);
	memcpy(frame + 28, sender.bytes + 12, 4);
	memcpy(frame + 32, plant_macs[*in_port], 6);
	memcpy(frame + 38, target.bytes + 12, 4);
	return 42;
}

// The same over IPv6: a solicitation for a VIP, or an advertisement with the override flag.
static size_t nd(uint8_t *frame, struct fuzz_input *in, uint16_t *in_port)
{
	uint8_t choice = fuzz_u8(in), body[24] = {0};
	struct sl_ip sender = sl_packet_ip(choice & 1 ? "2001:db8:2::1" : "2001:db8:1::10");
	struct sl_ip target = sl_packet_ip("2001:db8:3::1");
	struct sl_packet_spec spec = {.proto = IPPROTO_ICMPV6, .ttl = 255};

	*in_port = choice & 1;
	sender.bytes[15] = (uint8_t)(sender.bytes[15] + (choice >> 4));
	if (choice & 8)
		sender = sl_packet_ip("2001:db8:1::253");
	spec.src = sender;
	spec.dst = choice & 1 ? sl_packet_ip("2001:db8:2::254") : sl_packet_ip("2001:db8:1::254");
	spec.icmp_type = choice & 4 ? 136 : 135;
	spec.sport = choice & 4 ? 0x6000 : 0; // solicited, override
	memcpy(body, choice & 4 ? sender.bytes : target.bytes, 16);
	body[16] = choice & 4 ? 2 : 1; // link-layer address of target or source
	body[17] = 1;
	memcpy(body + 18, peer_mac, 6);
	spec.payload = body;
	spec.payload_bytes = sizeof(body);
	memcpy(spec.dst_mac, plant_macs[*in_port], 6);
	memcpy(spec.src_mac, peer_mac, 6);
	return sl_packet_build(frame, SL_PACKET_MAX_BYTES, &spec);
}

static size_t build(struct made *m, uint8_t *frame, struct fuzz_input *in)
{
	uint8_t shape = fuzz_u8(in);

	memcpy(m->spec.dst_mac, plant_macs[m->in_port], 6);
	memcpy(m->spec.src_mac, peer_mac, 6);
	m->spec.payload_bytes = m->spec.quote != NULL ? 0 : shape & 0x3f;
	m->spec.ttl = (shape & 0xc0) == 0xc0 ? (uint8_t)(shape & 3) : 64;
	m->spec.n_vlans = (shape & 0xc0) == 0x80 ? 1 : 0;
	return sl_packet_build(frame, SL_PACKET_MAX_BYTES, &m->spec);
}

// Some bytes changed, perhaps an end cut off.
static size_t break_frame(uint8_t *frame, size_t n_bytes, struct fuzz_input *in)
{
	for (uint8_t n = fuzz_below(in, 4); n > 0; n--)
		frame[fuzz_u8(in) % n_bytes] ^= fuzz_u8(in);
	return fuzz_below(in, 4) == 0 ? fuzz_u16(in) % (n_bytes + 1) : n_bytes;
}

static size_t raw(uint8_t *frame, struct fuzz_input *in, uint16_t *in_port)
{
	size_t n_bytes = fuzz_u8(in);

	*in_port = n_bytes & 1;
	for (size_t i = 0; i < n_bytes; i++)
		frame[i] = fuzz_u8(in);
	if (n_bytes >= 6 && fuzz_below(in, 4) != 0)
		memcpy(frame, plant_macs[*in_port], 6);
	return n_bytes;
}

// A part of a datagram, a client's or an answer. Few bits choose which datagram and which part, so
// that parts meet: in order, twice, with gaps and overlaps.
static size_t fragment(const struct plant *plant, uint8_t *frame, struct fuzz_input *in,
                       uint16_t *in_port)
{
	uint8_t choice = fuzz_u8(in), part = fuzz_u8(in), whole[SL_PACKET_MAX_BYTES];
	const bool is_v6 = choice & 1;
	struct made m = {.in_port = 0};
	struct sl_cut cut = {.at = (uint16_t)(8 * (part & 7)),
	                     .n_bytes = part & 0x80 ? 8 : 16,
	                     .id = choice >> 6};
	size_t n_bytes;

	m.spec = (struct sl_packet_spec){.src = client_ip(is_v6, choice >> 1 & 1),
	                                 .dst = vip_ip(is_v6, choice >> 2 & 3),
	                                 .proto = choice & 0x10 ? IPPROTO_TCP : IPPROTO_UDP,
	                                 .sport = 1024,
	                                 .dport = 80,
	                                 .tcp_flags = SL_TCP_SYN};
	if ((choice & 0x20) && !answer(plant, &m, in))
		return 0;
	*in_port = m.in_port;
	memcpy(m.spec.dst_mac, plant_macs[m.in_port], 6);
	memcpy(m.spec.src_mac, peer_mac, 6);
	m.spec.payload_bytes = 80 - (m.spec.proto == IPPROTO_TCP ? SL_TCP_BYTES : SL_UDP_BYTES);
	n_bytes = sl_packet_build(whole, sizeof(whole), &m.spec);
	if (cut.at == 0)
		cut.n_bytes = 24; // room for any header
	else if (part & 0x40)
		cut.n_bytes = 0; // the rest
	return sl_fragment_cut(frame, whole, n_bytes, &cut);
}

// 0: nothing to make it from.
static size_t make(struct plant *plant, struct fuzz_input *in, uint8_t *frame, uint16_t *in_port)
{
	uint8_t kind = fuzz_u8(in);
	struct made m = {.in_port = 0};

	if (kind < 12)
		return fragment(plant, frame, in, in_port);
	else if (kind < 110)
		from_client(&m, in);
	else if (kind < 190 && !answer(plant, &m, in))
		return 0;
	else if (kind >= 190 && kind < 215 && !icmp_error(plant, &m, in))
		return 0;
	else if (kind >= 215 && kind < 222)
		echo(&m, in);
	else if (kind >= 222 && kind < 238)
		return kind & 1 ? arp(frame, in, in_port) : nd(frame, in, in_port);
	else if (kind >= 238)
		return plant->params.is_trusting ? 0 : raw(frame, in, in_port);
	*in_port = m.in_port;
	return build(&m, frame, in);
}

void plant_give(struct plant *plant, const uint8_t *whole, size_t n_bytes, uint16_t in_port)
{
	uint8_t *room = malloc(PLANT_HEADROOM + n_bytes); // ends with the frame, for ASan to see
	enum sl_replay_end end;

	FUZZ_REQUIRE(room != NULL);
	memcpy(room + PLANT_HEADROOM, whole, n_bytes);
	plant->now_ns += 1000;
	plant->given_bytes = n_bytes;
	plant->n_answers = 0;
	end = sl_replay_packet(plant->replay, room + PLANT_HEADROOM, (uint32_t)n_bytes, in_port,
	                       plant->now_ns);
	FUZZ_REQUIRE(end < SL_REPLAY_END_COUNT);
	plant->n_given++;
	free(room);
}

// The answer to the question in the frame, in its place; 0 if it is none.
static size_t turn_arp(uint8_t *frame)
{
	uint8_t target[4];

	if (frame[21] != 1)
		return 0;
	memcpy(target, frame + 38, 4);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, peer_mac, 6);
	frame[21] = 2;
	memcpy(frame + 32, frame + 22, 10); // who asked
	memcpy(frame + 22, peer_mac, 6);
	memcpy(frame + 28, target, 4);
	return 42;
}

static size_t turn_nd(uint8_t *frame)
{
	struct sl_packet_spec spec = {.proto = IPPROTO_ICMPV6, .ttl = 255, .icmp_type = 136};
	uint8_t body[24] = {[16] = 2, [17] = 1};

	if (frame[54] != 135)
		return 0;
	memcpy(body, frame + 62, 16);
	memcpy(body + 18, peer_mac, 6);
	memcpy(spec.src.bytes, frame + 62, 16);
	memcpy(spec.dst.bytes, frame + 22, 16);
	memcpy(spec.dst_mac, frame + 6, 6);
	memcpy(spec.src_mac, peer_mac, 6);
	spec.sport = 0x6000; // solicited, override
	spec.payload = body;
	spec.payload_bytes = sizeof(body);
	return sl_packet_build(frame, SL_PACKET_MAX_BYTES, &spec);
}

void plant_answer_questions(struct plant *plant)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];

	for (uint32_t n = plant->n_asked; n > 0; n--) { // an answer may lead to another question
		const struct plant_sent *asked = &plant->asked[n - 1];
		size_t n_bytes;

		memcpy(frame, asked->frame, asked->n_bytes);
		n_bytes = frame[13] == 0x06 ? turn_arp(frame) : turn_nd(frame);
		if (n_bytes > 0)
			plant_give(plant, frame, n_bytes, asked->port);
	}
	plant->n_asked = 0;
}

void plant_packet(struct plant *plant, struct fuzz_input *in)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	uint16_t in_port = 0;
	size_t n_bytes = make(plant, in, frame, &in_port);

	if (n_bytes > 0 && !plant->params.is_trusting && fuzz_below(in, 4) == 0)
		n_bytes = break_frame(frame, n_bytes, in);
	plant_give(plant, frame, n_bytes, in_port);
}
