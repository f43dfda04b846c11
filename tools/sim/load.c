// SPDX-License-Identifier: Apache-2.0
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"
#include "random.h"
#include "sluice/units.h"

#define DRAIN_MS   30000 // how long the last answers may take after the last arrival
#define TIMEOUT_MS 60000
#define RATE_NS    (5 * SL_NS_PER_S) // how long a drawn rate lasts

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void sl_load_schedule(struct sl_load *load)
{
	uint64_t due_ns = earliest(load->next_tick_ns, load->curl_due_ns);

	due_ns = earliest(due_ns, load->next_arrival_ns);
	due_ns = earliest(due_ns, load->drain_end_ns);
	// Sending is over and the last answer is in: end at once.
	if (load->next_arrival_ns == SL_LOOP_NEVER && load->in_flight == 0)
		load->loop.is_stopped = true;
	sl_loop_set_deadline(&load->loop, due_ns);
}

// Goes by the arrivals, not by the clock: the same seed asks at the same times.
static void vary_rate(struct sl_load *load)
{
	const double spread = load->settings.rate_spread;

	while (load->next_rate_ns <= load->next_arrival_ns) {
		// exp(spread^2 / 2) is the mean of the factor drawn.
		load->rate =
			load->settings.rate *
			exp(spread * sl_random_normal(&load->rate_random) - spread * spread / 2);
		load->next_rate_ns += RATE_NS;
	}
}

static void send_due(struct sl_load *load, uint64_t now_ns)
{
	while (load->next_arrival_ns <= now_ns) {
		struct sl_size size = sl_sizes_next(&load->sizes);

		vary_rate(load);
		if (sl_call_start(load, &size, load->next_arrival_ns) != 0) {
			fprintf(stderr, "sluice-sim load: out of memory, stopping\n");
			load->loop.is_stopped = true;
			return;
		}
		load->next_arrival_ns +=
			1 + (uint64_t)sl_random_exponential(&load->random,
		                                            (double)SL_NS_PER_S / load->rate);
		if (load->next_arrival_ns >= load->end_ns)
			load->next_arrival_ns = SL_LOOP_NEVER;
	}
}

static double run_time_s(const struct sl_load *load)
{
	return (double)(sl_loop_now_ns() - load->start_ns) / SL_NS_PER_S;
}

static void tick(struct sl_load *load)
{
	const struct sl_load_counts *total = &load->stats.total;
	const double t_s = run_time_s(load);

	if (load->live != NULL) {
		json_t *json = sl_load_stats_live_json(&load->stats, t_s, load->in_flight);

		json_dumpf(json, load->live, JSON_COMPACT | JSON_REAL_PRECISION(6));
		fputc('\n', load->live);
		fflush(load->live);
		json_decref(json);
	}
	if (load->is_terminal)
		fprintf(stderr,
		        "\r%5.0f s: %" PRIu64 " sent, %" PRIu64 " ok, %" PRIu64 " failed, %" PRIu64
		        " in flight ",
		        t_s, total->sent, total->ok, total->failed, load->in_flight);
	sl_load_stats_tick(&load->stats);
	load->next_tick_ns += SL_NS_PER_S;
}

static void something_due(void *ctx)
{
	struct sl_load *load = ctx;
	const uint64_t now_ns = sl_loop_now_ns();

	send_due(load, now_ns);
	if (load->curl_due_ns <= sl_loop_now_ns())
		sl_calls_timeout(load);
	if (load->next_tick_ns <= now_ns)
		tick(load);
	if (load->drain_end_ns <= now_ns)
		sl_calls_abandon(load);
	sl_load_schedule(load);
}

static int usage(void)
{
	fprintf(stderr,
	        "usage: sluice-sim load --target ADDR:PORT [--rate 30] [--rate-spread 0]\n"
	        "  [--duration 30] [--connections per-request|keep-alive] [--prompt MEAN] "
	        "[--output MEAN]\n"
	        "  [--protocol http1|http2] [--tls] (h2c without it; any certificate will do)\n"
	        "  [--trace FILE] [--seed N] [--slo-ttft 2s] [--slo-tpot 100ms] [--timeout 60s]\n"
	        "  [--json FILE] [--live FILE]       a FILE of - is standard output\n");
	return SL_EXIT_USAGE;
}

