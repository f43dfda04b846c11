// SPDX-License-Identifier: Apache-2.0
#include "xdp_rules.h"

#include <arpa/inet.h>
#include <stdlib.h>

// Under its BSD-2-Clause choice. Its includes of <bpf/...> find xdp_host/.
#include "sluice_xdp.bpf.c"

struct own_row {
	struct sl_xdp_address address; // first: rows are compared by it
	__u32 holder;
};

struct sl_xdp_rules {
	bool is_shared[SL_MAX_PORTS];
	struct own_row *own; // owned, sorted, unique
	size_t n_own;
	struct sl_xdp_endpoint *back; // owned, sorted
	size_t n_back;
};

// The program's functions take no context; set for the time of one call.
static _Thread_local const struct sl_xdp_rules *asked;

static int compare_own(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sl_xdp_address));
}

// The kernel's row first: of two rows for one address it stays.
static int compare_own_rows(const void *a, const void *b)
{
	const struct own_row *x = a, *y = b;
	int order = compare_own(a, b);

	return order != 0 ? order : (y->holder > x->holder) - (y->holder < x->holder);
}

static int compare_back(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sl_xdp_endpoint));
}

// Not inlined: with sanitizers gcc 12 does not see that an address never meets the map of endpoints
// and warns of a comparison past its end.
static __attribute__((noinline)) const void *bpf_map_lookup_elem(const void *map, const void *key)
{
	const struct own_row *row;

	if (map == &sluice_mode) // is_shared answers that
		return NULL;
	if (map == &sluice_back)
		return bsearch(key, asked->back, asked->n_back, sizeof(*asked->back), compare_back);
	row = bsearch(key, asked->own, asked->n_own, sizeof(*asked->own), compare_own);
	return row != NULL ? &row->holder : NULL;
}

static void add_own(struct sl_xdp_rules *rules, const struct sl_ip *ip, __u32 who)
{
	struct own_row *row = &rules->own[rules->n_own++];

	row->holder = who;
	memcpy(row->address.bytes, ip->bytes, sizeof(row->address.bytes));
}

// Replies come from the backend's port, or from the VIP's when the pool keeps it; port 0 is any.
static void add_backend(struct sl_xdp_rules *rules, const struct sl_wire_vip *vip,
                        const struct sl_wire_backend *be)
{
	uint16_t vip_port = vip->port_first == vip->port_last ? vip->port_first : 0;
	struct sl_xdp_endpoint *row = &rules->back[rules->n_back];

	memcpy(row[0].address.bytes, be->address.bytes, sizeof(row->address.bytes));
	row[1] = row[0]; // the address alone, for ICMP errors
	row[0].port_be = htons(be->port != 0 ? be->port : vip_port);
	row[0].proto = vip->proto;
	rules->n_back += 2;
}

static void add_all_backends(struct sl_xdp_rules *rules, const struct sl_wire_header *wire,
                             const struct sl_wire_pool *pools,
                             const struct sl_wire_backend *backends)
{
	const struct sl_wire_vip *vips = (const struct sl_wire_vip *)(wire + 1);

	for (uint32_t v = 0; v < wire->n_vips; v++) {
		const struct sl_wire_pool *pool = &pools[vips[v].pool];

		for (uint32_t b = 0; b < pool->n_backends; b++)
			add_backend(rules, &vips[v], &backends[pool->first_backend + b]);
	}
	qsort(rules->back, rules->n_back, sizeof(*rules->back), compare_back);
}

static void unique_own(struct sl_xdp_rules *rules)
{
	size_t n_kept = 0;

	qsort(rules->own, rules->n_own, sizeof(*rules->own), compare_own_rows);
	for (size_t i = 0; i < rules->n_own; i++) {
		if (n_kept == 0 || compare_own(&rules->own[n_kept - 1], &rules->own[i]) != 0)
			rules->own[n_kept++] = rules->own[i];
	}
	rules->n_own = n_kept;
}

static size_t count_backends(const struct sl_wire_header *wire, const struct sl_wire_pool *pools)
{
	const struct sl_wire_vip *vips = (const struct sl_wire_vip *)(wire + 1);
	size_t n = 0;

	for (uint32_t v = 0; v < wire->n_vips; v++)
		n += pools[vips[v].pool].n_backends;
	return n;
}

struct sl_xdp_rules *sl_xdp_rules_new(const struct sl_dpconfig *config,
                                      const struct sl_wire_header *wire, const struct sl_ip *kernel,
                                      uint32_t n_kernel)
{
	const struct sl_wire_vip *vips = wire != NULL ? (const void *)(wire + 1) : NULL;
	const struct sl_wire_pool *pools =
		wire != NULL ? (const void *)(vips + wire->n_vips) : NULL;
	uint32_t n_vips = wire != NULL ? wire->n_vips : 0;
	size_t n_back = wire != NULL ? count_backends(wire, pools) : 0;
	struct sl_xdp_rules *rules = calloc(1, sizeof(*rules));

	if (rules == NULL)
		return NULL;
	rules->own = calloc(n_vips + n_kernel + SL_MAX_PORTS * SL_MAX_PORT_ADDRESSES,
	                    sizeof(*rules->own));
	rules->back = calloc(2 * n_back + 1, sizeof(*rules->back));
	if (rules->own == NULL || rules->back == NULL) {
		sl_xdp_rules_free(rules);
		return NULL;
	}
	for (uint32_t i = 0; i < n_vips; i++)
		add_own(rules, &vips[i].address, SL_XDP_OURS);
	for (uint32_t i = 0; i < n_kernel; i++)
		add_own(rules, &kernel[i], SL_XDP_KERNEL);
	for (uint32_t p = 0; p < config->n_ports; p++) {
		const struct sl_dp_port *port = &config->ports[p];

		rules->is_shared[p] =
			port->kind == SL_DEVICE_AF_XDP && port->mode == SL_PORT_SHARED;
		for (uint32_t i = 0; i < port->n_addresses; i++)
			add_own(rules, &port->addresses[i].address, SL_XDP_OURS);
	}
	unique_own(rules);
	if (wire != NULL)
		add_all_backends(rules, wire, pools, (const void *)(pools + wire->n_pools));
	return rules;
}

void sl_xdp_rules_free(struct sl_xdp_rules *rules)
{
	if (rules == NULL)
		return;
	free(rules->own);
	free(rules->back);
	free(rules);
}

bool sl_xdp_rules_take(const struct sl_xdp_rules *rules, uint16_t in_port, const uint8_t *frame,
                       uint32_t n_bytes)
{
	struct cursor c = {.at = (void *)frame, .end = (void *)(frame + n_bytes)};

	if (!rules->is_shared[in_port])
		return true;
	asked = rules;
	return is_ours(&c);
}
