// SPDX-License-Identifier: Apache-2.0
// Servers behind fullnat learn who their clients are: nginx from the PROXY header, through losses
// too; the option is looked for where it arrives, since no kernel here has a module that reads it.
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "packets.h"
#include "wire_client.h"
#include "wire_ipc.h"
#include "wire_lab.h"
#include "wire_main.h"
#include "wire_net.h"

#define TIMEOUT_MS   8000
#define BLOB_BYTES   (3 << 20)
#define LOST_PERCENT 3 // each way
#define CLIENT_PORT  45678
#define PROBE        "{web: {type: http, path: /who, interval: 200ms, timeout: 200ms, rise: 1}}"
#define ECHO_BYTES   50000

// The last one needs AF_XDP.
static const struct way {
	const char *name, *device;
	bool is_crossed; // servers are of the other family, and still told the client's address
} ways[] = {
	{"af_packet", "af_packet", false},
	{"between families, af_packet", "af_packet", true},
	{"af_xdp", "af_xdp", false},
};

static const struct family {
	const char *url, *client, *vip;
} families[2] = {
	{"http://" SL_LAB_VIP4 ":8000", "10.10.0.2", SL_LAB_VIP4},
	{"http://[" SL_LAB_VIP6 "]:8000", "fd10::2", SL_LAB_VIP6},
};

// /who says what the server was told, /blob is to be fetched, /put/ takes what is sent.
static void write_conf(const struct sl_lab *lab, const char *path)
{
	char conf[2048];

	snprintf(conf, sizeof(conf),
	         "daemon off; master_process off; pid %s/nginx.pid;\n"
	         "events { worker_connections 1024; }\n"
	         "http { access_log off; client_max_body_size 0; keepalive_requests 100000000;\n"
	         "client_body_temp_path %s/body; proxy_temp_path %s/proxy;\n"
	         "fastcgi_temp_path %s/fastcgi; uwsgi_temp_path %s/uwsgi; scgi_temp_path %s/scgi;\n"
	         "server { listen 8000 proxy_protocol; listen [::]:8000 proxy_protocol;\n"
	         "set_real_ip_from 10.20.0.1; set_real_ip_from fd20::1;\n"
	         "real_ip_header proxy_protocol; root %s/www;\n"
	         "location /who { return 200 \"$remote_addr $proxy_protocol_port "
	         "$proxy_protocol_server_addr $proxy_protocol_server_port\\n\"; }\n"
	         "location /put/ { dav_methods PUT; } } }\n",
	         lab->dir, lab->dir, lab->dir, lab->dir, lab->dir, lab->dir, lab->dir);
	sl_proc_write_file(path, conf);
}

static void start_lab(struct sl_lab *lab, const struct way *way, const char *client_address)
{
	const bool is_proxy = strcmp(client_address, "proxy-v2") == 0;
	const struct sl_lab_spec spec = {.device = way->device,
	                                 .is_crossed = way->is_crossed,
	                                 .forward = "fullnat",
	                                 .client_address = client_address,
	                                 .balance = "weighted",
	                                 .probes = is_proxy ? PROBE : NULL,
	                                 .n_servers = 1,
	                                 .n_workers = 1};

	sl_lab_start(lab, &spec);
}

// Probes are answered: they have a header too, which this server insists on.
static void wait_up(struct sl_lab *lab)
{
	const char *const pools[] = {"pool show tcp4", "pool show tcp6"};
	const uint64_t deadline_ms = sl_proc_now_ms() + TIMEOUT_MS;

	for (int p = 0; p < 2; p++) {
		json_int_t n_up = 0;

		while (n_up == 0) {
			json_t *pool = sl_lab_json(lab, pools[p]);

			json_unpack(pool, "{s:I}", "backends_up", &n_up);
			ck_assert_msg(n_up > 0 || sl_proc_now_ms() < deadline_ms, "%s: %s",
			              pools[p], json_dumps(pool, JSON_COMPACT));
			json_decref(pool);
			sl_proc_pause();
		}
	}
}

