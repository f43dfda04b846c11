// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <sys/mman.h>
#include <unistd.h>

#include "fake_dataplane.h"
#include "sluice/units.h"
#include "stats_reader.h"

#define ID_A UINT64_C(0xaaaa)
#define ID_B UINT64_C(0xbbbb)
#define SLOT 3
#define S(n) ((n)*SL_NS_PER_S)

struct fixture {
	struct sl_stats_reader *reader;
	void *base;
	size_t n_bytes;
	int fd;
};

static void set_up(struct fixture *f)
{
	f->fd = fake_stats_new(5, &f->base, &f->n_bytes);
	f->reader = sl_stats_reader_new();
	ck_assert_ptr_nonnull(f->reader);
}

static void tear_down(struct fixture *f)
{
	sl_stats_reader_free(f->reader);
	munmap(f->base, f->n_bytes);
	close(f->fd);
}

static void name_slot(struct fixture *f, uint64_t id, uint64_t generation)
{
	sl_stat_set(&sl_stats_backend_slot_at(f->base, SLOT)->id, id);
	sl_stat_set(&sl_stats_backend_slot_at(f->base, SLOT)->generation, generation);
}

static struct sl_stats_latency *row_of(struct fixture *f, uint32_t worker)
{
	return sl_stats_latency_at(f->base, worker, SLOT);
}

// As the data plane does (core/measure.c).
static void add(struct fixture *f, uint32_t worker, enum sl_latency_kind kind, uint32_t us,
                uint32_t n)
{
	struct sl_stats_latency *row = row_of(f, worker);

	row->counts[kind][sl_latency_bucket(us)] += n;
	row->sums_us[kind] += (uint64_t)us * n;
}

static void attach(struct fixture *f, uint64_t now_ns)
{
	char why[160];

	ck_assert_int_eq(sl_stats_reader_attach(f->reader, f->fd, now_ns, why, sizeof(why)), 0);
}

static struct sl_steer_seen look(struct fixture *f, uint64_t id, uint64_t now_ns)
{
	struct sl_latency_reader *latency = sl_stats_reader_latency(f->reader);
	struct sl_steer_seen seen;

	sl_latency_reader_look(latency, now_ns);
	sl_latency_reader_take(latency, id, &seen);
	return seen;
}

static const struct sl_tally *tally_of(struct fixture *f, uint64_t id)
{
	return sl_latency_reader_tally(sl_stats_reader_latency(f->reader), id);
}

START_TEST(what_was_seen_is_the_difference_summed_over_workers)
{
	struct fixture f;
	struct sl_steer_seen seen;

	set_up(&f);
	name_slot(&f, ID_A, 1);
	attach(&f, S(1));
	add(&f, 0, SL_LATENCY_TTFT, 100000, 2);
	add(&f, 1, SL_LATENCY_TTFT, 400000, 1);
	add(&f, 1, SL_LATENCY_TPOT, 20000, 16);
	add(&f, 0, SL_LATENCY_CONNECT, 300, 3);
	add(&f, 0, SL_LATENCY_DURATION, 0, 1); // over within the millisecond
	row_of(&f, 0)->ended = 1;
	row_of(&f, 1)->fleeting = 1;
	sl_stat_set(&sl_stats_backend_at(f.base, 1, SLOT)->refused, 4);
	seen = look(&f, ID_A, S(2));
	ck_assert_uint_eq(seen.n_ttft, 3);
	ck_assert_double_eq_tol(seen.ttft_sum_us, 600000, 0.5);
	ck_assert_uint_eq(seen.n_tokens, 16);
	ck_assert_double_eq_tol(seen.tpot_sum_us, 320000, 0.5);
	ck_assert_uint_eq(seen.n_connected, 3);
	ck_assert_uint_eq(seen.n_refused, 4);
	ck_assert_uint_eq(seen.n_ended, 1);
	ck_assert_uint_eq(seen.n_fleeting, 1);
	ck_assert_uint_eq(sl_tally_count(tally_of(&f, ID_A), SL_LATENCY_DURATION, SL_TALLY_EVER),
	                  1);
	seen = look(&f, ID_A, S(3));
	ck_assert_uint_eq(seen.n_ttft + seen.n_tokens + seen.n_connected + seen.n_refused +
	                          seen.n_ended + seen.n_fleeting,
	                  0);
	tear_down(&f);
}
END_TEST

