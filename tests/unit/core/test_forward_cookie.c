// SPDX-License-Identifier: Apache-2.0
// Connections by SYN cookie, packet by packet: what client and backend see, when a flow is made,
// and what happens out of turn.
#include "forward_fixture.h"

#include "syncookie.h"
#include "layout.h"

#define VIP        "203.0.113.10"
#define VIP6       "2001:db8:ff::10"
#define CLIENT     "198.51.100.7"
#define CLIENT6    "2001:db8:7::7"
#define CLIENT_ISN 1000u
#define SERVER_ISN 0xfffffff0u // wraps soon
#define ACK        SL_TCP_ACK
#define SYN_ACK    (SL_TCP_SYN | SL_TCP_ACK)
#define DATA       (SL_TCP_ACK | SL_TCP_PSH)
#define ROOM_BYTES 64
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

static const uint8_t client_options[20] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0,
                                           0, 1, 0,    0,    0, 0, 1, 3,  3, 7};

struct scene {
	struct lab *lab;
	struct sl_body_pool pool;
	struct sl_body_vip vip;
	bool is_v6;
	uint32_t cookie;
	struct sl_tuple to_backend;
};

static void configure(struct scene *s)
{
	lab_configure(s->lab, &(struct sl_body_spec){1, 1, &s->vip, 1, &s->pool, 1});
}

// Rows 0..3: nat and fullnat, IPv4 and IPv6.
static struct scene scene_of(int row, enum sl_syn_cookies mode)
{
	const bool is_v6 = row % 2;
	struct scene s = {.lab = lab_new(1), .is_v6 = is_v6};
	const struct sl_hash_key secret = {5, 6};

	s.lab->workers[0]->fw.cookie_key = sl_syncookie_key(&secret);
	s.pool = (struct sl_body_pool){
		.forward = (uint8_t)(row / 2 ? SL_FORWARD_FULLNAT : SL_FORWARD_NAT),
		.n_backends = 2,
		.backends = {{is_v6 ? "2001:db8:2::11" : "10.0.0.11", 8000, 1000},
	                     {is_v6 ? "2001:db8:2::12" : "10.0.0.12", 8000, 1000}}};
	s.vip = (struct sl_body_vip){is_v6 ? VIP6 : VIP, 443, 443, IPPROTO_TCP, 0};
	s.vip.syn_cookies = (uint8_t)mode;
	configure(&s);
	return s;
}

// As lab_send, with room before the frame.
static enum sl_verdict give(struct scene *s, uint16_t port, const struct sl_packet_spec *spec)
{
	struct sl_packet_spec to_us = *spec;
	struct sl_forwarder *fw = &s->lab->workers[0]->fw;
	struct sl_pkt *pkt = &s->lab->pkt;

	memcpy(to_us.dst_mac, lab_port_macs[port], 6);
	*pkt = (struct sl_pkt){
		.data = s->lab->frame + ROOM_BYTES, .in_port = port, .headroom = ROOM_BYTES};
	pkt->len = (uint32_t)sl_packet_build(pkt->data, sizeof(s->lab->frame) - ROOM_BYTES, &to_us);
	sl_forward_classify(fw, pkt);
	ck_assert_int_eq(pkt->verdict, SL_VERDICT_DECIDE);
	sl_forward_burst(fw, &pkt, 1);
	if (pkt->verdict == SL_VERDICT_SEND)
		ck_assert(sl_packet_csums_are_right(pkt->data, pkt->len));
	return (enum sl_verdict)pkt->verdict;
}

static const uint8_t *tcp_of(const struct scene *s)
{
	return s->lab->pkt.data + s->lab->pkt.l4_off;
}

static uint32_t seq_of(const struct scene *s)
{
	return sl_load32_host(tcp_of(s) + SL_TCP_OFF_SEQ);
}

static uint32_t ack_of(const struct scene *s)
{
	return sl_load32_host(tcp_of(s) + SL_TCP_OFF_ACK);
}

