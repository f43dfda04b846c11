// SPDX-License-Identifier: Apache-2.0
// Ports: from the lines of dataplane.yaml to started DPDK devices, and who serves which queue.
//
// Queues:  a port has as many queues as workers where the device can, else fewer; queue q of port p
//          belongs to worker (p + q) mod workers. A worker without a transmit queue of its own on a
//          port hands its packets to the worker that serves queue 0.
// Bonds:   bond.h.
// Devices: af_xdp and af_packet become virtual devices on a kernel interface; an af_xdp port that
// the kernel
//          refuses is opened as af_packet instead, and says so.
// Thread:  main core; read-only for workers once started.
#ifndef SLUICE_IO_PORTS_H
#define SLUICE_IO_PORTS_H

#include "buffers.h"
#include "rss.h"

#define SL_BURST      32
#define SL_NO_QUEUE   UINT16_MAX
#define SL_QUEUE_DESC 1024

#define SL_PORT_VDEV_BYTES 32

struct sl_port {
	uint16_t id; // DPDK's
	uint16_t n_queues;
	uint16_t tx_queue[SL_MAX_WORKERS]; // by worker; SL_NO_QUEUE = hand over to tx_worker
	uint16_t tx_worker;
	uint16_t parent; // port number; another one's for a VLAN, which has no queues to receive on
	uint8_t rss;     // enum sl_rss_side in force
	bool is_trunk;   // a device with VLANs
	bool is_af_xdp;
	bool is_bond;
	bool has_checks; // the device tells of wrong checksums
	bool is_lacp;    // its driver wants a transmit burst now and then, even an empty one
	char device[SL_NAME_BYTES]; // as opened, for operators
};

struct sl_bond;

struct sl_ports {
	struct sl_port ports[SL_MAX_PORTS];
	uint8_t macs[SL_MAX_PORTS][6];
	uint32_t n_ports;
	uint32_t n_workers;
	struct sl_rss rss;                     // made before the first port
	bool has_rss;                          // some port steers by it
	bool has_lacp;                         // some port is_lacp
	struct sl_bond *bonds[SL_MAX_DEVICES]; // owned
	uint32_t n_bonds;
	uint64_t next_watch_ns;        // of bonds
	struct rte_mempool *pool;      // every core's packet buffers, and those of most ports
	struct rte_mempool *long_pool; // of ports with a long mtu; NULL without
};

struct sl_text { // a reason, for the operator
	char text[256];
};

// Each packet's struct sl_pkt lives in its buffer's private area, so a hand-off keeps what was
// parsed.
static inline struct sl_pkt *sl_pkt_of(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

static inline struct rte_mbuf *sl_mbuf_of(struct sl_pkt *pkt)
{
	return (struct rte_mbuf *)RTE_PTR_SUB(pkt, sizeof(struct rte_mbuf));
}

// Opens and starts all ports; config outlives them, and hears which side RSS is to look at. 0 or
// -errno with the reason. xdp_object: path of our XDP program.
int sl_ports_start(struct sl_ports *ports, struct sl_dpconfig *config, const char *xdp_object,
                   struct sl_text *why);

// Opens the device of this line (af_packet, pci or vdev) without configuring it; an af_packet
// device is called name. 0 and its DPDK number, or -errno.
int sl_ports_probe(const struct sl_ports *ports, const struct sl_dp_port *config, const char *name,
                   uint16_t *id, struct sl_text *why);

// Raise the mtu of this line's kernel interface, where it is lower.
int sl_ports_raise_mtu(const struct sl_dp_port *config, struct sl_text *why);

// Configure and start one DPDK port as number index (tests bring rings and null devices).
int sl_ports_add(struct sl_ports *ports, uint16_t dpdk_id, const char *device, struct sl_text *why);

// The same as this line of the configuration says; its rss is SOURCE, DESTINATION or OFF by now.
int sl_ports_add_as(struct sl_ports *ports, uint16_t dpdk_id, const char *device,
                    const struct sl_dp_port *config, struct sl_text *why);

// Number the VLANs of the configuration behind their devices, all of which were added.
void sl_ports_add_vlans(struct sl_ports *ports, const struct sl_dpconfig *config);

// buffer_bytes: headroom and packet, RTE_MBUF_DEFAULT_BUF_SIZE for real ones.
struct rte_mempool *sl_ports_make_pool(const char *name, uint32_t n_mbufs, uint16_t buffer_bytes);

void sl_ports_stop(struct sl_ports *ports);

static inline uint32_t sl_ports_queue_worker(const struct sl_ports *ports, uint32_t port,
                                             uint32_t queue)
{
	return (port + queue) % ports->n_workers;
}

#endif
