// SPDX-License-Identifier: Apache-2.0
#include "shaper.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_ethdev.h>

#include "layout.h"

// From now on all workers find no queue of their own there.
static void take_port(struct sl_port *port, struct sl_shaper *shaper)
{
	shaper->worker = port->tx_worker;
	shaper->queue = port->tx_queue[port->tx_worker];
	for (uint32_t w = 0; w < SL_MAX_WORKERS; w++)
		port->tx_queue[w] = SL_NO_QUEUE;
}

static int add(struct sl_io *io, const struct sl_dpconfig *config, uint16_t p, uint64_t now_ns)
{
	const struct sl_dp_port *port = &config->ports[p];
	const uint32_t mtu_bytes = port->mtu_bytes != 0 ? port->mtu_bytes : SL_MTU_DEFAULT_BYTES;
	struct sl_qos_params params = {
		.rate_bps = port->rate_bps,
		.frame_bytes = mtu_bytes + SL_ETH_BYTES + SL_MAX_VLANS * SL_VLAN_BYTES,
		.training_percent = port->training_percent,
		.seed = (uint32_t)now_ns,
		.stats = sl_stats_qos_at(io->stats, p),
	};
	struct sl_shaper *shaper =
		aligned_alloc(SL_CACHE_LINE_BYTES, RTE_ALIGN(sizeof(*shaper), 64));

	if (shaper == NULL)
		return -ENOMEM;
	memset(shaper, 0, sizeof(*shaper));
	io->shapers[p] = shaper;
	io->has_rates = true;
	shaper->slots = calloc(sl_qos_slots(), sizeof(*shaper->slots));
	if (shaper->slots == NULL)
		return -ENOMEM;
	memcpy(params.dscps, config->dscps, sizeof(params.dscps));
	memcpy(params.pcps, config->pcps, sizeof(params.pcps));
	sl_qos_init(&shaper->qos, &params, shaper->slots, now_ns);
	shaper->port = p;
	take_port(&io->ports->ports[p], shaper);
	return 0;
}

int sl_shapers_init(struct sl_io *io, const struct sl_dpconfig *config, uint64_t now_ns)
{
	int err = 0;

	for (uint16_t p = 0; err == 0 && p < config->n_ports; p++) {
		if (config->ports[p].rate_bps != 0)
			err = add(io, config, p, now_ns);
	}
	return err;
}

static void shaper_free(struct sl_shaper *shaper)
{
	struct sl_pkt *pkt;

	if (shaper == NULL)
		return;
	rte_pktmbuf_free_bulk(shaper->pending, shaper->n_pending);
	while (shaper->slots != NULL && (pkt = sl_qos_flush(&shaper->qos)) != NULL)
		rte_pktmbuf_free(sl_mbuf_of(pkt));
	free(shaper->slots);
	free(shaper);
}

void sl_shapers_fini(struct sl_io *io)
{
	for (uint32_t p = 0; p < SL_MAX_PORTS; p++)
		shaper_free(io->shapers[p]);
}

void sl_shapers_give(const struct sl_io *io, struct sl_worker *worker)
{
	for (uint32_t p = 0; p < SL_MAX_PORTS; p++) {
		if (io->shapers[p] != NULL && io->shapers[p]->worker == worker->index)
			worker->shapers[worker->n_shapers++] = io->shapers[p];
	}
}

enum sl_drop sl_shaper_send(struct sl_shaper *shaper, struct rte_mbuf *m, uint64_t now_ns)
{
	struct sl_pkt *pkt = sl_pkt_of(m);

	if (shaper->n_pending < SL_SHAPER_PENDING && sl_qos_pass(&shaper->qos, pkt, now_ns)) {
		shaper->pending[shaper->n_pending++] = m;
		return SL_DROP_COUNT;
	}
	return sl_qos_hold(&shaper->qos, pkt, now_ns) ? SL_DROP_COUNT : sl_qos_drop_of(pkt->queue);
}

static void count(const struct sl_shaper *shaper, const struct sl_io *io, uint32_t n_sent,
                  uint64_t n_bytes)
{
	const uint16_t parent = io->ports->ports[shaper->port].parent;
	struct sl_stats_port *stats = sl_stats_port_at(io->stats, shaper->worker, shaper->port);

	sl_stat_add(&io->workers[shaper->worker]->stats->tx_pkts, n_sent);
	sl_stat_add(&stats->tx_pkts, n_sent);
	sl_stat_add(&stats->tx_bytes, n_bytes);
	if (parent == shaper->port)
		return;
	stats = sl_stats_port_at(io->stats, shaper->worker, parent);
	sl_stat_add(&stats->tx_pkts, n_sent);
	sl_stat_add(&stats->tx_bytes, n_bytes);
}

// The first ones go; what the device leaves moves to the front, so that their order stays.
static uint32_t push(struct sl_shaper *shaper, const struct sl_io *io)
{
	const uint16_t device = io->ports->ports[shaper->port].id;
	uint32_t lengths[SL_SHAPER_PENDING]; // they are the device's as soon as it has them
	uint64_t n_bytes = 0;
	uint32_t n_sent;

	for (uint32_t i = 0; i < shaper->n_pending; i++)
		lengths[i] = rte_pktmbuf_pkt_len(shaper->pending[i]);
	n_sent = rte_eth_tx_burst(device, shaper->queue, shaper->pending,
	                          (uint16_t)shaper->n_pending);
	for (uint32_t i = 0; i < n_sent; i++)
		n_bytes += lengths[i];
	shaper->n_pending -= n_sent;
	memmove(shaper->pending, shaper->pending + n_sent,
	        shaper->n_pending * sizeof(struct rte_mbuf *));
	if (n_sent != 0)
		count(shaper, io, n_sent, n_bytes);
	return n_sent;
}

static uint64_t held(const struct sl_shaper *shaper)
{
	uint64_t n = shaper->n_pending;

	for (uint32_t q = 0; q < SL_QOS_COUNT; q++)
		n += shaper->qos.queues[q].head - shaper->qos.queues[q].tail;
	return n;
}

static uint32_t flush(struct sl_shaper *shaper, const struct sl_io *io, uint64_t now_ns)
{
	uint32_t n_sent = 0, n_pushed;
	struct sl_pkt *pkt;

	do {
		while (shaper->n_pending < SL_SHAPER_PENDING &&
		       (pkt = sl_qos_next(&shaper->qos, now_ns)) != NULL)
			shaper->pending[shaper->n_pending++] = sl_mbuf_of(pkt);
		n_pushed = shaper->n_pending != 0 ? push(shaper, io) : 0;
		n_sent += n_pushed;
	} while (n_pushed == SL_SHAPER_PENDING);
	sl_stat_set(&sl_stats_port_at(io->stats, shaper->worker, shaper->port)->held_pkts,
	            held(shaper));
	return n_sent;
}

uint32_t sl_shapers_flush(struct sl_worker *worker, uint64_t now_ns)
{
	uint32_t n_sent = 0;

	worker->is_holding = false;
	for (uint32_t i = 0; i < worker->n_shapers; i++) {
		n_sent += flush(worker->shapers[i], worker->io, now_ns);
		worker->is_holding |= held(worker->shapers[i]) != 0;
	}
	return n_sent;
}

void sl_shapers_beat(const struct sl_worker *worker)
{
	for (uint32_t i = 0; i < worker->n_shapers; i++) {
		const struct sl_shaper *shaper = worker->shapers[i];
		const struct sl_port *port = &worker->io->ports->ports[shaper->port];

		if (port->is_lacp && port->parent == shaper->port)
			rte_eth_tx_burst(port->id, shaper->queue, NULL, 0);
	}
}
