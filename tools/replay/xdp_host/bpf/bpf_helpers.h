// SPDX-License-Identifier: Apache-2.0
// Stands in for libbpf's header when the XDP program is compiled for this machine: maps are only
// names here, xdp_rules.c answers lookups in them.
#ifndef SLUICE_XDP_HOST_BPF_HELPERS_H
#define SLUICE_XDP_HOST_BPF_HELPERS_H

#include <linux/types.h>

#define SEC(name)
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value) *name
#define LIBBPF_PIN_BY_NAME  1

// Not inlined: keys of different maps differ in length, and gcc cannot tell the maps apart there.
static __attribute__((noinline)) const void *bpf_map_lookup_elem(const void *map, const void *key);

// Never called: xdp_rules.c asks is_ours(), the socket is not its business.
static inline int bpf_redirect_map(const void *map, __u64 key, __u64 flags)
{
	(void)map;
	(void)key;
	return (int)flags;
}

#endif
