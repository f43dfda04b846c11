// SPDX-License-Identifier: Apache-2.0
#include "plant.h"

#include "body.h"
#include "layout.h"
#include "packets.h"
#include "parse.h"
#include "plant_private.h"
#include "sluice/units.h"

// Four configurations with other backends leave no room for a fifth while flows remain.
#define PLANT_BACKENDS 32
#define PLANT_VIPS     16
#define PLANT_CLIENTS  32
#define START_NS       (1000 * SL_NS_PER_S)

const uint8_t plant_macs[2][6] = {{2, 0x53, 0x4c, 0, 0, 0}, {2, 0x53, 0x4c, 0, 0, 1}};

static struct sl_prefix prefix(const char *address, uint8_t bits)
{
	return (struct sl_prefix){.address = sl_packet_ip(address), .bits = bits};
}

static void fill_config(struct sl_dpconfig *c, const struct plant_params *params)
{
	*c = (struct sl_dpconfig){.n_workers = params->n_workers,
	                          .n_ports = 2,
	                          .n_routes = 2,
	                          .flows = params->n_flows};
	for (uint32_t p = 0; p < 2; p++) {
		struct sl_dp_port *port = &c->ports[p];

		port->kind = params->is_shared ? SL_DEVICE_AF_XDP : SL_DEVICE_AF_PACKET;
		port->mode = SL_PORT_SHARED;
		port->n_addresses = 2;
		snprintf(port->name, sizeof(port->name), p == 0 ? "clients" : "servers");
	}
	c->ports[0].addresses[0] = prefix("198.51.100.254", 24);
	c->ports[0].addresses[1] = prefix("2001:db8:1::254", 64);
	c->ports[1].addresses[0] = prefix("10.0.0.254", 24);
	c->ports[1].addresses[1] = prefix("2001:db8:2::254", 64);
	c->routes[0] = (struct sl_dp_route){prefix("0.0.0.0", 0), sl_packet_ip("198.51.100.253")};
	c->routes[1] = (struct sl_dp_route){prefix("::", 0), sl_packet_ip("2001:db8:1::253")};
}

// The checksum of a fragmented datagram stands in one part and covers all.
static bool is_part(const uint8_t *l3)
{
	if (l3[0] >> 4 == 6)
		return l3[SL_IPV6_OFF_NEXT] == IPPROTO_FRAGMENT;
	return (sl_load16_host(l3 + SL_IPV4_OFF_FRAG) & (SL_IPV4_FRAG_MASK | SL_IPV4_FRAG_MORE)) !=
	       0;
}

static void require_right_csums(const uint8_t *frame, uint32_t n_bytes)
{
	uint32_t type = sl_load16_host(frame + SL_ETH_OFF_TYPE);

	if (type != SL_ETHERTYPE_IPV4 && type != SL_ETHERTYPE_IPV6) // ARP, tags
		return;
	if (is_part(frame + SL_ETH_BYTES))
		return;
	if (sl_packet_csums_are_right(frame, n_bytes))
		return;
	for (uint32_t i = 0; i < n_bytes; i++)
		fprintf(stderr, "%02x", frame[i]);
	fprintf(stderr, " leaves with a wrong checksum\n");
	abort();
}

static bool is_question(const uint8_t *frame)
{
	uint32_t type = sl_load16_host(frame + SL_ETH_OFF_TYPE);

	return type == SL_ETHERTYPE_ARP
	               ? frame[21] == 1
	               : type == SL_ETHERTYPE_IPV6 && frame[20] == 58 && frame[54] == 135;
}

// No amplification: what is made because of a packet is one answer at most, and not longer. Frames
// as they are, but for the padding of short ones; questions to neighbours have their own limits.
static void require_no_more(struct plant *plant, const uint8_t *frame, uint32_t n_bytes)
{
	if (is_question(frame))
		return;
	FUZZ_REQUIRE(plant->n_answers++ == 0);
	FUZZ_REQUIRE(n_bytes <= (plant->given_bytes < 60 ? 60 : plant->given_bytes));
}

