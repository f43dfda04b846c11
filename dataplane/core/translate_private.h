// SPDX-License-Identifier: Apache-2.0
// Between translate.c and translate_icmp.c.
#ifndef SLUICE_CORE_TRANSLATE_PRIVATE_H
#define SLUICE_CORE_TRANSLATE_PRIVATE_H

#include "translate.h"

#define TRANSLATED (-1)

// What an IP header of either family says.
struct ip_head {
	const struct sl_ip *src, *dst;
	uint8_t class; // DSCP and ECN
	uint8_t ttl;
	uint8_t proto;
	uint16_t l4_bytes; // the length field says
	uint16_t id;       // host order
};

static inline uint8_t ip_head_bytes(bool is_v6)
{
	return is_v6 ? 40 : 20;
}

static inline uint8_t ip_class(const uint8_t *l3, bool is_v6)
{
	return is_v6 ? (uint8_t)(l3[0] << 4 | l3[1] >> 4) : l3[1];
}

void sl_translate_put_head(uint8_t *l3, const struct ip_head *head, bool is_v6);

// One's complement sum of what a pseudo-header has that differs between families: the addresses.
uint16_t sl_translate_sum(const struct sl_ip *src, const struct sl_ip *dst);

// Ports to's are put at l4; returns what that and the new addresses change in a checksum over both.
uint16_t sl_translate_put_ports(uint8_t *l4, const struct sl_tuple *from,
                                const struct sl_tuple *to);

// Puts what stands before l3_off in front of the packet that now begins at byte new_off of the
// frame. false, and no change, without the room.
bool sl_translate_move(struct sl_pkt *pkt, int32_t new_off);

#endif
