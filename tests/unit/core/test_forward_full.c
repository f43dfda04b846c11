// SPDX-License-Identifier: Apache-2.0
// A table without room for another flow: what goes on without one, where to, and how it comes back.
// And flows that are made of a packet in the middle of a connection.
#include "forward_fixture.h"

#include "forward_private.h"

#define VIP        "203.0.113.10"
#define VIP6       "2001:db8:ff::10"
#define CLIENT     "198.51.100.7"
#define CLIENT6    "2001:db8:7::7"
#define N_CLIENT   200
#define ROOM_BYTES 64
#define ACK        SL_TCP_ACK
#define DATA       (SL_TCP_ACK | SL_TCP_PSH)
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *name;
	enum sl_forward forward;
	enum sl_balance balance;
	bool is_v6;
} modes[] = {
	{"nat", SL_FORWARD_NAT, SL_BALANCE_WEIGHTED, false},
	{"nat 6", SL_FORWARD_NAT, SL_BALANCE_LEAST_CONNECTIONS, true},
	{"nat, maglev", SL_FORWARD_NAT, SL_BALANCE_MAGLEV, false},
	{"dsr-l2", SL_FORWARD_DSR_L2, SL_BALANCE_WEIGHTED, false},
	{"dsr-l2 6", SL_FORWARD_DSR_L2, SL_BALANCE_LEAST_CONNECTIONS, true},
	{"dsr-ipip", SL_FORWARD_DSR_IPIP, SL_BALANCE_WEIGHTED, false},
	{"dsr-gue 6", SL_FORWARD_DSR_GUE, SL_BALANCE_MAGLEV, true},
};

struct scene {
	struct lab *lab;
	struct sl_body_pool pool;
	struct sl_body_vip vips[2];
	uint32_t n_vips;
	bool is_v6;
};

static void configure(struct scene *s, uint64_t epoch)
{
	lab_configure(s->lab,
	              &(struct sl_body_spec){epoch, epoch, s->vips, s->n_vips, &s->pool, 1});
}

static struct scene scene_of(enum sl_forward forward, enum sl_balance balance, bool is_v6)
{
	const uint16_t port = sl_forward_is_dsr(forward) ? 0 : 8000;
	struct scene s = {.lab = lab_new(1), .n_vips = 1, .is_v6 = is_v6};
	const char *v4[] = {"10.0.0.11", "10.0.0.12", "10.0.0.13"};
	const char *v6[] = {"2001:db8:2::11", "2001:db8:2::12", "2001:db8:2::13"};

	s.pool = (struct sl_body_pool){
		.forward = (uint8_t)forward, .balance = (uint8_t)balance, .n_backends = 3};
	for (uint32_t b = 0; b < 3; b++)
		s.pool.backends[b] =
			(struct sl_body_backend){is_v6 ? v6[b] : v4[b], port, 1000 * (b + 1)};
	s.vips[0] = (struct sl_body_vip){is_v6 ? VIP6 : VIP, 443, 443, IPPROTO_TCP, 0};
	configure(&s, 1);
	return s;
}

static struct sl_packet_spec from_client(const struct scene *s, uint16_t sport, uint8_t flags)
{
	struct sl_packet_spec spec =
		lab_packet(s->is_v6 ? CLIENT6 : CLIENT, s->is_v6 ? VIP6 : VIP, sport, 443);

	spec.tcp_flags = flags;
	return spec;
}

// Connections that nobody evicts, as many as the table has entries.
static void fill_table(struct scene *s)
{
	for (uint32_t i = 0; i < LAB_FLOWS; i++) {
		struct sl_flow_new new = {.c2s = {.src = sl_packet_ip("198.18.0.1"),
		                                  .dst = sl_packet_ip("198.19.0.1"),
		                                  .sport_be = (uint16_t)i,
		                                  .dport_be = 1,
		                                  .proto = IPPROTO_TCP},
		                          .flags = SL_FLOW_IS_DSR,
		                          .vip = LAB_VIPS - 1,
		                          .backend = LAB_BACKENDS - 1,
		                          .idle_ticks = 100000};
		struct sl_forwarder *fw = &s->lab->workers[0]->fw;
		struct sl_flow *flow;

		new.s2c.src = sl_packet_ip("10.0.0.99");
		flow = sl_flow_add(fw->flows, &new, fw->now);
		if (flow == NULL)
			break; // the test has flows of its own
		sl_flow_set_state(fw->flows, flow, SL_FLOW_OPEN, fw->now);
	}
	ck_assert_uint_eq(lab_flows(s->lab), LAB_FLOWS);
}

