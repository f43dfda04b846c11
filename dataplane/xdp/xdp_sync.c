// SPDX-License-Identifier: Apache-2.0
// Wanted rows are sorted, so that what stands in a map is looked up among them by halving.
#include "xdp.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "xdp_private.h"

#define KEY_BYTES sizeof(struct sl_xdp_endpoint) // the longest of the keys

struct row {
	uint8_t key[KEY_BYTES]; // zero behind a shorter key
	uint32_t value;
};

struct rows {
	struct row *at; // owned
	size_t n;
	size_t max;
};

// By key, then value: of two rows for one address ours comes before the kernel's.
static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = memcmp(x->key, y->key, KEY_BYTES);

	return order != 0 ? order : (x->value > y->value) - (x->value < y->value);
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(((const struct row *)a)->key, ((const struct row *)b)->key, KEY_BYTES);
}

static int add_row(struct rows *rows, const void *key, size_t key_bytes, uint32_t value)
{
	if (rows->n == rows->max) {
		size_t max = rows->max == 0 ? 256 : 2 * rows->max;
		struct row *grown = reallocarray(rows->at, max, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		rows->at = grown;
		rows->max = max;
	}
	rows->at[rows->n] = (struct row){.value = value};
	memcpy(rows->at[rows->n++].key, key, key_bytes);
	return 0;
}

// The first of rows with equal keys stays.
static void sort_rows(struct rows *rows)
{
	size_t n_kept = 0;

	if (rows->n == 0)
		return;
	qsort(rows->at, rows->n, sizeof(rows->at[0]), compare_rows);
	for (size_t i = 1; i < rows->n; i++)
		if (compare_keys(&rows->at[n_kept], &rows->at[i]) != 0)
			rows->at[++n_kept] = rows->at[i];
	rows->n = n_kept + 1;
}

static int add_kernel_address(struct rows *rows, const struct sockaddr *sa)
{
	struct sl_ip ip;

	if (sa == NULL)
		return 0;
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		ip = sl_ip_from_v4(in.sin_addr.s_addr);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		memcpy(ip.bytes, &in6.sin6_addr, sizeof(ip.bytes));
	} else {
		return 0;
	}
	return add_row(rows, ip.bytes, sizeof(ip.bytes), SL_XDP_KERNEL);
}

static int add_kernel_addresses(struct rows *rows)
{
	struct ifaddrs *all;
	int rc = 0;

	if (getifaddrs(&all) != 0)
		return -errno;
	for (const struct ifaddrs *one = all; one != NULL && rc == 0; one = one->ifa_next)
		rc = add_kernel_address(rows, one->ifa_addr);
	freeifaddrs(all);
	return rc;
}

static int wanted_own(struct rows *rows, const struct sl_xdp_sets *sets)
{
	int rc = add_kernel_addresses(rows);

	for (size_t i = 0; i < sets->n_own && rc == 0; i++)
		rc = add_row(rows, sets->own[i].bytes, sizeof(sets->own[i].bytes), SL_XDP_OURS);
	sort_rows(rows);
	return rc;
}

static int wanted_back(struct rows *rows, const struct sl_xdp_sets *sets)
{
	int rc = 0;

	for (size_t i = 0; i < sets->n_backends && rc == 0; i++) {
		const struct sl_xdp_backend *backend = &sets->backends[i];
		struct sl_xdp_endpoint key = {.port_be = backend->port_be, .proto = backend->proto};
		struct sl_xdp_endpoint alone = {.port_be = 0};

		memcpy(&key.address, &backend->address, sizeof(key.address));
		memcpy(&alone.address, &backend->address, sizeof(alone.address));
		rc = add_row(rows, &key, sizeof(key), 1);
		if (rc == 0)
			rc = add_row(rows, &alone, sizeof(alone), 1);
	}
	sort_rows(rows);
	return rc;
}

static int add_missing(int fd, const struct rows *wanted)
{
	for (size_t i = 0; i < wanted->n; i++) {
		const struct row *row = &wanted->at[i];
		uint32_t value = 0;
		int rc;

		if (bpf_map_lookup_elem(fd, row->key, &value) == 0 && value == row->value)
			continue;
		rc = bpf_map_update_elem(fd, row->key, &row->value, BPF_ANY);
		if (rc != 0)
			return rc;
	}
	return 0;
}

// Keys are collected first: deleting while walking may start the walk over.
static int list_unwanted(int fd, size_t key_bytes, const struct rows *wanted, struct rows *unwanted)
{
	struct row here = {.value = 0}, next = {.value = 0};
	const void *from = NULL;
	int rc;

	while ((rc = bpf_map_get_next_key(fd, from, next.key)) == 0) {
		here = next;
		from = here.key;
		if (wanted->n > 0 &&
		    bsearch(&here, wanted->at, wanted->n, sizeof(here), compare_keys))
			continue;
		rc = add_row(unwanted, here.key, key_bytes, 0);
		if (rc != 0)
			return rc;
	}
	return rc == -ENOENT ? 0 : rc;
}

static int sync_map(int fd, size_t key_bytes, const struct rows *wanted)
{
	struct rows unwanted = {.at = NULL};
	int rc = add_missing(fd, wanted);

	if (rc == 0)
		rc = list_unwanted(fd, key_bytes, wanted, &unwanted);
	for (size_t i = 0; i < unwanted.n && rc == 0; i++) {
		rc = bpf_map_delete_elem(fd, unwanted.at[i].key);
		if (rc == -ENOENT)
			rc = 0;
	}
	free(unwanted.at);
	return rc;
}

int sl_xdp_sync(struct sl_xdp *xdp, const struct sl_xdp_sets *sets, char *why, size_t why_bytes)
{
	struct rows own = {.at = NULL}, back = {.at = NULL};
	const char *what = "listing the addresses";
	int rc = wanted_own(&own, sets);

	if (rc == 0)
		rc = wanted_back(&back, sets);
	if (rc == 0) {
		what = "writing " SL_XDP_MAP_OWN;
		rc = sync_map(xdp->fds[MAP_OWN], sizeof(struct sl_xdp_address), &own);
	}
	if (rc == 0) {
		what = "writing " SL_XDP_MAP_BACK;
		rc = sync_map(xdp->fds[MAP_BACK], sizeof(struct sl_xdp_endpoint), &back);
	}
	if (rc != 0)
		snprintf(why, why_bytes, "%s failed: %s", what, strerror(-rc));
	free(own.at);
	free(back.at);
	return rc;
}