static int set_connections(struct sl_load_settings *settings, const char *value)
{
	settings->is_keep_alive = strcmp(value, "keep-alive") == 0;
	return settings->is_keep_alive || strcmp(value, "per-request") == 0 ? 0 : -EINVAL;
}

static int set_protocol(struct sl_load_settings *settings, const char *value)
{
	settings->is_http2 = strcmp(value, "http2") == 0;
	return settings->is_http2 || strcmp(value, "http1") == 0 ? 0 : -EINVAL;
}

static int set_path(const char **path, const char *value)
{
	*path = value;
	return 0;
}

static int parse_option(void *ctx, int option, const char *value)
{
	struct sl_load *load = ctx;
	struct sl_load_settings *settings = &load->settings;

	switch (option) {
	case 't':
		return sl_addr_parse(&settings->target, value);
	case 'r':
		return sl_option_double(value, 0.01, 100000, &settings->rate);
	case 'v':
		return sl_option_double(value, 0, 3, &settings->rate_spread);
	case 'd':
		return sl_option_duration_ms(value, &settings->duration_ms);
	case 'c':
		return set_connections(settings, value);
	case 'P':
		return set_protocol(settings, value);
	case 'S':
		settings->is_tls = true;
		return 0;
	case 'p':
		return sl_option_double(value, 1, SL_SIZES_TOKENS_MAX, &load->sizes.prompt_mean);
	case 'o':
		return sl_option_double(value, 1, SL_SIZES_TOKENS_MAX, &load->sizes.output_mean);
	case 's':
		return sl_option_u64(value, &settings->seed);
	case 'f':
		return sl_option_duration_ms(value, &settings->slo_ttft_ms);
	case 'g':
		return sl_option_duration_ms(value, &settings->slo_tpot_ms);
	case 'm':
		return sl_option_duration_ms(value, &settings->timeout_ms);
	case 'T':
		return set_path(&settings->trace_path, value);
	case 'j':
		return set_path(&settings->json_path, value);
	case 'l':
		return set_path(&settings->live_path, value);
	default:
		return -EINVAL;
	}
}

static int parse_settings(struct sl_load *load, int argc, char **argv)
{
	static const struct option options[] = {
		{"target", required_argument, NULL, 't'},
		{"rate", required_argument, NULL, 'r'},
		{"rate-spread", required_argument, NULL, 'v'},
		{"duration", required_argument, NULL, 'd'},
		{"connections", required_argument, NULL, 'c'},
		{"protocol", required_argument, NULL, 'P'},
		{"tls", no_argument, NULL, 'S'},
		{"prompt", required_argument, NULL, 'p'},
		{"output", required_argument, NULL, 'o'},
		{"trace", required_argument, NULL, 'T'},
		{"seed", required_argument, NULL, 's'},
		{"slo-ttft", required_argument, NULL, 'f'},
		{"slo-tpot", required_argument, NULL, 'g'},
		{"json", required_argument, NULL, 'j'},
		{"live", required_argument, NULL, 'l'},
		{"timeout", required_argument, NULL, 'm'},
		{0},
	};
	int rc = sl_options_parse(argc, argv, options, parse_option, load);

	if (rc == 0 && load->settings.target.len == 0) {
		fprintf(stderr, "sluice-sim load: --target is needed\n");
		rc = -EINVAL;
	}
	return rc;
}

static FILE *open_output(const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");

	if (file == NULL)
		fprintf(stderr, "sluice-sim load: cannot write %s: %s\n", path, strerror(errno));
	return file;
}

static int close_output(FILE *file)
{
	return (file == stdout ? fflush(file) : fclose(file)) == 0 ? 0 : -errno;
}