static void start_nginx(struct sl_lab *lab)
{
	char ns[SL_NET_NAME_BYTES], path[96], log[96];

	sl_proc_must(NULL, "mkdir -p %s/www/put", lab->dir);
	sl_proc_must(NULL, "head -c %d /dev/urandom >%s/www/blob", BLOB_BYTES, lab->dir);
	snprintf(path, sizeof(path), "%s/nginx.conf", lab->dir);
	snprintf(log, sizeof(log), "%s/nginx.log", lab->dir);
	write_conf(lab, path);
	sl_proc_start(&lab->servers[0][0], sl_net_name(ns, "s0"), log,
	              "/usr/sbin/nginx -p %s -c %s -e stderr", lab->dir, path);
	sl_proc_wait_port(&lab->servers[0][0], "tcp6", SL_LAB_TCP_PORT);
	wait_up(lab);
}

static void check_balance(const struct sl_lab *lab, const char *name)
{
	struct sl_stats_view view;

	sl_stats_open(&view, lab);
	sl_stats_check_balance(&view, name);
	sl_stats_close(&view);
}

START_TEST(nginx_learns_client_and_service_from_a_proxy_header)
{
	char ns[SL_NET_NAME_BYTES], want[128], *got;
	struct sl_lab lab;

	start_lab(&lab, &ways[_i], "proxy-v2");
	start_nginx(&lab);
	for (int f = 0; f < 2; f++) {
		// Twice on one connection: the second request has no header before it.
		got = sl_proc_output(sl_net_name(ns, "cli"), TIMEOUT_MS,
		                     "curl -sS -g --max-time 5 --local-port %d %s/who %s/who",
		                     CLIENT_PORT + f, families[f].url, families[f].url);
		snprintf(want, sizeof(want), "%s %d %s 8000\n%s %d %s 8000\n", families[f].client,
		         CLIENT_PORT + f, families[f].vip, families[f].client, CLIENT_PORT + f,
		         families[f].vip);
		ck_assert_str_eq(got, want);
		free(got);
		sl_proc_must(sl_net_name(ns, "cli"),
		             "sh -c 'curl -sS -g --max-time 8 %s/blob | cmp - %s/www/blob'",
		             families[f].url, lab.dir);
		sl_proc_must(sl_net_name(ns, "cli"),
		             "curl -sSf -g --max-time 8 -T %s/www/blob %s/put/%d", lab.dir,
		             families[f].url, f);
		sl_proc_must(NULL, "cmp %s/www/put/%d %s/www/blob", lab.dir, f, lab.dir);
	}
	check_balance(&lab, ways[_i].name);
	sl_lab_stop(&lab);
}
END_TEST

// Headers, their acknowledgements and SACK blocks about what is behind them get lost.
START_TEST(what_is_lost_on_the_way_comes_again_with_its_header)
{
	char ns[SL_NET_NAME_BYTES], want[64], *got;
	struct sl_lab lab;

	start_lab(&lab, &ways[0], "proxy-v2");
	start_nginx(&lab);
	sl_proc_must(sl_net_name(ns, "s0"),
	             "nft 'table inet loss { chain in { type filter hook input priority 0; "
	             "tcp dport %d numgen random mod 100 < %d drop; }; chain out { type filter "
	             "hook output priority 0; tcp sport %d numgen random mod 100 < %d drop; }; }'",
	             SL_LAB_TCP_PORT, LOST_PERCENT, SL_LAB_TCP_PORT, LOST_PERCENT);
	for (int i = 0; i < 60; i++) {
		const struct family *family = &families[i % 2];

		got = sl_proc_output(sl_net_name(ns, "cli"), 4 * TIMEOUT_MS,
		                     "curl -sS -g --max-time 30 %s/who", family->url);
		snprintf(want, sizeof(want), "%s ", family->client);
		ck_assert_msg(strncmp(got, want, strlen(want)) == 0, "connection %d: %s", i, got);
		free(got);
	}
	for (int f = 0; f < 2; f++) {
		sl_proc_must(sl_net_name(ns, "cli"),
		             "sh -c 'curl -sS -g --max-time 60 %s/blob | cmp - %s/www/blob'",
		             families[f].url, lab.dir);
		sl_proc_must(sl_net_name(ns, "cli"),
		             "curl -sSf -g --max-time 60 -T %s/www/blob %s/put/%d", lab.dir,
		             families[f].url, f);
		sl_proc_must(NULL, "cmp %s/www/put/%d %s/www/blob", lab.dir, f, lab.dir);
	}
	sl_lab_stop(&lab);
}
END_TEST

