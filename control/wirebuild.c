// SPDX-License-Identifier: Apache-2.0
#include "wirebuild.h"

#include <errno.h>
#include <stdlib.h>

static struct sl_wire_header header_of(enum sl_wire_kind kind, uint64_t generation, uint64_t epoch)
{
	return (struct sl_wire_header){
		.magic = SL_WIRE_MAGIC,
		.version = SL_WIRE_VERSION,
		.kind = (uint16_t)kind,
		.generation = generation,
		.epoch = epoch,
	};
}

static uint64_t count_vip_rows(const struct sl_model *model)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < model->n_vips; i++)
		n += model->vips[i].n_ranges;
	return n;
}

static uint32_t clamp_weight(uint32_t weight_milli)
{
	return weight_milli < SL_WEIGHT_MAX_MILLI ? weight_milli : SL_WEIGHT_MAX_MILLI;
}

static struct sl_wire_vip *put_vips(const struct sl_model *model, struct sl_wire_vip *row)
{
	for (uint32_t i = 0; i < model->n_vips; i++) {
		const struct sl_model_vip *vip = &model->vips[i];

		for (uint32_t k = 0; k < vip->n_ranges; k++, row++)
			*row = (struct sl_wire_vip){
				.address = vip->address,
				.id = vip->id,
				.pool = vip->pool,
				.port_first = model->ranges[vip->first_range + k].first,
				.port_last = model->ranges[vip->first_range + k].last,
				.proto = vip->proto,
				.affinity = vip->affinity,
				.is_measured = vip->is_measured,
				.syn_cookies = vip->syn_cookies,
				.class = vip->class,
				.limit_flows = vip->limit_flows,
				.limit_new_flows_per_s = vip->limit_new_flows_per_s,
				.source_new_flows_per_s = vip->source_new_flows_per_s,
				.persist_s = vip->persist_s,
				.persist_bits = vip->persist_bits,
				.first_prefix = vip->first_prefix,
				.n_prefixes = vip->n_prefixes,
			};
	}
	return row;
}

static struct sl_wire_pool *put_pools(const struct sl_model *model, struct sl_wire_pool *row)
{
	for (uint32_t i = 0; i < model->n_pools; i++, row++) {
		const struct sl_model_pool *pool = &model->pools[i];

		*row = (struct sl_wire_pool){
			.id = pool->id,
			.first_backend = pool->first_backend,
			.n_backends = pool->n_backends,
			.tcp_idle_s = pool->tcp_idle_s,
			.udp_idle_s = pool->udp_idle_s,
			.limit_flows = pool->limit_flows,
			.limit_new_flows_per_s = pool->limit_new_flows_per_s,
			.forward = pool->forward,
			.balance = pool->balance,
			.mtu_guard = pool->mtu_guard,
			.client_address = pool->client_address,
		};
	}
	return row;
}

static void put_backends(const struct sl_model *model, const uint32_t *weights_milli,
                         struct sl_wire_backend *rows)
{
	for (uint32_t p = 0; p < model->n_pools; p++) {
		const struct sl_model_pool *pool = &model->pools[p];
		bool is_dsr = sl_forward_is_dsr(pool->forward);

		for (uint32_t k = 0; k < pool->n_backends; k++) {
			uint32_t i = pool->first_backend + k;

			rows[i] = (struct sl_wire_backend){
				.address = model->backends[i].address,
				.id = model->backends[i].id,
				.pool = p,
				.weight_milli = clamp_weight(weights_milli[i]),
				.port = is_dsr ? 0 : model->backends[i].port,
				.server_id_bytes = model->backends[i].server_id_bytes,
			};
			memcpy(rows[i].server_id, model->backends[i].server_id,
			       sizeof(rows[i].server_id));
		}
	}
}

static void put_prefixes(const struct sl_model *model, struct sl_wire_prefix *rows)
{
	for (uint32_t i = 0; i < model->n_prefixes; i++)
		rows[i] = (struct sl_wire_prefix){
			.address = model->prefixes[i].address,
			.bits = model->prefixes[i].bits,
			.action = model->prefixes[i].is_allow ? SL_WIRE_ALLOW : SL_WIRE_DENY,
		};
}

