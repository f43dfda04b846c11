// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "sl_check.h"

#include "guard.h"

#define N_MAX 16
#define START (1000 * SL_NS_PER_S)

struct pool {
	struct sl_guard_pool pool;
	struct sl_guard_member members[N_MAX];
	struct sl_guard_seen seen[N_MAX];
	bool takes[N_MAX];
	size_t n;
	uint64_t now_ns;
};

// Everybody is well: ten connections a tick, answered within a second.
static void init(struct pool *p, size_t n)
{
	*p = (struct pool){.n = n, .now_ns = START};
	for (size_t i = 0; i < n; i++) {
		p->seen[i] = (struct sl_guard_seen){.n_connected = 10,
		                                    .n_ended = 10,
		                                    .n_answered = 10,
		                                    .ttft_us = 100000,
		                                    .latency_us = 1e6};
		p->takes[i] = true;
	}
}

static void tick(struct pool *p)
{
	double scratch[N_MAX];

	sl_guard_tick(&p->pool, p->members, p->seen, p->takes, scratch, p->n, p->now_ns);
	p->now_ns += SL_GUARD_TICK_NS;
}

static void ticks(struct pool *p, int n)
{
	for (int i = 0; i < n; i++)
		tick(p);
}

// Ticks until backend 0 is in this state; -1 when it never gets there.
static int ticks_until(struct pool *p, enum sl_guard_state state, int most)
{
	for (int i = 0; i < most; i++) {
		tick(p);
		if (p->members[0].state == state)
			return i;
	}
	return -1;
}

static size_t count_ejected(const struct pool *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->members[i].state == SL_GUARD_EJECTED;
	return n;
}

static const struct {
	const char *name;
	struct sl_guard_seen bad, peers; // each tick
	int n_ticks;
	enum sl_guard_reason reason;
} rule_cases[] = {
	{"well", {.n_ended = 10, .n_answered = 10}, {.n_ended = 10}, 40, SL_GUARD_OK},
	{"idle", {0}, {.n_ended = 10}, 200, SL_GUARD_OK},
	{"half of them fleeting",
         {.n_ended = 10, .n_fleeting = 5, .n_answered = 5},
         {.n_ended = 10},
         4,
         SL_GUARD_SINKHOLE},
	{"29 % fleeting is tolerated",
         {.n_ended = 100, .n_fleeting = 29, .n_answered = 71},
         {.n_ended = 10},
         40,
         SL_GUARD_OK},
	{"31 % fleeting is not",
         {.n_ended = 100, .n_fleeting = 31, .n_answered = 69},
         {.n_ended = 10},
         1,
         SL_GUARD_SINKHOLE},
	{"all fleeting but fewer than 20 in the window",
         {.n_ended = 2, .n_fleeting = 2},
         {.n_ended = 10},
         200,
         SL_GUARD_OK},
	{"all fleeting, just 20 in the window",
         {.n_ended = 3, .n_fleeting = 3},
         {.n_ended = 10},
         40,
         SL_GUARD_SINKHOLE},
	{"less than five times the peers",
         {.n_ended = 10, .n_fleeting = 9, .n_answered = 1},
         {.n_ended = 10, .n_fleeting = 2},
         40,
         SL_GUARD_OK},
	{"more than five times the peers",
         {.n_ended = 10, .n_fleeting = 6, .n_answered = 4},
         {.n_ended = 10, .n_fleeting = 1},
         40,
         SL_GUARD_SINKHOLE},
	{"half of the SYNs refused",
         {.n_connected = 10, .n_refused = 10},
         {.n_ended = 10},
         2,
         SL_GUARD_CONNECT},
	{"fewer than half refused",
         {.n_connected = 11, .n_refused = 9},
         {.n_ended = 10},
         40,
         SL_GUARD_OK},
	{"half refused of fewer than 20",
         {.n_connected = 1, .n_refused = 1},
         {.n_ended = 10},
         200,
         SL_GUARD_OK},
	{"five refused and none taken", {.n_refused = 5}, {.n_ended = 10}, 1, SL_GUARD_CONNECT},
	{"four refused and none taken", {.n_refused = 4}, {.n_ended = 10}, 1, SL_GUARD_OK},
	{"five refused and one taken",
         {.n_refused = 5, .n_connected = 1},
         {.n_ended = 10},
         1,
         SL_GUARD_OK},
	{"waits for 10 s and nothing comes",
         {.oldest_us = 10000000},
         {.n_ended = 10},
         41,
         SL_GUARD_STALL},
	{"nothing came for 10 s, but nobody has waited so long",
         {.oldest_us = 9900000},
         {.n_ended = 10},
         200,
         SL_GUARD_OK},
	{"somebody waits, others are answered",
         {.oldest_us = 60000000, .n_answered = 1},
         {.n_ended = 10},
         200,
         SL_GUARD_OK},
	{"a slow one gets eight times its first token: not yet",
         {.oldest_us = 16000000, .ttft_us = 2e6},
         {.n_ended = 10},
         64,
         SL_GUARD_OK},
	{"a slow one gets eight times its first token: now",
         {.oldest_us = 16000000, .ttft_us = 2e6},
         {.n_ended = 10},
         65,
         SL_GUARD_STALL},
};

