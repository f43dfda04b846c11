// SPDX-License-Identifier: Apache-2.0
// Which traffic between two groups is taken for periodic, and with which period.
#include "periodic.h"
#include "sl_check.h"

#define RUN_US    40000000u
#define PACKET    1500u
#define PACKET_US 50u

static double uniform(uint64_t *seed)
{
	return (double)(sl_check_random(seed) >> 11) / (double)(UINT64_C(1) << 53);
}

// Packets at 240 Mbit/s for that long.
static void burst(struct sl_periodic *p, uint64_t now_us, uint32_t length_us)
{
	for (uint32_t i = 0; i < length_us; i += PACKET_US)
		sl_periodic_add(p, PACKET, (uint32_t)(now_us + i));
}

static const struct {
	const char *name;
	uint32_t period_us;
	double jitter;
} steps[] = {
	{"60 ms, steady", 60000, 0},   {"60 ms, 2 %", 60000, 0.02}, {"200 ms, 2 %", 200000, 0.02},
	{"750 ms, 2 %", 750000, 0.02}, {"2 s, 2 %", 2000000, 0.02}, {"8 s, 2 %", 8000000, 0.02},
};

START_TEST(steps_of_training_have_their_period)
{
	uint64_t seed = sl_check_seed();
	const uint64_t first = seed;
	struct sl_periodic p;
	uint32_t found;

	sl_periodic_init(&p, 0, 0);
	for (uint64_t t = 0; t < RUN_US;) {
		burst(&p, t, steps[_i].period_us / 5);
		t += (uint64_t)(steps[_i].period_us *
		                (1 + steps[_i].jitter * (2 * uniform(&seed) - 1)));
	}
	found = sl_periodic_find(&p);
	ck_assert_msg(found > steps[_i].period_us * 0.9 && found < steps[_i].period_us * 1.1,
	              "%s: %u us, seed %lu", steps[_i].name, found, first);
}
END_TEST

START_TEST(a_clock_that_wraps_does_not_matter)
{
	struct sl_periodic p;
	const uint64_t first = UINT32_MAX - 200000u;

	sl_periodic_init(&p, 0, (uint32_t)first);
	for (uint64_t t = 0; t < 10000000; t += 100000)
		burst(&p, first + t, 20000);
	ck_assert_uint_ge(sl_periodic_find(&p), 90000);
	ck_assert_uint_le(sl_periodic_find(&p), 110000);
}
END_TEST

enum source { POISSON, STEADY, TOKENS, ONCE };

static const struct {
	const char *name;
	enum source source;
} others[] = {
	{"requests at random", POISSON},
	{"a checkpoint without a pause", STEADY},
	{"tokens, too small to be bursts", TOKENS},
	{"a single burst", ONCE},
};

static void play(struct sl_periodic *p, enum source source, uint64_t *seed)
{
	for (uint64_t t = 0; t < RUN_US;) {
		if (source == POISSON) {
			burst(p, t, 20000);
			t += (uint64_t)(2 * 150000 * uniform(seed) * uniform(seed));
		} else if (source == STEADY) {
			sl_periodic_add(p, 60000, (uint32_t)t);
			t += 500;
		} else if (source == TOKENS) {
			sl_periodic_add(p, 250, (uint32_t)t);
			t += 40000;
		} else {
			burst(p, t, 20000);
			t = RUN_US;
		}
	}
}

START_TEST(nothing_periodic_is_found_in)
{
	uint64_t seed = sl_check_seed();
	const uint64_t first = seed;
	int n_found = 0;

	for (int i = 0; i < 20; i++) {
		struct sl_periodic p;

		sl_periodic_init(&p, 0, 0);
		play(&p, others[_i].source, &seed);
		n_found += sl_periodic_find(&p) > 0;
	}
	// Chance makes a run of bursts look regular now and then; it must not do so twice running.
	ck_assert_msg(n_found <= 2, "%s: %d of 20, seed %lu", others[_i].name, n_found, first);
}
END_TEST

START_TEST(a_pause_longer_than_the_ring_forgets_it)
{
	struct sl_periodic p;

	sl_periodic_init(&p, 0, 0);
	for (uint64_t t = 0; t < 10000000; t += 100000)
		burst(&p, t, 20000);
	ck_assert_uint_gt(sl_periodic_find(&p), 0);
	sl_periodic_add(&p, PACKET, 100000000);
	ck_assert_uint_eq(sl_periodic_find(&p), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("periodic");
	TCase *tc = tcase_create("periodic");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, steps_of_training_have_their_period, 0,
	                    sizeof(steps) / sizeof(steps[0]));
	tcase_add_loop_test(tc, nothing_periodic_is_found_in, 0,
	                    sizeof(others) / sizeof(others[0]));
	tcase_add_test(tc, a_clock_that_wraps_does_not_matter);
	tcase_add_test(tc, a_pause_longer_than_the_ring_forgets_it);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
