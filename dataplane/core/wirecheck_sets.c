// SPDX-License-Identifier: Apache-2.0
// Sorting makes what must not coincide adjacent; ids, of which weights bring thousands each
// millisecond, go into a set. Row counts are bounded, so the scratch is too.
#include "wirecheck_private.h"

#include <stdlib.h>

#include "hash.h"

// 0 when all ids differ, else one that comes twice. A set of at most half its cells; ids come from
// control, which has no reason to pile them up.
static uint64_t find_twin(const uint64_t *ids, uint32_t n)
{
	uint64_t cells[2 * SL_MAX_BACKENDS]; // 0 is no id
	uint32_t n_cells = 2;

	while (n_cells < 2 * n)
		n_cells *= 2;
	memset(cells, 0, n_cells * sizeof(*cells));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (uint32_t)sl_mix64(ids[i]) & (n_cells - 1);

		while (cells[at] != 0 && cells[at] != ids[i])
			at = (at + 1) & (n_cells - 1);
		if (cells[at] == ids[i])
			return ids[i];
		cells[at] = ids[i];
	}
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct sl_wire_vip *const *x = a, *const *y = b;

	return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

static uint32_t width(const struct sl_wire_vip *v)
{
	return (uint32_t)v->port_last - v->port_first;
}

static int by_service(const void *a, const void *b)
{
	const struct sl_wire_vip *x = *(const struct sl_wire_vip *const *)a;
	const struct sl_wire_vip *y = *(const struct sl_wire_vip *const *)b;
	int order = memcmp(&x->address, &y->address, sizeof(x->address));

	if (order != 0)
		return order;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (width(x) != width(y))
		return width(x) < width(y) ? -1 : 1;
	return (x->port_first > y->port_first) - (x->port_first < y->port_first);
}

// The narrower of two ranges wins, so only ranges of one width can contradict each other.
static bool is_ambiguous(const struct sl_wire_vip *a, const struct sl_wire_vip *b)
{
	return sl_ip_equal(&a->address, &b->address) && a->proto == b->proto &&
	       width(a) == width(b) && b->port_first <= a->port_last;
}

// What belongs to a VIP as a whole, whatever the port.
static bool has_same_policy(const struct sl_wire_vip *a, const struct sl_wire_vip *b)
{
	return a->affinity == b->affinity && a->is_measured == b->is_measured &&
	       a->syn_cookies == b->syn_cookies && a->class == b->class &&
	       a->limit_flows == b->limit_flows &&
	       a->limit_new_flows_per_s == b->limit_new_flows_per_s &&
	       a->source_new_flows_per_s == b->source_new_flows_per_s &&
	       a->persist_s == b->persist_s && a->persist_bits == b->persist_bits &&
	       a->first_prefix == b->first_prefix && a->n_prefixes == b->n_prefixes;
}

static enum sl_ipc_status check_vips(const struct sl_wire_header *h, const struct wire_reason *why)
{
	const struct sl_wire_vip *vips = sl_wire_vips(h);
	const struct sl_wire_vip *rows[SL_MAX_VIPS];

	for (uint32_t i = 0; i < h->n_vips; i++)
		rows[i] = &vips[i];
	qsort(rows, h->n_vips, sizeof(rows[0]), by_id);
	for (uint32_t i = 1; i < h->n_vips; i++) {
		if (rows[i]->id != rows[i - 1]->id)
			continue;
		if (!sl_ip_equal(&rows[i]->address, &rows[i - 1]->address))
			return wire_refuse(why, SL_IPC_INVALID,
			                   "vip rows %td and %td: one id, two addresses",
			                   rows[i - 1] - vips, rows[i] - vips);
		if (!has_same_policy(rows[i], rows[i - 1]))
			return wire_refuse(why, SL_IPC_INVALID,
			                   "vip rows %td and %td: one id, two policies",
			                   rows[i - 1] - vips, rows[i] - vips);
	}
	qsort(rows, h->n_vips, sizeof(rows[0]), by_service);
	for (uint32_t i = 1; i < h->n_vips; i++) {
		if (is_ambiguous(rows[i - 1], rows[i]))
			return wire_refuse(why, SL_IPC_INVALID,
			                   "vip rows %td and %td: ports %u-%u and %u-%u of one "
			                   "address overlap",
			                   rows[i - 1] - vips, rows[i] - vips,
			                   rows[i - 1]->port_first, rows[i - 1]->port_last,
			                   rows[i]->port_first, rows[i]->port_last);
	}
	return SL_IPC_OK;
}

enum { HAS_V4 = 1, HAS_V6 = 2 };

static uint8_t family_of(const struct sl_ip *ip)
{
	return sl_ip_is_v4(ip) ? HAS_V4 : HAS_V6;
}