START_TEST(each_rule_ejects_who_breaks_it_and_nobody_else)
{
	struct pool p;
	const struct sl_guard_member *m = &p.members[0];

	init(&p, 8);
	for (size_t i = 0; i < p.n; i++)
		p.seen[i] = i == 0 ? rule_cases[_i].bad : rule_cases[_i].peers;
	ticks(&p, rule_cases[_i].n_ticks);
	ck_assert_msg(m->reason == rule_cases[_i].reason, "%s: %s", rule_cases[_i].name,
	              sl_guard_reason_name(m->reason));
	ck_assert_msg((m->state == SL_GUARD_EJECTED) == (rule_cases[_i].reason != SL_GUARD_OK),
	              "%s: state %u", rule_cases[_i].name, m->state);
	ck_assert_msg(m->state == SL_GUARD_CLOSED || m->value >= m->bound, "%s: %.2f of %.2f",
	              rule_cases[_i].name, m->value, m->bound);
	ck_assert_msg(count_ejected(&p) == (m->state == SL_GUARD_EJECTED), "%s: a peer was ejected",
	              rule_cases[_i].name);
}
END_TEST

static const struct {
	const char *name;
	size_t n;
	double latency_ms[8]; // backend 0 is the one
	bool is_ejected;
} outlier_cases[] = {
	{"seven times the median", 8, {7000, 900, 950, 1000, 1000, 1000, 1050, 1100}, true},
	{"not six times the median", 8, {5900, 1000, 1000, 1000, 1000, 1000, 1000, 1000}, false},
	{"six times the median and more",
         8,
         {6100, 1000, 1000, 1000, 1000, 1000, 1000, 1000},
         true},
	{"less than 50 ms more", 8, {35, 5, 5, 5, 5, 5, 5, 5}, false},
	{"not 50 ms more", 8, {52, 5, 5, 5, 5, 5, 5, 5}, false},
	{"more than 50 ms more", 8, {57, 5, 5, 5, 5, 5, 5, 5}, true},
	{"peers that differ widely", 8, {12000, 300, 500, 700, 1000, 1500, 2200, 3300}, false},
	{"seven times faster", 8, {140, 1000, 1000, 1000, 1000, 1000, 1000, 1000}, false},
	{"four: by deviation, they are alike", 4, {14000, 1900, 2000, 2100}, true},
	{"four: by deviation, they differ more", 4, {40000, 200, 2000, 20000}, false},
	{"three: by ratio, not six times", 3, {5900, 1000, 1000}, false},
	{"three: by ratio, they differ", 3, {14000, 200, 2000}, true},
	{"the only one", 1, {60000}, false},
	{"the only one that is known", 8, {60000, 0, 0, 0, 0, 0, 0, 0}, false},
};

START_TEST(an_outlier_is_far_from_its_peers)
{
	struct pool p;

	init(&p, outlier_cases[_i].n);
	for (size_t i = 0; i < p.n; i++)
		p.seen[i].latency_us = outlier_cases[_i].latency_ms[i] * 1000;
	ticks(&p, 41);
	ck_assert_msg((p.members[0].state == SL_GUARD_EJECTED) == outlier_cases[_i].is_ejected,
	              "%s", outlier_cases[_i].name);
	ck_assert_msg(count_ejected(&p) == outlier_cases[_i].is_ejected, "%s: a peer was ejected",
	              outlier_cases[_i].name);
	if (outlier_cases[_i].is_ejected)
		ck_assert_uint_eq(p.members[0].reason, SL_GUARD_OUTLIER);
}
END_TEST

static const struct {
	const char *name;
	const char *looks; // 2 s apart, 'x': slow
	bool is_ejected;
} look_cases[] = {
	{"two in a row", "xx", false},
	{"three in a row", "xxx", true},
	{"every other one of five", "x.x.x", true},
	{"three of six", "xx...x", false},
	{"every third", "x..x..x..x..x", false},
};

