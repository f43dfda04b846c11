// SPDX-License-Identifier: Apache-2.0
// Connections through a pool whose backends are told who the client is, of either family, on the
// forwarders of forward_fixture.h.
#ifndef SLUICE_TESTS_SPLICE_FIXTURE_H
#define SLUICE_TESTS_SPLICE_FIXTURE_H

#include "forward_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ISN      1000u
#define MTU      1500
#define ACK      SL_TCP_ACK
#define RST      SL_TCP_RST
#define FIN      SL_TCP_FIN
#define SYN      SL_TCP_SYN
#define MSS(n)   2, 4, (n) >> 8, (n)&0xff
#define N        1 // NOP

// Of one family each: a connection through a pool.
static const struct path {
	const char *name, *client, *vip, *backend;
} paths[] = {
	{"IPv4", "198.51.100.7", "203.0.113.10", "10.0.0.11"},
	{"IPv6", "2001:db8:7::7", "2001:db8:ff::10", "2001:db8:2::11"},
};

static inline struct lab *lab_of(const struct path *path, const struct sl_body_pool *shape)
{
	const struct sl_body_vip vip = {path->vip, 443, 443, IPPROTO_TCP, 0};
	struct sl_body_pool pool = *shape;
	struct lab *lab = lab_new(1);

	for (uint32_t i = 0; i < lab->routes.n_routes; i++)
		lab->routes.routes[i].mtu_bytes = MTU;
	pool.n_backends = 1;
	pool.backends[0] = (struct sl_body_backend){path->backend, 8000, 1000};
	lab_configure(lab, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	return lab;
}

// From the client, and what its backend says: numbers as the speaker counts them.
static inline struct sl_packet_spec from_client(const struct path *path, uint8_t flags,
                                                uint32_t seq, uint32_t ack)
{
	struct sl_packet_spec in = lab_packet(path->client, path->vip, 40000, 443);

	in.tcp_flags = flags;
	in.tcp_seq = seq;
	in.tcp_ack = ack;
	return in;
}

static inline struct sl_packet_spec from_backend(const struct sl_tuple *s2c, uint8_t flags,
                                                 uint32_t seq, uint32_t ack)
{
	return (struct sl_packet_spec){.src = s2c->src,
	                               .dst = s2c->dst,
	                               .proto = IPPROTO_TCP,
	                               .sport = ntohs(s2c->sport_be),
	                               .dport = ntohs(s2c->dport_be),
	                               .tcp_flags = flags,
	                               .tcp_seq = seq,
	                               .tcp_ack = ack};
}

// The flow of the connection that the last packet sent to a backend belongs to.
static inline struct sl_flow *flow_of(const struct lab *lab, struct sl_tuple *s2c)
{
	struct sl_flow_table *flows = lab->workers[0]->fw.flows;
	const struct sl_tuple *t = &lab->pkt.tuple;
	struct sl_flow *flow;
	enum sl_dir dir;

	*s2c = (struct sl_tuple){.src = t->dst,
	                         .dst = t->src,
	                         .sport_be = t->dport_be,
	                         .dport_be = t->sport_be,
	                         .proto = t->proto};
	flow = sl_flow_find(flows, s2c, sl_flow_hash(flows, s2c), &dir);
	ck_assert_ptr_nonnull(flow);
	return flow;
}

// What left must be want but for addresses, ports, MACs and TTL, which other tests are about.
static inline void expect(const struct lab *lab, const struct sl_packet_spec *want,
                          const char *name)
{
	struct sl_packet_spec as = sl_packet_retuple(want, &lab->pkt.tuple);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	uint32_t n_bytes;

	as.ttl = 63;
	memcpy(as.dst_mac, lab->pkt.data, 6);
	memcpy(as.src_mac, lab->pkt.data + 6, 6);
	n_bytes = (uint32_t)sl_packet_build(frame, sizeof(frame), &as);
	ck_assert_msg(lab->pkt.verdict == SL_VERDICT_SEND, "%s: verdict %u", name,
	              lab->pkt.verdict);
	ck_assert_msg(lab->pkt.len == n_bytes, "%s: %u bytes, want %u", name, lab->pkt.len,
	              n_bytes);
	ck_assert_msg(memcmp(lab->pkt.data, frame, n_bytes) == 0, "%s: bytes differ", name);
}

static const struct sl_body_pool proxied = {.forward = SL_FORWARD_FULLNAT,
                                            .client_address = SL_CLIENT_ADDRESS_PROXY_V2};
static const struct sl_body_pool optioned = {.forward = SL_FORWARD_FULLNAT,
                                             .client_address = SL_CLIENT_ADDRESS_TOA};

// A connection whose SYN was answered.
struct conn {
	const struct path *path;
	struct lab *lab;
	struct sl_tuple s2c;
	struct sl_flow *flow;
	uint32_t isn;
};

static inline struct conn conn_start(int path, const struct sl_body_pool *pool, uint32_t isn)
{
	struct conn c = {.path = &paths[path], .lab = lab_of(&paths[path], pool), .isn = isn};
	struct sl_packet_spec in = from_client(c.path, SYN, isn, 0);

	ck_assert_int_eq(lab_send(c.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	c.flow = flow_of(c.lab, &c.s2c);
	in = from_backend(&c.s2c, SYN | ACK, 5000, isn + 1);
	ck_assert_int_eq(lab_send(c.lab, LAB_BACK, &in), SL_VERDICT_SEND);
	return c;
}

// seq counts from the start of the client's stream.
static inline struct sl_packet_spec conn_client(const struct conn *c, uint8_t flags, uint32_t seq)
{
	return from_client(c->path, flags, c->isn + 1 + seq, 5001);
}

static inline enum sl_verdict conn_ack(const struct conn *c)
{
	struct sl_packet_spec in = conn_client(c, ACK, 0);

	return lab_send(c->lab, LAB_FRONT, &in);
}

// The backend has read n bytes.
static inline enum sl_verdict conn_answer(const struct conn *c, uint32_t n)
{
	struct sl_packet_spec in = from_backend(&c->s2c, ACK, 5001, c->isn + 1 + n);

	return lab_send(c->lab, LAB_BACK, &in);
}

#endif
