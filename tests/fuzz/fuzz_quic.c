// SPDX-License-Identifier: Apache-2.0
// Target: QUIC connection ids, from the configuration to the port a datagram leaves by. Bytes
// become configurations (up to two live, replaced while flows go on), draining backends, and
// datagrams of two kinds: any payload, and an id made here for one of the servers.
//
// What must hold: nothing is read past a payload; a datagram is never dropped for its id while the
// pool has a backend; an id of a live configuration leads to its server, drained or not.
#include <netinet/in.h>

#include "body.h"
#include "fuzz.h"
#include "packets.h"
#include "quic.h"
#include "replay.h"
#include "sluice/units.h"

#define N_SERVERS  3
#define MAX_STEPS  80
#define MAX_BUILDS 3 // of snapshots: each costs as much as all packets

static const uint8_t our_macs[2][6] = {{2, 0x53, 0x4c, 0, 0, 0}, {2, 0x53, 0x4c, 0, 0, 1}};
static const uint8_t peer_mac[6] = {2, 0xee, 0, 0, 0, 1};

struct lab {
	struct sl_replay *replay;
	struct sl_body_pool pool;
	bool is_v6;
	uint64_t now_ns, epoch;
	uint16_t next_port;
	uint32_t n_builds;
	uint64_t backend_id; // of the packet told last
};

static void told(void *ctx, const struct sl_replay_record *record, const uint8_t *frame,
                 uint32_t n_bytes)
{
	(void)frame, (void)n_bytes;
	if (record->n != 0)
		((struct lab *)ctx)->backend_id = record->backend_id;
}

static void configure(struct lab *lab)
{
	const struct sl_body_vip vip = {.address = lab->is_v6 ? "2001:db8:3::1" : "192.0.2.1",
	                                .port_first = 443,
	                                .port_last = 443,
	                                .proto = IPPROTO_UDP,
	                                .affinity = SL_AFFINITY_QUIC_CID};
	const struct sl_body_spec spec = {++lab->epoch, lab->epoch, &vip, 1, &lab->pool, 1};
	struct sl_wire_header *body = sl_body_config(&spec);
	char reason[SL_REPLAY_REASON_BYTES] = "";

	lab->n_builds++;
	if (sl_replay_apply(lab->replay, body, body->total_bytes, reason) != SL_IPC_OK) {
		fprintf(stderr, "%s\n", reason);
		abort();
	}
	free(body);
}

// Two configurations of one length of server ids, as wire.h wants them.
static void draw_config(struct lab *lab, struct fuzz_input *in)
{
	const uint8_t n_id = (uint8_t)(1 + fuzz_below(in, 15)), codepoint = fuzz_below(in, 7);

	lab->pool.n_quics = 1 + fuzz_below(in, 2);
	for (uint32_t i = 0; i < lab->pool.n_quics; i++) {
		const uint8_t most = (uint8_t)(SL_QUIC_PLAIN_BYTES - n_id);
		struct sl_wire_quic *quic = &lab->pool.quics[i];

		*quic = (struct sl_wire_quic){.codepoint = (uint8_t)((codepoint + i) % 7),
		                              .server_id_bytes = n_id,
		                              .has_key = fuzz_u8(in) & 1};
		quic->nonce_bytes = (uint8_t)(4 + fuzz_below(in, (uint8_t)(most - 3)));
		for (size_t k = 0; k < sizeof(quic->key) && quic->has_key; k++)
			quic->key[k] = fuzz_u8(in);
	}
}

