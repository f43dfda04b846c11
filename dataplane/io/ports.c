// SPDX-License-Identifier: Apache-2.0
#include "ports.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "bond.h"
#include "port_rss.h"

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

struct rte_mempool *sl_ports_make_pool(const char *name, uint32_t n_mbufs, uint16_t buffer_bytes)
{
	const struct sl_pool_plan plan = {n_mbufs, buffer_bytes - (uint32_t)RTE_PKTMBUF_HEADROOM};

	return sl_buffers_make_pool(name, &plan);
}

// Its mtu is the kernel's to set.
static bool is_interface(const struct sl_dp_port *config)
{
	return config->kind == SL_DEVICE_AF_XDP || sl_buffers_is_af_packet(config);
}

static int start_queues(struct rte_mempool *pool, struct sl_port *port, struct sl_text *why)
{
	int err;

	for (uint16_t q = 0; q < port->n_queues; q++) {
		err = rte_eth_rx_queue_setup(port->id, q, SL_QUEUE_DESC, SOCKET_ID_ANY, NULL, pool);
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

// A device that does otherwise than it was told still delivers packets: rings see to the rest.
static void steer(struct sl_ports *ports, uint32_t index)
{
	struct sl_port *port = &ports->ports[index];
	int err = port->rss != SL_RSS_OFF ? sl_port_rss_apply(ports, index) : 0;

	if (err != 0) {
		fprintf(stderr,
		        "<4>%s: RSS is not as it was set (%s); packets are handed over instead\n",
		        port->device, strerror(-err));
		port->rss = SL_RSS_OFF;
	}
	ports->has_rss |= port->rss != SL_RSS_OFF;
}

int sl_ports_add(struct sl_ports *ports, uint16_t dpdk_id, const char *device, struct sl_text *why)
{
	static const struct sl_dp_port plain = {.kind = SL_DEVICE_VDEV, .rss = SL_RSS_OFF};

	return sl_ports_add_as(ports, dpdk_id, device, &plain, why);
}

// How the device is to be: queues and mtu. 0 or -errno.
static int configure(const struct sl_ports *ports, struct sl_port *port,
                     const struct sl_dp_port *config, struct sl_text *why)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	int err = rte_eth_dev_info_get(port->id, &info);

	if (err != 0)
		return fail(why, err, "%s: no device information: %s", port->device,
		            strerror(-err));
	port->n_queues = (uint16_t)RTE_MIN(
		ports->n_workers, (uint32_t)RTE_MIN(info.max_rx_queues, info.max_tx_queues));
	if (port->n_queues == 0)
		return fail(why, -ENODEV, "%s has no queues", port->device);
	if (config->checksums == SL_CHECKSUMS_AUTO)
		conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM;
	port->has_checks = conf.rxmode.offloads != 0;
	if (!sl_port_rss_ask(ports, &info, port, &conf))
		port->rss = SL_RSS_OFF;
	if (port->rss == SL_RSS_OFF && port->n_queues > 1 && info.flow_type_rss_offloads != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
	// Only ever raised: what fits into a tunnel is decided by the configuration, not by the
	// device.
	if (!is_interface(config) && config->mtu_bytes > RTE_ETHER_MTU)
		conf.rxmode.mtu = config->mtu_bytes;
	if (conf.rxmode.mtu > info.max_mtu)
		return fail(why, -EINVAL, "%s carries at most %u bytes, not mtu %u", port->device,
		            info.max_mtu, config->mtu_bytes);
	err = rte_eth_dev_configure(port->id, port->n_queues, port->n_queues, &conf);
	if (err != 0)
		return fail(why, err, "%s refuses %u queues and mtu %u: %s", port->device,
		            port->n_queues, config->mtu_bytes, strerror(-err));
	// Drivers of interfaces (tap) take it here alone; what has no length of its own has no
	// call.
	if (conf.rxmode.mtu != 0)
		err = rte_eth_dev_set_mtu(port->id, config->mtu_bytes);
	if (err != 0 && err != -ENOTSUP)
		return fail(why, err, "%s refuses mtu %u: %s", port->device, config->mtu_bytes,
		            strerror(-err));
	return 0;
}

int sl_ports_add_as(struct sl_ports *ports, uint16_t dpdk_id, const char *device,
                    const struct sl_dp_port *config, struct sl_text *why)
{
	uint32_t index = ports->n_ports;
	struct sl_port *port = &ports->ports[index];
	struct rte_mempool *pool = ports->pool;
	struct rte_ether_addr mac;
	int err;

	memset(port, 0, sizeof(*port));
	port->id = dpdk_id;
	port->parent = (uint16_t)index;
	port->rss = config->rss;
	port->is_bond = config->kind == SL_DEVICE_BOND;
	snprintf(port->device, sizeof(port->device), "%s", device);
	if (sl_buffers_pool_of(config) == SL_POOL_LONG)
		pool = ports->long_pool;
	err = configure(ports, port, config, why);
	if (err == 0)
		err = start_queues(pool, port, why);
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
	steer(ports, index);
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

// The kernel's: its drivers in DPDK know no more than 1500.
int sl_ports_raise_mtu(const struct sl_dp_port *config, struct sl_text *why)
{
	struct ifreq request = {.ifr_name = ""};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return fail(why, -errno, "port %s: %s", config->name, strerror(errno));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", config->device);
	if (ioctl(fd, SIOCGIFMTU, &request) != 0)
		err = -errno;
	if (err == 0 && request.ifr_mtu < config->mtu_bytes) {
		request.ifr_mtu = config->mtu_bytes;
		if (ioctl(fd, SIOCSIFMTU, &request) != 0)
			err = -errno;
	}
	close(fd);
	if (err != 0)
		return fail(why, err, "port %s: interface %s refuses mtu %u: %s", config->name,
		            config->device, config->mtu_bytes, strerror(-err));
	return 0;
}

static int probe_vdev(const char *name, const char *args, uint16_t *id)
{
	int err = rte_eal_hotplug_add("vdev", name, args);

	if (err != 0)
		return err;
	return rte_eth_dev_get_port_by_name(name, id);
}

static int probe_af_packet(const struct sl_ports *ports, const struct sl_dp_port *config,
                           const char *name, uint16_t *id, struct sl_text *why)
{
	char args[SL_DPCONFIG_ARGS_BYTES + 64];
	uint32_t frame_bytes = sl_buffers_af_packet_frame(config->mtu_bytes);
	int err = sl_ports_raise_mtu(config, why);

	if (err != 0)
		return err;
	snprintf(args, sizeof(args), "iface=%s,qpairs=%u,framesz=%u,blocksz=%u", config->device,
	         ports->n_workers, frame_bytes, RTE_MAX(frame_bytes, 4096u));
	err = probe_vdev(name, args, id);
	if (err != 0)
		return fail(why, err, "af_packet:%s does not open: %s", config->device,
		            strerror(-err));
	return 0;
}

static void name_vdev(const struct sl_dp_port *config, char name[SL_PORT_VDEV_BYTES])
{
	snprintf(name, SL_PORT_VDEV_BYTES, "%.*s", (int)strcspn(config->device, ","),
	         config->device);
}

int sl_ports_probe(const struct sl_ports *ports, const struct sl_dp_port *config, const char *name,
                   uint16_t *id, struct sl_text *why)
{
	char vdev[SL_PORT_VDEV_BYTES];
	const char *comma = strchr(config->device, ',');
	int err;

	if (config->kind == SL_DEVICE_AF_PACKET)
		return probe_af_packet(ports, config, name, id, why);
	if (config->kind == SL_DEVICE_PCI) {
		err = rte_eth_dev_get_port_by_name(config->device, id);
		if (err != 0)
			return fail(why, err, "pci:%s is not there or not bound to vfio-pci",
			            config->device);
		return 0;
	}
	name_vdev(config, vdev);
	err = probe_vdev(vdev, comma != NULL ? comma + 1 : "", id);
	if (err != 0)
		return fail(why, err, "vdev:%s does not open: %s", config->device, strerror(-err));
	return 0;
}

static int open_af_packet(struct sl_ports *ports, const struct sl_dp_port *config, uint32_t index,
                          struct sl_text *why)
{
	char name[SL_PORT_VDEV_BYTES], device[SL_NAME_BYTES];
	uint16_t id;
	int err;

	snprintf(name, sizeof(name), "net_af_packet%u", index);
	err = probe_af_packet(ports, config, name, &id, why);
	if (err != 0)
		return err;
	snprintf(device, sizeof(device), "af_packet:%.40s", config->device);
	return sl_ports_add_as(ports, id, device, config, why);
}

static int open_bond(struct sl_ports *ports, const struct sl_dp_port *config, uint32_t index,
                     struct sl_text *why)
{
	char device[SL_NAME_BYTES];
	uint16_t id;
	int err = sl_bond_open(ports, config, index, &id, why);

	if (err != 0)
		return err;
	snprintf(device, sizeof(device), "bond:%.40s", config->device);
	err = sl_ports_add_as(ports, id, device, config, why);
	if (err != 0)
		return err;
	ports->ports[index].is_lacp = config->bond_mode == SL_BOND_8023AD;
	ports->has_lacp |= ports->ports[index].is_lacp;
	return sl_bond_settle(ports, index, why);
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
	err = sl_ports_add_as(ports, id, device, config, why);
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
	char name[SL_PORT_VDEV_BYTES];
	uint16_t id;
	int err;

	switch (config->kind) {
	case SL_DEVICE_AF_XDP:
		err = sl_ports_raise_mtu(config, why);
		if (err == 0)
			err = open_af_xdp(ports, config, index, xdp_object, why);
		if (err == 0)
			return 0;
		fprintf(stderr, "<4>port %s: %s; using af_packet instead (slower)\n", config->name,
		        why->text);
		return open_af_packet(ports, config, index, why);
	case SL_DEVICE_AF_PACKET:
		return open_af_packet(ports, config, index, why);
	case SL_DEVICE_BOND:
		return open_bond(ports, config, index, why);
	default:
		err = sl_ports_probe(ports, config, NULL, &id, why);
		if (err != 0)
			return err;
		name_vdev(config, name);
		return sl_ports_add_as(ports, id,
		                       config->kind == SL_DEVICE_PCI ? config->device : name,
		                       config, why);
	}
}

void sl_ports_add_vlans(struct sl_ports *ports, const struct sl_dpconfig *config)
{
	for (uint32_t p = ports->n_ports; p < config->n_ports; p++) {
		const struct sl_dp_port *vlan = &config->ports[p];
		struct sl_port *device = &ports->ports[vlan->parent];

		device->is_trunk = true;
		ports->ports[p] = *device;
		ports->ports[p].n_queues = 0;
		ports->ports[p].is_af_xdp = false;
		snprintf(ports->ports[p].device, sizeof(ports->ports[p].device), "vlan %u of %.40s",
		         vlan->vlan_id, config->ports[vlan->parent].name);
		memcpy(ports->macs[p], ports->macs[vlan->parent], sizeof(ports->macs[p]));
		ports->n_ports++;
	}
}

static int make_pools(struct sl_ports *ports, const struct sl_dpconfig *config, struct sl_text *why)
{
	struct sl_pool_plan plans[SL_POOLS];

	sl_buffers_plan(config, plans);
	ports->pool = sl_buffers_make_pool("sluice", &plans[SL_POOL_USUAL]);
	if (plans[SL_POOL_LONG].n_mbufs != 0 && ports->pool != NULL)
		ports->long_pool = sl_buffers_make_pool("sluice_long", &plans[SL_POOL_LONG]);
	if (ports->pool == NULL || (plans[SL_POOL_LONG].n_mbufs != 0 && ports->long_pool == NULL))
		return fail(why, -rte_errno, "no memory for packet buffers: %s; raise memory.size",
		            rte_strerror(rte_errno));
	return 0;
}

int sl_ports_start(struct sl_ports *ports, struct sl_dpconfig *config, const char *xdp_object,
                   struct sl_text *why)
{
	uint32_t n_devices = sl_buffers_count_devices(config);
	uint64_t seed;
	int err;

	memset(ports, 0, sizeof(*ports));
	ports->n_workers = config->n_workers;
	err = make_pools(ports, config, why);
	if (err != 0)
		return err;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return fail(why, -EIO, "no random numbers");
	sl_rss_init(&ports->rss, seed, ports->n_workers);
	for (uint32_t i = 0; i < n_devices; i++) {
		config->ports[i].rss = (uint8_t)sl_port_rss_side(config, i);
		err = open_port(ports, &config->ports[i], i, xdp_object, why);
		if (err != 0)
			return err;
	}
	sl_ports_add_vlans(ports, config);
	return 0;
}

void sl_ports_stop(struct sl_ports *ports)
{
	for (uint32_t i = 0; i < ports->n_ports; i++) {
		if (ports->ports[i].parent != i)
			continue;
		if (ports->ports[i].is_bond)
			continue;
		rte_eth_dev_stop(ports->ports[i].id);
		rte_eth_dev_close(ports->ports[i].id);
	}
	sl_bonds_stop(ports);
	ports->n_ports = 0;
}
