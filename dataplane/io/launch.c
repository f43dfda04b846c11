// SPDX-License-Identifier: Apache-2.0
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "links.h"

#define MAX_EAL_ARGS 128 // two for each NIC, alone or in a bond
#define ARG_BYTES    320
#define HEAP_BASE_MB 64

int sl_launch_directory(char *directory, size_t n_bytes)
{
	ssize_t n = readlink("/proc/self/exe", directory, n_bytes - 1);
	char *slash;

	if (n < 0)
		return -errno;
	directory[n] = '\0';
	slash = strrchr(directory, '/');
	if (slash != NULL)
		*slash = '\0';
	return 0;
}

static void find_command(char *command, size_t n_bytes)
{
	const char *from_env = getenv("SLUICE_BIN");
	static const char *const places[] = {"sluice", "../../tools/cli/sluice", "../bin/sluice"};
	char directory[4096];

	if (from_env != NULL) {
		snprintf(command, n_bytes, "%s", from_env);
		return;
	}
	if (sl_launch_directory(directory, sizeof(directory)) == 0) {
		for (size_t i = 0; i < RTE_DIM(places); i++) {
			snprintf(command, n_bytes, "%s/%s", directory, places[i]);
			if (access(command, X_OK) == 0)
				return;
		}
	}
	snprintf(command, n_bytes, "sluice"); // PATH
}

static size_t read_all(int fd, void *bytes, size_t n_bytes)
{
	size_t n_read = 0;
	ssize_t n;

	while (n_read < n_bytes && (n = read(fd, (char *)bytes + n_read, n_bytes - n_read)) != 0) {
		if (n > 0)
			n_read += (size_t)n;
		else if (errno != EINTR)
			break;
	}
	return n_read;
}

static bool is_terminated(const char *text, size_t n_bytes)
{
	return memchr(text, '\0', n_bytes) != NULL;
}

static bool has_sound_members(const struct sl_dp_port *port)
{
	if (port->n_members > SL_MAX_PORT_MEMBERS || port->bond_mode >= SL_BOND_MODES ||
	    (port->kind == SL_DEVICE_BOND) != (port->n_members != 0))
		return false;
	for (uint32_t m = 0; m < port->n_members; m++) {
		const struct sl_dp_member *member = &port->members[m];

		if (!is_terminated(member->device, sizeof(member->device)) ||
		    member->kind == SL_DEVICE_AF_XDP || member->kind > SL_DEVICE_VDEV)
			return false;
	}
	return true;
}

static bool is_sound_port(const struct sl_dpconfig *c, uint32_t p)
{
	const struct sl_dp_port *port = &c->ports[p];
	bool is_parented =
		port->vlan_id == 0 || (port->parent < p && c->ports[port->parent].vlan_id == 0);
	bool is_in_order = port->vlan_id != 0 || p == 0 || c->ports[p - 1].vlan_id == 0;

	return is_parented && is_in_order && port->vlan_id < SL_LINKS_IDS &&
	       is_terminated(port->name, sizeof(port->name)) &&
	       is_terminated(port->device, sizeof(port->device)) &&
	       port->n_addresses <= SL_MAX_PORT_ADDRESSES && has_sound_members(port) &&
	       (port->mtu_bytes == 0 ||
	        (port->mtu_bytes >= SL_MTU_MIN_BYTES && port->mtu_bytes <= SL_MTU_MAX_BYTES));
}

static bool is_sound(const struct sl_dpconfig *c)
{
	uint32_t n_members = 0;
	bool ok = c->magic == SL_DPCONFIG_MAGIC && c->version == SL_DPCONFIG_VERSION &&
	          c->total_bytes == sizeof(*c) && c->n_workers >= 1 &&
	          c->n_workers <= SL_MAX_WORKERS && c->n_ports >= 1 && c->n_ports <= SL_MAX_PORTS &&
	          c->n_routes <= SL_MAX_ROUTES &&
	          (c->n_cpus == 0 || c->n_cpus == c->n_workers + 1) && c->flows >= c->n_workers &&
	          c->flows / c->n_workers <= UINT32_MAX / 4 &&
	          is_terminated(c->socket, sizeof(c->socket));

	for (uint32_t i = 0; ok && i < c->n_ports; i++) {
		ok = is_sound_port(c, i);
		n_members += c->ports[i].n_members;
	}
	return ok && n_members <= SL_MAX_MEMBERS;
}

