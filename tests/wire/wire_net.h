// SPDX-License-Identifier: Apache-2.0
// Namespaces and links of a wire test. Everything carries the prefix of this run, so that several
// runs do not meet and the sweep finds what a failed test left behind.
//
// Names:  a namespace is called by its part ("cli"); its full name is PREFIX-part.
#ifndef SLUICE_WIRE_NET_H
#define SLUICE_WIRE_NET_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/socket.h>

#define SL_NET_NAME_BYTES 48

// The prefix that sl_wire_main chose for this run.
const char *sl_net_prefix(void);

// Full name of a namespace, into name; also returned.
const char *sl_net_name(char name[SL_NET_NAME_BYTES], const char *part);

// Makes a namespace in which addresses are usable at once and the kernel forwards nothing.
void sl_net_add(const char *part);

// A veth pair with checksums computed by the sender: what AF_XDP and af_packet receive must be
// whole. Both ends are up.
struct sl_net_end {
	const char *part;
	const char *interface;
};
void sl_net_link(struct sl_net_end a, struct sl_net_end b);

// ip(8) inside a namespace; fails the test when ip fails.
void sl_net_ip(const char *part, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A socket that lives in the namespace; the caller stays where it is. Fails the test, not the call.
int sl_net_socket(const char *part, int family, int type, int protocol);

// Ends every process in our namespaces and deletes these. Quiet when there is nothing.
void sl_net_sweep(void);

#endif
