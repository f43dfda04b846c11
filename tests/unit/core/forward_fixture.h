// SPDX-License-Identifier: Apache-2.0
// Forwarders of one appliance without DPDK: 1..16 workers over one snapshot, one neighbour table
// and routes, as the io layer sets them up.
//
// Layout: port 0 "front" 192.0.2.1/24 2001:db8:1::1/64, port 1 "back" 10.0.0.1/24
//         2001:db8:2::1/64, default routes via 192.0.2.254 and 2001:db8:1::fe.
#ifndef SLUICE_TESTS_FORWARD_FIXTURE_H
#define SLUICE_TESTS_FORWARD_FIXTURE_H

#include "sl_check.h"

#include <netinet/in.h>

#include "body.h"
#include "forward.h"
#include "packets.h"
#include "wirecheck.h"

#define LAB_FLOWS    1024
#define LAB_BACKENDS 64
#define LAB_VIPS     16
#define LAB_HEADROOM 128  // as DPDK's buffers have
#define LAB_CLIENTS  1024 // remembered

enum { LAB_FRONT, LAB_BACK, LAB_PORTS };

static const uint8_t lab_port_macs[LAB_PORTS][6] = {{2, 0, 0, 0, 0, 0xf0}, {2, 0, 0, 0, 0, 0xb0}};

struct lab_worker {
	struct sl_forwarder fw;
	void *flow_memory, *port_memory;
	uint32_t own_load[LAB_BACKENDS], entries[LAB_BACKENDS], others_load[LAB_BACKENDS];
	uint32_t own_vip_load[LAB_VIPS], others_vip_load[LAB_VIPS];
	struct sl_measure measure;
	struct sl_phase_flow phases[LAB_FLOWS];
	uint32_t own_units[LAB_BACKENDS], others_units[LAB_BACKENDS];
	struct sl_stats_latency latency[LAB_BACKENDS];
	struct sl_stats_worker stats;
	struct sl_stats_backend backend_stats[LAB_BACKENDS];
	struct sl_stats_vip vip_stats[LAB_VIPS];
	struct sl_stats_local_ports port_stats[LAB_BACKENDS];
};

struct lab {
	uint32_t n_workers;
	uint64_t now_ns;
	struct lab_worker *workers[SL_MAX_WORKERS];
	struct sl_route_table routes;
	struct sl_neigh_table neighs;
	struct sl_neigh *rows;
	_Atomic uint32_t *index;
	struct sl_limits *limits;
	struct sl_persist *persist;
	struct sl_snapshot *snap;
	uint8_t frame[LAB_HEADROOM + SL_PACKET_MAX_BYTES]; // of the packet that was sent last
	struct sl_pkt pkt;
	uint16_t headroom; // of packets; LAB_HEADROOM unless a test wants less
};

static inline struct sl_prefix lab_prefix(const char *address, uint8_t bits)
{
	return (struct sl_prefix){.address = sl_packet_ip(address), .bits = bits};
}

static inline void lab_fill_routes(struct lab *lab)
{
	struct sl_dpconfig *c = calloc(1, sizeof(*c));
	uint32_t bad;

	c->n_ports = LAB_PORTS;
	for (uint32_t p = 0; p < LAB_PORTS; p++)
		c->ports[p].n_addresses = 2;
	c->ports[LAB_FRONT].addresses[0] = lab_prefix("192.0.2.1", 24);
	c->ports[LAB_FRONT].addresses[1] = lab_prefix("2001:db8:1::1", 64);
	c->ports[LAB_BACK].addresses[0] = lab_prefix("10.0.0.1", 24);
	c->ports[LAB_BACK].addresses[1] = lab_prefix("2001:db8:2::1", 64);
	c->n_routes = 2;
	c->routes[0].to = lab_prefix("0.0.0.0", 0);
	c->routes[0].via = sl_packet_ip("192.0.2.254");
	c->routes[1].to = lab_prefix("::", 0);
	c->routes[1].via = sl_packet_ip("2001:db8:1::fe");
	ck_assert_int_eq(sl_route_build(&lab->routes, c, &bad), 0);
	free(c);
}