// As lab_send, with room for a tunnel's header.
static enum sl_verdict send_with_room(struct scene *s, const struct sl_packet_spec *spec)
{
	struct sl_packet_spec to_us = *spec;
	struct sl_pkt *pkt = &s->lab->pkt;
	struct sl_forwarder *fw = &s->lab->workers[0]->fw;

	memcpy(to_us.dst_mac, lab_port_macs[LAB_FRONT], 6);
	*pkt = (struct sl_pkt){.data = s->lab->frame + ROOM_BYTES, .headroom = ROOM_BYTES};
	pkt->len = (uint32_t)sl_packet_build(pkt->data, sizeof(s->lab->frame) - ROOM_BYTES, &to_us);
	sl_forward_classify(fw, pkt);
	ck_assert_int_eq(pkt->verdict, SL_VERDICT_DECIDE);
	sl_forward_burst(fw, &pkt, 1);
	return (enum sl_verdict)pkt->verdict;
}

static uint64_t stateless_pkts(const struct scene *s)
{
	return sl_stat_get(&s->lab->workers[0]->vip_stats[0].stateless_pkts);
}

START_TEST(every_packet_of_a_connection_without_flow_goes_to_one_backend)
{
	const uint8_t flags[] = {SL_TCP_SYN, ACK, DATA, SL_TCP_FIN | ACK, SL_TCP_RST};
	struct scene s = scene_of(modes[_i].forward, modes[_i].balance, modes[_i].is_v6);
	uint32_t n_of[256] = {0};

	fill_table(&s);
	for (uint16_t c = 0; c < N_CLIENT; c++) {
		uint8_t mac = 0;

		for (size_t n = 0; n < COUNT(flags); n++) {
			struct sl_packet_spec in = from_client(&s, (uint16_t)(40000 + c), flags[n]);

			ck_assert_int_eq(send_with_room(&s, &in), SL_VERDICT_SEND);
			ck_assert_uint_eq(s.lab->pkt.out_port, LAB_BACK);
			if (n > 0)
				ck_assert_uint_eq(s.lab->pkt.data[5], mac);
			mac = s.lab->pkt.data[5];
		}
		n_of[mac]++;
	}
	ck_assert_uint_eq(stateless_pkts(&s), N_CLIENT * COUNT(flags));
	ck_assert_uint_eq(lab_flows(s.lab), LAB_FLOWS);
	// Shares of 1, 2 and 3 sixths, within four standard deviations.
	ck_assert_uint_ge(n_of[0x11] + n_of[11], 33 - 22);
	ck_assert_uint_le(n_of[0x11] + n_of[11], 33 + 22);
	ck_assert_uint_ge(n_of[0x13] + n_of[13], 100 - 29);
	ck_assert_uint_le(n_of[0x13] + n_of[13], 100 + 29);
	lab_free(s.lab);
}
END_TEST

START_TEST(under_nat_the_way_there_and_back_is_translated_byte_for_byte)
{
	struct scene s = scene_of(SL_FORWARD_NAT, SL_BALANCE_WEIGHTED, _i == 1);
	struct sl_packet_spec in = from_client(&s, 40000, SL_TCP_SYN), out = in, back;
	uint8_t want[SL_PACKET_MAX_BYTES];
	size_t n_want;

	fill_table(&s);
	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	out.dst = s.lab->pkt.tuple.dst;
	out.dport = 8000;
	out.ttl = 63;
	memcpy(out.src_mac, lab_port_macs[LAB_BACK], 6);
	memcpy(out.dst_mac, s.lab->pkt.data, 6);
	n_want = sl_packet_build(want, sizeof(want), &out);
	ck_assert_uint_eq(s.lab->pkt.len, n_want);
	ck_assert_mem_eq(s.lab->pkt.data, want, n_want);

	back = lab_answer(s.lab, SL_TCP_SYN | SL_TCP_ACK);
	ck_assert_int_eq(lab_send(s.lab, LAB_BACK, &back), SL_VERDICT_SEND);
	ck_assert_uint_eq(s.lab->pkt.out_port, LAB_FRONT);
	back.src = in.dst;
	back.sport = 443;
	back.ttl = 63;
	memcpy(back.src_mac, lab_port_macs[LAB_FRONT], 6);
	memcpy(back.dst_mac, s.lab->pkt.data, 6);
	n_want = sl_packet_build(want, sizeof(want), &back);
	ck_assert_uint_eq(s.lab->pkt.len, n_want);
	ck_assert_mem_eq(s.lab->pkt.data, want, n_want);
	ck_assert_uint_eq(stateless_pkts(&s), 2);
	lab_free(s.lab);
}
END_TEST

