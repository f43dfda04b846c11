// SPDX-License-Identifier: Apache-2.0
#include "body.h"

#include <stdlib.h>

#include "hash.h"
#include "packets.h"

#define TCP_IDLE_S 7440
#define UDP_IDLE_S 300

uint64_t sl_body_backend_id(const struct sl_body_backend *be)
{
	struct sl_ip ip = sl_packet_ip(be->address);
	uint64_t words[2];

	memcpy(words, ip.bytes, sizeof(words));
	return sl_mix64(words[0] ^ sl_mix64(words[1] + be->port)) | 1;
}

static struct sl_wire_header *start(enum sl_wire_kind kind, uint64_t generation, uint64_t epoch,
                                    size_t n_bytes)
{
	struct sl_wire_header *h = calloc(1, n_bytes);

	if (h == NULL)
		abort();
	h->magic = SL_WIRE_MAGIC;
	h->version = SL_WIRE_VERSION;
	h->kind = (uint16_t)kind;
	h->generation = generation;
	h->epoch = epoch;
	h->total_bytes = (uint32_t)n_bytes;
	return h;
}

static void fill_pool(struct sl_wire_pool *row, struct sl_wire_backend *backends, uint32_t first,
                      const struct sl_body_pool *pool)
{
	row->first_backend = first;
	row->n_backends = pool->n_backends;
	row->tcp_idle_s = TCP_IDLE_S;
	row->udp_idle_s = UDP_IDLE_S;
	row->limit_flows = pool->limit_flows;
	row->forward = pool->forward;
	row->balance = pool->balance;
	row->mtu_guard = pool->mtu_guard;
	for (uint32_t i = 0; i < pool->n_backends; i++) {
		struct sl_wire_backend *be = &backends[first + i];

		be->address = sl_packet_ip(pool->backends[i].address);
		be->id = sl_body_backend_id(&pool->backends[i]);
		be->port = pool->backends[i].port;
		be->weight_milli = pool->backends[i].weight_milli;
	}
}

struct sl_wire_header *sl_body_config(const struct sl_body_spec *spec)
{
	size_t n_backends = 0, n_bytes;
	struct sl_wire_header *h;
	struct sl_wire_vip *vips;
	struct sl_wire_pool *pools;
	struct sl_wire_backend *backends;
	uint32_t first = 0;

	for (uint32_t i = 0; i < spec->n_pools; i++)
		n_backends += spec->pools[i].n_backends;
	n_bytes = sizeof(*h) + spec->n_vips * sizeof(*vips) + spec->n_pools * sizeof(*pools) +
	          n_backends * sizeof(*backends);
	h = start(SL_WIRE_CONFIG, spec->generation, spec->epoch, n_bytes);
	h->n_vips = spec->n_vips;
	h->n_pools = spec->n_pools;
	h->n_backends = (uint32_t)n_backends;
	vips = (struct sl_wire_vip *)(h + 1);
	pools = (struct sl_wire_pool *)(vips + spec->n_vips);
	backends = (struct sl_wire_backend *)(pools + spec->n_pools);
	for (uint32_t i = 0; i < spec->n_vips; i++) {
		const struct sl_body_vip *vip = &spec->vips[i];

		vips[i] = (struct sl_wire_vip){.address = sl_packet_ip(vip->address),
		                               .id = 1000 + i,
		                               .pool = vip->pool,
		                               .port_first = vip->port_first,
		                               .port_last = vip->port_last,
		                               .proto = vip->proto,
		                               .affinity = vip->affinity};
	}
	for (uint32_t i = 0; i < spec->n_pools; i++) {
		pools[i].id = 2000 + i;
		fill_pool(&pools[i], backends, first, &spec->pools[i]);
		for (uint32_t b = 0; b < spec->pools[i].n_backends; b++)
			backends[first + b].pool = i;
		first += spec->pools[i].n_backends;
	}
	return h;
}

struct sl_wire_header *sl_body_weights(uint64_t generation, uint64_t epoch,
                                       const struct sl_body_backend *rows, uint32_t n_rows)
{
	size_t n_bytes = sizeof(struct sl_wire_header) + n_rows * sizeof(struct sl_wire_weight);
	struct sl_wire_header *h = start(SL_WIRE_WEIGHTS, generation, epoch, n_bytes);
	struct sl_wire_weight *weights = (struct sl_wire_weight *)(h + 1);

	h->n_weights = n_rows;
	for (uint32_t i = 0; i < n_rows; i++)
		weights[i] = (struct sl_wire_weight){.id = sl_body_backend_id(&rows[i]),
		                                     .weight_milli = rows[i].weight_milli};
	return h;
}
