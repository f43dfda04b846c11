// SPDX-License-Identifier: Apache-2.0
#include "ports.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf_pool_ops.h>

// The AF_XDP driver keeps up to 4096 buffers per queue in its rings, af_packet none.
#define MBUFS_PER_QUEUE 6144
#define MBUFS_BASE      8192
#define MBUF_CACHE      256

static int fail(struct sl_text *why, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct sl_text *why, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return code;
}

static uint32_t object_bytes(uint32_t buffer_bytes)
{
	return (uint32_t)(sizeof(struct rte_mbuf) + SL_PRIVATE_BYTES + buffer_bytes);
}

uint32_t sl_ports_count_mbufs(uint32_t n_ports, uint32_t n_workers)
{
	return MBUFS_BASE + n_ports * n_workers * MBUFS_PER_QUEUE;
}

uint64_t sl_ports_pool_bytes(uint32_t n_mbufs)
{
	uint64_t n_bytes =
		(uint64_t)n_mbufs *
		rte_mempool_calc_obj_size(object_bytes(RTE_MBUF_DEFAULT_BUF_SIZE), 0, NULL);

	n_bytes += n_bytes / 64; // ends of hugepages, where no buffer may cross one
	return n_bytes + rte_align32pow2(n_mbufs + 1) * sizeof(void *); // the ring of free ones
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

struct rte_mempool *sl_ports_make_pool(const char *name, uint32_t n_mbufs, uint16_t buffer_bytes)
{
	struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = buffer_bytes,
	                                           .mbuf_priv_size = SL_PRIVATE_BYTES};
	struct rte_mempool *pool =
		rte_mempool_create_empty(name, n_mbufs, object_bytes(buffer_bytes), MBUF_CACHE,
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

static int start_queues(struct sl_ports *ports, struct sl_port *port, struct sl_text *why)
{
	int err;

	for (uint16_t q = 0; q < port->n_queues; q++) {
		err = rte_eth_rx_queue_setup(port->id, q, SL_QUEUE_DESC, SOCKET_ID_ANY, NULL,
		                             ports->pool);
		if (err == 0)
			err = rte_eth_tx_queue_setup(port->id, q, SL_QUEUE_DESC, SOCKET_ID_ANY,
			                             NULL);
		if (err != 0)
			return fail(why, err, "queue %u of %s: %s", q, port->device,
			            strerror(-err));
	}
	return 0;
}

static void deal_queues(const struct sl_ports *ports, struct sl_port *port, uint32_t index)
{
	for (uint32_t w = 0; w < SL_MAX_WORKERS; w++)
		port->tx_queue[w] = SL_NO_QUEUE;
	for (uint16_t q = 0; q < port->n_queues; q++)
		port->tx_queue[sl_ports_queue_worker(ports, index, q)] = q;
	port->tx_worker = (uint16_t)sl_ports_queue_worker(ports, index, 0);
}

int sl_ports_add(struct sl_ports *ports, uint16_t dpdk_id, const char *device, struct sl_text *why)
{
	uint32_t index = ports->n_ports;
	struct sl_port *port = &ports->ports[index];
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	struct rte_eth_conf conf = {0};
	int err;

	memset(port, 0, sizeof(*port));
	port->id = dpdk_id;
	snprintf(port->device, sizeof(port->device), "%s", device);
	err = rte_eth_dev_info_get(dpdk_id, &info);
	if (err != 0)
		return fail(why, err, "%s: no device information: %s", device, strerror(-err));
	port->n_queues = (uint16_t)RTE_MIN(
		ports->n_workers, (uint32_t)RTE_MIN(info.max_rx_queues, info.max_tx_queues));
	if (port->n_queues == 0)
		return fail(why, -ENODEV, "%s has no queues", device);
	if (port->n_queues > 1 && info.flow_type_rss_offloads != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
	err = rte_eth_dev_configure(dpdk_id, port->n_queues, port->n_queues, &conf);
	if (err != 0)
		return fail(why, err, "%s refuses %u queues: %s", device, port->n_queues,
		            strerror(-err));
	err = start_queues(ports, port, why);
	if (err != 0)
		return err;
	err = rte_eth_dev_start(dpdk_id);
	if (err != 0)
		return fail(why, err, "%s does not start: %s", device, strerror(-err));
	rte_eth_promiscuous_enable(
		dpdk_id); // VIP MACs of dsr and IPv6 groups; the core checks MACs
	if (rte_eth_macaddr_get(dpdk_id, &mac) != 0)
		return fail(why, -ENODEV, "%s has no MAC address", device);
	memcpy(ports->macs[index], mac.addr_bytes, 6);
	deal_queues(ports, port, index);
	ports->n_ports++;
	return 0;
}

// Receive queues of a kernel interface: AF_XDP needs one socket on each, or packets pass us by.
static uint32_t interface_queues(const char *interface)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {.ifr_data = (char *)&channels};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t n_queues = 1;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", interface);
	if (fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0)
		n_queues = RTE_MAX(1u, RTE_MAX(channels.combined_count, channels.rx_count));
	if (fd >= 0)
		close(fd);
	return n_queues;
}

static int probe_vdev(const char *name, const char *args, uint16_t *id)
{
	int err = rte_eal_hotplug_add("vdev", name, args);

	if (err != 0)
		return err;
	return rte_eth_dev_get_port_by_name(name, id);
}

static int open_af_packet(struct sl_ports *ports, const struct sl_dp_port *config, uint32_t index,
                          struct sl_text *why)
{
	char name[32], args[SL_DPCONFIG_ARGS_BYTES + 64], device[SL_NAME_BYTES];
	uint16_t id;
	int err;

	snprintf(name, sizeof(name), "net_af_packet%u", index);
	snprintf(args, sizeof(args), "iface=%s,qpairs=%u", config->device, ports->n_workers);
	err = probe_vdev(name, args, &id);
	if (err != 0)
		return fail(why, err, "af_packet:%s does not open: %s", config->device,
		            strerror(-err));
	snprintf(device, sizeof(device), "af_packet:%.40s", config->device);
	return sl_ports_add(ports, id, device, why);
}

static int open_af_xdp(struct sl_ports *ports, const struct sl_dp_port *config, uint32_t index,
                       const char *xdp_object, struct sl_text *why)
{
	char name[32], args[SL_DPCONFIG_ARGS_BYTES + 512], device[SL_NAME_BYTES];
	uint32_t n_queues = interface_queues(config->device);
	uint16_t id;
	int err;

	snprintf(name, sizeof(name), "net_af_xdp%u", index);
	if (n_queues > ports->n_workers)
		return fail(why, -EINVAL,
		            "%s has %u receive queues for %u workers; run: ethtool -L %s combined "
		            "%u",
		            config->device, n_queues, ports->n_workers, config->device,
		            ports->n_workers);
	snprintf(args, sizeof(args), "iface=%s,start_queue=0,queue_count=%u,xdp_prog=%s",
	         config->device, n_queues, xdp_object);
	err = probe_vdev(name, args, &id);
	if (err != 0)
		return fail(why, err, "af_xdp:%s does not open: %s", config->device,
		            strerror(-err));
	snprintf(device, sizeof(device), "af_xdp:%.40s", config->device);
	err = sl_ports_add(ports, id, device, why);
	if (err != 0) {
		rte_eth_dev_close(id);
		rte_eal_hotplug_remove("vdev", name);
		return err;
	}
	ports->ports[ports->n_ports - 1].is_af_xdp = true;
	return 0;
}

static int open_port(struct sl_ports *ports, const struct sl_dp_port *config, uint32_t index,
                     const char *xdp_object, struct sl_text *why)
{
	char name[32];
	uint16_t id;
	int err;

	switch (config->kind) {
	case SL_DEVICE_AF_XDP:
		err = open_af_xdp(ports, config, index, xdp_object, why);
		if (err == 0)
			return 0;
		fprintf(stderr, "<4>port %s: %s; using af_packet instead (slower)\n", config->name,
		        why->text);
		return open_af_packet(ports, config, index, why);
	case SL_DEVICE_AF_PACKET:
		return open_af_packet(ports, config, index, why);
	case SL_DEVICE_PCI:
		err = rte_eth_dev_get_port_by_name(config->device, &id);
		if (err != 0)
			return fail(why, err, "pci:%s is not there or not bound to vfio-pci",
			            config->device);
		return sl_ports_add(ports, id, config->device, why);
	default: {
		const char *comma = strchr(config->device, ',');
		size_t n_name =
			comma != NULL ? (size_t)(comma - config->device) : strlen(config->device);

		snprintf(name, sizeof(name), "%.*s", (int)n_name, config->device);
		err = probe_vdev(name, comma != NULL ? comma + 1 : "", &id);
		if (err != 0)
			return fail(why, err, "vdev:%s does not open: %s", config->device,
			            strerror(-err));
		return sl_ports_add(ports, id, name, why);
	}
	}
}

// Only ever raised: what fits into a tunnel is decided by the configuration, not by the device.
static int raise_mtu(uint16_t id, const struct sl_dp_port *config, struct sl_text *why)
{
	uint16_t mtu_bytes;
	int err = rte_eth_dev_get_mtu(id, &mtu_bytes);

	if (err == 0 && mtu_bytes < config->mtu_bytes)
		err = rte_eth_dev_set_mtu(id, config->mtu_bytes);
	if (err != 0)
		return fail(why, err, "port %s: the device refuses mtu %u: %s", config->name,
		            config->mtu_bytes, strerror(-err));
	return 0;
}

int sl_ports_start(struct sl_ports *ports, const struct sl_dpconfig *config, const char *xdp_object,
                   struct sl_text *why)
{
	uint32_t n_mbufs = sl_ports_count_mbufs(config->n_ports, config->n_workers);

	memset(ports, 0, sizeof(*ports));
	ports->n_workers = config->n_workers;
	ports->pool = sl_ports_make_pool("sluice", n_mbufs, RTE_MBUF_DEFAULT_BUF_SIZE);
	if (ports->pool == NULL)
		return fail(why, -rte_errno, "no memory for packet buffers: %s; raise memory.size",
		            rte_strerror(rte_errno));
	for (uint32_t i = 0; i < config->n_ports; i++) {
		int err = open_port(ports, &config->ports[i], i, xdp_object, why);

		if (err == 0)
			err = raise_mtu(ports->ports[i].id, &config->ports[i], why);
		if (err != 0)
			return err;
	}
	return 0;
}

void sl_ports_stop(struct sl_ports *ports)
{
	for (uint32_t i = 0; i < ports->n_ports; i++) {
		rte_eth_dev_stop(ports->ports[i].id);
		rte_eth_dev_close(ports->ports[i].id);
	}
	ports->n_ports = 0;
}
