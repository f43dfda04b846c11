// SPDX-License-Identifier: Apache-2.0
// Flow table: which backend a connection is pinned to and how its packets are rewritten.
//
// Shape:   one region handed in by the caller, pointer-free inside (indices only), with a versioned
//          header so that a restarted process can adopt it. Index: 2^n buckets of one 64-byte line
//          (8 tags of 16 bits, 8 entry references), two candidate buckets per tuple; a reference is
//          entry index and direction, so both directions of a connection find one 64-byte entry.
//          IPv6 flows use a second 64-byte line (struct sl_flow_v6) from a pool of equal count.
// Hash:    SipHash-1-3, for IPv4 of 16 bytes (addresses, ports, protocol; eight packets at once in
//          vector lanes), for IPv6 of the 40-byte tuple; the key is the caller's random.
// Units:   now is in ticks of SL_FLOW_TICK_NS of CLOCK_MONOTONIC, 32 bits, wrapping.
// Expiry:  last_seen is all a packet writes; a timer wheel re-checks and re-arms (lazily), at most
//          budget entries per call. A flow that closes is moved to its near deadline at once.
// Full:    an insert without a free entry evicts the unconfirmed flow that came first, one without
//          a free way in either bucket the unconfirmed flows of those buckets beyond a quarter (the
//          oldest); confirmed ones are never evicted, and without another the insert fails. With U
//          entries that are not confirmed flows, a handshake so has U / (new flows per second): of
//          the 1 M entries of a worker half a second at 2 M SYN/s. Evicted flows are reported
//          through gone.
// Errors:  NULL or false; never logs, never allocates.   Thread: single writer, its worker.
// Source:  RFC 5382, RFC 4787, RFC 7857 for idle times.
#ifndef SLUICE_CORE_FLOW_H
#define SLUICE_CORE_FLOW_H

#include "hash.h"
#include "pkt.h"
#include "sluice/units.h"
#include "tcp.h"

#define SL_FLOW_TICK_NS (250 * SL_NS_PER_MS)
#define SL_FLOW_NONE    UINT32_MAX

enum sl_flow_flag {
	SL_FLOW_IS_V6 = 1,      // addresses are in the v6 line: client or backend has an IPv6 one
	SL_FLOW_IS_DSR = 2,     // no s2c tuple in the index
	SL_FLOW_IS_FULLNAT = 4, // local address and port are ours
	SL_FLOW_IS_IPIP = 8,    // with IS_DSR: packets travel inside others, and
	SL_FLOW_IS_GUE = 16,    // the backend may be of the other family
	SL_FLOW_IS_TUNNEL = SL_FLOW_IS_IPIP | SL_FLOW_IS_GUE,
	SL_FLOW_IS_TRANSLATED = 8, // with IS_FULLNAT: the backend is of the other family
	// TCP packets go through sl_forward_splice: the ends count differently (s2c_delta, and the
	// header in splice), or the connection is at its start and its options are looked at.
	SL_FLOW_IS_SPLICED = 32,
	SL_FLOW_IS_MEASURED = 64, // its phases are followed (measure.h)
	SL_FLOW_USED = 128,       // entry is allocated
};

// How the client's stream differs from the one the backend reads, in struct sl_flow's splice.
enum sl_flow_splice {
	SL_SPLICE_WORDS = 15, // length of the header before it, in units of 4 bytes
	SL_SPLICE_TOA = 16,   // the client's address is told in options, until HAS_PEER
	SL_SPLICE_DELTA = 32, // s2c_delta holds; else that field is anybody's
	// How far it has come: not at all, or the header
	SL_SPLICE_SENT = 64,      // was sent, and the backend has not asked for it since;
	SL_SPLICE_HAS_PEER = 128, // the backend has the connection, and the header;
	SL_SPLICE_SETTLED = 192,  // no packet is about the start of the stream any more.
	SL_SPLICE_PROGRESS = 192,
};