static inline struct lab_worker *lab_worker_new(struct lab *lab, uint32_t index)
{
	struct sl_flow_params params = {.n_flows = LAB_FLOWS, .key = {index + 1, 77}, .now = 1000};
	struct lab_worker *w = aligned_alloc(64, (sizeof(*w) + 63) & ~(size_t)63);
	size_t n_bytes = (sl_flow_table_bytes(LAB_FLOWS) + 63) & ~(size_t)63;

	const struct sl_localport_params port_params = sl_localport_params_of(
		LAB_FLOWS, LAB_BACKENDS, sl_forward_lanes(index, lab->n_workers), 42 + index);
	size_t port_bytes = (sl_localport_bytes(&port_params) + 63) & ~(size_t)63;

	memset(w, 0, sizeof(*w));
	w->port_memory = aligned_alloc(64, port_bytes);
	w->flow_memory = aligned_alloc(64, n_bytes);
	memset(w->flow_memory, 0, n_bytes);
	w->fw = (struct sl_forwarder){
		.worker = index,
		.n_workers = lab->n_workers,
		.flows = sl_flow_table_init(w->flow_memory, n_bytes, &params),
		.local_ports = sl_localport_init(w->port_memory, port_bytes, &port_params),
		.routes = &lab->routes,
		.neighs = &lab->neighs,
		.others_load = w->others_load,
		.own_load = w->own_load,
		.own_vip_load = w->own_vip_load,
		.others_units = w->others_units,
		.others_vip_load = w->others_vip_load,
		.limits = lab->limits,
		.persist = lab->persist,
		.entries = w->entries,
		.measure = &w->measure,
		.stats = &w->stats,
		.backend_stats = w->backend_stats,
		.vip_stats = w->vip_stats,
		.port_stats = w->port_stats,
		.port_macs = lab_port_macs,
		.steer_seed = 42,
		.now = params.now};
	ck_assert_ptr_nonnull(w->fw.flows);
	ck_assert_ptr_nonnull(w->fw.local_ports);
	w->measure = (struct sl_measure){.table = w->fw.flows,
	                                 .flows = w->phases,
	                                 .own_units = w->own_units,
	                                 .latency = w->latency};
	sl_forward_init(&w->fw);
	sl_flow_table_on_gone(w->fw.flows, sl_forward_flow_gone, &w->fw);
	return w;
}

// A pinned neighbour that has answered; its MAC ends in the last byte of its address.
static inline uint16_t lab_neighbour(struct lab *lab, const struct sl_ip *ip)
{
	uint8_t mac[6] = {2, 1, 1, 1, 1, ip->bytes[15]};
	struct sl_ip hop;
	const struct sl_route *route = sl_route_find(&lab->routes, ip, &hop);
	uint16_t row;

	if (route == NULL)
		return SL_NEIGH_NONE;
	mac[5] = hop.bytes[15];
	row = sl_neigh_want(&lab->neighs, &hop, route->port, true, lab->now_ns);
	sl_neigh_learn(&lab->neighs, &hop, route->port, mac, true, lab->now_ns);
	return row;
}

static inline struct lab *lab_new(uint32_t n_workers)
{
	struct sl_ip outside[2] = {sl_packet_ip("198.51.100.1"), sl_packet_ip("2001:db8:7::1")};
	struct lab *lab = calloc(1, sizeof(*lab));

	lab->n_workers = n_workers;
	lab->headroom = LAB_HEADROOM;
	lab->now_ns = 1000 * SL_FLOW_TICK_NS;
	lab->rows = calloc(SL_NEIGH_MAX, sizeof(*lab->rows));
	lab->index = calloc(SL_NEIGH_INDEX_SLOTS, sizeof(*lab->index));
	sl_neigh_init(&lab->neighs, lab->rows, lab->index, 5);
	lab->limits = aligned_alloc(64, sizeof(*lab->limits));
	memset(lab->limits, 0, sizeof(*lab->limits));
	lab->persist = aligned_alloc(64, sl_persist_bytes(LAB_CLIENTS));
	memset(lab->persist, 0, sl_persist_bytes(LAB_CLIENTS));
	sl_persist_init(lab->persist, LAB_CLIENTS, &(struct sl_hash_key){6, 7});
	lab_fill_routes(lab);
	for (uint32_t w = 0; w < n_workers; w++)
		lab->workers[w] = lab_worker_new(lab, w);
	for (uint32_t i = 0; i < 2; i++) // the gateways
		sl_neigh_make_gateway(&lab->neighs, lab_neighbour(lab, &outside[i]));
	return lab;
}

static inline void lab_free(struct lab *lab)
{
	for (uint32_t w = 0; w < lab->n_workers; w++) {
		ck_assert(sl_flow_table_is_sound(lab->workers[w]->fw.flows));
		free(lab->workers[w]->flow_memory);
		free(lab->workers[w]->port_memory);
		free(lab->workers[w]);
	}
	sl_snapshot_free(lab->snap);
	free(lab->limits);
	free(lab->persist);
	free(lab->rows);
	free((void *)lab->index);
	free(lab);
}

