// SPDX-License-Identifier: Apache-2.0
// Types and limits that every part of Sluice shares. No DPDK, no allocation, no I/O.
//
// Addresses: one 16-byte form for both families, network byte order; an IPv4 address is held
//            IPv4-mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so equality is memcmp.
// Protocols: IANA numbers (6 TCP, 17 UDP), as in the IP header.
#ifndef SLUICE_TYPES_H
#define SLUICE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SL_CACHE_LINE_BYTES 64

#define SL_MAX_WORKERS  16
#define SL_MAX_DEVICES  16
#define SL_MAX_PORTS    64 // devices and the VLANs on them; one bit each in a word
#define SL_MAX_ROUTES   256
#define SL_MAX_BACKENDS 16384 // index fits 16 bits with room for markers
#define SL_MAX_VIPS     4096  // wire VIP rows: one per (name, port range)
#define SL_MAX_POOLS    4096
#define SL_MAX_PREFIXES 65536 // of allow and deny lists

#define SL_PERSIST_MAX_S (168 * 3600) // longest persistence
#define SL_NAME_BYTES    64           // with the closing NUL

#define SL_NO_BACKEND UINT16_MAX // "no backend" in a u16 index

#define SL_WEIGHT_ONE_MILLI 1000 // weight_milli of a configured weight of 1
#define SL_WEIGHT_MAX_MILLI (1000u * SL_WEIGHT_ONE_MILLI * 4u) // configured 1000, adaptive x4

struct sl_ip {
	uint8_t bytes[16];
};

enum sl_forward {
	SL_FORWARD_NAT,      // destination rewritten, client address kept
	SL_FORWARD_FULLNAT,  // source becomes a local address and port too
	SL_FORWARD_DSR_L2,   // only the destination MAC changes; replies bypass us
	SL_FORWARD_DSR_IPIP, // inside another IP packet to the backend; replies bypass us
	SL_FORWARD_DSR_GUE,  // the same with UDP and GUE between the two, for routers that hash
	                     // ports
	SL_FORWARD_COUNT
};

// The client's packet reaches the backend as it is, and the backend answers it directly.
static inline bool sl_forward_is_dsr(unsigned int forward)
{
	return forward >= SL_FORWARD_DSR_L2;
}

// The packet travels inside another one, which makes it longer.
static inline bool sl_forward_is_tunnel(unsigned int forward)
{
	return forward >= SL_FORWARD_DSR_IPIP;
}

// The backend may be of the other family than the VIP.
static inline bool sl_forward_crosses_families(unsigned int forward)
{
	return forward == SL_FORWARD_FULLNAT || sl_forward_is_tunnel(forward);
}

// What keeps packets that would not fit after encapsulation from being lost.
enum sl_mtu_guard {
	SL_MTU_GUARD_BOTH,
	SL_MTU_GUARD_CLAMP_MSS, // lower the MSS that a SYN announces
	SL_MTU_GUARD_TOO_BIG,   // tell the sender by ICMP
	SL_MTU_GUARD_COUNT
};

// How the backends of a fullnat pool learn the addresses of TCP clients.
enum sl_client_address {
	SL_CLIENT_ADDRESS_NONE,
	SL_CLIENT_ADDRESS_PROXY_V2, // a header before the first byte of the stream
	SL_CLIENT_ADDRESS_TOA,      // a TCP option in the first packets
	SL_CLIENT_ADDRESS_COUNT
};

#define SL_MTU_DEFAULT_BYTES 1500 // of a port: IP packet, without Ethernet header and VLAN tags
// An IPv6 packet of 1280 bytes, which nobody may refuse, and the longest tunnel header fit.
#define SL_MTU_MIN_BYTES   1332
#define SL_MTU_MAX_BYTES   9000
#define SL_MTU_USUAL_BYTES 1900 // up to here the usual packet buffer holds a frame of any device
// 2 KiB less what the kernel keeps free in an AF_XDP chunk (XDP_PACKET_HEADROOM), Ethernet and
// tags.
#define SL_MTU_AF_XDP_BYTES 1766

enum sl_balance {
	SL_BALANCE_WEIGHTED,          // smooth weighted round-robin
	SL_BALANCE_LEAST_CONNECTIONS, // (flows + 1) / weight, global over workers
	SL_BALANCE_MAGLEV,            // consistent hash of the client endpoint
	SL_BALANCE_ADAPTIVE, // (load of flows by phase + one more's) / weight, global over workers
	SL_BALANCE_COUNT
};

// Which new flows of a VIP are to reach the same backend, whatever the pool's balance.
enum sl_affinity {
	SL_AFFINITY_NONE,     // the pool's balance picks
	SL_AFFINITY_SOURCE,   // by client address, with a bound on the load (pick.h)
	SL_AFFINITY_FLOW,     // by client address and port: maglev
	SL_AFFINITY_QUIC_CID, // by the server in the QUIC connection id, else by a hash (quic.h)
	SL_AFFINITY_COUNT
};

// What a VIP is for, where it shares a port that has a rate (sluice/qos.h).
enum sl_vip_class { SL_VIP_GENERAL, SL_VIP_INFERENCE, SL_VIP_TRAINING, SL_VIP_CLASS_COUNT };

// When a SYN is answered by us, and its flow made only when its sender has proven its address.
enum sl_syn_cookies {
	SL_SYN_COOKIES_OFF,
	SL_SYN_COOKIES_AUTO, // while unconfirmed flows take a quarter of the worker's table
	SL_SYN_COOKIES_ALWAYS,
	SL_SYN_COOKIES_COUNT
};

static inline bool sl_ip_is_v4(const struct sl_ip *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(ip->bytes, mapped, sizeof(mapped)) == 0;
}

static inline bool sl_ip_equal(const struct sl_ip *a, const struct sl_ip *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

// v4_be: the four address bytes as they stand in the packet.
static inline struct sl_ip sl_ip_from_v4(uint32_t v4_be)
{
	struct sl_ip ip = {.bytes = {[10] = 0xff, [11] = 0xff}};

	memcpy(&ip.bytes[12], &v4_be, sizeof(v4_be));
	return ip;
}

static inline uint32_t sl_ip_v4_be(const struct sl_ip *ip)
{
	uint32_t v4_be;

	memcpy(&v4_be, &ip->bytes[12], sizeof(v4_be));
	return v4_be;
}

#endif