// Addresses are 0 here and in the v6 line for IPv6. Ports and addresses as in packets.
struct sl_flow {
	// By direction: source and destination as that direction arrives here.
	uint32_t client_be, vip_be, backend_be, local_be;
	uint16_t client_port_be, vip_port_be, backend_port_be, local_port_be;
	uint8_t proto;
	uint8_t state;               // enum sl_flow_state
	uint8_t flags;               // enum sl_flow_flag
	uint8_t splice;              // enum sl_flow_splice, with SL_FLOW_IS_SPLICED
	uint16_t backend;            // index in the snapshot
	uint16_t backend_generation; // low 16 bits; differs: the backend was removed
	uint16_t vip;                // slot
	uint16_t client_hop;         // cached next hop towards the client; checked by forward.c
	uint32_t last_seen;          // tick
	uint32_t idle_ticks;         // of the open state, from the pool
	uint32_t wheel_next, wheel_prev;
	uint32_t wheel_due; // tick at which the wheel looks; its slot is the low bits
	uint32_t syn_seq;
	union {
		uint32_t n_udp_pkts;  // c2s, until it is confirmed
		uint32_t s2c_delta;   // TCP, SPLICE_DELTA: what the client counts less what the
		                      // backend
		uint32_t picked_tick; // direct return, PICKED: since when
		uint32_t heard_ack;   // TCP, neither: what a client acknowledges that has heard the
		                      // backend; then 0, or 1 if it did not (forward_persist.c)
	};
};
_Static_assert(sizeof(struct sl_flow) == 64, "one line");
_Static_assert(offsetof(struct sl_flow, backend_be) == 8 &&
                       offsetof(struct sl_flow, client_port_be) == 16,
               "sl_flow_pair_v4 counts on it");

struct sl_flow_v6 {
	struct sl_ip client, vip, local, backend;
};
_Static_assert(sizeof(struct sl_flow_v6) == 64, "one line");

struct sl_flow_table; // header of the region

struct sl_flow_params {
	uint32_t n_flows; // capacity, entries
	struct sl_hash_key key;
	uint32_t now;
};

// Everything needed to create one. Of s2c only src (the backend) counts under DSR. For nat and
// fullnat it is the tuple of a packet from the backend: src backend, dst client (nat) or local
// (fullnat).
struct sl_flow_new {
	struct sl_tuple c2s;
	struct sl_tuple s2c;
	uint8_t flags;
	uint16_t backend, backend_generation, vip;
	uint32_t idle_ticks;
	uint32_t syn_seq;
};

typedef void (*sl_flow_gone_fn)(void *ctx, const struct sl_flow *flow, bool is_eviction);

size_t sl_flow_table_bytes(uint32_t n_flows);

// mem: 64-byte aligned, zeroed, sl_flow_table_bytes long. gone is called for every flow that leaves
// by expiry, eviction or removal, before its entry is reused. NULL if params are impossible.
struct sl_flow_table *sl_flow_table_init(void *mem, size_t mem_bytes,
                                         const struct sl_flow_params *params);
void sl_flow_table_on_gone(struct sl_flow_table *ft, sl_flow_gone_fn gone, void *ctx);

uint64_t sl_flow_hash(const struct sl_flow_table *ft, const struct sl_tuple *tuple);

// The flow with this tuple, or NULL; *dir says which of its two tuples matched.
struct sl_flow *sl_flow_find(struct sl_flow_table *ft, const struct sl_tuple *tuple, uint64_t hash,
                             enum sl_dir *dir);

// The flows of up to SL_FLOW_BURST packets, looked for together so that they wait for memory
// together, in three steps: each asks for the memory that the next one reads, so the more is done
// in between, the less is waited. Flows may come and go meanwhile. The last step is
// sl_flow_search_take (flow_search.h).
#define SL_FLOW_BURST 8 // as many as are hashed at once