START_TEST(an_outlier_is_one_at_three_of_five_looks)
{
	struct pool p;

	init(&p, 8);
	for (const char *look = look_cases[_i].looks; *look != '\0'; look++) {
		p.seen[0].latency_us = *look == 'x' ? 8e6 : 1e6;
		ticks(&p, 8);
	}
	ck_assert_msg((p.members[0].state == SL_GUARD_EJECTED) == look_cases[_i].is_ejected, "%s",
	              look_cases[_i].name);
}
END_TEST

static void all_take(struct pool *p, double latency_us, int n_looks)
{
	for (size_t i = 0; i < p->n; i++)
		p->seen[i].latency_us = latency_us;
	ticks(p, 8 * n_looks);
}

START_TEST(a_shift_of_the_whole_fleet_is_nobodys_fault)
{
	struct pool p;

	init(&p, 8);
	all_take(&p, 1e6, 40);
	ck_assert(!p.pool.is_degraded);
	all_take(&p, 4e6, 10);
	ck_assert(p.pool.is_degraded);
	p.seen[0].latency_us = 30e6;
	ticks(&p, 8 * 5);
	ck_assert_uint_eq(p.members[0].state, SL_GUARD_CLOSED);
	all_take(&p, 1e6, 10);
	ck_assert(!p.pool.is_degraded);
}
END_TEST

START_TEST(a_degraded_pool_still_ejects_sinkholes)
{
	struct pool p;

	init(&p, 8);
	all_take(&p, 1e6, 40);
	all_take(&p, 4e6, 10);
	p.seen[0].n_fleeting = 9;
	ticks(&p, 8);
	ck_assert_uint_eq(p.members[0].state, SL_GUARD_EJECTED);
}
END_TEST

static const struct {
	const char *name;
	double latency_us;
	bool is_drifting;
} drift_cases[] = {
	{"as ever", 1e6, false},
	{"a busier hour", 1.8e6, false},
	{"three times as slow", 3e6, true},
	{"faster", 0.3e6, false},
};

START_TEST(drift_is_against_its_own_past_and_ejects_nobody)
{
	struct pool p;

	init(&p, 2); // of two, one that is three times as slow is neither an outlier nor the fleet
	all_take(&p, 1e6, 40);
	p.seen[0].latency_us = drift_cases[_i].latency_us;
	ticks(&p, 8 * 20);
	ck_assert_msg(p.members[0].is_drifting == drift_cases[_i].is_drifting, "%s: cusum %.2f",
	              drift_cases[_i].name, p.members[0].cusum);
	ck_assert(!p.members[1].is_drifting && !p.pool.is_degraded);
	ck_assert_uint_eq(count_ejected(&p), 0);
}
END_TEST

START_TEST(what_is_unknown_is_no_past)
{
	struct pool p;

	init(&p, 2);
	all_take(&p, 0, 40);
	all_take(&p, 1e6, 1);
	ck_assert(!p.members[0].is_drifting);
	ck_assert_uint_eq(p.members[0].n_looks, 1);
}
END_TEST

START_TEST(what_is_seen_of_an_ejected_one_is_not_held_against_it)
{
	struct pool p;

	init(&p, 8);
	p.seen[0].latency_us = 8e6;
	ck_assert_int_ge(ticks_until(&p, SL_GUARD_EJECTED, 40), 0);
	ck_assert_int_ge(ticks_until(&p, SL_GUARD_HALF_OPEN, 200), 0);
	ticks(&p, 8 * 2);
	ck_assert_uint_eq(p.members[0].state, SL_GUARD_CLOSED);
	ticks(&p, 8 * 1);
	ck_assert_uint_eq(p.members[0].state, SL_GUARD_EJECTED);
}
END_TEST

START_TEST(what_lasts_for_ten_minutes_is_normal)
{
	struct pool p;

	init(&p, 2);
	all_take(&p, 1e6, 40);
	all_take(&p, 3e6, 290);
	ck_assert(p.members[0].is_drifting);
	all_take(&p, 3e6, 60);
	ck_assert(!p.members[0].is_drifting);
}
END_TEST

static const struct {
	size_t n, n_bad, n_ejected;
} ceiling_cases[] = {
	{1, 1, 0}, {2, 1, 1}, {2, 2, 1}, {4, 3, 1}, {5, 3, 1}, {9, 9, 1}, {10, 10, 2}, {16, 8, 3},
};

START_TEST(at_most_a_fifth_is_ejected)
{
	struct pool p;

	init(&p, ceiling_cases[_i].n);
	for (size_t i = 0; i < ceiling_cases[_i].n_bad; i++)
		p.seen[i] = (struct sl_guard_seen){.n_refused = 10};
	ticks(&p, 20);
	ck_assert_msg(count_ejected(&p) == ceiling_cases[_i].n_ejected, "%zu of %zu bad: %zu",
	              ceiling_cases[_i].n_bad, p.n, count_ejected(&p));
}
END_TEST

