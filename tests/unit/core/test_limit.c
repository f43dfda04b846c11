// SPDX-License-Identifier: Apache-2.0
// Rates of new flows in virtual time, by one and by many.
#include "sl_check.h"

#include <pthread.h>

#include "limit.h"
#include "packets.h"

static const struct {
	const char *name;
	uint32_t flows_per_s;
	uint64_t offered_every_ns;
	uint64_t for_ns;
	uint32_t least, most; // admitted
} loads[] = {
	{"a tenth of the rate is all admitted", 50, 200000000, 10 * SL_NS_PER_S, 50, 50},
	{"exactly the rate is all admitted", 50, 20000000, 10 * SL_NS_PER_S, 500, 500},
	{"ten times the rate: the rate and a quarter second's burst", 50, 2000000, 10 * SL_NS_PER_S,
         500, 512},
	{"one a second has no burst", 1, 1000000, 10 * SL_NS_PER_S, 10, 10},
	{"all at once: the burst alone", 400, 1, 1000, 100, 100},
	{"a rate that does not divide the second is never exceeded", 7, 1000000, 60 * SL_NS_PER_S,
         419, 420},
	{"the highest: a burst is 2.5 million", 10000000, 50, SL_NS_PER_S / 100, 200000, 200000},
};

START_TEST(what_is_admitted_follows_the_rate)
{
	struct sl_limit_rate rate = sl_limit_rate_of(loads[_i].flows_per_s);
	sl_limit_cell cell = 0;
	uint64_t start_ns = 5 * SL_NS_PER_S;
	uint32_t n = 0;

	for (uint64_t t = 0; t < loads[_i].for_ns; t += loads[_i].offered_every_ns) {
		bool is_open = sl_limit_is_open(&cell, &rate, start_ns + t);
		bool is_admitted = sl_limit_take(&cell, &rate, start_ns + t);

		ck_assert_int_eq(is_open, is_admitted);
		n += is_admitted;
	}
	ck_assert_msg(n >= loads[_i].least && n <= loads[_i].most, "%s: %u", loads[_i].name, n);
}
END_TEST

START_TEST(rate_0_is_no_limit_and_writes_nothing)
{
	struct sl_limit_rate rate = sl_limit_rate_of(0);
	struct sl_limits *limits = calloc(1, sizeof(*limits));
	struct sl_ip ip = sl_packet_ip("192.0.2.1");

	for (int i = 0; i < 1000; i++) {
		ck_assert(sl_limit_is_open(&limits->vips[0], &rate, 0));
		ck_assert(sl_limit_take(&limits->vips[0], &rate, 0));
		ck_assert(sl_limit_take_source(limits, &ip, 0, &rate, 0));
	}
	for (size_t i = 0; i < SL_LIMIT_SOURCES; i++)
		ck_assert_uint_eq(limits->sources[i], 0);
	ck_assert_uint_eq(limits->vips[0], 0);
	free(limits);
}
END_TEST

struct taker {
	sl_limit_cell *cell;
	struct sl_limit_rate rate;
	uint32_t n;
};

static void *take_many(void *arg)
{
	struct taker *t = arg;

	for (uint32_t i = 0; i < 20000; i++)
		t->n += sl_limit_take(t->cell, &t->rate, SL_NS_PER_S);
	return NULL;
}

// Whatever the interleaving: not one more and not one less than a single worker would admit.
START_TEST(four_workers_at_once_admit_exactly_the_burst)
{
	sl_limit_cell cell = 0;
	struct taker takers[4];
	pthread_t threads[4];
	uint32_t n = 0;

	for (int i = 0; i < 4; i++) {
		takers[i] = (struct taker){&cell, sl_limit_rate_of(40000), 0};
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		n += takers[i].n;
	}
	ck_assert_uint_eq(n, 10000);
}
END_TEST

