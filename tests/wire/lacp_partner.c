// SPDX-License-Identifier: Apache-2.0
// A switch that speaks LACP: an aggregate of two interfaces on one side, a plain interface on the
// other, every packet passed on. For kernels without bonding; testpmd is none, as it transmits no
// empty bursts, in which DPDK's LACP lives.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_eth_bond.h>
#include <rte_ethdev.h>

#define N_MBUFS   16384
#define N_DESC    512
#define BURST     32
#define PAUSE_NS  20000
#define N_MEMBERS 2

static struct rte_mempool *pool;

static uint16_t open_interface(const char *interface)
{
	char name[64], args[128];
	uint16_t id;

	snprintf(name, sizeof(name), "net_af_packet_%s", interface);
	snprintf(args, sizeof(args), "iface=%s,qpairs=1", interface);
	if (rte_eal_hotplug_add("vdev", name, args) != 0 ||
	    rte_eth_dev_get_port_by_name(name, &id) != 0)
		rte_exit(EXIT_FAILURE, "%s does not open\n", interface);
	return id;
}

static void start_port(uint16_t id)
{
	const struct rte_eth_conf conf = {0};

	if (rte_eth_dev_configure(id, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup(id, 0, N_DESC, SOCKET_ID_ANY, NULL, pool) != 0 ||
	    rte_eth_tx_queue_setup(id, 0, N_DESC, SOCKET_ID_ANY, NULL) != 0 ||
	    rte_eth_dev_start(id) != 0)
		rte_exit(EXIT_FAILURE, "port %u does not start\n", id);
	rte_eth_promiscuous_enable(id);
}

static uint16_t pass(uint16_t from, uint16_t to)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t n = rte_eth_rx_burst(from, 0, pkts, BURST);
	uint16_t n_sent = rte_eth_tx_burst(to, 0, pkts, n); // of none, too

	if (n_sent < n)
		rte_pktmbuf_free_bulk(pkts + n_sent, n - n_sent);
	return n;
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0],       "--no-huge",      "-m",       "128",    "--no-pci",
	               "--no-shconf", "--no-telemetry", "--lcores", "0@(0-1)"};
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	uint16_t members[N_MEMBERS], plain;
	int bond;

	if (argc != 2 + N_MEMBERS || rte_eal_init(RTE_DIM(eal), eal) < 0)
		return EXIT_FAILURE;
	pool = rte_pktmbuf_pool_create("partner", N_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
	                               SOCKET_ID_ANY);
	for (int m = 0; m < N_MEMBERS; m++)
		members[m] = open_interface(argv[2 + m]);
	plain = open_interface(argv[1]);
	bond = rte_eth_bond_create("net_bonding0", BONDING_MODE_8023AD, 0);
	if (pool == NULL || bond < 0)
		return EXIT_FAILURE;
	for (int m = 0; m < N_MEMBERS; m++) {
		if (rte_eth_bond_slave_add((uint16_t)bond, members[m]) != 0)
			return EXIT_FAILURE;
	}
	start_port(plain);
	start_port((uint16_t)bond);
	for (int m = 0; m < N_MEMBERS; m++)
		rte_eth_promiscuous_enable(members[m]);
	printf("lacp_partner: ready\n");
	fflush(stdout);
	for (;;) { // until killed
		if (pass((uint16_t)bond, plain) + pass(plain, (uint16_t)bond) == 0)
			nanosleep(&pause, NULL);
	}
}
