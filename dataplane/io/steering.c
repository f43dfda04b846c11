// SPDX-License-Identifier: Apache-2.0
#include "steering.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

int sl_steering_prepare(const struct sl_dpconfig *config, struct sl_text *why)
{
	for (uint32_t p = 0; p < config->n_ports; p++) {
		int err;

		if (config->ports[p].kind != SL_DEVICE_AF_XDP)
			continue;
		err = sl_xdp_prepare(config->ports[p].device, why->text, sizeof(why->text));
		if (err != 0)
			return err;
	}
	return 0;
}

int sl_steering_open(struct sl_xdp **xdp, const struct sl_appliance *a, struct sl_text *why)
{
	int err = 0;

	for (uint32_t p = 0; p < a->config.n_ports && err == 0; p++) {
		const struct sl_dp_port *port = &a->config.ports[p];

		if (!a->ports.ports[p].is_af_xdp)
			continue;
		if (*xdp == NULL)
			err = sl_xdp_open(xdp, why->text, sizeof(why->text));
		if (err == 0)
			err = sl_xdp_set_mode(*xdp, port->device, port->mode == SL_PORT_DEDICATED);
	}
	return err == 0 ? sl_steering_sync(*xdp, a, why) : err;
}

static size_t collect_own(const struct sl_appliance *a, struct sl_ip *own)
{
	const struct sl_wire_header *config = a->pub.config;
	size_t n = 0;

	for (uint32_t i = 0; config != NULL && i < config->n_vips; i++)
		own[n++] = sl_wire_vips(config)[i].address;
	for (uint32_t p = 0; p < a->config.n_ports; p++) {
		for (uint32_t i = 0; i < a->config.ports[p].n_addresses; i++)
			own[n++] = a->config.ports[p].addresses[i].address;
	}
	return n;
}

// Replies come from the backend's port, or from the VIP's when the pool keeps it.
static size_t collect_backends(const struct sl_wire_header *config, struct sl_xdp_backend *out)
{
	size_t n = 0;

	for (uint32_t v = 0; v < config->n_vips; v++) {
		const struct sl_wire_vip *vip = &sl_wire_vips(config)[v];
		const struct sl_wire_pool *pool = &sl_wire_pools(config)[vip->pool];
		uint16_t vip_port = vip->port_first == vip->port_last ? vip->port_first : 0;

		for (uint32_t b = 0; b < pool->n_backends; b++) {
			const struct sl_wire_backend *be =
				&sl_wire_backends(config)[pool->first_backend + b];

			out[n++] = (struct sl_xdp_backend){
				.address = be->address,
				.port_be = htons(be->port != 0 ? be->port : vip_port),
				.proto = vip->proto,
			};
		}
	}
	return n;
}

static size_t count_backends(const struct sl_wire_header *config)
{
	size_t n = 0;

	for (uint32_t v = 0; v < config->n_vips; v++)
		n += sl_wire_pools(config)[sl_wire_vips(config)[v].pool].n_backends;
	return n;
}

int sl_steering_sync(struct sl_xdp *xdp, const struct sl_appliance *a, struct sl_text *why)
{
	const struct sl_wire_header *config = a->pub.config;
	size_t n_vips = config != NULL ? config->n_vips : 0;
	size_t n_backends = config != NULL ? count_backends(config) : 0;
	struct sl_xdp_backend *backends;
	struct sl_ip *own;
	int err = -ENOMEM;

	if (xdp == NULL)
		return 0;
	own = calloc(n_vips + SL_MAX_PORTS * SL_MAX_PORT_ADDRESSES, sizeof(*own));
	backends = calloc(n_backends + 1, sizeof(*backends));
	if (own != NULL && backends != NULL) {
		struct sl_xdp_sets sets = {.own = own,
		                           .n_own = collect_own(a, own),
		                           .backends = backends,
		                           .n_backends = n_backends};

		if (config != NULL)
			collect_backends(config, backends);
		err = sl_xdp_sync(xdp, &sets, why->text, sizeof(why->text));
	}
	free(own);
	free(backends);
	return err;
}
