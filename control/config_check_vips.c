// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "config_check.h"
#include "config_value.h"

#define PROTOCOL_UDP 1 // of the words of protocol

struct pool_name {
	const char *name;
	uint32_t number;
};

static int compare_names(const void *a, const void *b)
{
	const struct pool_name *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void refuse_pool(const struct raw_pools_file *file, const struct sl_node *name,
                        struct sl_diag_list *diag)
{
	const struct raw_pool *pools = file->pools.items;
	struct sl_nearest nearest;
	char hint[96];

	sl_nearest_init(&nearest, name->text);
	if (!sl_diag_is_full(diag))
		for (uint32_t i = 0; i < file->pools.n; i++)
			sl_nearest_offer(&nearest, pools[i].node->key->text);
	sl_diag_error(diag, &name->span, "pool: there is no pool \"%s\"%s", name->text,
	              sl_nearest_text(&nearest, hint, sizeof(hint)));
}

static bool is_unmeasured(const struct raw_vip *vip)
{
	return (sl_node_good(vip->node, "protocol") != NULL && vip->protocol == PROTOCOL_UDP) ||
	       (sl_node_good(vip->node, "measure") != NULL && vip->measure == 0);
}

static void note_vip(struct raw_pool *pool, const struct raw_vip *vip)
{
	const struct raw_ports *ports = vip->ports.items;
	uint16_t port = 0;

	if (vip->ports.n == 1 && ports[0].range.first == ports[0].range.last)
		port = ports[0].range.first;
	pool->vip_port = pool->n_vips == 0 || pool->vip_port == port ? port : 0;
	pool->vip = vip;
	pool->n_vips++;
}

static int resolve_pools(struct raw_pools_file *file, struct sl_diag_list *diag)
{
	struct raw_pool *pools = file->pools.items;
	struct raw_vip *vips = file->vips.items;
	struct pool_name *names = calloc((size_t)file->pools.n + 1, sizeof(*names));

	if (names == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < file->pools.n; i++)
		names[i] = (struct pool_name){pools[i].node->key->text, i};
	qsort(names, file->pools.n, sizeof(*names), compare_names);
	for (uint32_t i = 0; i < file->vips.n; i++) {
		const struct sl_node *node = sl_node_good(vips[i].node, "pool");
		struct pool_name wanted = {vips[i].pool, 0}, *found;

		vips[i].pool_number = UINT32_MAX;
		if (node == NULL)
			continue;
		found = bsearch(&wanted, names, file->pools.n, sizeof(*names), compare_names);
		if (found == NULL) {
			if (sl_node_good(file->node, "pools") != NULL)
				refuse_pool(file, node, diag);
			continue;
		}
		vips[i].pool_number = found->number;
		if (is_unmeasured(&vips[i]))
			pools[found->number].unmeasured_vip = &vips[i];
		if (sl_node_good(vips[i].node, "ports") != NULL)
			note_vip(&pools[found->number], &vips[i]);
		else
			pools[found->number].n_vips++;
	}
	free(names);
	return 0;
}

static void check_family(const struct raw_vip *vip, const struct raw_pool *pool,
                         struct sl_diag_list *diag)
{
	const struct sl_node *address = sl_node_good(vip->node, "address");
	bool is_v4 = sl_ip_is_v4(&vip->address);
	const struct raw_backend *other = is_v4 ? pool->first_v6 : pool->first_v4;

	if (address == NULL || other == NULL ||
	    sl_forward_crosses_families((unsigned int)pool->forward.mode))
		return;
	sl_diag_error(diag, &address->span,
	              "VIP is %s, backend \"%.64s\" of pool \"%.64s\" on line %u is %s; both must "
	              "be of one family, or forward.mode fullnat or a tunnel",
	              is_v4 ? "IPv4" : "IPv6", other->name != NULL ? other->name : "?",
	              pool->node->key->text, other->node->span.line + 1, is_v4 ? "IPv6" : "IPv4");
}

// Headers and options are TCP's: a pool that tells addresses would not tell those of UDP clients.
static void check_client_address(const struct raw_vip *vip, const struct raw_pool *pool,
                                 struct sl_diag_list *diag)
{
	const struct sl_node *protocol = sl_node_good(vip->node, "protocol");
	const struct sl_node *how = sl_node_good(pool->forward.node, "client-address");

	if (protocol == NULL || vip->protocol != PROTOCOL_UDP || how == NULL ||
	    pool->forward.client_address == SL_CLIENT_ADDRESS_NONE)
		return;
	sl_diag_error(diag, &protocol->span,
	              "protocol udp, but pool \"%.64s\" has client-address %s on line %u, which "
	              "is for tcp",
	              pool->node->key->text, how->text, how->span.line + 1);
}

// What is not measured has no load that could be compared.
static void check_measured(const struct raw_vip *vip, const struct raw_pool *pool,
                           struct sl_diag_list *diag)
{
	const struct sl_node *protocol = sl_node_good(vip->node, "protocol");
	const struct sl_node *measure = sl_node_good(vip->node, "measure");

	if (sl_node_good(pool->node, "balance") == NULL || pool->balance != SL_BALANCE_ADAPTIVE)
		return;
	if (protocol != NULL && vip->protocol == PROTOCOL_UDP)
		sl_diag_error(
			diag, &protocol->span,
			"protocol udp, but pool \"%.64s\" has balance: adaptive, which is for tcp",
			pool->node->key->text);
	else if (measure != NULL && vip->measure == 0)
		sl_diag_error(
			diag, &measure->span,
			"measure: off, but pool \"%.64s\" has balance: adaptive, which goes by it",
			pool->node->key->text);
}

static void check_persistence(const struct raw_vip *vip, struct sl_diag_list *diag)
{
	const struct sl_node *whole = sl_node_find(vip->node, "persistence"), *prefix;
	const struct sl_node *affinity = sl_node_find(vip->node, "affinity");

	if (whole == NULL || whole->is_bad)
		return;
	if (vip->affinity != SL_AFFINITY_SOURCE && (affinity == NULL || !affinity->is_bad))
		sl_diag_error(diag, sl_node_place(whole), "persistence needs affinity: source");
	prefix = sl_node_good(whole, "prefix");
	if (prefix != NULL && vip->persistence.prefix_bits > 32 &&
	    sl_node_good(vip->node, "address") != NULL && sl_ip_is_v4(&vip->address))
		sl_diag_error(diag, &prefix->span,
		              "prefix: %ju is more than the 32 bits of an IPv4 address",
		              (uintmax_t)vip->persistence.prefix_bits);
}

static int check_names(const struct raw_pools_file *file, struct sl_diag_list *diag)
{
	const struct raw_vip *vips = file->vips.items;
	struct sl_duplicate_ctx ctx = {diag, "VIP name", true};
	struct sl_word *words = calloc((size_t)file->vips.n + 1, sizeof(*words));
	uint32_t n = 0;

	if (words == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < file->vips.n; i++) {
		const struct sl_node *name = sl_node_good(vips[i].node, "name");

		if (name != NULL)
			words[n++] = (struct sl_word){name->text, name->text_bytes, &name->span};
	}
	sl_words_find_duplicates(words, n, sl_check_refuse_duplicate, &ctx);
	free(words);
	return 0;
}

struct row {
	const struct raw_vip *vip;
	const struct sl_node *node;
	struct sl_port_range range;
};

static int compare_keys(const struct raw_vip *a, const struct raw_vip *b)
{
	int order = memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes));

	if (order != 0)
		return order;
	return a->protocol < b->protocol ? -1 : a->protocol > b->protocol;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = compare_keys(x->vip, y->vip);

	if (order != 0)
		return order;
	if (x->range.first != y->range.first)
		return x->range.first < y->range.first ? -1 : 1;
	return x->node->span.line < y->node->span.line ? -1 : 1;
}

