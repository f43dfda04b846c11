// SPDX-License-Identifier: Apache-2.0
// How a probe ended. One list for the enum and the words operators read.
#ifndef SLUICE_CONTROL_PROBE_REASON_H
#define SLUICE_CONTROL_PROBE_REASON_H

#include "sluice/types.h"

#define SL_PROBE_REASON_LIST(X)                                                                    \
	X(OK, "ok", "answered as expected")                                                        \
	X(REFUSED, "refused", "connection refused: nothing listens on that port")                  \
	X(UNREACHABLE, "unreachable", "no route to the host or network")                           \
	X(CONNECT_TIMEOUT, "connect_timeout", "no answer to the connection attempt")               \
	X(TIMEOUT, "timeout", "connected, but no complete answer in time")                         \
	X(RESET, "reset", "connection closed before the answer was complete")                      \
	X(STATUS, "status", "HTTP status other than expected")                                     \
	X(BODY, "body", "body does not contain the expected text")                                 \
	X(TOO_LARGE, "too_large", "answer longer than a probe reads")                              \
	X(PROTOCOL, "protocol", "answer is not valid HTTP or gRPC")                                \
	X(NOT_SERVING, "not_serving", "gRPC health says NOT_SERVING or unknown service")           \
	X(INTERNAL, "internal", "Sluice could not run the probe (descriptors, memory)")

enum sl_probe_reason {
#define SL_PROBE_ENUM(id, name, help) SL_PROBE_##id,
	SL_PROBE_REASON_LIST(SL_PROBE_ENUM)
#undef SL_PROBE_ENUM
		SL_PROBE_REASON_COUNT
};

static inline const char *sl_probe_reason_name(unsigned int reason)
{
#define SL_PROBE_NAME(id, name, help) name,
	static const char *const names[] = {SL_PROBE_REASON_LIST(SL_PROBE_NAME)};
#undef SL_PROBE_NAME
	return reason < SL_PROBE_REASON_COUNT ? names[reason] : "unknown";
}

struct sl_probe_result {
	uint8_t reason;         // enum sl_probe_reason
	uint16_t http_status;   // 0 = none
	uint32_t connect_us;    // 0 = did not connect
	uint32_t first_byte_us; // from the start of the attempt; tcp: = connect_us
	uint32_t total_us;
};

#endif
