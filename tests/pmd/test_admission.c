// SPDX-License-Identifier: Apache-2.0
// Who may open a flow, through the real worker loop: limits, allow and deny lists, with one worker
// and with two.
#include "pool_fixture.h"

static uint64_t vip_stat(struct bench *b, size_t offset)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < b->rig->a.config.n_workers; w++) {
		const char *row = (const char *)sl_stats_vip_at(b->rig->a.segment.base, w, 0);

		n += sl_stat_get((const sl_stat *)(const void *)(row + offset));
	}
	return n;
}

// Flows of the VIP that are not over, by the workers' own counts.
static uint32_t open_flows(struct bench *b)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < b->rig->a.config.n_workers; w++)
		n += b->rig->a.io.workers[w]->fw.own_vip_load[0];
	return n;
}

#define VIP_STAT(b, member) vip_stat(b, offsetof(struct sl_stats_vip, member))

// Opens n connections of one client, from port on; how many got through.
static uint32_t open_many(struct bench *b, uint8_t client, uint16_t port, uint32_t n)
{
	uint32_t n_open = 0;

	for (uint32_t i = 0; i < n; i++) {
		n_open += knock(b, client, (uint16_t)(port + i), SL_TCP_SYN) >= 0;
		sl_rig_turn(b->rig); // the main core folds loads
	}
	return n_open;
}

START_TEST(a_backend_gets_its_new_flows_per_second_over_all_workers)
{
	struct bench b = start(&worlds[_i % 2], _i < 2 ? SL_AFFINITY_NONE : SL_AFFINITY_SOURCE, 2);

	b.pool.limit_new_flows_per_s = 40;
	configure(&b);
	b.rig->is_time_frozen = true; // else allowances grow as the flows come
	// A burst of 10 for each of the three, wherever affinity would send them.
	ck_assert_uint_eq(open_many(&b, 0, 20000, 50), 30);
	ck_assert_uint_eq(sl_rig_drops(b.rig, SL_DROP_FLOW_LIMIT), 20);
	ck_assert_uint_eq(VIP_STAT(&b, refused), 20);
	sl_rig_pass(b.rig, 100 * SL_NS_PER_MS);
	ck_assert_uint_eq(open_many(&b, 0, 30000, 50), 12);
	stop(&b);
}
END_TEST

START_TEST(a_vip_gets_its_new_flows_per_second_over_all_workers)
{
	struct bench b = start(&worlds[_i], SL_AFFINITY_NONE, 2);

	b.vip.limit_new_flows_per_s = 40;
	configure(&b);
	b.rig->is_time_frozen = true; // else allowances grow as the flows come
	ck_assert_uint_eq(open_many(&b, 0, 20000, 30), 10);
	ck_assert_uint_eq(sl_rig_drops(b.rig, SL_DROP_VIP_LIMIT), 20);
	ck_assert_int_ge(knock(&b, 0, 20000, SL_TCP_SYN), 0); // a flow it has may go on
	sl_rig_pass(b.rig, 100 * SL_NS_PER_MS);
	ck_assert_uint_eq(open_many(&b, 0, 30000, 30), 4);
	stop(&b);
}
END_TEST

START_TEST(a_vip_holds_its_flows_over_all_workers_until_some_end)
{
	struct bench b = start(&worlds[_i], SL_AFFINITY_NONE, 2);
	int first;

	b.vip.limit_flows = 20;
	configure(&b);
	first = knock(&b, 0, 20000, SL_TCP_SYN);
	ck_assert_uint_eq(open_many(&b, 0, 20001, 30), 19);
	ck_assert_uint_eq(sl_rig_drops(b.rig, SL_DROP_VIP_LIMIT), 11);
	ck_assert_uint_eq(open_flows(&b), 20);
	refuse(&b, 0, 20000, first);
	ck_assert_uint_eq(open_flows(&b), 19);
	ck_assert_uint_eq(VIP_STAT(&b, flows), 20); // it may be revived
	ck_assert_uint_eq(open_many(&b, 0, 30000, 5), 1);
	sl_rig_pass(b.rig, 60 * SL_NS_PER_S); // unanswered ones are forgotten
	ck_assert_uint_eq(open_flows(&b), 0);
	ck_assert_uint_eq(VIP_STAT(&b, flows), 0);
	stop(&b);
}
END_TEST