static bool is_later(const struct row *a, const struct row *b)
{
	const struct sl_span *x = &a->node->span, *y = &b->node->span;

	return x->line != y->line ? x->line > y->line : x->column > y->column;
}

static void refuse_overlap(const struct row *a, const struct row *b, struct sl_diag_list *diag)
{
	const struct row *later = is_later(a, b) ? a : b, *first = later == a ? b : a;
	char shown[INET6_ADDRSTRLEN];

	sl_value_print_ip(&later->vip->address, shown, sizeof(shown));
	sl_diag_error(diag, &later->node->span,
	              "%s %s ports %u-%u overlap ports %u-%u of VIP \"%.64s\" on line %u", shown,
	              later->vip->protocol == 0 ? "tcp" : "udp", later->range.first,
	              later->range.last, first->range.first, first->range.last,
	              first->vip->name != NULL ? first->vip->name : "?",
	              first->node->span.line + 1);
}

// Sorted by first port, a row can only overlap the one that so far reaches furthest.
static void find_overlaps(struct row *rows, uint32_t n, struct sl_diag_list *diag)
{
	uint32_t furthest = 0;

	qsort(rows, n, sizeof(*rows), compare_rows);
	for (uint32_t i = 1; i < n; i++) {
		bool is_same = compare_keys(rows[furthest].vip, rows[i].vip) == 0;

		if (is_same && rows[i].range.first <= rows[furthest].range.last)
			refuse_overlap(&rows[furthest], &rows[i], diag);
		if (!is_same || rows[i].range.last > rows[furthest].range.last)
			furthest = i;
	}
}

