// SPDX-License-Identifier: Apache-2.0
// The end of dsr-ipip and dsr-gue tunnels on a server whose kernel has none: raw sockets and a UDP
// socket in, a tun device out. The kernel then sees the client's packet, to an address of its own.
#include "commands.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "loop.h"
#include "options.h"
#include "tunnel.h"

#define PACKET_BYTES  65536
#define DATAGRAMS     64 // per wake-up of one socket
#define RECEIVE_BYTES (4 * 1024 * 1024)
#define UDP_NO_CHECK6 102 // linux/udp.h UDP_NO_CHECK6_RX: RFC 6935 tunnels over IPv6 have none
#define N_SOCKETS     5

struct decap;

struct door {
	struct sl_watch watch;
	struct decap *decap;
	int family;
	uint8_t proto; // IPPROTO_UDP for GUE
};

struct decap {
	struct sl_loop loop;
	struct sl_tunnel_policy policy;
	struct door doors[N_SOCKETS];
	int tun_fd;
	uint64_t n_packets[SL_TUNNEL_COUNT];
	uint8_t packet[PACKET_BYTES];
};

struct settings {
	struct sl_tunnel_policy policy;
	const char *tun;
};

static struct sl_ip ip_of(const struct sockaddr_storage *from)
{
	struct sl_ip ip;

	if (from->ss_family == AF_INET)
		return sl_ip_from_v4(
			((const struct sockaddr_in *)(const void *)from)->sin_addr.s_addr);
	memcpy(ip.bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
	return ip;
}

// TOS comes as one byte, the traffic class as an int.
static uint8_t class_of(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		int value;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			return *CMSG_DATA(c);
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&value, CMSG_DATA(c), sizeof(value));
			return (uint8_t)value;
		}
	}
	return 0;
}

// false when there is nothing (more) to read.
static bool receive(const struct door *door, struct sl_tunnel_arrival *arrival)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int)) * 2];
		struct cmsghdr align;
	} control;
	struct sockaddr_storage from;
	struct iovec in = {door->decap->packet, PACKET_BYTES};
	struct msghdr message = {.msg_name = &from,
	                         .msg_namelen = sizeof(from),
	                         .msg_iov = &in,
	                         .msg_iovlen = 1,
	                         .msg_control = control.bytes,
	                         .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(door->watch.fd, &message, 0);
	size_t header_bytes = 0;

	if (n < 0)
		return false;
	// An IPv4 raw socket gives the outer header too.
	if (door->family == AF_INET && n >= 20)
		header_bytes = (door->decap->packet[0] & 15u) * 4u;
	if (header_bytes > (size_t)n)
		header_bytes = (size_t)n;
	*arrival = (struct sl_tunnel_arrival){.bytes = door->decap->packet + header_bytes,
	                                      .n_bytes = (size_t)n - header_bytes,
	                                      .from = ip_of(&from),
	                                      .traffic_class = class_of(&message),
	                                      .is_gue = door->proto == IPPROTO_UDP,
	                                      .proto = door->proto};
	return true;
}

static void door_ready(struct sl_watch *watch, uint32_t events)
{
	struct door *door = (void *)((char *)watch - offsetof(struct door, watch));
	struct decap *d = door->decap;
	struct sl_tunnel_arrival arrival;

	(void)events;
	for (int i = 0; i < DATAGRAMS && receive(door, &arrival); i++) {
		enum sl_tunnel_verdict verdict = sl_tunnel_open(&d->policy, &arrival);

		d->n_packets[verdict]++;
		if (verdict == SL_TUNNEL_PASSED &&
		    write(d->tun_fd, arrival.bytes, arrival.n_bytes) < 0 && errno == EBADFD)
			d->loop.is_stopped = true; // the device is gone or down
	}
}

static int open_tun(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = 0;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || control < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
		error = errno;
	request.ifr_flags = IFF_UP;
	if (error == 0 && ioctl(control, SIOCSIFFLAGS, &request) != 0)
		error = errno;
	if (control >= 0)
		close(control);
	if (error != 0 && fd >= 0)
		close(fd);
	return error != 0 ? -error : fd;
}

