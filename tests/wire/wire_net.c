// SPDX-License-Identifier: Apache-2.0
#include "wire_net.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire_proc.h"

#define NETNS_DIR "/run/netns"

const char *sl_net_prefix(void)
{
	const char *prefix = getenv("SL_WIRE_PREFIX");

	ck_assert_msg(prefix != NULL, "run through sl_wire_main");
	return prefix;
}

const char *sl_net_name(char name[SL_NET_NAME_BYTES], const char *part)
{
	snprintf(name, SL_NET_NAME_BYTES, "%s-%s", sl_net_prefix(), part);
	return name;
}

void sl_net_add(const char *part)
{
	char ns[SL_NET_NAME_BYTES];

	sl_net_name(ns, part);
	sl_proc_must(NULL, "ip netns add %s", ns);
	sl_proc_must(ns,
	             "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 "
	             "net.ipv6.conf.default.accept_ra=0 net.ipv4.ip_forward=0 "
	             "net.ipv6.conf.all.forwarding=0 net.ipv4.conf.all.accept_redirects=0 "
	             "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0");
	sl_net_ip(part, "link set lo up");
}

void sl_net_link(struct sl_net_end a, struct sl_net_end b)
{
	const struct sl_net_end *ends[] = {&a, &b};
	char ns_a[SL_NET_NAME_BYTES], ns_b[SL_NET_NAME_BYTES], ns[SL_NET_NAME_BYTES];

	sl_net_name(ns_a, a.part);
	sl_net_name(ns_b, b.part);
	sl_proc_must(NULL, "ip link add %s netns %s type veth peer name %s netns %s", a.interface,
	             ns_a, b.interface, ns_b);
	for (int i = 0; i < 2; i++) {
		sl_proc_must(sl_net_name(ns, ends[i]->part), "ethtool -K %s tx off",
		             ends[i]->interface);
		sl_net_ip(ends[i]->part, "link set %s up", ends[i]->interface);
	}
}

void sl_net_ip(const char *part, const char *format, ...)
{
	char ns[SL_NET_NAME_BYTES], command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	sl_proc_must(NULL, "ip -n %s %s", sl_net_name(ns, part), command);
}

int sl_net_socket(const char *part, int family, int type, int protocol)
{
	char ns[SL_NET_NAME_BYTES], path[sizeof(NETNS_DIR) + SL_NET_NAME_BYTES];
	int here, there, fd, error;

	snprintf(path, sizeof(path), NETNS_DIR "/%s", sl_net_name(ns, part));
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	there = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(here >= 0 && there >= 0, "no namespace %s", ns);
	ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	error = errno;
	ck_assert_int_eq(setns(here, CLONE_NEWNET), 0);
	close(here);
	close(there);
	ck_assert_msg(fd >= 0, "socket in %s: %s", ns, strerror(error));
	return fd;
}

// By the shell, not by the functions of wire_proc.h: those may fail a test, and after the last test
// there is none to fail.
void sl_net_sweep(void)
{
	const char *prefix = getenv("SL_WIRE_PREFIX");
	char command[512];

	snprintf(command, sizeof(command),
	         "cd " NETNS_DIR " 2>/dev/null || exit 0; for ns in %s-*; do "
	         "[ -e \"$ns\" ] || continue; "
	         "kill -KILL $(ip netns pids \"$ns\") 2>/dev/null; ip netns del \"$ns\"; done",
	         prefix);
	if (prefix != NULL && system(command) != 0)
		fprintf(stderr, "some namespaces %s-* are left over\n", prefix);
}
