// SPDX-License-Identifier: Apache-2.0
// The XDP program's decisions, run by the kernel over real packets (BPF_PROG_TEST_RUN) with an
// AF_XDP socket in its map: REDIRECT is Sluice's, PASS the kernel's.
#include "xdp_bench.h"

#include <netinet/in.h>

#include <xdp/xsk.h>

#include "layout.h"
#include "localpkt.h"

#define N_FRAMES    4
#define FRAME_BYTES 4096

static struct bench {
	struct bpf_object *object;
	struct sl_xdp *xdp;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons done, rx;
	void *frames;
} bench; // one for all cases: Check forks each from a process that has it open

// A test run's packets arrive on lo, queue 0, of this namespace.
static void add_socket(void)
{
	const struct xsk_umem_config umem_config = {
		.fill_size = N_FRAMES, .comp_size = N_FRAMES, .frame_size = FRAME_BYTES};
	const struct xsk_socket_config config = {.rx_size = N_FRAMES,
	                                         .tx_size = N_FRAMES,
	                                         .libxdp_flags =
	                                                 XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
	                                         .bind_flags = XDP_COPY};
	const uint32_t queue = 0;
	int map_fd = bpf_object__find_map_fd_by_name(bench.object, "xsks_map");
	int socket_fd;

	ck_assert_int_eq(posix_memalign(&bench.frames, FRAME_BYTES, N_FRAMES * FRAME_BYTES), 0);
	ck_assert_int_eq(xsk_umem__create(&bench.umem, bench.frames, N_FRAMES * FRAME_BYTES,
	                                  &bench.fill, &bench.done, &umem_config),
	                 0);
	ck_assert_int_eq(xsk_socket__create(&bench.socket, "lo", queue, bench.umem, &bench.rx,
	                                    &bench.tx, &config),
	                 0);
	socket_fd = xsk_socket__fd(bench.socket);
	ck_assert_int_eq(bpf_map_update_elem(map_fd, &queue, &socket_fd, BPF_ANY), 0);
}

static void setup(void)
{
	const struct sl_ip own[] = {sl_packet_ip("198.51.100.1"), sl_packet_ip("10.0.0.1"),
	                            sl_packet_ip("2001:db8:100::1"), sl_packet_ip("2001:db8:1::1")};
	const struct sl_xdp_backend backends[] = {
		xdp_bench_backend("10.0.0.11", 8000, IPPROTO_TCP),
		xdp_bench_backend("10.0.0.12", 0, IPPROTO_UDP),
		xdp_bench_backend("2001:db8:1::11", 8000, IPPROTO_TCP),
		xdp_bench_backend("2001:db8:1::12", 0, IPPROTO_UDP),
	};
	const struct sl_xdp_sets sets = {own, N_OF(own), backends, N_OF(backends)};

	xdp_bench_enter();
	xdp_bench_ip("addr add 10.0.0.5/24 dev slx0");
	xdp_bench_ip("addr add 2001:db8:1::5/64 dev slx0");
	xdp_bench_prepare("lo");
	bench.object = xdp_bench_load();
	bench.xdp = xdp_bench_open();
	add_socket();
	xdp_bench_sync(bench.xdp, &sets);
}

static void teardown(void)
{
	xsk_socket__delete(bench.socket);
	xsk_umem__delete(bench.umem);
	free(bench.frames);
	sl_xdp_close(bench.xdp);
	bpf_object__close(bench.object);
}

static int decide(const uint8_t *frame, size_t n_bytes)
{
	struct bpf_test_run_opts run = {
		.sz = sizeof(run), .data_in = frame, .data_size_in = (uint32_t)n_bytes};

	ck_assert_msg(bpf_prog_test_run_opts(xdp_bench_program(bench.object), &run) == 0,
	              "test run of %zu bytes: %s", n_bytes, strerror(errno));
	return (int)run.retval;
}

static const char *verdict(int retval)
{
	return retval == XDP_REDIRECT ? "ours" : retval == XDP_PASS ? "kernel" : "neither";
}

struct wire_case {
	const char *name;
	const char *src, *dst;
	uint8_t proto, icmp_type;
	uint16_t sport, dport, frag;
	const uint8_t *ext;
	uint8_t ext_bytes, ext_next, n_vlans;
	const char *quote_dst; // of a TCP packet from dst
	const char *target;    // ND
	bool is_ours;
};

