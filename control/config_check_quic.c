// SPDX-License-Identifier: Apache-2.0
// QUIC-LB: connection ids must name exactly one backend under every configuration of a pool.
#include <errno.h>
#include <stdlib.h>

#include "config_check.h"

#define PLAIN_BYTES_MAX 19 // connection ids have 20 octets, the first is not theirs
#define PROTOCOL_UDP    1

static void check_config(const struct raw_quic *q, const struct raw_quic *first,
                         struct sl_diag_list *diag)
{
	const struct sl_node *nonce = sl_node_good(q->node, "nonce-bytes");
	const struct sl_node *id = sl_node_good(q->node, "server-id-bytes");

	if (nonce != NULL && id != NULL && q->server_id_bytes + q->nonce_bytes > PLAIN_BYTES_MAX)
		sl_diag_error(diag, &nonce->span,
		              "server id and nonce have %ju bytes together, the most is %u",
		              (uintmax_t)(q->server_id_bytes + q->nonce_bytes), PLAIN_BYTES_MAX);
	if (id != NULL && sl_node_good(first->node, "server-id-bytes") != NULL &&
	    q->server_id_bytes != first->server_id_bytes)
		sl_diag_error(
			diag, &id->span,
			"server-id-bytes: %ju, but %ju on line %u; server ids of a pool are of "
			"one length",
			(uintmax_t)q->server_id_bytes, (uintmax_t)first->server_id_bytes,
			first->node->span.line + 1);
}

static void check_configs(const struct raw_pool *pool, struct sl_diag_list *diag)
{
	const struct raw_quic *quics = pool->quic.items;
	const struct raw_quic *seen[8] = {NULL};

	for (uint32_t i = 0; i < pool->quic.n; i++) {
		const struct sl_node *id = sl_node_good(quics[i].node, "config-id");

		check_config(&quics[i], &quics[0], diag);
		if (id == NULL)
			continue;
		if (seen[quics[i].config_id] != NULL)
			sl_diag_error(diag, &id->span, "duplicate config-id %ju; first on line %u",
			              (uintmax_t)quics[i].config_id,
			              seen[quics[i].config_id]->node->span.line + 1);
		else
			seen[quics[i].config_id] = &quics[i];
	}
}

static void check_server_id(const struct raw_pool *pool, const struct raw_backend *backend,
                            const struct sl_node *node, struct sl_diag_list *diag)
{
	const struct raw_quic *first = pool->quic.items;

	if (pool->quic.n == 0)
		sl_diag_error(diag, &node->span,
		              "server-id: the pool has no quic configuration to read it by");
	else if (sl_node_good(first->node, "server-id-bytes") != NULL &&
	         backend->server_id.n_bytes != first->server_id_bytes)
		sl_diag_error(diag, &node->span, "server-id: %u bytes, server-id-bytes is %ju",
		              backend->server_id.n_bytes, (uintmax_t)first->server_id_bytes);
}

int sl_check_quic(const struct raw_pool *pool, struct sl_diag_list *diag)
{
	const struct raw_backend *backends = pool->backends.items;
	struct sl_duplicate_ctx ctx = {diag, "server-id", false};
	struct sl_word *words = calloc((size_t)pool->backends.n + 1, sizeof(*words));
	uint32_t n = 0;

	if (words == NULL)
		return -ENOMEM;
	check_configs(pool, diag);
	for (uint32_t i = 0; i < pool->backends.n; i++) {
		const struct sl_node *node = sl_node_good(backends[i].node, "server-id");

		if (node == NULL)
			continue;
		check_server_id(pool, &backends[i], node, diag);
		words[n++] = (struct sl_word){backends[i].server_id.bytes,
		                              backends[i].server_id.n_bytes, &node->span};
	}
	sl_words_find_duplicates(words, n, sl_check_refuse_duplicate, &ctx);
	free(words);
	return 0;
}

void sl_check_quic_vip(const struct raw_vip *vip, const struct raw_pool *pool,
                       struct sl_diag_list *diag)
{
	const struct sl_node *node = sl_node_good(vip->node, "affinity");
	const struct sl_node *protocol = sl_node_find(vip->node, "protocol");

	if (node == NULL || vip->affinity != SL_AFFINITY_QUIC_CID)
		return;
	if (vip->protocol != PROTOCOL_UDP && (protocol == NULL || !protocol->is_bad))
		sl_diag_error(diag, &node->span, "affinity quic-cid needs protocol: udp");
	else if (pool->quic.n == 0 && sl_node_find(pool->node, "quic") == NULL)
		sl_diag_error(diag, &node->span,
		              "affinity quic-cid: pool \"%.64s\" has no quic configuration",
		              pool->node->key->text);
}
