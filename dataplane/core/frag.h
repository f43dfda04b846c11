// SPDX-License-Identifier: Apache-2.0
// IP fragments: the first one of a datagram says its ports, later ones have none. This table
// remembers the ports of datagrams under way, so that every part finds the flow of the first.
//
// Nothing is put together: parts leave as parts. The L4 checksum stands in the first one and covers
// the whole datagram, so its increment there is all that is needed; of later ones only addresses,
// TTL and the IP header's checksum change (DSR: nothing above the MAC).
//
// Owner:   a later part has no ports, so the worker that owns its flow cannot be computed from it.
//          All parts therefore go first to the worker their (src, dst, id) hash to. It has the
//          table, gives the part its ports, and only then finds the owner in the ordinary way and
//          hands on. Both steps are rings from one core to one other, so that parts that came by
//          one queue stay in order. The table holds ports and no flow: the owner looks the flow up
//          by the full tuple, in either direction and every forwarding mode, and what became of the
//          flow meanwhile is seen there. (NICs hash fragments by addresses alone, the first one
//          too, so all parts come by one queue; then the table's worker gets them in order.)
// Order:   a part that comes before its first one is dropped (fragment_early), not held. Senders
//          send in order; holding would need packets owned by the core, and timers.
// Bounds:  SL_FRAG_SETS sets of SL_FRAG_WAYS datagrams. A source address has one set (keyed hash),
//          so that it can have SL_FRAG_WAYS under way and push out only its set's oldest. An entry
//          ends when all of its datagram has passed, or after SL_FRAG_TICKS.
// Overlap: what has passed is kept as up to SL_FRAG_SPANS runs of bytes. A part that overlaps,
//          passes the end, or leaves more gaps spoils the datagram: this one and all that follow
//          are dropped, so that the receiver never completes it (RFC 5722, RFC 8200 4.5; for IPv4
//          RFC 1858). A second first part is an overlap in IPv6; in IPv4 ids come round within
//          seconds (RFC 4963), and it starts anew.
// Thread:  one worker's.   Time: now in flow-table ticks.   Memory: the caller's, fixed.
// Source:  RFC 791, 815, 1858, 3128, 4963, 5722, 6946, 7112, 8200 4.5.
#ifndef SLUICE_CORE_FRAG_H
#define SLUICE_CORE_FRAG_H

#include "hash.h"
#include "pkt.h"

#define SL_FRAG_SETS  64
#define SL_FRAG_WAYS  64
#define SL_FRAG_SPANS 4
#define SL_FRAG_TICKS 8 // 2 s of SL_FLOW_TICK_NS (reliability.md I8)

// Bytes from..to-1 of the fragmentable part.
struct sl_frag_span {
	uint16_t from, to;
};

struct sl_frag_entry {
	uint16_t sport_be, dport_be;
	uint8_t proto; // that the first one names
	uint8_t n_spans;
	bool is_spoiled;
	uint8_t zero;
	uint16_t total_bytes; // 0 = the last part has not been seen
	uint16_t zero2;
	uint32_t made; // tick
	uint32_t turn; // of the set, when made: tells the oldest
	struct sl_frag_span spans[SL_FRAG_SPANS];
};
_Static_assert(sizeof(struct sl_frag_entry) == 36, "no hidden padding");

struct sl_frag_set {
	uint64_t hashes[SL_FRAG_WAYS]; // of the datagram's key, its identity; 0 = free
	uint32_t next_turn, zero;
	struct sl_frag_entry entries[SL_FRAG_WAYS];
};

struct sl_frag_table {
	struct sl_hash_key key;
	struct sl_frag_set sets[SL_FRAG_SETS];
};

// All of ft is written; key is the caller's random.
void sl_frag_init(struct sl_frag_table *ft, const struct sl_hash_key *key);

// A parsed fragment passes. -1: a first one is remembered, a later one has got ports and protocol
// in its tuple. Else the enum sl_drop to count.
int sl_frag_pass(struct sl_frag_table *ft, struct sl_pkt *pkt, uint32_t now);

// Datagrams under way, at most SL_FRAG_TICKS old; for tests.
uint32_t sl_frag_count(const struct sl_frag_table *ft, uint32_t now);

#endif
