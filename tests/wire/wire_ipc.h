// SPDX-License-Identifier: Apache-2.0
// The data plane's command socket, spoken by hand: to read the statistics without the control
// process, and to send what no control process would.
#ifndef SLUICE_WIRE_IPC_H
#define SLUICE_WIRE_IPC_H

#include <stdbool.h>

#include "sluice/ipc.h"
#include "sluice/stats.h"
#include "wire_lab.h"

// Connected to the lab's data plane; the caller closes it.
int sl_ipc_open(const struct sl_lab *lab);

// Sends n bytes as one message, with fd as its descriptor (-1 = none).
void sl_ipc_send(int socket_fd, const void *message, size_t n, int fd);

// The reply within 3 s. false: the data plane closed the connection without one.
bool sl_ipc_receive(int socket_fd, struct sl_ipc_reply *reply);

// A memfd with these bytes; seals: 0 leaves it writable.
int sl_ipc_memfd(const void *bytes, size_t n, int seals);

struct sl_stats_view {
	void *base;
	size_t n_bytes;
};

// The statistics segment, mapped read-only through HELLO; stays readable after control died.
void sl_stats_open(struct sl_stats_view *view, const struct sl_lab *lab);
void sl_stats_close(struct sl_stats_view *view);

// Sums over workers and the main core.
struct sl_stats_sums {
	uint64_t rx_pkts, tx_pkts, generated_pkts, handed_pkts, taken_pkts, held_pkts;
	uint64_t flows, flows_new, config_applied, config_refused;
	uint64_t drops[SL_DROP_COUNT];
	uint64_t drops_total;
};
void sl_stats_sum(const struct sl_stats_view *view, struct sl_stats_sums *sums);

// Fails the test unless, once traffic rests, every packet received or made was sent, dropped under
// a name, or is held for a neighbour.
void sl_stats_check_balance(const struct sl_stats_view *view, const char *when);

#endif
