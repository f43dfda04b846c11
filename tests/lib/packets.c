// SPDX-License-Identifier: Apache-2.0
#include "packets.h"

#include <stdio.h>
#include <stdlib.h>

#include "layout.h"

// A frame being written; n_bytes is where the next byte goes.
struct writer {
	uint8_t *bytes;
	size_t n_bytes, max_bytes;
};

static void fail(const char *why)
{
	fprintf(stderr, "packets: %s\n", why);
	abort();
}

static uint8_t *take(struct writer *w, size_t n_bytes)
{
	uint8_t *at = w->bytes + w->n_bytes;

	if (n_bytes > w->max_bytes - w->n_bytes)
		fail("the buffer is too small for this spec");
	memset(at, 0, n_bytes);
	w->n_bytes += n_bytes;
	return at;
}

static void put(struct writer *w, const void *bytes, size_t n_bytes)
{
	uint8_t *at = take(w, n_bytes);

	if (n_bytes > 0)
		memcpy(at, bytes, n_bytes);
}

// Big-endian words one by one, the plain reading of RFC 1071.
static uint32_t sum_words(uint32_t sum, const uint8_t *bytes, size_t n_bytes)
{
	for (size_t i = 0; i < n_bytes; i++) {
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

static uint32_t sum_pseudo(const uint8_t *l3, uint8_t proto, uint32_t l4_bytes)
{
	// Length and protocol as RFC 8200 section 8.1 has them; RFC 9293's for IPv4 sum to the
	// same.
	const uint8_t tail[8] = {
		[2] = (uint8_t)(l4_bytes >> 8), [3] = (uint8_t)l4_bytes, [7] = proto};

	if (l3[0] >> 4 == 4)
		return sum_words(sum_words(0, tail, 8), l3 + SL_IPV4_OFF_SRC, 8);
	return sum_words(sum_words(0, tail, 8), l3 + SL_IPV6_OFF_SRC, 32);
}

// Offset of the checksum in the transport header; -1 if it has none that we know.
static int csum_offset(uint8_t proto, bool is_v6)
{
	switch (proto) {
	case IPPROTO_TCP:
		return SL_TCP_OFF_CSUM;
	case IPPROTO_UDP:
		return SL_UDP_OFF_CSUM;
	case IPPROTO_ICMP:
		return is_v6 ? -1 : SL_ICMP_OFF_CSUM;
	case IPPROTO_ICMPV6:
		return is_v6 ? SL_ICMP_OFF_CSUM : -1;
	default:
		return -1;
	}
}

static uint32_t sum_l4(const uint8_t *l3, uint8_t proto, const uint8_t *l4, size_t l4_bytes)
{
	uint32_t sum = proto == IPPROTO_ICMP ? 0 : sum_pseudo(l3, proto, (uint32_t)l4_bytes);

	return sum_words(sum, l4, l4_bytes);
}

static void put_ethernet(struct writer *w, const struct sl_packet_spec *spec, bool is_v6)
{
	put(w, spec->dst_mac, 6);
	put(w, spec->src_mac, 6);
	for (unsigned int i = 0; i < spec->n_vlans; i++) {
		uint8_t *tag = take(w, SL_VLAN_BYTES);

		sl_store16_host(tag,
		                spec->vlan_tpid[i] != 0 ? spec->vlan_tpid[i] : SL_ETHERTYPE_VLAN);
		sl_store16_host(tag + 2, spec->vlan_tci[i]);
	}
	sl_store16_host(take(w, 2), is_v6 ? SL_ETHERTYPE_IPV6 : SL_ETHERTYPE_IPV4);
}

static void put_ip(struct writer *w, const struct sl_packet_spec *spec, bool is_v6)
{
	uint8_t *l3 = take(w, is_v6 ? SL_IPV6_BYTES : SL_IPV4_BYTES);
	uint8_t ttl = spec->ttl != 0 ? spec->ttl : 64;

	if (is_v6) {
		l3[0] = (uint8_t)(0x60 | spec->dscp_ecn >> 4);
		l3[1] = (uint8_t)(spec->dscp_ecn << 4);
		l3[SL_IPV6_OFF_NEXT] = spec->ext_bytes > 0 ? spec->ext_next : spec->proto;
		l3[SL_IPV6_OFF_HOPS] = ttl;
		memcpy(l3 + SL_IPV6_OFF_SRC, spec->src.bytes, 16);
		memcpy(l3 + SL_IPV6_OFF_DST, spec->dst.bytes, 16);
	} else {
		if (spec->ext_bytes % 4 != 0 || spec->ext_bytes > 40)
			fail("IPv4 options are 0 to 40 bytes, a multiple of 4");
		l3[0] = (uint8_t)(0x45 + spec->ext_bytes / 4);
		l3[1] = spec->dscp_ecn;
		sl_store16_host(l3 + 4, 0x1234); // identification
		sl_store16_host(l3 + SL_IPV4_OFF_FRAG, spec->frag);
		l3[SL_IPV4_OFF_TTL] = ttl;
		l3[SL_IPV4_OFF_PROTO] = spec->proto;
		memcpy(l3 + SL_IPV4_OFF_SRC, spec->src.bytes + 12, 4);
		memcpy(l3 + SL_IPV4_OFF_DST, spec->dst.bytes + 12, 4);
	}
	put(w, spec->ext, spec->ext_bytes);
}

// Lengths and checksums, once everything after the header is there.
static void finish_ip(struct writer *w, size_t l3_off, const struct sl_packet_spec *spec)
{
	uint8_t *l3 = w->bytes + l3_off;
	size_t l3_bytes = w->n_bytes - l3_off;
	bool is_v6 = l3[0] >> 4 == 6;
	size_t header_bytes = (is_v6 ? SL_IPV6_BYTES : SL_IPV4_BYTES) + (size_t)spec->ext_bytes;
	uint8_t *l4 = l3 + header_bytes;
	size_t l4_bytes = l3_bytes - header_bytes;
	int csum_off = csum_offset(spec->proto, is_v6);

	if (is_v6)
		sl_store16_host(l3 + SL_IPV6_OFF_PAYLOAD, (uint16_t)(l3_bytes - SL_IPV6_BYTES));
	else
		sl_store16_host(l3 + SL_IPV4_OFF_TOTAL, (uint16_t)l3_bytes);
	if (!is_v6)
		sl_store16_host(l3 + SL_IPV4_OFF_CSUM, (uint16_t)~sum_words(0, l3, header_bytes));
	if (spec->proto == IPPROTO_UDP)
		sl_store16_host(l4 + SL_UDP_OFF_LENGTH, (uint16_t)l4_bytes);
	if (csum_off >= 0 && !(spec->proto == IPPROTO_UDP && spec->is_udp_csum_off)) {
		uint16_t csum = (uint16_t)~sum_l4(l3, spec->proto, l4, l4_bytes);

		if (csum == 0 && spec->proto == IPPROTO_UDP)
			csum = 0xffff; // RFC 768: 0 would say "no checksum"
		sl_store16_host(l4 + csum_off, csum);
	}
}

static void put_ports(uint8_t *at, const struct sl_packet_spec *spec)
{
	sl_store16_host(at, spec->sport);
	sl_store16_host(at + 2, spec->dport);
}

static void put_l4(struct writer *w, const struct sl_packet_spec *spec)
{
	uint32_t seq_be = htonl(spec->tcp_seq), ack_be = htonl(spec->tcp_ack);
	uint32_t rest_be = htonl(spec->icmp_rest);
	uint8_t *l4;

	switch (spec->proto) {
	case IPPROTO_TCP:
		if (spec->tcp_options_bytes % 4 != 0 || spec->tcp_options_bytes > 40)
			fail("TCP options are 0 to 40 bytes, a multiple of 4");
		l4 = take(w, SL_TCP_BYTES);
		put_ports(l4, spec);
		memcpy(l4 + SL_TCP_OFF_SEQ, &seq_be, 4);
		memcpy(l4 + 8, &ack_be, 4);
		l4[SL_TCP_OFF_DATA] = (uint8_t)((5 + spec->tcp_options_bytes / 4) << 4);
		l4[SL_TCP_OFF_FLAGS] = spec->tcp_flags;
		sl_store16_host(l4 + 14, 0xffff); // window
		put(w, spec->tcp_options, spec->tcp_options_bytes);
		break;
	case IPPROTO_UDP:
		put_ports(take(w, SL_UDP_BYTES), spec);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		l4 = take(w, SL_ICMP_BYTES);
		l4[0] = spec->icmp_type;
		l4[1] = spec->icmp_code;
		if (spec->quote != NULL)
			memcpy(l4 + 4, &rest_be, 4);
		else
			put_ports(l4 + SL_ICMP_OFF_IDENT, spec);
		break;
	default:
		break;
	}
}

static void put_packet(struct writer *w, const struct sl_packet_spec *spec);

static void put_quote(struct writer *w, const struct sl_packet_spec *spec)
{
	uint8_t bytes[SL_PACKET_MAX_BYTES];
	struct writer quote = {.bytes = bytes, .max_bytes = sizeof(bytes)};

	put_packet(&quote, spec->quote);
	if (spec->quote_bytes > quote.n_bytes)
		fail("quote_bytes is more than the quoted packet has");
	put(w, bytes, spec->quote_bytes != 0 ? spec->quote_bytes : quote.n_bytes);
}

// From the IP header to the last byte of payload.
static void put_packet(struct writer *w, const struct sl_packet_spec *spec)
{
	bool is_v6 = !sl_ip_is_v4(&spec->dst);
	size_t l3_off = w->n_bytes;

	put_ip(w, spec, is_v6);
	put_l4(w, spec);
	if (spec->quote != NULL)
		put_quote(w, spec);
	if (spec->payload != NULL)
		put(w, spec->payload, spec->payload_bytes);
	else
		for (unsigned int i = 0; i < spec->payload_bytes; i++)
			*take(w, 1) = (uint8_t)(i + 1);
	finish_ip(w, l3_off, spec);
}

struct sl_ip sl_packet_ip(const char *text)
{
	struct sl_ip ip;
	uint32_t v4_be;

	if (inet_pton(AF_INET, text, &v4_be) == 1)
		return sl_ip_from_v4(v4_be);
	if (inet_pton(AF_INET6, text, ip.bytes) != 1)
		fail(text);
	return ip;
}

size_t sl_packet_build(uint8_t *frame, size_t n_bytes, const struct sl_packet_spec *spec)
{
	struct writer w = {.bytes = frame, .max_bytes = n_bytes};

	put_ethernet(&w, spec, !sl_ip_is_v4(&spec->dst));
	put_packet(&w, spec);
	memset(take(&w, spec->padding_bytes), 0xa5, spec->padding_bytes);
	return w.n_bytes;
}

struct sl_tuple sl_packet_tuple(const struct sl_packet_spec *spec)
{
	struct sl_tuple tuple = {.src = spec->src, .dst = spec->dst, .proto = spec->proto};

	if (spec->proto == IPPROTO_TCP || spec->proto == IPPROTO_UDP) {
		tuple.sport_be = htons(spec->sport);
		tuple.dport_be = htons(spec->dport);
	} else if (spec->quote == NULL &&
	           (spec->proto == IPPROTO_ICMP || spec->proto == IPPROTO_ICMPV6)) {
		tuple.sport_be = htons(spec->sport);
	}
	return tuple;
}

struct sl_packet_spec sl_packet_retuple(const struct sl_packet_spec *spec,
                                        const struct sl_tuple *tuple)
{
	struct sl_packet_spec changed = *spec;

	changed.src = tuple->src;
	changed.dst = tuple->dst;
	changed.sport = ntohs(tuple->sport_be);
	if (spec->proto == IPPROTO_TCP || spec->proto == IPPROTO_UDP)
		changed.dport = ntohs(tuple->dport_be);
	return changed;
}

// Past extension headers to the transport; false if the packet ends before.
static bool skip_ext(const uint8_t *l3, size_t l3_bytes, size_t *off, uint8_t *proto)
{
	while (*proto == IPPROTO_HOPOPTS || *proto == IPPROTO_DSTOPTS ||
	       *proto == IPPROTO_ROUTING || *proto == IPPROTO_FRAGMENT || *proto == IPPROTO_AH) {
		const uint8_t *ext = l3 + *off;
		uint8_t was = *proto;

		if (*off + 8 > l3_bytes)
			return false;
		*proto = ext[0];
		if (was == IPPROTO_AH)
			*off += ((size_t)ext[1] + 2) * 4;
		else
			*off += was == IPPROTO_FRAGMENT ? 8 : ((size_t)ext[1] + 1) * 8;
	}
	return *off <= l3_bytes;
}

static bool l4_csum_is_right(const uint8_t *l3, size_t off, size_t l3_bytes, uint8_t proto)
{
	bool is_v6 = l3[0] >> 4 == 6;
	int csum_off = csum_offset(proto, is_v6);
	uint16_t csum_be;

	if (csum_off < 0)
		return true;
	if (off + (size_t)csum_off + 2 > l3_bytes)
		return false;
	csum_be = sl_load16(l3 + off + csum_off);
	if (proto == IPPROTO_UDP && csum_be == 0)
		return !is_v6 || sl_load16_host(l3 + off + 2) == SL_ROCE_PORT;
	return sum_l4(l3, proto, l3 + off, l3_bytes - off) == 0xffff;
}

bool sl_packet_csums_are_right(const uint8_t *frame, size_t n_bytes)
{
	size_t l3_off = SL_ETH_BYTES;
	const uint8_t *l3;
	size_t l3_bytes, off;
	uint8_t proto;

	while (l3_off <= n_bytes && (sl_load16_host(frame + l3_off - 2) == SL_ETHERTYPE_VLAN ||
	                             sl_load16_host(frame + l3_off - 2) == SL_ETHERTYPE_SVLAN))
		l3_off += SL_VLAN_BYTES;
	if (l3_off + SL_IPV4_BYTES > n_bytes)
		return false;
	l3 = frame + l3_off;
	if (l3[0] >> 4 == 4) {
		off = (size_t)(l3[0] & 15) * 4;
		l3_bytes = sl_load16_host(l3 + SL_IPV4_OFF_TOTAL);
		proto = l3[SL_IPV4_OFF_PROTO];
		if (l3_off + l3_bytes > n_bytes || off > l3_bytes ||
		    sum_words(0, l3, off) != 0xffff)
			return false;
	} else {
		if (l3_off + SL_IPV6_BYTES > n_bytes)
			return false;
		off = SL_IPV6_BYTES;
		l3_bytes = SL_IPV6_BYTES + (size_t)sl_load16_host(l3 + SL_IPV6_OFF_PAYLOAD);
		proto = l3[SL_IPV6_OFF_NEXT];
		if (l3_off + l3_bytes > n_bytes || !skip_ext(l3, l3_bytes, &off, &proto))
			return false;
	}
	return l4_csum_is_right(l3, off, l3_bytes, proto);
}
