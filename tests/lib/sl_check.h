// SPDX-License-Identifier: Apache-2.0
// What every Check program here shares: one runner, and a seed for random tests that is printed
// when it fails. SL_TEST_SEED repeats a run. Output is TAP, so that meson counts single tests.
#ifndef SLUICE_TESTS_SL_CHECK_H
#define SLUICE_TESTS_SL_CHECK_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int sl_check_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int n_failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

// Print it in the message of what fails: ck_assert_msg(..., "seed %lu", seed).
static inline uint64_t sl_check_seed(void)
{
	const char *text = getenv("SL_TEST_SEED");

	return text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
}

// A small generator for tests (splitmix64): the whole state is the caller's.
static inline uint64_t sl_check_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

#endif
