// SPDX-License-Identifier: Apache-2.0
// Traffic class of a frame as it stands on the wire, whatever it was parsed as before: DSCP and ECN
// of its outermost IP header, priority of its outermost tag.
//
// Errors: what is not IP, has no tag or ends too early stays as it is: false.
// Source: RFC 3168 (ECN), RFC 2474 (DSCP), RFC 1624 (checksum), IEEE 802.1Q.
#ifndef SLUICE_CORE_TOS_H
#define SLUICE_CORE_TOS_H

#include "sluice/types.h"

#define SL_ECN_MASK 3
#define SL_ECN_CE   3

// Both octets that hold it, DSCP above ECN. False: not IP.
bool sl_tos_get(const uint8_t *frame, uint32_t n_bytes, uint8_t *tos);

// "Congestion experienced", if its sender knows what that means (ECT). True: it is marked.
bool sl_tos_mark(uint8_t *frame, uint32_t n_bytes);

bool sl_tos_set_dscp(uint8_t *frame, uint32_t n_bytes, uint8_t dscp);
bool sl_tos_set_pcp(uint8_t *frame, uint32_t n_bytes, uint8_t pcp);

#endif
