// SPDX-License-Identifier: Apache-2.0
// What nobody should send, sent: garbage frames on the wire, garbage messages on the socket. The
// data plane counts or refuses it, and forwards as before.
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sluice/wire.h"
#include "wire_client.h"
#include "wire_ipc.h"
#include "wire_lab.h"
#include "wire_main.h"
#include "wire_net.h"

#define TIMEOUT_MS     3000
#define N_FRAMES       2000
#define MAX_FRAME      600
#define ALL_SEALS      (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
#define N_GARBAGE_MSGS 200

static const char *const devices[] = {"af_packet", "af_xdp"};

static void start_lab(struct sl_lab *lab, const char *device)
{
	const struct sl_lab_spec spec = {.device = device,
	                                 .forward = "nat",
	                                 .balance = "weighted",
	                                 .n_servers = 2,
	                                 .n_workers = 1};

	sl_lab_start(lab, &spec);
	sl_lab_start_echoes(lab);
}

static void check_forwarding(struct sl_lab *lab, const char *when)
{
	ck_assert_msg(sl_proc_is_running(&lab->dataplane), "%s: the data plane died:\n%s", when,
	              sl_proc_read_file(lab->dataplane.log));
	for (int i = 0; i < 4; i++) {
		struct sl_client client;

		ck_assert_msg(sl_client_open(&client, i % 2, TIMEOUT_MS) &&
		                      sl_client_echoes(&client, 1000, TIMEOUT_MS),
		              "%s: connection %d fails", when, i);
		sl_client_close(&client);
	}
}

// --- frames ---

struct wire_end {
	int fd;
	struct sockaddr_ll to;
	uint8_t own_mac[6], sluice_mac[6];
};