#define CLIENT4 "203.0.113.9"
#define CLIENT6 "2001:db8:9::9"
#define TCP     IPPROTO_TCP
#define UDP     IPPROTO_UDP
#define ICMP    IPPROTO_ICMP
#define ICMP6   IPPROTO_ICMPV6
#define OPTS    IPPROTO_DSTOPTS
#define FRAG    IPPROTO_FRAGMENT
#define PAD     OPTS, 0, 1, 4, 0, 0, 0, 0

static const uint8_t v4_options[8] = {1, 1, 1, 1, 1, 1, 1, 0};
static const uint8_t one_ext_tcp[8] = {TCP, 0, 1, 4, 0, 0, 0, 0};
static const uint8_t long_ext_tcp[24] = {TCP, 2, 1, 20};
static const uint8_t four_ext_tcp[32] = {PAD, PAD, PAD, TCP, 0, 1, 4, 0, 0, 0, 0};
static const uint8_t many_ext_tcp[48] = {PAD, PAD, PAD, PAD, PAD, TCP, 0, 1, 4, 0, 0, 0, 0};
static const uint8_t frag_tcp[8] = {TCP, 0, 0, 1, 0, 0, 0, 7};
static const uint8_t later_udp[8] = {UDP, 0, 5, 0, 0, 0, 0, 7};
static const uint8_t frag_icmp6[8] = {ICMP6, 0, 0, 1, 0, 0, 0, 7};
static const uint8_t ext_frag_tcp[16] = {FRAG, 0, 1, 4, 0, 0, 0, 0, TCP, 0, 5, 1, 0, 0, 0, 7};

