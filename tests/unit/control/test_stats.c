// SPDX-License-Identifier: Apache-2.0
#include "sl_check.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_dataplane.h"
#include "sluice/units.h"
#include "stats_reader.h"

#define ID_A UINT64_C(0xaaaa)
#define ID_B UINT64_C(0xbbbb)

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

static void name_slot(struct fixture *f, uint32_t slot, uint64_t id, uint64_t generation)
{
	sl_stat_set(&sl_stats_backend_slot_at(f->base, slot)->id, id);
	sl_stat_set(&sl_stats_backend_slot_at(f->base, slot)->generation, generation);
}

static void add_flows(struct fixture *f, uint32_t worker, uint32_t slot, uint64_t n)
{
	sl_stat_add(&sl_stats_backend_at(f->base, worker, slot)->flows_new, n);
}

static void attach(struct fixture *f, uint64_t now_ns)
{
	char why[160];

	ck_assert_int_eq(sl_stats_reader_attach(f->reader, f->fd, now_ns, why, sizeof(why)), 0);
}

static uint64_t flows_of(struct fixture *f, uint64_t id, double *rate_per_s)
{
	struct sl_backend_totals totals;

	sl_stats_reader_backend(f->reader, id, &totals, rate_per_s);
	return totals.flows_new;
}

START_TEST(a_backend_is_the_sum_over_workers_by_id)
{
	struct fixture f;
	struct sl_backend_totals t;
	double rate_per_s;

	set_up(&f);
	name_slot(&f, 3, ID_A, 1);
	for (uint32_t w = 0; w < FAKE_WORKERS; w++) {
		struct sl_stats_backend *row = sl_stats_backend_at(f.base, w, 3);

		sl_stat_set(&row->flows_active, 10 + w);
		sl_stat_set(&row->flows_new, 20 + w);
		sl_stat_set(&row->c2s_pkts, 30 + w);
		sl_stat_set(&row->c2s_bytes, 40 + w);
		sl_stat_set(&row->s2c_pkts, 50 + w);
		sl_stat_set(&row->s2c_bytes, 60 + w);
		sl_stat_set(&row->refused, 70 + w);
		sl_stat_set(&row->resets, 80 + w);
	}
	attach(&f, 1);
	sl_stats_reader_backend(f.reader, ID_A, &t, &rate_per_s);
	ck_assert_uint_eq(t.flows_active, 21);
	ck_assert_uint_eq(t.flows_new, 41);
	ck_assert_uint_eq(t.c2s_pkts, 61);
	ck_assert_uint_eq(t.c2s_bytes, 81);
	ck_assert_uint_eq(t.s2c_pkts, 101);
	ck_assert_uint_eq(t.s2c_bytes, 121);
	ck_assert_uint_eq(t.refused, 141);
	ck_assert_uint_eq(t.resets, 161);
	sl_stats_reader_backend(f.reader, ID_B, &t, &rate_per_s);
	ck_assert_uint_eq(t.flows_new, 0);
	tear_down(&f);
}
END_TEST

START_TEST(local_ports_left_are_of_the_backend_that_has_the_slot_now)
{
	struct fixture f;
	struct sl_backend_totals t;
	double rate_per_s;

	set_up(&f);
	name_slot(&f, 3, ID_A, 0x10001);
	for (uint32_t w = 0; w < FAKE_WORKERS; w++) {
		struct sl_stats_local_ports *row = sl_stats_local_ports_at(f.base, w, 3);

		sl_stat_set(&row->busy, 100 + w);
		sl_stat_set(&row->busy_peak, 1000 + w);
		sl_stat_set(&row->generation, 1); // low 16 bits
	}
	attach(&f, 1);
	sl_stats_reader_backend(f.reader, ID_A, &t, &rate_per_s);
	ck_assert_uint_eq(t.ports_free, SL_STATS_LOCAL_PORTS - 201);
	ck_assert_uint_eq(t.ports_free_low, SL_STATS_LOCAL_PORTS - 2001);
	name_slot(&f, 3, ID_A, 0x10002);
	sl_stats_reader_backend(f.reader, ID_A, &t, &rate_per_s);
	ck_assert_uint_eq(t.ports_free_low, SL_STATS_LOCAL_PORTS);
	sl_stats_reader_backend(f.reader, ID_B, &t, &rate_per_s);
	ck_assert_uint_eq(t.ports_free, SL_STATS_LOCAL_PORTS);
	tear_down(&f);
}
END_TEST

