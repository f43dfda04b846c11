// SPDX-License-Identifier: Apache-2.0
// Header and single rows. Structure that contradicts the contract is malformed; well-formed rows
// that cannot be meant are invalid; more rows than the limits is no space.
#include "wirecheck_private.h"

#include "quic.h"

#include <stdarg.h>
#include <stdio.h>

#define PROTO_TCP 6
#define PROTO_UDP 17

const struct sl_wire_vip *sl_wire_vips(const struct sl_wire_header *body)
{
	return (const struct sl_wire_vip *)(const void *)(body + 1);
}

const struct sl_wire_pool *sl_wire_pools(const struct sl_wire_header *body)
{
	return (const struct sl_wire_pool *)(const void *)(sl_wire_vips(body) + body->n_vips);
}

const struct sl_wire_backend *sl_wire_backends(const struct sl_wire_header *body)
{
	return (const struct sl_wire_backend *)(const void *)(sl_wire_pools(body) + body->n_pools);
}

const struct sl_wire_prefix *sl_wire_prefixes(const struct sl_wire_header *body)
{
	return (const struct sl_wire_prefix *)(const void *)(sl_wire_backends(body) +
	                                                     body->n_backends);
}

const struct sl_wire_quic *sl_wire_quics(const struct sl_wire_header *body)
{
	return (const struct sl_wire_quic *)(const void *)(sl_wire_prefixes(body) +
	                                                   body->n_prefixes);
}

const struct sl_wire_weight *sl_wire_weights(const struct sl_wire_header *body)
{
	return (const struct sl_wire_weight *)(const void *)(body + 1);
}

enum sl_ipc_status wire_refuse(const struct wire_reason *why, enum sl_ipc_status status,
                               const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, why->n_bytes, format, args);
	va_end(args);
	return status;
}

static bool is_zero(const uint8_t *bytes, size_t n_bytes)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n_bytes; i++)
		any |= bytes[i];
	return any == 0;
}

static enum sl_ipc_status check_identity(const struct sl_wire_header *h, size_t n_bytes,
                                         enum sl_wire_kind kind, const struct wire_reason *why)
{
	if (h->magic != SL_WIRE_MAGIC)
		return wire_refuse(why, SL_IPC_MALFORMED, "magic 0x%x is not 0x%x", h->magic,
		                   SL_WIRE_MAGIC);
	if (h->version != SL_WIRE_VERSION)
		return wire_refuse(why, SL_IPC_MALFORMED, "version %u, expected %u", h->version,
		                   SL_WIRE_VERSION);
	if (h->kind != kind)
		return wire_refuse(why, SL_IPC_MALFORMED, "kind %u, expected %u", h->kind, kind);
	if (h->zero != 0)
		return wire_refuse(why, SL_IPC_MALFORMED, "header: zero field is %u", h->zero);
	if (h->total_bytes != n_bytes)
		return wire_refuse(why, SL_IPC_MALFORMED, "total_bytes %u, but the body has %zu",
		                   h->total_bytes, n_bytes);
	return SL_IPC_OK;
}

