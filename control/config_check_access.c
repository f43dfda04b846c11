// SPDX-License-Identifier: Apache-2.0
// Allow and deny lists of VIPs: networks of the VIP's family, each at most once in both lists.
#include <errno.h>
#include <stdlib.h>

#include "config_check.h"
#include "config_value.h"

static bool has_host_bits(const struct sl_prefix *p)
{
	uint32_t kept = p->bits + (sl_ip_is_v4(&p->address) ? 96u : 0u);

	for (uint32_t bit = kept; bit < 128; bit++)
		if (p->address.bytes[bit / 8] & 0x80u >> bit % 8)
			return true;
	return false;
}

static void check_prefix(const struct raw_vip *vip, const struct raw_prefix *prefix,
                         struct sl_diag_list *diag)
{
	bool is_v4 = sl_ip_is_v4(&prefix->prefix.address);

	if (has_host_bits(&prefix->prefix))
		sl_diag_error(diag, &prefix->node->span,
		              "%s has bits beyond its length of %u; write the network",
		              prefix->node->text, prefix->prefix.bits);
	else if (sl_node_good(vip->node, "address") != NULL && is_v4 != sl_ip_is_v4(&vip->address))
		sl_diag_error(diag, &prefix->node->span,
		              "network is %s, the VIP is %s; no client of it could come",
		              is_v4 ? "IPv4" : "IPv6", is_v4 ? "IPv6" : "IPv4");
}

static uint32_t collect(const struct raw_vip *vip, const struct raw_list *list,
                        struct sl_word *words, struct sl_diag_list *diag)
{
	const struct raw_prefix *prefixes = list->items;
	uint32_t n = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		if (prefixes[i].node->is_bad)
			continue;
		check_prefix(vip, &prefixes[i], diag);
		words[n++] =
			(struct sl_word){&prefixes[i].prefix, offsetof(struct sl_prefix, bits) + 1,
		                         &prefixes[i].node->span};
	}
	return n;
}

int sl_check_access(const struct raw_pools_file *file, struct sl_diag_list *diag)
{
	const struct raw_vip *vips = file->vips.items;
	struct sl_duplicate_ctx ctx = {diag, "network in allow and deny", false};
	uint64_t n_all = 0;

	for (uint32_t i = 0; i < file->vips.n; i++) {
		uint32_t n_most = vips[i].allow.n + vips[i].deny.n, n;
		struct sl_word *words = calloc((size_t)n_most + 1, sizeof(*words));

		if (words == NULL)
			return -ENOMEM;
		n = collect(&vips[i], &vips[i].allow, words, diag);
		n += collect(&vips[i], &vips[i].deny, words + n, diag);
		sl_words_find_duplicates(words, n, sl_check_refuse_duplicate, &ctx);
		free(words);
		n_all += n_most;
	}
	if (n_all > SL_MAX_PREFIXES)
		sl_diag_error(
			diag, sl_node_place(sl_node_find(file->node, "vips")),
			"vips: %ju networks in allow and deny lists are more than the most, %u",
			(uintmax_t)n_all, SL_MAX_PREFIXES);
	return 0;
}