START_TEST(a_flow_that_is_there_stays_as_it_is)
{
	struct scene s = scene_of(SL_FORWARD_NAT, SL_BALANCE_WEIGHTED, false);
	struct sl_packet_spec in = from_client(&s, 40000, SL_TCP_SYN), back, other;
	struct sl_ip backend;

	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	backend = s.lab->pkt.tuple.dst;
	back = lab_answer(s.lab, SL_TCP_SYN | ACK);
	ck_assert_int_eq(lab_send(s.lab, LAB_BACK, &back), SL_VERDICT_SEND);
	in.tcp_flags = ACK;
	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	fill_table(&s);
	other = from_client(&s, 40001, SL_TCP_SYN);
	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &other), SL_VERDICT_SEND);
	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	ck_assert(sl_ip_equal(&s.lab->pkt.tuple.dst, &backend));
	ck_assert_int_eq(lab_send(s.lab, LAB_BACK, &back), SL_VERDICT_SEND);
	ck_assert_uint_eq(stateless_pkts(&s), 1);
	lab_free(s.lab);
}
END_TEST

START_TEST(fullnat_cannot_do_without_and_says_so)
{
	struct scene s = scene_of(SL_FORWARD_FULLNAT, SL_BALANCE_MAGLEV, _i == 1);
	struct sl_packet_spec in = from_client(&s, 40000, SL_TCP_SYN);

	fill_table(&s);
	ck_assert_int_eq(lab_drop(s.lab, LAB_FRONT, &in), SL_DROP_TABLE_FULL);
	in.tcp_flags = ACK;
	ck_assert_int_eq(lab_drop(s.lab, LAB_FRONT, &in), SL_DROP_TABLE_FULL);
	ck_assert_uint_eq(stateless_pkts(&s), 0);
	lab_free(s.lab);
}
END_TEST

START_TEST(what_has_no_flow_is_dropped_as_ever_while_there_is_room)
{
	struct scene s = scene_of(SL_FORWARD_NAT, SL_BALANCE_WEIGHTED, _i == 1);
	struct sl_packet_spec in = from_client(&s, 40000, ACK), back;

	ck_assert_int_eq(lab_drop(s.lab, LAB_FRONT, &in), SL_DROP_NO_FLOW);
	back = from_client(&s, 8000, SL_TCP_SYN | ACK);
	back.dst = back.src;
	back.src = sl_packet_ip(s.pool.backends[0].address);
	ck_assert_int_eq(lab_drop(s.lab, LAB_BACK, &back), SL_DROP_NO_FLOW);
	// And again, once the connections of a time of need have had their time.
	fill_table(&s);
	in.tcp_flags = SL_TCP_SYN;
	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	ck_assert_int_eq(lab_send(s.lab, LAB_BACK, &back), SL_VERDICT_SEND);
	s.lab->workers[0]->fw.now += s.lab->snap->pools[0].tcp_idle_ticks;
	in.tcp_flags = ACK;
	ck_assert_int_eq(lab_drop(s.lab, LAB_FRONT, &in), SL_DROP_NO_FLOW);
	ck_assert_int_eq(lab_drop(s.lab, LAB_BACK, &back), SL_DROP_NO_FLOW);
	lab_free(s.lab);
}
END_TEST