static uint8_t flags_of(const struct scene *s)
{
	return tcp_of(s)[SL_TCP_OFF_FLAGS];
}

static struct sl_packet_spec from_client(const struct scene *s, uint8_t flags, uint32_t seq,
                                         uint32_t ack)
{
	struct sl_packet_spec spec =
		lab_packet(s->is_v6 ? CLIENT6 : CLIENT, s->is_v6 ? VIP6 : VIP, 40000, 443);

	spec.tcp_flags = flags;
	spec.tcp_seq = seq;
	spec.tcp_ack = ack;
	if (flags & SL_TCP_SYN) {
		spec.tcp_options = client_options;
		spec.tcp_options_bytes = sizeof(client_options);
	}
	return spec;
}

static struct sl_packet_spec from_backend(const struct scene *s, uint8_t flags, uint32_t seq,
                                          uint32_t ack)
{
	return (struct sl_packet_spec){.src = s->to_backend.dst,
	                               .dst = s->to_backend.src,
	                               .proto = IPPROTO_TCP,
	                               .sport = ntohs(s->to_backend.dport_be),
	                               .dport = ntohs(s->to_backend.sport_be),
	                               .tcp_flags = flags,
	                               .tcp_seq = seq,
	                               .tcp_ack = ack};
}

static void ask(struct scene *s)
{
	const struct sl_packet_spec syn = from_client(s, SL_TCP_SYN, CLIENT_ISN, 0);

	ck_assert_int_eq(give(s, LAB_FRONT, &syn), SL_VERDICT_SEND);
	ck_assert_uint_eq(s->lab->pkt.out_port, LAB_FRONT);
	ck_assert_uint_eq(flags_of(s), SYN_ACK);
	ck_assert_uint_eq(ack_of(s), CLIENT_ISN + 1);
	s->cookie = seq_of(s);
}

static void prove(struct scene *s)
{
	const struct sl_packet_spec ack = from_client(s, ACK, CLIENT_ISN + 1, s->cookie + 1);

	ck_assert_int_eq(give(s, LAB_FRONT, &ack), SL_VERDICT_SEND);
	ck_assert_uint_eq(s->lab->pkt.out_port, LAB_BACK);
	ck_assert_uint_eq(flags_of(s), SL_TCP_SYN);
	ck_assert_uint_eq(seq_of(s), CLIENT_ISN);
	ck_assert_uint_eq(ack_of(s), 0);
	s->to_backend = s->lab->pkt.tuple;
}

static void open_all(struct scene *s)
{
	struct sl_packet_spec syn_ack;

	ask(s);
	prove(s);
	syn_ack = from_backend(s, SYN_ACK, SERVER_ISN, CLIENT_ISN + 1);
	ck_assert_int_eq(give(s, LAB_BACK, &syn_ack), SL_VERDICT_SEND);
}

static struct sl_flow *flow_of(const struct scene *s)
{
	const struct sl_packet_spec spec = from_client(s, ACK, 0, 0);
	const struct sl_tuple tuple = sl_packet_tuple(&spec);
	struct sl_flow_table *ft = s->lab->workers[0]->fw.flows;
	enum sl_dir dir;

	return sl_flow_find(ft, &tuple, sl_flow_hash(ft, &tuple), &dir);
}

static uint64_t stat_of(const struct scene *s, size_t offset)
{
	const struct sl_stats_vip *vip = &s->lab->workers[0]->vip_stats[0];

	return sl_stat_get((const sl_stat *)(const void *)((const char *)vip + offset));
}
#define VIP_STAT(s, member) stat_of(s, offsetof(struct sl_stats_vip, member))