static uint32_t burst_of(struct sl_limits *limits, const char *ip_text, uint16_t vip)
{
	struct sl_limit_rate rate = sl_limit_rate_of(40);
	struct sl_ip ip = sl_packet_ip(ip_text);
	uint32_t n = 0;

	while (n < 100 && sl_limit_take_source(limits, &ip, vip, &rate, 7 * SL_NS_PER_S))
		n++;
	return n;
}

static const struct {
	const char *name, *first, *second;
	uint16_t vip;
	bool is_shared;
} sources[] = {
	{"an IPv4 neighbour is another source", "192.0.2.1", "192.0.2.2", 1, false},
	{"the same address is not", "192.0.2.1", "192.0.2.1", 1, true},
	{"it is at another VIP", "192.0.2.1", "192.0.2.1", 2, false},
	{"a /64 of IPv6 is one source", "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", 1, true},
	{"the next /64 is another", "2001:db8:1:2::1", "2001:db8:1:3::1", 1, false},
	{"IPv4 and the IPv6 prefix of the same bytes differ", "32.1.13.184", "2001:db8::1", 1,
         false},
};

START_TEST(a_source_is_a_32_or_a_64_at_one_vip)
{
	struct sl_limits *limits = calloc(1, sizeof(*limits));

	ck_assert_uint_eq(burst_of(limits, sources[_i].first, 1), 10);
	ck_assert_msg(burst_of(limits, sources[_i].second, sources[_i].vip) ==
	                      (sources[_i].is_shared ? 0 : 10),
	              "%s", sources[_i].name);
	free(limits);
}
END_TEST

START_TEST(a_source_regains_its_rate_with_time)
{
	struct sl_limits *limits = calloc(1, sizeof(*limits));
	struct sl_limit_rate rate = sl_limit_rate_of(40);
	struct sl_ip ip = sl_packet_ip("192.0.2.1");
	uint64_t end_ns = 17 * SL_NS_PER_S;
	uint32_t n = 0;

	ck_assert_uint_eq(burst_of(limits, "192.0.2.1", 1), 10);
	for (uint64_t t = 7 * SL_NS_PER_S; t < end_ns; t += SL_NS_PER_MS)
		n += sl_limit_take_source(limits, &ip, 1, &rate, t);
	ck_assert_msg(n >= 399 && n <= 400, "%u in 10 s at 40/s", n);
	free(limits);
}
END_TEST

// Many other sources push entries out: that may admit too much, never too little.
START_TEST(a_flood_of_sources_refuses_no_innocent_one)
{
	struct sl_limits *limits = calloc(1, sizeof(*limits));
	struct sl_limit_rate rate = sl_limit_rate_of(4);
	uint64_t seed = sl_check_seed(), random = seed;
	uint32_t n_refused = 0;

	limits->key = (struct sl_hash_key){seed, 1};
	for (uint32_t i = 0; i < 200000; i++) {
		struct sl_ip ip = sl_ip_from_v4((uint32_t)sl_check_random(&random));

		n_refused += !sl_limit_take_source(limits, &ip, 1, &rate,
		                                   SL_NS_PER_S + i * 5 * SL_NS_PER_US);
	}
	// Two share 16 bits of tag and a bucket now and then, and addresses repeat.
	ck_assert_msg(n_refused < 400, "%u refused, seed %lu", n_refused, seed);
	free(limits);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limit");
	TCase *tc = tcase_create("limit");

	tcase_add_loop_test(tc, what_is_admitted_follows_the_rate, 0,
	                    sizeof(loads) / sizeof(loads[0]));
	tcase_add_test(tc, rate_0_is_no_limit_and_writes_nothing);
	tcase_add_test(tc, four_workers_at_once_admit_exactly_the_burst);
	tcase_add_loop_test(tc, a_source_is_a_32_or_a_64_at_one_vip, 0,
	                    sizeof(sources) / sizeof(sources[0]));
	tcase_add_test(tc, a_source_regains_its_rate_with_time);
	tcase_add_test(tc, a_flood_of_sources_refuses_no_innocent_one);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