START_TEST(who_takes_no_flows_is_neither_judged_nor_counted)
{
	struct pool p;

	init(&p, 10);
	p.takes[0] = false;
	for (size_t i = 0; i < 3; i++)
		p.seen[i] = (struct sl_guard_seen){.n_refused = 10};
	ticks(&p, 20);
	ck_assert_uint_eq(p.members[0].state, SL_GUARD_CLOSED);
	ck_assert_uint_eq(count_ejected(&p), 1); // nine take flows: a fifth is one
}
END_TEST

static const struct {
	int n_before;
	double seconds;
} back_off_cases[] = {{0, 30}, {1, 60}, {2, 120}, {3, 240}, {4, 300}, {9, 300}};

START_TEST(each_ejection_lasts_twice_as_long_up_to_five_minutes)
{
	const double want_s = back_off_cases[_i].seconds;
	double least_s = 1e9, most_s = 0;

	for (uint64_t random = 0; random < 200; random++) {
		struct pool p;
		double lasts_s;

		init(&p, 8);
		p.pool.random = random << 40;
		p.members[0].n_ejections = (uint8_t)back_off_cases[_i].n_before;
		p.members[0].ejected_ns = p.now_ns - 599 * SL_NS_PER_S;
		p.seen[0] = (struct sl_guard_seen){.n_refused = 10};
		tick(&p);
		p.seen[0] = (struct sl_guard_seen){0};
		lasts_s = ticks_until(&p, SL_GUARD_HALF_OPEN, 2000) * 0.25;
		least_s = fmin(least_s, lasts_s);
		most_s = fmax(most_s, lasts_s);
	}
	ck_assert_double_eq_tol(least_s, 0.8 * want_s, 0.5);
	ck_assert_double_eq_tol(most_s, 1.2 * want_s, 0.5);
}
END_TEST

START_TEST(an_outlier_is_out_for_a_minute_at_most)
{
	struct pool p;

	init(&p, 8);
	p.members[0].n_ejections = 9;
	p.members[0].ejected_ns = p.now_ns - 60 * SL_NS_PER_S;
	p.seen[0].latency_us = 8e6;
	ck_assert_int_ge(ticks_until(&p, SL_GUARD_EJECTED, 40), 0);
	ck_assert_uint_ge(p.members[0].until_ns - p.now_ns, 47 * SL_NS_PER_S);
	ck_assert_uint_le(p.members[0].until_ns - p.now_ns, 72 * SL_NS_PER_S);
}
END_TEST

START_TEST(after_ten_good_minutes_it_is_forgiven)
{
	struct pool p;

	init(&p, 8);
	p.members[0].n_ejections = 5;
	p.members[0].ejected_ns = p.now_ns - 601 * SL_NS_PER_S;
	p.seen[0] = (struct sl_guard_seen){.n_refused = 10};
	tick(&p);
	ck_assert_uint_eq(p.members[0].n_ejections, 1);
	ck_assert_uint_le(p.members[0].until_ns - p.now_ns, 36 * SL_NS_PER_S);
}
END_TEST

static void open_half(struct pool *p)
{
	init(p, 8);
	p->seen[0] = (struct sl_guard_seen){.n_refused = 10};
	tick(p);
	p->seen[0] = (struct sl_guard_seen){0};
	ck_assert_int_ge(ticks_until(p, SL_GUARD_HALF_OPEN, 200), 0);
}

static const struct {
	const char *name;
	struct sl_guard_seen seen;
	int n_ticks;
	enum sl_guard_state state;
} half_open_cases[] = {
	{"nothing happens", {0}, 40, SL_GUARD_HALF_OPEN},
	{"two good ones", {.n_answered = 2, .n_connected = 2}, 1, SL_GUARD_HALF_OPEN},
	{"three good ones", {.n_answered = 3, .n_connected = 3}, 1, SL_GUARD_CLOSED},
	{"one good one three times", {.n_answered = 1, .n_connected = 1}, 3, SL_GUARD_CLOSED},
	{"three whole connections", {.n_ended = 3, .n_connected = 3}, 1, SL_GUARD_CLOSED},
	{"three fleeting ones", {.n_ended = 3, .n_fleeting = 3}, 1, SL_GUARD_EJECTED},
	{"two fleeting ones", {.n_ended = 2, .n_fleeting = 2}, 1, SL_GUARD_HALF_OPEN},
	{"three refused", {.n_refused = 3}, 1, SL_GUARD_EJECTED},
};