// Backend row i gets index first_index + i, so that a test can "remove" backends by moving on.
static inline void lab_configure_at(struct lab *lab, const struct sl_body_spec *spec,
                                    uint16_t first_index)
{
	struct sl_wire_header *body = sl_body_config(spec);
	uint16_t indices[LAB_BACKENDS], generations[LAB_BACKENDS] = {0}, hops[LAB_BACKENDS];
	uint16_t slots[LAB_VIPS];
	struct sl_snap_inputs in = {.config = body,
	                            .backend_indices = indices,
	                            .backend_generations = generations,
	                            .vip_slots = slots,
	                            .next_hops = hops,
	                            .routes = &lab->routes,
	                            .epoch = spec->epoch,
	                            .maglev_key = {3, 4}};

	ck_assert_uint_le(first_index + body->n_backends, LAB_BACKENDS);
	for (uint16_t i = 0; i < body->n_backends; i++) {
		indices[i] = (uint16_t)(first_index + i);
		hops[i] = lab_neighbour(lab, &sl_wire_backends(body)[i].address);
	}
	for (uint16_t i = 0; i < body->n_vips; i++)
		slots[i] = i;
	sl_snapshot_free(lab->snap);
	lab->snap = sl_snapshot_build(&in);
	ck_assert_ptr_nonnull(lab->snap);
	for (uint32_t w = 0; w < lab->n_workers; w++)
		lab->workers[w]->fw.snap = lab->snap;
	free(body);
}

static inline void lab_configure(struct lab *lab, const struct sl_body_spec *spec)
{
	lab_configure_at(lab, spec, 0);
}

// One packet through the worker that receives it and the one that owns it; the decision is in
// lab->pkt, which points at the bytes. Returns the verdict.
static inline enum sl_verdict lab_send(struct lab *lab, uint16_t port,
                                       const struct sl_packet_spec *spec)
{
	struct sl_packet_spec to_us = *spec;
	struct sl_pkt *pkt = &lab->pkt;
	uint32_t receiver = 0;

	memcpy(to_us.dst_mac, lab_port_macs[port], 6);
	memset(pkt, 0, sizeof(*pkt));
	pkt->data = lab->frame + LAB_HEADROOM;
	pkt->headroom = lab->headroom;
	pkt->len = (uint32_t)sl_packet_build(pkt->data, SL_PACKET_MAX_BYTES, &to_us);
	pkt->in_port = port;
	sl_forward_classify(&lab->workers[receiver]->fw, pkt);
	if (pkt->verdict == SL_VERDICT_HANDOFF)
		receiver = pkt->owner;
	else if (pkt->verdict != SL_VERDICT_DECIDE)
		return (enum sl_verdict)pkt->verdict;
	sl_forward_burst(&lab->workers[receiver]->fw, &pkt, 1);
	return (enum sl_verdict)pkt->verdict;
}

// The reason of a packet that must be dropped.
static inline enum sl_drop lab_drop(struct lab *lab, uint16_t port,
                                    const struct sl_packet_spec *spec)
{
	enum sl_verdict verdict = lab_send(lab, port, spec);

	// What the main core answers with an ICMP error ends there, under the same name.
	ck_assert(verdict == SL_VERDICT_DROP ||
	          (verdict == SL_VERDICT_SLOW && lab->pkt.wants_error));
	return (enum sl_drop)lab->pkt.drop;
}

static inline struct sl_packet_spec lab_packet(const char *src, const char *dst, uint16_t sport,
                                               uint16_t dport)
{
	return (struct sl_packet_spec){.src = sl_packet_ip(src),
	                               .dst = sl_packet_ip(dst),
	                               .proto = IPPROTO_TCP,
	                               .sport = sport,
	                               .dport = dport,
	                               .tcp_flags = SL_TCP_SYN,
	                               .tcp_seq = 1000};
}

// What the backend answers to the packet that was just sent to it.
static inline struct sl_packet_spec lab_answer(const struct lab *lab, uint8_t flags)
{
	const struct sl_tuple *t = &lab->pkt.tuple;

	return (struct sl_packet_spec){.src = t->dst,
	                               .dst = t->src,
	                               .proto = t->proto,
	                               .sport = ntohs(t->dport_be),
	                               .dport = ntohs(t->sport_be),
	                               .tcp_flags = flags,
	                               .payload_bytes = t->proto == IPPROTO_UDP ? 9 : 0};
}

static inline uint32_t lab_flows(const struct lab *lab)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < lab->n_workers; w++)
		n += sl_flow_count(lab->workers[w]->fw.flows);
	return n;
}

#endif
