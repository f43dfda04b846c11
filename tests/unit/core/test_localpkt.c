// SPDX-License-Identifier: Apache-2.0
#include "localpkt_frames.h"

static const uint8_t mac_host[6] = {0x02, 0, 0, 0, 0, 0x99};

static void check_ip(const char *name, const struct sl_ip *ip, const char *text)
{
	struct sl_ip want = sl_packet_ip(text);

	ck_assert_msg(sl_ip_equal(ip, &want), "%s: not %s", name, text);
}
// --- ARP in ---

// clang-format off
static const struct {
	const char *name;
	uint8_t frame[42];
	uint8_t n_bytes;
	uint8_t kind;
	bool has_sender_mac, is_solicited, is_dad;
} arps[] = {
	{"a request asks, and its sender can be learned", {ETH_BCAST, ARP_HEAD, 0, 1, ARP_HOST, 10,
	 0, 0, 9, NOBODY, 10, 0, 0, 1}, 42, SL_NEIGH_MSG_ASKS, true, false, false},
	{"a probe asks from nobody", {ETH_BCAST, ARP_HEAD, 0, 1, ARP_HOST, 0, 0, 0, 0, NOBODY, 10,
	 0, 0, 1}, 42, SL_NEIGH_MSG_ASKS, false, false, true},
	{"an announcement is a request that can be learned from", {ETH_BCAST, ARP_HEAD, 0, 1,
	 ARP_HOST, 10, 0, 0, 9, NOBODY, 10, 0, 0, 9}, 42, SL_NEIGH_MSG_ASKS, true, false, false},
	{"a reply to us tells and is solicited", {ETH_OURS, ARP_HEAD, 0, 2, ARP_HOST, 10, 0, 0, 9,
	 2, 0, 0, 0, 0, 1, 10, 0, 0, 1}, 42, SL_NEIGH_MSG_TELLS, true, true, false},
	{"a reply to everybody is not solicited", {ETH_BCAST, ARP_HEAD, 0, 2, ARP_HOST, 10, 0, 0, 9,
	 NOBODY, 10, 0, 0, 1}, 42, SL_NEIGH_MSG_TELLS, true, false, false},
	{"a gratuitous reply is not solicited", {ETH_OURS, ARP_HEAD, 0, 2, ARP_HOST, 10, 0, 0, 9,
	 NOBODY, 10, 0, 0, 9}, 42, SL_NEIGH_MSG_TELLS, true, false, false},
	{"one byte short", {ETH_BCAST, ARP_HEAD, 0, 1, ARP_HOST, 10, 0, 0, 9, NOBODY, 10, 0, 0, 1},
	 41, SL_NEIGH_MSG_NONE, false, false, false},
	{"hardware other than Ethernet", {ETH_BCAST, 0, 6, 8, 0, 6, 4, 0, 1, ARP_HOST, 10, 0, 0, 9,
	 NOBODY, 10, 0, 0, 1}, 42, SL_NEIGH_MSG_NONE, false, false, false},
	{"a protocol other than IPv4", {ETH_BCAST, 0, 1, 8, 1, 6, 4, 0, 1, ARP_HOST, 10, 0, 0, 9,
	 NOBODY, 10, 0, 0, 1}, 42, SL_NEIGH_MSG_NONE, false, false, false},
	{"a MAC of 8 bytes", {ETH_BCAST, 0, 1, 8, 0, 8, 4, 0, 1, ARP_HOST, 10, 0, 0, 9, NOBODY, 10,
	 0, 0, 1}, 42, SL_NEIGH_MSG_NONE, false, false, false},
	{"an address of 16 bytes", {ETH_BCAST, 0, 1, 8, 0, 6, 16, 0, 1, ARP_HOST, 10, 0, 0, 9,
	 NOBODY, 10, 0, 0, 1}, 42, SL_NEIGH_MSG_NONE, false, false, false},
	{"an unknown operation", {ETH_BCAST, ARP_HEAD, 0, 3, ARP_HOST, 10, 0, 0, 9, NOBODY, 10, 0,
	 0, 1}, 42, SL_NEIGH_MSG_NONE, false, false, false},
	{"a reply from nobody", {ETH_OURS, ARP_HEAD, 0, 2, ARP_HOST, 0, 0, 0, 0, NOBODY, 10, 0, 0,
	 1}, 42, SL_NEIGH_MSG_NONE, false, false, false},
	{"a sender with a group MAC", {ETH_BCAST, ARP_HEAD, 0, 1, 3, 0, 0, 0, 0, 9, 10, 0, 0, 9,
	 NOBODY, 10, 0, 0, 1}, 42, SL_NEIGH_MSG_NONE, false, false, false},
	{"a sender without a MAC", {ETH_BCAST, ARP_HEAD, 0, 1, NOBODY, 10, 0, 0, 9, NOBODY, 10, 0,
	 0, 1}, 42, SL_NEIGH_MSG_NONE, false, false, false},
	{"a multicast sender", {ETH_BCAST, ARP_HEAD, 0, 1, ARP_HOST, 224, 0, 0, 9, NOBODY, 10, 0, 0,
	 1}, 42, SL_NEIGH_MSG_NONE, false, false, false},
	{"a broadcast sender", {ETH_BCAST, ARP_HEAD, 0, 1, ARP_HOST, 255, 255, 255, 255, NOBODY, 10,
	 0, 0, 1}, 42, SL_NEIGH_MSG_NONE, false, false, false},
};
// clang-format on

