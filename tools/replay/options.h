// SPDX-License-Identifier: Apache-2.0
// The command line of sluice-replay.
#ifndef SLUICE_REPLAY_OPTIONS_H
#define SLUICE_REPLAY_OPTIONS_H

#include "sluice/types.h"

#define OPTIONS_MAX_NEIGHS 4096

struct option_neigh {
	struct sl_ip ip;
	uint8_t mac[6];
};

struct option_mac {
	const char *port_name; // not NUL-terminated: name_bytes long
	size_t name_bytes;
	uint8_t mac[6];
};

struct sl_replay_options {
	const char *pools, *dataplane, *in, *out, *json, *in_port; // borrowed; NULL = not given
	uint64_t seed;
	struct option_neigh neighs[OPTIONS_MAX_NEIGHS];
	uint32_t n_neighs;
	struct option_mac macs[SL_MAX_PORTS];
	uint32_t n_macs;
	struct sl_ip kernel[SL_MAX_PORTS * 8];
	uint32_t n_kernel;
	bool wants_help;
};

extern const char sl_replay_usage[];

// 0, or -EINVAL after telling why on standard error.
int sl_replay_options_parse(struct sl_replay_options *o, int argc, char **argv);

#endif