// Whose answer is it? Each row is a configuration in which a backend's packet has that many
// possible speakers, or comes from where it should not.
static const struct {
	const char *name;
	uint16_t backend_port;  // 0 keeps the VIP's
	uint16_t first, last;   // of the VIP
	const char *second_vip; // of the same pool; NULL: none
	uint16_t second_port;
	uint16_t in_port, sport; // of the answer
	uint16_t want_port;      // of the speaker; 0: dropped
} answers[] = {
	{"one VIP, one port", 8000, 443, 443, NULL, 0, LAB_BACK, 8000, 443},
	{"the backend keeps the port", 0, 443, 443, NULL, 0, LAB_BACK, 443, 443},
	{"the backend keeps a port of many", 0, 400, 500, NULL, 0, LAB_BACK, 470, 470},
	{"two ports of one VIP that backends keep", 0, 443, 443, VIP, 80, LAB_BACK, 80, 80},
	{"two ports that become one", 8000, 443, 443, VIP, 80, LAB_BACK, 8000, 0},
	{"many ports that become one", 8000, 400, 500, NULL, 0, LAB_BACK, 8000, 0},
	{"two addresses", 0, 443, 443, "203.0.113.11", 443, LAB_BACK, 443, 0},
	{"another port of the backend", 8000, 443, 443, NULL, 0, LAB_BACK, 8001, 0},
	{"a port no VIP has", 0, 443, 443, NULL, 0, LAB_BACK, 80, 0},
	{"from the clients' side", 8000, 443, 443, NULL, 0, LAB_FRONT, 8000, 0},
};

START_TEST(an_answer_without_flow_passes_only_when_it_can_have_one_speaker)
{
	struct scene s = scene_of(SL_FORWARD_NAT, SL_BALANCE_WEIGHTED, false);
	struct sl_packet_spec in, back;

	for (uint32_t b = 0; b < 3; b++)
		s.pool.backends[b].port = answers[_i].backend_port;
	s.vips[0].port_first = answers[_i].first;
	s.vips[0].port_last = answers[_i].last;
	if (answers[_i].second_vip != NULL) {
		s.vips[1] = (struct sl_body_vip){answers[_i].second_vip, answers[_i].second_port,
		                                 answers[_i].second_port, IPPROTO_TCP, 0};
		s.n_vips = 2;
	}
	configure(&s, 2);
	fill_table(&s);
	in = from_client(&s, 40000, SL_TCP_SYN);
	in.dport = answers[_i].first;
	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	back = lab_answer(s.lab, SL_TCP_SYN | ACK);
	back.sport = answers[_i].sport;
	if (answers[_i].want_port == 0) {
		ck_assert_msg(lab_drop(s.lab, answers[_i].in_port, &back) == SL_DROP_NO_FLOW, "%s",
		              answers[_i].name);
	} else {
		ck_assert_msg(lab_send(s.lab, answers[_i].in_port, &back) == SL_VERDICT_SEND, "%s",
		              answers[_i].name);
		ck_assert_uint_eq(ntohs(s.lab->pkt.tuple.sport_be), answers[_i].want_port);
		ck_assert(sl_ip_equal(&s.lab->pkt.tuple.src, &in.dst));
	}
	lab_free(s.lab);
}
END_TEST

START_TEST(lists_hold_for_what_has_no_flow_too)
{
	struct scene s = scene_of(SL_FORWARD_DSR_L2, SL_BALANCE_WEIGHTED, false);
	struct sl_packet_spec in = from_client(&s, 40000, SL_TCP_SYN);

	fill_table(&s);
	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	in.tcp_flags = DATA;
	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	s.vips[0].deny = "198.51.100.0/24";
	configure(&s, 2);
	ck_assert_int_eq(lab_drop(s.lab, LAB_FRONT, &in), SL_DROP_NO_FLOW);
	in.tcp_flags = SL_TCP_SYN;
	ck_assert_int_eq(lab_drop(s.lab, LAB_FRONT, &in), SL_DROP_DENIED);
	lab_free(s.lab);
}
END_TEST