START_TEST(looks_that_nobody_takes_add_up)
{
	struct fixture f;

	set_up(&f);
	name_slot(&f, ID_A, 1);
	attach(&f, S(1));
	add(&f, 0, SL_LATENCY_TTFT, 1000, 2);
	sl_latency_reader_look(sl_stats_reader_latency(f.reader), S(2));
	add(&f, 0, SL_LATENCY_TTFT, 1000, 3);
	ck_assert_uint_eq(look(&f, ID_A, S(3)).n_ttft, 5);
	ck_assert_uint_eq(look(&f, ID_B, S(3)).n_ttft, 0);
	tear_down(&f);
}
END_TEST

START_TEST(what_was_counted_before_the_attach_is_history_and_not_news)
{
	struct fixture f;

	set_up(&f);
	name_slot(&f, ID_A, 1);
	add(&f, 0, SL_LATENCY_TTFT, 5000, 700);
	attach(&f, S(1));
	ck_assert_uint_eq(look(&f, ID_A, S(2)).n_ttft, 0);
	ck_assert_uint_eq(sl_tally_count(tally_of(&f, ID_A), SL_LATENCY_TTFT, SL_TALLY_EVER), 700);
	ck_assert_uint_eq(sl_tally_count(tally_of(&f, ID_A), SL_LATENCY_TTFT, SL_TALLY_MINUTE), 0);
	tear_down(&f);
}
END_TEST

START_TEST(counts_wrap_without_a_leap)
{
	struct fixture f;

	set_up(&f);
	name_slot(&f, ID_A, 1);
	add(&f, 0, SL_LATENCY_TPOT, 5000, UINT32_MAX - 1);
	attach(&f, S(1));
	add(&f, 0, SL_LATENCY_TPOT, 5000, 10);
	ck_assert_uint_eq(look(&f, ID_A, S(2)).n_tokens, 10);
	ck_assert_uint_eq(sl_tally_count(tally_of(&f, ID_A), SL_LATENCY_TPOT, SL_TALLY_EVER),
	                  (uint64_t)UINT32_MAX + 9);
	tear_down(&f);
}
END_TEST

START_TEST(a_slot_that_passes_on_takes_nothing_along)
{
	struct fixture f;

	set_up(&f);
	name_slot(&f, ID_A, 1);
	attach(&f, S(1));
	add(&f, 0, SL_LATENCY_TTFT, 9000, 50);
	look(&f, ID_A, S(2));
	name_slot(&f, ID_B, 2);
	add(&f, 0, SL_LATENCY_TTFT, 1000, 4);
	ck_assert_uint_eq(look(&f, ID_B, S(3)).n_ttft, 4);
	ck_assert_uint_eq(sl_tally_count(tally_of(&f, ID_B), SL_LATENCY_TTFT, SL_TALLY_EVER), 4);
	ck_assert_uint_eq(look(&f, ID_A, S(3)).n_ttft, 0);
	ck_assert_ptr_null(tally_of(&f, ID_A));
	tear_down(&f);
}
END_TEST

START_TEST(a_wait_counts_while_it_was_noted_within_two_seconds)
{
	struct fixture f;

	set_up(&f);
	name_slot(&f, ID_A, 1);
	attach(&f, S(1));
	add(&f, 0, SL_LATENCY_TTFT, 9000, 1);
	row_of(&f, 0)->oldest_us = 7000000;
	row_of(&f, 0)->oldest_ns = S(10);
	row_of(&f, 1)->oldest_us = 3000000;
	row_of(&f, 1)->oldest_ns = S(11);
	ck_assert_uint_eq(look(&f, ID_A, S(11)).oldest_us, 7000000);
	ck_assert_uint_eq(look(&f, ID_A, S(12)).oldest_us, 3000000);
	ck_assert_uint_eq(look(&f, ID_A, S(14)).oldest_us, 0);
	tear_down(&f);
}
END_TEST

