// SPDX-License-Identifier: Apache-2.0
// Corners of the appliance that a review found broken: each test failed before its fix.
#include "sl_check.h"

#include <netinet/in.h>

#include "rig.h"

static const struct sl_body_vip vip = {"203.0.113.10", 443, 443, IPPROTO_TCP, 0};

static void configure(struct sl_rig *rig, uint64_t epoch, const char *backend)
{
	struct sl_body_pool pool = {
		.forward = SL_FORWARD_NAT, .n_backends = 1, .backends = {{backend, 8000, 1000}}};

	sl_rig_configure(rig, &(struct sl_body_spec){epoch, epoch, &vip, 1, &pool, 1});
}

static void forget_frames(struct sl_rig *rig)
{
	for (uint32_t p = 0; p < RIG_PORTS; p++) {
		while (sl_rig_take(rig, p).n_bytes != 0)
			;
	}
}

START_TEST(a_backend_that_left_the_configuration_is_asked_for_no_more)
{
	const struct sl_ip gone = sl_packet_ip("10.0.0.77"), gateway = sl_packet_ip("192.0.2.254");
	struct sl_rig *rig = sl_rig_new(1, 256);
	struct sl_rig_frame frame;

	configure(rig, 1, "10.0.0.77");
	ck_assert_uint_ne(sl_neigh_find(&rig->a.neighs, &gone, RIG_BACK), SL_NEIGH_NONE);
	configure(rig, 2, "10.0.0.78");
	sl_rig_pass(rig, 15 * SL_NS_PER_S);
	forget_frames(rig);
	sl_rig_pass(rig, 3 * SL_NS_PER_S);
	ck_assert_uint_eq(sl_neigh_find(&rig->a.neighs, &gone, RIG_BACK), SL_NEIGH_NONE);
	ck_assert_uint_ne(sl_neigh_find(&rig->a.neighs, &gateway, RIG_FRONT), SL_NEIGH_NONE);
	while ((frame = sl_rig_take(rig, RIG_BACK)).n_bytes != 0)
		ck_assert_mem_ne(&frame.bytes[38], "\x0a\x00\x00\x4d", 4);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("corner");
	TCase *tc = tcase_create("appliance");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_backend_that_left_the_configuration_is_asked_for_no_more);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