START_TEST(an_arp_packet_says_who_asks_or_tells)
{
	uint8_t *exact = malloc(arps[_i].n_bytes); // so that a sanitizer sees a read past the end
	struct sl_neigh_msg msg;
	struct sl_pkt pkt;

	memcpy(exact, arps[_i].frame, arps[_i].n_bytes);
	pkt = pkt_of(exact, arps[_i].n_bytes, SL_PKT_ARP, 0);
	msg = sl_neigh_msg_parse(&pkt);
	ck_assert_msg(msg.kind == arps[_i].kind, "%s: kind %u", arps[_i].name, msg.kind);
	ck_assert_msg(msg.has_sender_mac == arps[_i].has_sender_mac, "%s", arps[_i].name);
	ck_assert_msg(msg.is_solicited == arps[_i].is_solicited, "%s", arps[_i].name);
	ck_assert_msg(msg.is_dad == arps[_i].is_dad, "%s", arps[_i].name);
	if (msg.kind != SL_NEIGH_MSG_NONE) {
		ck_assert_mem_eq(msg.sender_mac, mac_host, 6);
		ck_assert_mem_eq(&msg.sender.bytes[12], arps[_i].frame + 28, 4);
		ck_assert_mem_eq(&msg.target.bytes[12], arps[_i].frame + 38, 4);
		ck_assert(sl_ip_is_v4(&msg.sender) && sl_ip_is_v4(&msg.target));
	}
	free(exact);
}
END_TEST

// --- neighbour discovery in ---