// The limits come before the sum, which then cannot overflow.
static enum sl_ipc_status check_counts(const struct sl_wire_header *h, size_t n_bytes,
                                       const struct wire_reason *why)
{
	bool is_config = h->kind == SL_WIRE_CONFIG;
	size_t expected;

	if (h->n_vips > SL_MAX_VIPS || h->n_pools > SL_MAX_POOLS ||
	    h->n_backends > SL_MAX_BACKENDS || h->n_weights > SL_MAX_BACKENDS)
		return wire_refuse(why, SL_IPC_NO_SPACE,
		                   "%u vip rows, %u pools, %u backends, %u weights; at most %u "
		                   "vip rows, %u pools and %u of the others",
		                   h->n_vips, h->n_pools, h->n_backends, h->n_weights, SL_MAX_VIPS,
		                   SL_MAX_POOLS, SL_MAX_BACKENDS);
	if (h->n_prefixes > SL_MAX_PREFIXES || h->n_quics > SL_MAX_POOLS * SL_QUIC_CONFIGS)
		return wire_refuse(why, SL_IPC_NO_SPACE,
		                   "%u prefixes, %u quic rows; at most %u and %u", h->n_prefixes,
		                   h->n_quics, SL_MAX_PREFIXES, SL_MAX_POOLS * SL_QUIC_CONFIGS);
	if (is_config ? h->n_weights != 0
	              : (h->n_vips | h->n_pools | h->n_backends | h->n_prefixes | h->n_quics) != 0)
		return wire_refuse(why, SL_IPC_MALFORMED,
		                   "header: rows of the other kind of message");
	expected = sizeof(*h) + h->n_vips * sizeof(struct sl_wire_vip) +
	           h->n_pools * sizeof(struct sl_wire_pool) +
	           h->n_backends * sizeof(struct sl_wire_backend) +
	           h->n_prefixes * sizeof(struct sl_wire_prefix) +
	           h->n_quics * sizeof(struct sl_wire_quic) +
	           h->n_weights * sizeof(struct sl_wire_weight);
	if (expected != n_bytes)
		return wire_refuse(why, SL_IPC_MALFORMED, "the counts need %zu bytes, body has %zu",
		                   expected, n_bytes);
	return SL_IPC_OK;
}

static enum sl_ipc_status check_vip(const struct sl_wire_header *h, uint32_t row,
                                    const struct wire_reason *why)
{
	const struct sl_wire_vip *v = &sl_wire_vips(h)[row];

	if (v->id == 0)
		return wire_refuse(why, SL_IPC_MALFORMED, "vip row %u: id is 0", row);
	if (v->pool >= h->n_pools)
		return wire_refuse(why, SL_IPC_MALFORMED, "vip row %u: pool %u of %u", row, v->pool,
		                   h->n_pools);
	if (v->port_first > v->port_last)
		return wire_refuse(why, SL_IPC_MALFORMED, "vip row %u: port_first %u above last %u",
		                   row, v->port_first, v->port_last);
	if (v->proto != PROTO_TCP && v->proto != PROTO_UDP)
		return wire_refuse(why, SL_IPC_MALFORMED,
		                   "vip row %u: protocol %u is neither TCP (6) nor UDP (17)", row,
		                   v->proto);
	if (v->affinity == SL_AFFINITY_QUIC_CID && v->proto != PROTO_UDP)
		return wire_refuse(why, SL_IPC_INVALID, "vip row %u: affinity quic-cid without UDP",
		                   row);
	if (v->affinity >= SL_AFFINITY_COUNT)
		return wire_refuse(why, SL_IPC_MALFORMED, "vip row %u: affinity %u is unknown", row,
		                   v->affinity);
	if (v->is_measured > 1)
		return wire_refuse(why, SL_IPC_MALFORMED,
		                   "vip row %u: is_measured %u is neither 0 nor 1", row,
		                   v->is_measured);
	if (v->syn_cookies >= SL_SYN_COOKIES_COUNT)
		return wire_refuse(why, SL_IPC_MALFORMED, "vip row %u: syn_cookies %u is unknown",
		                   row, v->syn_cookies);
	if (v->syn_cookies != SL_SYN_COOKIES_OFF &&
	    (v->proto != PROTO_TCP || sl_forward_is_dsr(sl_wire_pools(h)[v->pool].forward)))
		return wire_refuse(why, SL_IPC_INVALID,
		                   "vip row %u: syn cookies need TCP and nat or fullnat", row);
	if (v->class >= SL_VIP_CLASS_COUNT)
		return wire_refuse(why, SL_IPC_MALFORMED, "vip row %u: class %u is unknown", row,
		                   v->class);
	if ((v->zero2[0] | v->zero2[1]) != 0)
		return wire_refuse(why, SL_IPC_MALFORMED, "vip row %u: zero bytes are set", row);
	return SL_IPC_OK;
}