// A tunnel carries either family to backends of either, and fullnat translates.
static enum sl_ipc_status check_families(const struct sl_wire_header *h,
                                         const struct wire_reason *why)
{
	uint8_t families[SL_MAX_BACKENDS] = {0}; // by pool row

	for (uint32_t i = 0; i < h->n_backends; i++) {
		const struct sl_wire_backend *b = &sl_wire_backends(h)[i];

		families[b->pool] |= family_of(&b->address);
	}
	for (uint32_t i = 0; i < h->n_vips; i++) {
		const struct sl_wire_vip *v = &sl_wire_vips(h)[i];

		if (!sl_forward_crosses_families(sl_wire_pools(h)[v->pool].forward) &&
		    (families[v->pool] & ~family_of(&v->address)) != 0)
			return wire_refuse(why, SL_IPC_INVALID,
			                   "vip row %u: pool %u has a backend of the other address "
			                   "family",
			                   i, v->pool);
	}
	return SL_IPC_OK;
}

static enum sl_ipc_status check_twins(const struct sl_wire_header *h, const struct wire_reason *why)
{
	uint64_t ids[SL_MAX_BACKENDS];
	uint64_t twin;

	for (uint32_t i = 0; i < h->n_backends; i++)
		ids[i] = sl_wire_backends(h)[i].id;
	twin = find_twin(ids, h->n_backends);
	if (twin != 0)
		return wire_refuse(why, SL_IPC_INVALID, "two backends have id 0x%lx", twin);
	for (uint32_t i = 0; i < h->n_pools; i++)
		ids[i] = sl_wire_pools(h)[i].id;
	twin = find_twin(ids, h->n_pools);
	if (twin != 0)
		return wire_refuse(why, SL_IPC_INVALID, "two pools have id 0x%lx", twin);
	return SL_IPC_OK;
}

static int by_server(const void *a, const void *b)
{
	const struct sl_wire_backend *x = *(const struct sl_wire_backend *const *)a;
	const struct sl_wire_backend *y = *(const struct sl_wire_backend *const *)b;

	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	if (x->server_id_bytes != y->server_id_bytes)
		return x->server_id_bytes < y->server_id_bytes ? -1 : 1;
	return memcmp(x->server_id, y->server_id, sizeof(x->server_id));
}

// A connection id must name one backend.
static enum sl_ipc_status check_servers(const struct sl_wire_header *h,
                                        const struct wire_reason *why)
{
	const struct sl_wire_backend *rows[SL_MAX_BACKENDS], *all = sl_wire_backends(h);
	uint32_t n = 0;

	for (uint32_t i = 0; i < h->n_backends; i++) {
		if (all[i].server_id_bytes != 0)
			rows[n++] = &all[i];
	}
	qsort(rows, n, sizeof(rows[0]), by_server);
	for (uint32_t i = 1; i < n; i++) {
		if (rows[i]->pool != rows[i - 1]->pool)
			continue;
		if (rows[i]->server_id_bytes != rows[i - 1]->server_id_bytes ||
		    by_server(&rows[i], &rows[i - 1]) == 0)
			return wire_refuse(
				why, SL_IPC_INVALID,
				"backend rows %td and %td: one server id, or of two lengths",
				rows[i - 1] - all, rows[i] - all);
	}
	for (uint32_t i = 0; i < h->n_quics; i++) {
		const struct sl_wire_quic *q = &sl_wire_quics(h)[i];
		const struct sl_wire_pool *pool = &sl_wire_pools(h)[q->pool];

		for (uint32_t b = 0; b < pool->n_backends; b++) {
			uint8_t n_bytes = all[pool->first_backend + b].server_id_bytes;

			if (n_bytes != 0 && n_bytes != q->server_id_bytes)
				return wire_refuse(
					why, SL_IPC_INVALID,
					"backend row %u: server id of %u bytes, quic row "
					"%u has %u",
					pool->first_backend + b, n_bytes, i, q->server_id_bytes);
		}
	}
	return SL_IPC_OK;
}

enum sl_ipc_status wire_check_config_sets(const struct sl_wire_header *h,
                                          const struct wire_reason *why)
{
	enum sl_ipc_status status = check_vips(h, why);

	if (status == SL_IPC_OK)
		status = check_families(h, why);
	if (status == SL_IPC_OK)
		status = check_twins(h, why);
	if (status == SL_IPC_OK)
		status = check_servers(h, why);
	return status;
}

enum sl_ipc_status wire_check_weight_sets(const struct sl_wire_header *h,
                                          const struct wire_reason *why)
{
	uint64_t ids[SL_MAX_BACKENDS];
	uint64_t twin;

	for (uint32_t i = 0; i < h->n_weights; i++)
		ids[i] = sl_wire_weights(h)[i].id;
	twin = find_twin(ids, h->n_weights);
	if (twin != 0)
		return wire_refuse(why, SL_IPC_INVALID, "two weights have id 0x%lx", twin);
	return SL_IPC_OK;
}