START_TEST(packets_handed_over_are_summed_by_the_port_that_received_them)
{
	struct fixture f;
	struct sl_port_totals t;

	set_up(&f);
	((struct sl_stats_header *)f.base)->port_rss[0] = SL_RSS_DESTINATION;
	for (uint32_t w = 0; w < FAKE_WORKERS; w++)
		sl_stat_set(&sl_stats_port_at(f.base, w, 0)->handed_pkts, 500 + w);
	attach(&f, 1);
	sl_stats_reader_port(f.reader, 0, &t);
	ck_assert_uint_eq(t.handed_pkts, 1001);
	ck_assert_uint_eq(sl_stats_reader_map(f.reader)->port_rss[0], SL_RSS_DESTINATION);
	tear_down(&f);
}
END_TEST

START_TEST(a_slot_that_passes_on_starts_from_zero)
{
	struct fixture f;
	double rate_per_s;

	set_up(&f);
	name_slot(&f, 0, ID_A, 1);
	add_flows(&f, 0, 0, 100);
	attach(&f, SL_NS_PER_S);
	ck_assert_uint_eq(flows_of(&f, ID_A, &rate_per_s), 100);
	name_slot(&f, 0, ID_B, 2);
	add_flows(&f, 1, 0, 7);
	ck_assert_uint_eq(flows_of(&f, ID_A, &rate_per_s), 0); // gone at once
	sl_stats_reader_sample(f.reader, 2 * SL_NS_PER_S);
	ck_assert_uint_eq(flows_of(&f, ID_B, &rate_per_s), 7);
	ck_assert_uint_eq(flows_of(&f, ID_A, &rate_per_s), 0);
	tear_down(&f);
}
END_TEST

START_TEST(the_same_id_with_another_generation_starts_from_zero)
{
	struct fixture f;
	double rate_per_s;

	set_up(&f);
	name_slot(&f, 0, ID_A, 1);
	add_flows(&f, 0, 0, 100);
	attach(&f, SL_NS_PER_S);
	name_slot(&f, 0, ID_A, 2);
	add_flows(&f, 0, 0, 5);
	sl_stats_reader_sample(f.reader, 2 * SL_NS_PER_S);
	ck_assert_uint_eq(flows_of(&f, ID_A, &rate_per_s), 5);
	tear_down(&f);
}
END_TEST

START_TEST(a_rate_is_over_the_time_between_two_samples)
{
	struct fixture f;
	double rate_per_s;

	set_up(&f);
	name_slot(&f, 2, ID_A, 1);
	add_flows(&f, 0, 2, 1000);
	attach(&f, 10 * SL_NS_PER_S);
	flows_of(&f, ID_A, &rate_per_s);
	ck_assert(rate_per_s == 0); // what was there before the first sample is no rate
	add_flows(&f, 0, 2, 30);
	add_flows(&f, 1, 2, 20);
	sl_stats_reader_sample(f.reader, 12 * SL_NS_PER_S);
	flows_of(&f, ID_A, &rate_per_s);
	ck_assert_double_eq_tol(rate_per_s, 25, 1e-9);
	sl_stats_reader_sample(f.reader, 13 * SL_NS_PER_S);
	flows_of(&f, ID_A, &rate_per_s);
	ck_assert(rate_per_s == 0);
	tear_down(&f);
}
END_TEST

START_TEST(the_summary_adds_workers_and_the_main_core)
{
	struct sl_stats_summary s;
	struct sl_stats_header *h;
	struct fixture f;

	set_up(&f);
	h = f.base;
	for (uint32_t w = 0; w < FAKE_WORKERS; w++) {
		sl_stat_set(&sl_stats_worker_at(f.base, w)->rx_pkts, 100);
		sl_stat_set(&sl_stats_worker_at(f.base, w)->drops[SL_DROP_NO_VIP], 3);
		sl_stat_set(&sl_stats_worker_at(f.base, w)->epoch, 50 - w);
	}
	sl_stat_set(&h->main_drop[SL_DROP_NO_VIP], 1);
	sl_stat_set(&h->heartbeat_ns, 40);
	attach(&f, 1);
	sl_stats_reader_summary(f.reader, 100, &s);
	ck_assert_uint_eq(s.rx_pkts, 200);
	ck_assert_uint_eq(s.drops[SL_DROP_NO_VIP], 7);
	ck_assert_uint_eq(s.epoch_acked, 49);
	ck_assert_uint_eq(s.heartbeat_age_ns, 60);
	ck_assert_uint_eq(s.flow_capacity, 2000);
	tear_down(&f);
}
END_TEST