static void lab_start(struct lab *lab, struct fuzz_input *in)
{
	static const char *const servers[2][N_SERVERS] = {
		{"10.0.0.11", "10.0.0.12", "10.0.0.13"},
		{"2001:db8:2::11", "2001:db8:2::12", "2001:db8:2::13"}};
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
	*lab = (struct lab){.is_v6 = fuzz_u8(in) & 1, .now_ns = params.start_ns, .next_port = 1024};
	config->n_workers = 1 + (lab->is_v6 ? 1 : 0);
	config->n_ports = 2;
	config->flows = 512;
	for (uint32_t p = 0; p < 2; p++) {
		struct sl_dp_port *port = &config->ports[p];
		static const char *const ips[2][2] = {{"198.51.100.254", "10.0.0.254"},
		                                      {"2001:db8:1::254", "2001:db8:2::254"}};

		port->kind = SL_DEVICE_AF_PACKET;
		port->n_addresses = 1;
		port->addresses[0] = (struct sl_prefix){.address = sl_packet_ip(ips[lab->is_v6][p]),
		                                        .bits = lab->is_v6 ? 64 : 24};
		snprintf(port->name, sizeof(port->name), "port%u", p);
	}
	lab->replay = sl_replay_new(&params, reason);
	FUZZ_REQUIRE(lab->replay != NULL);
	free(config);
	lab->pool = (struct sl_body_pool){.balance = SL_BALANCE_LEAST_CONNECTIONS,
	                                  .n_backends = N_SERVERS};
	for (uint32_t i = 0; i < N_SERVERS; i++) {
		struct sl_ip ip = sl_packet_ip(servers[lab->is_v6][i]);

		lab->pool.backends[i] =
			(struct sl_body_backend){servers[lab->is_v6][i], 8443, 1000};
		FUZZ_REQUIRE(sl_replay_add_neighbour(lab->replay, &ip, peer_mac) == 0);
	}
	draw_config(lab, in);
	configure(lab);
}

static enum sl_replay_end give(struct lab *lab, const uint8_t *payload, uint16_t n_bytes)
{
	struct sl_packet_spec spec = {
		.src = sl_packet_ip(lab->is_v6 ? "2001:db8:1::10" : "198.51.100.10"),
		.dst = sl_packet_ip(lab->is_v6 ? "2001:db8:3::1" : "192.0.2.1"),
		.proto = IPPROTO_UDP,
		.sport = lab->next_port++, // a new tuple each time: only the id can tell
		.dport = 443,
		.payload = payload,
		.payload_bytes = n_bytes};
	uint8_t whole[SL_PACKET_MAX_BYTES], *frame;
	enum sl_replay_end end;
	size_t n_frame;

	memcpy(spec.src_mac, peer_mac, 6);
	memcpy(spec.dst_mac, our_macs[0], 6);
	n_frame = sl_packet_build(whole, sizeof(whole), &spec);
	frame = fuzz_copy(whole, n_frame);
	lab->now_ns += SL_NS_PER_US;
	end = sl_replay_packet(lab->replay, frame, (uint32_t)n_frame, 0, lab->now_ns);
	free(frame);
	return end;
}

static bool has_capacity(const struct lab *lab)
{
	for (uint32_t i = 0; i < N_SERVERS; i++) {
		if (lab->pool.backends[i].weight_milli != 0)
			return true;
	}
	return false;
}

static void give_any(struct lab *lab, struct fuzz_input *in)
{
	size_t n_bytes = fuzz_u8(in) % 64;
	uint8_t *payload;
	enum sl_replay_end end;

	if (n_bytes > fuzz_left(in))
		n_bytes = fuzz_left(in);
	payload = fuzz_copy(in->at, n_bytes);
	in->at += n_bytes;
	end = give(lab, payload, (uint16_t)n_bytes);
	if (has_capacity(lab))
		FUZZ_REQUIRE(end == SL_REPLAY_SENT);
	free(payload);
}

// One pass of the draft's section 5.4.2, on halves that are counted in nibbles: to ^= AES(from).
struct half {
	uint8_t nibbles[20];
};

