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
	row->limit_new_flows_per_s = pool->limit_new_flows_per_s;
	row->forward = pool->forward;
	row->balance = pool->balance;
	row->mtu_guard = pool->mtu_guard;
	row->client_address = pool->client_address;
	for (uint32_t i = 0; i < pool->n_backends; i++) {
		struct sl_wire_backend *be = &backends[first + i];

		be->address = sl_packet_ip(pool->backends[i].address);
		be->id = sl_body_backend_id(&pool->backends[i]);
		be->port = pool->backends[i].port;
		be->weight_milli = pool->backends[i].weight_milli;
	}
}

static size_t count_prefixes(const struct sl_body_spec *spec)
{
	size_t n = 0;

	for (uint32_t i = 0; i < spec->n_vips; i++)
		n += (spec->vips[i].allow != NULL) + (spec->vips[i].deny != NULL);
	return n;
}

static void fill_prefix(struct sl_wire_prefix *row, const char *text, enum sl_wire_action action)
{
	const char *slash = strchr(text, '/');
	char address[64];

	if (slash == NULL || slash - text >= (ptrdiff_t)sizeof(address))
		abort();
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	*row = (struct sl_wire_prefix){.address = sl_packet_ip(address),
	                               .bits = (uint8_t)atoi(slash + 1),
	                               .action = (uint8_t)action};
}

static void fill_access(struct sl_wire_header *h, struct sl_wire_vip *row,
                        const struct sl_body_vip *vip, struct sl_wire_prefix *prefixes)
{
	row->first_prefix = h->n_prefixes;
	if (vip->allow != NULL)
		fill_prefix(&prefixes[h->n_prefixes++], vip->allow, SL_WIRE_ALLOW);
	if (vip->deny != NULL)
		fill_prefix(&prefixes[h->n_prefixes++], vip->deny, SL_WIRE_DENY);
	row->n_prefixes = h->n_prefixes - row->first_prefix;
}

static void fill_quics(struct sl_wire_header *h, const struct sl_body_spec *spec,
                       struct sl_wire_backend *backend, struct sl_wire_quic *rows)
{
	for (uint32_t p = 0; p < spec->n_pools; p++) {
		const struct sl_body_pool *pool = &spec->pools[p];

		for (uint32_t i = 0; i < pool->n_quics; i++, h->n_quics++) {
			rows[h->n_quics] = pool->quics[i];
			rows[h->n_quics].pool = p;
		}
		for (uint32_t b = 0; b < pool->n_backends; b++, backend++) {
			if (pool->n_quics == 0)
				continue;
			backend->server_id_bytes = pool->quics[0].server_id_bytes;
			backend->server_id[0] = (uint8_t)(pool->n_backends - b);
		}
	}
}

struct sl_wire_header *sl_body_config(const struct sl_body_spec *spec)
{
	size_t n_backends = 0, n_quics = 0, n_bytes;
	struct sl_wire_header *h;
	struct sl_wire_vip *vips;
	struct sl_wire_pool *pools;
	struct sl_wire_backend *backends;
	struct sl_wire_prefix *prefixes;
	uint32_t first = 0;

	for (uint32_t i = 0; i < spec->n_pools; i++) {
		n_backends += spec->pools[i].n_backends;
		n_quics += spec->pools[i].n_quics;
	}
	n_bytes = sizeof(*h) + spec->n_vips * sizeof(*vips) + spec->n_pools * sizeof(*pools) +
	          n_backends * sizeof(*backends) + count_prefixes(spec) * sizeof(*prefixes) +
	          n_quics * sizeof(struct sl_wire_quic);
	h = start(SL_WIRE_CONFIG, spec->generation, spec->epoch, n_bytes);
	h->n_vips = spec->n_vips;
	h->n_pools = spec->n_pools;
	h->n_backends = (uint32_t)n_backends;
	vips = (struct sl_wire_vip *)(h + 1);
	pools = (struct sl_wire_pool *)(vips + spec->n_vips);
	backends = (struct sl_wire_backend *)(pools + spec->n_pools);
	prefixes = (struct sl_wire_prefix *)(backends + n_backends);
	for (uint32_t i = 0; i < spec->n_vips; i++) {
		const struct sl_body_vip *vip = &spec->vips[i];

		vips[i] =
			(struct sl_wire_vip){.address = sl_packet_ip(vip->address),
		                             .id = 1000 + i,
		                             .pool = vip->pool,
		                             .port_first = vip->port_first,
		                             .port_last = vip->port_last,
		                             .proto = vip->proto,
		                             .affinity = vip->affinity,
		                             .is_measured = vip->is_measured,
		                             .syn_cookies = vip->syn_cookies,
		                             .class = vip->class,
		                             .limit_flows = vip->limit_flows,
		                             .limit_new_flows_per_s = vip->limit_new_flows_per_s,
		                             .source_new_flows_per_s = vip->source_new_flows_per_s,
		                             .persist_s = vip->persist_s,
		                             .persist_bits = vip->persist_bits};
		fill_access(h, &vips[i], vip, prefixes);
	}
	for (uint32_t i = 0; i < spec->n_pools; i++) {
		pools[i].id = 2000 + i;
		fill_pool(&pools[i], backends, first, &spec->pools[i]);
		for (uint32_t b = 0; b < spec->pools[i].n_backends; b++)
			backends[first + b].pool = i;
		first += spec->pools[i].n_backends;
	}
	fill_quics(h, spec, backends, (struct sl_wire_quic *)(void *)(prefixes + h->n_prefixes));
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