// clang-format off
static const struct wire_case cases[] = {
	{"v4 TCP to a VIP", CLIENT4, "198.51.100.1", TCP, .dport = 443, .is_ours = true},
	{"v4 GRE to a VIP", CLIENT4, "198.51.100.1", IPPROTO_GRE, .is_ours = true},
	{"v4 fragment to a VIP", CLIENT4, "198.51.100.1", UDP, .frag = 0x2001, .is_ours = true},
	{"v4 echo to our address", CLIENT4, "10.0.0.1", ICMP, 8, .is_ours = true},
	{"v4 to somebody else", CLIENT4, "198.51.100.2", TCP, .dport = 443},
	{"v4 ssh to the kernel", CLIENT4, "10.0.0.5", TCP, .dport = 22},
	{"v4 under one tag", CLIENT4, "198.51.100.1", TCP, .n_vlans = 1, .is_ours = true},
	{"v4 under two tags", CLIENT4, "198.51.100.1", TCP, .n_vlans = 2, .is_ours = true},
	{"v4 to somebody else under two tags", CLIENT4, "198.51.100.2", TCP, .n_vlans = 2},
	{"v4 reply of a backend", "10.0.0.11", CLIENT4, TCP, .sport = 8000, .is_ours = true},
	{"v4 reply under two tags", "10.0.0.11", CLIENT4, TCP, .sport = 8000, .n_vlans = 2,
	 .is_ours = true},
	{"v4 reply with IP options", "10.0.0.11", CLIENT4, TCP, .sport = 8000, .ext = v4_options,
	 .ext_bytes = 8, .is_ours = true},
	{"v4 backend, other port", "10.0.0.11", CLIENT4, TCP, .sport = 22},
	{"v4 backend, other protocol", "10.0.0.11", CLIENT4, UDP, .sport = 8000},
	{"v4 backend on any port", "10.0.0.12", CLIENT4, UDP, .sport = 4791, .is_ours = true},
	{"v4 backend on any port, other protocol", "10.0.0.12", CLIENT4, TCP, .sport = 4791},
	{"v4 reply of a backend to a probe", "10.0.0.11", "10.0.0.5", TCP, .sport = 8000},
	{"v4 fragment of a reply", "10.0.0.11", CLIENT4, TCP, .sport = 8000, .frag = 0x0001,
	 .is_ours = true},
	{"v4 first fragment of a reply", "10.0.0.12", CLIENT4, UDP, .sport = 8000, .frag = 0x2000,
	 .is_ours = true},
	{"v4 fragment of a backend's echo", "10.0.0.11", CLIENT4, ICMP, 8, .frag = 0x2000},
	{"v4 fragment of somebody else", "10.0.0.13", CLIENT4, TCP, .sport = 8000, .frag = 0x0001},
	{"v4 fragment of a reply to a probe", "10.0.0.11", "10.0.0.5", TCP, .sport = 8000,
	 .frag = 0x2000},
	{"v4 error about a packet to a backend", "10.0.0.254", CLIENT4, ICMP, 3,
	 .quote_dst = "10.0.0.11", .is_ours = true},
	{"v4 time exceeded on the way to a backend", "10.0.0.254", CLIENT4, ICMP, 11,
	 .quote_dst = "10.0.0.12", .is_ours = true},
	{"v4 error about somebody else", "10.0.0.254", CLIENT4, ICMP, 3, .quote_dst = "10.0.0.13"},
	{"v4 echo that looks like an error", "10.0.0.254", CLIENT4, ICMP, 8,
	 .quote_dst = "10.0.0.11"},
	{"v4 error about a probe", "10.0.0.254", "10.0.0.5", ICMP, 3, .quote_dst = "10.0.0.11"},
	{"v4 error about a reply, to the VIP", CLIENT4, "198.51.100.1", ICMP, 3,
	 .quote_dst = CLIENT4, .is_ours = true},
	{"v6 TCP to a VIP", CLIENT6, "2001:db8:100::1", TCP, .dport = 443, .is_ours = true},
	{"v6 fragment to a VIP", CLIENT6, "2001:db8:100::1", TCP, .ext = frag_tcp, .ext_bytes = 8,
	 .ext_next = FRAG, .is_ours = true},
	{"v6 echo to our address", CLIENT6, "2001:db8:1::1", ICMP6, 128, .is_ours = true},
	{"v6 to somebody else", CLIENT6, "2001:db8:100::2", TCP, .dport = 443},
	{"v6 ssh to the kernel", CLIENT6, "2001:db8:1::5", TCP, .dport = 22},
	{"v6 under two tags", CLIENT6, "2001:db8:100::1", TCP, .n_vlans = 2, .is_ours = true},
	{"v6 reply of a backend", "2001:db8:1::11", CLIENT6, TCP, .sport = 8000, .is_ours = true},
	{"v6 backend, other port", "2001:db8:1::11", CLIENT6, TCP, .sport = 22},
	{"v6 backend on any port", "2001:db8:1::12", CLIENT6, UDP, .sport = 4791, .is_ours = true},
	{"v6 reply of a backend to a probe", "2001:db8:1::11", "2001:db8:1::5", TCP, .sport = 8000},
	{"v6 reply behind an extension header", "2001:db8:1::11", CLIENT6, TCP, .sport = 8000,
	 .ext = one_ext_tcp, .ext_bytes = 8, .ext_next = OPTS, .is_ours = true},
	{"v6 reply behind a long extension header", "2001:db8:1::11", CLIENT6, TCP, .sport = 8000,
	 .ext = long_ext_tcp, .ext_bytes = 24, .ext_next = OPTS, .is_ours = true},
	{"v6 reply behind four extension headers", "2001:db8:1::11", CLIENT6, TCP, .sport = 8000,
	 .ext = four_ext_tcp, .ext_bytes = 32, .ext_next = OPTS, .is_ours = true},
	{"v6 reply behind more than are followed", "2001:db8:1::11", CLIENT6, TCP, .sport = 8000,
	 .ext = many_ext_tcp, .ext_bytes = 48, .ext_next = OPTS},
	{"v6 first fragment of a reply", "2001:db8:1::11", CLIENT6, TCP, .sport = 8000,
	 .ext = frag_tcp, .ext_bytes = 8, .ext_next = FRAG, .is_ours = true},
	{"v6 later fragment of a reply", "2001:db8:1::12", CLIENT6, UDP, .ext = later_udp,
	 .ext_bytes = 8, .ext_next = FRAG, .is_ours = true},
	{"v6 fragment of a reply behind options", "2001:db8:1::11", CLIENT6, TCP, .sport = 8000,
	 .ext = ext_frag_tcp, .ext_bytes = 16, .ext_next = OPTS, .is_ours = true},
	{"v6 fragment of a backend's echo", "2001:db8:1::11", CLIENT6, ICMP6, 128,
	 .ext = frag_icmp6, .ext_bytes = 8, .ext_next = FRAG},
	{"v6 fragment of somebody else", "2001:db8:1::13", CLIENT6, TCP, .sport = 8000,
	 .ext = frag_tcp, .ext_bytes = 8, .ext_next = FRAG},
	{"v6 fragment of a reply to a probe", "2001:db8:1::11", "2001:db8:1::5", TCP, .sport = 8000,
	 .ext = frag_tcp, .ext_bytes = 8, .ext_next = FRAG},
	{"v6 packet too big for a backend", "2001:db8:1::fe", CLIENT6, ICMP6, 2,
	 .quote_dst = "2001:db8:1::11", .is_ours = true},
	{"v6 error about somebody else", "2001:db8:1::fe", CLIENT6, ICMP6, 2,
	 .quote_dst = "2001:db8:1::13"},
	{"v6 echo that looks like an error", "2001:db8:1::fe", CLIENT6, ICMP6, 128,
	 .quote_dst = "2001:db8:1::11"},
	{"solicitation for a VIP", CLIENT6, "ff02::1:ff00:1", ICMP6, 135,
	 .target = "2001:db8:100::1", .is_ours = true},
	{"detection of a duplicate of ours", "::", "ff02::1:ff00:1", ICMP6, 135,
	 .target = "2001:db8:1::1", .n_vlans = 1, .is_ours = true},
	{"solicitation for the kernel", CLIENT6, "ff02::1:ff00:5", ICMP6, 135,
	 .target = "2001:db8:1::5"},
	{"solicitation for somebody else", CLIENT6, "ff02::1:ff00:7", ICMP6, 135,
	 .target = "2001:db8:1::7"},
	{"advertisement to our address", "2001:db8:1::11", "2001:db8:1::1", ICMP6, 136,
	 .target = "2001:db8:1::11", .is_ours = true},
	{"advertisement to the kernel", "2001:db8:1::11", "2001:db8:1::5", ICMP6, 136,
	 .target = "2001:db8:1::11"},
	{"advertisement to everybody", "2001:db8:1::11", "ff02::1", ICMP6, 136,
	 .target = "2001:db8:1::11"},
	{"router solicitation", "fe80::1", "ff02::2", ICMP6, 133},
};
// clang-format on

