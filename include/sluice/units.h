// SPDX-License-Identifier: Apache-2.0
// Units of time. Every quantity carries its unit in its name: _ns _us _ms _s.
#ifndef SLUICE_UNITS_H
#define SLUICE_UNITS_H

#include <stdint.h>

#define SL_NS_PER_US UINT64_C(1000)
#define SL_NS_PER_MS (1000 * SL_NS_PER_US)
#define SL_NS_PER_S  (1000 * SL_NS_PER_MS)

#endif
