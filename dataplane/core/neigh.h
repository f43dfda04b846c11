// SPDX-License-Identifier: Apache-2.0
// Neighbours (next hops): address and port to MAC. The main core writes, workers read.
//
// Shape:  a fixed array; an index names a next hop for as long as it is in use. A worker reads one
//         64-bit word: MAC in the low 48 bits (first byte of the address highest), SL_NEIGH_USABLE
//         above; so a change of MAC is one store, and no flow ever holds a MAC.
// States: INCOMPLETE (asked, nothing known), REACHABLE, STALE (usable, confirmed long ago), PROBE
//         (usable, being asked again), FAILED (not usable; asked again at most each second while
//         wanted).
// Time:   now_ns is CLOCK_MONOTONIC, a parameter. Source: RFC 4861 section 7.3, RFC 826,
//         RFC 1122 2.3.2.1.
// Bounds: at most SL_NEIGH_MAX_HELD packets wait per neighbour (kept by io), 3 s at most. Host
//         entries (learned for clients on a connected network) unused for 10 min are recycled,
//         those that never answered after 10 s (a scan of a /64 must not fill the table); pinned
//         ones (gateways, configured backends) never. A cached index must be checked against the
//         row's address by whoever cached it.
#ifndef SLUICE_CORE_NEIGH_H
#define SLUICE_CORE_NEIGH_H

#include <endian.h>
#include <stdatomic.h>

#include "sluice/types.h"
#include "sluice/units.h"

#define SL_NEIGH_MAX      16384
#define SL_NEIGH_MAX_HELD 3
#define SL_NEIGH_NONE     UINT16_MAX
#define SL_NEIGH_USABLE   (UINT64_C(1) << 48)
#define SL_NEIGH_DIRECT   (UINT64_C(1) << 49) // usable, and the port needs no care (links.h)

enum sl_neigh_state {
	SL_NEIGH_FREE,
	SL_NEIGH_INCOMPLETE,
	SL_NEIGH_REACHABLE,
	SL_NEIGH_STALE,
	SL_NEIGH_PROBE,
	SL_NEIGH_FAILED
};

struct sl_neigh {
	_Atomic uint64_t mac_word; // workers read (acquire)
	struct sl_ip address;      // written before the index is given out
	uint16_t port;
	uint8_t state;
	uint8_t n_asked;
	bool is_pinned;
	bool is_gateway;       // set before workers run: speaks for others, never given away
	_Atomic uint32_t used; // a worker stores 1 when it resolves through here; main clears
	uint64_t changed_ns, asked_ns, used_ns;
};

struct sl_neigh_table {
	struct sl_neigh *rows; // caller's, SL_NEIGH_MAX
	// Caller's, SL_NEIGH_INDEX_SLOTS: open addressing by address and port; main writes, workers
	// read.
	_Atomic uint32_t *index;
	uint32_t n_rows;        // rows ever used; the rest of the array was never touched
	uint32_t n_free;        // of those, free again
	uint64_t careful_ports; // a bit each; set before workers run
	uint32_t cursor;        // where the search for a free row goes on
	uint64_t seed;
};
#define SL_NEIGH_INDEX_SLOTS (4 * SL_NEIGH_MAX)

// What the main core must do next for a row.
enum sl_neigh_action {
	SL_NEIGH_NOTHING,
	SL_NEIGH_ASK_BROADCAST, // ARP request or multicast NS
	SL_NEIGH_ASK_UNICAST,   // to the MAC we have
	SL_NEIGH_GIVE_UP,       // became FAILED: drop what is held
};

void sl_neigh_init(struct sl_neigh_table *nt, struct sl_neigh *rows, _Atomic uint32_t *index,
                   uint64_t seed);

static inline uint64_t sl_neigh_word(const struct sl_neigh *row)
{
	return atomic_load_explicit(&row->mac_word, memory_order_acquire);
}

static inline void sl_neigh_word_mac(uint64_t word, uint8_t mac[6])
{
	uint64_t word_be = htobe64(word << 16);

	memcpy(mac, &word_be, 6);
}

// Row for (address, port), made INCOMPLETE if new; the first question is asked by the next
// sl_neigh_tick of the row. SL_NEIGH_NONE when full. Wanting counts as use.
uint16_t sl_neigh_want(struct sl_neigh_table *nt, const struct sl_ip *address, uint16_t port,
                       bool is_pinned, uint64_t now_ns);

// The row is a static route's next hop: pinned, and right for whoever caches its number.
void sl_neigh_make_gateway(struct sl_neigh_table *nt, uint16_t row);

// Nobody configures it any more; it is forgotten like a host from now on. Gateways stay.
void sl_neigh_unpin(struct sl_neigh_table *nt, uint16_t row, uint64_t now_ns);

// Read-only: safe from workers. SL_NEIGH_NONE when unknown.
uint16_t sl_neigh_find(const struct sl_neigh_table *nt, const struct sl_ip *address, uint16_t port);

// An ARP reply/NA (is_solicited) or request/NS (gratuitous or not) told us this mapping. Creates
// nothing: only rows already wanted learn. Returns the row that became usable or changed MAC, else
// SL_NEIGH_NONE.
uint16_t sl_neigh_learn(struct sl_neigh_table *nt, const struct sl_ip *address, uint16_t port,
                        const uint8_t mac[6], bool is_solicited, uint64_t now_ns);

// Timers of one row; call for each row at least every 200 ms (io walks a part per loop).
enum sl_neigh_action sl_neigh_tick(struct sl_neigh_table *nt, uint16_t row, uint64_t now_ns);

#endif