static enum sl_ipc_status check_persistence(const struct sl_wire_header *h, uint32_t row,
                                            const struct wire_reason *why)
{
	const struct sl_wire_vip *v = &sl_wire_vips(h)[row];
	const uint32_t family_bits = sl_ip_is_v4(&v->address) ? 32 : 128;

	if (v->persist_s == 0 && v->persist_bits == 0)
		return SL_IPC_OK;
	if (v->persist_s == 0 || v->persist_s > SL_PERSIST_MAX_S || v->persist_bits == 0 ||
	    v->persist_bits > family_bits)
		return wire_refuse(why, SL_IPC_MALFORMED,
		                   "vip row %u: persistence of %u s for %u bits", row, v->persist_s,
		                   v->persist_bits);
	if (v->affinity != SL_AFFINITY_SOURCE)
		return wire_refuse(why, SL_IPC_INVALID,
		                   "vip row %u: persistence without affinity source", row);
	return SL_IPC_OK;
}

static enum sl_ipc_status check_prefix(const struct sl_wire_header *h, uint32_t row,
                                       const struct wire_reason *why)
{
	const struct sl_wire_prefix *p = &sl_wire_prefixes(h)[row];
	uint32_t family_bits = sl_ip_is_v4(&p->address) ? 32 : 128;
	uint32_t kept;

	if (p->bits > family_bits || p->action >= SL_WIRE_ACTION_COUNT ||
	    !is_zero(p->zero, sizeof(p->zero)))
		return wire_refuse(why, SL_IPC_MALFORMED,
		                   "prefix row %u: length %u, action %u or zero bytes are wrong",
		                   row, p->bits, p->action);
	kept = p->bits + 128 - family_bits;
	for (uint32_t bit = kept; bit < 128; bit++) {
		if (p->address.bytes[bit / 8] & 0x80u >> bit % 8)
			return wire_refuse(why, SL_IPC_MALFORMED,
			                   "prefix row %u: address bits beyond length %u", row,
			                   p->bits);
	}
	return SL_IPC_OK;
}

// The prefixes themselves are known good.
static enum sl_ipc_status check_vip_prefixes(const struct sl_wire_header *h, uint32_t row,
                                             const struct wire_reason *why)
{
	const struct sl_wire_vip *v = &sl_wire_vips(h)[row];

	if (v->first_prefix > h->n_prefixes || v->n_prefixes > h->n_prefixes - v->first_prefix)
		return wire_refuse(why, SL_IPC_MALFORMED, "vip row %u: prefixes %u+%u of %u", row,
		                   v->first_prefix, v->n_prefixes, h->n_prefixes);
	for (uint32_t i = v->first_prefix; i < v->first_prefix + v->n_prefixes; i++) {
		if (sl_ip_is_v4(&sl_wire_prefixes(h)[i].address) != sl_ip_is_v4(&v->address))
			return wire_refuse(why, SL_IPC_INVALID,
			                   "vip row %u: prefix row %u is of the other address "
			                   "family",
			                   row, i);
	}
	return SL_IPC_OK;
}

// *next_backend is where the backends of this pool must begin; moved to where the next pool's do.
static enum sl_ipc_status check_pool(const struct sl_wire_header *h, uint32_t row,
                                     uint32_t *next_backend, const struct wire_reason *why)
{
	const struct sl_wire_pool *p = &sl_wire_pools(h)[row];

	if (p->id == 0)
		return wire_refuse(why, SL_IPC_MALFORMED, "pool row %u: id is 0", row);
	if (p->first_backend != *next_backend || p->n_backends > h->n_backends - *next_backend)
		return wire_refuse(why, SL_IPC_MALFORMED,
		                   "pool row %u: backends %u+%u do not follow on at %u of %u", row,
		                   p->first_backend, p->n_backends, *next_backend, h->n_backends);
	if (p->forward >= SL_FORWARD_COUNT)
		return wire_refuse(why, SL_IPC_MALFORMED, "pool row %u: forward %u is unknown", row,
		                   p->forward);
	if (p->balance >= SL_BALANCE_COUNT)
		return wire_refuse(why, SL_IPC_MALFORMED, "pool row %u: balance %u is unknown", row,
		                   p->balance);
	if (p->mtu_guard >= SL_MTU_GUARD_COUNT)
		return wire_refuse(why, SL_IPC_MALFORMED, "pool row %u: mtu_guard %u is unknown",
		                   row, p->mtu_guard);
	if (p->mtu_guard != 0 && !sl_forward_is_tunnel(p->forward))
		return wire_refuse(why, SL_IPC_INVALID,
		                   "pool row %u: mtu_guard %u, but forward %u makes nothing longer",
		                   row, p->mtu_guard, p->forward);
	if (p->client_address >= SL_CLIENT_ADDRESS_COUNT)
		return wire_refuse(why, SL_IPC_MALFORMED,
		                   "pool row %u: client_address %u is unknown", row,
		                   p->client_address);
	if (p->client_address != 0 && p->forward != SL_FORWARD_FULLNAT)
		return wire_refuse(why, SL_IPC_INVALID,
		                   "pool row %u: client_address %u, but forward %u is not fullnat",
		                   row, p->client_address, p->forward);
	if (!is_zero(p->zero, sizeof(p->zero)))
		return wire_refuse(why, SL_IPC_MALFORMED, "pool row %u: zero bytes are set", row);
	*next_backend += p->n_backends;
	return SL_IPC_OK;
}

