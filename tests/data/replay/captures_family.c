// SPDX-License-Identifier: Apache-2.0
// fullnat between the families: what a client of one and a server of the other must see.
#include <netinet/in.h>

#include "captures.h"
#include "layout.h"

#define PSH_ACK        (SL_TCP_PSH | SL_TCP_ACK)
#define DF             0x4000
#define NO_DF_BYTES    1260
#define PORT_MTU_BYTES 1500

struct family {
	struct script *s;
	struct lane client, server; // the one connection as either side knows it
	uint16_t next_id;           // of IPv4 packets without DF: one more for each translation
};

static struct family family_make(struct script *s, bool is_client_v6, uint8_t proto,
                                 uint16_t local_port)
{
	struct family f = {.s = s,
	                   .client = lane_make(SL_FORWARD_FULLNAT, is_client_v6, proto, local_port),
	                   .server =
	                           lane_make(SL_FORWARD_FULLNAT, !is_client_v6, proto, local_port)};

	f.client.vip = sl_packet_ip(is_client_v6 ? "2001:db8:3::5" : "192.0.2.5");
	f.server.server_port = proto == IPPROTO_UDP ? 5355 : 8084;
	return f;
}

static bool is_v4(const struct sl_packet_spec *spec)
{
	return sl_ip_is_v4(&spec->dst);
}

// The frame of spec, with this id if it is IPv4.
static size_t build(uint8_t *frame, struct sl_packet_spec *spec, uint16_t id)
{
	const size_t n_bytes = sl_packet_build(frame, SL_PACKET_MAX_BYTES, spec);
	uint8_t *l3 = frame + SL_ETH_BYTES;
	uint32_t csum;

	if (!is_v4(spec))
		return n_bytes;
	if (n_bytes - SL_ETH_BYTES > NO_DF_BYTES && spec->frag == 0) {
		spec->frag = DF;
		return build(frame, spec, 0);
	}
	csum = (uint32_t)sl_load16_host(l3 + SL_IPV4_OFF_CSUM) +
	       sl_load16_host(l3 + SL_IPV4_OFF_ID) + (uint16_t)~id;
	csum = (csum & UINT16_MAX) + (csum >> 16);
	sl_store16_host(l3 + SL_IPV4_OFF_CSUM, (uint16_t)(csum + (csum >> 16)));
	sl_store16_host(l3 + SL_IPV4_OFF_ID, id);
	return n_bytes;
}

static void sent(struct family *f, const struct sl_packet_spec *in, struct sl_packet_spec out)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];

	script_in(f->s, in);
	script_out_bytes(f->s, frame, build(frame, &out, f->next_id++));
	script_verdict(f->s, "sent");
}

// in, with the ends of out's side.
static struct sl_packet_spec to_server(const struct family *f, const struct sl_packet_spec *in)
{
	struct sl_packet_spec out = lane_to_server(&f->server, in);

	out.frag = 0;
	out.is_udp_csum_off = false;
	return out;
}

static struct sl_packet_spec to_client(const struct family *f, const struct sl_packet_spec *in)
{
	struct sl_packet_spec out = lane_to_client(&f->client, in);

	out.frag = 0;
	return out;
}

static void client_says(struct family *f, uint8_t flags, uint16_t n_bytes)
{
	struct sl_packet_spec in = lane_from_client(&f->client);

	in.tcp_flags = flags;
	in.tcp_seq = 1000;
	in.payload_bytes = n_bytes;
	in.dscp_ecn = 0x2a;
	sent(f, &in, to_server(f, &in));
}

static void server_says(struct family *f, uint8_t flags, uint16_t n_bytes)
{
	struct sl_packet_spec in = lane_from_server(&f->server);

	in.tcp_flags = flags;
	in.tcp_seq = 9000;
	in.payload_bytes = n_bytes;
	in.frag = is_v4(&in) ? DF : 0;
	sent(f, &in, to_client(f, &in));
}

// Whoever announces more than fits into the longer of both headers announces what fits.
static void announce(struct family *f, uint16_t mss_bytes, uint16_t fits_bytes)
{
	const uint8_t option_in[4] = {2, 4, (uint8_t)(mss_bytes >> 8), (uint8_t)mss_bytes};
	const uint8_t option_out[4] = {2, 4, (uint8_t)(fits_bytes >> 8), (uint8_t)fits_bytes};
	struct sl_packet_spec in = lane_from_client(&f->client), out;

	in.tcp_flags = SL_TCP_SYN;
	in.tcp_seq = 1000;
	in.tcp_options = option_in;
	in.tcp_options_bytes = 4;
	out = to_server(f, &in);
	out.tcp_options = option_out;
	sent(f, &in, out);
	in = lane_from_server(&f->server);
	in.tcp_flags = SL_TCP_SYN | SL_TCP_ACK;
	in.tcp_options = option_in;
	in.tcp_options_bytes = 4;
	out = to_client(f, &in);
	out.tcp_options = option_out;
	sent(f, &in, out);
}

