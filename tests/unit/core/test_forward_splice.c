// SPDX-License-Identifier: Apache-2.0
// Spliced connections through the forwarder: numbers both ways.
#include "forward_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ISN      1000u
#define ACK      SL_TCP_ACK

// Of one family each: a connection through a pool.
static const struct path {
	const char *name, *client, *vip, *backend;
} paths[] = {
	{"IPv4", "198.51.100.7", "203.0.113.10", "10.0.0.11"},
	{"IPv6", "2001:db8:7::7", "2001:db8:ff::10", "2001:db8:2::11"},
};

static struct lab *lab_of(const struct path *path, const struct sl_body_pool *shape)
{
	const struct sl_body_vip vip = {path->vip, 443, 443, IPPROTO_TCP, 0};
	struct sl_body_pool pool = *shape;
	struct lab *lab = lab_new(1);

	pool.n_backends = 1;
	pool.backends[0] = (struct sl_body_backend){path->backend, 8000, 1000};
	lab_configure(lab, &(struct sl_body_spec){1, 1, &vip, 1, &pool, 1});
	return lab;
}

// From the client, and what its backend says: numbers as the speaker counts them.
static struct sl_packet_spec from_client(const struct path *path, uint8_t flags, uint32_t seq,
                                         uint32_t ack)
{
	struct sl_packet_spec in = lab_packet(path->client, path->vip, 40000, 443);

	in.tcp_flags = flags;
	in.tcp_seq = seq;
	in.tcp_ack = ack;
	return in;
}

static struct sl_packet_spec from_backend(const struct sl_tuple *s2c, uint8_t flags, uint32_t seq,
                                          uint32_t ack)
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
static struct sl_flow *flow_of(const struct lab *lab, struct sl_tuple *s2c)
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
static void expect(const struct lab *lab, const struct sl_packet_spec *want, const char *name)
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

// A backend that counts from elsewhere than its client was told: SYN cookies.
START_TEST(numbers_of_a_backend_with_another_isn_are_translated_both_ways)
{
	const struct path *path = &paths[_i];
	const struct sl_body_pool pool = {.forward = SL_FORWARD_NAT};
	const uint32_t delta = 0x89abcdef;
	struct lab *lab = lab_of(path, &pool);
	struct sl_packet_spec in = from_client(path, SL_TCP_SYN, ISN, 0), want;
	struct sl_tuple s2c;
	struct sl_flow *flow;

	lab_send(lab, LAB_FRONT, &in);
	flow = flow_of(lab, &s2c);
	flow->s2c_delta = delta;
	flow->flags |= SL_FLOW_IS_SPLICED;
	in = from_backend(&s2c, SL_TCP_SYN | ACK, 5000, ISN + 1);
	want = in;
	want.tcp_seq += delta;
	lab_send(lab, LAB_BACK, &in);
	expect(lab, &want, path->name);
	in = from_client(path, ACK, ISN + 1, 5001 + delta);
	in.payload_bytes = 33;
	want = in;
	want.tcp_ack = 5001;
	lab_send(lab, LAB_FRONT, &in);
	expect(lab, &want, path->name);
	lab_free(lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward_splice");
	TCase *tc = tcase_create("forward_splice");

	tcase_add_loop_test(tc, numbers_of_a_backend_with_another_isn_are_translated_both_ways, 0,
	                    COUNT(paths));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