static size_t build(const struct wire_case *c, uint8_t *frame)
{
	struct sl_packet_spec quote = {.proto = TCP},
			      spec = {
				      .dst_mac = {2, 0, 0, 0, 0, 1},
				      .src_mac = {2, 0, 0, 0, 0, 9},
				      .n_vlans = c->n_vlans,
				      .vlan_tpid = {SL_ETHERTYPE_SVLAN, SL_ETHERTYPE_VLAN},
				      .src = sl_packet_ip(c->src),
				      .dst = sl_packet_ip(c->dst),
				      .proto = c->proto,
				      .ttl = 255,
				      .frag = c->frag,
				      .ext = c->ext,
				      .ext_bytes = c->ext_bytes,
				      .ext_next = c->ext_next,
				      .sport = c->sport,
				      .dport = c->dport,
				      .icmp_type = c->icmp_type,
			      };
	struct sl_ip target;

	if (c->n_vlans == 1)
		spec.vlan_tpid[0] = SL_ETHERTYPE_VLAN;
	if (c->quote_dst != NULL) {
		quote.src = spec.dst;
		quote.dst = sl_packet_ip(c->quote_dst);
		spec.quote = &quote;
		spec.quote_bytes = sl_ip_is_v4(&quote.dst) ? 28 : 48;
	}
	if (c->target != NULL) {
		target = sl_packet_ip(c->target);
		spec.payload = target.bytes;
		spec.payload_bytes = sizeof(target.bytes);
	}
	return sl_packet_build(frame, SL_PACKET_MAX_BYTES, &spec);
}

START_TEST(shared_takes_what_is_ours_and_leaves_the_rest)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	int got = decide(frame, build(&cases[_i], frame));

	ck_assert_msg(got == (cases[_i].is_ours ? XDP_REDIRECT : XDP_PASS), "%s: %s",
	              cases[_i].name, verdict(got));
}
END_TEST

