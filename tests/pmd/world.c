// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <check.h>
#include <netinet/in.h>

const uint8_t sl_world_gateway_mac[6] = {0x02, 0, 0, 0, 0, 0xfe};
const uint8_t sl_world_backend_macs[2][6] = {{0x02, 0, 0, 0, 1, 1}, {0x02, 0, 0, 0, 1, 2}};

const struct sl_world sl_worlds[WORLDS] = {
	{"198.51.100.7", "203.0.113.10", {"10.0.0.11", "10.0.0.12"}, "192.0.2.254", "10.0.0.1"},
	{"2001:db8:7::7",
         "2001:db8:ff::10",
         {"2001:db8:2::11", "2001:db8:2::12"},
         "2001:db8:1::fe",
         "2001:db8:2::1"},
};

void sl_world_forget(struct sl_rig *rig)
{
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
}

struct sl_rig *sl_world_start(const struct sl_world *w, enum sl_forward forward, uint32_t n_workers,
                              uint8_t proto)
{
	uint16_t port = forward == SL_FORWARD_DSR_L2 ? 0 : 8000;
	struct sl_body_pool pool = {
		.forward = (uint8_t)forward,
		.balance = SL_BALANCE_WEIGHTED,
		.n_backends = 2,
		.backends = {{w->backends[0], port, 1000}, {w->backends[1], port, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, proto, 0};
	struct sl_rig *rig = sl_rig_new(n_workers, 1024);

	sl_rig_configure(rig, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	sl_world_forget(rig);                 // announcements and questions about backends
	for (uint32_t i = 0; i < WORLDS; i++) // both: else the other one is asked for each second
		sl_rig_neighbour(rig, RIG_FRONT, sl_worlds[i].gateway, sl_world_gateway_mac);
	sl_rig_neighbour(rig, RIG_BACK, w->backends[0], sl_world_backend_macs[0]);
	sl_rig_neighbour(rig, RIG_BACK, w->backends[1], sl_world_backend_macs[1]);
	sl_world_forget(rig);
	return rig;
}

struct sl_packet_spec sl_world_request(const struct sl_world *w, uint8_t proto, uint16_t sport)
{
	struct sl_packet_spec spec = {.src = sl_packet_ip(w->client),
	                              .dst = sl_packet_ip(w->vip),
	                              .proto = proto,
	                              .sport = sport,
	                              .dport = 443,
	                              .tcp_flags = SL_TCP_SYN,
	                              .tcp_seq = 1000,
	                              .payload_bytes = proto == IPPROTO_UDP ? 33 : 0};

	memcpy(spec.src_mac, sl_world_gateway_mac, 6);
	return spec;
}

int sl_world_backend_of(const struct sl_rig_frame *frame)
{
	ck_assert_msg(frame->n_bytes != 0, "nothing left towards a backend");
	for (int b = 0; b < 2; b++) {
		if (memcmp(frame->bytes, sl_world_backend_macs[b], 6) == 0)
			return b;
	}
	ck_abort_msg("the frame goes to neither backend");
}

struct sl_rig_frame sl_world_send(struct sl_rig *rig, const struct sl_packet_spec *request,
                                  int *backend)
{
	struct sl_rig_frame frame;

	sl_rig_put_spec(rig, RIG_FRONT, request);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_BACK);
	*backend = sl_world_backend_of(&frame);
	return frame;
}

void sl_world_to_backend(const struct sl_rig *rig, struct sl_packet_spec *spec, int backend)
{
	memcpy(spec->src_mac, rig->a.ports.macs[RIG_BACK], 6);
	memcpy(spec->dst_mac, sl_world_backend_macs[backend], 6);
}

void sl_world_to_gateway(const struct sl_rig *rig, struct sl_packet_spec *spec)
{
	memcpy(spec->src_mac, rig->a.ports.macs[RIG_FRONT], 6);
	memcpy(spec->dst_mac, sl_world_gateway_mac, 6);
}

void sl_world_expect(const struct sl_rig_frame *got, const struct sl_packet_spec *spec)
{
	uint8_t want[SL_PACKET_MAX_BYTES];
	size_t n_want = sl_packet_build(want, sizeof(want), spec);

	ck_assert_uint_eq(got->n_bytes, n_want);
	ck_assert_mem_eq(got->bytes, want, n_want);
}
