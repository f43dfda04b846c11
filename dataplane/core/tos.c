// SPDX-License-Identifier: Apache-2.0
#include "tos.h"

#include "csum.h"
#include "layout.h"

#define TCI_OFF_PCP  5 // bits of the first octet
#define TCI_PCP_MASK 0x1f

// The IP header, or NULL. *is_v6 and room for what is written are checked.
static uint8_t *find_ip(uint8_t *frame, uint32_t n_bytes, bool *is_v6)
{
	uint32_t at = SL_ETH_OFF_TYPE;
	uint16_t type = 0;

	for (uint32_t n_vlans = 0; n_vlans <= SL_MAX_VLANS; n_vlans++, at += SL_VLAN_BYTES) {
		if (at + 2 + SL_IPV4_BYTES > n_bytes)
			return NULL;
		type = sl_load16_host(frame + at);
		if (type != SL_ETHERTYPE_VLAN && type != SL_ETHERTYPE_SVLAN)
			break;
	}
	*is_v6 = type == SL_ETHERTYPE_IPV6;
	return *is_v6 || type == SL_ETHERTYPE_IPV4 ? frame + at + 2 : NULL;
}

static uint8_t get(const uint8_t *ip, bool is_v6)
{
	return is_v6 ? (uint8_t)(ip[0] << 4 | ip[1] >> 4) : ip[1];
}

static void set(uint8_t *ip, bool is_v6, uint8_t tos)
{
	const uint16_t old = sl_load16(ip);
	uint16_t delta;

	if (is_v6) {
		ip[0] = (uint8_t)((ip[0] & 0xf0) | tos >> 4);
		ip[1] = (uint8_t)(tos << 4 | (ip[1] & 0x0f));
		return;
	}
	ip[1] = tos;
	delta = sl_csum_delta(0, &old, ip, sizeof(old));
	sl_store16(ip + SL_IPV4_OFF_CSUM, sl_csum_apply(sl_load16(ip + SL_IPV4_OFF_CSUM), delta));
}

bool sl_tos_get(const uint8_t *frame, uint32_t n_bytes, uint8_t *tos)
{
	bool is_v6;
	const uint8_t *ip = find_ip((uint8_t *)frame, n_bytes, &is_v6);

	if (ip != NULL)
		*tos = get(ip, is_v6);
	return ip != NULL;
}

bool sl_tos_mark(uint8_t *frame, uint32_t n_bytes)
{
	bool is_v6;
	uint8_t *ip = find_ip(frame, n_bytes, &is_v6);
	uint8_t tos;

	if (ip == NULL)
		return false;
	tos = get(ip, is_v6);
	if ((tos & SL_ECN_MASK) == 0)
		return false;
	set(ip, is_v6, tos | SL_ECN_CE);
	return true;
}

bool sl_tos_set_dscp(uint8_t *frame, uint32_t n_bytes, uint8_t dscp)
{
	bool is_v6;
	uint8_t *ip = find_ip(frame, n_bytes, &is_v6);

	if (ip != NULL)
		set(ip, is_v6, (uint8_t)(dscp << 2 | (get(ip, is_v6) & SL_ECN_MASK)));
	return ip != NULL;
}

bool sl_tos_set_pcp(uint8_t *frame, uint32_t n_bytes, uint8_t pcp)
{
	uint8_t *tci = frame + SL_ETH_BYTES;
	uint16_t type;

	if (n_bytes < SL_ETH_BYTES + SL_VLAN_BYTES)
		return false;
	type = sl_load16_host(frame + SL_ETH_OFF_TYPE);
	if (type != SL_ETHERTYPE_VLAN && type != SL_ETHERTYPE_SVLAN)
		return false;
	*tci = (uint8_t)(pcp << TCI_OFF_PCP | (*tci & TCI_PCP_MASK));
	return true;
}