static void pass(const struct sl_aes *aes, struct half *to, const struct half *from, uint32_t n,
                 uint8_t number)
{
	// Even passes come from the right half, which is padded in front when its length is odd.
	const uint32_t pad_from = number % 2 == 0 ? n % 2 : 0, pad_to = number % 2 == 1 ? n % 2 : 0;
	uint8_t block[16] = {[14] = (uint8_t)n, [15] = number};

	for (uint32_t i = 0; i < n; i++)
		block[(i + pad_from) / 2] |=
			(uint8_t)(from->nibbles[i] << ((i + pad_from) % 2 == 0 ? 4 : 0));
	sl_aes_encrypt(aes, block, block);
	for (uint32_t i = 0; i < n; i++)
		to->nibbles[i] ^= block[(i + pad_to) / 2] >> ((i + pad_to) % 2 == 0 ? 4 : 0) & 15;
}

static void encrypt(const struct sl_wire_quic *quic, uint8_t *bytes)
{
	const uint32_t n =
		quic->server_id_bytes + quic->nonce_bytes; // octets, or nibbles of a half
	struct half left = {{0}}, right = {{0}};
	struct sl_aes aes;

	sl_aes_init(&aes, quic->key);
	if (n == 16) {
		sl_aes_encrypt(&aes, bytes, bytes);
		return;
	}
	for (uint32_t i = 0; i < 2 * n; i++)
		(i < n ? &left : &right)->nibbles[i % n] =
			bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15;
	pass(&aes, &right, &left, n, 1);
	pass(&aes, &left, &right, n, 2);
	pass(&aes, &right, &left, n, 3);
	pass(&aes, &left, &right, n, 4);
	memset(bytes, 0, n);
	for (uint32_t i = 0; i < 2 * n; i++)
		bytes[i / 2] |=
			(uint8_t)((i < n ? &left : &right)->nibbles[i % n] << (i % 2 == 0 ? 4 : 0));
}

// An id that server number k made, in a short or a long header.
static void give_made(struct lab *lab, struct fuzz_input *in)
{
	const uint8_t choice = fuzz_u8(in), k = choice % N_SERVERS;
	const struct sl_wire_quic *quic = &lab->pool.quics[(choice >> 2 & 1) % lab->pool.n_quics];
	const bool is_long = choice & 8;
	const uint32_t n_plain = quic->server_id_bytes + quic->nonce_bytes;
	uint8_t payload[64] = {0}, *cid = payload + (is_long ? 6 : 1);
	uint16_t n_bytes;

	payload[0] = is_long ? 0xc0 : 0x40;
	payload[5] = (uint8_t)(1 + n_plain); // overwritten under a short header
	memset(cid, 0, 1 + n_plain);
	cid[0] = (uint8_t)(quic->codepoint << 5 | (choice >> 4));
	cid[1] = (uint8_t)(N_SERVERS - k); // body.h numbers them n, .., 2, 1
	for (uint32_t i = 0; i < quic->nonce_bytes; i++)
		cid[1 + quic->server_id_bytes + i] = fuzz_u8(in);
	if (quic->has_key)
		encrypt(quic, cid + 1);
	n_bytes = (uint16_t)(cid - payload + 1 + n_plain + (choice >> 6));
	FUZZ_REQUIRE(give(lab, payload, n_bytes) == SL_REPLAY_SENT);
	FUZZ_REQUIRE(lab->backend_id == sl_body_backend_id(&lab->pool.backends[k]));
}

static void step(struct lab *lab, struct fuzz_input *in)
{
	const uint8_t op = fuzz_u8(in);

	if (op < 80) {
		give_any(lab, in);
	} else if (op < 230 || lab->n_builds == MAX_BUILDS) {
		give_made(lab, in);
	} else if (op < 243) {
		draw_config(lab, in);
		configure(lab);
	} else {
		lab->pool.backends[op % N_SERVERS].weight_milli = op & 4 ? 1000 : 0;
		configure(lab);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	struct fuzz_input in = {bytes, bytes + n_bytes};
	struct lab lab;

	lab_start(&lab, &in);
	for (uint32_t i = 0; i < MAX_STEPS && fuzz_left(&in) > 0; i++)
		step(&lab, &in);
	FUZZ_REQUIRE(sl_replay_is_sound(lab.replay));
	sl_replay_free(lab.replay);
	return 0;
}