START_TEST(a_weight_that_changes_moves_only_clients_of_its_own_backend)
{
	struct scene s = scene_of(SL_FORWARD_DSR_L2, SL_BALANCE_WEIGHTED, false);
	uint8_t before[N_CLIENT];
	uint32_t n_moved = 0;

	fill_table(&s);
	for (int turn = 0; turn < 2; turn++) {
		for (uint16_t c = 0; c < N_CLIENT; c++) {
			struct sl_packet_spec in =
				from_client(&s, (uint16_t)(40000 + c), SL_TCP_SYN);

			ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
			if (turn == 0) {
				before[c] = s.lab->pkt.data[5];
			} else if (s.lab->pkt.data[5] != before[c]) {
				ck_assert_uint_eq(before[c], 12); // the one that went
				n_moved++;
			}
		}
		s.pool.backends[1].weight_milli = 0;
		configure(&s, 2);
	}
	ck_assert_uint_gt(n_moved, N_CLIENT / 5);
	s.pool.backends[0].weight_milli = s.pool.backends[2].weight_milli = 0;
	configure(&s, 3);
	lab_free(s.lab);
}
END_TEST

// --- met in the middle ---

static struct sl_flow *flow_of_client(const struct scene *s, const struct sl_packet_spec *spec)
{
	const struct sl_tuple tuple = sl_packet_tuple(spec);
	struct sl_flow_table *ft = s->lab->workers[0]->fw.flows;
	enum sl_dir dir;

	return sl_flow_find(ft, &tuple, sl_flow_hash(ft, &tuple), &dir);
}

START_TEST(a_connection_met_in_its_middle_is_confirmed_by_its_backend)
{
	struct scene s = scene_of(SL_FORWARD_NAT, SL_BALANCE_MAGLEV, _i % 2);
	const bool is_known = _i / 2;
	struct sl_packet_spec in = from_client(&s, 40000, DATA), back;
	struct sl_stats_backend *stats;

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
		ck_assert_uint_eq(flow_of_client(&s, &in)->state, SL_FLOW_PICKED);
		s.lab->workers[0]->fw.now += 10;
	}
	back = lab_answer(s.lab, is_known ? DATA : SL_TCP_RST);
	ck_assert_int_eq(lab_send(s.lab, LAB_BACK, &back), SL_VERDICT_SEND);
	ck_assert_uint_eq(flow_of_client(&s, &in)->state,
	                  is_known ? SL_FLOW_OPEN : SL_FLOW_REFUSED);
	stats = &s.lab->workers[0]->backend_stats[flow_of_client(&s, &in)->backend];
	ck_assert_uint_eq(sl_stat_get(&stats->resets), 0); // no fault of the backend
	ck_assert_uint_eq(sl_stat_get(&stats->refused), 0);
	ck_assert_uint_eq(sl_stat_get(&stats->flows_active), is_known);
	lab_free(s.lab);
}
END_TEST

START_TEST(under_dsr_it_is_confirmed_by_a_packet_some_time_later)
{
	struct scene s = scene_of(SL_FORWARD_DSR_L2, SL_BALANCE_MAGLEV, _i);
	struct sl_packet_spec in = from_client(&s, 40000, ACK);

	for (uint32_t ticks = 0; ticks < 4; ticks++) { // a burst, and a second of it
		ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
		ck_assert_uint_eq(flow_of_client(&s, &in)->state, SL_FLOW_PICKED);
		s.lab->workers[0]->fw.now++;
	}
	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	ck_assert_uint_eq(flow_of_client(&s, &in)->state, SL_FLOW_OPEN);
	lab_free(s.lab);
}
END_TEST

// --- the client's port is in use at the backend picked ---

// What may still be taken of the backend's rate; afterwards there is nothing left.
static uint32_t take_all(const struct scene *s, uint16_t backend)
{
	struct sl_forwarder *fw = &s->lab->workers[0]->fw;
	uint32_t n = 0;

	while (n < 1000 && sl_forward_take_rate(fw, &fw->snap->pools[0], backend))
		n++;
	return n;
}

// Under maglev a client's port has one backend, whichever service it asks for: the second flow has
// to go elsewhere. Who takes it when the others have these limits, the search starting at each.
static const struct {
	const char *name;
	uint32_t limit_flows, new_flows_per_s;
	uint32_t n_at_limit; // of the two others
} elsewhere[] = {
	{"no limits", 0, 0, 0},
	{"one is at its limit of flows", 2, 0, 1},
	{"both are at their limit of flows", 2, 0, 2},
	{"one is at its rate", 0, 5, 1},
	{"both are at their rate", 0, 5, 2},
};