struct sl_flow_search {
	struct sl_hash_pairs keys; // of IPv4 packets; of others they mean nothing
	uint64_t hashes[SL_FLOW_BURST];
	uint32_t refs[SL_FLOW_BURST]; // the most likely reference
	uint32_t changes;             // sl_flow_changes at the guess
	bool has_v6;
};

// Fills each packet's hash.
void sl_flow_search_start(const struct sl_flow_table *ft, struct sl_pkt *const *pkts,
                          uint32_t n_pkts, struct sl_flow_search *search);
void sl_flow_search_guess(const struct sl_flow_table *ft, uint32_t n_pkts,
                          struct sl_flow_search *search);

// Counts flows that came or went, wrapping.
uint32_t sl_flow_changes(const struct sl_flow_table *ft);

// NULL when full, or when either tuple is in the table already. State is SL_FLOW_NEW, last_seen
// now.
struct sl_flow *sl_flow_add(struct sl_flow_table *ft, const struct sl_flow_new *flow, uint32_t now);

void sl_flow_remove(struct sl_flow_table *ft, struct sl_flow *flow);

// Set the state; when the new state's timeout ends before the wheel would look, re-arm now.
void sl_flow_set_state(struct sl_flow_table *ft, struct sl_flow *flow, uint8_t state, uint32_t now);

// Timeout in ticks of a flow in its present state.
uint32_t sl_flow_timeout_ticks(const struct sl_flow *flow);

// Advance the wheel to now; look at no more than budget entries. Returns the number removed.
uint32_t sl_flow_expire(struct sl_flow_table *ft, uint32_t now, uint32_t budget);

uint32_t sl_flow_count(const struct sl_flow_table *ft);
uint32_t sl_flow_unconfirmed(const struct sl_flow_table *ft);
uint32_t sl_flow_capacity(const struct sl_flow_table *ft);

// The four tuples of a flow, for rewriting and display. Under DSR packets are not rewritten, and
// the tuples on the backend's side name the backend instead of the VIP. as the client sends it; as
// the backend receives it; as the backend sends it; as the client receives it
struct sl_tuple sl_flow_tuple_from_client(const struct sl_flow_table *ft,
                                          const struct sl_flow *flow);
struct sl_tuple sl_flow_tuple_to_backend(const struct sl_flow_table *ft,
                                         const struct sl_flow *flow);
struct sl_tuple sl_flow_tuple_from_backend(const struct sl_flow_table *ft,
                                           const struct sl_flow *flow);
struct sl_tuple sl_flow_tuple_to_client(const struct sl_flow_table *ft, const struct sl_flow *flow);

// IPv4: source and destination (and their ports) side by side in packet order, of packets that
// arrive in this direction.
struct sl_pair_v4 {
	uint64_t addresses_be;
	uint32_t ports_be;
};

static inline struct sl_pair_v4 sl_flow_pair_v4(const struct sl_flow *flow, enum sl_dir dir)
{
	const uint8_t *at = (const uint8_t *)flow;
	struct sl_pair_v4 pair;

	memcpy(&pair.addresses_be, at + 8 * dir, sizeof(pair.addresses_be));
	memcpy(&pair.ports_be, at + 16 + 4 * dir, sizeof(pair.ports_be));
	return pair;
}

// The same as they leave: what would arrive the other way, with source and destination exchanged.
static inline struct sl_pair_v4 sl_flow_pair_out_v4(const struct sl_flow *flow, enum sl_dir dir)
{
	struct sl_pair_v4 pair = sl_flow_pair_v4(flow, dir == SL_DIR_C2S ? SL_DIR_S2C : SL_DIR_C2S);

	pair.addresses_be = pair.addresses_be << 32 | pair.addresses_be >> 32;
	pair.ports_be = pair.ports_be << 16 | pair.ports_be >> 16;
	return pair;
}

// Structural self-check for tests: counts, lists, index <-> entries. true if sound.
bool sl_flow_table_is_sound(const struct sl_flow_table *ft);

#endif