// clang-format off
static const struct nd_case nds[] = {
	{"a solicitation asks", NS, 0, 255, 0, HOST, NODE, TARGET, {SLLA}, 8, SL_NEIGH_MSG_ASKS,
	 true, false, false, 0x77},
	{"a unicast solicitation without option is answered to the frame's source", NS, 0, 255, 0,
	 HOST, TARGET, TARGET, {0}, 0, SL_NEIGH_MSG_ASKS, false, false, false, 0x99},
	{"options not known are passed over", NS, 0, 255, 0, HOST, NODE, TARGET, {UNKNOWN, SLLA},
	 24, SL_NEIGH_MSG_ASKS, true, false, false, 0x77},
	{"duplicate address detection asks from nobody", NS, 0, 255, 0, "::", NODE, TARGET, {0}, 0,
	 SL_NEIGH_MSG_ASKS, false, false, true, 0x99},
	{"duplicate address detection may not carry a MAC", NS, 0, 255, 0, "::", NODE, TARGET,
	 {SLLA}, 8, SL_NEIGH_MSG_NONE, false, false, false, 0},
	{"duplicate address detection goes to a solicited-node address", NS, 0, 255, 0, "::",
	 TARGET, TARGET, {0}, 0, SL_NEIGH_MSG_NONE, false, false, false, 0},
	{"a solicited advertisement tells", NA, 0, 255, S | O, TARGET, HOST, TARGET, {TLLA}, 8,
	 SL_NEIGH_MSG_TELLS, true, true, false, 0x77},
	{"a solicited one without option speaks for the frame's source", NA, 0, 255, S, TARGET,
	 HOST, TARGET, {0}, 0, SL_NEIGH_MSG_TELLS, true, true, false, 0x99},
	{"an unsolicited one with override can be learned", NA, 0, 255, O, TARGET, "ff02::1",
	 TARGET, {TLLA}, 8, SL_NEIGH_MSG_TELLS, true, false, false, 0x77},
	{"an unsolicited one without override can not", NA, 0, 255, 0, TARGET, "ff02::1", TARGET,
	 {TLLA}, 8, SL_NEIGH_MSG_TELLS, false, false, false, 0x77},
	{"an unsolicited one without option teaches nothing", NA, 0, 255, O, TARGET, "ff02::1",
	 TARGET, {0}, 0, SL_NEIGH_MSG_TELLS, false, false, false, 0},
	{"a solicited advertisement to a group", NA, 0, 255, S, TARGET, "ff02::1", TARGET, {TLLA},
	 8, SL_NEIGH_MSG_NONE, false, false, false, 0},
	{"hop limit 254 has crossed a router", NS, 0, 254, 0, HOST, NODE, TARGET, {SLLA}, 8,
	 SL_NEIGH_MSG_NONE, false, false, false, 0},
	{"code 1", NS, 1, 255, 0, HOST, NODE, TARGET, {SLLA}, 8, SL_NEIGH_MSG_NONE, false, false,
	 false, 0},
	{"a multicast target", NS, 0, 255, 0, HOST, NODE, "ff02::1", {SLLA}, 8, SL_NEIGH_MSG_NONE,
	 false, false, false, 0},
	{"an IPv4-mapped target", NS, 0, 255, 0, HOST, NODE, "10.0.0.1", {SLLA}, 8,
	 SL_NEIGH_MSG_NONE, false, false, false, 0},
	{"a multicast source", NS, 0, 255, 0, "ff02::1", NODE, TARGET, {SLLA}, 8, SL_NEIGH_MSG_NONE,
	 false, false, false, 0},
	{"an option of length 0", NS, 0, 255, 0, HOST, NODE, TARGET, {1, 0, 2, 0, 0, 0, 0, 7}, 8,
	 SL_NEIGH_MSG_NONE, false, false, false, 0},
	{"an option past the end", NS, 0, 255, 0, HOST, NODE, TARGET, {1, 2, 2, 0, 0, 0, 0, 7}, 8,
	 SL_NEIGH_MSG_NONE, false, false, false, 0},
	{"half an option", NS, 0, 255, 0, HOST, NODE, TARGET, {SLLA, 1, 1, 2}, 11,
	 SL_NEIGH_MSG_NONE, false, false, false, 0},
	{"a group MAC teaches nothing", NS, 0, 255, 0, HOST, NODE, TARGET, {1, 1, 3, 0, 0, 0, 0, 7},
	 8, SL_NEIGH_MSG_ASKS, false, false, false, 0x99},
	{"the option of the other message teaches nothing", NS, 0, 255, 0, HOST, NODE, TARGET,
	 {TLLA}, 8, SL_NEIGH_MSG_ASKS, false, false, false, 0x99},
	{"a router advertisement is of no interest", 134, 0, 255, 0, HOST, NODE, TARGET, {SLLA}, 8,
	 SL_NEIGH_MSG_NONE, false, false, false, 0},
	{"a redirect is not obeyed", 137, 0, 255, 0, HOST, TARGET, TARGET, {TLLA}, 8,
	 SL_NEIGH_MSG_NONE, false, false, false, 0},
};
// clang-format on
START_TEST(a_neighbour_message_is_checked_and_says_who_asks_or_tells)
{
	const struct nd_case *c = &nds[_i];
	struct sl_neigh_msg msg;
	struct sl_pkt pkt;
	uint8_t *frame = nd_frame(c, 0, &pkt);

	msg = sl_neigh_msg_parse(&pkt);
	ck_assert_msg(msg.kind == c->kind, "%s: kind %u", c->name, msg.kind);
	ck_assert_msg(msg.has_sender_mac == c->has_sender_mac, "%s", c->name);
	ck_assert_msg(msg.is_solicited == c->is_solicited, "%s", c->name);
	ck_assert_msg(msg.is_dad == c->is_dad, "%s", c->name);
	if (c->last_mac_byte != 0)
		ck_assert_msg(msg.sender_mac[5] == c->last_mac_byte, "%s", c->name);
	if (msg.kind != SL_NEIGH_MSG_NONE) {
		check_ip(c->name, &msg.sender, c->type == NA ? c->target : c->src);
		check_ip(c->name, &msg.target, c->target);
	}
	free(frame);
}
END_TEST

