// SPDX-License-Identifier: Apache-2.0
// Target: fragments. A sequence of parts of a few datagrams, over both families, TCP and UDP, from
// clients and from servers, in any order, with gaps, overlaps and time, through two workers. Two
// bytes per part.
//
// What must hold: of a datagram's bytes none leaves twice before a new first part begins it anew,
// nothing leaves before a first part came, and all parts leave to the same address as the first if
// that had a flow (RFC 5722, frag.h). The model below keeps a bit per unit of eight bytes and knows
// no timers: they only make the table forget.
#include <netinet/in.h>

#include "body.h"
#include "fragments.h"
#include "fuzz.h"
#include "layout.h"
#include "packets.h"
#include "replay.h"
#include "sluice/units.h"

#define N_DATAGRAMS 16 // four bits of a step
#define N_UNITS     16
#define MAX_STEPS   200

enum { FRONT, BACK, N_PORTS };

static const uint8_t our_macs[N_PORTS][6] = {{2, 0x53, 0x4c, 0, 0, 0}, {2, 0x53, 0x4c, 0, 0, 1}};
static const uint8_t peer_mac[6] = {2, 0xee, 0, 0, 0, 1};

struct datagram {
	bool has_first, has_dst;
	uint32_t sent;   // a bit per unit
	uint8_t dst[16]; // where its first part left to
};

struct lab {
	struct sl_replay *replay;
	struct datagram datagrams[N_DATAGRAMS];
	uint64_t now_ns;
	uint8_t left_to[16]; // of the packet that left last
	uint8_t drop;        // of the packet that did not
};

static void told(void *ctx, const struct sl_replay_record *record, const uint8_t *frame,
                 uint32_t n_bytes)
{
	struct lab *lab = ctx;
	const uint8_t *l3;

	lab->drop = record->drop;
	if (frame == NULL || record->n == 0)
		return;
	l3 = frame + SL_ETH_BYTES;
	memset(lab->left_to, 0, sizeof(lab->left_to));
	if (l3[0] >> 4 == 6 && n_bytes >= SL_ETH_BYTES + SL_IPV6_BYTES)
		memcpy(lab->left_to, l3 + SL_IPV6_OFF_DST, 16);
	else
		memcpy(lab->left_to, l3 + SL_IPV4_OFF_DST, 4);
}

static struct sl_prefix prefix(const char *address, uint8_t bits)
{
	return (struct sl_prefix){.address = sl_packet_ip(address), .bits = bits};
}

static void configure(struct lab *lab)
{
	static const struct sl_body_pool pools[] = {
		{.balance = SL_BALANCE_LEAST_CONNECTIONS,
	         .n_backends = 2,
	         .backends = {{"10.0.0.11", 8000, 1000}, {"10.0.0.12", 8000, 1000}}},
		{.balance = SL_BALANCE_LEAST_CONNECTIONS,
	         .n_backends = 2,
	         .backends = {{"2001:db8:2::11", 8000, 1000}, {"2001:db8:2::12", 8000, 1000}}}};
	static const struct sl_body_vip vips[] = {{"192.0.2.1", 80, 80, IPPROTO_TCP, 0},
	                                          {"192.0.2.1", 80, 80, IPPROTO_UDP, 0},
	                                          {"2001:db8:3::1", 80, 80, IPPROTO_TCP, 1},
	                                          {"2001:db8:3::1", 80, 80, IPPROTO_UDP, 1}};
	const struct sl_body_spec spec = {1, 1, vips, 4, pools, 2};
	struct sl_wire_header *body = sl_body_config(&spec);
	char reason[SL_REPLAY_REASON_BYTES];

	FUZZ_REQUIRE(sl_replay_apply(lab->replay, body, body->total_bytes, reason) == SL_IPC_OK);
	free(body);
}

static void meet_neighbours(struct lab *lab)
{
	static const char *const ips[] = {"10.0.0.11",      "10.0.0.12",      "198.51.100.10",
	                                  "2001:db8:2::11", "2001:db8:2::12", "2001:db8:1::10"};

	for (size_t i = 0; i < sizeof(ips) / sizeof(ips[0]); i++) {
		struct sl_ip ip = sl_packet_ip(ips[i]);

		FUZZ_REQUIRE(sl_replay_add_neighbour(lab->replay, &ip, peer_mac) == 0);
	}
}

static void lab_start(struct lab *lab)
{
	struct sl_dpconfig *config = calloc(1, sizeof(*config));
	struct sl_replay_params params = {.config = config,
	                                  .macs = our_macs,
	                                  .max_backends = 8,
	                                  .max_vips = 8,
	                                  .max_clients = 8,
	                                  .start_ns = 1000 * SL_NS_PER_S,
	                                  .told = told,
	                                  .told_ctx = lab};
	char reason[SL_REPLAY_REASON_BYTES];

	FUZZ_REQUIRE(config != NULL);
	config->n_workers = 2;
	config->n_ports = N_PORTS;
	config->flows = 256;
	for (uint32_t p = 0; p < N_PORTS; p++) {
		config->ports[p].kind = SL_DEVICE_AF_PACKET;
		config->ports[p].n_addresses = 2;
		snprintf(config->ports[p].name, sizeof(config->ports[p].name), "port%u", p);
	}
	config->ports[FRONT].addresses[0] = prefix("198.51.100.254", 24);
	config->ports[FRONT].addresses[1] = prefix("2001:db8:1::254", 64);
	config->ports[BACK].addresses[0] = prefix("10.0.0.254", 24);
	config->ports[BACK].addresses[1] = prefix("2001:db8:2::254", 64);
	lab->replay = sl_replay_new(&params, reason);
	FUZZ_REQUIRE(lab->replay != NULL);
	free(config);
	lab->now_ns = params.start_ns;
	configure(lab);
	meet_neighbours(lab);
}

