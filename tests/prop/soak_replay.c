// SPDX-License-Identifier: Apache-2.0
// Random packets, answers to what was sent, configurations and time, through the data plane's core:
// whatever comes, every packet ends once and all counts add up.
//
//	soak_replay            the test: SL_PROP_CASES packets
//	soak_replay N [SEED]   as many as that, in 12 rounds of other sizes and another seed each;
//	                       prints speed, counts and memory (RSS), exit 1 if it grew
//
// Every CHECK_EVERY packets, and at the end: in = sent + kernel + dropped + held, out = sent +
// generated, the drops by reason add up, backends and VIPs count what their tables hold, and the
// tables are sound. A check that fails aborts.
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "plant.h"
#include "sl_check.h"

#ifndef SL_PROP_CASES
#error "meson.build says how many packets the test takes"
#endif

#define BYTES_EACH   600  // no step takes more
#define WAIT_EVERY   800  // packets
#define LONG_EVERY   20   // of these waits; walks thousands of neighbours for minutes
#define CONFIG_EVERY 2000 // packets; each builds a snapshot
#define CHECK_EVERY  5000 // packets
#define ROUNDS       12   // all numbers of workers and sizes of tables
// AddressSanitizer holds back what was freed; there it is its own search for leaks that counts.
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_MAX_KB LONG_MAX
#else
#define GROWTH_MAX_KB 4096
#endif

// A stock of random bytes for the plant to eat.
struct stock {
	uint64_t state;
	uint64_t words[8192];
	struct fuzz_input in;
};

static struct fuzz_input *refill(struct stock *stock)
{
	if (fuzz_left(&stock->in) < BYTES_EACH) {
		for (size_t i = 0; i < sizeof(stock->words) / sizeof(stock->words[0]); i++)
			stock->words[i] = sl_check_random(&stock->state);
		stock->in.at = (const uint8_t *)stock->words;
		stock->in.end = (const uint8_t *)(stock->words + 8192);
	}
	return &stock->in;
}

static void soak(struct plant *plant, struct stock *stock, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		if (i % CONFIG_EVERY == CONFIG_EVERY - 1)
			plant_configure(plant, refill(stock));
		if (i % (WAIT_EVERY * LONG_EVERY) == 0)
			plant_wait(plant, refill(stock));
		else if (i % WAIT_EVERY == 0)
			plant_wait_shortly(plant, refill(stock));
		plant_packet(plant, refill(stock));
		if (i % CHECK_EVERY == 0)
			plant_require_sound(plant);
	}
	plant_require_sound(plant);
}

static struct plant *new_plant(uint64_t seed, bool is_trusting)
{
	return plant_new(&(struct plant_params){.n_workers = 1 + seed % 3,
	                                        .n_flows = 256u << seed % 5,
	                                        .n_pools = 6,
	                                        .max_builds = UINT32_MAX,
	                                        .is_configured = true,
	                                        .seed = seed,
	                                        .is_shared = seed % 2,
	                                        .is_trusting = is_trusting});
}

static void soak_once(uint64_t seed, bool is_trusting, uint64_t n_pkts)
{
	struct stock *stock = calloc(1, sizeof(*stock));
	struct plant *plant = new_plant(seed, is_trusting);
	struct sl_replay_counts counts;

	stock->state = seed;
	soak(plant, stock, 0, n_pkts);
	counts = plant_counts(plant);
	// The plant is worth its name only if much of it happens.
	ck_assert_msg(counts.out_pkts > n_pkts / 10 && counts.flows_new > n_pkts / 1000 &&
	                      counts.ends[SL_REPLAY_DROPPED] > 0 && counts.generated_pkts > 0,
	              "%lu in, %lu out, %lu flows; seed %lu", (unsigned long)counts.in_pkts,
	              (unsigned long)counts.out_pkts, (unsigned long)counts.flows_new,
	              (unsigned long)seed);
	plant_free(plant);
	free(stock);
}

START_TEST(random_packets_end_once_each)
{
	uint64_t seed = sl_check_seed() + (uint64_t)_i;

	soak_once(seed, false, SL_PROP_CASES);
}
END_TEST

