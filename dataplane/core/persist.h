// SPDX-License-Identifier: Apache-2.0
// Persistence of affinity `source`: which backend a client's new flows go to, for a time after one
// of its flows was confirmed or ended.
//
// Shape:   one table for all VIPs and workers, of buckets of eight 64-bit words, one cache line.
//          A word holds 18 bits of the client's keyed hash, the backend's index (14 bits), the low
//          8 bits of its generation, and when the entry ends in s (24 bits, wrapping).
// Sharing: the flows of one client are spread over workers by their ports, so an entry must be
//          everybody's. A table per owner of the client would hand each first packet to a third
//          core; copies per worker would disagree until they are folded. A word is read with one
//          relaxed load and changed with one compare-and-swap, so it is never torn; it is written
//          when a flow is confirmed or ends, never by packets in between.
// Full:    a bucket without a free word gives up the entry that would end first; that client is
//          picked for anew as if it had none. No allocation, no list, no scan beyond a bucket.
// Attack:  only a confirmed flow makes an entry: of TCP one whose client has acknowledged the
//          backend's SYN by number (forward_persist.c), so that a spoofed source cannot. UDP,
//          direct return and spliced connections have no such proof here; there a flood can push
//          out others' entries, which costs them their persistence and nothing else.
// Chance:  two clients of one bucket have equal bits once in 2^18; the one then follows the other
// to
//          a backend of the same pool. An entry nobody touches comes back for its timeout after 194
//          days.
// Time:    now in s, a parameter.   Thread: any worker, any time; init before they start.
#ifndef SLUICE_CORE_PERSIST_H
#define SLUICE_CORE_PERSIST_H

#include <stdalign.h>
#include <stdatomic.h>

#include "hash.h"
#include "sluice/types.h"

#define SL_PERSIST_CLIENTS 262144 // 2 MiB
#define SL_PERSIST_WAYS    8      // one cache line

struct sl_persist {
	struct sl_hash_key key;
	uint32_t bucket_mask;
	alignas(64) _Atomic uint64_t words[];
};

// As many as the table can tell apart.
struct sl_persist_backend {
	uint16_t index; // below SL_MAX_BACKENDS
	uint8_t generation;
};

enum sl_persist_change {
	SL_PERSIST_SAME,    // the client had this backend; its time starts anew
	SL_PERSIST_MADE,    // it had none
	SL_PERSIST_MOVED,   // it had another
	SL_PERSIST_LEFT,    // it has another and keeps that
	SL_PERSIST_EVICTED, // it had none, and somebody else lost theirs
};

// n_clients: a power of two from SL_PERSIST_WAYS. mem: 64-byte aligned, zeroed.
size_t sl_persist_bytes(uint32_t n_clients);
void sl_persist_init(struct sl_persist *table, uint32_t n_clients, const struct sl_hash_key *key);

// What of its address names a client: bits of the address's own family, the rest 0.
struct sl_ip sl_persist_prefix(const struct sl_ip *client, uint8_t bits);

uint64_t sl_persist_hash(const struct sl_persist *table, const struct sl_ip *prefix,
                         uint64_t vip_id);

// False when the client has none that is still alive.
bool sl_persist_find(const struct sl_persist *table, uint64_t hash, uint32_t now_s,
                     struct sl_persist_backend *backend);

// A flow of the client to this backend was confirmed: so its flows go there for timeout_s.
enum sl_persist_change sl_persist_begin(struct sl_persist *table, uint64_t hash,
                                        struct sl_persist_backend backend, uint32_t now_s,
                                        uint32_t timeout_s);

// Such a flow ended: the same, unless a later flow went elsewhere.
enum sl_persist_change sl_persist_end(struct sl_persist *table, uint64_t hash,
                                      struct sl_persist_backend backend, uint32_t now_s,
                                      uint32_t timeout_s);

#endif