static enum sl_ipc_status check_backend(const struct sl_wire_header *h, uint32_t row, uint32_t pool,
                                        const struct wire_reason *why)
{
	const struct sl_wire_backend *b = &sl_wire_backends(h)[row];

	if (b->id == 0)
		return wire_refuse(why, SL_IPC_MALFORMED, "backend row %u: id is 0", row);
	if (b->pool != pool)
		return wire_refuse(why, SL_IPC_MALFORMED,
		                   "backend row %u: pool %u, but in run of %u", row, b->pool, pool);
	if (!is_zero(b->zero, sizeof(b->zero)))
		return wire_refuse(why, SL_IPC_MALFORMED, "backend row %u: zero bytes are set",
		                   row);
	if (b->server_id_bytes > sizeof(b->server_id) ||
	    !is_zero(b->server_id + b->server_id_bytes, sizeof(b->server_id) - b->server_id_bytes))
		return wire_refuse(why, SL_IPC_MALFORMED,
		                   "backend row %u: server id of %u bytes, or more behind it", row,
		                   b->server_id_bytes);
	if (b->weight_milli > SL_WEIGHT_MAX_MILLI)
		return wire_refuse(why, SL_IPC_INVALID, "backend row %u: weight_milli %u above %u",
		                   row, b->weight_milli, SL_WEIGHT_MAX_MILLI);
	if (sl_forward_is_dsr(sl_wire_pools(h)[pool].forward) && b->port != 0)
		return wire_refuse(why, SL_IPC_INVALID,
		                   "backend row %u: port %u, but DSR keeps the port of the VIP",
		                   row, b->port);
	return SL_IPC_OK;
}

static enum sl_ipc_status check_pools_and_backends(const struct sl_wire_header *h,
                                                   const struct wire_reason *why)
{
	uint32_t next_backend = 0;

	for (uint32_t pool = 0; pool < h->n_pools; pool++) {
		uint32_t first = next_backend;
		enum sl_ipc_status status = check_pool(h, pool, &next_backend, why);

		for (uint32_t row = first; status == SL_IPC_OK && row < next_backend; row++)
			status = check_backend(h, row, pool, why);
		if (status != SL_IPC_OK)
			return status;
	}
	if (next_backend != h->n_backends)
		return wire_refuse(why, SL_IPC_MALFORMED, "backend row %u belongs to no pool",
		                   next_backend);
	return SL_IPC_OK;
}