// What leaves is ours to answer for.
static void told(void *ctx, const struct sl_replay_record *record, const uint8_t *frame,
                 uint32_t n_bytes)
{
	struct plant *plant = ctx;
	struct plant_sent *sent;

	FUZZ_REQUIRE((frame != NULL) == (record->end == SL_REPLAY_SENT));
	FUZZ_REQUIRE((record->end != SL_REPLAY_DROPPED) || record->drop < SL_DROP_COUNT);
	if (frame == NULL)
		return;
	FUZZ_REQUIRE(record->out_port < 2 && n_bytes >= SL_ETH_BYTES);
	FUZZ_REQUIRE(memcmp(frame + 6, plant_macs[record->out_port], 6) == 0);
	if (plant->params.is_trusting)
		require_right_csums(frame, n_bytes);
	if (record->n == 0)
		require_no_more(plant, frame, n_bytes);
	if (n_bytes > sizeof(sent->frame))
		return;
	if (record->n != 0)
		sent = &plant->sent[plant->next_sent++ % PLANT_SENT];
	else if (plant->n_asked < PLANT_ASKED)
		sent = &plant->asked[plant->n_asked++];
	else
		return;
	sent->port = record->out_port;
	sent->n_bytes = n_bytes;
	memcpy(sent->frame, frame, n_bytes);
}

// What a configuration is like, beside its pools; a byte of the input.
enum extra {
	EXTRA_AFFINITY = 3, // enum sl_affinity
	EXTRA_VIP_FLOWS = 4,
	EXTRA_VIP_RATE = 8,
	EXTRA_SOURCE_RATE = 16,
	EXTRA_DENY = 32,
	EXTRA_TUNNELS = 64,  // instead of dsr-l2
	EXTRA_PERSIST = 128, // with affinity source
};

// Pool p forwards as p % 3 says, over IPv4 for the first three. Backends and their choice by
// variant: under fullnat they may be of both families.
static struct sl_body_pool make_pool(uint32_t p, uint16_t variant, uint8_t extra)
{
	static const char *const backends[2][4] = {
		{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.9.9.9"}, // the last is behind the gateway
		{"2001:db8:2::1", "2001:db8:2::2", "2001:db8:2::3", "2001:db8:99::9"}};
	struct sl_body_pool pool = {.forward = (uint8_t)(p % 3),
	                            .balance = (uint8_t)((variant + p) % SL_BALANCE_COUNT),
	                            .limit_flows = variant & 0x100 ? 2 : 0,
	                            .n_backends = 1 + (variant >> 2) % 4};
	const bool is_mixed = pool.forward == SL_FORWARD_FULLNAT && (variant & 2);

	for (uint32_t b = 0; b < pool.n_backends; b++)
		pool.backends[b] = (struct sl_body_backend){
			.address = backends[is_mixed && b % 2 ? 1 - p / 3 : p / 3]
					   [(b + (variant >> 6)) % 4],
			.port = p % 3 == SL_FORWARD_DSR_L2 ? 0 : (uint16_t)(8000 + p),
			.weight_milli = variant >> (9 + b) & 1 ? 0 : 1000 * (1 + b)};
	if (pool.forward == SL_FORWARD_DSR_L2 && (extra & EXTRA_TUNNELS))
		pool.forward = variant & 1 ? SL_FORWARD_DSR_IPIP : SL_FORWARD_DSR_GUE;
	return pool;
}

static struct sl_body_vip make_vip(const char *address, uint32_t row, uint8_t extra)
{
	const bool is_v6 = strchr(address, ':') != NULL;
	struct sl_body_vip vip = {.address = address, .pool = row / 2};