static void mac_of(const char *part, const char *interface, uint8_t mac[6])
{
	int fd = sl_net_socket(part, AF_INET, SOCK_DGRAM, 0);
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	ck_assert_int_eq(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static void open_wire(struct wire_end *end)
{
	struct ifreq request = {0};

	memset(end, 0, sizeof(*end));
	mac_of("cli", "eth0", end->own_mac);
	mac_of("lb", "cli0", end->sluice_mac);
	end->fd = sl_net_socket("cli", AF_PACKET, SOCK_RAW, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "eth0");
	ck_assert_int_eq(ioctl(end->fd, SIOCGIFINDEX, &request), 0);
	end->to.sll_family = AF_PACKET;
	end->to.sll_ifindex = request.ifr_ifindex;
}

static void send_frame(const struct wire_end *end, const uint8_t *frame, size_t n)
{
	// A full queue is no failure of the appliance; anything else is one of the test.
	ssize_t sent =
		sendto(end->fd, frame, n, 0, (const struct sockaddr *)&end->to, sizeof(end->to));

	ck_assert_int_eq(sent, (ssize_t)n);
}

// Ethernet header and as much of a correct SYN to the VIP as fits: 14 + 20 + 20 bytes.
static size_t vip_syn(const struct wire_end *end, uint8_t frame[MAX_FRAME])
{
	static const uint8_t rest[] = {
		0x45, 0, 0,   40, 0,    1,  0x40, 0,    64,   6,    0, 0, 10, 10,
		0,    2, 203, 0,  113,  10, 0x9c, 0x40, 0x1f, 0x40, 0, 0, 0,  1,
		0,    0, 0,   0,  0x50, 2,  0xff, 0xff, 0,    0,    0, 0,
	};

	memset(frame, 0, MAX_FRAME);
	memcpy(frame, end->sluice_mac, 6);
	memcpy(frame + 6, end->own_mac, 6);
	frame[12] = ETH_P_IP >> 8;
	frame[13] = ETH_P_IP & 0xff;
	memcpy(frame + 14, rest, sizeof(rest));
	return 14 + sizeof(rest);
}

// A third each: a SYN cut short, a SYN with random bytes changed, noise behind an Ethernet header.
static size_t garbage_frame(const struct wire_end *end, uint64_t *random, uint8_t frame[MAX_FRAME])
{
	static const uint16_t types[] = {ETH_P_IP, ETH_P_IPV6, ETH_P_ARP, ETH_P_8021Q};
	size_t n = vip_syn(end, frame);
	uint64_t r = sl_check_random(random);

	switch (r % 3) {
	case 0:
		return 15 + (r >> 8) % (n - 15);
	case 1:
		for (int i = 0; i < 3; i++)
			frame[14 + sl_check_random(random) % (n - 14)] =
				(uint8_t)sl_check_random(random);
		return n;
	default:
		n = 15 + (r >> 8) % (MAX_FRAME - 15);
		for (size_t i = 12; i < n; i++)
			frame[i] = (uint8_t)sl_check_random(random);
		frame[12] = (uint8_t)(types[(r >> 4) % 4] >> 8);
		frame[13] = (uint8_t)types[(r >> 4) % 4];
		return n;
	}
}

START_TEST(truncated_frames_are_counted_as_truncated_or_bad)
{
	struct sl_stats_sums before, after;
	struct sl_stats_view view;
	uint8_t frame[MAX_FRAME];
	struct wire_end end;
	struct sl_lab lab;
	uint64_t deadline_ms;
	size_t n;

	start_lab(&lab, devices[_i]);
	open_wire(&end);
	n = vip_syn(&end, frame);
	sl_stats_open(&view, &lab);
	sl_stats_sum(&view, &before);
	// From the address complete (the XDP program steers by it) to one byte short of the TCP
	// header.
	for (size_t cut = 14 + 20; cut < n; cut++)
		send_frame(&end, frame, cut);
	deadline_ms = sl_proc_now_ms() + TIMEOUT_MS;
	do {
		sl_stats_sum(&view, &after);
		sl_proc_pause();
	} while (after.drops[SL_DROP_TRUNCATED] + after.drops[SL_DROP_BAD_HEADER] <
	                 before.drops[SL_DROP_TRUNCATED] + before.drops[SL_DROP_BAD_HEADER] +
	                         (n - 34) &&
	         sl_proc_now_ms() < deadline_ms);
	ck_assert_uint_eq(after.drops[SL_DROP_TRUNCATED] + after.drops[SL_DROP_BAD_HEADER],
	                  before.drops[SL_DROP_TRUNCATED] + before.drops[SL_DROP_BAD_HEADER] + n -
	                          34);
	ck_assert_uint_eq(after.flows_new, before.flows_new);
	check_forwarding(&lab, "after truncated frames");
	sl_stats_close(&view);
	close(end.fd);
	sl_lab_stop(&lab);
}
END_TEST

START_TEST(garbage_frames_are_counted_and_do_no_harm)
{
	uint64_t seed = sl_check_seed(), random = seed;
	struct sl_stats_sums before, after;
	struct sl_stats_view view;
	uint8_t frame[MAX_FRAME];
	struct wire_end end;
	struct sl_lab lab;
	char when[64];

	snprintf(when, sizeof(when), "after garbage, seed %llu", (unsigned long long)seed);
	start_lab(&lab, devices[_i]);
	open_wire(&end);
	sl_stats_open(&view, &lab);
	sl_stats_sum(&view, &before);
	for (int i = 0; i < N_FRAMES; i++)
		send_frame(&end, frame, garbage_frame(&end, &random, frame));
	check_forwarding(&lab, when);
	sl_stats_check_balance(&view, when);
	sl_stats_sum(&view, &after);
	ck_assert_msg(after.drops_total > before.drops_total + N_FRAMES / 10,
	              "%s: only %llu drops counted", when,
	              (unsigned long long)(after.drops_total - before.drops_total));
	sl_stats_close(&view);
	close(end.fd);
	sl_lab_stop(&lab);
}
END_TEST

// --- messages ---

enum body_kind { BODY_NONE, BODY_GARBAGE, BODY_UNSEALED, BODY_SHORT, BODY_HUGE };

struct message_row {
	const char *name;
	struct sl_ipc_request request;
	size_t n_bytes; // of the message; 0 = the request's size
	uint8_t body;   // enum body_kind
};

#define REQUEST(kind, bytes)                                                                       \
	{                                                                                          \
		.magic = SL_IPC_MAGIC, .version = SL_IPC_VERSION, .type = kind,                    \
		.body_bytes = bytes                                                                \
	}

static const struct message_row message_rows[] = {
	{"one byte", REQUEST(SL_IPC_HELLO, 0), 1, BODY_NONE},
	{"a byte too short", REQUEST(SL_IPC_HELLO, 0), 15, BODY_NONE},
	{"a byte too long", REQUEST(SL_IPC_HELLO, 0), 17, BODY_NONE},
	{"oversized", REQUEST(SL_IPC_HELLO, 0), 60000, BODY_NONE},
	{"foreign magic", {.magic = 1, .version = 1, .type = SL_IPC_HELLO}, 0, BODY_NONE},
	{"other version",
         {.magic = SL_IPC_MAGIC, .version = 99, .type = SL_IPC_HELLO},
         0,
         BODY_NONE},
	{"unknown type", REQUEST(77, 0), 0, BODY_NONE},
	{"configuration without a body", REQUEST(SL_IPC_CONFIG, 64), 0, BODY_NONE},
	{"weights without a body", REQUEST(SL_IPC_WEIGHTS, 64), 0, BODY_NONE},
	{"garbage body", REQUEST(SL_IPC_CONFIG, 4096), 0, BODY_GARBAGE},
	{"garbage weights", REQUEST(SL_IPC_WEIGHTS, 4096), 0, BODY_GARBAGE},
	{"unsealed body", REQUEST(SL_IPC_CONFIG, 4096), 0, BODY_UNSEALED},
	{"body shorter than announced", REQUEST(SL_IPC_CONFIG, 4096), 0, BODY_SHORT},
	{"4 GiB announced", REQUEST(SL_IPC_CONFIG, UINT32_MAX), 0, BODY_GARBAGE},
	{"body past the limit", REQUEST(SL_IPC_CONFIG, SL_WIRE_MAX_BYTES + 1), 0, BODY_HUGE},
	{"empty body", REQUEST(SL_IPC_CONFIG, 0), 0, BODY_GARBAGE},
};
#define N_MESSAGES (sizeof(message_rows) / sizeof(message_rows[0]))

static int body_of(const struct message_row *row)
{
	static const uint8_t noise[4096] = {0x57, 1, 2, 3, 4, 5, 6, 7};

	switch (row->body) {
	case BODY_GARBAGE:
		return sl_ipc_memfd(noise, sizeof(noise), ALL_SEALS);
	case BODY_UNSEALED:
		return sl_ipc_memfd(noise, sizeof(noise), 0);
	case BODY_SHORT:
		return sl_ipc_memfd(noise, 100, ALL_SEALS);
	case BODY_HUGE: {
		int fd = sl_ipc_memfd(noise, sizeof(noise), 0);

		ck_assert_int_eq(ftruncate(fd, SL_WIRE_MAX_BYTES + 1), 0);
		ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
		return fd;
	}
	default:
		return -1;
	}
}

// Refused with a reason in words, or closed: both leave everything as it was.
static void send_malformed(const struct sl_lab *lab, const struct message_row *row)
{
	uint8_t message[60000] = {0};
	int socket_fd = sl_ipc_open(lab), fd = body_of(row);
	struct sl_ipc_reply reply;

	memcpy(message, &row->request, sizeof(row->request));
	sl_ipc_send(socket_fd, message, row->n_bytes > 0 ? row->n_bytes : sizeof(row->request), fd);
	if (sl_ipc_receive(socket_fd, &reply)) {
		ck_assert_msg(reply.status != SL_IPC_OK, "%s: accepted", row->name);
		ck_assert_msg(reply.reason[0] != '\0', "%s: refused without a reason", row->name);
	}
	if (fd >= 0)
		close(fd);
	close(socket_fd);
}

START_TEST(malformed_messages_are_refused_and_change_nothing)
{
	struct sl_stats_sums before, after;
	struct sl_stats_view view;
	struct sl_stats_header *header;
	uint64_t epoch, generation;
	struct sl_lab lab;

	start_lab(&lab, devices[_i]);
	sl_stats_open(&view, &lab);
	header = view.base;
	sl_stats_sum(&view, &before);
	epoch = sl_stat_get(&header->epoch);
	generation = sl_stat_get(&header->generation);
	for (size_t i = 0; i < N_MESSAGES; i++)
		send_malformed(&lab, &message_rows[i]);
	sl_stats_sum(&view, &after);
	ck_assert_uint_eq(sl_stat_get(&header->generation), generation);
	ck_assert_uint_eq(after.config_applied, before.config_applied);
	ck_assert_uint_eq(sl_stat_get(&header->epoch), epoch);
	check_forwarding(&lab, "after malformed messages");
	sl_stats_close(&view);
	sl_lab_stop(&lab);
}
END_TEST

// A body that begins right and goes wrong somewhere: random bytes behind a plausible header.
START_TEST(random_bodies_are_refused_and_change_nothing)
{
	uint64_t seed = sl_check_seed(), random = seed;
	struct sl_stats_view view;
	struct sl_stats_header *header;
	uint64_t generation;
	struct sl_lab lab;

	start_lab(&lab, devices[_i]);
	sl_stats_open(&view, &lab);
	header = view.base;
	generation = sl_stat_get(&header->generation);
	for (int i = 0; i < N_GARBAGE_MSGS; i++) {
		uint8_t body[1024];
		struct sl_wire_header wire = {.magic = SL_WIRE_MAGIC,
		                              .version = SL_WIRE_VERSION,
		                              .kind = SL_WIRE_CONFIG,
		                              .generation = generation + 1,
		                              .epoch = UINT64_MAX - 1,
		                              .total_bytes = sizeof(body),
		                              .n_vips = 1 + i % 3,
		                              .n_pools = 1,
		                              .n_backends = (uint32_t)sl_check_random(&random)};
		const struct sl_ipc_request request = REQUEST(SL_IPC_CONFIG, sizeof(body));
		struct sl_ipc_reply reply;
		int socket_fd = sl_ipc_open(&lab), fd;

		for (size_t b = 0; b < sizeof(body); b++)
			body[b] = (uint8_t)sl_check_random(&random);
		memcpy(body, &wire, sizeof(wire));
		fd = sl_ipc_memfd(body, sizeof(body), ALL_SEALS);
		sl_ipc_send(socket_fd, &request, sizeof(request), fd);
		if (sl_ipc_receive(socket_fd, &reply))
			ck_assert_msg(reply.status != SL_IPC_OK, "seed %llu: body %d accepted",
			              (unsigned long long)seed, i);
		close(fd);
		close(socket_fd);
	}
	ck_assert_uint_eq(sl_stat_get(&header->generation), generation);
	check_forwarding(&lab, "after random bodies");
	sl_stats_close(&view);
	sl_lab_stop(&lab);
}
END_TEST

// An operator starts the data plane twice: the one that runs must keep its interfaces.
START_TEST(a_second_data_plane_is_refused_and_the_first_goes_on)
{
	char program[256], cli[256], ns[SL_NET_NAME_BYTES], *out;
	struct sl_lab lab;
	int status;

	start_lab(&lab, devices[_i]);
	sl_wire_program(program, sizeof(program), "dataplane/io/sluice-dataplane");
	sl_wire_program(cli, sizeof(cli), "tools/cli/sluice");
	status = sl_proc_run(sl_net_name(ns, "lb"), 20000, &out,
	                     "env SLUICE_BIN=%s %s --config %s/dataplane.yaml", cli, program,
	                     lab.dir);
	ck_assert_msg(status == 1 && strstr(out, "another sluice-dataplane answers") != NULL,
	              "status %d: %s", status, out);
	free(out);
	check_forwarding(&lab, "after a second start");
	sl_lab_stop(&lab);
}
END_TEST

// EAL's shared files would stay in memory for ever after each SIGKILL.
START_TEST(a_killed_data_plane_leaves_no_files)
{
	struct sl_lab lab;
	char *files;
	pid_t pid;

	start_lab(&lab, devices[0]);
	pid = lab.dataplane.pid;
	sl_proc_stop(&lab.dataplane, SIGKILL);
	files = sl_proc_output(
		NULL, 5000,
		"find /run/dpdk -type f -path '*/sluice/*' -o -type f -path '*/sluice-%d/*'",
		(int)pid);
	ck_assert_str_eq(files, "");
	free(files);
	sl_lab_stop(&lab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *tcase = tcase_create("hostile");
	int n_devices = sl_wire_has_af_xdp() ? 2 : 1;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, truncated_frames_are_counted_as_truncated_or_bad, 0, n_devices);
	tcase_add_loop_test(tcase, garbage_frames_are_counted_and_do_no_harm, 0, n_devices);
	tcase_add_loop_test(tcase, malformed_messages_are_refused_and_change_nothing, 0, 1);
	tcase_add_loop_test(tcase, random_bodies_are_refused_and_change_nothing, 0, 1);
	tcase_add_loop_test(tcase, a_second_data_plane_is_refused_and_the_first_goes_on, 0,
	                    n_devices);
	tcase_add_test(tcase, a_killed_data_plane_leaves_no_files);
	suite_add_tcase(suite, tcase);
	return sl_wire_main(suite);
}