// A listener on the server's interface, of whole frames.
static int tap_open(void)
{
	int fd = sl_net_socket("s0", AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll from = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "eth0");
	ck_assert_int_eq(ioctl(fd, SIOCGIFINDEX, &request), 0);
	from.sll_ifindex = request.ifr_ifindex;
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	return fd;
}

// The TCP header of the next packet that arrives for the service; NULL when time is up.
static const uint8_t *tap_next(int fd, uint8_t frame[2048], int timeout_ms)
{
	const uint64_t deadline_ms = sl_proc_now_ms() + (uint64_t)timeout_ms;
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	while (poll(&ready, 1, timeout_ms) == 1 && sl_proc_now_ms() < deadline_ms) {
		ssize_t n = recv(fd, frame, 2048, 0);
		const bool is_v6 = frame[12] == 0x86 && frame[13] == 0xdd;
		const uint8_t *tcp = frame + (is_v6 ? 54 : 34);

		if (n >= (is_v6 ? 74 : 54) && frame[is_v6 ? 20 : 23] == IPPROTO_TCP &&
		    tcp[2] == SL_LAB_TCP_PORT >> 8 && tcp[3] == (SL_LAB_TCP_PORT & 0xff))
			return tcp;
	}
	return NULL;
}

static size_t toa_of(uint8_t toa[20], uint16_t port, bool is_v6)
{
	toa[0] = 254;
	toa[1] = is_v6 ? 20 : 8;
	toa[2] = (uint8_t)(port >> 8);
	toa[3] = (uint8_t)port;
	inet_pton(is_v6 ? AF_INET6 : AF_INET, families[is_v6].client, toa + 4);
	return toa[1];
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage own = {0};
	socklen_t n_bytes = sizeof(own);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&own, &n_bytes), 0);
	return ntohs(((struct sockaddr_in *)(void *)&own)->sin_port); // the same place in both
}

START_TEST(an_option_arrives_with_the_ack_of_the_handshake_and_with_nothing_later)
{
	struct sl_lab lab;
	uint8_t frame[2048], toa[20];

	start_lab(&lab, &ways[_i], "toa");
	sl_lab_start_echoes(&lab);
	for (int f = 0; f < 2; f++) {
		struct sl_client client;
		const uint8_t *tcp;
		uint32_t n_told = 0, n_later = 0;
		size_t n_bytes;
		int fd = tap_open();

		ck_assert(sl_client_open(&client, f, TIMEOUT_MS));
		ck_assert(sl_client_echoes(&client, ECHO_BYTES, TIMEOUT_MS));
		n_bytes = toa_of(toa, port_of(client.fd), f);
		tcp = tap_next(fd, frame, TIMEOUT_MS);
		ck_assert(tcp != NULL && (tcp[13] & SL_TCP_SYN));
		tcp = tap_next(fd, frame, TIMEOUT_MS);
		ck_assert_ptr_nonnull(tcp);
		ck_assert_uint_eq(tcp[13], SL_TCP_ACK);
		ck_assert_mem_eq(tcp + 20, toa, n_bytes);
		// Until the server's first words have passed, what follows may have it too.
		while ((tcp = tap_next(fd, frame, 200)) != NULL) {
			bool is_told = memcmp(tcp + 20, toa, n_bytes) == 0;

			ck_assert(!is_told || n_later == 0);
			n_told += is_told;
			n_later += !is_told;
		}
		ck_assert_msg(n_later > 10, "%s: %u", ways[_i].name, n_later);
		sl_client_close(&client);
		close(fd);
	}
	check_balance(&lab, ways[_i].name);
	sl_lab_stop(&lab);
}
END_TEST

