// SPDX-License-Identifier: Apache-2.0
// One function per capture; captures_list.h has them all.
#ifndef SLUICE_TESTS_CAPTURES_H
#define SLUICE_TESTS_CAPTURES_H

#include "captures_list.h"
#include "lane.h"
#include "script.h"

#define CAPTURE_DECLARE(name, pools, dataplane) void capture_##name(struct script *s);
CAPTURES_LIST(CAPTURE_DECLARE)
#undef CAPTURE_DECLARE

// With seed 1 the first two pools of local ports start at these: that of the TCP and of the UDP
// backend of a capture.
#define FIRST_LOCAL_PORT  15680
#define SECOND_LOCAL_PORT 58240
// And the servers' ports that affinity `source` chooses for the client on the link, of 9001 and
// 9002 without persistence, and of 9021 and 9022 with it.
#define SOURCE_HOME_V4 9002
#define SOURCE_HOME_V6 9002
#define KEPT_HOME_V4   9021
#define KEPT_HOME_V6   9021

#endif
