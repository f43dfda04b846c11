// SPDX-License-Identifier: Apache-2.0
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096

static int set_ip(struct sl_addr *addr, const char *ip, uint16_t port_be)
{
	struct sockaddr_in *in = (void *)&addr->storage;
	struct sockaddr_in6 *in6 = (void *)&addr->storage;

	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = port_be;
		addr->len = sizeof(*in);
		return 0;
	}
	if (inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = port_be;
		addr->len = sizeof(*in6);
		return 0;
	}
	return -EINVAL;
}

int sl_addr_parse(struct sl_addr *addr, const char *text)
{
	const char *colon = strrchr(text, ':');
	char ip[SL_ADDR_TEXT], *end;
	size_t len;
	unsigned long port;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > UINT16_MAX)
		return -EINVAL;
	len = (size_t)(colon - text);
	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		return -EINVAL; // ::1:80 could be an address without a port
	}
	if (len >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, len);
	ip[len] = '\0';
	return set_ip(addr, ip, htons((uint16_t)port));
}

int sl_addr_parse_with_port(struct sl_addr *addr, const char *ip, const struct sl_addr *port_of)
{
	// Both families keep the port in the same place.
	return set_ip(addr, ip,
	              ((const struct sockaddr_in *)(const void *)&port_of->storage)->sin_port);
}

void sl_addr_format(const struct sl_addr *addr, char text[SL_ADDR_TEXT])
{
	const struct sockaddr_in *in = (const void *)&addr->storage;
	const struct sockaddr_in6 *in6 = (const void *)&addr->storage;
	char ip[INET6_ADDRSTRLEN];

	if (addr->storage.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		snprintf(text, SL_ADDR_TEXT, "[%s]:%u", ip, ntohs(in6->sin6_port));
	} else {
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(text, SL_ADDR_TEXT, "%s:%u", ip, ntohs(in->sin_port));
	}
}

static void set_listen_options(int fd, int family)
{
	const int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

int sl_addr_listen(struct sl_addr *addr, int type)
{
	const int family = addr->storage.ss_family;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	set_listen_options(fd, family);
	if (bind(fd, (struct sockaddr *)&addr->storage, addr->len) != 0 ||
	    (type == SOCK_STREAM && listen(fd, LISTEN_BACKLOG) != 0) ||
	    getsockname(fd, (struct sockaddr *)&addr->storage, &addr->len) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int sl_addr_connect(const struct sl_addr *addr, int type)
{
	const int on = 1;
	int fd = socket(addr->storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)&addr->storage, addr->len) != 0 &&
	    errno != EINPROGRESS) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}
