// SPDX-License-Identifier: Apache-2.0
// Which port a tag names, and which tag a packet leaves with.
#include "sl_check.h"

#include <netinet/in.h>

#include "links.h"
#include "packets.h"
#include "parse.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

// Device 0 is a trunk with VLANs 100 and 4094, device 1 a trunk with VLAN 100, device 2 plain.
enum { TRUNK, OTHER_TRUNK, PLAIN, RED, BLUE, GREEN, PORTS };

static const struct sl_dpconfig config = {
	.n_ports = PORTS,
	.ports = {[RED] = {.vlan_id = 100, .parent = TRUNK},
                  [BLUE] = {.vlan_id = 4094, .parent = TRUNK},
                  [GREEN] = {.vlan_id = 100, .parent = OTHER_TRUNK}}};

static const struct {
	const char *name;
	uint16_t device;
	uint8_t n_tags;
	uint16_t tci[2], tpid;
	bool is_refused;
	uint16_t port;
} entries[] = {
	{"untagged on a trunk", TRUNK, 0, {0}, 0, false, TRUNK},
	{"a known id", TRUNK, 1, {100}, 0, false, RED},
	{"the highest id", TRUNK, 1, {4094}, 0, false, BLUE},
	{"a known id with priority and drop bit", TRUNK, 1, {0xf000 | 100}, 0, false, RED},
	{"the same id on another device", OTHER_TRUNK, 1, {100}, 0, false, GREEN},
	{"an id of another device", OTHER_TRUNK, 1, {4094}, 0, true, 0},
	{"an unknown id", TRUNK, 1, {101}, 0, true, 0},
	{"the reserved id", TRUNK, 1, {4095}, 0, true, 0},
	{"a priority tag", TRUNK, 1, {0xe000}, 0, false, TRUNK},
	{"two tags", TRUNK, 2, {100, 100}, 0, true, 0},
	{"a priority tag before a known id", TRUNK, 2, {0, 100}, 0, true, 0},
	{"a service tag with a known id", TRUNK, 1, {100}, 0x88a8, true, 0},
	{"a tag on a device without VLANs", PLAIN, 1, {7}, 0, false, PLAIN},
	{"two tags on a device without VLANs", PLAIN, 2, {7, 8}, 0, false, PLAIN},
};

static struct sl_packet_spec request(uint8_t n_tags, const uint16_t tci[2])
{
	return (struct sl_packet_spec){.dst_mac = {2, 0, 0, 0, 0, 1},
	                               .src_mac = {2, 0, 0, 0, 0, 2},
	                               .n_vlans = n_tags,
	                               .vlan_tci = {tci[0], tci[1]},
	                               .src = SL_PACKET_V4(198, 51, 100, 7),
	                               .dst = SL_PACKET_V4(203, 0, 113, 10),
	                               .proto = IPPROTO_TCP,
	                               .sport = 40000,
	                               .dport = 443,
	                               .payload_bytes = 30};
}

START_TEST(tag_names_the_port)
{
	struct sl_packet_spec spec = request(entries[_i].n_tags, entries[_i].tci);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt = {.data = frame, .in_port = entries[_i].device};
	struct sl_links links;

	ck_assert_int_eq(sl_links_init(&links, &config), 0);
	spec.vlan_tpid[0] = entries[_i].tpid;
	pkt.len = (uint32_t)sl_packet_build(frame, sizeof(frame), &spec);
	ck_assert_int_lt(sl_parse(&pkt), 0);
	ck_assert_msg(sl_links_enter(&links, &pkt) != entries[_i].is_refused, "%s",
	              entries[_i].name);
	if (!entries[_i].is_refused)
		ck_assert_msg(pkt.in_port == entries[_i].port, "%s: port %u", entries[_i].name,
		              pkt.in_port);
	sl_links_fini(&links);
}
END_TEST

static const struct {
	const char *name;
	uint16_t in, out;
	uint8_t n_in;
	uint16_t in_tci[2];
	uint8_t n_out;
	uint16_t out_tci[2];
} exits[] = {
	{"plain to plain keeps two tags", PLAIN, PLAIN, 2, {7, 8}, 2, {7, 8}},
	{"plain to plain keeps none", PLAIN, PLAIN, 0, {0}, 0, {0}},
	{"untagged to a VLAN is tagged", TRUNK, RED, 0, {0}, 1, {100}},
	{"plain to a VLAN is tagged", PLAIN, BLUE, 0, {0}, 1, {4094}},
	{"VLAN to VLAN is replaced, priority kept",
         RED,
         BLUE,
         1,
         {0xb000 | 100},
         1,
         {0xb000 | 4094}},
	{"VLAN to the same stays", RED, RED, 1, {100}, 1, {100}},
	{"VLAN to the trunk itself loses it", RED, TRUNK, 1, {0x6000 | 100}, 0, {0}},
	{"VLAN to a plain device loses it", RED, PLAIN, 1, {100}, 0, {0}},
	{"a priority tag ends on a trunk", TRUNK, OTHER_TRUNK, 1, {0xe000}, 0, {0}},
	{"priority goes on in the VLAN's tag", TRUNK, GREEN, 1, {0xe000}, 1, {0xe000 | 100}},
	{"two tags of a plain device become one",
         PLAIN,
         RED,
         2,
         {0xa000 | 7, 8},
         1,
         {0xa000 | 100}},
	{"two tags of a plain device become none", PLAIN, TRUNK, 2, {7, 8}, 0, {0}},
};

