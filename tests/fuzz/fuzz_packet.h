// SPDX-License-Identifier: Apache-2.0
// What holds for every packet the parser accepts.
#ifndef SLUICE_TESTS_FUZZ_PACKET_H
#define SLUICE_TESTS_FUZZ_PACKET_H

#include "pkt.h"

// Everything named lies inside the packet, and the families agree.
void fuzz_require_inside(const struct sl_pkt *pkt);

// Rewrites to the reversed tuple and reads again: the same packet must come out.
void fuzz_require_rewrites(struct sl_pkt *pkt);

#endif