START_TEST(a_source_at_its_rate_does_not_hold_up_others)
{
	struct bench b = start(&worlds[_i], SL_AFFINITY_NONE, 2);

	b.vip.source_new_flows_per_s = 40;
	configure(&b);
	b.rig->is_time_frozen = true; // else allowances grow as the flows come
	ck_assert_uint_eq(open_many(&b, 0, 20000, 30), 10);
	ck_assert_uint_eq(sl_rig_drops(b.rig, SL_DROP_SOURCE_LIMIT), 20);
	// The neighbour is another IPv4 source, but of the same IPv6 /64.
	ck_assert_uint_eq(open_many(&b, 1, 20000, 30), _i == 0 ? 10 : 0);
	stop(&b);
}
END_TEST

static const struct {
	const char *name, *allow, *deny;
	bool is_served;
} lists[] = {
	{"nobody is denied by an empty list", NULL, NULL, true},
	{"denied", NULL, "198.51.100.0/24", false},
	{"another is denied", NULL, "198.51.101.0/24", true},
	{"allowed", "198.51.100.7/32", NULL, true},
	{"another is allowed", "198.51.100.8/32", NULL, false},
	{"allowed within what is denied", "198.51.100.7/32", "198.51.100.0/24", true},
	{"denied within what is allowed", "198.51.100.0/24", "198.51.100.7/32", false},
};

START_TEST(lists_decide_who_may_open_a_flow)
{
	struct bench b = start(&worlds[0], SL_AFFINITY_NONE, 1);
	int home = knock(&b, 0, 20000, SL_TCP_SYN);

	b.vip.allow = lists[_i].allow;
	b.vip.deny = lists[_i].deny;
	configure(&b);
	ck_assert_msg((knock(&b, 0, 20001, SL_TCP_SYN) >= 0) == lists[_i].is_served, "%s",
	              lists[_i].name);
	ck_assert_uint_eq(sl_rig_drops(b.rig, SL_DROP_DENIED), !lists[_i].is_served);
	ck_assert_uint_eq(VIP_STAT(&b, denied), !lists[_i].is_served);
	ck_assert_int_eq(knock(&b, 0, 20000, SL_TCP_ACK), home); // open before: it goes on
	stop(&b);
}
END_TEST

START_TEST(a_denied_ipv6_network_is_kept_out)
{
	struct bench b = start(&worlds[1], SL_AFFINITY_NONE, 1);

	b.vip.deny = "2001:db8:7::/64";
	configure(&b);
	ck_assert_int_eq(knock(&b, 0, 20000, SL_TCP_SYN), -1);
	ck_assert_uint_eq(sl_rig_drops(b.rig, SL_DROP_DENIED), 1);
	stop(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("admission");
	TCase *tc = tcase_create("admission");

	tcase_set_timeout(tc, 60); // of a loaded machine under sanitizers
	tcase_add_loop_test(tc, a_backend_gets_its_new_flows_per_second_over_all_workers, 0, 4);
	tcase_add_loop_test(tc, a_vip_gets_its_new_flows_per_second_over_all_workers, 0, 2);
	tcase_add_loop_test(tc, a_vip_holds_its_flows_over_all_workers_until_some_end, 0, 2);
	tcase_add_loop_test(tc, a_source_at_its_rate_does_not_hold_up_others, 0, 2);
	tcase_add_loop_test(tc, lists_decide_who_may_open_a_flow, 0,
	                    sizeof(lists) / sizeof(lists[0]));
	tcase_add_test(tc, a_denied_ipv6_network_is_kept_out);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