// About a request, from a router at the server's side: "port unreachable" and "too big".
static void errors(struct family *f)
{
	const bool is_client_v6 = f->client.is_v6;
	struct sl_packet_spec known = lane_from_client(&f->client), quote, in, out;

	known.tcp_flags = PSH_ACK;
	known.payload_bytes = 64;
	quote = to_server(f, &known);
	known.ttl = quote.ttl;
	known.frag = 0;
	for (int i = 0; i < 2; i++) {
		uint8_t frame[SL_PACKET_MAX_BYTES];
		size_t n_bytes;

		in = (struct sl_packet_spec){
			.src = sl_packet_ip(is_client_v6 ? "10.0.0.77" : "2001:db8:2::77"),
			.dst = f->server.local,
			.proto = is_client_v6 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
			.icmp_type = is_client_v6 ? 3
		                     : i          ? 2
		                                  : 1,
			.icmp_code = is_client_v6 ? (i ? 4 : 3)
		                     : i          ? 0
		                                  : 4,
			.icmp_rest = i ? 1400 : 0,
			.quote = &quote,
			.quote_bytes = is_client_v6 ? 28 : 48};
		memcpy(in.dst_mac, lane_our_macs[1], 6);
		memcpy(in.src_mac, lane_server_mac, 6);
		out = (struct sl_packet_spec){.src = f->client.vip,
		                              .dst = f->client.client,
		                              .proto = is_client_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		                              .ttl = 63,
		                              .icmp_type = is_client_v6 ? (i ? 2 : 1) : 3,
		                              .icmp_code = is_client_v6 ? (i ? 0 : 4)
		                                           : i          ? 4
		                                                        : 3,
		                              .icmp_rest = i ? (is_client_v6 ? 1420 : 1380) : 0,
		                              .quote = &known,
		                              .quote_bytes = is_client_v6 ? 48 : 28};
		memcpy(out.dst_mac, lane_client_mac, 6);
		memcpy(out.src_mac, lane_our_macs[0], 6);
		n_bytes = build(frame, &out, f->next_id++);
		if (!is_client_v6) { // the quoted id is 0 as well; both its sums make up for it
			uint8_t *l3 = frame + SL_ETH_BYTES + SL_IPV4_BYTES + SL_ICMP_BYTES;
			uint32_t csum = (uint32_t)sl_load16_host(l3 + SL_IPV4_OFF_CSUM) +
			                sl_load16_host(l3 + SL_IPV4_OFF_ID);

			sl_store16_host(l3 + SL_IPV4_OFF_CSUM, (uint16_t)(csum + (csum >> 16)));
			sl_store16_host(l3 + SL_IPV4_OFF_ID, 0);
		}
		script_in(f->s, &in);
		script_out_bytes(f->s, frame, n_bytes);
		script_verdict(f->s, "sent");
	}
}

static void connection(struct script *s, bool is_client_v6)
{
	struct family f = family_make(s, is_client_v6, IPPROTO_TCP, FIRST_LOCAL_PORT);

	announce(&f, 1460, PORT_MTU_BYTES - 60);
	client_says(&f, SL_TCP_ACK, 0);
	client_says(&f, PSH_ACK, 333);
	client_says(&f, PSH_ACK, 1440);
	server_says(&f, PSH_ACK, 1440);
	server_says(&f, PSH_ACK, 1);
	errors(&f);
	client_says(&f, SL_TCP_FIN | SL_TCP_ACK, 0);
	server_says(&f, SL_TCP_FIN | SL_TCP_ACK, 0);
	client_says(&f, SL_TCP_ACK, 0);
}

static void datagrams(struct script *s, bool is_client_v6, uint16_t next_id)
{
	struct family f = family_make(s, is_client_v6, IPPROTO_UDP, SECOND_LOCAL_PORT);
	struct sl_packet_spec in = lane_from_client(&f.client);

	f.next_id = next_id;
	client_says(&f, 0, 40);
	server_says(&f, 0, 511);
	client_says(&f, 0, 0);
	in.payload_bytes = 32;
	if (is_client_v6)
		return;
	in.is_udp_csum_off = true; // IPv6 has no such thing
	sent(&f, &in, to_server(&f, &in));
	in.frag = SL_IPV4_FRAG_MORE;
	in.is_udp_csum_off = false;
	script_ends(s, &in, "dropped:fragment_family");
	in.frag = 0; // 1500 bytes that may be fragmented: nobody is told
	in.payload_bytes = 1472;
	script_ends(s, &in, "dropped:too_big");
}

#define CONNECTION_PKTS 12 // that are translated

void capture_family_to_v6(struct script *s)
{
	connection(s, false);
	datagrams(s, false, CONNECTION_PKTS);
}

void capture_family_to_v4(struct script *s)
{
	connection(s, true);
	datagrams(s, true, CONNECTION_PKTS);
}
