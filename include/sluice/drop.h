// SPDX-License-Identifier: Apache-2.0
// Every way a packet can end without being sent. One list: the enum, the names on the command line
// and the help text cannot disagree. A packet is counted in exactly one of them, so that
// received = sent + dropped + held holds at any time.
#ifndef SLUICE_DROP_H
#define SLUICE_DROP_H

// X(enum suffix, name shown to operators, what it means and what to do)
#define SL_DROP_LIST(X)                                                                            \
	X(TRUNCATED, "truncated", "a header runs past the end of the packet")                      \
	X(TOO_LONG, "too_long", "longer than one packet buffer; above the mtu of the port")        \
	X(BAD_HEADER, "bad_header", "a header contradicts itself (version, length, offset)")       \
	X(BAD_CHECKSUM, "bad_checksum", "the port's device found a wrong IP, TCP or UDP checksum") \
	X(BAD_ADDRESS, "bad_address", "source or destination can never be forwarded (martian)")    \
	X(SOURCE_ROUTE, "source_route", "IPv4 source routing or IPv6 type 0 routing header")       \
	X(EXT_HEADERS, "ext_headers", "IPv6 extension header chain longer than the walk allows")   \
	X(FRAGMENT, "fragment", "IP fragment not of TCP or UDP, or where a PROXY header would go") \
	X(FRAGMENT_BAD, "fragment_bad", "IP fragment too small, overlapping or past the end")      \
	X(FRAGMENT_EARLY, "fragment_early", "IP fragment whose first one is not known (any more)") \
	X(FRAGMENT_FAMILY, "fragment_family",                                                      \
	  "IP fragment between IPv4 and IPv6 (fullnat translates whole packets only)")             \
	X(NOT_FOR_US, "not_for_us", "destination MAC is not ours or protocol not handled here")    \
	X(VLAN, "vlan", "tagged for a VLAN that the port does not list under vlans")               \
	X(NO_VIP, "no_vip", "no service has this address, protocol and port")                      \
	X(NO_FLOW, "no_flow", "mid-connection or return packet without a flow")                    \
	X(NO_BACKEND, "no_backend", "the pool has no backend that takes new flows")                \
	X(FLOW_LIMIT, "flow_limit", "every backend of the pool is at limits.flows or new-flows")   \
	X(VIP_LIMIT, "vip_limit", "the VIP is at its limits.flows or limits.new-flows")            \
	X(SOURCE_LIMIT, "source_limit", "the client's prefix is at limits.source-new-flows")       \
	X(DENIED, "denied", "the VIP's allow and deny lists keep this client out")                 \
	X(TABLE_FULL, "table_full", "no room for a flow, and fullnat needs one; raise flows")      \
	X(NO_PORT, "no_port", "no free local port (fullnat), or client port in use there (nat)")   \
	X(HANDSHAKE, "handshake", "out of turn in a handshake by SYN cookie")                      \
	X(NO_LOCAL_ADDRESS, "no_local_address",                                                    \
	  "fullnat and tunnels need a port address of the backend's family")                       \
	X(TOO_BIG, "too_big", "exceeds the port's mtu with its tunnel, IPv6 or PROXY header")      \
	X(NO_HEADROOM, "no_headroom", "no room in the buffer for a tunnel, IPv6 or PROXY header")  \
	X(TTL, "ttl", "TTL or hop limit would reach zero")                                         \
	X(NO_ROUTE, "no_route", "no connected network or route leads to the next hop")             \
	X(NEIGHBOUR, "neighbour", "the next hop did not answer ARP or neighbour discovery")        \
	X(ICMP_NO_FLOW, "icmp_no_flow", "ICMP error about a flow we do not have")                  \
	X(ICMP_FAMILY, "icmp_family", "ICMP error without a counterpart in the other IP version")  \
	X(HANDOFF_FULL, "handoff_full", "ring to the worker that owns the flow is full")           \
	X(SLOW_FULL, "slow_full", "ring to the main core (ARP, ND, echo) is full")                 \
	X(TX_FULL, "tx_full", "the port's transmit queue is full")                                 \
	X(QUEUE_CONTROL, "queue_control", "queue of the port's rate is full: ARP, ND, our own")    \
	X(QUEUE_INFERENCE, "queue_inference", "queue of the port's rate is full: inference")       \
	X(QUEUE_RDMA, "queue_rdma", "queue of the port's rate is full: RoCE; raise rate")          \
	X(QUEUE_TRAINING, "queue_training", "queue of the port's rate is full: training")          \
	X(QUEUE_BULK, "queue_bulk", "queue of the port's rate is full: checkpoints and the like")  \
	X(QUEUE_GENERAL, "queue_general", "queue of the port's rate is full: everything else")     \
	X(CONSUMED, "consumed", "addressed to Sluice itself and answered or learned from")

enum sl_drop {
#define SL_DROP_ENUM(id, name, help) SL_DROP_##id,
	SL_DROP_LIST(SL_DROP_ENUM)
#undef SL_DROP_ENUM
		SL_DROP_COUNT
};

// Borrowed, static; "unknown" for a value outside the list.
static inline const char *sl_drop_name(unsigned int drop)
{
#define SL_DROP_NAME(id, name, help) name,
	static const char *const names[] = {SL_DROP_LIST(SL_DROP_NAME)};
#undef SL_DROP_NAME
	return drop < SL_DROP_COUNT ? names[drop] : "unknown";
}

static inline const char *sl_drop_help(unsigned int drop)
{
#define SL_DROP_HELP(id, name, help) help,
	static const char *const helps[] = {SL_DROP_LIST(SL_DROP_HELP)};
#undef SL_DROP_HELP
	return drop < SL_DROP_COUNT ? helps[drop] : "unknown";
}

#endif
