// SPDX-License-Identifier: Apache-2.0
#include "wire_trunk.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "wire_main.h"
#include "wire_net.h"

#define FRAME_BYTES 9100
#define TAG_BYTES   4
#define MACS_BYTES  12
#define ID_MASK     0x0fff
#define POLL_MS     50

struct frame {
	uint8_t bytes[FRAME_BYTES];
	size_t n_bytes;
	int vlan_id; // -1: came without a tag
};

void sl_trunk_init(struct sl_trunk *trunk)
{
	memset(trunk, 0, sizeof(*trunk));
}

void sl_trunk_add(struct sl_trunk *trunk, const char *interface, uint16_t vlan_id)
{
	struct ifreq request = {.ifr_name = ""};
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = sl_net_socket("sw", AF_PACKET, SOCK_RAW, 0), one = 1;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", interface);
	ck_assert_int_eq(ioctl(fd, SIOCGIFINDEX, &request), 0);
	address.sll_ifindex = request.ifr_ifindex;
	// The kernel takes tags off what it gives us and tells them beside it.
	ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_uint_lt(trunk->n_ports, SL_TRUNK_MAX_PORTS);
	trunk->ports[trunk->n_ports++] = (struct sl_trunk_port){fd, vlan_id};
}

static bool receive(int fd, struct frame *frame)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct iovec iov = {frame->bytes, sizeof(frame->bytes)};
	struct msghdr message = {.msg_iov = &iov,
	                         .msg_iovlen = 1,
	                         .msg_control = &control,
	                         .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);

	if (n < MACS_BYTES + 2)
		return false;
	frame->n_bytes = (size_t)n;
	frame->vlan_id = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID)
			frame->vlan_id = aux.tp_vlan_tci & ID_MASK;
	}
	return true;
}

static void send_tagged(int fd, struct frame *frame, uint16_t vlan_id)
{
	const uint8_t tag[TAG_BYTES] = {0x81, 0, (uint8_t)(vlan_id >> 8), (uint8_t)vlan_id};
	struct iovec parts[] = {{frame->bytes, MACS_BYTES},
	                        {(void *)tag, sizeof(tag)},
	                        {frame->bytes + MACS_BYTES, frame->n_bytes - MACS_BYTES}};

	if (writev(fd, parts, 3) < 0)
		return; // a full queue loses packets, as a switch does
}

static void forward(struct sl_trunk *trunk, const struct sl_trunk_port *from, struct frame *frame)
{
	const bool is_trunk = from->vlan_id == 0;
	bool is_known = false;

	for (uint32_t p = 0; p < trunk->n_ports; p++) {
		const struct sl_trunk_port *to = &trunk->ports[p];

		if (to == from)
			continue;
		if (to->vlan_id == 0) {
			send_tagged(to->fd, frame, from->vlan_id);
		} else if (to->vlan_id == (is_trunk ? frame->vlan_id : from->vlan_id)) {
			is_known = true;
			if (write(to->fd, frame->bytes, frame->n_bytes) < 0)
				continue;
		}
	}
	if (is_trunk && !is_known && frame->vlan_id >= 0)
		atomic_fetch_add(&trunk->n_strange, 1);
}

static void *run(void *arg)
{
	struct sl_trunk *trunk = arg;
	struct pollfd polls[SL_TRUNK_MAX_PORTS];
	struct frame frame;

	for (uint32_t p = 0; p < trunk->n_ports; p++)
		polls[p] = (struct pollfd){.fd = trunk->ports[p].fd, .events = POLLIN};
	while (!atomic_load(&trunk->is_stopping)) {
		if (poll(polls, trunk->n_ports, POLL_MS) <= 0)
			continue;
		for (uint32_t p = 0; p < trunk->n_ports; p++) {
			while (receive(polls[p].fd, &frame))
				forward(trunk, &trunk->ports[p], &frame);
		}
	}
	return NULL;
}

void sl_trunk_start(struct sl_trunk *trunk)
{
	ck_assert_int_eq(pthread_create(&trunk->thread, NULL, run, trunk), 0);
}

void sl_trunk_stop(struct sl_trunk *trunk)
{
	if (trunk->n_ports == 0)
		return;
	atomic_store(&trunk->is_stopping, true);
	pthread_join(trunk->thread, NULL);
	for (uint32_t p = 0; p < trunk->n_ports; p++)
		close(trunk->ports[p].fd);
	trunk->n_ports = 0;
}
