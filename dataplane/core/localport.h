// SPDX-License-Identifier: Apache-2.0
// Local ports of fullnat: which of our ports a new flow to a backend may use, and when a port that
// was used may be used again.
//
// Pools:   one per (local address, backend address and configured port), made at the first flow and
//          gone when its last port has rested. TCP and UDP share it, so no two flows of a pool ever
//          have the same outer tuple. Each worker has its own pools of the ports of its own lanes
//          (the low four bits), so workers share nothing and replies say whose they are.
// Order:   one queue of all ports, first in, first out: in front those never used so far, which are
//          not kept but counted (a start that depends on seed and time, then upwards round the
//          circle, RFC 6056 algorithm 3); behind them those given back, in the order they came.
// Rest:    a port given back is taken again after SL_LOCALPORT_REST_S at the earliest when its peer
//          may be in TIME_WAIT or still believe in the connection, after SL_LOCALPORT_SHORT_REST_S
//          when not (refused, reset, closed by the client first, UDP). Two queues, since what
//          rests less must not wait behind what rests more. No search: a pop or nothing.
// Memory:  2 bytes for a port that rests, nothing for one that is in use or was never used: queues
//          are lists of chunks of SL_LOCALPORT_CHUNK_PORTS numbers (and one link) from one arena.
//          A port is given out only when the chunk it will rest in can be promised, so giving back
//          never fails. A queue knows how far it has rested from marks, each saying how long it was
//          at the start of a period of 4 s: no time is kept per port.
// Thread:  one worker's.   Memory: the caller's, fixed.   Time: now in flow-table ticks.
// Source:  RFC 6056, RFC 9293 section 3.6.1; Linux keeps TIME_WAIT for 60 s.
#ifndef SLUICE_CORE_LOCALPORT_H
#define SLUICE_CORE_LOCALPORT_H

#include "sluice/types.h"

#define SL_LOCALPORT_LANES        16 // dealt to workers by the low 4 bits
#define SL_LOCALPORT_FIRST        1024
#define SL_LOCALPORT_ROCE         4791 // never: RoCEv2 receivers would take it for theirs
#define SL_LOCALPORT_ALL          (UINT16_MAX + 1 - SL_LOCALPORT_FIRST - 1) // of all workers
#define SL_LOCALPORT_REST_S       60
#define SL_LOCALPORT_SHORT_REST_S 4
#define SL_LOCALPORT_CHUNK_PORTS  254
#define SL_LOCALPORT_NONE         UINT32_MAX // no pool

// Hashed and compared as bytes: zero stays 0.
struct sl_localport_key {
	struct sl_ip local, backend;
	uint16_t port_be; // as configured; 0 = whatever the client asked for
	uint16_t zero[3];
};
_Static_assert(sizeof(struct sl_localport_key) == 40, "no hidden padding");

struct sl_localports; // header of the region

struct sl_localport_params {
	uint32_t n_pools;
	uint32_t n_chunks;
	uint32_t n_holders; // flows, by number
	uint16_t lanes;     // bit l: ports whose low four bits are l are ours
	uint64_t seed;
};

size_t sl_localport_bytes(const struct sl_localport_params *params);

// What a worker needs that has at most so many flows and backends.
struct sl_localport_params sl_localport_params_of(uint32_t n_flows, uint32_t n_backends,
                                                  uint16_t lanes, uint64_t seed);

// mem: 64-byte aligned, sl_localport_bytes long; what stands there does not matter. NULL if params
// are impossible.
struct sl_localports *sl_localport_init(void *mem, size_t mem_bytes,
                                        const struct sl_localport_params *params);

// The pool of this key, made if need be; SL_LOCALPORT_NONE when there is no room for one more.
// backend: a number that sweep gives back, of whoever used the pool last.
uint32_t sl_localport_pool(struct sl_localports *lp, const struct sl_localport_key *key,
                           uint16_t backend, uint32_t now);

// A port, host order; 0 when none has rested or none can be kept track of.
uint16_t sl_localport_take(struct sl_localports *lp, uint32_t pool, uint32_t now);

// A port taken and not sent from after all: it is the next to be taken.
void sl_localport_untake(struct sl_localports *lp, uint32_t pool, uint16_t port, uint32_t now);

void sl_localport_give(struct sl_localports *lp, uint32_t pool, uint16_t port, bool is_short_rest,
                       uint32_t now);

// The pool a flow has its port from, kept by the flow's number: 2 bytes each. forget: the port may
// have the short rest whatever comes.
void sl_localport_hold(struct sl_localports *lp, uint32_t holder, uint32_t pool);
void sl_localport_forget(struct sl_localports *lp, uint32_t holder);
uint32_t sl_localport_held(const struct sl_localports *lp, uint32_t holder, bool *is_short_rest);

// Ports of the pool that cannot be taken now: in use or resting. 0 for a pool that is gone.
uint32_t sl_localport_busy(struct sl_localports *lp, uint32_t pool, uint32_t now);

// Looks at one pool, round and round: gives it up if all of its ports are free. Its number, or
// SL_LOCALPORT_NONE at the end of a round and where there is no pool.
uint32_t sl_localport_sweep(struct sl_localports *lp, uint16_t *backend, uint32_t now);

uint32_t sl_localport_pools(const struct sl_localports *lp);
uint32_t sl_localport_chunks(const struct sl_localports *lp);   // in use
uint32_t sl_localport_per_pool(const struct sl_localports *lp); // ports this worker has for one

#endif
