// SPDX-License-Identifier: Apache-2.0
// Where the fields of the headers stand, and how they are read: bytes at any alignment, through
// memcpy, which compiles to one plain load or store.
//
// Units:  offsets from the start of their own header. sl_load16 and sl_load32 keep network order
//         (for values named _be), sl_load16_host and sl_load32_host give numbers.
// Source: RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792, RFC 4443, IEEE 802.1Q.
#ifndef SLUICE_CORE_LAYOUT_H
#define SLUICE_CORE_LAYOUT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#define SL_ETH_BYTES        14
#define SL_ETH_OFF_TYPE     12
#define SL_VLAN_BYTES       4
#define SL_MAX_VLANS        2
#define SL_ETHERTYPE_IPV4   0x0800
#define SL_ETHERTYPE_ARP    0x0806
#define SL_ETHERTYPE_IPV6   0x86dd
#define SL_ETHERTYPE_VLAN   0x8100
#define SL_ETHERTYPE_SVLAN  0x88a8
#define SL_IPV4_BYTES       20 // without options
#define SL_IPV4_OFF_TOTAL   2
#define SL_IPV4_OFF_ID      4
#define SL_IPV4_OFF_FRAG    6
#define SL_IPV4_OFF_TTL     8
#define SL_IPV4_OFF_PROTO   9
#define SL_IPV4_OFF_CSUM    10
#define SL_IPV4_OFF_SRC     12
#define SL_IPV4_OFF_DST     16
#define SL_IPV4_FRAG_MASK   0x1fff // offset, in units of 8 bytes
#define SL_IPV4_FRAG_MORE   0x2000
#define SL_IPV6_BYTES       40
#define SL_IPV6_OFF_PAYLOAD 4 // bytes after this header
#define SL_IPV6_OFF_NEXT    6
#define SL_IPV6_OFF_HOPS    7
#define SL_IPV6_OFF_SRC     8
#define SL_IPV6_OFF_DST     24
#define SL_FRAG6_BYTES      8 // the fragment header of IPv6
#define SL_FRAG6_OFF_OFFSET 2
#define SL_FRAG6_OFF_ID     4
#define SL_IPV6_FRAG_MASK   0xfff8
#define SL_IPV6_FRAG_MORE   0x0001
#define SL_FRAG_UNIT_BYTES  8  // of offsets, and of every length but the last
#define SL_TCP_BYTES        20 // without options
#define SL_TCP_OFF_SEQ      4
#define SL_TCP_OFF_ACK      8
#define SL_TCP_OFF_DATA     12 // upper four bits: header length in units of 4 bytes
#define SL_TCP_OFF_FLAGS    13
#define SL_TCP_OFF_CSUM     16
#define SL_UDP_BYTES        8
#define SL_UDP_OFF_LENGTH   4
#define SL_UDP_OFF_CSUM     6
#define SL_ROCE_PORT        4791 // of UDP: RoCEv2, in both directions
#define SL_ICMP_BYTES       8
#define SL_ICMP_OFF_CSUM    2
#define SL_ICMP_OFF_IDENT   4 // echo only
#define SL_QUOTE_L4_BYTES   8 // what an ICMP error quotes of the transport at least (RFC 792)

static inline uint16_t sl_load16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint32_t sl_load32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint16_t sl_load16_host(const uint8_t *at)
{
	return ntohs(sl_load16(at));
}

static inline uint32_t sl_load32_host(const uint8_t *at)
{
	return ntohl(sl_load32(at));
}

static inline void sl_store16(uint8_t *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

static inline void sl_store16_host(uint8_t *at, uint16_t value)
{
	sl_store16(at, htons(value));
}

static inline void sl_store32_host(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

#endif