	vip.proto = row % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	vip.port_first = row % 2 == 0 ? 80 : 0;
	vip.port_last = row % 2 == 0 ? 90 : UINT16_MAX;
	vip.affinity = extra & EXTRA_AFFINITY;
	if (vip.affinity == SL_AFFINITY_QUIC_CID && vip.proto == IPPROTO_TCP)
		vip.affinity = SL_AFFINITY_SOURCE;
	vip.limit_flows = extra & EXTRA_VIP_FLOWS ? 20 : 0;
	vip.limit_new_flows_per_s = extra & EXTRA_VIP_RATE ? 1000 : 0;
	vip.source_new_flows_per_s = extra & EXTRA_SOURCE_RATE ? 100 : 0;
	if ((extra & EXTRA_PERSIST) && vip.affinity == SL_AFFINITY_SOURCE) {
		vip.persist_s = 60;
		vip.persist_bits = is_v6 ? 128 : 32;
	}
	if (extra & EXTRA_DENY)
		vip.deny = is_v6 ? "2001:db8:77::/48" : "203.0.113.0/28";
	return vip;
}

static struct sl_wire_header *make_body(const struct plant *plant, uint16_t variant, uint8_t extra)
{
	static const char *const vips[PLANT_POOLS] = {"192.0.2.1",     "192.0.2.2",
	                                              "192.0.2.3",     "2001:db8:3::1",
	                                              "2001:db8:3::2", "2001:db8:3::3"};
	struct sl_body_pool pools[PLANT_POOLS];
	struct sl_body_vip rows[2 * PLANT_POOLS];
	uint32_t n_pools = plant->params.n_pools;

	for (uint32_t i = 0; i < n_pools; i++) {
		uint32_t p = (i + (variant >> 4)) % PLANT_POOLS;

		pools[i] = make_pool(p, variant, extra);
		rows[2 * i] = make_vip(vips[p], 2 * i, extra);
		rows[2 * i + 1] = make_vip(vips[p], 2 * i + 1, extra);
		if ((variant & 0x8000) && !sl_forward_is_dsr(pools[i].forward))
			rows[2 * i].syn_cookies =
				(uint8_t)(SL_SYN_COOKIES_AUTO + (variant + i) % 2);
	}
	return sl_body_config(
		&(struct sl_body_spec){.generation = plant->epoch,
	                               .epoch = plant->epoch,
	                               .vips = rows,
	                               .n_vips = 2 * n_pools - (variant & 0x2000 ? 1 : 0),
	                               .pools = pools,
	                               .n_pools = n_pools});
}

static void apply_config(struct plant *plant, uint16_t variant, uint8_t extra)
{
	struct sl_wire_header *body;
	enum sl_ipc_status status;
	char reason[SL_REPLAY_REASON_BYTES] = "";

	plant->epoch++;
	if (plant->params.is_trusting)
		extra &= (uint8_t)~EXTRA_TUNNELS; // outer headers have their own rules
	body = make_body(plant, variant, extra);
	status = sl_replay_apply(plant->replay, body, body->total_bytes, reason);
	FUZZ_REQUIRE(status == SL_IPC_OK || status == SL_IPC_NO_SPACE);
	if (status == SL_IPC_OK)
		plant->generation = plant->epoch;
	free(body);
}

struct plant *plant_new(const struct plant_params *params)
{
	struct plant *plant = calloc(1, sizeof(*plant));
	struct sl_dpconfig *config = malloc(sizeof(*config));
	struct sl_replay_params replay = {.config = config,
	                                  .macs = plant_macs,
	                                  .max_backends = PLANT_BACKENDS,
	                                  .max_vips = PLANT_VIPS,
	                                  .max_clients = PLANT_CLIENTS,
	                                  .headroom_bytes = PLANT_HEADROOM,
	                                  .seed = params->seed,
	                                  .start_ns = START_NS,
	                                  .told = told,
	                                  .told_ctx = plant};
	char reason[SL_REPLAY_REASON_BYTES] = "";