static void mac_of(const char *part, const char *interface, uint8_t mac[6])
{
	int fd = sl_net_socket(part, AF_INET, SOCK_DGRAM, 0);
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	ck_assert_int_eq(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static void send_from_client(struct sl_packet_spec *spec)
{
	int fd = sl_net_socket("cli", AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll to = {.sll_family = AF_PACKET};
	struct ifreq request = {0};
	uint8_t frame[SL_PACKET_MAX_BYTES];
	size_t n_bytes;

	mac_of("cli", "eth0", spec->src_mac);
	mac_of("lb", "cli0", spec->dst_mac);
	n_bytes = sl_packet_build(frame, sizeof(frame), spec);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "eth0");
	ck_assert_int_eq(ioctl(fd, SIOCGIFINDEX, &request), 0);
	to.sll_ifindex = request.ifr_ifindex;
	ck_assert_int_eq(sendto(fd, frame, n_bytes, 0, (struct sockaddr *)&to, sizeof(to)),
	                 (ssize_t)n_bytes);
	close(fd);
}

// Behind a pool that tells by option, and one that tells nothing.
static const struct {
	const char *forward, *client_address;
} liars[] = {{"fullnat", "toa"}, {"fullnat", NULL}, {"nat", NULL}};

START_TEST(a_forged_option_does_not_arrive)
{
	static const uint8_t lie[8] = {254, 8, 0x12, 0x34, 8, 8, 8, 8};
	static const uint8_t nops[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	const struct sl_lab_spec spec = {.device = "af_packet",
	                                 .forward = liars[_i].forward,
	                                 .client_address = liars[_i].client_address,
	                                 .balance = "weighted",
	                                 .n_servers = 1,
	                                 .n_workers = 1};
	struct sl_lab lab;
	uint8_t frame[2048];

	sl_lab_start(&lab, &spec);
	for (int f = 0; f < 2; f++) {
		struct sl_packet_spec syn = {.src = sl_packet_ip(families[f].client),
		                             .dst = sl_packet_ip(families[f].vip),
		                             .proto = IPPROTO_TCP,
		                             .sport = CLIENT_PORT,
		                             .dport = SL_LAB_TCP_PORT,
		                             .tcp_flags = SL_TCP_SYN,
		                             .tcp_seq = 1,
		                             .tcp_options = lie,
		                             .tcp_options_bytes = sizeof(lie)};
		const uint8_t *tcp;
		int fd = tap_open();

		send_from_client(&syn);
		tcp = tap_next(fd, frame, TIMEOUT_MS);
		ck_assert_ptr_nonnull(tcp);
		ck_assert_mem_eq(tcp + 20, nops, sizeof(nops));
		close(fd);
	}
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clientaddr");
	TCase *tcase = tcase_create("clientaddr");
	const int n_ways = (int)(sizeof(ways) / sizeof(ways[0])) - !sl_wire_has_af_xdp();

	tcase_set_timeout(tcase, 150);
	tcase_add_loop_test(tcase, nginx_learns_client_and_service_from_a_proxy_header, 0, n_ways);
	tcase_add_test(tcase, what_is_lost_on_the_way_comes_again_with_its_header);
	tcase_add_loop_test(tcase,
	                    an_option_arrives_with_the_ack_of_the_handshake_and_with_nothing_later,
	                    0, n_ways);
	tcase_add_loop_test(tcase, a_forged_option_does_not_arrive, 0,
	                    sizeof(liars) / sizeof(liars[0]));
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