int sl_launch_config(const char *file, struct sl_dpconfig *config, struct sl_text *why)
{
	char command[4352];
	int fds[2], status;
	size_t n_read;
	pid_t pid;

	find_command(command, sizeof(command));
	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execlp(command, command, "compile", file, (char *)NULL);
		fprintf(stderr, "sluice-dataplane: cannot run %s: %s\n", command, strerror(errno));
		_exit(127);
	}
	close(fds[1]);
	n_read = pid > 0 ? read_all(fds[0], config, sizeof(*config)) : 0;
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		snprintf(why->text, sizeof(why->text),
		         "%s is refused; try: sluice check --dataplane %s", file, file);
		return -EINVAL;
	}
	if (n_read != sizeof(*config) || !is_sound(config)) {
		snprintf(why->text, sizeof(why->text),
		         "%.100s compile speaks another version: install sluice and "
		         "sluice-dataplane "
		         "of one build",
		         command);
		return -EPROTO;
	}
	return 0;
}

struct eal_args {
	char text[MAX_EAL_ARGS][ARG_BYTES];
	char *argv[MAX_EAL_ARGS + 1];
	int n;
};

static void add(struct eal_args *args, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct eal_args *args, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(args->text[args->n], ARG_BYTES, format, list);
	va_end(list);
	args->argv[args->n] = args->text[args->n];
	args->n++;
}

// lcore 0 is the main core, lcore i + 1 worker i: pinned to cpus when given, else floating over
// all.
static void add_lcores(struct eal_args *args, const struct sl_dpconfig *config)
{
	char map[ARG_BYTES] = "--lcores=";
	size_t n = strlen(map);
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (uint32_t i = 0; i <= config->n_workers; i++) {
		const char *comma = i == 0 ? "" : ",";

		if (config->n_cpus != 0)
			n += (size_t)snprintf(map + n, sizeof(map) - n, "%s%u@%u", comma, i,
			                      config->cpus[i]);
		else
			n += (size_t)snprintf(map + n, sizeof(map) - n, "%s%u@(0-%ld)", comma, i,
			                      n_cpus - 1);
	}
	add(args, "%s", map);
}

static uint64_t free_hugepage_bytes(void)
{
	unsigned long n_free = 0, page_kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		sscanf(line, "HugePages_Free: %lu", &n_free);
		sscanf(line, "Hugepagesize: %lu", &page_kb);
	}
	fclose(f);
	return (uint64_t)n_free * page_kb * 1024;
}

static uint32_t memory_mb(const struct sl_dpconfig *config)
{
	struct sl_pool_plan plans[SL_POOLS];
	uint64_t n_bytes = 0;

	if (config->memory_bytes != 0)
		return (uint32_t)(config->memory_bytes >> 20);
	sl_buffers_plan(config, plans);
	for (uint32_t i = 0; i < SL_POOLS; i++)
		n_bytes += sl_buffers_pool_bytes(&plans[i]);
	return (uint32_t)(n_bytes >> 20) + HEAP_BASE_MB;
}

static void add_memory(struct eal_args *args, const struct sl_dpconfig *config)
{
	uint32_t mb = memory_mb(config);
	bool is_huge = config->hugepages == SL_HUGEPAGES_AUTO &&
	               free_hugepage_bytes() >= (uint64_t)mb << 20;

	add(args, is_huge ? "--in-memory" : "--no-huge");
	add(args, "-m");
	add(args, "%u", mb);
}

static void add_pci(struct eal_args *args, const char *address, bool *has_pci)
{
	add(args, "-a");
	add(args, "%s", address);
	*has_pci = true;
}

int sl_launch_eal(const struct sl_dpconfig *config, struct sl_text *why)
{
	struct eal_args *args = calloc(1, sizeof(*args));
	bool has_pci = false;
	int n;

	if (args == NULL)
		return -ENOMEM;
	add(args, "sluice-dataplane");
	add_lcores(args, config);
	add_memory(args, config);
	add(args, "--no-telemetry");
	// Nobody attaches to us; without this each start leaves files in /run/dpdk, for ever if
	// killed.
	add(args, "--no-shconf");
	add(args, "--log-level=lib.eal:error");
	add(args, "--file-prefix=sluice");
	for (uint32_t i = 0; i < config->n_ports; i++) {
		const struct sl_dp_port *port = &config->ports[i];

		if (port->kind == SL_DEVICE_PCI)
			add_pci(args, port->device, &has_pci);
		for (uint32_t m = 0; m < port->n_members; m++) {
			if (port->members[m].kind == SL_DEVICE_PCI)
				add_pci(args, port->members[m].device, &has_pci);
		}
	}
	if (!has_pci)
		add(args, "--no-pci");
	n = rte_eal_init(args->n, args->argv);
	if (n < 0)
		snprintf(why->text, sizeof(why->text), "DPDK does not start: %s",
		         rte_strerror(rte_errno));
	// EAL keeps pointers into args for its whole life.
	return n < 0 ? -rte_errno : 0;
}