static void reach_limit(struct scene *s, uint16_t backend, int row)
{
	if (elsewhere[row].limit_flows != 0)
		s->lab->workers[0]->own_load[backend] = elsewhere[row].limit_flows;
	else
		ck_assert_uint_gt(take_all(s, backend), 0);
}

START_TEST(another_backend_takes_the_flow_only_within_its_limits)
{
	const int row = _i / 3;
	struct scene s = scene_of(SL_FORWARD_NAT, SL_BALANCE_MAGLEV, false);
	struct sl_packet_spec in = from_client(&s, 40000, SL_TCP_SYN);
	struct sl_forwarder *fw = &s.lab->workers[0]->fw;
	uint32_t full_rate = 0, n_left = 2 - elsewhere[row].n_at_limit;
	uint16_t first, others[2], last;
	enum sl_verdict verdict;

	s.pool.limit_flows = elsewhere[row].limit_flows;
	s.pool.limit_new_flows_per_s = elsewhere[row].new_flows_per_s;
	s.vips[0].port_last = 460;
	configure(&s, 2);
	ck_assert_int_eq(lab_send(s.lab, LAB_FRONT, &in), SL_VERDICT_SEND);
	first = flow_of_client(&s, &in)->backend;
	others[0] = (uint16_t)((first + 1) % 3);
	others[1] = last = (uint16_t)((first + 2) % 3);
	if (elsewhere[row].new_flows_per_s != 0) {
		full_rate = take_all(&s, last);
		fw->now_ns += 10 * SL_NS_PER_S;
	}
	for (uint32_t i = 0; i < elsewhere[row].n_at_limit; i++)
		reach_limit(&s, others[i], row);
	fw->least_cursor = (uint32_t)_i % 3;
	in.dport = 444;
	verdict = lab_send(s.lab, LAB_FRONT, &in);
	if (n_left == 0) {
		ck_assert_int_eq(verdict, SL_VERDICT_DROP);
		ck_assert_int_eq(s.lab->pkt.drop, SL_DROP_NO_PORT);
	} else {
		ck_assert_int_eq(verdict, SL_VERDICT_SEND);
		ck_assert_uint_ne(flow_of_client(&s, &in)->backend, first);
		if (n_left == 1)
			ck_assert_uint_eq(flow_of_client(&s, &in)->backend, last);
		if (n_left == 1 && full_rate != 0)
			ck_assert_uint_eq(take_all(&s, last), full_rate - 1);
	}
	if (elsewhere[row].limit_flows != 0) // nobody's flows: do not count them down
		for (uint32_t i = 0; i < elsewhere[row].n_at_limit; i++)
			s.lab->workers[0]->own_load[others[i]] = 0;
	lab_free(s.lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward_full");
	TCase *tc = tcase_create("full");

	tcase_add_loop_test(tc, every_packet_of_a_connection_without_flow_goes_to_one_backend, 0,
	                    COUNT(modes));
	tcase_add_loop_test(tc, under_nat_the_way_there_and_back_is_translated_byte_for_byte, 0, 2);
	tcase_add_test(tc, a_flow_that_is_there_stays_as_it_is);
	tcase_add_loop_test(tc, fullnat_cannot_do_without_and_says_so, 0, 2);
	tcase_add_loop_test(tc, what_has_no_flow_is_dropped_as_ever_while_there_is_room, 0, 2);
	tcase_add_loop_test(tc, an_answer_without_flow_passes_only_when_it_can_have_one_speaker, 0,
	                    COUNT(answers));
	tcase_add_test(tc, lists_hold_for_what_has_no_flow_too);
	tcase_add_test(tc, a_weight_that_changes_moves_only_clients_of_its_own_backend);
	tcase_add_loop_test(tc, a_connection_met_in_its_middle_is_confirmed_by_its_backend, 0, 4);
	tcase_add_loop_test(tc, under_dsr_it_is_confirmed_by_a_packet_some_time_later, 0, 2);
	tcase_add_loop_test(tc, another_backend_takes_the_flow_only_within_its_limits, 0,
	                    3 * COUNT(elsewhere));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
