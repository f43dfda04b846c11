// SPDX-License-Identifier: Apache-2.0
#include "buffers.h"

#include <rte_mbuf_pool_ops.h>
#include <rte_ether.h>

#include "qos.h"

// The AF_XDP driver keeps up to 4096 buffers per queue in its rings, af_packet none, and a NIC its
// two descriptor rings.
#define MBUFS_PER_QUEUE      6144
#define LONG_MBUFS_PER_QUEUE 3072
#define MBUFS_BASE           8192
#define LONG_MBUFS_BASE      4096
#define MBUF_CACHE           256

// What stands in front of the IP packet, and behind it where the device leaves it.
#define FRAME_EXTRA_BYTES (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN)
#define NIC_UNIT_BYTES    1024 // some NICs take buffer lengths in whole KiB and round down
#define PAGE_BYTES        4096
#define TPACKET_BYTES     80 // header, address and padding in front of a packet, tpacket_v2

#define XDP_HEADROOM_BYTES 256 // XDP_PACKET_HEADROOM, which the kernel takes out of each chunk
_Static_assert(SL_MTU_AF_XDP_BYTES + FRAME_EXTRA_BYTES + XDP_HEADROOM_BYTES <=
                       RTE_MBUF_DEFAULT_DATAROOM,
               "an AF_XDP chunk holds what the configuration allows");
_Static_assert(SL_MTU_USUAL_BYTES + FRAME_EXTRA_BYTES + TPACKET_BYTES <= RTE_MBUF_DEFAULT_DATAROOM,
               "a usual buffer holds what any device writes into it");

uint32_t sl_buffers_count_devices(const struct sl_dpconfig *config)
{
	uint32_t n = 0;

	for (uint32_t p = 0; p < config->n_ports; p++)
		n += config->ports[p].vlan_id == 0;
	return n;
}

bool sl_buffers_is_af_packet(const struct sl_dp_port *port)
{
	return port->kind == SL_DEVICE_AF_PACKET ||
	       (port->kind == SL_DEVICE_BOND && port->members[0].kind == SL_DEVICE_AF_PACKET);
}

// Each has queues of its own.
static uint32_t count_members(const struct sl_dp_port *port)
{
	return RTE_MAX(1u, (uint32_t)port->n_members);
}

uint32_t sl_buffers_pool_of(const struct sl_dp_port *port)
{
	return port->mtu_bytes > SL_MTU_USUAL_BYTES ? SL_POOL_LONG : SL_POOL_USUAL;
}

uint32_t sl_buffers_af_packet_frame(uint16_t mtu_bytes)
{
	if (mtu_bytes <= SL_MTU_USUAL_BYTES)
		return RTE_MBUF_DEFAULT_DATAROOM;
	return RTE_ALIGN_CEIL(mtu_bytes + FRAME_EXTRA_BYTES + TPACKET_BYTES, PAGE_BYTES);
}

static uint32_t long_bytes(const struct sl_dp_port *port)
{
	if (sl_buffers_is_af_packet(port))
		return sl_buffers_af_packet_frame(port->mtu_bytes);
	return RTE_ALIGN_CEIL((uint32_t)port->mtu_bytes + FRAME_EXTRA_BYTES, NIC_UNIT_BYTES);
}

// The queues of ports with a rate hold packets of any pool.
static uint32_t count_queued(const struct sl_dpconfig *config)
{
	uint32_t n = 0;

	for (uint32_t p = 0; p < config->n_ports; p++)
		n += config->ports[p].rate_bps != 0 ? sl_qos_slots() : 0;
	return n;
}

void sl_buffers_plan(const struct sl_dpconfig *config, struct sl_pool_plan plans[SL_POOLS])
{
	uint32_t n_devices = sl_buffers_count_devices(config), n_usual = 0, n_long = 0;
	const uint32_t n_queued = count_queued(config);

	plans[SL_POOL_LONG] = (struct sl_pool_plan){0};
	for (uint32_t p = 0; p < n_devices; p++) {
		const struct sl_dp_port *port = &config->ports[p];

		if (sl_buffers_pool_of(port) != SL_POOL_LONG) {
			n_usual += count_members(port);
			continue;
		}
		n_long += count_members(port);
		plans[SL_POOL_LONG].data_bytes =
			RTE_MAX(plans[SL_POOL_LONG].data_bytes, long_bytes(port));
	}
	if (n_long != 0)
		plans[SL_POOL_LONG].n_mbufs = LONG_MBUFS_BASE + n_queued +
		                              n_long * config->n_workers * LONG_MBUFS_PER_QUEUE;
	plans[SL_POOL_USUAL] = (struct sl_pool_plan){
		.n_mbufs = MBUFS_BASE + n_queued + n_usual * config->n_workers * MBUFS_PER_QUEUE,
		.data_bytes = RTE_MBUF_DEFAULT_DATAROOM};
}

static uint32_t buffer_bytes(const struct sl_pool_plan *plan)
{
	return RTE_PKTMBUF_HEADROOM + plan->data_bytes;
}

static uint32_t object_bytes(const struct sl_pool_plan *plan)
{
	return (uint32_t)(sizeof(struct rte_mbuf) + SL_PRIVATE_BYTES + buffer_bytes(plan));
}

uint64_t sl_buffers_pool_bytes(const struct sl_pool_plan *plan)
{
	uint64_t n_bytes =
		(uint64_t)plan->n_mbufs * rte_mempool_calc_obj_size(object_bytes(plan), 0, NULL);

	if (n_bytes == 0)
		return 0;
	n_bytes += n_bytes / 64; // ends of hugepages, where no buffer may cross one
	return n_bytes + rte_align32pow2(plan->n_mbufs + 1) * sizeof(void *); // ring of free ones
}

// The AF_XDP driver tells the kernel that the pool is n_mbufs times one object long, so objects
// must lie side by side. By default DPDK lets none cross a page, and without hugepages that doubles
// the length: the kernel then throws away every buffer beyond, until no port receives any more.
// Devices that read physical addresses need the default; they are never without hugepages.
static unsigned int pool_flags(void)
{
	bool is_virtual = !rte_eal_has_hugepages() || rte_eal_iova_mode() == RTE_IOVA_VA;

	return is_virtual ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0;
}

struct rte_mempool *sl_buffers_make_pool(const char *name, const struct sl_pool_plan *plan)
{
	struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size =
	                                                   (uint16_t)buffer_bytes(plan),
	                                           .mbuf_priv_size = SL_PRIVATE_BYTES};
	struct rte_mempool *pool =
		rte_mempool_create_empty(name, plan->n_mbufs, object_bytes(plan), MBUF_CACHE,
	                                 sizeof(private), SOCKET_ID_ANY, pool_flags());

	if (pool == NULL)
		return NULL;
	rte_pktmbuf_pool_init(pool, &private);
	if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0 ||
	    rte_mempool_populate_default(pool) < 0) {
		rte_mempool_free(pool);
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}
