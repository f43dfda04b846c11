// SPDX-License-Identifier: Apache-2.0
// Fragments through the whole appliance: what leaves for a part is, byte for byte, that part of
// what would leave for the whole packet, in every mode, direction and family, with one worker and
// with two.
#include "sl_check.h"

#include <netinet/in.h>

#include "fragments.h"
#include "layout.h"
#include "fragworld.h"

#define PAYLOAD_BYTES 1800
#define N_CUTS        3
#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))

static const struct sl_cut cuts[N_CUTS] = {
	{.at = 0, .n_bytes = 800}, {.at = 800, .n_bytes = 800}, {.at = 1600}};

static void put_part(struct sl_rig *rig, uint32_t port, const struct sl_packet_spec *spec,
                     const struct sl_cut *cut)
{
	uint8_t whole[SL_PACKET_MAX_BYTES], part[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec to_us = *spec;
	size_t n_bytes;

	memcpy(to_us.dst_mac, rig->a.ports.macs[port], 6);
	n_bytes = sl_packet_build(whole, sizeof(whole), &to_us);
	sl_rig_put(rig, port, part, sl_fragment_cut(part, whole, n_bytes, cut));
}

static void put_parts(struct sl_rig *rig, uint32_t port, const struct sl_packet_spec *spec,
                      uint32_t id)
{
	for (size_t i = 0; i < N_CUTS; i++) {
		struct sl_cut cut = cuts[i];

		cut.id = id;
		put_part(rig, port, spec, &cut);
	}
	sl_rig_turn(rig);
}

static void check_part(const struct sl_rig_frame *got, const struct sl_packet_spec *whole_out,
                       const struct sl_cut *cut)
{
	uint8_t whole[SL_PACKET_MAX_BYTES], want[SL_PACKET_MAX_BYTES];
	size_t n_whole = sl_packet_build(whole, sizeof(whole), whole_out);
	size_t n_want = sl_fragment_cut(want, whole, n_whole, cut);

	ck_assert_uint_eq(got->n_bytes, n_want);
	ck_assert_mem_eq(got->bytes, want, n_want);
}

static void take_parts(struct sl_rig *rig, uint32_t port, struct sl_rig_frame frames[N_CUTS])
{
	for (size_t i = 0; i < N_CUTS; i++) {
		frames[i] = sl_rig_take(rig, port);
		ck_assert_msg(frames[i].n_bytes != 0, "part %zu has not left", i);
	}
	sl_rig_expect_nothing(rig, port);
}

static void check_parts(const struct sl_rig_frame frames[N_CUTS],
                        const struct sl_packet_spec *whole_out, uint32_t id)
{
	for (size_t i = 0; i < N_CUTS; i++) {
		struct sl_cut cut = cuts[i];

		cut.id = id;
		check_part(&frames[i], whole_out, &cut);
	}
}

// The fragments make the flow; a whole packet of it then tells where they should have gone.
static void requests_in_parts(struct sl_rig *rig, const struct world *w,
                              struct sl_packet_spec request, struct world_flow *flow)
{
	struct sl_rig_frame frames[N_CUTS];

	request.payload_bytes = PAYLOAD_BYTES;
	put_parts(rig, RIG_FRONT, &request, 100000u + request.sport);
	take_parts(rig, RIG_BACK, frames);
	*flow = world_make_flow(rig, w, &request);
	check_parts(frames, &flow->request_out, 100000u + request.sport);
}

static void replies_in_parts(struct sl_rig *rig, const struct world_flow *flow)
{
	struct sl_rig_frame frames[N_CUTS];

	put_parts(rig, RIG_BACK, &flow->reply, flow->reply_out.dport);
	take_parts(rig, RIG_FRONT, frames);
	check_parts(frames, &flow->reply_out, flow->reply_out.dport);
}

static void check_mode(const struct world *w, enum sl_forward forward,
                       const struct world_flow *flow)
{
	const struct sl_packet_spec *in = &flow->request, *out = &flow->request_out;
	struct sl_ip backend = sl_packet_ip(w->backends[flow->backend]);
	struct sl_ip local = sl_packet_ip(w->back_address);

	ck_assert(sl_ip_equal(&out->dst, forward == SL_FORWARD_DSR_L2 ? &in->dst : &backend));
	ck_assert(sl_ip_equal(&out->src, forward == SL_FORWARD_FULLNAT ? &local : &in->src));
	ck_assert_uint_eq(out->dport, forward == SL_FORWARD_DSR_L2 ? 443 : 8000);
	ck_assert_uint_eq(out->ttl, forward == SL_FORWARD_DSR_L2 ? 64 : 63);
}

START_TEST(udp_fragments_make_a_flow_and_follow_it_both_ways)
{
	const struct world *w = &worlds[_i % 2];
	enum sl_forward forward = (enum sl_forward)(_i / 2 % 3);
	uint32_t n_workers = _i / 6 + 1;
	struct sl_rig *rig = world_start(w, forward, n_workers, IPPROTO_UDP);
	struct world_flow flow;

	// With two workers: every pair of a datagram's worker and a flow's owner.
	for (uint16_t i = 0; i < 40 * (n_workers - 1) + 1; i++) {
		requests_in_parts(rig, w, world_request(w, IPPROTO_UDP, (uint16_t)(20000 + i)),
		                  &flow);
		check_mode(w, forward, &flow);
		if (forward != SL_FORWARD_DSR_L2)
			replies_in_parts(rig, &flow);
	}
	for (uint32_t i = 0; i < n_workers; i++)
		ck_assert_uint_gt(sl_stat_get(&rig->a.io.workers[i]->stats->flows), 0);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(tcp_fragments_follow_their_connection_and_leave_its_state_alone)
{
	const struct world *w = &worlds[_i % 2];
	enum sl_forward forward = (enum sl_forward)(_i / 2 % 3);
	struct sl_rig *rig = world_start(w, forward, 1, IPPROTO_TCP);
	struct sl_packet_spec request = world_request(w, IPPROTO_TCP, 40000);
	struct world_flow flow = world_make_flow(rig, w, &request);
	struct sl_rig_frame frames[N_CUTS];

	flow.request.tcp_flags = flow.request_out.tcp_flags = SL_TCP_ACK;
	flow.request.payload_bytes = flow.request_out.payload_bytes = PAYLOAD_BYTES;
	for (uint32_t id = 5; id < 8; id++) {
		put_parts(rig, RIG_FRONT, &flow.request, id);
		take_parts(rig, RIG_BACK, frames);
		check_parts(frames, &flow.request_out, id);
	}
	// The backend has not answered: the flow is as short-lived as any SYN's. Under DSR it would
	// not be seen to answer.
	sl_rig_pass(rig, 60 * SL_NS_PER_S);
	ck_assert_uint_eq(sl_stat_get(&rig->a.io.workers[0]->stats->flows),
	                  forward == SL_FORWARD_DSR_L2);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_fragmented_datagram_without_checksum_stays_without)
{
	const struct world *w = &worlds[WORLD_V4];
	struct sl_rig *rig = world_start(w, SL_FORWARD_NAT, 1, IPPROTO_UDP);
	struct sl_packet_spec request = world_request(w, IPPROTO_UDP, 40000);
	struct world_flow flow;

	request.is_udp_csum_off = true;
	requests_in_parts(rig, w, request, &flow);
	sl_rig_free(rig);
}
END_TEST

START_TEST(ip_options_of_every_part_pass_unchanged)
{
	// Record route with room for two, timestamp, padding.
	static const uint8_t options[24] = {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 68, 8, 5};
	const struct world *w = &worlds[WORLD_V4];
	struct sl_rig *rig = world_start(w, SL_FORWARD_NAT, 1, IPPROTO_UDP);
	struct sl_packet_spec request = world_request(w, IPPROTO_UDP, 40000);
	struct world_flow flow = world_make_flow(rig, w, &request);
	struct sl_rig_frame frames[N_CUTS];

	flow.request.ext = flow.request_out.ext = options;
	flow.request.ext_bytes = flow.request_out.ext_bytes = sizeof(options);
	sl_rig_put_spec(rig, RIG_FRONT, &flow.request);
	sl_rig_turn(rig);
	sl_rig_expect(rig, RIG_BACK, &flow.request_out);
	flow.request.payload_bytes = flow.request_out.payload_bytes = PAYLOAD_BYTES;
	put_parts(rig, RIG_FRONT, &flow.request, 5);
	take_parts(rig, RIG_BACK, frames);
	check_parts(frames, &flow.request_out, 5);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

// Parts of one datagram as they come, what leaves, and the one counter that rises.
static const struct story {
	const char *name;
	struct sl_cut cuts[4];
	uint32_t n_cuts, n_sent;
	uint16_t dport;
	enum sl_drop why;
	uint64_t pause_ns; // before the last one
} stories[] = {
	{"a later one alone", {{800, 800, 1, 0}}, 1, 0, 443, SL_DROP_FRAGMENT_EARLY, 0},
	{"the last before the first",
         {{1600, 0, 1, 0}, {0, 800, 1, 0}},
         2,
         1,
         443,
         SL_DROP_FRAGMENT_EARLY,
         0},
	{"two seconds late",
         {{0, 800, 1, 0}, {800, 800, 1, 0}},
         2,
         1,
         443,
         SL_DROP_FRAGMENT_EARLY,
         2 * SL_NS_PER_S},
	{"in time",
         {{0, 800, 1, 0}, {800, 800, 1, 0}, {8, 8, 1, 0}},
         3,
         2,
         443,
         SL_DROP_FRAGMENT_BAD,
         SL_NS_PER_S},
	{"of another datagram",
         {{0, 800, 1, 0}, {800, 800, 2, 0}},
         2,
         1,
         443,
         SL_DROP_FRAGMENT_EARLY,
         0},
	{"overlapping", {{0, 800, 1, 0}, {792, 16, 1, 0}}, 2, 1, 443, SL_DROP_FRAGMENT_BAD, 0},
	{"no multiple of 8", {{0, 801, 1, 0}}, 1, 0, 443, SL_DROP_FRAGMENT_BAD, 0},
	{"of a first one to no service", {{0, 800, 1, 0}}, 1, 0, 444, SL_DROP_NO_VIP, 0},
};

static void check_story(struct sl_rig *rig, const struct world *w, const struct story *story)
{
	// A datagram and a flow of its own for each.
	const uint32_t id = (uint32_t)(story - stories) * 16;
	struct sl_packet_spec request = world_request(w, IPPROTO_UDP, (uint16_t)(40000 + id));
	const uint64_t before = sl_rig_drops(rig, story->why);
	uint32_t n_sent = 0;

	request.payload_bytes = PAYLOAD_BYTES;
	request.dport = story->dport;
	for (uint32_t i = 0; i < story->n_cuts; i++) {
		struct sl_cut cut = story->cuts[i];

		cut.id += id;
		if (i + 1 == story->n_cuts)
			sl_rig_pass(rig, story->pause_ns);
		put_part(rig, RIG_FRONT, &request, &cut);
		sl_rig_turn(rig);
	}
	while (sl_rig_take(rig, RIG_BACK).n_bytes != 0)
		n_sent++;
	ck_assert_msg(n_sent == story->n_sent, "%s: %u left", story->name, n_sent);
	ck_assert_msg(sl_rig_drops(rig, story->why) - before == story->n_cuts - story->n_sent,
	              "%s: not counted", story->name);
	sl_rig_check_accounts(rig);
}

// The rig takes long to start: all stories on one.
START_TEST(a_fragment_that_cannot_be_followed_is_dropped_by_name)
{
	const struct world *w = &worlds[_i % 2];
	struct sl_rig *rig = world_start(w, SL_FORWARD_NAT, _i / 2 + 1, IPPROTO_UDP);

	for (size_t i = 0; i < COUNT(stories); i++)
		check_story(rig, w, &stories[i]);
	sl_rig_free(rig);
}
END_TEST

START_TEST(what_follows_a_refused_first_one_has_no_flow)
{
	const struct world *w = &worlds[_i % 2];
	struct sl_rig *rig = world_start(w, SL_FORWARD_NAT, _i / 2 + 1, IPPROTO_UDP);
	struct sl_packet_spec request = world_request(w, IPPROTO_UDP, 40000);

	request.payload_bytes = PAYLOAD_BYTES;
	request.dport = 444;
	put_parts(rig, RIG_FRONT, &request, 9);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_NO_VIP), 1);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_NO_FLOW), 2);
	sl_rig_expect_nothing(rig, RIG_BACK);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frag");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, udp_fragments_make_a_flow_and_follow_it_both_ways, 0, 12);
	tcase_add_loop_test(tc, tcp_fragments_follow_their_connection_and_leave_its_state_alone, 0,
	                    6);
	tcase_add_test(tc, a_fragmented_datagram_without_checksum_stays_without);
	tcase_add_test(tc, ip_options_of_every_part_pass_unchanged);
	tcase_add_loop_test(tc, a_fragment_that_cannot_be_followed_is_dropped_by_name, 0, 4);
	tcase_add_loop_test(tc, what_follows_a_refused_first_one_has_no_flow, 0, 4);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