START_TEST(a_connection_is_made_when_its_client_has_proven_its_address)
{
	struct scene s = scene_of(_i, SL_SYN_COOKIES_ALWAYS);
	struct sl_packet_spec p;

	ask(&s);
	ck_assert_uint_eq(lab_flows(s.lab), 0);
	ck_assert_uint_eq(VIP_STAT(&s, cookies_sent), 1);
	prove(&s);
	ck_assert_uint_eq(lab_flows(s.lab), 1);
	ck_assert_uint_eq(VIP_STAT(&s, cookies_good), 1);
	ck_assert_uint_eq(flow_of(&s)->state, SL_FLOW_PROVEN);

	p = from_backend(&s, SYN_ACK, SERVER_ISN, CLIENT_ISN + 1); // becomes news of the window
	ck_assert_int_eq(give(&s, LAB_BACK, &p), SL_VERDICT_SEND);
	ck_assert_uint_eq(s.lab->pkt.out_port, LAB_FRONT);
	ck_assert_uint_eq(flags_of(&s), ACK);
	ck_assert_uint_eq(seq_of(&s), s.cookie + 1);
	ck_assert_uint_eq(ack_of(&s), CLIENT_ISN + 1);

	p = from_client(&s, DATA, CLIENT_ISN + 1, s.cookie + 1); // ends the handshake
	p.payload_bytes = 100;
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_SEND);
	ck_assert_uint_eq(seq_of(&s), CLIENT_ISN + 1);
	ck_assert_uint_eq(ack_of(&s), SERVER_ISN + 1);
	ck_assert_uint_eq(flow_of(&s)->state, SL_FLOW_OPEN);

	p = from_backend(&s, DATA, SERVER_ISN + 1, CLIENT_ISN + 101);
	p.payload_bytes = 1000;
	ck_assert_int_eq(give(&s, LAB_BACK, &p), SL_VERDICT_SEND);
	ck_assert_uint_eq(seq_of(&s), s.cookie + 1);
	ck_assert_uint_eq(ack_of(&s), CLIENT_ISN + 101);

	p = from_client(&s, SL_TCP_FIN | ACK, CLIENT_ISN + 101, s.cookie + 1001);
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_SEND);
	ck_assert_uint_eq(ack_of(&s), SERVER_ISN + 1001);
	p = from_backend(&s, SL_TCP_FIN | ACK, SERVER_ISN + 1001, CLIENT_ISN + 102);
	ck_assert_int_eq(give(&s, LAB_BACK, &p), SL_VERDICT_SEND);
	ck_assert_uint_eq(seq_of(&s), s.cookie + 1001);
	ck_assert_uint_eq(flow_of(&s)->state, SL_FLOW_CLOSING);
	lab_free(s.lab);
}
END_TEST

START_TEST(a_lost_syn_is_sent_again_whenever_the_client_says_anything)
{
	const struct {
		uint8_t flags;
		uint32_t seq;
		uint16_t payload_bytes;
	} said[] = {{ACK, CLIENT_ISN, 0}, {DATA, CLIENT_ISN + 1, 1}, {DATA, CLIENT_ISN + 1, 900}};
	struct scene s = scene_of(_i, SL_SYN_COOKIES_ALWAYS);

	ask(&s);
	prove(&s);
	for (size_t i = 0; i < COUNT(said); i++) {
		struct sl_packet_spec p = from_client(&s, said[i].flags, said[i].seq, s.cookie + 1);

		p.payload_bytes = said[i].payload_bytes;
		ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_SEND);
		ck_assert_uint_eq(flags_of(&s), SL_TCP_SYN);
		ck_assert_uint_eq(seq_of(&s), CLIENT_ISN);
		ck_assert_int_eq(memcmp(&s.lab->pkt.tuple, &s.to_backend, sizeof(s.to_backend)), 0);
	}
	ck_assert_uint_eq(lab_flows(s.lab), 1);
	lab_free(s.lab);
}
END_TEST

