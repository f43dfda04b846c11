// SPDX-License-Identifier: Apache-2.0
// Socket addresses as literals (127.0.0.1:8000, [::1]:8000): nothing is ever resolved by name.
// Errors: 0 (or a file descriptor) or -errno.
#ifndef SLUICE_SIM_ADDR_H
#define SLUICE_SIM_ADDR_H

#include <stdint.h>
#include <sys/socket.h>

#define SL_ADDR_TEXT 64

struct sl_addr {
	struct sockaddr_storage storage;
	socklen_t len;
};

int sl_addr_parse(struct sl_addr *addr, const char *text);
void sl_addr_format(const struct sl_addr *addr, char text[SL_ADDR_TEXT]);

// A bare address, without a port, that takes the port of another one.
int sl_addr_parse_with_port(struct sl_addr *addr, const char *ip, const struct sl_addr *port_of);

// A non-blocking listening (SOCK_STREAM) or bound (SOCK_DGRAM) socket. addr receives the port that
// the kernel chose. The address need not exist yet: under DSR the VIP may be added later.
int sl_addr_listen(struct sl_addr *addr, int type);

// A non-blocking socket on its way to addr.
int sl_addr_connect(const struct sl_addr *addr, int type);

#endif
