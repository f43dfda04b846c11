// SPDX-License-Identifier: Apache-2.0
// sluice-control: decides and tells; the data plane forwards without it.
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <curl/curl.h>

#include "daemon.h"

#define EXIT_USAGE 2

static const char usage[] =
	"usage: sluice-control [--config FILE] [--state-dir DIR] [--dataplane-socket PATH]\n"
	"                      [--socket PATH] [--metrics 127.0.0.1:PORT|none]\n"
	"                      [--log-level error|warn|info|debug]\n"
	"  --config            /etc/sluice/pools.yaml\n"
	"  --state-dir         /var/lib/sluice\n"
	"  --dataplane-socket  " SL_IPC_SOCKET "\n"
	"  --socket            /run/sluice/control.sock\n"
	"  --metrics           127.0.0.1:9180\n"
	"SIGHUP applies the file again, as `sluice apply` does; SIGTERM ends.\n";

struct process {
	uv_loop_t loop;
	uv_signal_t signals[3];
	struct sl_daemon daemon;
};

static int parse_options(int argc, char **argv, struct sl_daemon_options *options)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"state-dir", required_argument, NULL, 's'},
		{"dataplane-socket", required_argument, NULL, 'd'},
		{"socket", required_argument, NULL, 'a'},
		{"metrics", required_argument, NULL, 'm'},
		{"log-level", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'c')
			options->config_file = optarg;
		else if (c == 's')
			options->state_dir = optarg;
		else if (c == 'd')
			options->dataplane_socket = optarg;
		else if (c == 'a')
			options->socket = optarg;
		else if (c == 'm')
			options->metrics = strcmp(optarg, "none") == 0 ? NULL : optarg;
		else if (c == 'l' && sl_log_parse_level(optarg, &options->log.level))
			continue;
		else if (c == 'v')
			return printf("sluice-control %s\n", SL_VERSION) > 0 ? 0 : EXIT_FAILURE;
		else
			return fputs(usage, c == 'h' ? stdout : stderr) >= 0 && c == 'h'
			               ? 0
			               : EXIT_USAGE;
	}
	if (optind < argc) {
		fprintf(stderr, "sluice-control: unexpected argument %s\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	return -1; // go on
}

static void signalled(uv_signal_t *handle, int number)
{
	struct process *process = handle->data;

	if (number == SIGHUP) {
		sl_reload_request(&process->daemon);
		return;
	}
	sl_log(process->daemon.log, SL_LOG_INFO, "signal %d: stopping; the data plane goes on",
	       number);
	for (size_t i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&process->signals[i], NULL);
	sl_daemon_stop(&process->daemon, NULL, NULL);
}

static void watch_signals(struct process *process)
{
	static const int numbers[3] = {SIGHUP, SIGTERM, SIGINT};

	signal(SIGPIPE, SIG_IGN); // a client that hangs up is no reason to die
	for (size_t i = 0; i < 3; i++) {
		uv_signal_init(&process->loop, &process->signals[i]);
		process->signals[i].data = process;
		uv_signal_start(&process->signals[i], signalled, numbers[i]);
	}
}

// Every probe in flight holds a descriptor.
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	struct sl_daemon_options options = {
		.config_file = "/etc/sluice/pools.yaml",
		.state_dir = "/var/lib/sluice",
		.dataplane_socket = SL_IPC_SOCKET,
		.socket = "/run/sluice/control.sock",
		.metrics = "127.0.0.1:9180",
		.log = {.level = SL_LOG_INFO, .fd = STDERR_FILENO},
	};
	struct process *process;
	int rc = parse_options(argc, argv, &options);

	if (rc >= 0)
		return rc;
	process = calloc(1, sizeof(*process));
	if (process == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		fputs("sluice-control: out of memory\n", stderr);
		return EXIT_FAILURE;
	}
	raise_descriptor_limit();
	uv_loop_init(&process->loop);
	rc = EXIT_FAILURE;
	if (sl_daemon_start(&process->daemon, &process->loop, &options) == 0) {
		watch_signals(process);
		sl_log(process->daemon.log, SL_LOG_INFO, "sluice-control %s serves %s", SL_VERSION,
		       options.socket);
		uv_run(&process->loop, UV_RUN_DEFAULT);
		rc = EXIT_SUCCESS;
	}
	uv_loop_close(&process->loop);
	curl_global_cleanup();
	free(process);
	return rc;
}
