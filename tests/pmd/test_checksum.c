// SPDX-License-Identifier: Apache-2.0
// What devices say about checksums: wrong ones end as bad_checksum, the rest goes on.
#include "sl_check.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "world.h"

static const struct {
	const char *name;
	uint64_t flags;
	bool has_checks, is_bad;
} cases[] = {
	{"nobody looked", 0, true, false},
	{"both are good", RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD, true, false},
	{"the IP header is bad", RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_GOOD, true,
         true},
	{"TCP or UDP is bad", RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD, true, true},
	{"none is in the IP header", RTE_MBUF_F_RX_IP_CKSUM_NONE, true, false},
	{"none is known of TCP or UDP", RTE_MBUF_F_RX_L4_CKSUM_NONE, true, false},
	{"checksums are left to the ends", RTE_MBUF_F_RX_L4_CKSUM_BAD, false, false},
};
#define N_CASES (int)(sizeof(cases) / sizeof(cases[0]))

START_TEST(a_packet_that_the_device_calls_bad_is_dropped_by_name)
{
	struct rte_mbuf *others[SL_BURST];
	struct sl_rig *rig = sl_world_start(&sl_worlds[WORLD_V4], SL_FORWARD_NAT, 1, IPPROTO_UDP);
	struct sl_packet_spec in = sl_world_request(&sl_worlds[WORLD_V4], IPPROTO_UDP, 40000);
	unsigned int n_left = 0;

	rig->a.ports.ports[RIG_FRONT].has_checks = cases[_i].has_checks;
	for (int i = 0; i < 3; i++) { // the middle one of a burst
		in.sport = (uint16_t)(40000 + i);
		sl_rig_put_spec(rig, RIG_FRONT, &in);
	}
	ck_assert_uint_eq(
		rte_ring_dequeue_burst(rig->to_us[RIG_FRONT], (void **)others, SL_BURST, NULL), 3);
	others[1]->ol_flags |= cases[_i].flags;
	ck_assert_uint_eq(
		rte_ring_enqueue_burst(rig->to_us[RIG_FRONT], (void *const *)others, 3, NULL), 3);
	sl_rig_turn(rig);
	while (sl_rig_take(rig, RIG_BACK).n_bytes != 0)
		n_left++;
	ck_assert_msg(n_left == (cases[_i].is_bad ? 2 : 3), "%s: %u packets left", cases[_i].name,
	              n_left);
	ck_assert_uint_eq(sl_rig_drops(rig, SL_DROP_BAD_CHECKSUM), cases[_i].is_bad);
	sl_rig_check_accounts(rig);
	sl_rig_free(rig);
}
END_TEST

// Whether the device calls a packet bad whose UDP checksum is.
static bool receive_broken(uint16_t id)
{
	const struct sockaddr_ll to = {.sll_family = AF_PACKET,
	                               .sll_ifindex = (int)if_nametoindex("slchecks")};
	struct sl_packet_spec spec = sl_world_request(&sl_worlds[WORLD_V4], IPPROTO_UDP, 40000);
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes = sl_packet_build(frame, sizeof(frame), &spec);
	struct rte_mbuf *m = NULL;
	uint64_t flags;

	frame[n_bytes - 1] ^= 1;
	ck_assert_int_eq(sendto(fd, frame, n_bytes, 0, (const void *)&to, sizeof(to)),
	                 (ssize_t)n_bytes);
	close(fd);
	while (m == NULL) { // the kernel says something of its own there, too
		if (rte_eth_rx_burst(id, 0, &m, 1) == 0)
			continue;
		if (rte_pktmbuf_data_len(m) == n_bytes &&
		    memcmp(rte_pktmbuf_mtod(m, void *), frame, n_bytes) == 0)
			break;
		rte_pktmbuf_free(m);
		m = NULL;
	}
	flags = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	rte_pktmbuf_free(m);
	return flags == RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

// DPDK's tap device checks in software what a NIC checks by itself.
START_TEST(a_device_that_can_check_is_asked_to_unless_the_operator_declines)
{
	const struct sl_dp_port config = {
		.kind = SL_DEVICE_VDEV, .rss = SL_RSS_OFF, .checksums = (uint8_t)_i};
	struct sl_ports *ports = calloc(1, sizeof(*ports));
	struct sl_text why = {""};
	uint16_t id;

	ck_assert(ports != NULL && unshare(CLONE_NEWNET) == 0);
	sl_rig_start_eal();
	ports->n_workers = 1;
	ports->pool = sl_ports_make_pool("checksum", 4096, RTE_MBUF_DEFAULT_BUF_SIZE);
	ck_assert(ports->pool != NULL);
	ck_assert_int_eq(rte_eal_hotplug_add("vdev", "net_tap0", "iface=slchecks"), 0);
	ck_assert_int_eq(rte_eth_dev_get_port_by_name("net_tap0", &id), 0);
	ck_assert_msg(sl_ports_add_as(ports, id, "net_tap0", &config, &why) == 0, "%s", why.text);
	ck_assert_int_eq(ports->ports[0].has_checks, _i == SL_CHECKSUMS_AUTO);
	ck_assert_int_eq(receive_broken(id), _i == SL_CHECKSUMS_AUTO);
	sl_ports_stop(ports);
	rte_mempool_free(ports->pool);
	free(ports);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("checksum");
	TCase *tcase = tcase_create("checksum");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, a_packet_that_the_device_calls_bad_is_dropped_by_name, 0,
	                    N_CASES);
	if (geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0)
		tcase_add_loop_test(
			tcase, a_device_that_can_check_is_asked_to_unless_the_operator_declines, 0,
			2);
	suite_add_tcase(suite, tcase);
	return sl_check_run(suite);
}