START_TEST(a_minute_forgets_in_slices_and_quantiles_are_of_what_it_holds)
{
	struct fixture f;
	const struct sl_tally *tally;

	set_up(&f);
	name_slot(&f, ID_A, 1);
	attach(&f, S(1));
	add(&f, 0, SL_LATENCY_TTFT, 1000000, 10);
	look(&f, ID_A, S(2));
	add(&f, 0, SL_LATENCY_TTFT, 10000, 90);
	look(&f, ID_A, S(32));
	tally = tally_of(&f, ID_A);
	ck_assert_uint_eq(sl_tally_count(tally, SL_LATENCY_TTFT, SL_TALLY_MINUTE), 100);
	ck_assert_double_eq_tol(sl_tally_quantile_us(tally, SL_LATENCY_TTFT, SL_TALLY_MINUTE, 0.50),
	                        10000, 320);
	ck_assert_double_eq_tol(sl_tally_quantile_us(tally, SL_LATENCY_TTFT, SL_TALLY_MINUTE, 0.90),
	                        10000, 320);
	ck_assert_double_eq_tol(sl_tally_quantile_us(tally, SL_LATENCY_TTFT, SL_TALLY_MINUTE, 0.91),
	                        1000000, 32000);
	look(&f, ID_A, S(65));
	ck_assert_uint_eq(sl_tally_count(tally, SL_LATENCY_TTFT, SL_TALLY_MINUTE), 90);
	look(&f, ID_A, S(300));
	ck_assert_uint_eq(sl_tally_count(tally, SL_LATENCY_TTFT, SL_TALLY_MINUTE), 0);
	ck_assert_uint_eq(sl_tally_quantile_us(tally, SL_LATENCY_TTFT, SL_TALLY_MINUTE, 0.5), 0);
	ck_assert_uint_eq(sl_tally_count(tally, SL_LATENCY_TTFT, SL_TALLY_EVER), 100);
	tear_down(&f);
}
END_TEST

START_TEST(prometheus_gets_every_sample_once_and_the_sum)
{
	struct fixture f;
	struct sl_histogram h;
	uint64_t n = 0;

	set_up(&f);
	name_slot(&f, ID_A, 1);
	attach(&f, S(1));
	add(&f, 0, SL_LATENCY_TTFT, 40, 1);        // below every bound
	add(&f, 0, SL_LATENCY_TTFT, 20000, 5);     // le 0.025
	add(&f, 1, SL_LATENCY_TTFT, 200000000, 2); // above every bound
	look(&f, ID_A, S(2));
	sl_tally_histogram(tally_of(&f, ID_A), SL_LATENCY_TTFT, &h);
	for (uint32_t b = 0; b <= SL_HISTOGRAM_BOUNDS; b++)
		n += h.counts[b];
	ck_assert_uint_eq(n, 8);
	ck_assert_uint_eq(h.counts[0], 1);
	ck_assert_uint_eq(h.counts[5], 5);
	ck_assert_uint_eq(h.counts[SL_HISTOGRAM_BOUNDS], 2);
	ck_assert_uint_eq(h.sum_us, 40 + 100000 + 400000000);
	tear_down(&f);
}
END_TEST

START_TEST(who_was_never_measured_has_no_tally)
{
	struct fixture f;

	set_up(&f);
	name_slot(&f, ID_A, 1);
	attach(&f, S(1));
	look(&f, ID_A, S(2));
	ck_assert_ptr_null(tally_of(&f, ID_A));
	sl_stats_reader_detach(f.reader);
	ck_assert_uint_eq(look(&f, ID_A, S(3)).n_ttft, 0);
	tear_down(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("latency");
	TCase *tc = tcase_create("rows");

	tcase_add_test(tc, what_was_seen_is_the_difference_summed_over_workers);
	tcase_add_test(tc, looks_that_nobody_takes_add_up);
	tcase_add_test(tc, what_was_counted_before_the_attach_is_history_and_not_news);
	tcase_add_test(tc, counts_wrap_without_a_leap);
	tcase_add_test(tc, a_slot_that_passes_on_takes_nothing_along);
	tcase_add_test(tc, a_wait_counts_while_it_was_noted_within_two_seconds);
	tcase_add_test(tc, a_minute_forgets_in_slices_and_quantiles_are_of_what_it_holds);
	tcase_add_test(tc, prometheus_gets_every_sample_once_and_the_sum);
	tcase_add_test(tc, who_was_never_measured_has_no_tally);
	suite_add_tcase(s, tc);
	return sl_check_run(s);
}