static enum sl_ipc_status check_quic(const struct sl_wire_header *h, uint32_t row,
                                     const struct wire_reason *why)
{
	const struct sl_wire_quic *q = &sl_wire_quics(h)[row];

	if (q->pool >= h->n_pools || (row > 0 && q->pool < q[-1].pool))
		return wire_refuse(why, SL_IPC_MALFORMED, "quic row %u: pool %u out of order", row,
		                   q->pool);
	if (q->codepoint >= SL_QUIC_CONFIGS || q->has_key > 1 ||
	    (q->has_key == 0 && !is_zero(q->key, sizeof(q->key))))
		return wire_refuse(why, SL_IPC_MALFORMED,
		                   "quic row %u: codepoint %u or key is impossible", row,
		                   q->codepoint);
	if (q->server_id_bytes < 1 || q->nonce_bytes < SL_QUIC_NONCE_MIN_BYTES ||
	    q->server_id_bytes + q->nonce_bytes > SL_QUIC_PLAIN_BYTES)
		return wire_refuse(why, SL_IPC_INVALID,
		                   "quic row %u: server id of %u and nonce of %u bytes", row,
		                   q->server_id_bytes, q->nonce_bytes);
	// Seven at most: the eighth of a pool repeats a codepoint.
	for (uint32_t i = row; i-- > 0 && sl_wire_quics(h)[i].pool == q->pool;) {
		const struct sl_wire_quic *other = &sl_wire_quics(h)[i];

		if (other->codepoint == q->codepoint ||
		    other->server_id_bytes != q->server_id_bytes)
			return wire_refuse(why, SL_IPC_INVALID,
			                   "quic rows %u and %u: one codepoint, or two lengths of "
			                   "server ids",
			                   i, row);
	}
	return SL_IPC_OK;
}

static enum sl_ipc_status check_config(const struct sl_wire_header *h,
                                       const struct wire_reason *why)
{
	enum sl_ipc_status status = SL_IPC_OK;

	for (uint32_t row = 0; status == SL_IPC_OK && row < h->n_prefixes; row++)
		status = check_prefix(h, row, why);
	for (uint32_t row = 0; status == SL_IPC_OK && row < h->n_vips; row++) {
		status = check_vip(h, row, why);
		if (status == SL_IPC_OK)
			status = check_persistence(h, row, why);
		if (status == SL_IPC_OK)
			status = check_vip_prefixes(h, row, why);
	}
	if (status == SL_IPC_OK)
		status = check_pools_and_backends(h, why);
	for (uint32_t row = 0; status == SL_IPC_OK && row < h->n_quics; row++)
		status = check_quic(h, row, why);
	if (status == SL_IPC_OK)
		status = wire_check_config_sets(h, why);
	return status;
}

static enum sl_ipc_status check_weights(const struct sl_wire_header *h,
                                        const struct wire_reason *why)
{
	for (uint32_t row = 0; row < h->n_weights; row++) {
		const struct sl_wire_weight *w = &sl_wire_weights(h)[row];

		if (w->id == 0)
			return wire_refuse(why, SL_IPC_MALFORMED, "weight row %u: id is 0", row);
		if (w->zero != 0)
			return wire_refuse(why, SL_IPC_MALFORMED, "weight row %u: zero is %u", row,
			                   w->zero);
		if (w->weight_milli > SL_WEIGHT_MAX_MILLI)
			return wire_refuse(why, SL_IPC_INVALID,
			                   "weight row %u: weight_milli %u above %u", row,
			                   w->weight_milli, SL_WEIGHT_MAX_MILLI);
	}
	return wire_check_weight_sets(h, why);
}

enum sl_ipc_status sl_wire_check(const void *body, size_t n_bytes, enum sl_wire_kind kind,
                                 char *reason, size_t reason_bytes)
{
	const struct wire_reason why = {reason, reason_bytes};
	const struct sl_wire_header *h = body;
	enum sl_ipc_status status;

	if (reason_bytes > 0)
		reason[0] = '\0';
	if (n_bytes < sizeof(*h) || n_bytes > SL_WIRE_MAX_BYTES)
		return wire_refuse(&why, SL_IPC_MALFORMED, "body of %zu bytes, expected %zu..%u",
		                   n_bytes, sizeof(*h), SL_WIRE_MAX_BYTES);
	status = check_identity(h, n_bytes, kind, &why);
	if (status == SL_IPC_OK)
		status = check_counts(h, n_bytes, &why);
	if (status != SL_IPC_OK)
		return status;
	return kind == SL_WIRE_CONFIG ? check_config(h, &why) : check_weights(h, &why);
}