START_TEST(a_backend_that_refuses_resets_the_client_where_it_stands)
{
	struct scene s = scene_of(_i, SL_SYN_COOKIES_ALWAYS);
	struct sl_packet_spec p;
	struct sl_stats_backend *stats;

	ask(&s);
	prove(&s);
	stats = &s.lab->workers[0]->backend_stats[flow_of(&s)->backend];
	p = from_backend(&s, SL_TCP_RST | ACK, 0, CLIENT_ISN + 1);
	ck_assert_int_eq(give(&s, LAB_BACK, &p), SL_VERDICT_SEND);
	ck_assert_uint_eq(flags_of(&s), SL_TCP_RST | ACK);
	ck_assert_uint_eq(seq_of(&s), s.cookie + 1);
	ck_assert_uint_eq(ack_of(&s), CLIENT_ISN + 1);
	ck_assert_uint_eq(flow_of(&s)->state, SL_FLOW_REFUSED);
	ck_assert_uint_eq(sl_stat_get(&stats->refused), 1);
	ck_assert_uint_eq(sl_stat_get(&stats->flows_active), 0);
	lab_free(s.lab);
}
END_TEST

START_TEST(a_backend_that_repeats_its_syn_ack_is_answered_by_the_client)
{
	struct scene s = scene_of(_i, SL_SYN_COOKIES_ALWAYS);
	struct sl_packet_spec p;

	open_all(&s);
	p = from_backend(&s, SYN_ACK, SERVER_ISN, CLIENT_ISN + 1);
	ck_assert_int_eq(give(&s, LAB_BACK, &p), SL_VERDICT_SEND);
	ck_assert_uint_eq(flags_of(&s), SYN_ACK); // out of its window: it says where it stands
	ck_assert_uint_eq(seq_of(&s), s.cookie);
	p = from_client(&s, ACK, CLIENT_ISN + 1, s.cookie + 1);
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_SEND);
	ck_assert_uint_eq(ack_of(&s), SERVER_ISN + 1);
	lab_free(s.lab);
}
END_TEST

START_TEST(out_of_turn_is_dropped_by_name)
{
	struct scene s = scene_of(_i, SL_SYN_COOKIES_ALWAYS);
	struct sl_packet_spec p;

	ask(&s);
	prove(&s);
	p = from_client(&s, SL_TCP_RST, CLIENT_ISN + 1, 0);
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_DROP);
	ck_assert_int_eq(s.lab->pkt.drop, SL_DROP_HANDSHAKE);
	p = from_client(&s, SL_TCP_SYN, CLIENT_ISN, 0);
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_DROP);
	ck_assert_int_eq(s.lab->pkt.drop, SL_DROP_HANDSHAKE);
	p = from_backend(&s, ACK, 77, 88);
	ck_assert_int_eq(give(&s, LAB_BACK, &p), SL_VERDICT_DROP);
	ck_assert_int_eq(s.lab->pkt.drop, SL_DROP_HANDSHAKE);
	ck_assert_uint_eq(flow_of(&s)->state, SL_FLOW_PROVEN);
	lab_free(s.lab);
}
END_TEST

START_TEST(an_ack_that_proves_nothing_makes_nothing)
{
	struct scene s = scene_of(_i, SL_SYN_COOKIES_ALWAYS);
	struct sl_packet_spec p;

	ask(&s);
	p = from_client(&s, ACK, CLIENT_ISN + 1, s.cookie + 2);
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_DROP);
	ck_assert_int_eq(s.lab->pkt.drop, SL_DROP_NO_FLOW);
	p = from_client(&s, SL_TCP_RST | ACK, CLIENT_ISN + 1, s.cookie + 1);
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_DROP);
	s.lab->workers[0]->fw.now += 512; // 128 s
	p = from_client(&s, ACK, CLIENT_ISN + 1, s.cookie + 1);
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_DROP);
	ck_assert_uint_eq(lab_flows(s.lab), 0);
	lab_free(s.lab);
}
END_TEST

