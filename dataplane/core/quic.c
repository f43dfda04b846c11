// SPDX-License-Identifier: Apache-2.0
#include "quic.h"

#include <stdlib.h>

#define LONG_HEADER     0x80
#define OFF_DCID_BYTES  5 // long header: after first octet and version
#define OFF_SHORT_DCID  1
#define CODEPOINT_SHIFT 5
#define HALF_BYTES_MAX  ((SL_QUIC_PLAIN_BYTES + 1) / 2)

bool sl_quic_find_cid(const uint8_t *payload, size_t n_bytes, struct sl_quic_cid *cid)
{
	if (n_bytes < OFF_SHORT_DCID + 1)
		return false;
	cid->is_long = (payload[0] & LONG_HEADER) != 0;
	if (!cid->is_long) {
		cid->bytes = payload + OFF_SHORT_DCID;
		cid->n_bytes = (uint32_t)(n_bytes - OFF_SHORT_DCID);
		if (cid->n_bytes > SL_QUIC_CID_V1_BYTES)
			cid->n_bytes = SL_QUIC_CID_V1_BYTES;
		return true;
	}
	if (n_bytes < OFF_DCID_BYTES + 1)
		return false;
	cid->bytes = payload + OFF_DCID_BYTES + 1;
	cid->n_bytes = payload[OFF_DCID_BYTES];
	return cid->n_bytes <= n_bytes - OFF_DCID_BYTES - 1;
}

// An id between first octet and the server's own use, as two halves of whole octets. With an odd
// number, the middle octet is split: its upper four bits end left, its lower four begin right.
struct halves {
	uint8_t left[HALF_BYTES_MAX], right[HALF_BYTES_MAX];
	uint32_t n_bytes; // of each
	uint32_t n_plain; // of both before the split
};

static void trim(struct halves *h)
{
	if (h->n_plain % 2 != 0) {
		h->left[h->n_bytes - 1] &= 0xf0;
		h->right[0] &= 0x0f;
	}
}

static void split(struct halves *h, const uint8_t *bytes, uint32_t n_plain)
{
	h->n_plain = n_plain;
	h->n_bytes = (n_plain + 1) / 2;
	memcpy(h->left, bytes, h->n_bytes);
	memcpy(h->right, bytes + n_plain - h->n_bytes, h->n_bytes);
	trim(h);
}

// One round: half to is combined with what AES makes of the other half.
static void pass(const struct sl_aes *aes, struct halves *h, uint8_t number)
{
	bool is_to_left = number % 2 == 0;
	uint8_t *to = is_to_left ? h->left : h->right;
	uint8_t block[SL_AES_BYTES] = {0};

	memcpy(block, is_to_left ? h->right : h->left, h->n_bytes);
	block[14] = (uint8_t)h->n_plain;
	block[15] = number;
	sl_aes_encrypt(aes, block, block);
	for (uint32_t i = 0; i < h->n_bytes; i++)
		to[i] ^= block[i];
	trim(h);
}

static void decrypt(const struct sl_quic_config *config, const uint8_t *bytes,
                    uint8_t plain[SL_QUIC_PLAIN_BYTES + 1])
{
	uint32_t n_plain = config->server_id_bytes + config->nonce_bytes;
	struct halves h;

	if (n_plain == SL_AES_BYTES) {
		sl_aes_decrypt(&config->aes, bytes, plain);
		return;
	}
	split(&h, bytes, n_plain);
	pass(&config->aes, &h, 4);
	pass(&config->aes, &h, 3);
	pass(&config->aes, &h, 2);
	if (config->server_id_bytes > config->nonce_bytes) // else it is in the left half
		pass(&config->aes, &h, 1);
	memcpy(plain, h.left, h.n_bytes);
	if (n_plain % 2 != 0)
		plain[h.n_bytes - 1] |= h.right[0];
	memcpy(plain + h.n_bytes, h.right + n_plain % 2, h.n_bytes - n_plain % 2);
}

bool sl_quic_server_id(const struct sl_quic_config *config, const struct sl_quic_cid *cid,
                       uint8_t server_id[SL_QUIC_ID_BYTES])
{
	uint8_t plain[SL_QUIC_PLAIN_BYTES + 1];
	uint32_t n_plain = config->server_id_bytes + config->nonce_bytes;

	if (cid->n_bytes < 1 + n_plain)
		return false;
	if (config->has_key)
		decrypt(config, cid->bytes + 1, plain);
	else
		memcpy(plain, cid->bytes + 1, n_plain);
	memset(server_id, 0, SL_QUIC_ID_BYTES);
	memcpy(server_id, plain, config->server_id_bytes);
	return true;
}

int sl_quic_order(const void *a, const void *b)
{
	const struct sl_quic_server *x = a, *y = b;

	return memcmp(x->id, y->id, sizeof(x->id));
}

uint16_t sl_quic_backend(const struct sl_quic_pool *pool, const struct sl_quic_cid *cid)
{
	const struct sl_quic_config *config;
	const struct sl_quic_server *found;
	struct sl_quic_server wanted;
	uint32_t codepoint;

	if (pool->n_servers == 0 || cid->n_bytes == 0)
		return SL_NO_BACKEND;
	codepoint = cid->bytes[0] >> CODEPOINT_SHIFT;
	config = codepoint < SL_QUIC_CONFIGS ? pool->configs[codepoint] : NULL;
	if (config == NULL || !sl_quic_server_id(config, cid, wanted.id))
		return SL_NO_BACKEND;
	found = bsearch(&wanted, pool->servers, pool->n_servers, sizeof(*found), sl_quic_order);
	return found != NULL ? found->backend : SL_NO_BACKEND;
}
