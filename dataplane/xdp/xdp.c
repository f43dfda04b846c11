// SPDX-License-Identifier: Apache-2.0
#include "xdp.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "xdp_private.h"

#define BPFFS "/sys/fs/bpf" // where libbpf pins by name

static const char *const map_names[MAP_COUNT] = {
	[MAP_MODE] = SL_XDP_MAP_MODE, [MAP_OWN] = SL_XDP_MAP_OWN, [MAP_BACK] = SL_XDP_MAP_BACK};

static void map_path(int map, char path[64])
{
	snprintf(path, 64, BPFFS "/%s", map_names[map]);
}

// `ip netns exec` mounts a fresh /sys, which hides the bpffs of the host.
static int ensure_bpffs(char *why, size_t why_bytes)
{
	struct statfs fs;
	int rc;

	if (statfs(BPFFS, &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", BPFFS, "bpf", 0, "mode=0700") == 0)
		return 0;
	rc = -errno;
	snprintf(why, why_bytes, "no bpffs at " BPFFS " and mounting one failed: %s",
	         strerror(-rc));
	return rc;
}

// Name of program id, and a descriptor of it: fd >= 0 or -errno.
static int program_open(uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = {0};
	uint32_t info_bytes = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	int rc;

	if (fd < 0)
		return fd;
	rc = bpf_obj_get_info_by_fd(fd, &info, &info_bytes);
	if (rc != 0) {
		close(fd);
		return rc;
	}
	memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	return fd;
}

struct place {
	const char *ifname;
	int ifindex;
	uint32_t flags; // XDP_FLAGS_*_MODE
};

// Detach program id if it is ours. Naming the program that is to go keeps us from detaching one
// that took its place a moment ago.
static int detach_ours(const struct place *at, uint32_t id, char *why, size_t why_bytes)
{
	struct bpf_xdp_attach_opts opts = {.sz = sizeof(opts)};
	char name[BPF_OBJ_NAME_LEN];
	int fd = program_open(id, name);
	int rc;

	if (fd < 0) {
		snprintf(why, why_bytes,
		         "%s has XDP program %u attached, which can not be read: %s", at->ifname,
		         id, strerror(-fd));
		return fd;
	}
	if (strcmp(name, SL_XDP_PROGRAM) != 0) {
		close(fd);
		snprintf(
			why, why_bytes,
			"%s has the XDP program \"%s\" (id %u) of somebody else; stop its owner or "
			"detach it: ip link set dev %s xdp off",
			at->ifname, name, id, at->ifname);
		return -EBUSY;
	}
	opts.old_prog_fd = fd;
	rc = bpf_xdp_detach(at->ifindex, at->flags, &opts);
	close(fd);
	if (rc != 0)
		snprintf(why, why_bytes, "detaching our old program from %s failed: %s", at->ifname,
		         strerror(-rc));
	return rc;
}

static int detach_from(const char *ifname, int ifindex, char *why, size_t why_bytes)
{
	struct bpf_xdp_query_opts query = {.sz = sizeof(query)};
	const uint32_t *const ids[] = {&query.drv_prog_id, &query.skb_prog_id, &query.hw_prog_id};
	const uint32_t flags[] = {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE, XDP_FLAGS_HW_MODE};
	int rc = bpf_xdp_query(ifindex, 0, &query);

	if (rc != 0) {
		snprintf(why, why_bytes, "asking %s for its XDP program failed: %s", ifname,
		         strerror(-rc));
		return rc;
	}
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]) && rc == 0; i++) {
		struct place at = {ifname, ifindex, flags[i]};

		if (*ids[i] != 0)
			rc = detach_ours(&at, *ids[i], why, why_bytes);
	}
	return rc;
}

int sl_xdp_prepare(const char *ifname, char *why, size_t why_bytes)
{
	unsigned int ifindex = if_nametoindex(ifname);
	char path[64];
	int rc;

	if (ifindex == 0) {
		snprintf(why, why_bytes, "there is no interface %s", ifname);
		return -ENODEV;
	}
	rc = ensure_bpffs(why, why_bytes);
	if (rc != 0)
		return rc;
	rc = detach_from(ifname, (int)ifindex, why, why_bytes);
	if (rc != 0)
		return rc;
	// The new program must not find the addresses of an earlier run. A running Sluice of
	// another network namespace keeps its maps open and does not notice.
	for (int map = 0; map < MAP_COUNT; map++) {
		map_path(map, path);
		if (unlink(path) != 0 && errno != ENOENT) {
			rc = -errno;
			snprintf(why, why_bytes, "removing %s failed: %s", path, strerror(-rc));
			return rc;
		}
	}
	return 0;
}

int sl_xdp_open(struct sl_xdp **xdp, char *why, size_t why_bytes)
{
	struct sl_xdp *new = calloc(1, sizeof(*new));
	char path[64];
	int map, rc;

	if (new == NULL) {
		snprintf(why, why_bytes, "out of memory");
		return -ENOMEM;
	}
	for (map = 0; map < MAP_COUNT; map++) {
		map_path(map, path);
		new->fds[map] = bpf_obj_get(path);
		if (new->fds[map] < 0) {
			rc = new->fds[map];
			snprintf(why, why_bytes, "%s: %s; was the program loaded with xdp_prog=?",
			         path, strerror(-rc));
			goto err_maps;
		}
	}
	*xdp = new;
	return 0;

err_maps:
	while (map-- > 0)
		close(new->fds[map]);
	free(new);
	return rc;
}

int sl_xdp_set_mode(struct sl_xdp *xdp, const char *ifname, bool is_dedicated)
{
	uint32_t ifindex = if_nametoindex(ifname);
	uint32_t mode = is_dedicated ? SL_XDP_DEDICATED : SL_XDP_SHARED;
	int rc;

	if (ifindex == 0)
		return -ENODEV;
	rc = bpf_map_update_elem(xdp->fds[MAP_MODE], &ifindex, &mode, BPF_ANY);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < xdp->n_ifindexes; i++)
		if (xdp->ifindexes[i] == (int)ifindex)
			return 0;
	if (xdp->n_ifindexes == SL_MAX_PORTS)
		return -ENOSPC;
	xdp->ifindexes[xdp->n_ifindexes++] = (int)ifindex;
	return 0;
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t info_bytes = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &info_bytes) == 0 ? info.id : 0;
}

// Only while it is our map: a Sluice of another network namespace may have pinned its own since.
static void unpin(const struct sl_xdp *xdp, int map)
{
	char path[64];
	int fd;

	map_path(map, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	if (map_id(fd) == map_id(xdp->fds[map]))
		unlink(path);
	close(fd);
}

void sl_xdp_close(struct sl_xdp *xdp)
{
	char ifname[IF_NAMESIZE], why[256];

	if (xdp == NULL)
		return;
	for (uint32_t i = 0; i < xdp->n_ifindexes; i++)
		if (if_indextoname((unsigned int)xdp->ifindexes[i], ifname) != NULL)
			detach_from(ifname, xdp->ifindexes[i], why, sizeof(why));
	for (int map = 0; map < MAP_COUNT; map++) {
		unpin(xdp, map);
		close(xdp->fds[map]);
	}
	free(xdp);
}