START_TEST(half_open_three_connections_decide)
{
	struct pool p;

	open_half(&p);
	p.seen[0] = half_open_cases[_i].seen;
	ticks(&p, half_open_cases[_i].n_ticks);
	ck_assert_msg(p.members[0].state == half_open_cases[_i].state, "%s: state %u",
	              half_open_cases[_i].name, p.members[0].state);
}
END_TEST

START_TEST(a_state_has_its_share_of_the_weight)
{
	struct pool p;

	init(&p, 8);
	ck_assert_double_eq(sl_guard_factor(&p.members[0]), 1);
	open_half(&p);
	ck_assert_double_eq(sl_guard_factor(&p.members[0]), 1.0 / 64);
	p.seen[0] = (struct sl_guard_seen){.n_refused = 3};
	tick(&p);
	ck_assert_double_eq(sl_guard_factor(&p.members[0]), 0);
}
END_TEST

// What everybody may rely on, whatever is seen.
START_TEST(states_change_only_as_promised)
{
	const uint64_t seed = sl_check_seed();
	uint64_t random = seed;
	struct pool p;

	init(&p, N_MAX);
	for (int t = 0; t < 8000; t++) {
		struct sl_guard_member before[N_MAX];

		for (size_t i = 0; i < p.n; i++) {
			const uint64_t r = sl_check_random(&random);
			const bool is_bad = (t / 500 + i) % 3 == 0;

			p.seen[i] = (struct sl_guard_seen){
				.n_connected = r & 7,
				.n_refused = is_bad ? r >> 3 & 15 : 0,
				.n_ended = 8,
				.n_fleeting = is_bad ? r >> 7 & 7 : 0,
				.n_answered = r >> 10 & 3,
				.oldest_us = (uint32_t)(r >> 40),
				.ttft_us = 1e5,
				.latency_us = (double)(1 + (r >> 20 & 0xfffff)),
			};
		}
		memcpy(before, p.members, sizeof(before));
		tick(&p);
		ck_assert_msg(count_ejected(&p) <= 3, "seed %lu tick %d", seed, t);
		for (size_t i = 0; i < p.n; i++) {
			const struct sl_guard_member *m = &p.members[i];
			const bool is_left =
				before[i].state == SL_GUARD_EJECTED && m->state != SL_GUARD_EJECTED;

			ck_assert_msg(!is_left || (m->state == SL_GUARD_HALF_OPEN &&
			                           p.now_ns - SL_GUARD_TICK_NS >= m->until_ns),
			              "seed %lu tick %d: backend %zu is back early", seed, t, i);
			ck_assert_msg(m->state != SL_GUARD_EJECTED || m->reason != SL_GUARD_OK,
			              "seed %lu tick %d: no reason", seed, t);
		}
	}
}
END_TEST

#define CASES(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("guard");
	TCase *tc = tcase_create("guard");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, each_rule_ejects_who_breaks_it_and_nobody_else, 0,
	                    CASES(rule_cases));
	tcase_add_loop_test(tc, an_outlier_is_far_from_its_peers, 0, CASES(outlier_cases));
	tcase_add_loop_test(tc, an_outlier_is_one_at_three_of_five_looks, 0, CASES(look_cases));
	tcase_add_test(tc, a_shift_of_the_whole_fleet_is_nobodys_fault);
	tcase_add_test(tc, a_degraded_pool_still_ejects_sinkholes);
	tcase_add_loop_test(tc, drift_is_against_its_own_past_and_ejects_nobody, 0,
	                    CASES(drift_cases));
	tcase_add_test(tc, what_is_unknown_is_no_past);
	tcase_add_test(tc, what_is_seen_of_an_ejected_one_is_not_held_against_it);
	tcase_add_test(tc, what_lasts_for_ten_minutes_is_normal);
	tcase_add_loop_test(tc, at_most_a_fifth_is_ejected, 0, CASES(ceiling_cases));
	tcase_add_test(tc, who_takes_no_flows_is_neither_judged_nor_counted);
	tcase_add_loop_test(tc, each_ejection_lasts_twice_as_long_up_to_five_minutes, 0,
	                    CASES(back_off_cases));
	tcase_add_test(tc, an_outlier_is_out_for_a_minute_at_most);
	tcase_add_test(tc, after_ten_good_minutes_it_is_forgiven);
	tcase_add_loop_test(tc, half_open_three_connections_decide, 0, CASES(half_open_cases));
	tcase_add_test(tc, a_state_has_its_share_of_the_weight);
	tcase_add_test(tc, states_change_only_as_promised);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