START_TEST(lists_and_limits_hold)
{
	struct scene s = scene_of(_i, SL_SYN_COOKIES_ALWAYS);
	struct sl_packet_spec p = from_client(&s, SL_TCP_SYN, CLIENT_ISN, 0);

	s.vip.limit_flows = 1;
	configure(&s);
	ask(&s);
	s.lab->workers[0]->own_vip_load[0] = 1; // somebody else came first
	p = from_client(&s, ACK, CLIENT_ISN + 1, s.cookie + 1);
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_DROP);
	ck_assert_int_eq(s.lab->pkt.drop, SL_DROP_VIP_LIMIT);
	s.lab->workers[0]->own_vip_load[0] = 0;
	s.vip.deny = s.is_v6 ? "2001:db8:7::/48" : "198.51.100.0/24";
	configure(&s);
	p = from_client(&s, SL_TCP_SYN, CLIENT_ISN, 0);
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_DROP);
	ck_assert_int_eq(s.lab->pkt.drop, SL_DROP_DENIED);
	lab_free(s.lab);
}
END_TEST

// Until a quarter of the table is unconfirmed, a SYN makes a flow; afterwards it gets a cookie.
START_TEST(auto_begins_when_a_quarter_of_the_table_is_unconfirmed)
{
	struct scene s = scene_of(_i, SL_SYN_COOKIES_AUTO);
	struct sl_packet_spec p;

	for (uint32_t i = 0; i < LAB_FLOWS; i++) {
		p = from_client(&s, SL_TCP_SYN, CLIENT_ISN, 0);
		p.sport = (uint16_t)(10000 + i);
		ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_SEND);
		ck_assert_uint_eq(s.lab->pkt.out_port, i < LAB_FLOWS / 4 ? LAB_BACK : LAB_FRONT);
	}
	ck_assert_uint_eq(lab_flows(s.lab), LAB_FLOWS / 4);
	ck_assert_uint_eq(VIP_STAT(&s, cookies_sent), LAB_FLOWS - LAB_FLOWS / 4);
	// Whoever is real gets through.
	open_all(&s);
	p = from_client(&s, DATA, CLIENT_ISN + 1, s.cookie + 1);
	p.payload_bytes = 10;
	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_SEND);
	ck_assert_uint_eq(flow_of(&s)->state, SL_FLOW_OPEN);
	lab_free(s.lab);
}
END_TEST

START_TEST(off_is_off)
{
	struct scene s = scene_of(_i, SL_SYN_COOKIES_OFF);
	struct sl_packet_spec p = from_client(&s, SL_TCP_SYN, CLIENT_ISN, 0);

	ck_assert_int_eq(give(&s, LAB_FRONT, &p), SL_VERDICT_SEND);
	ck_assert_uint_eq(s.lab->pkt.out_port, LAB_BACK);
	ck_assert_uint_eq(flow_of(&s)->splice & SL_SPLICE_DELTA, 0);
	ck_assert_uint_eq(VIP_STAT(&s, cookies_sent), 0);
	lab_free(s.lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward_cookie");
	TCase *tc = tcase_create("cookie");

	tcase_add_loop_test(tc, a_connection_is_made_when_its_client_has_proven_its_address, 0, 4);
	tcase_add_loop_test(tc, a_lost_syn_is_sent_again_whenever_the_client_says_anything, 0, 4);
	tcase_add_loop_test(tc, a_backend_that_refuses_resets_the_client_where_it_stands, 0, 4);
	tcase_add_loop_test(tc, a_backend_that_repeats_its_syn_ack_is_answered_by_the_client, 0, 4);
	tcase_add_loop_test(tc, out_of_turn_is_dropped_by_name, 0, 4);
	tcase_add_loop_test(tc, an_ack_that_proves_nothing_makes_nothing, 0, 4);
	tcase_add_loop_test(tc, lists_and_limits_hold, 0, 4);
	tcase_add_loop_test(tc, auto_begins_when_a_quarter_of_the_table_is_unconfirmed, 0, 4);
	tcase_add_loop_test(tc, off_is_off, 0, 4);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
