// SPDX-License-Identifier: Apache-2.0
#include "config_build.h"

#include <stdlib.h>

#include "ids.h"

#define IPPROTO_TCP_NUMBER 6 // IANA, as in types.h
#define IPPROTO_UDP_NUMBER 17
#define MS_PER_S           1000

// The schema bounds every text below the size of its field; NULL is "".
static void copy_text(char *to, size_t n_bytes, const char *from)
{
	snprintf(to, n_bytes, "%s", from != NULL ? from : "");
}

static uint64_t hash_of(const char *text, size_t n_bytes)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); // FNV-1a, 64 bits

	for (size_t i = 0; i < n_bytes; i++)
		h = (h ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void build_probe(const struct raw_probe *raw, struct sl_model_probe *out)
{
	static const char *const default_paths[] = {[SL_PROBE_HTTP] = "/",
	                                            [SL_PROBE_KSERVE] = "/v2/health/ready",
	                                            [SL_PROBE_GRPC] = NULL};

	*out = (struct sl_model_probe){
		.type = (uint8_t)raw->type,
		.rise = (uint8_t)raw->timing.rise,
		.fall = (uint8_t)raw->timing.fall,
		.jitter_percent = (uint8_t)raw->timing.jitter_percent,
		.port = (uint16_t)raw->port,
		.expect_status = (uint16_t)raw->expect,
		.interval_ms = (uint32_t)raw->timing.interval_ms,
		.timeout_ms = (uint32_t)raw->timing.timeout_ms,
	};
	copy_text(out->name, sizeof(out->name), raw->node->key->text);
	copy_text(out->path, sizeof(out->path),
	          raw->path != NULL ? raw->path : default_paths[raw->type]);
	copy_text(out->contains, sizeof(out->contains), raw->contains);
	copy_text(out->body, sizeof(out->body), raw->body);
	copy_text(out->service, sizeof(out->service), raw->service);
}

static void build_backend(const struct raw_pool *pool, const struct raw_backend *raw,
                          struct sl_model_backend *out)
{
	*out = (struct sl_model_backend){
		.id = sl_id_of_backend(pool->node->key->text, raw->name, &raw->endpoint.address,
	                               raw->endpoint.port),
		.address = raw->endpoint.address,
		// Without a port of its own (DSR) it is probed on the one its VIPs share.
		.port = raw->endpoint.has_port ? raw->endpoint.port : pool->vip_port,
		.weight = (uint16_t)raw->weight,
		.state = (uint8_t)raw->state,
		.line = raw->node->span.line + 1,
		.server_id_bytes = raw->server_id.n_bytes,
	};
	memcpy(out->server_id, raw->server_id.bytes, sizeof(out->server_id));
	copy_text(out->name, sizeof(out->name), raw->name);
}

static void build_quic(const struct raw_quic *raw, struct sl_model_quic *out)
{
	*out = (struct sl_model_quic){
		.config_id = (uint8_t)raw->config_id,
		.server_id_bytes = (uint8_t)raw->server_id_bytes,
		.nonce_bytes = (uint8_t)raw->nonce_bytes,
		.has_key = raw->key.n_bytes != 0,
	};
	memcpy(out->key, raw->key.bytes, sizeof(out->key));
}

static void build_pool(const struct raw_pool *raw, struct sl_model *model)
{
	struct sl_model_pool *out = &model->pools[model->n_pools++];
	const struct raw_probe *probes = raw->probes.items;
	const struct raw_backend *backends = raw->backends.items;
	const struct raw_quic *quics = raw->quic.items;

	*out = (struct sl_model_pool){
		.id = sl_id_of_pool(raw->node->key->text),
		.forward = (uint8_t)raw->forward.mode,
		.mtu_guard = (uint8_t)raw->forward.mtu_guard,
		.client_address = (uint8_t)raw->forward.client_address,
		.balance = (uint8_t)raw->balance,
		.adaptive = (uint8_t)raw->adaptive.mode,
		.latency_probe = raw->latency_probe,
		.ttft_objective_ms = (uint32_t)raw->adaptive.ttft_objective_ms,
		.slow_start_ms = (uint32_t)raw->slow_start_ms,
		.tcp_idle_s = (uint32_t)(raw->timeouts.tcp_ms / MS_PER_S),
		.udp_idle_s = (uint32_t)(raw->timeouts.udp_ms / MS_PER_S),
		.limit_flows = (uint32_t)raw->limits.flows,
		.limit_new_flows_per_s = (uint32_t)raw->limits.new_flows_per_s,
		.first_backend = model->n_backends,
		.n_backends = raw->backends.n,
		.first_probe = model->n_probes,
		.n_probes = raw->probes.n,
		.first_quic = model->n_quics,
		.n_quics = raw->quic.n,
	};
	copy_text(out->name, sizeof(out->name), raw->node->key->text);
	for (uint32_t i = 0; i < raw->probes.n; i++) {
		struct sl_model_probe *probe = &model->probes[model->n_probes++];

		build_probe(&probes[i], probe);
		probe->has_proxy_header =
			out->client_address == SL_CLIENT_ADDRESS_PROXY_V2 && probe->port == 0;
	}
	for (uint32_t i = 0; i < raw->quic.n; i++)
		build_quic(&quics[i], &model->quics[model->n_quics++]);
	for (uint32_t i = 0; i < raw->backends.n; i++)
		build_backend(raw, &backends[i], &model->backends[model->n_backends++]);
}

static void build_prefixes(const struct raw_list *list, bool is_allow, struct sl_model *model)
{
	const struct raw_prefix *prefixes = list->items;

	for (uint32_t i = 0; i < list->n; i++)
		model->prefixes[model->n_prefixes++] =
			(struct sl_model_prefix){.address = prefixes[i].prefix.address,
		                                 .bits = prefixes[i].prefix.bits,
		                                 .is_allow = is_allow};
}

// The defaults are those of limits.source-new-flows.
static uint8_t persist_bits(const struct raw_vip *raw)
{
	if (raw->persistence.node == NULL)
		return 0;
	if (raw->persistence.prefix_bits != 0)
		return (uint8_t)raw->persistence.prefix_bits;
	return sl_ip_is_v4(&raw->address) ? 32 : 64;
}

static void build_vip(const struct raw_vip *raw, struct sl_model *model)
{
	struct sl_model_vip *out = &model->vips[model->n_vips++];
	const struct raw_ports *ports = raw->ports.items;

	*out = (struct sl_model_vip){
		.id = sl_id_of_vip(raw->name),
		.address = raw->address,
		.proto = raw->protocol == 0 ? IPPROTO_TCP_NUMBER : IPPROTO_UDP_NUMBER,
		.affinity = (uint8_t)raw->affinity,
		.is_measured = raw->measure == 1 && raw->protocol == 0,
		.syn_cookies = (uint8_t)raw->syn_cookies,
		.class = (uint8_t)raw->class,
		.limit_flows = (uint32_t)raw->limits.flows,
		.limit_new_flows_per_s = (uint32_t)raw->limits.new_flows_per_s,
		.source_new_flows_per_s = (uint32_t)raw->limits.source_new_flows_per_s,
		.persist_s = (uint32_t)(raw->persistence.timeout_ms / MS_PER_S),
		.persist_bits = persist_bits(raw),
		.first_prefix = model->n_prefixes,
		.n_prefixes = raw->allow.n + raw->deny.n,
		.pool = raw->pool_number,
		.first_range = model->n_ranges,
		.n_ranges = raw->ports.n,
	};
	copy_text(out->name, sizeof(out->name), raw->name);
	for (uint32_t i = 0; i < raw->ports.n; i++)
		model->ranges[model->n_ranges++] = ports[i].range;
	build_prefixes(&raw->allow, true, model);
	build_prefixes(&raw->deny, false, model);
}

// One element more than needed, so that an empty array is not NULL.
static struct sl_model *new_model(const struct raw_pools_file *file)
{
	const struct raw_pool *pools = file->pools.items;
	const struct raw_vip *vips = file->vips.items;
	struct sl_model *model = calloc(1, sizeof(*model));
	size_t n_ranges = 1, n_prefixes = 1, n_probes = 1, n_backends = 1, n_quics = 1;

	if (model == NULL)
		return NULL;
	for (uint32_t i = 0; i < file->pools.n; i++) {
		n_probes += pools[i].probes.n;
		n_backends += pools[i].backends.n;
		n_quics += pools[i].quic.n;
	}
	for (uint32_t i = 0; i < file->vips.n; i++) {
		n_ranges += vips[i].ports.n;
		n_prefixes += vips[i].allow.n + vips[i].deny.n;
	}
	model->vips = calloc((size_t)file->vips.n + 1, sizeof(*model->vips));
	model->ranges = calloc(n_ranges, sizeof(*model->ranges));
	model->prefixes = calloc(n_prefixes, sizeof(*model->prefixes));
	model->pools = calloc((size_t)file->pools.n + 1, sizeof(*model->pools));
	model->probes = calloc(n_probes, sizeof(*model->probes));
	model->quics = calloc(n_quics, sizeof(*model->quics));
	model->backends = calloc(n_backends, sizeof(*model->backends));
	if (model->vips != NULL && model->ranges != NULL && model->prefixes != NULL &&
	    model->quics != NULL && model->pools != NULL && model->probes != NULL &&
	    model->backends != NULL)
		return model;
	sl_model_free(model);
	return NULL;
}

struct sl_model *sl_build_model(const struct raw_pools_file *file, const char *text, size_t n_bytes)
{
	const struct raw_pool *pools = file->pools.items;
	const struct raw_vip *vips = file->vips.items;
	struct sl_model *model = new_model(file);

	if (model == NULL)
		return NULL;
	for (uint32_t i = 0; i < file->pools.n; i++)
		build_pool(&pools[i], model);
	for (uint32_t i = 0; i < file->vips.n; i++)
		build_vip(&vips[i], model);
	model->hash = hash_of(text, n_bytes);
	return model;
}

static void build_addresses(const struct raw_list *list, struct sl_dp_port *out)
{
	const struct raw_prefix *addresses = list->items;

	out->n_addresses = (uint8_t)list->n;
	for (uint32_t i = 0; i < list->n; i++)
		out->addresses[i] = addresses[i].prefix;
}

static void build_port(const struct raw_port *raw, struct sl_dp_port *out)
{
	const struct raw_member *members = raw->members.items;

	copy_text(out->name, sizeof(out->name), raw->name);
	copy_text(out->device, sizeof(out->device), raw->device.args);
	out->kind = raw->device.kind;
	out->mode = (uint8_t)raw->mode;
	out->rss = (uint8_t)raw->rss;
	out->checksums = (uint8_t)raw->checksums;
	out->mtu_bytes = (uint16_t)raw->mtu_bytes;
	out->rate_bps = raw->rate_bps;
	out->training_percent = (uint8_t)raw->training_percent;
	out->bond_mode = raw->device.bond_mode;
	out->n_members = (uint8_t)raw->members.n;
	for (uint32_t i = 0; i < raw->members.n; i++) {
		copy_text(out->members[i].device, sizeof(out->members[i].device),
		          members[i].device.args);
		out->members[i].kind = members[i].device.kind;
	}
	build_addresses(&raw->addresses, out);
}

static void build_vlans(const struct raw_port *raw, uint16_t parent, struct sl_dpconfig *out)
{
	const struct raw_vlan *vlans = raw->vlans.items;

	for (uint32_t i = 0; i < raw->vlans.n; i++) {
		struct sl_dp_port *port = &out->ports[out->n_ports++];

		copy_text(port->name, sizeof(port->name), vlans[i].name);
		port->kind = SL_DEVICE_VLAN;
		port->parent = parent;
		port->vlan_id = (uint16_t)vlans[i].id;
		port->mtu_bytes = (uint16_t)vlans[i].mtu_bytes;
		if (port->mtu_bytes == 0)
			port->mtu_bytes = (uint16_t)raw->mtu_bytes;
		port->rate_bps = vlans[i].rate_bps;
		port->training_percent = (uint8_t)vlans[i].training_percent;
		build_addresses(&vlans[i].addresses, port);
	}
}

static void build_markings(const struct raw_markings *raw, struct sl_dpconfig *out)
{
	for (uint32_t q = 0; q < SL_QOS_COUNT; q++) {
		const struct raw_marking *marking = &raw->queues[q];

		out->dscps[q] = sl_node_find(marking->node, "dscp") != NULL ? (uint8_t)marking->dscp
		                                                            : SL_QOS_AS_IT_IS;
		out->pcps[q] = sl_node_find(marking->node, "pcp") != NULL ? (uint8_t)marking->pcp
		                                                          : SL_QOS_AS_IT_IS;
	}
}

void sl_build_dpconfig(const struct raw_dataplane_file *file, struct sl_dpconfig *out)
{
	const struct raw_cpu *cpus = file->cpus.items;
	const struct raw_port *ports = file->ports.items;
	const struct raw_route *routes = file->routes.items;

	memset(out, 0, sizeof(*out));
	out->magic = SL_DPCONFIG_MAGIC;
	out->version = SL_DPCONFIG_VERSION;
	out->total_bytes = sizeof(*out);
	out->n_workers = (uint32_t)file->workers;
	out->n_ports = file->ports.n;
	out->n_routes = file->routes.n;
	out->n_cpus = file->cpus.n;
	out->idle = (uint8_t)file->idle;
	out->hugepages = (uint8_t)file->memory.hugepages;
	out->flows = file->flows;
	out->memory_bytes = file->memory.size_bytes;
	copy_text(out->socket, sizeof(out->socket), file->socket);
	build_markings(&file->markings, out);
	for (uint32_t i = 0; i < file->cpus.n; i++)
		out->cpus[i] = (uint16_t)cpus[i].cpu;
	for (uint32_t i = 0; i < file->ports.n; i++)
		build_port(&ports[i], &out->ports[i]);
	for (uint32_t i = 0; i < file->ports.n; i++)
		build_vlans(&ports[i], (uint16_t)i, out);
	for (uint32_t i = 0; i < file->routes.n; i++) {
		out->routes[i].to = routes[i].to;
		out->routes[i].via = routes[i].via;
	}
}