static void put_quics(const struct sl_model *model, struct sl_wire_quic *row)
{
	for (uint32_t p = 0; p < model->n_pools; p++) {
		const struct sl_model_pool *pool = &model->pools[p];

		for (uint32_t k = 0; k < pool->n_quics; k++, row++) {
			const struct sl_model_quic *quic = &model->quics[pool->first_quic + k];

			*row = (struct sl_wire_quic){
				.pool = p,
				.codepoint = quic->config_id,
				.server_id_bytes = quic->server_id_bytes,
				.nonce_bytes = quic->nonce_bytes,
				.has_key = quic->has_key,
			};
			memcpy(row->key, quic->key, sizeof(row->key));
		}
	}
}

void *sl_wirebuild_config(const struct sl_model *model, const uint32_t *weights_milli,
                          uint64_t generation, uint64_t epoch, size_t *n_bytes)
{
	struct sl_wire_header *body, header = header_of(SL_WIRE_CONFIG, generation, epoch);
	uint64_t n_rows = count_vip_rows(model);
	uint64_t total = sizeof(header) + n_rows * sizeof(struct sl_wire_vip) +
	                 (uint64_t)model->n_pools * sizeof(struct sl_wire_pool) +
	                 (uint64_t)model->n_backends * sizeof(struct sl_wire_backend) +
	                 (uint64_t)model->n_prefixes * sizeof(struct sl_wire_prefix) +
	                 (uint64_t)model->n_quics * sizeof(struct sl_wire_quic);
	struct sl_wire_vip *vips;
	struct sl_wire_pool *pools;
	struct sl_wire_backend *backends;
	struct sl_wire_prefix *prefixes;

	if (total > SL_WIRE_MAX_BYTES) {
		errno = E2BIG;
		return NULL;
	}
	body = calloc(1, (size_t)total);
	if (body == NULL)
		return NULL;
	header.total_bytes = (uint32_t)total;
	header.n_vips = (uint32_t)n_rows;
	header.n_pools = model->n_pools;
	header.n_backends = model->n_backends;
	header.n_prefixes = model->n_prefixes;
	header.n_quics = model->n_quics;
	*body = header;
	vips = (struct sl_wire_vip *)(void *)(body + 1);
	pools = (struct sl_wire_pool *)(void *)put_vips(model, vips);
	backends = (struct sl_wire_backend *)(void *)put_pools(model, pools);
	put_backends(model, weights_milli, backends);
	prefixes = (struct sl_wire_prefix *)(void *)(backends + model->n_backends);
	put_prefixes(model, prefixes);
	put_quics(model, (struct sl_wire_quic *)(void *)(prefixes + model->n_prefixes));
	*n_bytes = (size_t)total;
	return body;
}

void *sl_wirebuild_weights(const struct sl_model *model, const uint32_t *weights_milli,
                           uint64_t generation, uint64_t epoch, size_t *n_bytes)
{
	struct sl_wire_header *body, header = header_of(SL_WIRE_WEIGHTS, generation, epoch);
	uint64_t total =
		sizeof(header) + (uint64_t)model->n_backends * sizeof(struct sl_wire_weight);
	struct sl_wire_weight *rows;

	if (total > SL_WIRE_MAX_BYTES) {
		errno = E2BIG;
		return NULL;
	}
	body = calloc(1, (size_t)total);
	if (body == NULL)
		return NULL;
	header.total_bytes = (uint32_t)total;
	header.n_weights = model->n_backends;
	*body = header;
	rows = (struct sl_wire_weight *)(void *)(body + 1);
	for (uint32_t i = 0; i < model->n_backends; i++)
		rows[i] = (struct sl_wire_weight){
			.id = model->backends[i].id,
			.weight_milli = clamp_weight(weights_milli[i]),
		};
	*n_bytes = (size_t)total;
	return body;
}
