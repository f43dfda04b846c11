// SPDX-License-Identifier: Apache-2.0
// sluice-dataplane: forwards packets. Started with one file, told everything else over its socket.
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "appliance.h"
#include "launch.h"
#include "steering.h"

#define MAIN_LOOP_MS 1 // folding loads and freeing snapshots must not take longer

struct process {
	struct sl_appliance appliance;
	struct sl_xdp *xdp;
	int signal_fd;
};

static int usage(FILE *to, int status)
{
	fputs("usage: sluice-dataplane [--config FILE]\n"
	      "Forwards packets as /etc/sluice/dataplane.yaml (or FILE) says; pools and weights "
	      "come\n"
	      "from sluice-control over the command socket. SIGTERM ends it.\n",
	      to);
	return status;
}

// SIGINT and SIGTERM become readable; before EAL makes threads, so that all of them inherit it.
static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

// The network and the XDP program follow each configuration.
static void follow_config(void *ctx)
{
	struct process *process = ctx;
	struct sl_text why = {""};

	sl_slow_announce(&process->appliance.slow);
	if (sl_steering_sync(process->xdp, &process->appliance, &why) != 0)
		fprintf(stderr, "<3>some traffic stays with the kernel: %s\n", why.text);
}

static const char *xdp_object(char *path, size_t n_bytes)
{
	static const char *const places[] = {"../xdp/sluice_xdp.bpf.o",
	                                     "../lib/sluice/sluice_xdp.bpf.o", "sluice_xdp.bpf.o"};
	char directory[3072];

	if (sl_launch_directory(directory, sizeof(directory)) == 0) {
		for (size_t i = 0; i < RTE_DIM(places); i++) {
			snprintf(path, n_bytes, "%s/%s", directory, places[i]);
			if (access(path, R_OK) == 0)
				return path;
		}
	}
	return "/usr/lib/sluice/sluice_xdp.bpf.o";
}

static int start(struct process *process, const char *file, struct sl_text *why)
{
	struct sl_appliance *a = &process->appliance;
	struct rlimit no_limit = {RLIM_INFINITY, RLIM_INFINITY};
	char path[4096];
	uint64_t instance;
	int err = sl_launch_config(file, &a->config, why);

	if (err != 0)
		return err;
	if (a->config.socket[0] == '\0')
		snprintf(a->config.socket, sizeof(a->config.socket), "%s", SL_IPC_SOCKET);
	// First of all: what follows takes the interfaces away from whoever has them.
	if (sl_ipc_server_is_alive(a->config.socket)) {
		snprintf(why->text, sizeof(why->text),
		         "command socket %s: another sluice-dataplane answers there",
		         a->config.socket);
		return -EADDRINUSE;
	}
	setrlimit(RLIMIT_MEMLOCK, &no_limit); // AF_XDP pins its packet memory
	err = sl_steering_prepare(&a->config, why);
	if (err == 0)
		err = sl_launch_eal(&a->config, why);
	if (err == 0)
		err = sl_ports_start(&a->ports, &a->config, xdp_object(path, sizeof(path)), why);
	if (err == 0)
		err = sl_appliance_init(a, why);
	if (err == 0)
		err = sl_steering_open(&process->xdp, a, why);
	if (err != 0)
		return err;
	a->pub.changed = follow_config;
	a->pub.changed_ctx = process;
	if (strcmp(a->config.socket, SL_IPC_SOCKET) == 0)
		mkdir("/run/sluice", 0755);
	instance = ((struct sl_stats_header *)a->segment.base)->instance;
	err = sl_ipc_server_init(&a->ipc, &a->pub, a->config.socket, a->segment.read_only_fd,
	                         instance);
	a->has_ipc = err == 0;
	if (err != 0)
		snprintf(why->text, sizeof(why->text), "command socket %s: %s", a->config.socket,
		         strerror(-err));
	return err;
}

static void run(struct process *process)
{
	static const char *const steering[] = {[SL_RSS_SOURCE] = ", RSS by source",
	                                       [SL_RSS_DESTINATION] = ", RSS by destination",
	                                       [SL_RSS_OFF] = ", hand-over between workers"};
	struct sl_appliance *a = &process->appliance;
	bool is_busy = false;

	for (uint32_t w = 0; w < a->config.n_workers; w++)
		rte_eal_remote_launch(sl_worker_run, a->io.workers[w], w + 1);
	for (uint32_t p = 0; p < a->ports.n_ports; p++)
		fprintf(stderr, "port %s: %s, %u queue(s)%s\n", a->config.ports[p].name,
		        a->ports.ports[p].device, a->ports.ports[p].n_queues,
		        a->config.n_workers > 1 ? steering[a->ports.ports[p].rss] : "");
	fprintf(stderr, "sluice-dataplane: ready\n");
	while (!sl_appliance_sleep(a, process->signal_fd, is_busy ? 0 : MAIN_LOOP_MS))
		is_busy = sl_appliance_poll(a, sl_clock_ns());
	atomic_store_explicit(&a->io.is_stopping, true, memory_order_relaxed);
	rte_eal_mp_wait_lcore();
}

static void stop(struct process *process)
{
	sl_xdp_close(process->xdp);
	sl_ports_stop(&process->appliance.ports);
	sl_appliance_fini(&process->appliance);
	rte_eal_cleanup();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
	const char *file = "/etc/sluice/dataplane.yaml";
	struct process *process;
	struct sl_text why = {""};
	int option, err;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, EXIT_SUCCESS);
		if (option != 'c')
			return usage(stderr, 2);
		file = optarg;
	}
	if (optind != argc)
		return usage(stderr, 2);
	process = calloc(1, sizeof(*process));
	if (process == NULL)
		return EXIT_FAILURE;
	process->signal_fd = catch_signals();
	err = start(process, file, &why);
	if (err != 0) {
		fprintf(stderr, "<3>sluice-dataplane: %s\n",
		        why.text[0] != '\0' ? why.text : strerror(-err));
		sl_xdp_close(process->xdp);
		sl_ports_stop(&process->appliance.ports); // detaches our XDP programs
		return err == -EINVAL ? 3 : EXIT_FAILURE;
	}
	run(process);
	stop(process);
	free(process);
	return EXIT_SUCCESS;
}
