// SPDX-License-Identifier: Apache-2.0
#include "random_packet.h"

#include "layout.h"
#include "sl_check.h"

uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((sl_check_random(state) >> 32) * n >> 32);
}

static void random_bytes(uint8_t *bytes, size_t n_bytes, uint64_t *state)
{
	uint32_t style = random_below(state, 4);

	for (size_t i = 0; i < n_bytes; i++)
		bytes[i] = style == 0 ? 0 : style == 1 ? 0xff : (uint8_t)sl_check_random(state);
}

static struct sl_ip random_ip(bool is_v6, uint64_t *state)
{
	struct sl_ip ip = sl_ip_from_v4(0);

	if (is_v6) {
		random_bytes(ip.bytes, sizeof(ip.bytes), state);
		ip.bytes[0] = random_below(state, 2) != 0 ? 0x20 : 0xfd;
		return ip;
	}
	random_bytes(ip.bytes + 12, 4, state);
	ip.bytes[12] = (uint8_t)(1 + random_below(state, 126)); // below loopback
	return ip;
}

static uint16_t random_port(uint64_t *state)
{
	static const uint16_t edges[] = {0, 1, 0xff, 0xff00, 0xfffe, 0xffff};

	return random_below(state, 3) != 0 ? (uint16_t)sl_check_random(state)
	                                   : edges[random_below(state, 6)];
}

// IPv4: no-operations and their end. IPv6: a chain of destination options.
static void random_ext(struct sl_packet_spec *spec, uint8_t *ext, bool is_v6, uint64_t *state)
{
	uint32_t n_headers = random_below(state, 4);

	spec->ext = ext;
	if (!is_v6) {
		spec->ext_bytes = (uint16_t)(4 * random_below(state, 11));
		memset(ext, 1, spec->ext_bytes);
		return;
	}
	spec->ext_next = IPPROTO_DSTOPTS;
	for (uint32_t i = 0; i < n_headers; i++) {
		uint8_t *header = ext + spec->ext_bytes;
		uint32_t units = random_below(state, 2);

		memset(header, 0, 8 + 8 * units);
		header[0] = i + 1 < n_headers ? IPPROTO_DSTOPTS : spec->proto;
		header[1] = (uint8_t)units;
		spec->ext_bytes = (uint16_t)(spec->ext_bytes + 8 + 8 * units);
	}
}

static void random_transport(struct random_packet *packet, struct sl_packet_spec *spec, bool is_v6,
                             uint64_t *state)
{
	spec->src = random_ip(is_v6, state);
	spec->dst = random_ip(is_v6, state);
	spec->proto = random_below(state, 2) != 0 ? IPPROTO_TCP : IPPROTO_UDP;
	spec->sport = random_port(state);
	spec->dport = random_port(state);
	spec->ttl = (uint8_t)(2 + random_below(state, 254));
	spec->tcp_flags = (uint8_t)sl_check_random(state);
	spec->tcp_seq = (uint32_t)sl_check_random(state);
	spec->is_udp_csum_off = !is_v6 && random_below(state, 4) == 0;
	spec->payload = packet->payload;
	spec->payload_bytes = (uint16_t)random_below(state, random_below(state, 16) ? 64 : 1400);
	random_bytes(packet->payload, spec->payload_bytes, state);
	if (spec->proto != IPPROTO_TCP || random_below(state, 2) != 0)
		return;
	spec->tcp_options = packet->tcp_options;
	spec->tcp_options_bytes = (uint16_t)(4 * random_below(state, 11));
	random_bytes(packet->tcp_options, spec->tcp_options_bytes, state);
}

// At least 8 bytes of transport, and never half of its checksum: that cannot be translated.
static uint16_t random_cut(const struct sl_packet_spec *quote, bool is_v6, uint64_t *state)
{
	uint32_t l4_off = (is_v6 ? SL_IPV6_BYTES : SL_IPV4_BYTES) + quote->ext_bytes;
	uint32_t l4_bytes = quote->proto == IPPROTO_UDP ? SL_UDP_BYTES : SL_TCP_BYTES;
	uint32_t longer = l4_bytes + quote->payload_bytes + 1 - SL_QUOTE_L4_BYTES;
	uint32_t n_bytes = SL_QUOTE_L4_BYTES + random_below(state, longer);

	if (quote->proto == IPPROTO_TCP && n_bytes == SL_TCP_OFF_CSUM + 1)
		n_bytes--;
	return (uint16_t)(l4_off + n_bytes);
}

static void random_error(struct random_packet *packet, bool is_v6, uint64_t *state)
{
	static const uint8_t types4[] = {3, 11, 12}, types6[] = {1, 2, 3, 4};
	struct sl_packet_spec *spec = &packet->spec;

	packet->quote = *spec; // built as a packet of its own so far
	if (random_below(state, 2) != 0)
		random_ext(&packet->quote, packet->quote_ext, is_v6, state);
	*spec = (struct sl_packet_spec){
		.src = random_ip(is_v6, state),
		.dst = packet->quote.src,
		.proto = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		.ttl = packet->quote.ttl,
		.icmp_type =
			is_v6 ? types6[random_below(state, 4)] : types4[random_below(state, 3)],
		.icmp_rest = (uint32_t)sl_check_random(state),
		.quote = &packet->quote,
	};
	spec->quote_bytes = random_cut(&packet->quote, is_v6, state);
}

void random_packet_make(struct random_packet *packet, uint64_t *state)
{
	struct sl_packet_spec *spec = &packet->spec;
	bool is_v6 = random_below(state, 2) != 0;

	memset(spec, 0, sizeof(*spec));
	random_transport(packet, spec, is_v6, state);
	if (random_below(state, 3) == 0)
		random_error(packet, is_v6, state);
	if (random_below(state, 3) == 0)
		random_ext(spec, packet->ext, is_v6, state);
	spec->n_vlans = (uint8_t)random_below(state, SL_MAX_VLANS + 1);
	for (unsigned int i = 0; i < spec->n_vlans; i++) {
		spec->vlan_tpid[i] =
			random_below(state, 2) ? SL_ETHERTYPE_VLAN : SL_ETHERTYPE_SVLAN;
		spec->vlan_tci[i] = (uint16_t)sl_check_random(state);
	}
	spec->padding_bytes = (uint16_t)(random_below(state, 2) * random_below(state, 20));
}

struct sl_tuple random_packet_other_tuple(const struct sl_packet_spec *spec, uint64_t *state)
{
	bool is_v6 = !sl_ip_is_v4(&spec->dst);
	struct sl_tuple tuple = sl_packet_tuple(spec);

	if (random_below(state, 4) != 0)
		tuple.src = random_ip(is_v6, state);
	if (random_below(state, 4) != 0)
		tuple.dst = random_ip(is_v6, state);
	if (spec->quote == NULL) {
		tuple.sport_be = random_port(state);
		tuple.dport_be = random_port(state);
	}
	return tuple;
}