static int open_door(struct decap *d, struct door *door, int family, uint8_t proto)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(SL_TUNNEL_GUE_PORT)};
	const int on = 1, room = RECEIVE_BYTES;
	const bool is_gue = proto == IPPROTO_UDP;
	int fd = socket(family, (is_gue ? SOCK_DGRAM : SOCK_RAW) | SOCK_NONBLOCK | SOCK_CLOEXEC,
	                proto);

	*door = (struct door){{door_ready, fd}, d, family, proto};
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	// An IPv6 raw socket sees no IPv4 and refuses its options; an IPv6 UDP socket sees both.
	if ((family == AF_INET || is_gue) &&
	    setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)) != 0)
		return -errno;
	if (family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on)) != 0)
		return -errno;
	if (is_gue && (setsockopt(fd, IPPROTO_UDP, UDP_NO_CHECK6, &on, sizeof(on)) != 0 ||
	               bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0))
		return -errno;
	return sl_loop_add(&d->loop, &door->watch, EPOLLIN);
}

static void no_deadline(void *ctx)
{
	(void)ctx;
}

static int run(struct decap *d, const char *tun)
{
	// GUE over both families comes through one socket; IPv4 sources are mapped there.
	static const struct {
		int family;
		uint8_t proto;
	} sockets[N_SOCKETS] = {{AF_INET, IPPROTO_IPIP},
	                        {AF_INET, IPPROTO_IPV6},
	                        {AF_INET6, IPPROTO_IPIP},
	                        {AF_INET6, IPPROTO_IPV6},
	                        {AF_INET6, IPPROTO_UDP}};
	int rc = sl_loop_init(&d->loop, no_deadline, d);

	if (rc != 0)
		return rc;
	d->tun_fd = open_tun(tun);
	rc = d->tun_fd < 0 ? d->tun_fd : 0;
	for (int i = 0; i < N_SOCKETS; i++)
		d->doors[i].watch.fd = -1;
	for (int i = 0; rc == 0 && i < N_SOCKETS; i++)
		rc = open_door(d, &d->doors[i], sockets[i].family, sockets[i].proto);
	if (rc == 0) {
		printf("ready\n");
		fflush(stdout);
	}
	while (rc == 0 && !d->loop.is_stopped)
		rc = sl_loop_turn(&d->loop, -1);
	for (int i = 0; i < N_SOCKETS; i++) {
		if (d->doors[i].watch.fd >= 0)
			close(d->doors[i].watch.fd);
	}
	if (d->tun_fd >= 0)
		close(d->tun_fd);
	sl_loop_fini(&d->loop);
	return rc;
}

static void report(const struct decap *d)
{
#define WORD(id, word) word,
	static const char *const words[] = {SL_TUNNEL_LIST(WORD)};
#undef WORD

	for (int i = 0; i < SL_TUNNEL_COUNT; i++)
		printf("%s\"%s\": %lu", i == 0 ? "{" : ", ", words[i],
		       (unsigned long)d->n_packets[i]);
	printf("}\n");
}

static int add_address(struct sl_ip *ips, uint32_t *n_ips, const char *text)
{
	struct sl_ip *ip = &ips[*n_ips];
	struct in_addr v4;

	if (*n_ips == SL_TUNNEL_MAX_ADDRESSES)
		return -ENOSPC;
	if (inet_pton(AF_INET, text, &v4) == 1)
		*ip = sl_ip_from_v4(v4.s_addr);
	else if (inet_pton(AF_INET6, text, ip->bytes) != 1)
		return -EINVAL;
	++*n_ips;
	return 0;
}

static int parse_option(void *settings, int option, const char *value)
{
	struct settings *s = settings;

	switch (option) {
	case 'p':
		return add_address(s->policy.peers, &s->policy.n_peers, value);
	case 'i':
		return add_address(s->policy.inners, &s->policy.n_inners, value);
	default:
		s->tun = value;
		return strlen(value) < IFNAMSIZ ? 0 : -EINVAL;
	}
}

int sl_decap_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"peer", required_argument, NULL, 'p'},
		{"inner", required_argument, NULL, 'i'},
		{"tun", required_argument, NULL, 't'},
		{0},
	};
	struct settings settings = {.tun = "tun0"};
	struct decap *d;
	int rc;

	if (sl_options_parse(argc, argv, options, parse_option, &settings) != 0 ||
	    settings.policy.n_peers == 0 || settings.policy.n_inners == 0) {
		fprintf(stderr,
		        "usage: sluice-sim decap --peer ADDR.. --inner ADDR.. [--tun tun0]\n");
		return SL_EXIT_USAGE;
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return SL_EXIT_FAILED;
	d->policy = settings.policy;
	rc = run(d, settings.tun);
	if (rc != 0)
		fprintf(stderr, "sluice-sim decap: %s\n", strerror(-rc));
	else
		report(d);
	free(d);
	return rc == 0 ? SL_EXIT_OK : SL_EXIT_FAILED;
}
