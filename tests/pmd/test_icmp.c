// SPDX-License-Identifier: Apache-2.0
// ICMP errors through the whole appliance, byte for byte: those of others find the flow they are
// about, with as little as 8 bytes of its transport, and speak in the addresses their reader knows;
// ours say that a TTL ended here.
#include "sl_check.h"

#include <netinet/in.h>

#include "fragments.h"
#include "icmp_error.h"
#include "icmp_make.h"
#include "fragworld.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define ALL        0
#define QUOTE_L4   8
#define MTU        1400
#define QUOTE_WIDE 24 // all of TCP and of UDP, and some data

static const uint16_t quoted_l4_bytes[] = {QUOTE_L4, 12, QUOTE_WIDE, ALL};

static bool is_v6(const struct sl_packet_spec *spec)
{
	return !sl_ip_is_v4(&spec->dst);
}

// Fragmentation needed, or packet too big, by router.
static struct sl_packet_spec too_big(const char *router, const struct sl_packet_spec *quote,
                                     uint16_t l4_bytes)
{
	bool v6 = is_v6(quote);

	return (struct sl_packet_spec){.src = sl_packet_ip(router),
	                               .dst = quote->src,
	                               .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
	                               .icmp_type = v6 ? 2 : 3,
	                               .icmp_code = v6 ? 0 : 4,
	                               .icmp_rest = MTU,
	                               .quote = quote,
	                               .quote_bytes =
	                                       l4_bytes == ALL ? 0 : l4_bytes + (v6 ? 40 : 20)};
}

static struct world_flow new_flow(struct sl_rig *rig, const struct world *w, uint8_t proto)
{
	struct sl_packet_spec request = world_request(w, proto, 40000);

	request.payload_bytes = 33;
	return world_make_flow(rig, w, &request);
}

// About a request on its way to the backend: the client hears it from the VIP.
static void error_about_request(struct sl_rig *rig, const struct world *w,
                                const struct world_flow *flow, uint16_t l4_bytes)
{
	struct sl_packet_spec quote_in = flow->request_out, quote_out = flow->request;
	struct sl_packet_spec in = too_big(w->router, &quote_in, l4_bytes);
	struct sl_packet_spec out = too_big(w->vip, &quote_out, l4_bytes);

	quote_in.ttl = quote_out.ttl = 61; // it had gone on a bit
	sl_rig_put_spec(rig, RIG_BACK, &in);
	sl_rig_turn(rig);
	out.ttl = 63;
	memcpy(out.src_mac, rig->a.ports.macs[RIG_FRONT], 6);
	memcpy(out.dst_mac, world_gateway_mac, 6);
	sl_rig_expect(rig, RIG_FRONT, &out);
	sl_rig_expect_nothing(rig, RIG_BACK);
}

// About a reply on its way to the client: the backend hears it from whoever said it (fullnat: from
// us, as it has no route to him).
static void error_about_reply(struct sl_rig *rig, const struct world *w,
                              const struct world_flow *flow, uint16_t l4_bytes, bool is_fullnat)
{
	const char *router = w == &worlds[WORLD_V4] ? "198.51.100.254" : "2001:db8:7::fe";
	struct sl_packet_spec quote_in = flow->reply_out, quote_out = flow->reply;
	struct sl_packet_spec in = too_big(router, &quote_in, l4_bytes);
	struct sl_packet_spec out =
		too_big(is_fullnat ? w->back_address : router, &quote_out, l4_bytes);

	quote_in.ttl = quote_out.ttl = 61;
	sl_rig_put_spec(rig, RIG_FRONT, &in);
	sl_rig_turn(rig);
	out.ttl = 63;
	memcpy(out.src_mac, rig->a.ports.macs[RIG_BACK], 6);
	memcpy(out.dst_mac, world_backend_macs[flow->backend], 6);
	sl_rig_expect(rig, RIG_BACK, &out);
	sl_rig_expect_nothing(rig, RIG_FRONT);
}