START_TEST(packet_leaves_with_the_tag_of_its_port)
{
	struct sl_packet_spec spec = request(exits[_i].n_in, exits[_i].in_tci);
	uint8_t buffer[SL_PACKET_MAX_BYTES], want[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt = {.data = buffer + 4, .headroom = 4, .in_port = exits[_i].in};
	struct sl_links links;
	size_t n_want;

	ck_assert_int_eq(sl_links_init(&links, &config), 0);
	pkt.len = (uint32_t)sl_packet_build(pkt.data, sizeof(buffer) - 4, &spec);
	ck_assert_int_lt(sl_parse(&pkt), 0);
	pkt.out_port = exits[_i].out;
	ck_assert_msg(sl_links_tag(&links, &pkt), "%s", exits[_i].name);
	spec = request(exits[_i].n_out, exits[_i].out_tci);
	n_want = sl_packet_build(want, sizeof(want), &spec);
	ck_assert_msg(pkt.len == n_want && memcmp(pkt.data, want, n_want) == 0, "%s",
	              exits[_i].name);
	ck_assert_uint_eq(pkt.headroom, pkt.data - buffer);
	ck_assert_uint_eq(pkt.n_vlans, exits[_i].n_out);
	ck_assert_uint_eq(pkt.l3_off, 14 + 4 * exits[_i].n_out);
	ck_assert_uint_eq(pkt.l4_off, pkt.l3_off + 20);
	ck_assert_uint_eq(pkt.payload_off, pkt.l4_off + 20);
	sl_links_fini(&links);
}
END_TEST

START_TEST(without_headroom_no_tag_is_put_and_no_byte_changes)
{
	struct sl_packet_spec spec = request(0, (uint16_t[2]){0});
	uint8_t buffer[SL_PACKET_MAX_BYTES], before[SL_PACKET_MAX_BYTES];
	struct sl_pkt pkt = {.data = buffer + 3, .headroom = 3, .in_port = TRUNK};
	struct sl_links links;

	ck_assert_int_eq(sl_links_init(&links, &config), 0);
	pkt.len = (uint32_t)sl_packet_build(pkt.data, sizeof(buffer) - 3, &spec);
	ck_assert_int_lt(sl_parse(&pkt), 0);
	memcpy(before, pkt.data, pkt.len);
	pkt.out_port = RED;
	ck_assert(!sl_links_tag(&links, &pkt));
	ck_assert_mem_eq(pkt.data, before, pkt.len);
	sl_links_fini(&links);
}
END_TEST

START_TEST(own_frames_are_tagged_only_where_there_is_room)
{
	struct sl_packet_spec spec = request(0, (uint16_t[2]){0});
	uint8_t frame[SL_PACKET_MAX_BYTES], want[SL_PACKET_MAX_BYTES];
	struct sl_links links;
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), &spec), n_want;

	ck_assert_int_eq(sl_links_init(&links, &config), 0);
	ck_assert_uint_eq(sl_links_tag_frame(&links, frame, n_bytes, n_bytes + 3, RED), 0);
	ck_assert_uint_eq(sl_links_tag_frame(&links, frame, n_bytes, n_bytes, TRUNK), n_bytes);
	ck_assert_uint_eq(sl_links_tag_frame(&links, frame, 0, sizeof(frame), RED), 0);
	spec = request(1, (uint16_t[2]){100});
	n_want = sl_packet_build(want, sizeof(want), &spec);
	ck_assert_uint_eq(sl_links_tag_frame(&links, frame, n_bytes, n_bytes + 4, RED), n_want);
	ck_assert_mem_eq(frame, want, n_want);
	sl_links_fini(&links);
}
END_TEST

static const struct {
	const char *name;
	uint16_t mtus[3]; // of three devices
	uint16_t vlan_id; // of the third, on the first; 0: a device too
	uint64_t careful;
} cares[] = {
	{"all alike", {0, 1500, 0}, 0, 0},
	{"one longer than the others", {1500, 9000, 0}, 0, 5},
	{"one shorter than the default", {1400, 0, 0}, 0, 1},
	{"VLANs concern all", {0, 0, 0}, 5, 7},
};

START_TEST(only_ports_with_tags_or_a_shorter_mtu_need_care)
{
	struct sl_dpconfig c = {.n_ports = 3};
	struct sl_links links;

	for (uint32_t p = 0; p < 3; p++)
		c.ports[p].mtu_bytes = cares[_i].mtus[p];
	c.ports[2].vlan_id = cares[_i].vlan_id;
	ck_assert_int_eq(sl_links_init(&links, &c), 0);
	ck_assert_msg(sl_links_careful(&links) == cares[_i].careful, "%s: %lx", cares[_i].name,
	              (unsigned long)sl_links_careful(&links));
	sl_links_fini(&links);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("links");
	TCase *tc = tcase_create("links");

	tcase_add_loop_test(tc, tag_names_the_port, 0, COUNT(entries));
	tcase_add_loop_test(tc, packet_leaves_with_the_tag_of_its_port, 0, COUNT(exits));
	tcase_add_test(tc, without_headroom_no_tag_is_put_and_no_byte_changes);
	tcase_add_test(tc, own_frames_are_tagged_only_where_there_is_room);
	tcase_add_loop_test(tc, only_ports_with_tags_or_a_shorter_mtu_need_care, 0, COUNT(cares));
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