START_TEST(a_neighbour_message_with_any_bit_changed_is_ignored)
{
	struct sl_pkt pkt;
	uint8_t *frame = nd_frame(&nds[0], 0, &pkt);

	for (size_t bit = 8; bit < pkt.l4_bytes * 8u; bit++) {
		uint8_t *at = frame + pkt.l4_off + bit / 8;

		*at ^= (uint8_t)(1u << (bit % 8));
		ck_assert_msg(sl_neigh_msg_parse(&pkt).kind == SL_NEIGH_MSG_NONE, "bit %zu", bit);
		*at ^= (uint8_t)(1u << (bit % 8));
	}
	ck_assert_uint_eq(sl_neigh_msg_parse(&pkt).kind, SL_NEIGH_MSG_ASKS);
	free(frame);
}
END_TEST

START_TEST(a_neighbour_message_cut_anywhere_is_ignored)
{
	struct sl_pkt pkt;
	uint8_t *frame = nd_frame(&nds[1], 0, &pkt), *cut;

	for (uint16_t n = 0; n < 24; n++) {
		struct sl_pkt shorter = pkt;

		cut = malloc(pkt.l4_off + n + 1u);
		memcpy(cut, frame, pkt.l4_off + n);
		shorter.data = cut;
		shorter.len = pkt.l4_off + n;
		ck_assert_uint_eq(sl_neigh_msg_parse(&shorter).kind, SL_NEIGH_MSG_NONE);
		shorter.l4_bytes = n;
		ck_assert_uint_eq(sl_neigh_msg_parse(&shorter).kind, SL_NEIGH_MSG_NONE);
		free(cut);
	}
	free(frame);
}
END_TEST

START_TEST(only_arp_and_neighbour_discovery_are_looked_at)
{
	struct sl_pkt pkt;
	uint8_t *frame = nd_frame(&nds[0], 0, &pkt);

	pkt.kind = SL_PKT_OTHER;
	ck_assert_uint_eq(sl_neigh_msg_parse(&pkt).kind, SL_NEIGH_MSG_NONE);
	free(frame);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("localpkt");
	TCase *tc = tcase_create("in");

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, an_arp_packet_says_who_asks_or_tells, 0, N_OF(arps));
	tcase_add_loop_test(tc, a_neighbour_message_is_checked_and_says_who_asks_or_tells, 0,
	                    N_OF(nds));
	tcase_add_test(tc, a_neighbour_message_with_any_bit_changed_is_ignored);
	tcase_add_test(tc, a_neighbour_message_cut_anywhere_is_ignored);
	tcase_add_test(tc, only_arp_and_neighbour_discovery_are_looked_at);
	return sl_check_run(suite);
}