START_TEST(errors_of_others_speak_in_the_addresses_their_reader_knows)
{
	const struct world *w = &worlds[_i % 2];
	uint8_t proto = _i / 2 % 2 ? IPPROTO_UDP : IPPROTO_TCP;
	bool is_fullnat = _i / 4 % 2;
	uint32_t n_workers = _i / 8 + 1;
	struct sl_rig *rig =
		world_start(w, is_fullnat ? SL_FORWARD_FULLNAT : SL_FORWARD_NAT, n_workers, proto);

	// So many flows that with two workers both own some (all on one: once in 2^23 runs).
	for (uint16_t i = 0; i < 24; i++) {
		struct sl_packet_spec request = world_request(w, proto, (uint16_t)(40000 + i));
		struct world_flow flow;

		request.payload_bytes = 33;
		flow = world_make_flow(rig, w, &request);
		for (size_t n = 0; n < COUNT(quoted_l4_bytes); n++) {
			error_about_request(rig, w, &flow, quoted_l4_bytes[n]);
			error_about_reply(rig, w, &flow, quoted_l4_bytes[n], is_fullnat);
		}
	}
	for (uint32_t i = 0; i < n_workers; i++)
		ck_assert_uint_gt(sl_stat_get(&rig->a.io.workers[i]->stats->flows), 0);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(under_dsr_an_error_about_a_reply_reaches_its_backend_untouched)
{
	const struct world *w = &worlds[_i % 2];
	uint8_t proto = _i / 2 ? IPPROTO_UDP : IPPROTO_TCP;
	struct sl_rig *rig = world_start(w, SL_FORWARD_DSR_L2, 1, proto);
	struct world_flow flow = new_flow(rig, w, proto);

	for (size_t n = 0; n < COUNT(quoted_l4_bytes); n++) {
		// The backend answered by itself; what the client received is what it sent.
		struct sl_packet_spec error =
			too_big(w->client, &flow.reply_out, quoted_l4_bytes[n]);

		sl_rig_put_spec(rig, RIG_FRONT, &error);
		sl_rig_turn(rig);
		memcpy(error.src_mac, rig->a.ports.macs[RIG_BACK], 6);
		memcpy(error.dst_mac, world_backend_macs[flow.backend], 6);
		sl_rig_expect(rig, RIG_BACK, &error);
	}
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

// Errors to the VIP that go nowhere.
static void drop_error(struct sl_rig *rig, const struct sl_packet_spec *error, enum sl_drop why)
{
	const uint64_t before = sl_rig_drops(rig, why);

	sl_rig_put_spec(rig, RIG_FRONT, error);
	sl_rig_turn(rig);
	ck_assert_msg(sl_rig_drops(rig, why) == before + 1, "%s is not counted", sl_drop_name(why));
	sl_rig_expect_nothing(rig, RIG_BACK);
	sl_rig_expect_nothing(rig, RIG_FRONT);
	sl_rig_check_accounts(rig);
}

START_TEST(errors_about_nothing_of_ours_are_dropped_by_name)
{
	const struct world *w = &worlds[_i];
	const uint8_t icmp = _i == WORLD_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	struct sl_rig *rig = world_start(w, SL_FORWARD_NAT, 1, IPPROTO_UDP);
	struct world_flow flow = new_flow(rig, w, IPPROTO_UDP);
	struct sl_packet_spec stranger = flow.reply_out, echo = flow.reply_out, error, nested;

	stranger.dport++;
	error = too_big(w->client, &stranger, QUOTE_L4);
	drop_error(rig, &error, SL_DROP_ICMP_NO_FLOW);
	// A quote whose ports we cannot read.
	error = too_big(w->client, &flow.reply_out, QUOTE_L4 - 1);
	drop_error(rig, &error, SL_DROP_TRUNCATED);
	// About an echo from the VIP: no flow has one.
	echo.proto = icmp;
	echo.icmp_type = _i == WORLD_V6 ? 129 : 0;
	error = too_big(w->client, &echo, QUOTE_L4);
	drop_error(rig, &error, SL_DROP_ICMP_NO_FLOW);
	// About an error about our reply: whoever sends that breaks RFC 1122 3.2.2.
	nested = too_big(w->vip, &flow.request, QUOTE_L4);
	nested.src = sl_packet_ip(w->vip);
	nested.dst = sl_packet_ip(w->client);
	error = too_big(w->client, &nested, ALL);
	drop_error(rig, &error, SL_DROP_ICMP_NO_FLOW);
	// One that ends here: nobody is told.
	error = too_big(w->client, &flow.reply_out, QUOTE_L4);
	error.ttl = 1;
	drop_error(rig, &error, SL_DROP_TTL);
	sl_rig_free(rig);
}
END_TEST

START_TEST(an_error_about_a_later_fragment_has_no_ports_to_go_by)
{
	const struct world *w = &worlds[WORLD_V4];
	struct sl_rig *rig = world_start(w, SL_FORWARD_NAT, 1, IPPROTO_UDP);
	struct world_flow flow = new_flow(rig, w, IPPROTO_UDP);
	struct sl_packet_spec error;

	flow.reply_out.frag = 0x2064;
	error = too_big(w->client, &flow.reply_out, QUOTE_L4);
	drop_error(rig, &error, SL_DROP_FRAGMENT);
	sl_rig_free(rig);
}
END_TEST

// --- our own ---

static void expect_time_exceeded(struct sl_rig *rig, uint32_t port, const char *from,
                                 const struct sl_packet_spec *about)
{
	struct sl_icmp_want want = {is_v6(about) ? 3 : 11, 0, 0, from};
	uint8_t bytes[SL_PACKET_MAX_BYTES];
	struct sl_packet_spec as_it_came = *about;
	struct sl_rig_frame got = sl_rig_take(rig, port);
	size_t n_bytes;

	memcpy(as_it_came.dst_mac, rig->a.ports.macs[port], 6);
	n_bytes = sl_icmp_want_build(bytes, &as_it_came, &want);
	ck_assert_uint_eq(got.n_bytes, n_bytes);
	ck_assert_mem_eq(got.bytes, bytes, n_bytes);
}

START_TEST(a_ttl_that_ends_here_is_told_to_the_sender_on_either_side)
{
	const struct world *w = &worlds[_i % 2];
	uint8_t proto = _i / 2 % 2 ? IPPROTO_UDP : IPPROTO_TCP;
	enum sl_forward forward = _i / 4 ? SL_FORWARD_FULLNAT : SL_FORWARD_NAT;
	struct sl_rig *rig = world_start(w, forward, 2, proto);
	struct world_flow flow = new_flow(rig, w, proto);

	for (uint16_t payload = 50; payload < 1600; payload += 1400) { // and one that is cut
		flow.request.ttl = flow.reply.ttl = 1;
		flow.request.payload_bytes = flow.reply.payload_bytes = payload;
		sl_rig_put_spec(rig, RIG_FRONT, &flow.request);
		sl_rig_put_spec(rig, RIG_BACK, &flow.reply);
		sl_rig_turn(rig);
		expect_time_exceeded(rig, RIG_FRONT, w->front_address, &flow.request);
		expect_time_exceeded(rig, RIG_BACK, w->back_address, &flow.reply);
	}
	sl_rig_expect_nothing(rig, RIG_FRONT);
	sl_rig_expect_nothing(rig, RIG_BACK);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TTL), 4);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(of_a_fragmented_datagram_only_the_first_part_is_answered)
{
	const struct world *w = &worlds[_i];
	struct sl_rig *rig = world_start(w, SL_FORWARD_NAT, 1, IPPROTO_UDP);
	struct sl_packet_spec request = world_request(w, IPPROTO_UDP, 40000);
	const struct sl_cut cuts[] = {{.at = 0, .n_bytes = 64, .id = 3}, {.at = 64, .id = 3}};
	uint8_t whole[SL_PACKET_MAX_BYTES], part[SL_PACKET_MAX_BYTES];
	const size_t l4 = _i == WORLD_V6 ? 54 : 34, head = _i == WORLD_V6 ? 48 : 28;
	const size_t quote = SL_ETH_BYTES + head;
	struct sl_rig_frame got;
	size_t n_whole, n_part;

	request.payload_bytes = 200;
	request.ttl = 1;
	memcpy(request.dst_mac, rig->a.ports.macs[RIG_FRONT], 6);
	n_whole = sl_packet_build(whole, sizeof(whole), &request);
	for (size_t i = 0; i < COUNT(cuts); i++) {
		n_part = sl_fragment_cut(part, whole, n_whole, &cuts[i]);
		sl_rig_put(rig, RIG_FRONT, part, n_part);
	}
	sl_rig_turn(rig);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TTL), 1);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_NO_FLOW), 1); // the first made none
	got = sl_rig_take(rig, RIG_FRONT);
	n_part = sl_fragment_cut(part, whole, n_whole, &cuts[0]);
	ck_assert_uint_eq(got.n_bytes, n_part);
	ck_assert_uint_eq(got.bytes[l4], _i == WORLD_V6 ? 3 : 11);
	ck_assert_mem_eq(got.bytes + quote, part + SL_ETH_BYTES, n_part - quote);
	sl_rig_expect_nothing(rig, RIG_FRONT);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(a_flood_of_dying_packets_is_not_answered_one_by_one)
{
	const struct world *w = &worlds[WORLD_V4];
	struct sl_rig *rig = world_start(w, SL_FORWARD_NAT, 1, IPPROTO_UDP);
	struct world_flow flow = new_flow(rig, w, IPPROTO_UDP);
	uint32_t n_errors = 0;

	flow.request.ttl = 1;
	for (uint32_t i = 0; i < 1000; i++)
		sl_rig_put_spec(rig, RIG_FRONT, &flow.request);
	sl_rig_turn(rig);
	while (sl_rig_take(rig, RIG_FRONT).n_bytes != 0)
		n_errors++;
	ck_assert_uint_eq(n_errors, SL_ICMP_BURST);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_TTL), 1000);
	sl_rig_pass(rig, SL_FLOW_TICK_NS);
	sl_rig_put_spec(rig, RIG_FRONT, &flow.request);
	sl_rig_turn(rig);
	expect_time_exceeded(rig, RIG_FRONT, w->front_address, &flow.request);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(under_dsr_no_ttl_ends_here)
{
	const struct world *w = &worlds[_i];
	struct sl_rig *rig = world_start(w, SL_FORWARD_DSR_L2, 1, IPPROTO_UDP);
	struct world_flow flow = new_flow(rig, w, IPPROTO_UDP);

	flow.request.ttl = flow.request_out.ttl = 1;
	sl_rig_put_spec(rig, RIG_FRONT, &flow.request);
	sl_rig_turn(rig);
	sl_rig_expect(rig, RIG_BACK, &flow.request_out);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("icmp");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, errors_of_others_speak_in_the_addresses_their_reader_knows, 0, 16);
	tcase_add_loop_test(tc, under_dsr_an_error_about_a_reply_reaches_its_backend_untouched, 0,
	                    4);
	tcase_add_loop_test(tc, errors_about_nothing_of_ours_are_dropped_by_name, 0, 2);
	tcase_add_test(tc, an_error_about_a_later_fragment_has_no_ports_to_go_by);
	tcase_add_loop_test(tc, a_ttl_that_ends_here_is_told_to_the_sender_on_either_side, 0, 8);
	tcase_add_loop_test(tc, of_a_fragmented_datagram_only_the_first_part_is_answered, 0, 2);
	tcase_add_test(tc, a_flood_of_dying_packets_is_not_answered_one_by_one);
	tcase_add_loop_test(tc, under_dsr_no_ttl_ends_here, 0, 2);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