static int read_trace(struct sl_load *load)
{
	const char *path = load->settings.trace_path;
	size_t bad_line;
	int rc;

	if (path == NULL)
		return 0;
	rc = sl_sizes_load(&load->sizes, path, &bad_line);
	if (rc == -EINVAL)
		fprintf(stderr, "sluice-sim load: %s:%zu: not a line of \"prompt output\" tokens\n",
		        path, bad_line);
	else if (rc != 0)
		fprintf(stderr, "sluice-sim load: cannot read %s: %s\n", path, strerror(-rc));
	return rc;
}

static int write_report(struct sl_load *load)
{
	json_t *json = sl_load_stats_total_json(&load->stats, run_time_s(load), load->in_flight);
	const char *path = load->settings.json_path != NULL ? load->settings.json_path : "-";
	FILE *out = open_output(path);
	int rc = -EIO;

	if (out != NULL) {
		rc = json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		fputc('\n', out);
		if (close_output(out) != 0 || rc != 0)
			rc = -EIO;
	}
	json_decref(json);
	return rc;
}

static int generate(struct sl_load *load)
{
	const struct sl_load_settings *settings = &load->settings;
	const uint64_t duration_ns = settings->duration_ms * SL_NS_PER_MS;
	int rc = sl_calls_init(load);

	load->sizes.random = settings->seed;
	load->random = ~settings->seed;
	load->rate_random = settings->seed ^ UINT64_C(0x5555555555555555); // unlike both
	load->start_ns = sl_loop_now_ns();
	load->next_arrival_ns = load->start_ns;
	load->next_rate_ns = load->start_ns;
	load->next_tick_ns = load->start_ns + SL_NS_PER_S;
	load->end_ns = load->start_ns + duration_ns;
	load->drain_end_ns = load->end_ns + settings->drain_ms * SL_NS_PER_MS;
	sl_loop_set_deadline(&load->loop, load->start_ns);
	while (rc == 0 && !load->loop.is_stopped)
		rc = sl_loop_turn(&load->loop, -1);
	if (load->is_terminal)
		fputc('\n', stderr);
	if (rc == 0)
		rc = write_report(load);
	// Stopped by a signal: the report stands, but the run is not what was asked for.
	if (rc == 0 && load->next_arrival_ns != SL_LOOP_NEVER)
		rc = -EINTR;
	sl_calls_fini(load);
	return rc;
}

static int run(struct sl_load *load)
{
	int rc = read_trace(load);

	if (rc != 0)
		return rc;
	if (load->settings.live_path != NULL) {
		load->live = open_output(load->settings.live_path);
		if (load->live == NULL)
			return -EIO;
	}
	load->is_terminal = isatty(STDERR_FILENO) == 1;
	rc = sl_loop_init(&load->loop, something_due, load);
	if (rc == 0) {
		rc = generate(load);
		sl_loop_fini(&load->loop);
	}
	if (load->live != NULL && close_output(load->live) != 0)
		rc = -EIO;
	return rc;
}

int sl_load_main(int argc, char **argv)
{
	struct sl_load *load = calloc(1, sizeof(*load));
	int rc;

	if (load == NULL || sl_load_stats_init(&load->stats) != 0)
		return SL_EXIT_FAILED;
	load->settings = (struct sl_load_settings){
		.rate = 30,
		.duration_ms = 30000,
		.drain_ms = DRAIN_MS,
		.timeout_ms = TIMEOUT_MS,
		.slo_ttft_ms = 2000,
		.slo_tpot_ms = 100,
		.seed = 1,
	};
	load->sizes.prompt_mean = 512;
	load->sizes.output_mean = 64;
	if (parse_settings(load, argc, argv) != 0) {
		rc = usage();
	} else {
		sl_options_raise_files();
		curl_global_init(CURL_GLOBAL_DEFAULT);
		rc = run(load) == 0 ? SL_EXIT_OK : SL_EXIT_FAILED;
		curl_global_cleanup();
	}
	sl_sizes_fini(&load->sizes);
	sl_load_stats_fini(&load->stats);
	free(load);
	return rc;
}
