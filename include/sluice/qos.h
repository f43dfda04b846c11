// SPDX-License-Identifier: Apache-2.0
// Queues of a port with a rate. One list: the scheduler, the statistics, the configuration and the
// words on the command line cannot disagree. In order of priority: the first two go before all
// others.
#ifndef SLUICE_QOS_H
#define SLUICE_QOS_H

#include <stdint.h>

// X(enum suffix, name, weight among those that share, packets it may hold, what is in it)
#define SL_QOS_LIST(X)                                                                             \
	X(CONTROL, "control", 0, 256, "ARP, ND, answers of our own; RoCE's CNP and CM")            \
	X(INFERENCE, "inference", 0, 1024, "VIPs of class inference")                              \
	X(RDMA, "rdma", 4, 4096, "RoCEv2, UDP port 4791")                                          \
	X(TRAINING, "training", 2, 1024, "VIPs of class training")                                 \
	X(BULK, "bulk", 1, 1024, "VIPs of class training, packets with DSCP 8 or 1")               \
	X(GENERAL, "general", 1, 1024, "everything else")

enum sl_qos_class {
#define SL_QOS_ENUM(id, name, weight, pkts, help) SL_QOS_##id,
	SL_QOS_LIST(SL_QOS_ENUM)
#undef SL_QOS_ENUM
		SL_QOS_COUNT
};

// Borrowed, static; "unknown" for a value outside the list.
static inline const char *sl_qos_name(unsigned int queue)
{
#define SL_QOS_NAME(id, name, weight, pkts, help) name,
	static const char *const names[] = {SL_QOS_LIST(SL_QOS_NAME)};
#undef SL_QOS_NAME
	return queue < SL_QOS_COUNT ? names[queue] : "unknown";
}

#define SL_QOS_AS_IT_IS 255 // dscp, pcp: packets leave with what they came with

#define SL_QOS_RATE_MIN_BPS (UINT64_C(1000) * 1000)
#define SL_QOS_RATE_MAX_BPS (UINT64_C(400) * 1000 * 1000 * 1000)

#endif