// Each breaks one field of a good header.
static const struct {
	const char *name;
	size_t offset;
	uint32_t value;
	const char *why;
} broken[] = {
	{"magic", offsetof(struct sl_stats_header, magic), 1, "magic"},
	{"version", offsetof(struct sl_stats_header, version), 9, "version 9"},
	{"size", offsetof(struct sl_stats_header, total_bytes), 64, "says 64 bytes"},
	{"no workers", offsetof(struct sl_stats_header, n_workers), 0, "counts"},
	{"workers", offsetof(struct sl_stats_header, n_workers), SL_MAX_WORKERS + 1, "counts"},
	{"ports", offsetof(struct sl_stats_header, n_ports), SL_MAX_PORTS + 1, "counts"},
	{"backends", offsetof(struct sl_stats_header, max_backends), SL_MAX_BACKENDS + 1, "counts"},
	{"vips", offsetof(struct sl_stats_header, max_vips), UINT32_MAX, "counts"},
	{"rows do not fit", offsetof(struct sl_stats_header, max_backends), 4000, "do not fit"},
	{"workers past the end", offsetof(struct sl_stats_header, off_workers), UINT32_MAX - 63,
         "workers at"},
	{"ports past the end", offsetof(struct sl_stats_header, off_ports), 1u << 30, "ports at"},
	{"backends in the header", offsetof(struct sl_stats_header, off_backends), 64,
         "backends at"},
	{"vips misaligned", offsetof(struct sl_stats_header, off_vips), 4097, "vips at"},
	{"local ports in the header", offsetof(struct sl_stats_header, off_local_ports), 128,
         "local ports at"},
	{"slots past the end", offsetof(struct sl_stats_header, off_backend_slots), 1u << 24,
         "backend slots at"},
	{"latency misaligned", offsetof(struct sl_stats_header, off_latency), 4097, "latency at"},
	{"vip slots at 0", offsetof(struct sl_stats_header, off_vip_slots), 0, "vip slots at"},
};

START_TEST(a_corrupt_header_is_refused_and_the_old_segment_stays)
{
	struct fixture f;
	uint32_t good;
	char why[160] = "";
	int fd;
	void *base;
	size_t n_bytes;

	set_up(&f);
	attach(&f, 1);
	fd = fake_stats_new(6, &base, &n_bytes);
	memcpy(&good, (char *)base + broken[_i].offset, sizeof(good));
	ck_assert_uint_ne(good, broken[_i].value);
	memcpy((char *)base + broken[_i].offset, &broken[_i].value, sizeof(good));
	ck_assert_int_eq(sl_stats_reader_attach(f.reader, fd, 2, why, sizeof(why)), -EPROTO);
	ck_assert_msg(strstr(why, broken[_i].why) != NULL, "%s: %s", broken[_i].name, why);
	ck_assert_uint_eq(sl_stats_reader_map(f.reader)->instance, 5);
	munmap(base, n_bytes);
	close(fd);
	tear_down(&f);
}
END_TEST

START_TEST(a_segment_smaller_than_its_header_is_refused)
{
	struct fixture f;
	char why[160];
	int fd = memfd_create("small", MFD_CLOEXEC);

	set_up(&f);
	ck_assert_int_eq(ftruncate(fd, 100), 0);
	ck_assert_int_eq(sl_stats_reader_attach(f.reader, fd, 1, why, sizeof(why)), -EPROTO);
	ck_assert_ptr_null(sl_stats_reader_map(f.reader));
	close(fd);
	tear_down(&f);
}
END_TEST

START_TEST(counts_changed_after_the_check_are_not_believed)
{
	struct sl_stats_summary s;
	struct sl_stats_header *h;
	struct fixture f;

	set_up(&f);
	attach(&f, 1);
	h = f.base;
	h->n_workers = 1u << 20;
	h->off_workers = UINT32_MAX;
	h->max_backends = 1u << 20;
	sl_stats_reader_sample(f.reader, 2);
	sl_stats_reader_summary(f.reader, 3, &s);
	ck_assert_uint_eq(s.flow_capacity, 2000);
	tear_down(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stats");
	TCase *tc = tcase_create("stats");

	tcase_add_test(tc, a_backend_is_the_sum_over_workers_by_id);
	tcase_add_test(tc, local_ports_left_are_of_the_backend_that_has_the_slot_now);
	tcase_add_test(tc, a_slot_that_passes_on_starts_from_zero);
	tcase_add_test(tc, packets_handed_over_are_summed_by_the_port_that_received_them);
	tcase_add_test(tc, the_same_id_with_another_generation_starts_from_zero);
	tcase_add_test(tc, a_rate_is_over_the_time_between_two_samples);
	tcase_add_test(tc, the_summary_adds_workers_and_the_main_core);
	tcase_add_loop_test(tc, a_corrupt_header_is_refused_and_the_old_segment_stays, 0,
	                    sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(tc, a_segment_smaller_than_its_header_is_refused);
	tcase_add_test(tc, counts_changed_after_the_check_are_not_believed);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
