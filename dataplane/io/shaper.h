// SPDX-License-Identifier: Apache-2.0
// Shaper: a port with a rate. Between the worker that sends there and the device stands the
// scheduler (core/qos.h), which decides; this moves packets into and out of it.
//
// Owner:   one worker sends to such a port, the one that has its first queue; the others hand their
//          packets to it, as they do where a device has too few queues.
// Device:  what it does not take is tried again next turn, not dropped: the queue is in here.
// Thread:  made by the main core before workers run, then its worker's.
#ifndef SLUICE_IO_SHAPER_H
#define SLUICE_IO_SHAPER_H

#include "qos.h"
#include "worker.h"

#define SL_SHAPER_PENDING 32 // for the device, picked already: these wait in no queue

struct sl_shaper {
	struct sl_qos qos;
	uint16_t port, queue; // of the device
	uint16_t worker;
	uint32_t n_pending;
	struct rte_mbuf *pending[SL_SHAPER_PENDING];
	struct sl_qos_slot *slots; // owned
};

// For the ports of the configuration that have a rate. 0 or -ENOMEM; fini also after a failure.
int sl_shapers_init(struct sl_io *io, const struct sl_dpconfig *config, uint64_t now_ns);
void sl_shapers_fini(struct sl_io *io);

// The worker gets those that are its own.
void sl_shapers_give(const struct sl_io *io, struct sl_worker *worker);

// Takes the packet, by its struct sl_pkt's queue; or not, and why, else SL_DROP_COUNT.
enum sl_drop sl_shaper_send(struct sl_shaper *shaper, struct rte_mbuf *m, uint64_t now_ns);

// What may leave now by the worker's own ports, to their devices. Returns how many packets did. A
// worker that is_holding afterwards must not sleep.
uint32_t sl_shapers_flush(struct sl_worker *worker, uint64_t now_ns);

// For LACP, as the worker does for the other ports.
void sl_shapers_beat(const struct sl_worker *worker);

#endif
