// SPDX-License-Identifier: Apache-2.0
// sluice-dataplane: forwards packets. Started with one file, told everything else over its socket.
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "appliance.h"
#include "launch.h"
#include "xdp.h"

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

static int prepare_xdp(const struct sl_dpconfig *config, struct sl_text *why)
{
	for (uint32_t p = 0; p < config->n_ports; p++) {
		int err;

		if (config->ports[p].kind != SL_DEVICE_AF_XDP)
			continue;
		err = sl_xdp_prepare(config->ports[p].device, why->text, sizeof(why->text));
		if (err != 0)
			return err;
	}
	return 0;
}

// Own and VIP addresses, and where replies come from: what the XDP program steers to us.
static void sync_xdp(void *ctx)
{
	struct process *process = ctx;
	const struct sl_appliance *a = &process->appliance;
	const struct sl_wire_header *config = a->pub.config;
	uint32_t n_vips = config != NULL ? config->n_vips : 0;
	uint32_t n_own = 0, n_back = config != NULL ? config->n_backends : 0;
	struct sl_ip *own;
	struct sl_xdp_backend *back;

	for (uint32_t i = 0; i < n_vips; i++)
		sl_slow_announce(&process->appliance.slow, &sl_wire_vips(config)[i].address);
	if (process->xdp == NULL)
		return;
	own = calloc(n_vips + SL_MAX_PORTS * SL_MAX_PORT_ADDRESSES, sizeof(*own));
	back = calloc((size_t)n_back + 1, sizeof(*back));
	if (own == NULL || back == NULL)
		goto out;
	for (uint32_t i = 0; i < n_vips; i++)
		own[n_own++] = sl_wire_vips(config)[i].address;
	for (uint32_t p = 0; p < a->config.n_ports; p++) {
		for (uint32_t i = 0; i < a->config.ports[p].n_addresses; i++)
			own[n_own++] = a->config.ports[p].addresses[i].address;
	}
	n_back = sl_xdp_backends_of(config, back);
	if (sl_xdp_sync(process->xdp, own, n_own, back, n_back) != 0)
		fprintf(stderr,
		        "<3>XDP maps are full or gone: some traffic stays with the kernel\n");
out:
	free(own);
	free(back);
}

static int open_xdp(struct process *process, struct sl_text *why)
{
	const struct sl_appliance *a = &process->appliance;
	int err = 0;

	for (uint32_t p = 0; p < a->config.n_ports && err == 0; p++) {
		const struct sl_dp_port *port = &a->config.ports[p];

		if (!a->ports.ports[p].is_af_xdp)
			continue;
		if (process->xdp == NULL)
			err = sl_xdp_open(&process->xdp, why->text, sizeof(why->text));
		if (err == 0)
			err = sl_xdp_set_mode(process->xdp, port->device,
			                      port->mode == SL_PORT_DEDICATED);
	}
	if (err == 0)
		sync_xdp(process);
	return err;
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
	setrlimit(RLIMIT_MEMLOCK, &no_limit); // AF_XDP pins its packet memory
	err = prepare_xdp(&a->config, why);
	if (err == 0)
		err = sl_launch_eal(&a->config, why);
	if (err == 0)
		err = sl_ports_start(&a->ports, &a->config, xdp_object(path, sizeof(path)), why);
	if (err == 0)
		err = sl_appliance_init(a, why);
	if (err == 0)
		err = open_xdp(process, why);
	if (err != 0)
		return err;
	a->pub.changed = sync_xdp;
	a->pub.changed_ctx = process;
	if (a->config.socket[0] == '\0') {
		mkdir("/run/sluice", 0755);
		snprintf(a->config.socket, sizeof(a->config.socket), "%s", SL_IPC_SOCKET);
	}
	instance = ((struct sl_stats_header *)a->segment.base)->instance;
	err = sl_ipc_server_init(&a->ipc, &a->pub, a->config.socket, a->segment.read_only_fd,
	                         instance);
	a->has_ipc = err == 0;
	if (err != 0)
		snprintf(why->text, sizeof(why->text), "command socket %s: %s", a->config.socket,
		         err == -EADDRINUSE ? "another sluice-dataplane answers there"
		                            : strerror(-err));
	return err;
}

static void run(struct process *process)
{
	struct sl_appliance *a = &process->appliance;
	struct pollfd wake = {.fd = process->signal_fd, .events = POLLIN};
	bool is_busy = false;

	for (uint32_t w = 0; w < a->config.n_workers; w++)
		rte_eal_remote_launch(sl_worker_run, a->io.workers[w], w + 1);
	for (uint32_t p = 0; p < a->ports.n_ports; p++)
		fprintf(stderr, "port %s: %s, %u queue(s)\n", a->config.ports[p].name,
		        a->ports.ports[p].device, a->ports.ports[p].n_queues);
	fprintf(stderr, "sluice-dataplane: ready\n");
	while (poll(&wake, 1, is_busy ? 0 : MAIN_LOOP_MS) <= 0)
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
		return err == -EINVAL ? 3 : EXIT_FAILURE;
	}
	run(process);
	stop(process);
	free(process);
	return EXIT_SUCCESS;
}