// Four bits: family, protocol, direction, and one of two datagrams. A server answers with the ports
// of the client's flow, and both servers are tried.
static struct sl_packet_spec spec_of(uint8_t which)
{
	const bool is_v6 = which & 1, is_answer = which & 4;
	struct sl_packet_spec spec = {
		.src = sl_packet_ip(is_v6 ? "2001:db8:1::10" : "198.51.100.10"),
		.dst = sl_packet_ip(is_v6 ? "2001:db8:3::1" : "192.0.2.1"),
		.proto = which & 2 ? IPPROTO_TCP : IPPROTO_UDP,
		.sport = 40000,
		.dport = 80,
		.tcp_flags = is_answer ? SL_TCP_SYN | SL_TCP_ACK : SL_TCP_SYN};

	if (is_answer) {
		spec.dst = spec.src;
		spec.dport = 40000;
		spec.sport = 8000;
		spec.src = sl_packet_ip(is_v6 ? "2001:db8:2::11" : "10.0.0.11");
		spec.src.bytes[15] = (uint8_t)(spec.src.bytes[15] + (which >> 3 & 1));
	}
	memcpy(spec.src_mac, peer_mac, 6);
	memcpy(spec.dst_mac, our_macs[is_answer ? BACK : FRONT], 6);
	spec.payload_bytes = (uint16_t)(8 * N_UNITS - (which & 2 ? SL_TCP_BYTES : SL_UDP_BYTES));
	return spec;
}

static void require_model(struct lab *lab, struct datagram *d, const struct sl_cut *cut,
                          bool is_sent)
{
	const uint32_t first = cut->at / 8, n_units = (cut->n_bytes + 7u) / 8;
	const uint32_t units = ((UINT32_C(1) << n_units) - 1) << first;

	// A first part without a flow is known all the same: the flow may come before the next
	// part.
	if (first == 0 && (is_sent || lab->drop == SL_DROP_NO_FLOW)) {
		*d = (struct datagram){.has_first = true, .has_dst = is_sent, .sent = units};
		memcpy(d->dst, lab->left_to, sizeof(d->dst));
		return;
	}
	if (!is_sent)
		return;
	FUZZ_REQUIRE(d->has_first);
	FUZZ_REQUIRE((d->sent & units) == 0);
	FUZZ_REQUIRE(!d->has_dst || memcmp(d->dst, lab->left_to, sizeof(d->dst)) == 0);
	d->sent |= units;
}

static void give_part(struct lab *lab, uint8_t which, uint8_t part)
{
	struct datagram *d = &lab->datagrams[which];
	struct sl_packet_spec spec = spec_of(which);
	uint8_t whole[SL_PACKET_MAX_BYTES], *frame = malloc(SL_PACKET_MAX_BYTES);
	struct sl_cut cut = {.at = (uint16_t)(8 * (part % N_UNITS)),
	                     .n_bytes = (uint16_t)(8 * (1 + (part >> 4 & 3))),
	                     .id = 1u + which,
	                     .has_more = part & 0x40};
	size_t n_bytes = sl_packet_build(whole, sizeof(whole), &spec);
	enum sl_replay_end end;

	FUZZ_REQUIRE(frame != NULL);
	if (part & 0x80) // everything from there on, or one odd byte less
		cut.n_bytes = (uint16_t)(8 * N_UNITS - cut.at - (part >> 4 & 1));
	if (cut.at + cut.n_bytes > 8 * N_UNITS)
		cut.n_bytes = (uint16_t)(8 * N_UNITS - cut.at);
	n_bytes = sl_fragment_cut(frame, whole, n_bytes, &cut);
	frame = realloc(frame, n_bytes); // ends where the frame does
	FUZZ_REQUIRE(frame != NULL);
	lab->now_ns += SL_NS_PER_US;
	end = sl_replay_packet(lab->replay, frame, (uint32_t)n_bytes, which & 4 ? BACK : FRONT,
	                       lab->now_ns);
	free(frame);
	FUZZ_REQUIRE(end == SL_REPLAY_SENT || end == SL_REPLAY_DROPPED);
	// The whole datagram in one part is no fragment.
	if (cut.at != 0 || cut.n_bytes != 8 * N_UNITS || cut.has_more)
		require_model(lab, d, &cut, end == SL_REPLAY_SENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	// A table forgets after 2 s, less a tick of 250 ms.
	static const uint64_t waits_ns[] = {100 * SL_NS_PER_MS, 1 * SL_NS_PER_S,
	                                    1750 * SL_NS_PER_MS, 2 * SL_NS_PER_S};
	struct fuzz_input in = {bytes, bytes + n_bytes};
	struct lab lab = {0};

	lab_start(&lab);
	for (uint32_t i = 0; i < MAX_STEPS && fuzz_left(&in) > 0; i++) {
		uint8_t which = fuzz_u8(&in), part = fuzz_u8(&in);

		if (which >= 0xf8)
			lab.now_ns += waits_ns[part % 4];
		else
			give_part(&lab, which % N_DATAGRAMS, part);
	}
	FUZZ_REQUIRE(sl_replay_is_sound(lab.replay));
	sl_replay_free(lab.replay);
	return 0;
}