	FUZZ_REQUIRE(plant != NULL && config != NULL);
	fill_config(config, params);
	plant->params = *params;
	plant->now_ns = START_NS;
	plant->replay = sl_replay_new(&replay, reason);
	FUZZ_REQUIRE(plant->replay != NULL);
	free(config);
	if (params->is_configured)
		apply_config(plant, 0, 0);
	return plant;
}

// Weights for the first nat pool's first backend; it need not be configured now.
static void apply_weights(struct plant *plant, uint8_t weight)
{
	struct sl_body_backend row = {"10.0.0.1", 8000, (uint32_t)weight * 1000};
	struct sl_wire_header *body = sl_body_weights(plant->generation, plant->epoch + 1, &row, 1);
	char reason[SL_REPLAY_REASON_BYTES] = "";

	if (sl_replay_apply(plant->replay, body, body->total_bytes, reason) == SL_IPC_OK)
		plant->epoch++;
	free(body);
}

// A body of the input's bytes: whatever it is, refused or applied, the plant must go on.
static void apply_garbage(struct plant *plant, struct fuzz_input *in)
{
	size_t n_bytes = fuzz_u8(in);
	char reason[SL_REPLAY_REASON_BYTES] = "";
	uint8_t *body;

	if (n_bytes > fuzz_left(in))
		n_bytes = fuzz_left(in);
	body = fuzz_copy(in->at, n_bytes);
	in->at += n_bytes;
	// The plant's own epochs go on above it.
	if (n_bytes >= sizeof(struct sl_wire_header))
		((struct sl_wire_header *)(void *)body)->epoch &= UINT32_MAX;
	if (sl_replay_apply(plant->replay, body, n_bytes, reason) == SL_IPC_OK) {
		plant->epoch = ((struct sl_wire_header *)(void *)body)->epoch;
		plant->generation = ((struct sl_wire_header *)(void *)body)->generation;
	}
	free(body);
}

static uint64_t step_ns(uint8_t choice)
{
	static const uint64_t short_ns[] = {1 * SL_NS_PER_US, 1 * SL_NS_PER_MS, 20 * SL_NS_PER_MS,
	                                    250 * SL_NS_PER_MS};
	static const uint64_t long_ns[] = {1 * SL_NS_PER_S,   4 * SL_NS_PER_S,   11 * SL_NS_PER_S,
	                                   31 * SL_NS_PER_S,  301 * SL_NS_PER_S, 700 * SL_NS_PER_S,
	                                   7500 * SL_NS_PER_S};

	return choice < 224 ? short_ns[choice % 4] : long_ns[choice % 7];
}

static void pass(struct plant *plant, uint64_t ns, struct fuzz_input *in)
{
	plant->now_ns += ns;
	sl_replay_advance(plant->replay, plant->now_ns);
	if (fuzz_u8(in) % 4 != 0)
		plant_answer_questions(plant);
}

void plant_wait(struct plant *plant, struct fuzz_input *in)
{
	uint8_t choice = fuzz_u8(in);

	pass(plant, step_ns(choice), in);
}

void plant_wait_shortly(struct plant *plant, struct fuzz_input *in)
{
	uint8_t choice = fuzz_u8(in);

	pass(plant, step_ns(choice & 127), in);
}

void plant_configure(struct plant *plant, struct fuzz_input *in)
{
	uint8_t op = fuzz_u8(in), extra = fuzz_u8(in);

	plant->n_builds++;
	if (op < 128)
		apply_config(plant, fuzz_u16(in), extra);
	else if (op < 208)
		apply_weights(plant, fuzz_u8(in));
	else
		apply_garbage(plant, in);
}

void plant_step(struct plant *plant, struct fuzz_input *in)
{
	uint8_t op = fuzz_u8(in);

	if (op >= 246 && plant->n_builds < plant->params.max_builds)
		plant_configure(plant, in);
	else if (op >= 232)
		plant_wait(plant, in);
	else
		plant_packet(plant, in);
}

void plant_require_sound(const struct plant *plant)
{
	FUZZ_REQUIRE(sl_replay_is_sound(plant->replay));
	FUZZ_REQUIRE(sl_replay_counts(plant->replay).in_pkts == plant->n_given);
}

struct sl_replay_counts plant_counts(const struct plant *plant)
{
	return sl_replay_counts(plant->replay);
}

void plant_free(struct plant *plant)
{
	sl_replay_free(plant->replay);
	free(plant);
}
