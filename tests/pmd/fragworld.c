// SPDX-License-Identifier: Apache-2.0
#include "fragworld.h"

#include <check.h>
#include <netinet/in.h>

#include "layout.h"

const uint8_t world_gateway_mac[6] = {0x02, 0, 0, 0, 0, 0xfe};
const uint8_t world_backend_macs[2][6] = {{0x02, 0, 0, 0, 1, 1}, {0x02, 0, 0, 0, 1, 2}};

const struct world worlds[WORLDS] = {
	{"198.51.100.7",
         "203.0.113.10",
         {"10.0.0.11", "10.0.0.12"},
         "192.0.2.254",
         "192.0.2.1",
         "10.0.0.1",
         "10.0.0.200"},
	{"2001:db8:7::7",
         "2001:db8:ff::10",
         {"2001:db8:2::11", "2001:db8:2::12"},
         "2001:db8:1::fe",
         "2001:db8:1::1",
         "2001:db8:2::1",
         "2001:db8:2::c8"},
};

static void drain(struct sl_rig *rig)
{
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
}

struct sl_rig *world_start(const struct world *w, enum sl_forward forward, uint32_t n_workers,
                           uint8_t proto)
{
	uint16_t port = forward == SL_FORWARD_DSR_L2 ? 0 : 8000;
	struct sl_body_pool pool = {
		.forward = (uint8_t)forward,
		.balance = SL_BALANCE_WEIGHTED,
		.n_backends = 2,
		.backends = {{w->backends[0], port, 1000}, {w->backends[1], port, 1000}}};
	struct sl_body_vip vip = {w->vip, 443, 443, proto, 0};
	struct sl_body_spec spec = {1, 1, &vip, 1, &pool, 1};
	struct sl_rig *rig = sl_rig_new(n_workers, 1024);

	sl_rig_configure(rig, &spec);
	drain(rig);
	for (uint32_t i = 0; i < WORLDS; i++) // both: else the other one is asked for each second
		sl_rig_neighbour(rig, RIG_FRONT, worlds[i].gateway, world_gateway_mac);
	sl_rig_neighbour(rig, RIG_BACK, w->backends[0], world_backend_macs[0]);
	sl_rig_neighbour(rig, RIG_BACK, w->backends[1], world_backend_macs[1]);
	drain(rig);
	return rig;
}

struct sl_packet_spec world_request(const struct world *w, uint8_t proto, uint16_t sport)
{
	struct sl_packet_spec spec = {.src = sl_packet_ip(w->client),
	                              .dst = sl_packet_ip(w->vip),
	                              .proto = proto,
	                              .sport = sport,
	                              .dport = 443,
	                              .tcp_flags = SL_TCP_SYN,
	                              .tcp_seq = 1000,
	                              .payload_bytes = proto == IPPROTO_UDP ? 33 : 0};

	memcpy(spec.src_mac, world_gateway_mac, 6);
	return spec;
}

static int backend_of(const struct sl_rig_frame *frame)
{
	for (int b = 0; b < 2; b++) {
		if (memcmp(frame->bytes, world_backend_macs[b], 6) == 0)
			return b;
	}
	return -1;
}

// What the frame at the back says: who it is from, and to which port.
static void read_request_out(struct sl_packet_spec *out, const struct sl_rig_frame *frame)
{
	const uint8_t *l3 = frame->bytes + SL_ETH_BYTES;
	const bool is_v6 = l3[0] >> 4 == 6;
	const uint8_t *l4 = l3 + (is_v6 ? SL_IPV6_BYTES : SL_IPV4_BYTES);

	if (is_v6) {
		memcpy(out->src.bytes, l3 + SL_IPV6_OFF_SRC, 16);
		memcpy(out->dst.bytes, l3 + SL_IPV6_OFF_DST, 16);
	} else {
		out->src = sl_ip_from_v4(sl_load32(l3 + SL_IPV4_OFF_SRC));
		out->dst = sl_ip_from_v4(sl_load32(l3 + SL_IPV4_OFF_DST));
	}
	out->sport = sl_load16_host(l4);
	out->dport = sl_load16_host(l4 + 2);
	out->ttl = l3[is_v6 ? SL_IPV6_OFF_HOPS : SL_IPV4_OFF_TTL];
	memcpy(out->dst_mac, frame->bytes, 6);
	memcpy(out->src_mac, frame->bytes + 6, 6);
}

struct world_flow world_make_flow(struct sl_rig *rig, const struct world *w,
                                  const struct sl_packet_spec *request)
{
	struct world_flow flow = {.request = *request, .request_out = *request};
	struct sl_rig_frame frame;

	sl_rig_put_spec(rig, RIG_FRONT, request);
	sl_rig_turn(rig);
	frame = sl_rig_take(rig, RIG_BACK);
	ck_assert_msg(frame.n_bytes != 0, "the request was not forwarded");
	flow.backend = backend_of(&frame);
	ck_assert_int_ge(flow.backend, 0);
	read_request_out(&flow.request_out, &frame);
	flow.reply = *request;
	flow.reply.tcp_flags = SL_TCP_SYN | SL_TCP_ACK;
	flow.reply_out = flow.reply;
	flow.reply.src = sl_packet_ip(w->backends[flow.backend]);
	flow.reply.dst = flow.request_out.src;
	flow.reply.sport = 8000;
	flow.reply.dport = flow.request_out.sport;
	memcpy(flow.reply.src_mac, world_backend_macs[flow.backend], 6);
	flow.reply_out.src = request->dst;
	flow.reply_out.dst = request->src;
	flow.reply_out.sport = request->dport;
	flow.reply_out.dport = request->sport;
	flow.reply_out.ttl = 63;
	memcpy(flow.reply_out.src_mac, rig->a.ports.macs[RIG_FRONT], 6);
	memcpy(flow.reply_out.dst_mac, world_gateway_mac, 6);
	return flow;
}