START_TEST(right_checksums_leave_right)
{
	uint64_t seed = sl_check_seed() + (uint64_t)_i;

	soak_once(seed, true, SL_PROP_CASES);
}
END_TEST

static long rss_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size, resident = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void add_counts(struct sl_replay_counts *sum, const struct sl_replay_counts *c)
{
	sum->in_pkts += c->in_pkts;
	sum->generated_pkts += c->generated_pkts;
	sum->flows_new += c->flows_new;
	sum->flows_evicted += c->flows_evicted;
	for (uint32_t i = 0; i < SL_REPLAY_END_COUNT; i++)
		sum->ends[i] += c->ends[i];
	for (uint32_t i = 0; i < SL_DROP_COUNT; i++)
		sum->drops[i] += c->drops[i];
}

static void print_counts(const struct sl_replay_counts *c)
{
	printf("%lu packets in: %lu sent, %lu kernel, %lu dropped, %lu held; %lu generated; %lu "
	       "flows made, %lu evicted\n",
	       (unsigned long)c->in_pkts, (unsigned long)c->ends[SL_REPLAY_SENT],
	       (unsigned long)c->ends[SL_REPLAY_KERNEL], (unsigned long)c->ends[SL_REPLAY_DROPPED],
	       (unsigned long)c->ends[SL_REPLAY_HELD], (unsigned long)c->generated_pkts,
	       (unsigned long)c->flows_new, (unsigned long)c->flows_evicted);
}

// One plant of its own; kB that memory grew by after its first tenth.
static long soak_round(uint64_t n_pkts, uint64_t seed, struct sl_replay_counts *sum)
{
	struct stock *stock = calloc(1, sizeof(*stock));
	struct plant *plant = new_plant(seed, seed / 2 % 2);
	double start = seconds();
	struct sl_replay_counts c;
	long first_kb, last_kb;

	stock->state = seed;
	soak(plant, stock, 0, n_pkts / 10);
	first_kb = rss_kb();
	soak(plant, stock, n_pkts / 10, n_pkts);
	last_kb = rss_kb();
	c = plant_counts(plant);
	printf("seed %lu, %lu workers, %.0f packets/s, memory %ld kB after a tenth, %ld at the "
	       "end: ",
	       (unsigned long)seed, (unsigned long)(1 + seed % 3),
	       (double)n_pkts / (seconds() - start), first_kb, last_kb);
	print_counts(&c);
	fflush(stdout);
	add_counts(sum, &c);
	plant_free(plant);
	free(stock);
	return last_kb - first_kb;
}

static int soak_long(uint64_t n_pkts, uint64_t seed)
{
	struct sl_replay_counts sum = {0};
	double start = seconds();
	long growth_kb = 0;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		long kb = soak_round(n_pkts / ROUNDS, seed + i, &sum);

		growth_kb = kb > growth_kb ? kb : growth_kb;
	}
	print_counts(&sum);
	for (uint32_t i = 0; i < SL_DROP_COUNT; i++)
		printf("  %-18s %12lu\n", sl_drop_name(i), (unsigned long)sum.drops[i]);
	printf("%.0f packets/s; no round grew by more than %ld kB\n",
	       (double)n_pkts / (seconds() - start), growth_kb);
	return growth_kb <= GROWTH_MAX_KB ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	Suite *suite;
	TCase *tc;
	char seed[24];

	if (argc > 1)
		return soak_long(strtoull(argv[1], NULL, 0),
		                 argc > 2 ? strtoull(argv[2], NULL, 0) : sl_check_seed());
	suite = suite_create("soak");
	tc = tcase_create("random");
	// One seed for all tests, printed before anything can crash.
	snprintf(seed, sizeof(seed), "%lu", (unsigned long)sl_check_seed());
	setenv("SL_TEST_SEED", seed, 1);
	printf("# SL_TEST_SEED=%s repeats this run\n", seed);
	fflush(stdout);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, random_packets_end_once_each, 0, 3);
	tcase_add_loop_test(tc, right_checksums_leave_right, 0, 3);
	suite_add_tcase(suite, tc);
	return sl_check_run(suite);
}
