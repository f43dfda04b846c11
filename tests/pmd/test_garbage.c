// SPDX-License-Identifier: Apache-2.0
// Broken packets: counted by name, to the last one.
#include "sl_check.h"

#include <netinet/in.h>

#include "world.h"

static const struct {
	const char *name;
	size_t n_bytes; // of a good frame that are left
	enum sl_drop why;
} truncations[] = {
	{"no Ethernet header", 10, SL_DROP_TRUNCATED},
	{"half an IP header", 20, SL_DROP_TRUNCATED},
	{"half a TCP header", 40, SL_DROP_TRUNCATED},
};

START_TEST(a_truncated_packet_is_counted_and_nothing_leaves)
{
	struct sl_rig *rig = sl_world_start(&sl_worlds[0], SL_FORWARD_NAT, 1, IPPROTO_TCP);
	struct sl_packet_spec in = sl_world_request(&sl_worlds[0], IPPROTO_TCP, 40000);
	uint8_t frame[SL_PACKET_MAX_BYTES];

	memcpy(in.dst_mac, rig->a.ports.macs[RIG_FRONT], 6);
	sl_packet_build(frame, sizeof(frame), &in);
	sl_rig_put(rig, RIG_FRONT, frame, truncations[_i].n_bytes);
	sl_rig_turn(rig);
	ck_assert_msg(
		sl_rig_drops(rig, truncations[_i].why) + sl_rig_drops(rig, SL_DROP_BAD_HEADER) == 1,
		"%s", truncations[_i].name);
	sl_rig_expect_nothing(rig, RIG_BACK);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

START_TEST(random_garbage_is_counted_to_the_last_packet)
{
	struct sl_rig *rig = sl_world_start(&sl_worlds[0], SL_FORWARD_NAT, 2, IPPROTO_TCP);
	uint64_t seed = sl_check_seed(), state = seed;
	struct sl_packet_spec in = sl_world_request(&sl_worlds[0], IPPROTO_TCP, 40000);

	memcpy(in.dst_mac, rig->a.ports.macs[RIG_FRONT], 6);
	for (uint32_t i = 0; i < 3000; i++) {
		uint8_t frame[SL_PACKET_MAX_BYTES];
		size_t n_bytes = sl_packet_build(frame, sizeof(frame), &in);

		for (uint32_t flip = 0; flip < 1 + i % 8; flip++)
			frame[sl_check_random(&state) % n_bytes] ^=
				(uint8_t)(sl_check_random(&state));
		sl_rig_put(rig, RIG_FRONT, frame, 1 + sl_check_random(&state) % n_bytes);
		sl_rig_turn(rig);
		while (sl_rig_take(rig, RIG_BACK).n_bytes != 0 ||
		       sl_rig_take(rig, RIG_FRONT).n_bytes != 0)
			;
	}
	printf("# seed %lu\n", (unsigned long)seed);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("garbage");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_truncated_packet_is_counted_and_nothing_leaves, 0,
	                    (int)(sizeof(truncations) / sizeof(truncations[0])));
	tcase_add_test(tc, random_garbage_is_counted_to_the_last_packet);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
