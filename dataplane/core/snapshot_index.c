// SPDX-License-Identifier: Apache-2.0
#include "snapshot_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

// VIPs are chosen by the operator, so a plain mixer does: nobody else can pile up a chain.
uint32_t snap_hash_service(const struct sl_ip *ip, uint8_t proto, uint16_t port)
{
	uint64_t words[2];

	memcpy(words, ip->bytes, sizeof(words));
	return (uint32_t)sl_mix64(words[0] ^
	                          sl_mix64(words[1] ^ sl_mix64((uint64_t)proto << 16 | port)));
}

static bool is_single_port(const struct sl_snap_vip *v)
{
	return v->port_first == v->port_last;
}

static uint32_t width(const struct sl_snap_vip *v)
{
	return (uint32_t)v->port_last - v->port_first;
}

int snap_table_init(struct snap_table *t, uint32_t n)
{
	uint32_t n_cells = 2;

	while (n_cells < 2 * n)
		n_cells *= 2;
	t->mask = n_cells - 1;
	t->cells = calloc(n_cells, sizeof(*t->cells));
	return t->cells != NULL ? 0 : -ENOMEM;
}

void snap_table_put(struct snap_table *t, uint32_t hash, uint32_t number)
{
	uint32_t at = hash & t->mask;

	while (t->cells[at] != 0)
		at = (at + 1) & t->mask;
	t->cells[at] = number + 1;
}

static int by_service(const void *a, const void *b, void *ctx)
{
	const struct sl_snap_vip *vips = ctx;
	const struct sl_snap_vip *x = &vips[*(const uint32_t *)a];
	const struct sl_snap_vip *y = &vips[*(const uint32_t *)b];
	int order = memcmp(&x->address, &y->address, sizeof(x->address));

	if (order != 0)
		return order;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (width(x) != width(y))
		return width(x) < width(y) ? -1 : 1;
	return (x->port_first > y->port_first) - (x->port_first < y->port_first);
}

static bool is_same_host(const struct sl_snap_vip *a, const struct sl_snap_vip *b)
{
	return a->proto == b->proto && sl_ip_equal(&a->address, &b->address);
}

static void group_ranges(struct snap_index *index, const struct sl_snap_vip *vips, uint32_t n)
{
	uint32_t n_groups = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct sl_snap_vip *v = &vips[index->order[i]];

		if (i > 0 && is_same_host(v, &vips[index->order[i - 1]])) {
			index->runs[n_groups - 1].n++;
			continue;
		}
		index->runs[n_groups] = (struct snap_group){.first = i, .n = 1};
		snap_table_put(&index->groups, snap_hash_service(&v->address, v->proto, 0),
		               n_groups);
		n_groups++;
	}
}

static bool has_address(const struct snap_index *index, const struct sl_snap_vip *vips,
                        const struct sl_ip *ip)
{
	uint32_t at = snap_hash_service(ip, 0, 0) & index->addresses.mask;

	for (; index->addresses.cells[at] != 0; at = (at + 1) & index->addresses.mask) {
		if (sl_ip_equal(&vips[index->addresses.cells[at] - 1].address, ip))
			return true;
	}
	return false;
}

int snap_index_init(struct snap_index *index, const struct sl_snap_vip *vips, uint32_t n_vips)
{
	uint32_t n_ranges = 0;

	index->runs = calloc(n_vips + 1, sizeof(*index->runs));
	index->order = calloc(n_vips + 1, sizeof(*index->order));
	if (index->runs == NULL || index->order == NULL ||
	    snap_table_init(&index->exact, n_vips) < 0 ||
	    snap_table_init(&index->groups, n_vips) < 0 ||
	    snap_table_init(&index->addresses, n_vips) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_vips; i++) {
		const struct sl_snap_vip *v = &vips[i];

		if (is_single_port(v))
			snap_table_put(&index->exact,
			               snap_hash_service(&v->address, v->proto, v->port_first), i);
		else
			index->order[n_ranges++] = i;
		if (!has_address(index, vips, &v->address))
			snap_table_put(&index->addresses, snap_hash_service(&v->address, 0, 0), i);
	}
	qsort_r(index->order, n_ranges, sizeof(*index->order), by_service, (void *)(uintptr_t)vips);
	group_ranges(index, vips, n_ranges);
	return 0;
}

void snap_index_fini(struct snap_index *index)
{
	free(index->runs);
	free(index->order);
	free(index->exact.cells);
	free(index->groups.cells);
	free(index->addresses.cells);
	free(index->speakers_by_backend.cells);
	free(index->speakers);
}

static const struct sl_snap_vip *find_exact(const struct sl_snapshot *snap, const struct sl_ip *dst,
                                            uint8_t proto, uint16_t port)
{
	const struct snap_index *index = snap->private;
	uint32_t at = snap_hash_service(dst, proto, port) & index->exact.mask;

	for (; index->exact.cells[at] != 0; at = (at + 1) & index->exact.mask) {
		const struct sl_snap_vip *v = &snap->vips[index->exact.cells[at] - 1];

		if (v->port_first == port && v->proto == proto && sl_ip_equal(&v->address, dst))
			return v;
	}
	return NULL;
}

static const struct sl_snap_vip *find_in_group(const struct sl_snapshot *snap,
                                               const struct snap_group *group, uint16_t port)
{
	const struct snap_index *index = snap->private;

	for (uint32_t i = group->first; i < group->first + group->n; i++) {
		const struct sl_snap_vip *v = &snap->vips[index->order[i]];

		if (v->port_first <= port && port <= v->port_last)
			return v;
	}
	return NULL;
}

static const struct sl_snap_vip *find_range(const struct sl_snapshot *snap, const struct sl_ip *dst,
                                            uint8_t proto, uint16_t port)
{
	const struct snap_index *index = snap->private;
	uint32_t at = snap_hash_service(dst, proto, 0) & index->groups.mask;

	for (; index->groups.cells[at] != 0; at = (at + 1) & index->groups.mask) {
		const struct snap_group *group = &index->runs[index->groups.cells[at] - 1];
		const struct sl_snap_vip *v = &snap->vips[index->order[group->first]];

		if (v->proto == proto && sl_ip_equal(&v->address, dst))
			return find_in_group(snap, group, port);
	}
	return NULL;
}

const struct sl_snap_vip *sl_snapshot_vip(const struct sl_snapshot *snap, const struct sl_ip *dst,
                                          uint8_t proto, uint16_t dport_be)
{
	const struct sl_snap_vip *v = find_exact(snap, dst, proto, ntohs(dport_be));

	return v != NULL ? v : find_range(snap, dst, proto, ntohs(dport_be));
}

bool sl_snapshot_has_address(const struct sl_snapshot *snap, const struct sl_ip *ip)
{
	return has_address(snap->private, snap->vips, ip);
}
