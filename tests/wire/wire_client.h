// SPDX-License-Identifier: Apache-2.0
// Clients inside the test process: sockets that live in the client's namespace, so that a test
// holds real connections through the appliance while it does something to it.
#ifndef SLUICE_WIRE_CLIENT_H
#define SLUICE_WIRE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_CLIENT_NAME_BYTES 16

struct sl_client {
	int fd; // -1 = none
	char server[SL_CLIENT_NAME_BYTES];
};

// Connects to the VIP's TCP port from the client's namespace and reads the server's name.
// false: refused or no answer in time (errno says which); fd is -1 then.
bool sl_client_open(struct sl_client *client, bool is_v6, uint32_t timeout_ms);

// Sends n_bytes of a pattern and checks that exactly these come back, in time.
bool sl_client_echoes(struct sl_client *client, size_t n_bytes, uint32_t timeout_ms);

void sl_client_close(struct sl_client *client);

// Ends with RST, so that no port waits in TIME_WAIT: for tests that make thousands.
void sl_client_reset(struct sl_client *client);

// One UDP datagram of n_bytes to the VIP's UDP port from a fresh port; true when a server answers
// it unchanged, whose name is then in server.
bool sl_client_udp_echoes(bool is_v6, size_t n_bytes, uint32_t timeout_ms,
                          char server[SL_CLIENT_NAME_BYTES]);

#endif