static int check_rows(const struct raw_pools_file *file, struct sl_diag_list *diag)
{
	const struct raw_vip *vips = file->vips.items;
	struct row *rows;
	size_t n = 0, n_used = 0;

	for (uint32_t i = 0; i < file->vips.n; i++)
		n += vips[i].ports.n;
	rows = calloc(n + 1, sizeof(*rows));
	if (rows == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < file->vips.n; i++) {
		const struct raw_ports *ports = vips[i].ports.items;

		if (sl_node_good(vips[i].node, "address") == NULL)
			continue;
		for (uint32_t k = 0; k < vips[i].ports.n; k++)
			if (!ports[k].node->is_bad)
				rows[n_used++] =
					(struct row){&vips[i], ports[k].node, ports[k].range};
	}
	find_overlaps(rows, (uint32_t)n_used, diag);
	free(rows);
	if (n > SL_MAX_VIPS)
		sl_diag_error(diag, sl_node_place(sl_node_find(file->node, "vips")),
		              "vips: %zu port ranges are more than the most, %u", n, SL_MAX_VIPS);
	return 0;
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sl_ip));
}

// A packet sent to such a backend would come back to Sluice as if from a client.
static int check_loops(const struct raw_pools_file *file, struct sl_diag_list *diag)
{
	const struct raw_vip *vips = file->vips.items;
	const struct raw_pool *pools = file->pools.items;
	struct sl_ip *addresses = calloc((size_t)file->vips.n + 1, sizeof(*addresses));
	uint32_t n = 0;

	if (addresses == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < file->vips.n; i++)
		if (sl_node_good(vips[i].node, "address") != NULL)
			addresses[n++] = vips[i].address;
	qsort(addresses, n, sizeof(*addresses), compare_addresses);
	for (uint32_t i = 0; i < file->pools.n; i++) {
		const struct raw_backend *b = pools[i].backends.items;

		for (uint32_t k = 0; k < pools[i].backends.n; k++) {
			const struct sl_node *node = sl_node_good(b[k].node, "address");

			if (node != NULL && bsearch(&b[k].endpoint.address, addresses, n,
			                            sizeof(*addresses), compare_addresses) != NULL)
				sl_diag_error(diag, &node->span,
				              "address: also the address of a VIP; packets "
				              "would loop");
		}
	}
	free(addresses);
	return 0;
}

static void check_syn_cookies(const struct raw_vip *vip, const struct raw_pool *pool,
                              struct sl_diag_list *diag)
{
	const struct sl_node *node = sl_node_good(vip->node, "syn-cookies");
	const struct sl_node *protocol = sl_node_find(vip->node, "protocol");

	if (node == NULL || vip->syn_cookies == SL_SYN_COOKIES_OFF)
		return;
	if (vip->protocol != 0 && (protocol == NULL || !protocol->is_bad))
		sl_diag_error(diag, &node->span, "syn-cookies need protocol: tcp");
	else if (sl_forward_is_dsr((unsigned int)pool->forward.mode))
		sl_diag_error(diag, &node->span,
		              "syn-cookies need nat or fullnat: pool \"%.64s\" answers clients "
		              "directly, where nobody could correct its sequence numbers",
		              pool->node->key->text);
	else if (pool->forward.client_address == SL_CLIENT_ADDRESS_PROXY_V2)
		sl_diag_error(
			diag, &node->span,
			"syn-cookies cannot go with client-address proxy-v2 of pool \"%.64s\": a "
			"server that speaks first would wait for the header, its client for the "
			"server",
			pool->node->key->text);
}

int sl_check_vips(struct raw_pools_file *file, struct sl_diag_list *diag)
{
	const struct raw_vip *vips = file->vips.items;
	const struct raw_pool *pools = file->pools.items;
	int err = resolve_pools(file, diag);

	if (err != 0)
		return err;
	for (uint32_t i = 0; i < file->vips.n; i++) {
		check_persistence(&vips[i], diag);
		if (vips[i].pool_number != UINT32_MAX) {
			check_family(&vips[i], &pools[vips[i].pool_number], diag);
			check_client_address(&vips[i], &pools[vips[i].pool_number], diag);
			check_measured(&vips[i], &pools[vips[i].pool_number], diag);
			sl_check_quic_vip(&vips[i], &pools[vips[i].pool_number], diag);
			check_syn_cookies(&vips[i], &pools[vips[i].pool_number], diag);
		}
	}
	err = check_names(file, diag);
	if (err == 0)
		err = check_rows(file, diag);
	if (err == 0)
		err = check_loops(file, diag);
	return err == 0 ? sl_check_access(file, diag) : err;
}
