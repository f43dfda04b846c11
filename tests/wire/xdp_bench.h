// SPDX-License-Identifier: Apache-2.0
// What the two XDP test programs share: namespaces of their own, which the kernel removes with the
// process, and the program loaded in the way DPDK's AF_XDP PMD does it.
#ifndef SLUICE_TESTS_XDP_BENCH_H
#define SLUICE_TESTS_XDP_BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "packets.h"
#include "sl_check.h"
#include "xdp.h"
#include "xdp_maps.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

// Root is needed; without it the program reports a skip that meson shows with its reason.
static inline int xdp_bench_run(Suite *suite)
{
	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root: loads XDP programs, makes namespaces\n");
		return EXIT_SUCCESS;
	}
	return sl_check_run(suite);
}

static inline void xdp_bench_ip(const char *arguments)
{
	char command[128];

	snprintf(command, sizeof(command), "ip %s", arguments);
	ck_assert_msg(system(command) == 0, "%s", command);
}

// As inside `ip netns exec`: another network, and a fresh /sys without a bpffs.
static inline void xdp_bench_enter(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "unshare: %s", strerror(errno));
	ck_assert_msg(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private: %s",
	              strerror(errno));
	ck_assert_msg(mount("slx", "/sys", "sysfs", 0, NULL) == 0, "sysfs: %s", strerror(errno));
	xdp_bench_ip("link set lo up");
	xdp_bench_ip("link add slx0 type veth peer name slx1");
	xdp_bench_ip("link set slx0 up");
	xdp_bench_ip("link set slx1 up");
}

static inline struct bpf_object *xdp_bench_load(void)
{
	struct bpf_object *object = bpf_object__open_file(SL_XDP_OBJECT, NULL);

	ck_assert_msg(object != NULL, "open %s: %s", SL_XDP_OBJECT, strerror(errno));
	ck_assert_msg(bpf_object__load(object) == 0, "load %s: %s", SL_XDP_OBJECT, strerror(errno));
	return object;
}

static inline int xdp_bench_program(struct bpf_object *object)
{
	return bpf_program__fd(bpf_object__next_program(object, NULL));
}

static inline int xdp_bench_attach(const char *ifname, int program_fd, uint32_t mode_flag)
{
	return bpf_xdp_attach((int)if_nametoindex(ifname), program_fd,
	                      XDP_FLAGS_UPDATE_IF_NOEXIST | mode_flag, NULL);
}

static inline void xdp_bench_prepare(const char *ifname)
{
	char why[256] = "";

	ck_assert_msg(sl_xdp_prepare(ifname, why, sizeof(why)) == 0, "%s", why);
}

static inline struct sl_xdp *xdp_bench_open(void)
{
	struct sl_xdp *xdp = NULL;
	char why[256] = "";

	ck_assert_msg(sl_xdp_open(&xdp, why, sizeof(why)) == 0, "%s", why);
	return xdp;
}

static inline void xdp_bench_sync(struct sl_xdp *xdp, const struct sl_xdp_sets *sets)
{
	char why[256] = "";

	ck_assert_msg(sl_xdp_sync(xdp, sets, why, sizeof(why)) == 0, "%s", why);
}

static inline struct sl_xdp_backend xdp_bench_backend(const char *address, uint16_t port,
                                                      uint8_t proto)
{
	return (struct sl_xdp_backend){
		.address = sl_packet_ip(address), .port_be = htons(port), .proto = proto};
}

#endif