START_TEST(shared_leaves_a_packet_that_is_cut_short)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	const struct wire_case *c = &cases[_i];
	size_t n_bytes = build(c, frame), l3 = SL_ETH_BYTES + c->n_vlans * SL_VLAN_BYTES;
	bool is_v6 = strchr(c->dst, ':') != NULL, was_ours = false;

	for (size_t n = SL_ETH_BYTES; n <= n_bytes; n++) {
		int got = decide(frame, n);

		ck_assert_msg(got == XDP_PASS || got == XDP_REDIRECT, "%s at %zu", c->name, n);
		ck_assert_msg(got == XDP_PASS || n >= l3 + (is_v6 ? SL_IPV6_BYTES : SL_IPV4_BYTES),
		              "%s: taken with %zu bytes", c->name, n);
		ck_assert_msg(got == XDP_REDIRECT || !was_ours, "%s: let go at %zu", c->name, n);
		was_ours = got == XDP_REDIRECT;
	}
	ck_assert(was_ours == c->is_ours);
}
END_TEST

static const struct {
	const char *name;
	const char *source, *target;
	uint8_t op, hw;
	bool is_ours;
} arps[] = {
	{"who has a VIP", CLIENT4, "198.51.100.1", 1, 1, true},
	{"who has the kernel's address", CLIENT4, "10.0.0.5", 1, 1, false},
	{"who has somebody else", CLIENT4, "10.0.0.77", 1, 1, false},
	{"an answer to us", "10.0.0.11", "10.0.0.1", 2, 1, true},
	{"an answer to the kernel", "10.0.0.11", "10.0.0.5", 2, 1, false},
	{"a backend's announcement", "10.0.0.11", "10.0.0.11", 1, 1, false},
	{"hardware other than Ethernet", CLIENT4, "198.51.100.1", 1, 6, false},
};

START_TEST(shared_takes_arp_whose_target_is_ours)
{
	struct sl_ip source = sl_packet_ip(arps[_i].source), target = sl_packet_ip(arps[_i].target);
	const struct sl_l2 l2 = {.our_mac = {2, 0, 0, 0, 0, 9}};
	uint8_t frame[SL_LOCALPKT_MAX_BYTES];
	size_t n_bytes = sl_build_ask(frame, sizeof(frame), &l2, &source, &target);
	int got;

	frame[SL_ETH_BYTES + 1] = arps[_i].hw;
	frame[SL_ETH_BYTES + 7] = arps[_i].op;
	got = decide(frame, n_bytes);
	ck_assert_msg(got == (arps[_i].is_ours ? XDP_REDIRECT : XDP_PASS), "%s: %s", arps[_i].name,
	              verdict(got));
	ck_assert_int_eq(decide(frame, n_bytes - 1), XDP_PASS);
}
END_TEST

START_TEST(dedicated_takes_everything)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];

	ck_assert_int_eq(sl_xdp_set_mode(bench.xdp, "lo", true), 0);
	for (size_t i = 0; i < N_OF(cases); i++)
		ck_assert_msg(decide(frame, build(&cases[i], frame)) == XDP_REDIRECT, "%s",
		              cases[i].name);
	memset(frame, 0, 64); // not even a protocol
	ck_assert_int_eq(decide(frame, 64), XDP_REDIRECT);
	ck_assert_int_eq(sl_xdp_set_mode(bench.xdp, "lo", false), 0);
	ck_assert_int_eq(decide(frame, 64), XDP_PASS);
}
END_TEST

START_TEST(without_a_socket_the_kernel_gets_everything)
{
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes = build(&cases[0], frame);
	int map_fd = bpf_object__find_map_fd_by_name(bench.object, "xsks_map");
	int socket_fd = xsk_socket__fd(bench.socket);
	const uint32_t queue = 0;

	ck_assert_int_eq(decide(frame, n_bytes), XDP_REDIRECT);
	ck_assert_int_eq(bpf_map_delete_elem(map_fd, &queue), 0);
	ck_assert_int_eq(decide(frame, n_bytes), XDP_PASS);
	ck_assert_int_eq(bpf_map_update_elem(map_fd, &queue, &socket_fd, BPF_ANY), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("xdp");
	TCase *tc = tcase_create("decisions");

	suite_add_tcase(suite, tc);
	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, shared_takes_what_is_ours_and_leaves_the_rest, 0, N_OF(cases));
	tcase_add_loop_test(tc, shared_leaves_a_packet_that_is_cut_short, 0, N_OF(cases));
	tcase_add_loop_test(tc, shared_takes_arp_whose_target_is_ours, 0, N_OF(arps));
	tcase_add_test(tc, dedicated_takes_everything);
	tcase_add_test(tc, without_a_socket_the_kernel_gets_everything);
	return xdp_bench_run(suite);
}
